use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::*;

const OWNER: &str = "0xOwner";

/// Messages in the order of their publication, and the aggregates `security`.
#[derive(Default)]
struct Known {
    messages: Vec<Message>,
    security: Option<&'static str>,
}

impl Store for Known {
    fn message(&self, hash: &ItemHash) -> Option<Message> {
        self.messages.iter().find(|message| message.item_hash() == hash).cloned()
    }

    fn newest_file(&self, owner: &str, amends: Option<&str>) -> Option<Message> {
        let is_one = |message: &&Message| {
            content_of(message, Type::Store).is_ok_and(|content| {
                text(content, "address") == owner
                    && amends.is_none_or(|amends| text(content, "ref") == amends)
            })
        };
        self.messages.iter().rev().find(is_one).cloned()
    }

    fn newest_amendment(&self, post: &ItemHash) -> Option<Message> {
        let is_one = |message: &&Message| {
            content_of(message, Type::Post)
                .is_ok_and(|content| text(content, "ref") == post.as_str())
        };
        self.messages.iter().rev().find(is_one).cloned()
    }

    fn aggregate(&self, owner: &str, key: &str) -> Option<Value> {
        (owner == OWNER && key == "security").then(|| Value::parse(self.security?).ok())?
    }
}

impl Known {
    fn add(&mut self, sender: &str, kind: &str, content: &str) -> ItemHash {
        let (inline, hash) = (Value::from(content), ItemHash::of(content.as_bytes()));
        let message = format!(
            r#"{{"chain":"ETH","sender":"{sender}","type":"{kind}","channel":"C","signature":null,"time":1,"item_type":"inline","item_content":{inline},"item_hash":"{hash}","content":{content}}}"#
        );
        self.messages.push(Message::parse(&message).unwrap());
        hash
    }

