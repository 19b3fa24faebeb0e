//! What POST, AGGREGATE, STORE and FORGET contain, and the shapes that all contents share.

use air_core::value::{Object, Value};

use crate::aleph::chain;
use crate::aleph::limits::{
    MAX_CHANNEL_CHARS, MAX_FORGET_REASON_CHARS, MAX_FORGET_TARGETS, MAX_TAG_CHARS, MAX_TAGS,
};
use crate::aleph::schema::{
    Default, Reason, Record, Shape, check, optional, required, with_default,
};

/// Block chains, by the kind of key that they sign with.
pub(super) const CHAIN: Shape = Shape::OneOf(&chain::NAMES);
/// Where a content or a file is.
pub(super) const ITEM_TYPE: Shape = Shape::OneOf(&["inline", "storage", "ipfs"]);
/// A list of texts.
pub(super) const TEXTS: Shape = Shape::list(&Shape::TEXT);
/// A list of tags.
pub(super) static TAGS: Shape =
    Shape::list_up_to(MAX_TAGS, &Shape::Text { least: 1, most: MAX_TAG_CHARS });

/// How a program or a file is paid for.
pub(super) static PAYMENT: Record = Record::open(&[
    optional("chain", CHAIN),
    optional("receiver", Shape::TEXT),
    required("type", Shape::OneOf(&["hold", "superfluid", "credit"])),
]);

pub(super) static POST: Record = Record::closed(&[
    required("address", Shape::TEXT),
    required("time", Shape::Seconds),
    optional("content", Shape::Anything),
    optional("ref", Shape::Chosen(post_ref)),
    required("type", Shape::TEXT),
])
.with(&[nested_tags, amend_has_ref]);

static CHAIN_REF: Record = Record::open(&[
    required("chain", CHAIN),
    optional("channel", Shape::text(MAX_CHANNEL_CHARS)),
    required("item_content", Shape::TEXT),
    required("item_hash", Shape::ItemHash),
    required("item_type", ITEM_TYPE),
    required("sender", Shape::TEXT),
    required("signature", Shape::TEXT),
    required("time", Shape::Number),
    with_default("type", Shape::OneOf(&["POST"]), Default::Text("POST")),
]);

pub(super) static AGGREGATE: Record = Record::closed(&[
    required("address", Shape::TEXT),
    required("time", Shape::Seconds),
    required("key", Shape::Chosen(aggregate_key)),
    required("content", Shape::AnyObject),
])
.with(&[nested_tags]);

static NAMED_KEY: Record = Record::closed(&[required("name", Shape::TEXT)]);

pub(super) static STORE: Record = Record::open(&[
    required("address", Shape::TEXT),
    required("time", Shape::Seconds),
    required("item_type", ITEM_TYPE),
    required("item_hash", Shape::ItemHash),
    optional("size", Shape::Integer(i128::MIN, i128::MAX)),
    optional("content_type", Shape::TEXT),
    optional("ref", Shape::TEXT),
    optional("tags", Shape::list_up_to(MAX_TAGS, &Shape::Text { least: 1, most: MAX_TAG_CHARS })),
    optional("metadata", Shape::AnyObject),
    optional("payment", Shape::Record(&PAYMENT)),
])
.with(&[no_stream_for_files]);

pub(super) static FORGET: Record = Record::closed(&[
    required("address", Shape::TEXT),
    required("time", Shape::Seconds),
    required("hashes", Shape::list_up_to(MAX_FORGET_TARGETS, &Shape::ItemHash)),
    with_default(
        "aggregates",
        Shape::list_up_to(MAX_FORGET_TARGETS, &Shape::ItemHash),
        Default::EmptyList,
    ),
    optional("reason", Shape::text(MAX_FORGET_REASON_CHARS)),
]);

fn post_ref(value: &Value) -> Shape {
    if value.as_object().is_some() { Shape::Record(&CHAIN_REF) } else { Shape::TEXT }
}

fn aggregate_key(value: &Value) -> Shape {
    if value.as_object().is_some() { Shape::Record(&NAMED_KEY) } else { Shape::TEXT }
}

/// `tags` in the free part of a content is a list of tags.
fn nested_tags(content: &Object) -> Result<(), (&'static str, Reason)> {
    let inner = content.get("content").and_then(Value::as_object);
    match inner.and_then(|inner| inner.get("tags")) {
        None | Some(Value::Null) => Ok(()),
        Some(tags) if check(&TAGS, tags).is_ok() => Ok(()),
        Some(_) => Err(("content", Reason::Rule("has `tags` that are not up to 16 short texts"))),
    }
}

fn amend_has_ref(content: &Object) -> Result<(), (&'static str, Reason)> {
    let is_amend = content.get("type").and_then(Value::as_str) == Some("amend");
    let has_ref = content.get("ref").is_some_and(|value| value.as_str() != Some(""));
    if is_amend && !has_ref {
        return Err(("type", Reason::Rule("is `amend`, but there is no `ref` to what it amends")));
    }
    Ok(())
}

fn no_stream_for_files(content: &Object) -> Result<(), (&'static str, Reason)> {
    if payment_type(content) == Some("superfluid") {
        return Err(("payment", Reason::Rule("is `superfluid`, which does not pay for files")));
    }
    Ok(())
}

/// How a content is paid for.
pub(super) fn payment_type(content: &Object) -> Option<&str> {
    content.get("payment")?.as_object()?.get("type")?.as_str()
}
