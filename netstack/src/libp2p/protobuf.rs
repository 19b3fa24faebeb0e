//! The few rules of Protocol Buffers that the libp2p messages need.
