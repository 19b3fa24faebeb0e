//! Reaching peers: one dial of a peer at a time, few peers at a time, pauses after failures.

use alloc::boxed::Box;
use alloc::rc::Rc;
use core::cell::Cell;
use core::pin::pin;

use futures_util::future::{Either, LocalBoxFuture, select};

use super::admission::Place;
use super::book::Rest;
use super::connection::{self, Opened, Security, Source};
use super::dial::Dial;
use super::error::ConnectError;
use super::inner::Inner;
use super::limits::{
    BACKOFF_PATIENCE, DIAL_ADDRESS_TIMEOUT, DIAL_TIMEOUT, MAX_DIALS, MAX_WAITING_DIALS,
};
use super::link::Link;
use super::origin::Origin;
use super::signal::Signal;
use crate::libp2p::{Multiaddr, PeerId};
use crate::time::{Timer, after, until};

/// [`Dial`] with the handshake on top, without its types.
pub(super) trait Outbound {
    /// Connects to `address` and makes sure that the peer named there answers; `None` when it does not.
    fn open(&self, address: Multiaddr) -> LocalBoxFuture<'static, Option<Opened>>;
}

/// The [`Outbound`] of any [`Dial`].
pub(super) struct Dialer<D> {
    pub(super) dial: Rc<D>,
    pub(super) security: Security,
}

impl<D: Dial + 'static> Outbound for Dialer<D> {
    fn open(&self, address: Multiaddr) -> LocalBoxFuture<'static, Option<Opened>> {
        let (dial, security) = (Rc::clone(&self.dial), self.security.clone());
        Box::pin(async move {
            let stream = dial.dial(&address).await.ok()?;
            security.outbound(stream, &address).await
        })
    }
}

/// A dial of a peer, shared by all who want the peer.
#[derive(Debug, Default)]
pub(super) struct Attempt {
    outcome: Cell<Option<Result<(), ConnectError>>>,
    done: Signal,
}

impl Attempt {
    pub(super) fn finish(&self, outcome: Result<(), ConnectError>) {
        if self.outcome.get().is_none() {
            self.outcome.set(Some(outcome));
            self.done.raise();
        }
    }

    /// Completes with the outcome.
    pub(super) async fn finished(&self) -> Result<(), ConnectError> {
        loop {
            if let Some(outcome) = self.outcome.get() {
                return outcome;
            }
            self.done.beyond(0).await;
        }
    }
}

/// The connection with a peer, made if there is none and an address is known.
pub(super) async fn reach(
    inner: &Rc<Inner>,
    peer: PeerId,
    rest: Rest,
) -> Result<Rc<Link>, ConnectError> {
    loop {
        let seen = inner.changed.count();
        if inner.stopped.get() {
            return Err(ConnectError::Stopped);
        }
        if let Some(link) = inner.link(peer) {
            return Ok(link);
        }
        if peer == inner.local {
            return Err(ConnectError::Itself);
        }
        let now = inner.clock.now();
        let rests_until = inner.book.borrow().rests_until(peer, rest, now);
        match rests_until {
            Some(until) if until > after(now, BACKOFF_PATIENCE) => {
                return Err(ConnectError::BackedOff);
            }
            Some(until) => {
                // The peer may come by itself in the meantime.
                let pause = pin!(inner.clock.sleep_until(until));
                select(pause, pin!(inner.changed.beyond(seen))).await;
                continue;
            }
            None => {}
        }
        let attempt = dial(inner, peer)?;
        attempt.finished().await?;
        if inner.link(peer).is_none() {
            return Err(ConnectError::Unreachable);
        }
    }
}

/// Dials a peer whether it rests or not, unless that is being done already.
pub(super) fn dial(inner: &Rc<Inner>, peer: PeerId) -> Result<Rc<Attempt>, ConnectError> {
    if inner.stopped.get() {
        return Err(ConnectError::Stopped);
    }
    if let Some(attempt) = inner.dials.borrow().get(&peer) {
        return Ok(Rc::clone(attempt));
    }
    if peer == inner.local {
        return Err(ConnectError::Itself);
    }
    if inner.book.borrow().addresses(peer).is_empty() {
        return Err(ConnectError::NoAddress);
    }
    if inner.dials.borrow().len() >= MAX_DIALS + MAX_WAITING_DIALS {
        return Err(ConnectError::Exhausted);
    }
    let attempt = Rc::<Attempt>::default();
    inner.dials.borrow_mut().insert(peer, Rc::clone(&attempt));
    inner.spawn(work(Rc::clone(inner), peer, Rc::clone(&attempt)));
    Ok(attempt)
}

/// What a dial led to.
type Found = (Place, Opened, Multiaddr);

async fn work(inner: Rc<Inner>, peer: PeerId, attempt: Rc<Attempt>) {
    let found = {
        let stopped = pin!(inner.stop_said());
        match select(pin!(try_all(&inner, peer)), stopped).await {
            Either::Left((found, _)) => found,
            Either::Right(_) => Err(ConnectError::Stopped),
        }
    };
    let outcome = match found {
        Ok((place, opened, remote)) => {
            inner.book.borrow_mut().worked(peer, &remote);
            inner.count(|counters| {
                counters.dials_succeeded += 1;
                counters.connections_outbound += 1;
            });
            connection::start(&inner, place, opened, Source { remote, dialed: true });
            Ok(())
        }
        Err(_) if inner.link(peer).is_some() => Ok(()),
        Err(ConnectError::Unreachable) => {
            let now = inner.clock.now();
            inner.book.borrow_mut().failed(peer, now, &inner.random);
            inner.count(|counters| counters.dials_failed += 1);
            Err(ConnectError::Unreachable)
        }
        Err(error) => Err(error),
    };
    inner.dials.borrow_mut().remove(&peer);
    attempt.finish(outcome);
}

/// Tries the addresses of a peer, one after the other, when its turn has come.
async fn try_all(inner: &Inner, peer: PeerId) -> Result<Found, ConnectError> {
    let turn = inner.dial_turns.take().await;
    let deadline = inner.clock.later(DIAL_TIMEOUT);
    let addresses = inner.book.borrow().addresses(peer);
    for address in addresses {
        let now = inner.clock.now();
        // The peer may have come by itself in the meantime.
        if now >= deadline || inner.link(peer).is_some() {
            break;
        }
        let place = inner.places.reserve(now, &Origin::of(&address));
        let Ok(place) = place else { return Err(ConnectError::Exhausted) };
        let named = address.clone().with_peer_id(peer);
        let end = deadline.min(after(now, DIAL_ADDRESS_TIMEOUT));
        let opening = until(&inner.clock, end, inner.outbound.open(named));
        let opened = match select(pin!(opening), pin!(place.ending.heard())).await {
            Either::Left((Ok(opened), _)) => opened,
            Either::Left((Err(_), _)) | Either::Right(_) => None,
        };
        if let Some(opened) = opened {
            drop(turn);
            return Ok((place, opened, address));
        }
    }
    Err(ConnectError::Unreachable)
}
