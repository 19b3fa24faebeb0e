use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use air_core::value::Value;
use proptest::prelude::*;

use super::*;
use crate::aleph::limits::{
    MAX_CONFIGURATION_BYTES, MAX_PACK_DEPTH, MAX_PACK_ITEMS, MAX_REFUSAL_BYTES, MAX_RUN_BYTES,
};
use crate::aleph::trigger::Answer;

/// Bytes from hexadecimal digits, spaces between them ignored.
fn hex(digits: &str) -> Vec<u8> {
    let digits: Vec<u8> = digits.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let pairs = digits.as_chunks::<2>().0.iter();
    pairs.map(|pair| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

// What the network's hosts send, recorded.
const VERSION_1: &str = "8b aa696e7075745f64617461c0 a9696e74657266616365a461736769
    a7766d5f68617368d94030313233343536373839616263646566303132333435363738396162636465663031323334353637383961626364656630313233343536373839616263646566
    a8656e636f64696e67a87371756173686673 aa656e747279706f696e74a86d61696e3a617070 a4636f6465c400
    a26970aa3137322e31362e342e32 a5726f757465aa3137322e31362e342e31
    ab646e735f7365727665727391a7312e312e312e31
    a7766f6c756d65739183a56d6f756e74a92f6f70742f636f6465a6646576696365a3766462a9726561645f6f6e6c79c3
    a97661726961626c657381a14ba176";
const VERSION_2_MORE: &str =
    "a469707636be666330303a313a323a333a313a3132333a343536373a383961312f313234
    ac697076365f67617465776179ba666330303a313a323a333a313a3132333a343536373a38396130
    af617574686f72697a65645f6b657973c0";
const REQUEST: &str = "81a573636f706586a474797065a468747470a470617468a32fc3b6a66d6574686f64a4504f5354
    ac71756572795f737472696e67a3783d31a7686561646572739192c404686f7374c4076578616d706c65a4626f6479c4026869";
const EVENT: &str =
    "81a573636f706582a474797065ad616c6570682e6d657373616765a4626f6479a77b2261223a317d";
const PONG: &str =
    "84a76865616465727382a7686561646572739192c40c636f6e74656e742d74797065c40a746578742f706c61696e
    a6737461747573ccc8a4626f647981a4626f6479c404706f6e67a66f7574707574a0ab6f75747075745f64617461c0";
const ERROR: &str = "83a56572726f72a4626f6f6da974726163656261636ba5626f6f6d0aa66f7574707574c0";
const REFUSED: &str =
    "83a773756363657373c2a56572726f72a76e6f20636f6465a974726163656261636ba86e6f20636f64650a";

fn version_2() -> Vec<u8> {
    let mut bytes = [hex(VERSION_1), hex(VERSION_2_MORE)].concat();
    bytes[0] = 0x8e;
    bytes
}

fn configuration() -> Configuration<'static> {
    Configuration {
        interface: "asgi",
        vm_hash: "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        encoding: "squashfs",
        entrypoint: "main:app",
        ip: Some("172.16.4.2"),
        route: Some("172.16.4.1"),
        dns_servers: vec!["1.1.1.1"],
        volumes: vec![Volume { mount: "/opt/code", device: "vdb", read_only: true }],
        variables: Some(vec![("K", "v")]),
        ..Configuration::default()
    }
}

#[test]
fn recorded_configurations_are_read_and_written_byte_for_byte() {
    let (one, two) = (hex(VERSION_1), version_2());
    assert_eq!((one.len(), two.len()), (262, 355));
    assert_eq!(Configuration::decode(&one), Ok(configuration()));
    assert_eq!(configuration().encode(1), one);
    let newer = Configuration {
        ipv6: Some("fc00:1:2:3:1:123:4567:89a1/124"),
        ipv6_gateway: Some("fc00:1:2:3:1:123:4567:89a0"),
        ..configuration()
    };
    assert_eq!(Configuration::decode(&two), Ok(newer.clone()));
    assert_eq!(newer.encode(2), two);
    assert_eq!(newer.encode(3), two);
}

#[test]
fn what_is_missing_in_a_configuration_is_nil_and_what_is_unknown_ignored() {
    let least = hex("85 a1 78 93c0c3cb0000000000000000 a6656e74727930c0
        a9696e74657266616365a0 a7766d5f68617368a0 a8656e636f64696e67a0");
    assert_eq!(Configuration::decode(&least), Err(PackError::Member("entrypoint")));
    let least = [&[0x86], &least[1..], &hex("aa656e747279706f696e74a0")].concat();
    assert_eq!(Configuration::decode(&least), Ok(Configuration::default()));
    assert_eq!(Configuration::decode(&hex("c0")), Err(PackError::Malformed));
}

#[test]
fn members_of_the_wrong_kind_are_named() {
    let bytes = hex(VERSION_1);
    let change = |from: &str, to: &str| {
        let (from, to) = (hex(from), hex(to));
        let at = bytes.windows(from.len()).position(|window| window == from).unwrap();
        let bytes = [&bytes[..at], &to, &bytes[at + from.len()..]].concat();
        Configuration::decode(&bytes).unwrap_err()
    };
    assert_eq!(change("a461736769", "01"), PackError::Member("interface"));
    assert_eq!(change("c400", "a0"), PackError::Member("code"));
    assert_eq!(
        change("a9726561645f6f6e6c79c3", "a9726561645f6f6e6c7901"),
        PackError::Member("read_only")
    );
    assert_eq!(change("81a14ba176", "81a14b01"), PackError::Member("variables"));
    assert_eq!(change("91a7312e312e312e31", "9101"), PackError::Member("dns_servers"));
}

#[test]
fn the_length_line_has_up_to_nine_digits() {
    let length = |line: &str| configuration_length(line.as_bytes());
    assert_eq!(configuration_length(b"262\n\x8b"), Ok(Some((262, 4))));
    assert_eq!(length("000000262\n"), Ok(Some((262, 10))));
    for part in ["", "2", "262", "000000262"] {
        assert_eq!(length(part), Ok(None), "{part}");
    }
    for wrong in ["\n", "x", "2 \n", "0000000262\n", "-1\n"] {
        assert_eq!(length(wrong), Err(PackError::Malformed), "{wrong}");
    }
    let most = MAX_CONFIGURATION_BYTES;
    assert_eq!(length(&(most.to_string() + "\n")), Ok(Some((most, 9))));
    assert_eq!(length(&((most + 1).to_string() + "\n")), Err(PackError::TooLong));
}

#[test]
fn a_configuration_is_answered_in_one_packet() {
    assert_eq!(configured(), hex("81a773756363657373c3"));
    assert_eq!(refused("no code", "no code\n"), hex(REFUSED));
    let long = refused(&"é".repeat(99_999), &"x".repeat(99_999));
    assert!(long.len() < 64 << 10 && long.len() > 2 * MAX_REFUSAL_BYTES);
    assert!(complete_length(&long, usize::MAX).unwrap() == Some(long.len()));
}

#[test]
fn recorded_runs_are_read_and_written_byte_for_byte() {
    let request = Run::Http {
        path: "/ö",
        method: "POST",
        query: "x=1",
        headers: vec![(b"host".as_slice(), b"example".as_slice())],
        body: b"hi",
    };
    assert_eq!(Run::decode(&hex(REQUEST)), Ok(request.clone()));
    assert_eq!(request.encode(), hex(REQUEST));
    assert_eq!(Run::decode(&hex(EVENT)), Ok(Run::Event(Some("{\"a\":1}"))));
    assert_eq!(Run::Event(Some("{\"a\":1}")).encode(), hex(EVENT));
    let none = Run::Event(None).encode();
    assert_eq!(Run::decode(&none), Ok(Run::Event(None)));
}

#[test]
fn runs_that_are_none_are_refused() {
    for (bytes, error) in [
        ("80", PackError::Member("type")),
        ("81a573636f706580", PackError::Member("type")),
        ("81a573636f706581a474797065a178", PackError::Member("type")),
        ("81a573636f706581a474797065a468747470", PackError::Member("path")),
        ("81a573636f7065", PackError::CutOff),
        ("8100", PackError::CutOff),
        ("c1", PackError::Malformed),
        ("a1ff", PackError::Malformed),
        ("c0c0", PackError::Behind),
    ] {
        assert_eq!(Run::decode(&hex(bytes)), Err(error), "{bytes}");
        assert!(!error.to_string().is_empty());
    }
    assert_eq!(
        (Kind::of(0x81), Kind::of(b'h'), Kind::of(b'!')),
        (Kind::Run, Kind::Halt, Kind::Unknown)
    );
}

#[test]
fn replies_are_what_the_host_reads() {
    let pong = Answer {
        status: 200,
        headers: vec![("content-type".into(), "text/plain".into())],
        body: b"pong".to_vec(),
    };
    assert_eq!(http_reply(&pong), hex(PONG));
    assert_eq!(error_reply("boom", "boom\n"), hex(ERROR));
    assert_eq!(
        event_reply(&"".into()),
        hex(
            "84a76865616465727380a4626f647981a4626f6479a0a66f7574707574a0ab6f75747075745f64617461c0"
        )
    );
    assert_eq!(READY, hex("81a776657273696f6ea5322e302e30"));
    assert_eq!((STOPPING, STOPPED), (b"STOP\n".as_slice(), b"STOPZ\n".as_slice()));
}

#[test]
fn what_a_program_gives_for_a_message_is_packed_in_the_shortest_forms() {
    let packed = |json: &str| {
        let value = Value::parse(json).unwrap();
        let reply = event_reply(&value);
        let (before, after) = (
            hex("84a76865616465727380a4626f6479"),
            hex("a66f7574707574a0ab6f75747075745f64617461c0"),
        );
        let inner = reply.strip_prefix(&*before).unwrap().strip_suffix(&*after).unwrap().to_vec();
        assert_eq!(complete_length(&inner, usize::MAX), Ok(Some(inner.len())));
        inner
    };
    for (json, bytes) in [
        ("{}", "80"),
        ("{\"echo\":null}", "81a46563686fc0"),
        ("[]", "81a4626f647990"),
        ("{\"a\":[1,true,{\"b\":\"x\"}],\"c\":false}", "82a1619301c381a162a178a163c2"),
        (
            "{\"n\":[127,128,255,256,65535,65536,4294967295,4294967296,18446744073709551615]}",
            "81a16e997fcc80ccffcd0100cdffffce00010000ceffffffffcf0000000100000000cfffffffffffffffff",
        ),
        (
            "{\"n\":[-1,-32,-33,-128,-129,-32768,-32769,-2147483648,-2147483649]}",
            "81a16e99ffe0d0dfd080d1ff7fd18000d2ffff7fffd280000000d3ffffffff7fffffff",
        ),
        ("{\"n\":1.5}", "81a16ecb3ff8000000000000"),
    ] {
        assert_eq!(packed(json), hex(bytes), "{json}");
    }
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(60), "]".repeat(60));
    assert_eq!(packed(&deep).len(), 3 + 60 + 1);
}

#[test]
fn a_value_is_complete_when_its_last_byte_is_there() {
    let whole = hex(REQUEST);
    for length in 0..whole.len() {
        assert_eq!(complete_length(&whole[..length], MAX_RUN_BYTES), Ok(None), "{length}");
    }
    assert_eq!(complete_length(&whole, MAX_RUN_BYTES), Ok(Some(whole.len())));
    let more = [&whole[..], b"more"].concat();
    assert_eq!(complete_length(&more, MAX_RUN_BYTES), Ok(Some(whole.len())));
}

#[test]
fn values_are_bounded_in_bytes_number_and_depth() {
    // A piece of bytes that says its length before it comes.
    let bytes =
        |length: usize| [&[0xc6], &u32::try_from(length).unwrap().to_be_bytes()[..]].concat();
    assert_eq!(complete_length(&bytes(MAX_RUN_BYTES - 5), MAX_RUN_BYTES), Ok(None));
    assert_eq!(complete_length(&bytes(MAX_RUN_BYTES - 4), MAX_RUN_BYTES), Err(PackError::TooLong));
    let array = |items: usize| {
        let head = [&[0xdd], &u32::try_from(items).unwrap().to_be_bytes()[..]].concat();
        [head, vec![0xc0; items]].concat()
    };
    let (fits, does_not) = (array(MAX_PACK_ITEMS - 1), array(MAX_PACK_ITEMS));
    assert_eq!(complete_length(&fits, MAX_RUN_BYTES), Ok(Some(fits.len())));
    assert_eq!(complete_length(&does_not, MAX_RUN_BYTES), Err(PackError::TooMany));
    assert_eq!(Configuration::decode(&does_not), Err(PackError::TooMany));
    let deep = |depth: usize| [vec![0x91; depth], vec![0xc0]].concat();
    assert_eq!(Run::decode(&deep(MAX_PACK_DEPTH)), Err(PackError::Member("type")));
    assert_eq!(Run::decode(&deep(MAX_PACK_DEPTH + 1)), Err(PackError::TooDeep));
}

proptest! {
    #[test]
    fn any_bytes_are_a_message_or_not(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = Run::decode(&bytes);
        let _ = configuration_length(&bytes);
        match (complete_length(&bytes, MAX_RUN_BYTES), Configuration::decode(&bytes)) {
            (Ok(Some(length)), Ok(_)) => prop_assert_eq!(length, bytes.len()),
            (_, Ok(_)) => prop_assert!(false, "what is read is complete"),
            _ => {}
        }
    }

    #[test]
    fn runs_and_configurations_read_back(
        path in "/.{0,40}", texts in prop::collection::vec(".{0,300}", 0..20), body in prop::collection::vec(any::<u8>(), 0..300)
    ) {
        let headers = texts.iter().map(|text| (b"name".as_slice(), text.as_bytes())).collect();
        let run = Run::Http { path: &path, method: "GET", query: "", headers, body: &body };
        let bytes = run.encode();
        prop_assert_eq!(complete_length(&bytes, MAX_RUN_BYTES), Ok(Some(bytes.len())));
        prop_assert_eq!(Run::decode(&bytes), Ok(run));
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let given = Configuration {
            code: &body,
            variables: Some(texts.iter().map(|text| (*text, path.as_str())).collect()),
            authorized_keys: Some(texts.clone()),
            dns_servers: texts,
            ..configuration()
        };
        let bytes = given.encode(2);
        prop_assert_eq!(Configuration::decode(&bytes), Ok(given));
    }
}
