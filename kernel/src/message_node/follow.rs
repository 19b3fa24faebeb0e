//! Takes new messages from the message node's WebSocket (`/api/ws0/messages`).
//!
//! It brings messages as soon as the message node has them, but none from before the connection. So each new
//! connection asks for a round of [polling](super::poll). A connection over which nothing comes for
//! [`FOLLOW_QUIET_MS`] is made anew, because one whose other end is gone looks like that too.

use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use log::{debug, info};
use netstack::libp2p::swarm::Dial;
use netstack::websocket::{self, Message as Frame, Secrets};

use super::poll::{PollCounts, channels};
use super::{Backoff, random};
use crate::aleph::message::Message;
use crate::config::Origin as Address;
use crate::executor::{Executor, Signal};
use crate::limits::{FOLLOW_QUIET_MS, NODE_CONNECT_MS};
use crate::machine::{Machine, MachineRng};
use crate::subscribe::{Origin, Subscriber};

/// What following works with.
pub struct Follow<N> {
    /// The network.
    pub network: N,
    /// Where the message node is.
    pub address: Address,
    /// Who gets the messages.
    pub subscriber: Rc<Subscriber>,
    /// Randomness.
    pub machine: Rc<dyn Machine>,
    /// Timers.
    pub executor: Executor,
    /// Only these channels; none: all.
    pub channels: Vec<String>,
    /// Asks the poller for a round.
    pub poke: Signal,
    /// What is counted.
    pub counts: Rc<PollCounts>,
}

/// Why a connection ended.
enum Ended {
    /// It could not be made.
    Unreachable,
    /// It was there, and is no more.
    Lost,
}

impl<N: Dial> Follow<N> {
    /// Follows for ever.
    pub async fn run(self) {
        let mut backoff = Backoff::new();
        loop {
            let changes = self.subscriber.changes();
            let seen = changes.count();
            if !self.subscriber.has_subscriptions() {
                changes.after(seen).await;
                continue;
            }
            if let Ended::Lost = self.connection().await {
                backoff = Backoff::new();
            }
            self.counts.unfollowed.add(1);
            self.executor.sleep(backoff.next(random(&*self.machine))).await;
        }
    }

    /// One connection, to its end.
    async fn connection(&self) -> Ended {
        let deadline = self.executor.now().after(Duration::from_millis(NODE_CONNECT_MS));
        let mut target = String::from("/api/ws0/messages?history=0");
        if !self.channels.is_empty() {
            target.push_str("&channels=");
            target.push_str(&channels(&self.channels));
        }
        let open = async {
            let stream = self.network.dial(self.address.address()).await.ok()?;
            let secrets = Secrets::draw(&mut MachineRng::new(self.machine.clone()));
            websocket::subscribe(stream, self.address.authority(), &target, secrets).await.ok()
        };
        let Ok(Some(mut messages)) = self.executor.timeout_at(deadline, open).await else {
            debug!(target: "aleph", "messages cannot be followed");
            return Ended::Unreachable;
        };
        info!(target: "aleph", "follows the messages of {}", self.address);
        self.counts.followed.add(1);
        self.poke.give();
        loop {
            let quiet = self.executor.now().after(Duration::from_millis(FOLLOW_QUIET_MS));
            let next = messages.next(self.subscriber.message_bytes());
            match self.executor.timeout_at(quiet, next).await {
                Ok(Ok(Some(Frame::Text(text)))) => self.take(&text).await,
                Ok(Ok(Some(Frame::Binary(_)))) => self.counts.unreadable.add(1),
                Ok(Ok(None) | Err(_)) | Err(_) => break,
            }
        }
        // Once, as far as it goes: the other end may be gone.
        let _ = self.executor.timeout_at(self.executor.now(), messages.close()).await;
        debug!(target: "aleph", "the message node's WebSocket ended");
        Ended::Lost
    }

    async fn take(&self, text: &str) {
        // Confirmations of old messages come too; they are no messages.
        let Ok(message) = Message::parse(text) else {
            self.counts.unreadable.add(1);
            return;
        };
        let hash = message.item_hash().clone();
        if let Err(refused) = self.subscriber.offer(message, Origin::Followed).await {
            debug!(target: "aleph", "message {hash} is refused: {refused}");
        }
    }
}

impl<N> fmt::Debug for Follow<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follow").field("address", &self.address).finish_non_exhaustive()
    }
}
