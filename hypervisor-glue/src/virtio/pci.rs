//! The PCI transport (virtio 1.2 section 4.1), with MSI-X.
//!
//! The crate's own PCI transport knows no MSI-X and trusts offsets that the device tells; this one
//! does not. Only the modern interface is spoken, which transitional devices have too.

use super::init::InitError;
use crate::limits::PCI_BAR_BYTES;
use crate::mmio::Window;
use crate::pci::{self, Address, BarError, Capability, ConfigAccess, Function, Message, MsiX, Pin};
use core::fmt;
use virtio_drivers::transport::{DeviceStatus, DeviceType, InterruptStatus, Transport};
use virtio_drivers::{Error, PhysAddr, Result};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// PCI vendor of all virtio devices.
pub const VENDOR: u16 = 0x1af4;
const MODERN_DEVICES: u16 = 0x1040;
const VENDOR_CAPABILITY: u8 = 0x09;

/// Offsets in the common configuration (section 4.1.4.3).
mod common {
    pub const DEVICE_FEATURE_SELECT: usize = 0;
    pub const DEVICE_FEATURE: usize = 4;
    pub const DRIVER_FEATURE_SELECT: usize = 8;
    pub const DRIVER_FEATURE: usize = 12;
    pub const CONFIG_MSIX_VECTOR: usize = 16;
    pub const DEVICE_STATUS: usize = 20;
    pub const CONFIG_GENERATION: usize = 21;
    pub const QUEUE_SELECT: usize = 22;
    pub const QUEUE_SIZE: usize = 24;
    pub const QUEUE_MSIX_VECTOR: usize = 26;
    pub const QUEUE_ENABLE: usize = 28;
    pub const QUEUE_NOTIFY_OFF: usize = 30;
    pub const QUEUE_DESC: usize = 32;
    pub const QUEUE_DRIVER: usize = 40;
    pub const QUEUE_DEVICE: usize = 48;
    pub const BYTES: u32 = 56;
}

/// What the device answers where it has no vector for what was asked.
const NO_VECTOR: u16 = 0xffff;
/// Queues whose notification address is kept; our devices have at most three.
const QUEUES: usize = 4;

/// Why a PCI function cannot be used as a virtio device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PciError {
    /// It has no capability that describes this part of the modern interface.
    Missing(Part),
    /// The part is too small, or larger than [`PCI_BAR_BYTES`].
    Size(Part),
    /// The BAR of a part is unusable.
    Bar(BarError),
    /// A part cannot be mapped.
    Map,
}

/// Parts of the modern interface, by their type in the capability (section 4.1.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Common configuration.
    Common = 1,
    /// Notifications.
    Notify = 2,
    /// Interrupt status.
    Interrupt = 3,
    /// Configuration of the device type.
    Device = 4,
}

impl fmt::Display for PciError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PciError::Missing(part) => write!(f, "no {part:?} part"),
            PciError::Size(part) => write!(f, "the {part:?} part has an impossible size"),
            PciError::Bar(error) => error.fmt(f),
            PciError::Map => f.write_str("its registers cannot be mapped"),
        }
    }
}

/// What a function is as a virtio device; `None` for other functions and unknown types.
#[must_use]
pub fn kind(function: &Function) -> Option<DeviceType> {
    if function.vendor != VENDOR {
        return None;
    }
    match function.device {
        // Transitional devices have numbers of their own (section 4.1.2.1).
        0x1000 => Some(DeviceType::Network),
        0x1001 => Some(DeviceType::Block),
        0x1003 => Some(DeviceType::Console),
        0x1005 => Some(DeviceType::EntropySource),
        modern => modern.checked_sub(MODERN_DEVICES).and_then(|id| DeviceType::try_from(id).ok()),
    }
}

/// Place of a part, as a capability tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    bar: u8,
    offset: u32,
    bytes: u32,
}

/// The places of all parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Layout {
    common: Option<Place>,
    notify: Option<Place>,
    interrupt: Option<Place>,
    device: Option<Place>,
    notify_multiplier: u32,
    msix: Option<Capability>,
}

