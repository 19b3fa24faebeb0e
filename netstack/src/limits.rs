//! Every bound of the network room, in one place.
//!
//! What exceeds a bound gets an error or is dropped and counted; nothing here is a tuning knob of
//! correctness. Bounds of the HTTP engine that a server may want to choose are in
//! [`crate::http::Limits`], whose defaults are these.

use smoltcp::time::Duration;

/// Frames taken from the device in one call of `Stack::poll`.
pub const INGRESS_BUDGET_FRAMES: usize = 64;
/// Frames given to the device in one call of `Stack::poll`, beyond which it asks to be called again.
pub const EGRESS_BUDGET_FRAMES: u64 = 256;
/// How long to wait when the stack wants to be polled at once but made no progress (for instance when
/// the device's transmit queue is full; its interrupt then ends the wait earlier).
pub const STALL_BACKOFF: Duration = Duration::from_millis(10);

/// TCP sockets of any state at once, unless the configuration says otherwise.
pub const DEFAULT_MAX_TCP_SOCKETS: usize = 192;
/// TCP sockets that there are however little memory there is.
pub const MIN_TCP_SOCKETS: usize = 8;
/// Receive buffer, and so the largest window, of a TCP socket.
pub const DEFAULT_TCP_RECEIVE_BYTES: usize = 16 * 1024;
/// Send buffer of a TCP socket.
pub const DEFAULT_TCP_SEND_BYTES: usize = 16 * 1024;
/// Largest buffer that a configuration may ask for.
pub const MAX_TCP_BUFFER_BYTES: usize = 1024 * 1024;
/// Smallest buffer that a configuration may ask for: one full segment.
pub const MIN_TCP_BUFFER_BYTES: usize = 1536;
/// Connections of a listener that are not accepted yet, half-open ones included.
pub const MAX_BACKLOG: usize = 128;
/// TCP ports listened on at once.
pub const MAX_LISTENERS: usize = 16;
/// A handshake that takes longer is given up (SYN-ACKs go out at 0, 1, 3 and 7 s).
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// A peer that stays silent for this long while it owes us an answer is gone.
pub const TCP_TIMEOUT: Duration = Duration::from_secs(60);
/// An idle connection is probed this often.
pub const TCP_KEEP_ALIVE: Duration = Duration::from_secs(25);
/// Time that a connection, closed by its owner, has to deliver what is buffered.
pub const LINGER: Duration = Duration::from_secs(15);
/// Time that a reset has to leave.
pub const ABORT_LINGER: Duration = Duration::from_secs(1);
/// Sockets kept in TIME-WAIT. The oldest is recycled first; then a peer that lost our last
/// acknowledgement gets a reset for its repeated FIN, after it has got all our data.
pub const MAX_TIME_WAIT: usize = 16;
/// First port of the range that outgoing connections use (RFC 6335 section 6).
pub const EPHEMERAL_PORT_FIRST: u16 = 49152;

/// UDP sockets at once.
pub const MAX_UDP_SOCKETS: usize = 32;
/// Datagrams that wait in a UDP socket, each way.
pub const UDP_QUEUE_DATAGRAMS: usize = 16;
/// Bytes of waiting datagrams in a UDP socket, each way.
pub const UDP_QUEUE_BYTES: usize = 16 * 1024;

/// Name look-ups at once.
pub const MAX_DNS_QUERIES: usize = 16;
/// Longest name to look up (RFC 1035 section 2.3.4).
pub const MAX_DNS_NAME_BYTES: usize = 253;
/// Name servers used (smoltcp is built for this many).
pub const MAX_DNS_SERVERS: usize = 3;
/// Addresses of an interface (smoltcp is built for this many).
pub const MAX_ADDRESSES: usize = 8;
/// Longest host name sent to a DHCP server (RFC 1123 label).
pub const MAX_HOSTNAME_BYTES: usize = 63;
/// A DHCP request without an answer is repeated after this time.
pub const DHCP_DISCOVER_TIMEOUT: Duration = Duration::from_secs(2);
/// How long an IPv6 address alone does not count as being configured while DHCP has not answered.
pub const DHCP_PATIENCE: Duration = Duration::from_secs(8);
/// Frames made outside of smoltcp that wait for the device (address announcements).
pub const MAX_QUEUED_FRAMES: usize = 16;

/// Connections with the host at once, those included that end.
pub const VSOCK_CONNECTIONS: usize = 128;
/// What a connection with the host holds of what it received and nobody has read.
pub const VSOCK_RECEIVE_BYTES: usize = 64 * 1024;
/// What a connection with the host holds of what was written and has not left.
pub const VSOCK_SEND_BYTES: usize = 64 * 1024;
/// Ports that the host can connect to.
pub const VSOCK_LISTENERS: usize = 8;
/// Connections of such a port that are accepted and not handed out yet.
pub const VSOCK_BACKLOG: usize = 64;
/// First port of outgoing connections: those below are for well-known uses.
pub const VSOCK_EPHEMERAL_PORT_FIRST: u32 = 1024;
/// Resets that wait for the device; at so many nothing is received.
pub const VSOCK_RESETS: usize = 64;
/// Packets taken from the device, and given to it, in one poll.
pub const VSOCK_PACKETS_PER_POLL: usize = 64;
/// Time that a dropped connection has to deliver the rest and to have its end acknowledged.
pub const VSOCK_LINGER: Duration = Duration::from_secs(8);

/// Bytes of a request line.
pub const HTTP_REQUEST_LINE_BYTES: usize = 4096;
/// Bytes of a request head: request line and header fields.
pub const HTTP_HEAD_BYTES: usize = 16 * 1024;
/// Header fields of a request.
pub const HTTP_HEADERS: usize = 64;
/// Bytes of a request body.
pub const HTTP_BODY_BYTES: u64 = 4 * 1024 * 1024;
/// Bytes of one chunk-size line with its extensions.
pub const HTTP_CHUNK_LINE_BYTES: usize = 256;
/// Bytes of a chunked body's trailer section.
pub const HTTP_TRAILER_BYTES: usize = 4096;
/// Bytes of an unread body that are read and thrown away to keep a connection.
pub const HTTP_DRAIN_BYTES: u64 = 64 * 1024;
/// Requests on one connection.
pub const HTTP_REQUESTS_PER_CONNECTION: u32 = 1000;
/// Time to wait for the first byte of a next request.
pub const HTTP_IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Time for a head to arrive, from its first byte.
pub const HTTP_HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Time between two pieces of a body.
pub const HTTP_BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for a whole body to arrive.
pub const HTTP_BODY_TOTAL_TIMEOUT: Duration = Duration::from_secs(120);
/// Time between two pieces of an answer that the peer takes.
pub const HTTP_WRITE_TIMEOUT: Duration = Duration::from_secs(20);
/// Time for the peer to take a whole answer that is not streamed.
pub const HTTP_WRITE_TOTAL_TIMEOUT: Duration = Duration::from_secs(180);
/// Time to wait, after an answer that ends the connection, for the peer to stop sending.
pub const HTTP_LINGER: Duration = Duration::from_secs(2);
/// Header fields of a response.
pub const HTTP_RESPONSE_HEADERS: usize = 32;
/// Bytes of an answer's body that a client takes, unless it says otherwise.
pub const HTTP_ANSWER_BODY_BYTES: usize = 4 * 1024 * 1024;
/// Interim answers (1xx) before the one that a client waits for.
pub const HTTP_INTERIM_ANSWERS: usize = 8;
/// Time for the head of an answer to arrive, after the request was sent.
pub const HTTP_ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
