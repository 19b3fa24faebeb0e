//! A short soak of the host build.

use anyhow::Result;
use libtest_mimic::Trial;

use crate::soak_command::soaks;
use crate::trial;

pub fn add(trials: &mut Vec<Trial>) {
    trials.push(trial("a_short_soak_leaves_nothing_behind", short));
}

fn short() -> Result<()> {
    soaks(&["--host", "--clients", "20", "--particles", "6", "--ttl", "8"])
}
