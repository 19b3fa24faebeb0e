use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::aleph::calendar::Date;
use crate::aleph::limits::MAX_CLOCK_SET_BACK_SECONDS;

const MINUTE_SECONDS: u64 = 60;
const DAY_SECONDS: u64 = 86_400;

fn schedule(line: &str) -> Schedule {
    line.parse().unwrap()
}

/// Seconds since 1970.
fn at(year: i32, month: u8, day: u8, hour: u64, minute: u64) -> u64 {
    let days = Date::new(year, month, day).unwrap().days_since_epoch();
    u64::try_from(days).unwrap() * DAY_SECONDS + hour * 3600 + minute * MINUTE_SECONDS
}

/// Whether a minute is meant, by the words of the fields alone.
fn is_meant(line: &str, time: u64) -> bool {
    let fields: Vec<&str> = line.split(' ').collect();
    let date = Date::from_days(i64::try_from(time / DAY_SECONDS).unwrap()).unwrap();
    let has = |field: &str, least: u64, most: u64, value: u64| {
        field.split(',').any(|item| {
            let (range, step) = item.split_once('/').unwrap_or((item, "1"));
            let step: u64 = step.parse().unwrap();
            let (first, last) = match range.split_once('-') {
                Some((first, last)) => (first.parse().unwrap(), last.parse().unwrap()),
                None if range == "*" => (least, most),
                None if item.contains('/') => (range.parse().unwrap(), most),
                None => (range.parse().unwrap(), range.parse().unwrap()),
            };
            (first..=last).contains(&value) && (value - first).is_multiple_of(step)
        })
    };
    let minute = time / MINUTE_SECONDS;
    let day = has(fields[2], 1, 31, date.day.into());
    let weekday = u64::from(date.weekday());
    // Sunday is 0 and 7; `*` goes to 6 only.
    let sunday = weekday == 0 && has(fields[4], 0, 6, 7);
    let weekday = has(fields[4], 0, 6, weekday) || sunday;
    let is_day = if fields[2].starts_with('*') || fields[4].starts_with('*') {
        day && weekday
    } else {
        day || weekday
    };
    has(fields[0], 0, 59, minute % 60)
        && has(fields[1], 0, 23, minute / 60 % 24)
        && has(fields[3], 1, 12, date.month.into())
        && is_day
}

#[test]
fn known_lines_come_when_they_should() {
    let now = at(2026, 11, 22, 10, 15);
    for (line, next) in [
        ("* * * * *", at(2026, 11, 22, 10, 16)),
        ("5 4 * * *", at(2026, 11, 23, 4, 5)),
        ("*/20 * * * *", at(2026, 11, 22, 10, 20)),
        ("0 12 * * MON-FRI", at(2026, 11, 23, 12, 0)),
        ("0 0 1 jan *", at(2027, 1, 1, 0, 0)),
        ("0 0 29 2 *", at(2028, 2, 29, 0, 0)),
        ("0 0 31 * *", at(2026, 12, 31, 0, 0)),
        ("30 10 22 11 *", at(2026, 11, 22, 10, 30)),
        ("15 10 22 11 *", at(2027, 11, 22, 10, 15)),
        ("0 0 13 * FRI", at(2026, 11, 27, 0, 0)),
        ("0 0 * * 7", at(2026, 11, 29, 0, 0)),
        ("0 0 * * SAT-SUN", at(2026, 11, 28, 0, 0)),
        ("10/20 * * * *", at(2026, 11, 22, 10, 30)),
        ("@hourly", at(2026, 11, 22, 11, 0)),
        ("@Daily", at(2026, 11, 23, 0, 0)),
        ("@weekly", at(2026, 11, 29, 0, 0)),
        ("@monthly", at(2026, 12, 1, 0, 0)),
        ("@yearly", at(2027, 1, 1, 0, 0)),
        ("  0   0\t1 1 * ", at(2027, 1, 1, 0, 0)),
    ] {
        assert_eq!(schedule(line).next_after(now), Some(next), "{line}");
    }
}

#[test]
fn days_that_never_come_are_said_to() {
    for line in ["0 0 30 2 *", "0 0 31 2,4,6,9,11 *", "0 0 31 4 *"] {
        assert_eq!(schedule(line).next_after(0), None, "{line}");
        assert_eq!(schedule(line).last_until(at(3000, 1, 1, 0, 0)), None, "{line}");
    }
    // With a weekday the other field need not match.
    assert!(schedule("0 0 30 2 MON").next_after(0).is_some());
}

