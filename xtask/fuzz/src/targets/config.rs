//! The node's configuration as bytes: with the header as it comes, and with a header that fits.

use kernel::config::{BLOB_VERSION, Config};

pub fn run(bytes: &[u8]) {
    check(bytes);
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let header = [b"AEROCF", &BLOB_VERSION.to_le_bytes()[..], &length.to_le_bytes()].concat();
    check(&[&header, bytes].concat());
}

fn check(blob: &[u8]) {
    match Config::decode(blob) {
        Ok(config) => {
            let again = config.encode().expect("what was read can be written");
            assert_eq!(Config::decode(&again), Ok(config));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
