//! Tests of the built-ins: results and error texts as the reference has them, and totality.

use super::*;
use crate::machine::{Instant, Simulated};
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;
use futures_util::future::FutureExt;
use proptest::prelude::*;

const OWN_ID: &str = "12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5";
const OTHER_ID: &str = "12D3KooWSrKnMZUcSxK8G7wmBbXdU8nFEfWGhLu6H8xjn8LmCSJb";

struct Bench {
    services: Services,
    executor: Executor,
    machine: Simulated,
    author: Rc<Author>,
}

fn bench() -> Bench {
    let machine = Simulated::new(1);
    let executor = Executor::new(Rc::new(machine.clone()));
    let services = Services::new(
        OWN_ID.into(),
        Rc::new(machine.clone()),
        executor.clone(),
        MAX_CALL_RESULT_BYTES,
    );
    let data = BTreeMap::from([("name".to_string(), Value::from("World"))]);
    Bench { services, executor, machine, author: Rc::new(Author::new(data)) }
}

impl Bench {
    fn start(&self, service: &str, function: &str, arguments: &str) -> Started {
        let arguments = Value::parse(arguments).expect("the test's arguments are JSON");
        let caller = Caller { init_peer_id: OWN_ID.into(), author: Some(self.author.clone()) };
        self.services.start(&caller, service, function, arguments.as_array().unwrap())
    }

    fn call(&self, service: &str, function: &str, arguments: &str) -> (i32, String) {
        match self.start(service, function, arguments) {
            Started::Done(reply) => (reply.ret_code, reply.result),
            Started::Waiting(_) => panic!("{service}.{function} waits"),
        }
    }
}

/// Calls each `service.function arguments` and compares with the JSON it must give.
fn check_values(cases: &[(&str, &str, &str)]) {
    let bench = bench();
    for (name, arguments, result) in cases {
        let (service, function) = name.split_once('.').unwrap();
        let expected = (0, (*result).to_string());
        assert_eq!(bench.call(service, function, arguments), expected, "{name} {arguments}");
    }
}

/// Calls each and compares with the message that it must fail with.
fn check_errors(cases: &[(&str, &str, &str)]) {
    let bench = bench();
    for (name, arguments, message) in cases {
        let (service, function) = name.split_once('.').unwrap();
        let (ret_code, result) = bench.call(service, function, arguments);
        let result = Value::parse(&result).unwrap();
        assert_eq!((ret_code, result.as_str()), (1, Some(*message)), "{name} {arguments}");
    }
}

