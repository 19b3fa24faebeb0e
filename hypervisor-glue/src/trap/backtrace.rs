//! Backtraces by frame pointers, bounded and within known memory only.

use crate::memory::address::PhysRange;

/// Frames at most: deeper ones are cut off, the top is what matters.
pub const MAX_FRAMES: usize = 48;

/// Walks the chain of saved frame pointers from `frame_pointer`, giving return addresses.
///
/// `read(address)` reads the word at an address within `stack`; nothing outside is asked for.
/// A chain must climb, so that a loop in it ends the walk.
pub fn walk(
    mut frame_pointer: u64,
    stack: PhysRange,
    code: PhysRange,
    read: impl Fn(u64) -> u64,
) -> impl Iterator<Item = u64> {
    core::iter::from_fn(move || {
        let end = frame_pointer.checked_add(16)?;
        let aligned = frame_pointer.is_multiple_of(8);
        if !aligned || frame_pointer < stack.start || end > stack.end {
            return None;
        }
        let return_address = read(frame_pointer + 8);
        let next = read(frame_pointer);
        frame_pointer = if next > frame_pointer { next } else { u64::MAX };
        code.contains(return_address).then_some(return_address)
    })
    .take(MAX_FRAMES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    const STACK: PhysRange = PhysRange::new(0x1000, 0x2000);
    const CODE: PhysRange = PhysRange::new(0x10_0000, 0x20_0000);

    #[test]
    fn follows_the_chain_to_its_end() {
        let words = |address| match address {
            0x1100 => 0x1200,
            0x1108 => 0x10_0001,
            0x1200 => 0,
            0x1208 => 0x10_0002,
            _ => unreachable!("{address:#x}"),
        };
        let frames: Vec<u64> = walk(0x1100, STACK, CODE, words).collect();
        assert_eq!(frames, [0x10_0001, 0x10_0002]);
    }

    #[test]
    fn ends_at_a_loop_at_the_bound_and_outside_the_code() {
        assert_eq!(
            walk(0x1100, STACK, CODE, |a| if a % 16 == 8 { CODE.start } else { 0x1100 }).count(),
            1
        );
        assert_eq!(
            walk(0x1000, STACK, CODE, |a| if a % 16 == 8 { CODE.start } else { a + 16 }).count(),
            MAX_FRAMES
        );
        assert_eq!(walk(0x1100, STACK, CODE, |a| a).count(), 0);
    }

    proptest! {
        #[test]
        fn never_reads_outside_the_stack(start in any::<u64>(), words in prop::collection::vec(0u64..0x3000, 16)) {
            let read = |address: u64| {
                assert!(STACK.contains(address) && STACK.contains(address + 7));
                if address % 16 == 8 { CODE.start } else { words[usize::try_from(address / 8 % 16).unwrap()] }
            };
            for start in [start, start % 0x3000] {
                prop_assert!(walk(start, STACK, CODE, read).count() <= MAX_FRAMES);
            }
        }
    }
}
