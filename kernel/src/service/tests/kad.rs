//! `kad`.

use alloc::format;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use air_core::value::Value;
use sha2::{Digest, Sha256};

use super::bench::{address, error, peer_id};
use super::{Bench, OTHER_ID, OWN_ID, check_errors, check_values};
use crate::limits::MAX_BASE58_BYTES;
use crate::peers::Hub;

/// A node among the peers of the seeds 2 to `count` + 1.
fn among(count: u8) -> Bench {
    let hub = Hub::new();
    let own = hub.join(peer_id(1), vec![], Rc::new(|_, _| {}));
    for seed in 2..count + 2 {
        let addresses = vec![address(&format!("/ip4/10.0.0.{seed}/tcp/7777"))];
        hub.join(peer_id(seed), addresses, Rc::new(|_, _| {}));
    }
    Bench::among(Rc::new(own))
}

fn texts(answer: &(i32, String)) -> Vec<String> {
    assert_eq!(answer.0, 0, "{}", answer.1);
    let value = Value::parse(&answer.1).unwrap();
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_string()).collect()
}

/// The distance as the definition says: SHA-256 of both, exclusive or, as a big-endian number.
fn distance(one: &[u8], other: &[u8]) -> Vec<u8> {
    Sha256::digest(one).iter().zip(Sha256::digest(other)).map(|(a, b)| a ^ b).collect()
}

#[test]
fn the_neighbourhood_is_the_known_peers_nearest_to_the_hash_of_the_key() {
    let bench = among(30);
    let key = "Cn8eVZg"; // "hello"
    let found = texts(&bench.call("kad.neighborhood", &format!("[\"{key}\"]")));
    assert_eq!(found.len(), 20, "as many as a bucket has");
    let mut multihash = vec![0x12, 0x20];
    multihash.extend_from_slice(&Sha256::digest(b"hello"));
    let mut all: Vec<_> = (2..32).map(peer_id).collect();
    all.sort_by_key(|peer| distance(&multihash, &peer.to_bytes()));
    let expected: Vec<String> = all.iter().take(20).map(ToString::to_string).collect();
    assert_eq!(found, expected);

    let hashed = bs58::encode(&multihash).into_string();
    let same = texts(&bench.call("kad.neighborhood", &format!("[\"{hashed}\",true,[3]]")));
    assert_eq!(same, expected[..3]);
    let all = texts(&bench.call("kad.neighborhood", &format!("[\"{key}\",[],1000]")));
    assert_eq!(all.len(), 30);
    assert!(!all.contains(&OWN_ID.to_string()), "nobody is its own neighbour");
    assert!(texts(&bench.call("kad.neighborhood", &format!("[\"{key}\",false,0]"))).is_empty());
}

