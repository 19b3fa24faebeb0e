//! Requests to the message node over this node's network.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::fmt;

use futures_util::future::{FutureExt, LocalBoxFuture};
use netstack::http::client::{Answer, Bounds, Client, ClientError, Request};
use netstack::libp2p::swarm::Dial;

use super::places::Places;
use super::{MessageNode, NodeError};
use crate::aleph::item_hash::ItemHash;
use crate::config::Origin;
use crate::executor::Executor;
use crate::limits::{MAX_API_ANSWER_BYTES, MAX_NODE_REQUESTS, NODE_CONNECT_MS};
use crate::program::{
    Api,
    api::{ApiAnswer, ApiError, ApiRequest},
};

/// The message node as this node's network reaches it. A connection for each request.
pub struct HttpNode<N> {
    network: N,
    origin: Origin,
    executor: Executor,
    places: Places,
}

impl<N: Dial> HttpNode<N> {
    /// The message node at `origin`.
    #[must_use]
    pub fn new(network: N, origin: Origin, executor: Executor) -> Self {
        Self { network, origin, executor, places: Places::new(MAX_NODE_REQUESTS) }
    }

    /// Opens a connection.
    async fn connect(&self) -> Result<N::Stream, NodeError> {
        let deadline =
            self.executor.now().after(core::time::Duration::from_millis(NODE_CONNECT_MS));
        let dial = self.network.dial(self.origin.address());
        match self.executor.timeout_at(deadline, dial).await {
            Ok(Ok(stream)) => Ok(stream),
            _ => Err(NodeError::Unreachable),
        }
    }

    async fn ask(
        &self,
        method: &str,
        target: &str,
        body: Option<&[u8]>,
        most: usize,
    ) -> Result<Answer, NodeError> {
        let _place = self.places.take().await;
        let mut client = Client::new(self.connect().await?, self.executor.clone());
        let json = [("Content-Type", "application/json")];
        let headers: &[_] = if body.is_some() { &json } else { &[] };
        let request = Request { method, target, host: self.origin.authority(), headers, body };
        let bounds = Bounds { body_bytes: most, ..Bounds::default() };
        client.send(&request, &bounds).await.map_err(NodeError::Http)
    }
}

impl<N: Dial> MessageNode for HttpNode<N> {
    fn get<'a>(
        &'a self,
        target: &'a str,
        most: usize,
    ) -> LocalBoxFuture<'a, Result<Vec<u8>, NodeError>> {
        async move {
            let answer = self.ask("GET", target, None, most).await?;
            match answer.status {
                200 => Ok(answer.body),
                404 => Err(NodeError::NotFound),
                status => Err(NodeError::Status(status)),
            }
        }
        .boxed_local()
    }
}

impl<N> fmt::Debug for HttpNode<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpNode").field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// The network's API for programs, at the message node. It has places of its own, so that programs hold up
/// nothing of the node's.
pub struct NodeApi<N>(Rc<HttpNode<N>>);

impl<N: Dial> NodeApi<N> {
    /// The API at `origin`.
    #[must_use]
    pub fn new(network: N, origin: Origin, executor: Executor) -> Self {
        Self(Rc::new(HttpNode::new(network, origin, executor)))
    }
}

impl<N: Dial + 'static> Api for NodeApi<N> {
    fn request(
        &self,
        _: &ItemHash,
        request: ApiRequest,
    ) -> LocalBoxFuture<'static, Result<ApiAnswer, ApiError>> {
        let node = self.0.clone();
        Box::pin(async move {
            let ApiRequest { method, path, body } = request;
            let body = matches!(method, "POST" | "PUT").then_some(body);
            let answer = node.ask(method, &path, body.as_deref(), MAX_API_ANSWER_BYTES).await;
            match answer {
                Ok(Answer { status, body, .. }) => Ok(ApiAnswer { status, body }),
                Err(NodeError::Http(ClientError::Late)) => Err(ApiError::Late),
                Err(
                    NodeError::Http(ClientError::Broken | ClientError::NoAnswer)
                    | NodeError::Unreachable,
                ) => Err(ApiError::Unreachable),
                Err(_) => Err(ApiError::Malformed),
            }
        })
    }
}

impl<N> fmt::Debug for NodeApi<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NodeApi").field(&self.0).finish()
    }
}