    fn store(
        &mut self,
        sender: &str,
        owner: &str,
        file: &str,
        amends: Option<&ItemHash>,
    ) -> ItemHash {
        let amends = amends.map_or(String::new(), |hash| format!(r#","ref":"{hash}""#));
        let file = ItemHash::of(file.as_bytes());
        let content = format!(
            r#"{{"address":"{owner}","time":1,"item_type":"storage","item_hash":"{file}"{amends}}}"#
        );
        self.add(sender, "STORE", &content)
    }

    fn post(&mut self, sender: &str, kind: &str, more: &str) -> ItemHash {
        let content = format!(r#"{{"address":"{OWNER}","time":1,"type":"{kind}"{more}}}"#);
        self.add(sender, "POST", &content)
    }
}

fn found(known: &Known, hash: &ItemHash, use_latest: bool) -> Result<ItemHash, ResolveError> {
    let source = Source::Message { hash: hash.clone(), use_latest };
    file(known, &source).map(|found| found.unwrap().file)
}

#[test]
fn a_reference_stands_for_its_file_or_for_the_newest_amendment() {
    let mut known = Known::default();
    let first = known.store(OWNER, OWNER, "v1", None);
    assert_eq!(found(&known, &first, true), Ok(ItemHash::of(b"v1")));
    known.store(OWNER, OWNER, "v2", Some(&first));
    known.store(OWNER, OWNER, "v3", Some(&first));
    assert_eq!(found(&known, &first, true), Ok(ItemHash::of(b"v3")));
    assert_eq!(found(&known, &first, false), Ok(ItemHash::of(b"v1")));
    assert_eq!(file(&known, &Source::Inline([].into())), Ok(None));
}

#[test]
fn what_a_stranger_amends_does_not_count() {
    let mut known = Known::default();
    let first = known.store(OWNER, OWNER, "v1", None);
    known.store("0xStranger", "0xStranger", "evil", Some(&first));
    assert_eq!(found(&known, &first, true), Ok(ItemHash::of(b"v1")));
    known.store("0xStranger", OWNER, "forged", Some(&first));
    assert_eq!(found(&known, &first, true), Err(ResolveError::NotPermitted));
}

#[test]
fn an_address_stands_for_its_newest_file() {
    let mut known = Known::default();
    let source = Source::Address(OWNER.into());
    assert_eq!(file(&known, &source), Err(ResolveError::NotFound));
    known.store(OWNER, OWNER, "v1", None);
    known.store(OWNER, OWNER, "v2", None);
    assert_eq!(file(&known, &source).unwrap().unwrap().file, ItemHash::of(b"v2"));
}

#[test]
fn what_is_not_there_or_no_file_is_said_to_be() {
    let mut known = Known::default();
    let post = known.post(OWNER, "note", "");
    assert_eq!(found(&known, &post, false), Err(ResolveError::WrongType));
    assert_eq!(found(&known, &ItemHash::of(b"nothing"), true), Err(ResolveError::NotFound));
}

#[test]
fn posts_are_amended_by_those_who_may() {
    let mut known = Known {
        security: Some(r#"{"authorizations":[{"address":"0xFriend"}]}"#),
        ..Known::default()
    };
    let original = known.post(OWNER, "note", "");
    let newest = |known: &Known| post(known, &original).map(|post| post.item_hash().clone());
    assert_eq!(newest(&known), Ok(original.clone()));
    let amendment = |words: &str| format!(r#","ref":"{original}","content":"{words}""#);
    known.post("0xStranger", "amend", &amendment("evil"));
    assert_eq!(newest(&known), Ok(original.clone()));
    let friend = known.post("0xFriend", "amend", &amendment("good"));
    assert_eq!(newest(&known), Ok(friend.clone()));
    assert_eq!(post(&known, &friend), Err(ResolveError::AmendsAmendment));
}

fn program(
    known: &mut Known,
    allow_amend: bool,
    replaces: Option<&ItemHash>,
    sender: &str,
) -> Message {
    let replaces = replaces.map_or(String::new(), |hash| format!(r#","replaces":"{hash}""#));
    let zeros = "0".repeat(64);
    let content = format!(
        r#"{{"address":"{OWNER}","time":1,"allow_amend":{allow_amend},"environment":{{"reproducible":false,"internet":false,"aleph_api":false,"shared_cache":false}},"resources":{{"vcpus":1,"memory":1,"seconds":1}},"volumes":[]{replaces},"type":"vm-function","code":{{"encoding":"plain","entrypoint":"main","ref":"{zeros}","use_latest":false}},"runtime":{{"ref":"{zeros}","use_latest":true,"comment":""}},"on":{{"http":true}}}}"#
    );
    let hash = known.add(sender, "PROGRAM", &content);
    known.message(&hash).unwrap()
}

#[test]
fn a_program_is_replaced_only_where_it_and_its_owner_allow() {
    let mut known = Known::default();
    let open = program(&mut known, true, None, OWNER);
    let fixed = program(&mut known, false, None, OWNER);
    assert_eq!(replacement(&known, &open), Ok(()));
    let second = program(&mut known, true, Some(open.item_hash()), OWNER);
    assert_eq!(replacement(&known, &second), Ok(()));
    let of = |known: &mut Known, old: &Message, sender| {
        let new = program(known, false, Some(old.item_hash()), sender);
        replacement(known, &new)
    };
    assert_eq!(of(&mut known, &fixed, OWNER), Err(ResolveError::NotAmendable));
    assert_eq!(of(&mut known, &second, OWNER), Err(ResolveError::AmendsAmendment));
    assert_eq!(of(&mut known, &open, "0xStranger"), Err(ResolveError::NotPermitted));
    let post = known.post(OWNER, "note", "");
    let post = known.message(&post).unwrap();
    assert_eq!(of(&mut known, &post, OWNER), Err(ResolveError::WrongType));
}

#[test]
fn permissions_pass_only_what_their_filters_name() {
    let permitted = |entry: &'static str| {
        let mut known = Known { security: Some(entry), ..Known::default() };
        let post = known.post("0xFriend", "note", "");
        is_permitted(&known, &known.message(&post).unwrap())
    };
    assert!(permitted(r#"{"authorizations":[{"address":"0xFRIEND"}]}"#));
    assert!(permitted(
        r#"{"authorizations":[{"address":"0xOther"},{"address":"0xFriend","types":[],"channels":null}]}"#
    ));
    assert!(permitted(
        r#"{"authorizations":[{"address":"0xFriend","chain":"ETH","types":["POST"],"channels":["C"],"post_types":["note"],"aggregate_keys":["k"]}]}"#
    ));
    for filter in [
        "{}",
        "[]",
        r#"{"authorizations":[{"address":"0xOther"}]}"#,
        r#"{"authorizations":[{"address":"0xFriend","chain":"SOL"}]}"#,
        r#"{"authorizations":[{"address":"0xFriend","types":["STORE"]}]}"#,
        r#"{"authorizations":[{"address":"0xFriend","channels":["D"]}]}"#,
        r#"{"authorizations":[{"address":"0xFriend","post_types":["other"]}]}"#,
        r#"{"authorizations":[{"address":"0xFriend","types":"POST"}]}"#,
    ] {
        assert!(!permitted(filter), "{filter}");
    }
}

#[test]
fn aggregates_are_filtered_by_their_keys() {
    let permitted = |key: &str| {
        let security = r#"{"authorizations":[{"address":"0xFriend","aggregate_keys":["k"],"post_types":["x"]}]}"#;
        let mut known = Known { security: Some(security), ..Known::default() };
        let content = format!(r#"{{"address":"{OWNER}","time":1,"key":{key},"content":{{}}}}"#);
        let hash = known.add("0xFriend", "AGGREGATE", &content);
        is_permitted(&known, &known.message(&hash).unwrap())
    };
    assert!(permitted(r#""k""#) && permitted(r#"{"name":"k"}"#));
    assert!(!permitted(r#""other""#));
}
