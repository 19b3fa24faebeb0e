//! How much memory decoded data take.

use alloc::sync::Arc;
use core::mem::size_of;

use super::{
    CanonElement, CanonResult, Cid, FoldLore, Generations, ParticleData, ServiceResult, State,
    Store, SubTrace, SubTraces, Tetraplet,
};

/// What an allocation takes beside its content: the allocator's head and, in an `Arc`, two counters.
const ALLOCATION: usize = 32;
/// What an entry of a hash index takes at most, with the room that such an index keeps free.
const INDEX_ENTRY: usize = 10;

impl ParticleData {
    /// About how many bytes of memory these data take; shared parts count as often as they are
    /// referred to, so this is at least what they take.
    #[must_use]
    pub fn memory_used(&self) -> usize {
        let trace: usize = self.trace.iter().map(state).sum();
        let stores = &self.stores;
        let signatures: usize = self
            .signatures
            .iter()
            .map(|(key, signature)| 2 * ALLOCATION + key.len() + signature.len() + 32 + INDEX_ENTRY)
            .sum();
        trace
            + store(&stores.values, |value| value.memory_used())
            + store(&stores.tetraplets, tetraplet)
            + store(&stores.canon_elements, |_| ALLOCATION + size_of::<CanonElement>())
            + store(&stores.canon_results, |result| {
                2 * ALLOCATION + size_of::<CanonResult>() + result.values.len() * size_of::<Cid>()
            })
            + store(&stores.service_results, |_| ALLOCATION + size_of::<ServiceResult>())
            + signatures
    }
}

fn state(state: &State) -> usize {
    let outside = match state {
        State::Fold(lore) => ALLOCATION + lore.iter().map(fold_lore).sum::<usize>(),
        State::Ap(Generations::Other(generations)) => ALLOCATION + 4 * generations.len(),
        _ => 0,
    };
    size_of::<State>() + outside
}

fn fold_lore(lore: &FoldLore) -> usize {
    let outside = match &lore.subtraces {
        SubTraces::Pair(..) => 0,
        SubTraces::Other(list) => ALLOCATION + size_of::<SubTrace>() * list.len(),
    };
    size_of::<FoldLore>() + outside
}

fn store<T>(store: &Store<T>, entry: impl Fn(&T) -> usize) -> usize {
    let foreign = |cid: &Cid| match cid.canonical_digest() {
        Some(_) => 0,
        None => ALLOCATION + cid.text_len(),
    };
    store
        .iter()
        .map(|(cid, value)| size_of::<(Cid, T)>() + INDEX_ENTRY + foreign(cid) + entry(value))
        .sum()
}

fn tetraplet(tetraplet: &Arc<Tetraplet>) -> usize {
    let texts =
        [&tetraplet.peer_pk, &tetraplet.service_id, &tetraplet.function_name, &tetraplet.lens];
    let texts: usize = texts.iter().map(|text| ALLOCATION + text.len()).sum();
    ALLOCATION + size_of::<Tetraplet>() + texts
}
