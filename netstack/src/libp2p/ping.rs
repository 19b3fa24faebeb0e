//! ping: 32 bytes there and back (libp2p ping specification).
