//! Programs that a message node brings, and that run for its messages and at their times.

use libtest_mimic::Trial;
use xtask::aleph_sdk::AlephSdk;
use xtask::qemu::Machine;
use xtask::run::DEFAULT_MEMORY;
use xtask::subject::Subject;

use crate::node::{MICROVM, Q35};
use crate::{trial, triggers};

/// Where QEMU's user network has the machine that it runs on.
const HOST: &str = "10.0.2.2";

pub fn add(trials: &mut Vec<Trial>, sdk: Option<&AlephSdk>) {
    for (kind, machine) in [(MICROVM, Machine::Microvm), (Q35, Machine::Q35)] {
        trials.push(trial(kind, "runs_programs_for_messages_and_at_their_times", move |_| {
            let start = |toml: &str| Subject::in_qemu(machine, DEFAULT_MEMORY, toml);
            triggers::programs_run(start, HOST)
        }));
    }
    let (found, ignored) = (sdk.cloned(), sdk.is_none());
    let published = move |_| {
        let start = |toml: &str| Subject::in_qemu(Machine::Microvm, DEFAULT_MEMORY, toml);
        found.as_ref().map_or(Ok(()), |sdk| triggers::published_by_the_sdk(start, HOST, sdk))
    };
    let name = "takes_what_the_network_s_own_client_publishes";
    trials.push(trial(MICROVM, name, published).with_ignored_flag(ignored));
}
