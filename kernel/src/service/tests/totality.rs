//! Every built-in is there and takes any arguments.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use air_core::data::Tetraplet;
use air_core::value::{Number, Value};
use futures_util::future::FutureExt;
use proptest::prelude::*;

use super::bench::request_of;
use super::{Bench, OTHER_ID, OWN_ID};
use crate::machine::Instant;
use crate::service::{Caller, Started};

/// Every function of the table in the module's documentation.
const ALL: &[(&str, &str)] = &[
    (
        "op",
        "noop identity array array_length concat concat_strings string_to_b58 string_from_b58 \
         bytes_to_b58 bytes_from_b58 sha256_string",
    ),
    ("json", "obj put puts obj_pairs puts_pairs parse stringify"),
    ("math", "add sub mul fmul div rem pow log"),
    ("cmp", "gt gte lt lte cmp"),
    ("array", "sum dedup intersect diff sdiff slice length"),
    ("debug", "stringify"),
    ("peer", "identify timestamp_ms timestamp_sec timeout is_connected get_contact connect"),
    ("kad", "neighborhood neigh_with_addrs merge"),
    ("sig", "sign verify get_peer_id"),
    ("srv", "list info get_interface resolve_alias resolve_alias_opt create add_alias remove"),
    ("dist", "list_modules list_blueprints get_blueprint"),
    ("stat", "service_memory service_stat"),
    ("run-console", "print"),
    ("getDataSrv", "name other"),
    ("callbackSrv", "response other"),
    ("errorHandlingSrv", "error"),
];

fn all() -> impl Iterator<Item = alloc::string::String> {
    ALL.iter().flat_map(|(service, functions)| {
        functions.split_whitespace().map(move |function| alloc::format!("{service}.{function}"))
    })
}

#[test]
fn every_function_of_the_table_exists() {
    let bench = Bench::new();
    for name in all() {
        if let Started::Done(reply) = bench.start(&name, "[]") {
            assert!(!reply.result.contains("not found (function"), "{name}");
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
        prop::num::f64::NORMAL
            .prop_map(|float| Number::from_f64(float).map_or(Value::Null, Value::from)),
        ".{0,12}".prop_map(|text| Value::from(text.as_str())),
        "[1-9A-HJ-NP-Za-km-z]{0,60}".prop_map(|text| Value::from(text.as_str())),
        "(/(ip4|dns|tcp|p2p|ws)/?[0-9.]{0,9}){0,4}".prop_map(|text| Value::from(text.as_str())),
        Just(Value::from(OTHER_ID)),
        Just(Value::from(OWN_ID)),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4)
                .prop_map(|items| Value::array(items).unwrap()),
            prop::collection::vec(any::<u8>(), 0..70).prop_map(|bytes| {
                let bytes = bytes.into_iter().map(|byte| Value::from(u32::from(byte)));
                Value::array(bytes.collect()).unwrap()
            }),
            prop::collection::vec(("[a-c]{1,2}", inner), 0..4).prop_map(|members| {
                let members = members.into_iter().map(|(key, value)| (key.into(), value));
                Value::object(members.collect()).unwrap()
            }),
        ]
    })
}

fn tetraplet() -> impl Strategy<Value = Arc<Tetraplet>> {
    let peer = prop_oneof![Just(OWN_ID.into()), Just(OTHER_ID.into()), ".{0,9}"];
    let service = prop_oneof![Just("registry".into()), ".{0,9}"];
    let function = prop_oneof![Just("get_record_bytes".into()), ".{0,9}"];
    let lens = prop_oneof![Just("".into()), ".{0,9}"];
    (peer, service, function, lens).prop_map(|(peer, service, function, lens)| {
        let (peer, service): (alloc::string::String, alloc::string::String) = (peer, service);
        let (function, lens): (alloc::string::String, alloc::string::String) = (function, lens);
        Arc::new(Tetraplet {
            peer_pk: peer.into(),
            service_id: service.into(),
            function_name: function.into(),
            lens: lens.into(),
        })
    })
}

/// The arguments, and as many lists of where they are from as there may be.
fn arguments() -> impl Strategy<Value = (Vec<Value>, Vec<Vec<Arc<Tetraplet>>>)> {
    let tetraplets = prop_oneof![
        3 => tetraplet().prop_map(|tetraplet| vec![tetraplet]),
        1 => prop::collection::vec(tetraplet(), 0..3),
    ];
    (prop::collection::vec(json(), 0..5), prop::collection::vec(tetraplets, 0..5))
}

proptest! {
    #[test]
    fn any_arguments_give_code_0_or_1_and_json(
        (arguments, tetraplets) in arguments(),
        is_host: bool,
    ) {
        let bench = Bench::new();
        let caller = Caller {
            init_peer_id: if is_host { OWN_ID } else { OTHER_ID }.into(),
            author: Some(bench.author.clone()),
            run: None,
        };
        for name in all() {
            let mut request = request_of(&name, arguments.clone());
            request.tetraplets = tetraplets.clone();
            let reply = match bench.services.start(&caller, &request) {
                Started::Done(reply) => reply,
                Started::Waiting(waiting) => {
                    bench.machine.sleep_until(Instant::NEVER);
                    waiting.now_or_never().expect("no wait is longer than time")
                }
            };
            prop_assert!(matches!(reply.ret_code, 0 | 1), "{}", name);
            let result = Value::parse(&reply.result);
            prop_assert!(result.is_ok(), "{} {}", name, reply.result);
            prop_assert!(reply.ret_code == 0 || result.unwrap().as_str().is_some());
        }
    }
}
