//! Files, amendments and permissions by name, each checked.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use futures_util::FutureExt;

use crate::aleph::item_hash::ItemHash;
use crate::aleph::program::Source;
use crate::aleph::resolve::ResolveError;
use crate::message_node::NodeError;
use crate::message_node::fetch::{self, FetchError};
use crate::subscribe::tests::bench::{Author, Canned, NOW, read};

const MOST: usize = 1 << 20;

fn store(
    author: &Author,
    owner: &str,
    time: u64,
    file: &[u8],
    reference: Option<&ItemHash>,
) -> String {
    let reference = reference.map_or(String::new(), |first| format!(r#","ref":"{first}""#));
    let content = format!(
        r#"{{"address":"{owner}","time":{time},"item_type":"storage","item_hash":"{}"{reference}}}"#,
        ItemHash::of(file)
    );
    author.sign("STORE", "A", time, &content)
}

fn hash(message: &str) -> ItemHash {
    read(message).item_hash().clone()
}

/// A message node that has this file.
fn with_file(node: &Canned, file: &[u8]) {
    let target = format!("/api/v0/storage/raw/{}", ItemHash::of(file));
    node.answers.borrow_mut().insert(target, file.to_vec());
}

fn source(node: &Canned, hash: &ItemHash, use_latest: bool) -> Result<Vec<u8>, FetchError> {
    let source = Source::Message { hash: hash.clone(), use_latest };
    let found = fetch::source(node, &source, MOST, MOST).now_or_never().unwrap()?;
    Ok(found.expect("it is not inline").1)
}

#[test]
fn a_file_is_found_by_the_message_that_brought_it() {
    let (node, author) = (Canned::default(), Author::new(1));
    let message = store(&author, &author.address(), NOW, b"file", None);
    node.answer("hashes=", core::slice::from_ref(&message));
    assert_eq!(source(&node, &hash(&message), false), Err(NodeError::NotFound.into()));
    with_file(&node, b"file");
    assert_eq!(source(&node, &hash(&message), false), Ok(b"file".to_vec()));
    let target = format!("/api/v0/messages.json?hashes={}", hash(&message));
    assert!(node.asked.borrow().contains(&target));
}

#[test]
fn the_newest_amendment_of_the_same_owner_counts_where_it_is_asked_for() {
    let (node, author, stranger) = (Canned::default(), Author::new(1), Author::new(2));
    let owner = author.address();
    let first = store(&author, &owner, NOW, b"old", None);
    let name = hash(&first);
    let second = store(&author, &owner, NOW + 1, b"new", Some(&name));
    let foreign = store(&stranger, &stranger.address(), NOW + 2, b"evil", Some(&name));
    let unallowed = store(&stranger, &owner, NOW + 3, b"evil", Some(&name));
    let other = store(&author, &owner, NOW + 4, b"other", Some(&hash(&second)));
    node.answer("hashes=", core::slice::from_ref(&first));
    node.answer("msgTypes=AGGREGATE", &[]);
    node.answer("msgTypes=STORE", &[other, unallowed, foreign, second]);
    for file in [b"old".as_slice(), b"new", b"evil", b"other"] {
        with_file(&node, file);
    }
    assert_eq!(source(&node, &name, false), Ok(b"old".to_vec()));
    assert_eq!(source(&node, &name, true), Ok(b"new".to_vec()));
    let asked = node.asked.borrow();
    let query = format!("msgTypes=STORE&sortOrder=-1&owners={owner}&refs={name}");
    assert!(asked.iter().any(|target| target.contains(&query)), "{asked:?}");
}

#[test]
fn a_delegate_may_amend_what_its_owner_lets_it() {
    let (node, owner, delegate) = (Canned::default(), Author::new(1), Author::new(2));
    let first = store(&owner, &owner.address(), NOW, b"old", None);
    let name = hash(&first);
    let second = store(&delegate, &owner.address(), NOW + 1, b"new", Some(&name));
    node.answer("hashes=", core::slice::from_ref(&first));
    node.answer("msgTypes=STORE", &[second]);
    node.answer("msgTypes=AGGREGATE", &[owner.security(NOW, &[&delegate.address()])]);
    with_file(&node, b"old");
    with_file(&node, b"new");
    assert_eq!(source(&node, &name, true), Ok(b"new".to_vec()));
}

#[test]
fn what_the_message_node_makes_up_is_not_taken() {
    let (node, author, stranger) = (Canned::default(), Author::new(1), Author::new(2));
    let message = store(&author, &author.address(), NOW, b"file", None);
    let name = hash(&message);
    // Another message than the one that was asked for.
    node.answer("hashes=", &[store(&author, &author.address(), NOW + 1, b"evil", None)]);
    assert_eq!(source(&node, &name, false), Err(NodeError::NotFound.into()));
    // The right content in the name of another.
    node.answer("hashes=", &[message.replace(&author.address(), &stranger.address())]);
    assert_eq!(source(&node, &name, false), Err(NodeError::NotFound.into()));
    // One whose sender may not speak for the owner.
    let unallowed = store(&stranger, &author.address(), NOW, b"file", None);
    node.answer("hashes=", core::slice::from_ref(&unallowed));
    node.answer("msgTypes=AGGREGATE", &[]);
    let refused = source(&node, &hash(&unallowed), false);
    assert_eq!(refused, Err(ResolveError::NotPermitted.into()));
    // Another file.
    node.answer("hashes=", core::slice::from_ref(&message));
    let target = format!("/api/v0/storage/raw/{}", ItemHash::of(b"file"));
    node.answers.borrow_mut().insert(target, b"evil".to_vec());
    assert_eq!(source(&node, &name, false), Err(NodeError::WrongHash.into()));
    // No page of messages at all.
    node.answers.borrow_mut().insert("hashes=".to_string(), b"<html>".to_vec());
    assert_eq!(source(&node, &name, false), Err(NodeError::Malformed.into()));
}

#[test]
fn a_file_of_ipfs_is_checked_or_not_taken() {
    let node = Canned::default();
    let content = b"hello world\n";
    let name: ItemHash = "QmT78zSuBmuS4z925WZfrqQ1qHaJ56DQaTfyMUF7F8ff5o".parse().unwrap();
    let target = format!("/api/v0/storage/raw/{name}");
    node.answers.borrow_mut().insert(target.clone(), content.to_vec());
    assert_eq!(fetch::file(&node, &name, MOST).now_or_never().unwrap(), Ok(content.to_vec()));
    node.answers.borrow_mut().insert(target, b"hello world".to_vec());
    let found = fetch::file(&node, &name, MOST).now_or_never().unwrap();
    assert_eq!(found, Err(NodeError::Uncheckable));
}

#[test]
fn the_newest_file_of_an_address_is_found() {
    let (node, author) = (Canned::default(), Author::new(1));
    let owner = author.address();
    node.answer("msgTypes=STORE", &[store(&author, &owner, NOW, b"file", None)]);
    with_file(&node, b"file");
    let source = Source::Address(owner.as_str().into());
    let found = fetch::source(&node, &source, MOST, MOST).now_or_never().unwrap().unwrap().unwrap();
    assert_eq!(found.1, b"file");
    node.answer("msgTypes=STORE", &[]);
    let found = fetch::source(&node, &source, MOST, MOST).now_or_never().unwrap();
    assert_eq!(found.map(|_| ()), Err(ResolveError::NotFound.into()));
}

#[test]
fn values_of_a_query_are_encoded() {
    assert_eq!(fetch::encoded("a b&c=d/\u{e9},~"), "a%20b%26c%3Dd%2F%C3%A9%2C~");
}

#[test]
fn a_page_fits_the_machine() {
    use crate::limits::{LARGE_MESSAGES_PER_PAGE, MAX_FETCHED_PAGE_BYTES};
    use crate::message_node::page_bytes;
    let most = MAX_FETCHED_PAGE_BYTES / LARGE_MESSAGES_PER_PAGE;
    assert_eq!(page_bytes(most - 1), MAX_FETCHED_PAGE_BYTES - LARGE_MESSAGES_PER_PAGE);
    assert_eq!(page_bytes(most + 1), MAX_FETCHED_PAGE_BYTES);
    assert_eq!(page_bytes(usize::MAX), MAX_FETCHED_PAGE_BYTES);
}
