//! Random scripts and random bytes: always an answer, nothing left behind.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use proptest::prelude::*;

use super::bench::{Bench, post, taken};

/// Statuses that a script may be answered with.
const STATUSES: [u16; 5] = [200, 204, 400, 422, 504];

/// Operands that the definitions in front of each script give a meaning to.
const SURE_OPERANDS: [&str; 14] = [
    "1",
    "-2.5",
    "\"s\"",
    "[]",
    "true",
    "%init_peer_id%",
    "%timestamp%",
    "%last_error%.$.message",
    ":error:",
    "a",
    "a.$.[0]",
    "b.$.k",
    "#$c",
    "#$c.$.[0]",
];

fn operand() -> impl Strategy<Value = String> {
    prop_oneof![
        30 => prop::sample::select(&SURE_OPERANDS[..]),
        1 => prop::sample::select(&["i", "j", "nobody"][..]),
    ]
    .prop_map(ToString::to_string)
}

fn call() -> impl Strategy<Value = String> {
    let functions = prop_oneof![
        Just("\"op\" \"identity\""),
        Just("\"op\" \"array\""),
        Just("\"op\" \"nope\""),
        Just("\"math\" \"add\""),
        Just("\"json\" \"obj\""),
        Just("\"array\" \"slice\""),
        Just("\"peer\" \"timeout\""),
        Just("\"callbackSrv\" \"response\""),
        Just("\"errorHandlingSrv\" \"error\""),
        Just("\"getDataSrv\" \"x\""),
        Just("a b"),
    ];
    let peer = prop_oneof![9 => Just("%init_peer_id%"), 1 => Just("\"elsewhere\""), 1 => Just("a")];
    let output = prop_oneof![Just(""), Just("y"), Just("$s"), Just("$t")];
    (peer, functions, prop::collection::vec(operand(), 0..4), output).prop_map(
        |(peer, function, arguments, output)| {
            format!("(call {peer} ({function}) [{}] {output})", arguments.join(" "))
        },
    )
}

fn instruction() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        4 => call(),
        1 => Just("(null)".to_string()),
        1 => Just("(never)".to_string()),
        1 => operand().prop_map(|value| format!("(ap {value} z)")),
        1 => operand().prop_map(|value| format!("(ap {value} $s)")),
        1 => operand().prop_map(|value| format!("(ap (\"k\" {value}) %m)")),
        1 => Just("(canon %init_peer_id% $s #$c)".to_string()),
        1 => Just("(fail 7 \"x\")".to_string()),
        1 => Just("(fail %last_error%)".to_string()),
    ];
    leaf.prop_recursive(6, 40, 2, |inner| {
        let pair = (inner.clone(), inner.clone());
        prop_oneof![
            4 => pair.clone().prop_map(|(l, r)| format!("(seq {l} {r})")),
            2 => pair.clone().prop_map(|(l, r)| format!("(par {l} {r})")),
            2 => pair.prop_map(|(l, r)| format!("(xor {l} {r})")),
            1 => inner.clone().prop_map(|body| format!("(fold a i (seq {body} (next i)))")),
            1 => inner.clone().prop_map(|body| format!("(fold $s i (seq {body} (next i)))")),
            1 => inner.clone().prop_map(|body| format!("(fold $t j (par {body} (next j)) (null))")),
            1 => inner.clone().prop_map(|body| format!("(new $s {body})")),
            1 => (operand(), operand(), inner).prop_map(|(l, r, body)| format!("(match {l} {r} {body})")),
        ]
    })
}

/// Definitions in front of the rest, so that more of the random scripts get past the checks.
fn script() -> impl Strategy<Value = String> {
    instruction().prop_map(|body| {
        format!(
            "(seq (call %init_peer_id% (\"op\" \"array\") [1 2 3] a)
             (seq (call %init_peer_id% (\"json\" \"obj\") [\"k\" \"v\"] b)
             (seq (par (ap 1 $s) (seq (ap \"x\" $s) (ap [] $t)))
             (seq (canon %init_peer_id% $s #$c) {body}))))"
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn every_script_is_answered(script in script()) {
        let bench = Bench::with(|config| config.particles.ttl_ms = 1000);
        // Work takes time, so the deadline ends the scripts that feed themselves.
        bench.machine.set_tick(Duration::from_micros(200));
        let reply = bench.air(&script);
        prop_assert!(STATUSES.contains(&reply.status), "{} {}", reply.status, script);
        if reply.status >= 400 {
            prop_assert!(reply.error("message").as_str().is_some());
        }
        prop_assert_eq!(bench.metric("aerolith_particles"), 0.0);
    }

    #[test]
    fn any_bytes_are_answered(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let bench = Bench::new();
        let reply = bench.send(post("/air", "", &body));
        bench.run();
        prop_assert!(STATUSES.contains(&taken(&reply).status));
    }

    #[test]
    fn damaged_scripts_are_answered(script in script(), at in 0_usize..2000, byte in 0_u8..128) {
        let mut bytes: Vec<u8> = script.into_bytes();
        let index = at % bytes.len();
        bytes[index] = byte;
        let bench = Bench::with(|config| config.particles.ttl_ms = 1000);
        bench.machine.set_tick(Duration::from_micros(200));
        let reply = bench.send(post("/air", "", &bytes));
        bench.run();
        prop_assert!(STATUSES.contains(&taken(&reply).status));
    }
}
