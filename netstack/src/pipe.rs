//! In-memory byte streams: two connected ends, each a [`Stream`].
//!
//! For tests of protocols, and for a protocol that runs over another inside one program.

use alloc::collections::VecDeque;
use alloc::rc::Rc;
use core::cell::RefCell;
use core::future::poll_fn;
use core::task::{Poll, Waker};

use embedded_io_async::{ErrorKind, ErrorType, Read, Write};

use crate::stream::{ReadHalf, Split, Stream, WriteHalf, halves};

/// One end of a pipe. Dropping it without [`Stream::shutdown`] resets the other end.
#[derive(Debug)]
pub struct Pipe {
    incoming: Rc<RefCell<Lane>>,
    outgoing: Rc<RefCell<Lane>>,
}

#[derive(Debug, Default)]
struct Lane {
    bytes: VecDeque<u8>,
    capacity: usize,
    finished: bool,
    reset: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Lane {
    fn wake(&mut self) {
        for waker in [self.reader.take(), self.writer.take()].into_iter().flatten() {
            waker.wake();
        }
    }
}

/// Makes two connected ends; each way holds up to `capacity` bytes (at least one).
#[must_use]
pub fn pair(capacity: usize) -> (Pipe, Pipe) {
    let lane = || Rc::new(RefCell::new(Lane { capacity: capacity.max(1), ..Lane::default() }));
    let (a, b) = (lane(), lane());
    (Pipe { incoming: a.clone(), outgoing: b.clone() }, Pipe { incoming: b, outgoing: a })
}

impl ErrorType for Pipe {
    type Error = ErrorKind;
}

impl ErrorType for &Pipe {
    type Error = ErrorKind;
}

impl Read for &Pipe {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, ErrorKind> {
        if buf.is_empty() {
            return Ok(0);
        }
        poll_fn(|context| {
            let lane = &mut *self.incoming.borrow_mut();
            if lane.bytes.is_empty() {
                if lane.reset {
                    return Poll::Ready(Err(ErrorKind::ConnectionReset));
                }
                if lane.finished {
                    return Poll::Ready(Ok(0));
                }
                lane.reader = Some(context.waker().clone());
                return Poll::Pending;
            }
            let read = buf.len().min(lane.bytes.len());
            for (slot, byte) in buf.iter_mut().zip(lane.bytes.drain(..read)) {
                *slot = byte;
            }
            lane.wake();
            Poll::Ready(Ok(read))
        })
        .await
    }
}

impl Write for &Pipe {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, ErrorKind> {
        if buf.is_empty() {
            return Ok(0);
        }
        poll_fn(|context| {
            let lane = &mut *self.outgoing.borrow_mut();
            if lane.finished || lane.reset {
                return Poll::Ready(Err(ErrorKind::BrokenPipe));
            }
            let free = lane.capacity.saturating_sub(lane.bytes.len());
            if free == 0 {
                lane.writer = Some(context.waker().clone());
                return Poll::Pending;
            }
            let written = free.min(buf.len());
            lane.bytes.extend(buf.iter().take(written));
            lane.wake();
            Poll::Ready(Ok(written))
        })
        .await
    }

    async fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}

impl Stream for &Pipe {
    async fn shutdown(&mut self) -> Result<(), ErrorKind> {
        let mut lane = self.outgoing.borrow_mut();
        lane.finished = true;
        lane.wake();
        Ok(())
    }
}

impl Read for Pipe {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, ErrorKind> {
        (&*self).read(buf).await
    }
}

impl Write for Pipe {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, ErrorKind> {
        (&*self).write(buf).await
    }

    async fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}

impl Stream for Pipe {
    async fn shutdown(&mut self) -> Result<(), ErrorKind> {
        (&*self).shutdown().await
    }
}

impl Split for Pipe {
    type Reader = ReadHalf<Self>;
    type Writer = WriteHalf<Self>;

    fn split(self) -> (Self::Reader, Self::Writer) {
        halves(self)
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        let mut outgoing = self.outgoing.borrow_mut();
        if !outgoing.finished {
            outgoing.reset = true;
        }
        outgoing.wake();
        // Whoever still writes to us must learn that nobody reads.
        let mut incoming = self.incoming.borrow_mut();
        incoming.reset = true;
        incoming.bytes.clear();
        incoming.wake();
    }
}
