//! One pure interpretation: bytes in, bytes out.
