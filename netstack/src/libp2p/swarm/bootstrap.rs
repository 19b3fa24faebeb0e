//! Bootstrap peers: connected always, dialed again and again.

use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::pin::pin;

use futures_util::future::select;

use super::dialing;
use super::inner::Inner;
use super::limits::{BOOTSTRAP_MAX, BOOTSTRAP_STEP, MAX_BOOTSTRAP, STABLE_AFTER};
use crate::libp2p::{Multiaddr, PeerId};
use crate::time::{Duration, Timer, after};

/// Starts to keep the connections with the bootstrap peers.
pub(super) fn start(inner: &Rc<Inner>) {
    let mut peers: BTreeMap<PeerId, Vec<Multiaddr>> = BTreeMap::new();
    for address in &inner.config.bootstrap {
        let Some(peer) = address.peer_id().filter(|peer| *peer != inner.local) else { continue };
        if peers.len() < MAX_BOOTSTRAP || peers.contains_key(&peer) {
            peers.entry(peer).or_default().push(address.clone().without_peer_id());
        }
    }
    for (peer, addresses) in peers {
        inner.book.borrow_mut().pin(peer);
        inner.spawn(keep(Rc::clone(inner), peer, addresses));
    }
}

/// Dials `peer` whenever it is not connected, after 5, 10 … 60 seconds, until the swarm stops.
async fn keep(inner: Rc<Inner>, peer: PeerId, addresses: Vec<Multiaddr>) {
    let mut pause = Duration::ZERO;
    while !inner.stopped.get() {
        let connected_at = inner.clock.now();
        inner.disconnected_or_stopped(peer).await;
        // One that leaves at once again and again is not to be dialed at once again and again.
        if after(connected_at, STABLE_AFTER) <= inner.clock.now() {
            pause = Duration::ZERO;
        }
        if pause != Duration::ZERO {
            let rest = pin!(inner.clock.sleep(inner.random.jitter(pause)));
            let arrival = pin!(inner.connected_or_stopped(peer));
            select(rest, arrival).await;
        }
        pause = (pause + BOOTSTRAP_STEP).min(BOOTSTRAP_MAX);
        if inner.stopped.get() || inner.link(peer).is_some() {
            continue;
        }
        inner.book.borrow_mut().add(peer, addresses.iter().cloned());
        if let Ok(attempt) = dialing::dial(&inner, peer) {
            let _reached_or_not = attempt.finished().await;
        }
    }
}
