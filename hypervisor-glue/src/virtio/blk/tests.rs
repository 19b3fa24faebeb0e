//! The disk driver against a device that follows a script.

use super::super::testing::{Available, FakeTransport};
use super::*;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use core::future::Future;
use core::pin::Pin;
use core::sync::atomic::AtomicUsize;
use core::task::{Context, Poll};
use proptest::prelude::*;
use virtio_drivers::transport::{DeviceType, InterruptStatus};

const SECTORS: u64 = 1024;
const ALL: u64 = WANTED & !FEATURE_READ_ONLY & !FEATURE_SIZE_MAX | 0xff00_0000_0000;

fn config(sectors: u64, size_max: u32, block: u32) -> Vec<u8> {
    let mut config = vec![0; 24];
    config[..8].copy_from_slice(&sectors.to_le_bytes());
    config[8..12].copy_from_slice(&size_max.to_le_bytes());
    config[20..].copy_from_slice(&block.to_le_bytes());
    config
}

fn fake(offered: u64) -> FakeTransport {
    FakeTransport::new(DeviceType::Block, offered, &[256], &config(SECTORS, 0, 512))
}

fn started(offered: u64) -> (Disk, VirtioBlk<FakeTransport>) {
    let fake = fake(offered);
    let device = VirtioBlk::new(fake.clone(), Interrupt::Message).unwrap();
    (Disk { fake, bytes: vec![0; usize::try_from(SECTORS).unwrap() * SECTOR_BYTES] }, device)
}

/// The device's side, as a sane disk does it.
struct Disk {
    fake: FakeTransport,
    bytes: Vec<u8>,
}

#[derive(Debug)]
struct Asked {
    code: u32,
    sector: u64,
    chain: Vec<Available>,
}

impl Disk {
    fn next(&self) -> Option<Asked> {
        let chain = self.fake.next_chain(0)?;
        let header = FakeTransport::contents(chain[0], 16);
        assert_eq!((chain[0].bytes, chain[0].writable), (16, false));
        let status = chain[chain.len() - 1];
        assert_eq!((status.bytes, status.writable), (1, true));
        Some(Asked {
            code: u32::from_le_bytes(header[..4].try_into().unwrap()),
            sector: u64::from_le_bytes(header[8..].try_into().unwrap()),
            chain,
        })
    }

    fn end(&self, asked: &Asked, status: u8, written: u32) {
        FakeTransport::fill(asked.chain[asked.chain.len() - 1], &[status]);
        self.fake.finish(0, asked.chain[0].token.into(), written);
    }

    /// Does what is asked; how many requests that were.
    fn serve(&mut self) -> usize {
        let mut served = 0;
        while let Some(asked) = self.next() {
            let at = usize::try_from(asked.sector).unwrap() * SECTOR_BYTES;
            let written = match asked.code {
                0 => {
                    let bytes = asked.chain[1].bytes as usize;
                    FakeTransport::fill(asked.chain[1], &self.bytes[at..at + bytes]);
                    asked.chain[1].bytes + 1
                }
                1 => {
                    let bytes = asked.chain[1].bytes as usize;
                    let data = FakeTransport::contents(asked.chain[1], bytes);
                    self.bytes[at..at + bytes].copy_from_slice(&data);
                    1
                }
                _ => 1,
            };
            self.end(&asked, STATUS_OK, written);
            served += 1;
        }
        served
    }
}

/// Counts how often a task is woken.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl alloc::task::Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn poll_once<F: Future + ?Sized>(future: &mut Pin<Box<F>>, wakes: &Arc<Wakes>) -> Poll<F::Output> {
    future.as_mut().poll(&mut Context::from_waker(&wakes.clone().into()))
}

