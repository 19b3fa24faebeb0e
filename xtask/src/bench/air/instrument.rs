//! Counting instructions and peaks of memory with valgrind.

use std::path::Path;

use anyhow::{Context, Result};

use super::program::{Mode, Program};

/// Instructions of one run of what is measured.
pub fn instructions(program: &Program, mode: Mode, input: &Path) -> Result<u64> {
    let function = format!("--toggle-collect={}", mode.function());
    let words = ["--tool=callgrind", "--callgrind-out-file=/dev/null", &function];
    let report = program.under_valgrind(&words, mode, input)?;
    number_after(&report, "Collected :").with_context(|| format!("no count in {report}"))
}

/// Most bytes that one run has allocated at once, without its input.
pub fn peak_memory(program: &Program, input: &Path) -> Result<u64> {
    let words = ["--tool=dhat", "--dhat-out-file=/dev/null"];
    let peak = |report: String| {
        number_after(&report, "At t-gmax:").with_context(|| format!("no peak in {report}"))
    };
    let whole = peak(program.under_valgrind(&words, Mode::Step, input)?)?;
    let loaded = peak(program.load_under_valgrind(&words, input)?)?;
    Ok(whole.saturating_sub(loaded))
}

/// The number that follows a word, which may have commas between its digits.
fn number_after(report: &str, word: &str) -> Option<u64> {
    let (_, rest) = report.split_once(word)?;
    rest.split_whitespace().next()?.replace(',', "").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_in_the_reports() {
        assert_eq!(number_after("==1== Collected : 725\n==1==", "Collected :"), Some(725));
        assert_eq!(
            number_after("==1== At t-gmax: 1,025,310 bytes in 8 blocks", "At t-gmax:"),
            Some(1_025_310)
        );
        assert_eq!(number_after("==1== nothing", "Collected :"), None);
    }
}
