//! What the guest's log says about its boot.

use std::fmt::Write;

/// One phase of the boot, as the guest measured it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phase {
    /// The guest's name for it.
    pub name: String,
    /// Its length in microseconds of the guest's clock.
    pub micros: u64,
    /// Its length in ticks of the time stamp counter.
    pub ticks: u64,
}

impl Phase {
    /// Reads `… boot: phase NAME took N us, M ticks`.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let (_, rest) = line.split_once("boot: phase ")?;
        let (name, rest) = rest.split_once(" took ")?;
        let (micros, rest) = rest.split_once(" us, ")?;
        let ticks = rest.split_whitespace().next()?;
        let (micros, ticks) = (micros.parse().ok()?, ticks.parse().ok()?);
        Some(Self { name: name.to_owned(), micros, ticks })
    }
}

/// The address in `… node: ready http://ADDRESS:PORT/`.
#[must_use]
pub fn ready(line: &str) -> Option<&str> {
    let (_, url) = line.split_once("node: ready ")?;
    url.split_whitespace().next()
}

/// The path in `… program: hosts PATH`.
#[must_use]
pub fn hosted_program(line: &str) -> Option<&str> {
    let (_, path) = line.split_once("program: hosts ")?;
    path.split_whitespace().next()
}

/// The multiaddresses in `… node: peer ID listens at ADDRESS and ADDRESS`.
pub fn peer_addresses(line: &str) -> impl Iterator<Item = &str> {
    let list = line.split_once("node: peer ").and_then(|(_, rest)| rest.split_once(" listens at "));
    let addresses = list.into_iter().flat_map(|(_, list)| list.split(" and "));
    addresses.map(str::trim).filter(|address| address.starts_with('/'))
}

/// The multiaddress of a port of 127.0.0.1 that is forwarded to `address` over IPv4.
#[must_use]
pub fn forwarded(address: &str, port: u16) -> Option<String> {
    let (_, rest) = address.strip_prefix("/ip4/")?.split_once("/tcp/")?;
    let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    Some(format!("/ip4/127.0.0.1/tcp/{port}{rest}"))
}

/// The seconds since entry at the beginning of a line: `[    0.001234] …`.
#[must_use]
pub fn seconds(line: &str) -> Option<f64> {
    line.strip_prefix('[')?.split(']').next()?.trim().parse().ok()
}

/// A table of the phases with their sum.
#[must_use]
pub fn table(phases: &[Phase]) -> String {
    let width = phases.iter().map(|phase| phase.name.len()).max().unwrap_or(0).max(5);
    let mut text = format!("{:width$}  {:>10}  {:>14}\n", "phase", "ms", "ticks");
    let sum = Phase {
        name: "sum".to_owned(),
        micros: phases.iter().map(|phase| phase.micros).sum(),
        ticks: phases.iter().map(|phase| phase.ticks).sum(),
    };
    for Phase { name, micros, ticks } in phases.iter().chain([&sum]) {
        let (whole, part) = (micros / 1000, micros % 1000);
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name:width$}  {whole:>6}.{part:03}  {ticks:>14}");
    }
    text
}

/// What an exit code of QEMU says about the guest's end.
#[must_use]
pub fn meaning(exit_code: i32) -> &'static str {
    match exit_code {
        0 => "power off",
        33 => "end without error",
        35 => "panic",
        37 => "CPU exception",
        39 => "out of memory",
        41 => "stack overflow into the guard page",
        43 => "cannot boot",
        _ => "not an exit of the guest: QEMU itself failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_line_is_read() {
        let line = "[    0.001234] INFO  boot: phase memory map took 42 us, 42000 ticks";
        let phase = Phase { name: "memory map".to_owned(), micros: 42, ticks: 42_000 };
        assert_eq!(Phase::parse(line), Some(phase));
        assert_eq!(Phase::parse("boot: phase x took a us, 1 ticks"), None);
        assert_eq!(seconds(line), Some(0.001_234));
    }

    #[test]
    fn the_ready_line_gives_the_guests_url() {
        let line = "[    0.1] INFO  node: ready http://10.0.2.15:80/";
        assert_eq!(ready(line), Some("http://10.0.2.15:80/"));
        assert_eq!(ready("node: not ready"), None);
    }

    #[test]
    fn the_peers_line_gives_multiaddresses() {
        let line = "[    0.1] INFO  node: peer 12D listens at /ip4/10.0.2.15/tcp/7777/p2p/12D and \
                    /ip4/10.0.2.15/tcp/7777/ws/p2p/12D";
        let said: Vec<_> = peer_addresses(line).collect();
        assert_eq!(said.len(), 2);
        let forwarded: Vec<_> = said.iter().filter_map(|said| forwarded(said, 5)).collect();
        assert_eq!(forwarded, ["/ip4/127.0.0.1/tcp/5/p2p/12D", "/ip4/127.0.0.1/tcp/5/ws/p2p/12D"]);
        assert_eq!(super::forwarded("/ip6/::1/tcp/7777/p2p/12D", 5), None);
        assert_eq!(peer_addresses("node: peer id 12D").count(), 0);
    }

    #[test]
    fn the_table_ends_with_the_sum() {
        let phase = |name: &str, micros| Phase { name: name.to_owned(), micros, ticks: 2 * micros };
        let text = table(&[phase("entry", 5), phase("memory", 2010)]);
        let rows: Vec<Vec<&str>> =
            text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows[1], ["entry", "0.005", "10"]);
        assert_eq!(rows[3], ["sum", "2.015", "4030"]);
    }
}