/// Drives an operation over a sane disk.
fn done<F: Future>(disk: &mut Disk, device: &VirtioBlk<FakeTransport>, operation: F) -> F::Output {
    let mut operation = Box::pin(operation);
    let wakes = Arc::new(Wakes::default());
    for _ in 0..1_000 {
        if let Poll::Ready(output) = poll_once(&mut operation, &wakes) {
            return output;
        }
        disk.serve();
        device.poll(0);
    }
    unreachable!("the operation does not end");
}

#[test]
fn sectors_are_written_flushed_and_read_back() {
    let (mut disk, device) = started(ALL);
    assert_eq!((device.sectors(), device.read_only()), (SECTORS, false));
    let bytes: Vec<u8> = (0..100_000_u32 / 512 * 512).map(|n| n.to_le_bytes()[1]).collect();
    done(&mut disk, &device, device.write(3, &bytes)).unwrap();
    assert_eq!(disk.bytes[3 * 512..][..bytes.len()], bytes);
    done(&mut disk, &device, device.flush()).unwrap();
    let mut read = vec![7; bytes.len()];
    done(&mut disk, &device, device.read(3, &mut read)).unwrap();
    assert_eq!(read, bytes);
    assert!(!device.is_busy());
}

#[test]
fn a_request_is_no_longer_than_the_bound_and_than_the_device_takes() {
    for (size_max, longest) in
        [(0, BLK_REQUEST_BYTES), (4096 + 511, 4096), (1 << 20, BLK_REQUEST_BYTES)]
    {
        let fake = fake(ALL | FEATURE_SIZE_MAX);
        fake.0.borrow_mut().config = config(SECTORS, size_max, 512);
        let device = VirtioBlk::new(fake.clone(), Interrupt::Line).unwrap();
        let disk = Disk { fake, bytes: Vec::new() };
        let bytes = vec![1; BLK_REQUEST_BYTES + 512];
        let mut write = Box::pin(device.write(0, &bytes));
        assert!(poll_once(&mut write, &Arc::default()).is_pending());
        assert_eq!(disk.next().unwrap().chain[1].bytes as usize, longest);
    }
}

#[test]
fn what_is_not_on_the_disk_is_not_asked_for() {
    let (mut disk, device) = started(ALL);
    done(&mut disk, &device, device.read(SECTORS - 1, &mut [0; 512])).unwrap();
    for (sector, bytes) in [(SECTORS, 512), (SECTORS - 1, 1024), (0, 511), (u64::MAX, 512)] {
        let read = device.read(sector, &mut vec![0; bytes]).now_or_never();
        assert_eq!(read, Some(Err(BlkError::Range)));
        let write = device.write(sector, &vec![0; bytes]).now_or_never();
        assert_eq!(write, Some(Err(BlkError::Range)));
    }
    assert!(disk.next().is_none());
}

trait NowOrNever: Future + Sized {
    fn now_or_never(self) -> Option<Self::Output> {
        match poll_once(&mut Box::pin(self), &Arc::default()) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        }
    }
}

impl<F: Future> NowOrNever for F {}

#[test]
fn a_disk_to_be_read_only_is_not_written() {
    let (mut disk, device) = started(ALL | FEATURE_READ_ONLY);
    assert!(device.read_only());
    assert_eq!(device.write(0, &[0; 512]).now_or_never(), Some(Err(BlkError::ReadOnly)));
    assert_eq!(device.flush().now_or_never(), Some(Ok(())));
    done(&mut disk, &device, device.read(0, &mut [0; 512])).unwrap();
}

#[test]
fn a_device_without_flushes_is_not_asked_for_one() {
    let (disk, device) = started(ALL & !FEATURE_FLUSH);
    assert_eq!(device.flush().now_or_never(), Some(Ok(())));
    assert!(disk.next().is_none());
}

