//! Every bound on what the host says. Times are in milliseconds, sizes in bytes.

/// Attempts to tell the host that the guest is ready, before it is taken for one that may never listen:
/// half a minute's.
pub const READY_PAUSES_UNTIL_LATE: u32 = 6_000;
/// Between two of these attempts.
pub const READY_PAUSE_MS: u64 = 5;
/// Between two attempts afterwards.
pub const READY_LATE_PAUSE_MS: u64 = 1_000;
/// How long the host has to accept a connection.
pub const HOST_CONNECT_MS: u64 = 2_000;
/// How long a connection has to say what it is for, and then to have the whole request sent.
pub const HOST_REQUEST_MS: u64 = 60_000;
/// How long the configuration has to arrive, and its program to be loaded: the host waits 60 s.
pub const HOST_CONFIGURATION_MS: u64 = 55_000;
/// How long the host has to take an answer.
pub const HOST_ANSWER_MS: u64 = 60_000;
/// How long the host has to take each of the two lines that answer `halt`.
pub const HOST_STOP_MS: u64 = 500;
/// How long what is kept has to be written when the machine goes off: the host waits 5 s.
pub const HOST_STORE_FLUSH_MS: u64 = 3_000;
/// How long peers on the network have to take the end of their connections when the machine goes off.
pub const HOST_CLOSE_NETWORK_MS: u64 = 500;
/// How long the host has to acknowledge the last connection when the machine goes off.
pub const HOST_SETTLE_MS: u64 = 100;

/// Room that is made for the next piece of a request.
pub const HOST_PIECE_BYTES: usize = 8 << 10;
/// A request of more bytes is received when it has its turn.
pub const SMALL_HOST_REQUEST_BYTES: usize = 16 << 10;
/// Requests that are received at once may take one in so many bytes of the heap.
pub const HOST_RECEIVING_PART: usize = 8;
/// Large requests that wait for their turn to be received.
pub const HOST_CONNECTIONS_WAITING: usize = 128;
/// A configuration may have one in so many of the bytes that are free: besides it there are its parts,
/// unpacked.
pub const HOST_CONFIGURATION_PART: usize = 3;
/// Code on a disk may have one in so many bytes of the heap.
pub const DISK_CODE_PART: usize = 4;
