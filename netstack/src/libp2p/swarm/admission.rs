//! Who gets in, and who leaves when there is no room.
//!
//! Every connection holds a place from the moment it is accepted or dialed. When there is none left for
//! a newcomer, somebody leaves: first the oldest connection whose handshake takes longer than an honest
//! one would, then the one that has been idle longest, those that never carried a particle before the
//! others, then the oldest handshake. A connection with streams in use never leaves. Too many handshakes
//! at once, in all or from one address, cost the oldest of them its place, so that half-open and slow
//! connections make way for those that come to an end.

use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use core::cell::RefCell;

use super::activity::Activity;
use super::config::Limits;
use super::ending::{Ending, Why};
use super::limits::{EVICTION_GRACE, USEFUL_EVICTION_GRACE};
use super::origin::Origin;
use crate::time::{Instant, after};

/// The places of all connections; clones are the same.
#[derive(Clone, Debug)]
pub(super) struct Places {
    table: Rc<RefCell<Table>>,
    limits: Limits,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    held: BTreeMap<u64, Held>,
    evicted: u64,
}

#[derive(Debug)]
struct Held {
    origin: Origin,
    since: Instant,
    stage: Stage,
    ending: Rc<Ending>,
}

#[derive(Debug)]
enum Stage {
    /// Accepted, handshake under way.
    Arriving,
    /// Dialed, handshake under way.
    Dialing,
    /// Ready.
    Established(Rc<Activity>),
}

/// There is no room for a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoRoom;

/// The place of one connection, free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    table: Rc<RefCell<Table>>,
    id: u64,
    pub(super) ending: Rc<Ending>,
}

impl Places {
    pub(super) fn new(limits: Limits) -> Self {
        Self { table: Rc::default(), limits }
    }

    /// A place for a connection from `origin`.
    pub(super) fn admit(&self, now: Instant, origin: &Origin) -> Result<Place, NoRoom> {
        let table = &mut *self.table.borrow_mut();
        let limits = &self.limits;
        let same = |held: &Held| held.origin == *origin;
        if table.arriving(same) >= limits.max_handshakes_per_address {
            table.evict_arriving(same);
        } else if table.arriving(|_| true) >= limits.max_handshakes {
            table.evict_arriving(|_| true);
        }
        let inbound_of_origin = table.count(|held| same(held) && !held.is_dialing());
        if inbound_of_origin >= limits.max_connections_per_address {
            table.make_room(now, same)?;
        }
        if table.held.len() >= limits.max_connections {
            table.make_room(now, |_| true)?;
        }
        Ok(self.seat(table, now, origin, Stage::Arriving))
    }

    /// A place for a connection that we dial.
    pub(super) fn reserve(&self, now: Instant, origin: &Origin) -> Result<Place, NoRoom> {
        let table = &mut *self.table.borrow_mut();
        if table.held.len() >= self.limits.max_connections {
            table.make_room(now, |_| true)?;
        }
        Ok(self.seat(table, now, origin, Stage::Dialing))
    }

    fn seat(&self, table: &mut Table, since: Instant, origin: &Origin, stage: Stage) -> Place {
        table.next += 1;
        let (id, ending) = (table.next, Rc::<Ending>::default());
        table
            .held
            .insert(id, Held { origin: origin.clone(), since, stage, ending: Rc::clone(&ending) });
        Place { table: Rc::clone(&self.table), id, ending }
    }

    /// Connections whose handshake is done, those in it, and those evicted so far.
    pub(super) fn count(&self) -> (usize, usize, u64) {
        let table = self.table.borrow();
        let established = table.count(|held| matches!(held.stage, Stage::Established(_)));
        (established, table.held.len() - established, table.evicted)
    }

    /// Tells every connection to end.
    pub(super) fn end_all(&self, why: Why) {
        let endings = |table: &Table| -> alloc::vec::Vec<Rc<Ending>> {
            table.held.values().map(|held| Rc::clone(&held.ending)).collect()
        };
        let all = endings(&self.table.borrow());
        all.iter().for_each(|ending| ending.say(why));
    }
}

impl Held {
    fn is_dialing(&self) -> bool {
        matches!(self.stage, Stage::Dialing)
    }

    /// Whether nothing has been done for a while, and then: never useful first, longest idle first.
    fn idleness(&self, now: Instant) -> Option<(bool, Instant)> {
        let Stage::Established(activity) = &self.stage else { return None };
        let since = activity.idle_since()?;
        let useful = activity.is_useful();
        let grace = if useful { USEFUL_EVICTION_GRACE } else { EVICTION_GRACE };
        (after(since, grace) <= now).then_some((useful, since))
    }
}

impl Table {
    fn count(&self, which: impl Fn(&Held) -> bool) -> usize {
        self.held.values().filter(|held| which(held)).count()
    }

    fn arriving(&self, which: impl Fn(&Held) -> bool) -> usize {
        self.count(|held| matches!(held.stage, Stage::Arriving) && which(held))
    }

    /// Ends the oldest unfinished incoming handshake; false when there is none.
    fn evict_arriving(&mut self, which: impl Fn(&Held) -> bool) -> bool {
        let mut arriving =
            self.held.iter().filter(|(_, held)| matches!(held.stage, Stage::Arriving));
        let Some(id) = arriving.find(|(_, held)| which(held)).map(|(id, _)| *id) else {
            return false;
        };
        self.evict(id);
        true
    }