#[test]
fn neighbours_come_with_their_addresses() {
    let bench = among(1);
    let (ret_code, json) = bench.call("kad.neigh_with_addrs", "[\"\"]");
    let expected =
        format!(r#"[{{"addresses":["/ip4/10.0.0.2/tcp/7777"],"peer_id":"{}"}}]"#, peer_id(2));
    assert_eq!((ret_code, json), (0, expected));
}

#[test]
fn a_lone_node_has_no_neighbours() {
    check_values(&[
        ("kad.neighborhood", r#"["Cn8eVZg"]"#, "[]"),
        ("kad.neigh_with_addrs", r#"["Cn8eVZg"]"#, "[]"),
    ]);
}

#[test]
fn merge_sorts_by_distance_and_leaves_out_duplicates() {
    let bench = Bench::new();
    let ids: Vec<String> = (1..9).map(|seed| peer_id(seed).to_string()).collect();
    let list =
        |ids: &[String]| Value::array(ids.iter().map(|id| (&**id).into()).collect()).unwrap();
    let (left, right) = (list(&ids[..5]).to_json(), list(&ids[3..]).to_json());
    let merged = texts(&bench.call("kad.merge", &format!("[\"{OTHER_ID}\",{left},{right}]")));
    let target = peer_id(9).to_bytes();
    let mut expected: Vec<_> = (1..9).map(peer_id).collect();
    expected.sort_by_key(|peer| distance(&target, &peer.to_bytes()));
    let expected: Vec<String> = expected.iter().map(ToString::to_string).collect();
    assert_eq!(merged, expected);
    let first = texts(&bench.call("kad.merge", &format!("[\"{OTHER_ID}\",{left},{right},[2]]")));
    assert_eq!(first, expected[..2]);
}

#[test]
fn merge_takes_any_base58_and_gives_twenty_at_most() {
    check_values(&[
        ("kad.merge", r#"["",[],[]]"#, "[]"),
        ("kad.merge", r#"["Cn8eVZg",["Cn8eVZg"],["","Cn8eVZg"],1]"#, r#"["Cn8eVZg"]"#),
    ]);
    let keys: Vec<String> = (0..25_u8).map(|byte| bs58::encode([1, byte]).into_string()).collect();
    let keys = Value::array(keys.iter().map(|key| (&**key).into()).collect()).unwrap();
    let merged = Bench::new().call("kad.merge", &format!("[\"\",{},[]]", keys.to_json()));
    assert_eq!(texts(&merged).len(), 20);
}

#[test]
fn kad_fails_with_the_texts_of_the_reference() {
    check_errors(&[
        (
            "kad.neighborhood",
            "[]",
            "Error: Field 'key' is missing from args to call_service\nMissingField(\"key\")",
        ),
        (
            "kad.neighborhood",
            r#"["l"]"#,
            "Error: Error while deserializing field 'key': not a base58: provided string contained \
             invalid character 'l' at byte 0\nInvalidFormat { field: \"key\", err: \"not a base58: \
             provided string contained invalid character 'l' at byte 0\" }",
        ),
        ("kad.neighborhood", r#"["Cn8eVZg",true]"#, "Error: invalid multihash\nInvalidMultihash"),
        (
            "kad.neigh_with_addrs",
            r#"["Cn8eVZg",[],-1]"#,
            "Error: Error deserializing field 'count': expected Option<usize>, got -1\n\
             DeserializeError { field: \"count\", value: Number(-1), \
             expected_type: \"Option<usize>\" }",
        ),
        (
            "kad.merge",
            r#"["x",["l"],[]]"#,
            "Error: decode base58 failed: provided string contained invalid character 'l' at byte 0\n\
             DecodeBase58(InvalidCharacter { character: 'l', index: 0 })",
        ),
        (
            "kad.merge",
            r#"["x",[1],[]]"#,
            "Error: Error deserializing field 'left': expected Vec<String>, got [1]\n\
             DeserializeError { field: \"left\", value: Array [Number(1)], \
             expected_type: \"Vec<String>\" }",
        ),
        (
            "kad.merge",
            r#"["x",[]]"#,
            "Error: Field 'right' is missing from args to call_service\nMissingField(\"right\")",
        ),
    ]);
}

#[test]
fn the_work_of_a_call_is_bounded_however_it_is_divided() {
    let bench = Bench::new();
    let key = |length: usize| "x".repeat(length);
    assert_eq!(bench.call("kad.neighborhood", &format!("[\"{}\"]", key(MAX_BASE58_BYTES))).0, 0);
    assert_eq!(
        bench.call("kad.neighborhood", &format!("[\"{}\"]", key(MAX_BASE58_BYTES + 1))).0,
        1
    );
    // 64² keys of 64 bytes are as much as one key at the limit; an empty one counts like them.
    let keys = |count: usize| format!("[\"\",[{}\"\"],[]]", "\"\",".repeat(count - 2));
    assert_eq!(bench.call("kad.merge", &keys(4096)).0, 0);
    assert!(error(&bench.call("kad.merge", &keys(4097 + 1))).contains("over the limit"));
}
