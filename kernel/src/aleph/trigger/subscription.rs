//! Which messages a program waits for (`on.message`).
//!
//! A subscription is an object; a message matches if each of its members does:
//!
//! | in the subscription | matches |
//! |---|---|
//! | a text, number, truth value or null | an equal one |
//! | an object | an object in which each of these members matches; so `{}` inside matches any object |
//! | a list | an equal list |
//! | `tags` at the top | a message that has all of these tags (a text, or a list of them), wherever its type keeps them |
//! | a name that messages do not have | nothing |
//! | nothing at all (`{}`) | nothing |
//!
//! The network's nodes match texts and objects alike, but only named members of the content, not what is
//! inside of a POST's; `{}` matches everything there, and other values end the matching of all programs.

use air_core::value::{Object, Value};

use crate::aleph::message::{Message, Type};
use crate::aleph::schema::python_equal;

/// The first subscription that the message matches.
#[must_use]
pub fn first_match(subscriptions: &[Value], message: &Message) -> Option<usize> {
    subscriptions.iter().position(|subscription| matches(subscription, message))
}

/// Whether a message matches a subscription. Of its content counts what the item hash covers.
#[must_use]
pub fn matches(subscription: &Value, message: &Message) -> bool {
    let Some(members) = subscription.as_object().filter(|members| !members.is_empty()) else {
        return false;
    };
    members.iter().all(|(name, pattern)| match (&**name, message.content()) {
        ("content", Some(content)) => is_object_like(pattern, content),
        ("content", None) => false,
        ("tags", content) => {
            content.is_some_and(|content| has_tags(pattern, message.kind(), content))
        }
        (name, _) => message.envelope().get(name).is_some_and(|value| is_like(pattern, value)),
    })
}

/// Whether a message whose content is not at hand may match a subscription once it is.
#[must_use]
pub fn may_match(subscription: &Value, message: &Message) -> bool {
    let Some(members) = subscription.as_object().filter(|members| !members.is_empty()) else {
        return false;
    };
    members.iter().all(|(name, pattern)| match &**name {
        "content" | "tags" => true,
        name => message.envelope().get(name).is_some_and(|value| is_like(pattern, value)),
    })
}

/// Recurses as deep as the pattern nests, which is bounded.
fn is_like(pattern: &Value, value: &Value) -> bool {
    match (pattern, value) {
        (Value::Object(_), Value::Object(members)) => is_object_like(pattern, members),
        // A truth value is no number here.
        (Value::Bool(_), _) | (_, Value::Bool(_)) => pattern == value,
        _ => python_equal(pattern, value),
    }
}

fn is_object_like(pattern: &Value, members: &Object) -> bool {
    pattern.as_object().is_some_and(|pattern| {
        pattern
            .iter()
            .all(|(name, pattern)| members.get(name).is_some_and(|value| is_like(pattern, value)))
    })
}

/// Whether a content has all these tags, in the place where its type has them.
fn has_tags(wanted: &Value, kind: Type, content: &Object) -> bool {
    let holder = match kind {
        Type::Store => Some(content),
        Type::Post | Type::Aggregate => content.get("content").and_then(Value::as_object),
        _ => content.get("metadata").and_then(Value::as_object),
    };
    let Some(tags) = holder.and_then(|holder| holder.get("tags")?.as_array()) else { return false };
    match wanted {
        Value::String(_) => tags.contains(wanted),
        Value::Array(wanted) => !wanted.is_empty() && wanted.iter().all(|tag| tags.contains(tag)),
        _ => false,
    }
}
