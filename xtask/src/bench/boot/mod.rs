//! From power-on to the first HTTP answer: every artefact on the machines that it is for, and others beside it.

mod chart;
mod count;
mod memory;
mod peer;
mod report;
mod way;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use tempfile::TempDir;

pub use self::count::instructions;
pub(super) use self::count::{booted, counted, timed};
use self::report::Report;
pub(super) use self::report::{grouped, millis};
pub(super) use self::way::{Way, peers};
use crate::boot_log;
use crate::build::{self, Image};
use crate::image::BootCode;
use crate::qemu::{self, Machine};

/// Instructions from entry to the first answer.
pub const INSTRUCTIONS_AIM: u64 = 20_000_000;
/// Bytes of the stripped image: a node with its peers, packages, disks and virtio sockets.
pub const IMAGE_AIM: u64 = 3 << 20;
/// Memory in MiB with which the node serves.
const MEMORY_AIM: u32 = 16;
/// Linux with Python under a counting QEMU on a busy machine takes minutes.
pub(super) const BOOT_LIMIT: Duration = Duration::from_secs(900);

/// How boots are measured
#[derive(Args, Debug)]
pub struct Options {
    /// Boots that are counted, and as many that are timed, of each kind; the least is printed
    #[arg(long, default_value_t = 3)]
    runs: u32,
    /// Only kinds of boots whose name has this in it; may be given several times
    #[arg(long, value_name = "WORD")]
    only: Vec<String>,
    /// Leave out Debian's kernel, which is fetched by apt
    #[arg(long)]
    no_peers: bool,
    /// Draw the figures into this file
    #[arg(long, value_name = "FILE.svg")]
    chart: Option<PathBuf>,
    /// Fail when an aim is missed
    #[arg(long)]
    enforce: bool,
}

/// Measures and prints.
///
/// # Errors
/// When a guest does not answer, or an aim is missed and `--enforce` was given.
pub fn run(options: &Options) -> Result<()> {
    qemu::install::ensure()?;
    let kernel = build::build(Image::Product)?.stripped;
    let boot = BootCode::build()?;
    let folder = TempDir::with_prefix("aerolith-bench-")?;
    let is_part = |name: &str| options.only.iter().any(|word| name.contains(word.as_str()));
    let wanted = |name: &str| options.only.is_empty() || is_part(name);
    let mut ways = way::artefacts(folder.path(), &boot, &fs::read(&kernel)?)?;
    ways.retain(|way| wanted(&way.name));
    if !options.no_peers {
        ways.extend(way::peers(folder.path(), wanted)?);
    }

    let mut report = Report::default();
    for way in &ways {
        eprintln!("== {}", way.name);
        let counted = count::counted(way, options.runs)?;
        let timed = count::timed(way, options.runs)?;
        eprintln!("{counted:?} {timed:?}");
        report.boot(way, counted, timed);
    }
    if options.only.is_empty() {
        whole_image(&kernel, &mut report)?;
    }
    report.print();
    if let Some(file) = &options.chart {
        fs::write(file, chart::draw(report.boots(), &options.command()))?;
        println!("\ndrawn into {}", file.display());
    }
    if options.enforce && report.missed() > 0 {
        bail!("{} aims are missed", report.missed());
    }
    Ok(())
}

impl Options {
    /// The command that measures and draws the same.
    fn command(&self) -> String {
        let mut command = format!("cargo xtask bench boot --runs {}", self.runs);
        for word in &self.only {
            command += &format!(" --only '{word}'");
        }
        if self.no_peers {
            command += " --no-peers";
        }
        if let Some(file) = &self.chart {
            command += &format!(" --chart {}", file.display());
        }
        command
    }
}

/// What has nothing to do with how it boots.
fn whole_image(kernel: &std::path::Path, report: &mut Report) -> Result<()> {
    let size = fs::metadata(kernel)?.len();
    report.row("image, stripped, bytes", size, Some(IMAGE_AIM));
    for machine in [Machine::Microvm, Machine::Q35] {
        let least = memory::smallest(machine, kernel)?;
        let name = format!("smallest memory that serves, {}, MiB", machine.name());
        report.row(&name, least.into(), Some(MEMORY_AIM.into()));
    }
    for machine in [Machine::Microvm, Machine::Q35] {
        let phases = memory::phases(machine, kernel)?;
        report.phases.push((machine.name(), boot_log::table(&phases)));
    }
    Ok(())
}
