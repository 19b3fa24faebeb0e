//! Bounds of the parser, far above what real scripts need.

/// The longest script in bytes; four times the default limit of the network's peers.
pub const MAX_SCRIPT_BYTES: usize = 64 << 20;

/// How deep instructions may nest. Scripts made by the Aqua compiler stay below 100.
pub const MAX_NESTING: usize = 1 << 15;

/// How many instructions a script may have.
pub const MAX_NODES: usize = 1 << 20;

/// The shortest instruction, `(null)`, with the blank before it or what stands around it.
pub(super) const MIN_NODE_BYTES: usize = 6;

/// Memory that a script's tree may take.
pub const MAX_TREE_BYTES: usize = 1 << 30;

/// Arguments of a call between two looks at the memory that the tree takes.
pub(super) const ARGUMENTS_BETWEEN_LOOKS: usize = 64;

/// How many errors of one script are collected; the parser stops at this many syntax errors.
pub const MAX_DIAGNOSTICS: usize = 256;

/// The longest report in bytes; a longer one is cut (long lines times many errors grow fast).
pub const MAX_REPORT_BYTES: usize = 256 << 10;

/// Bounds that a caller may set lower, to fit the memory that it has.
///
/// While it is parsed a script takes up to about 50 times its bytes (one of many tiny arguments);
/// usual ones take 4 to 6 times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseLimits {
    /// Longest script in bytes, at most [`MAX_SCRIPT_BYTES`].
    pub bytes: usize,
    /// Deepest nesting of instructions, at most [`MAX_NESTING`].
    pub nesting: usize,
    /// Most instructions, at most [`MAX_NODES`].
    pub nodes: usize,
    /// Most memory that the tree may take in the end, at most [`MAX_TREE_BYTES`]. While it grows it
    /// takes up to three times as much.
    pub memory: usize,
}

impl Default for ParseLimits {
    fn default() -> Self {
        Self {
            bytes: MAX_SCRIPT_BYTES,
            nesting: MAX_NESTING,
            nodes: MAX_NODES,
            memory: MAX_TREE_BYTES,
        }
    }
}