#[test]
fn an_error_of_the_device_is_that_of_the_operation_alone() {
    for status in [1, 2, 3, 0xfe, UNWRITTEN] {
        let (mut disk, device) = started(ALL);
        let mut buffer = [5; 512];
        let mut read = Box::pin(device.read(0, &mut buffer));
        assert!(poll_once(&mut read, &Arc::default()).is_pending());
        disk.end(&disk.next().unwrap(), status, 513);
        device.poll(0);
        let ended = poll_once(&mut read, &Arc::default());
        assert_eq!(ended, Poll::Ready(Err(BlkError::Refused)), "{status}");
        drop(read);
        done(&mut disk, &device, device.read(0, &mut buffer)).unwrap();
        assert_eq!(buffer, [0; 512]);
    }
}

const UNWRITTEN: u8 = 0xff;

#[test]
fn a_device_that_writes_nothing_leaks_no_older_data() {
    let (mut disk, device) = started(ALL);
    done(&mut disk, &device, device.write(0, &[9; 512])).unwrap();
    let mut buffer = [5; 512];
    let mut read = Box::pin(device.read(0, &mut buffer));
    assert!(poll_once(&mut read, &Arc::default()).is_pending());
    disk.end(&disk.next().unwrap(), STATUS_OK, 0);
    device.poll(0);
    assert_eq!(poll_once(&mut read, &Arc::default()), Poll::Ready(Ok(())));
    drop(read);
    assert_eq!(buffer, [0; 512]);
}

#[test]
fn nothing_of_a_request_is_left_in_the_drivers_memory() {
    let (mut disk, device) = started(ALL);
    disk.bytes[..4096].fill(7);
    done(&mut disk, &device, device.read(0, &mut [0; 2048])).unwrap();
    done(&mut disk, &device, device.write(8, &[9; 4096])).unwrap();
    let (mut dropped, mut ended) = ([0; 1024], [0; 512]);
    let mut read = Box::pin(device.read(0, &mut dropped));
    assert!(poll_once(&mut read, &Arc::default()).is_pending());
    drop(read);
    let mut read = Box::pin(device.read(1, &mut ended));
    assert!(poll_once(&mut read, &Arc::default()).is_pending());
    disk.serve();
    device.poll(0);
    // It has ended, and nobody asks for what it read.
    drop(read);
    for place in &mut device.state.borrow_mut().places {
        let data = place.area.data().unwrap();
        assert!(data.iter().all(|byte| *byte == 0));
    }
}

#[test]
fn as_many_requests_as_the_bound_are_under_way_and_the_rest_wait() {
    let (mut disk, device) = started(ALL);
    let wakes = Arc::new(Wakes::default());
    let mut buffers = vec![[1; 512]; BLK_REQUESTS + 2];
    let mut reads: Vec<_> =
        buffers.iter_mut().map(|buffer| Box::pin(device.read(0, buffer))).collect();
    for read in &mut reads {
        assert!(poll_once(read, &wakes).is_pending());
    }
    assert_eq!(disk.serve(), BLK_REQUESTS);
    device.poll(0);
    assert_eq!(wakes.0.load(Ordering::Relaxed), BLK_REQUESTS);
    for read in reads.iter_mut().take(BLK_REQUESTS) {
        assert_eq!(poll_once(read, &wakes), Poll::Ready(Ok(())));
    }
    assert!(wakes.0.load(Ordering::Relaxed) > BLK_REQUESTS, "who waits hears of the free places");
    for read in reads.iter_mut().skip(BLK_REQUESTS) {
        assert!(poll_once(read, &wakes).is_pending());
    }
    assert_eq!(disk.serve(), 2);
}

#[test]
fn nothing_overtakes_a_write_that_was_dropped() {
    let (disk, device) = started(ALL);
    let mut write = Box::pin(device.write(0, &[1; 512]));
    assert!(poll_once(&mut write, &Arc::default()).is_pending());
    drop(write);
    let dropped = disk.next().unwrap();
    let wakes = Arc::new(Wakes::default());
    let mut later = Box::pin(device.write(0, &[2; 512]));
    assert!(poll_once(&mut later, &wakes).is_pending());
    assert!(disk.next().is_none());
    disk.end(&dropped, STATUS_OK, 1);
    device.poll(0);
    assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
    assert!(poll_once(&mut later, &wakes).is_pending());
    assert_eq!(disk.next().unwrap().code, 1);
}