    fn make_room(&mut self, now: Instant, which: impl Fn(&Held) -> bool) -> Result<(), NoRoom> {
        if self.evict_arriving(|held| which(held) && after(held.since, EVICTION_GRACE) <= now) {
            return Ok(());
        }
        let idle = self.held.iter().filter(|(_, held)| which(held));
        let idle = idle.filter_map(|(id, held)| Some((held.idleness(now)?, *id)));
        if let Some((_, id)) = idle.min() {
            self.evict(id);
            return Ok(());
        }
        if self.evict_arriving(&which) { Ok(()) } else { Err(NoRoom) }
    }

    /// Frees the place at once; its connection ends as soon as it hears of it.
    fn evict(&mut self, id: u64) {
        if let Some(held) = self.held.remove(&id) {
            self.evicted += 1;
            held.ending.say(Why::Evicted);
        }
    }
}

impl Place {
    /// The number of the place; later ones are larger.
    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// The handshake is done.
    pub(super) fn establish(&self, activity: &Rc<Activity>) {
        if let Some(held) = self.table.borrow_mut().held.get_mut(&self.id) {
            held.stage = Stage::Established(Rc::clone(activity));
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.table.borrow_mut().held.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::libp2p::swarm::clock::Clock;
    use crate::time::{Duration, Timer};

    /// A clock that stands still.
    #[derive(Clone)]
    struct Still(Rc<core::cell::Cell<Instant>>);

    impl Timer for Still {
        fn now(&self) -> Instant {
            self.0.get()
        }

        async fn sleep_until(&self, _: Instant) {
            core::future::pending::<()>().await;
        }
    }

    struct Setting {
        places: Places,
        now: Rc<core::cell::Cell<Instant>>,
        clock: Clock,
    }

    impl Setting {
        fn new(change: impl FnOnce(&mut Limits)) -> Self {
            let mut limits = Limits::default();
            change(&mut limits);
            let now = Rc::new(core::cell::Cell::new(Instant::ZERO));
            let clock = Clock::new(Still(Rc::clone(&now)));
            Self { places: Places::new(limits), now, clock }
        }

        fn pass(&self, duration: Duration) {
            self.now.set(after(self.now.get(), duration));
        }

        fn arrive(&self, from: u8) -> Result<Place, NoRoom> {
            self.places.admit(self.now.get(), &Origin::V4([from; 4]))
        }

        fn establish(&self, from: u8) -> (Place, Rc<Activity>) {
            let Ok(place) = self.arrive(from) else { panic!("there is room") };
            let activity = Activity::new(self.clock.clone());
            place.establish(&activity);
            (place, activity)
        }
    }

    fn ended(places: &[Place]) -> Vec<bool> {
        places.iter().map(|place| place.ending.is_said()).collect()
    }

    #[test]
    fn one_handshake_too_many_costs_the_oldest_its_place() {
        let setting = Setting::new(|limits| {
            (limits.max_handshakes, limits.max_handshakes_per_address) = (3, 2);
        });
        let mut places: Vec<Place> =
            [1, 2, 2].map(|from| setting.arrive(from)).into_iter().flatten().collect();
        assert_eq!(ended(&places), [false; 3]);
        // From an address that has as many as it may: the oldest of that address.
        places.extend(setting.arrive(2));
        assert_eq!(ended(&places), [false, true, false, false]);
        // From another one: the oldest of all.
        places.extend(setting.arrive(3));
        assert_eq!(ended(&places), [true, true, false, false, false]);
        assert_eq!(setting.places.count(), (0, 3, 2));
        drop(places);
        assert_eq!(setting.places.count(), (0, 0, 2));
    }

    #[test]
    fn who_is_of_use_stays_and_who_is_busy_stays_for_certain() {
        let setting = Setting::new(|limits| limits.max_connections = 3);
        let (idle, _) = setting.establish(1);
        let (useful, used) = setting.establish(1);
        used.prove_useful();
        let (busy, work) = setting.establish(1);
        let work = work.begin();
        assert_eq!(setting.arrive(2).err(), Some(NoRoom), "nobody is idle for long enough");
        setting.pass(EVICTION_GRACE);
        let newcomer = setting.arrive(2);
        assert!(newcomer.is_ok() && idle.ending.is_said());
        // A handshake that takes too long leaves before anybody who is ready.
        setting.pass(USEFUL_EVICTION_GRACE);
        let second = setting.arrive(3);
        assert!(newcomer.is_ok_and(|place| place.ending.is_said()));
        let Ok(second) = second else { panic!("there is room") };
        second.establish(&Activity::new(setting.clock.clone()));
        assert!(!useful.ending.is_said());
        // The other one has only just come.
        let third = setting.arrive(4);
        assert!(third.is_ok() && useful.ending.is_said() && !second.ending.is_said());
        // One that is busy never leaves.
        setting.pass(USEFUL_EVICTION_GRACE * 100);
        let more: Vec<_> = (0..10).map(|from| setting.arrive(from)).collect();
        assert!(more.iter().all(Result::is_ok) && !busy.ending.is_said());
        drop(work);
    }

    #[test]
    fn one_address_gets_no_more_than_its_part() {
        let setting = Setting::new(|limits| limits.max_connections_per_address = 2);
        let (first, _) = setting.establish(1);
        let (second, work) = setting.establish(1);
        let _work = work.begin();
        assert!(setting.arrive(1).is_err());
        assert!(setting.arrive(2).is_ok());
        setting.pass(EVICTION_GRACE);
        assert!(setting.arrive(1).is_ok());
        assert!(first.ending.is_said() && !second.ending.is_said());
    }
}
