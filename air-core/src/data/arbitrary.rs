//! Random data for property tests.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use proptest::collection::vec;
use proptest::prelude::*;

use super::{
    CallState, CanonElement, CanonResult, CanonState, Cid, CidStores, FoldLore, Generations,
    KeyPair, ParticleData, Provenance, Sender, ServiceResult, SignedCids, State, SubTrace,
    SubTraces, Tetraplet, ValueRef,
};
use crate::value::Value;

/// Any text that may stand for a CID: mostly canonical ones, of a small set.
fn cid() -> impl Strategy<Value = Cid> {
    prop_oneof![
        8 => (0_u64..20).prop_map(|n| Cid::of_value(&n.into())),
        1 => ".{0,9}".prop_map(|text| Cid::from_text(&text)),
    ]
}

fn name() -> impl Strategy<Value = Arc<str>> {
    prop_oneof![
        "[a-z]{0,9}".prop_map(Arc::from),
        (0_u8..4).prop_map(|n| Arc::from(KeyPair::from_secret(&[n + 1; 32]).peer_id())),
    ]
}

fn subtrace() -> impl Strategy<Value = SubTrace> {
    (any::<u32>(), any::<u32>()).prop_map(|(begin, len)| SubTrace { begin, len })
}

fn lore() -> impl Strategy<Value = FoldLore> {
    let subtraces = prop_oneof![
        4 => (subtrace(), subtrace()).prop_map(|(before, after)| SubTraces::Pair(before, after)),
        1 => vec(subtrace(), 3..5).prop_map(|list| SubTraces::Other(list.into())),
        1 => Just(SubTraces::Other(Vec::new().into())),
    ];
    (any::<u32>(), subtraces).prop_map(|(value_pos, subtraces)| FoldLore { value_pos, subtraces })
}

fn state() -> impl Strategy<Value = State> {
    let sender = (name(), any::<Option<u32>>())
        .prop_map(|(peer_id, call_id)| CallState::RequestSentBy(Sender { peer_id, call_id }));
    let value = prop_oneof![
        cid().prop_map(ValueRef::Scalar),
        (cid(), any::<u32>()).prop_map(|(cid, generation)| ValueRef::Stream { cid, generation }),
        cid().prop_map(ValueRef::Unused),
    ];
    prop_oneof![
        (any::<u32>(), any::<u32>()).prop_map(|(left, right)| State::Par { left, right }),
        sender.prop_map(State::Call),
        value.prop_map(|value| State::Call(CallState::Executed(value))),
        cid().prop_map(|cid| State::Call(CallState::Failed(cid))),
        vec(lore(), 0..4).prop_map(State::Fold),
        any::<u32>().prop_map(|generation| State::Ap(Generations::One(generation))),
        vec(any::<u32>(), 2..4).prop_map(|list| State::Ap(Generations::Other(list.into()))),
        name().prop_map(|peer| State::Canon(CanonState::RequestSentBy(peer))),
        cid().prop_map(|cid| State::Canon(CanonState::Executed(cid))),
    ]
}

fn tetraplet() -> impl Strategy<Value = Tetraplet> {
    (name(), name(), name(), name()).prop_map(|(peer_pk, service_id, function_name, lens)| {
        Tetraplet { peer_pk, service_id, function_name, lens }
    })
}

fn provenance() -> impl Strategy<Value = Provenance> {
    prop_oneof![
        Just(Provenance::Literal),
        cid().prop_map(Provenance::ServiceResult),
        cid().prop_map(Provenance::Canon),
    ]
}

fn stores() -> impl Strategy<Value = CidStores> {
    let elements = (cid(), cid(), provenance())
        .prop_map(|(value, tetraplet, provenance)| CanonElement { value, tetraplet, provenance });
    let canons =
        (cid(), vec(cid(), 0..5)).prop_map(|(tetraplet, values)| CanonResult { tetraplet, values });
    let services = (cid(), cid(), cid()).prop_map(|(value_cid, argument_hash, tetraplet_cid)| {
        ServiceResult { value_cid, argument_hash, tetraplet_cid }
    });
    (
        vec(".{0,12}".prop_map(String::from), 0..5),
        vec(tetraplet(), 0..5),
        vec(elements, 0..5),
        vec(canons, 0..5),
        vec(services, 0..5),
    )
        .prop_map(|(values, tetraplets, elements, canons, services)| {
            let mut stores = CidStores::default();
            for value in values {
                stores.add_value(&Value::string(value));
            }
            for tetraplet in tetraplets {
                stores.add_tetraplet(&Arc::new(tetraplet));
            }
            for element in elements {
                stores.add_canon_element(element);
            }
            for canon in canons {
                stores.add_canon_result(canon);
            }
            for service in services {
                stores.add_service_result(service);
            }
            stores
        })
}

