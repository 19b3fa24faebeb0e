//! Who we are and who they are: identify, asked, answered and pushed.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use super::hearsay::is_plausible;
use super::inner::Inner;
use super::limits::{IDENTIFY_TIMEOUT, MAX_AGENT_BYTES};
use super::link::Link;
use crate::libp2p::identify::{self, Info};
use crate::libp2p::{Multiaddr, multistream, particle, ping};
use crate::time::until;

/// The protocols of incoming streams.
pub(super) const PROTOCOLS: [&str; 4] =
    [particle::PROTOCOL, identify::PROTOCOL, identify::PUSH_PROTOCOL, ping::PROTOCOL];

/// What this node says of itself to the peer of a connection.
pub(super) fn own(inner: &Inner, link: &Link) -> Info {
    Info {
        peer_id: inner.local,
        // What the reference's nodes say here.
        protocol_version: String::from(particle::PROTOCOL),
        agent_version: inner.config.agent.clone(),
        listen_addresses: inner.listen_addresses(),
        observed_address: Some(link.remote.clone()),
        protocols: PROTOCOLS.map(String::from).into(),
    }
}

/// Asks the peer of a connection who it is. That it does not tell has no consequence.
pub(super) async fn ask(inner: &Inner, link: &Link) {
    let exchange = async {
        let mut stream = link.control.open().await.ok()?;
        multistream::dial(&mut stream, identify::PROTOCOL).await.ok()?;
        identify::ask(&mut stream, link.peer).await.ok()
    };
    let deadline = inner.clock.later(IDENTIFY_TIMEOUT);
    if let Ok(Some(info)) = until(&inner.clock, deadline, exchange).await {
        learn(inner, link, info);
    }
}

/// Tells the peer of a connection who we are.
pub(super) async fn push(inner: &Inner, link: &Link) {
    let own = own(inner, link);
    let exchange = async {
        let mut stream = link.control.open().await.ok()?;
        multistream::dial(&mut stream, identify::PUSH_PROTOCOL).await.ok()?;
        identify::push(&mut stream, &own).await.ok()
    };
    let deadline = inner.clock.later(IDENTIFY_TIMEOUT);
    let _told_or_not = until(&inner.clock, deadline, exchange).await;
}

/// Keeps what a peer said of itself, as far as it makes sense.
pub(super) fn learn(inner: &Inner, link: &Link, info: Info) {
    {
        let mut portrait = link.portrait.borrow_mut();
        portrait.takes_particles = Some(info.speaks(particle::PROTOCOL));
        portrait.takes_push = info.speaks(identify::PUSH_PROTOCOL);
        portrait.agent = Some(shortened(&info.agent_version));
    }
    let plausible = |address: &Multiaddr| is_plausible(address, link.peer, &link.remote);
    let listen = info.listen_addresses.into_iter().filter(plausible);
    let said: Vec<Multiaddr> = listen.map(Multiaddr::without_peer_id).collect();
    if !said.is_empty() {
        inner.book.borrow_mut().replace(link.peer, said);
    }
}

/// The beginning of a text, as much as is kept.
fn shortened(text: &str) -> Box<str> {
    text.get(..text.floor_char_boundary(MAX_AGENT_BYTES)).unwrap_or_default().into()
}
