//! The archived types, children first, fields in declared order (air-data §3.3, §3.4).

use alloc::vec::Vec;

use super::super::layout;
use super::{Place, Writer};
use crate::data::{
    CallState, CanonElement, CanonResult, CanonState, Cid, FoldLore, ParticleData, Provenance,
    Sender, ServiceResult, State, StoredValue, SubTraces, Tetraplet, ValueRef,
};

impl<'a> Writer<'a> {
    pub(super) fn root(&mut self, data: &'a ParticleData) {
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
