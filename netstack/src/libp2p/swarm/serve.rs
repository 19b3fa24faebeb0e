//! Incoming streams: what a peer asks on each, answered within a deadline.

use alloc::rc::Rc;

use futures_util::future::join;

use super::identity::{self, PROTOCOLS};
use super::inner::Inner;
use super::limits::INBOUND_STREAM_TIMEOUT;
use super::link::Link;
use super::metered::{Failure, Metered};
use crate::Stream as _;
use crate::libp2p::yamux::Stream;
use crate::libp2p::{identify, multistream, particle, ping};
use crate::time::{Instant, until};

/// Serves one incoming stream to its end.
pub(super) async fn serve(inner: Rc<Inner>, link: Rc<Link>, mut stream: Stream) {
    inner.count(|counters| {
        counters.streams_inbound += 1;
        counters.streams_served += 1;
    });
    let deadline = inner.clock.later(INBOUND_STREAM_TIMEOUT);
    let choice = multistream::listen(&mut stream, &PROTOCOLS);
    match until(&inner.clock, deadline, choice).await {
        Ok(Ok(particle::PROTOCOL)) => receive(&inner, &link, stream, deadline).await,
        Ok(Ok(identify::PROTOCOL)) => {
            let own = identity::own(&inner, &link);
            let _taken_or_not =
                until(&inner.clock, deadline, identify::answer(&mut stream, &own)).await;
        }
        Ok(Ok(identify::PUSH_PROTOCOL)) => {
            let telling = identify::receive(&mut stream, link.peer);
            if let Ok(Ok(info)) = until(&inner.clock, deadline, telling).await {
                identity::learn(&inner, &link, info);
            }
        }
        Ok(Ok(_)) => {
            let _ended = ping::answer(&mut stream, &inner.clock).await;
        }
        Ok(Err(_)) => inner.count(|counters| counters.streams_refused += 1),
        Err(_) => inner.count(|counters| counters.streams_timed_out += 1),
    }
    inner.count(|counters| counters.streams_served -= 1);
}

/// Receives one particle and hands it over.
async fn receive(inner: &Inner, link: &Link, mut stream: Stream, deadline: Instant) {
    let busy = link.activity.begin();
    let max_bytes = inner.config.limits.max_particle_bytes;
    let (budget, clock) = (&inner.budget, &inner.clock);
    let mut metered = Metered::new(&mut stream, (budget, clock), (link.peer, max_bytes), deadline);
    let read = particle::read(&mut metered, max_bytes).await;
    let failure = metered.failure();
    let (bytes, share) = metered.finish();
    inner.count(|counters| match (&read, failure) {
        (Ok(_), _) => {
            counters.particles_received += 1;
            counters.particle_bytes_received += bytes as u64;
        }
        (Err(_), Some(Failure::CrowdedOut)) => counters.particles_crowded_out += 1,
        (Err(_), Some(Failure::Late)) => counters.streams_timed_out += 1,
        (Err(_), None) => counters.particles_malformed += 1,
    });
    let Ok(message) = read else { return };
    if let Some(share) = &share {
        share.complete();
    }
    link.activity.prove_useful();
    let taken = inner.handler.particle(link.peer, message);
    let farewell = async {
        // The receipt: the message was read whole.
        let patience = inner.clock.later(INBOUND_STREAM_TIMEOUT);
        let _delivered_or_not = until(&inner.clock, patience, stream.shutdown()).await;
        drop(stream);
        drop(busy);
    };
    join(taken, farewell).await;
    drop(share);
}
