//! The server's side of the handshake (RFC 6455 section 4.2).

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::head::{Received, accept_value, has_token, receive, single};
use super::limits::HEADERS;
use super::{Error, WebSocket};
use crate::{Split, http};

/// Why a request opens no WebSocket: the status, more header fields, the reason.
struct Refusal {
    status: u16,
    fields: &'static str,
    reason: &'static str,
}

const fn bad(reason: &'static str) -> Refusal {
    Refusal { status: 400, fields: "", reason }
}

/// Answers a client's request, for whatever path it asks. One that opens no WebSocket gets an HTTP error.
///
/// # Errors
/// [`Error::BadRequest`] after such an answer; others when the stream is of no more use.
pub async fn accept<S: Split>(stream: S) -> Result<WebSocket<S>, Error<S::Error>> {
    accept_after(stream, Vec::new()).await
}

/// The same when the first bytes of the request have been read.
pub(crate) async fn accept_after<S: Split>(
    mut stream: S,
    first: Vec<u8>,
) -> Result<WebSocket<S>, Error<S::Error>> {
    let answer = match receive(&mut stream, first).await? {
        Received::TooLarge => {
            Err(Refusal { status: 431, fields: "", reason: "the request head is too large" })
        }
        Received::Whole(mut bytes, end) => {
            let early = bytes.split_off(end);
            answer(&bytes).map(|answer| (answer, early))
        }
    };
    match answer {
        Ok((answer, early)) => {
            stream.write_all(answer.as_bytes()).await.map_err(Error::Stream)?;
            stream.flush().await.map_err(Error::Stream)?;
            Ok(WebSocket::new(stream, early, None))
        }
        Err(refusal) => {
            stream.write_all(refusal.answer().as_bytes()).await.map_err(Error::Stream)?;
            stream.flush().await.map_err(Error::Stream)?;
            stream.shutdown().await.map_err(Error::Stream)?;
            Err(Error::BadRequest(refusal.status))
        }
    }
}

impl Refusal {
    fn answer(&self) -> String {
        let Self { status, fields, reason } = self;
        let phrase = http::reason(*status);
        let length = reason.len() + 1;
        format!(
            "HTTP/1.1 {status} {phrase}\r\nConnection: close\r\n{fields}\
             Content-Type: text/plain; charset=utf-8\r\nContent-Length: {length}\r\n\r\n{reason}\n"
        )
    }
}

fn answer(head: &[u8]) -> Result<String, Refusal> {
    let mut fields = [httparse::EMPTY_HEADER; HEADERS];
    let mut request = httparse::Request::new(&mut fields);
    match request.parse(head) {
        Ok(httparse::Status::Complete(length)) if length == head.len() => {}
        Err(httparse::Error::TooManyHeaders) => {
            return Err(Refusal { status: 431, fields: "", reason: "too many header fields" });
        }
        _ => return Err(bad("the request is malformed")),
    }
    if request.method != Some("GET") {
        let fields = "Allow: GET\r\n";
        return Err(Refusal { status: 405, fields, reason: "only GET opens a WebSocket" });
    }
    if request.version != Some(1) {
        return Err(bad("only HTTP/1.1 opens a WebSocket"));
    }
    let headers = &*request.headers;
    if single(headers, "host").is_none() {
        return Err(bad("a request names one host"));
    }
    if !has_token(headers, "upgrade", "websocket") || !has_token(headers, "connection", "upgrade") {
        let fields = "Upgrade: websocket\r\n";
        return Err(Refusal { status: 426, fields, reason: "this port speaks WebSocket" });
    }
    if single(headers, "sec-websocket-version") != Some(b"13") {
        let fields = "Sec-WebSocket-Version: 13\r\nUpgrade: websocket\r\n";
        return Err(Refusal { status: 426, fields, reason: "only version 13 is spoken" });
    }
    let key = single(headers, "sec-websocket-key").unwrap_or_default();
    let mut nonce = [0; 18];
    if BASE64_STANDARD.decode_slice(key, &mut nonce) != Ok(16) {
        return Err(bad("the key is not 16 bytes in base64"));
    }
    Ok(format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        accept_value(key)
    ))
}
