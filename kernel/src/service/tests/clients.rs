//! What clients' programs call exists.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::Bench;
use crate::service::Started;

/// The functions of a host that the programs of a stock client's checks call, one a line.
const CALLED_BY_CLIENTS: &str = include_str!("called_by_clients.txt");
/// The functions that the Aqua compiler puts into programs by itself, on whatever peer they run.
const CALLED_BY_THE_COMPILER: [&str; 11] = [
    "math.add",
    "math.sub",
    "math.mul",
    "math.div",
    "math.rem",
    "math.pow",
    "math.fmul",
    "cmp.lt",
    "cmp.lte",
    "cmp.gt",
    "cmp.gte",
];

#[test]
fn every_function_that_clients_and_their_compiler_call_exists() {
    let listed = CALLED_BY_CLIENTS.lines().filter(|line| !line.starts_with('#'));
    let names: Vec<&str> = listed.chain(CALLED_BY_THE_COMPILER).collect();
    let distinct: BTreeSet<&str> = names.iter().copied().collect();
    assert!(distinct.len() > 30, "the list is there");
    let bench = Bench::new();
    for name in distinct {
        if let Started::Done(reply) = bench.start(name, "[]") {
            assert!(!reply.result.contains("not found (function"), "{name}: {}", reply.result);
        }
    }
}
