//! `op`.

use alloc::format;

use super::bench::error;
use super::{Bench, check_errors, check_values};
use crate::limits::MAX_BASE58_BYTES;

#[test]
fn op_gives_the_values_of_the_reference() {
    check_values(&[
        ("op.noop", "[1,2]", r#""""#),
        ("op.noop", "[]", r#""""#),
        ("op.identity", "[]", r#""""#),
        ("op.identity", "[null]", "null"),
        ("op.identity", r#"[{"b":1.0,"a":[null,true]}]"#, r#"{"a":[null,true],"b":1.0}"#),
        ("op.array", r#"[1,"a",[]]"#, r#"[1,"a",[]]"#),
        ("op.array", "[]", "[]"),
        ("op.array_length", "[[1,2,3]]", "3"),
        ("op.concat", "[[1],[],[[2],3]]", "[1,[2],3]"),
        ("op.concat", "[]", "[]"),
        ("op.concat_strings", r#"["a","","bc"]"#, r#""abc""#),
        ("op.concat_strings", "[]", r#""""#),
        ("op.string_to_b58", r#"["hello"]"#, r#""Cn8eVZg""#),
        ("op.string_to_b58", r#"["hello","ignored"]"#, r#""Cn8eVZg""#),
        ("op.string_to_b58", r#"[""]"#, r#""""#),
        ("op.string_from_b58", r#"["Cn8eVZg"]"#, r#""hello""#),
        ("op.bytes_to_b58", "[[104,101,108,108,111]]", r#""Cn8eVZg""#),
        ("op.bytes_to_b58", "[[0,0,255]]", r#""115Q""#),
        ("op.bytes_from_b58", r#"["Cn8eVZg"]"#, "[104,101,108,108,111]"),
        ("op.bytes_from_b58", r#"[""]"#, "[]"),
        ("op.sha256_string", r#"["hello"]"#, r#""QmRN6wdp1S2A5EtjW9A3M1vKSBuQQGcgvuhoMUoEz4iiT5""#),
        (
            "op.sha256_string",
            r#"["hello",[true]]"#,
            r#""42TEXg1vFAbcJ65y7qdYG9iCPvYfy3NDdVLd75akX2P5""#,
        ),
        (
            "op.sha256_string",
            r#"["hello",true,false]"#,
            r#""42TEXg1vFAbcJ65y7qdYG9iCPvYfy3NDdVLd75akX2P5""#,
        ),
    ]);
    let bench = Bench::new();
    let (_, bytes) = bench.call("op.sha256_string", r#"["hello",false,true]"#);
    assert!(bytes.starts_with("[18,32,44,242,77,186,"), "{bytes}");
    let (_, bytes) = bench.call("op.sha256_string", r#"["hello",[true],[true]]"#);
    assert!(bytes.starts_with("[44,242,77,186,"), "{bytes}");
}

#[test]
fn op_fails_with_the_texts_of_the_reference() {
    check_errors(&[
        ("op.identity", "[1,2]", "identity accepts up to 1 arguments, received 2 arguments"),
        ("op.array_length", "[]", "op array_length accepts exactly 1 argument: 0 found"),
        ("op.array_length", "[[],[]]", "op array_length accepts exactly 1 argument: 2 found"),
        ("op.array_length", "[1]", "op array_length's argument must be an array"),
        ("op.concat", "[[],1]", "all arguments of 'concat' must be arrays: argument #1 is not"),
        (
            "op.concat_strings",
            r#"["a",1]"#,
            "all arguments of 'concat_strings' must be strings: argument #1 is not",
        ),
        (
            "op.string_from_b58",
            r#"["0"]"#,
            "Error: decode base58 failed: provided string contained invalid character '0' at byte 0\n\
             DecodeBase58(InvalidCharacter { character: '0', index: 0 })",
        ),
        (
            "op.bytes_from_b58",
            r#"["é"]"#,
            "Error: decode base58 failed: provided string contained non-ascii character starting \
             at byte 0\nDecodeBase58(NonAsciiCharacter { index: 0 })",
        ),
        (
            "op.string_from_b58",
            r#"["5Q"]"#,
            "Error: decode from bytes to UTF8 failed: invalid utf-8 sequence of 1 bytes from index 0\n\
             DecodeUTF8(FromUtf8Error { bytes: [255], error: Utf8Error { valid_up_to: 0, \
             error_len: Some(1) } })",
        ),
        (
            "op.string_to_b58",
            "[]",
            "Error: Field 'string' is missing from args to call_service\nMissingField(\"string\")",
        ),
        (
            "op.string_from_b58",
            "[]",
            "Error: Field 'b58_string' is missing from args to call_service\n\
             MissingField(\"b58_string\")",
        ),
        (
            "op.bytes_to_b58",
            "[[256]]",
            "Error: Error deserializing field 'bytes': expected Vec<u8>, got [256]\n\
             DeserializeError { field: \"bytes\", value: Array [Number(256)], \
             expected_type: \"Vec<u8>\" }",
        ),
        (
            "op.sha256_string",
            "[1]",
            "Error: Error deserializing field 'string': expected String, got 1\n\
             DeserializeError { field: \"string\", value: Number(1), expected_type: \"String\" }",
        ),
    ]);
}

#[test]
fn options_are_read_as_the_reference_does() {
    for some in ["true", "[true]"] {
        let (_, digest) = Bench::new().call("op.sha256_string", &format!(r#"["a",{some}]"#));
        assert!(!digest.starts_with("\"Qm"), "{digest}");
    }
    for none in [r#"["a"]"#, r#"["a",null]"#, r#"["a",[]]"#, r#"["a",null,[]]"#] {
        let (_, whole) = Bench::new().call("op.sha256_string", none);
        assert!(whole.starts_with("\"Qm"), "{whole}");
    }
    check_errors(&[
        (
            "op.sha256_string",
            r#"["a",[true,false]]"#,
            "Error: Option's array must contain at most 1 element, 'digest_only' was of 2 elements\n\
             NonUnaryOption { field: \"digest_only\", length: 2 }",
        ),
        (
            "op.sha256_string",
            r#"["a",[],{}]"#,
            "Error: Error deserializing field 'as_bytes': expected Option<bool>, got {}\n\
             DeserializeError { field: \"as_bytes\", value: Object {}, \
             expected_type: \"Option<bool>\" }",
        ),
        (
            "op.sha256_string",
            r#"["a",[true,1]]"#,
            "Error: Error deserializing field 'digest_only': expected Option<bool>, got [true,1]\n\
             DeserializeError { field: \"digest_only\", value: Array [Bool(true), Number(1)], \
             expected_type: \"Option<bool>\" }",
        ),
    ]);
}

#[test]
fn base58_is_bounded_at_its_limit() {
    let bench = Bench::new();
    let at_limit = "x".repeat(MAX_BASE58_BYTES);
    assert_eq!(bench.call("op.string_to_b58", &format!("[\"{at_limit}\"]")).0, 0);
    assert_eq!(bench.call("op.bytes_from_b58", &format!("[\"{at_limit}\"]")).0, 0);
    for name in ["op.string_to_b58", "op.string_from_b58", "op.bytes_from_b58"] {
        let over = bench.call(name, &format!("[\"{at_limit}x\"]"));
        assert_eq!(error(&over), "base58 of 4097 bytes is over the limit of 4096", "{name}");
    }
}

#[test]
fn what_is_not_there_is_named() {
    check_errors(&[
        (
            "no-such-service.nope",
            "[1]",
            "Service with id 'no-such-service' not found (function nope)",
        ),
        ("op.nope", "[]", "Service with id 'op' not found (function nope)"),
        ("vault.put", r#"["x"]"#, "Service with id 'vault' not found (function put)"),
        ("insecure_sig.sign", "[[1]]", "Service with id 'insecure_sig' not found (function sign)"),
        ("spell.install", "[]", "Service with id 'spell' not found (function install)"),
        ("sig.get_public_key", "[]", "Service with id 'sig' not found (function get_public_key)"),
    ]);
    // The names stand in scripts, so they are as long as somebody likes.
    let long = "s".repeat(100_000);
    let answer = Bench::new().call(&format!("{long}.{long}"), "[]");
    assert!(error(&answer).len() < 3000);
}
