//! The node boots on every kind of machine, in little memory, with every kind of configuration.

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use serde_json::Value;
use xtask::bench::boot::{INSTRUCTIONS_AIM, instructions};
use xtask::boot_log::Phase;
use xtask::build::{self, Image};
use xtask::qemu::{Guest, Vm};

use crate::node::{
    BOOT_LIMIT, Kind, MICROVM, MICROVM_BARE, MICROVM_BARE_LEGACY, MICROVM_LEGACY, Node, PC,
    Passage, Q35, Q35_BARE, configure, guest,
};
use crate::trial;

pub fn add(trials: &mut Vec<Trial>) {
    for kind in [MICROVM, MICROVM_LEGACY, MICROVM_BARE, MICROVM_BARE_LEGACY, Q35, Q35_BARE, PC] {
        trials.push(trial(kind, "boots_gets_an_address_by_dhcp_and_answers", boots_and_answers));
    }
    for kind in [MICROVM, Q35] {
        for memory in [16, 32, 1024, 4096] {
            let name = format!("serves_with_{memory}_mib_of_memory");
            trials.push(trial(kind, &name, move |kind| serves_in(kind, memory)));
        }
        trials.push(trial(kind, "reports_every_phase_of_its_boot", reports_its_phases));
        trials.push(trial(kind, "takes_a_static_address_by_fw_cfg", |kind| {
            static_address(kind, Passage::FwCfg)
        }));
        trials.push(trial(kind, "takes_a_static_address_by_command_line", |kind| {
            static_address(kind, Passage::CommandLine)
        }));
    }
    for kind in [MICROVM, Q35] {
        trials.push(trial(kind, "answers_within_the_instructions_aimed_at", few_instructions));
    }
    for kind in [MICROVM, Q35] {
        trials.push(trial(kind, "says_why_it_cannot_boot_without_random_numbers", no_random));
        trials.push(trial(kind, "says_why_it_cannot_boot_in_too_little_memory", little_memory));
    }
    // microvm's firmware is itself of 64 bits.
    trials.push(trial(PC, "says_why_it_cannot_boot_on_a_cpu_without_64_bits", small_cpu));
    trials.push(trial(MICROVM, "says_why_it_does_not_take_a_broken_configuration", broken_config));
}

fn boots_and_answers(kind: Kind) -> Result<()> {
    let node = Node::boot(kind)?;
    // The first address that QEMU's DHCP server gives.
    ensure!(node.guest_url()? == "http://10.0.2.15:80/", "{}", node.ready_line);
    let health = node.get("/health")?;
    ensure!(health.status == 200, "{} {}", health.status, health.text());
    let health: Value = serde_json::from_slice(&health.body)?;
    ensure!(health.is_object(), "{health}");
    let answer = node.air("", r#"(call %init_peer_id% ("callbackSrv" "response") ["hello"])"#)?;
    ensure!(answer.status == 200 && answer.text().trim() == r#""hello""#, "{answer:?}");
    let metrics = node.get("/metrics")?;
    ensure!(metrics.status == 200, "{metrics:?}");
    for (number, line) in metrics.text().lines().enumerate() {
        ensure!(is_metrics_line(line), "line {number} is not Prometheus text: {line:?}");
    }
    Ok(())
}

fn is_metrics_line(line: &str) -> bool {
    if line.is_empty() || line.starts_with("# HELP ") || line.starts_with("# TYPE ") {
        return true;
    }
    let name = |text: &str| text.starts_with("aerolith_");
    let number = |text: &str| text.parse::<f64>().is_ok();
    line.rsplit_once(' ').is_some_and(|(left, right)| name(left) && number(right))
}

fn serves_in(kind: Kind, memory_mib: u32) -> Result<()> {
    let node = Node::boot_with(kind, |guest| {
        guest.memory_mib = memory_mib;
        Ok(())
    })?;
    for _ in 0..20 {
        let script = r#"(seq (call %init_peer_id% ("math" "add") [20 22] x)
            (call %init_peer_id% ("callbackSrv" "response") [x]))"#;
        let answer = node.air("", script)?;
        ensure!(answer.status == 200 && answer.text().trim() == "42", "{answer:?}");
    }
    Ok(())
}

fn reports_its_phases(kind: Kind) -> Result<()> {
    let node = Node::boot(kind)?;
    let text = node.vm.text();
    let phases: Vec<Phase> = text.lines().filter_map(Phase::parse).collect();
    ensure!(phases.len() >= 3, "fewer than three phases:\n{text}");
    ensure!(phases.iter().any(|phase| phase.ticks > 0), "no phase took any time:\n{text}");
    let metrics = node.get("/metrics")?.text();
    for Phase { name, .. } in &phases {
        ensure!(metrics.contains(name.as_str()), "/metrics lacks phase {name}:\n{metrics}");
    }
    Ok(())
}

fn few_instructions(kind: Kind) -> Result<()> {
    let kernel = build::paths(Image::Product).stripped;
    let count = instructions(kind.machine(), &kernel)?;
    ensure!(count <= INSTRUCTIONS_AIM, "{count} instructions, aimed at {INSTRUCTIONS_AIM}");
    Ok(())
}

fn static_address(kind: Kind, passage: Passage) -> Result<()> {
    let toml = "[network]\naddresses = [\"10.0.2.77/24\"]\ngateways = [\"10.0.2.2\"]\n\
                [http]\nport = 8123\n";
    let mut blob = None;
    let node = Node::boot_with(kind, |guest| {
        blob = configure(guest, toml, passage)?;
        Ok(())
    })?;
    ensure!(node.guest_url()? == "http://10.0.2.77:8123/", "{}", node.ready_line);
    node.check_alive()
}

/// A CPU of the time before RDRAND, and no device.
fn no_random(kind: Kind) -> Result<()> {
    const CANNOT_BOOT: i32 = 43;
    cannot_boot(kind, "no source of random numbers", CANNOT_BOOT, |guest| {
        guest.random = false;
        guest.extra.extend(["-cpu", "qemu64"].map(str::to_owned));
    })
}

/// What QEMU gives for a reset, by -no-reboot: before the command line is read no port is known for more.
const RESET: i32 = 0;

/// The file fits; the stacks do not.
fn little_memory(kind: Kind) -> Result<()> {
    cannot_boot(kind, "too little memory for the kernel", RESET, |guest| guest.memory_mib = 4)
}

fn small_cpu(kind: Kind) -> Result<()> {
    cannot_boot(kind, "the CPU has no 64-bit mode", RESET, |guest| {
        guest.extra.extend(["-cpu", "qemu32"].map(str::to_owned));
    })
}

fn cannot_boot(
    kind: Kind,
    why: &str,
    expected: i32,
    change: impl FnOnce(&mut Guest),
) -> Result<()> {
    let mut guest = guest(kind, Image::Product)?;
    change(&mut guest);
    let mut vm = Vm::start(&guest)?;
    let code = vm.wait_exit(BOOT_LIMIT)?;
    let line = format!("cannot boot: {why}");
    ensure!(vm.text().contains(&line), "no {line:?}\n{}", vm.report());
    ensure!(code == expected, "exit code {code}\n{}", vm.report());
    Ok(())
}

fn broken_config(kind: Kind) -> Result<()> {
    let node = Node::boot_with(kind, |guest| {
        guest.command_line.push("aerolith.config=bm90IGEgY29uZmln".to_owned());
        Ok(())
    })?;
    let text = node.vm.text();
    let line = text.lines().find(|line| line.contains("config") && !line.contains("INFO"));
    line.with_context(|| format!("no warning about the configuration:\n{text}"))?;
    node.check_alive()
}
