//! What starts a run, and what the script is told of it.

use alloc::string::String;
use alloc::sync::Arc;

use air_core::value::Value;
use sha2::{Digest, Sha256};

use crate::aleph::item_hash::ItemHash;

/// What starts a run. Its [`scope`](Self::scope) is what the script gets by `("getDataSrv" NAME)`,
/// whatever NAME is but `-relay-`, which gives the node's own peer id.
#[derive(Clone, Debug, PartialEq)]
pub enum Trigger {
    /// An HTTP request.
    Http {
        /// See [`crate::aleph::trigger::http`].
        scope: Value,
        /// A body that is too large for the scope. The program finds it as the file that the scope names
        /// in `body` (see [`super::files`]).
        body: Option<Arc<[u8]>>,
    },
    /// A message of the network.
    Message {
        /// The message.
        item_hash: ItemHash,
        /// When it was made, in milliseconds since 1970.
        time_ms: u64,
        /// See [`crate::aleph::trigger::event`].
        scope: Value,
    },
    /// A time of the program's schedule.
    Cron {
        /// Seconds since 1970.
        tick: u64,
    },
}

impl Trigger {
    /// A request whose body is in its scope.
    #[must_use]
    pub fn http(scope: Value) -> Self {
        Self::Http { scope, body: None }
    }

    /// What the script is told.
    #[must_use]
    pub fn scope(&self) -> Value {
        match self {
            Self::Http { scope, .. } | Self::Message { scope, .. } => scope.clone(),
            Self::Cron { tick } => {
                let members = alloc::vec![
                    (Arc::from("type"), "aleph.cron".into()),
                    (Arc::from("tick"), (*tick).into()),
                ];
                // One level is not too deep.
                Value::object(members).unwrap_or_default()
            }
        }
    }

    /// The kind of trigger, as a word.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Http { .. } => "http",
            Self::Message { .. } => "message",
            Self::Cron { .. } => "cron",
        }
    }

    /// When it came about, in milliseconds since 1970, if it says so itself.
    pub(super) const fn time_ms(&self) -> Option<u64> {
        match self {
            Self::Http { .. } => None,
            Self::Message { time_ms, .. } => Some(*time_ms),
            Self::Cron { tick } => Some(tick.saturating_mul(1000)),
        }
    }

    /// What everything in a reproducible run of `program` follows from.
    pub(super) fn seed(&self, program: &ItemHash) -> [u8; 32] {
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        part(program.as_str().as_bytes());
        part(self.kind().as_bytes());
        let mut scope = String::new();
        self.scope().write_json(&mut scope);
        part(scope.as_bytes());
        match self {
            Self::Http { body: Some(body), .. } => part(body),
            Self::Message { item_hash, .. } => part(item_hash.as_str().as_bytes()),
            Self::Http { .. } | Self::Cron { .. } => {}
        }
        hash.finalize().into()
    }
}
