//! This machine as the node sees it: clocks, entropy, memory.

use std::cell::Cell;
use std::fs;
use std::rc::Rc;
use std::time::{Duration, Instant as SystemInstant, SystemTime};

use kernel::machine::{BootPhase, HeapUse, IdleUse, Instant, Machine};

/// How old the figures of the memory may be: reading them costs a system call.
const MEMORY_AGE: Duration = Duration::from_millis(50);

/// The operating system, behind the node's trait. Clones are the same machine.
///
/// A process has no heap of a fixed size: `memory` stands for it, and what the system says is resident
/// counts as used. So bounds that follow from the size of the heap are the same as in a guest.
#[derive(Clone, Debug)]
pub struct OperatingSystem(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    start: SystemInstant,
    memory: u64,
    seen: Cell<Option<(SystemInstant, HeapUse)>>,
    idle: Cell<IdleUse>,
}

impl OperatingSystem {
    /// The machine, entered now, of which the node may use so many bytes of memory.
    #[must_use]
    pub fn new(memory: u64) -> Self {
        let start = SystemInstant::now();
        Self(Rc::new(Inner { start, memory, seen: Cell::default(), idle: Cell::default() }))
    }

    /// When it was entered.
    #[must_use]
    pub fn start(&self) -> SystemInstant {
        self.0.start
    }

    pub(super) fn slept(&self, time: Duration) {
        let mut idle = self.0.idle.get();
        idle.halts += 1;
        idle.micros += u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.0.idle.set(idle);
    }
}

impl Machine for OperatingSystem {
    fn now(&self) -> Instant {
        let micros = self.0.start.elapsed().as_micros();
        Instant::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }

    fn unix_time_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        since.map_or(0, |time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
    }

    #[expect(clippy::expect_used, reason = "without entropy no key may be made: ending is right")]
    fn fill_random(&self, out: &mut [u8]) {
        getrandom::fill(out).expect("this machine gives random numbers");
    }

    fn heap(&self) -> HeapUse {
        let now = SystemInstant::now();
        match self.0.seen.get() {
            Some((then, heap)) if now.duration_since(then) < MEMORY_AGE => heap,
            _ => {
                let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
                let used = resident(&status, "VmRSS:");
                let peak = resident(&status, "VmHWM:").max(used);
                let heap = HeapUse { total: self.0.memory, used, peak };
                self.0.seen.set(Some((now, heap)));
                heap
            }
        }
    }

    fn boot_phases(&self) -> Vec<BootPhase> {
        Vec::new()
    }

    fn idle(&self) -> IdleUse {
        self.0.idle.get()
    }
}

/// A size in `/proc/self/status` in bytes; 0 if it is not there.
fn resident(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|rest| rest.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.unwrap_or(0).saturating_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_in_bytes() {
        let status = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t      16 kB\n";
        assert_eq!(resident(status, "VmRSS:"), 16 << 10);
        assert_eq!(resident(status, "VmHWM:"), 2 << 20);
        assert_eq!(resident(status, "VmData:"), 0);
        assert_eq!(resident("VmRSS:\tlots kB\n", "VmRSS:"), 0);
    }

    #[test]
    fn this_process_uses_memory_and_time_goes_on() {
        let machine = OperatingSystem::new(1 << 30);
        let heap = machine.heap();
        assert!(heap.used > 100 << 10 && heap.peak >= heap.used && heap.total == 1 << 30);
        let before = machine.now();
        std::thread::sleep(Duration::from_millis(2));
        assert!(machine.now().since(before) >= Duration::from_millis(2));
        assert!(machine.unix_time_ms() > 1_700_000_000_000);
    }
}
