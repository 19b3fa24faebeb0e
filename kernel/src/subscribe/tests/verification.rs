//! What is refused, and what for.

use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

use super::bench::{Author, Bench, NOW};
use crate::aleph::item_hash::ItemHash;
use crate::aleph::signature::SignatureError;
use crate::config::AlephConfig;
use crate::limits::MAX_MESSAGE_AHEAD_MS;
use crate::store::Memory;
use crate::subscribe::{Origin, Refused};

#[test]
fn what_its_sender_did_not_sign_runs_nothing() {
    let bench = Bench::new();
    let noted = bench.host(1, r#"[{"channel":"A"}]"#);
    let (author, other) = (Author::new(1), Author::new(2));
    let message = author.note("A", NOW, "hello");
    let foreign = other.note("A", NOW, "hello");
    let signature = |message: &str| {
        let start = message.find("\"signature\":").unwrap();
        let end = message.find(",\"time\"").unwrap();
        message[start..end].to_string()
    };
    let forged = message.replace(&signature(&message), &signature(&foreign));
    let unsigned = message.replace(&signature(&message), "\"signature\":null");
    let unknown = message.replace("\"chain\":\"SOL\"", "\"chain\":\"DOT\"");
    for (message, error, field) in [
        (forged, SignatureError::NotTheSenders, "signature"),
        (unsigned, SignatureError::Missing, "signature"),
        (unknown, SignatureError::NotVerifiable, "chain"),
    ] {
        let refused = bench.offer(&message, Origin::Polled).unwrap_err();
        assert_eq!(refused, Refused::Signature(error));
        assert_eq!(bench.post(&message).unwrap_err(), refused);
        assert_eq!((refused.status(), refused.fields()[0].0.as_str()), (422, field));
    }
    assert!(noted.ran.borrow().is_empty());
    assert_eq!(bench.subscriber.counts().refused.get(), 6);
    // Somebody's forgery does not take the place of the real one.
    bench.offer(&message, Origin::Polled).unwrap();
    assert_eq!(noted.ran.borrow().len(), 1);
}

#[test]
fn who_speaks_for_another_needs_its_permission() {
    let bench = Bench::new();
    let noted = bench.host(1, r#"[{"channel":"A"}]"#);
    let (owner, delegate, stranger) = (Author::new(1), Author::new(2), Author::new(3));
    let message = delegate.note_for(&owner.address(), "A", NOW, "hello");
    bench.node.answer("AGGREGATE", &[]);
    assert_eq!(bench.post(&message), Err(Refused::NotPermitted));
    // A permission that somebody else signed is none.
    let forged = stranger.security(NOW, &[&delegate.address()]);
    let forged = forged.replace(&stranger.address(), &owner.address());
    let own = stranger.security(NOW, &[&delegate.address()]);
    bench.node.answer("AGGREGATE", &[forged, own]);
    assert_eq!(bench.post(&message), Err(Refused::NotPermitted));
    let permission = owner.security(NOW, &[&delegate.address()]);
    bench.node.answer("AGGREGATE", core::slice::from_ref(&permission));
    assert_eq!(bench.post(&message).unwrap().programs.len(), 1);
    let of_stranger = stranger.note_for(&owner.address(), "A", NOW, "hello");
    assert_eq!(bench.post(&of_stranger), Err(Refused::NotPermitted));
    // A later aggregate takes it back.
    let revoked = owner.security(NOW + 1, &[]);
    bench.node.answer("AGGREGATE", &[revoked, permission]);
    let again = delegate.note_for(&owner.address(), "A", NOW + 2, "again");
    assert_eq!(bench.post(&again), Err(Refused::NotPermitted));
    assert_eq!(noted.ran.borrow().len(), 1);
    let asked = bench.node.asked.borrow();
    assert!(asked.iter().all(|target| target.contains(&owner.address())), "{asked:?}");
}

#[test]
fn a_message_from_the_future_is_refused() {
    let bench = Bench::new();
    let noted = bench.host(1, r#"[{"channel":"A"}]"#);
    let author = Author::new(1);
    // A little later, because the virtual clock has moved by then.
    let ahead = MAX_MESSAGE_AHEAD_MS / 1000;
    let refused = bench.post(&author.note("A", NOW + 2 * ahead + 10, "x")).unwrap_err();
    assert_eq!(
        (refused.clone(), refused.fields()[0].0.as_str()),
        (Refused::Future, "content.time")
    );
    assert!(noted.ran.borrow().is_empty());
    bench.machine.set_clock(Some(NOW * 1000));
    assert!(bench.post(&author.note("A", NOW + ahead, "x")).is_ok());
    bench.machine.set_clock(Some(NOW * 1000));
    assert_eq!(bench.post(&author.note("A", NOW + ahead + 1, "y")), Err(Refused::Future));
    // Without a clock nobody knows.
    bench.machine.set_clock(None);
    assert!(bench.post(&author.note("A", NOW + 9 * ahead, "z")).is_ok());
    assert_eq!(noted.ran.borrow().len(), 2);
}

#[test]
fn a_content_that_is_kept_elsewhere_is_fetched_and_checked() {
    let bench = Bench::new();
    let noted = bench.host(1, r#"[{"channel":"A","content":{"type":"note"}}]"#);
    let author = Author::new(1);
    let message = author.note("A", NOW, "hello");
    let content = {
        let start = message.find(",\"content\":").unwrap() + 11;
        message[start..message.len() - 1].to_string()
    };
    let hash = ItemHash::of(content.as_bytes());
    let inline = message.find(",\"item_content\"").unwrap();
    let behind = message.find(",\"item_hash\"").unwrap();
    let stored = format!("{}{}", &message[..inline], &message[behind..])
        .replace("\"item_type\":\"inline\"", "\"item_type\":\"storage\"");
    assert!(matches!(bench.post(&stored), Err(Refused::Unavailable("content", _))));
    let raw = format!("/storage/raw/{hash}");
    bench.node.answers.borrow_mut().insert(raw.clone(), b"something else".to_vec());
    assert!(matches!(bench.post(&stored), Err(Refused::Unavailable("content", _))));
    bench.node.answers.borrow_mut().insert(raw, content.into_bytes());
    assert_eq!(bench.post(&stored).unwrap().programs.len(), 1);
    assert_eq!(noted.ran.borrow().len(), 1);
    // Nothing is fetched for what nobody waits for.
    let before = bench.node.asked.borrow().len();
    bench.offer(&stored.replace("\"channel\":\"A\"", "\"channel\":\"B\""), Origin::Polled).unwrap();
    assert_eq!(bench.node.asked.borrow().len(), before);
}

#[test]
fn programs_that_are_posted_are_installed_for_the_owners_that_are_named() {
    let (owner, other) = (Author::new(1), Author::new(2));
    let program = |author: &Author| {
        let hash = ItemHash::of(b"code");
        let content = format!(
            r#"{{"address":"{}","time":{NOW},"type":"vm-function","allow_amend":false,"code":{{"encoding":"plain","entrypoint":"main","ref":"{hash}","use_latest":false}},"on":{{"http":false,"persistent":false}},"environment":{{"reproducible":false,"internet":false,"aleph_api":false,"shared_cache":false}},"resources":{{"vcpus":1,"memory":128,"seconds":1}},"runtime":{{"ref":"{hash}","use_latest":false,"comment":""}},"volumes":[]}}"#,
            author.address()
        );
        author.sign("PROGRAM", "A", NOW, &content)
    };
    let counts = |owners: Vec<alloc::string::String>| {
        let config = AlephConfig { program_owners: owners, ..AlephConfig::default() };
        let bench = Bench::with(alloc::rc::Rc::new(Memory::new(1 << 20)), config);
        for author in [&owner, &other] {
            bench.post(&program(author)).unwrap();
        }
        bench.installs.0.borrow().len()
    };
    assert_eq!(counts(Vec::new()), 0, "by default nobody's");
    assert_eq!(counts(alloc::vec![owner.address()]), 1);
    assert_eq!(counts(alloc::vec!["*".to_string()]), 2);
}

#[test]
fn programs_are_taken_back_only_by_their_owner_and_where_it_may_install() {
    let (owner, other) = (Author::new(1), Author::new(2));
    let program = ItemHash::of(b"program");
    let forget = |author: &Author, address: &str| {
        let content = format!(
            r#"{{"address":"{address}","time":{NOW},"hashes":["{program}"],"aggregates":[]}}"#
        );
        author.sign("FORGET", "A", NOW, &content)
    };
    let config =
        AlephConfig { program_owners: alloc::vec![owner.address()], ..AlephConfig::default() };
    let bench = Bench::with(alloc::rc::Rc::new(Memory::new(1 << 20)), config);
    bench.node.answer("AGGREGATE", &[]);
    bench.post(&forget(&other, &other.address())).unwrap();
    assert_eq!(bench.post(&forget(&other, &owner.address())), Err(Refused::NotPermitted));
    assert!(bench.installs.1.borrow().is_empty());
    bench.post(&forget(&owner, &owner.address())).unwrap();
    assert_eq!(*bench.installs.1.borrow(), [(program, owner.address())]);
}