#[test]
fn rare_days_are_found_across_centuries() {
    // A 29th of February on a Sunday, over 2100, which is no leap year.
    let rare = schedule("0 0 29 2 */7");
    assert_eq!(rare.next_after(at(2088, 2, 29, 0, 0)), Some(at(2128, 2, 29, 0, 0)));
    assert_eq!(rare.last_until(at(2128, 2, 28, 0, 0)), Some(at(2088, 2, 29, 0, 0)));
    assert_eq!(
        schedule("0 0 29 2 *").next_after(at(2096, 2, 29, 0, 0)),
        Some(at(2104, 2, 29, 0, 0))
    );
}

#[test]
fn times_beyond_the_calendar_are_never() {
    let always = schedule("* * * * *");
    for time in [u64::MAX, u64::MAX - 60, u64::MAX / 2] {
        assert_eq!(always.next_after(time), None);
        assert_eq!(always.last_until(time), None);
    }
    assert_eq!(always.last_until(0), Some(0));
    assert_eq!(schedule("1 * * * *").last_until(59), None);
}

#[test]
fn lines_that_are_none_say_which_field_and_why() {
    use CronError::*;
    use FieldName::*;
    for (line, error) in [
        ("", NotFiveFields),
        ("* * * *", NotFiveFields),
        ("* * * * * *", NotFiveFields),
        ("@reboot", UnknownWord),
        ("@", UnknownWord),
        ("60 * * * *", OutOfRange(Minute)),
        ("* 24 * * *", OutOfRange(Hour)),
        ("* * 0 * *", OutOfRange(Day)),
        ("* * 32 * *", OutOfRange(Day)),
        ("* * * 13 *", OutOfRange(Month)),
        ("* * * * 8", OutOfRange(Weekday)),
        ("30-10 * * * *", OutOfRange(Minute)),
        ("999 * * * *", OutOfRange(Minute)),
        ("*/0 * * * *", ZeroStep(Minute)),
        ("* , * * *", Malformed(Hour)),
        ("* * *- * *", Malformed(Day)),
        ("* * * JANUARY *", Malformed(Month)),
        ("* * * * FRI#2", Malformed(Weekday)),
        ("* * L * *", Malformed(Day)),
        ("-1 * * * *", Malformed(Minute)),
        ("+1 * * * *", Malformed(Minute)),
        ("*/ * * * *", Malformed(Minute)),
        ("1-2-3 * * * *", Malformed(Minute)),
    ] {
        assert_eq!(line.parse::<Schedule>(), Err(error), "{line}");
        assert!(!error.to_string().is_empty());
    }
}

#[test]
fn a_line_may_have_so_many_bytes_and_no_more() {
    let padded = |length: usize| format!("@daily{}", " ".repeat(length - 6));
    assert!(padded(MAX_CRON_BYTES).parse::<Schedule>().is_ok());
    assert_eq!(padded(MAX_CRON_BYTES + 1).parse::<Schedule>(), Err(CronError::TooLong));
}

#[test]
fn each_tick_of_years_comes_once_and_in_order() {
    let (begin, end) = (at(2026, 11, 22, 0, 0), at(2031, 3, 1, 0, 0));
    for line in ["17 3 * * 1-5", "0 0 29 2 *", "*/30 8-17/3 1,15 * *", "59 23 31 12 *"] {
        let mut alarm = Alarm::new(schedule(line), begin);
        let mut runs = Vec::new();
        while let Some(next) = alarm.next().filter(|next| *next <= end) {
            assert_eq!(alarm.look(next - 1), None, "{line}");
            let tick = alarm.look(next).unwrap();
            assert_eq!(tick, Tick { at: next, after_missed: false }, "{line}");
            assert_eq!(alarm.look(next), None, "{line}");
            runs.push(next);
        }
        let minutes = (begin + MINUTE_SECONDS..=end).step_by(60);
        let expected: Vec<u64> = minutes.filter(|time| is_meant(line, *time)).collect();
        assert_eq!(runs, expected, "{line}");
    }
}

#[test]
fn missed_ticks_are_made_up_for_by_one_run() {
    let noon = at(2026, 11, 22, 12, 0);
    let mut alarm = Alarm::new(schedule("0 * * * *"), noon);
    let later = noon + 50 * 365 * DAY_SECONDS + 1799;
    assert_eq!(alarm.look(later), Some(Tick { at: later - 1799, after_missed: true }));
    assert_eq!(alarm.look(later), None);
    assert_eq!(alarm.next(), Some(later - 1799 + 3600));
    let mut resumed = Alarm::resume(schedule("0 * * * *"), noon - 1);
    assert_eq!(resumed.look(noon), Some(Tick { at: noon, after_missed: false }));
    assert_eq!(resumed.dealt_with(), noon);
}

