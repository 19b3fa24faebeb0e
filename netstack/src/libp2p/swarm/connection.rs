//! One connection from its handshake to its end: the tasks that drive it.

use alloc::boxed::Box;
use alloc::rc::Rc;
use core::pin::pin;

use futures_util::future::{Either, LocalBoxFuture, select};

use super::activity::Activity;
use super::admission::Place;
use super::clock::{Clock, Randomness};
use super::conductor::{Conductor, Jobs};
use super::inner::Inner;
use super::limits::{FAREWELL, HANDSHAKE_TIMEOUT, MAX_OPEN_STREAMS};
use super::link::{Link, Parts};
use crate::Split;
use crate::libp2p::noise::Identity;
use crate::libp2p::upgrade::{self, Secrets, Secured};
use crate::libp2p::yamux::{self, Control, End, GoAway, ReceiveMemory, Role};
use crate::libp2p::{Multiaddr, PeerId};
use crate::time::{Timer, after, until};

/// A connection whose handshake is done, without the types of what carries it.
pub(super) struct Opened {
    peer: PeerId,
    control: Control,
    /// Drives yamux until the connection ends.
    driver: LocalBoxFuture<'static, End>,
}

/// Where a connection came from.
pub(super) struct Source {
    pub(super) remote: Multiaddr,
    pub(super) dialed: bool,
}

impl Opened {
    /// Puts yamux on a secured connection.
    fn new<S: Split + 'static>(
        secured: Secured<S>,
        role: Role,
        clock: &Clock,
        memory: ReceiveMemory,
    ) -> Self {
        let limits = yamux::Limits { streams_in: MAX_OPEN_STREAMS, ..yamux::Limits::default() };
        let Secured { reader, writer, .. } = secured;
        let (connection, control) =
            yamux::Connection::sharing(memory, reader, writer, role, clock.clone(), limits);
        Self { peer: secured.peer, control, driver: Box::pin(connection.run()) }
    }
}

/// What it takes to secure a connection.
#[derive(Clone)]
pub(super) struct Security {
    pub(super) identity: Rc<Identity>,
    pub(super) clock: Clock,
    pub(super) random: Randomness,
    /// What all connections together hold of what has arrived.
    pub(super) memory: ReceiveMemory,
}

impl Security {
    /// Secures a connection that a peer has made; `None` when that fails.
    pub(super) fn inbound<S: Split + 'static>(
        &self,
        stream: S,
    ) -> LocalBoxFuture<'static, Option<Opened>> {
        let Self { identity, clock, mut random, memory } = self.clone();
        Box::pin(async move {
            let deadline = clock.later(HANDSHAKE_TIMEOUT);
            let secrets = Secrets::draw(&mut random);
            let secured =
                upgrade::inbound(stream, &identity, secrets, &clock, deadline).await.ok()?;
            Some(Opened::new(secured, Role::Listener, &clock, memory))
        })
    }

    /// Secures a connection made to `address`; `None` when that fails or another peer than the one
    /// named there answers.
    pub(super) async fn outbound<S: Split + 'static>(
        mut self,
        stream: S,
        address: &Multiaddr,
    ) -> Option<Opened> {
        let deadline = self.clock.later(HANDSHAKE_TIMEOUT);
        let secrets = Secrets::draw(&mut self.random);
        let secured =
            upgrade::outbound(stream, address, &self.identity, secrets, &self.clock, deadline);
        Some(Opened::new(secured.await.ok()?, Role::Dialer, &self.clock, self.memory))
    }
}

/// Takes an incoming connection through its handshake and runs it.
pub(super) async fn arrive(
    inner: Rc<Inner>,
    place: Place,
    opening: LocalBoxFuture<'static, Option<Opened>>,
    remote: Multiaddr,
) {
    let opened = match select(opening, pin!(place.ending.heard())).await {
        Either::Left((opened, _)) => opened,
        Either::Right(_) => None,
    };
    // A node has nothing to say to itself, nor has anybody else who has its key.
    let Some(opened) = opened.filter(|opened| opened.peer != inner.local) else {
        inner.count(|counters| counters.handshakes_failed += 1);
        return;
    };
    inner.count(|counters| counters.connections_inbound += 1);
    start(&inner, place, opened, Source { remote, dialed: false });
}

/// Makes a connection part of the swarm and runs it in a task of its own.
pub(super) fn start(inner: &Rc<Inner>, place: Place, opened: Opened, source: Source) {
    let Opened { peer, control, driver } = opened;
    let activity = Activity::new(inner.clock.clone());
    place.establish(&activity);
    let link = Link::new(Parts {
        id: place.id(),
        peer,
        remote: source.remote,
        dialed: source.dialed,
        since: inner.clock.now(),
        control,
        activity,
        ending: Rc::clone(&place.ending),
    });
    inner.enter(&link);
    inner.spawn(run(Rc::clone(inner), place, link, driver));
}

/// Runs a connection to its end.
async fn run(
    inner: Rc<Inner>,
    place: Place,
    link: Rc<Link>,
    mut driver: LocalBoxFuture<'static, End>,
) {
    let mut jobs = Jobs::new();
    let why = Conductor::new(&inner, &link).conduct(&mut driver, &mut jobs).await;
    inner.leave(&link);
    if let Some(why) = why {
        inner.count_ending(why);
        link.control.close(GoAway::Normal);
        let farewell = after(inner.clock.now(), FAREWELL);
        let _ended_or_not = until(&inner.clock, farewell, &mut driver).await;
    }
    drop(driver);
    drop(place);
    // What was received whole is still handed over; everything else fails at once.
    while jobs.wait().await.is_some() {}
}
