//! The files of a run: what it may read, what it writes, what is kept of it.
//!
//! | directory | what is there |
//! |---|---|
//! | `/opt/code` | the package of the code, if it is one; it cannot be written |
//! | `data.mount` | the data of the program |
//! | `export.mount` | what the last run kept; often the same directory |
//! | `/tmp` | nothing at first; `/tmp/request` is a request's body that is too large for the scope |
//!
//! A run works on its own version of the files, which it shares with others until it writes. Only what is in
//! `export.mount` outlasts the run.

use alloc::rc::Rc;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::aleph::package::{FileTree, Name, PackageError};

/// The directory of the code's package.
pub const CODE: &str = "/opt/code";
/// The body of a request that is too large for the scope.
pub const REQUEST_BODY: &str = "/tmp/request";

/// A directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Without slashes around it; empty for the top.
    path: Arc<str>,
}

impl Place {
    /// The directory of this absolute path, if it is one that files can be in.
    #[must_use]
    pub fn new(path: &str) -> Option<Self> {
        let inner = path.strip_prefix('/').unwrap_or(path);
        let inner = inner.strip_suffix('/').unwrap_or(inner);
        if inner.is_empty() {
            return Some(Self { path: "".into() });
        }
        let name = Name::new(inner.as_bytes()).ok()?;
        (name.as_str() == inner).then(|| Self { path: inner.into() })
    }

    /// Whether the code is in here, or this in the directory of the code.
    pub(super) fn overlaps_code(&self) -> bool {
        let code = CODE.trim_start_matches('/');
        self.path.is_empty()
            || self.holds(code)
            || self.path.starts_with(code) && {
                let rest = self.path.get(code.len()..).unwrap_or_default();
                rest.is_empty() || rest.starts_with('/')
            }
    }

    /// The full name of a file in this directory.
    ///
    /// # Errors
    /// [`PackageError::BadName`]: it would be too long or too deep.
    pub fn name_of(&self, inner: &str) -> Result<Name, PackageError> {
        if self.path.is_empty() {
            return Name::new(inner.as_bytes());
        }
        let mut path = String::with_capacity(self.path.len() + 1 + inner.len());
        path.push_str(&self.path);
        path.push('/');
        path.push_str(inner);
        Name::new(path.as_bytes())
    }

    /// The name of a file as it is in this directory; nothing if it is elsewhere.
    #[must_use]
    pub fn inner<'a>(&self, name: &'a str) -> Option<&'a str> {
        if self.path.is_empty() {
            return Some(name);
        }
        name.strip_prefix(&*self.path)?.strip_prefix('/')
    }

    fn holds(&self, name: &str) -> bool {
        self.inner(name).is_some()
    }
}

/// The files of one run.
#[derive(Clone, Debug)]
pub struct Files {
    tree: Rc<FileTree>,
    /// The files that were written, and their bytes: what this run holds beside what it shares.
    written: alloc::collections::BTreeMap<Name, usize>,
    export: Option<Place>,
    /// Whether anything in the directory that is kept was written.
    dirty: bool,
}

/// Why a file cannot be written or read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileError {
    /// The path is none that a file can have.
    Path,
    /// It is a file of the code.
    ReadOnly,
    /// There is no such file.
    NotThere,
    /// The files would be too many or too large, or the name is that of a directory.
    Refused(PackageError),
}

impl core::fmt::Display for FileError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Path => f.write_str("the path is none that a file can have"),
            Self::ReadOnly => f.write_str("the code cannot be written"),
            Self::NotThere => f.write_str("there is no such file"),
            Self::Refused(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for FileError {}

impl Files {
    /// A run's version of `tree`, of which what is in `export` is to be kept.
    #[must_use]
    pub fn new(tree: Rc<FileTree>, export: Option<Place>) -> Self {
        Self { tree, written: alloc::collections::BTreeMap::new(), export, dirty: false }
    }

    /// The bytes of a file.
    ///
    /// # Errors
    /// [`FileError::Path`] and [`FileError::NotThere`].
    pub fn read(&self, path: &str) -> Result<Arc<[u8]>, FileError> {
        let name = name(path)?;
        self.tree.get(name.as_str()).cloned().ok_or(FileError::NotThere)
    }

    /// Writes a whole file.
    ///
    /// # Errors
    /// [`FileError`], all but [`FileError::NotThere`].
    pub fn write(&mut self, path: &str, bytes: impl Into<Arc<[u8]>>) -> Result<(), FileError> {
        let name = writable(path)?;
        let bytes = bytes.into();
        let length = bytes.len();
        Rc::make_mut(&mut self.tree).put_shared(name.clone(), bytes).map_err(FileError::Refused)?;
        self.touch(name.as_str());
        self.written.insert(name, length);
        Ok(())
    }

    /// Takes a file away; whether it was there.
    ///
    /// # Errors
    /// [`FileError::Path`] and [`FileError::ReadOnly`].
    pub fn delete(&mut self, path: &str) -> Result<bool, FileError> {
        let name = writable(path)?;
        if self.tree.get(name.as_str()).is_none() {
            return Ok(false);
        }
        self.touch(name.as_str());
        self.written.remove(&name);
        Ok(Rc::make_mut(&mut self.tree).remove(name.as_str()))
    }

    /// The paths of the files in a directory and those in it, sorted; no more than `most`.
    ///
    /// # Errors
    /// [`FileError::Path`].
    pub fn list(&self, directory: &str, most: usize) -> Result<Vec<String>, FileError> {
        let place = Place::new(directory).ok_or(FileError::Path)?;
        let names = self.tree.iter().map(|(name, _)| name.as_str());
        let inside = names.filter(|name| place.holds(name)).take(most);
        Ok(inside.map(|name| alloc::format!("/{name}")).collect())
    }

    fn touch(&mut self, name: &str) {
        self.dirty |= self.export.as_ref().is_some_and(|export| export.holds(name));
    }

    /// Bytes of the files that this run wrote.
    #[must_use]
    pub fn written_bytes(&self) -> usize {
        self.written.values().sum()
    }

    /// Whether anything that is to be kept was written.
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// All files.
    #[must_use]
    pub fn tree(&self) -> &Rc<FileTree> {
        &self.tree
    }
}

fn name(path: &str) -> Result<Name, FileError> {
    let inner = path.strip_prefix('/').unwrap_or(path);
    let name = Name::new(inner.as_bytes()).map_err(|_| FileError::Path)?;
    // Names of packages may end in `/`; files do not.
    if name.as_str() == inner { Ok(name) } else { Err(FileError::Path) }
}

fn writable(path: &str) -> Result<Name, FileError> {
    let name = name(path)?;
    let code = CODE.trim_start_matches('/');
    let rest = name.as_str().strip_prefix(code);
    if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
        return Err(FileError::ReadOnly);
    }
    Ok(name)
}
