//! The network's API, for programs that may use it.
//!
//! Programs call it as the service `aleph`; how a request gets there is for an [`Api`] to know: over the
//! host's own connection, or over HTTP to a node of the network.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use futures_util::future::LocalBoxFuture;

use crate::aleph::item_hash::ItemHash;

/// What is asked of the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiRequest {
    /// `GET`, `POST`, `PUT` or `DELETE`.
    pub method: &'static str,
    /// Path and query, from `/` on; letters that a request line cannot have are not in it.
    pub path: String,
    /// JSON for `POST`, any bytes for `PUT`, else nothing.
    pub body: Vec<u8>,
}

/// What the API answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiAnswer {
    /// The HTTP status.
    pub status: u16,
    /// All of it.
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiError {
    /// Nobody is there who answers.
    Unreachable,
    /// No answer came in time.
    Late,
    /// What came is no answer, or too large a one.
    Malformed,
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreachable => "the network's API cannot be reached",
            Self::Late => "the network's API did not answer in time",
            Self::Malformed => "the answer of the network's API cannot be used",
        })
    }
}

impl core::error::Error for ApiError {}

/// A way to the network's API. Object safe: a node has one at most.
pub trait Api {
    /// Asks for `program`; dropping the future gives the request up. An answer of any status is one.
    fn request(
        &self,
        program: &ItemHash,
        request: ApiRequest,
    ) -> LocalBoxFuture<'static, Result<ApiAnswer, ApiError>>;
}
