//! virtio-rng (virtio 1.2 section 5.4) as a source of entropy.
//!
//! One request at a time, with a bounded wait. A device that does not answer in time keeps the
//! buffer for ever and is not asked again.

use super::hal::MachineHal;
use super::init::{self, InitError, VERSION_1};
use crate::clock;
use crate::entropy::{SEED_BYTES, Seed, Source, wipe};
use crate::limits::RNG_WAIT_MICROS;
use alloc::boxed::Box;
use core::fmt;
use core::mem::ManuallyDrop;
use core::ptr::NonNull;
use core::sync::atomic::{Ordering, fence};
use virtio_drivers::queue::VirtQueue;
use virtio_drivers::transport::{DeviceStatus, Transport};

const QUEUE: u16 = 0;
const QUEUE_SIZE: usize = 8;
/// The device may give less than asked for: so many requests make a seed or none.
const REQUESTS: usize = SEED_BYTES;

/// An entropy device.
pub struct VirtioRng<T: Transport> {
    transport: T,
    /// Never freed: the device may write to it as long as it runs.
    queue: ManuallyDrop<VirtQueue<MachineHal, QUEUE_SIZE>>,
    buffer: NonNull<Seed>,
    failed: bool,
}

impl<T: Transport> fmt::Debug for VirtioRng<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VirtioRng").field("failed", &self.failed).finish_non_exhaustive()
    }
}

impl<T: Transport> VirtioRng<T> {
    /// Starts the device.
    ///
    /// # Errors
    ///
    /// [`InitError`]; the device has been told to stop then.
    pub fn new(mut transport: T) -> Result<Self, InitError> {
        let agreed = init::negotiate(&mut transport, VERSION_1)?;
        let queue = VirtQueue::new(&mut transport, QUEUE, false, false).map_err(InitError::Queue);
        let mut queue = ManuallyDrop::new(init::stop_on_error(&mut transport, queue)?);
        // Its answer is waited for.
        queue.set_dev_notify(false);
        init::finish(&mut transport, agreed);
        let buffer = NonNull::from(Box::leak(Box::new([0; SEED_BYTES])));
        Ok(VirtioRng { transport, queue, buffer, failed: false })
    }

    /// Asks for up to `out.len()` bytes; how many came. None if the device is broken.
    fn request(&mut self, out: &mut [u8]) -> Option<usize> {
        let wanted = out.len().min(SEED_BYTES);
        // SAFETY: the device does not have the buffer: after a request that did not end it is never
        // used again.
        let buffer = unsafe { self.buffer.as_mut() }.get_mut(..wanted).filter(|b| !b.is_empty())?;
        // SAFETY: the buffer is never freed and not touched until it is back.
        let token = unsafe { self.queue.add(&[], &mut [buffer]) }.ok()?;
        fence(Ordering::SeqCst);
        if self.queue.should_notify() {
            self.transport.notify(QUEUE);
        }
        let deadline = clock::monotonic_micros().saturating_add(RNG_WAIT_MICROS);
        while !self.queue.can_pop() {
            if clock::monotonic_micros() >= deadline {
                return None;
            }
            core::hint::spin_loop();
        }
        // SAFETY: a used buffer is there; if it is not ours the call below says so.
        let buffer = unsafe { self.buffer.as_mut() }.get_mut(..wanted)?;
        // SAFETY: this is the buffer that was added under this token.
        let written = unsafe { self.queue.pop_used(token, &[], &mut [buffer]) }.ok()?;
        let written = usize::try_from(written).ok().filter(|n| (1..=wanted).contains(n))?;
        // SAFETY: the device gave the buffer back.
        let buffer = unsafe { self.buffer.as_mut() };
        for (to, from) in out.iter_mut().zip(buffer.iter().take(written)) {
            *to = *from;
        }
        wipe(buffer);
        Some(written)
    }
}

