//! identify: what a peer says of itself (libp2p identify specification).
