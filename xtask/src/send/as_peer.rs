//! `send --peer`: the script as a particle of a client of its own.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use air_core::Value;
use anyhow::{Context, Result, anyhow, bail};
use kernel::machine::Machine;
use netstack::libp2p::{Keypair, Multiaddr};
use zeroize::Zeroizing;

use super::Options;
use crate::client::{Answer, Client, Program};
use crate::host::Ground;
use crate::run_record::RunRecord;

/// Sends the script; 0 when it was answered, 1 when it gave an error.
pub(super) fn run(options: &Options, address: Option<&Multiaddr>, text: &str) -> Result<ExitCode> {
    let address = match address {
        Some(address) => address.clone(),
        None => recorded()?,
    };
    let program = Program::parse(text)
        .map_err(|diagnostic| anyhow!("{} is no AIR:\n{diagnostic}", options.file.display()))?;
    let data: BTreeMap<String, Value> =
        options.data.iter().map(|(name, text)| (name.clone(), value(text))).collect();
    let ttl = Duration::from_millis(options.ttl.into());
    let seed = options.seed;
    let answer = Ground::run(move |ground| async move {
        let client = Client::new(&ground, keypair(&ground, seed), address)?;
        client.connect().await?;
        eprintln!("sent as {}", client.peer_id());
        let answer = client.call(&program, data, ttl).await;
        client.disconnect();
        answer
    })?;
    match answer? {
        Answer::Response(values) => {
            println!("{}", shown(&values)?);
            Ok(ExitCode::SUCCESS)
        }
        Answer::Error(error) => {
            let text = |name: &str| {
                error.as_object().and_then(|error| error.get(name)).map(Value::to_json)
            };
            let code = text("error_code").unwrap_or_default();
            eprintln!("error {code}: {}", text("message").unwrap_or_else(|| error.to_json()));
            if let Some(instruction) = text("instruction") {
                eprintln!("  in {instruction}");
            }
            if let Some(peer) = text("peer_id") {
                eprintln!("  on peer {peer}");
            }
            Ok(ExitCode::FAILURE)
        }
    }
}

/// The node that `cargo xtask run` keeps.
fn recorded() -> Result<Multiaddr> {
    let Some(record) = RunRecord::find()? else {
        bail!(
            "no node is running here; start one in another terminal:\n    cargo xtask run\n\
             or name one with --peer /ip4/ADDRESS/tcp/PORT/p2p/PEER"
        );
    };
    let address = record.addresses.first().context("the node that runs here takes no peers")?;
    address.parse().map_err(|error| anyhow!("{address}: {error}"))
}

fn keypair(ground: &Ground, seed: Option<[u8; 32]>) -> Keypair {
    let mut bytes = Zeroizing::new([0; 32]);
    match seed {
        Some(seed) => *bytes = seed,
        None => ground.machine.fill_random(bytes.as_mut_slice()),
    }
    Keypair::from_seed(&bytes)
}

/// JSON if it is JSON, else text.
fn value(text: &str) -> Value {
    Value::parse(text).unwrap_or_else(|_| Value::string(text))
}

/// Nothing as `null`, one value as itself, more as an array: as the node answers over HTTP.
fn shown(values: &[Value]) -> Result<String> {
    let json = match values {
        [] => "null".to_owned(),
        [value] => value.to_json(),
        values => {
            let values: Vec<String> = values.iter().map(Value::to_json).collect();
            format!("[{}]", values.join(","))
        }
    };
    let value: serde_json::Value = serde_json::from_str(&json)?;
    Ok(serde_json::to_string_pretty(&value)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_shown_as_over_http() {
        let text = |values: &[Value]| shown(values).unwrap();
        assert_eq!(text(&[]), "null");
        assert_eq!(text(&[value("{\"a\":1}")]), "{\n  \"a\": 1\n}");
        assert_eq!(text(&[value("1"), value("no json")]), "[\n  1,\n  \"no json\"\n]");
    }
}
