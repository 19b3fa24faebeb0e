//! Messages of the network: the envelope, its content, and what is signed.
//!
//! The verdict on a message is that of the network's reference parser (`aleph-message` 1.7.0), with these
//! differences: integers beyond 64 bits become floats; half of a surrogate pair in a text is refused, as is
//! `NaN`; an empty `trusted_execution` needs `qemu` like any other.
//!
//! A message says its content twice when it is inline: as `item_content`, which the item hash and so the
//! signature cover, and as `content`, which for most types nothing checks. [`Message::content`] is
//! always the covered one.

mod content;
mod envelope;
mod execution;
#[cfg(test)]
mod tests;
mod trusted;
mod verifiable;

use alloc::string::String;
use alloc::sync::Arc;

use air_core::value::{Object, Value};

use crate::aleph::item_hash::ItemHash;
use crate::aleph::limits::{MAX_INLINE_BYTES, MAX_MESSAGE_BYTES};
use crate::aleph::schema::{Reason, Refusals, check, python_equal};

/// What kind of message it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Data of any kind.
    Post,
    /// Entries of a map that belongs to an address.
    Aggregate,
    /// A file.
    Store,
    /// A program.
    Program,
    /// A virtual machine.
    Instance,
    /// A program in a machine whose memory its host cannot read.
    VerifiableProgram,
    /// Messages that are to be forgotten.
    Forget,
}

impl Type {
    const ALL: [Self; 7] = [
        Self::Post,
        Self::Aggregate,
        Self::Store,
        Self::Program,
        Self::Instance,
        Self::VerifiableProgram,
        Self::Forget,
    ];
    /// The words for them, in the same order.
    const WORDS: [&'static str; 7] =
        ["POST", "AGGREGATE", "STORE", "PROGRAM", "INSTANCE", "V-PROGRAM", "FORGET"];

    /// The word in the envelope.
    #[must_use]
    pub fn word(self) -> &'static str {
        let index = Self::ALL.iter().position(|kind| *kind == self);
        index.and_then(|index| Self::WORDS.get(index)).copied().unwrap_or_default()
    }

    fn from_word(word: &str) -> Option<Self> {
        let index = Self::WORDS.iter().position(|known| *known == word)?;
        Self::ALL.get(index).copied()
    }
}

/// Where the content is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemType {
    /// In the message.
    Inline,
    /// In the network's storage, by the SHA-256 of its JSON.
    Storage,
    /// In IPFS.
    Ipfs,
}

/// A message that is well formed. Whether its sender sent it is for [`signature`](crate::aleph::signature)
/// to say.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    kind: Type,
    item_type: ItemType,
    item_hash: ItemHash,
    envelope: Arc<Object>,
    signed: Signed,
}

/// What is known of the content that the item hash covers.
#[derive(Clone, Debug, PartialEq)]
pub enum Signed {
    /// `content` is what the item hash covers.
    Same,
    /// The item hash covers another content, which is this one.
    Other(Value),
    /// The item hash covers another content, with which something is wrong.
    Unusable(Refusals),
    /// The content is kept elsewhere; `content` is what somebody says it is.
    Elsewhere,
}

impl Message {
    /// Reads a message as the network's nodes hand it out, with `content`.
    ///
    /// # Errors
    /// [`Refusals`]: which fields are wrong, and why.
    pub fn parse(text: &str) -> Result<Self, Refusals> {
        Self::from_value(&read_json(text, MAX_MESSAGE_BYTES, "")?)
    }

    /// Reads a message as its author publishes it: where `content` is missing, `item_content` stands for it.
    ///
    /// # Errors
    /// [`Refusals`]: which fields are wrong, and why.
    pub fn parse_published(text: &str) -> Result<Self, Refusals> {
        Self::from_published(&read_json(text, MAX_MESSAGE_BYTES, "")?)
    }