#[test]
fn dropped_operations_give_their_places_back() {
    let (mut disk, device) = started(ALL);
    for round in 0..5 * BLK_REQUESTS {
        let mut buffer = [0; 512];
        let mut read = Box::pin(device.read(0, &mut buffer));
        assert!(poll_once(&mut read, &Arc::default()).is_pending());
        if round % 2 == 0 {
            drop(read);
            assert_eq!(disk.serve(), 1);
            device.poll(0);
        } else {
            assert_eq!(disk.serve(), 1);
            device.poll(0);
            drop(read);
        }
    }
    assert!(!device.is_busy());
}

#[test]
fn interrupts_are_wanted_only_while_idle_with_work() {
    let (mut disk, device) = started(ALL);
    assert!(!disk.fake.wants_interrupt(0));
    assert!(!device.prepare_idle(), "nothing to wait for");
    assert!(!disk.fake.wants_interrupt(0));
    let mut buffer = [0; 512];
    let mut read = Box::pin(device.read(0, &mut buffer));
    assert!(poll_once(&mut read, &Arc::default()).is_pending());
    assert!(!device.prepare_idle());
    assert!(disk.fake.wants_interrupt(0));
    disk.serve();
    assert!(device.prepare_idle(), "an answer before the halt is seen");
    device.poll(0);
    assert!(!disk.fake.wants_interrupt(0));
}

#[test]
fn a_line_is_acknowledged_before_the_look() {
    let fake = fake(ALL);
    let device = VirtioBlk::new(fake.clone(), Interrupt::Line).unwrap();
    fake.0.borrow_mut().interrupt = InterruptStatus::QUEUE_INTERRUPT;
    assert!(!device.prepare_idle());
    assert!(fake.0.borrow().interrupt.is_empty());
}

#[test]
fn a_device_that_does_not_answer_is_dead_at_the_limit() {
    let (mut disk, device) = started(ALL);
    let wakes = Arc::new(Wakes::default());
    let mut buffer = [0; 512];
    let mut read = Box::pin(device.read(0, &mut buffer));
    assert!(poll_once(&mut read, &wakes).is_pending());
    assert_eq!(device.deadline(), None);
    device.poll(1_000);
    assert_eq!(device.deadline(), Some(1_000 + BLK_ANSWER_MICROS));
    device.poll(1_000 + BLK_ANSWER_MICROS - 1);
    assert!(!device.has_failed() && poll_once(&mut read, &wakes).is_pending());
    device.poll(1_000 + BLK_ANSWER_MICROS);
    assert!(device.has_failed());
    assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
    assert_eq!(poll_once(&mut read, &wakes), Poll::Ready(Err(BlkError::Dead)));
    drop(read);
    assert!(disk.fake.0.borrow().status.contains(DeviceStatus::FAILED));
    assert_eq!(disk.serve(), 1, "the answer comes after all");
    device.poll(0);
    assert_eq!(device.read(0, &mut [0; 512]).now_or_never(), Some(Err(BlkError::Dead)));
    assert_eq!(device.deadline(), None);
}

#[test]
fn a_length_beyond_the_room_fails_the_device() {
    for (write, written, fails) in [
        (false, 513, false),
        (false, 514, true),
        (true, 1, false),
        (true, 2, true),
        (true, u32::MAX, true),
    ] {
        let (disk, device) = started(ALL);
        let mut buffer = [0; 512];
        let mut operation: Pin<Box<dyn Future<Output = Result<(), BlkError>>>> = if write {
            Box::pin(device.write(0, &[1; 512]))
        } else {
            Box::pin(device.read(0, &mut buffer))
        };
        assert!(poll_once(&mut operation, &Arc::default()).is_pending());
        disk.end(&disk.next().unwrap(), STATUS_OK, written);
        device.poll(0);
        let expected = if fails { Err(BlkError::Dead) } else { Ok(()) };
        assert_eq!(poll_once(&mut operation, &Arc::default()), Poll::Ready(expected));
        assert_eq!(device.has_failed(), fails);
    }
}

