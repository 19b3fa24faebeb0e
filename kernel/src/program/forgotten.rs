//! Programs that were installed while the node ran, and that their owners took back (FORGET messages).
//!
//! Such a program is hosted no longer, its record and its state are deleted, and it is not installed again:
//! whoever has its PROGRAM message could post it once more. So hashes and owners are noted, here and, where
//! anything lasts, under [`KEY`], before anything is deleted. Of [`MAX_FORGOTTEN_PROGRAMS`] that are known the oldest
//! makes way for a new one. A program that the configuration names, or that the node was booted with, stays.

use alloc::collections::VecDeque;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::RefCell;

use log::{info, warn};

use super::limits::MAX_FORGOTTEN_PROGRAMS;
use super::{Hosted, Programs};
use crate::aleph::item_hash::ItemHash;
use crate::store::StoreError;

/// Where the list is kept: postcard of pairs of item hash and owner, the oldest first.
const KEY: &str = "forgotten";

/// Which programs are not to be installed again.
#[derive(Default)]
pub(super) struct Forgotten(RefCell<VecDeque<(ItemHash, String)>>);

impl Forgotten {
    fn has(&self, program: &ItemHash, owner: &str) -> bool {
        let is_it =
            |(hash, of): &(ItemHash, String)| hash == program && of.eq_ignore_ascii_case(owner);
        self.0.borrow().iter().any(is_it)
    }

    fn note(&self, program: &ItemHash, owner: &str) {
        if self.has(program, owner) {
            return;
        }
        let mut list = self.0.borrow_mut();
        if list.len() >= MAX_FORGOTTEN_PROGRAMS {
            list.pop_front();
        }
        list.push_back((program.clone(), owner.into()));
    }

    fn encode(&self) -> Vec<u8> {
        let list = self.0.borrow();
        let pairs: Vec<_> = list.iter().map(|(hash, owner)| (hash.as_str(), owner)).collect();
        // Texts in memory have no form that postcard does not take.
        postcard::to_allocvec(&pairs).unwrap_or_default()
    }

    /// Takes a list as it was kept; `None` if it is none.
    fn decode(&self, bytes: &[u8]) -> Option<()> {
        let (pairs, rest): (Vec<(String, String)>, _) = postcard::take_from_bytes(bytes).ok()?;
        if !rest.is_empty() {
            return None;
        }
        for (hash, owner) in pairs {
            self.note(&hash.parse().ok()?, &owner);
        }
        Some(())
    }
}

impl Programs {
    /// Takes programs back for their owner, whether they are hosted or not.
    ///
    /// # Errors
    /// What the store says. Then they are hosted no longer all the same, but may be back after a restart.
    pub async fn forget(&self, programs: &[ItemHash], owner: &str) -> Result<(), StoreError> {
        let mut taken_back = Vec::new();
        for program in programs {
            self.forgotten.note(program, owner);
            if let Some(hosted) = self.installed_by(program, owner) {
                self.remove(program);
                info!(target: "program", "{} was taken back by its owner", hosted.short());
                taken_back.push(hosted);
            }
        }
        let store = self.store();
        if store.is_lasting() {
            store.put(KEY, &self.forgotten.encode()).await?;
            store.flush().await?;
        }
        for hosted in taken_back {
            self.unkeep(&hosted.program().id).await?;
            hosted.delete_state().await?;
        }
        store.flush().await
    }

    /// Whether this owner has taken the program back.
    #[must_use]
    pub fn is_forgotten(&self, program: &ItemHash, owner: &str) -> bool {
        self.forgotten.has(program, owner)
    }

    /// Reads what earlier lives of the node noted.
    pub(super) async fn recall_forgotten(&self) -> Result<(), StoreError> {
        if let Some(bytes) = self.store().get(KEY).await?
            && self.forgotten.decode(&bytes).is_none()
        {
            warn!(target: "program", "the list of programs that were taken back is damaged");
        }
        Ok(())
    }

    fn installed_by(&self, program: &ItemHash, owner: &str) -> Option<Rc<Hosted>> {
        let hosted = self.get(program).filter(|_| self.is_installed(program))?;
        hosted.program().owner.eq_ignore_ascii_case(owner).then_some(hosted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use proptest::prelude::*;

    fn hash(number: usize) -> ItemHash {
        ItemHash::of(format!("{number}").as_bytes())
    }

    #[test]
    fn the_oldest_makes_way_at_the_limit_and_not_before() {
        let forgotten = Forgotten::default();
        for number in 0..MAX_FORGOTTEN_PROGRAMS {
            forgotten.note(&hash(number), "0xA");
        }
        forgotten.note(&hash(1), "0xa");
        assert!(forgotten.has(&hash(0), "0xa"), "one that is known takes no place");
        assert!(!forgotten.has(&hash(0), "0xb"));
        forgotten.note(&hash(MAX_FORGOTTEN_PROGRAMS), "0xA");
        assert!(!forgotten.has(&hash(0), "0xA"));
        assert!(
            forgotten.has(&hash(1), "0xA") && forgotten.has(&hash(MAX_FORGOTTEN_PROGRAMS), "0xA")
        );
        let again = Forgotten::default();
        assert_eq!(again.decode(&forgotten.encode()), Some(()));
        assert_eq!(*again.0.borrow(), *forgotten.0.borrow());
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_list_or_none(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let forgotten = Forgotten::default();
            let _ = forgotten.decode(&bytes);
            prop_assert!(forgotten.0.borrow().len() <= MAX_FORGOTTEN_PROGRAMS);
        }
    }
}
