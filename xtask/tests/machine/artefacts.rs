//! What `cargo xtask image` makes: every file boots where it is for, takes its configuration along, and is what
//! its format demands.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use libtest_mimic::Trial;
use tempfile::TempDir;
use xtask::aleph_sdk::AlephSdk;
use xtask::build::{self, Image};
use xtask::external;
use xtask::image::{self, Author, BootCode, Inputs, oci};
use xtask::node_config::NodeConfig;
use xtask::qemu::install::{self, OVMF, OVMF_PACKAGE};
use xtask::qemu::{Disk, Guest, Network, PROGRAM, Writes};

use crate::node::{Kind, MICROVM, Node, PC, PORTS, Q35, guest, started};
use crate::program_checks::{example, path_of};
use crate::trial;

/// Bytes of the disk images; what they hold besides the kernel is small.
const RAW_BOUND: u64 = 8 << 20;
const QCOW2_BOUND: u64 = 3 << 20;
/// What the manual calls rust-hypervisor-firmware, which a reader gets where that is published.
const OTHERS_FIRMWARE: &str = "-kernel hypervisor-fw";
const SDK_LIMIT: Duration = Duration::from_mins(2);
const TOML: &str = "[network]\naddresses = [\"10.0.2.77/24\"]\ngateways = [\"10.0.2.2\"]\n\
                    [http]\nport = 8123\n";

pub fn add(trials: &mut Vec<Trial>, sdk: Option<&AlephSdk>) {
    trials.push(crate::plain("artefacts::come_out_the_same_in_another_folder", same_again));
    trials.push(crate::plain("artefacts::are_small", small));
    trials.push(crate::plain("artefacts::satisfy_the_tools_of_their_formats", stock_tools));
    let (found, ignored) = (sdk.cloned(), sdk.is_none());
    let classes = move || found.as_ref().map_or(Ok(()), networks_classes);
    let name = "artefacts::have_messages_that_the_network_s_own_classes_take";
    trials.push(crate::plain(name, classes).with_ignored_flag(ignored));
    trials.push(crate::plain("artefacts::boot_by_the_command_lines_of_the_manual", manual));
    for kind in [PC, Q35] {
        trials.push(trial(
            kind,
            "takes_configuration_and_programs_from_partitions_of_its_disk",
            |kind| configured(from_disk(kind, "aerolith.img", "raw")?),
        ));
    }
    trials.push(trial(
        PC,
        "takes_configuration_and_programs_from_partitions_of_a_qcow2_disk",
        |kind| configured(from_disk(kind, "aerolith.qcow2", "qcow2")?),
    ));
    for kind in [MICROVM, Q35] {
        trials.push(trial(
            kind,
            "takes_configuration_and_programs_from_an_initial_ram_disk_by_pvh",
            |kind| with_module(kind, build::paths(Image::Product).stripped),
        ));
    }
    for kind in [PC, Q35] {
        trials.push(trial(
            kind,
            "takes_configuration_and_programs_from_the_ram_disk_of_a_bzimage",
            |kind| with_module(kind, build::paths(Image::Product).bzimage),
        ));
    }
    trials.push(trial(
        MICROVM,
        "says_so_when_the_initial_ram_disk_is_something_else",
        strange_module,
    ));
}

/// Everything that is made of the product and this configuration; made once, and left in the target folder.
fn made() -> Result<&'static Path> {
    static MADE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let folder = xtask::workspace::target().join("images-of-the-tests");
        let assembled = image::qcow2::ensure()
            .and_then(|()| inputs())
            .and_then(|inputs| image::assemble(&inputs, &folder));
        assembled.map(|()| folder).map_err(|error| format!("{error:#}"))
    });
    made.as_ref().map(PathBuf::as_path).map_err(|error| anyhow!("{error}"))
}

fn inputs() -> Result<Inputs> {
    let author = Author {
        chain: "ETH".to_owned(),
        address: "0x5B38Da6a701c568545dCfcB03FcB875f56beddC4".to_owned(),
        time: 1_700_000_000,
    };
    let kernel = fs::read(build::paths(Image::Product).stripped)?;
    let mut inputs = Inputs::new(BootCode::built()?, kernel, author)?;
    inputs.configuration = Some(NodeConfig::parse(TOML)?.blob()?);
    // The first is published, and it has data.
    inputs.host(&[example("counter"), example("hello")])?;
    Ok(inputs)
}

/// Assembled again elsewhere, everything is the same bytes. That the kernel is too when it is built
/// elsewhere, `cargo xtask image --check-reproducible` checks, which takes minutes.
fn same_again() -> Result<()> {
    let again = TempDir::with_prefix("aerolith again ")?;
    let folder = again.path().join("images");
    image::assemble(&inputs()?, &folder)?;
    let count = image::compare(made()?, &folder)?;
    ensure!(count > 10, "only {count} files");
    Ok(())
}

fn small() -> Result<()> {
    for (name, bound) in [("aerolith.img", RAW_BOUND), ("aerolith.qcow2", QCOW2_BOUND)] {
        let size = fs::metadata(made()?.join(name))?.len();
        ensure!(size <= bound, "{name} has {size} bytes, more than {bound}");
    }
    Ok(())
}

