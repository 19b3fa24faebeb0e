//! Writes an archive: depth first, children before parents, fields in declared order (air-data §3.4).
//!
//! Equal CID texts and equal peer ids are written once; the order of entries is that of the stores.
//! So equal data give equal bytes.

use alloc::vec::Vec;
use core::fmt;

use hashbrown::HashMap;

use super::layout;
use crate::data::{
    CallState, CanonElement, CanonResult, CanonState, Cid, FoldLore, ParticleData, Provenance,
    Sender, ServiceResult, State, StoredValue, SubTraces, Tetraplet, ValueRef,
};

/// The data do not fit into an archive, whose offsets are 32 bits with a sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArchiveTooLong;

impl fmt::Display for ArchiveTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("data do not fit into an archive of 2 GiB")
    }
}

/// How references to equal shared strings are told apart: nothing means that equal strings are written
/// once; a list names for each reference, in order of writing, the string it shares (equal numbers
/// share), which is how an archive from elsewhere is written again to the very same bytes.
pub type Sharing<'a> = Option<&'a [usize]>;

/// Appends the archive of `data` to `out`.
pub fn write_into(
    data: &ParticleData,
    sharing: Sharing<'_>,
    out: &mut Vec<u8>,
) -> Result<(), ArchiveTooLong> {
    let start = out.len();
    let mut writer = Writer {
        out,
        start,
        sharing: sharing.map(<[usize]>::iter),
        by_text: HashMap::with_capacity(if sharing.is_none() { data.cid_count() } else { 0 }),
        peers: HashMap::new(),
        by_number: HashMap::new(),
        too_long: false,
    };
    writer.root(data);
    let archive_len = writer.out.len() - start;
    if writer.too_long || i32::try_from(archive_len).is_err() {
        return Err(ArchiveTooLong);
    }
    Ok(())
}

/// Where something lies in the archive, and how long it is in its own units.
#[derive(Clone, Copy, Default)]
struct Place {
    at: usize,
    len: usize,
}

struct Writer<'a> {
    out: &'a mut Vec<u8>,
    /// Where the archive begins in `out`.
    start: usize,
    sharing: Option<core::slice::Iter<'a, usize>>,
    by_text: HashMap<&'a Cid, Place>,
    peers: HashMap<&'a str, usize>,
    by_number: HashMap<usize, Place>,
    too_long: bool,
}

impl<'a> Writer<'a> {
    // Positions and raw fields.

    fn position(&self) -> usize {
        self.out.len() - self.start
    }

    fn pad(&mut self) -> usize {
        while !self.position().is_multiple_of(layout::ALIGNMENT) {
            self.out.push(0);
        }
        self.position()
    }

