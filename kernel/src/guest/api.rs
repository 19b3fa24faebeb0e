//! The host's API for its guest: HTTP/1.1 over port 53.

use core::time::Duration;

use futures_util::future::{FutureExt, LocalBoxFuture};
use log::debug;
use netstack::http::client::{Bounds, Client, ClientError, Request};

use super::limits::HOST_CONNECT_MS;
use super::{API_PORT, HostSocket};
use crate::aleph::item_hash::ItemHash;
use crate::executor::Executor;
use crate::program::Api;
use crate::program::api::{ApiAnswer, ApiError, ApiRequest};

/// What `Host` says; the host does not look.
const NAME: &str = "localhost";

/// The way to the API by the host. Each request has a connection of its own: the host closes idle ones.
#[derive(Debug)]
pub struct HostApi<S> {
    executor: Executor,
    socket: S,
}

impl<S: HostSocket> HostApi<S> {
    /// The API behind this way to the host.
    #[must_use]
    pub fn new(executor: Executor, socket: S) -> Self {
        Self { executor, socket }
    }
}

impl<S: HostSocket> Api for HostApi<S> {
    fn request(
        &self,
        program: &ItemHash,
        request: ApiRequest,
    ) -> LocalBoxFuture<'static, Result<ApiAnswer, ApiError>> {
        let (executor, socket) = (self.executor.clone(), self.socket.clone());
        // The host knows which program this machine runs.
        debug!(target: "guest", "{program} asks {} {}", request.method, request.path);
        async move {
            let deadline = executor.now().after(Duration::from_millis(HOST_CONNECT_MS));
            let stream = executor.timeout_at(deadline, socket.connect(API_PORT)).await;
            let stream = stream.ok().flatten().ok_or(ApiError::Unreachable)?;
            let has_body = matches!(request.method, "POST" | "PUT");
            let json = [("Content-Type", "application/json")];
            let asked = Request {
                method: request.method,
                target: &request.path,
                host: NAME,
                headers: if request.method == "POST" { &json } else { &[] },
                body: has_body.then_some(&*request.body),
            };
            let mut client = Client::new(stream, executor);
            let answer = client.send(&asked, &Bounds::default()).await;
            answer.map(|answer| ApiAnswer { status: answer.status, body: answer.body }).map_err(
                |error| match error {
                    ClientError::Late => ApiError::Late,
                    _ => ApiError::Malformed,
                },
            )
        }
        .boxed_local()
    }
}
