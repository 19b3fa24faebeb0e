//! Names of files in packages: relative paths with nothing unexpected in them.

use alloc::sync::Arc;
use core::fmt;

use super::{PackageError, shown};
use crate::aleph::limits::{MAX_FILE_NAME_BYTES, MAX_NAME_PARTS};

/// A relative path: parts of at least one character, with `/` between them; none is `.` or `..`, and there
/// are no control characters and no `\`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

impl Name {
    /// Checks a name; a leading `./` is left out, and so is a `/` behind.
    ///
    /// # Errors
    /// [`PackageError::BadName`].
    pub fn new(name: &[u8]) -> Result<Self, PackageError> {
        let path = name.strip_prefix(b"./").unwrap_or(name);
        let path = path.strip_suffix(b"/").unwrap_or(path);
        let is_part = |part: &str| !matches!(part, "" | "." | "..");
        let is_allowed = |character: char| !character.is_control() && character != '\\';
        match core::str::from_utf8(path) {
            Ok(path)
                if path.len() <= MAX_FILE_NAME_BYTES
                    && path.split('/').count() <= MAX_NAME_PARTS
                    && path.split('/').all(is_part)
                    && path.chars().all(is_allowed) =>
            {
                Ok(Self(path.into()))
            }
            _ => Err(PackageError::BadName(shown(name))),
        }
    }

    /// Whether this names the top directory itself, which needs no entry.
    #[must_use]
    pub fn is_top(name: &[u8]) -> bool {
        matches!(name, b"." | b"./")
    }

    /// The path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The directories that it is in, from the top on.
    pub fn directories(&self) -> impl Iterator<Item = &str> {
        self.0.match_indices('/').filter_map(|(index, _)| self.0.get(..index))
    }
}

impl core::borrow::Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