impl Layout {
    /// Reads the capability list; of several places for a part the first counts (section 4.1.4.1).
    fn read(config: &impl ConfigAccess, address: Address) -> Layout {
        let mut layout = Layout::default();
        for capability in pci::capabilities(config, address) {
            if capability.id == MsiX::ID {
                layout.msix.get_or_insert(capability);
            }
            let [length, kind] = capability.head;
            if capability.id != VENDOR_CAPABILITY || length < 16 {
                continue;
            }
            let [bar, ..] = capability.read(config, address, 4).to_le_bytes();
            let offset = capability.read(config, address, 8);
            let bytes = capability.read(config, address, 12);
            let place = Place { bar, offset, bytes };
            match kind {
                1 => _ = layout.common.get_or_insert(place),
                2 if length >= 20 && layout.notify.is_none() => {
                    layout.notify = Some(place);
                    layout.notify_multiplier = capability.read(config, address, 16);
                }
                3 => _ = layout.interrupt.get_or_insert(place),
                4 => _ = layout.device.get_or_insert(place),
                _ => {}
            }
        }
        layout
    }
}

/// What a device is given: a place for BARs that have none, and a mapping.
pub trait Resources {
    /// An unused address for a BAR of `bytes` bytes, aligned to that.
    fn place(&mut self, config: &impl ConfigAccess, bytes: u64) -> Option<u64>;
    /// Maps `bytes` bytes of device memory at a physical address.
    fn map(&mut self, address: u64, bytes: usize) -> Option<Window>;
}

/// The BARs of one function. None may move once registers are in use, so each is placed when it is
/// first asked for.
struct Bars<'a, C, R> {
    config: &'a C,
    function: &'a Function,
    resources: &'a mut R,
    bases: [Option<u64>; 6],
}

impl<C: ConfigAccess, R: Resources> Bars<'_, C, R> {
    fn base(&mut self, index: u8) -> core::result::Result<u64, PciError> {
        let slot = self.bases.get_mut(usize::from(index));
        let slot = slot.ok_or(PciError::Bar(BarError::NoSuchBar))?;
        if let Some(base) = *slot {
            return Ok(base);
        }
        let mut bar = pci::read_bar(self.config, self.function, index).map_err(PciError::Bar)?;
        if bar.base == 0 {
            let place = |bytes| self.resources.place(self.config, bytes);
            bar = pci::assign(self.config, self.function, bar, place).map_err(PciError::Bar)?;
        }
        Ok(*slot.insert(bar.base))
    }

    fn map(&mut self, place: Place) -> core::result::Result<Window, PciError> {
        let address = self.base(place.bar)?.checked_add(place.offset.into());
        let bytes = usize::try_from(place.bytes).ok();
        // Where RAM is, nothing is mapped.
        address
            .zip(bytes)
            .and_then(|(at, bytes)| self.resources.map(at, bytes))
            .ok_or(PciError::Map)
    }
}

/// A virtio device behind a PCI function.
#[derive(Debug)]
pub struct PciTransport {
    kind: DeviceType,
    common: Window,
    notify: Window,
    interrupt: Window,
    device: Option<Window>,
    notify_multiplier: u32,
    notify_offsets: [Option<usize>; QUEUES],
    vector: Option<u16>,
}

