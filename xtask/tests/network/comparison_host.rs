//! The checks themselves: the comparison host passes them, and a wrong answer does not.

use std::time::Duration;

use anyhow::{Result, ensure};
use libtest_mimic::Trial;
use xtask::stock_client::{Job, StockClient};

use crate::with_client;

const LIMIT: Duration = Duration::from_mins(4);

pub fn add(trials: &mut Vec<Trial>, client: Option<&StockClient>) {
    trials.push(with_client("the_comparison_host_passes_every_check", client, passes));
    trials.push(with_client("a_wrong_answer_fails_a_check", client, wrong_answer_is_noticed));
}

fn passes(client: &StockClient) -> Result<()> {
    let (_host, relay) = client.mock_host(&[])?;
    let job = Job { relay, ..Job::default() };
    client.run(&job, LIMIT)?.expect_all(&job.checks())
}

fn wrong_answer_is_noticed(client: &StockClient) -> Result<()> {
    let (_host, relay) = client.mock_host(&["--fault", "wrong-answer"])?;
    let words = ["--only", "numbers"].map(str::to_owned).to_vec();
    let report = client.run(&Job { relay, words, ..Job::default() }, LIMIT)?;
    let failed = report.checks.iter().filter(|check| check.failure.is_some());
    let failed: Vec<_> = failed.map(|check| check.name.as_str()).collect();
    ensure!(failed == ["numbers"], "{report:?}");
    Ok(())
}
