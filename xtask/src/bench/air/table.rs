//! The table of figures and ratios.

/// Parts of the reference's figures that are aimed at: time of a step, that of its wasm, time of a live
/// step, memory.
const STEP_AIM: f64 = 1.0 / 5.0;
const WASM_AIM: f64 = 1.0 / 10.0;
const LIVE_AIM: f64 = 1.0 / 50.0;
const MEMORY_AIM: f64 = 1.0 / 2.0;

/// What one program takes for one input.
#[derive(Debug, Clone, Copy)]
pub struct Figures {
    /// Nanoseconds.
    pub least: u64,
    /// Nanoseconds.
    pub median: u64,
    pub instructions: Option<u64>,
    /// Bytes at the peak, without the input.
    pub memory: Option<u64>,
}

#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    pub name: &'a str,
    pub is_live: bool,
    pub ours: Figures,
    pub theirs: Option<Figures>,
    /// The least time of the reference's wasm, in nanoseconds.
    pub wasm: Option<u64>,
}

/// Prints rows as they come, and at the end how many aims are met.
#[derive(Debug)]
pub struct Table {
    has_wasm: bool,
    has_instructions: bool,
    has_memory: bool,
    steps: Aim,
    wasm: Aim,
    live: Aim,
    memory: Aim,
}

/// How often an aim was met.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
struct Aim {
    met: usize,
    of: usize,
}

impl Table {
    pub fn new(has_wasm: bool, has_instructions: bool, has_memory: bool) -> Self {
        let [steps, wasm, live, memory] = [Aim::default(); 4];
        Self { has_wasm, has_instructions, has_memory, steps, wasm, live, memory }
    }

    pub fn heading(&self) {
        println!("times in ms, the least and the median of the runs; a ratio of 5.0 is a fifth");
        let mut line = format!(
            "{:38} {:>9} {:>9} {:>9} {:>9} {:>7}",
            "input", "ours", "median", "theirs", "median", "ratio"
        );
        if self.has_wasm {
            line += &format!(" {:>9} {:>7}", "wasm", "ratio");
        }
        if self.has_instructions {
            line += &format!(" {:>11} {:>11} {:>7}", "ours instr", "theirs", "ratio");
        }
        if self.has_memory {
            line += &format!(" {:>9} {:>9} {:>6}", "ours KiB", "theirs", "ratio");
        }
        println!("{line}");
    }

    pub fn row(&mut self, row: Row<'_>) {
        let Row { name, is_live, ours, theirs, wasm } = row;
        let mut line = format!("{name:38} {} {}", millis(ours.least), millis(ours.median));
        if let Some(theirs) = theirs {
            let times = ratio(ours.least, theirs.least);
            let (least, median) = (millis(theirs.least), millis(theirs.median));
            line += &format!(" {least} {median} {}", shown(times));
            let aim = if is_live { LIVE_AIM } else { STEP_AIM };
            if is_live { &mut self.live } else { &mut self.steps }.count(times, aim);
        } else {
            line += &" ".repeat(28);
        }
        if let Some(wasm) = wasm {
            let times = ratio(ours.least, wasm);
            line += &format!(" {} {}", millis(wasm), shown(times));
            if !is_live {
                self.wasm.count(times, WASM_AIM);
            }
        }
        let pair =
            |figure: fn(&Figures) -> Option<u64>| (figure(&ours), theirs.as_ref().and_then(figure));
        if let (Some(ours), theirs) = pair(|figures| figures.instructions) {
            line += &format!(" {ours:>11}");
            if let Some(theirs) = theirs {
                line += &format!(" {theirs:>11} {}", shown(ratio(ours, theirs)));
            }
        }
        if let (Some(ours), theirs) = pair(|figures| figures.memory) {
            line += &format!(" {:>9.1}", kib(ours));
            if let Some(theirs) = theirs {
                let part = ratio(ours, theirs);
                line += &format!(" {:>9.1} {part:>6.1}", kib(theirs));
                self.memory.count(part, MEMORY_AIM);
            }
        }
        println!("{line}");
    }

    pub fn end(&self) {
        for (aim, what) in [
            (self.steps, "steps take at most a fifth of the reference's time"),
            (self.wasm, "steps take at most a tenth of its wasm's"),
            (self.live, "live steps take at most a fiftieth"),
            (self.memory, "steps take at most half of its memory"),
        ] {
            if aim.of > 0 {
                println!("{} of {} {what}", aim.met, aim.of);
            }
        }
    }
}

impl Aim {
    fn count(&mut self, ratio: f64, aim: f64) {
        self.of += 1;
        self.met += usize::from(ratio * aim >= 1.0);
    }
}

/// How many times as much theirs is.
#[allow(clippy::cast_precision_loss, reason = "shown with one digit")]
fn ratio(ours: u64, theirs: u64) -> f64 {
    theirs as f64 / ours.max(1) as f64
}

fn shown(ratio: f64) -> String {
    format!("{ratio:>7.1}")
}

#[allow(clippy::cast_precision_loss, reason = "shown with four digits")]
fn millis(nanos: u64) -> String {
    format!("{:>9.4}", nanos as f64 / 1e6)
}

#[allow(clippy::cast_precision_loss, reason = "shown with one digit")]
fn kib(bytes: u64) -> f64 {
    bytes as f64 / 1024.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_aim_is_met_at_its_limit_and_missed_beyond() {
        let mut aim = Aim::default();
        aim.count(ratio(20, 100), STEP_AIM);
        assert_eq!(aim, Aim { met: 1, of: 1 });
        aim.count(ratio(21, 100), STEP_AIM);
        assert_eq!(aim, Aim { met: 1, of: 2 });
        assert!(ratio(0, 1).is_finite());
    }
}
