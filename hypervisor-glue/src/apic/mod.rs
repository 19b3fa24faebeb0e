//! Interrupt controllers: the local APIC with its timer, I/O APICs, and the old PIC, which is
//! silenced.
//!
//! Interrupts only wake the idle loop (see [`crate::trap::interrupts`]), so there are few vectors: one
//! for the timer, one for all devices, whom whoever wakes looks at, and one for requests of people.

mod io;
mod local;
mod pic;

use crate::acpi::Interrupts;
use crate::clock;
use crate::clock::Hypervisor;
use crate::mmio::Window;
use crate::pci::Message;
use crate::trap::interrupts;
use core::fmt;
use local::{LocalApic, Timer};
use spin::{Mutex, Once};

pub use io::IoApics;
pub use local::TimerCounter;

/// Vector of the timer.
pub const TIMER_VECTOR: u8 = 0x40;
/// Vector of all devices.
pub const DEVICE_VECTOR: u8 = 0x41;

static LOCAL: Once<LocalApic> = Once::new();
static TIMER: Once<Timer> = Once::new();
static IO: Mutex<IoApics> = Mutex::new(IoApics::none());

/// Why interrupts cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApicError {
    /// The CPU has no local APIC, or its registers cannot be mapped.
    NoLocalApic,
}

impl fmt::Display for ApicError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ApicError::NoLocalApic => "no usable local APIC: nothing could wake an idle CPU",
        })
    }
}

/// Switches the local APIC on, with all its sources masked, and silences the PIC. Call once, with
/// CPU interrupts off, after the page tables and before [`clock::init`].
///
/// # Errors
///
/// [`ApicError`] if there is no local APIC.
pub fn init() -> Result<(), ApicError> {
    let local = LocalApic::enable(map).ok_or(ApicError::NoLocalApic)?;
    pic::silence();
    LOCAL.call_once(|| local);
    Ok(())
}

/// Takes what ACPI tells about I/O APICs (or the usual place of one, if it tells nothing) and masks
/// all their inputs.
pub fn init_io(told: &Interrupts) {
    *IO.lock() = IoApics::new(told, map);
}

/// Starts the timer: call after [`clock::init`].
pub fn init_timer() {
    if let Some(local) = LOCAL.get() {
        let timer = TIMER.call_once(|| local.start_timer(Hypervisor::detect().apic_timer_hz()));
        log::info!("{}, {timer}", local.mode());
    }
}

/// The local APIC timer as a counter of known frequency, to measure others with; `None` before
/// [`init`]. `hz` is its frequency before the divider.
pub fn counter(hz: u64) -> Option<TimerCounter<'static>> {
    LOCAL.get().map(|local| local.counter(hz))
}

/// The message by which a device interrupts this CPU; `None` if the CPU's identifier does not fit
/// into one.
pub fn message() -> Option<Message> {
    let id = u8::try_from(LOCAL.get()?.id()).ok()?;
    // Intel SDM volume 3, section 11.11: fixed delivery, edge, to one physical identifier.
    Some(Message { address: 0xfee0_0000 | u64::from(id) << 12, data: DEVICE_VECTOR.into() })
}

/// Lets a global system interrupt wake us. False if no I/O APIC has it.
pub fn route(interrupt: u32, active_low: bool) -> bool {
    route_to(interrupt, active_low, DEVICE_VECTOR)
}

/// Lets a global system interrupt wake us and be known by [`interrupts::take_requested`]. False if no
/// I/O APIC has it.
pub fn route_request(interrupt: u32, active_low: bool) -> bool {
    route_to(interrupt, active_low, interrupts::REQUEST_VECTOR)
}

fn route_to(interrupt: u32, active_low: bool, vector: u8) -> bool {
    let Some(id) = LOCAL.get().and_then(|local| u8::try_from(local.id()).ok()) else {
        return false;
    };
    IO.lock().route(interrupt, active_low, vector, id)
}

/// Halts until an interrupt comes or `deadline` has passed, in microseconds of
/// [`clock::monotonic_micros`]; without one, until an interrupt comes. Returns at once if the
/// deadline has passed already.
///
/// With a far deadline the timer may fire earlier, when it cannot count that far.
pub fn idle_until(deadline: Option<u64>) {
    if let Some(deadline) = deadline {
        let now = clock::monotonic_micros();
        let (Some(left), Some(local), Some(timer)) =
            (deadline.checked_sub(now).filter(|left| *left > 0), LOCAL.get(), TIMER.get())
        else {
            return;
        };
        local.arm(timer, left);
    }
    interrupts::wait();
}

fn map(address: u64, bytes: usize) -> Option<Window> {
    Window::map(address, bytes)
}