    /// Takes a message that is read already, as its author publishes it.
    ///
    /// # Errors
    /// [`Refusals`]: which fields are wrong, and why.
    pub fn from_published(document: &Value) -> Result<Self, Refusals> {
        let is_missing = |members: &&Object| {
            members.get("content").is_none_or(|content| *content == Value::Null)
        };
        let Some(members) = document.as_object().filter(is_missing) else {
            return Self::from_value(document);
        };
        let Some(inline) = members.get("item_content").and_then(Value::as_str) else {
            return Self::from_value(document);
        };
        let content = read_json(inline, MAX_INLINE_BYTES, "item_content")?;
        let content = [(Arc::from("content"), content)];
        let others = members.iter().filter(|(name, _)| &**name != "content").cloned();
        let members = others.chain(content).collect();
        let document = Value::object(members)
            .map_err(|_| Refusals::one("item_content", Reason::Not("shallow enough")))?;
        Self::from_value(&document)
    }

    /// Takes a message that is read already.
    ///
    /// # Errors
    /// [`Refusals`]: which fields are wrong, and why.
    pub fn from_value(document: &Value) -> Result<Self, Refusals> {
        let members =
            document.as_object().ok_or_else(|| Refusals::one("", Reason::Not("an object")))?;
        let word = members.get("type").ok_or_else(|| Refusals::one("type", Reason::Missing))?;
        let kind = word
            .as_str()
            .and_then(Type::from_word)
            .ok_or_else(|| Refusals::one("type", Reason::NotOneOf(&Type::WORDS)))?;
        let Value::Object(envelope) = check(&envelope::shape(kind), document)? else {
            return Err(Refusals::one("", Reason::Not("an object")));
        };
        let text = |name| envelope.get(name).and_then(Value::as_str).unwrap_or_default();
        let item_hash: ItemHash = text("item_hash")
            .parse()
            .map_err(|_| Refusals::one("item_hash", Reason::Not("an item hash")))?;
        let item_type = match text("item_type") {
            "inline" => ItemType::Inline,
            "storage" => ItemType::Storage,
            _ => ItemType::Ipfs,
        };
        let signed = match item_type {
            ItemType::Inline => signed_inline(kind, &envelope, &item_hash)?,
            _ => Signed::Elsewhere,
        };
        Ok(Self { kind, item_type, item_hash, envelope, signed })
    }

    /// The kind of message.
    #[must_use]
    pub fn kind(&self) -> Type {
        self.kind
    }

    /// Where the content is.
    #[must_use]
    pub fn item_type(&self) -> ItemType {
        self.item_type
    }

    /// The message's name.
    #[must_use]
    pub fn item_hash(&self) -> &ItemHash {
        &self.item_hash
    }

    /// Name of the block chain whose kind of key signs.
    #[must_use]
    pub fn chain(&self) -> &str {
        self.text("chain")
    }

    /// Address of who signs.
    #[must_use]
    pub fn sender(&self) -> &str {
        self.text("sender")
    }

    /// The application's name for where the message belongs.
    #[must_use]
    pub fn channel(&self) -> Option<&str> {
        self.envelope.get("channel").and_then(Value::as_str)
    }

    /// The signature, in the form of its chain.
    #[must_use]
    pub fn signature(&self) -> Option<&str> {
        self.envelope.get("signature").and_then(Value::as_str)
    }

    /// When the content says that it was made, in seconds since 1970; unlike [`time`](Self::time) this is
    /// what the item hash covers.
    #[must_use]
    pub fn content_time(&self) -> Option<f64> {
        time_of(self.content()?)
    }

    /// When it was published, in seconds since 1970.
    #[must_use]
    pub fn time(&self) -> f64 {
        let number = self.envelope.get("time").and_then(Value::as_number);
        number.and_then(|number| number.as_float()).unwrap_or_default()
    }

    /// The whole message in canonical form, with the content as the message states it.
    #[must_use]
    pub fn envelope(&self) -> &Object {
        &self.envelope
    }

    /// What is known of the content that the item hash covers.
    #[must_use]
    pub fn signed(&self) -> &Signed {
        &self.signed
    }

