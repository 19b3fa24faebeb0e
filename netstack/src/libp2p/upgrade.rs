//! From a fresh connection to a secured one that is ready for yamux.
//!
//! The first byte says what comes: an HTTP request that opens a WebSocket, or multistream-select at once.
//! One deadline holds for all of it, so that a peer which sends a byte now and then gains nothing.

use alloc::format;
use alloc::string::String;
use core::fmt;

use embedded_io_async::{Error as _, ErrorKind, ErrorType, Read, Write};
use rand_core::CryptoRng;
use smoltcp::time::Instant;
use smoltcp::wire::IpAddress;

use super::channel::{self, Channel};
use super::multiaddr::{Host, Transport};
use super::noise::{self, Identity};
use super::{Multiaddr, PeerId, multistream};
use crate::time::until;
use crate::{Split, Timer, websocket};

/// The first byte of `GET `.
const HTTP: u8 = b'G';
/// The first byte of multistream-select's header: its length.
const MULTISTREAM: u8 = 0x13;
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

impl<S: Split + 'static> Secured<S> {
    fn new(channel: Channel<S>, session: noise::Session) -> Self {
        let websocket = matches!(channel, Channel::WebSocket(_));
        let peer = session.peer_id();
        let (reader, writer) = channel.split();
        let (reader, writer) = session.into_halves(reader, writer);
        Self { peer, reader, writer, websocket }
    }

    fn both(&mut self) -> Both<'_, Reader<S>, Writer<S>> {
        Both(&mut self.reader, &mut self.writer)
    }
}

/// The reading half of a secured connection over `S`.
pub type Reader<S> = noise::Reader<channel::Reader<S>>;
/// The sending half of a secured connection over `S`.
pub type Writer<S> = noise::Writer<channel::Writer<S>>;

/// Why a connection did not become secure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// It took too long.
    Timeout,
    /// The stream failed.
    Stream(ErrorKind),
    /// The stream ended before the connection was secure.
    Closed,
    /// The first byte is of no protocol spoken here.
    Unknown(u8),
    /// The address is one that cannot be dialled (TLS).
    Unsupported,
    /// The WebSocket handshake or a frame is wrong.
    WebSocket(websocket::Error<ErrorKind>),
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
            Self::Stream(error) => write!(f, "the stream failed: {error}"),
            Self::Closed => f.write_str("the stream ended before the connection was secure"),
            Self::Unknown(byte) => write!(f, "no protocol begins with byte {byte:#04x}"),
            Self::Unsupported => f.write_str("no way to dial such an address"),
            Self::WebSocket(error) => error.fmt(f),
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
    websocket: websocket::Secrets,
}

impl Secrets {
    /// Draws them.
    pub fn draw(rng: &mut impl CryptoRng) -> Self {
        Self { noise: noise::Ephemeral::draw(rng), websocket: websocket::Secrets::draw(rng) }
    }
}

/// Secures a connection that a peer has made: over WebSocket when it begins as an HTTP request, else as
/// it is.
///
/// # Errors
/// [`Error`]; the connection is dropped then.
pub async fn inbound<S: Split + 'static, T: Timer>(
    mut stream: S,
    identity: &Identity,
    secrets: Secrets,
    timer: &T,
    deadline: Instant,
) -> Result<Secured<S>, Error> {
    let secured = async {
        let mut first = [0];
        let read = stream.read(&mut first).await.map_err(|error| Error::Stream(error.kind()))?;
        let mut channel = match (read, first) {
            (0, _) => return Err(Error::Closed),
            (_, [HTTP]) => {
                let stream = websocket::accept_after(stream, first.to_vec()).await;
                Channel::WebSocket(stream.map_err(framing)?)
            }
            (_, [MULTISTREAM]) => Channel::Raw(stream),
            (_, [other]) => return Err(Error::Unknown(other)),
        };
        let is_raw = matches!(channel, Channel::Raw(_));
        let mut returned = Returned { first: is_raw.then_some(MULTISTREAM), stream: &mut channel };
        multistream::listen(&mut returned, &[NOISE]).await.map_err(select_below)?;
        let session = noise::listen(&mut channel, identity, secrets.noise).await.map_err(secure)?;
        let mut secured = Secured::new(channel, session);
        multistream::listen(&mut secured.both(), &[YAMUX]).await.map_err(select_secured)?;
        Ok(secured)
    };
    until(timer, deadline, secured).await.map_err(|_| Error::Timeout)?
}