#[test]
fn a_clock_set_back_a_little_repeats_nothing() {
    let noon = at(2026, 11, 22, 12, 0);
    let mut alarm = Alarm::new(schedule("* * * * *"), noon - 60);
    assert!(alarm.look(noon).is_some());
    for back in [1, 60, 3600, MAX_CLOCK_SET_BACK_SECONDS] {
        assert_eq!(alarm.look(noon - back), None);
    }
    assert_eq!(alarm.next(), Some(noon + 60));
    assert_eq!(alarm.look(noon + 60), Some(Tick { at: noon + 60, after_missed: false }));
}

#[test]
fn a_clock_set_back_a_lot_begins_anew() {
    let noon = at(2026, 11, 22, 12, 0);
    let mut alarm = Alarm::new(schedule("* * * * *"), noon);
    let back = noon - MAX_CLOCK_SET_BACK_SECONDS - 1;
    assert_eq!(alarm.look(back), None);
    assert_eq!(alarm.next(), Some(back / 60 * 60 + 60));
    assert!(alarm.look(back + 60).is_some());
}

/// A list of items of a field, as text.
fn field(least: u8, most: u8) -> impl Strategy<Value = String> {
    let value = least..=most;
    let item = prop_oneof![
        4 => Just("*".to_string()),
        2 => value.clone().prop_map(|value| value.to_string()),
        1 => (value.clone(), value.clone())
            .prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))),
        1 => (1_u8..9).prop_map(|step| format!("*/{step}")),
        1 => (value.clone(), value.clone(), 1_u8..9)
            .prop_map(|(a, b, step)| format!("{}-{}/{step}", a.min(b), a.max(b))),
    ];
    prop::collection::vec(item, 1..3).prop_map(|items| items.join(","))
}

fn line() -> impl Strategy<Value = String> {
    (field(0, 59), field(0, 23), field(1, 31), field(1, 12), field(0, 7)).prop_map(
        |(minute, hour, day, month, weekday)| format!("{minute} {hour} {day} {month} {weekday}"),
    )
}

proptest! {
    #[test]
    fn the_next_time_is_that_of_a_scan_of_every_minute(line in line(), time in 0..at(2130, 1, 1, 0, 0)) {
        let schedule = schedule(&line);
        let first = time / 60 * 60 + 60;
        let scan = (first..first + 40 * DAY_SECONDS).step_by(60).find(|time| is_meant(&line, *time));
        let next = schedule.next_after(time);
        match scan {
            Some(_) => prop_assert_eq!(next, scan),
            None => prop_assert!(next.is_none_or(|next| next >= first + 40 * DAY_SECONDS && is_meant(&line, next))),
        }
        if let Some(next) = next {
            prop_assert_eq!(schedule.last_until(next), Some(next));
            prop_assert!(schedule.last_until(next - 1).is_none_or(|last| last <= time));
        }
    }

    #[test]
    fn any_text_is_a_schedule_or_not(line in "[-*/,0-9@a-zA-Z ]{0,40}", time in any::<u64>()) {
        if let Ok(schedule) = line.parse::<Schedule>() {
            if let Some(next) = schedule.next_after(time) {
                prop_assert!(next > time && next % 60 == 0);
            }
            if let Some(last) = schedule.last_until(time) {
                prop_assert!(last <= time && last % 60 == 0);
            }
        }
    }

    /// Whatever the clock does, no tick comes twice unless the clock was set back by more than three hours.
    #[test]
    fn no_tick_comes_twice(line in line(), steps in prop::collection::vec(-10_800_i64..100_000, 1..60)) {
        let mut now = at(2026, 11, 22, 0, 0);
        let mut latest = now;
        let mut alarm = Alarm::new(schedule(&line), now);
        let mut last = 0;
        for step in steps {
            now = now.saturating_add_signed(step).max(latest - MAX_CLOCK_SET_BACK_SECONDS);
            latest = latest.max(now);
            if let Some(tick) = alarm.look(now) {
                prop_assert!(tick.at > last && tick.at <= now && is_meant(&line, tick.at));
                last = tick.at;
            }
        }
    }
}
