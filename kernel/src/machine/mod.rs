//! What the node asks of the machine that carries it.
//!
//! The node never touches hardware. Time, randomness and the figures that only the machine knows come
//! through [`Machine`]; the network and the idle instruction come through [`MainLoop`]. The unikernel
//! implements both over its devices, a development host over its operating system, and
//! [`Simulated`] over a virtual clock, so the same node runs, unchanged, in all three.

mod instant;
mod simulated;

pub use instant::Instant;
pub use simulated::{SIMULATED_EPOCH_MS, Simulated, SimulatedLoop};

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::convert::Infallible;
use core::fmt;
use core::ops::ControlFlow;

use rand_core::{TryCryptoRng, TryRng};

/// Time, randomness and measurements of the machine under the node.
///
/// Object safe on purpose: the node holds one `Rc<dyn Machine>` instead of being generic over it.
pub trait Machine {
    /// Monotonic time since the machine was entered.
    fn now(&self) -> Instant;

    /// Wall clock: milliseconds since 1970-01-01 UTC; 0 if the machine has no such clock.
    fn unix_time_ms(&self) -> u64;

    /// Fills `out` from a cryptographically secure generator.
    fn fill_random(&self, out: &mut [u8]);

    /// How the heap is used right now.
    fn heap(&self) -> HeapUse;

    /// The phases of the boot so far, in order. Empty where nothing was booted.
    fn boot_phases(&self) -> Vec<BootPhase>;

    /// How much the machine slept, and how often.
    fn idle(&self) -> IdleUse;

    /// Processors that the machine has; the node runs on one of them.
    fn processors(&self) -> u32 {
        1
    }

    /// What went wrong at the network device; `None` where the machine drives none itself.
    fn network_device(&self) -> Option<NetworkDeviceUse> {
        None
    }
}

/// What a network device could not do since boot. What it did, the network stack counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetworkDeviceUse {
    /// Buffers that came back without a usable frame.
    pub receive_errors: u64,
    /// Frames that were not sent: too long, or the device had failed.
    pub send_drops: u64,
    /// Times that a frame had to wait because the device had all buffers.
    pub send_stalls: u64,
}

/// A snapshot of the heap, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeapUse {
    /// All memory that the heap manages.
    pub total: u64,
    /// Memory handed out at this moment.
    pub used: u64,
    /// The largest `used` since boot; equal to `used` where it is not tracked.
    pub peak: u64,
}

/// One phase of the boot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BootPhase {
    /// A short name such as `memory`; letters, digits, `_` and `-`.
    pub name: &'static str,
    /// Wall time that the phase took, in microseconds.
    pub micros: u64,
    /// The same in ticks of the machine's cycle counter; 0 where there is none.
    pub ticks: u64,
}

/// How the machine idled since boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IdleUse {
    /// Times that the processor was halted.
    pub halts: u64,
    /// Time spent halted, in microseconds.
    pub micros: u64,
}

/// The two things that the main loop does besides running tasks; see [`crate::executor::drive`].
pub trait MainLoop {
    /// Moves packets in and out once. Returns when the network wants to be polled again at the latest.
    fn poll_network(&mut self, now: Instant) -> Option<Instant>;

    /// Whether the main loop is to end although there is work.
    fn is_over(&self) -> bool {
        false
    }

    /// Sleeps until `until` (for ever if `None`) or until a device has news, whichever is first.
    /// `ControlFlow::Break` ends the main loop.
    fn idle(&mut self, until: Option<Instant>) -> ControlFlow<()>;
}

/// The machine's generator as the field's trait, for code that asks for a `CryptoRng`.
#[derive(Clone)]
pub struct MachineRng(Rc<dyn Machine>);

impl MachineRng {
    /// A handle on the generator of `machine`.
    #[must_use]
    pub fn new(machine: Rc<dyn Machine>) -> Self {
        Self(machine)
    }
}

impl fmt::Debug for MachineRng {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MachineRng")
    }
}

impl TryRng for MachineRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.0.fill_random(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.0.fill_random(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill_random(out);
        Ok(())
    }
}

impl TryCryptoRng for MachineRng {}
