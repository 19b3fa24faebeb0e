//! The example programs, through the whole node.

use std::fs;
use std::path::Path;
use std::string::String;
use std::vec::Vec;

use air_core::Value;

use super::bench::{Bench, taken};

/// Runs `examples/NAME.air` with the data of `NAME.data.json` and compares with `NAME.expected.json`.
#[test]
fn every_example_gives_its_expected_answer() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let entries = fs::read_dir(&folder).expect("the examples are there");
    let mut scripts: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    scripts.retain(|path| path.extension().is_some_and(|extension| extension == "air"));
    scripts.sort();
    assert!(scripts.len() >= 5, "there are examples");
    for script in scripts {
        let name = script.file_stem().unwrap().to_str().unwrap();
        let beside = |suffix: &str| {
            fs::read_to_string(script.with_file_name(std::format!("{name}.{suffix}")))
        };
        let expected = Value::parse(&beside("expected.json").expect("an expected answer")).unwrap();
        let bench = Bench::new();
        let target = std::format!("/air?{}", query(&beside("data.json").unwrap_or_default()));
        let reply = bench.post(&target, &fs::read_to_string(&script).unwrap());
        bench.run();
        let reply = taken(&reply);
        assert_eq!(reply.status, 200, "{name}: {}", reply.body);
        assert_eq!(reply.json(), expected, "{name}");
    }
}

/// The members of a JSON object as query parameters.
fn query(json: &str) -> String {
    let Ok(data) = Value::parse(json) else { return String::new() };
    let encode =
        |text: &str| -> String { text.bytes().map(|byte| std::format!("%{byte:02x}")).collect() };
    let members = data.as_object().expect("the data are an object").iter();
    let pairs: Vec<String> = members
        .map(|(name, value)| std::format!("{}={}", encode(name), encode(&value.to_json())))
        .collect();
    pairs.join("&")
}
