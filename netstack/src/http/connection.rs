//! One connection: requests in, answers out, until it ends.

use super::body::Body;
use super::head::{self, Parsed};
use super::incoming::{Incoming, NoHead, Starved};
use super::response::How;
use super::waiting::{Dismissed, WaitingRoom};
use super::{Failure, Handler, Limits, Refusal, Response, Version};
use crate::Stream;
use crate::time::{Timer, after};

/// Bytes that a peer may still send after the last answer before it is cut off.
const LINGER_BYTES: usize = 1024 * 1024;

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// In order: the peer closed it between requests, or an answer ended it.
    Closed,
    /// The peer sent nothing for [`Limits::idle_timeout`].
    Idle,
    /// It had waited longest for a request when another connection needed the room.
    Dismissed,
    /// A request was refused with this status.
    Refused(u16),
    /// It broke while a request or an answer was under way.
    Broken,
}

/// What became of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Requests given to the handler.
    pub requests: u32,
    /// How it ended.
    pub end: End,
}

/// Serves one connection until it ends. The stream is shut down in order; dropping the future resets it.
pub async fn serve<S: Stream, T: Timer, H: Handler>(
    stream: S,
    limits: &Limits,
    timer: &T,
    handler: &H,
) -> Summary {
    serve_in(stream, limits, timer, handler, &WaitingRoom::default()).await
}

/// Serves one of several connections, which make room for each other.
pub(super) async fn serve_in<S: Stream, T: Timer, H: Handler>(
    stream: S,
    limits: &Limits,
    timer: &T,
    handler: &H,
    room: &WaitingRoom,
) -> Summary {
    let mut incoming = Incoming::new(stream, timer);
    let mut requests = 0;
    let end = loop {
        match room.wait(timer.now(), incoming.wait(limits.idle_timeout)).await {
            Ok(Ok(())) => {}
            Ok(Err(Starved::End)) => break End::Closed,
            Ok(Err(Starved::Late)) => break End::Idle,
            Ok(Err(Starved::Broken)) => break End::Broken,
            Err(Dismissed) => break End::Dismissed,
        }
        let parsed = match incoming.head(limits).await {
            Ok(length) => {
                let bytes = incoming.buffered().get(..length).unwrap_or_default();
                let parsed = head::parse(bytes, limits);
                incoming.consume(length);
                parsed
            }
            Err(NoHead::Refused(refusal)) => Err(refusal),
            Err(NoHead::Ended) => break End::Closed,
            Err(NoHead::Gone) => break End::Broken,
        };
        let parsed = match parsed {
            Ok(parsed) => parsed,
            Err(refusal) => break refuse(&mut incoming, limits, handler, refusal).await,
        };
        requests += 1;
        let may_stay = requests < limits.requests;
        let may_stay = || may_stay && !room.is_closed();
        match exchange(&mut incoming, limits, handler, parsed, may_stay).await {
            Next::Request => {}
            Next::End(end) => break end,
        }
    };
    match end {
        End::Broken => {}
        // The room is needed now, or all is about to end.
        _ if end == End::Dismissed || room.is_closed() => drop(incoming.stream.shutdown().await),
        _ => linger(&mut incoming, limits).await,
    }
    Summary { requests, end }
}

/// What follows an exchange.
enum Next {
    Request,
    End(End),
}

/// Has one request answered.
async fn exchange<S: Stream, T: Timer, H: Handler>(
    incoming: &mut Incoming<S, T>,
    limits: &Limits,
    handler: &H,
    parsed: Parsed,
    may_stay: impl Fn() -> bool,
) -> Next {
    let Parsed { head, framing, keep_alive, expects_continue } = parsed;
    let mut body = Body::new(incoming, limits, framing, expects_continue);
    let result = handler.handle(&head, &mut body).await;
    let (finished, drainable) = (body.is_finished(), body.is_drainable());
    let rest = body.rest();
    let (response, failed) = match result {
        Ok(response) => (response, false),
        Err(failure) => match answer_to(failure) {
            Some(response) => (response, true),
            None => return Next::End(End::Broken),
        },
    };
    let status = response.status();
    let close = failed
        || !keep_alive
        || !may_stay()
        || !(finished || drainable)
        || response.wants_close(head.version);
    let how = How {
        version: head.version,
        head_only: head.method == "HEAD",
        close,
        unix_seconds: handler.unix_seconds(),
    };
    handler.answered(status);
    let Incoming { stream, timer, .. } = incoming;
    if !response.write(stream, timer, limits, &how).await {
        return Next::End(End::Broken);
    }
    match (close, finished) {
        (true, _) if failed && status != 500 => Next::End(End::Refused(status)),
        (true, _) => Next::End(End::Closed),
        (false, true) => Next::Request,
        (false, false) if Body::resume(incoming, limits, rest).drain().await => Next::Request,
        (false, false) => Next::End(End::Closed),
    }
}

/// The answer that stands for a handler's failure; `None` when nobody is there to get it.
fn answer_to(failure: Failure) -> Option<Response> {
    match failure {
        Failure::Internal => Some(Response::text(500, "the request could not be served\n")),
        Failure::Body(error) => error.refusal().map(refusal_text),
    }
}

fn refusal_text(refusal: Refusal) -> Response {
    let mut text = alloc::string::String::from(refusal.text);
    text.push('\n');
    Response::text(refusal.status, text)
}

/// Answers a request that no handler gets to see.
async fn refuse<S: Stream, T: Timer, H: Handler>(
    incoming: &mut Incoming<S, T>,
    limits: &Limits,
    handler: &H,
    refusal: Refusal,
) -> End {
    handler.answered(refusal.status);
    let how = How {
        version: Version::Http11,
        head_only: false,
        close: true,
        unix_seconds: handler.unix_seconds(),
    };
    let Incoming { stream, timer, .. } = incoming;
    if refusal_text(refusal).write(stream, timer, limits, &how).await {
        End::Refused(refusal.status)
    } else {
        End::Broken
    }
}

/// Ends the connection so that the peer gets the last answer: closing while it still sends would make
/// the network reset the connection and throw the answer away (RFC 9112 section 9.6).
pub(super) async fn linger<S: Stream, T: Timer>(incoming: &mut Incoming<S, T>, limits: &Limits) {
    if incoming.stream.shutdown().await.is_err() {
        return;
    }
    let deadline = after(incoming.timer.now(), limits.linger);
    let mut scratch = [0; 1024];
    let mut left = LINGER_BYTES;
    while let Ok(read) = incoming.read(&mut scratch, deadline).await {
        left = left.saturating_sub(read);
        if left == 0 {
            return;
        }
    }
}