impl<T: Transport> Source for VirtioRng<T> {
    fn name(&self) -> &'static str {
        "virtio-rng"
    }

    fn fill(&mut self, seed: &mut Seed) -> bool {
        let mut have = 0;
        for _ in 0..REQUESTS {
            if self.failed {
                return false;
            }
            let missing = seed.get_mut(have..).unwrap_or_default();
            match self.request(missing) {
                Some(more) => have += more,
                None => {
                    self.failed = true;
                    self.transport.set_status(DeviceStatus::FAILED);
                }
            }
            if have >= seed.len() {
                // A device that gives the same byte all the time is broken.
                return seed.windows(2).any(|pair| pair[0] != pair[1]);
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::FakeTransport;
    use super::*;
    use virtio_drivers::transport::DeviceType;

    /// A device that answers each notification with as many bytes as told, counting upwards.
    #[derive(Clone)]
    struct Answering {
        fake: FakeTransport,
        written: u32,
        constant: bool,
    }

    fn device(written: u32, constant: bool) -> VirtioRng<Answering> {
        let fake = FakeTransport::new(DeviceType::EntropySource, VERSION_1, &[8], &[]);
        VirtioRng::new(Answering { fake, written, constant }).unwrap()
    }

    impl Answering {
        fn answer(&self) {
            while let Some(buffer) = self.fake.next(0) {
                let count = self.written.min(buffer.bytes);
                let bytes: alloc::vec::Vec<u8> = (0..count)
                    .map(|n| if self.constant { 9 } else { n.to_le_bytes()[0] })
                    .collect();
                FakeTransport::fill(buffer, &bytes);
                let told = if self.written > 1_000 { self.written } else { count };
                self.fake.finish(0, buffer.token.into(), told);
            }
        }
    }

    #[test]
    fn a_seed_is_collected_from_answers_of_any_size() {
        for written in [1, 7, 64, 100] {
            let mut rng = device(written, written == 1);
            let mut seed = [0xff; SEED_BYTES];
            assert_eq!(rng.fill(&mut seed), written != 1, "{written}");
            assert!(seed.iter().all(|byte| *byte != 0xff));
        }
    }

    #[test]
    fn a_device_that_gives_nothing_or_too_much_is_not_asked_again() {
        for written in [0, 2_000] {
            let mut rng = device(written, false);
            assert!(!rng.fill(&mut [0; SEED_BYTES]));
            assert!(rng.failed);
            rng.transport.written = 64;
            assert!(!rng.fill(&mut [0; SEED_BYTES]));
        }
    }

    #[test]
    fn always_the_same_byte_is_no_seed() {
        assert!(!device(64, true).fill(&mut [0; SEED_BYTES]));
    }

    mod transport {
        use super::Answering;
        use virtio_drivers::transport::{DeviceStatus, DeviceType, InterruptStatus, Transport};
        use virtio_drivers::{PhysAddr, Result};
        use zerocopy::{FromBytes, Immutable, IntoBytes};

        impl Transport for Answering {
            fn device_type(&self) -> DeviceType {
                self.fake.device_type()
            }
            fn read_device_features(&mut self) -> u64 {
                self.fake.read_device_features()
            }
            fn write_driver_features(&mut self, features: u64) {
                self.fake.write_driver_features(features);
            }
            fn max_queue_size(&mut self, queue: u16) -> u32 {
                self.fake.max_queue_size(queue)
            }
            fn notify(&mut self, _: u16) {
                self.answer();
            }
            fn get_status(&self) -> DeviceStatus {
                self.fake.get_status()
            }
            fn set_status(&mut self, status: DeviceStatus) {
                self.fake.set_status(status);
            }
            fn set_guest_page_size(&mut self, _: u32) {}
            fn requires_legacy_layout(&self) -> bool {
                false
            }
            fn queue_set(&mut self, q: u16, n: u32, d: PhysAddr, a: PhysAddr, u: PhysAddr) {
                self.fake.queue_set(q, n, d, a, u);
            }
            fn queue_unset(&mut self, _: u16) {}
            fn queue_used(&mut self, queue: u16) -> bool {
                self.fake.queue_used(queue)
            }
            fn ack_interrupt(&mut self) -> InterruptStatus {
                InterruptStatus::empty()
            }
            fn read_config_generation(&self) -> u32 {
                0
            }
            fn read_config_space<T: FromBytes + IntoBytes>(&self, offset: usize) -> Result<T> {
                self.fake.read_config_space(offset)
            }
            fn write_config_space<T: IntoBytes + Immutable>(
                &mut self,
                o: usize,
                v: T,
            ) -> Result<()> {
                self.fake.write_config_space(o, v)
            }
        }
    }
}
