//! QEMU's fw_cfg: named items that the host hands to the guest (QEMU docs/specs/fw_cfg.rst).
//!
//! Small reads go through the data port, larger ones by the device's DMA where it has one. Not
//! supported: writing items.

use crate::cpu::port;
use crate::limits::{FW_CFG_ITEM_BYTES, FW_CFG_ITEMS};
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::sync::atomic::{Ordering, fence};

/// Name of the item that holds our configuration.
pub const CONFIGURATION: &str = "opt/aerolith/config";
/// Name of the item that holds programs.
pub const PROGRAMS: &str = "opt/aerolith/programs";

const KEY_SIGNATURE: u16 = 0x00;
const KEY_FEATURES: u16 = 0x01;
const KEY_DIRECTORY: u16 = 0x19;
const SIGNATURE: [u8; 4] = *b"QEMU";
const FEATURE_DMA: u32 = 1 << 1;
const ENTRY_BYTES: usize = 64;
const NAME: usize = 8;

/// Why an item cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FwCfgError {
    /// It has so many bytes, which are more than were asked for.
    TooLarge {
        /// Bytes that it has.
        bytes: u32,
        /// Bytes that it may have.
        most: usize,
    },
    /// The device reported an error, or did not finish.
    Device,
}

impl fmt::Display for FwCfgError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FwCfgError::TooLarge { bytes, most } => {
                write!(f, "item of {bytes} bytes, more than {most}")
            }
            FwCfgError::Device => f.write_str("the device failed to read the item"),
        }
    }
}

/// How items are read: one is selected, then read from its start in pieces.
pub trait Access {
    /// Selects an item.
    fn select(&mut self, key: u16);
    /// Reads the next bytes of the selected item; zeros after its end.
    ///
    /// # Errors
    ///
    /// [`FwCfgError::Device`].
    fn read(&mut self, out: &mut [u8]) -> Result<(), FwCfgError>;
}

/// The device.
#[derive(Debug)]
pub struct FwCfg<A> {
    access: A,
}

impl FwCfg<Ports> {
    /// The machine's device; `None` if there is none.
    #[must_use]
    pub fn open() -> Option<Self> {
        let mut found = FwCfg::new(Ports { dma: false })?;
        found.access.select(KEY_FEATURES);
        let mut features = [0; 4];
        found.access.read(&mut features).ok()?;
        found.access.dma = u32::from_le_bytes(features) & FEATURE_DMA != 0;
        Some(found)
    }
}

impl<A: Access> FwCfg<A> {
    /// A device, if what `access` reaches has the signature of one.
    pub fn new(mut access: A) -> Option<Self> {
        let mut signature = [0; 4];
        access.select(KEY_SIGNATURE);
        access.read(&mut signature).ok()?;
        (signature == SIGNATURE).then_some(FwCfg { access })
    }

    /// The contents of the item `name`; `None` if there is none among the first [`FW_CFG_ITEMS`].
    ///
    /// # Errors
    ///
    /// [`FwCfgError`] if it is there and cannot be read.
    pub fn item(&mut self, name: &str) -> Result<Option<Vec<u8>>, FwCfgError> {
        self.item_within(name, FW_CFG_ITEM_BYTES)
    }

    /// The same for an item of `most` bytes.
    ///
    /// # Errors
    ///
    /// [`FwCfgError`] if it is there and cannot be read.
    pub fn item_within(&mut self, name: &str, most: usize) -> Result<Option<Vec<u8>>, FwCfgError> {
        let Some((key, bytes)) = self.find(name)? else { return Ok(None) };
        let length = usize::try_from(bytes).ok().filter(|length| *length <= most);
        let mut contents = vec![0; length.ok_or(FwCfgError::TooLarge { bytes, most })?];
        self.access.select(key);
        self.access.read(&mut contents)?;
        Ok(Some(contents))
    }

