//! The example programs, and hostile ones, as both test programs ask them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use kernel::aleph::package::Limits;
use kernel::program::Definition;
use serde_json::{Value, json};
use tempfile::TempDir;
use xtask::http::Response;
use xtask::{program_folder, workspace};

/// Asks a node: method and path.
pub type Ask<'a> = &'a dyn Fn(&str, &str) -> Result<Response>;

/// The folder of an example.
pub fn example(name: &str) -> PathBuf {
    workspace::root().join("examples").join(name)
}

/// Programs that are made for the tests; they are in a folder that lives as long as this.
pub struct Hostile(TempDir);

impl Hostile {
    /// Writes them.
    pub fn new() -> Result<Self> {
        let folder = TempDir::with_prefix("aerolith-hostile-")?;
        for (name, memory, seconds, script) in
            [("loops", 64, 2, loops()), ("grows", 2, 30, grows()), ("floods", 8, 2, floods())]
        {
            let list: Vec<u32> = (1..=100).collect();
            let message = json!({"type": "vm-function", "address": "0x0", "time": 1, "content": {
                "code": {"encoding": "plain", "entrypoint": name},
                "on": {"http": true},
                "resources": {"memory": memory, "seconds": seconds},
                "variables": {"LIST": format!("{list:?}"), "TEXT": "x".repeat(2000)},
            }});
            let inner = folder.path().join(name);
            fs::create_dir(&inner)?;
            fs::write(inner.join("message.json"), message.to_string())?;
            fs::write(inner.join("main.air"), script)?;
        }
        Ok(Self(folder))
    }

    /// The folders of the programs.
    pub fn folders(&self) -> Vec<PathBuf> {
        ["loops", "grows", "floods"].map(|name| self.0.path().join(name)).to_vec()
    }

    fn path_of(&self, name: &str) -> Result<String> {
        path_of(&self.0.path().join(name))
    }
}

/// A script that has a list of a hundred numbers.
fn with_list(body: &str) -> String {
    format!(
        r#"(seq
             (seq
               (call %init_peer_id% ("env" "get") ["LIST"] text)
               (call %init_peer_id% ("json" "parse") [text] list))
             {body})"#
    )
}

/// Two thousand instructions, a million times: few at once, so that time is what it needs.
fn loops() -> String {
    let body = (0..11).fold("(null)".to_owned(), |body, _| format!("(seq {body} {body})"));
    let folds = ["a", "b", "c"]
        .iter()
        .fold(body, |inner, name| format!("(fold list {name} (seq {inner} (next {name})))"));
    with_list(&folds)
}

/// Ten thousand texts of two thousand letters, all different.
fn grows() -> String {
    with_list(
        r#"(seq
             (call %init_peer_id% ("env" "get") ["TEXT"] long)
             (fold list a (seq
               (fold list b (seq
                 (seq
                   (call %init_peer_id% ("json" "stringify") [a] x)
                   (seq
                     (call %init_peer_id% ("json" "stringify") [b] y)
                     (call %init_peer_id% ("op" "concat_strings") [long x "/" y] more)))
                 (next b)))
               (next a))))"#,
    )
}

/// Ten thousand calls at once, of which none is answered in time.
fn floods() -> String {
    with_list(
        r#"(fold list a (par
             (fold list b (par
               (call %init_peer_id% ("peer" "timeout") [60000] waited)
               (next b)))
             (next a)))"#,
    )
}

/// All examples that answer requests.
pub fn examples() -> Vec<PathBuf> {
    ["hello", "counter", "fan-out", "aqua"].map(example).to_vec()
}

/// The path under which a node answers for the program of a folder.
pub fn path_of(folder: &Path) -> Result<String> {
    let package = program_folder::package(folder)?;
    let definition = Definition::of_package(&package, &Limits::default())?;
    Ok(format!("/vm/{}", definition.id()))
}

/// Every example gives what its README says.
pub fn examples_answer(ask: Ask<'_>) -> Result<()> {
    let hello = path_of(&example("hello"))?;
    let answer = ask("GET", &format!("{hello}/world"))?;
    ensure!(answer.text() == "Hello from /world", "{} {}", answer.status, answer.text());
    ensure!(answer.header("aleph-program-itemhash") == hello.strip_prefix("/vm/"));

    let counter = path_of(&example("counter"))?;
    for count in 1..=3 {
        let answer = ask("GET", &counter)?;
        ensure!(answer.text() == count.to_string(), "{} {}", answer.status, answer.text());
    }

    let aqua = path_of(&example("aqua"))?;
    let answer = ask("GET", &format!("{aqua}/tea"))?;
    let expected = "Good day, this is Aqua at /tea";
    ensure!(answer.text() == expected, "{} {}", answer.status, answer.text());
    ensure!(answer.header("x-language") == Some("aqua"), "{:?}", answer.headers);
    let answer = ask("POST", &aqua)?;
    ensure!((answer.status, answer.header("allow")) == (405, Some("GET")), "{answer:?}");

    ensure!(asks_all_peers(ask)?.is_empty(), "a node on its own has nobody to ask");
    Ok(())
}

/// The peers that the example `fan-out` heard from.
pub fn asks_all_peers(ask: Ask<'_>) -> Result<Vec<String>> {
    let answer = ask("GET", &path_of(&example("fan-out"))?)?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.text());
    let all: Vec<Value> = serde_json::from_slice(&answer.body)?;
    let own = |about: &Value| about["version"] == env!("CARGO_PKG_VERSION");
    ensure!(all.iter().all(own), "{all:?}");
    Ok(all.iter().filter_map(|about| Some(about["peer"].as_str()?.to_owned())).collect())
}

/// Programs that want more than they may are ended, and others go on meanwhile.
pub fn hostile_programs_end(hostile: &Hostile, ask: Ask<'_>) -> Result<()> {
    let hello = path_of(&example("hello"))?;
    for (name, statuses, words) in [
        ("loops", &[504][..], "Program did not respond within `resource.seconds`"),
        ("grows", &[500][..], "more than its memory of 2 MiB"),
        ("floods", &[500, 504][..], ""),
    ] {
        let path = hostile.path_of(name)?;
        let began = Instant::now();
        let answer = ask("GET", &path)?;
        ensure!(statuses.contains(&answer.status), "{name}: {} {}", answer.status, answer.text());
        ensure!(answer.text().contains(words), "{name}: {}", answer.text());
        ensure!(began.elapsed() < Duration::from_secs(50), "{name} took {:?}", began.elapsed());
        let answer = ask("GET", &format!("{hello}/still"))?;
        ensure!(answer.text() == "Hello from /still", "{name} harmed another");
    }
    let metrics = ask("GET", "/metrics")?.text();
    ensure!(metrics.contains("\naerolith_particles 0\n"), "{metrics}");
    for line in metrics.lines().filter(|line| line.starts_with("aerolith_program_held_bytes{")) {
        let held: u64 = line.rsplit(' ').next().unwrap_or_default().parse()?;
        ensure!(held < 1000, "{line}");
    }
    Ok(())
}
