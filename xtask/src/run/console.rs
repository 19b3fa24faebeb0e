//! What `run` shows: the node's log, and when it serves, how to talk to it.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::Options;
use crate::boot_log::{self, Phase};
use crate::run_record::{Kept, RunRecord};
use crate::workspace;

/// Where the node's log and our own words go.
#[derive(Debug)]
pub(super) struct Console {
    log: Option<(PathBuf, File)>,
    ports: Ports,
    phases: Vec<Phase>,
    /// The node's multiaddresses as they are reached from here.
    addresses: Vec<String>,
    /// The paths of the programs that the node hosts.
    programs: Vec<String>,
    serving: bool,
    recorded: bool,
    record: Option<Kept>,
}

/// How the node's ports are reached from this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ports {
    /// As the node says.
    AsSaid,
    /// Forwarded from these ports of 127.0.0.1.
    Forwarded {
        /// For HTTP.
        http: u16,
        /// For peers.
        peers: u16,
    },
}

impl Console {
    /// With `--headless` the log goes to a file, and only what a script wants to know is printed.
    pub(super) fn new(options: &Options, ports: Ports) -> Result<Self> {
        let log = if options.headless {
            let path = workspace::target().join("aerolith-run.log");
            let file = File::create(&path).with_context(|| path.display().to_string())?;
            Some((path, file))
        } else {
            None
        };
        Ok(Self {
            log,
            ports,
            phases: Vec::new(),
            addresses: Vec::new(),
            programs: Vec::new(),
            serving: false,
            recorded: !options.unrecorded,
            record: None,
        })
    }

    /// Whether the node has said that it serves.
    pub(super) fn is_serving(&self) -> bool {
        self.serving
    }

    /// The file with the node's log, where it is not shown.
    pub(super) fn log_file(&self) -> Option<&Path> {
        self.log.as_ref().map(|(path, _)| path.as_path())
    }

    /// Takes a line of the node's log.
    pub(super) fn line(&mut self, line: &str) -> Result<()> {
        match &mut self.log {
            Some((_, file)) => writeln!(file, "{line}")?,
            None => println!("{line}"),
        }
        self.phases.extend(Phase::parse(line));
        self.addresses.extend(boot_log::peer_addresses(line).filter_map(|said| match self.ports {
            Ports::AsSaid => Some(said.to_owned()),
            Ports::Forwarded { peers, .. } => boot_log::forwarded(said, peers),
        }));
        self.programs.extend(boot_log::hosted_program(line).map(str::to_owned));
        let Some(said) = boot_log::ready(line) else { return Ok(()) };
        if self.serving {
            return Ok(());
        }
        self.serving = true;
        let url = match self.ports {
            Ports::AsSaid => said.to_owned(),
            Ports::Forwarded { http, .. } => format!("http://127.0.0.1:{http}/"),
        };
        if self.recorded {
            self.record = Some(RunRecord::keep(&url, &self.addresses)?);
        }
        if self.log.is_some() {
            println!("{url}");
            self.addresses.iter().for_each(|address| println!("{address}"));
        } else {
            println!("{}", self.welcome(&url));
        }
        Ok(())
    }

    fn welcome(&self, url: &str) -> String {
        let mut text = String::new();
        if !self.phases.is_empty() {
            text += &format!("\n{}", boot_log::table(&self.phases));
        }
        text += &format!("\nThe node answers at {url}");
        for address in &self.addresses {
            text += &format!("\nand to peers at     {address}");
        }
        text += &format!(
            "\n\n    curl --data-binary @examples/hello.air '{url}air?name=world'\n    \
             cargo xtask send examples/hello.air --data name=world\n"
        );
        for path in &self.programs {
            text += &format!("    curl {url}{}\n", path.trim_start_matches('/'));
        }
        if !self.addresses.is_empty() {
            text += "    cargo xtask send examples/hello.air --data name=world --peer\n";
        }
        text + "\nCtrl-C ends it.\n"
    }
}