    /// Key and size of an item.
    fn find(&mut self, name: &str) -> Result<Option<(u16, u32)>, FwCfgError> {
        let mut count = [0; 4];
        self.access.select(KEY_DIRECTORY);
        self.access.read(&mut count)?;
        for _ in 0..u32::from_be_bytes(count).min(FW_CFG_ITEMS) {
            let mut entry = [0; ENTRY_BYTES];
            self.access.read(&mut entry)?;
            let [a, b, c, d, key_high, key_low, ..] = entry;
            let text = entry.get(NAME..).unwrap_or_default();
            let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
            if text.get(..end) == Some(name.as_bytes()) {
                let key = u16::from_be_bytes([key_high, key_low]);
                return Ok(Some((key, u32::from_be_bytes([a, b, c, d]))));
            }
        }
        Ok(None)
    }
}

/// The device's ports on x86.
#[derive(Debug)]
pub struct Ports {
    dma: bool,
}

/// What the DMA interface is told: all fields big-endian.
#[repr(C, align(16))]
struct Request {
    control: u32,
    bytes: u32,
    address: u64,
}

const SELECTOR: u16 = 0x510;
const DATA: u16 = 0x511;
const DMA_HIGH: u16 = 0x514;
const DMA_LOW: u16 = 0x518;
const DMA_ERROR: u32 = 1 << 0;
const DMA_READ: u32 = 1 << 1;
/// Looks at a request's control field; QEMU is done before the port write ends.
const DMA_POLLS: u32 = 100_000;
/// Reads up to this size are as quick byte by byte.
const SMALL_BYTES: usize = 16;

impl Access for Ports {
    fn select(&mut self, key: u16) {
        // SAFETY: fw_cfg's selector; where there is no such device nobody listens.
        unsafe { port::write_u16(SELECTOR, key) };
    }

    fn read(&mut self, out: &mut [u8]) -> Result<(), FwCfgError> {
        if self.dma && out.len() > SMALL_BYTES {
            return read_by_dma(out);
        }
        for byte in out {
            // SAFETY: fw_cfg's data port; reading it only advances in the item.
            *byte = unsafe { port::read_u8(DATA) };
        }
        Ok(())
    }
}

