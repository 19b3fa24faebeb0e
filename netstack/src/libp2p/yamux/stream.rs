//! A stream as its owner has it.

use alloc::rc::Rc;
use core::cell::RefCell;
use core::future::poll_fn;

use embedded_io_async::{ErrorType, Read, Write};

use super::Error;
use super::session::Session;
use crate::Split;

/// One stream of a connection. Dropping it without [`shutdown`](crate::Stream::shutdown) resets it.
///
/// One task at a time may read, and one may write.
#[derive(Debug)]
pub struct Stream {
    session: Rc<RefCell<Session>>,
    id: u32,
}

impl Stream {
    pub(super) const fn new(session: Rc<RefCell<Session>>, id: u32) -> Self {
        Self { session, id }
    }

    /// Its number in the connection.
    #[must_use]
    pub const fn id(&self) -> u32 {
        self.id
    }

    /// Ends it both ways at once: what has not left is lost, what arrived can still be read.
    pub fn reset(&self) {
        self.session.borrow_mut().reset(self.id);
    }

    async fn receive(&self, buf: &mut [u8]) -> Result<usize, Error> {
        poll_fn(|context| self.session.borrow_mut().poll_read(self.id, buf, context)).await
    }

    async fn send(&self, buf: &[u8]) -> Result<usize, Error> {
        poll_fn(|context| self.session.borrow_mut().poll_write(self.id, buf, context)).await
    }

    async fn sent(&self) -> Result<(), Error> {
        poll_fn(|context| self.session.borrow_mut().poll_flush(self.id, context)).await
    }

    async fn finish(&self) -> Result<(), Error> {
        self.session.borrow_mut().shutdown(self.id);
        self.sent().await
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.session.borrow_mut().release(self.id);
    }
}

impl ErrorType for Stream {
    type Error = Error;
}

impl Read for Stream {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, Error> {
        self.receive(buf).await
    }
}

impl Write for Stream {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, Error> {
        self.send(buf).await
    }

    /// Completes when everything has left.
    async fn flush(&mut self) -> Result<(), Error> {
        self.sent().await
    }
}

impl crate::Stream for Stream {
    /// Completes when everything and the end have left; then dropping the stream loses nothing.
    async fn shutdown(&mut self) -> Result<(), Error> {
        self.finish().await
    }
}

impl Split for Stream {
    type Reader = Reader;
    type Writer = Writer;

    fn split(self) -> (Reader, Writer) {
        let stream = Rc::new(self);
        (Reader(Rc::clone(&stream)), Writer(stream))
    }
}

/// The reading half of a [`Stream`].
#[derive(Debug)]
pub struct Reader(Rc<Stream>);

impl ErrorType for Reader {
    type Error = Error;
}

impl Read for Reader {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, Error> {
        self.0.receive(buf).await
    }
}

/// The sending half of a [`Stream`].
#[derive(Debug)]
pub struct Writer(Rc<Stream>);

impl ErrorType for Writer {
    type Error = Error;
}

impl Write for Writer {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, Error> {
        self.0.send(buf).await
    }

    async fn flush(&mut self) -> Result<(), Error> {
        self.0.sent().await
    }
}

impl crate::Writer for Writer {
    async fn shutdown(&mut self) -> Result<(), Error> {
        self.0.finish().await
    }
}
