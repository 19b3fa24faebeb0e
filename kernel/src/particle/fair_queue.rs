//! Things that wait for the node, by who sent them: everybody in turn, within bounds.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

/// A queue with a lane for each sender. [`pop`](Self::pop) goes round the lanes; a lane keeps its order.
#[derive(Debug)]
pub struct FairQueue<K, T> {
    bounds: Bounds,
    lanes: BTreeMap<K, Lane<T>>,
    /// Each lane with something in it, once, in the order in which they are served.
    order: VecDeque<K>,
    items: usize,
    bytes: usize,
}

#[derive(Debug)]
struct Lane<T> {
    items: VecDeque<(T, usize)>,
    bytes: usize,
}

/// What a queue may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Things of one sender.
    pub lane_items: usize,
    /// Bytes of the things of one sender.
    pub lane_bytes: usize,
    /// Things of all senders.
    pub items: usize,
    /// Bytes of the things of all senders.
    pub bytes: usize,
}

impl<K: Ord + Clone, T> FairQueue<K, T> {
    /// An empty queue.
    #[must_use]
    pub const fn new(bounds: Bounds) -> Self {
        Self { bounds, lanes: BTreeMap::new(), order: VecDeque::new(), items: 0, bytes: 0 }
    }

    /// Adds `item` of `sender`, which takes `bytes` of memory, and gives what has to go for it: the item
    /// itself if its sender has too much here already, else the newest of whoever has most.
    #[must_use = "what has to go is to be counted"]
    pub fn push(&mut self, sender: K, item: T, bytes: usize) -> Vec<T> {
        let mut gone = Vec::new();
        let lane = self.lanes.get(&sender);
        let (items, lane_bytes) = lane.map_or((0, 0), |lane| (lane.items.len(), lane.bytes));
        let lane_bytes = lane_bytes.saturating_add(bytes);
        if items >= self.bounds.lane_items
            || lane_bytes > self.bounds.lane_bytes
            || bytes > self.bounds.bytes
        {
            gone.push(item);
            return gone;
        }
        while self.items >= self.bounds.items
            || self.bytes.saturating_add(bytes) > self.bounds.bytes
        {
            match self.pop_newest_of_largest((lane_bytes, items.saturating_add(1))) {
                Some(evicted) => gone.push(evicted),
                None => {
                    gone.push(item);
                    return gone;
                }
            }
        }
        let lane = self.lanes.entry(sender.clone());
        let lane = lane.or_insert_with(|| Lane { items: VecDeque::new(), bytes: 0 });
        if lane.items.is_empty() {
            self.order.push_back(sender);
        }
        lane.items.push_back((item, bytes));
        lane.bytes = lane.bytes.saturating_add(bytes);
        self.items = self.items.saturating_add(1);
        self.bytes = self.bytes.saturating_add(bytes);
        gone
    }

    /// Takes the newest item out of the lane that holds most, if that is more than `than` (bytes, items).
    fn pop_newest_of_largest(&mut self, than: (usize, usize)) -> Option<T> {
        let size = |lane: &Lane<T>| (lane.bytes, lane.items.len());
        let (sender, lane) = self.lanes.iter_mut().max_by_key(|(_, lane)| size(lane))?;
        if size(lane) <= than {
            return None;
        }
        let (item, bytes) = lane.items.pop_back()?;
        lane.bytes = lane.bytes.saturating_sub(bytes);
        let emptied = lane.items.is_empty().then(|| sender.clone());
        if let Some(sender) = emptied {
            self.lanes.remove(&sender);
            self.order.retain(|other| *other != sender);
        }
        self.forget(bytes);
        Some(item)
    }

    /// Takes the oldest item of the sender whose turn it is.
    pub fn pop(&mut self) -> Option<(K, T)> {
        let sender = self.order.pop_front()?;
        let lane = self.lanes.get_mut(&sender)?;
        let (item, bytes) = lane.items.pop_front()?;
        lane.bytes = lane.bytes.saturating_sub(bytes);
        if lane.items.is_empty() {
            self.lanes.remove(&sender);
        } else {
            self.order.push_back(sender.clone());
        }
        self.forget(bytes);
        Some((sender, item))
    }

    fn forget(&mut self, bytes: usize) {
        self.items = self.items.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// How many wait.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.items
    }

    /// Whether nothing waits.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.items == 0
    }

    /// The bytes of what waits.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    const BOUNDS: Bounds = Bounds { lane_items: 3, lane_bytes: 100, items: 5, bytes: 150 };

    #[test]
    fn senders_are_served_in_turn() {
        let mut queue = FairQueue::new(BOUNDS);
        for (sender, item) in [('a', 1), ('a', 2), ('a', 3), ('b', 4), ('c', 5)] {
            assert!(queue.push(sender, item, 1).is_empty());
        }
        let order: Vec<_> = core::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(order, [('a', 1), ('b', 4), ('c', 5), ('a', 2), ('a', 3)]);
        assert!(queue.is_empty() && queue.bytes() == 0 && queue.lanes.is_empty());
    }

    #[test]
    fn a_lane_is_bounded_by_number_and_bytes() {
        let mut queue = FairQueue::new(BOUNDS);
        for item in 0..3 {
            assert!(queue.push('a', item, 1).is_empty());
        }
        assert_eq!(queue.push('a', 3, 1), [3]);
        let mut queue = FairQueue::new(BOUNDS);
        assert!(queue.push('a', 0, 60).is_empty() && queue.push('a', 1, 40).is_empty());
        assert_eq!(queue.push('a', 2, 1), [2]);
        assert_eq!(queue.push('b', 3, 101), [3]);
    }

    #[test]
    fn who_has_most_loses_its_newest_to_who_has_less() {
        let mut queue = FairQueue::new(BOUNDS);
        for (sender, item) in [('a', 1), ('a', 2), ('a', 3), ('b', 4), ('b', 5)] {
            assert!(queue.push(sender, item, 10).is_empty());
        }
        assert_eq!(queue.push('c', 6, 10), [3], "the newest of the longest lane");
        assert_eq!(queue.push('b', 7, 10), [7], "its own lane would be the longest");
        let mut queue = FairQueue::new(BOUNDS);
        assert!(queue.push('a', 1, 90).is_empty() && queue.push('b', 2, 60).is_empty());
        assert_eq!(queue.push('c', 3, 80), [1], "and so with bytes");
        assert_eq!((queue.len(), queue.bytes()), (2, 140));
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_made_and_bounds_hold(
            actions in prop::collection::vec((0_u8..4, 0_usize..120, prop::bool::weighted(0.3)), 0..80),
        ) {
            let mut queue = FairQueue::new(BOUNDS);
            let (mut pushed, mut seen) = (0_usize, vec![]);
            for (sender, bytes, pop) in actions {
                if pop {
                    seen.extend(queue.pop().map(|(_, item)| item));
                } else {
                    seen.extend(queue.push(sender, pushed, bytes));
                    pushed += 1;
                }
                prop_assert!(queue.len() <= BOUNDS.items && queue.bytes() <= BOUNDS.bytes);
                for lane in queue.lanes.values() {
                    prop_assert!(!lane.items.is_empty() && lane.items.len() <= BOUNDS.lane_items);
                    prop_assert!(lane.bytes <= BOUNDS.lane_bytes);
                }
                prop_assert_eq!(queue.order.len(), queue.lanes.len());
            }
            seen.extend(core::iter::from_fn(|| queue.pop()).map(|(_, item)| item));
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..pushed).collect::<Vec<_>>());
        }
    }
}
