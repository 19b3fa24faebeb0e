//! Where data from other peers waits for the actor of its particle.

use alloc::collections::VecDeque;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt;
use core::task::{Context, Poll, Waker};

use sha2::{Digest, Sha256};

use super::Sender;
use crate::limits::{MAX_MAIL, MAX_MAIL_BYTES, MAX_REMEMBERED_MAIL};

/// Data that came for a particle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Who brought them.
    pub from: Sender,
    /// The data, as the interpreter reads them.
    pub data: Vec<u8>,
}

/// A bounded queue of particle data; clones are the same queue.
#[derive(Clone, Default)]
pub struct Inbox {
    state: Rc<RefCell<State>>,
}

#[derive(Default)]
struct State {
    mail: VecDeque<Mail>,
    bytes: usize,
    /// Hashes of the data that were taken last: merging them again would change nothing.
    taken: VecDeque<[u8; 16]>,
    closed: bool,
    waiting: Option<Waker>,
}

/// Why mail is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// There are too many already, or too many bytes of them.
    Full,
    /// The very same data were taken lately.
    Duplicate,
    /// The actor is to end.
    Closed,
}

impl Inbox {
    /// Adds data to the end of the queue and wakes the actor.
    ///
    /// # Errors
    /// See [`Refused`].
    pub fn push(&self, mail: Mail) -> Result<(), Refused> {
        let waiting = {
            let mut state = self.state.borrow_mut();
            if state.closed {
                return Err(Refused::Closed);
            }
            let bytes = state.bytes.saturating_add(mail.data.len());
            if state.mail.len() >= MAX_MAIL || bytes > MAX_MAIL_BYTES {
                return Err(Refused::Full);
            }
            let hash = hash_of(&mail.data);
            if state.taken.contains(&hash) {
                return Err(Refused::Duplicate);
            }
            if state.taken.len() >= MAX_REMEMBERED_MAIL {
                state.taken.pop_front();
            }
            state.taken.push_back(hash);
            state.bytes = bytes;
            state.mail.push_back(mail);
            state.waiting.take()
        };
        if let Some(waker) = waiting {
            waker.wake();
        }
        Ok(())
    }

    /// Takes the oldest mail.
    #[must_use]
    pub fn pop(&self) -> Option<Mail> {
        let mut state = self.state.borrow_mut();
        let mail = state.mail.pop_front()?;
        state.bytes = state.bytes.saturating_sub(mail.data.len());
        Some(mail)
    }

    /// Who brought the oldest mail.
    #[must_use]
    pub fn next_sender(&self) -> Option<Sender> {
        self.state.borrow().mail.front().map(|mail| mail.from)
    }

    /// Tells the actor to end as soon as it waits for news.
    pub fn close(&self) {
        let waiting = {
            let mut state = self.state.borrow_mut();
            state.closed = true;
            state.waiting.take()
        };
        if let Some(waker) = waiting {
            waker.wake();
        }
    }

    /// Whether the actor is to end.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.state.borrow().closed
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.state.borrow().mail.is_empty()
    }

    /// Ready when there is mail, or the end; else the task of `context` is woken by the next one.
    pub(super) fn poll_mail(&self, context: &Context<'_>) -> Poll<()> {
        let mut state = self.state.borrow_mut();
        if state.mail.is_empty() && !state.closed {
            state.waiting = Some(context.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(())
    }
}

/// The first half of SHA-256, which nobody can make collide.
fn hash_of(data: &[u8]) -> [u8; 16] {
    let hash: [u8; 32] = Sha256::digest(data).into();
    let mut half = [0; 16];
    for (to, from) in half.iter_mut().zip(hash) {
        *to = from;
    }
    half
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.borrow();
        f.debug_struct("Inbox")
            .field("mail", &state.mail.len())
            .field("bytes", &state.bytes)
            .field("closed", &state.closed)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn mail(data: Vec<u8>) -> Mail {
        Mail { from: Sender::Own, data }
    }

    fn number(number: usize) -> Mail {
        mail(number.to_le_bytes().to_vec())
    }

    #[test]
    fn mail_comes_out_in_order_and_is_bounded_by_number() {
        let inbox = Inbox::default();
        for index in 0..MAX_MAIL {
            assert_eq!(inbox.push(number(index)), Ok(()));
        }
        assert_eq!(inbox.push(number(MAX_MAIL)), Err(Refused::Full));
        assert_eq!(inbox.pop(), Some(number(0)));
        assert_eq!(inbox.pop(), Some(number(1)));
        assert_eq!(inbox.push(number(MAX_MAIL)), Ok(()));
        assert!(!inbox.is_empty());
    }

    #[test]
    fn mail_is_bounded_by_bytes() {
        let inbox = Inbox::default();
        assert_eq!(inbox.push(mail(vec![0; MAX_MAIL_BYTES + 1])), Err(Refused::Full));
        assert_eq!(inbox.push(mail(vec![0; MAX_MAIL_BYTES])), Ok(()));
        assert_eq!(inbox.push(mail(vec![0])), Err(Refused::Full));
        assert_eq!(inbox.pop().map(|mail| mail.data.len()), Some(MAX_MAIL_BYTES));
        assert_eq!(inbox.push(mail(vec![0])), Ok(()));
    }

    #[test]
    fn the_same_data_are_taken_once_as_long_as_they_are_remembered() {
        let inbox = Inbox::default();
        let push = |index| {
            let pushed = inbox.push(number(index));
            let _ = inbox.pop();
            pushed
        };
        assert_eq!(push(0), Ok(()));
        assert_eq!(push(0), Err(Refused::Duplicate));
        for index in 1..MAX_REMEMBERED_MAIL {
            assert_eq!(push(index), Ok(()));
        }
        assert_eq!(push(0), Err(Refused::Duplicate), "still remembered");
        assert_eq!(push(MAX_REMEMBERED_MAIL), Ok(()));
        assert_eq!(push(0), Ok(()), "forgotten");
    }

    #[test]
    fn a_closed_inbox_takes_nothing_more() {
        let inbox = Inbox::default();
        inbox.close();
        assert!(inbox.is_closed());
        assert_eq!(inbox.push(number(1)), Err(Refused::Closed));
    }
}
