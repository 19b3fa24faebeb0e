//! An Aleph host and its guest in QEMU: every answer right, byte for byte, and off when asked.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kernel::aleph::package::{FileTree, Limits, Name};
use libtest_mimic::Trial;
use tempfile::TempDir;
use xtask::aleph_host::{ALL_CASES, AlephHost, Job};
use xtask::build::Image;
use xtask::image::runtime::squashfs;
use xtask::qemu::{Disk, Writes};
use xtask::workspace;

use crate::node::{self, Kind, MICROVM, MICROVM_BARE, Q35};
use crate::trial;

/// Enough for bodies of a mebibyte, several times over.
const MEMORY_MIB: u32 = 64;

pub fn add(trials: &mut Vec<Trial>, host: Option<&AlephHost>) {
    let mut add = |kind: Kind, name, test: fn(Kind, &AlephHost) -> Result<()>| {
        let (found, ignored) = (host.cloned(), host.is_none());
        let run = move |kind| found.as_ref().map_or(Ok(()), |host| test(kind, host));
        trials.push(trial(kind, name, run).with_ignored_flag(ignored));
    };
    for kind in [MICROVM, Q35] {
        add(kind, "answers_an_aleph_host_as_it_must", answers);
    }
    for kind in [MICROVM, Q35] {
        add(kind, "runs_code_from_an_aleph_hosts_disk", code_on_a_disk);
    }
    add(MICROVM, "waits_for_an_aleph_host_that_listens_late", waits);
    add(Q35, "understands_the_first_version_of_a_configuration", first_version);
    add(MICROVM_BARE, "is_found_by_an_aleph_host_without_acpi", found_without_acpi);
}

fn play(
    kind: Kind,
    host: &AlephHost,
    cases: &[&'static str],
    words: &[&str],
) -> Result<(Duration, usize)> {
    play_with(kind, host, cases, words, &[])
}

fn play_with(
    kind: Kind,
    host: &AlephHost,
    cases: &[&'static str],
    words: &[&str],
    disks: &[Disk],
) -> Result<(Duration, usize)> {
    let mut guest = node::guest(kind, Image::Product)?;
    guest.memory_mib = MEMORY_MIB;
    guest.disks = disks.to_vec();
    let words = words.iter().map(|word| (*word).to_owned()).collect();
    let (report, text) = host.play(&Job { guest, cases: cases.to_vec(), words })?;
    report.expect_all_right().with_context(|| text)?;
    Ok((report.ready, report.right.len()))
}

/// All cases, and halt.
fn answers(kind: Kind, host: &AlephHost) -> Result<()> {
    let (_, right) = play(kind, host, &ALL_CASES, &[])?;
    ensure!(right > 40, "only {right} cases were there");
    Ok(())
}

/// The code is on the second disk. Which that is of two is QEMU's own affair on microvm, so both are.
fn code_on_a_disk(kind: Kind, host: &AlephHost) -> Result<()> {
    let folder = TempDir::with_prefix("aerolith-code-")?;
    let script = fs::read(workspace::root().join("examples/echo/main.air"))?;
    let mut files = FileTree::new(Limits::default());
    files.put(Name::new(b"main.air")?, script)?;
    let image = squashfs(&files)?;
    let file = folder.path().join("code.squashfs");
    fs::write(&file, image)?;
    let disk = Disk::raw(file, Writes::Refused);
    let words = ["--encoding", "squashfs", "--only", "^(ping|mirror-4096|vars)$"];
    let (_, right) = play_with(kind, host, &["echo"], &words, &[disk.clone(), disk])?;
    ensure!(right == 4, "{right} cases, halt included");
    Ok(())
}

fn waits(kind: Kind, host: &AlephHost) -> Result<()> {
    let (ready, _) = play(kind, host, &["guest_api"], &["--late-listen", "2000"])?;
    ensure!(ready >= Duration::from_secs(2), "ready after {ready:?}");
    Ok(())
}

fn first_version(kind: Kind, host: &AlephHost) -> Result<()> {
    play(kind, host, &["echo"], &["--force-version", "1.0.0", "--only", "^(ping|vars)$"])?;
    Ok(())
}

fn found_without_acpi(kind: Kind, host: &AlephHost) -> Result<()> {
    play(kind, host, &["echo"], &["--only", "^(ping|mirror-4096|big-1000000)$"])?;
    Ok(())
}
