//! `cargo xtask soak`: many clients for long, connections that break, and a node that stays as it was.
//!
//! The clients come and go, send particles of very different sizes, and some of their connections are
//! reset in the middle of something. What they decide follows from a seed; when it happens, from the
//! machine. A first, short round warms the node up; then, and at the end, all clients are gone and all
//! particles have expired, and the node has to hold as little as before.

mod client;
mod tally;

use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;

use self::client::Plan;
use self::tally::Tally;
use crate::build::{self, Image};
use crate::host::Ground;
use crate::qemu::{self, Machine};
use crate::subject::Subject;

/// Memory in MiB: the largest particles of all clients have room.
const MEMORY: u32 = 256;
/// Part of the time that the warm-up takes.
const WARM_UP_PART: u32 = 10;
/// Time after the last deadline in which the node has to let everything go.
const GRACE: Duration = Duration::from_secs(5);
/// What the memory may have grown by between the rests, in percent and bytes.
const GUEST_GROWTH: (f64, f64) = (2.0, (1 << 20) as f64);
/// The same for a process, whose allocator gives memory back late.
const PROCESS_GROWTH: (f64, f64) = (25.0, (48 << 20) as f64);

/// Loads a node with clients for long, and checks that it stays as it was
#[derive(Args, Debug)]
pub struct Options {
    /// How long
    #[arg(long, default_value_t = 10)]
    minutes: u32,
    /// End each client after so many particles instead
    #[arg(long)]
    particles: Option<u32>,
    /// The node as a process of this machine, not in QEMU
    #[arg(long)]
    host: bool,
    /// Clients at once
    #[arg(long, default_value_t = 50)]
    clients: u32,
    /// What the clients' decisions follow from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Connections in a hundred that end with a reset
    #[arg(long, value_name = "PERCENT", default_value_t = 5)]
    resets: u32,
    /// How long a particle lives, in seconds
    #[arg(long, default_value_t = 30)]
    ttl: u32,
    /// The image that is built already
    #[arg(long)]
    no_build: bool,
}

/// Runs it and prints the figures.
///
/// # Errors
/// When a client saw an error that no broken connection explains, or the node kept something.
pub fn run(options: &Options) -> Result<()> {
    let subject = if options.host {
        Subject::on_this_machine(&own_program()?, MEMORY, "")?
    } else {
        qemu::install::ensure()?;
        if !options.no_build {
            build::build(Image::Product)?;
        }
        Subject::in_qemu(Machine::Microvm, MEMORY, "")?
    };
    let whole = Duration::from_secs(u64::from(options.minutes) * 60);
    eprintln!("{} clients against {}", options.clients, subject.address(false)?);

    let mut warm_up = Plan::new(&subject, options)?;
    warm_up.time = whole / WARM_UP_PART;
    warm_up.particles = options.particles;
    let first = round(warm_up)?;
    let before = rest(&subject, options, "after the warm-up")?;

    let mut main = Plan::new(&subject, options)?;
    main.time = whole - whole / WARM_UP_PART;
    main.particles = options.particles;
    main.seed = options.seed.wrapping_add(1);
    let tally = round(main)?;
    let peak = subject.metric("aerolith_heap_peak_bytes")?;
    let after = rest(&subject, options, "at the end")?;

    print!("{}", tally.report());
    println!("{:32} {:>12}", "memory after the warm-up, KiB", kib(before));
    println!("{:32} {:>12}", "memory at its most, KiB", kib(peak));
    println!("{:32} {:>12}", "memory at the end, KiB", kib(after));
    let (percent, bytes) = if options.host { PROCESS_GROWTH } else { GUEST_GROWTH };
    let most = before * (1.0 + percent / 100.0) + bytes;
    ensure!(after <= most, "memory grew from {} to {} KiB", kib(before), kib(after));
    for tally in [first, tally] {
        tally.verdict().with_context(|| subject.process().report())?;
    }
    Ok(())
}

fn own_program() -> Result<PathBuf> {
    std::env::current_exe().context("cannot say where this program is")
}

fn round(plan: Plan) -> Result<Tally> {
    let start = Instant::now();
    let tally = Rc::new(Tally::default());
    let counted = Rc::clone(&tally);
    Ground::run(move |ground| client::all(ground, plan, counted))?;
    let mut tally = Rc::into_inner(tally).context("a client is left behind")?;
    tally.lasted = start.elapsed();
    Ok(tally)
}

/// Waits until the node holds no particle and no connection; the memory that is in use then.
fn rest(subject: &Subject, options: &Options, when: &str) -> Result<f64> {
    let end = Instant::now() + Duration::from_secs(options.ttl.into()) + GRACE;
    let held = || -> Result<Option<String>> {
        for name in ["aerolith_particles", "aerolith_peer_connections", "aerolith_peer_streams"] {
            let value = subject.metric(name)?;
            if value > 0.0 {
                return Ok(Some(format!("{name} {value}")));
            }
        }
        Ok(None)
    };
    while let Some(held) = held()? {
        ensure!(Instant::now() < end, "{when} the node still holds {held}");
        std::thread::sleep(Duration::from_secs(1));
    }
    subject.memory().in_use()
}

fn kib(bytes: f64) -> String {
    format!("{:.0}", bytes / 1024.0)
}
