//! Who may send messages in whose name.
//!
//! An address may in its own. In that of another it may if the owner's aggregate `security` says so:
//!
//! ```json
//! {"authorizations":[{"address":"0x…","chain":"ETH","channels":["X"],"types":["POST"],"post_types":["note"],"aggregate_keys":["k"]}]}
//! ```
//!
//! A filter that is missing or empty lets everything pass; `post_types` is of posts alone,
//! `aggregate_keys` of aggregates alone.

use air_core::value::{Object, Value};

use super::{Store, text};
use crate::aleph::message::{Message, Type};

/// The aggregate that says who may do what.
const SECURITY: &str = "security";

/// Whether the sender of a message may send it in the name of its content's address.
#[must_use]
pub fn is_permitted(store: &impl Store, message: &Message) -> bool {
    let Some(content) = message.content() else { return false };
    let owner = text(content, "address");
    if message.sender().eq_ignore_ascii_case(owner) {
        return true;
    }
    let security = store.aggregate(owner, SECURITY);
    let entries = security.as_ref().and_then(Value::as_object);
    let entries = entries.and_then(|entries| entries.get("authorizations")?.as_array());
    let mut entries = entries.unwrap_or_default().iter().filter_map(Value::as_object);
    entries.any(|entry| lets_pass(entry, message, content))
}

fn lets_pass(entry: &Object, message: &Message, content: &Object) -> bool {
    let is_sender = text(entry, "address").eq_ignore_ascii_case(message.sender());
    let chain = text(entry, "chain");
    let has = |name, value: &str| match entry.get(name).and_then(Value::as_array) {
        None => entry.get(name).is_none_or(|filter| *filter == Value::Null),
        Some(filter) => filter.is_empty() || filter.iter().any(|item| item.as_str() == Some(value)),
    };
    let by_kind = match message.kind() {
        Type::Post => has("post_types", text(content, "type")),
        Type::Aggregate => has("aggregate_keys", aggregate_key(content)),
        _ => true,
    };
    is_sender
        && (chain.is_empty() || chain == message.chain())
        && has("channels", message.channel().unwrap_or_default())
        && has("types", message.kind().word())
        && by_kind
}

fn aggregate_key(content: &Object) -> &str {
    match content.get("key") {
        Some(Value::Object(named)) => text(named, "name"),
        Some(key) => key.as_str().unwrap_or_default(),
        None => "",
    }
}