/// Data in which anything may stand that an archive can hold.
pub fn particle_data() -> impl Strategy<Value = ParticleData> {
    let signers = vec((1_u8..5, vec(cid(), 0..3)), 0..4);
    (vec(state(), 0..12), any::<u32>(), stores(), signers).prop_map(
        |(trace, last_call_request_id, stores, signers)| {
            let mut data =
                ParticleData { trace, last_call_request_id, stores, ..ParticleData::default() };
            for (secret, cids) in signers {
                let mut signed = SignedCids::default();
                cids.into_iter().for_each(|cid| signed.add(cid));
                data.signatures.put(signed.sign(&KeyPair::from_secret(&[secret; 32]), "salt"));
            }
            data
        },
    )
}

/// One thing done to some bytes.
#[derive(Clone, Debug)]
pub enum Mutation {
    /// Flips bits of one byte.
    Flip(usize, u8),
    /// Overwrites four bytes with a number.
    Number(usize, u32),
    /// Cuts the end off.
    Truncate(usize),
    /// Takes bytes out.
    Remove(usize, usize),
    /// Puts bytes in.
    Insert(usize, Vec<u8>),
    /// Copies one part over another.
    Copy(usize, usize, usize),
}

impl Mutation {
    /// The bytes with this done to them; positions wrap around.
    pub fn apply(&self, bytes: &mut Vec<u8>) {
        let Some(end) = bytes.len().checked_sub(1) else { return };
        let at = |position: usize| position % (end + 1);
        match self {
            Self::Flip(position, bits) => bytes[at(*position)] ^= bits,
            Self::Number(position, number) => {
                let position = at(*position) & !3;
                for (place, byte) in bytes[position..].iter_mut().zip(number.to_be_bytes()) {
                    *place = byte;
                }
            }
            Self::Truncate(len) => bytes.truncate(at(*len)),
            Self::Remove(from, len) => {
                let from = at(*from);
                bytes.drain(from..(from + len % 64).min(end));
            }
            Self::Insert(position, new) => {
                let position = at(*position);
                bytes.splice(position..position, new.iter().copied());
            }
            Self::Copy(from, to, len) => {
                let (from, to) = (at(*from), at(*to));
                let len = (len % 64).min(end - from).min(end - to);
                bytes.copy_within(from..from + len, to);
            }
        }
    }
}

/// A few mutations, with numbers that lie at the edges of lengths and offsets.
pub fn mutations() -> impl Strategy<Value = Vec<Mutation>> {
    let number = prop_oneof![
        any::<u32>(),
        0_u32..64,
        (0_u32..512).prop_map(u32::wrapping_neg),
        Just(i32::MAX.unsigned_abs()),
        Just(1 << 31),
        Just(u32::MAX / 12),
        Just(u32::MAX / 24 + 1),
    ];
    let mutation = prop_oneof![
        3 => (any::<usize>(), 1_u8..).prop_map(|(at, bits)| Mutation::Flip(at, bits)),
        6 => (any::<usize>(), number).prop_map(|(at, number)| Mutation::Number(at, number)),
        1 => any::<usize>().prop_map(Mutation::Truncate),
        1 => (any::<usize>(), any::<usize>()).prop_map(|(at, len)| Mutation::Remove(at, len)),
        1 => (any::<usize>(), vec(any::<u8>(), 0..16)).prop_map(|(at, b)| Mutation::Insert(at, b)),
        2 => (any::<usize>(), any::<usize>(), any::<usize>())
            .prop_map(|(from, to, len)| Mutation::Copy(from, to, len)),
    ];
    vec(mutation, 1..4)
}
