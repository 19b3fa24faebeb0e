//! `cargo xtask send`: gives an AIR script to a node and prints what it answers.
//!
//! Over HTTP the node is the script's author. With `--peer` a client of its own is, which the node serves
//! as it serves any other peer.

mod as_peer;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use netstack::libp2p::Multiaddr;
use serde_json::Value;

use crate::http::{self, Response, Url};
use crate::run_record::RunRecord;

/// Longer than any answer takes: the node itself ends a script when its time is over.
const ANSWER_LIMIT: Duration = Duration::from_mins(10);

/// Gives an AIR script to a node and prints what it answers
#[derive(Args, Debug)]
pub struct Options {
    /// The script
    file: PathBuf,
    /// The node [default: the one that `cargo xtask run` keeps]
    #[arg(long)]
    url: Option<String>,
    /// Be a peer: sign the script as a client of the node at this multiaddress, and send it as a
    /// particle [default: the node that `cargo xtask run` keeps]
    #[arg(long, value_name = "MULTIADDRESS", num_args = 0..=1, conflicts_with = "url")]
    peer: Option<Option<Multiaddr>>,
    /// With --peer: the client's ed25519 key, 64 hexadecimal digits [default: a new one]
    #[arg(long, value_name = "HEX", requires = "peer", value_parser = seed)]
    seed: Option<[u8; 32]>,
    /// With --peer: how long the particle lives, in milliseconds
    #[arg(long, value_name = "MS", requires = "peer", default_value_t = 15_000)]
    ttl: u32,
    /// What ("getDataSrv" "NAME") gives the script: JSON, or text if it is not JSON; repeatable
    #[arg(long = "data", value_name = "NAME=JSON", value_parser = assignment)]
    data: Vec<(String, String)>,
}

/// Sends the script; 0 when it was answered, 1 when it failed.
///
/// # Errors
/// When there is no node, no file, or the answer is not understood.
pub fn run(options: &Options) -> Result<ExitCode> {
    let script = fs::read_to_string(&options.file)
        .with_context(|| format!("cannot read {}", options.file.display()))?;
    if let Some(address) = &options.peer {
        return as_peer::run(options, address.as_ref(), &script);
    }
    let url = target(options)?;
    let response =
        http::request(&url, "POST", script.as_bytes(), ANSWER_LIMIT).with_context(|| {
            format!("no answer from http://{}; is the node up? (cargo xtask run)", url.authority)
        })?;
    if response.status == 204 {
        eprintln!("the script ended without a response");
        return Ok(ExitCode::SUCCESS);
    }
    if response.status == 200 {
        let value: Value =
            serde_json::from_slice(&response.body).context("the answer is not JSON")?;
        println!("{}", serde_json::to_string_pretty(&value)?);
        return Ok(ExitCode::SUCCESS);
    }
    eprint!("{}", explain(&response, &options.file, &script));
    Ok(ExitCode::FAILURE)
}

/// The URL to post to: the node's address, `/air`, and the data as query parameters.
fn target(options: &Options) -> Result<Url> {
    let base = match &options.url {
        Some(url) => url.clone(),
        None => match RunRecord::find()? {
            Some(record) => record.url,
            None => bail!(
                "no node is running here; start one in another terminal:\n    cargo xtask run\n\
                 or name one with --url http://HOST:PORT/"
            ),
        },
    };
    let mut url = Url::parse(&base)?;
    if url.path == "/" {
        url.path = "/air".to_owned();
    }
    for (name, value) in &options.data {
        let sign = if url.path.contains('?') { '&' } else { '?' };
        url.path += &format!("{sign}{}={}", percent_encoded(name), percent_encoded(value));
    }
    Ok(url)
}

