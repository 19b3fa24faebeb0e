//! Reads, writes and flushes of a disk, as futures.

use super::area::Kind;
use super::{BlkError, SECTOR_BYTES, Stage, VirtioBlk};
use alloc::rc::Rc;
use core::cell::RefCell;
use core::future::{Future, poll_fn};
use core::pin::Pin;
use core::task::{Context, Poll};
use virtio_drivers::transport::Transport;

impl<T: Transport> VirtioBlk<T> {
    /// Reads as many sectors as fit `into`, from `sector` on.
    ///
    /// # Errors
    ///
    /// [`BlkError`]; `into` may have been changed.
    pub async fn read(&self, sector: u64, into: &mut [u8]) -> Result<(), BlkError> {
        self.check(sector, into.len())?;
        let mut sector = sector;
        for chunk in into.chunks_mut(self.chunk) {
            let number = self.request(Kind::Read, sector, chunk.len(), |_| ()).await?;
            let bytes = chunk.len();
            number.finish(|data| chunk.copy_from_slice(&data[..bytes]))?;
            sector += (bytes / SECTOR_BYTES) as u64;
        }
        Ok(())
    }

    /// Writes sectors from `sector` on.
    ///
    /// # Errors
    ///
    /// [`BlkError`]; any part of it may have been written.
    pub async fn write(&self, sector: u64, bytes: &[u8]) -> Result<(), BlkError> {
        if self.read_only {
            return Err(BlkError::ReadOnly);
        }
        self.check(sector, bytes.len())?;
        let mut sector = sector;
        for chunk in bytes.chunks(self.chunk) {
            let fill = |data: &mut [u8]| data.copy_from_slice(chunk);
            self.request(Kind::Write, sector, chunk.len(), fill).await?.finish(|_| ())?;
            sector += (chunk.len() / SECTOR_BYTES) as u64;
        }
        Ok(())
    }

    /// Makes the writes that have ended survive power-off. A device without such a request keeps them as
    /// soon as they have ended (section 5.2.6.2).
    ///
    /// # Errors
    ///
    /// [`BlkError`]
    pub async fn flush(&self) -> Result<(), BlkError> {
        if !self.flushes || self.read_only {
            return Ok(());
        }
        self.request(Kind::Flush, 0, 0, |_| ()).await?.finish(|_| ())
    }

    fn check(&self, sector: u64, bytes: usize) -> Result<(), BlkError> {
        let count = (bytes / SECTOR_BYTES) as u64;
        let end = sector.checked_add(count).filter(|end| *end <= self.sectors);
        if end.is_none() || !bytes.is_multiple_of(SECTOR_BYTES) {
            return Err(BlkError::Range);
        }
        Ok(())
    }

    /// Begins a request as soon as there is a place, and waits for its end.
    async fn request(
        &self,
        kind: Kind,
        sector: u64,
        bytes: usize,
        fill: impl FnOnce(&mut [u8]),
    ) -> Result<Request<T>, BlkError> {
        let mut fill = Some(fill);
        let number = poll_fn(|context| {
            let fill = |data: &mut [u8]| {
                if let Some(fill) = fill.take() {
                    fill(data);
                }
            };
            let begun = self.state.borrow_mut().begin(kind, sector, bytes, fill, context.waker());
            match begun.transpose() {
                Some(begun) => Poll::Ready(begun),
                None => Poll::Pending,
            }
        })
        .await?;
        let mut request = Request { state: self.state.clone(), number };
        (&mut request).await;
        Ok(request)
    }
}

/// A request that was given to the device. Dropped before its end, it goes on without anybody.
struct Request<T: Transport> {
    state: Rc<RefCell<super::State<T>>>,
    number: usize,
}

impl<T: Transport> Request<T> {
    /// What became of the request, which has ended; on success `read` sees the data.
    fn finish(self, read: impl FnOnce(&[u8])) -> Result<(), BlkError> {
        let mut state = self.state.borrow_mut();
        let Some(place) = state.places.get_mut(self.number) else { return Err(BlkError::Dead) };
        let Stage::Ended(result) = place.stage else { return Err(BlkError::Dead) };
        result?;
        read(place.area.data().ok_or(BlkError::Dead)?);
        Ok(())
    }
}

impl<T: Transport> Future for &mut Request<T> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state.borrow_mut();
        match state.places.get_mut(self.number).map(|place| &mut place.stage) {
            Some(Stage::Waiting { waker, .. }) => {
                *waker = Some(context.waker().clone());
                Poll::Pending
            }
            _ => Poll::Ready(()),
        }
    }
}

impl<T: Transport> Drop for Request<T> {
    fn drop(&mut self) {
        self.state.borrow_mut().abandon(self.number);
    }
}
