use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::aleph::limits::{MAX_FORGET_TARGETS, MAX_REFUSALS, MAX_SUBSCRIPTION_ENTRIES};

/// Messages made for this project, and what is said of each: `accepted`, or the first refusal.
const CORPUS: &str = include_str!("corpus.jsonl");

fn case(name: &str) -> Value {
    let cases = CORPUS.lines().map(|line| Value::parse(line).unwrap());
    let mut found = cases.filter(|case| member(case, "case").as_str() == Some(name));
    member(&found.next().unwrap(), "message").clone()
}

fn member<'a>(value: &'a Value, name: &str) -> &'a Value {
    value.as_object().unwrap().get(name).unwrap()
}

/// The same object with a member changed, or left out.
fn with(value: &Value, name: &str, member: Option<Value>) -> Value {
    let kept = value.as_object().unwrap().iter().filter(|(key, _)| &**key != name).cloned();
    Value::object(kept.chain(member.map(|member| (name.into(), member))).collect()).unwrap()
}

/// An inline message with this content and its right hash.
fn inline(message: &Value, content: &Value) -> Value {
    let text = content.to_json();
    let hash = ItemHash::of(text.as_bytes());
    let message = with(message, "content", Some(content.clone()));
    let message = with(&message, "item_hash", Some(hash.as_str().into()));
    with(&message, "item_content", Some(text.as_str().into()))
}

fn first_refusal(message: &Value) -> String {
    Message::from_value(message).unwrap_err().first().unwrap().to_string()
}

#[test]
fn each_message_of_the_corpus_has_its_outcome() {
    for line in CORPUS.lines() {
        let case = Value::parse(line).unwrap();
        let outcome = match Message::from_value(member(&case, "message")) {
            Ok(_) => "accepted".into(),
            Err(refusals) => refusals.first().unwrap().to_string(),
        };
        assert_eq!(Some(&*outcome), member(&case, "outcome").as_str(), "{}", member(&case, "case"));
    }
}

#[test]
fn a_message_says_what_it_is() {
    let message = Message::from_value(&case("a program")).unwrap();
    assert_eq!(message.kind(), Type::Program);
    assert_eq!(message.item_type(), ItemType::Inline);
    assert_eq!((message.chain(), message.channel()), ("ETH", Some("AEROLITH")));
    assert_eq!(message.sender(), "0x00000000000000000000000000000000000000A1");
    assert_eq!((message.signature(), message.time()), (None, 1_760_000_000.5));
    let hash = message.item_hash();
    assert_eq!(message.signed_text(), format!("ETH\n{}\nPROGRAM\n{hash}", message.sender()));
    assert_eq!(message.signed(), &Signed::Same);
}

#[test]
fn defaults_are_filled_in_and_nulls_left_out() {
    let message = Message::from_value(&case("a program in storage")).unwrap();
    let content = message.stated_content();
    assert_eq!(member(content, "volumes").as_array().map(<[_]>::len), Some(0));
    assert_eq!(message.signed(), &Signed::Elsewhere);
    assert!(message.content().is_none());
    let post = case("a post");
    let content = with(member(&post, "content"), "ref", Some(Value::Null));
    let message = Message::from_value(&inline(&post, &content)).unwrap();
    assert!(message.content().unwrap().get("ref").is_none());
}

#[test]
fn a_time_in_words_is_the_same_as_its_seconds() {
    let words = Message::from_value(&case("a time in words")).unwrap();
    assert_eq!(words.time(), Message::from_value(&case("a post")).unwrap().time());
}

#[test]
fn only_what_the_hash_covers_is_the_content() {
    let post = case("a post");
    let other = with(member(&post, "content"), "type", Some("lie".into()));
    let message = Message::from_value(&with(&post, "content", Some(other))).unwrap();
    assert!(matches!(message.signed(), Signed::Other(_)));
    assert_eq!(message.content().unwrap().get("type"), Some(&"note".into()));
    let wrong = with(member(&post, "content"), "type", None);
    let lie = with(&inline(&post, &wrong), "content", Some(member(&post, "content").clone()));
    let message = Message::from_value(&lie).unwrap();
    assert!(matches!(message.signed(), Signed::Unusable(_)));
    assert!(message.content().is_none());
}

#[test]
fn stored_content_is_taken_only_if_its_hash_is_the_messages() {
    let inline = case("a program");
    let text = member(&inline, "item_content").as_str().unwrap();
    let stored = with(&inline, "item_content", None);
    let stored = with(&stored, "item_type", Some("storage".into()));
    let message = Message::from_value(&stored).unwrap();
    let whole = message.clone().with_stored_content(text.as_bytes()).unwrap();
    assert_eq!(whole.signed(), &Signed::Same);
    assert!(whole.content().is_some());
    let wrong = message.clone().with_stored_content(b"{}").unwrap_err();
    assert_eq!(wrong.first().unwrap().reason, Reason::WrongHash);
    let ipfs = with(&stored, "item_type", Some("ipfs".into()));
    assert!(Message::from_value(&ipfs).unwrap().with_stored_content(text.as_bytes()).is_err());
    assert!(Message::from_value(&inline).unwrap().with_stored_content(text.as_bytes()).is_err());
    let lie = with(&stored, "content", Some(member(&case("variables"), "content").clone()));
    let told = Message::from_value(&lie).unwrap().with_stored_content(text.as_bytes()).unwrap();
    assert!(matches!(told.signed(), Signed::Other(_)));
}

