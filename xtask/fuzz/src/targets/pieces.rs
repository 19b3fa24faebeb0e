//! Bytes that come in pieces, as a stream brings them.

use embedded_io_async::{Read, Write};
use netstack::Timer;
use netstack::pipe::Pipe;
use netstack::time::Duration;

use super::support::Clock;

/// Pieces of an input at most.
const MAX_PIECES: usize = 64;

/// Writes `bytes` in pieces of that size (0: all at once), with a pause after each; then the end of the
/// stream. What the other side does not take is left.
pub async fn feed(clock: &Clock, stream: &mut Pipe, bytes: &[u8], size: u8) {
    let size = if size == 0 { bytes.len() } else { usize::from(size) };
    for piece in bytes.chunks(size.max(bytes.len().div_ceil(MAX_PIECES)).max(1)) {
        if stream.write_all(piece).await.is_err() {
            return;
        }
        clock.sleep_until(clock.now() + Duration::from_millis(1)).await;
    }
    let _ = netstack::Stream::shutdown(stream).await;
}

/// Everything up to the end of the stream, or until it breaks.
pub async fn drain(stream: &mut impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 512];
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        bytes.extend_from_slice(&buffer[..read]);
    }
    bytes
}
