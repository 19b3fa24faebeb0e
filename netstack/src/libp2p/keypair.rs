//! An ed25519 key pair: who this node is.
