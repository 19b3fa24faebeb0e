//! `peer`: this node, its clock, and the peers around it.

use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::future::Future;

use air_core::value::Value;
use netstack::libp2p::{Multiaddr, PeerId};

use super::arguments::{Arguments, FromValue, List};
use super::contact::{Address, address_list, contact, parse_peer_id};
use super::failure::{ArgumentError, Failure};
use super::{Connecting, Outcome, Services};
use crate::limits::{MAX_CONNECT_ADDRESSES, MAX_CONNECTS_WAITING};
use crate::peers::Peers;

/// The version of the language's reference that scripts may rely on.
const AIR_VERSION: &str = "0.64.1";

/// Answers a call that waits for nothing.
pub(super) fn call(services: &Services, function: &str, arguments: &[Value]) -> Option<Outcome> {
    let Services { identity, peers, machine, .. } = services;
    Some(match function {
        "identify" => identify(&**peers),
        "timestamp_ms" => Ok(Some(machine.unix_time_ms().into())),
        "timestamp_sec" => Ok(Some((machine.unix_time_ms() / 1000).into())),
        "is_connected" => is_connected(identity.peer_id(), &**peers, arguments),
        "get_contact" => get_contact(&**peers, arguments),
        _ => return None,
    })
}

fn identify(peers: &dyn Peers) -> Outcome {
    let members: Vec<(Arc<str>, Value)> = alloc::vec![
        ("air_version".into(), AIR_VERSION.into()),
        ("allowed_binaries".into(), Value::array(Vec::new())?),
        ("external_addresses".into(), address_list(&peers.listen_addresses())?),
        ("node_version".into(), env!("CARGO_PKG_VERSION").into()),
        ("spell_version".into(), "".into()),
        ("vm_info".into(), Value::Null),
    ];
    Ok(Some(Value::object(members)?))
}

/// Reads the argument `peer_id`.
fn next_peer_id<'a>(
    arguments: &mut Arguments<'a>,
) -> Result<(&'a Arc<str>, Option<PeerId>), Failure> {
    let text: &Arc<str> = arguments.next("peer_id")?;
    Ok((text, parse_peer_id(text)?))
}

/// Whether a particle would arrive there at once; the node always reaches itself.
fn is_connected(own_peer_id: &str, peers: &dyn Peers, arguments: &[Value]) -> Outcome {
    let (text, peer) = next_peer_id(&mut Arguments::new(arguments))?;
    let connected = peer.is_some_and(|peer| **text == *own_peer_id || peers.is_connected(&peer));
    Ok(Some(connected.into()))
}

fn get_contact(peers: &dyn Peers, arguments: &[Value]) -> Outcome {
    let (_, peer) = next_peer_id(&mut Arguments::new(arguments))?;
    let Some(peer) = peer else { return Ok(None) };
    match peers.contact(&peer) {
        Some(addresses) => contact(&peer, &addresses).map(Some),
        None => Ok(None),
    }
}

/// Starts `peer.connect`: the future says whether there is a connection then.
pub(super) fn connect(
    services: &Services,
    is_host: bool,
    arguments: &[Value],
) -> Result<impl Future<Output = Outcome> + 'static, Failure> {
    let mut arguments = Arguments::new(arguments);
    let (text, peer) = next_peer_id(&mut arguments)?;
    let addresses: Option<List<Address>> = arguments.next_option("addresses")?;
    if !is_host {
        return Err(Failure::guarded());
    }
    let addresses = addresses.map_or_else(Vec::new, |List(addresses)| addresses);
    if addresses.len() > MAX_CONNECT_ADDRESSES {
        return Err(Failure::Message(format!(
            "{} addresses are over the limit of {MAX_CONNECT_ADDRESSES}",
            addresses.len()
        )));
    }
    // One that names another peer can only lead there.
    let leads_there =
        |address: &Multiaddr| address.peer_id().is_none_or(|named| Some(named) == peer);
    let usable = addresses.into_iter().filter_map(|Address(address)| address);
    let addresses = usable.filter(leads_there).collect();
    let permit = Connecting::begin(&services.connecting).ok_or_else(|| {
        Failure::Message(format!("{MAX_CONNECTS_WAITING} connections are being opened already"))
    })?;
    let itself = **text == **services.identity.peer_id();
    let attempt = peer.filter(|_| !itself).map(|peer| services.peers.connect(peer, addresses));
    Ok(async move {
        let _permit = permit;
        let connected = match attempt {
            Some(attempt) => attempt.await.is_ok(),
            None => itself,
        };
        Ok(Some(connected.into()))
    })
}

/// Starts `peer.timeout`: the future gives the message after the delay, which is `sleep`'s to make.
pub(super) fn timeout<S: Future<Output = ()> + 'static>(
    sleep: impl FnOnce(u64) -> S,
    arguments: &[Value],
) -> Result<impl Future<Output = Outcome> + 'static, Failure> {
    let mut arguments = Arguments::new(arguments);
    let field = "duration_ms";
    let duration: Option<Milliseconds<'_>> = arguments.next_option(field)?;
    let duration_ms = match duration.ok_or(ArgumentError::MissingField(field))? {
        Milliseconds::Number(number) => number,
        Milliseconds::Text(text) => text.parse().map_err(|error| {
            Failure::error(
                &format!("Error while deserializing field {field}"),
                &format!("Error {{ field_name: {field:?}, err: {error:?} }}"),
            )
        })?,
    };
    // The reference gives back texts only; clients give back whatever they were given.
    let message = match arguments.rest() {
        [] | [Value::Null, ..] => None,
        [value @ Value::Array(items), ..] => match &items[..] {
            [] => None,
            [item] => Some(item.clone()),
            _ => Some(value.clone()),
        },
        [value, ..] => Some(value.clone()),
    };
    let sleep = sleep(duration_ms);
    Ok(async {
        sleep.await;
        Ok(message)
    })
}

/// A number, or a text of decimal digits.
enum Milliseconds<'a> {
    Number(u64),
    Text(&'a str),
}

impl<'a> FromValue<'a> for Milliseconds<'a> {
    fn type_name() -> alloc::string::String {
        "u64".into()
    }
    fn from_value(value: &'a Value) -> Option<Self> {
        match value {
            Value::Number(number) => number.as_u64().map(Self::Number),
            Value::String(text) => Some(Self::Text(text)),
            _ => None,
        }
    }
}
