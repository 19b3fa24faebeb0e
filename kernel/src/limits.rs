//! Every bound of the node, in one place.
//!
//! Sizes are in bytes, times in the unit that ends the name. The bounds of one particle keep one
//! client from using up the node; what all of them hold together is bounded by
//! [`HEAP_RESERVE_PERCENT`]: with less of the heap free, particles are refused and running ones end.

/// Rounds of the executor between two looks at the network.
pub const MAX_ROUNDS_PER_TURN: usize = 64;
/// Time that tasks may run between two looks at the network, measured between rounds.
pub const MAX_TURN_MICROS: u64 = 2_000;

/// The whole blob of the configuration.
pub const MAX_CONFIG_BYTES: usize = 64 << 10;
/// A host name is one DNS label.
pub const MAX_CONFIG_HOSTNAME_BYTES: usize = 63;
/// Static addresses of the node.
pub const MAX_CONFIG_ADDRESSES: usize = 4;
/// Name servers.
pub const MAX_CONFIG_DNS_SERVERS: usize = 3;

/// The most that `http.max_connections` may be set to.
pub const MAX_HTTP_CONNECTIONS: u32 = 1024;
/// The port on which peers connect unless the configuration names another: that of Fluence peers.
pub const DEFAULT_PEER_PORT: u16 = 7777;
/// Connections with peers, unless the configuration says otherwise.
pub const DEFAULT_PEER_CONNECTIONS: u32 = 256;
/// The most that `peers.max_connections` may be set to.
pub const MAX_PEER_CONNECTIONS: u32 = 1024;
/// Entries of `peers.bootstrap`.
pub const MAX_BOOTSTRAP_PEERS: usize = 32;
/// Entries of `peers.external_addresses`.
pub const MAX_EXTERNAL_ADDRESSES: usize = 8;
/// The least that `peers.max_particle_bytes` may be set to.
pub const MIN_PARTICLE_BYTES: u32 = 4 << 10;
/// The most that `peers.max_particle_bytes` may be set to.
pub const MAX_PARTICLE_BYTES: u32 = 16 << 20;
/// `peers.max_clock_skew_ms` unless the configuration says otherwise.
pub const DEFAULT_CLOCK_SKEW_MS: u32 = 30_000;
/// The most that `peers.max_clock_skew_ms` may be set to.
pub const MAX_CLOCK_SKEW_MS: u32 = 300_000;

/// The most that `particles.max_live` and `peers.max_live_per_peer` may be set to.
pub const MAX_LIVE_PARTICLES: u32 = 65_536;
/// The most that `particles.ttl_ms` may be set to: five minutes.
pub const MAX_TTL_MS: u32 = 300_000;
/// The most that `particles.max_script_bytes` may be set to.
pub const MAX_SCRIPT_BYTES: u32 = 1 << 20;

/// Entries of `aleph.programs`.
pub const MAX_ALEPH_PROGRAMS: usize = 32;
/// Entries of `aleph.channels`.
pub const MAX_ALEPH_CHANNELS: usize = 16;
/// Entries of `aleph.program_owners`.
pub const MAX_ALEPH_OWNERS: usize = 64;
/// One entry of `aleph.program_owners`.
pub const MAX_ALEPH_OWNER_BYTES: usize = 128;
/// `aleph.poll_ms` unless the configuration says otherwise.
pub const DEFAULT_ALEPH_POLL_MS: u32 = 10_000;
/// The least that `aleph.poll_ms` may be set to, apart from 0.
pub const MIN_ALEPH_POLL_MS: u32 = 100;
/// The most that `aleph.poll_ms` may be set to: an hour.
pub const MAX_ALEPH_POLL_MS: u32 = 3_600_000;

/// Arguments of one call of a service.
pub const MAX_CALL_ARGUMENTS: usize = 1024;
/// JSON text of one result of a service.
pub const MAX_CALL_RESULT_BYTES: usize = 1 << 20;
/// Input of a base58 conversion, whose time grows with the square of it.
pub const MAX_BASE58_BYTES: usize = 4 << 10;
/// Data of one call that are signed, or whose signature is checked.
pub const MAX_SIGNED_BYTES: usize = 64 << 10;
/// Addresses of one call of `peer.connect`.
pub const MAX_CONNECT_ADDRESSES: usize = 16;
/// Calls of `peer.connect` that wait at once, of all particles.
pub const MAX_CONNECTS_WAITING: usize = 16;
/// Files that one call of `vault.list` names.
pub const MAX_LISTED_FILES: usize = 1024;
/// Path and query of one call of `aleph.get`.
pub const MAX_API_PATH_BYTES: usize = 8 << 10;
/// A key of a program's cache.
pub const MAX_CACHE_KEY_BYTES: usize = 256;
/// Foreign text that an error message repeats.
pub const MAX_EXCERPT_BYTES: usize = 1 << 10;
/// Bytes of arguments from which on a call yields to other tasks before it runs.
pub const LIGHT_CALL_BYTES: usize = 512;
/// Calls of one step that run without a yield.
pub const MAX_CALLS_IN_A_ROW: usize = 64;

