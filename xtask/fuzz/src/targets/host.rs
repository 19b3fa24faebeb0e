//! What a program's host sends: length line, configuration, runs.

use kernel::aleph::host::{Configuration, Run, complete_length, configuration_length};
use kernel::aleph::limits::MAX_RUN_BYTES;

pub fn run(bytes: &[u8]) {
    if let Ok(Some((length, start))) = configuration_length(bytes) {
        let _ = bytes.get(start..).and_then(|rest| rest.get(..length)).map(check);
    }
    check(bytes);
}

fn check(bytes: &[u8]) {
    let complete = complete_length(bytes, MAX_RUN_BYTES);
    if let Ok(run) = Run::decode(bytes) {
        assert_eq!(complete, Ok(Some(bytes.len())));
        let again = run.encode();
        assert_eq!(Run::decode(&again), Ok(run));
    }
    if let Ok(configuration) = Configuration::decode(bytes) {
        assert_eq!(complete, Ok(Some(bytes.len())));
        let again = configuration.encode(2);
        assert_eq!(Configuration::decode(&again), Ok(configuration));
    }
    if let Ok(Some(length)) = complete {
        assert!(length <= bytes.len());
        assert_eq!(complete_length(&bytes[..length - 1], MAX_RUN_BYTES), Ok(None));
    }
}
