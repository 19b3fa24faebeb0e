//! How much of something the senders hold, and who holds most.

use alloc::collections::BTreeMap;
use core::cmp::Reverse;

use crate::particle::Sender;

/// What all senders hold together, and each of them. Every change takes logarithmic time.
#[derive(Debug, Default)]
pub(super) struct Shares {
    total: usize,
    changes: u64,
    of: BTreeMap<Sender, Share>,
    /// Who holds so much, by when it came to that.
    ranked: BTreeMap<(usize, Reverse<u64>), Sender>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Share {
    amount: usize,
    since: u64,
}

impl Shares {
    /// What all hold.
    pub(super) const fn total(&self) -> usize {
        self.total
    }

    /// What `sender` holds.
    pub(super) fn of(&self, sender: Sender) -> usize {
        self.of.get(&sender).map_or(0, |share| share.amount)
    }

    /// `sender` holds so much more.
    pub(super) fn add(&mut self, sender: Sender, amount: usize) {
        self.set(sender, self.of(sender).saturating_add(amount));
    }

    /// `sender` holds so much less.
    pub(super) fn subtract(&mut self, sender: Sender, amount: usize) {
        self.set(sender, self.of(sender).saturating_sub(amount));
    }

    /// Those who hold something, who holds most first; of two who hold as much, who has done so for
    /// longer.
    pub(super) fn largest_first(&self) -> impl Iterator<Item = (Sender, usize)> {
        self.ranked.iter().rev().map(|((amount, _), sender)| (*sender, *amount))
    }

    fn set(&mut self, sender: Sender, amount: usize) {
        let before = self.of.remove(&sender).unwrap_or_default();
        self.ranked.remove(&(before.amount, Reverse(before.since)));
        self.total = self.total.saturating_sub(before.amount).saturating_add(amount);
        if amount > 0 {
            self.changes = self.changes.wrapping_add(1);
            self.of.insert(sender, Share { amount, since: self.changes });
            self.ranked.insert((amount, Reverse(self.changes)), sender);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use netstack::libp2p::PeerId;
    use proptest::prelude::*;

    fn sender(number: u8) -> Sender {
        Sender::Peer(PeerId::from_public_key([number; 32]))
    }

    #[test]
    fn of_two_who_hold_as_much_comes_first_who_has_done_so_for_longer() {
        let mut shares = Shares::default();
        for number in [2, 1, 3] {
            shares.add(sender(number), 5);
        }
        shares.add(Sender::Own, 6);
        shares.subtract(sender(2), 1);
        shares.add(sender(2), 1);
        let order: Vec<Sender> = shares.largest_first().map(|(sender, _)| sender).collect();
        assert_eq!(order, [Sender::Own, sender(1), sender(3), sender(2)]);
        assert_eq!((shares.total(), shares.of(sender(1)), shares.of(sender(9))), (21, 5, 0));
    }

    proptest! {
        #[test]
        fn the_order_and_the_sum_are_those_of_what_each_holds(
            changes in prop::collection::vec((0_u8..6, any::<bool>(), 0_usize..10), 0..60),
        ) {
            let mut shares = Shares::default();
            let mut model = [0_usize; 6];
            for (number, more, amount) in changes {
                let held = &mut model[usize::from(number)];
                if more {
                    shares.add(sender(number), amount);
                    *held += amount;
                } else {
                    shares.subtract(sender(number), amount);
                    *held = held.saturating_sub(amount);
                }
            }
            prop_assert_eq!(shares.total(), model.iter().sum::<usize>());
            for (number, held) in (0_u8..).zip(model) {
                prop_assert_eq!(shares.of(sender(number)), held);
            }
            let ranked: Vec<usize> = shares.largest_first().map(|(_, amount)| amount).collect();
            let mut expected: Vec<usize> = model.into_iter().filter(|held| *held > 0).collect();
            expected.sort_unstable_by(|a, b| b.cmp(a));
            prop_assert_eq!(ranked, expected);
        }
    }
}