/// Bytes of results that a particle takes without a yield from calls that waited.
pub const MAX_RESULT_BYTES_IN_A_ROW: usize = 16 << 10;

/// Fuel that the interpreter gets at a time.
pub const FUEL_PER_SLICE: u64 = 100;
/// Time that the interpreter takes without a yield; a slice of fuel may make it a little more.
pub const MAX_MICROS_IN_A_ROW: u64 = 500;
/// Slices of fuel without a yield.
pub const MAX_SLICES_IN_A_ROW: usize = 100;
/// Fuel of all steps of one particle, in whole slices.
pub const MAX_FUEL_PER_PARTICLE: u64 = 20_000_000;
/// Time of the interpreter for all steps of one particle.
pub const MAX_INTERPRETER_MICROS_PER_PARTICLE: u64 = 10_000_000;
/// Steps of one particle.
pub const MAX_STEPS_PER_PARTICLE: u32 = 4_096;
/// Steps of one run of a program.
pub const MAX_RUN_STEPS: u32 = 65_536;
/// Answers of services to one particle.
pub const MAX_RESULT_BYTES_PER_PARTICLE: usize = 8 << 20;
/// Calls of one particle that wait for something at once.
pub const MAX_CALLS_WAITING: usize = 1024;
/// Unreachable peers that a report names.
pub const MAX_UNREACHABLE_NAMED: usize = 8;
/// Mails that wait for one particle.
pub const MAX_MAIL: usize = 32;
/// Bytes of the mails that wait for one particle.
pub const MAX_MAIL_BYTES: usize = 16 << 20;
/// Mails of a particle that are remembered, so that the same data need not be merged again.
pub const MAX_REMEMBERED_MAIL: usize = 8;
/// Sends of one particle that are under way at once.
pub const MAX_SENDS_WAITING: usize = 256;
/// After so long without news a particle's data are kept as bytes.
pub const FREEZE_AFTER_MS: u64 = 250;

/// The id of a particle from another peer.
pub const MAX_PARTICLE_ID_BYTES: usize = 256;
/// Particles from all peers that wait to be looked at.
pub const MAX_ARRIVALS: usize = 1024;
/// Particles from one peer that wait to be looked at.
pub const MAX_ARRIVALS_PER_PEER: usize = 128;
/// Particles from peers that wait to be looked at may take one in so many bytes of the heap, and those
/// of one peer half of that.
pub const ARRIVALS_PART: usize = 8;
/// One particle may take one in so many bytes of the heap.
pub const PARTICLE_PART: usize = 32;
/// Data of idle particles may take one in so many bytes of the heap.
pub const KEPT_PART: usize = 4;
/// Idle particles that may have to end for one new one.
pub const MAX_EVICTIONS_AT_ONCE: usize = 8;
/// Particles that are looked at, at most, to find one that has to make room for another.
pub const MAX_LOOKED_AT_FOR_ROOM: usize = 256;
/// What is remembered of particles that ended before their time, so that they do not begin anew, may take
/// one in so many bytes of the heap,
pub const REMEMBERED_PART: usize = 16;
/// where each takes so many at most: its place in three tables, and its sender's.
pub const REMEMBERED_BYTES: usize = 512;
/// So many are remembered on every machine.
pub const MIN_REMEMBERED: usize = 1024;
/// More are remembered on no machine.
pub const MAX_REMEMBERED: usize = 1 << 18;
/// Particles that `GET /particles` lists.
pub const MAX_LISTED_PARTICLES: usize = 512;

/// Parsed scripts that are kept.
pub const MAX_CACHED_SCRIPTS: usize = 64;
/// Memory of the parsed scripts that are kept, together.
pub const MAX_CACHED_SCRIPT_BYTES: usize = 16 << 20;

/// Parameters in the query of a request.
pub const MAX_QUERY_PARAMETERS: usize = 64;
/// One name or value in the query of a request, as it stands there.
pub const MAX_QUERY_VALUE_BYTES: usize = 4 << 10;

