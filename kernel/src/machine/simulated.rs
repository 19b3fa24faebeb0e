//! A machine with a virtual clock and seeded randomness, for tests and simulations.

use alloc::rc::Rc;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::Cell;
use core::ops::ControlFlow;
use core::time::Duration;

use super::{BootPhase, HeapUse, IdleUse, Instant, Machine, MainLoop, NetworkDeviceUse};

/// Wall clock of a simulated machine at its entry: 2024-01-01T00:00:00Z, in milliseconds.
pub const SIMULATED_EPOCH_MS: u64 = 1_704_067_200_000;

/// Time passes only when it is told to, and every run with one seed sees the same "random" bytes.
///
/// Never a source of keys: the generator is SplitMix64, which anyone can continue.
#[derive(Clone, Debug)]
pub struct Simulated {
    inner: Rc<State>,
}

#[derive(Debug)]
struct State {
    now: Cell<Instant>,
    random: Cell<u64>,
    halts: Cell<u64>,
    heap: Cell<HeapUse>,
    tick: Cell<Duration>,
    /// The wall clock at the machine's entry, in milliseconds; `None`: there is no clock.
    epoch_ms: Cell<Option<u64>>,
}

impl Simulated {
    /// A machine at its entry whose randomness is determined by `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let state = State {
            now: Cell::new(Instant::ZERO),
            random: Cell::new(seed),
            halts: Cell::new(0),
            tick: Cell::new(Duration::ZERO),
            epoch_ms: Cell::new(Some(SIMULATED_EPOCH_MS)),
            heap: Cell::new(HeapUse { total: 256 << 20, used: 1 << 20, peak: 2 << 20 }),
        };
        Self { inner: Rc::new(state) }
    }

    /// Lets `by` pass.
    pub fn advance(&self, by: Duration) {
        self.inner.now.set(self.inner.now.get().after(by));
    }

    /// Jumps to `moment`, if that is in the future, as a machine that slept until then.
    pub fn sleep_until(&self, moment: Instant) {
        self.inner.halts.set(self.inner.halts.get().saturating_add(1));
        self.inner.now.set(self.inner.now.get().max(moment));
    }

    /// Lets `tick` pass at every look at the clock, as if work took time.
    pub fn set_tick(&self, tick: Duration) {
        self.inner.tick.set(tick);
    }

    /// Sets the wall clock, as somebody might who corrects it; `None` takes it away. Monotonic time goes on.
    pub fn set_clock(&self, unix_ms: Option<u64>) {
        let since_entry = self.inner.now.get().as_micros() / 1000;
        self.inner.epoch_ms.set(unix_ms.map(|unix_ms| unix_ms.saturating_sub(since_entry)));
    }

    /// Sets what [`Machine::heap`] tells from now on.
    pub fn set_heap(&self, heap: HeapUse) {
        self.inner.heap.set(heap);
    }

    fn next_random(&self) -> u64 {
        let state = self.inner.random.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
        self.inner.random.set(state);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

impl Machine for Simulated {
    fn now(&self) -> Instant {
        let now = self.inner.now.get();
        self.inner.now.set(now.after(self.inner.tick.get()));
        now
    }

    fn unix_time_ms(&self) -> u64 {
        let since_entry = self.now().as_micros() / 1000;
        self.inner.epoch_ms.get().map_or(0, |epoch_ms| epoch_ms.saturating_add(since_entry))
    }

    fn fill_random(&self, out: &mut [u8]) {
        for chunk in out.chunks_mut(8) {
            chunk.copy_from_slice(&self.next_random().to_le_bytes()[..chunk.len()]);
        }
    }

    fn heap(&self) -> HeapUse {
        self.inner.heap.get()
    }

    fn boot_phases(&self) -> Vec<BootPhase> {
        vec![BootPhase { name: "simulated", micros: 1500, ticks: 3000 }]
    }

    fn idle(&self) -> IdleUse {
        IdleUse { halts: self.inner.halts.get(), micros: 0 }
    }

    fn network_device(&self) -> Option<NetworkDeviceUse> {
        Some(NetworkDeviceUse { send_stalls: 1, ..NetworkDeviceUse::default() })
    }
}

/// The main loop of a simulated machine without a network, which sleeps in no time until nothing waits any more,
/// or only for what comes after a moment.
#[derive(Debug)]
pub struct SimulatedLoop {
    machine: Simulated,
    end: Instant,
}

impl SimulatedLoop {
    /// One that ends at this moment at the latest.
    #[must_use]
    pub fn until(machine: Simulated, end: Instant) -> Self {
        Self { machine, end }
    }
}

impl MainLoop for SimulatedLoop {
    fn poll_network(&mut self, _: Instant) -> Option<Instant> {
        None
    }

    fn idle(&mut self, until: Option<Instant>) -> ControlFlow<()> {
        match until.filter(|until| *until <= self.end) {
            Some(until) => {
                self.machine.sleep_until(until);
                ControlFlow::Continue(())
            }
            None => ControlFlow::Break(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_one_sequence() {
        let draw = |seed| {
            let mut bytes = [0; 21];
            Simulated::new(seed).fill_random(&mut bytes);
            bytes
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn a_ticking_clock_moves_when_it_is_looked_at() {
        let machine = Simulated::new(0);
        machine.set_tick(Duration::from_micros(3));
        assert_eq!([machine.now(), machine.now()].map(Instant::as_micros), [0, 3]);
    }

    #[test]
    fn sleeping_never_goes_back_in_time() {
        let machine = Simulated::new(0);
        machine.advance(Duration::from_millis(3));
        machine.sleep_until(Instant::from_micros(1));
        assert_eq!(machine.now(), Instant::from_micros(3000));
        assert_eq!(machine.unix_time_ms(), SIMULATED_EPOCH_MS + 3);
        assert_eq!(machine.idle().halts, 1);
    }
}
