//! Programs that come by fw_cfg.

use std::path::PathBuf;

use anyhow::Result;
use libtest_mimic::Trial;
use xtask::program_folder;
use xtask::run::DEFAULT_MEMORY;

use crate::node::{Kind, MICROVM, Node, Q35};
use crate::program_checks::{Hostile, example, examples, examples_answer, hostile_programs_end};
use crate::trial;

pub fn add(trials: &mut Vec<Trial>) {
    for kind in [MICROVM, Q35] {
        trials.push(trial(kind, "example_programs_answer_as_they_say", |kind| {
            hosting(kind, &examples(), |node| {
                examples_answer(&|method, path| node.request(method, path, b""))
            })
        }));
    }
    trials.push(trial(MICROVM, "hostile_programs_are_ended_and_others_go_on", |kind| {
        let hostile = Hostile::new()?;
        let programs = [hostile.folders(), vec![example("hello")]].concat();
        hosting(kind, &programs, |node| {
            hostile_programs_end(&hostile, &|method, path| node.request(method, path, b""))
        })
    }));
}

/// Boots a node that hosts these programs.
fn hosting(
    kind: Kind,
    programs: &[PathBuf],
    check: impl FnOnce(&Node) -> Result<()>,
) -> Result<()> {
    let bundle = program_folder::bundle_file(programs)?;
    let node = Node::boot_with(kind, |guest| {
        guest.memory_mib = DEFAULT_MEMORY;
        guest.programs = bundle.as_ref().map(|file| file.path().to_owned());
        Ok(())
    })?;
    check(&node)?;
    node.check_alive()
}
