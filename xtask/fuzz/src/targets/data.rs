//! Interpreter data: the envelope, the archive in it, and the verification of what they hold.

use air_core::data::{
    self, Envelope, MEMORY_PER_ARCHIVE_BYTE, ParticleData, archive, data_json, encode, prepare,
};
use air_core::step::Signatures;

/// Memory of data whose archive is as good as empty.
const FIXED_MEMORY: usize = 1024;

pub fn run(bytes: &[u8]) {
    if let Ok(envelope) = Envelope::open(bytes)
        && let Ok(data) = envelope.read()
    {
        let json = data.to_value(&envelope.versions).to_json();
        assert_eq!(data_json(bytes).map(|value| value.to_json()), Ok(json));
    }
    prepares(bytes);
    if let Ok(data) = archive::read(bytes, &mut |_| {}) {
        let bound = MEMORY_PER_ARCHIVE_BYTE * bytes.len() + FIXED_MEMORY;
        assert!(data.memory_used() <= bound, "{} bytes of {}", data.memory_used(), bytes.len());
        prepares(&is_written_as_it_was_read(&data));
    }
}

/// Gives the data written.
fn is_written_as_it_was_read(data: &ParticleData) -> Vec<u8> {
    let written = encode(data, None).expect("a small archive can be written");
    let envelope = Envelope::open(&written).expect("our envelope");
    let again = envelope.read().expect("our archive");
    let versions = &envelope.versions;
    assert_eq!(again.to_value(versions).to_json(), data.to_value(versions).to_json());
    assert_eq!(encode(&again, None).as_ref(), Ok(&written), "the second writing differs");
    written
}

/// As current data, with signatures checked and not, after nothing and after themselves.
fn prepares(bytes: &[u8]) {
    for signatures in [Signatures::Checked, Signatures::Unchecked] {
        for previous in [&[][..], bytes] {
            match prepare(previous, bytes, "salt", signatures) {
                Ok(prepared) => {
                    let data::Prepared { current_trace, previous_trace, .. } = prepared;
                    assert!(previous.is_empty() || current_trace == previous_trace);
                }
                Err(error) => {
                    assert!(matches!(error.code(), 2..=4 | 6 | 8 | 9), "{}", error.code());
                    assert!(!error.to_string().is_empty());
                }
            }
        }
    }
}
