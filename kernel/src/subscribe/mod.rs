//! Messages of the network: taken from three sides, checked, and given to the programs that wait for them.
//!
//! A message comes by `POST /message` ([`Messages`]), or from the configured message node by polling or by
//! its WebSocket ([`crate::message_node`]). Whichever way it comes, [`Subscriber::offer`] does the same:
//!
//! 1. Programs whose `on.message` matches are looked up
//!    ([`subscription`](crate::aleph::trigger::subscription)). From the message node nothing further is done
//!    with messages that match none.
//! 2. The message is verified: the item hash covers the content, the sender signed the item hash, the sender
//!    may speak for the content's address, and the content's time is not ahead of the clock. A message node
//!    is trusted with none of this, only with telling what there is.
//! 3. It goes into the queue of each matching program that has not seen it. There is one run of a program for
//!    a message at a time, in the order in which messages came.
//!
//! # Once
//!
//! A program runs once for an item hash, whichever ways the message comes and however often.
//! What was seen is known by item hash and *content* time ([`Seen`](crate::aleph::trigger::Seen)); the time
//! of the envelope is not signed. With a volume it stays known over power-off: see [`log`](self::log).
//!
//! A message is noted as seen, and that is flushed, **before** its run begins. So when the machine stops
//! within a run, that run is lost and never repeated: what programs do, such as sending to others, cannot
//! be undone, and a program that is told twice cannot know. What waited in a queue at that moment is not
//! noted: the message node is asked for it again after the start; what was posted has to be posted
//! again. When the note cannot be made (the disk fails), the program runs nevertheless.
//!
//! A run for which there is no room ([`Failure::Busy`](crate::aleph::trigger::Failure::Busy)) is tried again
//! until there is; one that fails otherwise is over.
//!
//! # Bounds
//!
//! A queue holds [`MAX_QUEUED_MESSAGES`]; all of them together so many bytes as one in
//! [`QUEUED_MESSAGES_PART`](crate::limits::QUEUED_MESSAGES_PART) of the heap. When one is full,
//! polling and the WebSocket wait, and whoever posts gets status 503.

mod accepted;
mod answer;
mod lane;
pub mod log;
mod page;
#[cfg(test)]
pub(crate) mod tests;
mod verify;
mod web;

use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt;

use ::log::info;

use crate::aleph::item_hash::ItemHash;
use crate::aleph::message::{Message, Type};
use crate::aleph::trigger::{event, subscription};
use crate::config::AlephConfig;
use crate::executor::{Executor, Signal};
use crate::limits::{MAX_MESSAGE_HEAP_PART, MIN_MESSAGE_BYTES, QUEUED_MESSAGES_PART};
use crate::machine::Machine;
use crate::message_node::{Install, MessageNode};
use crate::metrics::Counter;
use crate::runnable::Runnables;
use crate::store::Store;
use lane::{Lane, Queued};

pub use accepted::Accepted;
pub use verify::Refused;
pub use web::Messages;

/// Which way a message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// Somebody posted it to the node.
    Posted,
    /// The message node was asked what is new.
    Polled,
    /// It came over the message node's WebSocket.
    Followed,
}

impl Origin {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Posted, Self::Polled, Self::Followed];

    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Posted => "posted",
            Self::Polled => "polled",
            Self::Followed => "followed",
        }
    }

    fn index(self) -> usize {
        match self {
            Self::Posted => 0,
            Self::Polled => 1,
            Self::Followed => 2,
        }
    }
}

/// What became of messages.
#[derive(Debug, Default)]
pub struct MessageCounts {
    offered: [Counter; 3],
    /// Messages that match no program.
    pub unmatched: Counter,
    /// Messages that are refused: malformed, not signed by their sender, not permitted.
    pub refused: Counter,
    /// Times that a program was not run because it had been before, for the same message.
    pub repeated: Counter,
    /// Runs that ended well.
    pub done: Counter,
    /// Runs that failed.
    pub failed: Counter,
    /// Runs that were put off because there was no room.
    pub put_off: Counter,
    /// Messages that were posted and turned away because a queue was full.
    pub shed: Counter,
    /// Notes in the store that could not be made.
    pub not_kept: Counter,
}

impl MessageCounts {
    /// Messages that came this way.
    #[must_use]
    pub fn offered(&self, origin: Origin) -> u64 {
        self.offered.get(origin.index()).map_or(0, Counter::get)
    }

    pub(crate) fn offer(&self, origin: Origin) {
        if let Some(counter) = self.offered.get(origin.index()) {
            counter.add(1);
        }
    }
}

/// What a message that was taken started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Programs that run for it.
    pub programs: Vec<ItemHash>,
    /// Programs that it matches, and that have been run for it before.
    pub repeated: Vec<ItemHash>,
}

