//! How long each phase of the boot took, in ticks of the time-stamp counter.

use spin::Mutex;

use super::limits::MAX_PHASES;
use crate::cpu;

/// One phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phase {
    /// What was done.
    pub name: &'static str,
    /// How long it took.
    pub ticks: u64,
}

#[derive(Debug)]
struct Record {
    last_mark: u64,
    phases: [Phase; MAX_PHASES],
    count: usize,
}

impl Record {
    const fn empty() -> Record {
        Record { last_mark: 0, phases: [Phase { name: "", ticks: 0 }; MAX_PHASES], count: 0 }
    }

    fn mark(&mut self, name: &'static str, now: u64) {
        if let Some(slot) = self.phases.get_mut(self.count) {
            *slot = Phase { name, ticks: now.saturating_sub(self.last_mark) };
            self.count += 1;
        }
        self.last_mark = now;
    }

    fn phases(&self) -> &[Phase] {
        self.phases.get(..self.count).unwrap_or_default()
    }
}

static RECORD: Mutex<Record> = Mutex::new(Record::empty());

/// Starts the first phase at `ticks`.
pub fn begin(ticks: u64) {
    RECORD.lock().last_mark = ticks;
}

/// Ends the current phase, gives it its name, and starts the next.
pub fn mark(name: &'static str) {
    RECORD.lock().mark(name, cpu::tsc());
}

/// Calls `each` with every phase that ended, in order.
pub fn for_each(mut each: impl FnMut(Phase)) {
    let (phases, count) = {
        let record = RECORD.lock();
        (record.phases, record.phases().len())
    };
    phases.into_iter().take(count).for_each(&mut each);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_phase_runs_from_the_mark_before() {
        let mut record = Record::empty();
        record.mark("a", 10);
        record.mark("b", 25);
        record.mark("c", 20);
        let expected = [("a", 10), ("b", 15), ("c", 0)].map(|(name, ticks)| Phase { name, ticks });
        assert_eq!(record.phases(), expected);
    }

    #[test]
    fn keeps_the_bound_of_phases_and_drops_one_more() {
        let mut record = Record::empty();
        for _ in 0..=MAX_PHASES {
            record.mark("x", 1);
        }
        assert_eq!(record.phases().len(), MAX_PHASES);
    }
}