impl PciTransport {
    /// Maps the device's registers, gives addresses to its BARs if they have none, and lets it do
    /// DMA.
    ///
    /// `resources` finds addresses and maps device memory. `message` is the interrupt to use by
    /// MSI-X; [`PciTransport::uses_messages`] tells whether it is used.
    ///
    /// # Errors
    ///
    /// [`PciError`] if the function has no usable modern interface.
    pub fn new(
        config: &impl ConfigAccess,
        function: &Function,
        kind: DeviceType,
        resources: &mut impl Resources,
        message: Option<Message>,
    ) -> core::result::Result<Self, PciError> {
        let layout = Layout::read(config, function.address);
        let mut bars = Bars { config, function, resources, bases: [None; 6] };
        let mut part = |part: Part, place: Option<Place>, least: u32| {
            let place = place.ok_or(PciError::Missing(part))?;
            if place.bytes < least || u64::from(place.bytes) > PCI_BAR_BYTES {
                return Err(PciError::Size(part));
            }
            bars.map(place)
        };
        let mut transport = PciTransport {
            kind,
            common: part(Part::Common, layout.common, common::BYTES)?,
            notify: part(Part::Notify, layout.notify, 2)?,
            interrupt: part(Part::Interrupt, layout.interrupt, 1)?,
            device: layout.device.map(|place| part(Part::Device, Some(place), 1)).transpose()?,
            notify_multiplier: layout.notify_multiplier,
            notify_offsets: [None; QUEUES],
            vector: None,
        };
        let msix = layout.msix.and_then(|found| MsiX::read(config, function.address, found));
        let table = msix.map(|msix| {
            let bytes = u32::try_from(msix.table_bytes()).unwrap_or(u32::MAX);
            bars.map(Place { bar: msix.table_bar, offset: msix.table_offset, bytes })
        });
        pci::enable(config, function.address, Pin::Enabled);
        match (msix, table, message) {
            (Some(msix), Some(Ok(table)), Some(message)) => {
                pci::enable(config, function.address, Pin::Disabled);
                msix.enable(config, function.address, &table, message);
                transport.vector = Some(0);
                if transport.set_vector(common::CONFIG_MSIX_VECTOR).is_err() {
                    log::warn!("pci: {} takes no interrupt vector", function.address);
                    msix.disable(config, function.address);
                    pci::enable(config, function.address, Pin::Enabled);
                    transport.vector = None;
                }
            }
            (_, Some(Err(error)), _) => log::warn!("pci: {}: MSI-X: {error}", function.address),
            _ => {}
        }
        Ok(transport)
    }

    /// Whether the device interrupts by MSI-X messages.
    #[must_use]
    pub const fn uses_messages(&self) -> bool {
        self.vector.is_some()
    }

    fn select(&self, queue: u16) {
        self.common.write_u16(common::QUEUE_SELECT, queue);
    }

    /// Points a register at vector 0 and checks that the device could (section 4.1.5.1.2).
    fn set_vector(&self, register: usize) -> core::result::Result<(), InitError> {
        if let Some(vector) = self.vector {
            self.common.write_u16(register, vector);
            if self.common.read_u16(register) == NO_VECTOR {
                return Err(InitError::Config);
            }
        }
        Ok(())
    }
}

impl Transport for PciTransport {
    fn device_type(&self) -> DeviceType {
        self.kind
    }

    fn read_device_features(&mut self) -> u64 {
        self.common.write_u32(common::DEVICE_FEATURE_SELECT, 0);
        let low = self.common.read_u32(common::DEVICE_FEATURE);
        self.common.write_u32(common::DEVICE_FEATURE_SELECT, 1);
        let high = self.common.read_u32(common::DEVICE_FEATURE);
        (u64::from(high) << 32) | u64::from(low)
    }

    fn write_driver_features(&mut self, driver_features: u64) {
        let [low, high] = crate::mmio::halves(driver_features);
        self.common.write_u32(common::DRIVER_FEATURE_SELECT, 0);
        self.common.write_u32(common::DRIVER_FEATURE, low);
        self.common.write_u32(common::DRIVER_FEATURE_SELECT, 1);
        self.common.write_u32(common::DRIVER_FEATURE, high);
    }

    fn max_queue_size(&mut self, queue: u16) -> u32 {
        self.select(queue);
        self.common.read_u16(common::QUEUE_SIZE).into()
    }

    fn notify(&mut self, queue: u16) {
        let offset = self.notify_offsets.get(usize::from(queue)).copied().flatten();
        if let Some(offset) = offset {
            self.notify.write_u16(offset, queue);
        }
    }

