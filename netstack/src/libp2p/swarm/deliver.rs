//! Sending a particle to a peer.

use alloc::rc::Rc;

use embedded_io_async::Read;

use super::book::Rest;
use super::dialing::reach;
use super::error::SendError;
use super::inner::Inner;
use super::limits::{RECEIPT_PATIENCE, SEND_TIMEOUT, extra_time};
use super::link::Link;
use crate::Stream as _;
use crate::libp2p::particle::{self, Message, WriteError};
use crate::libp2p::yamux::{Error, Stream};
use crate::libp2p::{PeerId, multistream};
use crate::time::until;

/// Connections tried for one particle: one may end before the particle gets its turn.
const ATTEMPTS: usize = 2;

/// Sends a particle to a peer and counts what became of it.
pub(super) async fn send(
    inner: &Rc<Inner>,
    peer: PeerId,
    message: &Message,
) -> Result<(), SendError> {
    let bytes = particle::encoded_bytes(message);
    let result = send_within(inner, peer, message, bytes).await;
    inner.count(|counters| match result {
        Ok(()) => {
            counters.particles_sent += 1;
            counters.particle_bytes_sent += bytes as u64;
        }
        Err(error) => {
            let reasons = SendError::REASONS.iter().zip(&mut counters.particles_unsent);
            let same = |(reason, _): &(&&str, &mut u64)| **reason == error.reason();
            reasons.filter(same).for_each(|(_, count)| *count += 1);
        }
    });
    result
}

async fn send_within(
    inner: &Rc<Inner>,
    peer: PeerId,
    message: &Message,
    bytes: usize,
) -> Result<(), SendError> {
    if bytes > inner.config.limits.max_particle_bytes {
        return Err(SendError::TooLarge);
    }
    let queued = inner.outbox.enter(peer, bytes).map_err(|_| SendError::QueueFull)?;
    let deadline = inner.clock.later(SEND_TIMEOUT + extra_time(bytes));
    let sending = async {
        for _ in 1..ATTEMPTS {
            let link = reach(inner, peer, Rest::Whole).await?;
            match send_on(inner, &link, message).await {
                Err(Failure::NotBegun) => {}
                Err(Failure::Final(error)) => return Err(error),
                Ok(()) => return Ok(()),
            }
        }
        let link = reach(inner, peer, Rest::Whole).await?;
        send_on(inner, &link, message).await.map_err(|failure| match failure {
            Failure::NotBegun => SendError::Lost,
            Failure::Final(error) => error,
        })
    };
    let result = until(&inner.clock, deadline, sending).await;
    drop(queued);
    result.unwrap_or(Err(SendError::TimedOut))
}

enum Failure {
    /// Nothing of the particle has left: another connection may do.
    NotBegun,
    Final(SendError),
}

async fn send_on(inner: &Inner, link: &Rc<Link>, message: &Message) -> Result<(), Failure> {
    let busy = link.activity.begin();
    let turn = link.sending.take().await;
    let mut stream = open(link).await?;
    let lost = Failure::Final(SendError::Lost);
    match particle::write(&mut stream, message, inner.config.limits.max_particle_bytes).await {
        Ok(()) => {}
        Err(WriteError::TooLong) => return Err(Failure::Final(SendError::TooLarge)),
        Err(WriteError::Stream(_)) => return Err(lost),
    }
    stream.shutdown().await.map_err(|_| Failure::Final(SendError::Lost))?;
    link.activity.prove_useful();
    let patience = inner.clock.later(RECEIPT_PATIENCE);
    let receipt = until(&inner.clock, patience, receipt(&mut stream)).await;
    drop((busy, turn));
    match receipt {
        Ok(false) => Err(lost),
        // Clients that never close the stream have read it none the less.
        Ok(true) | Err(_) => Ok(()),
    }
}

/// A stream on which the peer takes a particle.
async fn open(link: &Link) -> Result<Stream, Failure> {
    let turn = link.negotiations.take().await;
    let mut stream = link.control.open().await.map_err(|_| Failure::NotBegun)?;
    let chosen = multistream::dial(&mut stream, particle::PROTOCOL).await;
    drop(turn);
    match chosen {
        Ok(()) => Ok(stream),
        Err(multistream::Error::Refused) => Err(Failure::Final(SendError::Refused)),
        Err(multistream::Error::Stream(Error::Gone)) => Err(Failure::NotBegun),
        Err(_) => Err(Failure::Final(SendError::Lost)),
    }
}

/// Waits until the peer ends its side of the stream; false when it resets it, or the connection ends.
async fn receipt(stream: &mut Stream) -> bool {
    let mut ignored = [0; 64];
    loop {
        match stream.read(&mut ignored).await {
            Ok(0) => return true,
            Ok(_) => {}
            Err(_) => return false,
        }
    }
}
