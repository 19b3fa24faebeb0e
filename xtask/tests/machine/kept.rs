//! What programs keep on a volume: nothing that was answered for is lost, whatever ends the machine.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use kernel::program::{Bundle, Package};
use libtest_mimic::Trial;
use tempfile::TempDir;
use xtask::host::make_volume;
use xtask::http::{Response, Url, request};
use xtask::qemu::{Disk, Writes};

use crate::message_node::{Author, MessageNode};
use crate::node::{ANSWER_LIMIT, Kind, MICROVM, Node, Passage, Q35, configure};
use crate::trial;

/// Files by path: POST keeps a body, GET gives it back.
const SCRIPT: &str = r#"
(seq
  (call %init_peer_id% ("getDataSrv" "scope") [] scope)
  (seq
    (call %init_peer_id% ("op" "concat_strings") ["/state" scope.$.path] name)
    (xor
      (match scope.$.method "POST"
        (seq
          (call %init_peer_id% ("vault" "put") [name scope.$.body] path)
          (call %init_peer_id% ("callbackSrv" "response") ["kept"])))
      (seq
        (call %init_peer_id% ("vault" "get") [name] text)
        (call %init_peer_id% ("callbackSrv" "response") [text])))))
"#;

/// So small that its log is moved every few writes.
const SMALL: u64 = 64 << 10;
const LARGE: u64 = 4 << 20;
const ROUNDS: u32 = 4;
/// At most what the small volume may take and a little more, in files of [`FILE_BYTES`].
const FILES: usize = 40;
const FILE_BYTES: usize = 2000;

pub fn add(trials: &mut Vec<Trial>) {
    for (kind, bytes) in [(MICROVM, SMALL), (MICROVM, LARGE), (Q35, SMALL)] {
        let name = format!("killed_while_it_writes_to_{}_kib_loses_no_answer", bytes >> 10);
        trials.push(trial(kind, &name, move |kind| killed(kind, bytes)));
    }
    trials.push(trial(MICROVM, "says_that_its_volume_is_full_and_loses_nothing", full));
    trials.push(trial(MICROVM, "has_a_posted_program_again_after_its_end", installed));
}

/// The disk with the program, and one with a volume.
struct Disks(TempDir);

impl Disks {
    fn new(volume_bytes: u64) -> Result<Self> {
        let folder = TempDir::with_prefix("aerolith-kept-")?;
        let message = serde_json::json!({
            "type": "vm-function",
            "address": "0x0000000000000000000000000000000000000000",
            "time": 1_700_000_000,
            "content": {
                "code": {"encoding": "plain", "entrypoint": "main", "content": SCRIPT},
                "on": {"http": true},
                "environment": {"reproducible": false, "internet": false, "aleph_api": false},
                "resources": {"vcpus": 1, "memory": 8, "seconds": 30},
                "export": {"encoding": "tar.gzip", "mount": "/state"},
            },
        });
        let package = Package { message: message.to_string().into_bytes(), files: Vec::new() };
        let mut disk = Bundle { programs: vec![package] }.encode()?;
        disk.resize(disk.len().next_multiple_of(512), 0);
        std::fs::write(folder.path().join("programs"), disk)?;
        make_volume(&folder.path().join("volume"), volume_bytes)?;
        Ok(Self(folder))
    }

    fn boot(&self, kind: Kind) -> Result<Node> {
        let raw = |name: &str, writes| Disk::raw(self.0.path().join(Path::new(name)), writes);
        let node = Node::boot_with(kind, |guest| {
            guest.disks = vec![raw("programs", Writes::Refused), raw("volume", Writes::Kept)];
            Ok(())
        })?;
        ensure!(node.vm.text().contains("programs from disk 0"), "{}", node.vm.report());
        Ok(node)
    }
}

fn ask(authority: &str, method: &str, path: &str, body: &[u8]) -> Result<Response> {
    let url = Url { authority: authority.to_owned(), path: path.to_owned() };
    request(&url, method, body, ANSWER_LIMIT)
}

fn read(node: &Node, path: &str) -> Result<String> {
    let answer = ask(&node.authority(), "GET", path, b"")?;
    ensure!(answer.status == 200, "GET {path}: {answer:?}\n{}", node.vm.report());
    Ok(answer.text())
}

fn killed(kind: Kind, volume_bytes: u64) -> Result<()> {
    let disks = Disks::new(volume_bytes)?;
    let answered = AtomicU32::new(0);
    let mut next = 1;
    for round in 1..=ROUNDS {
        let mut node = disks.boot(kind)?;
        if next > 1 {
            let kept: u32 = read(&node, "/n")?.trim_matches('"').parse()?;
            let last = answered.load(Ordering::Relaxed);
            // The one that was under way when the machine was killed may be there or not.
            ensure!(kept == last || kept == last + 1, "{kept} is there, {last} was answered");
            next = kept + 1;
        }
        let authority = node.authority();
        let enough = answered.load(Ordering::Relaxed) + 5 * round;
        thread::scope(|scope| -> Result<()> {
            let (answered, authority) = (&answered, &authority);
            let writer = scope.spawn(move || {
                for number in next.. {
                    match ask(authority, "POST", "/n", number.to_string().as_bytes()) {
                        Ok(answer) if answer.status == 200 => {
                            answered.store(number, Ordering::Relaxed);
                        }
                        Ok(answer) => return Err(answer.text()),
                        Err(_) => return Ok(()),
                    }
                }
                Ok(())
            });
            let end = Instant::now() + 2 * ANSWER_LIMIT;
            while answered.load(Ordering::Relaxed) < enough && !writer.is_finished() {
                ensure!(Instant::now() < end, "too few answers\n{}", node.vm.report());
                thread::sleep(Duration::from_millis(3));
            }
            node.vm.kill();
            match writer.join() {
                Ok(Ok(())) => Ok(()),
                Ok(Err(refused)) => bail!("{refused}\n{}", node.vm.report()),
                Err(_) => bail!("the writer panicked"),
            }
        })?;
    }
    let node = disks.boot(kind)?;
    let kept: u32 = read(&node, "/n")?.trim_matches('"').parse()?;
    let last = answered.load(Ordering::Relaxed);
    ensure!(kept == last || kept == last + 1, "{kept} is there, {last} was answered");
    Ok(())
}