fn read_by_dma(out: &mut [u8]) -> Result<(), FwCfgError> {
    let bytes = u32::try_from(out.len()).map_err(|_| FwCfgError::Device)?;
    let address = out.as_mut_ptr().expose_provenance() as u64;
    let mut request =
        Request { control: DMA_READ.to_be(), bytes: bytes.to_be(), address: address.to_be() };
    let place = (&raw mut request).expose_provenance() as u64;
    let [low, high] = crate::mmio::halves(place);
    // The device reads the request and writes to `out` while the second write to its ports is under
    // way.
    fence(Ordering::SeqCst);
    // SAFETY: fw_cfg said that it has this port; the first half of the address has no effect yet.
    unsafe { port::write_u32(DMA_HIGH, high.to_be()) };
    // SAFETY: `request` and `out` are valid for the device to use, identity-mapped, and not touched
    // until it is done.
    unsafe { port::write_u32(DMA_LOW, low.to_be()) };
    for _ in 0..DMA_POLLS {
        // SAFETY: a field of a live local; the device may write to it, hence volatile.
        let control = u32::from_be(unsafe { (&raw const request.control).read_volatile() });
        fence(Ordering::SeqCst);
        match control {
            0 => return Ok(()),
            control if control & DMA_ERROR != 0 => return Err(FwCfgError::Device),
            _ => core::hint::spin_loop(),
        }
    }
    // The device still has our memory and may write to it at any time: nothing can be trusted any
    // more, but QEMU, the only one that has this device, never comes here.
    log::error!("the DMA of fw_cfg does not end");
    Err(FwCfgError::Device)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;
    use alloc::format;
    use alloc::string::String;
    use proptest::prelude::*;

    #[derive(Default)]
    struct Fake {
        items: BTreeMap<u16, Vec<u8>>,
        selected: Vec<u8>,
    }

    impl Access for Fake {
        fn select(&mut self, key: u16) {
            self.selected = self.items.get(&key).cloned().unwrap_or_default();
        }
        fn read(&mut self, out: &mut [u8]) -> Result<(), FwCfgError> {
            let count = out.len().min(self.selected.len());
            out.fill(0);
            for (to, from) in out.iter_mut().zip(self.selected.drain(..count)) {
                *to = from;
            }
            Ok(())
        }
    }

    /// A device with files; `told` overrides the sizes in the directory.
    fn device(files: &[(String, Vec<u8>)], told: Option<u32>) -> FwCfg<Fake> {
        let mut fake = Fake::default();
        let mut directory = u32::try_from(files.len()).unwrap().to_be_bytes().to_vec();
        for (key, (name, contents)) in (0x20_u16..).zip(files) {
            let bytes = told.unwrap_or(u32::try_from(contents.len()).unwrap());
            directory.extend(bytes.to_be_bytes());
            directory.extend(key.to_be_bytes());
            directory.extend([0; 2]);
            let mut text = name.clone().into_bytes();
            text.resize(56, 0);
            directory.extend(text);
            fake.items.insert(key, contents.clone());
        }
        fake.items.insert(KEY_SIGNATURE, SIGNATURE.to_vec());
        fake.items.insert(KEY_DIRECTORY, directory);
        FwCfg::new(fake).unwrap()
    }

    fn file(name: &str, contents: &[u8]) -> (String, Vec<u8>) {
        (name.into(), contents.to_vec())
    }

    #[test]
    fn items_are_found_by_their_whole_name() {
        let files = [
            file("opt/aerolith/config2", b"no"),
            file("opt/aerolith", b"no"),
            file(CONFIGURATION, b"yes"),
        ];
        let mut device = device(&files, None);
        assert_eq!(device.item(CONFIGURATION), Ok(Some(b"yes".to_vec())));
        assert_eq!(device.item("opt/aerolith/other"), Ok(None));
        let longest = "x".repeat(56);
        let mut device = self::device(&[file(&longest, b"56")], None);
        assert_eq!(device.item(&longest), Ok(Some(b"56".to_vec())));
    }

    #[test]
    fn without_the_signature_there_is_no_device() {
        assert!(FwCfg::new(Fake::default()).is_none());
    }

    #[test]
    fn items_are_read_up_to_the_limits() {
        let limit = u32::try_from(FW_CFG_ITEM_BYTES).unwrap();
        let mut fits = device(&[file("a", b"")], Some(limit));
        assert_eq!(fits.item("a").unwrap().unwrap().len(), FW_CFG_ITEM_BYTES);
        let mut over = device(&[file("a", b"")], Some(limit + 1));
        assert_eq!(
            over.item("a"),
            Err(FwCfgError::TooLarge { bytes: limit + 1, most: FW_CFG_ITEM_BYTES })
        );
        let mut files: Vec<_> =
            (0..FW_CFG_ITEMS - 1).map(|index| file(&format!("{index}"), b"")).collect();
        files.push(file("last", b"1"));
        assert_eq!(device(&files, None).item("last"), Ok(Some(b"1".to_vec())));
        files.insert(0, file("first", b""));
        assert_eq!(device(&files, None).item("last"), Ok(None));
    }

    proptest! {
        #[test]
        fn any_directory_is_survived(
            directory in prop::collection::vec(any::<u8>(), 0..400),
            name in ".{0,60}",
        ) {
            let mut fake = Fake::default();
            fake.items.insert(KEY_SIGNATURE, SIGNATURE.to_vec());
            fake.items.insert(KEY_DIRECTORY, directory);
            if let Ok(Some(item)) = FwCfg::new(fake).unwrap().item(&name) {
                prop_assert!(item.len() <= FW_CFG_ITEM_BYTES);
            }
        }
    }
}
