//! Whether a peer is still there.

use rand_core::Rng;

use super::inner::Inner;
use super::limits::PING_TIMEOUT;
use super::link::Link;
use crate::libp2p::{multistream, ping};
use crate::time::until;

/// What a ping showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pulse {
    /// The peer is there, whether it answered or refused to.
    Felt,
    /// Nothing at all has arrived since the ping.
    None,
}

/// Pings the peer of a connection. A peer that refuses is as alive as one that answers, and one whose
/// answer is stuck behind other bytes is, too: only silence counts.
pub(super) async fn ping(inner: &Inner, link: &Link) -> Pulse {
    let before = link.control.counters().received_bytes;
    let mut payload = [0; ping::PAYLOAD_BYTES];
    inner.random.clone().fill_bytes(&mut payload);
    let exchange = async {
        let Ok(mut stream) = link.control.open().await else { return };
        if multistream::dial(&mut stream, ping::PROTOCOL).await.is_ok() {
            let _answer = ping::ping(&mut stream, payload, &inner.clock, PING_TIMEOUT).await;
        }
    };
    let deadline = inner.clock.later(PING_TIMEOUT);
    let in_time = until(&inner.clock, deadline, exchange).await.is_ok();
    let silent = link.control.counters().received_bytes == before;
    if !in_time && silent { Pulse::None } else { Pulse::Felt }
}
