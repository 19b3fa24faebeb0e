//! The local APIC (Intel SDM volume 3, chapter 11): x2APIC by MSRs where offered, else xAPIC in
//! memory.

use super::TIMER_VECTOR;
use crate::clock;
use crate::clock::Counter;
use crate::cpu::msr;
use crate::limits::APIC_TIMER_HZ_ASSUMED;
use crate::mmio::Window;
use crate::trap::interrupts::{self, EndOfInterrupt};
use core::arch::x86_64::__cpuid;
use core::fmt;

const BASE_MSR: u32 = 0x1b;
const BASE_ENABLE: u64 = 1 << 11;
const BASE_X2APIC: u64 = 1 << 10;
const BASE_ADDRESS: u64 = 0x000f_ffff_ffff_f000;
const TSC_DEADLINE_MSR: u32 = 0x6e0;
const X2APIC_MSRS: u32 = 0x800;
const WINDOW_BYTES: usize = 4096;

/// Register offsets in memory; the MSR of one is 0x800 plus a sixteenth of it.
mod register {
    pub const ID: u16 = 0x20;
    pub const VERSION: u16 = 0x30;
    pub const TASK_PRIORITY: u16 = 0x80;
    pub const END_OF_INTERRUPT: u16 = 0xb0;
    pub const SPURIOUS: u16 = 0xf0;
    pub const TIMER: u16 = 0x320;
    pub const THERMAL: u16 = 0x330;
    pub const PERFORMANCE: u16 = 0x340;
    pub const LINT0: u16 = 0x350;
    pub const LINT1: u16 = 0x360;
    pub const ERROR: u16 = 0x370;
    pub const INITIAL_COUNT: u16 = 0x380;
    pub const CURRENT_COUNT: u16 = 0x390;
    pub const DIVIDE: u16 = 0x3e0;
}

const MASKED: u32 = 1 << 16;
const SOFTWARE_ENABLE: u32 = 1 << 8;
const TIMER_DEADLINE: u32 = 0b10 << 17;
/// Encoding of the divider 16 (section 11.5.4).
const DIVIDE_BY_16: u32 = 0b0011;
const DIVIDER: u64 = 16;

#[derive(Debug)]
enum Access {
    X2Apic,
    XApic(Window),
}

/// The local APIC of the one CPU that we use.
#[derive(Debug)]
pub struct LocalApic {
    access: Access,
    id: u32,
    deadline: bool,
}

/// How the timer is armed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    /// By the TSC value at which it fires.
    Deadline,
    /// By a count down, at this frequency in hertz.
    CountDown(u64),
}

impl fmt::Display for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Timer::Deadline => f.write_str("timer by TSC deadline"),
            Timer::CountDown(hz) => write!(f, "one-shot timer at {} kHz", hz / 1_000),
        }
    }
}

impl LocalApic {
    /// Switches it on with every source masked, and tells the interrupt stubs how to end an
    /// interrupt.
    pub fn enable(map: impl FnOnce(u64, usize) -> Option<Window>) -> Option<LocalApic> {
        let features = __cpuid(1);
        if features.edx & 1 << 9 == 0 {
            return None;
        }
        // SAFETY: CPUID says that there is a local APIC, so there is its base register.
        let base = unsafe { msr::read(BASE_MSR) };
        let access = if features.ecx & 1 << 21 != 0 || base & BASE_X2APIC != 0 {
            // SAFETY: x2APIC is offered; from xAPIC or off this is a legal change of mode (section
            // 11.12.5).
            unsafe { msr::write(BASE_MSR, base | BASE_ENABLE) };
            // SAFETY: as above; both bits at once would not be legal from the off state.
            unsafe { msr::write(BASE_MSR, base | BASE_ENABLE | BASE_X2APIC) };
            Access::X2Apic
        } else {
            // SAFETY: switches the APIC on where it is; its registers are no RAM of ours, or
            // mapping fails below.
            unsafe { msr::write(BASE_MSR, base | BASE_ENABLE) };
            Access::XApic(map(base & BASE_ADDRESS, WINDOW_BYTES)?)
        };
        let mut apic = LocalApic { access, id: 0, deadline: features.ecx & 1 << 24 != 0 };
        apic.id = match apic.access {
            Access::X2Apic => apic.read(register::ID),
            Access::XApic(_) => apic.read(register::ID) >> 24,
        };
        apic.mask_all();
        apic.write(register::TASK_PRIORITY, 0);
        apic.write(register::SPURIOUS, SOFTWARE_ENABLE | u32::from(interrupts::SPURIOUS_VECTOR));
        let end = match &apic.access {
            Access::X2Apic => EndOfInterrupt::X2Apic,
            Access::XApic(window) => {
                let base = window.base().as_ptr().expose_provenance() as u64;
                EndOfInterrupt::XApic(base + u64::from(register::END_OF_INTERRUPT))
            }
        };
        // SAFETY: this is the mode that was just switched on, and the window stays mapped.
        unsafe { interrupts::set_end_of_interrupt(end) };
        Some(apic)
    }

    fn mask_all(&self) {
        let entries = self.read(register::VERSION) >> 16 & 0xff;
        // Sources beyond the number that the version tells do not exist, and x2APIC faults on them.
        let sources = [
            (register::TIMER, 0),
            (register::LINT0, 0),
            (register::LINT1, 0),
            (register::ERROR, 0),
            (register::PERFORMANCE, 4),
            (register::THERMAL, 5),
        ];
        for (register, least) in sources {
            if entries >= least {
                self.write(register, MASKED);
            }
        }
    }