    fn get_status(&self) -> DeviceStatus {
        DeviceStatus::from_bits_truncate(self.common.read_u8(common::DEVICE_STATUS).into())
    }

    fn set_status(&mut self, status: DeviceStatus) {
        let [status, ..] = status.bits().to_le_bytes();
        self.common.write_u8(common::DEVICE_STATUS, status);
    }

    fn set_guest_page_size(&mut self, _: u32) {}

    fn requires_legacy_layout(&self) -> bool {
        false
    }

    fn queue_set(
        &mut self,
        queue: u16,
        size: u32,
        descriptors: PhysAddr,
        driver_area: PhysAddr,
        device_area: PhysAddr,
    ) {
        self.select(queue);
        self.common.write_u16(common::QUEUE_SIZE, u16::try_from(size).unwrap_or(0));
        self.common.write_u64_halves(common::QUEUE_DESC, descriptors);
        self.common.write_u64_halves(common::QUEUE_DRIVER, driver_area);
        self.common.write_u64_halves(common::QUEUE_DEVICE, device_area);
        let vectors = self.set_vector(common::CONFIG_MSIX_VECTOR);
        if vectors.and_then(|()| self.set_vector(common::QUEUE_MSIX_VECTOR)).is_err() {
            log::warn!("pci: no interrupt vector for queue {queue}; it will be slow");
        }
        // Kept, because it never changes and asking costs two exits per notification.
        let place = usize::from(self.common.read_u16(common::QUEUE_NOTIFY_OFF));
        let multiplier = usize::try_from(self.notify_multiplier).ok();
        if let Some(slot) = self.notify_offsets.get_mut(usize::from(queue)) {
            *slot = multiplier.and_then(|multiplier| place.checked_mul(multiplier));
        }
        self.common.write_u16(common::QUEUE_ENABLE, 1);
    }

    fn queue_unset(&mut self, _: u16) {
        // Only a reset of the whole device gives queues back here (section 4.1.4.3.2).
    }

    fn queue_used(&mut self, queue: u16) -> bool {
        self.select(queue);
        self.common.read_u16(common::QUEUE_ENABLE) == 1
    }

    fn ack_interrupt(&mut self) -> InterruptStatus {
        // Reading is what acknowledges (section 4.1.4.5).
        InterruptStatus::from_bits_truncate(self.interrupt.read_u8(0).into())
    }

    fn read_config_generation(&self) -> u32 {
        self.common.read_u8(common::CONFIG_GENERATION).into()
    }

    fn read_config_space<T: FromBytes + IntoBytes>(&self, offset: usize) -> Result<T> {
        let device = self.device.as_ref().ok_or(Error::ConfigSpaceMissing)?;
        read_field(device, offset)
    }

    fn write_config_space<T: IntoBytes + Immutable>(&mut self, _: usize, _: T) -> Result<()> {
        // No driver here writes to configuration space.
        Err(Error::Unsupported)
    }
}

/// Reads a field of 1, 2 or 4 bytes at once and any other byte by byte, as section 4.1.3.1 asks
/// for.
fn read_field<T: FromBytes + IntoBytes>(window: &Window, offset: usize) -> Result<T> {
    window.part(offset, size_of::<T>()).ok_or(Error::ConfigSpaceTooSmall)?;
    let mut bytes = [0; 8];
    let bytes = bytes.get_mut(..size_of::<T>()).ok_or(Error::Unsupported)?;
    match bytes.len() {
        2 => bytes.copy_from_slice(&window.read_u16(offset).to_le_bytes()),
        4 => bytes.copy_from_slice(&window.read_u32(offset).to_le_bytes()),
        _ => {
            for (index, byte) in bytes.iter_mut().enumerate() {
                *byte = window.read_u8(offset + index);
            }
        }
    }
    T::read_from_bytes(bytes).map_err(|_| Error::ConfigSpaceTooSmall)
}

#[cfg(test)]
#[path = "pci_tests.rs"]
mod tests;