/// What a subscriber works with.
pub struct Parts {
    /// The programs.
    pub programs: Rc<dyn Runnables>,
    /// Where it is noted which messages were seen.
    pub store: Rc<dyn Store>,
    /// Clock and memory.
    pub machine: Rc<dyn Machine>,
    /// Runs the tasks.
    pub executor: Executor,
    /// The message node, if one is configured: for permissions, and content that is kept elsewhere.
    pub node: Option<Rc<dyn MessageNode>>,
    /// Installs PROGRAM messages that were posted.
    pub install: Option<Rc<dyn Install>>,
    /// What may be posted.
    pub config: AlephConfig,
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts").field("config", &self.config).finish_non_exhaustive()
    }
}

/// Gives messages to programs.
pub struct Subscriber {
    parts: Parts,
    lanes: RefCell<BTreeMap<ItemHash, Rc<Lane>>>,
    accepted: RefCell<Accepted>,
    counts: Rc<MessageCounts>,
    /// Bytes in all queues.
    budget: Rc<lane::Budget>,
}

impl Subscriber {
    /// A subscriber, which keeps its queues going by tasks of the executor.
    #[must_use]
    pub fn new(parts: Parts) -> Rc<Self> {
        let heap = heap_bytes(&*parts.machine);
        Rc::new(Self {
            lanes: RefCell::default(),
            accepted: RefCell::new(Accepted::within(heap)),
            counts: Rc::default(),
            budget: Rc::new(lane::Budget::new(heap / QUEUED_MESSAGES_PART)),
            parts,
        })
    }

    /// What is counted.
    #[must_use]
    pub fn counts(&self) -> Rc<MessageCounts> {
        self.counts.clone()
    }

    /// The longest message that is read, as JSON text.
    #[must_use]
    pub fn message_bytes(&self) -> usize {
        message_bytes(&*self.parts.machine)
    }

