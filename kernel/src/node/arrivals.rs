//! Particles that other peers bring: checked, verified, given to their actors.
//!
//! What costs next to nothing is checked at once; the rest, which is a signature and a script to parse
//! at most, is done for one particle at a time, and the peers that bring them take turns.

use alloc::rc::Rc;
use alloc::string::ToString;
use alloc::sync::Arc;
use core::cell::{Cell, OnceCell, RefCell};
use core::fmt;
use core::future::Future;

use log::debug;
use netstack::libp2p::PeerId;
use netstack::libp2p::particle::Message;

use super::Node;
use super::live::{Entry, Place};
use crate::executor::{Slot, yield_now};
use crate::limits::{MAX_ARRIVALS, MAX_ARRIVALS_PER_PEER};
use crate::machine::Instant;
use crate::particle::{
    DropReason, FairQueue, Lifetime, Mail, Particle, ParticleBounds, QueueBounds, Refused, Sender,
    check,
};
use crate::service::Caller;

/// Particles that wait to be looked at.
pub(super) struct Arrivals {
    queue: RefCell<FairQueue<PeerId, Arrival>>,
    /// Whether a task looks at them.
    served: Cell<bool>,
}

struct Arrival {
    from: PeerId,
    message: Message,
    deadline: Instant,
    _done: Done,
}

/// Tells whoever brought the particle that it has been looked at, or dropped.
struct Done(Slot<()>);

impl Drop for Done {
    fn drop(&mut self) {
        self.0.put(());
    }
}

impl Arrivals {
    /// Nothing waits; what does may take so many bytes.
    pub(super) fn new(bytes: usize) -> Self {
        let bounds = QueueBounds {
            lane_items: MAX_ARRIVALS_PER_PEER,
            lane_bytes: bytes / 2,
            items: MAX_ARRIVALS,
            bytes,
        };
        Self { queue: RefCell::new(FairQueue::new(bounds)), served: Cell::new(false) }
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.queue.borrow().len()
    }
}

/// Completes when a particle has been looked at, so that its sender may bring another.
#[derive(Debug)]
pub struct Received(Slot<()>);

impl Received {
    /// Waits until then.
    pub fn settled(self) -> impl Future<Output = ()> {
        self.0.take()
    }
}

impl Node {
    /// Takes a particle that the peer `from` brought. Whether it is run or dropped is not told: only
    /// when it has been looked at.
    pub fn receive(self: &Rc<Self>, from: PeerId, message: Message) -> Received {
        let slot = Slot::new();
        let done = Done(slot.clone());
        self.metrics.arrived.add(1);
        let bounds = ParticleBounds {
            script_bytes: self.allowance.script,
            data_bytes: self.allowance.particle,
            max_ttl_ms: self.config.peers.max_ttl_ms,
            max_clock_skew_ms: self.config.peers.max_clock_skew_ms,
        };
        match check(&message, self.machine.unix_time_ms(), &bounds) {
            Err(reason) => self.dropped(from, &message, reason),
            Ok(left) => {
                let deadline = self.executor.now().after(left);
                let bytes = weight(&message);
                let arrival = Arrival { from, message, deadline, _done: done };
                let gone = self.arrivals.queue.borrow_mut().push(from, arrival, bytes);
                for arrival in gone {
                    self.dropped(arrival.from, &arrival.message, DropReason::QueueFull);
                }
                self.serve_arrivals();
            }
        }
        Received(slot)
    }

    fn dropped(&self, from: PeerId, message: &Message, reason: DropReason) {
        self.metrics.dropped(reason);
        debug!(target: "particle", "{:.64} from {from} dropped: {reason}", message.id);
    }

