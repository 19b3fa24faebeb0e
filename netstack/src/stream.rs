//! What a protocol needs of a connection.

use alloc::rc::Rc;
use core::future::Future;

use embedded_io_async::{ErrorType, Read, Write};
use futures_util::future::LocalBoxFuture;

/// A reliable byte stream, both ways, whose sending side can be closed on its own.
///
/// Reading and writing are cancel-safe: a future that is dropped before it completed has read or written
/// nothing. What is written may wait for [`Write::flush`].
pub trait Stream: Read + Write {
    /// Says that nothing more will be written. The peer reads what was written, then end of file.
    /// Reading goes on. Dropping the stream afterwards still delivers what was written.
    ///
    /// # Errors
    /// When the connection is gone.
    fn shutdown(&mut self) -> impl Future<Output = Result<(), Self::Error>>;
}

impl<S: Stream> Stream for &mut S {
    fn shutdown(&mut self) -> impl Future<Output = Result<(), Self::Error>> {
        S::shutdown(self)
    }
}

/// The sending half of a [`Stream`].
pub trait Writer: Write {
    /// Says that nothing more will be written; see [`Stream::shutdown`].
    ///
    /// # Errors
    /// When the connection is gone.
    fn shutdown(&mut self) -> impl Future<Output = Result<(), Self::Error>>;
}

impl<W: Writer> Writer for &mut W {
    fn shutdown(&mut self) -> impl Future<Output = Result<(), Self::Error>> {
        W::shutdown(self)
    }
}

/// A [`Stream`] that can be read by one task while another writes to it.
///
/// The connection lasts until both halves are dropped; then it ends as if the whole had been dropped.
pub trait Split: Stream {
    /// What reads.
    type Reader: Read<Error = Self::Error> + 'static;
    /// What writes.
    type Writer: Writer<Error = Self::Error> + 'static;

    /// Takes the stream apart.
    fn split(self) -> (Self::Reader, Self::Writer);
}

/// Something that runs tasks to their end: the executor.
pub trait Spawn {
    /// Starts `task`. It runs on this core, later, never inside this call.
    fn spawn(&self, task: LocalBoxFuture<'static, ()>);
}

impl<T: Spawn> Spawn for &T {
    fn spawn(&self, task: LocalBoxFuture<'static, ()>) {
        T::spawn(self, task);
    }
}

/// The reading half of a stream `S` that also works through `&S`.
#[derive(Debug)]
pub struct ReadHalf<S>(Rc<S>);

/// The sending half of a stream `S` that also works through `&S`.
#[derive(Debug)]
pub struct WriteHalf<S>(Rc<S>);

/// Both halves of `stream`; it is dropped with the second of them.
pub(crate) fn halves<S>(stream: S) -> (ReadHalf<S>, WriteHalf<S>) {
    let whole = Rc::new(stream);
    (ReadHalf(Rc::clone(&whole)), WriteHalf(whole))
}

impl<S> ReadHalf<S> {
    /// The whole stream, for what is neither reading nor writing.
    #[must_use]
    pub fn whole(&self) -> &S {
        &self.0
    }
}

impl<S: ErrorType> ErrorType for ReadHalf<S> {
    type Error = S::Error;
}

impl<S: ErrorType> ErrorType for WriteHalf<S> {
    type Error = S::Error;
}

impl<S: ErrorType> Read for ReadHalf<S>
where
    for<'a> &'a S: Read<Error = S::Error>,
{
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, S::Error> {
        (&*self.0).read(buf).await
    }
}

impl<S: ErrorType> Write for WriteHalf<S>
where
    for<'a> &'a S: Write<Error = S::Error>,
{
    async fn write(&mut self, buf: &[u8]) -> Result<usize, S::Error> {
        (&*self.0).write(buf).await
    }

    async fn flush(&mut self) -> Result<(), S::Error> {
        (&*self.0).flush().await
    }
}

impl<S: ErrorType> Writer for WriteHalf<S>
where
    for<'a> &'a S: Stream<Error = S::Error>,
{
    async fn shutdown(&mut self) -> Result<(), S::Error> {
        (&*self.0).shutdown().await
    }
}