#[test]
fn who_publishes_may_leave_the_content_to_item_content() {
    let whole = case("a program");
    let short = with(&whole, "content", None).to_json();
    let message = Message::parse_published(&short).unwrap();
    assert_eq!(message, Message::from_value(&whole).unwrap());
    assert_eq!(Message::parse(&short).unwrap_err().first().unwrap().field, "content");
    let broken = with(&with(&whole, "content", None), "item_content", Some("[".into())).to_json();
    assert_eq!(
        Message::parse_published(&broken).unwrap_err().first().unwrap().field,
        "item_content"
    );
    assert!(Message::parse_published("[]").is_err());
    assert!(Message::parse_published("{}").is_err());
}

#[test]
fn a_message_may_have_so_many_bytes_and_no_more() {
    let message = case("a post").to_json();
    let padded = |length: usize| format!("{}{message}", " ".repeat(length - message.len()));
    assert!(Message::parse(&padded(MAX_MESSAGE_BYTES)).is_ok());
    let refusals = Message::parse(&padded(MAX_MESSAGE_BYTES + 1)).unwrap_err();
    assert_eq!(refusals, Refusals::one("", Reason::TooLong(MAX_MESSAGE_BYTES)));
}

#[test]
fn inline_content_may_have_so_many_bytes_and_no_more() {
    let post = case("a post");
    let of_length = |length: usize| {
        let content = |text: &str| with(member(&post, "content"), "content", Some(text.into()));
        let frame = content("").to_json().len();
        inline(&post, &content(&"x".repeat(length - frame)))
    };
    assert!(Message::from_value(&of_length(MAX_INLINE_BYTES)).is_ok());
    let refused = first_refusal(&of_length(MAX_INLINE_BYTES + 1));
    assert_eq!(refused, "item_content is longer than 200000");
}

#[test]
fn lists_may_have_so_many_items_and_no_more() {
    let forget = case("a request to forget");
    let hashes = |count| {
        let hash = Value::from("0a".repeat(32).as_str());
        let list = Value::array(alloc::vec![hash; count]).unwrap();
        inline(&forget, &with(member(&forget, "content"), "hashes", Some(list)))
    };
    assert!(Message::from_value(&hashes(MAX_FORGET_TARGETS)).is_ok());
    assert_eq!(
        first_refusal(&hashes(MAX_FORGET_TARGETS + 1)),
        "content.hashes is longer than 1000"
    );

    let program = case("a program");
    let subscribed = |count: usize| {
        let keys = (0..count).map(|index| (format!("k{index}").into(), Value::from(true)));
        let list = Value::array(alloc::vec![Value::object(keys.collect()).unwrap()]).unwrap();
        let on = with(member(member(&program, "content"), "on"), "message", Some(list));
        inline(&program, &with(member(&program, "content"), "on", Some(on)))
    };
    assert!(Message::from_value(&subscribed(MAX_SUBSCRIPTION_ENTRIES)).is_ok());
    assert_eq!(
        first_refusal(&subscribed(MAX_SUBSCRIPTION_ENTRIES + 1)),
        "content.on.message.0 is longer than 32"
    );
}

#[test]
fn a_verdict_names_so_many_refusals_and_no_more() {
    let message = |count: usize| {
        let unknown = (0..count).map(|index| (format!("u{index:02}").into(), Value::Null));
        let known = case("a post").as_object().unwrap().iter().cloned().collect::<Vec<_>>();
        Value::object(known.into_iter().chain(unknown).collect()).unwrap()
    };
    for (count, named) in [(MAX_REFUSALS, MAX_REFUSALS), (MAX_REFUSALS + 1, MAX_REFUSALS)] {
        let refusals = Message::from_value(&message(count)).unwrap_err();
        assert_eq!(refusals.iter().count(), named);
        assert!(refusals.to_string().lines().count() == named);
    }
}

#[test]
fn a_foreign_key_cannot_fill_the_log() {
    let message = with(&case("a post"), &"\n".repeat(500), Some(Value::Null));
    let refusal = first_refusal(&message);
    assert!(refusal.len() < 300 && !refusal.contains('\n'), "{refusal}");
}

/// JSON that is a message with parts exchanged.
fn damaged() -> impl Strategy<Value = String> {
    let messages: Vec<String> = CORPUS
        .lines()
        .map(|line| member(&Value::parse(line).unwrap(), "message").to_json())
        .collect();
    const PIECES: &[&str] =
        &["null", "1", "\"\"", "[]", "{}", "true", "1e400", "\\u0000", "[[[[", "-0.0"];
    (prop::sample::select(messages), any::<u32>(), 0_usize..40, prop::sample::select(PIECES))
        .prop_map(|(message, at, length, piece)| {
            let mut start = at as usize % message.len();
            while !message.is_char_boundary(start) {
                start -= 1;
            }
            let mut end = (start + length).min(message.len());
            while !message.is_char_boundary(end) {
                end += 1;
            }
            [&message[..start], piece, &message[end..]].concat()
        })
}

proptest! {
    #[test]
    fn any_damage_gives_a_message_or_refusals(text in damaged()) {
        match Message::parse(&text) {
            // What is canonical already stays as it is.
            Ok(message) => {
                let again = Value::Object(Arc::new(message.envelope().clone()));
                if let Ok(again) = Message::from_value(&again) {
                    prop_assert_eq!(again.envelope(), message.envelope());
                }
            }
            Err(refusals) => prop_assert!(refusals.first().is_some()),
        }
    }

    #[test]
    fn any_text_gives_a_message_or_refusals(text in ".{0,200}") {
        prop_assert!(Message::parse(&text).is_err());
        prop_assert!(Message::parse_published(&text).is_err());
    }
}