/// Secures a connection made to `address`, over WebSocket if the address says so. The peer must be the
/// one that the address names, if it names one.
///
/// # Errors
/// [`Error`]; the connection is dropped then.
pub async fn outbound<S: Split + 'static, T: Timer>(
    stream: S,
    address: &Multiaddr,
    identity: &Identity,
    secrets: Secrets,
    timer: &T,
    deadline: Instant,
) -> Result<Secured<S>, Error> {
    let secured = async {
        let mut channel = match address.transport() {
            Transport::Tcp => Channel::Raw(stream),
            Transport::WebSocket => {
                let host = host_field(address);
                let stream = websocket::connect(stream, &host, secrets.websocket).await;
                Channel::WebSocket(stream.map_err(framing)?)
            }
            Transport::SecureWebSocket => return Err(Error::Unsupported),
        };
        multistream::dial(&mut channel, NOISE).await.map_err(select_below)?;
        let session = noise::dial(&mut channel, identity, secrets.noise).await.map_err(secure)?;
        let peer = session.peer_id();
        if address.peer_id().is_some_and(|expected| expected != peer) {
            return Err(Error::WrongPeer(peer));
        }
        let mut secured = Secured::new(channel, session);
        multistream::dial(&mut secured.both(), YAMUX).await.map_err(select_secured)?;
        Ok(secured)
    };
    until(timer, deadline, secured).await.map_err(|_| Error::Timeout)?
}

/// What the `Host` field of a request says.
fn host_field(address: &Multiaddr) -> String {
    let port = address.port();
    match address.host() {
        Host::Ip(IpAddress::Ipv4(ip)) => format!("{ip}:{port}"),
        Host::Ip(IpAddress::Ipv6(ip)) => format!("[{ip}]:{port}"),
        Host::Dns(_, name) => format!("{name}:{port}"),
    }
}

fn framing<E: embedded_io_async::Error>(error: websocket::Error<E>) -> Error {
    match error {
        websocket::Error::Stream(error) => Error::Stream(error.kind()),
        error => Error::WebSocket(error.map(|error| error.kind())),
    }
}

/// An error of the first negotiation is WebSocket's, or the connection's, when what is below it failed.
fn select_below<E: embedded_io_async::Error>(
    error: multistream::Error<websocket::Error<E>>,
) -> Error {
    match error {
        multistream::Error::Stream(error) => framing(error),
        multistream::Error::Closed => Error::Closed,
        error => select(error),
    }
}

fn select<E: embedded_io_async::Error>(error: multistream::Error<E>) -> Error {
    Error::Select(error.map(|error| error.kind()))
}

fn secure<E: embedded_io_async::Error>(error: noise::Error<websocket::Error<E>>) -> Error {
    match error {
        noise::Error::Stream(error) => framing(error),
        error => Error::Noise(error.map(|error| error.kind())),
    }
}

/// An error of the second negotiation is noise's when the stream below it failed.
fn select_secured<E: embedded_io_async::Error>(
    error: multistream::Error<noise::Error<websocket::Error<E>>>,
) -> Error {
    match error {
        multistream::Error::Stream(error) => secure(error),
        multistream::Error::Closed => Error::Closed,
        error => select(error),
    }
}

/// A stream of which one byte was read already.
struct Returned<'a, S> {
    first: Option<u8>,
    stream: &'a mut S,
}

impl<S: ErrorType> ErrorType for Returned<'_, S> {
    type Error = S::Error;
}

impl<S: Read> Read for Returned<'_, S> {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, S::Error> {
        let Some(slot) = buf.first_mut() else { return Ok(0) };
        match self.first.take() {
            Some(first) => {
                *slot = first;
                Ok(1)
            }
            None => self.stream.read(buf).await,
        }
    }
}

impl<S: Write> Write for Returned<'_, S> {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, S::Error> {
        self.stream.write(buf).await
    }

    async fn flush(&mut self) -> Result<(), S::Error> {
        self.stream.flush().await
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
