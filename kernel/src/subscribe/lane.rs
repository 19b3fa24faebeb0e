//! One program's queue of messages, and what it has seen.

use alloc::collections::VecDeque;
use alloc::rc::Rc;
use alloc::sync::Arc;
use core::cell::{Cell, RefCell};
use core::time::Duration;

use air_core::value::Value;
use log::{debug, warn};

use super::MessageCounts;
use super::log::SeenLog;
use crate::aleph::item_hash::ItemHash;
use crate::aleph::message::{ItemType, Message};
use crate::aleph::program::Program;
use crate::aleph::trigger::{Failure, event, subscription};
use crate::executor::{Executor, Signal};
use crate::limits::{MAX_MESSAGE_RETRY_MS, MAX_QUEUED_MESSAGES, MIN_MESSAGE_RETRY_MS};
use crate::program::Trigger;
use crate::runnable::Runnable;
use crate::store::Store;

/// A message that waits.
#[derive(Clone, Debug)]
pub(super) struct Queued {
    pub(super) item_hash: ItemHash,
    /// The content's time, in milliseconds since 1970.
    pub(super) time_ms: u64,
    /// The envelope's time, in seconds since 1970.
    pub(super) published: f64,
    /// What the program gets, which all that wait for the message share.
    pub(super) body: Arc<str>,
}

impl Queued {
    pub(super) fn bytes(&self) -> usize {
        self.body.len()
    }

    fn trigger(&self) -> Trigger {
        let Self { item_hash, time_ms, body, .. } = self;
        let scope = event::scope_of(Value::String(body.clone()));
        Trigger::Message { item_hash: item_hash.clone(), time_ms: *time_ms, scope }
    }
}

/// Bytes that all queues may hold.
pub(super) struct Budget {
    most: usize,
    used: Cell<usize>,
    /// Is given whenever there is more room in some queue.
    freed: Signal,
}

impl Budget {
    pub(super) fn new(most: usize) -> Self {
        Self { most, used: Cell::new(0), freed: Signal::new() }
    }

    /// One message has room wherever nothing else waits, however large it is.
    fn has(&self, bytes: usize) -> bool {
        self.used.get() == 0 || self.used.get().saturating_add(bytes) <= self.most
    }

    fn take(&self, bytes: usize) {
        self.used.set(self.used.get().saturating_add(bytes));
    }

    fn give_back(&self, bytes: usize) {
        self.used.set(self.used.get().saturating_sub(bytes));
        self.freed.give();
    }
}

/// A program's queue.
pub(super) struct Lane {
    runnable: Rc<dyn Runnable>,
    counts: Rc<MessageCounts>,
    budget: Rc<Budget>,
    /// Nothing before the store was read.
    log: RefCell<Option<SeenLog>>,
    ready: Signal,
    queue: RefCell<VecDeque<Queued>>,
    arrived: Signal,
    /// When the message was published whose run is under way.
    running: Cell<Option<f64>>,
    closed: Cell<bool>,
}

impl Lane {
    pub(super) fn new(
        runnable: Rc<dyn Runnable>,
        counts: Rc<MessageCounts>,
        budget: Rc<Budget>,
    ) -> Rc<Self> {
        Rc::new(Self {
            runnable,
            counts,
            budget,
            log: RefCell::default(),
            ready: Signal::new(),
            queue: RefCell::default(),
            arrived: Signal::new(),
            running: Cell::default(),
            closed: Cell::default(),
        })
    }

    pub(super) fn program(&self) -> &Program {
        self.runnable.program()
    }

    pub(super) fn is_of(&self, runnable: &Rc<dyn Runnable>) -> bool {
        Rc::ptr_eq(&self.runnable, runnable)
    }

    pub(super) fn id(&self) -> &ItemHash {
        &self.program().id
    }

    /// Whether the program waits for a message, as far as that can be said.
    pub(super) fn may_match(&self, message: &Message) -> bool {
        let subscriptions = &self.program().triggers.messages;
        if message.item_type() == ItemType::Inline {
            return subscription::first_match(subscriptions, message).is_some();
        }
        subscriptions.iter().any(|one| subscription::may_match(one, message))
    }

