//! Sizes of the archived types, in bytes (air-data §3.3).

/// Alignment of every archived structure; strings and bytes have none.
pub const ALIGNMENT: usize = 4;

pub const ROOT: usize = 60;
pub const STATE: usize = 24;
pub const ENTRY: usize = 12;
pub const SIGNATURE_ENTRY: usize = 16;
pub const RAW_VALUE: usize = 8;
pub const STRING: usize = 8;
pub const TETRAPLET: usize = 32;
pub const SERVICE_RESULT: usize = 24;
pub const CANON_RESULT: usize = 16;
pub const CANON_ELEMENT: usize = 28;
pub const CID: usize = 8;
pub const FOLD_LORE: usize = 12;
pub const SUBTRACE: usize = 8;
pub const GENERATION: usize = 4;

/// Longest string that is kept inside its 8 bytes.
pub const INLINE_STRING: usize = 7;

pub const TAG_PAR: u8 = 0;
pub const TAG_CALL: u8 = 1;
pub const TAG_FOLD: u8 = 2;
pub const TAG_AP: u8 = 3;
pub const TAG_CANON: u8 = 4;

pub const TAG_REQUEST_SENT_BY: u8 = 0;
pub const TAG_EXECUTED: u8 = 1;
pub const TAG_FAILED: u8 = 2;

pub const TAG_PEER: u8 = 0;
pub const TAG_PEER_WITH_CALL_ID: u8 = 1;

pub const TAG_SCALAR: u8 = 0;
pub const TAG_STREAM: u8 = 1;
pub const TAG_UNUSED: u8 = 2;

pub const TAG_LITERAL: u8 = 0;
pub const TAG_SERVICE_RESULT: u8 = 1;
pub const TAG_CANON_RESULT: u8 = 2;
