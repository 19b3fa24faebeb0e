//! Verdicts on recorded messages against those of the network's reference parser.
//!
//! The recordings are in `vectors/aleph-messages` of `AEROLITH_SHARED`, or of `shared` beside the repository.

use std::fs;
use std::path::{Path, PathBuf};

use air_core::value::{Object, Value};
use kernel::aleph::message::Message;
use kernel::aleph::schema::python_equal;
use libtest_mimic::{Arguments, Failed, Trial};

fn main() {
    let arguments = Arguments::from_args();
    libtest_mimic::run(&arguments, trials()).exit();
}

fn trials() -> Vec<Trial> {
    let directory = shared_directory().map(|shared| shared.join("vectors/aleph-messages"));
    let Some(directory) = directory.filter(|directory| directory.is_dir()) else {
        let absent = || Err(Failed::from("the recordings are not there"));
        return vec![Trial::test("recorded_messages", absent).with_ignored_flag(true)];
    };
    let mut trials = Vec::new();
    for part in ["valid", "invalid"] {
        let file = directory.join(part).with_extension("jsonl");
        let lines = fs::read_to_string(&file).unwrap_or_default();
        assert!(!lines.is_empty(), "no recordings in {}", file.display());
        for line in lines.lines() {
            let recording = Value::parse(line).unwrap_or_default();
            let name = recording.as_object().map_or("unreadable", |members| text(members, "name"));
            trials.push(Trial::test(format!("{part}::{name}"), move || {
                compare(recording.as_object().ok_or("the recording is not a JSON object")?)
            }));
        }
    }
    trials
}

fn compare(recording: &Object) -> Result<(), Failed> {
    let message = recording.get("message").ok_or("no message")?;
    let ours = Message::from_value(message);
    // Nothing depends on whether the message comes as text.
    if Message::parse(&message.to_json()).is_ok() != ours.is_ok() {
        return Err("the verdict on the text is another".into());
    }
    match (text(recording, "verdict"), ours) {
        ("valid", Ok(message)) => {
            let recorded = recording.get("parsed_content").ok_or("no content")?;
            if python_equal(message.stated_content(), recorded) {
                return Ok(());
            }
            let ours = message.stated_content();
            Err(format!("another content\n    ours: {ours}\nrecorded: {recorded}").into())
        }
        ("invalid", Err(refusals)) => {
            let ours = &refusals.first().ok_or("no refusal")?.field;
            let errors = recording.get("errors").and_then(Value::as_array).unwrap_or_default();
            let errors = errors.iter().filter_map(Value::as_object);
            let locations: Vec<_> = errors.map(|error| location(text(error, "loc"))).collect();
            // A refusal may be more exact than the recorded one, which is empty for a plain exception.
            if locations.iter().any(|recorded| ours.starts_with(recorded)) {
                return Ok(());
            }
            Err(format!("refused for {ours}, recorded: {locations:?}").into())
        }
        ("valid", Err(refusals)) => Err(format!("refused: {refusals}").into()),
        _ => Err("accepted".into()),
    }
}

/// A recorded location without the names of the variants that were tried.
fn location(recorded: &str) -> String {
    // Fields begin with a small letter, models with a capital one; a text is a variant called `str`.
    let is_field = |part: &&str| !part.starts_with(char::is_uppercase) && *part != "str";
    recorded.split('.').filter(is_field).collect::<Vec<_>>().join(".")
}

fn text<'a>(object: &'a Object, name: &str) -> &'a str {
    object.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn shared_directory() -> Option<PathBuf> {
    let directory = match std::env::var_os("AEROLITH_SHARED") {
        Some(directory) => PathBuf::from(directory),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"),
    };
    directory.is_dir().then_some(directory)
}
