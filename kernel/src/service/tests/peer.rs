//! `peer`.

use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::time::Duration;

use air_core::value::Value;
use futures_util::future::{FutureExt, LocalBoxFuture, pending};
use netstack::libp2p::particle::Message;
use netstack::libp2p::{Multiaddr, PeerId};

use super::bench::{address, error, peer_id};
use super::{Bench, GUARDED, OTHER_ID, OWN_ID, check_errors, check_values};
use crate::executor::Slot;
use crate::limits::{MAX_CONNECT_ADDRESSES, MAX_CONNECTS_WAITING};
use crate::machine::Instant;
use crate::peers::{ConnectError, Contact, Peers, SendError};
use crate::service::Started;

const ADDRESS: &str = "/ip4/10.0.0.9/tcp/7777";

/// One connected client without an address, one peer that could be dialled, and dials that end when
/// the test says so.
#[derive(Default)]
struct Surroundings {
    dialled: RefCell<Vec<(PeerId, Vec<Multiaddr>)>>,
    dial: Slot<Result<(), ConnectError>>,
}

impl Peers for Surroundings {
    fn send(&self, _: PeerId, _: Rc<Message>) -> LocalBoxFuture<'static, Result<(), SendError>> {
        pending().boxed_local()
    }

    fn connect(
        &self,
        peer: PeerId,
        addresses: Vec<Multiaddr>,
    ) -> LocalBoxFuture<'static, Result<(), ConnectError>> {
        self.dialled.borrow_mut().push((peer, addresses));
        let dial = self.dial.clone();
        async move { dial.take().await }.boxed_local()
    }

    fn is_connected(&self, peer: &PeerId) -> bool {
        *peer == peer_id(2)
    }

    fn contact(&self, peer: &PeerId) -> Option<Vec<Multiaddr>> {
        let known = self.known();
        known.into_iter().find(|known| known.peer == *peer).map(|known| known.addresses)
    }

    fn known(&self) -> Vec<Contact> {
        vec![
            Contact { peer: peer_id(2), addresses: vec![], connected: true },
            Contact { peer: peer_id(9), addresses: vec![address(ADDRESS)], connected: false },
        ]
    }

    fn listen_addresses(&self) -> Vec<Multiaddr> {
        vec![address(&format!("/ip4/10.0.0.1/tcp/7777/p2p/{OWN_ID}"))]
    }
}

fn among() -> (Bench, Rc<Surroundings>) {
    let surroundings = Rc::new(Surroundings::default());
    (Bench::among(surroundings.clone()), surroundings)
}

#[test]
fn peer_knows_the_time() {
    let bench = Bench::new();
    bench.machine.advance(Duration::from_millis(1500));
    assert_eq!(bench.call("peer.timestamp_ms", "[]"), (0, "1704067201500".into()));
    assert_eq!(bench.call("peer.timestamp_sec", "[]"), (0, "1704067201".into()));
}

#[test]
fn identify_tells_the_versions_and_the_addresses() {
    let (bench, _) = among();
    let (ret_code, identify) = bench.call("peer.identify", "[1,2,3]");
    let identify = Value::parse(&identify).unwrap();
    let members = identify.as_object().unwrap();
    assert_eq!(ret_code, 0);
    let fields: Vec<&str> = members.iter().map(|(name, _)| &**name).collect();
    assert_eq!(
        fields,
        [
            "air_version",
            "allowed_binaries",
            "external_addresses",
            "node_version",
            "spell_version",
            "vm_info"
        ]
    );
    let own = format!("[\"/ip4/10.0.0.1/tcp/7777/p2p/{OWN_ID}\"]");
    assert_eq!(members.get("external_addresses").unwrap().to_json(), own);
    assert_eq!(members.get("vm_info"), Some(&Value::Null));
}

#[test]
fn is_connected_tells_connections_and_not_acquaintances() {
    let (bench, _) = among();
    for (peer, connected) in [
        (OWN_ID.into(), "true"),
        (format!("{}", peer_id(2)), "true"),
        (OTHER_ID.into(), "false"),
        // Keys of other kinds, which no peer here has.
        ("QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N".into(), "false"),
        ("16Uiu2HAmPLe7Mzm8TsYUubgCAW1aJoeFScxrLj8ppHFivPo97bUZ".into(), "false"),
    ] {
        let answer = bench.call("peer.is_connected", &format!("[\"{peer}\"]"));
        assert_eq!(answer, (0, connected.into()), "{peer}");
    }
}

