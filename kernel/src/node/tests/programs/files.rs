//! What programs read, write, keep and stream.

use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;

use futures_util::future::FutureExt;

use super::super::bench::{Bench, post, taken};
use super::{Document, after, answer, at_once, field};
use crate::program::Programs;
use crate::store::{Memory, Store};

/// Counts its runs in `/state/count`.
fn counter() -> Document {
    let calls = [
        r#"("vault" "get") ["/state/count" "0"] text"#,
        r#"("json" "parse") [text] before"#,
        r#"("math" "add") [before 1] count"#,
        r#"("vault" "put") ["/state/count" count] path"#,
    ];
    Document::keeping_state(after(&calls, "count"))
}

#[test]
fn state_is_kept_from_run_to_run_and_over_restarts() {
    let bench = Bench::new();
    let id = counter().host(&bench).definition().id().clone();
    assert_eq!([bench.get("/").body, bench.get("/").body], ["1", "2"]);
    let key = format!("program/{id}/data");
    let kept = bench.programs.store().get(&key).now_or_never().unwrap().unwrap().unwrap();
    assert_eq!(kept.get(..3), Some(&[0x1f, 0x8b, 8][..]), "gzip");

    let mut again = Bench::new();
    again.programs = Programs::new(again.node.clone(), bench.programs.store().clone());
    counter().host(&again);
    assert_eq!(again.get("/").body, "3");
}

#[test]
fn runs_of_a_program_with_state_go_one_after_the_other() {
    let bench = Bench::new();
    let slow = counter().script.replace("(seq (call %init_peer_id% (\"json\" \"parse\")", "(seq (call %init_peer_id% (\"peer\" \"timeout\") [10 1] t) (seq (call %init_peer_id% (\"json\" \"parse\")");
    let document = Document::keeping_state(slow + ")");
    document.host(&bench);
    let mut bodies: alloc::vec::Vec<_> =
        at_once(&bench, 12).into_iter().map(|reply| reply.body.parse::<u32>().unwrap()).collect();
    bodies.sort_unstable();
    assert_eq!(bodies, (1..=12).collect::<alloc::vec::Vec<_>>(), "no count is lost");
}

