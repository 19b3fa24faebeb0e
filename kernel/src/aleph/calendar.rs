//! The proleptic Gregorian calendar in UTC: days since 1970 to dates and back.

/// A day of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date {
    /// The year, from −999 999 to 999 999.
    pub year: i32,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
}

/// Days in 400 years, after which the calendar repeats.
const DAYS_PER_ERA: i64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01.
const EPOCH: i64 = 719_468;
const MAX_YEAR: i32 = 999_999;

impl Date {
    /// The date, if there is one in the calendar, and in the years that are counted here.
    #[must_use]
    pub fn new(year: i32, month: u8, day: u8) -> Option<Self> {
        let is_one = (-MAX_YEAR..=MAX_YEAR).contains(&year)
            && (1..=12).contains(&month)
            && (1..=days_in_month(year, month)).contains(&day);
        is_one.then_some(Self { year, month, day })
    }

    /// Days since 1970-01-01.
    #[must_use]
    pub fn days_since_epoch(self) -> i64 {
        // Years begin in March here, so that the day that leap years have more is their last.
        let year = i64::from(self.year) - i64::from(self.month <= 2);
        let month = (i64::from(self.month) + 9) % 12;
        let day_of_year = (153 * month + 2) / 5 + i64::from(self.day) - 1;
        let era = year.div_euclid(400);
        let year = year.rem_euclid(400);
        era * DAYS_PER_ERA + 365 * year + year / 4 - year / 100 + day_of_year - EPOCH
    }

    /// The date so many days after 1970-01-01; nothing beyond the years that are counted here.
    #[must_use]
    pub fn from_days(days: i64) -> Option<Self> {
        let days = days.checked_add(EPOCH)?;
        let era = days.div_euclid(DAYS_PER_ERA);
        let day = days.rem_euclid(DAYS_PER_ERA);
        let year = (day - day / 1460 + day / 36_524 - day / (DAYS_PER_ERA - 1)) / 365;
        let day_of_year = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month + 2) / 5 + 1;
        let month = (month + 2) % 12 + 1;
        let year = era.checked_mul(400)?.checked_add(year + i64::from(month <= 2))?;
        Self::new(year.try_into().ok()?, month.try_into().ok()?, day.try_into().ok()?)
    }

    /// 0 for Sunday to 6 for Saturday.
    #[must_use]
    pub fn weekday(self) -> u8 {
        // 1970-01-01 was a Thursday.
        u8::try_from((self.days_since_epoch() + 4).rem_euclid(7)).unwrap_or(0)
    }
}

/// Days of a month; 0 for a month that is none.
#[must_use]
pub fn days_in_month(year: i32, month: u8) -> u8 {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap => 29,
        2 => 28,
        1..=12 => 31,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_days_are_where_they_belong() {
        let days = |year, month, day| Date::new(year, month, day).unwrap().days_since_epoch();
        assert_eq!(days(1970, 1, 1), 0);
        assert_eq!(days(2000, 3, 1), 11_017);
        assert_eq!(days(1969, 12, 31), -1);
        assert_eq!(days(9999, 12, 31), 2_932_896);
        assert_eq!(Date::new(2026, 11, 22).unwrap().weekday(), 0);
        assert_eq!(Date::new(1970, 1, 1).unwrap().weekday(), 4);
    }

    #[test]
    fn days_that_are_none_are_refused() {
        for (year, month, day) in [
            (2023, 2, 29),
            (1900, 2, 29),
            (2024, 2, 30),
            (2024, 4, 31),
            (2024, 0, 1),
            (2024, 13, 1),
        ] {
            assert_eq!(Date::new(year, month, day), None);
        }
        assert!(Date::new(2024, 2, 29).is_some());
        assert!(Date::new(2000, 2, 29).is_some());
        assert_eq!(Date::new(1_000_000, 1, 1), None);
        assert_eq!(Date::from_days(i64::MAX), None);
        assert_eq!(Date::from_days(i64::MIN), None);
    }

    #[test]
    fn four_hundred_years_follow_each_other_day_by_day() {
        let mut date = Date::new(1900, 1, 1).unwrap();
        for days in date.days_since_epoch()..date.days_since_epoch() + DAYS_PER_ERA {
            assert_eq!(Date::from_days(days), Some(date));
            assert_eq!(date.days_since_epoch(), days);
            let Date { year, month, day } = date;
            date = Date::new(year, month, day + 1)
                .or_else(|| Date::new(year, month + 1, 1))
                .or_else(|| Date::new(year + 1, 1, 1))
                .unwrap();
        }
    }

    proptest! {
        #[test]
        fn every_day_comes_back(days in any::<i64>().prop_map(|days| days % 400_000_000)) {
            if let Some(date) = Date::from_days(days) {
                prop_assert_eq!(date.days_since_epoch(), days);
            }
        }
    }
}
