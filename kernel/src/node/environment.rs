//! What the node does for the actors of its particles.

use alloc::rc::Rc;
use alloc::string::ToString;
use alloc::vec::Vec;

use air_core::Parameters;
use log::debug;
use netstack::libp2p::PeerId;
use netstack::libp2p::particle::Message;

use super::Node;
use crate::executor::{Executor, Turns};
use crate::limits::MAX_TRACE_STATES;
use crate::particle::{Environment, Particle, Sender, Sending};
use crate::peers::Peers;
use crate::service::Services;

/// The particle would be sent to too many peers at once.
const TOO_MANY: &str = "too_many";
/// The particle's time was up before it was sent.
const EXPIRED: &str = "expired";

impl Environment for Node {
    fn services(&self) -> &Services {
        &self.services
    }

    fn executor(&self) -> &Executor {
        &self.executor
    }

    fn turns(&self) -> &Turns<Sender> {
        &self.turns
    }

    fn peer_id(&self) -> &str {
        self.identity.peer_id()
    }

    fn parameters(&self, particle: &Particle) -> Parameters {
        let mut parameters = Parameters::new(
            particle.init_peer_id.clone(),
            self.identity.peer_id().clone(),
            particle.id.clone(),
            self.identity.secret().clone(),
        );
        parameters.key_pair = Some(self.identity.key_pair().clone());
        parameters.timestamp = particle.timestamp_ms;
        parameters.ttl = particle.ttl_ms;
        parameters.air_size_limit = self.config.particles.max_script_bytes.into();
        parameters.particle_size_limit = self.allowance.particle as u64;
        parameters.call_result_size_limit = self.allowance.call_result as u64;
        parameters.limits.memory = self.allowance.step_memory;
        parameters.limits.max_frames = self.allowance.frames;
        parameters.limits.max_trace_len = MAX_TRACE_STATES;
        parameters
    }

    fn reachable(&self, text: &str, room: bool) -> Option<PeerId> {
        let peer = text.parse().ok().filter(|peer| self.peers.is_reachable(peer));
        if peer.is_none() {
            self.metrics.unreachable.add(1);
            debug!(target: "particle", "cannot reach peer {text:.64}");
        } else if !room {
            self.metrics.sent(TOO_MANY);
            return None;
        }
        peer
    }

    fn send(self: Rc<Self>, particle: &Particle, data: Vec<u8>, peers: Vec<(PeerId, Sending)>) {
        let message = Rc::new(self.message(particle, data));
        let deadline = particle.deadline;
        for (peer, sending) in peers {
            let sent = self.peers.send(peer, message.clone());
            let node = self.clone();
            self.executor.spawn(async move {
                match node.executor.timeout_at(deadline, sent).await {
                    Ok(Ok(())) => {
                        node.metrics.sent("ok");
                        sending.done();
                    }
                    Ok(Err(error)) => {
                        node.metrics.sent(error.reason());
                        debug!(target: "particle", "not sent to {peer}: {error}");
                    }
                    Err(_) => node.metrics.sent(EXPIRED),
                }
            });
        }
    }

    fn memory_is_short(&self) -> bool {
        Self::memory_is_short(self)
    }

    /// Ends idle particles while all keep too much.
    fn keeps(&self, particle: &Particle, bytes: usize) {
        self.live.keeps(particle.serial, bytes);
        while self.live.kept_bytes() > self.allowance.kept && self.evict_for_memory() {}
    }

    fn called(&self, service: &str, ret_code: i32) {
        self.metrics.call(service, ret_code);
    }
}

impl Node {
    /// The particle as it travels. One of the node's own is signed when it leaves for the first time, and
    /// is known by its signature from then on, so that it finds home.
    fn message(&self, particle: &Particle, data: Vec<u8>) -> Message {
        let id = particle.id.to_string();
        let script = particle.script.text().to_string();
        let (timestamp, ttl) = (particle.timestamp_ms, particle.ttl_ms);
        if let Some(&signature) = particle.signature.get() {
            let init_peer_id = particle.author;
            return Message { id, init_peer_id, timestamp, ttl, script, signature, data };
        }
        let key = self.identity.network_key();
        let message = Message::new(key, id, timestamp, ttl, script, data);
        particle.signature.get_or_init(|| message.signature);
        self.live.know_by(particle.serial, message.signature);
        message
    }
}