/// One step of the interpreter may add a part of the heap: one in so many.
pub const STEP_MEMORY_PART: usize = 8;
/// The least that a step may add, however small the heap; as the interpreter estimates it.
pub const MIN_STEP_MEMORY_BYTES: usize = 512 << 10;
/// The most that a step may add, however large the heap.
pub const MAX_STEP_MEMORY_BYTES: usize = 64 << 20;
/// Memory of an open instruction, with the room to let the stack of them grow.
pub const FRAME_BYTES: usize = 128;
/// One script may take one in so many bytes of the heap.
pub const SCRIPT_PART: usize = 128;
/// The tree of one script may take one in so many bytes of the heap; while it grows, thrice as much.
pub const SCRIPT_TREE_PART: usize = 16;
/// The tree of one script may take so much on every machine.
pub const MIN_SCRIPT_TREE_BYTES: usize = 256 << 10;
/// A script of this size is taken on every machine, if the configuration lets it.
pub const MIN_SCRIPT_BYTES: usize = 4 << 10;
/// Kept scripts may take one in so many bytes of the heap.
pub const CACHE_PART: usize = 32;
/// Bodies that are being read may take one in so many bytes of the heap.
pub const BODIES_PART: usize = 8;
/// One result of a service may take one in so many bytes of the heap: `[[],[],…` takes 21 times its
/// text when it is read, and half as much again while it grows, which the reserve has to hold.
pub const CALL_RESULT_PART: usize = 256;
/// A result of this size is taken on every machine.
pub const MIN_CALL_RESULT_BYTES: usize = 16 << 10;
/// Percent of the heap that must be free, or particles are refused, and running ones end.
pub const HEAP_RESERVE_PERCENT: u64 = 15;
/// Bytes that must be free in the same sense, up to a third of the heap.
pub const MIN_HEAP_RESERVE_BYTES: u64 = 3 << 20;
/// Use of the heap, one in so many bytes, from which on the free memory may be in small pieces.
pub const HEAP_IN_USE_PART: u64 = 8;
/// States that the trace of one particle may have.
pub const MAX_TRACE_STATES: usize = 1 << 18;

/// Seconds after which a client that was refused may try again.
pub const RETRY_AFTER_SECONDS: &str = "1";
/// Connections that wait to be accepted.
pub const LISTEN_BACKLOG: usize = 32;
/// How long the announcement waits for an IPv4 address when there is one of IPv6.
pub const IPV4_PATIENCE_MS: u64 = 5_000;

/// How long a node that is told to end works on the answers of requests that it has taken.
pub const ANSWERS_PATIENCE_MS: u64 = 4_000;
/// How long its connections with peers then have to end by their own protocol.
pub const PEERS_PATIENCE_MS: u64 = 2_000;

/// Connections with peers may take one in so many bytes of the heap.
pub const PEER_CONNECTIONS_PART: usize = 4;
/// What an idle connection with a peer takes at most, its socket's buffers left out.
pub const PEER_CONNECTION_BYTES: usize = 32 << 10;
/// So many connections with peers there may be on every machine.
pub const MIN_PEER_CONNECTIONS: usize = 8;
/// Particles that are being received may take one in so many bytes of the heap; those that are being
/// sent as many again.
pub const PEER_BYTES_PART: usize = 16;

/// Key of a store.
pub const MAX_STORE_KEY_BYTES: usize = 256;
/// Value of a store.
pub const MAX_STORE_VALUE_BYTES: usize = 32 << 20;
/// Keys of a store.
pub const MAX_STORE_KEYS: usize = 16_384;
/// Keys and values that a node without a volume holds in memory.
pub const MAX_MEMORY_STORE_BYTES: usize = 64 << 20;
/// What a node without a volume keeps may take one in so many bytes of the heap.
pub const MEMORY_STORE_PART: usize = 8;
/// Operations that wait for a volume may hold so many bytes of values.
pub const MAX_STORE_QUEUED_BYTES: usize = 64 << 20;
/// Sectors of the smallest volume: 64 KiB.
pub const MIN_VOLUME_SECTORS: u64 = 128;
/// Sectors of each half of the largest volume: 256 MiB. What a disk has beyond two of them is not used.
pub const MAX_VOLUME_HALF_SECTORS: u64 = 512 << 10;
/// A volume is full when one in so many sectors of a half is left.
pub const VOLUME_SLACK_PART: u64 = 8;
/// Records of a volume that are not flushed; one more, and they are.
pub const MAX_UNFLUSHED_RECORDS: usize = 256;
/// Sectors after the end of a volume's log that are searched for what damage cut off: 1 MiB.
pub const VOLUME_DAMAGE_LOOK_SECTORS: u64 = 2 << 10;
/// Disks that are looked at.
pub const MAX_DISKS: usize = 16;
/// Entries of a partition table, in bytes; the usual 128 of them have 16 KiB.
pub const MAX_GPT_BYTES: usize = 64 << 10;
/// Partitions of one disk.
pub const MAX_GPT_PARTITIONS: usize = 64;
/// Sectors at the beginning of a disk that are zeros if it is blank: 1 MiB.
pub const BLANK_LOOK_SECTORS: u64 = 2 << 10;
/// Sectors at the end of a disk that are zeros if it is blank: 64 KiB.
pub const BLANK_LOOK_SECTORS_AT_END: u64 = 128;
/// The root directory of a NoCloud disk.
pub const MAX_CIDATA_DIRECTORY_BYTES: usize = 64 << 10;
/// A file of a NoCloud disk.
pub const MAX_CIDATA_FILE_BYTES: usize = 64 << 10;
/// Nesting of a file of a NoCloud disk.
pub const MAX_CIDATA_DEPTH: usize = 8;
/// Values in a file of a NoCloud disk.
pub const MAX_CIDATA_ITEMS: usize = 1024;

