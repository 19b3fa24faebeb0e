//! Bodies of requests: in the scope, or piece by piece in a file of the run.

use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use embedded_io_async::{Read, Write};
use futures_util::FutureExt;
use netstack::Stream;

use super::super::bench::{Bench, Reply, post, taken};
use super::{Document, after};
use crate::executor::Slot;
use crate::program::limits::{FIRST_BODY_BYTES, MAX_INLINE_BODY_BYTES};
use crate::program::{Hosted, RunOutcome};

const SCOPE: &str = r#"("getDataSrv" "scope") [] scope"#;

/// Tells where the body is, and how long it is there.
fn tells() -> Document {
    let file = r#"(xor (call %init_peer_id% ("vault" "size") [scope.$.body.file] size)
                       (ap "in the scope" size))"#;
    let script =
        format!("(seq (call %init_peer_id% {SCOPE}) (seq {file} {}))", super::respond("size"));
    Document { resources: r#"{"memory":1,"seconds":2}"#, ..Document::of(script) }
}

fn chunked(body: &[u8], piece: usize) -> Vec<u8> {
    let mut request = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
                        Transfer-Encoding: chunked\r\n\r\n"
        .to_vec();
    for piece in body.chunks(piece) {
        request.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        request.extend_from_slice(piece);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"0\r\n\r\n");
    request
}

fn send(bench: &Bench, request: Vec<u8>) -> Reply {
    let reply = bench.send(request);
    bench.run();
    taken(&reply)
}

fn nothing_is_left(bench: &Bench, program: &Hosted) {
    let gate = program.gate();
    assert_eq!((gate.inside(), gate.waiting(), gate.reserved()), (0, 0, 0));
    assert_eq!(program.account().held(), 0);
    assert_eq!(bench.node.bodies_being_read(), 0);
}

#[test]
fn a_body_is_in_the_scope_up_to_a_size_however_it_is_framed() {
    let bench = Bench::new();
    let program = tells().host(&bench);
    let body = vec![b'x'; MAX_INLINE_BODY_BYTES + 1];
    let exact = &body[..MAX_INLINE_BODY_BYTES];
    for request in [post("/", "", exact), chunked(exact, 1000), chunked(exact, 1 << 20)] {
        assert_eq!(send(&bench, request).body, "in the scope");
    }
    let size = format!("{}", body.len());
    for request in [post("/", "", &body), chunked(&body, 1000), chunked(&body, 1 << 20)] {
        assert_eq!(send(&bench, request).body, size);
    }
    assert_eq!(send(&bench, chunked(b"", 1)).body, "in the scope");
    nothing_is_left(&bench, &program);
}

#[test]
fn a_file_has_the_very_bytes_however_it_arrives() {
    let body: Vec<u8> =
        (0..5 * FIRST_BODY_BYTES + 77).map(|at| b'a' + u8::try_from(at % 23).unwrap()).collect();
    let bench = Bench::new();
    let resources = r#"{"memory":4,"seconds":2}"#;
    let program =
        Document { resources, ..Document::of(after(&[SCOPE], "scope.$.body")) }.host(&bench);
    for request in [post("/", "", &body), chunked(&body, 777), chunked(&body, 100_000)] {
        let reply = send(&bench, request);
        assert_eq!(reply.status, 200, "{:.200}", reply.body);
        assert!(reply.body.as_bytes() == body);
    }
    nothing_is_left(&bench, &program);
}

#[test]
fn a_body_is_in_the_memory_of_the_program_once() {
    let bench = Bench::with(|config| config.programs.max_body_bytes = 4 << 20);
    let program = tells().host(&bench);
    // What the run holds beside it is little.
    let most = program.account().limit() - (16 << 10);
    let body = vec![b'x'; most];
    assert_eq!(send(&bench, post("/", "", &body)).body, format!("{most}"));
    assert!(program.account().peak() <= program.account().limit());
    // While one grows whose length is not known, its old place and its new one are there.
    let half = &body[..most / 2];
    assert_eq!(send(&bench, chunked(half, 5000)).body, format!("{}", half.len()));
    nothing_is_left(&bench, &program);
}

#[test]
fn what_the_program_cannot_hold_is_refused_before_it_is_read() {
    let bench = Bench::with(|config| config.programs.max_body_bytes = 4 << 20);
    let program = tells().host(&bench);
    let limit = program.account().limit();
    for (length, status) in [(limit + 1, 413), ((4 << 20) + 1, 413)] {
        let head = format!(
            "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\n\
             Content-Length: {length}\r\n\r\n"
        );
        let reply = send(&bench, head.into_bytes());
        assert_eq!(reply.status, status, "and nobody was told to go on");
    }
    let reply = send(&bench, chunked(&vec![b'x'; limit + 1], 1 << 16));
    assert!(matches!(reply.status, 413 | 503), "{}", reply.status);
    assert_eq!(program.stats().get(RunOutcome::Answered), 0);
    nothing_is_left(&bench, &program);
}

