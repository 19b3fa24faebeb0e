//! Bundles of programs: any bytes, and any packages behind a header that fits them.

use kernel::program::bundle::{BUNDLE_VERSION, Bundle, HEADER_BYTES, MAGIC};
use kernel::program::limits::MAX_BUNDLE_BYTES;
use sha2::{Digest, Sha256};

pub fn run(bytes: &[u8]) {
    check(bytes);
    let mut sealed = MAGIC.to_vec();
    sealed.extend(BUNDLE_VERSION.to_le_bytes());
    sealed.extend([0; 2]);
    sealed.extend((bytes.len() as u32).to_le_bytes());
    sealed.extend(Sha256::digest(bytes));
    sealed.extend(bytes);
    assert_eq!(Bundle::length(&sealed), Ok(sealed.len()));
    check(&sealed);
    // What stands behind is no part of it.
    let decoded = Bundle::decode(&sealed);
    sealed.push(1);
    assert_eq!(Bundle::decode(&sealed), decoded);
}

fn check(bytes: &[u8]) {
    if let Ok(length) = Bundle::length(bytes) {
        assert!((HEADER_BYTES..=MAX_BUNDLE_BYTES).contains(&length));
    }
    match Bundle::decode(bytes) {
        Ok(bundle) => {
            let encoded = bundle.encode().expect("what was read is within the bounds");
            assert_eq!(Bundle::decode(&encoded), Ok(bundle));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
