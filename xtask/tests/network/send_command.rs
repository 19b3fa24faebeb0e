//! `cargo xtask send --peer`, as both test programs run it.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};

/// A script that goes to the node at this address and back gives its answer, as a named peer.
pub fn greets(address: &str) -> Result<()> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/network/data/relay.air");
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.arg("send").arg(script).args(["--data", "name=world", "--peer", address]);
    let output = command.args(["--seed", &"07".repeat(32)]).output()?;
    let (answer, words) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{}: {answer}{words}", output.status);
    ensure!(answer == "\"Hello, world!\"\n", "{address} answers {answer}");
    // The peer id of that seed.
    ensure!(words.contains("12D3KooWRawPbxPtP1eZaJpumGnyWX2DcUyd3RQnydr3eAto4Az7"), "{words}");
    Ok(())
}
