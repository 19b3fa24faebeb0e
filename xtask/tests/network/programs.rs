//! Programs on the host build.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use libtest_mimic::Trial;
use xtask::http::Response;
use xtask::run::DEFAULT_MEMORY;
use xtask::subject::Subject;

use crate::program_checks::{
    Hostile, asks_all_peers, example, examples, examples_answer, hostile_programs_end,
};
use crate::trial;

pub fn add(trials: &mut Vec<Trial>) {
    trials.push(trial("example_programs_answer_as_they_say", answer));
    trials.push(trial("hostile_programs_are_ended_and_others_go_on", hostile_end));
    trials.push(trial("a_program_asks_the_peers_of_its_node", fan_out));
    trials.push(trial("the_only_program_answers_at_the_root", root));
}

fn hosting(toml: &str, programs: &[PathBuf]) -> Result<Subject> {
    let program = Path::new(env!("CARGO_BIN_EXE_xtask"));
    Subject::on_this_machine_with(program, DEFAULT_MEMORY, toml, programs)
}

fn ask(node: &Subject) -> impl Fn(&str, &str) -> Result<Response> {
    |method, path| node.request(method, path, b"")
}

fn answer() -> Result<()> {
    let node = hosting("", &examples())?;
    examples_answer(&ask(&node))?;
    node.interrupt()
}

fn hostile_end() -> Result<()> {
    let hostile = Hostile::new()?;
    let programs = [hostile.folders(), vec![example("hello")]].concat();
    let node = hosting("", &programs)?;
    hostile_programs_end(&hostile, &ask(&node))?;
    node.interrupt()
}

fn fan_out() -> Result<()> {
    let other = hosting("", &[])?;
    let address = other.address(false)?.to_string();
    let node = hosting(&format!("[peers]\nbootstrap = [\"{address}\"]\n"), &[example("fan-out")])?;
    let id = address.rsplit('/').next().unwrap_or_default();
    // The connection is made while the node starts.
    let mut heard = Vec::new();
    for _ in 0..20 {
        heard = asks_all_peers(&ask(&node))?;
        if !heard.is_empty() {
            break;
        }
    }
    ensure!(heard == [id], "{heard:?} instead of {id}");
    node.interrupt()?;
    other.interrupt()
}

fn root() -> Result<()> {
    let node = hosting("", &[example("hello")])?;
    let answer = node.get("/a/b")?;
    ensure!(answer.text() == "Hello from /a/b", "{} {}", answer.status, answer.text());
    ensure!(node.get("/health")?.text().contains("\"status\":\"ok\""), "the node's own stays");
    node.interrupt()
}
