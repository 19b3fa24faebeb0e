//! `cargo xtask bench`: figures that the README promises, measured.

mod air;
mod aleph;
pub mod boot;
pub mod floor;
mod net;
mod rate;

use anyhow::Result;
use clap::Subcommand;

/// Measures
#[derive(Debug, Subcommand)]
pub enum What {
    /// From entry to the first answer: instructions, phases, image size, smallest memory
    Boot(boot::Options),
    /// Our interpreter and the reference: times, instructions, memory
    Air(air::Options),
    /// Aleph programs: from power-on and from their configuration to answers, answers a second
    Aleph(aleph::Options),
    /// The network: particles, latency, handshakes, large particles, memory of a connection
    Net(net::Options),
}

/// Measures and prints a table.
///
/// # Errors
/// When a guest does not get as far as it has to.
pub fn run(what: &What) -> Result<()> {
    match what {
        What::Boot(options) => boot::run(options),
        What::Air(options) => air::run(options),
        What::Aleph(options) => aleph::run(options),
        What::Net(options) => net::run(options),
    }
}