    fn read(&self, register: u16) -> u32 {
        match &self.access {
            Access::X2Apic => {
                // SAFETY: x2APIC is on, and only registers that it has are read here; the upper
                // half is reserved.
                let [low, _] = crate::mmio::halves(unsafe { msr::read(x2apic_msr(register)) });
                low
            }
            Access::XApic(window) => window.read_u32(register.into()),
        }
    }

    fn write(&self, register: u16, value: u32) {
        match &self.access {
            // SAFETY: x2APIC is on, and only registers that it has are written here, with defined
            // values.
            Access::X2Apic => unsafe { msr::write(x2apic_msr(register), value.into()) },
            Access::XApic(window) => window.write_u32(register.into(), value),
        }
    }

    /// The CPU's identifier, as interrupts are addressed by it.
    #[must_use]
    pub const fn id(&self) -> u32 {
        self.id
    }

    /// Which of the two modes it is in.
    #[must_use]
    pub const fn mode(&self) -> &'static str {
        match self.access {
            Access::X2Apic => "x2APIC",
            Access::XApic(_) => "xAPIC",
        }
    }

    /// Prepares the timer. `known_hz` is its frequency before the divider, if the hypervisor fixes
    /// it; else it is measured against the clock.
    pub fn start_timer(&self, known_hz: Option<u64>) -> Timer {
        if self.deadline {
            self.write(register::TIMER, TIMER_DEADLINE | u32::from(TIMER_VECTOR));
            // Writes to the timer's mode and to the deadline are not ordered by themselves (section
            // 11.5.4.1).
            core::sync::atomic::fence(core::sync::atomic::Ordering::SeqCst);
            return Timer::Deadline;
        }
        let hz = known_hz.unwrap_or_else(|| self.measure()) / DIVIDER;
        self.write(register::DIVIDE, DIVIDE_BY_16);
        self.write(register::TIMER, TIMER_VECTOR.into());
        Timer::CountDown(hz)
    }

    /// The timer's frequency before the divider, by the clock.
    fn measure(&self) -> u64 {
        let mut timer = self.counter(0);
        clock::measure(|| timer.read()).unwrap_or_else(|| {
            log::warn!("the timer's frequency cannot be measured: it may fire at wrong times");
            APIC_TIMER_HZ_ASSUMED
        })
    }

    /// Fires the timer in `micros` microseconds, or earlier if it cannot count that far.
    pub fn arm(&self, timer: &Timer, micros: u64) {
        match timer {
            Timer::Deadline => {
                let wait = u128::from(micros) * u128::from(clock::ticks_hz()) / 1_000_000;
                let wait = u64::try_from(wait).unwrap_or(u64::MAX);
                let at = clock::ticks().saturating_add(wait);
                // SAFETY: CPUID offers the deadline; the timer's vector has a handler.
                unsafe { msr::write(TSC_DEADLINE_MSR, at) };
            }
            Timer::CountDown(hz) => self.write(register::INITIAL_COUNT, count_down(micros, *hz)),
        }
    }

    /// The timer as a counter; it must not be armed meanwhile.
    pub fn counter(&self, hz: u64) -> TimerCounter<'_> {
        self.write(register::TIMER, MASKED);
        self.write(register::DIVIDE, DIVIDE_BY_16);
        self.write(register::INITIAL_COUNT, u32::MAX);
        TimerCounter { apic: self, hz }
    }
}

const fn x2apic_msr(register: u16) -> u32 {
    X2APIC_MSRS + (register as u32 >> 4)
}

/// Counts that take `micros`, from 1 (0 would stop the timer) to what fits.
fn count_down(micros: u64, hz: u64) -> u32 {
    let counts = u128::from(micros) * u128::from(hz) / 1_000_000;
    u32::try_from(counts).unwrap_or(u32::MAX).max(1)
}

/// The timer, counting up; good for four seconds at 16 GHz before the divider.
#[derive(Debug)]
pub struct TimerCounter<'a> {
    apic: &'a LocalApic,
    hz: u64,
}

impl Counter for TimerCounter<'_> {
    fn hz(&self) -> u64 {
        self.hz
    }

    fn read(&mut self) -> u64 {
        u64::from(u32::MAX - self.apic.read(register::CURRENT_COUNT)) * DIVIDER
    }
}

impl Drop for TimerCounter<'_> {
    fn drop(&mut self) {
        self.apic.write(register::INITIAL_COUNT, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_at_least_one_and_saturate() {
        assert_eq!(count_down(0, 62_500_000), 1);
        assert_eq!(count_down(1_000, 62_500_000), 62_500);
        assert_eq!(count_down(68_719_476, 62_500_000), 4_294_967_250);
        assert_eq!(count_down(68_719_477, 62_500_000), u32::MAX);
        assert_eq!(count_down(u64::MAX, u64::MAX), u32::MAX);
    }

    #[test]
    fn x2apic_registers_are_numbered_by_sixteenths() {
        assert_eq!(x2apic_msr(register::END_OF_INTERRUPT), 0x80b);
        assert_eq!(x2apic_msr(register::DIVIDE), 0x83e);
    }
}
