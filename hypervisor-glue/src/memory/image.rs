//! Where the linker script put the parts of this image.

use super::address::PhysRange;

macro_rules! linker_symbols {
    ($($name:ident)*) => {
        unsafe extern "C" {
            $(safe static $name: u8;)*
        }
    };
}

linker_symbols! {
    __image_start __image_end
    __text_start __text_end
    __rodata_start __rodata_end
    __data_start __data_end
}

fn between(start: &'static u8, end: &'static u8) -> PhysRange {
    let address = |symbol: &'static u8| core::ptr::from_ref(symbol).addr() as u64;
    PhysRange::new(address(start), address(end))
}

/// The whole image in memory, with its zeroed data and stacks.
#[must_use]
pub fn whole() -> PhysRange {
    between(&__image_start, &__image_end)
}

/// The code.
#[must_use]
pub fn text() -> PhysRange {
    between(&__text_start, &__text_end)
}

/// The constants.
#[must_use]
pub fn constants() -> PhysRange {
    between(&__rodata_start, &__rodata_end)
}

/// The variables, without the stacks.
#[must_use]
pub fn data() -> PhysRange {
    between(&__data_start, &__data_end)
}
