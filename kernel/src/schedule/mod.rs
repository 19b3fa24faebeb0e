//! Programs at their times (cron).
//!
//! One task looks at the clock whenever the next time of any program has come, at least once a minute,
//! and when programs come and go. Times are minutes of UTC.
//!
//! # What happens when
//!
//! | what happens | what follows |
//! |---|---|
//! | a time comes | the program runs once, and is told the time of its schedule (`tick`), not the one at which it runs |
//! | several pass between two looks | one run, for the last of them; the others are missed, and counted |
//! | the clock is set forward | the same, within a minute |
//! | the clock is set back by at most three hours | times that were dealt with do not come again |
//! | it is set back by more | the schedule begins anew at the new time |
//! | there is no clock | nothing runs until there is one |
//! | the last run is still under way | **no overlap**: this time is skipped, and counted; it is not made up for |
//! | the node has no room for the run ([`Failure::Busy`]) | the time is lost, and counted as failed |
//! | the node starts, without a volume | schedules begin now: what passed while it was off is missed |
//! | the node starts, with a volume | at most one run for what passed while it was off, if the program had run before |
//! | the machine stops while a program runs | that run is lost: a time is noted as dealt with, and flushed, before its run begins |
//!
//! [`Alarm`] has the rules of the clock, as a function of what it shows.
//!
//! # What is kept
//!
//! `cron/<item hash>` in the [`Store`]: eight bytes, little-endian, the time in seconds since 1970 up to which
//! the program's schedule has been dealt with.

#[cfg(test)]
mod tests;

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use core::cell::Cell;
use core::fmt;
use core::time::Duration;

use futures_util::future::select;
use log::{debug, warn};

use crate::aleph::cron::{Alarm, Schedule, Tick};
use crate::aleph::item_hash::ItemHash;
use crate::executor::{Executor, Signal};
use crate::limits::MAX_SCHEDULE_SLEEP_MS;
use crate::machine::Machine;
use crate::metrics::Counter;
use crate::program::Trigger;
use crate::runnable::{Runnable, Runnables};
use crate::store::Store;

/// What became of the times of all schedules.
#[derive(Debug, Default)]
pub struct ScheduleCounts {
    /// Runs that ended well.
    pub done: Counter,
    /// Runs that failed, or for which there was no room.
    pub failed: Counter,
    /// Runs before which at least one time was missed.
    pub after_missed: Counter,
    /// Times that were skipped because the last run was still under way.
    pub overlapped: Counter,
    /// Notes in the store that could not be made.
    pub not_kept: Counter,
}

/// Runs programs at their times.
pub struct Scheduler {
    programs: Rc<dyn Runnables>,
    store: Rc<dyn Store>,
    machine: Rc<dyn Machine>,
    executor: Executor,
    counts: Rc<ScheduleCounts>,
}

/// A program with a schedule.
struct Entry {
    runnable: Rc<dyn Runnable>,
    alarm: Alarm,
    /// Whether a run is under way.
    running: Rc<Cell<bool>>,
}

impl Scheduler {
    /// A scheduler that does nothing until it is [run](Self::run).
    #[must_use]
    pub fn new(
        programs: Rc<dyn Runnables>,
        store: Rc<dyn Store>,
        machine: Rc<dyn Machine>,
        executor: Executor,
    ) -> Self {
        Self { programs, store, machine, executor, counts: Rc::default() }
    }

    /// What is counted.
    #[must_use]
    pub fn counts(&self) -> Rc<ScheduleCounts> {
        self.counts.clone()
    }

