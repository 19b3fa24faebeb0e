//! The end of a stack: every connection is closed in order, and none comes any more.

use alloc::vec::Vec;
use core::future::poll_fn;
use core::task::{Poll, Waker};

use smoltcp::socket::tcp::{Socket, State};

use super::{Inner, Stack};

/// Whether the end has begun, and who waits for it.
#[derive(Debug, Default)]
pub(super) struct Ending {
    begun: bool,
    waiting: Vec<Waker>,
}

impl Ending {
    pub(super) const fn begun(&self) -> bool {
        self.begun
    }
}

impl Stack {
    /// Ends the sending side of every connection after what was written, as [`crate::Stream::shutdown`]
    /// does, and makes no new ones: nobody is listened to, and connecting fails.
    pub fn close(&self) {
        self.inner().close();
    }

    /// After [`Self::close`]: completes when the peers have acknowledged all that was sent and its end.
    /// How long they take is for the caller to bound.
    pub async fn wait_closed(&self) {
        poll_fn(|context| {
            let mut inner = self.inner();
            if inner.has_ended() {
                return Poll::Ready(());
            }
            if !inner.ending.waiting.iter().any(|waker| waker.will_wake(context.waker())) {
                inner.ending.waiting.push(context.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }
}

impl Inner {
    fn close(&mut self) {
        self.ending.begun = true;
        self.close_listeners();
        self.tcp.change_all(Socket::close);
        self.mark_dirty();
    }

    /// Whether no peer has anything left to acknowledge.
    fn has_ended(&self) -> bool {
        let delivered = |state| {
            matches!(state, State::Closed | State::Listen | State::FinWait2 | State::TimeWait)
        };
        self.ending.begun && self.tcp.iter().all(|socket| delivered(socket.state()))
    }

    pub(super) fn notice_ended(&mut self) {
        if !self.ending.waiting.is_empty() && self.has_ended() {
            self.ending.waiting.drain(..).for_each(Waker::wake);
        }
    }
}
