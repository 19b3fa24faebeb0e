//! Peer ids: an ed25519 public key (libp2p peer id specification).
