//! What was measured, as text.

use std::time::Duration;

use super::count::{Counted, Timed};
use super::{INSTRUCTIONS_AIM, Way};

/// One kind of boot.
#[derive(Clone, Debug)]
pub struct Boot {
    /// What boots, and on what.
    pub name: String,
    /// Whether it is ours.
    pub is_ours: bool,
    /// Instructions.
    pub counted: Counted,
    /// Times.
    pub timed: Timed,
}

/// All of it.
#[derive(Debug, Default)]
pub struct Report {
    boots: Vec<Boot>,
    rows: Vec<(String, u64, Option<u64>)>,
    /// Names of machines with tables of phases.
    pub phases: Vec<(&'static str, String)>,
}

impl Report {
    /// Adds a kind of boot.
    pub fn boot(&mut self, way: &Way, counted: Counted, timed: Timed) {
        self.boots.push(Boot { name: way.name.clone(), is_ours: way.is_ours, counted, timed });
    }

    /// Adds a figure; with an aim, which it has to stay below or at.
    pub fn row(&mut self, name: &str, value: u64, aim: Option<u64>) {
        self.rows.push((name.to_owned(), value, aim));
    }

    /// Every kind of boot.
    pub fn boots(&self) -> &[Boot] {
        &self.boots
    }

    /// How many aims are missed.
    pub fn missed(&self) -> usize {
        let rows = self.rows.iter().filter(|(_, value, aim)| aim.is_some_and(|aim| *value > aim));
        let ours = self.boots.iter().filter(|boot| boot.is_ours);
        rows.count() + ours.filter(|boot| boot.counted.kernel > INSTRUCTIONS_AIM).count()
    }

    /// Prints it.
    pub fn print(&self) {
        println!(
            "| boot | instructions before the kernel | from its entry to the first answer | ms until the entry | until the first answer |"
        );
        println!("|---|---|---|---|---|");
        for Boot { name, counted, timed, .. } in &self.boots {
            let (before, kernel) = (grouped(counted.before), grouped(counted.kernel));
            let (entry, answer) = (millis(timed.entry), millis(timed.answer));
            println!("| {name} | {before} | {kernel} | {entry} | {answer} |");
        }
        println!();
        for (name, value, aim) in &self.rows {
            let judgement = match aim {
                None => String::new(),
                Some(aim) if value <= aim => format!("aim {}: met", grouped(*aim)),
                Some(aim) => format!("aim {}: MISSED", grouped(*aim)),
            };
            println!("{name:50} {:>12}  {judgement}", grouped(*value));
        }
        for (machine, table) in &self.phases {
            println!("\nphases of the boot on {machine}, emulated:\n{table}");
        }
    }
}

/// Milliseconds, whole.
pub fn millis(time: Duration) -> String {
    grouped(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

/// A number with spaces between groups of three digits.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped_from_the_right() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_000), "1 000");
        assert_eq!(grouped(20_000_000), "20 000 000");
    }

    #[test]
    fn an_aim_is_met_at_its_limit_and_missed_beyond() {
        let mut report = Report::default();
        report.row("a", 5, Some(5));
        assert_eq!(report.missed(), 0);
        report.row("b", 6, Some(5));
        assert_eq!(report.missed(), 1);
        let boot = |is_ours, kernel| Boot {
            name: String::new(),
            is_ours,
            counted: Counted { before: 0, ready: 0, kernel },
            timed: Timed::default(),
        };
        report.boots = vec![boot(true, INSTRUCTIONS_AIM), boot(false, INSTRUCTIONS_AIM + 1)];
        assert_eq!(report.missed(), 1);
        report.boots.push(boot(true, INSTRUCTIONS_AIM + 1));
        assert_eq!(report.missed(), 2);
    }
}
