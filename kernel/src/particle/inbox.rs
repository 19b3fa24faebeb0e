//! Where data from other peers waits for the actor of its particle.

use alloc::collections::VecDeque;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt;
use core::task::{Context, Poll, Waker};

use crate::limits::{MAX_MAIL, MAX_MAIL_BYTES};

/// A bounded queue of particle data; clones are the same queue.
#[derive(Clone, Default)]
pub struct Inbox {
    state: Rc<RefCell<State>>,
}

#[derive(Default)]
struct State {
    mail: VecDeque<Vec<u8>>,
    bytes: usize,
    waiting: Option<Waker>,
}

/// The queue has no room for another mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InboxFull;

impl Inbox {
    /// Adds data to the end of the queue and wakes the actor.
    ///
    /// # Errors
    /// [`InboxFull`] if there are too many already, or too many bytes of them.
    pub fn push(&self, data: Vec<u8>) -> Result<(), InboxFull> {
        let waiting = {
            let mut state = self.state.borrow_mut();
            let bytes = state.bytes.saturating_add(data.len());
            if state.mail.len() >= MAX_MAIL || bytes > MAX_MAIL_BYTES {
                return Err(InboxFull);
            }
            state.bytes = bytes;
            state.mail.push_back(data);
            state.waiting.take()
        };
        if let Some(waker) = waiting {
            waker.wake();
        }
        Ok(())
    }

    /// Takes the oldest data.
    #[must_use]
    pub fn pop(&self) -> Option<Vec<u8>> {
        let mut state = self.state.borrow_mut();
        let data = state.mail.pop_front()?;
        state.bytes = state.bytes.saturating_sub(data.len());
        Some(data)
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.state.borrow().mail.is_empty()
    }

    /// Ready when there is mail; else the task of `context` is woken by the next one.
    pub(super) fn poll_mail(&self, context: &Context<'_>) -> Poll<()> {
        let mut state = self.state.borrow_mut();
        if state.mail.is_empty() {
            state.waiting = Some(context.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(())
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.borrow();
        f.debug_struct("Inbox")
            .field("mail", &state.mail.len())
            .field("bytes", &state.bytes)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn mail_comes_out_in_order_and_is_bounded_by_number() {
        let inbox = Inbox::default();
        for index in 0..MAX_MAIL {
            assert_eq!(inbox.push(vec![u8::try_from(index % 256).unwrap()]), Ok(()));
        }
        assert_eq!(inbox.push(vec![0]), Err(InboxFull));
        assert_eq!(inbox.pop(), Some(vec![0]));
        assert_eq!(inbox.pop(), Some(vec![1]));
        assert_eq!(inbox.push(vec![9]), Ok(()));
        assert!(!inbox.is_empty());
    }

    #[test]
    fn mail_is_bounded_by_bytes() {
        let inbox = Inbox::default();
        assert_eq!(inbox.push(vec![0; MAX_MAIL_BYTES + 1]), Err(InboxFull));
        assert_eq!(inbox.push(vec![0; MAX_MAIL_BYTES]), Ok(()));
        assert_eq!(inbox.push(vec![0]), Err(InboxFull));
        assert_eq!(inbox.pop().map(|data| data.len()), Some(MAX_MAIL_BYTES));
        assert_eq!(inbox.push(vec![0]), Ok(()));
    }
}
