//! The protocol as a host sees it.

mod bench;
mod bundles;

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use embedded_io_async::Write;
use proptest::prelude::*;

use super::configuration::{Refusal, network, program};
use super::limits::{
    HOST_CLOSE_NETWORK_MS, HOST_REQUEST_MS, HOST_SETTLE_MS, READY_LATE_PAUSE_MS, READY_PAUSE_MS,
    READY_PAUSES_UNTIL_LATE,
};
use super::*;
use crate::aleph::host::{
    Configuration, READY, Run, Volume, configured, error_reply, event_reply, http_reply,
};
use crate::aleph::limits::MAX_TRIGGER_BODY_BYTES;
use crate::aleph::trigger::{Answer, Failure};
use crate::executor::Slot;
use crate::store::{Memory, Store};
use air_core::value::Value;
use bench::{Bench, HASH, configuration, read_to_end, request, serve_api, taken};

fn text_answer(status: u16, body: &str) -> Vec<u8> {
    let headers = vec![("content-type".into(), "text/plain".into())];
    http_reply(&Answer { status, headers, body: body.into() })
}

fn contains(bytes: &[u8], text: &str) -> bool {
    text.is_empty() || bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn ready_is_said_again_until_the_host_listens() {
    let bench = Bench::new();
    bench.wire.refuse(100);
    let bench = bench.serve();
    bench.run_for(10);
    assert_eq!(bench.wire.attempts(), 101);
    assert_eq!(bench.executor.now().as_micros(), 100 * 1000 * READY_PAUSE_MS);
    let said = Slot::new();
    let (slot, mut pipe) = (said.clone(), bench.wire.of_guest(PORT).unwrap());
    bench.executor.spawn(async move {
        slot.put(read_to_end(&mut pipe).await);
    });
    bench.run_for(1);
    assert_eq!(taken(&said), READY);
}

#[test]
fn a_host_that_never_listens_is_asked_less_often() {
    let bench = Bench::new();
    bench.wire.refuse(u32::MAX);
    let bench = bench.serve();
    let eager = u64::from(READY_PAUSES_UNTIL_LATE) * READY_PAUSE_MS / 1000;
    assert!(eager >= 20, "as long as hosts wait");
    bench.run_for(eager);
    let attempts = bench.wire.attempts();
    assert!(attempts.abs_diff(READY_PAUSES_UNTIL_LATE) <= 1);
    bench.run_for(100);
    let late = u32::try_from(100_000 / READY_LATE_PAUSE_MS).unwrap();
    assert!((bench.wire.attempts() - attempts).abs_diff(late) <= 1);
}

#[test]
fn a_host_that_configures_need_not_be_told() {
    let bench = Bench::new();
    bench.wire.refuse(u32::MAX);
    let bench = bench.serve();
    let answer = bench.configure(&configuration());
    assert_eq!(answer, configured());
    let attempts = bench.wire.attempts();
    bench.run_for(100);
    assert!(bench.wire.attempts() <= attempts + 1);
}

#[test]
fn requests_are_answered_in_the_one_form() {
    let bench = Bench::configured();
    assert_eq!(bench.request("/ping", "", b""), text_answer(200, "pong"));
    assert_eq!(bench.request("/status/404", "", b""), text_answer(404, "status 404"));
    assert_eq!(bench.request("/nope", "", b""), text_answer(404, "no such path"));
    let boom = bench.request("/raise", "", b"");
    assert!(boom.starts_with(&error_reply("boom", "boom\n")[..20]), "{boom:?}");
    assert_eq!(bench.request("/ping", "", b""), text_answer(200, "pong"));
}

#[test]
fn what_the_program_says_is_not_treated_further() {
    let bench = Bench::configured();
    // The host leaves header fields out and adds others itself, and replaces what a 404 says.
    let fields = [("x-first", "1"), ("x-second", "a, b"), ("x-first", "2")];
    let headers = fields.map(|(name, value)| (name.into(), value.into())).to_vec();
    let expected = http_reply(&Answer { status: 201, headers, body: b"h".to_vec() });
    assert_eq!(bench.request("/headers", "", b""), expected);
}

#[test]
fn bodies_of_any_size_come_back() {
    let bench = Bench::configured();
    for length in [0, 1, 4096, 70_000, MAX_TRIGGER_BODY_BYTES] {
        let body: Vec<u8> =
            (0..length).map(|at| at.to_le_bytes()[0] ^ at.to_le_bytes()[1]).collect();
        let kind = "application/octet-stream";
        let headers = vec![("content-type".into(), kind.into())];
        let expected = http_reply(&Answer { status: 200, headers, body: body.clone() });
        assert!(bench.request("/mirror", "", &body) == expected, "{length}");
    }
    let more = vec![0; MAX_TRIGGER_BODY_BYTES + 1];
    assert!(contains(&bench.request("/mirror", "", &more), "too large a body"));
}

#[test]
fn a_body_that_a_file_is_filled_with_leaves_whole() {
    let bench = Bench::configured();
    let expected = text_answer(200, &"x".repeat(300_000));
    assert!(bench.request("/big", "300000", b"") == expected);
    assert_eq!(bench.request("/big", "0", b""), text_answer(200, ""));
    // What the program has no memory for is an error of the call, after which it says that there is nothing.
    for too_much in ["99999999999", "18446744073709551615", "-1", "1.5"] {
        assert_eq!(bench.request("/big", too_much, b""), text_answer(404, "no such path"));
    }
}

#[test]
fn a_request_in_pieces_is_put_together() {
    let bench = Bench::configured();
    for piece in [1, 7] {
        let answer = bench.send(&request("/mirror", "", &[0xff; 300]), piece);
        bench.run_for(10);
        assert!(contains(&taken(&answer), "application/octet-stream"));
    }
}

#[test]
fn the_program_sees_the_whole_request() {
    let bench = Bench::configured();
    let run = Run::Http {
        path: "/scope/é",
        method: "PATCH",
        query: "a=1&b= x",
        headers: vec![(b"host".as_slice(), b"example".as_slice()), (b"x", b"1"), (b"x", b"2")],
        body: &[0, 1, 0xff, 0x80],
    };
    let answer = bench.ask(&run.encode());
    for part in [
        "\"body_len\":4",
        "\"body_sha256\":\"dfb8b48c3a682a28b07b529062dbcf4b24bff460c9516d2cc68c857601ba99fb\"",
        "\"headers\":[[\"host\",\"example\"],[\"x\",\"1\"],[\"x\",\"2\"]]",
        "\"method\":\"PATCH\"",
        "\"path\":\"/scope/é\"",
        "\"query_string\":\"a=1&b= x\"",
    ] {
        assert!(contains(&answer, part), "{part} in {:?}", String::from_utf8_lossy(&answer));
    }
    assert!(contains(&bench.request("/vars", "", b""), "héllo"));
}

#[test]
fn requests_run_side_by_side() {
    let bench = Bench::configured();
    let begun = bench.executor.now();
    let slow: Vec<_> = (0..10).map(|_| bench.send(&request("/sleep", "1000", b""), 999)).collect();
    bench.run_for(60);
    for answer in slow {
        assert_eq!(taken(&answer), text_answer(200, "slept"));
    }
    let took = bench.executor.now().since(begun);
    assert!(took < Duration::from_millis(1100), "{took:?}");
}

#[test]
fn messages_are_answered_with_what_the_program_gives() {
    let bench = Bench::configured();
    let echo = |body: &str| event_reply(&Value::parse(&format!("{{\"echo\":{body}}}")).unwrap());
    assert_eq!(bench.ask(&Run::Event(Some("{\"a\":1}")).encode()), echo("\"{\\\"a\\\":1}\""));
    assert_eq!(bench.ask(&Run::Event(None).encode()), echo("null"));
}

#[test]
fn a_message_that_has_a_name_runs_once() {
    let bench = Bench::configured();
    let message = format!("{{\"item_hash\":\"{HASH}\",\"type\":\"POST\"}}");
    let first = bench.ask(&Run::Event(Some(&message)).encode());
    assert!(contains(&first, "echo"));
    let again = bench.ask(&Run::Event(Some(&message)).encode());
    assert_eq!(again, event_reply(&Value::Null));
}

/// A message of this name, as a host tells of it.
fn told(number: u32) -> Vec<u8> {
    let hash = crate::aleph::item_hash::ItemHash::of(&number.to_le_bytes());
    Run::Event(Some(&format!("{{\"item_hash\":\"{hash}\"}}"))).encode()
}

#[test]
fn a_message_that_was_told_of_before_a_restart_does_not_run_again() {
    let store: Rc<dyn Store> = Rc::new(Memory::new(1 << 20));
    for life in 0..3 {
        let bench = Bench::on(store.clone()).serve();
        // Before there is a program nothing is taken for told.
        assert!(contains(&bench.ask(&told(100 + life)), "no program is configured"));
        assert_eq!(bench.configure(&configuration()), configured());
        assert!(contains(&bench.ask(&told(100 + life)), "echo"));
        for number in 0..100 {
            let answer = bench.ask(&told(number));
            assert_eq!(contains(&answer, "echo"), life == 0, "{number} in life {life}");
        }
        bench.executor.shut_down();
    }
}

#[test]
fn messages_told_of_at_the_same_time_are_all_noted() {
    let store: Rc<dyn Store> = Rc::new(Memory::new(1 << 20));
    for is_new in [true, false] {
        let bench = Bench::on(store.clone()).serve();
        assert_eq!(bench.configure(&configuration()), configured());
        let answers: Vec<_> = (0..20).map(|number| bench.send(&told(number), 999)).collect();
        bench.run_for(10);
        assert!(answers.iter().all(|answer| contains(&taken(answer), "echo") == is_new));
        bench.executor.shut_down();
    }
}

#[test]
fn more_messages_than_are_remembered_run_though_the_clock_stands_still_or_is_set_back() {
    let bench = Bench::configured();
    bench.machine.set_clock(None);
    let many = u32::try_from(crate::limits::MAX_SEEN_PER_PROGRAM).unwrap() + 10;
    for number in 0..many {
        assert!(contains(&bench.ask(&told(number)), "echo"), "{number}");
    }
    bench.machine.set_clock(Some(1000));
    assert!(contains(&bench.ask(&told(many)), "echo"));
    for number in [many - 1, many] {
        assert_eq!(bench.ask(&told(number)), event_reply(&Value::Null), "{number}");
    }
    assert!(contains(&bench.ask(&told(0)), "echo"), "it says no time, and is forgotten");
}

#[test]
fn messages_that_say_their_time_never_run_twice() {
    let bench = Bench::configured();
    let many = u32::try_from(crate::limits::MAX_SEEN_PER_PROGRAM).unwrap() + 10;
    let told = |number: u32| {
        let hash = crate::aleph::item_hash::ItemHash::of(&number.to_le_bytes());
        let time = 1_700_000_000 + number;
        let message = format!(r#"{{"item_hash":"{hash}","content":{{"time":{time}.5}}}}"#);
        Run::Event(Some(&message)).encode()
    };
    for number in 0..many {
        assert!(contains(&bench.ask(&told(number)), "echo"), "{number}");
    }
    for number in [0, 9, 10, many - 1] {
        assert_eq!(bench.ask(&told(number)), event_reply(&Value::Null), "{number}");
    }
}

#[test]
fn a_host_that_hangs_up_ends_the_run() {
    let bench = Bench::configured();
    let mut pipe = bench.wire.connect_to_guest();
    let request = request("/sleep", "30000", b"");
    let held = Slot::new();
    let slot = held.clone();
    bench.executor.spawn(async move {
        pipe.write_all(&request).await.unwrap();
        slot.put(pipe);
    });
    bench.run_for(1);
    let hosted = bench.programs.only().unwrap();
    assert_eq!(hosted.gate().inside(), 1);
    drop(taken(&held));
    bench.run_for(1);
    assert_eq!(hosted.gate().inside(), 0);
    assert_eq!(bench.request("/ping", "", b""), text_answer(200, "pong"));
}

#[test]
fn nothing_runs_before_a_configuration_and_there_is_one() {
    let bench = Bench::new().serve();
    let early = bench.request("/ping", "", b"");
    assert_eq!(early, error_reply("no program is configured", "no program is configured\n"));
    assert_eq!(bench.configure(&configuration()), configured());
    assert_eq!(bench.configure(&configuration()), Refusal::Again.reply());
    assert_eq!(bench.request("/ping", "", b""), text_answer(200, "pong"));
}

#[test]
fn a_configuration_that_cannot_be_is_refused_with_the_reason_and_another_may_follow() {
    let bench = Bench::new().serve();
    let good = configuration();
    let files = vec![Volume { mount: "/opt/venv", device: "vdb", read_only: true }];
    let cases = [
        (Configuration { vm_hash: "x", ..good.clone() }, "item hash"),
        (Configuration { encoding: "rar", ..good.clone() }, "encoding"),
        (Configuration { code: b"(nonsense", ..good.clone() }, "does not parse"),
        (Configuration { code: b"\xff", ..good.clone() }, ""),
        (Configuration { encoding: "zip", ..good.clone() }, "cannot be unpacked"),
        (Configuration { encoding: "squashfs", ..good.clone() }, "is not there"),
        (Configuration { input_data: Some(b"PK"), ..good.clone() }, "`data` cannot be unpacked"),
        (Configuration { volumes: files, ..good.clone() }, "vdb"),
        (
            Configuration { variables: Some(vec![("AIR_SECONDS", "soon")]), ..good.clone() },
            "AIR_SECONDS",
        ),
    ];
    for (wrong, reason) in cases {
        let answer = bench.configure(&wrong);
        assert!(answer.starts_with(b"\x83\xa7success\xc2\xa5error"), "{reason}: {answer:?}");
        assert!(contains(&answer, reason), "{reason} in {:?}", String::from_utf8_lossy(&answer));
    }
    assert!(contains(&bench.ask(b"3\n\xc1\xc1\xc1"), "cannot be read"));
    assert!(contains(&bench.ask(b"1234567890\n"), "cannot be read"));
    assert_eq!(bench.configure(&good), configured());
}

#[test]
fn a_configuration_beyond_the_memory_is_read_to_its_end_and_refused() {
    let bench = Bench::new().serve();
    let heap = crate::machine::HeapUse { total: 3 << 20, used: 0, peak: 0 };
    let length = 1 << 20;
    bench.machine.set_heap(heap);
    let mut bytes = format!("{length}\n").into_bytes();
    bytes.resize(bytes.len() + length, 0xc0);
    assert!(contains(&bench.ask(&bytes), "too little memory"));
}

#[test]
fn code_may_be_on_a_disk() {
    let bench = Bench::new();
    let image = include_bytes!("../../aleph/package/samples/sample.squashfs");
    let mut disk = image.to_vec();
    disk.resize(disk.len().next_multiple_of(crate::store::SECTOR_BYTES), 0);
    bench.noted.disks.borrow_mut().push(("vdb".into(), disk));
    let bench = bench.serve();
    let volumes = vec![Volume { mount: "/opt/code", device: "vdb", read_only: true }];
    let configuration =
        Configuration { encoding: "squashfs", code: b"", volumes, ..configuration() };
    assert_eq!(bench.configure(&configuration), configured());
}

#[test]
fn halt_closes_the_network_says_both_lines_and_switches_off() {
    for (settles, closes) in [(true, true), (false, true), (true, false)] {
        let bench = Bench::configured();
        bench.noted.never_closes.set(!closes);
        if !settles {
            bench.wire.never_settle();
        }
        let begun = bench.executor.now();
        assert_eq!(bench.ask(b"halt"), b"STOP\nSTOPZ\n");
        assert!(bench.noted.is_closed.get() && bench.noted.is_off.get());
        let took = bench.executor.now().since(begun).as_millis();
        assert!(settles || took >= u128::from(HOST_SETTLE_MS), "{took}");
        assert!(closes || took >= u128::from(HOST_CLOSE_NETWORK_MS), "{took}");
        assert!(took < u128::from(HOST_CLOSE_NETWORK_MS + HOST_SETTLE_MS) + 50, "{took}");
        assert!(contains(&bench.request("/ping", "", b""), "no program is configured"));
        assert_eq!(bench.ask(b"halt"), b"");
    }
}

#[test]
fn a_host_that_takes_no_answer_to_halt_holds_nothing_up() {
    let bench = Bench::configured();
    let mut pipe = bench.wire.connect_with_room(1);
    let held = Slot::new();
    let slot = held.clone();
    bench.executor.spawn(async move {
        pipe.write_all(b"halt").await.unwrap();
        slot.put(pipe);
    });
    bench.run_for(5);
    assert!(bench.noted.is_off.get());
    drop(taken(&held));
}

#[test]
fn what_is_no_request_is_closed_without_an_answer() {
    let bench = Bench::configured();
    for bytes in [&b"!id\n"[..], b"\x90", b"\n", b"\xff", b"hal!"] {
        assert_eq!(bench.ask(bytes), b"", "{bytes:?}");
    }
    assert!(!bench.noted.is_off.get());
    assert!(contains(&bench.ask(b"\x81\xc1"), "not MessagePack"));
    assert!(contains(&bench.ask(b"\x81\xa1x\xc0"), "missing"));
    assert_eq!(bench.request("/ping", "", b""), text_answer(200, "pong"));
}

#[test]
fn a_connection_that_says_nothing_does_not_last() {
    let bench = Bench::configured();
    let begun = bench.executor.now();
    assert_eq!(bench.ask(b""), b"");
    assert_eq!(bench.executor.now().since(begun).as_millis(), u128::from(HOST_REQUEST_MS));
    assert!(contains(&bench.ask(b"\x81\xa5scope"), "did not come in time"));
}

#[test]
fn programs_reach_the_api_by_the_host() {
    let bench = Bench::configured();
    const NONE: &str = "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone";
    const BAD: &str = "HTTP/1.1 400 Bad Request\r\nContent-Length: 3\r\n\r\nbad";
    serve_api(
        &bench,
        &[
            ("PUT /cache/k1 HTTP/1.1\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ntrue"),
            ("GET /cache/k1 HTTP/1.1\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
            ("GET /cache/?pattern=k* ", "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n[\"k1\"]"),
            ("DELETE /cache/k1 ", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1"),
            ("GET /cache/k1 ", NONE),
            ("GET /cache/a-b ", BAD),
        ],
    );
    let answer = bench.request("/cache-roundtrip", "hello", b"");
    for part in [
        "\"put\":[200,\"true\"]",
        "\"get\":[200,\"hello\"]",
        "\"list\":[200,\"[\\\"k1\\\"]\"]",
        "\"delete\":[200,\"1\"]",
        "\"gone\":[404,\"none\"]",
        "\"bad\":[400,\"bad\"]",
    ] {
        assert!(contains(&answer, part), "{part} in {:?}", String::from_utf8_lossy(&answer));
    }
}

#[test]
fn an_api_that_nobody_serves_is_an_error_of_the_call() {
    let bench = Bench::configured();
    bench.wire.refuse(u32::MAX);
    // The program answers every path for which something fails so.
    let answer = bench.request("/cache-roundtrip", "hello", b"");
    assert_eq!(answer, text_answer(404, "no such path"));
}

#[test]
fn the_network_is_set_where_there_is_a_device() {
    let told = Configuration {
        ip: Some("172.16.4.2"),
        route: Some("172.16.4.1"),
        dns_servers: vec!["1.1.1.1", "1.1.1.1", "nonsense", "2606:4700::1111"],
        ipv6: Some("fc00:1:2:3:1:123:4567:89a1/124"),
        ipv6_gateway: Some("fc00:1:2:3:1:123:4567:89a0"),
        ..configuration()
    };
    for has_network in [false, true] {
        let bench = Bench::new();
        bench.noted.has_network.set(has_network);
        let bench = bench.serve();
        assert_eq!(bench.configure(&told), configured());
        let network = bench.noted.network.borrow().clone();
        let Some(network) = network else {
            assert!(!has_network);
            continue;
        };
        let addresses: Vec<_> = network.addresses.iter().map(|cidr| format!("{cidr}")).collect();
        assert_eq!(addresses, ["172.16.4.2/24", "fc00:1:2:3:1:123:4567:89a1/124"]);
        assert_eq!((network.gateways.len(), network.dns.len()), (2, 2));
        assert_eq!(network.hostname, "zl7mv7wk73fp5sx6zl7mv7wk73fp5sx6zl7mv7wk73fp5sx6zl7a");
        let environment = bench.programs.only().unwrap().program().environment;
        assert!(environment.internet && environment.aleph_api);
    }
    let id = HASH.parse().unwrap();
    assert_eq!(network(&configuration(), &id), None);
    let masked = Configuration { ip: Some("10.1.2.3/16"), ..configuration() };
    assert_eq!(format!("{}", network(&masked, &id).unwrap().addresses[0]), "10.1.2.3/16");
}

#[test]
fn variables_say_what_the_configuration_does_not() {
    let with = |variables: &[(&'static str, &'static str)]| {
        let variables = Some(variables.to_vec());
        program(&Configuration { variables, ..configuration() }, false, 64)
    };
    let plain = with(&[]).unwrap();
    assert!(plain.triggers.http && plain.triggers.cron.is_none());
    assert!(!plain.environment.internet && !plain.environment.reproducible);
    assert_eq!(plain.resources.memory_mib, 64);
    let said = with(&[
        ("AIR_SECONDS", "7"),
        ("AIR_REPRODUCIBLE", "true"),
        ("AIR_HTTP", "false"),
        ("AIR_CRON", "5 4 * * *"),
    ]);
    let said = said.unwrap();
    assert_eq!(said.resources.milliseconds, 7000);
    assert!(said.environment.reproducible && !said.triggers.http && said.triggers.cron.is_some());
    for (name, value) in
        [("AIR_SECONDS", "0"), ("AIR_REPRODUCIBLE", "maybe"), ("AIR_HTTP", ""), ("AIR_CRON", "x")]
    {
        assert_eq!(with(&[(name, value)]), Err(Refusal::Variable(name)));
    }
}

#[test]
fn a_disk_to_write_is_kept_and_there_is_one() {
    let disk = |mount, device| Volume { mount, device, read_only: false };
    let with = |volumes| program(&Configuration { volumes, ..configuration() }, false, 64);
    let kept = with(vec![disk("/var/lib/x", "vdb")]).unwrap();
    assert_eq!(kept.export.as_deref(), Some("/var/lib/x"));
    let two = with(vec![disk("/a", "vdb"), disk("/b", "vdc")]);
    assert!(matches!(two, Err(Refusal::Disk(device, _)) if device == "vdc"));
}

#[test]
fn failures_of_the_node_have_a_status_and_those_of_the_program_a_text() {
    assert!(contains(&reply::of_failure(&Failure::Busy), "Insufficient capacity"));
    assert_eq!(
        reply::of_failure(&Failure::Program("first\n  in call".into())),
        error_reply("first", "first\n  in call\n")
    );
    assert!(contains(&reply::of_failure(&Failure::Silent), "gave no reply"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_the_host_says_is_survived(
        connections in proptest::collection::vec(
            (any::<u8>(), proptest::collection::vec(any::<u8>(), 0..200), any::<bool>()),
            1..6,
        ),
        is_configured in any::<bool>(),
    ) {
        let bench = if is_configured { Bench::configured() } else { Bench::new().serve() };
        for (first, rest, is_run) in connections {
            let mut bytes = if is_run { request("/mirror", "", &rest) } else { vec![first] };
            if is_run && !bytes.is_empty() {
                let at = usize::from(first) % bytes.len();
                bytes[at] ^= 0x15;
            } else {
                bytes.extend(&rest);
            }
            let answer = bench.send(&bytes, 50);
            bench.run_for(200);
            prop_assert!(answer.is_filled());
        }
        prop_assert!(!bench.noted.is_off.get());
    }
}