    /// Waits until it is known what the program has seen.
    pub(super) async fn wait_ready(&self) {
        while self.log.borrow().is_none() {
            self.ready.after(self.ready.count()).await;
        }
    }

    pub(super) fn has_seen(&self, hash: &ItemHash, time_ms: u64) -> bool {
        self.log.borrow().as_ref().is_some_and(|log| log.has(hash, time_ms))
    }

    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.queue.borrow().len() < MAX_QUEUED_MESSAGES && self.budget.has(bytes)
    }

    pub(super) async fn wait_for_room(&self, bytes: usize) {
        while !self.has_room(bytes) && !self.closed.get() {
            self.budget.freed.after(self.budget.freed.count()).await;
        }
    }

    /// Puts a message into the queue, if it is new to the program.
    pub(super) fn enqueue(&self, queued: &Queued) -> bool {
        let mut log = self.log.borrow_mut();
        let is_new = log.as_mut().is_some_and(|log| log.is_new(&queued.item_hash, queued.time_ms));
        if is_new && !self.closed.get() {
            self.budget.take(queued.bytes());
            self.queue.borrow_mut().push_back(queued.clone());
            self.arrived.give();
        }
        is_new
    }

    /// Messages that wait, and the run that is under way.
    pub(super) fn pending(&self) -> usize {
        self.queue.borrow().len() + usize::from(self.running.get().is_some())
    }

    /// When the earliest of them was published.
    pub(super) fn earliest(&self) -> Option<f64> {
        let queue = self.queue.borrow();
        let waiting = queue.iter().map(|queued| queued.published);
        waiting.chain(self.running.get()).min_by(f64::total_cmp)
    }

    /// Ends the queue: the program is gone.
    pub(super) fn close(&self) {
        self.closed.set(true);
        let queue = core::mem::take(&mut *self.queue.borrow_mut());
        for queued in queue {
            self.budget.give_back(queued.bytes());
        }
        self.arrived.give();
        self.budget.freed.give();
    }

    /// Runs the program for one message after the other, until the program is gone.
    pub(super) async fn serve(
        self: Rc<Self>,
        store: Rc<dyn Store>,
        executor: Executor,
        heap_bytes: usize,
    ) {
        let log = SeenLog::open(store, self.id(), heap_bytes).await;
        *self.log.borrow_mut() = Some(log);
        self.ready.give();
        loop {
            let seen = self.arrived.count();
            if self.closed.get() {
                return;
            }
            let next = self.queue.borrow_mut().pop_front();
            let Some(queued) = next else {
                self.arrived.after(seen).await;
                continue;
            };
            self.running.set(Some(queued.published));
            self.note(&queued).await;
            self.run(&queued, &executor).await;
            self.running.set(None);
            self.budget.give_back(queued.bytes());
        }
    }

    /// Notes that the program has seen a message, for the time after a restart.
    async fn note(&self, queued: &Queued) {
        // The lane's task is the only one that writes, so the log can be away meanwhile only for it: others
        // look at what is in memory.
        let write =
            self.log.borrow_mut().as_mut().map(|log| log.note(&queued.item_hash, queued.time_ms));
        let Some(write) = write else { return };
        if let Err(error) = write.await {
            self.counts.not_kept.add(1);
            warn!(target: "aleph", "{}: what it has seen cannot be kept: {error}", self.id());
        }
    }

    async fn run(&self, queued: &Queued, executor: &Executor) {
        let mut pause = MIN_MESSAGE_RETRY_MS;
        while !self.closed.get() {
            match self.runnable.clone().run(queued.trigger()).await {
                Ok(()) => {
                    self.counts.done.add(1);
                    return;
                }
                Err(Failure::Busy) => {
                    self.counts.put_off.add(1);
                    executor.sleep(Duration::from_millis(pause)).await;
                    pause = (pause * 2).min(MAX_MESSAGE_RETRY_MS);
                }
                Err(failure) => {
                    self.counts.failed.add(1);
                    let (id, hash) = (self.id(), &queued.item_hash);
                    debug!(target: "aleph", "{id}: the run for {hash} failed: {failure:?}");
                    return;
                }
            }
        }
    }
}
