//! Messages, files and permissions from the message node, by name. Everything is checked.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use air_core::value::Value;
use log::warn;

use super::{Known, MessageNode, NodeError, page, page_bytes};
use crate::aleph::item_hash::{ItemHash, Names};
use crate::aleph::message::{ItemType, Message, Signed};
use crate::aleph::program::Source;
use crate::aleph::resolve::{self, ResolveError, StoredFile};
use crate::aleph::signature;
use crate::limits::{MAX_NEWEST_CANDIDATES, MAX_SECURITY_MESSAGES};

/// Why a file cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchError {
    /// The message node.
    Node(NodeError),
    /// What it gave, put together, stands for no file.
    Resolve(ResolveError),
}

impl core::fmt::Display for FetchError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Node(error) => error.fmt(f),
            Self::Resolve(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for FetchError {}

impl From<NodeError> for FetchError {
    fn from(error: NodeError) -> Self {
        Self::Node(error)
    }
}

impl From<ResolveError> for FetchError {
    fn from(error: ResolveError) -> Self {
        Self::Resolve(error)
    }
}

/// The file of this hash.
///
/// # Errors
/// [`NodeError`]; also if the bytes are not those that the hash names, or if that cannot be told.
pub async fn file(
    node: &dyn MessageNode,
    hash: &ItemHash,
    most: usize,
) -> Result<Vec<u8>, NodeError> {
    let bytes = node.get(&format!("/api/v0/storage/raw/{hash}"), most).await?;
    match hash.names(&bytes) {
        Names::This => Ok(bytes),
        Names::Another => Err(NodeError::WrongHash),
        Names::Unknown => Err(NodeError::Uncheckable),
    }
}

/// The message of this item hash, with the content that the hash covers, signed by its sender.
///
/// # Errors
/// [`NodeError`].
pub async fn message(
    node: &dyn MessageNode,
    hash: &ItemHash,
    most: usize,
) -> Result<Message, NodeError> {
    let found = signed(node, &format!("hashes={hash}"), most).await?;
    let is_it = |message: &Message| message.item_hash() == hash;
    found.into_iter().find(is_it).ok_or(NodeError::NotFound)
}

/// What an owner's aggregate `security` says: the owner's own messages, merged in the order of their times.
///
/// # Errors
/// [`NodeError`].
pub async fn security(
    node: &dyn MessageNode,
    owner: &str,
    most: usize,
) -> Result<Value, NodeError> {
    let query = format!(
        "msgTypes=AGGREGATE&addresses={}&contentKeys=security&sortOrder=1&pagination={MAX_SECURITY_MESSAGES}",
        encoded(owner)
    );
    let mut messages = signed(node, &query, most).await?;
    messages.retain(|message| {
        let content = message.content();
        let text = |name| content.and_then(|content| content.get(name)?.as_str());
        message.sender().eq_ignore_ascii_case(owner)
            && text("address").is_some_and(|address| address.eq_ignore_ascii_case(owner))
            && text("key") == Some("security")
    });
    let time = |message: &Message| message.content_time().unwrap_or_default();
    messages.sort_by(|a, b| time(a).total_cmp(&time(b)));
    let mut merged: BTreeMap<Arc<str>, Value> = BTreeMap::new();
    for message in &messages {
        let entries = message.content().and_then(|content| content.get("content")?.as_object());
        for (name, value) in entries.into_iter().flatten() {
            merged.insert(name.clone(), value.clone());
        }
    }
    Value::object(merged.into_iter().collect()).map_err(|_| NodeError::Malformed)
}

/// The file that a source stands for, and its bytes; nothing if the source holds them itself.
///
/// # Errors
/// [`FetchError`].
pub async fn source(
    node: &dyn MessageNode,
    source: &Source,
    most: usize,
    message_bytes: usize,
) -> Result<Option<(StoredFile, Vec<u8>)>, FetchError> {
    let Some(stored) = stored(node, source, message_bytes).await? else { return Ok(None) };
    let bytes = file(node, &stored.file, most).await?;
    Ok(Some((stored, bytes)))
}

/// The file that a source stands for now; nothing if the source holds its bytes itself.
///
/// # Errors
/// [`FetchError`].
pub async fn stored(
    node: &dyn MessageNode,
    source: &Source,
    message_bytes: usize,
) -> Result<Option<StoredFile>, FetchError> {
    let mut known = Known::default();
    match source {
        Source::Inline(_) => return Ok(None),
        Source::Address(owner) => {
            newest(node, &mut known, owner, None, message_bytes).await?;
        }
        Source::Message { hash, use_latest } => {
            let first = message(node, hash, message_bytes).await?;
            let owner = first.content().and_then(|content| content.get("address")?.as_str());
            let owner: Option<String> = owner.map(Into::into);
            permit(node, &mut known, &first, message_bytes).await?;
            known.add(first);
            if let (true, Some(owner)) = (use_latest, owner) {
                newest(node, &mut known, &owner, Some(hash.as_str()), message_bytes).await?;
            }
        }
    }
    Ok(resolve::file(&known, source)?)
}

/// Puts the newest STORE message of an owner into `known`, if there is one that its sender may send.
async fn newest(
    node: &dyn MessageNode,
    known: &mut Known,
    owner: &str,
    amends: Option<&str>,
    message_bytes: usize,
) -> Result<(), NodeError> {
    let refs = amends.map_or_else(String::new, |first| format!("&refs={first}"));
    let query = format!(
        "msgTypes=STORE&sortOrder=-1&owners={}{refs}&pagination={MAX_NEWEST_CANDIDATES}",
        encoded(owner)
    );
    for message in signed(node, &query, message_bytes).await? {
        let text = |name| message.content().and_then(|content| content.get(name)?.as_str());
        let is_one =
            text("address") == Some(owner) && amends.is_none_or(|first| text("ref") == Some(first));
        if !is_one {
            continue;
        }
        permit(node, known, &message, message_bytes).await?;
        if resolve::is_permitted(known, &message) {
            known.add_newest(owner, amends, message);
            return Ok(());
        }
    }
    Ok(())
}

/// Finds out whether a message's sender may speak for its owner, where that is another.
async fn permit(
    node: &dyn MessageNode,
    known: &mut Known,
    message: &Message,
    message_bytes: usize,
) -> Result<(), NodeError> {
    let owner = message.content().and_then(|content| content.get("address")?.as_str());
    let Some(owner) = owner.filter(|owner| !owner.eq_ignore_ascii_case(message.sender())) else {
        return Ok(());
    };
    let aggregate = security(node, owner, message_bytes).await?;
    known.set_security(owner, aggregate);
    Ok(())
}

/// The messages of an answer that their senders signed, with their contents.
async fn signed(
    node: &dyn MessageNode,
    query: &str,
    message_bytes: usize,
) -> Result<Vec<Message>, NodeError> {
    let bytes =
        node.get(&format!("/api/v0/messages.json?{query}"), page_bytes(message_bytes)).await?;
    let texts = page::messages(&bytes).map_err(|_| NodeError::Malformed)?;
    let mut all = Vec::new();
    for text in texts.into_iter().filter(|text| text.len() <= message_bytes) {
        let message = match Message::parse(text) {
            Ok(message) => message,
            Err(refusals) => {
                if let Some(first) = refusals.first() {
                    warn!(target: "aleph", "a message of the message node is refused: {first}");
                }
                continue;
            }
        };
        let message = match message.signed() {
            Signed::Elsewhere if message.item_type() == ItemType::Storage => {
                let content = file(node, message.item_hash(), message_bytes).await?;
                match message.with_stored_content(&content) {
                    Ok(message) => message,
                    Err(_) => continue,
                }
            }
            Signed::Elsewhere | Signed::Unusable(_) => continue,
            Signed::Same | Signed::Other(_) => message,
        };
        if signature::verify(&message).is_ok() {
            all.push(message);
        }
    }
    Ok(all)
}

/// A value of a query: letters, digits and a few marks as they are, all else percent-encoded.
pub(super) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
