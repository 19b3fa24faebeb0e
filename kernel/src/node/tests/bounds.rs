//! What one client can make the node do, and that others do not notice.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use air_core::Value;
use futures_util::future::FutureExt;

use super::bench::{Bench, post, taken};
use crate::executor::Slot;
use crate::limits::{MAX_CALLS_WAITING, MAX_RESULT_BYTES_IN_A_ROW, MAX_UNREACHABLE_NAMED};
use crate::machine::HeapUse;

const RESPOND: &str = "(call %init_peer_id% (\"callbackSrv\" \"response\") [\"ok\"])";

/// Folds in folds, and in the innermost thousands of instructions: work for hours in little memory.
pub fn endless() -> String {
    let mut body = String::from("(null)");
    for _ in 0..11 {
        body = format!("(seq {body} {body})");
    }
    for level in 0..3 {
        body = format!("(fold list i{level} (seq {body} (next i{level})))");
    }
    let ones = "1 ".repeat(100);
    format!("(seq (call %init_peer_id% (\"op\" \"array\") [{ones}] list) {body})")
}

#[test]
fn the_size_of_a_script_is_bounded_at_its_limit() {
    let bench = Bench::with(|config| config.particles.max_script_bytes = 1000);
    let script = |bytes: usize| format!("{RESPOND}{}", " ".repeat(bytes - RESPOND.len()));
    assert_eq!(bench.air(&script(1000)).status, 200);
    let reply = bench.air(&script(1001));
    assert_eq!(reply.status, 413);
    let expected = "the script is longer than the limit of 1000 bytes";
    assert_eq!(reply.error("message"), Value::from(expected));
    let chunked = format!(
        "POST /air HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n\
         3e9\r\n{}\r\n0\r\n\r\n",
        script(1001)
    );
    let reply = bench.send(chunked.into_bytes());
    bench.run();
    assert_eq!(taken(&reply).status, 413);
}

#[test]
fn particles_beyond_the_bound_are_told_to_come_back() {
    let bench = Bench::with(|config| config.particles.max_live = 3);
    let script = format!("(seq (call %init_peer_id% (\"peer\" \"timeout\") [50] t) {RESPOND})");
    let replies: Vec<Slot<_>> = (0..5).map(|_| bench.post("/air", &script)).collect();
    bench.run();
    let replies: Vec<_> = replies.iter().map(taken).collect();
    assert_eq!(replies.iter().filter(|reply| reply.status == 200).count(), 3);
    for refused in replies.iter().filter(|reply| reply.status != 200) {
        assert_eq!(refused.status, 503);
        assert!(refused.head.contains("Retry-After: 1"), "{}", refused.head);
    }
    assert_eq!(bench.metric("aerolith_particles_total{outcome=\"refused\"}"), 2.0);
    assert_eq!(bench.air(RESPOND).status, 200, "there is room again");
}

#[test]
fn a_script_that_computes_for_ever_is_stopped_by_its_fuel() {
    let bench = Bench::new();
    let endless = bench.post("/air", &endless());
    let quick = bench.post("/air", RESPOND);
    for _ in 0..5 {
        bench.executor.turn();
    }
    assert!(quick.is_filled(), "others are answered in the meantime");
    assert!(!endless.is_filled(), "{:?}", taken(&endless));
    bench.run();
    let reply = taken(&endless);
    assert_eq!(reply.status, 422);
    let message = reply.error("message");
    assert!(message.as_str().unwrap().contains("units of fuel"), "{message}");
    assert_eq!(
        bench.metric("aerolith_particles_total{outcome=\"exhausted\"}"),
        1.0,
        "{}",
        reply.body
    );
}

#[test]
fn a_stream_that_feeds_itself_is_stopped_by_its_size() {
    let reply = Bench::new().air("(seq (ap 1 $s) (fold $s i (seq (ap i $s) (next i))))");
    assert_eq!((reply.status, reply.error("code")), (422, 20013_i64.into()));
}

#[test]
fn a_deadline_stops_a_script_that_computes() {
    // The clock of the test stands still while scripts run, so a second particle moves it.
    let bench = Bench::with(|config| config.particles.ttl_ms = 20);
    let endless = bench.post("/air", &endless());
    for _ in 0..5 {
        bench.executor.turn();
    }
    assert!(!endless.is_filled(), "{:?}", taken(&endless));
    bench.machine.advance(Duration::from_millis(20));
    bench.run();
    assert_eq!(taken(&endless).status, 504);
    assert_eq!(bench.metric("aerolith_particles"), 0.0);
}

