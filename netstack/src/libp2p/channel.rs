//! What noise runs on: the connection itself, or a WebSocket over it.

use core::fmt;

use embedded_io_async::{ErrorType, Read, Write};

use crate::websocket::{self, Error, WebSocket};
use crate::{Split, Stream, stream};

/// A connection, with or without WebSocket.
pub(super) enum Channel<S: Split> {
    Raw(S),
    WebSocket(WebSocket<S>),
}

/// What comes over a connection.
pub enum Reader<S: Split> {
    /// As it comes.
    Raw(S::Reader),
    /// In frames.
    WebSocket(websocket::Reader<S::Reader, S::Writer>),
}

/// What leaves over a connection.
pub enum Writer<S: Split> {
    /// As it is written.
    Raw(S::Writer),
    /// In frames.
    WebSocket(websocket::Writer<S::Writer>),
}

impl<S: Split> ErrorType for Channel<S> {
    type Error = Error<S::Error>;
}

impl<S: Split> ErrorType for Reader<S> {
    type Error = Error<S::Error>;
}

impl<S: Split> ErrorType for Writer<S> {
    type Error = Error<S::Error>;
}

impl<S: Split> Read for Channel<S> {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, Self::Error> {
        match self {
            Self::Raw(stream) => stream.read(buf).await.map_err(Error::Stream),
            Self::WebSocket(stream) => stream.read(buf).await,
        }
    }
}

impl<S: Split> Read for Reader<S> {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, Self::Error> {
        match self {
            Self::Raw(reader) => reader.read(buf).await.map_err(Error::Stream),
            Self::WebSocket(reader) => reader.read(buf).await,
        }
    }
}

impl<S: Split> Write for Channel<S> {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, Self::Error> {
        match self {
            Self::Raw(stream) => stream.write(buf).await.map_err(Error::Stream),
            Self::WebSocket(stream) => stream.write(buf).await,
        }
    }

    async fn flush(&mut self) -> Result<(), Self::Error> {
        match self {
            Self::Raw(stream) => stream.flush().await.map_err(Error::Stream),
            Self::WebSocket(stream) => stream.flush().await,
        }
    }
}

impl<S: Split> Write for Writer<S> {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, Self::Error> {
        match self {
            Self::Raw(writer) => writer.write(buf).await.map_err(Error::Stream),
            Self::WebSocket(writer) => writer.write(buf).await,
        }
    }

    async fn flush(&mut self) -> Result<(), Self::Error> {
        match self {
            Self::Raw(writer) => writer.flush().await.map_err(Error::Stream),
            Self::WebSocket(writer) => writer.flush().await,
        }
    }
}

impl<S: Split> Stream for Channel<S> {
    async fn shutdown(&mut self) -> Result<(), Self::Error> {
        match self {
            Self::Raw(stream) => stream.shutdown().await.map_err(Error::Stream),
            Self::WebSocket(stream) => stream.shutdown().await,
        }
    }
}

impl<S: Split> stream::Writer for Writer<S> {
    async fn shutdown(&mut self) -> Result<(), Self::Error> {
        match self {
            Self::Raw(writer) => writer.shutdown().await.map_err(Error::Stream),
            Self::WebSocket(writer) => writer.shutdown().await,
        }
    }
}

impl<S: Split + 'static> Split for Channel<S> {
    type Reader = Reader<S>;
    type Writer = Writer<S>;

    fn split(self) -> (Self::Reader, Self::Writer) {
        match self {
            Self::Raw(stream) => {
                let (reader, writer) = stream.split();
                (Reader::Raw(reader), Writer::Raw(writer))
            }
            Self::WebSocket(stream) => {
                let (reader, writer) = stream.split();
                (Reader::WebSocket(reader), Writer::WebSocket(writer))
            }
        }
    }
}

impl<S: Split> fmt::Debug for Reader<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Raw(_) => "Reader::Raw",
            Self::WebSocket(_) => "Reader::WebSocket",
        })
    }
}

impl<S: Split> fmt::Debug for Writer<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Raw(_) => "Writer::Raw",
            Self::WebSocket(_) => "Writer::WebSocket",
        })
    }
}
