//! The two MessagePack forms between interpreter and host: results of calls, and requests for them.

use air_core::data::{decode_call_requests, decode_call_results, encode_call_requests};

/// The prefix that says MessagePack, which mutation rarely finds.
const PREFIX: [u8; 2] = [0x81, 0x04];

pub fn run(bytes: &[u8]) {
    for bytes in [bytes, &[&PREFIX, bytes].concat()] {
        match decode_call_results(bytes) {
            Ok(results) => {
                assert!(results.is_sorted_by(|a, b| a.0 < b.0), "sorted, each id once");
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
        if let Ok(requests) = decode_call_requests(bytes) {
            let encoded = encode_call_requests(&requests);
            let again = decode_call_requests(&encoded).expect("what was written can be read");
            assert_eq!(encode_call_requests(&again), encoded);
        }
    }
}
