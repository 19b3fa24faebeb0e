//! Our interpreter and the reference, on the same inputs in the same run.
//!
//! Each side is a process that times itself, so that what one leaves in memory does not slow the
//! other. Ours is built as the image is; the reference from its published crates, in a folder of its
//! own, and its published wasm runs in node. Times on a busy machine are coarse: the least of many runs is compared, and instructions and
//! peaks of memory, which do not depend on other load, can be counted with valgrind.

mod input;
mod instrument;
mod program;
mod table;
mod wasm;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;

use self::input::Input;
use self::program::{Mode, Program};
use self::table::{Figures, Row, Table};
use self::wasm::Wasm;
use crate::external;

/// How the interpreters are compared
#[derive(Args, Debug)]
pub struct Options {
    /// Files of vectors, or folders of them; by default `vectors/air-bench` of AEROLITH_SHARED or
    /// of ../shared
    vectors: Vec<PathBuf>,
    /// How long all measurements of time take together, about
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Counts instructions too, with valgrind
    #[arg(long)]
    instructions: bool,
    /// Measures peaks of memory too, with valgrind
    #[arg(long)]
    memory: bool,
    /// Only our side
    #[arg(long)]
    ours_only: bool,
    /// Without the reference's wasm, which needs node
    #[arg(long)]
    no_wasm: bool,
}

/// Measures and prints.
///
/// # Errors
/// When one of the two cannot be built or run, or they end an input with different codes.
pub fn run(options: &Options) -> Result<()> {
    if (options.instructions || options.memory) && !external::exists("valgrind") {
        bail!("valgrind is not installed; on Debian: apt-get install valgrind");
    }
    let inputs = input::prepare(&options.vectors)?;
    let ours = program::ours()?;
    let reference = match options.ours_only {
        true => None,
        false => Some(program::reference()?),
    };
    let mut wasm = match options.ours_only || options.no_wasm {
        true => None,
        false => Some(Wasm::start()?),
    };
    let sides = 1 + usize::from(reference.is_some()) + usize::from(wasm.is_some());
    let measurements = inputs.len() * sides;
    let budget = Duration::from_secs(options.seconds);
    let share = budget / u32::try_from(measurements.max(1)).unwrap_or(u32::MAX);

    let mut table = Table::new(wasm.is_some(), options.instructions, options.memory);
    table.heading();
    for input in &inputs {
        let mode = if input.is_live { Mode::Live } else { Mode::Step };
        let measure = |program: &Program, mode| -> Result<(i64, Figures)> {
            figures(program, mode, input, share, options).with_context(|| input.name.clone())
        };
        let (code, ours) = measure(&ours, mode)?;
        // The reference has no sessions: it does a live step from bytes to bytes.
        let theirs = reference.as_ref().map(|program| measure(program, Mode::Step)).transpose()?;
        let wasm = match &mut wasm {
            Some(wasm) => {
                Some(wasm.time(&input.folder, share).with_context(|| input.name.clone())?)
            }
            None => None,
        };
        let codes = [theirs.map(|(code, _)| code), wasm.map(|timed| timed.code)];
        if let Some(their_code) = codes.into_iter().flatten().find(|&their_code| their_code != code)
        {
            bail!("{}: we end with code {code}, the reference with {their_code}", input.name);
        }
        let theirs = theirs.map(|(_, figures)| figures);
        let wasm = wasm.map(|timed| timed.least);
        table.row(Row { name: &input.name, is_live: input.is_live, ours, theirs, wasm });
    }
    table.end();
    Ok(())
}

fn figures(
    program: &Program,
    mode: Mode,
    input: &Input,
    share: Duration,
    options: &Options,
) -> Result<(i64, Figures)> {
    let timed = program.time(mode, &input.folder, share)?;
    let instructions = match options.instructions {
        true => Some(instrument::instructions(program, mode, &input.folder)?),
        false => None,
    };
    let memory = match options.memory && mode == Mode::Step {
        true => Some(instrument::peak_memory(program, &input.folder)?),
        false => None,
    };
    let figures = Figures { least: timed.least, median: timed.median, instructions, memory };
    Ok((timed.code, figures))
}
