//! A virtio device made of memory, for the tests of this room: it does what the test tells it, sane
//! or not.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use virtio_drivers::transport::{DeviceStatus, DeviceType, InterruptStatus, Transport};
use virtio_drivers::{Error, PhysAddr, Result};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// Place and progress of one queue, as the device knows it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Queue {
    size: u16,
    descriptors: u64,
    available: u64,
    used: u64,
    next_available: u16,
    next_used: u16,
}

/// A buffer that the driver made available.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Available {
    /// Token: the first descriptor.
    pub token: u16,
    /// Where the buffer is.
    pub address: u64,
    /// How long it is, in bytes.
    pub bytes: u32,
    /// Whether the device may write to it.
    pub writable: bool,
}

/// The device's own state, which a test may change.
pub struct State {
    /// What it is.
    pub kind: DeviceType,
    /// Features that it offers.
    pub offered: u64,
    /// Features that the driver took.
    pub taken: u64,
    /// Its status register.
    pub status: DeviceStatus,
    /// Status bits that it refuses to take.
    pub refused: DeviceStatus,
    /// Readings of the status after which a reset is done; `None` for never.
    pub reset_reads: Option<u32>,
    reset_left: Cell<u32>,
    /// Largest queue, per queue.
    pub queue_sizes: Vec<u32>,
    /// Queues that the driver has set up.
    pub queues: Vec<Queue>,
    /// Configuration space.
    pub config: Vec<u8>,
    /// Added to the configuration generation at each read of it.
    pub config_restless: u32,
    generation: Cell<u32>,
    /// What `ack_interrupt` reports next.
    pub interrupt: InterruptStatus,
    /// Notifications by queue.
    pub notified: Vec<u16>,
    /// Whether it has the old memory layout.
    pub legacy: bool,
}

/// The driver's way to the device.
#[derive(Clone)]
pub struct FakeTransport(pub Rc<RefCell<State>>);

impl FakeTransport {
    /// A device that offers `offered` and has queues of `queue_sizes`.
    pub fn new(kind: DeviceType, offered: u64, queue_sizes: &[u32], config: &[u8]) -> Self {
        FakeTransport(Rc::new(RefCell::new(State {
            kind,
            offered,
            taken: 0,
            status: DeviceStatus::empty(),
            refused: DeviceStatus::empty(),
            reset_reads: Some(0),
            reset_left: Cell::new(0),
            queue_sizes: queue_sizes.to_vec(),
            queues: Vec::from([Queue::default(); 4]),
            config: config.to_vec(),
            config_restless: 0,
            generation: Cell::new(0),
            interrupt: InterruptStatus::empty(),
            notified: Vec::new(),
            legacy: false,
        })))
    }

    fn word<T: Copy>(address: u64) -> *mut T {
        core::ptr::with_exposed_provenance_mut(usize::try_from(address).unwrap())
    }

    fn read<T: Copy>(address: u64) -> T {
        // SAFETY: tests only read rings and buffers that the driver told about and that stay
        // allocated.
        unsafe { Self::word::<T>(address).read_volatile() }
    }

    fn write<T: Copy>(address: u64, value: T) {
        // SAFETY: tests only write rings and buffers that the driver told about and that stay
        // allocated.
        unsafe { Self::word::<T>(address).write_volatile(value) }
    }

    /// The next buffer that the driver made available on `queue`, the first of its chain.
    pub fn next(&self, queue: usize) -> Option<Available> {
        self.next_chain(queue).map(|chain| chain[0])
    }

    /// The next buffers that the driver made available on `queue` together.
    pub fn next_chain(&self, queue: usize) -> Option<Vec<Available>> {
        const NEXT: u16 = 1;
        const WRITE: u16 = 2;
        let queue = &mut self.0.borrow_mut().queues[queue];
        if Self::read::<u16>(queue.available + 2) == queue.next_available {
            return None;
        }
        let slot = u64::from(queue.next_available % queue.size);
        let token = Self::read::<u16>(queue.available + 4 + 2 * slot);
        queue.next_available = queue.next_available.wrapping_add(1);
        let mut chain = Vec::new();
        let mut number = token;
        loop {
            let descriptor = queue.descriptors + 16 * u64::from(number);
            let flags = Self::read::<u16>(descriptor + 12);
            chain.push(Available {
                token,
                address: Self::read(descriptor),
                bytes: Self::read(descriptor + 8),
                writable: flags & WRITE != 0,
            });
            if flags & NEXT == 0 || chain.len() == usize::from(queue.size) {
                return Some(chain);
            }
            number = Self::read(descriptor + 14);
        }
    }

