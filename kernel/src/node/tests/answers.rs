//! Scripts that succeed.

use alloc::format;
use alloc::vec::Vec;
use core::time::Duration;

use super::bench::{Bench, PEER_ID, taken};
use crate::executor::Slot;
use crate::machine::Instant;

/// A call of a service on this node.
fn call(service: &str, function: &str, arguments: &str, output: &str) -> alloc::string::String {
    format!("(call %init_peer_id% (\"{service}\" \"{function}\") [{arguments}] {output})")
}

fn respond(arguments: &str) -> alloc::string::String {
    call("callbackSrv", "response", arguments, "")
}

#[test]
fn a_script_answers_with_what_it_gives_to_its_callback() {
    for (arguments, expected) in [
        ("", "null"),
        ("\"hello\"", "\"hello\""),
        ("1 2.5 true []", "[1,2.5,true,[]]"),
        ("%init_peer_id%", &format!("\"{PEER_ID}\"")),
        ("%ttl%", "7000"),
        ("%timestamp%", "1704067200000"),
    ] {
        let reply = Bench::new().air(&respond(arguments));
        assert_eq!((reply.status, reply.body.as_str()), (200, expected), "{arguments}");
        assert!(reply.head.contains("Content-Type: application/json"), "{}", reply.head);
    }
}

#[test]
fn the_query_is_the_data_of_the_script() {
    let script = format!(
        "(seq {} (seq {} {}))",
        call("getDataSrv", "name", "", "name"),
        call("getDataSrv", "point", "", "point"),
        respond("name point.$.x"),
    );
    let bench = Bench::new();
    let reply = bench.post("/air?name=J%C3%BCrgen+M&point={%22x%22:[1,2]}", &script);
    bench.run();
    assert_eq!(taken(&reply).body, r#"["Jürgen M",[1,2]]"#);
}

#[test]
fn a_script_without_a_response_is_answered_with_no_content() {
    let bench = Bench::new();
    let reply = bench.air("(null)");
    assert_eq!((reply.status, reply.body.as_str()), (204, ""));
    assert_eq!(bench.metric("aerolith_particles_total{outcome=\"silent\"}"), 1.0);
}

#[test]
fn services_are_called_one_after_the_other() {
    let script = format!(
        "(seq {} (seq {} {}))",
        call("math", "mul", "6 7", "product"),
        call("json", "obj", "\"answer\" product", "object"),
        respond("object"),
    );
    let bench = Bench::new();
    assert_eq!(bench.air(&script).body, r#"{"answer":42}"#);
    assert_eq!(bench.metric("aerolith_particles_total{outcome=\"answered\"}"), 1.0);
    assert_eq!(bench.metric("aerolith_interpreter_steps_total"), 4.0);
    assert_eq!(bench.metric("aerolith_service_calls_total{service=\"math\",result=\"ok\"}"), 1.0);
    assert_eq!(bench.metric("aerolith_particles"), 0.0);
}

#[test]
fn the_faster_of_two_branches_answers() {
    let branch = |millis: u32| {
        format!(
            "(seq {} {})",
            call("peer", "timeout", &format!("{millis} \"{millis}\""), &format!("t{millis}")),
            respond(&format!("t{millis}")),
        )
    };
    let bench = Bench::new();
    let reply = bench.air(&format!("(par {} {})", branch(200), branch(50)));
    assert_eq!(reply.body, "\"50\"");
    assert_eq!(reply.at, Instant::from_micros(50_000));
}

#[test]
fn two_hundred_particles_wait_side_by_side() {
    let script = format!(
        "(seq {} (seq {} {}))",
        call("getDataSrv", "number", "", "number"),
        call("peer", "timeout", "100 number", "late"),
        respond("late"),
    );
    let bench = Bench::new();
    let replies: Vec<Slot<_>> =
        (0..200).map(|number| bench.post(&format!("/air?number={number}"), &script)).collect();
    bench.run();
    for (number, reply) in replies.iter().enumerate() {
        let reply = taken(reply);
        assert_eq!((reply.status, reply.body), (200, format!("{number}")));
        assert_eq!(reply.at, Instant::ZERO.after(Duration::from_millis(100)));
    }
    assert_eq!(bench.metric("aerolith_particles"), 0.0);
    assert_eq!(bench.metric("aerolith_script_cache_total{result=\"miss\"}"), 1.0);
    assert_eq!(bench.metric("aerolith_script_cache_total{result=\"hit\"}"), 199.0);
}

#[test]
fn an_answer_does_not_wait_for_the_rest_of_the_particle() {
    let script =
        format!("(par {} {})", call("peer", "timeout", "5000", ""), respond("\"at once\""));
    let bench = Bench::new();
    let reply = bench.air(&script);
    assert_eq!((reply.body.as_str(), reply.at), ("\"at once\"", Instant::ZERO));
    assert_eq!(bench.machine_micros(), 5_000_000, "the particle went on");
}

#[test]
fn answers_of_one_connection_come_in_order() {
    let bench = Bench::new();
    let script = respond("\"first\"");
    let mut requests = format!(
        "POST /air HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{script}",
        script.len()
    );
    requests.push_str("GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let reply = bench.send(requests.into_bytes());
    bench.run();
    let body = taken(&reply).body;
    let places = [body.find("first"), body.find(PEER_ID)];
    assert!(places[0].is_some() && places[0] < places[1], "{body}");
}

#[test]
fn a_client_that_leaves_does_not_stop_its_particle() {
    let bench = Bench::new();
    let script = format!("(seq {} {})", call("peer", "timeout", "10", ""), respond(""));
    let (client, server) = netstack::pipe::pair(4096);
    let (timer, web) = (bench.executor.clone(), crate::node::Web::new(bench.programs.clone()));
    bench.executor.spawn(async move {
        netstack::http::serve(server, &netstack::http::Limits::default(), &timer, &web).await;
    });
    let request = super::bench::post("/air", "", script.as_bytes());
    bench.executor.spawn(async move {
        let mut client = client;
        embedded_io_async::Write::write_all(&mut client, &request).await.unwrap();
    });
    bench.run();
    assert_eq!(
        bench.metric("aerolith_service_calls_total{service=\"callbackSrv\",result=\"ok\"}"),
        1.0
    );
    assert_eq!(bench.metric("aerolith_particles"), 0.0);
}
