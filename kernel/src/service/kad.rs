//! `kad`: which peers are near to a key, in the distance of Kademlia.

use alloc::format;
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;

use air_core::value::Value;
use sha2::{Digest, Sha256};

use super::arguments::{Arguments, List};
use super::contact::contact;
use super::failure::{ArgumentError, Failure};
use super::{Outcome, base58, multihash};
use crate::limits::MAX_BASE58_BYTES;
use crate::peers::{Contact, Peers};

/// Peers in one answer if the caller does not say how many: the bucket size of Kademlia.
const K: usize = 20;
/// What SHA-256 takes in at a time.
const HASH_BLOCK_BYTES: usize = 64;

pub(super) fn call(peers: &dyn Peers, function: &str, arguments: &[Value]) -> Option<Outcome> {
    let arguments = Arguments::new(arguments);
    Some(match function {
        "neighborhood" => neighborhood(peers, arguments),
        "neigh_with_addrs" => neighborhood_with_addresses(peers, arguments),
        "merge" => merge(arguments),
        _ => return None,
    })
}

/// A place in the key space: where the SHA-256 of something points.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Place([u8; 32]);

impl Place {
    fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The distance as a big-endian number: exclusive or.
    fn distance(&self, other: &Self) -> [u8; 32] {
        let mut distance = self.0;
        distance.iter_mut().zip(other.0).for_each(|(own, other)| *own ^= other);
        distance
    }
}

fn neighborhood(peers: &dyn Peers, arguments: Arguments<'_>) -> Outcome {
    let nearest = nearest(peers, arguments)?;
    let id = |found: &Contact| Value::string(found.peer.to_string());
    let ids = nearest.iter().map(id).collect();
    Ok(Some(Value::array(ids)?))
}

fn neighborhood_with_addresses(peers: &dyn Peers, arguments: Arguments<'_>) -> Outcome {
    let nearest = nearest(peers, arguments)?;
    let contacts: Result<Vec<Value>, Failure> =
        nearest.iter().map(|found| contact(&found.peer, &found.addresses)).collect();
    Ok(Some(Value::array(contacts?)?))
}

/// The known peers that are nearest to the key of the arguments, the nearest first.
///
/// A key that is not hashed yet is hashed here. The reference node takes the bytes as if they were a
/// digest, and so finds other peers than its own documentation says.
fn nearest(peers: &dyn Peers, mut arguments: Arguments<'_>) -> Result<Vec<Contact>, Failure> {
    let text: &Arc<str> = arguments.next("key")?;
    let key = key(text)?;
    let already_hashed = arguments.next_option("already_hashed")?.unwrap_or(false);
    let count = arguments.next_option("count")?.unwrap_or(K);
    let target = if already_hashed {
        if multihash::read(&key).is_none() {
            return Err(Failure::error("invalid multihash", "InvalidMultihash"));
        }
        Place::of(&key)
    } else {
        Place::of(&multihash::sha256(&key))
    };
    let mut known = peers.known();
    known.sort_by_cached_key(|found| target.distance(&Place::of(&found.peer.to_bytes())));
    known.truncate(count);
    Ok(known)
}

fn key(text: &str) -> Result<Vec<u8>, Failure> {
    if text.len() > MAX_BASE58_BYTES {
        return Err(base58::too_long(text.len()));
    }
    bs58::decode(text).into_vec().map_err(|error| {
        let err = format!("not a base58: {error}");
        ArgumentError::InvalidFormat { field: "key", err }.into()
    })
}

/// Puts two lists of keys in the order of their distance to a third.
fn merge(mut arguments: Arguments<'_>) -> Outcome {
    let target: &Arc<str> = arguments.next("target")?;
    let List(left): List<&Arc<str>> = arguments.next("left")?;
    let List(right): List<&Arc<str>> = arguments.next("right")?;
    let count = arguments.next_option("count")?.unwrap_or(K);
    check_work(target, left.iter().chain(&right))?;
    let target = Place::of(&base58::decode(target)?);
    let mut keys: Vec<([u8; 32], &Arc<str>)> = Vec::with_capacity(left.len() + right.len());
    for text in left.into_iter().chain(right) {
        keys.push((target.distance(&Place::of(&base58::decode(text)?)), text));
    }
    keys.sort_by_key(|(distance, _)| *distance);
    // Equal distances are equal keys.
    keys.dedup_by_key(|(distance, _)| *distance);
    let nearest = keys.into_iter().take(count).map(|(_, text)| Value::String(text.clone()));
    Ok(Some(Value::array(nearest.collect())?))
}

/// All conversions of a call may take as long as one at its limit takes: its length squared.
fn check_work<'a>(
    target: &Arc<str>,
    keys: impl Iterator<Item = &'a &'a Arc<str>>,
) -> Result<(), Failure> {
    let square = |length: usize| length.saturating_mul(length);
    let (mut work, mut bytes) = (square(target.len()), target.len());
    for key in keys {
        // The hash of a key takes as long as the conversion of a short one.
        work = work.saturating_add(square(key.len().max(HASH_BLOCK_BYTES)));
        bytes = bytes.saturating_add(key.len());
    }
    if work > square(MAX_BASE58_BYTES) { Err(base58::too_long(bytes)) } else { Ok(()) }
}