#[test]
fn a_client_that_asks_is_told_to_go_on_once_there_is_room() {
    let bench = Bench::new();
    let program = tells().host(&bench);
    let body = vec![b'x'; MAX_INLINE_BODY_BYTES + 1];
    let mut client = bench.connect(4096);
    let said = Slot::new();
    let slot: Slot<String> = said.clone();
    bench.executor.spawn(async move {
        let head = format!(
            "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        client.write_all(head.as_bytes()).await.unwrap();
        let go_on = b"HTTP/1.1 100 Continue\r\n\r\n";
        let mut interim = vec![0; go_on.len()];
        client.read_exact(&mut interim).await.unwrap();
        assert_eq!(interim, go_on);
        client.write_all(&body).await.unwrap();
        let (mut bytes, mut buffer) = (Vec::new(), [0; 1024]);
        while let Ok(read @ 1..) = client.read(&mut buffer).await {
            bytes.extend_from_slice(&buffer[..read]);
        }
        slot.put(String::from_utf8(bytes).unwrap());
    });
    bench.run();
    let said = said.take().now_or_never().unwrap();
    assert!(said.starts_with("HTTP/1.1 200") && said.ends_with("65537"), "{said}");
    nothing_is_left(&bench, &program);
}

/// Sends the beginning of a request and then does nothing for a while, before the connection ends.
fn stalled(bench: &Bench, begin: Vec<u8>, pause: Duration) -> Slot<String> {
    let mut client = bench.connect(1 << 20);
    let said = Slot::new();
    let (slot, executor) = (said.clone(), bench.executor.clone());
    bench.executor.spawn(async move {
        client.write_all(&begin).await.unwrap();
        executor.sleep(pause).await;
        let _ = client.shutdown().await;
        let (mut bytes, mut buffer) = (Vec::new(), [0; 1024]);
        while let Ok(read @ 1..) = client.read(&mut buffer).await {
            bytes.extend_from_slice(&buffer[..read]);
        }
        slot.put(String::from_utf8(bytes).unwrap());
    });
    said
}

fn half_of(request: &[u8]) -> Vec<u8> {
    request[..request.len() / 2].to_vec()
}

#[test]
fn who_sends_slowly_breaks_off_or_lies_leaves_nothing_and_takes_no_turn() {
    let body = vec![b'x'; 3 * MAX_INLINE_BODY_BYTES];
    let lies = |length: usize| {
        let head = format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n");
        [head.as_bytes(), &body].concat()
    };
    let (soon, late) = (Duration::from_secs(1), Duration::from_secs(60));
    for (begin, pause, status) in [
        (half_of(&post("/", "", &body)), soon, "400"),
        (half_of(&chunked(&body, 1000)), soon, "400"),
        (half_of(&post("/", "", &body)), late, "408"),
        (half_of(&chunked(&body, 1000)), late, "408"),
        (lies(body.len() + 1), soon, "400"),
    ] {
        let bench = Bench::with(|config| config.programs.concurrency = 1);
        let program = tells().host(&bench);
        let stalled = stalled(&bench, begin, pause);
        for _ in 0..50 {
            bench.executor.turn();
        }
        assert_eq!((program.gate().reserved(), program.gate().inside()), (1, 0));
        assert!(program.account().held() > 0 && bench.node.bodies_being_read() > 0);
        // The program's only turn is free.
        let other = bench.send(post("/", "", b"small"));
        let before = bench.machine_micros();
        bench.run();
        let other = taken(&other);
        assert_eq!(other.body, "in the scope");
        assert!(other.at.as_micros() - before < 1_000_000, "{:?}", other.at);
        let said = stalled.take().now_or_never().unwrap();
        assert!(said.starts_with(&format!("HTTP/1.1 {status}")), "{said}");
        assert_eq!(program.stats().get(RunOutcome::Answered), 1);
        nothing_is_left(&bench, &program);
    }
    // Who sends more than it says has sent its next request, which is none.
    let bench = Bench::new();
    let program = tells().host(&bench);
    let reply = send(&bench, lies(MAX_INLINE_BODY_BYTES + 1));
    assert!(reply.body.starts_with("65537HTTP/1.1 4"), "{}", reply.body);
    nothing_is_left(&bench, &program);
}

#[test]
fn so_many_bodies_arrive_at_once_and_the_rest_are_told_to_come_back() {
    let bench = Bench::with(|config| config.programs.queue = 3);
    let resources = r#"{"memory":64,"seconds":2}"#;
    let program = Document { resources, ..tells() }.host(&bench);
    let begin = half_of(&post("/", "", &vec![b'x'; 3 * MAX_INLINE_BODY_BYTES]));
    let all: Vec<_> =
        (0..4).map(|_| stalled(&bench, begin.clone(), Duration::from_secs(1))).collect();
    for _ in 0..50 {
        bench.executor.turn();
    }
    assert_eq!(program.gate().reserved(), 3);
    bench.run();
    let said = |slot: &Slot<String>| slot.take().now_or_never().unwrap();
    let shed = all.iter().map(said).filter(|said| said.starts_with("HTTP/1.1 503")).count();
    assert_eq!((shed, program.stats().get(RunOutcome::Shed)), (1, 1));
    nothing_is_left(&bench, &program);
}

#[test]
fn memory_that_others_hold_is_waited_for_by_the_client() {
    let bench = Bench::new();
    let program: Rc<Hosted> = tells().host(&bench);
    let others = program.account().share();
    assert!(others.hold(program.account().limit() - MAX_INLINE_BODY_BYTES));
    let body = vec![b'x'; MAX_INLINE_BODY_BYTES + 1];
    let reply = send(&bench, post("/", "", &body));
    assert_eq!(reply.status, 503);
    assert_eq!(super::field(&reply, "retry-after").as_deref(), Some("1"));
    drop(others);
    assert_eq!(send(&bench, post("/", "", &body)).status, 200);
    nothing_is_left(&bench, &program);
}