/// Text that hardly shrinks, another for each number.
fn noise(number: usize) -> String {
    let mut state = number as u64 + 1;
    let letters = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b'!' + u8::try_from(state % 64).unwrap_or(0))
    });
    letters.filter(|letter| !['"', '\\'].contains(letter)).take(FILE_BYTES).collect()
}

fn full(kind: Kind) -> Result<()> {
    let disks = Disks::new(SMALL)?;
    let mut node = disks.boot(kind)?;
    let mut kept = 0;
    let refused = loop {
        ensure!(kept < FILES, "{kept} files fit");
        let path = format!("/f{kept}");
        let answer = ask(&node.authority(), "POST", &path, noise(kept).as_bytes())?;
        if answer.status != 200 {
            break answer;
        }
        kept += 1;
    };
    ensure!(kept > 2 && refused.status >= 500, "{kept} files, then {refused:?}");
    node.check_alive()?;
    for _ in 0..2 {
        for number in 0..kept {
            let found = read(&node, &format!("/f{number}"))?;
            ensure!(found.contains(&noise(number)), "file {number} is another");
        }
        node.vm.kill();
        node = disks.boot(kind)?;
    }
    let after = read(&node, "/f0").context("after it was full")?;
    ensure!(after.contains(&noise(0)));
    Ok(())
}

/// A program that was posted is fetched once: the next life of the node knows no message node.
fn installed(kind: Kind) -> Result<()> {
    let folder = TempDir::with_prefix("aerolith-installed-")?;
    let volume = folder.path().join("volume");
    make_volume(&volume, LARGE)?;
    let boot = |toml: &str| {
        let mut configuration = None;
        let node = Node::boot_with(kind, |guest| {
            guest.disks = vec![Disk::raw(volume.clone(), Writes::Kept)];
            configuration = configure(guest, toml, Passage::FwCfg)?;
            Ok(())
        });
        node.map(|node| (node, configuration))
    };
    let (source, author) = (MessageNode::start()?, Author::new());
    let program = publish(&source, &author)?;
    let path = format!("/vm/{}/", program["item_hash"].as_str().context("no item hash")?);
    let from = format!("node = \"http://10.0.2.2:{}\"\n", source.port());
    let owners = format!("program_owners = [\"{}\"]\n", author.address());

    let (mut node, _configuration) = boot(&format!("[aleph]\n{from}{owners}"))?;
    let answer = node.request("POST", "/message", program.to_string().as_bytes())?;
    ensure!(answer.status == 200, "{answer:?}\n{}", node.vm.report());
    let end = Instant::now() + ANSWER_LIMIT;
    while !node.vm.text().contains("was fetched") {
        ensure!(Instant::now() < end, "it is not fetched\n{}", node.vm.report());
        thread::sleep(Duration::from_millis(30));
    }
    let before = node.get(&path)?;
    ensure!(before.text() == "posted", "{before:?}\n{}", node.vm.report());
    let identity = node.get("/health")?.text();
    node.vm.kill();

    let (mut node, _configuration) = boot(&format!("[aleph]\n{owners}"))?;
    let again = node.get(&path)?;
    ensure!(again.text() == "posted", "{again:?}\n{}", node.vm.report());
    let peer_id = |health: &str| Some(health.split_once("12D3")?.1.get(..48)?.to_owned());
    let same = peer_id(&identity) == peer_id(&node.get("/health")?.text());
    ensure!(same && peer_id(&identity).is_some(), "another identity\n{}", node.vm.report());
    node.vm.kill();

    let (node, _configuration) = boot("[aleph]\nprogram_owners = [\"0x0\"]\n")?;
    let unwanted = node.get(&path)?;
    ensure!(unwanted.status == 404, "{unwanted:?}\n{}", node.vm.report());
    ensure!(node.vm.text().contains("does not name its owner"), "{}", node.vm.report());
    Ok(())
}

/// A program that says `posted`: its code is there to be fetched, its message is not.
fn publish(node: &MessageNode, author: &Author) -> Result<serde_json::Value> {
    let script = r#"(call %init_peer_id% ("callbackSrv" "response") ["posted"])"#;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64();
    let file = node.add_file(script.as_bytes());
    let file = serde_json::json!({"item_type": "storage", "item_hash": file});
    let stored = author.sign("STORE", "programs", now, file);
    node.add(&stored);
    let code = &stored["item_hash"];
    let content = serde_json::json!({
        "allow_amend": false,
        "type": "vm-function",
        "code": {"encoding": "plain", "entrypoint": "main", "ref": code, "use_latest": false},
        "on": {"http": true, "persistent": false},
        "environment": {"reproducible": false, "internet": false, "aleph_api": false, "shared_cache": false},
        "resources": {"vcpus": 1, "memory": 8, "seconds": 5},
        "runtime": {"ref": code, "use_latest": false, "comment": ""},
        "volumes": [],
    });
    Ok(author.sign("PROGRAM", "programs", now, content))
}
