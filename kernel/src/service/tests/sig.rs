//! `sig`.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use air_core::data::Tetraplet;
use air_core::value::Value;

use super::bench::{error, identity, peer_id, request, request_of};
use super::{Bench, OTHER_ID, OWN_ID, check_errors, check_values};
use crate::limits::MAX_SIGNED_BYTES;
use crate::service::{Caller, Started};

/// Where signed bytes come from.
fn origin(peer: &str, service: &str, function: &str, lens: &str) -> Arc<Tetraplet> {
    Arc::new(Tetraplet {
        peer_pk: peer.into(),
        service_id: service.into(),
        function_name: function.into(),
        lens: lens.into(),
    })
}

fn record() -> Arc<Tetraplet> {
    origin(OWN_ID, "registry", "get_record_bytes", "")
}

/// The answer to `sig.sign` in a particle of `author`, for an argument of that origin.
fn sign(author: &str, arguments: &str, origin: Vec<Arc<Tetraplet>>) -> (i32, String) {
    let mut request = request("sig.sign", arguments);
    request.tetraplets = vec![origin];
    let caller = Caller { init_peer_id: author.into(), author: None, run: None };
    match Bench::new().services.start(&caller, &request) {
        Started::Done(reply) => (reply.ret_code, reply.result),
        Started::Waiting(_) => panic!("signing does not wait"),
    }
}

fn member(json: &str, name: &str) -> Value {
    Value::parse(json).unwrap().as_object().unwrap().get(name).cloned().unwrap()
}

#[test]
fn what_the_registry_made_is_signed_and_verified() {
    for function in ["get_record_bytes", "get_record_metadata_bytes"] {
        let origin = origin(OWN_ID, "registry", function, "");
        let (ret_code, json) = sign(OWN_ID, "[[1,2,255]]", vec![origin]);
        assert_eq!(ret_code, 0, "{json}");
        assert_eq!(member(&json, "success"), Value::from(true));
        assert_eq!(member(&json, "error").to_json(), "[]");
        let signature = member(&json, "signature").as_array().unwrap()[0].clone();
        let bytes: Vec<u8> = signature
            .as_array()
            .unwrap()
            .iter()
            .map(|byte| u8::try_from(byte.as_number().unwrap().as_u64().unwrap()).unwrap())
            .collect();
        assert!(peer_id(1).verify(&[1, 2, 255], &bytes));
        let signature = signature.to_json();
        check_values(&[
            ("sig.verify", &format!("[{signature},[1,2,255]]"), "true"),
            ("sig.verify", &format!("[{signature},[1,2,254]]"), "false"),
        ]);
    }
}

#[test]
fn verify_takes_the_nodes_own_signatures_only() {
    let other = identity(9).sign(b"x");
    let other = format!("{other:?}");
    check_values(&[
        ("sig.verify", &format!("[{other},[120]]"), "false"),
        ("sig.verify", "[[],[]]", "false"),
        ("sig.verify", "[[1,2,3],[120]]", "false"),
        ("sig.get_peer_id", "[]", &format!("\"{OWN_ID}\"")),
    ]);
    check_errors(&[
        (
            "sig.verify",
            "[[]]",
            "Error: Field 'data' is missing from args to call_service\nMissingField(\"data\")",
        ),
        (
            "sig.verify",
            r#"["x",[]]"#,
            "Error: Error deserializing field 'signature': expected Vec<u8>, got \"x\"\n\
             DeserializeError { field: \"signature\", value: String(\"x\"), \
             expected_type: \"Vec<u8>\" }",
        ),
    ]);
}

#[test]
fn nothing_is_signed_for_others() {
    let refused = sign(OTHER_ID, "[[1]]", vec![record()]);
    let text = format!("peer '{OTHER_ID}' is not allowed to sign data on '{OWN_ID}'");
    assert_eq!(error(&refused), text);
}

#[test]
fn nothing_is_signed_that_comes_from_elsewhere() {
    let produced = "data is expected to result from a call to 'registry.get_record_bytes' or \
                    'registry.get_record_metadata_bytes', was from";
    for (origin, text) in [
        (
            origin(OTHER_ID, "registry", "get_record_bytes", ""),
            format!(
                "data is expected to be produced by service 'registry' on peer '{OWN_ID}', was from \
                 peer '{OTHER_ID}'"
            ),
        ),
        (origin(OWN_ID, "op", "identity", ""), format!("{produced} 'op.identity'")),
        (
            origin(OWN_ID, "registry", "get_key_bytes", ""),
            format!("{produced} 'registry.get_key_bytes'"),
        ),
        (origin(OWN_ID, "", "", ""), format!("{produced} '.'")),
        (
            origin(OWN_ID, "registry", "get_record_bytes", ".$.a"),
            "lens for data tetraplet is expected to be empty".into(),
        ),
    ] {
        assert_eq!(error(&sign(OWN_ID, "[[1]]", vec![origin])), text);
    }
}

#[test]
fn bytes_of_several_origins_are_not_signed() {
    let text = error(&sign(OWN_ID, "[[1]]", vec![record(), record()]));
    let one = format!(
        "SecurityTetraplet {{ peer_pk: \"{OWN_ID}\", service_id: \"registry\", \
         function_name: \"get_record_bytes\", lens: \"\" }}"
    );
    let expected = format!(
        "expected tetraplet for a scalar argument, got tetraplet for an array: Some([{one}, {one}]), \
         tetraplets"
    );
    assert_eq!(text, expected);
    let none = error(&sign(OWN_ID, "[[1]]", vec![]));
    assert!(none.contains("array: Some([]), tetraplets"), "{none}");
    let many = error(&sign(OWN_ID, "[[1]]", vec![record(); 10_000]));
    assert!(many.len() < 2000, "{}", many.len());
}

#[test]
fn what_is_no_bytes_is_told_in_the_result() {
    for (arguments, text) in [
        ("[]", "Error: Field 'data' is missing from args to call_service\nMissingField(\"data\")"),
        (
            "[[256]]",
            "Error: Error deserializing field 'data': expected Vec<u8>, got [256]\n\
             DeserializeError { field: \"data\", value: Array [Number(256)], \
             expected_type: \"Vec<u8>\" }",
        ),
    ] {
        let (ret_code, json) = sign(OWN_ID, arguments, vec![record()]);
        assert_eq!(ret_code, 0, "{json}");
        assert_eq!(member(&json, "success"), Value::from(false));
        assert_eq!(member(&json, "error").as_array().unwrap(), [Value::from(text)]);
        assert_eq!(member(&json, "signature").to_json(), "[]");
    }
    // The peer of a tetraplet may be any text.
    let (ret_code, json) = sign(OWN_ID, "[[1]]", vec![origin("?", "registry", "x", "")]);
    assert_eq!((ret_code, member(&json, "success")), (0, Value::from(false)));
}

#[test]
fn the_length_of_signed_data_is_bounded() {
    let bench = Bench::new();
    let caller = Caller { init_peer_id: OWN_ID.into(), author: None, run: None };
    for (length, ret_code) in [(MAX_SIGNED_BYTES, 0), (MAX_SIGNED_BYTES + 1, 1)] {
        let data = Value::array(vec![Value::from(7_u32); length]).unwrap();
        let none = Value::array(vec![]).unwrap();
        let mut sign = request_of("sig.sign", vec![data.clone()]);
        sign.tetraplets = vec![vec![record()]];
        for request in [sign, request_of("sig.verify", vec![none, data])] {
            let Started::Done(reply) = bench.services.start(&caller, &request) else { panic!() };
            assert_eq!(reply.ret_code, ret_code, "{}", request.function_name);
        }
    }
}
