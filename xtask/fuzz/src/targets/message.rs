//! Aleph's messages and `vm-function` documents as text.

use kernel::aleph::message::{ItemType, Message};
use kernel::aleph::program::Program;
use kernel::aleph::signature;
use kernel::aleph::trigger::{event, subscription};

use air_core::value::Value;

pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Message::parse(text) {
        Ok(message) => check(&message),
        Err(refusals) => assert!(!refusals.to_string().is_empty()),
    }
    if let Ok(message) = Message::parse_published(text) {
        check(&message);
    }
    match Program::canonical_document(text) {
        Ok(canonical) => {
            let again = canonical.to_json();
            assert_eq!(Program::canonical_document(&again), Ok(canonical));
            let program = Program::from_document(&again).expect("what is canonical is a program");
            assert_eq!(Program::from_document(text), Ok(program));
        }
        Err(refusals) => assert!(refusals.first().is_some()),
    }
}

fn check(message: &Message) {
    let _ = signature::verify(message);
    let _ = Program::from_message(message);
    let body = event::body(message);
    assert!(Value::parse(&body).is_ok(), "{body}");
    let hash = Value::from(message.item_hash().as_str());
    let own = Value::object(vec![("item_hash".into(), hash)]).expect("one level");
    assert!(subscription::matches(&own, message));
    assert_eq!(
        message.item_type() == ItemType::Inline,
        message.envelope().get("item_content").is_some()
    );
}