    /// Sees to it that somebody looks at what arrived.
    fn serve_arrivals(self: &Rc<Self>) {
        if self.arrivals.len() == 0 || self.arrivals.served.replace(true) {
            return;
        }
        let node = self.clone();
        self.executor.spawn(async move {
            loop {
                let next = node.arrivals.queue.borrow_mut().pop();
                let Some((from, mut arrival)) = next else { break };
                if let Err(reason) = node.admit(from, &mut arrival).await {
                    node.dropped(from, &arrival.message, reason);
                }
                drop(arrival);
                yield_now().await;
            }
            node.arrivals.served.set(false);
        });
    }

    /// Gives the particle's data to its actor; to a new one, if there is none and all is in order.
    async fn admit(self: &Rc<Self>, from: PeerId, arrival: &mut Arrival) -> Result<(), DropReason> {
        let Arrival { message, deadline, .. } = arrival;
        if self.executor.now() > *deadline {
            return Err(DropReason::Expired);
        }
        if let Some(entry) = self.live.find(&message.signature) {
            return self.bring(&entry, from, message).await;
        }
        let now_ms = self.machine.unix_time_ms();
        if self.ended.borrow_mut().contains(&message.signature, now_ms) {
            return Err(DropReason::Ended);
        }
        let sender = Sender::Peer(from);
        self.live.has_place(sender, self.executor.now())?;
        if !message.verify() {
            return Err(DropReason::Signature);
        }
        if !self.make_room().await {
            return Err(DropReason::Memory);
        }
        let Ok(script) = self.parse(&message.script) else {
            let expires_ms = message.timestamp.saturating_add(message.ttl.into());
            self.ended.borrow_mut().insert(sender, &message.signature, expires_ms);
            return Err(DropReason::Script);
        };
        let place = self.place(sender)?;
        let init_peer_id: Arc<str> = message.init_peer_id.to_string().into();
        let particle = Particle {
            serial: place.serial(),
            id: message.id.as_str().into(),
            author: message.init_peer_id,
            init_peer_id: init_peer_id.clone(),
            timestamp_ms: message.timestamp,
            ttl_ms: message.ttl,
            script,
            signature: OnceCell::from(message.signature),
            deadline: *deadline,
        };
        let mail = Mail { from: sender, data: core::mem::take(&mut message.data) };
        let caller = Caller { init_peer_id, author: None, run: None };
        self.start(particle, sender, caller, Lifetime::UntilDeadline, Some(mail), place);
        Ok(())
    }

    /// A place for a particle that is fit to run; an idle one has to end for it if all are taken.
    fn place(&self, sender: Sender) -> Result<Place, DropReason> {
        let full = match self.live.place(sender) {
            Err(full) => full,
            free => return free,
        };
        if !self.live.displace(sender, full, self.executor.now()) {
            return Err(full);
        }
        self.metrics.evicted(full);
        self.live.place(sender)
    }

    /// Brings data to a particle that lives already.
    async fn bring(
        &self,
        entry: &Entry,
        from: PeerId,
        message: &mut Message,
    ) -> Result<(), DropReason> {
        let particle = &entry.particle;
        // The signature was verified for this very particle; for another one it cannot be valid.
        let same = *particle.id == *message.id
            && particle.author == message.init_peer_id
            && particle.timestamp_ms == message.timestamp
            && particle.ttl_ms == message.ttl
            && **particle.script.text() == *message.script;
        if !same {
            return Err(DropReason::Signature);
        }
        if !self.make_room().await {
            return Err(DropReason::Memory);
        }
        let mail = Mail { from: Sender::Peer(from), data: core::mem::take(&mut message.data) };
        entry.inbox.push(mail).map_err(|refused| match refused {
            Refused::Full => DropReason::MailFull,
            Refused::Duplicate => DropReason::Duplicate,
            Refused::Closed => DropReason::Ended,
        })
    }
}

/// The memory that a particle takes while it waits.
fn weight(message: &Message) -> usize {
    let texts = message.id.len().saturating_add(message.script.len());
    size_of::<Arrival>().saturating_add(texts).saturating_add(message.data.len())
}

impl fmt::Debug for Arrivals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arrivals").field("waiting", &self.len()).finish_non_exhaustive()
    }
}