/// Longest sleep between two looks at the schedules: so soon a clock that was set is noticed.
pub const MAX_SCHEDULE_SLEEP_MS: u64 = 60_000;

/// A message may take one in so many bytes of the heap, as JSON text.
pub const MAX_MESSAGE_HEAP_PART: usize = 128;
/// A message of this size is taken on every machine.
pub const MIN_MESSAGE_BYTES: usize = 64 << 10;
/// Messages that wait for one program.
pub const MAX_QUEUED_MESSAGES: usize = 256;
/// Messages that wait for programs may take one in so many bytes of the heap.
pub const QUEUED_MESSAGES_PART: usize = 32;
/// Messages that one program has been run for and that are remembered; older ones count as seen.
pub const MAX_SEEN_PER_PROGRAM: usize = 4_096;
/// They may take one in so many bytes of the heap, for each program.
pub const SEEN_PART: usize = 64;
/// What one of them takes, about: its item hash, and its places in three tables.
pub const SEEN_BYTES: usize = 192;
/// So many are remembered on every machine.
pub const MIN_SEEN_PER_PROGRAM: usize = 256;
/// Messages in one piece of what is kept of that.
pub const SEEN_PIECE_ENTRIES: usize = 64;
/// Pieces of one program.
pub const MAX_SEEN_PIECES: usize = 128;
/// The shortest pause before a run for which there was no room is tried again.
pub const MIN_MESSAGE_RETRY_MS: u64 = 100;
/// The longest.
pub const MAX_MESSAGE_RETRY_MS: u64 = 10_000;
/// How far the time of a message may be ahead of the node's clock: an hour.
pub const MAX_MESSAGE_AHEAD_MS: u64 = 3_600_000;
/// Messages that were posted and can be read back.
pub const MAX_ACCEPTED_MESSAGES: usize = 1_024;
/// Their bytes.
pub const MAX_ACCEPTED_BYTES: usize = 8 << 20;
/// They may take one in so many bytes of the heap.
pub const ACCEPTED_MESSAGES_PART: usize = 64;
/// Messages of one page, unless it is asked for more.
pub const DEFAULT_MESSAGES_PER_PAGE: usize = 20;
/// The most that a page has.
pub const MAX_MESSAGES_PER_PAGE: usize = 200;
/// Values of one filter.
pub const MAX_FILTER_VALUES: usize = 256;

/// Requests to the message node at once; those of programs are counted apart, up to as many.
pub const MAX_NODE_REQUESTS: usize = 4;
/// Time to connect to the message node, and to open its WebSocket.
pub const NODE_CONNECT_MS: u64 = 10_000;
/// The shortest pause before the message node is asked again after a failure.
pub const MIN_NODE_BACKOFF_MS: u64 = 1_000;
/// The longest.
pub const MAX_NODE_BACKOFF_MS: u64 = 60_000;
/// A page of messages from the message node.
pub const MAX_FETCHED_PAGE_BYTES: usize = 4 << 20;
/// So many messages of the largest size fit a page, where memory is less.
pub const LARGE_MESSAGES_PER_PAGE: usize = 4;
/// Pages that are asked for in one round.
pub const MAX_PAGES_PER_ROUND: usize = 50;
/// Each round asks anew for so much before the newest message that was seen.
pub const POLL_OVERLAP_SECONDS: u64 = 120;
/// How far back a node asks that was off: a week.
pub const MAX_CATCH_UP_SECONDS: u64 = 7 * 24 * 3600;
/// A WebSocket over which nothing comes for so long is made anew.
pub const FOLLOW_QUIET_MS: u64 = 300_000;
/// Messages about permissions of one owner.
pub const MAX_SECURITY_MESSAGES: usize = 200;
/// Newest files of an owner of which the first that is good counts.
pub const MAX_NEWEST_CANDIDATES: usize = 20;
/// After so many intervals of polling it is looked whether the files of programs were amended.
pub const AMENDMENT_POLLS: u32 = 6;
/// Posted programs whose files are fetched at once.
pub const MAX_INSTALLS: usize = 8;
/// An answer of the network's API to a program.
pub const MAX_API_ANSWER_BYTES: usize = 1 << 20;
