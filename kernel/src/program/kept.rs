//! Programs that were installed while the node ran, brought back when it starts again.
//!
//! Each is one value of the [`Store`](crate::store::Store), under `installed/<item hash>`: a [`Bundle`] of
//! that one program, its files as they were fetched last, so that nothing has to be fetched to bring it back.
//! Where nothing lasts nothing is kept.
//!
//! There are [`MAX_KEPT_PROGRAMS`] of them with [`MAX_KEPT_BYTES`] together; one beyond runs until the node
//! ends. What its owner took back is deleted; what else cannot be brought back is reported and stays in the
//! store: a damaged record, one of another name, one whose owner `aleph.program_owners` does not name (any more).

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec;
use core::cell::RefCell;
use core::fmt;
use core::future::Future;

use log::{info, warn};

use super::bundle::{Bundle, BundleError, Package};
use super::definition::{Definition, InstallError};
use super::limits::{BUNDLE_PART, MAX_KEPT_BYTES, MAX_KEPT_PROGRAMS};
use super::{Hosted, Programs};
use crate::aleph::item_hash::ItemHash;
use crate::executor::{Signal, yield_now};
use crate::store::StoreError;

const PREFIX: &str = "installed/";

/// What is known of the programs in the store.
#[derive(Default)]
pub(super) struct Kept {
    /// What each takes, in bytes, by its key.
    sizes: RefCell<BTreeMap<String, usize>>,
    /// All that were installed while the node ran, or in an earlier life, kept or not.
    installed: RefCell<BTreeSet<ItemHash>>,
    /// Given when all are back.
    restored: Signal,
}

/// Why a program is not there after a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepError {
    /// As many are kept as may be.
    TooMany,
    /// All together would be larger than they may be, or this one than the machine can read back.
    TooLarge,
    /// It has a part that is too large, or two files of one name.
    Bundle(BundleError),
    /// The store does not take it.
    Store(StoreError),
}

impl fmt::Display for KeepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany => write!(f, "{MAX_KEPT_PROGRAMS} programs are kept already"),
            Self::TooLarge => f.write_str("it is larger than what may be kept"),
            Self::Bundle(error) => error.fmt(f),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for KeepError {}

impl From<StoreError> for KeepError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Why a record is not brought back.
#[derive(Debug)]
enum Unusable {
    TooLarge,
    Bundle(BundleError),
    /// It holds no program, several, or one of another name.
    Foreign,
    NotAllowed,
    Forgotten,
    Install(InstallError),
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => f.write_str("it is too large for this machine"),
            Self::Bundle(error) => error.fmt(f),
            Self::Foreign => f.write_str("the record is not that of the program"),
            Self::NotAllowed => f.write_str("aleph.program_owners does not name its owner"),
            Self::Forgotten => f.write_str("its owner took it back"),
            Self::Install(error) => error.fmt(f),
        }
    }
}

impl Kept {
    /// Counts a record in place of an older one of the same key, whose size this gives.
    fn replace(&self, key: &str, bytes: usize) -> Result<Option<usize>, KeepError> {
        let mut sizes = self.sizes.borrow_mut();
        let older = sizes.get(key).copied();
        if older.is_none() && sizes.len() >= MAX_KEPT_PROGRAMS {
            return Err(KeepError::TooMany);
        }
        let others = sizes.values().sum::<usize>() - older.unwrap_or(0);
        if others.saturating_add(bytes) > MAX_KEPT_BYTES {
            return Err(KeepError::TooLarge);
        }
        sizes.insert(key.into(), bytes);
        Ok(older)
    }

    /// Counts a record as it was before.
    fn undo(&self, key: &str, older: Option<usize>) {
        let mut sizes = self.sizes.borrow_mut();
        match older {
            Some(bytes) => sizes.insert(key.into(), bytes),
            None => sizes.remove(key),
        };
    }
}

impl Programs {
    /// Keeps a program over restarts, in place of what was kept of it, where anything lasts.
    ///
    /// # Errors
    /// [`KeepError`]; what was kept of it before is still there.
    pub async fn keep(&self, program: &ItemHash, package: Package) -> Result<(), KeepError> {
        self.kept.installed.borrow_mut().insert(program.clone());
        let store = self.store();
        if !store.is_lasting() {
            return Ok(());
        }
        if package.size() > self.record_bytes() {
            return Err(KeepError::TooLarge);
        }
        let record = Bundle { programs: vec![package] }.encode().map_err(KeepError::Bundle)?;
        let key = format!("{PREFIX}{program}");
        let older = self.kept.replace(&key, record.len())?;
        store.put(&key, &record).await.inspect_err(|_| self.kept.undo(&key, older))?;
        Ok(store.flush().await?)
    }

