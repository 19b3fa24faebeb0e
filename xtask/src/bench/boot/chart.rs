//! The figures as a picture: bars on a logarithmic scale, ours and the others'.

use std::fmt::Write;

use super::report::{Boot, grouped, millis};

const WIDTH: u32 = 860;
/// Where bars begin, and how long the longest is.
const LEFT: f64 = 330.0;
const ROOM: f64 = 400.0;
const ROW: u32 = 22;
const HEAD: u32 = 46;
const FOOT: u32 = 40;
const OURS: &str = "#2b6cb0";
const OTHERS: &str = "#a0aec0";

/// An SVG file with two parts, instructions and milliseconds, and below them the command that made it.
pub fn draw(boots: &[Boot], command: &str) -> String {
    let rows = u32::try_from(boots.len()).unwrap_or(0);
    let part = HEAD + rows * ROW;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n",
        height = 2 * part + FOOT
    );
    let instructions = |boot: &Boot| {
        let count = boot.counted.kernel;
        (count, grouped(count))
    };
    let times = |boot: &Boot| {
        let time = boot.timed.answer.saturating_sub(boot.timed.entry);
        (u64::try_from(time.as_millis()).unwrap_or(u64::MAX), millis(time))
    };
    bars(
        &mut out,
        0,
        "Guest instructions from the kernel's entry to the first HTTP answer (logarithmic)",
        boots,
        instructions,
    );
    bars(
        &mut out,
        part,
        "Milliseconds from the kernel's entry to the first HTTP answer, emulated (logarithmic)",
        boots,
        times,
    );
    let words = format!("Guests in QEMU, emulated; the least of each figure. Made by {command}");
    text(&mut out, 12.0, f64::from(2 * part) + 24.0, "start", "", &words);
    out.push_str("</svg>\n");
    out
}

fn bars(
    out: &mut String,
    top: u32,
    title: &str,
    boots: &[Boot],
    value: impl Fn(&Boot) -> (u64, String),
) {
    let most = boots.iter().map(|boot| value(boot).0).max().unwrap_or(1).max(2);
    // Every bar begins at the power of ten below the least.
    let least = boots.iter().map(|boot| value(boot).0).min().unwrap_or(1).max(1);
    let from = log(least).floor();
    let scale = ROOM / (log(most) - from).max(1.0);
    text(out, 12.0, f64::from(top) + 28.0, "start", "font-weight=\"bold\"", title);
    for (number, boot) in (0u32..).zip(boots) {
        let y = f64::from(top + HEAD + number * ROW);
        let (amount, shown) = value(boot);
        let length = ((log(amount.max(1)) - from) * scale).max(1.0);
        let colour = if boot.is_ours { OURS } else { OTHERS };
        text(out, LEFT - 8.0, y + 11.0, "end", "", &boot.name);
        // Writing to a string does not fail.
        let _ = writeln!(
            out,
            "<rect x=\"{LEFT}\" y=\"{y}\" width=\"{length:.1}\" height=\"14\" fill=\"{colour}\"/>"
        );
        text(out, LEFT + length + 6.0, y + 11.0, "start", "", &shown);
    }
}

#[expect(clippy::cast_precision_loss, reason = "a picture shows three digits at most")]
fn log(value: u64) -> f64 {
    (value as f64).log10()
}

fn text(out: &mut String, x: f64, y: f64, anchor: &str, more: &str, words: &str) {
    let words = words.replace('&', "&amp;").replace('<', "&lt;");
    // Writing to a string does not fail.
    let _ = writeln!(
        out,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"#1a202c\" {more}>{words}</text>"
    );
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::count::{Counted, Timed};
    use super::*;

    fn boot(name: &str, is_ours: bool, kernel: u64, ms: u64) -> Boot {
        let entry = Duration::from_millis(100);
        Boot {
            name: name.to_owned(),
            is_ours,
            counted: Counted { before: 1, ready: 1, kernel },
            timed: Timed { entry, ready: entry, answer: entry + Duration::from_millis(ms) },
        }
    }

    #[test]
    fn every_boot_has_a_bar_in_both_parts_and_more_is_longer() {
        let drawn = draw(
            &[boot("a<b", true, 2_000_000, 50), boot("c", false, 3_000_000_000, 4000)],
            "x & y",
        );
        assert!(drawn.contains("Made by x &amp; y</text>"), "{drawn}");
        assert_eq!(drawn.matches("a&lt;b").count(), 2);
        assert!(drawn.contains(">2 000 000<") && drawn.contains(">4 000<"), "{drawn}");
        let widths: Vec<f64> = drawn
            .lines()
            .filter(|line| line.contains("height=\"14\""))
            .map(|line| line.split("width=\"").nth(1).unwrap().split('"').next().unwrap())
            .map(|width| width.parse().unwrap())
            .collect();
        assert_eq!(widths.len(), 4);
        assert!(widths[0] < widths[1] && widths[2] < widths[3], "{widths:?}");
        assert!(widths.iter().all(|width| *width <= ROOM));
    }

    #[test]
    fn nothing_measured_is_an_empty_picture() {
        assert!(draw(&[], "").ends_with("</svg>\n"));
    }
}
