//! Programs that a host hands over as the bundles that disks carry.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use air_core::value::Value;

use super::bench::{Bench, HASH, configuration};
use super::contains;
use crate::aleph::host::{Configuration, configured};
use crate::config::Config;
use crate::program::{Bundle, Package};

/// A bundle as a node has it from a disk, with so many programs that say a variable.
fn bundle(programs: usize) -> Vec<u8> {
    let script = r#"(seq (call %init_peer_id% ("env" "get") ["GREETING" ""] text)
        (call %init_peer_id% ("callbackSrv" "response") [text]))"#;
    let message = format!(
        r#"{{"type":"vm-function","address":"0x1","time":1600000000,"content":{{
            "code":{{"encoding":"plain","entrypoint":"main","content":{}}},"on":{{"http":true}},
            "environment":{{"internet":true}},"resources":{{"memory":4,"seconds":2}}}}}}"#,
        Value::from(script).to_json()
    );
    let package = Package { message: message.into_bytes(), files: Vec::new() };
    Bundle { programs: vec![package; programs] }.encode().unwrap()
}

#[test]
fn code_may_be_the_bundle_that_disks_carry() {
    let bench = Bench::new().serve();
    let code = bundle(1);
    assert_eq!(bench.configure(&Configuration { code: &code, ..configuration() }), configured());
    assert!(contains(&bench.request("/", "", b""), "héllo"));
    let hosted = bench.programs.only().unwrap();
    assert_eq!(hosted.program().id.as_str(), HASH);
    assert_eq!(hosted.program().resources.milliseconds, 2000, "what hosts do not say");
    assert!(!hosted.program().environment.internet, "there is no network device");
}

#[test]
fn a_bundle_that_does_not_fit_here_is_refused() {
    let (mut damaged, two, config) = (bundle(1), bundle(2), Config::default().encode().unwrap());
    *damaged.last_mut().unwrap() ^= 1;
    let (both, trailed) = ([&config[..], &bundle(1)].concat(), [&bundle(1)[..], b"x"].concat());
    let plain = bundle(1);
    let data = Configuration { input_data: Some(b"PK"), ..configuration() };
    for (code, base, why) in [
        (&damaged, configuration(), "bundle"),
        (&two, configuration(), "not of one program"),
        (&config, configuration(), "the node's own configuration"),
        (&both, configuration(), "the node's own configuration"),
        (&trailed, configuration(), "something behind it"),
        (&plain, data, "has its own data"),
    ] {
        let bench = Bench::new().serve();
        let answer = bench.configure(&Configuration { code, ..base });
        assert!(contains(&answer, why), "{why}: {}", String::from_utf8_lossy(&answer));
        assert!(bench.programs.only().is_none());
        assert_eq!(bench.configure(&configuration()), configured(), "another try is possible");
    }
}
