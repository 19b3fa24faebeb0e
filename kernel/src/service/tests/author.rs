//! `getDataSrv`, `callbackSrv`, `errorHandlingSrv`, `run-console`.

use air_core::value::Value;
use futures_util::future::FutureExt;

use super::bench::error;
use super::{Bench, GUARDED, OTHER_ID, OWN_ID};
use crate::service::Answer;

#[test]
fn the_author_hands_out_data_and_takes_the_first_answer() {
    let bench = Bench::new();
    assert_eq!(bench.call("getDataSrv.name", "[]"), (0, r#""World""#.into()));
    assert_eq!(bench.call("getDataSrv.nobody", "[]"), (1, r#""value not found""#.into()));
    assert_eq!(bench.call("callbackSrv.progress", "[1]"), (0, "{}".into()));
    assert!(!bench.author.answer().is_filled());
    assert_eq!(bench.call("callbackSrv.response", "[1,2]"), (0, "{}".into()));
    let told = bench.call("errorHandlingSrv.error", r#"[{"error_code":1},0]"#);
    assert_eq!(told, (0, "{}".into()));
    let answer = bench.author.answer().take().now_or_never();
    assert_eq!(answer, Some(Answer::Response(Value::parse("[1,2]").unwrap())));
}

#[test]
fn a_response_of_any_number_of_arguments_is_one_value() {
    for (arguments, expected) in [("[]", "null"), ("[[1]]", "[1]"), ("[1,[]]", "[1,[]]")] {
        let bench = Bench::new();
        bench.call("callbackSrv.response", arguments);
        let expected = Answer::Response(Value::parse(expected).unwrap());
        assert_eq!(bench.author.answer().take().now_or_never(), Some(expected));
    }
}

#[test]
fn a_stranger_has_no_access_to_the_author_or_the_console() {
    let bench = Bench::new();
    for (name, message) in [
        ("getDataSrv.name", "Service with id 'getDataSrv' not found (function name)"),
        ("callbackSrv.response", "Service with id 'callbackSrv' not found (function response)"),
        ("run-console.print", GUARDED),
    ] {
        assert_eq!(error(&bench.call_of_stranger(OTHER_ID, name, "[1]")), message);
    }
    assert_eq!(bench.call("run-console.print", r#"["hello"]"#), (0, r#""""#.into()));
    // The guard asks who wrote the particle, not who hands out its data.
    let own = bench.call_of_stranger(OWN_ID, "run-console.print", "[]");
    assert_eq!(own, (0, r#""""#.into()));
}
