//! How boot parsers see physical memory.

/// Memory that a loader's structures lie in.
pub trait PhysicalMemory {
    /// The bytes from `address`: at most `length`, fewer where readable memory ends, and none
    /// where nothing is readable.
    fn bytes_up_to(&self, address: u64, length: usize) -> &[u8];

    /// Exactly `length` bytes from `address`.
    fn bytes(&self, address: u64, length: usize) -> Option<&[u8]> {
        let bytes = self.bytes_up_to(address, length);
        (bytes.len() == length).then_some(bytes)
    }
}

/// Little-endian field of `bytes` at `offset`.
#[must_use]
pub fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    let field = bytes.get(offset..)?.first_chunk::<4>()?;
    Some(u32::from_le_bytes(*field))
}

/// Little-endian field of `bytes` at `offset`.
#[must_use]
pub fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    let field = bytes.get(offset..)?.first_chunk::<8>()?;
    Some(u64::from_le_bytes(*field))
}

/// Everything below 4 GiB except address 0, as the boot page tables map it.
///
/// Not without the first page: QEMU's loader of the q35 and pc machines puts its tables there.
#[derive(Debug)]
pub struct BootMappedMemory(());

impl BootMappedMemory {
    const END: u64 = 1 << 32;
    const START: u64 = 1;

    /// Access to it.
    ///
    /// # Safety
    /// While the value lives: the boot page tables are in force, and nothing writes to the
    /// memory that the loader's structures lie in.
    #[must_use]
    pub const unsafe fn new() -> BootMappedMemory {
        BootMappedMemory(())
    }
}

impl PhysicalMemory for BootMappedMemory {
    fn bytes_up_to(&self, address: u64, length: usize) -> &[u8] {
        if !(Self::START..Self::END).contains(&address) {
            return &[];
        }
        let length = (Self::END - address).min(length as u64);
        let (Ok(address), Ok(length)) = (usize::try_from(address), usize::try_from(length)) else {
            return &[];
        };
        let start = core::ptr::with_exposed_provenance(address);
        // SAFETY: the range is within what the boot page tables map, and unchanged by the
        // promise of `new`; any byte pattern is a valid u8.
        unsafe { core::slice::from_raw_parts(start, length) }
    }
}

#[cfg(test)]
pub(crate) mod fake {
    //! Physical memory of a test.

    use super::PhysicalMemory;
    use std::vec::Vec;

    /// One stretch of memory at `base`.
    pub(crate) struct FakeMemory {
        pub(crate) base: u64,
        pub(crate) bytes: Vec<u8>,
    }

    impl FakeMemory {
        pub(crate) fn new(base: u64, length: usize) -> FakeMemory {
            FakeMemory { base, bytes: std::vec![0; length] }
        }

        pub(crate) fn write(&mut self, address: u64, bytes: &[u8]) {
            let start = usize::try_from(address - self.base).unwrap();
            self.bytes[start..start + bytes.len()].copy_from_slice(bytes);
        }
    }

    impl PhysicalMemory for FakeMemory {
        fn bytes_up_to(&self, address: u64, length: usize) -> &[u8] {
            let offset = address.checked_sub(self.base).and_then(|o| usize::try_from(o).ok());
            let tail = offset.and_then(|offset| self.bytes.get(offset..)).unwrap_or_default();
            &tail[..length.min(tail.len())]
        }
    }
}
