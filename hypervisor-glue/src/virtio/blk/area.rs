//! The memory of one request to a disk: header, data, status (virtio 1.2 section 5.2.6).
//!
//! It is the driver's or the device's, never both: while it is lent there is no way to its bytes. It
//! lives as long as the machine, so that a broken device never writes to memory that has become
//! something else.

use super::super::hal::MachineHal;
use crate::limits::{BLK_QUEUE_SIZE, BLK_REQUEST_BYTES};
use alloc::boxed::Box;
use alloc::vec;
use core::ptr::NonNull;
use virtio_drivers::queue::VirtQueue;

/// The queue of a disk.
pub type Queue = VirtQueue<MachineHal, BLK_QUEUE_SIZE>;

/// What is asked of the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Sectors into memory: `VIRTIO_BLK_T_IN`.
    Read,
    /// Memory into sectors: `VIRTIO_BLK_T_OUT`.
    Write,
    /// Completed writes to where they stay: `VIRTIO_BLK_T_FLUSH`.
    Flush,
}

impl Kind {
    const fn code(self) -> u32 {
        match self {
            Kind::Read => 0,
            Kind::Write => 1,
            Kind::Flush => 4,
        }
    }
}

/// No status of the standard: what stands there until the device writes one.
const UNWRITTEN: u8 = 0xff;

#[repr(C, align(32))]
struct Head {
    header: [u8; 16],
    status: [u8; 1],
}

/// What the device has.
#[derive(Clone, Copy, Debug)]
struct Loan {
    token: u16,
    kind: Kind,
    bytes: usize,
}

/// The memory of one request.
#[derive(Debug)]
pub struct Area {
    head: NonNull<Head>,
    data: NonNull<[u8; BLK_REQUEST_BYTES]>,
    loan: Option<Loan>,
    /// Bytes from the beginning that may be other than zero.
    used: usize,
}

/// What came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Returned {
    /// Bytes that the device says to have written, the status included.
    pub written: u32,
    /// The most that it may have written.
    pub writable: usize,
    /// The status.
    pub status: u8,
}

impl Area {
    /// An area with room for the longest request.
    pub fn new() -> Area {
        let head = Box::leak(Box::new(Head { header: [0; 16], status: [UNWRITTEN] }));
        let data = vec![0_u8; BLK_REQUEST_BYTES].leak().as_mut_ptr();
        Area {
            head: NonNull::from(head),
            data: NonNull::new(data).map_or(NonNull::dangling(), NonNull::cast),
            loan: None,
            used: 0,
        }
    }

    /// The token under which the device has it, if it has.
    pub fn token(&self) -> Option<u16> {
        self.loan.map(|loan| loan.token)
    }

    /// Whether the device has it for a write.
    pub fn is_writing(&self) -> bool {
        self.loan.is_some_and(|loan| loan.kind == Kind::Write)
    }

    /// The data; `None` while the device has it.
    pub fn data(&mut self) -> Option<&mut [u8; BLK_REQUEST_BYTES]> {
        if self.loan.is_some() {
            return None;
        }
        // SAFETY: the memory is never freed, this is the only way to it, and the device does not have
        // it.
        Some(unsafe { self.data.as_mut() })
    }

    /// Makes the data zeros again: what was read or written may be a secret, and a device that reads less
    /// than it says must not show it to whoever reads next. Nothing is done while the device has the area.
    pub fn erase(&mut self) {
        let used = core::mem::take(&mut self.used);
        if let Some(data) = self.data() {
            data.get_mut(..used).unwrap_or_default().fill(0);
        }
    }

    /// Gives the area to the device with a request; `bytes` of data from the beginning take part.
    ///
    /// # Errors
    ///
    /// The queue's, if it has no room or the device has the area already.
    pub fn lend(
        &mut self,
        queue: &mut Queue,
        kind: Kind,
        sector: u64,
        bytes: usize,
    ) -> virtio_drivers::Result<()> {
        if self.loan.is_some() {
            return Err(virtio_drivers::Error::AlreadyUsed);
        }
        // SAFETY: the memory is never freed, and the device does not have it.
        let Head { header, status } = unsafe { self.head.as_mut() };
        self.used = bytes;
        header[..4].copy_from_slice(&kind.code().to_le_bytes());
        header[8..].copy_from_slice(&sector.to_le_bytes());
        *status = [UNWRITTEN];
        // SAFETY: as above.
        let data = unsafe { self.data.as_mut() };
        let data = data.get_mut(..bytes).ok_or(virtio_drivers::Error::InvalidParam)?;
        let token = match kind {
            // SAFETY: the memory is never freed, and not touched until `take_back`.
            Kind::Read => unsafe { queue.add(&[&*header], &mut [data, status]) },
            // SAFETY: as above.
            Kind::Write => unsafe { queue.add(&[&*header, &*data], &mut [status]) },
            // SAFETY: as above.
            Kind::Flush => unsafe { queue.add(&[&*header], &mut [status]) },
        }?;
        self.loan = Some(Loan { token, kind, bytes });
        Ok(())
    }

    /// Takes back the area, which is the next in the queue's used ring.
    ///
    /// # Errors
    ///
    /// The queue's, if it is not.
    pub fn take_back(&mut self, queue: &mut Queue) -> virtio_drivers::Result<Returned> {
        let Loan { token, kind, bytes } = self.loan.ok_or(virtio_drivers::Error::NotReady)?;
        // SAFETY: the device has put the area into the used ring, or the queue refuses below and the
        // references are not used any more.
        let Head { header, status } = unsafe { self.head.as_mut() };
        // SAFETY: as above.
        let data = unsafe { self.data.as_mut() };
        let data = data.get_mut(..bytes).ok_or(virtio_drivers::Error::InvalidParam)?;
        let writable = if kind == Kind::Read { bytes + 1 } else { 1 };
        let written = match kind {
            // SAFETY: these are the buffers that were added under this token.
            Kind::Read => unsafe { queue.pop_used(token, &[&*header], &mut [data, status]) },
            // SAFETY: as above.
            Kind::Write => unsafe { queue.pop_used(token, &[&*header, &*data], &mut [status]) },
            // SAFETY: as above.
            Kind::Flush => unsafe { queue.pop_used(token, &[&*header], &mut [status]) },
        };
        let written = written?;
        self.loan = None;
        Ok(Returned { written, writable, status: status[0] })
    }
}
