//! The ways off: without the tests' exit port, a guest that ends switches its machine off, and so does a
//! node that is asked to by power button or keyboard, once its connections are closed.

use std::cell::RefCell;
use std::time::Duration;

use anyhow::{Result, ensure};
use libtest_mimic::Trial;
use smoltcp::wire::{EthernetFrame, Ipv4Packet, TcpPacket};
use xtask::build::Image;
use xtask::qemu::Vm;
use xtask::qemu::monitor::{Monitor, Socket};

use crate::node::{
    ANSWER_LIMIT, BOOT_LIMIT, Kind, MICROVM, MICROVM_BARE, PC, Passage, Q35, Q35_BARE, configure,
    guest,
};
use crate::peer::{GUEST_TOML, GUEST_V4, Peer};
use crate::trial;

const END_LIMIT: Duration = Duration::from_secs(60);
const HTTP: u16 = 80;

pub fn add(trials: &mut Vec<Trial>) {
    for kind in [MICROVM, MICROVM_BARE, Q35, PC] {
        trials.push(trial(kind, "goes_off_when_the_guest_ends", goes_off));
    }
    for kind in [MICROVM, Q35, Q35_BARE, PC] {
        trials.push(trial(kind, "closes_connections_and_goes_off_by_the_power_button", |kind| {
            is_asked(kind, "power button", |monitor| monitor.ask("system_powerdown").map(drop))
        }));
    }
    for kind in [Q35, Q35_BARE, PC] {
        trials.push(trial(kind, "closes_connections_and_goes_off_by_ctrl_alt_del", |kind| {
            is_asked(kind, "Ctrl-Alt-Del", |monitor| monitor.press(&["ctrl", "alt", "delete"]))
        }));
    }
    for kind in [MICROVM, Q35] {
        trials.push(trial(kind, "answers_what_is_under_way_before_it_goes_off", answers_first));
    }
    trials.push(trial(Q35, "stays_on_when_other_keys_are_pressed", other_keys));
}

fn goes_off(kind: Kind) -> Result<()> {
    let mut guest = guest(kind, Image::FaultInjection)?;
    guest.command_line = vec!["aerolith.fault=panic".to_owned()];
    let mut vm = Vm::start(&guest)?;
    ends(&mut vm)?;
    ensure!(vm.text().contains("panic"), "no report\n{}", vm.report());
    Ok(())
}

fn ends(vm: &mut Vm) -> Result<()> {
    let code = vm.wait_exit(END_LIMIT)?;
    // 0 is what QEMU gives for power off and, by -no-reboot, for a reset.
    ensure!(code == 0, "exit code {code}\n{}", vm.report());
    Ok(())
}

/// A node at a cable, without the exit port, and QEMU's monitor.
fn monitored(kind: Kind, peer: &Peer) -> Result<(Vm, Monitor)> {
    let mut guest = guest(kind, Image::Product)?;
    guest.command_line.clear();
    guest.network = peer.network();
    let _blob = configure(&mut guest, GUEST_TOML, Passage::CommandLine)?;
    let socket = Socket::new()?;
    socket.attach(&mut guest);
    let mut vm = Vm::start(&guest)?;
    vm.wait_for("node: ready ", BOOT_LIMIT)?;
    let monitor = socket.connect()?;
    Ok((vm, monitor))
}

/// A client that keeps its connection open hears of the end; then the machine is off.
fn is_asked(kind: Kind, who: &str, ask: impl Fn(&mut Monitor) -> Result<()>) -> Result<()> {
    let mut peer = Peer::new()?;
    let (mut vm, monitor) = monitored(kind, &peer)?;
    let monitor = RefCell::new(Some(monitor));
    let asked = RefCell::new(Ok(()));
    let answered = |answer: &[u8]| {
        let whole = answer.windows(4).any(|bytes| bytes == b"\r\n\r\n");
        if let Some(mut monitor) = whole.then(|| monitor.take()).flatten() {
            *asked.borrow_mut() = ask(&mut monitor);
        }
        false
    };
    let request = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
    let answer = peer.exchange(GUEST_V4, HTTP, request, answered, ANSWER_LIMIT)?;
    asked.into_inner()?;
    ensure!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    let (finished, reset) = ends_of_connections(&peer.take_seen());
    ensure!(finished && !reset, "FIN: {finished}, RST: {reset}\n{}", vm.report());
    ends(&mut vm)?;
    let text = vm.text();
    for mark in [format!("power: {who}: closing all connections"), "power: off".to_owned()] {
        ensure!(text.contains(&mark), "no {mark:?}\n{text}");
    }
    ensure!(!text.contains("were not closed"), "{text}");
    Ok(())
}

/// A script that waits when the button is pressed is answered.
fn answers_first(kind: Kind) -> Result<()> {
    let mut peer = Peer::new()?;
    let (mut vm, monitor) = monitored(kind, &peer)?;
    let monitor = RefCell::new(Some(monitor));
    let asked = RefCell::new(Ok(()));
    let script = "(seq (call %init_peer_id% (\"peer\" \"timeout\") [2000 1])
        (call %init_peer_id% (\"callbackSrv\" \"response\") [\"at last\"]))";
    let request = format!(
        "GET /health HTTP/1.1\r\nHost: x\r\n\r\n\
         POST /air HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{script}",
        script.len()
    );
    let answered = |answer: &[u8]| {
        // What came with the request that is answered is under way.
        let taken = answer.windows(4).any(|bytes| bytes == b"\r\n\r\n");
        if let Some(mut monitor) = taken.then(|| monitor.take()).flatten() {
            *asked.borrow_mut() = monitor.ask("system_powerdown").map(drop);
        }
        false
    };
    let answer = peer.exchange(GUEST_V4, HTTP, request.as_bytes(), answered, ANSWER_LIMIT)?;
    asked.into_inner()?;
    let answer = String::from_utf8_lossy(&answer);
    let good = answer.matches("HTTP/1.1 200 ").count() == 2 && answer.ends_with("\"at last\"");
    ensure!(good, "{answer}");
    ends(&mut vm)?;
    let text = vm.text();
    ensure!(!text.contains("not all") && !text.contains("were not closed"), "{text}");
    Ok(())
}

/// Whether segments with FIN and with RST came from the HTTP port.
fn ends_of_connections(frames: &[Vec<u8>]) -> (bool, bool) {
    let (mut finished, mut reset) = (false, false);
    for frame in frames {
        let Ok(frame) = EthernetFrame::new_checked(frame) else { continue };
        let Ok(packet) = Ipv4Packet::new_checked(frame.payload()) else { continue };
        let Ok(segment) = TcpPacket::new_checked(packet.payload()) else { continue };
        if segment.src_port() == HTTP {
            finished |= segment.fin();
            reset |= segment.rst();
        }
    }
    (finished, reset)
}

fn other_keys(kind: Kind) -> Result<()> {
    let mut peer = Peer::new()?;
    let (vm, mut monitor) = monitored(kind, &peer)?;
    for keys in [&["ctrl", "delete"][..], &["alt", "delete"], &["ctrl", "alt", "a"], &["delete"]] {
        // More of them than the controller buffers.
        for _ in 0..10 {
            monitor.press(keys)?;
        }
    }
    peer.work(Duration::from_secs(2));
    peer.ping(GUEST_V4, b"alive", ANSWER_LIMIT)?;
    ensure!(!vm.text().contains("closing all connections"), "{}", vm.report());
    Ok(())
}