    /// Brings back the programs that earlier lives of the node kept. To be called once.
    pub async fn restore(&self) {
        if self.store().is_lasting()
            && let Err(error) = self.try_restore().await
        {
            warn!(target: "program", "what was installed cannot be read: {error}");
        }
        self.kept.restored.give();
    }

    /// Waits for the end of [`restore`](Self::restore).
    pub fn restored(&self) -> impl Future<Output = u64> + use<> {
        self.kept.restored.after(0)
    }

    async fn try_restore(&self) -> Result<(), StoreError> {
        self.recall_forgotten().await?;
        let keys = self.store().keys(PREFIX).await?;
        if let Some(more @ 1..) = keys.len().checked_sub(MAX_KEPT_PROGRAMS) {
            warn!(target: "program", "{more} installed programs are too many");
        }
        for key in keys.into_iter().take(MAX_KEPT_PROGRAMS) {
            match self.store().get(&key).await {
                Ok(None) => {}
                Ok(Some(record)) => {
                    self.kept.sizes.borrow_mut().insert(key.clone(), record.len());
                    match self.bring_back(&key, &record) {
                        Ok(hosted) => {
                            info!(target: "program", "{} was installed before", hosted.short());
                        }
                        Err(reason) => {
                            warn!(target: "program", "{key:.80} is not brought back: {reason}");
                            if matches!(reason, Unusable::Forgotten) {
                                self.unkeep_key(&key).await?;
                            }
                        }
                    }
                }
                Err(error) => {
                    self.kept.sizes.borrow_mut().insert(key.clone(), 0);
                    warn!(target: "program", "{key:.80} is not brought back: {error}");
                }
            }
            yield_now().await;
        }
        Ok(())
    }

    fn bring_back(&self, key: &str, record: &[u8]) -> Result<Rc<Hosted>, Unusable> {
        if record.len() > self.record_bytes() {
            return Err(Unusable::TooLarge);
        }
        let bundle = Bundle::decode(record).map_err(Unusable::Bundle)?;
        let [package] = bundle.programs.as_slice() else { return Err(Unusable::Foreign) };
        let definition = Definition::of_package(package, &self.package_limits());
        let definition = definition.map_err(Unusable::Install)?;
        if key.strip_prefix(PREFIX) != Some(definition.id().as_str()) {
            return Err(Unusable::Foreign);
        }
        if !self.node().config().aleph.may_install(&definition.program().owner) {
            return Err(Unusable::NotAllowed);
        }
        if self.is_forgotten(definition.id(), &definition.program().owner) {
            return Err(Unusable::Forgotten);
        }
        let hosted = self.install(definition).map_err(Unusable::Install)?;
        self.kept.installed.borrow_mut().insert(hosted.program().id.clone());
        Ok(hosted)
    }

    /// Keeps a program no longer.
    pub(super) async fn unkeep(&self, program: &ItemHash) -> Result<(), StoreError> {
        self.unkeep_key(&format!("{PREFIX}{program}")).await
    }

    async fn unkeep_key(&self, key: &str) -> Result<(), StoreError> {
        self.kept.sizes.borrow_mut().remove(key);
        self.store().delete(key).await
    }

    /// Whether a program was installed while the node ran, or in an earlier life.
    pub(super) fn is_installed(&self, program: &ItemHash) -> bool {
        self.kept.installed.borrow().contains(program)
    }

    /// Whether a program is kept over restarts.
    #[must_use]
    pub fn is_kept(&self, program: &ItemHash) -> bool {
        self.kept.sizes.borrow().contains_key(&format!("{PREFIX}{program}"))
    }

    /// What a record may have on this machine: while it is unpacked it is there three times.
    fn record_bytes(&self) -> usize {
        self.node().heap_bytes() / BUNDLE_PART
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_together_have_so_many_bytes_and_not_one_more() {
        let kept = Kept::default();
        let half = MAX_KEPT_BYTES / 2;
        assert_eq!(kept.replace("a", half), Ok(None));
        assert_eq!(kept.replace("b", half + 1), Err(KeepError::TooLarge));
        assert_eq!(kept.replace("b", half), Ok(None));
        assert_eq!(kept.replace("c", 1), Err(KeepError::TooLarge));
        assert_eq!(kept.replace("b", half - 1), Ok(Some(half)), "in place of itself");
        assert_eq!(kept.replace("c", 1), Ok(None));
        kept.undo("c", None);
        kept.undo("b", Some(half));
        assert_eq!(kept.replace("c", 1), Err(KeepError::TooLarge));
    }
}
