//! The debug forms of trace states that messages of code 20000 and 20006 show.
//!
//! They are the forms in which the reference prints its own structures; hosts match on the code, the
//! text is for people.

use alloc::string::{String, ToString};
use core::fmt::{self, Display};

use crate::data::{
    CallState, CanonState, FoldLore, Generations, Sender, State, SubTrace, SubTraces, ValueRef,
};

/// Displays a part of the trace in the reference's debug form.
pub(crate) struct Debugged<'a, T: ?Sized>(pub(crate) &'a T);

/// The text of a part of the trace.
pub(crate) fn debug_text<'a, T: ?Sized>(part: &'a T) -> String
where
    Debugged<'a, T>: Display,
{
    Debugged(part).to_string()
}

impl Display for Debugged<'_, State> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            State::Par { left, right } => {
                write!(f, "Par(ParResult {{ left_size: {left}, right_size: {right} }})")
            }
            State::Call(call) => write!(f, "Call({})", Debugged(call)),
            State::Fold(lore) => write!(f, "Fold({})", Debugged(lore.as_slice())),
            State::Ap(generations) => write!(f, "Ap({})", Debugged(generations)),
            State::Canon(canon) => write!(f, "Canon({})", Debugged(canon)),
        }
    }
}

impl Display for Debugged<'_, CallState> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            CallState::RequestSentBy(Sender { peer_id, call_id: None }) => {
                write!(f, "RequestSentBy(PeerId({peer_id:?}))")
            }
            CallState::RequestSentBy(Sender { peer_id, call_id: Some(call_id) }) => write!(
                f,
                "RequestSentBy(PeerIdWithCallId {{ peer_id: {peer_id:?}, call_id: {call_id} }})"
            ),
            CallState::Executed(value) => write!(f, "Executed({})", Debugged(value)),
            CallState::Failed(cid) => write!(f, "Failed(CID({cid:?}))"),
        }
    }
}

impl Display for Debugged<'_, ValueRef> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ValueRef::Scalar(cid) => write!(f, "Scalar(CID({cid:?}))"),
            ValueRef::Stream { cid, generation } => {
                write!(f, "Stream {{ cid: CID({cid:?}), generation: {generation} }}")
            }
            ValueRef::Unused(cid) => write!(f, "Unused(CID({cid:?}))"),
        }
    }
}

impl Display for Debugged<'_, CanonState> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            CanonState::RequestSentBy(peer_id) => write!(f, "RequestSentBy({peer_id:?})"),
            CanonState::Executed(cid) => write!(f, "Executed(CID({cid:?}))"),
        }
    }
}

impl Display for Debugged<'_, Generations> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApResult {{ res_generations: {:?} }}", self.0.as_slice())
    }
}

impl Display for Debugged<'_, [FoldLore]> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FoldResult { lore: [")?;
        for (index, lore) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            Debugged(lore).fmt(f)?;
        }
        f.write_str("] }")
    }
}

impl Display for Debugged<'_, FoldLore> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FoldSubTraceLore {{ value_pos: {}, subtraces_desc: [", self.0.value_pos)?;
        let pair;
        let subtraces: &[SubTrace] = match &self.0.subtraces {
            SubTraces::Pair(before, after) => {
                pair = [*before, *after];
                &pair
            }
            SubTraces::Other(subtraces) => subtraces,
        };
        for (index, SubTrace { begin, len }) in subtraces.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            write!(f, "SubTraceDesc {{ begin_pos: {begin}, subtrace_len: {len} }}")?;
        }
        f.write_str("] }")
    }
}
