//! Schedules: a time in the first eight bytes, the line behind them.

use kernel::aleph::cron::{Alarm, Schedule};

pub fn run(bytes: &[u8]) {
    let Some((time, line)) = bytes.split_first_chunk() else { return };
    let (time, Ok(line)) = (u64::from_le_bytes(*time), std::str::from_utf8(line)) else { return };
    let schedule: Schedule = match line.parse() {
        Ok(schedule) => schedule,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    // Times beyond the calendar too, but mostly those within it.
    for time in [time, time % 400_000_000_000] {
        let mut alarm = Alarm::new(schedule, time);
        if let Some(next) = schedule.next_after(time) {
            assert!(next > time && next % 60 == 0);
            assert_eq!(schedule.last_until(next), Some(next));
            assert!(schedule.last_until(next - 1).is_none_or(|last| last <= time));
            assert_eq!(
                alarm.look(next).map(|tick| (tick.at, tick.after_missed)),
                Some((next, false))
            );
        } else {
            assert_eq!(alarm.look(u64::MAX), None);
        }
        if let Some(last) = schedule.last_until(time) {
            assert!(last <= time && last % 60 == 0);
            assert!(last == 0 || schedule.next_after(last - 1) == Some(last));
        }
    }
}