    /// Messages that wait in queues, and runs that are under way.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.lanes.borrow().values().map(|lane| lane.pending()).sum()
    }

    /// The time, in seconds since 1970, of the earliest message whose run has not ended.
    #[must_use]
    pub fn earliest_pending(&self) -> Option<f64> {
        let lanes = self.lanes.borrow();
        lanes.values().filter_map(|lane| lane.earliest()).min_by(f64::total_cmp)
    }

    /// Whether any program waits for messages.
    #[must_use]
    pub fn has_subscriptions(&self) -> bool {
        let all = self.parts.programs.all();
        all.iter().any(|runnable| !runnable.program().triggers.messages.is_empty())
    }

    /// Is given whenever there are other programs.
    #[must_use]
    pub fn changes(&self) -> Signal {
        self.parts.programs.changes()
    }

    /// Takes a message of the message node; waits while queues are full. One that nobody waits for is
    /// passed over unverified.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn offer(&self, message: Message, origin: Origin) -> Result<Taken, Refused> {
        self.counts.offer(origin);
        let lanes = self.lanes();
        if !lanes.iter().any(|lane| lane.may_match(&message)) {
            self.counts.unmatched.add(1);
            return Ok(Taken::default());
        }
        let message =
            self.with_content(message).await.inspect_err(|_| self.counts.refused.add(1))?;
        let matching = self.matching(&lanes, &message).await;
        if matching.is_empty() {
            self.counts.unmatched.add(1);
            return Ok(Taken::default());
        }
        let queued = self.queued(&message).inspect_err(|_| self.counts.refused.add(1))?;
        let has_seen = |lane: &Rc<Lane>| lane.has_seen(message.item_hash(), queued.time_ms);
        if matching.iter().all(has_seen) {
            // No need to verify what nobody will run for.
            return Ok(self.enqueue(&matching, &queued));
        }
        self.verify(&message).await.inspect_err(|_| self.counts.refused.add(1))?;
        for lane in &matching {
            lane.wait_for_room(queued.bytes()).await;
        }
        Ok(self.enqueue(&matching, &queued))
    }

    /// Takes a message that somebody posts. It is verified and kept for a while, also if nobody waits for it.
    ///
    /// # Errors
    /// [`Refused`]; [`Refused::Busy`] if a program waits for it whose queue is full.
    pub async fn take_posted(&self, message: Message) -> Result<Taken, Refused> {
        self.counts.offer(Origin::Posted);
        let taken = self.try_posted(message).await;
        match &taken {
            Err(Refused::Busy) => self.counts.shed.add(1),
            Err(_) => self.counts.refused.add(1),
            Ok(_) => {}
        }
        taken
    }

    async fn try_posted(&self, message: Message) -> Result<Taken, Refused> {
        let message = self.with_content(message).await?;
        self.verify(&message).await?;
        let matching = self.matching(&self.lanes(), &message).await;
        let queued = self.queued(&message)?;
        let time = queued.time_ms;
        let is_new = |lane: &&Rc<Lane>| !lane.has_seen(message.item_hash(), time);
        // From here to the queues nothing waits, so that what has room now has it then.
        if matching.iter().filter(is_new).any(|lane| !lane.has_room(queued.bytes())) {
            return Err(Refused::Busy);
        }
        let taken = self.enqueue(&matching, &queued);
        if taken.programs.is_empty() {
            self.counts.unmatched.add(u64::from(taken.repeated.is_empty()));
        }
        self.accepted.borrow_mut().insert(&message);
        match message.kind() {
            Type::Program => self.install(&message),
            Type::Forget => self.forget(&message).await,
            _ => {}
        }
        Ok(taken)
    }

    /// Installs a program that was posted, if its owner's are.
    fn install(&self, message: &Message) {
        if let Some((install, _)) = self.installer_for(message) {
            info!(target: "aleph", "program {} was posted and is allowed", message.item_hash());
            install.install(message.clone());
        }
    }

    /// Takes back what a FORGET names, if programs of its owner are installed.
    async fn forget(&self, message: &Message) {
        let Some((install, owner)) = self.installer_for(message) else { return };
        let hashes = message.content().and_then(|content| content.get("hashes")?.as_array());
        let hashes = hashes.into_iter().flatten().filter_map(|hash| hash.as_str()?.parse().ok());
        let hashes: Vec<ItemHash> = hashes.collect();
        install.forget(&hashes, owner).await;
    }

    /// What installs programs of a message's owner, if that is allowed, and the owner.
    fn installer_for<'a>(&'a self, message: &'a Message) -> Option<(&'a dyn Install, &'a str)> {
        let owner = message.content()?.get("address")?.as_str()?;
        let install = self.parts.install.as_deref()?;
        self.parts.config.may_install(owner).then_some((install, owner))
    }

    fn queued(&self, message: &Message) -> Result<Queued, Refused> {
        Ok(Queued {
            item_hash: message.item_hash().clone(),
            time_ms: verify::time_ms(message).ok_or(Refused::NoTime)?,
            published: message.time(),
            body: Arc::from(event::body(message)),
        })
    }

    /// Puts a message into the queues of those that have not seen it.
    fn enqueue(&self, matching: &[Rc<Lane>], queued: &Queued) -> Taken {
        let mut taken = Taken::default();
        for lane in matching {
            if lane.enqueue(queued) {
                taken.programs.push(lane.id().clone());
            } else {
                self.counts.repeated.add(1);
                taken.repeated.push(lane.id().clone());
            }
        }
        taken
    }

    /// The lanes of programs whose subscriptions a message matches, each ready to say what it has seen.
    async fn matching(&self, lanes: &[Rc<Lane>], message: &Message) -> Vec<Rc<Lane>> {
        let matches = |lane: &&Rc<Lane>| {
            subscription::first_match(&lane.program().triggers.messages, message).is_some()
        };
        let matching: Vec<Rc<Lane>> = lanes.iter().filter(matches).cloned().collect();
        for lane in &matching {
            lane.wait_ready().await;
        }
        matching
    }

    /// The lanes of the programs that there are now.
    fn lanes(&self) -> Vec<Rc<Lane>> {
        let all = self.parts.programs.all();
        let mut lanes = self.lanes.borrow_mut();
        lanes.retain(|_, lane| {
            // One that was taken away and came again has the same name.
            let stays = all.iter().any(|runnable| lane.is_of(runnable));
            if !stays {
                lane.close();
            }
            stays
        });
        for runnable in all {
            let program = runnable.program();
            if program.triggers.messages.is_empty() || lanes.contains_key(&program.id) {
                continue;
            }
            let id = program.id.clone();
            let lane = Lane::new(runnable, self.counts.clone(), self.budget.clone());
            let (store, executor) = (self.parts.store.clone(), self.parts.executor.clone());
            let heap = heap_bytes(&*self.parts.machine);
            self.parts.executor.spawn(lane.clone().serve(store, executor, heap));
            lanes.insert(id, lane);
        }
        lanes.values().cloned().collect()
    }
}

impl fmt::Debug for Subscriber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriber").field("counts", &self.counts).finish_non_exhaustive()
    }
}

/// The longest message that is read on a machine, as JSON text.
#[must_use]
pub fn message_bytes(machine: &dyn Machine) -> usize {
    let part = heap_bytes(machine) / MAX_MESSAGE_HEAP_PART;
    part.clamp(MIN_MESSAGE_BYTES, crate::aleph::limits::MAX_MESSAGE_BYTES)
}

/// All memory that the machine's heap manages; without a bound where it does not say.
fn heap_bytes(machine: &dyn Machine) -> usize {
    match usize::try_from(machine.heap().total) {
        Ok(0) | Err(_) => usize::MAX,
        Ok(total) => total,
    }
}