/// Our own checks, and those of the tools that people have for these formats.
fn stock_tools() -> Result<()> {
    let folder = made()?;
    oci::check(&folder.join("oci"))?;
    let layout = format!("oci:{}:{}", folder.join("oci").display(), oci::TAG);
    let runtime = folder.join("aleph-runtime/node/runtime.squashfs").display().to_string();
    let qcow2 = folder.join("aerolith.qcow2").display().to_string();
    let checks: [(&str, &str, &[&str]); 3] = [
        ("skopeo", "skopeo", &["inspect", &layout]),
        ("unsquashfs", "squashfs-tools", &["-stat", &runtime]),
        ("qemu-img", "qemu-utils", &["check", "-q", &qcow2]),
    ];
    for (program, package, words) in checks {
        install::ensure_program(program, package)?;
        external::run(Command::new(program).args(words).stdout(Stdio::null()))?;
    }
    // Pulled as from a registry: every blob is read, and held to its digest.
    let copy = TempDir::with_prefix("aerolith-oci-")?;
    let target = format!("dir:{}", copy.path().display());
    external::run(Command::new("skopeo").args(["copy", "--quiet", &layout, &target]))
}

/// The messages of the instance and of the node, by `message check` and by the classes of the network's client.
fn networks_classes(sdk: &AlephSdk) -> Result<()> {
    let mut messages = Vec::new();
    for part in ["instance", "node"] {
        for entry in fs::read_dir(made()?.join("aleph-runtime").join(part))? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                messages.push(path.display().to_string());
            }
        }
    }
    let words: Vec<&str> = messages.iter().map(String::as_str).collect();
    ensure!(words.len() == 6, "{words:?}");
    external::run(
        Command::new(env!("CARGO_BIN_EXE_xtask")).args(["message", "check"]).args(&words),
    )?;
    let passed = sdk.parse(&words, SDK_LIMIT)?;
    ensure!(passed == words.len(), "{passed} of {}", words.len());
    Ok(())
}

fn from_disk(kind: Kind, name: &str, format: &'static str) -> Result<Guest> {
    let mut guest = guest(kind, Image::Product)?;
    guest.kernel = None;
    guest.command_line.clear();
    let file = made()?.join(name);
    guest.disks.push(Disk { file, format, writes: Writes::Dropped });
    Ok(guest)
}

/// A node at the address and the port of the configuration, that hosts the program.
fn configured(mut guest: Guest) -> Result<()> {
    guest.network = Network::user(&PORTS);
    let config = NodeConfig::parse(TOML)?;
    if let Network::User { forwards, .. } = &mut guest.network {
        forwards[0].guest_address = config.static_address();
        forwards[0].guest_port = config.http_port();
        forwards[1].guest_address = config.static_address();
    }
    let node = Node::start(guest)?;
    ensure!(node.guest_url()? == "http://10.0.2.77:8123/", "{}", node.ready_line);
    let answer = node.get(&format!("{}/world", path_of(&example("hello"))?))?;
    ensure!(answer.text() == "Hello from /world", "{answer:?}");
    node.check_alive()
}

fn with_module(kind: Kind, kernel: PathBuf) -> Result<()> {
    let mut guest = guest(kind, Image::Product)?;
    guest.kernel = Some(kernel);
    guest.module = Some(made()?.join("aerolith.initrd"));
    configured(guest)
}

fn strange_module(kind: Kind) -> Result<()> {
    let folder = TempDir::with_prefix("aerolith-module-")?;
    let file = folder.path().join("initrd");
    fs::write(&file, b"070701 is a cpio archive")?;
    let node = Node::boot_with(kind, |guest| {
        guest.module = Some(file);
        Ok(())
    })?;
    let text = node.vm.text();
    ensure!(text.contains("24 bytes of the initial RAM disk mean nothing"), "{text}");
    node.check_alive()
}

/// The command lines for QEMU in the manual, as they stand there but for the accelerator, the port and the
/// folder of the images, which are those without a configuration; those apart that need firmware which is not
/// in Debian.
fn manual() -> Result<()> {
    image::qcow2::ensure()?;
    install::ensure_file(OVMF, OVMF_PACKAGE)?;
    let manual = fs::read_to_string(xtask::workspace::root().join("docs/deploy.md"))?;
    let commands: Vec<String> = manual
        .split("```")
        .skip(1)
        .step_by(2)
        .filter_map(|block| block.strip_prefix("sh\n"))
        .filter(|block| {
            block.starts_with("qemu-system-x86_64 ") && !block.contains(OTHERS_FIRMWARE)
        })
        .map(|block| block.replace("\\\n", " "))
        .collect();
    ensure!(commands.len() >= 5, "only {} command lines", commands.len());
    let folder = TempDir::with_prefix("aerolith-manual-")?;
    let images = folder.path().join("images");
    let plain = Inputs { configuration: None, programs: None, ..inputs()? };
    image::assemble(&plain, &images)?;
    for command in commands {
        serves(&command, &images).with_context(|| command.clone())?;
    }
    Ok(())
}

fn serves(command: &str, images: &Path) -> Result<()> {
    ensure!(command.contains("-accel kvm -cpu host") && command.contains("127.0.0.1:8080-:80"));
    let with_port = |port| {
        let words = command
            .replace("-accel kvm -cpu host", "-accel tcg -cpu max")
            .replace("127.0.0.1:8080-", &format!("127.0.0.1:{port}-"))
            .replace("target/images", &images.display().to_string());
        let mut qemu = Command::new(PROGRAM);
        qemu.args(words.split_whitespace().skip(1));
        qemu
    };
    started(with_port).map(drop)
}
