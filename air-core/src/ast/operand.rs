//! Operands of instructions, one enum for each place in the grammar (§2).

use super::{Name, Text};

/// A variable without a lens, and where its token stands.
///
/// Streams and stream maps are scoped by the position of their token (§4.4): a use belongs to the
/// innermost running `new` whose span contains it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    /// The name with its sigils.
    pub name: Name,
    /// Byte offset of the token in the script.
    pub position: u32,
}

/// A variable with a lens, and where its token stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lensed {
    /// The name with its sigils, without the lens.
    pub name: Name,
    /// Byte offset of the token in the script.
    pub position: u32,
    /// The lens; resolve it with [`Script::lens`](super::Script::lens).
    pub lens: LensId,
}

impl Lensed {
    /// The variable without its lens.
    pub const fn variable(self) -> Variable {
        Variable { name: self.name, position: self.position }
    }
}

/// Index of a lens in its script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LensId(pub(super) u32);

/// A lens (§1.5), borrowed from its script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lens<'a> {
    /// `.length`: the number of elements.
    Length,
    /// `.$` and at least one accessor.
    Path(&'a [Accessor]),
}

/// One step of a lens path. The flattening mark `!` has no effect and is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accessor {
    /// `.[7]`
    Index(u32),
    /// `.field`
    Field(Text),
    /// `.[scalar]`: index or field named by the value of a scalar or iterator.
    ByScalar(Name),
}

/// A value: argument of `call`, of `ap`, side of `match` and `mismatch`.
///
/// The argument of `ap` and the value of its map form are never a bare `CanonMap`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Operand {
    /// `%init_peer_id%`
    InitPeerId,
    /// `%timestamp%`
    Timestamp,
    /// `%ttl%`
    Ttl,
    /// `%last_error%`, perhaps with a lens.
    LastError(Option<LensId>),
    /// `:error:`, perhaps with a lens.
    Error(Option<LensId>),
    /// `"text"`
    Literal(Text),
    /// An integer literal.
    Integer(i64),
    /// A literal with a fraction; always finite.
    Float(f64),
    /// `true` or `false`
    Boolean(bool),
    /// `[]`
    EmptyArray,
    /// `x`
    Scalar(Variable),
    /// `x.$.a`
    ScalarLens(Lensed),
    /// `#c`, `#$c`
    Canon(Variable),
    /// `#$c.$.[0]`
    CanonLens(Lensed),
    /// `#%c`
    CanonMap(Variable),
    /// `#%c.$.key`
    CanonMapLens(Lensed),
}

/// A range of operands in the script; resolve it with [`Script::operands`](super::Script::operands).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Operands {
    pub(super) start: u32,
    pub(super) len: u32,
}

impl Operands {
    /// How many operands there are.
    pub const fn len(self) -> usize {
        self.len as usize
    }

    /// Whether there are none.
    pub const fn is_empty(self) -> bool {
        self.len == 0
    }
}

/// The peer of `call` and `canon`; the service and the function of `call` (never `InitPeerId`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TripletPart {
    /// `%init_peer_id%`
    InitPeerId,
    /// `"text"`
    Literal(Text),
    /// `x`
    Scalar(Variable),
    /// `x.$.a`
    ScalarLens(Lensed),
    /// `#$c.$.[0]`
    CanonLens(Lensed),
    /// `#%c.$.key`
    CanonMapLens(Lensed),
}

impl From<TripletPart> for Operand {
    fn from(part: TripletPart) -> Self {
        match part {
            TripletPart::InitPeerId => Self::InitPeerId,
            TripletPart::Literal(text) => Self::Literal(text),
            TripletPart::Scalar(variable) => Self::Scalar(variable),
            TripletPart::ScalarLens(lensed) => Self::ScalarLens(lensed),
            TripletPart::CanonLens(lensed) => Self::CanonLens(lensed),
            TripletPart::CanonMapLens(lensed) => Self::CanonMapLens(lensed),
        }
    }
}

/// The key of the map form of `ap`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MapKey {
    /// `"text"`
    Literal(Text),
    /// An integer literal.
    Integer(i64),
    /// `x`
    Scalar(Variable),
    /// `x.$.a`
    ScalarLens(Lensed),
    /// `#$c.$.[0]`
    CanonLens(Lensed),
}

impl From<MapKey> for Operand {
    fn from(key: MapKey) -> Self {
        match key {
            MapKey::Literal(text) => Self::Literal(text),
            MapKey::Integer(integer) => Self::Integer(integer),
            MapKey::Scalar(variable) => Self::Scalar(variable),
            MapKey::ScalarLens(lensed) => Self::ScalarLens(lensed),
            MapKey::CanonLens(lensed) => Self::CanonLens(lensed),
        }
    }
}

/// What a `fold` iterates over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Iterable {
    /// `[]`
    EmptyArray,
    /// `x`
    Scalar(Variable),
    /// `x.$.a`
    ScalarLens(Lensed),
    /// `#c`, `#$c`
    Canon(Variable),
    /// `#%c`
    CanonMap(Variable),
    /// `#%c.$.key`
    CanonMapLens(Lensed),
    /// `$s`
    Stream(Variable),
    /// `%m`
    StreamMap(Variable),
}

/// Where `call` and `ap` put a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// `x`
    Scalar(Variable),
    /// `$s`
    Stream(Variable),
}

/// The variable that `new` restricts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restricted {
    /// `x`
    Scalar(Variable),
    /// `$s`
    Stream(Variable),
    /// `%m`
    StreamMap(Variable),
    /// `#c`, `#$c`
    Canon(Variable),
    /// `#%c`
    CanonMap(Variable),
}

impl Restricted {
    /// The variable of whatever kind.
    pub const fn variable(self) -> Variable {
        match self {
            Self::Scalar(variable)
            | Self::Stream(variable)
            | Self::StreamMap(variable)
            | Self::Canon(variable)
            | Self::CanonMap(variable) => variable,
        }
    }
}

/// What `fail` raises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// `x`
    Scalar(Variable),
    /// `x.$.a`
    ScalarLens(Lensed),
    /// `#$c.$.[0]`
    CanonLens(Lensed),
    /// `1 "text"`; the code is not 0.
    Literal {
        /// The error code.
        code: i64,
        /// The error message.
        message: Text,
    },
    /// `%last_error%`
    LastError,
    /// `:error:`
    Error,
}
