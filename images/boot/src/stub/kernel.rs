//! The last steps: the kernel is put into its place and entered.

use boot_code::elf::Kernel;
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

    /// How far the scratch memory is from the start.
    pub fn scratch_offset(&self) -> u64 {
        self.scratch - self.start
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
}

unsafe extern "C" {
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
    // SAFETY: the kernel is in its place; 64-bit mode, everything below 4 GiB mapped or what the
    // loader of the 64-bit protocol mapped, interrupts off.
    unsafe { stub_enter_kernel(params, kernel.entry) }
}
