//! From the names in messages to what they stand for: files, amended posts, replaced programs, permissions.
//!
//! Messages come from a [`Store`], which answers for it that they are well signed
//! ([`signature`](crate::aleph::signature)) and not forgotten; what they may say of each other is checked
//! here.

mod permission;
#[cfg(test)]
mod tests;

use alloc::borrow::ToOwned;
use core::fmt;

use air_core::value::{Object, Value};

pub use permission::is_permitted;

use super::item_hash::ItemHash;
use super::message::{Message, Type};
use super::program::Source;

/// Messages that are known.
pub trait Store {
    /// The message of this name.
    fn message(&self, hash: &ItemHash) -> Option<Message>;

    /// The newest STORE message of this owner; if `amends` is given, of those whose `ref` it is.
    fn newest_file(&self, owner: &str, amends: Option<&str>) -> Option<Message>;

    /// The newest POST of type `amend` whose `ref` is this.
    fn newest_amendment(&self, post: &ItemHash) -> Option<Message>;

    /// The aggregate of this owner and key, its messages merged.
    fn aggregate(&self, owner: &str, key: &str) -> Option<Value>;
}

/// Why a name stands for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResolveError {
    /// There is no such message, or its content is not known.
    NotFound,
    /// The message is of another type.
    WrongType,
    /// What is amended is itself an amendment.
    AmendsAmendment,
    /// The earlier program does not allow to be replaced.
    NotAmendable,
    /// Who sent it may not.
    NotPermitted,
}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFound => "there is no such message",
            Self::WrongType => "the message is of another type",
            Self::AmendsAmendment => "what it amends is an amendment itself",
            Self::NotAmendable => "the earlier program does not allow to be replaced",
            Self::NotPermitted => "its sender may not do that",
        })
    }
}

impl core::error::Error for ResolveError {}

/// A file of the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFile {
    /// The STORE message that brought it.
    pub message: ItemHash,
    /// The name of the file itself, which is the hash of its bytes.
    pub file: ItemHash,
}

/// The file that a source stands for; nothing if the source holds its bytes.
///
/// Where amendments count, the newest STORE message of the same owner whose `ref` is the first message
/// takes its place.
///
/// # Errors
/// [`ResolveError`].
pub fn file(store: &impl Store, source: &Source) -> Result<Option<StoredFile>, ResolveError> {
    let message = match source {
        Source::Inline(_) => return Ok(None),
        Source::Address(owner) => store.newest_file(owner, None).ok_or(ResolveError::NotFound)?,
        Source::Message { hash, use_latest } => {
            let first = store.message(hash).ok_or(ResolveError::NotFound)?;
            let owner = text(content_of(&first, Type::Store)?, "address").to_owned();
            let newest =
                use_latest.then(|| store.newest_file(&owner, Some(hash.as_str()))).flatten();
            newest.filter(|newest| amends_file(newest, &owner, hash)).unwrap_or(first)
        }
    };
    let content = content_of(&message, Type::Store)?;
    let file = text(content, "item_hash").parse().map_err(|_| ResolveError::NotFound)?;
    if !is_permitted(store, &message) {
        return Err(ResolveError::NotPermitted);
    }
    Ok(Some(StoredFile { message: message.item_hash().clone(), file }))
}

fn amends_file(newest: &Message, owner: &str, first: &ItemHash) -> bool {
    content_of(newest, Type::Store).is_ok_and(|content| {
        text(content, "address") == owner && text(content, "ref") == first.as_str()
    })
}

/// A post, or the newest amendment of it that its owner allows.
///
/// # Errors
/// [`ResolveError`].
pub fn post(store: &impl Store, hash: &ItemHash) -> Result<Message, ResolveError> {
    let original = store.message(hash).ok_or(ResolveError::NotFound)?;
    let content = content_of(&original, Type::Post)?;
    if text(content, "type") == "amend" {
        return Err(ResolveError::AmendsAmendment);
    }
    let owner = text(content, "address");
    let amendment = store.newest_amendment(hash).filter(|amendment| {
        content_of(amendment, Type::Post).is_ok_and(|content| {
            text(content, "type") == "amend"
                && text(content, "ref") == hash.as_str()
                && text(content, "address").eq_ignore_ascii_case(owner)
        }) && is_permitted(store, amendment)
    });
    Ok(amendment.unwrap_or(original))
}

/// Whether a program or instance may take the place of the one that it names in `replaces`.
///
/// # Errors
/// [`ResolveError`]: why not.
pub fn replacement(store: &impl Store, new: &Message) -> Result<(), ResolveError> {
    let content = new.content().ok_or(ResolveError::NotFound)?;
    let Some(replaces) = content.get("replaces").and_then(Value::as_str) else { return Ok(()) };
    let hash = replaces.parse().map_err(|_| ResolveError::NotFound)?;
    let old = store.message(&hash).ok_or(ResolveError::NotFound)?;
    let old = content_of(&old, new.kind())?;
    if old.get("replaces").is_some() {
        return Err(ResolveError::AmendsAmendment);
    }
    if old.get("allow_amend") != Some(&Value::Bool(true)) {
        return Err(ResolveError::NotAmendable);
    }
    let is_owner = text(old, "address").eq_ignore_ascii_case(text(content, "address"));
    if is_owner && is_permitted(store, new) { Ok(()) } else { Err(ResolveError::NotPermitted) }
}

fn content_of(message: &Message, kind: Type) -> Result<&Object, ResolveError> {
    if message.kind() != kind {
        return Err(ResolveError::WrongType);
    }
    message.content().ok_or(ResolveError::NotFound)
}

fn text<'a>(content: &'a Object, name: &str) -> &'a str {
    content.get(name).and_then(Value::as_str).unwrap_or_default()
}
