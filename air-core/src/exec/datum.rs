//! A value with where it comes from.

use alloc::string::String;
use alloc::sync::Arc;
use core::fmt::Write;

use crate::data::{Provenance, Tetraplet};
use crate::value::Value;

/// A value of a variable, a stream or a canon, with its origin (air-language §4.2, §4.8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Datum {
    pub(crate) value: Value,
    pub(crate) tetraplet: Arc<Tetraplet>,
    pub(crate) provenance: Provenance,
    /// In a stream: position of the state in the result trace that put it there.
    pub(crate) position: u32,
}

impl Datum {
    pub(crate) fn new(value: Value, tetraplet: Arc<Tetraplet>, provenance: Provenance) -> Self {
        Self { value, tetraplet, provenance, position: 0 }
    }

    /// The same value, put into a stream by the state at `position`.
    pub(crate) fn at(self, position: u32) -> Self {
        Self { position, ..self }
    }
}

/// The tetraplet with `text` appended to its lens.
pub(crate) fn with_lens(tetraplet: &Tetraplet, text: &str) -> Arc<Tetraplet> {
    let mut lens = String::with_capacity(tetraplet.lens.len() + text.len());
    lens.push_str(&tetraplet.lens);
    lens.push_str(text);
    Arc::new(Tetraplet { lens: lens.into(), ..tetraplet.clone() })
}

/// The tetraplet of an item of an array with that tetraplet.
pub(crate) fn with_index(tetraplet: &Tetraplet, index: usize) -> Arc<Tetraplet> {
    /// Room for any index of memory and what stands around it.
    const INDEX_LEN: usize = 24;
    let mut lens = String::with_capacity(tetraplet.lens.len() + INDEX_LEN);
    // Writing to a string cannot fail.
    let _ = write!(lens, "{}.$.[{index}]", tetraplet.lens);
    Arc::new(Tetraplet { lens: lens.into(), ..tetraplet.clone() })
}

/// What a stored value keeps of the tetraplet that an argument would get (§4.8): a literal only the
/// peer, a canon's value also the lens.
pub(crate) fn normalised(tetraplet: Arc<Tetraplet>, provenance: &Provenance) -> Arc<Tetraplet> {
    let keeps_lens = match provenance {
        Provenance::ServiceResult(_) => return tetraplet,
        Provenance::Literal => tetraplet.lens.is_empty(),
        Provenance::Canon(_) => true,
    };
    if keeps_lens && tetraplet.service_id.is_empty() && tetraplet.function_name.is_empty() {
        return tetraplet;
    }
    let mut normal = Tetraplet::of_peer(tetraplet.peer_pk.clone());
    if matches!(provenance, Provenance::Canon(_)) {
        normal.lens = tetraplet.lens.clone();
    }
    Arc::new(normal)
}
