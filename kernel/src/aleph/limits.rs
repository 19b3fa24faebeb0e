//! Every bound on Aleph's messages and what belongs to them. Sizes are in bytes unless the name ends otherwise.

/// One message as JSON text: inline content of the network's largest size, escaped, and its envelope.
pub const MAX_MESSAGE_BYTES: usize = 1 << 20;
/// Inline content that the network takes.
pub const MAX_INLINE_BYTES: usize = 200_000;
/// Refusals that one verdict names.
pub const MAX_REFUSALS: usize = 16;
/// Characters of one foreign key that a refusal repeats.
pub const MAX_SHOWN_KEY_CHARS: usize = 64;

/// Channel of a message, in characters.
pub const MAX_CHANNEL_CHARS: usize = 128;
/// Latest time in a content, in seconds since 1970: the year 2262.
pub const MAX_CONTENT_SECONDS: f64 = 9_223_372_036.0;
/// Entries of `metadata`.
pub const MAX_METADATA_ENTRIES: usize = 256;
/// A key of `metadata`, in characters.
pub const MAX_METADATA_KEY_CHARS: usize = 64;
/// A text in `metadata`, in characters.
pub const MAX_METADATA_VALUE_CHARS: usize = 512;
/// Tags of one message.
pub const MAX_TAGS: usize = 16;
/// One tag, in characters; the least is 1.
pub const MAX_TAG_CHARS: usize = 256;
/// Keys of `authorized_keys`.
pub const MAX_AUTHORIZED_KEYS: usize = 256;
/// One of `authorized_keys`, in characters.
pub const MAX_AUTHORIZED_KEY_CHARS: usize = 8192;
/// Entries of `variables`.
pub const MAX_VARIABLES: usize = 256;
/// Name of a variable, in characters.
pub const MAX_VARIABLE_NAME_CHARS: usize = 128;
/// Value of a variable, in characters.
pub const MAX_VARIABLE_VALUE_CHARS: usize = 4096;
/// Volumes of a program or an instance.
pub const MAX_VOLUMES: usize = 256;
/// `comment`, `mount` and `name` of a volume, in characters.
pub const MAX_VOLUME_LABEL_CHARS: usize = 256;
/// Size of an ephemeral volume.
pub const MAX_EPHEMERAL_MIB: i128 = 1000;
/// Size of a persistent volume: 2048 · 10⁹ bytes, rounded up.
pub const MAX_PERSISTENT_MIB: i128 = 1_953_125;
/// `replaces`, in characters.
pub const MAX_REPLACES_CHARS: usize = 128;
/// `resources.vcpus`.
pub const MAX_VCPUS: i128 = 256;
/// `resources.memory`: one tebibyte.
pub const MAX_MEMORY_MIB: i128 = 1 << 20;
/// `resources.seconds`: ten years.
pub const MAX_RUN_SECONDS: i128 = 10 * 365 * 24 * 3600;
/// A port number.
pub const MAX_PORT: i128 = 65535;
/// `requirements.node.address_regex`, in characters.
pub const MAX_ADDRESS_REGEX_CHARS: usize = 256;
/// Entries of one subscription in `on.message`.
pub const MAX_SUBSCRIPTION_ENTRIES: usize = 32;
/// Messages that one FORGET names, and aggregates that it names.
pub const MAX_FORGET_TARGETS: usize = 1000;
/// `reason` of a FORGET, in characters.
pub const MAX_FORGET_REASON_CHARS: usize = 1000;
/// Launch measurements of a trusted execution environment.
pub const MAX_MEASUREMENTS: usize = 16;
/// `vcpu_type` of a launch measurement, in characters.
pub const MAX_VCPU_TYPE_CHARS: usize = 64;
/// Confidential graphics cards.
pub const MAX_CONFIDENTIAL_GPUS: i128 = 8;
/// Kinds of confidential graphics cards to choose from.
pub const MAX_CONFIDENTIAL_GPU_MODELS: usize = 16;
/// Comments in a verifiable program, in characters.
pub const MAX_VERIFIED_COMMENT_CHARS: usize = 1024;
/// Volumes of a verifiable program.
pub const MAX_VERIFIED_VOLUMES: usize = 8;

/// A line of a schedule.
pub const MAX_CRON_BYTES: usize = 256;
/// A clock that is set back by more begins its schedules anew: three hours.
pub const MAX_CLOCK_SET_BACK_SECONDS: u64 = 3 * 3600;

/// A package as it comes; the network passes at most ten million bytes to a program inline.
pub const MAX_PACKAGE_BYTES: usize = 32 << 20;
/// The files of a package together.
pub const MAX_UNPACKED_BYTES: usize = 128 << 20;
/// Files and directories of a package.
pub const MAX_PACKAGE_FILES: usize = 4096;
/// How many times its own size a package may unpack to.
pub const MAX_PACKAGE_RATIO: usize = 200;
/// What every package may unpack to, however small it is.
pub const PACKAGE_RATIO_GRACE_BYTES: usize = 1 << 20;
/// Name of a file in a package, with its directories.
pub const MAX_FILE_NAME_BYTES: usize = 1024;
/// Parts of such a name.
pub const MAX_NAME_PARTS: usize = 32;
/// Memory for the tables of a squashfs image.
pub const MAX_SQUASHFS_TABLE_BYTES: usize = 8 << 20;
/// The largest block of a squashfs image.
pub const MAX_SQUASHFS_BLOCK_BYTES: usize = 1 << 20;

/// A `vm-function` document: code of the largest inline size in base64, escaped, and the rest.
pub const MAX_DOCUMENT_BYTES: usize = 1 << 20;
/// Subscriptions of one `vm-function` document.
pub const MAX_SUBSCRIPTIONS: usize = 256;

/// Body of a request that a program gets, beyond which the network's nodes refuse it.
pub const MAX_TRIGGER_BODY_BYTES: usize = 1 << 20;
/// Header fields of a request or a reply.
pub const MAX_TRIGGER_HEADERS: usize = 128;
/// Messages of which a node remembers that it has dealt with them.
pub const MAX_SEEN_MESSAGES: usize = 16_384;

/// A configuration of the host: code and data of ten million bytes each, and the rest.
pub const MAX_CONFIGURATION_BYTES: usize = 24_000_000;
/// A run request of the host: a body of the largest size, and the rest.
pub const MAX_RUN_BYTES: usize = 1_200_000;
/// Values in one message of the host.
pub const MAX_PACK_ITEMS: usize = 8192;
/// Nesting of a message of the host.
pub const MAX_PACK_DEPTH: usize = 8;
/// Each of the two texts that refuse a configuration, which together fit one packet of 64 KiB.
pub const MAX_REFUSAL_BYTES: usize = 30_000;
