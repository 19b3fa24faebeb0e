//! The last steps: the kernel is put into its place and entered.

use core::arch::asm;

use boot_code::elf::Kernel;
use boot_code::page_tables::{self, TABLES, Table};
use boot_code::{Failure, boot_params};

use super::entry::{COMMAND_LINE_PAGE, IMAGE_BYTES_AT};
use super::{failure, memory};

/// The image: the stub, its scratch memory, the page with its command line, the kernel.
#[derive(Clone, Copy, Debug)]
pub struct Image {
    /// Where the stub begins.
    pub start: u64,
    /// Bytes from there to the kernel's end.
    pub bytes: u64,
    /// Where its scratch memory begins.
    scratch: u64,
    /// Where the command line begins.
    command_line: u64,
}

impl Image {
    /// The image of which these parts are known.
    ///
    /// # Safety
    /// The image is mapped at `start`, its scratch memory from `scratch` to `end`, and stays so.
    pub unsafe fn at(start: u64, scratch: u64, end: u64) -> Image {
        // SAFETY: the image is mapped; `cargo xtask` has written the word.
        let bytes = unsafe { memory::read::<u64>(start + IMAGE_BYTES_AT as u64) };
        Image { start, bytes, scratch, command_line: end }
    }

    /// Its own command line.
    pub fn command_line(&self) -> &'static [u8] {
        // SAFETY: by the promise of `at`.
        unsafe { memory::bytes(self.command_line, COMMAND_LINE_PAGE as u64) }
    }

    /// How far the command line is from the start.
    pub fn command_line_offset(&self) -> u64 {
        self.command_line - self.start
    }

    /// Its kernel.
    ///
    /// # Errors
    /// [`Failure::BadKernel`].
    pub fn kernel(&self) -> Result<Kernel<'static>, Failure> {
        let offset = self.command_line_offset() + COMMAND_LINE_PAGE as u64;
        let bytes = self.bytes.checked_sub(offset).ok_or(Failure::BadKernel)?;
        // SAFETY: by the promise of `at`; loaders load what the header says, which is this length.
        Kernel::parse(unsafe { memory::bytes(self.start + offset, bytes) })
    }

    /// Copies it to `target`; the scratch memory too, which costs less than to know better.
    ///
    /// # Safety
    /// So many bytes at `target` are RAM that is mapped and free, and do not overlap the image.
    pub unsafe fn copy_to(&self, target: u64) {
        // SAFETY: by the promise of `at`.
        let from = unsafe { memory::bytes(self.start, self.bytes) };
        // SAFETY: by the caller's promise.
        unsafe { memory::bytes_mut(target, self.bytes) }.copy_from_slice(from);
    }

    /// Goes on in a copy at `copy`, with boot parameters at `params`, under page tables of its own: those
    /// in force may lie where the kernel goes, or forbid to write there.
    ///
    /// # Safety
    /// The copy was made there, and nothing else uses it. Copy and parameters lie below 4 GiB, outside
    /// of the kernel's place, and that is free RAM. Nobody else uses the machine.
    pub unsafe fn go_on(&self, copy: u64, params: u64) -> ! {
        let tables_at = copy + (self.scratch - self.start);
        #[expect(clippy::cast_possible_truncation, reason = "addresses have 64 bits here")]
        let pointer = core::ptr::with_exposed_provenance_mut::<[Table; TABLES]>(tables_at as usize);
        // SAFETY: the copy's scratch memory begins with so many tables, on a page of its own.
        let tables = unsafe { &mut *pointer };
        // This code may lie beyond 4 GiB, and has to run for a few instructions more.
        let root = page_tables::identity(tables, tables_at, paging_levels(), self.start);
        // SAFETY: the tables map the copy and the code that switches to them.
        unsafe { stub_go_on(params, copy, root) }
    }
}

/// How deep the CPU's page tables are.
fn paging_levels() -> u32 {
    const LA57: u64 = 1 << 12;
    let cr4: u64;
    // SAFETY: reading a control register has no effect.
    unsafe { asm!("mov {}, cr4", out(reg) cr4, options(nomem, nostack, preserves_flags)) };
    if cr4 & LA57 == 0 { 4 } else { 5 }
}

unsafe extern "C" {
    /// `stub_go_on` of `entry`.
    fn stub_go_on(params: u64, copy: u64, tables: u64) -> !;
    /// `stub_enter_kernel` of `entry`.
    fn stub_enter_kernel(params: u64, entry: u64) -> !;
}

/// Runs in a copy of the image that is in nobody's way, on the copy's stack.
pub extern "C" fn enter_from_copy(params: u64, start: u64, scratch: u64, end: u64) -> ! {
    // SAFETY: this runs in it.
    let image = unsafe { Image::at(start, scratch, end) };
    let kernel = image.kernel().unwrap_or_else(|failure| {
        // SAFETY: the parameters are there until the kernel has read them.
        let filled = unsafe { memory::bytes(params, boot_params::BYTES as u64) };
        let line = boot_params::BootParams::new(filled).command_line();
        // SAFETY: likewise.
        failure::end(failure, unsafe { memory::bytes(line, COMMAND_LINE_PAGE as u64) })
    });
    for segment in kernel.segments() {
        // SAFETY: whoever made the copy has checked that the kernel's place is free RAM, and that
        // neither copy nor parameters lie there.
        let place = unsafe { memory::bytes_mut(segment.place.start, segment.place.bytes()) };
        // The lengths were checked: no part is longer than its place.
        if let Some((content, zeros)) = place.split_at_mut_checked(segment.bytes.len()) {
            content.copy_from_slice(segment.bytes);
            zeros.fill(0);
        }
    }
    // SAFETY: the kernel is in its place; 64-bit mode, everything below 4 GiB mapped, interrupts off.
    unsafe { stub_enter_kernel(params, kernel.entry) }
}