    /// The content as the message states it, in canonical form.
    #[must_use]
    pub fn stated_content(&self) -> &Value {
        self.envelope.get("content").unwrap_or(&Value::Null)
    }

    /// The content that the item hash covers, in canonical form; nothing if it is not in the message (see
    /// [`with_stored_content`](Self::with_stored_content)) or is not what it should be.
    #[must_use]
    pub fn content(&self) -> Option<&Object> {
        match &self.signed {
            Signed::Same => self.stated_content().as_object(),
            Signed::Other(content) => content.as_object(),
            Signed::Unusable(_) | Signed::Elsewhere => None,
        }
    }

    /// The same message with the content that was fetched from the network's storage, whose SHA-256 must
    /// be the item hash. Of IPFS files the name cannot be checked here.
    ///
    /// # Errors
    /// [`Refusals`] about `item_hash`, `item_type` or the content.
    pub fn with_stored_content(mut self, bytes: &[u8]) -> Result<Self, Refusals> {
        if self.item_type != ItemType::Storage {
            return Err(Refusals::one("item_type", Reason::NotOneOf(&["storage"])));
        }
        if ItemHash::of(bytes) != self.item_hash {
            return Err(Refusals::one("item_hash", Reason::WrongHash));
        }
        let text = core::str::from_utf8(bytes)
            .map_err(|_| Refusals::one("content", Reason::Not("a text")))?;
        let content = read_json(text, MAX_MESSAGE_BYTES, "content")?;
        let content = check(&envelope::content_shape(self.kind), &content)?;
        self.signed = if python_equal(&content, self.stated_content()) {
            Signed::Same
        } else {
            Signed::Other(content)
        };
        Ok(self)
    }

    /// What is signed, before the chain's own framing: chain, sender, type and item hash, a line feed
    /// between each.
    #[must_use]
    pub fn signed_text(&self) -> String {
        [self.chain(), self.sender(), self.kind.word(), self.item_hash.as_str()].join("\n")
    }

    fn text(&self, name: &str) -> &str {
        self.envelope.get(name).and_then(Value::as_str).unwrap_or_default()
    }
}

/// Checks what only inline messages have: the hash, and for programs that the content is spelled out.
fn signed_inline(kind: Type, envelope: &Object, hash: &ItemHash) -> Result<Signed, Refusals> {
    let inline = envelope.get("item_content").and_then(Value::as_str);
    let inline = inline.ok_or_else(|| Refusals::one("item_content", Reason::Missing))?;
    let content = read_json(inline, MAX_INLINE_BYTES, "item_content")?;
    if ItemHash::of(inline.as_bytes()) != *hash {
        return Err(Refusals::one("item_hash", Reason::WrongHash));
    }
    let stated = envelope.get("content").unwrap_or(&Value::Null);
    if python_equal(stated, &content) {
        return Ok(Signed::Same);
    }
    if matches!(kind, Type::Program | Type::VerifiableProgram) {
        return Err(Refusals::one("content", Reason::DiffersFromSigned));
    }
    Ok(match check(&envelope::content_shape(kind), &content) {
        Ok(signed) if python_equal(&signed, stated) => Signed::Same,
        Ok(signed) => Signed::Other(signed),
        Err(refusals) => Signed::Unusable(refusals),
    })
}

/// Reads JSON of a bounded length.
pub(super) fn read_json(text: &str, most: usize, field: &str) -> Result<Value, Refusals> {
    if text.len() > most {
        return Err(Refusals::one(field, Reason::TooLong(most)));
    }
    Value::parse(text).map_err(|_| Refusals::one(field, Reason::Not("JSON")))
}

/// When a content says that it was written, in seconds since 1970.
#[must_use]
pub fn time_of(content: &Object) -> Option<f64> {
    let number = content.get("time")?.as_number()?;
    #[expect(clippy::cast_precision_loss, reason = "a time of this era is exact")]
    number.as_float().or_else(|| number.as_i64().map(|whole| whole as f64))
}
