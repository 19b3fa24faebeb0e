//! From a fresh connection to a secured one that is ready for yamux.
//!
//! One deadline holds for all of it, so that a peer which sends a byte now and then gains nothing.

use core::fmt;

use embedded_io_async::{ErrorKind, ErrorType, Read, Write};
use rand_core::CryptoRng;
use smoltcp::time::Instant;

use super::noise::{self, Identity};
use super::{Multiaddr, PeerId, multistream};
use crate::time::until;
use crate::{Split, Timer};

const NOISE: &str = "/noise";
const YAMUX: &str = "/yamux/1.0.0";

/// A connection whose peer is known, with `/yamux/1.0.0` agreed on.
pub struct Secured<S: Split> {
    /// Who the peer has proved to be.
    pub peer: PeerId,
    /// What it sends.
    pub reader: Reader<S>,
    /// What is sent to it; leaves when flushed.
    pub writer: Writer<S>,
    /// True when WebSocket is below.
    pub websocket: bool,
}

impl<S: Split> fmt::Debug for Secured<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Secured");
        debug.field("peer", &self.peer).field("websocket", &self.websocket).finish_non_exhaustive()
    }
}

/// The reading half of a secured connection over `S`.
pub type Reader<S> = noise::Reader<<S as Split>::Reader>;
/// The sending half of a secured connection over `S`.
pub type Writer<S> = noise::Writer<<S as Split>::Writer>;

/// Why a connection did not become secure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// It took too long.
    Timeout,
    /// No protocol was agreed on.
    Select(multistream::Error<ErrorKind>),
    /// The noise handshake failed.
    Noise(noise::Error<ErrorKind>),
    /// The peer is another than the one dialled.
    WrongPeer(PeerId),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout => f.write_str("the connection took too long to become secure"),
            Self::Select(error) => error.fmt(f),
            Self::Noise(error) => error.fmt(f),
            Self::WrongPeer(peer) => write!(f, "the peer is {peer}, not the one dialled"),
        }
    }
}

impl core::error::Error for Error {}

/// The secrets of one connection; drawn before it, so that its future borrows no generator.
#[derive(Debug)]
pub struct Secrets {
    noise: noise::Ephemeral,
}

impl Secrets {
    /// Draws them.
    pub fn draw(rng: &mut impl CryptoRng) -> Self {
        Self { noise: noise::Ephemeral::draw(rng) }
    }
}

/// Secures a connection that a peer has made.
///
/// # Errors
/// [`Error`]; the connection is dropped then.
pub async fn inbound<S: Split, T: Timer>(
    stream: S,
    identity: &Identity,
    secrets: Secrets,
    timer: &T,
    deadline: Instant,
) -> Result<Secured<S>, Error> {
    let secured = async {
        let mut stream = stream;
        multistream::listen(&mut stream, &[NOISE]).await.map_err(select)?;
        let session = noise::listen(&mut stream, identity, secrets.noise).await.map_err(secure)?;
        let peer = session.peer_id();
        let (reader, writer) = stream.split();
        let (mut reader, mut writer) = session.into_halves(reader, writer);
        let mut both = Both(&mut reader, &mut writer);
        multistream::listen(&mut both, &[YAMUX]).await.map_err(select_secured)?;
        Ok(Secured { peer, reader, writer, websocket: false })
    };
    until(timer, deadline, secured).await.map_err(|_| Error::Timeout)?
}

/// Secures a connection made to `address`, whose peer must be the one that the address names, if it does.
///
/// # Errors
/// [`Error`]; the connection is dropped then.
pub async fn outbound<S: Split, T: Timer>(
    stream: S,
    address: &Multiaddr,
    identity: &Identity,
    secrets: Secrets,
    timer: &T,
    deadline: Instant,
) -> Result<Secured<S>, Error> {
    let secured = async {
        let mut stream = stream;
        multistream::dial(&mut stream, NOISE).await.map_err(select)?;
        let session = noise::dial(&mut stream, identity, secrets.noise).await.map_err(secure)?;
        let peer = session.peer_id();
        if address.peer_id().is_some_and(|expected| expected != peer) {
            return Err(Error::WrongPeer(peer));
        }
        let (reader, writer) = stream.split();
        let (mut reader, mut writer) = session.into_halves(reader, writer);
        let mut both = Both(&mut reader, &mut writer);
        multistream::dial(&mut both, YAMUX).await.map_err(select_secured)?;
        Ok(Secured { peer, reader, writer, websocket: false })
    };
    until(timer, deadline, secured).await.map_err(|_| Error::Timeout)?
}

fn select<E: embedded_io_async::Error>(error: multistream::Error<E>) -> Error {
    Error::Select(error.map(|error| error.kind()))
}

fn secure<E: embedded_io_async::Error>(error: noise::Error<E>) -> Error {
    Error::Noise(error.map(|error| error.kind()))
}

/// An error of the second negotiation is noise's when the stream below it failed.
fn select_secured<E: embedded_io_async::Error>(
    error: multistream::Error<noise::Error<E>>,
) -> Error {
    match error {
        multistream::Error::Stream(error) => secure(error),
        error => select(error),
    }
}

/// Two halves as one stream.
struct Both<'a, R, W>(&'a mut R, &'a mut W);

impl<R: ErrorType, W> ErrorType for Both<'_, R, W> {
    type Error = R::Error;
}

impl<R: Read, W> Read for Both<'_, R, W> {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, R::Error> {
        self.0.read(buf).await
    }
}

impl<R: ErrorType, W: Write<Error = R::Error>> Write for Both<'_, R, W> {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, R::Error> {
        self.1.write(buf).await
    }

    async fn flush(&mut self) -> Result<(), R::Error> {
        self.1.flush().await
    }
}
