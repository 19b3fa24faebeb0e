//! Scripts and requests that fail, and what their senders are told.

use alloc::format;

use air_core::Value;

use super::bench::{Bench, PEER_ID, post, taken};
use crate::machine::Instant;

#[test]
fn a_parse_error_points_into_the_script() {
    let bench = Bench::new();
    let reply = bench.air("(seq\n  (null)\n  (call \"p\" (\"s\" \"f\") [x] y))");
    assert_eq!(reply.status, 400);
    assert_eq!(reply.error("code"), Value::from(1_i64));
    assert_eq!(reply.error("message"), Value::from("variable 'x' wasn't defined"));
    assert_eq!((reply.error("line"), reply.error("column")), (3_i64.into(), 3_i64.into()));
    let diagnostic = reply.error("diagnostic");
    assert!(diagnostic.as_str().unwrap().contains("script.air:3:3"), "{diagnostic}");
    assert_eq!(bench.metric("aerolith_particles_total{outcome=\"invalid\"}"), 1.0);
    assert_eq!(Bench::new().air("").status, 400);
}

#[test]
fn an_uncaught_failure_points_to_its_instruction() {
    let bench = Bench::new();
    let reply = bench.air("(seq\n  (null)\n  (fail 7 \"no\"))");
    assert_eq!(reply.status, 422);
    assert_eq!(reply.error("code"), Value::from(10006_i64));
    let message = reply.error("message");
    assert!(message.as_str().unwrap().starts_with("fail with '{"), "{message}");
    assert_eq!((reply.error("line"), reply.error("column")), (3_i64.into(), 3_i64.into()));
    assert_eq!(reply.error("instruction"), Value::from("(fail 7 \"no\")"));
    assert_eq!(reply.error("peer_id"), Value::from(PEER_ID));
    let diagnostic = reply.error("diagnostic");
    assert!(diagnostic.as_str().unwrap().contains("3 │   (fail 7 \"no\"))\n"), "{diagnostic}");
    assert_eq!(bench.metric("aerolith_particles_total{outcome=\"failed\"}"), 1.0);
}

#[test]
fn errors_of_services_have_the_texts_of_the_reference() {
    let reply =
        Bench::new().air("(call %init_peer_id% (\"no-such-service\" \"nope\") [\"x\"] ret)");
    assert_eq!((reply.status, reply.error("code")), (422, 10000_i64.into()));
    let expected = "Local service error, ret_code is 1, error message is \
                    '\"Service with id 'no-such-service' not found (function nope)\"'";
    assert_eq!(reply.error("message"), Value::from(expected));
    let reply = Bench::new().air("(call %init_peer_id% (\"math\" \"div\") [1 0] x)");
    let expected = "Local service error, ret_code is 1, error message is '\"i64 div overflow\"'";
    assert_eq!(reply.error("message"), Value::from(expected));
}

#[test]
fn an_error_that_the_script_reports_is_told_as_it_is() {
    let reply = Bench::new().air(
        "(xor (call %init_peer_id% (\"math\" \"div\") [1 0] x)
              (call %init_peer_id% (\"errorHandlingSrv\" \"error\") [:error: 0]))",
    );
    assert_eq!((reply.status, reply.error("code")), (422, 10000_i64.into()));
    let instruction = "call %init_peer_id% (\"math\" \"div\") [1 0] x";
    assert_eq!(reply.error("instruction"), Value::from(instruction));
    assert_eq!(reply.error("peer_id"), Value::from(PEER_ID));
}

#[test]
fn a_caught_error_is_no_error() {
    let reply = Bench::new().air(
        "(xor (fail 1 \"x\") (call %init_peer_id% (\"callbackSrv\" \"response\") [%last_error%.$.error_code]))",
    );
    assert_eq!((reply.status, reply.body.as_str()), (200, "1"));
}

#[test]
fn an_error_beside_a_waiting_call_does_not_hide_its_answer() {
    let reply = Bench::new().air(
        "(par (seq (call %init_peer_id% (\"peer\" \"timeout\") [20 \"ok\"] x)
                   (call %init_peer_id% (\"callbackSrv\" \"response\") [x]))
              (fail 1 \"other branch\"))",
    );
    assert_eq!((reply.status, reply.body.as_str()), (200, "\"ok\""));
}

#[test]
fn no_answer_within_the_ttl_is_a_timeout() {
    let bench = Bench::with(|config| config.particles.ttl_ms = 1500);
    let reply = bench.air("(call %init_peer_id% (\"peer\" \"timeout\") [60000] x)");
    assert_eq!(reply.status, 504);
    assert_eq!(reply.error("message"), Value::from("no answer within 1500 ms"));
    assert_eq!(reply.at, Instant::from_micros(1_500_000));
    assert_eq!(bench.metric("aerolith_particles_total{outcome=\"expired\"}"), 1.0);
    assert_eq!(bench.metric("aerolith_particles"), 0.0);
}

#[test]
fn a_peer_that_cannot_be_reached_is_named_at_once() {
    let bench = Bench::new();
    let reply = bench.air("(call \"12D3KooWelsewhere\" (\"op\" \"noop\") [])");
    assert_eq!((reply.status, reply.at), (504, Instant::ZERO));
    let message = reply.error("message");
    assert!(message.as_str().unwrap().contains("12D3KooWelsewhere"), "{message}");
    assert_eq!(bench.metric("aerolith_unreachable_peers_total"), 1.0);
}

#[test]
fn requests_that_are_no_scripts_are_refused() {
    let ask = |request: alloc::vec::Vec<u8>| {
        let bench = Bench::new();
        let reply = bench.send(request);
        bench.run();
        taken(&reply)
    };
    let reply = ask(post("/air", "", b"(null \xff)"));
    assert_eq!((reply.status, reply.error("message")), (400, "the script is not UTF-8".into()));
    let reply = ask(post("/air?a=1&a=2", "", b"(null)"));
    let expected = "query parameter 'a' is given more than once";
    assert_eq!((reply.status, reply.error("message")), (400, expected.into()));
    let reply = ask(post("/air", "Content-Type: multipart/form-data; boundary=x\r\n", b"(null)"));
    assert_eq!(reply.status, 415);
    let reply = ask(post("/air", "Content-Type: application/x-www-form-urlencoded\r\n", b"(null)"));
    assert_eq!(reply.status, 204, "what curl sends by default");
    assert_eq!(ask(post("/elsewhere", "", b"")).status, 404);
    assert_eq!(ask(post("/health", "", b"")).status, 405);
    let reply = Bench::new().get("/air");
    assert_eq!(reply.status, 405);
    assert!(reply.head.contains("Allow: POST"), "{}", reply.head);
}

#[test]
fn a_bad_request_leaves_the_node_working() {
    let bench = Bench::new();
    for body in ["(", ")", "\"", "(seq", "(call", "(((((", "\0", "(fail 0 \"x\")", "🦀"] {
        assert_eq!(bench.air(body).status, 400, "{body}");
    }
    let reply = bench.air("(call %init_peer_id% (\"callbackSrv\" \"response\") [1])");
    assert_eq!((reply.status, reply.body), (200, format!("{}", 1)));
}
