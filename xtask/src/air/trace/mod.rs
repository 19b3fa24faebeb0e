//! `air trace`: a readable picture of a particle's data.

mod outline;
mod picture;
mod signatures;
mod source;

use std::fs;
use std::path::PathBuf;

use air_core::data::Envelope;
use anyhow::{Context, Result, anyhow};
use clap::{Args, ValueEnum};

use self::picture::Picture;

/// Shows a particle's data: states, values, and who signed what
#[derive(Debug, Args)]
pub struct Options {
    /// The data: raw, in base64, or in a line of JSON (a test vector, a request or an outcome)
    file: PathBuf,
    /// The line of a file of JSON lines, from 1
    #[arg(long, default_value_t = 1)]
    line: usize,
    /// Which data of a line of JSON; by default the outcome's, if it has some
    #[arg(long)]
    which: Option<Which>,
    /// Id of the particle, with which signatures are verified; a test vector brings it
    #[arg(long)]
    particle_id: Option<String>,
    /// Shows values, peers and CIDs in full length
    #[arg(long)]
    full: bool,
}

/// The data in a vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Which {
    /// The result
    Outcome,
    /// What came with the particle
    Current,
    /// What the peer had kept
    Previous,
}

pub(super) fn run(options: &Options) -> Result<()> {
    let name = options.file.display().to_string();
    let file = fs::read(&options.file).with_context(|| format!("cannot read {name}"))?;
    let source = source::find(&file, options.line, options.which).context(name)?;
    let particle_id = options.particle_id.as_deref().or(source.particle_id.as_deref());
    print!("{}", show(&source.data, particle_id, options.full)?);
    Ok(())
}

fn show(bytes: &[u8], particle_id: Option<&str>, is_full: bool) -> Result<String> {
    let envelope = Envelope::open(bytes).map_err(|error| anyhow!("{error}"))?;
    let data = envelope.read().map_err(|error| anyhow!("the archive is malformed: {error}"))?;
    let mut out = format!(
        "{} bytes, format {}, written by interpreter {}, {} states, last request {}\n\n",
        bytes.len(),
        envelope.versions.data,
        envelope.versions.interpreter,
        data.trace.len(),
        data.last_call_request_id,
    );
    Picture { data: &data, is_full }.states(&mut out);
    signatures::write(&mut out, &data, particle_id);
    Ok(out)
}

#[cfg(test)]
mod tests;