#[test]
fn a_contact_is_a_peer_and_its_addresses() {
    let (bench, _) = among();
    let contact = |peer: &str| bench.call("peer.get_contact", &format!("[\"{peer}\"]"));
    let dialable = format!(r#"{{"addresses":["{ADDRESS}"],"peer_id":"{OTHER_ID}"}}"#);
    assert_eq!(contact(OTHER_ID), (0, dialable));
    let client = format!(r#"{{"addresses":[],"peer_id":"{}"}}"#, peer_id(2));
    assert_eq!(contact(&format!("{}", peer_id(2))), (0, client));
    let nothing = (0, r#""""#.into());
    assert_eq!(contact(&format!("{}", peer_id(3))), nothing);
    assert_eq!(contact("QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"), nothing);
}

#[test]
fn texts_that_are_no_peer_ids_are_refused() {
    let long = format!("[\"{}\"]", "z".repeat(97));
    for name in ["peer.is_connected", "peer.get_contact", "peer.connect"] {
        check_errors(&[
            (
                name,
                "[]",
                "Error: Field 'peer_id' is missing from args to call_service\n\
                 MissingField(\"peer_id\")",
            ),
            (
                name,
                "[1]",
                "Error: Error deserializing field 'peer_id': expected String, got 1\n\
                 DeserializeError { field: \"peer_id\", value: Number(1), expected_type: \"String\" }",
            ),
            (name, r#"["nobody"]"#, "Error: invalid multihash\nInvalidMultihash"),
            (
                name,
                r#"["0"]"#,
                "Error: base-58 decode error: provided string contained invalid character '0' at \
                 byte 0\nB58(InvalidCharacter { character: '0', index: 0 })",
            ),
            // A multihash of no bytes by SHA-1.
            (name, r#"["2J3"]"#, "Error: unsupported multihash code '17'\nUnsupportedCode(17)"),
            (name, &long, "Error: invalid multihash\nInvalidMultihash"),
        ]);
    }
}

#[test]
fn timeout_gives_its_message_after_the_delay() {
    for (arguments, expected) in [
        (r#"[20,"late"]"#, r#""late""#),
        (r#"["20",["late"]]"#, r#""late""#),
        (r#"[[20],["late"]]"#, r#""late""#),
        ("[20]", r#""""#),
        ("[20,null]", r#""""#),
        ("[20,[]]", r#""""#),
        (r#"[20,{"a":1}]"#, r#"{"a":1}"#),
        ("[20,[[1,2]]]", "[1,2]"),
        ("[20,[1,2]]", "[1,2]"),
    ] {
        let bench = Bench::new();
        let Started::Waiting(mut waiting) = bench.start("peer.timeout", arguments) else {
            panic!("{arguments} does not wait")
        };
        assert!((&mut waiting).now_or_never().is_none());
        assert_eq!(bench.executor.next_deadline(), Some(Instant::from_micros(20_000)));
        bench.machine.advance(Duration::from_millis(20));
        let reply = waiting.now_or_never().expect("the time is up");
        assert_eq!((reply.ret_code, reply.result.as_str()), (0, expected), "{arguments}");
    }
}

#[test]
fn timeout_refuses_what_is_no_time() {
    let missing = "Error: Field 'duration_ms' is missing from args to call_service\n\
                   MissingField(\"duration_ms\")";
    check_errors(&[
        ("peer.timeout", "[]", missing),
        ("peer.timeout", "[null]", missing),
        ("peer.timeout", "[[]]", missing),
        (
            "peer.timeout",
            r#"["1e3"]"#,
            "Error: Error while deserializing field duration_ms\n\
             Error { field_name: \"duration_ms\", err: ParseIntError { kind: InvalidDigit } }",
        ),
        (
            "peer.timeout",
            "[-1]",
            "Error: Error deserializing field 'duration_ms': expected Option<u64>, got -1\n\
             DeserializeError { field: \"duration_ms\", value: Number(-1), \
             expected_type: \"Option<u64>\" }",
        ),
    ]);
}

#[test]
fn connect_dials_and_tells_how_that_went() {
    for (result, told) in [(Ok(()), "true"), (Err(ConnectError::Unreachable), "false")] {
        let (bench, surroundings) = among();
        let arguments = format!(
            "[\"{OTHER_ID}\",[\"{ADDRESS}\",\"{ADDRESS}/p2p/{OTHER_ID}\",\"{ADDRESS}/p2p/{OWN_ID}\"]]"
        );
        let Started::Waiting(mut waiting) = bench.start("peer.connect", &arguments) else {
            panic!("it waits for the dial")
        };
        assert!((&mut waiting).now_or_never().is_none());
        let addresses = vec![address(ADDRESS), address(&format!("{ADDRESS}/p2p/{OTHER_ID}"))];
        assert_eq!(*surroundings.dialled.borrow(), [(peer_id(9), addresses)]);
        surroundings.dial.put(result);
        let reply = waiting.now_or_never().expect("the dial has ended");
        assert_eq!((reply.ret_code, reply.result.as_str()), (0, told));
    }
}

#[test]
fn connect_takes_addresses_as_an_option() {
    for (arguments, count) in [
        (format!("[\"{OTHER_ID}\"]"), 0),
        (format!("[\"{OTHER_ID}\",[]]"), 0),
        (format!("[\"{OTHER_ID}\",null]"), 0),
        (format!("[\"{OTHER_ID}\",[[]]]"), 0),
        (format!("[\"{OTHER_ID}\",[[\"{ADDRESS}\"]]]"), 1),
        (format!("[\"{OTHER_ID}\",[\"{ADDRESS}\"]]"), 1),
        // Well-formed, but nothing that can be dialled from here.
        (format!("[\"{OTHER_ID}\",[\"/ip4/10.0.0.9/udp/7777/quic-v1\",\"{ADDRESS}/ws\"]]"), 1),
    ] {
        let (bench, surroundings) = among();
        let _waiting = bench.start("peer.connect", &arguments);
        assert_eq!(surroundings.dialled.borrow()[0].1.len(), count, "{arguments}");
    }
    let wrong = format!("[\"{OTHER_ID}\",[\"10.0.0.9:7777\"]]");
    let text = "Error: Error deserializing field 'addresses': expected \
                Option<Vec<multiaddr::Multiaddr>>, got [\"10.0.0.9:7777\"]\n\
                DeserializeError { field: \"addresses\", value: Array \
                [String(\"10.0.0.9:7777\")], expected_type: \
                \"Option<Vec<multiaddr::Multiaddr>>\" }";
    check_errors(&[("peer.connect", &wrong, text)]);
}

#[test]
fn connect_is_for_the_node_itself_only() {
    let (bench, surroundings) = among();
    let arguments = format!("[\"{OTHER_ID}\"]");
    let refused = bench.call_of_stranger(OTHER_ID, "peer.connect", &arguments);
    assert_eq!(error(&refused), GUARDED);
    assert!(surroundings.dialled.borrow().is_empty());
}

#[test]
fn a_connection_to_oneself_or_to_another_kind_of_key_is_not_dialled() {
    let (bench, surroundings) = among();
    for (peer, told) in
        [(OWN_ID, "true"), ("QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N", "false")]
    {
        let Started::Waiting(waiting) = bench.start("peer.connect", &format!("[\"{peer}\"]"))
        else {
            panic!("{peer}")
        };
        assert_eq!(waiting.now_or_never().expect("nothing to wait for").result, told);
    }
    assert!(surroundings.dialled.borrow().is_empty());
}

#[test]
fn dials_are_bounded_in_number_and_in_addresses() {
    let (bench, _) = among();
    let start = || bench.start("peer.connect", &format!("[\"{OTHER_ID}\"]"));
    let mut waiting: Vec<Started> = (0..MAX_CONNECTS_WAITING).map(|_| start()).collect();
    assert!(waiting.iter().all(|started| matches!(started, Started::Waiting(_))));
    let Started::Done(refused) = start() else { panic!("one too many") };
    assert_eq!(refused.ret_code, 1);
    // A call that is dropped, as at the deadline of its particle, makes room.
    waiting.pop();
    assert!(matches!(start(), Started::Waiting(_)));

    let addresses = |count: usize| -> String { vec![format!("\"{ADDRESS}\""); count].join(",") };
    let call =
        |count| bench.start("peer.connect", &format!("[\"{OTHER_ID}\",[{}]]", addresses(count)));
    assert!(matches!(call(MAX_CONNECT_ADDRESSES), Started::Waiting(_)));
    assert!(matches!(call(MAX_CONNECT_ADDRESSES + 1), Started::Done(_)));
}

#[test]
fn a_lone_node_knows_nobody() {
    check_values(&[
        ("peer.is_connected", &format!("[\"{OTHER_ID}\"]"), "false"),
        ("peer.is_connected", &format!("[\"{OWN_ID}\"]"), "true"),
        ("peer.get_contact", &format!("[\"{OTHER_ID}\"]"), r#""""#),
    ]);
}
