//! Whether a message is what it says: whole, signed, permitted, and not from the future.

use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use super::Subscriber;
use crate::aleph::message::{ItemType, Message, Signed};
use crate::aleph::resolve::is_permitted;
use crate::aleph::schema::Refusals;
use crate::aleph::signature::{self, SignatureError};
use crate::aleph::trigger::milliseconds;
use crate::limits::MAX_MESSAGE_AHEAD_MS;
use crate::message_node::{Known, NodeError, fetch};

/// Why a message is not taken.
#[derive(Clone, Debug, PartialEq)]
pub enum Refused {
    /// Its form, or the form of the content that its item hash covers.
    Malformed(Refusals),
    /// Its signature.
    Signature(SignatureError),
    /// Its sender may not speak for its content's address.
    NotPermitted,
    /// Whether its sender may, or what its content is, cannot be found out.
    Unavailable(&'static str, NodeError),
    /// Its content is kept elsewhere, where it cannot be had from.
    Elsewhere,
    /// Its content says no time.
    NoTime,
    /// Its content's time is too far ahead of the clock.
    Future,
    /// A queue is full: another time it may go well.
    Busy,
}

impl Refused {
    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Busy => 503,
            Self::Unavailable(..) => 502,
            _ => 422,
        }
    }

    /// Which fields are wrong, and what is wrong with each; none if it is not about the message.
    #[must_use]
    pub fn fields(&self) -> Vec<(String, String)> {
        let one = |field: &str, reason: String| vec![(field.into(), reason)];
        match self {
            Self::Malformed(refusals) => {
                let field = |refusal: &crate::aleph::schema::Refusal| {
                    (refusal.field.clone(), refusal.reason.to_string())
                };
                refusals.iter().map(field).collect()
            }
            Self::Signature(error) => {
                let field = match error {
                    SignatureError::NotVerifiable => "chain",
                    SignatureError::BadSender => "sender",
                    _ => "signature",
                };
                one(field, error.to_string())
            }
            Self::NotPermitted => one("sender", "may not speak for `content.address`".into()),
            Self::Elsewhere => {
                one("item_type", "is that of a content which cannot be had from here".into())
            }
            Self::NoTime => one("content.time", "is missing".into()),
            Self::Future => one("content.time", "is in the future".into()),
            Self::Unavailable(field, error) => one(field, error.to_string()),
            Self::Busy => Vec::new(),
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::Busy {
            return f.write_str("too many messages wait for the programs that this one is for");
        }
        for (index, (field, reason)) in self.fields().iter().enumerate() {
            let before = if index == 0 { "" } else { "\n" };
            let field = if field.is_empty() { "the message" } else { field };
            write!(f, "{before}{field} {reason}")?;
        }
        Ok(())
    }
}

impl core::error::Error for Refused {}

/// The time of a message's content, in milliseconds since 1970; of what is earlier, 0.
pub(super) fn time_ms(message: &Message) -> Option<u64> {
    message.content_time().map(milliseconds)
}

impl Subscriber {
    /// The message with the content that its item hash covers, fetched where it is kept elsewhere.
    pub(super) async fn with_content(&self, message: Message) -> Result<Message, Refused> {
        match message.signed() {
            Signed::Same | Signed::Other(_) => Ok(message),
            Signed::Unusable(refusals) => Err(Refused::Malformed(refusals.clone())),
            Signed::Elsewhere => {
                let node = self.parts.node.as_deref();
                let node = node.filter(|_| message.item_type() == ItemType::Storage);
                let node = node.ok_or(Refused::Elsewhere)?;
                let bytes = fetch::file(node, message.item_hash(), self.message_bytes()).await;
                let bytes = bytes.map_err(|error| Refused::Unavailable("content", error))?;
                message.with_stored_content(&bytes).map_err(Refused::Malformed)
            }
        }
    }

    /// Whether the message's sender sent it, may send it, and sent it by now.
    pub(super) async fn verify(&self, message: &Message) -> Result<(), Refused> {
        let time = time_ms(message).ok_or(Refused::NoTime)?;
        let now = self.parts.machine.unix_time_ms();
        if now != 0 && time > now.saturating_add(MAX_MESSAGE_AHEAD_MS) {
            return Err(Refused::Future);
        }
        signature::verify(message).map_err(Refused::Signature)?;
        let mut known = Known::default();
        if is_permitted(&known, message) {
            return Ok(());
        }
        let owner = message.content().and_then(|content| content.get("address")?.as_str());
        let (Some(owner), Some(node)) = (owner, self.parts.node.as_deref()) else {
            return Err(Refused::NotPermitted);
        };
        let security = fetch::security(node, owner, self.message_bytes()).await;
        let security = security.map_err(|error| Refused::Unavailable("sender", error))?;
        known.set_security(owner, security);
        if is_permitted(&known, message) { Ok(()) } else { Err(Refused::NotPermitted) }
    }
}
