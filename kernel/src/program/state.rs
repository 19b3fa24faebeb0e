//! What a program keeps from run to run: the files of `export.mount`, as one value of the [`Store`].
//!
//! The key is `program/<item hash>/data`, the value the files as `tar.gzip`, the same bytes for the same
//! files. Where there is a value, it takes the place of everything that the program's data have in that
//! directory.

use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::fmt;

use super::account::{Account, Share};
use super::definition::Definition;
use super::files::Place;
use crate::aleph::package::{
    FileTree, Limits, Name, OutOfMemory, PackageError, Packer, unpack_export,
};
use crate::executor::yield_now;
use crate::store::{Store, StoreError};

/// The files of a program between its runs.
pub(super) struct State {
    store: Rc<dyn Store>,
    key: String,
    export: Option<Place>,
    limits: Limits,
    /// The files that the program came with.
    first: RefCell<Rc<FileTree>>,
    /// What the next run begins with, once it is known.
    files: RefCell<Option<Rc<FileTree>>>,
    /// The memory of the files.
    share: Share,
    /// Whether nothing is kept any more.
    closed: Cell<bool>,
}

/// Why a state cannot be read or kept.
#[derive(Debug)]
pub(super) enum StateError {
    Store(StoreError),
    Package(PackageError),
    /// The files are more than the program's memory.
    Memory,
    /// There is no memory to pack them.
    OutOfMemory(OutOfMemory),
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::Package(error) => error.fmt(f),
            Self::Memory => f.write_str("the files are more than the program's memory"),
            Self::OutOfMemory(error) => error.fmt(f),
        }
    }
}

impl From<StoreError> for StateError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<PackageError> for StateError {
    fn from(error: PackageError) -> Self {
        Self::Package(error)
    }
}

impl From<OutOfMemory> for StateError {
    fn from(error: OutOfMemory) -> Self {
        Self::OutOfMemory(error)
    }
}

impl State {
    pub(super) fn new(definition: &Definition, store: Rc<dyn Store>, account: &Account) -> Self {
        let first = Rc::new(definition.files().clone());
        Self {
            store,
            key: format!("program/{}/data", definition.id()),
            export: definition.export().cloned(),
            limits: Limits { unpacked_bytes: account.limit(), ..Limits::default() },
            first: RefCell::new(first),
            files: RefCell::new(None),
            share: account.share(),
            closed: Cell::new(false),
        }
    }

    /// Keeps nothing any more, whatever runs leave.
    pub(super) fn close(&self) {
        self.closed.set(true);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.get()
    }

    /// Deletes what was kept.
    pub(super) async fn delete(&self) -> Result<(), StoreError> {
        self.store.delete(&self.key).await
    }

    /// From now on the program comes with these files; what was kept stays.
    pub(super) fn begin_with(&self, files: FileTree) {
        *self.first.borrow_mut() = Rc::new(files);
        *self.files.borrow_mut() = None;
    }

    fn first(&self) -> Rc<FileTree> {
        self.first.borrow().clone()
    }

    /// The files that the next run begins with.
    pub(super) async fn files(&self) -> Result<Rc<FileTree>, StateError> {
        let known = self.files.borrow().clone();
        if let Some(files) = known {
            return Ok(files);
        }
        let files = match &self.export {
            None => self.first(),
            Some(export) => match self.store.get(&self.key).await? {
                None => self.first(),
                Some(kept) => {
                    let kept = unpack_export(&kept, &self.limits)?;
                    Rc::new(with_kept(&self.first(), export, &kept)?)
                }
            },
        };
        self.take(files.clone())?;
        Ok(files)
    }

    /// Keeps what a run left: from now on runs begin with it.
    pub(super) async fn keep(&self, tree: Rc<FileTree>) -> Result<(), StateError> {
        let Some(export) = &self.export else { return Ok(()) };
        let mut kept = FileTree::new(self.limits);
        for (name, bytes) in tree.iter() {
            if let Some(inner) = export.inner(name.as_str()) {
                kept.put_shared(Name::new(inner.as_bytes())?, bytes.clone())?;
            }
        }
        let first = self.first();
        let files = Rc::new(with_kept(&first, export, &kept)?);
        let packed = packed(&kept).await?;
        if self.is_closed() {
            return Ok(());
        }
        self.store.put(&self.key, &packed).await?;
        self.store.flush().await?;
        // With other first files the next run reads anew what was kept.
        if Rc::ptr_eq(&first, &self.first()) { self.take(files) } else { Ok(()) }
    }

    fn take(&self, files: Rc<FileTree>) -> Result<(), StateError> {
        if !self.share.hold(files.size()) {
            return Err(StateError::Memory);
        }
        *self.files.borrow_mut() = Some(files);
        Ok(())
    }
}

/// The files as they are kept; others go on meanwhile.
async fn packed(files: &FileTree) -> Result<Vec<u8>, OutOfMemory> {
    let mut packer = Packer::new(files);
    while packer.step()? {
        yield_now().await;
    }
    Ok(packer.finish())
}

/// The first files with everything in `export` replaced.
fn with_kept(first: &FileTree, export: &Place, kept: &FileTree) -> Result<FileTree, PackageError> {
    let mut files = first.clone();
    let old =
        first.iter().map(|(name, _)| name).filter(|name| export.inner(name.as_str()).is_some());
    for name in old {
        files.remove(name.as_str());
    }
    for (name, bytes) in kept.iter() {
        files.put_shared(export.name_of(name.as_str())?, bytes.clone())?;
    }
    Ok(files)
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("key", &self.key).finish_non_exhaustive()
    }
}