#[test]
fn a_token_that_is_not_in_flight_fails_the_device() {
    for token in [1, 0xffff, 0xffff_0001] {
        let (disk, device) = started(ALL);
        let mut buffer = [0; 512];
        let mut read = Box::pin(device.read(0, &mut buffer));
        assert!(poll_once(&mut read, &Arc::default()).is_pending());
        disk.fake.finish(0, token, 0);
        device.poll(0);
        assert!(device.has_failed());
        assert_eq!(poll_once(&mut read, &Arc::default()), Poll::Ready(Err(BlkError::Dead)));
    }
}

#[test]
fn devices_that_cannot_be_started_are_errors() {
    let start = |change: fn(&mut super::super::testing::State)| {
        let fake = fake(ALL | FEATURE_SIZE_MAX);
        change(&mut fake.0.borrow_mut());
        VirtioBlk::new(fake, Interrupt::Message).map(|_| ()).unwrap_err()
    };
    assert_eq!(start(|state| state.reset_reads = None), InitError::Reset);
    assert_eq!(start(|state| state.offered = FEATURE_FLUSH), InitError::Features);
    assert_eq!(start(|state| state.config.clear()), InitError::Config);
    assert_eq!(start(|state| state.config = config(9, 511, 512)), InitError::Config);
    assert_eq!(start(|state| state.config = config(9, 0, 4096)), InitError::Config);
    assert!(matches!(start(|state| state.queue_sizes = vec![8]), InitError::Queue(_)));
    assert!(matches!(start(|state| state.queue_sizes.clear()), InitError::Queue(_)));
}

#[test]
fn a_disk_beyond_all_bounds_is_used_up_to_the_bound() {
    let fake = fake(ALL);
    fake.0.borrow_mut().config = config(u64::MAX, 0, 512);
    let device = VirtioBlk::new(fake, Interrupt::Message).unwrap();
    assert_eq!(device.sectors(), BLK_SECTORS);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the device puts into its used ring, the driver neither panics nor hangs, and what it
    /// says of an operation is an answer or nothing.
    #[test]
    fn any_used_ring_is_survived(
        steps in prop::collection::vec((0_usize..5, any::<u32>(), any::<u32>()), 1..100),
    ) {
        let (disk, device) = started(ALL);
        // A device that gave back what it never took finds descriptors that are free, or used anew.
        let answer = || {
            while let Some(chain) = disk.fake.next_chain(0) {
                if let Some(status) = chain.last().filter(|last| last.writable && last.bytes == 1) {
                    FakeTransport::fill(*status, &[STATUS_OK]);
                }
                disk.fake.finish(0, chain[0].token.into(), 1);
            }
        };
        let mut now = 0;
        for (step, token, length) in steps {
            let sector = u64::from(token % 8);
            let mut buffer = [0; 512];
            let mut operation: Pin<Box<dyn Future<Output = Result<(), BlkError>>>> = match step {
                0 => Box::pin(device.read(sector, &mut buffer)),
                1 => Box::pin(device.write(sector, &[1; 512])),
                2 => Box::pin(device.flush()),
                3 => {
                    disk.fake.finish(0, token % 20, length % 600);
                    continue;
                }
                _ => {
                    answer();
                    continue;
                }
            };
            let ended = poll_once(&mut operation, &Arc::default()).is_ready();
            if length % 3 == 0 {
                answer();
            }
            now += u64::from(length % 5) * 1_000_000;
            device.poll(now);
            if !ended {
                let _ = poll_once(&mut operation, &Arc::default());
            }
            device.prepare_idle();
        }
    }
}
