//! The states of a trace, a line each.

use std::fmt::Write;

use air_core::data::{
    CallState, CanonState, Cid, ParticleData, Sender, State, SubTraces, Tetraplet, ValueRef,
};

use super::outline::Outline;

/// Characters of a value that are shown.
const MAX_VALUE_CHARS: usize = 60;
/// Of a longer id, that of a peer or a CID, the last characters are shown: they tell ids apart.
const ID_TAIL_CHARS: usize = 6;
const MAX_ID_CHARS: usize = 14;

/// Data to be shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Picture<'a> {
    pub data: &'a ParticleData,
    /// Nothing is shortened.
    pub is_full: bool,
}

impl Picture<'_> {
    /// Appends a line for each state.
    pub(super) fn states(self, out: &mut String) {
        let trace = &self.data.trace;
        let outline = Outline::of(trace);
        let width = trace.len().saturating_sub(1).to_string().len();
        for (at, state) in trace.iter().enumerate() {
            for (depth, title) in outline.titles(at) {
                line(out, "", width, depth, &format!("{title}:"));
            }
            let depth = outline.depth(at);
            line(out, &at.to_string(), width, depth, &self.state(state));
            if let State::Canon(CanonState::Executed(cid)) = state {
                for element in self.elements(cid) {
                    line(out, "", width, depth + 1, &element);
                }
            }
        }
    }

    fn state(self, state: &State) -> String {
        match state {
            State::Par { left, right } => format!("par: {left} states and {right}"),
            State::Call(call) => self.call(call),
            State::Fold(entries) => {
                let odd = entries.iter().any(|e| matches!(e.subtraces, SubTraces::Other(_)));
                let oddness = if odd { ", not all of two parts" } else { "" };
                format!("fold: {} iterations{oddness}", entries.len())
            }
            State::Ap(generations) => match generations.single() {
                Some(generation) => format!("ap: generation {generation}"),
                None => format!("ap: generations {:?}", generations.as_slice()),
            },
            State::Canon(CanonState::RequestSentBy(peer)) => {
                format!("canon: awaited, sent on by {}", self.id(peer))
            }
            State::Canon(CanonState::Executed(cid)) => {
                let stores = &self.data.stores;
                let result = stores.canon_results.get(cid);
                let place = result.and_then(|result| stores.tetraplets.get(&result.tetraplet));
                let peer = place.map_or("?".to_owned(), |place| self.id(&place.peer_pk));
                let count = result.map_or(0, |result| result.values.len());
                format!("canon on {peer}: {count} elements  [{}]", self.cid(cid))
            }
        }
    }

    fn call(self, call: &CallState) -> String {
        match call {
            CallState::RequestSentBy(Sender { peer_id, call_id: None }) => {
                format!("call: awaited, sent on by {}", self.id(peer_id))
            }
            CallState::RequestSentBy(Sender { peer_id, call_id: Some(number) }) => {
                format!("call: awaited, request {number} of {}", self.id(peer_id))
            }
            CallState::Executed(ValueRef::Scalar(cid)) => self.result(cid, ""),
            CallState::Executed(ValueRef::Stream { cid, generation }) => {
                self.result(cid, &format!(", generation {generation}"))
            }
            CallState::Executed(ValueRef::Unused(cid)) => {
                format!("call: result not kept  [{}]", self.cid(cid))
            }
            CallState::Failed(cid) => self.result(cid, ", failed"),
        }
    }

    /// The service result with this CID.
    fn result(self, cid: &Cid, remark: &str) -> String {
        let stores = &self.data.stores;
        let Some(result) = stores.service_results.get(cid) else {
            return format!("call{remark}: a result that is not there  [{}]", self.cid(cid));
        };
        let place = stores.tetraplets.get(&result.tetraplet_cid);
        let place = place.map_or("?".to_owned(), |place| self.place(place));
        let value = self.value(&result.value_cid);
        format!("call {place}{remark} = {value}  [{}]", self.cid(cid))
    }

    /// The elements of a canon result, if they are there.
    fn elements(self, cid: &Cid) -> Vec<String> {
        let stores = &self.data.stores;
        let Some(result) = stores.canon_results.get(cid) else { return Vec::new() };
        let elements = result.values.iter().map(|cid| {
            let Some(element) = stores.canon_elements.get(cid) else {
                return format!("- an element that is not there  [{}]", self.cid(cid));
            };
            let place = stores.tetraplets.get(&element.tetraplet);
            let place = place.map_or("?".to_owned(), |place| self.place(place));
            format!("- {} of {place}", self.value(&element.value))
        });
        elements.collect()
    }

    /// Peer, service, function and lens.
    fn place(self, tetraplet: &Tetraplet) -> String {
        let mut out = self.id(&tetraplet.peer_pk);
        if !tetraplet.service_id.is_empty() || !tetraplet.function_name.is_empty() {
            let _ = write!(out, " {}.{}", tetraplet.service_id, tetraplet.function_name);
        }
        if !tetraplet.lens.is_empty() {
            let _ = write!(out, " {}", tetraplet.lens);
        }
        out
    }

    fn value(self, cid: &Cid) -> String {
        match self.data.stores.values.get(cid) {
            None => format!("a value that is not there [{}]", self.cid(cid)),
            Some(value) if self.is_full => value.text().to_string(),
            Some(value) => match value.text().char_indices().nth(MAX_VALUE_CHARS) {
                None => value.text().to_string(),
                Some((end, _)) => {
                    let len = value.text().len();
                    format!("{}… ({len} bytes)", &value.text()[..end])
                }
            },
        }
    }

    fn cid(self, cid: &Cid) -> String {
        self.id(&cid.to_string())
    }

    fn id(self, id: &str) -> String {
        let count = id.chars().count();
        if self.is_full || count <= MAX_ID_CHARS {
            return id.to_owned();
        }
        let tail: String = id.chars().skip(count - ID_TAIL_CHARS).collect();
        format!("…{tail}")
    }
}

fn line(out: &mut String, number: &str, width: usize, depth: usize, text: &str) {
    let indent = "  ".repeat(depth);
    out.push_str(&format!("{number:>width$}  {indent}{text}\n"));
}
