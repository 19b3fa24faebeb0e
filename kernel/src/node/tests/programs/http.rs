//! Requests to programs, and what their replies become.

use alloc::format;
use alloc::string::String;

use air_core::Value;

use super::super::bench::{Bench, post, taken};
use super::{Document, after, answer, field, respond};
use crate::aleph::trigger::route::host_label;

const SCOPE: &str = r#"("getDataSrv" "whatever") [] scope"#;

#[test]
fn a_text_is_the_body_of_the_answer() {
    let bench = Bench::new();
    let id = Document::of(respond("\"pong\"")).host(&bench).definition().id().clone();
    let reply = bench.get("/");
    assert_eq!((reply.status, &*reply.body), (200, "pong"));
    assert_eq!(field(&reply, "content-type").unwrap(), "text/plain; charset=utf-8");
    assert_eq!(field(&reply, "aleph-program-itemhash").unwrap(), id.as_str());
}

#[test]
fn the_scope_is_the_request_under_every_name_but_that_of_the_relay() {
    let bench = Bench::new();
    let relay = r#"("getDataSrv" "-relay-") [] relay"#;
    Document::of(after(&[SCOPE, relay], "scope relay")).host(&bench);
    let reply = bench.send(post("/a%20b?x=%31", "X-Y: z\r\n", b"body"));
    bench.run();
    let json = taken(&reply).json();
    let (scope, relay) = (&json.as_array().unwrap()[0], &json.as_array().unwrap()[1]);
    assert_eq!(relay.as_str(), Some(super::super::bench::PEER_ID));
    let member = |name: &str| scope.as_object().unwrap().get(name).cloned().unwrap();
    assert_eq!(member("type"), "http".into());
    assert_eq!(member("path"), "/a b".into());
    assert_eq!(member("method"), "POST".into());
    assert_eq!(member("query_string"), "x=1".into());
    assert_eq!(member("body"), "body".into());
    assert!(member("headers").to_json().contains(r#"["x-y","z"]"#), "{scope}");
}

#[test]
fn status_headers_and_body_are_the_programs() {
    let object = r#"("json" "obj") ["status" 201 "headers" pairs "body" scope.$.path] reply"#;
    let pairs = r#"("json" "obj") ["X-A" "1" "Content-Type" "a/b" "Vary" "x"] pairs"#;
    let bench = Bench::new();
    Document::of(after(&[SCOPE, pairs, object], "reply")).host(&bench);
    let reply = bench.get("/p");
    assert_eq!((reply.status, &*reply.body), (201, "/p"));
    assert_eq!(field(&reply, "x-a").as_deref(), Some("1"));
    assert_eq!(field(&reply, "content-type").as_deref(), Some("a/b"));
    assert_eq!(field(&reply, "vary"), None, "not passed");
}

#[test]
fn a_404_has_its_body_in_json_as_on_the_networks_nodes() {
    let object = r#"("json" "obj") ["status" 404 "body" "no tea"] reply"#;
    let reply = answer(&Document::of(after(&[object], "reply")));
    assert_eq!((reply.status, &*reply.body), (404, r#"{"error":"no tea"}"#));
}

#[test]
fn every_failure_has_its_answer() {
    let caught = "(xor (call %init_peer_id% (\"math\" \"div\") [1 0] x) \
                  (call %init_peer_id% (\"errorHandlingSrv\" \"error\") [:error: 0]))";
    let reply = answer(&Document::of(caught));
    assert_eq!(reply.status, 500);
    assert!(reply.body.contains("math"), "the instruction is named: {}", reply.body);

    let uncaught = "(call %init_peer_id% (\"math\" \"nothing\") [1 0] x)";
    let reply = answer(&Document::of(uncaught));
    assert_eq!(reply.status, 500);
    assert!(reply.body.contains("script.air:1:1"), "{}", reply.body);

    let reply = answer(&Document::of("(null)"));
    assert_eq!((reply.status, &*reply.body), (502, "VM did not respond and was shut down"));

    let late = after(&[r#"("peer" "timeout") [2001 "late"] reply"#], "reply");
    let reply = answer(&Document::of(late));
    assert_eq!(reply.status, 504);
    assert_eq!(reply.body, r#"{"error":"Program did not respond within `resource.seconds`"}"#);
    assert_eq!(field(&reply, "content-type").as_deref(), Some("application/json"));

    let object = r#"("json" "obj") ["status" 99] reply"#;
    let reply = answer(&Document::of(after(&[object], "reply")));
    assert_eq!(reply.status, 500);
    assert!(reply.body.contains("the status of the reply"), "{}", reply.body);

    let closed = Document { on: r#"{"http":false}"#, ..Document::of(respond("1")) };
    let bench = Bench::new();
    let id = closed.host(&bench).definition().id().clone();
    assert_eq!(bench.get(&format!("/vm/{id}/")).status, 404);
    assert_eq!(bench.get("/").status, 404, "and it is not the program of the other paths");
}

#[test]
fn the_time_limit_is_that_of_the_message() {
    let waits = |ms: u32| {
        let timeout = format!(r#"("peer" "timeout") [{ms} "done"] reply"#);
        answer(&Document::of(after(&[&timeout], "reply"))).status
    };
    assert_eq!((waits(1999), waits(2001)), (200, 504));
}

#[test]
fn a_program_is_named_by_path_or_host_or_is_the_only_one() {
    let bench = Bench::new();
    let path = |script: &str| after(&[SCOPE, script], "text");
    let document = |name| {
        Document::of(path(&format!(r#"("op" "concat_strings") ["{name}" scope.$.path] text"#)))
    };
    let first = document("a").host(&bench).definition().id().clone();
    assert_eq!(bench.get("/x/y").body, "a/x/y");
    assert_eq!(bench.get("/health").json().as_object().unwrap().get("status"), Some(&"ok".into()));
    assert!(bench.get("/programs").body.contains(first.as_str()));
    let second = document("b").host(&bench).definition().id().clone();
    assert_eq!(bench.get("/x/y").status, 404, "neither is the only one");
    assert_eq!(bench.get(&format!("/vm/{first}/x")).body, "a/x");
    assert_eq!(bench.get(&format!("/vm/{second}")).body, "b/");
    assert_eq!(bench.get(&format!("/vm/{}/", "0".repeat(64))).status, 404);
    let by_host = |label: &str, path: &str| {
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {label}.vm.example\r\nConnection: close\r\n\r\n");
        let reply = bench.send(request.into_bytes());
        bench.run();
        taken(&reply)
    };
    let label = host_label(&second).unwrap();
    assert_eq!(by_host(&label, "/health").body, "b/health", "a host is all the program's");
    assert_eq!(
        by_host("www", "/health").json().as_object().unwrap().get("status"),
        Some(&"ok".into())
    );
}

#[test]
fn the_configuration_names_the_program_of_the_other_paths() {
    let (a, b) = (Document::of(respond("\"a\"")), Document::of(respond("\"b\"")));
    let id = a.host(&Bench::new()).definition().id().clone();
    let bench = Bench::with(|config| config.programs.root = id.as_str().into());
    b.host(&bench);
    assert_eq!(bench.get("/").status, 404, "although it is the only one");
    a.host(&bench);
    assert_eq!(bench.get("/").body, "a");
}

#[test]
fn a_body_has_the_configured_size_and_not_a_byte_more() {
    let bench = Bench::with(|config| config.programs.max_body_bytes = 1000);
    let length = r#"("op" "concat_strings") [scope.$.body] text"#;
    Document::of(after(&[SCOPE, length], "text")).host(&bench);
    let send = |bytes: usize| {
        let reply = bench.send(post("/", "", "x".repeat(bytes).as_bytes()));
        bench.run();
        taken(&reply)
    };
    assert_eq!((send(1000).status, send(1000).body.len()), (200, 1000));
    assert_eq!(send(1001).status, 413);
    let chunked = format!(
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n\
         3e9\r\n{}\r\n0\r\n\r\n",
        "x".repeat(1001)
    );
    let reply = bench.send(chunked.into_bytes());
    bench.run();
    assert_eq!(taken(&reply).status, 413);
}

#[test]
fn the_reply_may_have_the_form_of_the_host_protocol() {
    let pairs = r#"("json" "obj") ["x-a" "1"] pairs"#;
    let head = r#"("json" "obj") ["status" 202 "headers" pairs] head"#;
    let body = r#"("json" "obj") ["body" "text"] body"#;
    let reply = r#"("json" "obj") ["headers" head "body" body] reply"#;
    let reply = answer(&Document::of(after(&[pairs, head, body, reply], "reply")));
    assert_eq!((reply.status, &*reply.body), (202, "text"));
    assert_eq!(field(&reply, "x-a").as_deref(), Some("1"));
}

#[test]
fn programs_are_listed_and_counted() {
    let bench = Bench::new();
    let id = Document::of(respond("1")).host(&bench).definition().id().clone();
    bench.get("/");
    bench.get("/");
    let list = bench.get("/programs").json();
    let program = list.as_array().unwrap()[0].as_object().unwrap();
    let member = |name| program.get(name).cloned().unwrap_or_default();
    assert_eq!(member("item_hash"), id.as_str().into());
    assert_eq!(member("path"), format!("/vm/{id}/").as_str().into());
    assert_eq!(member("runs").as_object().unwrap().get("answered"), Some(&Value::from(2_i64)));
    let series =
        |name: &str, label: &str| -> String { format!("{name}{{program=\"{id}\"{label}}}") };
    let runs = series("aerolith_program_runs_total", ",outcome=\"answered\"");
    assert_eq!(bench.metric(&runs), 2.0);
    assert_eq!(bench.metric(&series("aerolith_program_held_bytes", "")), 0.0, "all is given back");
    assert!(bench.metric(&series("aerolith_program_peak_bytes", "")) > 0.0);
}

#[test]
fn variables_reach_the_program() {
    let more = r#","variables":{"A":"1","B":"two"}"#;
    let calls = [
        r#"("env" "get") ["B"] b"#,
        r#"("env" "get") ["C" "default"] c"#,
        r#"("env" "list") [] all"#,
    ];
    let document = Document { more: more.into(), ..Document::of(after(&calls, "b c all")) };
    assert_eq!(answer(&document).body, r#"["two","default",{"A":"1","B":"two"}]"#);
    let missing = Document::of(after(&[r#"("env" "get") ["C"] c"#], "c"));
    assert_eq!(answer(&missing).status, 500);
}

#[test]
fn scripts_that_no_program_runs_have_no_vault_and_no_variables() {
    for call in
        [r#"("vault" "list") [] x"#, r#"("env" "list") [] x"#, r#"("aleph" "properties") [] x"#]
    {
        let reply = Bench::new().air(&after(&[call], "x"));
        assert_eq!(reply.status, 422);
        assert!(reply.error("message").to_json().contains("not found"), "{}", reply.body);
    }
}