    /// Gives a token back, claiming that `written` bytes were written.
    pub fn finish(&self, queue: usize, token: u32, written: u32) {
        let queue = &mut self.0.borrow_mut().queues[queue];
        let slot = u64::from(queue.next_used % queue.size);
        Self::write(queue.used + 4 + 8 * slot, token);
        Self::write(queue.used + 8 + 8 * slot, written);
        queue.next_used = queue.next_used.wrapping_add(1);
        Self::write(queue.used + 2, queue.next_used);
    }

    /// Whether the driver wants an interrupt for `queue`.
    pub fn wants_interrupt(&self, queue: usize) -> bool {
        Self::read::<u16>(self.0.borrow().queues[queue].available) & 1 == 0
    }

    /// The first `bytes` bytes of a buffer.
    pub fn contents(buffer: Available, bytes: usize) -> Vec<u8> {
        (0..bytes as u64).map(|offset| Self::read(buffer.address + offset)).collect()
    }

    /// Writes to a buffer from its beginning.
    pub fn fill(buffer: Available, bytes: &[u8]) {
        for (offset, byte) in bytes.iter().enumerate() {
            Self::write(buffer.address + offset as u64, *byte);
        }
    }
}

impl Transport for FakeTransport {
    fn device_type(&self) -> DeviceType {
        self.0.borrow().kind
    }

    fn read_device_features(&mut self) -> u64 {
        self.0.borrow().offered
    }

    fn write_driver_features(&mut self, driver_features: u64) {
        self.0.borrow_mut().taken = driver_features;
    }

    fn max_queue_size(&mut self, queue: u16) -> u32 {
        self.0.borrow().queue_sizes.get(usize::from(queue)).copied().unwrap_or(0)
    }

    fn notify(&mut self, queue: u16) {
        self.0.borrow_mut().notified.push(queue);
    }

    fn get_status(&self) -> DeviceStatus {
        let state = self.0.borrow();
        match state.reset_left.get() {
            0 => state.status,
            left => {
                state.reset_left.set(left - u32::from(left != u32::MAX));
                DeviceStatus::DEVICE_NEEDS_RESET
            }
        }
    }

    fn set_status(&mut self, status: DeviceStatus) {
        let mut state = self.0.borrow_mut();
        if status == DeviceStatus::empty() {
            state.reset_left.set(state.reset_reads.unwrap_or(u32::MAX));
        }
        state.status = status & !state.refused;
    }

    fn set_guest_page_size(&mut self, _: u32) {}

    fn requires_legacy_layout(&self) -> bool {
        self.0.borrow().legacy
    }

    fn queue_set(
        &mut self,
        queue: u16,
        size: u32,
        descriptors: PhysAddr,
        driver_area: PhysAddr,
        device_area: PhysAddr,
    ) {
        self.0.borrow_mut().queues[usize::from(queue)] = Queue {
            size: u16::try_from(size).unwrap(),
            descriptors,
            available: driver_area,
            used: device_area,
            ..Queue::default()
        };
    }

    fn queue_unset(&mut self, _: u16) {}

    fn queue_used(&mut self, queue: u16) -> bool {
        self.0.borrow().queues[usize::from(queue)].size != 0
    }

    fn ack_interrupt(&mut self) -> InterruptStatus {
        core::mem::take(&mut self.0.borrow_mut().interrupt)
    }

    fn read_config_generation(&self) -> u32 {
        let state = self.0.borrow();
        state.generation.set(state.generation.get().wrapping_add(state.config_restless));
        state.generation.get()
    }

    fn read_config_space<T: FromBytes + IntoBytes>(&self, offset: usize) -> Result<T> {
        // As the transport over MMIO demands.
        assert!(align_of::<T>() <= 4 && offset.is_multiple_of(align_of::<T>()));
        let state = self.0.borrow();
        let bytes = state.config.get(offset..offset + size_of::<T>());
        let value = bytes.and_then(|bytes| T::read_from_bytes(bytes).ok());
        value.ok_or(Error::ConfigSpaceTooSmall)
    }

    fn write_config_space<T: IntoBytes + Immutable>(&mut self, _: usize, _: T) -> Result<()> {
        Err(Error::Unsupported)
    }
}
