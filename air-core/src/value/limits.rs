//! Bounds on values.

/// Deepest nesting of arrays and objects in a value; JSON text deeper than this is not accepted by
/// any peer (air-data §5.3).
pub const MAX_VALUE_DEPTH: u16 = 127;
