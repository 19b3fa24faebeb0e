//! A listening server: every connection of a TCP port, up to a bound.

use core::future::{Future, pending};
use core::pin::pin;

use futures_util::StreamExt;
use futures_util::future::{Either, select};
use futures_util::stream::FuturesUnordered;

use super::connection::{linger, serve_in};
use super::incoming::Incoming;
use super::response::How;
use super::waiting::WaitingRoom;
use super::{Handler, Limits, Response, Version};
use crate::time::Timer;
use crate::{Listen, Stream};

/// Connections beyond the bound that are told so at the same time; others wait in the backlog.
const REFUSALS_AT_ONCE: usize = 8;
/// Seconds after which a client that was turned away may try again.
const RETRY_AFTER_SECONDS: &str = "1";

/// Serves all connections of `listener`, `connections` at a time. One beyond takes the room of the one
/// that has waited longest for a request, if that has waited a while; else it gets status 503, or waits
/// in the backlog when there are many of them.
///
/// When `end` completes, `listener` is dropped, connections that wait for a request end, and requests
/// under way are answered, which ends their connections. This completes after the last answer.
pub async fn serve_listener<L: Listen, T: Timer, H: Handler>(
    listener: L,
    connections: usize,
    limits: &Limits,
    timer: &T,
    handler: &H,
    end: impl Future<Output = ()>,
) {
    let room = WaitingRoom::default();
    let mut serving = FuturesUnordered::new();
    let mut refusing = FuturesUnordered::new();
    let mut end = pin!(end);
    loop {
        let full = serving.len() >= connections && refusing.len() >= REFUSALS_AT_ONCE;
        let accepted = {
            let accept =
                pin!(async { if full { pending().await } else { listener.accept().await } });
            let progress = pin!(async {
                match (serving.is_empty(), refusing.is_empty()) {
                    (true, true) => pending().await,
                    (false, true) => drop(serving.next().await),
                    (true, false) => drop(refusing.next().await),
                    (false, false) => {
                        let _done = select(serving.next(), refusing.next()).await;
                    }
                }
            });
            match select(end.as_mut(), select(accept, progress)).await {
                Either::Left(_) => break,
                Either::Right((Either::Left(((stream, _), _)), _)) => stream,
                Either::Right((Either::Right(_), _)) => continue,
            }
        };
        if serving.len() < connections || room.dismiss_longest(timer.now()) {
            serving.push(serve_in(accepted, limits, timer, handler, &room));
        } else {
            refusing.push(turn_away(accepted, limits, timer, handler));
        }
    }
    drop(listener);
    room.close();
    while serving.next().await.is_some() {}
}

/// Tells a client that there is no room for it now.
async fn turn_away<S: Stream, T: Timer, H: Handler>(
    mut stream: S,
    limits: &Limits,
    timer: &T,
    handler: &H,
) {
    let mut response = Response::text(503, "too many connections\n");
    // A number is a valid value.
    let _ = response.add_header("Retry-After", RETRY_AFTER_SECONDS);
    handler.answered(503);
    let how = How {
        version: Version::Http11,
        head_only: false,
        close: true,
        unix_seconds: handler.unix_seconds(),
    };
    if response.write(&mut stream, timer, limits, &how).await {
        linger(&mut Incoming::new(stream, timer), limits).await;
    }
}
