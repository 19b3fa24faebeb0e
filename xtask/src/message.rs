//! `message check`: whether the network would take a message, and if not, what is wrong with it.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use kernel::aleph::limits::MAX_MESSAGE_BYTES;
use kernel::aleph::message::{ItemType, Message, Signed, Type};
use kernel::aleph::program::{Code, Program, Resources, Source, Triggers};
use kernel::aleph::schema::Refusals;
use kernel::aleph::signature::{self, SignatureError};

use crate::program_folder;

/// Aleph messages
#[derive(Debug, Args)]
pub struct Options {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Says whether messages are well formed and signed by their sender, and if not, what is wrong
    Check {
        /// Files with one message each, and folders with a program; `-` is standard input
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

/// Says what became of each file; an error if a message is refused.
///
/// # Errors
/// If a file cannot be read or holds a message that is refused.
pub fn run(options: &Options) -> Result<()> {
    let Verb::Check { files } = &options.verb;
    let mut refused = 0;
    for file in files {
        let verdict = if file.is_dir() { check_folder(file) } else { check(&read(file)?) };
        refused += usize::from(!verdict.is_accepted);
        println!("{}: {}", file.display(), verdict.words.join("\n    "));
    }
    if refused > 0 {
        bail!("{refused} of {} messages are refused", files.len());
    }
    Ok(())
}

/// What is said of one message.
#[derive(Debug)]
struct Verdict {
    is_accepted: bool,
    /// Lines of text.
    words: Vec<String>,
}

/// The message of a folder as a node gets it, with what it leaves open put in.
fn check_folder(folder: &Path) -> Verdict {
    match program_folder::package(folder) {
        Ok(package) => check(&String::from_utf8_lossy(&package.message)),
        Err(error) => {
            Verdict { is_accepted: false, words: vec!["refused".to_owned(), format!("{error:#}")] }
        }
    }
}

fn check(text: &str) -> Verdict {
    if is_document(text) { check_document(text) } else { check_message(text) }
}

/// Whether the text is a `vm-function` document and not a message of the network.
fn is_document(text: &str) -> bool {
    let value: Option<serde_json::Value> = serde_json::from_str(text).ok();
    value.is_some_and(|value| value["type"] == "vm-function")
}

fn check_document(text: &str) -> Verdict {
    match Program::from_document(text) {
        Ok(program) => {
            let mut words = vec![format!("accepted: vm-function {}", program.id)];
            words.extend(describe(&program));
            Verdict { is_accepted: true, words }
        }
        Err(refusals) => refused(&refusals),
    }
}

fn refused(refusals: &Refusals) -> Verdict {
    let mut words = vec!["refused".to_owned()];
    words.extend(refusals.iter().map(ToString::to_string));
    Verdict { is_accepted: false, words }
}

/// What a program is, in lines of text.
fn describe(program: &Program) -> Vec<String> {
    let Code { entrypoint, source, .. } = &program.code;
    let mut lines = vec![match source {
        Source::Inline(bytes) => {
            format!("the code is in the document, {} bytes, entrypoint `{entrypoint}`", bytes.len())
        }
        Source::Message { hash, use_latest } => {
            let latest = if *use_latest { "the newest file that amends" } else { "the file of" };
            format!("the code is {latest} {hash}, entrypoint `{entrypoint}`")
        }
        Source::Address(address) => {
            format!("the code is the newest file of {address}, entrypoint `{entrypoint}`")
        }
    }];
    let Triggers { http, cron, messages, persistent } = &program.triggers;
    if *http {
        lines.push("it runs on HTTP requests".to_owned());
    }
    if let Some(schedule) = cron {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
        lines.push(match schedule.next_after(now) {
            Some(next) => {
                format!("it runs on a schedule, next in {} minutes", (next - now).div_ceil(60))
            }
            None => "its schedule names days that never come".to_owned(),
        });
    }
    if !messages.is_empty() {
        lines.push(format!("it runs on messages that match one of {}", messages.len()));
    }
    if !http && cron.is_none() && messages.is_empty() && !persistent {
        lines.push("nothing runs it".to_owned());
    }
    let Resources { vcpus, memory_mib, milliseconds } = program.resources;
    lines.push(format!(
        "it may use {vcpus} processors, {memory_mib} MiB and {milliseconds} ms for each run"
    ));
    lines
}

fn check_message(text: &str) -> Verdict {
    let message = match Message::parse_published(text) {
        Ok(message) => message,
        Err(refusals) => return refused(&refusals),
    };
    let kind = message.kind().word();
    let mut words = vec![match message.signed() {
        Signed::Same => "the item hash covers the content".to_owned(),
        Signed::Other(_) => {
            "`content` is not what the item hash covers: only `item_content` counts".to_owned()
        }
        Signed::Unusable(refusals) => {
            format!("what the item hash covers cannot be used: {refusals}")
        }
        Signed::Elsewhere => match message.item_type() {
            ItemType::Ipfs => "the content is in IPFS and was not looked at there".to_owned(),
            _ => "the content is in the network's storage and was not looked at there".to_owned(),
        },
    }];
    if message.kind() == Type::Program && message.content().is_some() {
        match Program::from_message(&message) {
            Ok(program) => words.extend(describe(&program)),
            Err(refusals) => words.push(format!("this node would not run it: {refusals}")),
        }
    }
    let is_accepted = match signature::verify(&message) {
        Ok(()) => {
            words.push(format!("the signature is that of {}", message.sender()));
            true
        }
        Err(error @ (SignatureError::Missing | SignatureError::NotVerifiable)) => {
            words.push(format!("whether its sender sent it is open: {error}"));
            true
        }
        Err(error) => {
            words.push(format!("the network would refuse it: {error}"));
            false
        }
    };
    let verdict = if is_accepted { "accepted" } else { "refused" };
    words.insert(0, format!("{verdict}: {kind} {}", message.item_hash()));
    Verdict { is_accepted, words }
}

fn read(file: &Path) -> Result<String> {
    // One byte more than any message tells a file that is too long from one that is not.
    let limit = u64::try_from(MAX_MESSAGE_BYTES)? + 1;
    let mut text = String::new();
    if file == Path::new("-") {
        std::io::stdin().take(limit).read_to_string(&mut text).context("standard input")?;
    } else {
        let open = fs::File::open(file).with_context(|| format!("cannot read {file:?}"))?;
        open.take(limit)
            .read_to_string(&mut text)
            .with_context(|| format!("cannot read {file:?}"))?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNSIGNED: &str = r#"{"chain":"SOL","sender":"x","type":"POST","channel":null,"signature":null,"time":1,
        "item_type":"inline","item_hash":"a2eb73434c1a13aa1cbf46cfc1f4361aec13acdb8950acda395bd923db056de4",
        "item_content":"{\"address\":\"x\",\"time\":1,\"type\":\"note\"}"}"#;

    #[test]
    fn a_message_without_signature_is_accepted_with_a_remark() {
        let verdict = check(UNSIGNED);
        assert!(verdict.is_accepted, "{:?}", verdict.words);
        assert!(verdict.words[0].starts_with("accepted: POST a2eb"));
        assert!(verdict.words[2].contains("there is no signature"));
    }

    #[test]
    fn a_wrong_signature_is_refused() {
        let verdict = check(&UNSIGNED.replace(r#""signature":null"#, r#""signature":"{}""#));
        assert!(!verdict.is_accepted);
        assert!(verdict.words[0].starts_with("refused: POST"));
    }

    #[test]
    fn a_document_says_what_runs_and_when() {
        let document = r#"{"type":"vm-function","address":"x","time":1,"content":{
            "code":{"encoding":"plain","entrypoint":"main","content":"(null)"},"on":{"cron":"0 0 30 2 *"}}}"#;
        let verdict = check(document);
        assert!(verdict.is_accepted, "{:?}", verdict.words);
        assert_eq!(verdict.words[1], "the code is in the document, 6 bytes, entrypoint `main`");
        assert_eq!(verdict.words[2], "its schedule names days that never come");
        let verdict = check(&document.replace("plain", "rar"));
        assert!(verdict.words[1].starts_with("content.code.encoding is none of"));
        let verdict = check(&document.replace(r#""cron":"0 0 30 2 *""#, ""));
        assert_eq!(verdict.words[2], "nothing runs it");
    }

    #[test]
    fn a_folder_is_checked_as_it_is_packed() {
        let examples = crate::workspace::root().join("examples");
        for name in ["aqua", "counter", "cron", "echo", "fan-out", "hello", "message"] {
            let verdict = check_folder(&examples.join(name));
            assert!(verdict.is_accepted, "{name}: {:?}", verdict.words);
        }
        let verdict = check_folder(&examples);
        assert!(!verdict.is_accepted);
        assert!(verdict.words[1].contains("message.json"), "{:?}", verdict.words);
    }

    #[test]
    fn a_refusal_names_the_field() {
        let verdict = check(&UNSIGNED.replace("SOL", "BTC"));
        assert!(!verdict.is_accepted);
        assert!(verdict.words[1].starts_with("chain is none of"));
    }
}
