//! The client's side of the handshake (RFC 6455 section 4.1).

use alloc::format;
use alloc::vec::Vec;
use core::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rand_core::CryptoRng;

use super::head::{Received, accept_value, has_token, receive, single, values};
use super::limits::HEADERS;
use super::{Error, Messages, WebSocket};
use crate::Split;

/// What a client draws for a connection.
#[derive(Clone)]
pub struct Secrets {
    key: [u8; 16],
    mask_seed: [u8; 32],
}

impl Secrets {
    /// Draws it.
    pub fn draw(rng: &mut impl CryptoRng) -> Self {
        let mut secrets = Self { key: [0; 16], mask_seed: [0; 32] };
        rng.fill_bytes(&mut secrets.key);
        rng.fill_bytes(&mut secrets.mask_seed);
        secrets
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").finish_non_exhaustive()
    }
}

/// Asks the server at the other end of `stream`, for the path `/`. `host` is what the `Host` field says:
/// a name or an address (IPv6 in brackets) with its port.
///
/// # Errors
/// [`Error::BadAnswer`] when it is no WebSocket server; others when the stream is of no more use.
pub async fn connect<S: Split>(
    mut stream: S,
    host: &str,
    secrets: Secrets,
) -> Result<WebSocket<S>, Error<S::Error>> {
    let early = shake_hands(&mut stream, host, "/", &secrets).await?;
    Ok(WebSocket::new(stream, early, Some(secrets.mask_seed)))
}

/// Asks the server at the other end of `stream` for the messages at `target`, a path with perhaps a query.
///
/// # Errors
/// [`Error::BadAnswer`] when there is no WebSocket, or when host or target cannot be sent; others when the
/// stream is of no more use.
pub async fn subscribe<S: Split>(
    mut stream: S,
    host: &str,
    target: &str,
    secrets: Secrets,
) -> Result<Messages<S>, Error<S::Error>> {
    let is_clean = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_clean(host) || !is_clean(target) || !target.starts_with('/') {
        return Err(Error::BadAnswer);
    }
    let early = shake_hands(&mut stream, host, target, &secrets).await?;
    Ok(Messages::new(stream, early, secrets.mask_seed))
}

/// Sends the request and checks the answer; gives what came behind it.
async fn shake_hands<S: Split>(
    stream: &mut S,
    host: &str,
    target: &str,
    secrets: &Secrets,
) -> Result<Vec<u8>, Error<S::Error>> {
    let key = BASE64_STANDARD.encode(secrets.key);
    let request = format!(
        "GET {target} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.map_err(Error::Stream)?;
    stream.flush().await.map_err(Error::Stream)?;
    let Received::Whole(mut bytes, end) = receive(stream, Vec::new()).await? else {
        return Err(Error::BadAnswer);
    };
    let early = bytes.split_off(end);
    if !opens(&bytes, &key) {
        return Err(Error::BadAnswer);
    }
    Ok(early)
}

/// True when the answer opens a WebSocket without extensions and subprotocols: none was asked for.
fn opens(head: &[u8], key: &str) -> bool {
    let mut fields = [httparse::EMPTY_HEADER; HEADERS];
    let mut answer = httparse::Response::new(&mut fields);
    let parsed = answer.parse(head);
    let headers = &*answer.headers;
    parsed == Ok(httparse::Status::Complete(head.len()))
        && (answer.version, answer.code) == (Some(1), Some(101))
        && has_token(headers, "upgrade", "websocket")
        && has_token(headers, "connection", "upgrade")
        && single(headers, "sec-websocket-accept") == Some(accept_value(key.as_bytes()).as_bytes())
        && values(headers, "sec-websocket-extensions").next().is_none()
        && values(headers, "sec-websocket-protocol").next().is_none()
}
