//! What a protocol needs of a connection.

use core::future::Future;

use embedded_io_async::{Read, Write};

/// A reliable byte stream, both ways, whose sending side can be closed on its own.
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