    fn u32(&mut self, value: u32) {
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    fn len(&mut self, len: usize) {
        let value = u32::try_from(len).unwrap_or_else(|_| {
            self.too_long = true;
            0
        });
        self.u32(value);
    }

    fn tag(&mut self, tag: u8) {
        self.out.extend_from_slice(&[tag, 0, 0, 0]);
    }

    fn offset_from(&mut self, from: usize, target: usize) -> i32 {
        let distance = i64::try_from(target).and_then(|t| i64::try_from(from).map(|f| t - f));
        let offset = distance.ok().and_then(|distance| i32::try_from(distance).ok());
        offset.unwrap_or_else(|| {
            self.too_long = true;
            0
        })
    }

    /// An offset to `target`, relative to its own place.
    fn offset(&mut self, target: usize) {
        let here = self.position();
        let offset = self.offset_from(here, target);
        self.out.extend_from_slice(&offset.to_be_bytes());
    }

    fn reference(&mut self, place: Place) {
        self.offset(place.at);
        self.len(place.len);
    }

    fn zeros_up_to(&mut self, begin: usize, size: usize) {
        let missing = (begin + size).saturating_sub(self.position());
        self.out.extend(core::iter::repeat_n(0, missing));
    }

    // Children, which go before what refers to them.

    fn bytes(&mut self, bytes: &[u8]) -> Place {
        let at = self.position();
        self.out.extend_from_slice(bytes);
        Place { at, len: bytes.len() }
    }

    /// The place of a shared CID text, written now if it was not before.
    fn cid(&mut self, cid: &'a Cid) -> Place {
        let number = self.sharing.as_mut().and_then(Iterator::next).copied();
        let known = match number {
            Some(number) => self.by_number.get(&number),
            None => self.by_text.get(cid),
        };
        if let Some(place) = known {
            return *place;
        }
        let place = Place { at: self.position(), len: cid.text_len() };
        cid.write_bytes(self.out);
        if place.len == 0 {
            // Shared objects are told apart by where they lie, so even this one takes a byte.
            self.out.push(0);
        }
        match number {
            Some(number) => self.by_number.insert(number, place),
            None => self.by_text.insert(cid, place),
        };
        place
    }

    /// The place of a shared peer id.
    fn peer(&mut self, peer: &'a str) -> Place {
        let number = self.sharing.as_mut().and_then(Iterator::next).copied();
        let known = match number {
            Some(number) => self.by_number.get(&number).map(|place| place.at),
            None => self.peers.get(peer).copied(),
        };
        if let Some(at) = known {
            return Place { at, len: 0 };
        }
        let child = self.string_child(peer);
        let at = self.pad();
        self.string(peer, child);
        let place = Place { at, len: 0 };
        match number {
            Some(number) => drop(self.by_number.insert(number, place)),
            None => drop(self.peers.insert(peer, at)),
        }
        place
    }

    fn string_child(&mut self, text: &str) -> Place {
        if text.len() > layout::INLINE_STRING {
            self.bytes(text.as_bytes())
        } else {
            Place::default()
        }
    }

    /// The 8 bytes of a string whose child, if it is long, lies at `child`.
    fn string(&mut self, text: &str, child: Place) {
        if text.len() > layout::INLINE_STRING {
            let here = self.position();
            self.len(text.len());
            let offset = self.offset_from(here, child.at);
            self.out.extend_from_slice(&offset.to_le_bytes());
            return;
        }
        let mut image = [0; layout::STRING];
        for (place, byte) in image.iter_mut().zip(text.bytes()) {
            *place = byte;
        }
        if let Some(last) = image.last_mut() {
            *last = u8::try_from(text.len()).unwrap_or_default();
        }
        self.out.extend_from_slice(&image);
    }

    // The types.

    fn root(&mut self, data: &'a ParticleData) {
        let stores = &data.stores;
        let trace = self.trace(&data.trace);
        let values = self.store(stores.values.iter(), Self::stored_value);
        let tetraplets = self.store(stores.tetraplets.iter(), |w, t| w.tetraplet(t));
        let elements = self.store(stores.canon_elements.iter(), |w, e| w.canon_element(e));
        let canons = self.store(stores.canon_results.iter(), |w, c| w.canon_result(c));
        let services = self.store(stores.service_results.iter(), |w, s| w.service_result(s));

        let children: Vec<(Place, Place)> = data
            .signatures
            .iter()
            .map(|(key, signature)| (self.bytes(key), self.bytes(signature)))
            .collect();
        let signatures = Place { at: self.pad(), len: children.len() };
        for (key, signature) in children {
            self.reference(key);
            self.reference(signature);
        }

        self.pad();
        self.reference(trace);
        self.u32(data.last_call_request_id);
        for store in [values, tetraplets, elements, canons, services, signatures] {
            self.reference(store);
        }
    }

    fn trace(&mut self, trace: &'a [State]) -> Place {
        let children: Vec<Place> = trace.iter().map(|state| self.state_child(state)).collect();
        let at = self.pad();
        self.out.reserve(trace.len() * layout::STATE);
        for (state, child) in trace.iter().zip(children) {
            let begin = self.position();
            self.state(state, child);
            self.zeros_up_to(begin, layout::STATE);
        }
        Place { at, len: trace.len() }
    }

    /// What a state refers to: no state has more than one child.
    fn state_child(&mut self, state: &'a State) -> Place {
        match state {
            State::Par { .. } => Place::default(),
            State::Call(CallState::RequestSentBy(sender)) => self.peer(&sender.peer_id),
            State::Call(CallState::Executed(
                ValueRef::Scalar(cid) | ValueRef::Stream { cid, .. } | ValueRef::Unused(cid),
            ))
            | State::Call(CallState::Failed(cid))
            | State::Canon(CanonState::Executed(cid)) => self.cid(cid),
            State::Canon(CanonState::RequestSentBy(peer)) => self.peer(peer),
            State::Ap(generations) => {
                let generations = generations.as_slice();
                let at = self.pad();
                for generation in generations {
                    self.u32(*generation);
                }
                Place { at, len: generations.len() }
            }
            State::Fold(lore) => self.lore(lore),
        }
    }

    fn lore(&mut self, lore: &[FoldLore]) -> Place {
        let mut children = Vec::with_capacity(lore.len());
        for entry in lore {
            let pair;
            let subtraces = match &entry.subtraces {
                SubTraces::Pair(before, after) => {
                    pair = [*before, *after];
                    pair.as_slice()
                }
                SubTraces::Other(subtraces) => subtraces,
            };
            children.push(Place { at: self.pad(), len: subtraces.len() });
            for subtrace in subtraces {
                self.u32(subtrace.begin);
                self.u32(subtrace.len);
            }
        }
        let at = self.pad();
        for (entry, child) in lore.iter().zip(children) {
            self.u32(entry.value_pos);
            self.reference(child);
        }
        Place { at, len: lore.len() }
    }

    fn state(&mut self, state: &State, child: Place) {
        match state {
            State::Par { left, right } => {
                self.tag(layout::TAG_PAR);
                self.u32(*left);
                self.u32(*right);
            }
            State::Call(call) => {
                self.tag(layout::TAG_CALL);
                self.call(call, child);
            }
            State::Fold(_) => {
                self.tag(layout::TAG_FOLD);
                self.reference(child);
            }
            State::Ap(_) => {
                self.tag(layout::TAG_AP);
                self.reference(child);
            }
            State::Canon(CanonState::RequestSentBy(_)) => {
                self.tag(layout::TAG_CANON);
                self.tag(layout::TAG_REQUEST_SENT_BY);
                self.offset(child.at);
            }
            State::Canon(CanonState::Executed(_)) => {
                self.tag(layout::TAG_CANON);
                self.tag(layout::TAG_EXECUTED);
                self.reference(child);
            }
        }
    }

    fn call(&mut self, call: &CallState, child: Place) {
        match call {
            CallState::RequestSentBy(Sender { call_id, .. }) => {
                self.tag(layout::TAG_REQUEST_SENT_BY);
                let with_id = call_id.is_some();
                self.tag(if with_id { layout::TAG_PEER_WITH_CALL_ID } else { layout::TAG_PEER });
                self.offset(child.at);
                if let Some(call_id) = call_id {
                    self.u32(*call_id);
                }
            }
            CallState::Executed(value) => {
                self.tag(layout::TAG_EXECUTED);
                self.tag(match value {
                    ValueRef::Scalar(_) => layout::TAG_SCALAR,
                    ValueRef::Stream { .. } => layout::TAG_STREAM,
                    ValueRef::Unused(_) => layout::TAG_UNUSED,
                });
                self.reference(child);
                if let ValueRef::Stream { generation, .. } = value {
                    self.u32(*generation);
                }
            }
            CallState::Failed(_) => {
                self.tag(layout::TAG_FAILED);
                self.reference(child);
            }
        }
    }

    fn store<T: 'a>(
        &mut self,
        entries: core::slice::Iter<'a, (Cid, T)>,
        mut value: impl FnMut(&mut Self, &'a T) -> usize,
    ) -> Place {
        let mut children = Vec::with_capacity(entries.len());
        for (key, object) in entries {
            let key = self.cid(key);
            children.push((key, value(self, object)));
        }
        let at = self.pad();
        self.out.reserve(children.len() * layout::ENTRY);
        let len = children.len();
        for (key, value) in children {
            self.reference(key);
            self.offset(value);
        }
        Place { at, len }
    }

    fn stored_value(&mut self, value: &StoredValue) -> usize {
        let text = self.bytes(value.text().as_bytes());
        let at = self.pad();
        self.reference(text);
        at
    }

    fn tetraplet(&mut self, tetraplet: &Tetraplet) -> usize {
        let texts =
            [&tetraplet.peer_pk, &tetraplet.service_id, &tetraplet.function_name, &tetraplet.lens];
        let children = texts.map(|text| self.string_child(text));
        let at = self.pad();
        for (text, child) in texts.into_iter().zip(children) {
            self.string(text, child);
        }
        at
    }

    fn canon_element(&mut self, element: &'a CanonElement) -> usize {
        let value = self.cid(&element.value);
        let tetraplet = self.cid(&element.tetraplet);
        let provenance = match &element.provenance {
            Provenance::Literal => None,
            Provenance::ServiceResult(cid) => Some((layout::TAG_SERVICE_RESULT, self.cid(cid))),
            Provenance::Canon(cid) => Some((layout::TAG_CANON_RESULT, self.cid(cid))),
        };
        let at = self.pad();
        self.reference(value);
        self.reference(tetraplet);
        match provenance {
            None => self.tag(layout::TAG_LITERAL),
            Some((tag, cid)) => {
                self.tag(tag);
                self.reference(cid);
            }
        }
        self.zeros_up_to(at, layout::CANON_ELEMENT);
        at
    }

    fn canon_result(&mut self, result: &'a CanonResult) -> usize {
        let tetraplet = self.cid(&result.tetraplet);
        let children: Vec<Place> = result.values.iter().map(|cid| self.cid(cid)).collect();
        let values = Place { at: self.pad(), len: children.len() };
        for cid in children {
            self.reference(cid);
        }
        let at = self.pad();
        self.reference(tetraplet);
        self.reference(values);
        at
    }

    fn service_result(&mut self, result: &'a ServiceResult) -> usize {
        let children =
            [&result.value_cid, &result.argument_hash, &result.tetraplet_cid].map(|c| self.cid(c));
        let at = self.pad();
        for child in children {
            self.reference(child);
        }
        at
    }
}