#[test]
fn a_particle_has_only_so_many_steps() {
    // Each call needs a step of its own, as each waits for the one before it.
    let calls = crate::limits::MAX_STEPS_PER_PARTICLE as usize;
    let list = "1 ".repeat(1000);
    let script = format!(
        "(seq (call %init_peer_id% (\"op\" \"array\") [{list}] a)
          (fold a i (seq (fold a k (seq (call %init_peer_id% (\"op\" \"noop\") []) (next k))) (next i))))"
    );
    let bench = Bench::with(|config| config.particles.ttl_ms = 300_000);
    let reply = bench.air(&script);
    assert_eq!(reply.status, 422);
    assert!(bench.metric("aerolith_interpreter_steps_total") <= calls as f64);
    assert_eq!(
        bench.metric("aerolith_particles_total{outcome=\"exhausted\"}"),
        1.0,
        "{}",
        reply.body
    );
}

#[test]
fn services_can_give_a_particle_only_so_many_bytes() {
    let text = "x".repeat(60_000);
    // Ten times as long, each time; the fourth time it is longer than one result may be.
    let script = format!(
        "(seq (call %init_peer_id% (\"op\" \"identity\") [\"{text}\"] a)
         (seq (call %init_peer_id% (\"op\" \"concat_strings\") [a a a a a a a a a a] b)
         (seq (call %init_peer_id% (\"op\" \"array\") [1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16] list)
         (seq (fold list i (par (call %init_peer_id% (\"op\" \"identity\") [b] c) (next i)))
         {RESPOND}))))"
    );
    let bench = Bench::new();
    let reply = bench.air(&script);
    assert_eq!(reply.status, 422);
    let message = reply.error("message");
    assert!(message.as_str().unwrap().contains("bytes"), "{message}");
}

#[test]
fn a_body_that_never_comes_ends_the_connection() {
    let bench = Bench::new();
    let mut request = post("/air", "", b"(null)");
    request.truncate(request.len() - 1);
    let reply = bench.send(request);
    bench.run();
    assert_eq!(taken(&reply).status, 400);
    assert_eq!(bench.metric("aerolith_particles"), 0.0);
}

#[test]
fn particles_are_refused_and_ended_while_memory_is_short() {
    let heap = |used| HeapUse { total: 100_000, used, peak: used };
    let bench = Bench::new();
    bench.machine.set_heap(heap(66_668));
    assert_eq!(bench.air(RESPOND).status, 503);
    bench.machine.set_heap(heap(66_667));
    assert_eq!(bench.air(RESPOND).status, 200);
    let endless = bench.post("/air", &endless());
    for _ in 0..5 {
        bench.executor.turn();
    }
    bench.machine.set_heap(heap(90_000));
    bench.run();
    let reply = taken(&endless);
    assert_eq!(reply.status, 503);
    let expected = "the machine has no memory left for the particle";
    assert_eq!(reply.error("message"), Value::from(expected));
}

#[test]
fn the_interpreter_gives_a_particle_only_so_much_time() {
    let bench = Bench::with(|config| config.particles.ttl_ms = 300_000);
    bench.machine.set_tick(Duration::from_millis(20));
    let reply = bench.air(&endless());
    assert_eq!(reply.status, 422);
    let expected = "the particle needs more than 10 s of the interpreter";
    assert_eq!(reply.error("message"), Value::from(expected));
}

/// A script that makes `count` calls side by side, each of which waits.
fn waiting_calls(count: usize) -> String {
    let ones = |count| "1 ".repeat(count);
    format!(
        "(seq (call %init_peer_id% (\"op\" \"array\") [{}] a)
         (seq (call %init_peer_id% (\"op\" \"array\") [{}] b)
         (seq (call %init_peer_id% (\"op\" \"concat\") [a b] list)
              (fold list i (par (call %init_peer_id% (\"peer\" \"timeout\") [10]) (next i))))))",
        ones(count / 2),
        ones(count - count / 2),
    )
}

#[test]
fn a_particle_has_only_so_many_waiting_calls() {
    let series =
        |result| format!("aerolith_service_calls_total{{service=\"peer\",result=\"{result}\"}}");
    let bench = Bench::new();
    assert_eq!(bench.air(&waiting_calls(MAX_CALLS_WAITING)).status, 204);
    assert_eq!(bench.metric(&series("ok")), MAX_CALLS_WAITING as f64);
    assert!(!bench.node.metrics_page().contains(&series("error")));
    bench.air(&waiting_calls(MAX_CALLS_WAITING + 1));
    assert_eq!(bench.metric(&series("error")), 1.0);
}

#[test]
fn a_report_names_only_so_many_peers() {
    let calls = (0..=MAX_UNREACHABLE_NAMED).fold(String::from("(null)"), |all, peer| {
        format!("(par (call \"peer-{peer}-\" (\"op\" \"noop\") []) {all})")
    });
    let bench = Bench::new();
    let message = bench.air(&calls).error("message");
    assert_eq!(message.as_str().unwrap().matches("peer-").count(), MAX_UNREACHABLE_NAMED);
    let unreachable = bench.metric("aerolith_unreachable_peers_total");
    assert_eq!(unreachable, (MAX_UNREACHABLE_NAMED + 1) as f64);
}

#[test]
fn bodies_that_are_read_at_once_are_bounded_together() {
    let bench = Bench::new();
    let bodies = bench.node.allowance().bodies;
    let script = bench.node.allowance().script;
    // The bodies never come: each holds its part until it is given up.
    let head = format!("POST /air HTTP/1.1\r\nHost: x\r\nContent-Length: {script}\r\n\r\n");
    let fitting = bodies / script;
    let mut clients = Vec::new();
    for _ in 0..fitting {
        let (client, server) = netstack::pipe::pair(4096);
        let (timer, web) = (bench.executor.clone(), crate::node::Web::new(bench.programs.clone()));
        bench.executor.spawn(async move {
            netstack::http::serve(server, &netstack::http::Limits::default(), &timer, &web).await;
        });
        clients.push(client);
    }
    for client in &mut clients {
        let sent = embedded_io_async::Write::write_all(client, head.as_bytes());
        futures_util::FutureExt::now_or_never(sent).expect("there is room").unwrap();
    }
    for _ in 0..10 {
        bench.executor.turn();
    }
    let refused = bench.post("/air", &format!("(null){}", " ".repeat(script - 6)));
    let small = bench.get("/health");
    assert_eq!(small.status, 200);
    assert_eq!(taken(&refused).status, 503);
    drop(clients);
    bench.run();
    assert_eq!(bench.air("(null)").status, 204, "there is room again");
}

#[test]
fn open_instructions_are_bounded_by_the_machine() {
    let bench = Bench::small();
    let nested =
        |depth: usize| format!("{}{RESPOND}{}", "(xor ".repeat(depth), " (null))".repeat(depth));
    let frames = bench.node.allowance().frames;
    let reply = bench.air(&format!(
        "(seq (call %init_peer_id% (\"op\" \"array\") [{}] list) (fold list i {}))",
        "1 ".repeat(500),
        nested(500).replace(RESPOND, "(next i)"),
    ));
    assert!(frames < 500 * 500);
    assert_eq!((reply.status, reply.error("code")), (422, 40000_i64.into()));
    assert_eq!(bench.air(&nested(500)).status, 200);
}

#[test]
fn the_tree_of_a_script_is_bounded_by_the_machine() {
    let bench = Bench::small();
    let script = |count: usize| {
        let texts: String = (0..count).map(|number| format!("\"{number}\" ")).collect();
        format!("(call \"p\" (\"s\" \"f\") [{texts}])")
    };
    let reply = bench.air(&script(12_000));
    assert_eq!(reply.status, 400);
    let message = reply.error("message");
    assert!(message.as_str().unwrap().contains("tree takes more than"), "{message}");
    assert_eq!(bench.air(&script(1_000)).status, 504, "it parses: only the peer is not there");
}

#[test]
fn an_error_that_a_script_reports_is_told_in_short() {
    let mut script = String::from("(seq (ap \"0123456789\" $s0) (canon %init_peer_id% $s0 #c0))");
    for level in 1..12 {
        let before = level - 1;
        script = format!(
            "(seq {script} (seq (seq (ap #c{before} $s{level}) (ap #c{before} $s{level}))
              (canon %init_peer_id% $s{level} #c{level})))"
        );
    }
    let reply = Bench::new().air(&format!(
        "(seq {script} (call %init_peer_id% (\"errorHandlingSrv\" \"error\") [#c11]))"
    ));
    assert_eq!(reply.status, 422);
    assert!(reply.body.len() < 4 * crate::limits::MAX_EXCERPT_BYTES, "{}", reply.body.len());
}

#[test]
fn many_results_that_come_at_once_are_taken_in_turns() {
    const CALLS: f64 = 800.0;
    const ITEMS: usize = 800;
    let bench = Bench::new();
    let ones = "1 ".repeat(ITEMS);
    let list = format!("(call %init_peer_id% (\"op\" \"array\") [{ones}] list)");
    let call = "(call %init_peer_id% (\"peer\" \"timeout\") [10 list] $r)";
    let reply = bench.post("/air", &format!("(seq {list} (fold list i (par {call} (next i))))"));
    let (node, executor, most) = (bench.node.clone(), bench.executor.clone(), Slot::new());
    let observed = most.clone();
    bench.executor.spawn(async move {
        executor.sleep(Duration::from_millis(10)).await;
        let made = || {
            let series = "aerolith_service_calls_total{service=\"peer\",result=\"ok\"}";
            let samples = crate::metrics::check_exposition(&node.metrics_page());
            samples.iter().find(|(name, _)| name == series).map_or(0.0, |(_, value)| *value)
        };
        let (mut before, mut most) = (0.0, 0.0_f64);
        while before < CALLS {
            let now = made();
            most = most.max(now - before);
            before = now;
            crate::executor::yield_now().await;
        }
        observed.put(most);
    });
    bench.run();
    assert_eq!(taken(&reply).status, 204);
    let most = most.take().now_or_never().expect("all calls were made");
    // A result has two bytes for each item.
    assert!(most <= (MAX_RESULT_BYTES_IN_A_ROW / ITEMS + 2) as f64, "{most} in a row");
}
