//! What a message of each type looks like around its content.

use air_core::value::{Object, Value};

use super::Type;
use super::content::{AGGREGATE, CHAIN, FORGET, ITEM_TYPE, POST, STORE, TEXTS};
use super::execution::{INSTANCE, PROGRAM};
use super::verifiable::VERIFIABLE_PROGRAM;
use crate::aleph::limits::MAX_CHANNEL_CHARS;
use crate::aleph::schema::{Field, Presence, Reason, Record, Rule, Shape, optional, required};

/// The whole message.
pub(super) fn shape(kind: Type) -> Shape {
    match kind {
        Type::Post => Shape::Record(&POST_MESSAGE),
        Type::Aggregate => Shape::Record(&AGGREGATE_MESSAGE),
        Type::Store => Shape::Record(&STORE_MESSAGE),
        Type::Program => Shape::Record(&PROGRAM_MESSAGE),
        Type::Instance => Shape::Record(&INSTANCE_MESSAGE),
        Type::VerifiableProgram => Shape::Record(&VERIFIABLE_PROGRAM_MESSAGE),
        Type::Forget => Shape::Record(&FORGET_MESSAGE),
    }
}

/// The content alone.
pub(super) fn content_shape(kind: Type) -> Shape {
    match kind {
        Type::Post => Shape::Record(&POST),
        Type::Aggregate => Shape::Record(&AGGREGATE),
        Type::Store => Shape::Record(&STORE),
        Type::Program => Shape::Record(&PROGRAM),
        Type::Instance => Shape::Record(&INSTANCE),
        Type::VerifiableProgram => Shape::Record(&VERIFIABLE_PROGRAM),
        Type::Forget => Shape::Record(&FORGET),
    }
}

macro_rules! message {
    ($name:ident, $word:literal, $content:ident, $forgotten_by:expr, $rules:expr) => {
        static $name: Record = {
            static FIELDS: [Field; 16] = fields(&[$word], Shape::Record(&$content), $forgotten_by);
            Record::closed(&FIELDS).with($rules)
        };
    };
}

message!(POST_MESSAGE, "POST", POST, TEXTS, RULES);
message!(AGGREGATE_MESSAGE, "AGGREGATE", AGGREGATE, Shape::AnyList, RULES);
message!(STORE_MESSAGE, "STORE", STORE, Shape::AnyList, RULES);
message!(PROGRAM_MESSAGE, "PROGRAM", PROGRAM, TEXTS, RULES);
message!(INSTANCE_MESSAGE, "INSTANCE", INSTANCE, TEXTS, RULES);
message!(VERIFIABLE_PROGRAM_MESSAGE, "V-PROGRAM", VERIFIABLE_PROGRAM, TEXTS, RULES);
message!(FORGET_MESSAGE, "FORGET", FORGET, Shape::AnyList, FORGET_RULES);

const RULES: &[Rule] = &[confirmations_of_confirmed, inline_content];
const FORGET_RULES: &[Rule] = &[confirmations_of_confirmed, inline_content, never_forgotten];

const fn fields(word: &'static [&'static str], content: Shape, forgotten_by: Shape) -> [Field; 16] {
    [
        optional("_id", Shape::Record(&DATABASE_ID)),
        required("chain", CHAIN),
        required("sender", Shape::TEXT),
        required("type", Shape::OneOf(word)),
        optional("channel", Shape::text(MAX_CHANNEL_CHARS)),
        optional("confirmations", Shape::list(&CONFIRMATION)),
        optional("confirmed", Shape::Flag),
        Field { name: "signature", shape: Shape::TEXT, presence: Presence::RequiredOrNull },
        optional("size", Shape::Integer(i128::MIN, i128::MAX)),
        required("time", Shape::Instant),
        required("item_type", ITEM_TYPE),
        optional("item_content", Shape::TEXT),
        optional("hash_type", Shape::OneOf(&["sha256"])),
        required("item_hash", Shape::ItemHash),
        required("content", content),
        optional("forgotten_by", forgotten_by),
    ]
}

static DATABASE_ID: Record = Record::closed(&[required("$oid", Shape::TEXT)]);

static CONFIRMATION: Shape = Shape::Record(&Record::closed(&[
    required("chain", CHAIN),
    required("height", Shape::Integer(i128::MIN, i128::MAX)),
    required("hash", Shape::Chosen(confirmation_hash)),
    optional("time", Shape::Number),
    optional("publisher", Shape::TEXT),
]));

static BINARY_HASH: Record =
    Record::closed(&[required("$binary", Shape::TEXT), required("$type", Shape::TEXT)]);

fn confirmation_hash(value: &Value) -> Shape {
    if value.as_object().is_some() { Shape::Record(&BINARY_HASH) } else { Shape::TEXT }
}

fn confirmations_of_confirmed(message: &Object) -> Result<(), (&'static str, Reason)> {
    let is_confirmed = message.get("confirmed") == Some(&Value::Bool(true));
    let confirmations = message.get("confirmations").and_then(Value::as_array).unwrap_or_default();
    if is_confirmed && confirmations.is_empty() {
        return Err(("confirmed", Reason::Rule("is true, but there are no `confirmations`")));
    }
    Ok(())
}

fn inline_content(message: &Object) -> Result<(), (&'static str, Reason)> {
    let is_inline = message.get("item_type").and_then(Value::as_str) == Some("inline");
    match (is_inline, message.get("item_content")) {
        (false, Some(_)) => {
            Err(("item_content", Reason::Rule("belongs only where `item_type` is `inline`")))
        }
        (true, None) => Err(("item_content", Reason::Missing)),
        _ => Ok(()),
    }
}

fn never_forgotten(message: &Object) -> Result<(), (&'static str, Reason)> {
    let forgotten_by = message.get("forgotten_by").and_then(Value::as_array).unwrap_or_default();
    if forgotten_by.is_empty() {
        return Ok(());
    }
    Err(("forgotten_by", Reason::Rule("names messages, but a FORGET cannot be forgotten")))
}
