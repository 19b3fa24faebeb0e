//! What one program's runs hold in memory, and how much they may.

use alloc::rc::Rc;
use core::cell::Cell;

/// The memory of one program; clones are the same.
#[derive(Clone, Debug)]
pub struct Account(Rc<State>);

#[derive(Debug)]
struct State {
    limit: usize,
    held: Cell<usize>,
    peak: Cell<usize>,
}

impl Account {
    /// A program that may hold so many bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self(Rc::new(State { limit, held: Cell::new(0), peak: Cell::new(0) }))
    }

    /// Bytes that may be held.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.0.limit
    }

    /// Bytes that are held now.
    #[must_use]
    pub fn held(&self) -> usize {
        self.0.held.get()
    }

    /// The most bytes that were held at once.
    #[must_use]
    pub fn peak(&self) -> usize {
        self.0.peak.get()
    }

    /// A part of it, which holds nothing yet.
    #[must_use]
    pub fn share(&self) -> Share {
        Share { account: self.clone(), held: Cell::new(0) }
    }

    /// Replaces what one share holds; false, and nothing changes, if that would be too much. Holding less
    /// is never too much.
    fn replace(&self, before: usize, now: usize) -> bool {
        let others = self.0.held.get().saturating_sub(before);
        let held = others.saturating_add(now);
        if now > before && held > self.0.limit {
            return false;
        }
        self.0.held.set(held);
        self.0.peak.set(self.0.peak.get().max(held));
        true
    }
}

/// A part of a program's memory; given back when it is dropped.
#[derive(Debug)]
pub struct Share {
    account: Account,
    held: Cell<usize>,
}

impl Share {
    /// Holds so many bytes from now on, in place of what it held; false, and nothing changes, if all
    /// shares together would hold too much.
    #[must_use]
    pub fn hold(&self, bytes: usize) -> bool {
        let may = self.account.replace(self.held.get(), bytes);
        if may {
            self.held.set(bytes);
        }
        may
    }

    /// Bytes that it holds.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.get()
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.account.replace(self.held.get(), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_shares_together_hold_what_the_account_may_and_not_a_byte_more() {
        let account = Account::new(100);
        let (first, second) = (account.share(), account.share());
        assert!(first.hold(60) && second.hold(40));
        assert!(!second.hold(41) && second.held() == 40, "one past the limit");
        assert!(first.hold(10) && second.hold(90));
        drop(first);
        assert_eq!((account.held(), account.peak()), (90, 100));
        assert!(second.hold(100));
        drop(second);
        assert_eq!(account.held(), 0);
    }

    #[test]
    fn holding_less_is_possible_beyond_the_limit_too() {
        let account = Account::new(10);
        let share = account.share();
        assert!(share.hold(10) && !share.hold(11) && share.hold(9));
    }
}
