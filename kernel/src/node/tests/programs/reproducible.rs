//! Runs that are functions of their triggers.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use futures_util::future::FutureExt;

use super::super::bench::Bench;
use super::{Document, after, answer};
use crate::program::Trigger;

const REPRODUCIBLE: &str = r#"{"reproducible":true}"#;

/// Asks for everything that a run could differ in, and leaves it behind.
fn curious() -> Document {
    let script = r#"
        (seq
          (seq
            (par
              (call %init_peer_id% ("peer" "timeout") [300 "late"] late)
              (par
                (call %init_peer_id% ("peer" "timeout") [200 "early"] early)
                (seq
                  (call %init_peer_id% ("peer" "timeout") [200 "twin"] twin)
                  (call %init_peer_id% ("peer" "timestamp_ms") [] after_twin))))
            (seq
              (call %init_peer_id% ("op" "array") [late early after_twin] waited)
              (call %init_peer_id% ("peer" "timestamp_ms") [] now)))
          (seq
            (seq
              (call %init_peer_id% ("vault" "put") [now] path)
              (call %init_peer_id% ("json" "stringify") [now %timestamp% %ttl%] text))
            (seq
              (call %init_peer_id% ("vault" "put") ["/state/times" text] kept)
              (call %init_peer_id% ("callbackSrv" "response") [now waited path %timestamp%]))))"#;
    Document {
        environment: REPRODUCIBLE,
        ..Document::keeping_state(script.replace("[now %timestamp% %ttl%]", "[now]"))
    }
}

/// Data, export and answer of a run that begins at this time on a node that has been up for a while.
fn everything(trigger: &Trigger, uptime: Duration) -> (Vec<u8>, Vec<u8>, String) {
    let bench = Bench::new();
    bench.machine.advance(uptime);
    // The generator is elsewhere too.
    let mut drawn = [0; 13];
    let drawn = drawn.get_mut(..usize::from(!uptime.is_zero()) * 13).unwrap();
    crate::machine::Machine::fill_random(&bench.machine, drawn);
    let program = curious().host(&bench);
    let result = crate::executor::Slot::new();
    let (slot, running, trigger) = (result.clone(), program.clone(), trigger.clone());
    bench.executor.spawn(async move {
        slot.put(running.run(trigger).await);
    });
    bench.run();
    let reply = result.take().now_or_never().unwrap().unwrap();
    let key = format!("program/{}/data", program.definition().id());
    let export = bench.programs.store().get(&key).now_or_never().unwrap().unwrap().unwrap();
    (reply.data().unwrap().to_vec(), export, reply.value().unwrap().to_json())
}

#[test]
fn the_same_trigger_gives_the_same_data_export_and_answer() {
    let trigger = Trigger::Cron { tick: 1_700_000_000 };
    let first = everything(&trigger, Duration::ZERO);
    assert_eq!(everything(&trigger, Duration::from_secs(12_345)), first);
    assert_eq!(
        first.2,
        r#"[1700000000300,["late","early",1700000000200],"/tmp/vault/0",1700000000000]"#
    );
    let other = everything(&Trigger::Cron { tick: 1_700_000_060 }, Duration::ZERO);
    assert!(other.0 != first.0 && other.1 != first.1 && other.2 != first.2);
}

#[test]
fn a_request_has_the_time_of_the_program_and_waits_take_none() {
    let bench = Bench::new();
    let calls = [
        r#"("peer" "timestamp_sec") [] before"#,
        r#"("peer" "timeout") [1000 "x"] x"#,
        r#"("peer" "timestamp_ms") [] behind"#,
    ];
    let document =
        Document { environment: REPRODUCIBLE, ..Document::of(after(&calls, "before behind")) };
    document.host(&bench);
    let began = bench.machine_micros();
    assert_eq!(bench.get("/").body, "[1600000000,1600000001500]");
    assert!(bench.machine_micros() - began < 1_000_000, "a wait takes no time");
}

#[test]
fn what_tells_of_the_surroundings_is_not_there() {
    for call in [
        r#"("peer" "identify") [] x"#,
        r#"("peer" "is_connected") ["12D3KooWRawPbxPtP1eZaJpumGnyWX2DcUyd3RQnydr3eAto4Az7"] x"#,
        r#"("kad" "neighborhood") ["a"] x"#,
    ] {
        let document = Document { environment: REPRODUCIBLE, ..Document::of(after(&[call], "x")) };
        let reply = answer(&document);
        assert!(reply.status == 500 && reply.body.contains("reproducible"), "{}", reply.body);
    }
}
