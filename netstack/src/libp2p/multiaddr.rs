//! Multiaddresses: text and binary forms (multiformats multiaddr).
