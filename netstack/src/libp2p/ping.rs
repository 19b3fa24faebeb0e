//! ping: 32 bytes there and back (libp2p ping specification).

use core::fmt;

use embedded_io_async::{Error as _, ErrorKind, ReadExactError};

use crate::Stream;
use crate::time::{Duration, Elapsed, Timer, after, until};

/// The protocol's name in multistream-select.
pub const PROTOCOL: &str = "/ipfs/ping/1.0.0";
/// Bytes of a ping.
pub const PAYLOAD_BYTES: usize = 32;
/// How long a stream may be without a ping: peers ping every 15 s, on one stream.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(120);
/// Time for all of a ping to come once it has begun, and for its answer to leave.
pub const PAYLOAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a ping was not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The stream failed or ended.
    Stream(ErrorKind),
    /// Not in time.
    Timeout,
    /// With other bytes.
    Mismatch,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stream(kind) => write!(f, "the stream failed: {kind}"),
            Self::Timeout => f.write_str("no answer in time"),
            Self::Mismatch => f.write_str("an answer to something else"),
        }
    }
}

impl core::error::Error for Error {}

/// Answers every ping on an accepted stream until the peer ends it, does nothing for [`IDLE_TIMEOUT`], or
/// is slower than [`PAYLOAD_TIMEOUT`]; returns how many were answered.
///
/// One is read when the one before has been taken by the stream, so a flood of them fills the peer's
/// buffers only.
pub async fn answer<S: Stream, T: Timer>(stream: &mut S, timer: &T) -> u64 {
    let mut answered = 0;
    while answer_one(stream, timer).await.is_some() {
        answered += 1;
    }
    // That the peer may be gone already does not matter.
    let _ = until(timer, after(timer.now(), PAYLOAD_TIMEOUT), stream.shutdown()).await;
    answered
}

async fn answer_one<S: Stream, T: Timer>(stream: &mut S, timer: &T) -> Option<()> {
    let mut payload = [0; PAYLOAD_BYTES];
    let first = stream.read(&mut payload);
    let read = until(timer, after(timer.now(), IDLE_TIMEOUT), first).await.ok()?.ok()?;
    if read == 0 {
        return None;
    }
    let exchange = async {
        stream.read_exact(payload.get_mut(read..)?).await.ok()?;
        stream.write_all(&payload).await.ok()?;
        stream.flush().await.ok()
    };
    until(timer, after(timer.now(), PAYLOAD_TIMEOUT), exchange).await.ok()?
}

/// Pings once on a stream opened for it; returns how long the answer took. May be repeated until it fails.
///
/// # Errors
/// [`Error`]; the stream is then of no more use.
pub async fn ping<S: Stream, T: Timer>(
    stream: &mut S,
    payload: [u8; PAYLOAD_BYTES],
    timer: &T,
    timeout: Duration,
) -> Result<Duration, Error> {
    let start = timer.now();
    let exchange = async {
        stream.write_all(&payload).await.map_err(|error| Error::Stream(error.kind()))?;
        stream.flush().await.map_err(|error| Error::Stream(error.kind()))?;
        let mut answer = [0; PAYLOAD_BYTES];
        stream.read_exact(&mut answer).await.map_err(|error| match error {
            ReadExactError::UnexpectedEof => Error::Stream(ErrorKind::ConnectionReset),
            ReadExactError::Other(error) => Error::Stream(error.kind()),
        })?;
        if answer == payload { Ok(()) } else { Err(Error::Mismatch) }
    };
    until(timer, after(start, timeout), exchange).await.map_err(|Elapsed| Error::Timeout)??;
    Ok(timer.now() - start)
}