/// The node's error for a human: message, place in the script, and that line with a caret.
fn explain(response: &Response, file: &Path, script: &str) -> String {
    let body = response.text();
    let error = serde_json::from_str::<Value>(&body).ok().and_then(|mut json| {
        let error = json.get_mut("error")?.take();
        error.is_object().then_some(error)
    });
    let Some(error) = error else {
        return format!("error: HTTP status {}: {}\n", response.status, body.trim_end());
    };
    let text = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default();
    let number = |name: &str| {
        error.get(name).and_then(Value::as_u64).and_then(|value| usize::try_from(value).ok())
    };
    let code = error.get("code").map_or_else(|| response.status.to_string(), Value::to_string);
    let diagnostic = text("diagnostic");
    if !diagnostic.is_empty() {
        let end = if diagnostic.ends_with('\n') { "" } else { "\n" };
        return format!("error {code} in {}:\n{diagnostic}{end}", file.display());
    }
    let mut out = format!("error {code}: {}\n", text("message"));
    if let (Some(line), Some(column)) = (number("line"), number("column")) {
        out += &format!("  --> {}:{line}:{column}\n", file.display());
        if let Some(source) = line.checked_sub(1).and_then(|index| script.lines().nth(index)) {
            let width = line.to_string().len();
            let gap: String = source
                .chars()
                .take(column.saturating_sub(1))
                .map(|c| if c == '\t' { '\t' } else { ' ' })
                .collect();
            out += &format!("{line:>width$} | {source}\n{:width$} | {gap}^\n", "");
        }
    }
    if !text("instruction").is_empty() {
        out += &format!("  in {}\n", text("instruction"));
    }
    if !text("peer_id").is_empty() {
        out += &format!("  on peer {}\n", text("peer_id"));
    }
    out
}

fn seed(text: &str) -> Result<[u8; 32], String> {
    let digits = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let byte = |index: usize| u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = digits.then(|| (0..32).map(byte).collect()).flatten();
    bytes
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| "has to be 64 hexadecimal digits".to_owned())
}

fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("has to be NAME=JSON".to_owned()),
    }
}

fn percent_encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out += &format!("%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(body: &str) -> String {
        let response =
            Response { status: 422, headers: Vec::new(), body: body.as_bytes().to_vec() };
        explain(&response, Path::new("x.air"), "(seq\n\t(fail 7 \"no\")\n (null))")
    }

    #[test]
    fn an_error_shows_its_line_with_a_caret() {
        let text = failed(
            r#"{"error":{"code":10006,"message":"no","line":2,"column":2,"instruction":"fail 7 \"no\""}}"#,
        );
        let expected = "error 10006: no\n  --> x.air:2:2\n2 | \t(fail 7 \"no\")\n  | \t^\n  \
                        in fail 7 \"no\"\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn an_error_without_a_place_or_beyond_the_script_is_still_shown() {
        assert_eq!(failed(r#"{"error":{"code":1,"message":"m"}}"#), "error 1: m\n");
        let beyond = failed(r#"{"error":{"code":1,"message":"m","line":99,"column":9}}"#);
        assert_eq!(beyond, "error 1: m\n  --> x.air:99:9\n");
        let zero = failed(r#"{"error":{"code":1,"message":"m","line":0,"column":0}}"#);
        assert_eq!(zero, "error 1: m\n  --> x.air:0:0\n");
    }

    #[test]
    fn a_parse_error_shows_the_nodes_own_diagnostic() {
        let text = failed(r#"{"error":{"code":1,"message":"m","diagnostic":"error: expected\n"}}"#);
        assert_eq!(text, "error 1 in x.air:\nerror: expected\n");
    }

    #[test]
    fn an_answer_that_is_not_json_is_shown_as_it_is() {
        assert_eq!(failed("gone\n"), "error: HTTP status 422: gone\n");
    }

    #[test]
    fn a_seed_is_32_bytes_of_hexadecimal() {
        assert_eq!(seed(&"0f".repeat(32)), Ok([15; 32]));
        for wrong in ["", "0f", &"0g".repeat(32), &"+1".repeat(32), &"é".repeat(32)] {
            assert!(seed(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn data_become_query_parameters() {
        let options = Options {
            file: PathBuf::new(),
            url: Some("http://h:1".to_owned()),
            data: vec![assignment("a=1").unwrap(), assignment("b c=[\"é\"]").unwrap()],
            peer: None,
            seed: None,
            ttl: 1,
        };
        assert_eq!(target(&options).unwrap().path, "/air?a=1&b%20c=%5B%22%C3%A9%22%5D");
        assert!(assignment("x").is_err() && assignment("=1").is_err());
    }
}