#[test]
fn a_state_that_shrinks_to_nearly_nothing_is_there_after_a_restart() {
    let calls = [
        r#"("vault" "list") ["/state"] before"#,
        r#"("vault" "fill") ["/state/zeros" "0" 3000000] path"#,
    ];
    let document = Document::keeping_state(after(&calls, "before"));
    let document = Document { resources: r#"{"memory":16,"seconds":2}"#, ..document };
    let bench = Bench::new();
    document.host(&bench);
    assert_eq!(bench.get("/").body, "[]");
    let mut again = Bench::new();
    again.programs = Programs::new(again.node.clone(), bench.programs.store().clone());
    document.host(&again);
    assert_eq!(again.get("/").body, r#"["/state/zeros"]"#);
}

#[test]
fn others_go_on_while_a_large_state_is_packed() {
    let call = r#"("vault" "fill") ["/state/large" "some text that is there again" 4000000] path"#;
    let document = Document::keeping_state(after(&[call], "path"));
    let document = Document { resources: r#"{"memory":16,"seconds":2}"#, ..document };
    let bench = Bench::new();
    bench.machine.set_tick(core::time::Duration::from_micros(1));
    document.host(&bench);
    let reply = bench.send(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".to_vec());
    let answered = Rc::new(core::cell::Cell::new(false));
    let turns = Rc::new(core::cell::Cell::new(0));
    let (done, counted) = (answered.clone(), turns.clone());
    bench.executor.spawn(async move {
        while !done.get() {
            counted.set(counted.get() + 1);
            crate::executor::yield_now().await;
        }
    });
    while !reply.is_filled() {
        bench.executor.turn();
    }
    answered.set(true);
    bench.run();
    assert_eq!(taken(&reply).body, "/state/large");
    let slices = 4_000_000 / crate::aleph::package::SLICE_BYTES;
    assert!(turns.get() > slices, "{} turns in {slices} slices", turns.get());
}

#[test]
fn a_run_that_fails_leaves_nothing() {
    let bench = Bench::new();
    let calls = [
        r#"("vault" "list") ["/state"] before"#,
        r#"("vault" "put") ["/state/x" "1"] path"#,
        r#"("math" "div") [1 0] y"#,
    ];
    let program = Document::keeping_state(after(&calls, "before")).host(&bench);
    assert_eq!([bench.get("/").status, bench.get("/").status], [500, 500]);
    let key = format!("program/{}/data", program.definition().id());
    assert_eq!(bench.programs.store().get(&key).now_or_never().unwrap(), Ok(None));
}

#[test]
fn what_is_written_outside_of_the_export_is_gone_with_the_run() {
    let calls = [
        r#"("vault" "list") [] before"#,
        r#"("vault" "put") ["/elsewhere/x" "1"] a"#,
        r#"("vault" "put") ["nameless"] b"#,
        r#"("vault" "put") ["/state/y" "1"] c"#,
        r#"("vault" "list") [] behind"#,
    ];
    let bench = Bench::new();
    Document::keeping_state(after(&calls, "before b behind")).host(&bench);
    let first = r#"[[],"/tmp/vault/0",["/elsewhere/x","/state/y","/tmp/vault/0"]]"#;
    assert_eq!(bench.get("/").body, first);
    let second = first.replace("[[],", r#"[["/state/y"],"#);
    assert_eq!(bench.get("/").body, second);
}

#[test]
fn files_are_read_written_listed_and_deleted() {
    let calls = [
        r#"("vault" "put") ["/a/x" "text"] p"#,
        r#"("vault" "put") ["/a/b/y" 7] q"#,
        r#"("json" "obj") ["base64" "/w=="] bytes"#,
        r#"("vault" "put") ["/c" bytes] r"#,
        r#"("vault" "cat") ["/a/x"] x"#,
        r#"("vault" "get") ["a/b/y"] y"#,
        r#"("vault" "get") ["/c"] c"#,
        r#"("vault" "list") ["/a"] inside"#,
        r#"("vault" "delete") ["/a/x"] gone"#,
        r#"("vault" "delete") ["/a/x"] again"#,
        r#"("vault" "list") [] all"#,
    ];
    let reply = answer(&Document::of(after(&calls, "x y c inside gone again all")));
    let expected = r#"["text","7",{"base64":"/w=="},["/a/b/y","/a/x"],true,false,["/a/b/y","/c"]]"#;
    assert_eq!(reply.body, expected);
}

#[test]
fn what_cannot_be_a_file_is_refused() {
    for (call, why) in [
        (r#"("vault" "get") ["/x"] r"#, "no such file"),
        (r#"("vault" "cat") ["/x"] r"#, "Error reading vault file `/x`"),
        (r#"("vault" "put") ["/a/../b" "1"] r"#, "the path is none"),
        (r#"("vault" "put") ["/a/" "1"] r"#, "the path is none"),
        (r#"("vault" "put") ["/opt/code/x" "1"] r"#, "the code cannot be written"),
        (r#"("vault" "delete") ["/opt/code"] r"#, "the code cannot be written"),
        (r#"("vault" "put") [1 2] r"#, "expected a path"),
    ] {
        let reply = answer(&Document::of(after(&[call], "r")));
        assert_eq!(reply.status, 500, "{call}");
        assert!(reply.body.contains(why), "{call}: {}", reply.body);
    }
    let through = [r#"("vault" "put") ["/a" "1"] p"#, r#"("vault" "put") ["/a/b" "1"] q"#];
    assert!(answer(&Document::of(after(&through, "1"))).body.contains("is there twice"));
}

#[test]
fn a_large_body_is_a_file_and_a_file_may_be_the_reply() {
    let bench = Bench::new();
    let scope = r#"("getDataSrv" "request") [] scope"#;
    Document::of(after(&[scope], "scope.$.body")).host(&bench);
    let body = "0123456789abcdef".repeat(64 << 10);
    let reply = bench.send(post("/", "", body.as_bytes()));
    bench.run();
    let reply = taken(&reply);
    assert_eq!(reply.status, 200, "{:.200}", reply.body);
    assert!(reply.body == body, "{} bytes", reply.body.len());
    assert_eq!(field(&reply, "content-length").unwrap(), format!("{}", body.len()));
    assert_eq!(field(&reply, "content-type").unwrap(), "application/octet-stream");
    let missing = r#"("json" "obj") ["file" "/nowhere"] reply"#;
    assert_eq!(answer(&Document::of(after(&[missing], "reply"))).status, 500);
}

#[test]
fn a_state_that_cannot_be_read_is_no_reason_to_begin_anew() {
    let bench = Bench::new();
    let id = counter().host(&bench).definition().id().clone();
    let mut broken = Bench::new();
    let store: Rc<dyn Store> = Rc::new(Memory::new(1 << 20));
    let key = format!("program/{id}/data");
    store.put(&key, b"no archive").now_or_never().unwrap().unwrap();
    broken.programs = Programs::new(broken.node.clone(), store.clone());
    counter().host(&broken);
    assert_eq!(broken.get("/").status, 400);
    let kept = store.get(&key).now_or_never().unwrap().unwrap();
    assert_eq!(kept.as_deref(), Some(&b"no archive"[..]), "what is there stays");
}

#[test]
fn a_state_that_the_store_does_not_take_fails_the_run() {
    let mut bench = Bench::new();
    bench.programs = Programs::new(bench.node.clone(), Rc::new(Memory::new(100)));
    counter().host(&bench);
    let reply = bench.get("/");
    assert_eq!(reply.status, 500);
    assert!(reply.body.contains("the program's state cannot be kept"), "{}", reply.body);
}

#[test]
fn what_a_program_writes_after_its_answer_does_not_count() {
    let bench = Bench::new();
    let write = r#"(call %init_peer_id% ("vault" "put") ["/state/late" "1"] p)"#;
    let list = r#"("vault" "list") [] all"#;
    let script: String = format!("(seq {} {write})", after(&[list], "all"));
    Document::keeping_state(script).host(&bench);
    assert_eq!([bench.get("/").body, bench.get("/").body], ["[]", "[]"]);
}