#[test]
fn op_gives_the_values_of_the_reference() {
    check_values(&[
        ("op.noop", "[1,2]", r#""""#),
        ("op.identity", "[]", r#""""#),
        ("op.identity", r#"[{"b":1.0,"a":[null,true]}]"#, r#"{"a":[null,true],"b":1.0}"#),
        ("op.array", r#"[1,"a",[]]"#, r#"[1,"a",[]]"#),
        ("op.array", "[]", "[]"),
        ("op.array_length", "[[1,2,3]]", "3"),
        ("op.concat", "[[1],[],[[2],3]]", "[1,[2],3]"),
        ("op.concat", "[]", "[]"),
        ("op.concat_strings", r#"["a","","bc"]"#, r#""abc""#),
        ("op.string_to_b58", r#"["hello"]"#, r#""Cn8eVZg""#),
        ("op.string_from_b58", r#"["Cn8eVZg"]"#, r#""hello""#),
        ("op.bytes_to_b58", "[[104,101,108,108,111]]", r#""Cn8eVZg""#),
        ("op.bytes_from_b58", r#"["Cn8eVZg"]"#, "[104,101,108,108,111]"),
        ("op.sha256_string", r#"["hello"]"#, r#""QmRN6wdp1S2A5EtjW9A3M1vKSBuQQGcgvuhoMUoEz4iiT5""#),
        (
            "op.sha256_string",
            r#"["hello",[true]]"#,
            r#""42TEXg1vFAbcJ65y7qdYG9iCPvYfy3NDdVLd75akX2P5""#,
        ),
    ]);
    let (_, bytes) = bench().call("op", "sha256_string", r#"["hello",false,true]"#);
    assert!(bytes.starts_with("[18,32,44,242,77,186,"), "{bytes}");
}

#[test]
fn op_fails_with_the_texts_of_the_reference() {
    check_errors(&[
        ("op.identity", "[1,2]", "identity accepts up to 1 arguments, received 2 arguments"),
        ("op.array_length", "[]", "op array_length accepts exactly 1 argument: 0 found"),
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
            "decode base58 failed: provided string contained invalid character '0' at byte 0",
        ),
        ("op.string_to_b58", "[]", "expected 1 arguments, got 0"),
        (
            "op.bytes_to_b58",
            "[[256]]",
            "Error: Error deserializing field 'x': expected an array of one type, got [256]\n\
             WrongType { field: \"x\", expected: \"an array of one type\", got: \"[256]\" }",
        ),
    ]);
    let (ret_code, text) = bench().call("op", "string_from_b58", r#"["5Q"]"#);
    assert_eq!(ret_code, 1);
    assert!(
        text.starts_with("\"decode from bytes to UTF8 failed: invalid utf-8 sequence"),
        "{text}"
    );
}

#[test]
fn base58_is_bounded_at_its_limit() {
    let bench = bench();
    let at_limit = "x".repeat(crate::limits::MAX_BASE58_BYTES);
    assert_eq!(bench.call("op", "string_to_b58", &format!("[\"{at_limit}\"]")).0, 0);
    assert_eq!(bench.call("op", "string_to_b58", &format!("[\"{at_limit}x\"]")).0, 1);
    assert_eq!(bench.call("op", "string_from_b58", &format!("[\"{at_limit}x\"]")).0, 1);
}

#[test]
fn math_and_cmp_give_the_values_of_the_reference() {
    check_values(&[
        ("math.add", "[2,3]", "5"),
        ("math.sub", "[2,3]", "-1"),
        ("math.mul", "[-2,3]", "-6"),
        ("math.div", "[-7,2]", "-3"),
        ("math.rem", "[-7,2]", "-1"),
        ("math.fmul", "[1.5,3]", "4"),
        ("math.fmul", "[-1.5,3]", "-5"),
        ("math.fmul", "[1e300,1e300]", "9223372036854775807"),
        ("math.pow", "[2,10]", "1024"),
        ("math.log", "[10,999]", "2"),
        ("cmp.gt", "[2,1]", "true"),
        ("cmp.gte", "[1,2]", "false"),
        ("cmp.lt", "[1,2]", "true"),
        ("cmp.lte", "[2,2]", "true"),
        ("cmp.cmp", "[1,2]", "-1"),
        ("cmp.cmp", "[2,2]", "0"),
        ("cmp.cmp", "[3,2]", "1"),
    ]);
}

#[test]
fn math_never_wraps() {
    check_errors(&[
        ("math.add", "[9223372036854775807,1]", "i64 add overflow"),
        ("math.sub", "[-9223372036854775808,1]", "i64 neg overflow"),
        ("math.mul", "[9223372036854775807,2]", "i64 mul overflow"),
        ("math.div", "[1,0]", "i64 div overflow"),
        ("math.div", "[-9223372036854775808,-1]", "i64 div overflow"),
        ("math.rem", "[1,0]", "i64 rem overflow"),
        ("math.pow", "[10,19]", "i64 pow overflow"),
        ("math.log", "[1,5]", "i64 log overflow"),
        ("math.log", "[10,0]", "i64 log overflow"),
        ("math.add", "[1]", "expected 2 arguments, got 1"),
        (
            "math.add",
            "[1,1.0]",
            "Error: Error deserializing field 'y': expected i64, got 1.0\n\
             WrongType { field: \"y\", expected: \"i64\", got: \"1.0\" }",
        ),
        (
            "cmp.gt",
            r#"["1",1]"#,
            "Error: Error deserializing field 'x': expected i64, got \"1\"\n\
             WrongType { field: \"x\", expected: \"i64\", got: \"\\\"1\\\"\" }",
        ),
    ]);
}

#[test]
fn array_gives_the_values_and_texts_of_the_reference() {
    check_values(&[
        ("array.sum", "[[1,2,-4]]", "-1"),
        ("array.sum", "[[]]", "0"),
        ("array.dedup", r#"[["b","a","b"]]"#, r#"["b","a"]"#),
        ("array.intersect", r#"[["a","b","b"],["b","c"]]"#, r#"["b"]"#),
        ("array.diff", r#"[["a","b","a"],["b","c"]]"#, r#"["a"]"#),
        ("array.sdiff", r#"[["a","b"],["b","c"]]"#, r#"["a","c"]"#),
        ("array.slice", "[[1,2,3],1,3]", "[2,3]"),
        ("array.slice", "[[1,2,3],3,3]", "[]"),
        ("array.slice", "[[],5,9]", "[]"),
        ("array.length", "[[[],1]]", "2"),
    ]);
    check_errors(&[
        ("array.sum", "[[9223372036854775807,1]]", "i64 add overflow"),
        (
            "array.slice",
            "[[1],0,2]",
            "slice indexes out of bounds. start index: 0, end index: 2, array length: 1",
        ),
        (
            "array.slice",
            "[[1],1,0]",
            "slice indexes out of bounds. start index: 1, end index: 0, array length: 1",
        ),
        ("array.slice", "[1,0,2]", "first argument must be an array, was 1"),
        (
            "array.slice",
            "[[1],-1,2]",
            "second argument (start index) must be an unsigned integer, was -1",
        ),
        (
            "array.slice",
            r#"[[1],0,"x"]"#,
            "third argument (end index) must be an unsigned integer, was \"x\"",
        ),
        (
            "array.slice",
            "[[1],0]",
            "invalid number of parameters. need array, start index and end index",
        ),
        ("array.length", "[{}]", "op array_length's argument must be an array"),
    ]);
}

#[test]
fn json_gives_the_values_and_texts_of_the_reference() {
    check_values(&[
        ("json.obj", r#"["b",1,"a",[2]]"#, r#"{"a":[2],"b":1}"#),
        ("json.obj", "[]", "{}"),
        ("json.put", r#"[{"a":1},"a",2]"#, r#"{"a":2}"#),
        ("json.puts", r#"[{"a":1},"b",2,"c",3]"#, r#"{"a":1,"b":2,"c":3}"#),
        ("json.obj_pairs", r#"[[["a",1],["b",[]]]]"#, r#"{"a":1,"b":[]}"#),
        ("json.puts_pairs", r#"[{"a":1},[["a",null]]]"#, r#"{"a":null}"#),
        ("json.parse", r#"["{\"a\": [1, 2.50]}"]"#, r#"{"a":[1,2.5]}"#),
        ("json.stringify", r#"[{"b":"x","a":1}]"#, r#""{\"a\":1,\"b\":\"x\"}""#),
        ("debug.stringify", "[]", r#""\"<empty argument list>\"""#),
        ("debug.stringify", r#"["a"]"#, r#""\"a\"""#),
        ("debug.stringify", "[1,[2]]", r#""[1,[2]]""#),
    ]);
    check_errors(&[
        (
            "json.obj",
            r#"["a",1,"b"]"#,
            "Expected odd number of arguments, got even. No value for key '\"b\"'",
        ),
        (
            "json.obj",
            "[1,2]",
            "All keys must be of type string. Key of the following pair is of invalid type: (1, 2)",
        ),
        (
            "json.put",
            "[[],\"a\",1]",
            "Error: Error deserializing field 'object': expected Map<String, Value>, got []\n\
             WrongType { field: \"object\", expected: \"Map<String, Value>\", got: \"[]\" }",
        ),
        (
            "json.put",
            "[{},\"a\"]",
            "Error: Field 'value' is missing from args to call_service\n\
             Missing { field: \"value\" }",
        ),
        (
            "json.parse",
            r#"["{"]"#,
            "Error: error parsing json {\nCaused by: EOF while parsing an object at line 1 column 1",
        ),
    ]);
}

#[test]
fn peer_knows_itself_and_the_time() {
    let bench = bench();
    bench.machine.advance(Duration::from_millis(1500));
    assert_eq!(bench.call("peer", "timestamp_ms", "[]"), (0, "1704067201500".into()));
    assert_eq!(bench.call("peer", "timestamp_sec", "[]"), (0, "1704067201".into()));
    let is_connected = |id| bench.call("peer", "is_connected", &format!("[\"{id}\"]"));
    assert_eq!(is_connected(OWN_ID), (0, "true".into()));
    assert_eq!(is_connected(OTHER_ID), (0, "false".into()));
    assert_eq!(is_connected("nobody").0, 1);
    let (ret_code, identify) = bench.call("peer", "identify", "[1,2,3]");
    let identify = Value::parse(&identify).unwrap();
    assert_eq!(ret_code, 0);
    let fields: Vec<&str> = identify.as_object().unwrap().iter().map(|(name, _)| &**name).collect();
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
}

#[test]
fn timeout_gives_its_message_after_the_delay() {
    for (arguments, expected) in [
        (r#"[20,"late"]"#, r#""late""#),
        (r#"["20",["late"]]"#, r#""late""#),
        ("[20]", r#""""#),
        ("[20,null]", r#""""#),
        ("[20,[]]", r#""""#),
    ] {
        let bench = bench();
        let Started::Waiting(mut waiting) = bench.start("peer", "timeout", arguments) else {
            panic!("{arguments} does not wait")
        };
        assert!((&mut waiting).now_or_never().is_none());
        assert_eq!(bench.executor.next_deadline(), Some(Instant::from_micros(20_000)));
        bench.machine.advance(Duration::from_millis(20));
        let reply = waiting.now_or_never().expect("the time is up");
        assert_eq!((reply.ret_code, reply.result.as_str()), (0, expected), "{arguments}");
    }
    check_errors(&[(
        "peer.timeout",
        "[]",
        "Error: Field 'duration_ms' is missing from args to call_service\n\
         Missing { field: \"duration_ms\" }",
    )]);
    assert_eq!(bench().call("peer", "timeout", "[-1]").0, 1);
    assert_eq!(bench().call("peer", "timeout", r#"["1e3"]"#).0, 1);
}

#[test]
fn options_are_read_as_the_reference_does() {
    check_errors(&[(
        "op.sha256_string",
        r#"["a",[true,false]]"#,
        "Error: Option's array must contain at most 1 element, 'digest_only' was of 2 elements\n\
         LongOption { field: \"digest_only\", length: 2 }",
    )]);
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
        ("kad.merge", "[]", "Service with id 'kad' not found (function merge)"),
    ]);
}

#[test]
fn the_author_hands_out_data_and_takes_the_first_answer() {
    let bench = bench();
    assert_eq!(bench.call("getDataSrv", "name", "[]"), (0, r#""World""#.into()));
    assert_eq!(bench.call("getDataSrv", "nobody", "[]"), (1, r#""value not found""#.into()));
    assert_eq!(bench.call("callbackSrv", "progress", "[1]"), (0, "{}".into()));
    assert!(!bench.author.answer().is_filled());
    assert_eq!(bench.call("callbackSrv", "response", "[1,2]"), (0, "{}".into()));
    assert_eq!(
        bench.call("errorHandlingSrv", "error", r#"[{"error_code":1},0]"#),
        (0, "{}".into())
    );
    let answer = bench.author.answer().take().now_or_never();
    assert_eq!(answer, Some(Answer::Response(Value::parse("[1,2]").unwrap())));
}

#[test]
fn a_response_of_any_number_of_arguments_is_one_value() {
    for (arguments, expected) in [("[]", "null"), ("[[1]]", "[1]"), ("[1,[]]", "[1,[]]")] {
        let bench = bench();
        bench.call("callbackSrv", "response", arguments);
        let expected = Answer::Response(Value::parse(expected).unwrap());
        assert_eq!(bench.author.answer().take().now_or_never(), Some(expected));
    }
}

#[test]
fn a_stranger_has_no_access_to_the_author_or_the_console() {
    let bench = bench();
    let stranger = Caller { init_peer_id: OTHER_ID.into(), author: None };
    for (service, function, message) in [
        ("getDataSrv", "name", "Service with id 'getDataSrv' not found (function name)"),
        ("callbackSrv", "response", "Service with id 'callbackSrv' not found (function response)"),
        ("run-console", "print", "This function is only available to the host or worker spells"),
    ] {
        let Started::Done(reply) = bench.services.start(&stranger, service, function, &[]) else {
            panic!("{service} waits")
        };
        assert_eq!(Value::parse(&reply.result).unwrap().as_str(), Some(message));
    }
    assert_eq!(bench.call("run-console", "print", r#"["hello"]"#), (0, r#""""#.into()));
}

#[test]
fn arguments_and_results_are_bounded() {
    let bench = bench();
    let many = |count: usize| format!("[{}1]", "1,".repeat(count - 1));
    assert_eq!(bench.call("op", "array", &many(MAX_CALL_ARGUMENTS)).0, 0);
    assert_eq!(bench.call("op", "array", &many(MAX_CALL_ARGUMENTS + 1)).0, 1);
    // A JSON string has two quotes more than its text.
    let at_limit = Value::string("x".repeat(MAX_CALL_RESULT_BYTES - 2));
    let over = Value::string("x".repeat(MAX_CALL_RESULT_BYTES - 1));
    assert_eq!(super::reply(Ok(Some(at_limit)), MAX_CALL_RESULT_BYTES).ret_code, 0);
    assert_eq!(super::reply(Ok(Some(over.clone())), MAX_CALL_RESULT_BYTES).ret_code, 1);
    let caller = Caller { init_peer_id: OWN_ID.into(), author: None };
    let arguments: Vec<Value> = (0..MAX_CALL_ARGUMENTS).map(|_| over.clone()).collect();
    for (service, function) in [("op", "concat_strings"), ("op", "array"), ("debug", "stringify")] {
        match bench.services.start(&caller, service, function, &arguments) {
            Started::Done(reply) => assert_eq!(reply.ret_code, 1, "{service}.{function}"),
            Started::Waiting(_) => panic!("{service}.{function} waits"),
        }
    }
}

/// Every built-in of the table in the module's documentation.
const ALL: &[(&str, &[&str])] = &[
    (
        "op",
        &[
            "noop",
            "identity",
            "array",
            "array_length",
            "concat",
            "concat_strings",
            "string_to_b58",
            "string_from_b58",
            "bytes_to_b58",
            "bytes_from_b58",
            "sha256_string",
        ],
    ),
    ("json", &["obj", "put", "puts", "obj_pairs", "puts_pairs", "parse", "stringify"]),
    ("math", &["add", "sub", "mul", "fmul", "div", "rem", "pow", "log"]),
    ("cmp", &["gt", "gte", "lt", "lte", "cmp"]),
    ("array", &["sum", "dedup", "intersect", "diff", "sdiff", "slice", "length"]),
    ("debug", &["stringify"]),
    ("peer", &["identify", "timestamp_ms", "timestamp_sec", "timeout", "is_connected"]),
    ("run-console", &["print"]),
    ("getDataSrv", &["name", "other"]),
    ("callbackSrv", &["response", "other"]),
    ("errorHandlingSrv", &["error"]),
];

#[test]
fn every_function_of_the_table_exists() {
    let bench = bench();
    for (service, functions) in ALL {
        for function in *functions {
            if let Started::Done(reply) = bench.start(service, function, "[]") {
                assert!(!reply.result.contains("not found (function"), "{service}.{function}");
            }
        }
    }
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-3_i64..9).prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        prop::num::f64::NORMAL.prop_map(|float| {
            air_core::value::Number::from_f64(float).map_or(Value::Null, Value::from)
        }),
        ".{0,12}".prop_map(|text| Value::from(text.as_str())),
        "[1-9A-HJ-NP-Za-km-z]{0,60}".prop_map(|text| Value::from(text.as_str())),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4)
                .prop_map(|items| Value::array(items).unwrap()),
            prop::collection::vec(("[a-c]{1,2}", inner), 0..4).prop_map(|members| {
                let members = members.into_iter().map(|(key, value)| (key.into(), value));
                Value::object(members.collect()).unwrap()
            }),
        ]
    })
}

proptest! {
    #[test]
    fn any_arguments_give_code_0_or_1_and_json(arguments in prop::collection::vec(json(), 0..5)) {
        for (service, functions) in ALL {
            let bench = bench();
            let caller = Caller { init_peer_id: OWN_ID.into(), author: Some(bench.author.clone()) };
            for function in *functions {
                let reply = match bench.services.start(&caller, service, function, &arguments) {
                    Started::Done(reply) => reply,
                    Started::Waiting(waiting) => {
                        bench.machine.sleep_until(Instant::NEVER);
                        waiting.now_or_never().expect("no wait is longer than time")
                    }
                };
                prop_assert!(matches!(reply.ret_code, 0 | 1), "{}.{}", service, function);
                let result = Value::parse(&reply.result);
                prop_assert!(result.is_ok(), "{}.{} {}", service, function, reply.result);
                prop_assert!(reply.ret_code == 0 || result.unwrap().as_str().is_some());
            }
        }
    }
}
