//! The bounds of arguments and results.

use alloc::format;
use alloc::vec::Vec;

use air_core::value::Value;

use super::bench::{error, request_of};
use super::{Bench, OWN_ID};
use crate::limits::{MAX_CALL_ARGUMENTS, MAX_CALL_RESULT_BYTES};
use crate::service::{Caller, Started, reply};

#[test]
fn the_number_of_arguments_is_bounded() {
    let bench = Bench::new();
    let many = |count: usize| format!("[{}1]", "1,".repeat(count - 1));
    assert_eq!(bench.call("op.array", &many(MAX_CALL_ARGUMENTS)).0, 0);
    let over = bench.call("op.array", &many(MAX_CALL_ARGUMENTS + 1));
    assert_eq!(error(&over), "call has 1025 arguments, more than the limit of 1024");
}

#[test]
fn the_size_of_results_is_bounded() {
    // A JSON string has two quotes more than its text.
    let at_limit = Value::string("x".repeat(MAX_CALL_RESULT_BYTES - 2));
    let over = Value::string("x".repeat(MAX_CALL_RESULT_BYTES - 1));
    assert_eq!(reply(Ok(Some(at_limit)), MAX_CALL_RESULT_BYTES).ret_code, 0);
    assert_eq!(reply(Ok(Some(over.clone())), MAX_CALL_RESULT_BYTES).ret_code, 1);
    let bench = Bench::new();
    let caller = Caller { init_peer_id: OWN_ID.into(), author: None, run: None };
    let arguments: Vec<Value> = (0..MAX_CALL_ARGUMENTS).map(|_| over.clone()).collect();
    for name in ["op.concat_strings", "op.array", "debug.stringify"] {
        match bench.services.start(&caller, &request_of(name, arguments.clone())) {
            Started::Done(reply) => assert_eq!(reply.ret_code, 1, "{name}"),
            Started::Waiting(_) => panic!("{name} waits"),
        }
    }
}
