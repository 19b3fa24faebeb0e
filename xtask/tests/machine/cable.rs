//! What arrives by the cable: pings, connections, silence and garbage.

use std::time::Duration;

use anyhow::{Result, ensure};
use libtest_mimic::Trial;
use smoltcp::wire::IpAddress;
use xtask::qemu::Vm;

use crate::node::{ANSWER_LIMIT, Kind, MICROVM, MICROVM_LEGACY, PC, Q35, boot_at_cable};
use crate::peer::{GUEST_TOML, GUEST_V4, GUEST_V6, Peer};
use crate::trial;

const GARBAGE_FRAMES: u32 = 3000;

pub fn add(trials: &mut Vec<Trial>) {
    for kind in [MICROVM, MICROVM_LEGACY, Q35, PC] {
        trials.push(trial(kind, "answers_ping_at_a_static_address", pings));
    }
    for kind in [MICROVM, Q35] {
        trials.push(trial(kind, "survives_garbage_frames", garbage));
        trials.push(trial(kind, "survives_a_pulled_cable", pulled_cable));
    }
    trials.push(trial(MICROVM, "answers_http_over_both_versions_of_ip", both_versions));
}

fn pings(kind: Kind) -> Result<()> {
    let mut peer = Peer::new()?;
    let _vm = boot_at_cable(kind, &peer, GUEST_TOML)?;
    for target in [GUEST_V4, GUEST_V6] {
        for length in [0, 1, 56, 1400] {
            let data: Vec<u8> = (0..=255).cycle().take(length).collect();
            peer.ping(target, &data, ANSWER_LIMIT)?;
        }
    }
    Ok(())
}

fn both_versions(kind: Kind) -> Result<()> {
    let mut peer = Peer::new()?;
    let vm = boot_at_cable(kind, &peer, GUEST_TOML)?;
    for target in [GUEST_V4, GUEST_V6] {
        health(&mut peer, &vm, target)?;
    }
    Ok(())
}

fn health(peer: &mut Peer, vm: &Vm, target: IpAddress) -> Result<()> {
    let request = b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let whole = |answer: &[u8]| answer.windows(4).any(|bytes| bytes == b"\r\n\r\n");
    let answer = peer.exchange(target, 80, request, whole, ANSWER_LIMIT)?;
    let answer = String::from_utf8_lossy(&answer);
    ensure!(answer.starts_with("HTTP/1.1 200"), "{target}: {answer:?}\n{}", vm.report());
    Ok(())
}

fn pulled_cable(kind: Kind) -> Result<()> {
    let mut peer = Peer::new()?;
    let vm = boot_at_cable(kind, &peer, GUEST_TOML)?;
    peer.ping(GUEST_V4, b"before", ANSWER_LIMIT)?;
    peer.pull(true);
    ensure!(peer.ping(GUEST_V4, b"lost", Duration::from_secs(3)).is_err(), "a ping through air");
    peer.pull(false);
    peer.ping(GUEST_V4, b"after", ANSWER_LIMIT)?;
    health(&mut peer, &vm, GUEST_V4)
}

fn garbage(kind: Kind) -> Result<()> {
    let mut peer = Peer::new()?;
    let mut vm = boot_at_cable(kind, &peer, GUEST_TOML)?;
    // Real frames of the guest, turned around, are the seeds of frames that are nearly right.
    peer.ping(GUEST_V4, b"seed", ANSWER_LIMIT)?;
    peer.ping(GUEST_V6, b"seed", ANSWER_LIMIT)?;
    health(&mut peer, &vm, GUEST_V4)?;
    let seeds: Vec<Vec<u8>> = peer.take_seen().into_iter().map(turned_around).collect();
    ensure!(!seeds.is_empty(), "the guest has sent nothing");
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    for number in 0..GARBAGE_FRAMES {
        let seed = &seeds[random.below(seeds.len())];
        peer.inject(&spoilt(seed, &mut random));
        if number % 16 == 0 {
            peer.work(Duration::from_millis(1));
        }
    }
    ensure!(vm.ended()?.is_none(), "the guest ended\n{}", vm.report());
    peer.ping(GUEST_V4, b"still there", ANSWER_LIMIT)?;
    health(&mut peer, &vm, GUEST_V4)
}

/// A frame as if it came back: link and, by their position, network addresses exchanged.
fn turned_around(mut frame: Vec<u8>) -> Vec<u8> {
    let places: &[(usize, usize, usize)] = match frame.get(12..14) {
        Some([0x08, 0x00]) => &[(0, 6, 6), (26, 30, 4), (34, 36, 2)],
        Some([0x86, 0xdd]) => &[(0, 6, 6), (22, 38, 16), (54, 56, 2)],
        Some([0x08, 0x06]) => &[(0, 6, 6), (22, 32, 6), (28, 38, 4)],
        _ => &[(0, 6, 6)],
    };
    for (left, right, length) in places {
        for offset in 0..*length {
            if right + offset < frame.len() {
                frame.swap(left + offset, right + offset);
            }
        }
    }
    frame
}

fn spoilt(seed: &[u8], random: &mut Random) -> Vec<u8> {
    let mut frame = seed.to_vec();
    match random.below(4) {
        0 => {
            // Nothing but noise behind a right address.
            let length = random.below(1500);
            frame.truncate(14);
            frame.extend((0..length).map(|_| random.byte()));
        }
        // QEMU takes an empty datagram for the end of the cable.
        1 => frame.truncate(1 + random.below(frame.len())),
        _ => {
            for _ in 0..=random.below(6) {
                let place = random.below(frame.len());
                frame[place] = random.byte();
            }
        }
    }
    // Half of the frames get a right checksum of their IPv4 header, to come further.
    if random.below(2) == 0 {
        repair_ipv4(&mut frame);
    }
    frame
}

fn repair_ipv4(frame: &mut [u8]) {
    if frame.len() < 34 || frame[12..14] != [0x08, 0x00] {
        return;
    }
    let length = usize::from(frame[14] & 0xf) * 4;
    if length < 20 || frame.len() < 14 + length {
        return;
    }
    frame[24..26].fill(0);
    let mut sum: u32 = frame[14..14 + length]
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let [.., high, low] = (!sum).to_be_bytes();
    frame[24..26].copy_from_slice(&[high, low]);
}

/// Marsaglia's xorshift: the same garbage in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit.max(1)).unwrap_or(u64::MAX);
        usize::try_from(self.next() % limit).unwrap_or(0)
    }

    fn byte(&mut self) -> u8 {
        self.next().to_be_bytes()[0]
    }
}
