//! How much of the heap each thing may take: the bounds of [`crate::limits`], less on a small machine.

use crate::config::Config;
use crate::limits::{
    ARRIVALS_PART, BODIES_PART, CACHE_PART, CALL_RESULT_PART, FRAME_BYTES, HEAP_RESERVE_PERCENT,
    KEPT_PART, MAX_CACHED_SCRIPT_BYTES, MAX_CALL_RESULT_BYTES, MAX_REMEMBERED,
    MAX_STEP_MEMORY_BYTES, MIN_CALL_RESULT_BYTES, MIN_HEAP_RESERVE_BYTES, MIN_PARTICLE_BYTES,
    MIN_REMEMBERED, MIN_SCRIPT_BYTES, MIN_SCRIPT_TREE_BYTES, MIN_STEP_MEMORY_BYTES, PARTICLE_PART,
    REMEMBERED_BYTES, REMEMBERED_PART, SCRIPT_PART, SCRIPT_TREE_PART, STEP_MEMORY_PART,
};
use crate::machine::HeapUse;

/// Bounds in bytes that follow from the size of the heap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// The text of one script.
    pub script: usize,
    /// The tree of one script.
    pub script_tree: usize,
    /// All scripts that are kept.
    pub cached_scripts: usize,
    /// Bodies of requests that are being read, together.
    pub bodies: usize,
    /// One result of a service, and one response.
    pub call_result: usize,
    /// What one step of the interpreter may add.
    pub step_memory: usize,
    /// Instructions that may be open at once.
    pub frames: usize,
    /// One particle, as it is on the wire.
    pub particle: usize,
    /// Particles from peers that wait to be looked at, together.
    pub arrivals: usize,
    /// Data of idle particles, together.
    pub kept: usize,
    /// Particles that ended before their time and are remembered; their number.
    pub remembered: usize,
}

impl Allowance {
    /// The bounds on a machine whose heap has `total` bytes; 0 for a machine that does not say.
    #[must_use]
    pub fn new(total: u64, config: &Config) -> Self {
        let total = match usize::try_from(total) {
            Ok(0) | Err(_) => usize::MAX,
            Ok(total) => total,
        };
        let bytes = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        let configured = bytes(config.particles.max_script_bytes);
        let particle = bytes(config.peers.max_particle_bytes)
            .min((total / PARTICLE_PART).max(bytes(MIN_PARTICLE_BYTES)));
        let step_memory =
            (total / STEP_MEMORY_PART).clamp(MIN_STEP_MEMORY_BYTES, MAX_STEP_MEMORY_BYTES);
        Self {
            script: configured.min((total / SCRIPT_PART).max(MIN_SCRIPT_BYTES)),
            script_tree: (total / SCRIPT_TREE_PART).max(MIN_SCRIPT_TREE_BYTES),
            cached_scripts: MAX_CACHED_SCRIPT_BYTES.min(total / CACHE_PART),
            bodies: total / BODIES_PART,
            call_result: (total / CALL_RESULT_PART)
                .clamp(MIN_CALL_RESULT_BYTES, MAX_CALL_RESULT_BYTES),
            step_memory,
            frames: step_memory / FRAME_BYTES,
            particle,
            arrivals: (total / ARRIVALS_PART).max(particle),
            kept: total / KEPT_PART,
            remembered: (total / REMEMBERED_PART / REMEMBERED_BYTES)
                .clamp(MIN_REMEMBERED, MAX_REMEMBERED),
        }
    }
}

/// Whether so little of the heap is free that nothing new should be begun.
#[must_use]
pub fn is_short(heap: HeapUse) -> bool {
    let reserve =
        (heap.total / 100 * HEAP_RESERVE_PERCENT).max(MIN_HEAP_RESERVE_BYTES.min(heap.total / 3));
    heap.total > 0 && heap.used > heap.total.saturating_sub(reserve)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(total: u64) -> Allowance {
        Allowance::new(total, &Config::default())
    }

    #[test]
    fn a_large_machine_has_the_bounds_of_the_build() {
        let expected = Allowance {
            script: 256 << 10,
            script_tree: 256 << 20,
            cached_scripts: MAX_CACHED_SCRIPT_BYTES,
            bodies: 512 << 20,
            call_result: MAX_CALL_RESULT_BYTES,
            step_memory: MAX_STEP_MEMORY_BYTES,
            frames: MAX_STEP_MEMORY_BYTES / FRAME_BYTES,
            particle: 4 << 20,
            arrivals: 512 << 20,
            kept: 1 << 30,
            remembered: MAX_REMEMBERED,
        };
        assert_eq!(of(4 << 30), expected);
        assert_eq!(of(0).step_memory, MAX_STEP_MEMORY_BYTES);
    }

    #[test]
    fn a_small_machine_has_parts_of_its_heap() {
        let small = of(14 << 20);
        assert!(small.script < 128 << 10 && small.call_result < 64 << 10, "{small:?}");
        assert!(small.bodies < 2 << 20 && small.step_memory < 2 << 20, "{small:?}");
        assert!(small.script_tree < 1 << 20 && small.frames < 16 << 10, "{small:?}");
        assert_eq!(of(128 << 20).remembered, 16 << 10);
        assert_eq!(small.remembered, 1792);
        let tiny = of(1000);
        assert_eq!(tiny.remembered, MIN_REMEMBERED);
        assert_eq!((tiny.script, tiny.call_result), (MIN_SCRIPT_BYTES, MIN_CALL_RESULT_BYTES));
    }

    #[test]
    fn memory_is_short_when_the_reserve_is_touched() {
        let heap = |total, used| HeapUse { total, used, peak: used };
        assert!(!is_short(heap(100 << 20, 80 << 20)));
        assert!(is_short(heap(100 << 20, 86 << 20)));
        assert!(is_short(heap(14 << 20, 12 << 20)), "15 % of a small heap would be too little");
        assert!(!is_short(heap(0, 0)), "a machine that does not say");
    }
}