    /// Runs programs at their times, for ever.
    pub async fn run(self) {
        let changes = self.programs.changes();
        let mut entries = BTreeMap::new();
        let mut said_clockless = false;
        loop {
            let seen = changes.count();
            let Some(now) = self.unix_seconds() else {
                if !said_clockless && self.has_schedules() {
                    warn!(target: "cron", "there is no clock: programs do not run at their times");
                    said_clockless = true;
                }
                self.sleep(&changes, seen, Some(MAX_SCHEDULE_SLEEP_MS)).await;
                continue;
            };
            self.update(&mut entries, now).await;
            // Reading the store may have taken its time.
            let now = self.unix_seconds().unwrap_or(now);
            for (id, entry) in &mut entries {
                if let Some(tick) = entry.alarm.look(now) {
                    self.start(id, entry, tick);
                }
            }
            let next = entries.values().filter_map(|entry| entry.alarm.next()).min();
            let sleep = next.map(|next| {
                let until = next.saturating_mul(1000).saturating_sub(self.machine.unix_time_ms());
                until.clamp(1, MAX_SCHEDULE_SLEEP_MS)
            });
            self.sleep(&changes, seen, sleep).await;
        }
    }

    /// Sleeps for so many milliseconds, or until there are other programs.
    async fn sleep(&self, changes: &Signal, seen: u64, millis: Option<u64>) {
        let change = changes.after(seen);
        let Some(millis) = millis else {
            change.await;
            return;
        };
        let sleep = self.executor.sleep(Duration::from_millis(millis));
        select(core::pin::pin!(change), sleep).await;
    }

    fn unix_seconds(&self) -> Option<u64> {
        match self.machine.unix_time_ms() {
            0 => None,
            milliseconds => Some(milliseconds / 1000),
        }
    }

    fn has_schedules(&self) -> bool {
        self.programs.all().iter().any(|runnable| runnable.program().triggers.cron.is_some())
    }

    /// Takes up programs that are new, and lets go of those that are gone.
    async fn update(&self, entries: &mut BTreeMap<ItemHash, Entry>, now: u64) {
        let all = self.programs.all();
        // One that was taken away and came again has the same name.
        entries.retain(|_, entry| all.iter().any(|known| Rc::ptr_eq(known, &entry.runnable)));
        for runnable in all {
            let Some(schedule) = runnable.program().triggers.cron else { continue };
            let id = runnable.program().id.clone();
            if entries.contains_key(&id) {
                continue;
            }
            let alarm = self.alarm(&id, schedule, now).await;
            entries.insert(id, Entry { runnable, alarm, running: Rc::default() });
        }
    }

    async fn alarm(&self, id: &ItemHash, schedule: Schedule, now: u64) -> Alarm {
        match self.store.get(&key(id)).await {
            Ok(Some(bytes)) => match <[u8; 8]>::try_from(bytes.as_slice()) {
                Ok(bytes) => Alarm::resume(schedule, u64::from_le_bytes(bytes)),
                Err(_) => Alarm::new(schedule, now),
            },
            Ok(None) => Alarm::new(schedule, now),
            Err(error) => {
                warn!(target: "cron", "{id}: when it ran last cannot be read: {error}");
                Alarm::new(schedule, now)
            }
        }
    }

    fn start(&self, id: &ItemHash, entry: &Entry, tick: Tick) {
        if tick.after_missed {
            self.counts.after_missed.add(1);
        }
        if entry.running.replace(true) {
            self.counts.overlapped.add(1);
            return;
        }
        let (counts, store, id) = (self.counts.clone(), self.store.clone(), id.clone());
        let (runnable, running) = (entry.runnable.clone(), entry.running.clone());
        let dealt_with = entry.alarm.dealt_with();
        self.executor.spawn(async move {
            if let Err(error) = keep(&*store, &id, dealt_with).await {
                counts.not_kept.add(1);
                warn!(target: "cron", "{id}: when it runs cannot be kept: {error}");
            }
            match runnable.run(Trigger::Cron { tick: tick.at }).await {
                Ok(()) => counts.done.add(1),
                Err(failure) => {
                    counts.failed.add(1);
                    debug!(target: "cron", "{id}: the run of {} failed: {failure:?}", tick.at);
                }
            }
            running.set(false);
        });
    }
}

async fn keep(
    store: &dyn Store,
    id: &ItemHash,
    dealt_with: u64,
) -> Result<(), crate::store::StoreError> {
    store.put(&key(id), &dealt_with.to_le_bytes()).await?;
    store.flush().await
}

fn key(id: &ItemHash) -> String {
    format!("cron/{id}")
}

impl fmt::Debug for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scheduler").field("counts", &self.counts).finish_non_exhaustive()
    }
}
