//! Bounds on what peers send before and beside the multiplexer.

/// Characters of a peer id's text (every ed25519 one has as many).
pub const PEER_ID_TEXT_BYTES: usize = 52;
/// Bytes of a multiaddress, in either form: the longest name, a port and a peer id take fewer.
pub const MULTIADDR_BYTES: usize = 512;
/// Bytes of a multistream-select message, as its length prefix counts them.
pub const MULTISTREAM_MESSAGE_BYTES: usize = 1024;
/// Bytes of a protocol name that this node can speak; longer names are unknown.
pub const PROTOCOL_NAME_BYTES: usize = 128;
/// Proposals of a dialer on one stream.
pub const PROTOCOL_PROPOSALS: usize = 32;
/// Bytes of a noise handshake message; one with the usual payload has 200.
pub const NOISE_HANDSHAKE_BYTES: usize = 2048;
/// Plaintext bytes of a noise transport message: 65535 less the tag (Noise section 3).
pub const NOISE_PLAINTEXT_BYTES: usize = 65535 - 16;
/// Buffer that the reading half of an idle noise connection keeps.
pub const NOISE_IDLE_READ_BYTES: usize = 512;
/// Largest buffer that the sending half of a noise connection keeps after a flush.
pub const NOISE_IDLE_WRITE_BYTES: usize = 512;
/// Messages without content that are read before other tasks get their turn.
pub const EMPTY_MESSAGES_IN_A_ROW: usize = 64;
