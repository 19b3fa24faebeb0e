//! Incoming streams: what a peer asks on each, answered within a deadline.

use alloc::rc::Rc;

use core::pin::pin;
use futures_util::future::{Either, join, select};

use super::budget::{Paid, Share};
use super::identity::{self, PROTOCOLS};
use super::inner::Inner;
use super::limits::{INBOUND_STREAM_TIMEOUT, PARTICLE_OVERHEAD_BYTES};
use super::link::Link;
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
    let share = inner.budget.open();
    let Some(message) = read(inner, &mut stream, &share, deadline).await else { return };
    link.activity.prove_useful();
    let taken = inner.handler.particle(link.peer, message);
    share.complete();
    let farewell = async {
        // The receipt: the message was read whole.
        let _delivered_or_not = until(&inner.clock, deadline, stream.shutdown()).await;
        drop(stream);
        drop(busy);
    };
    join(taken, farewell).await;
}

async fn read(
    inner: &Inner,
    stream: &mut Stream,
    share: &Share,
    deadline: Instant,
) -> Option<particle::Message> {
    share.grow(PARTICLE_OVERHEAD_BYTES).await.ok()?;
    let mut paid = Paid::new(stream, share);
    let reading = async {
        let crowded = pin!(share.crowded_out());
        let reading = pin!(particle::read(&mut paid, inner.config.limits.max_particle_bytes));
        match select(crowded, reading).await {
            Either::Left(_) => None,
            Either::Right((read, _)) => read.ok(),
        }
    };
    let Ok(message) = until(&inner.clock, deadline, reading).await else {
        inner.count(|counters| counters.streams_timed_out += 1);
        return None;
    };
    let (bytes, crowded_out) = (paid.bytes as u64, share.is_crowded_out());
    inner.count(|counters| match message {
        Some(_) => {
            counters.particles_received += 1;
            counters.particle_bytes_received += bytes;
        }
        None if crowded_out => counters.particles_crowded_out += 1,
        None => counters.particles_malformed += 1,
    });
    message
}
