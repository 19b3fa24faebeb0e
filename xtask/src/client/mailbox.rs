//! What comes back of one particle, until it is looked at.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Poll, Waker};

/// Data that arrived, oldest first.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    arrived: RefCell<VecDeque<Vec<u8>>>,
    waiting: RefCell<Option<Waker>>,
}

impl Mailbox {
    pub(super) fn put(&self, data: Vec<u8>) {
        self.arrived.borrow_mut().push_back(data);
        if let Some(waker) = self.waiting.take() {
            waker.wake();
        }
    }

    /// Waits for the next. One task at a time may wait.
    pub(super) async fn take(&self) -> Vec<u8> {
        poll_fn(|context| match self.arrived.borrow_mut().pop_front() {
            Some(data) => Poll::Ready(data),
            None => {
                *self.waiting.borrow_mut() = Some(context.waker().clone());
                Poll::Pending
            }
        })
        .await
    }
}
