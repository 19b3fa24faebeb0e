//! `vm-function` documents: a program as one JSON object, in both of its forms.
//!
//! ```json
//! {"type":"vm-function","address":"0x…","time":1618386753.856,
//!  "content":{
//!    "code":{"encoding":"plain","entrypoint":"main","content":"(call …)"},
//!    "on":{"http":true,"cron":"5 4 * * *","aleph":[{"type":"POST","channel":"FOUNDATION"}]},
//!    "environment":{"reproducible":true,"internet":false,"aleph_api":false},
//!    "resources":{"vcpus":1,"memory":128,"seconds":1},
//!    "data":{"encoding":"tar.gzip","mount":"/mnt","ref":"…","latest_amend":true},
//!    "export":{"encoding":"tar.gzip","mount":"/mnt"}}}
//! ```
//!
//! Code and data are in one of three places: `content` (text of `plain`, base64 of the other encodings),
//! `ref` (the message that published the file, with `latest_amend`) or `address` (who published it). The
//! first form has an outer `ref`: the earlier program that this one takes the place of. `runtime` is
//! checked and otherwise of no interest: the node is the runtime. What is missing is filled in: no trigger,
//! nothing allowed, one processor, 128 MiB, one second.

use alloc::sync::Arc;

use air_core::value::{Object, Value};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::{
    Code, Mount, Program, Source, Triggers, encoding, environment, flag, list, milliseconds,
    object, resources, stored, text, variables,
};
use crate::aleph::cron::Schedule;
use crate::aleph::item_hash::ItemHash;
use crate::aleph::limits::{
    MAX_DOCUMENT_BYTES, MAX_MEMORY_MIB, MAX_RUN_SECONDS, MAX_SUBSCRIPTION_ENTRIES,
    MAX_SUBSCRIPTIONS, MAX_VARIABLE_NAME_CHARS, MAX_VARIABLE_VALUE_CHARS, MAX_VARIABLES, MAX_VCPUS,
};
use crate::aleph::package::Encoding;
use crate::aleph::schema::{
    Default, Field, Reason, Record, Refusals, Shape, Unknown, check, flag as flag_field, optional,
    required, with_default,
};

/// How often a document is read until its numbers stay what their texts say: reading is not exact in the
/// last place of a float.
const MAX_READINGS: usize = 8;
const ENCODING: Shape = Shape::OneOf(&["plain", "zip", "tar.gzip", "squashfs"]);
const FLAG_FOR_REF: Field = optional("latest_amend", Shape::Flag);

static DOCUMENT: Shape = Shape::Record(&Record::closed(&[
    required("type", Shape::OneOf(&["vm-function"])),
    required("address", Shape::TEXT),
    required("time", Shape::Seconds),
    optional("ref", Shape::ItemHash),
    required("content", Shape::Record(&CONTENT)),
]));

static CONTENT: Record = Record::closed(&[
    required("code", Shape::Record(&CODE)),
    with_default("on", Shape::Record(&TRIGGERS), Default::EmptyObject),
    with_default("environment", Shape::Record(&ENVIRONMENT), Default::EmptyObject),
    with_default("resources", Shape::Record(&RESOURCES), Default::EmptyObject),
    optional("runtime", Shape::Record(&RUNTIME)),
    optional("data", Shape::Record(&DATA)),
    optional("export", Shape::Record(&EXPORT)),
    optional("variables", VARIABLES),
]);

const VARIABLES: Shape = Shape::Map {
    key_most: MAX_VARIABLE_NAME_CHARS,
    value: &Shape::text(MAX_VARIABLE_VALUE_CHARS),
    most: MAX_VARIABLES,
};

static CODE: Record = Record::closed(&[
    required("encoding", ENCODING),
    required("entrypoint", Shape::TEXT),
    optional("content", Shape::TEXT),
    optional("address", Shape::TEXT),
    optional("ref", Shape::ItemHash),
    FLAG_FOR_REF,
])
.with(&[one_source, content_is_encoded]);

static DATA: Record = Record::closed(&[
    required("encoding", Shape::OneOf(&["zip", "tar.gzip", "squashfs"])),
    required("mount", Shape::TEXT),
    optional("content", Shape::TEXT),
    optional("address", Shape::TEXT),
    optional("ref", Shape::ItemHash),
    FLAG_FOR_REF,
])
.with(&[one_source, content_is_encoded]);

static RUNTIME: Record = Record::closed(&[
    optional("address", Shape::TEXT),
    optional("ref", Shape::ItemHash),
    FLAG_FOR_REF,
    optional("comment", Shape::TEXT),
]);

static EXPORT: Record = Record::closed(&[
    with_default("encoding", Shape::OneOf(&["tar.gzip"]), Default::Text("tar.gzip")),
    required("mount", Shape::TEXT),
]);

static TRIGGERS: Record = Record::closed(&[
    flag_field("http", false),
    optional("cron", Shape::Form(is_schedule, "a schedule of five fields")),
    optional("aleph", Shape::list_up_to(MAX_SUBSCRIPTIONS, &Shape::Record(&SUBSCRIPTION))),
]);

static SUBSCRIPTION: Record =
    Record { fields: &[], unknown: Unknown::Kept(MAX_SUBSCRIPTION_ENTRIES), rules: &[] };

static ENVIRONMENT: Record = Record::closed(&[
    flag_field("reproducible", false),
    flag_field("internet", false),
    flag_field("aleph_api", false),
]);

static RESOURCES: Record = Record::closed(&[
    with_default("vcpus", Shape::Integer(1, MAX_VCPUS), Default::Integer(1)),
    with_default("memory", Shape::Integer(1, MAX_MEMORY_MIB), Default::Integer(128)),
    with_default("seconds", Shape::Number, Default::Integer(1)),
])
.with(&[seconds_in_bounds]);

fn is_schedule(line: &str) -> bool {
    line.parse::<Schedule>().is_ok()
}

fn one_source(holder: &Object) -> Result<(), (&'static str, Reason)> {
    let count =
        ["content", "address", "ref"].iter().filter(|name| holder.get(name).is_some()).count();
    if count != 1 {
        return Err(("", Reason::Rule("needs one of `content`, `address` and `ref`")));
    }
    if holder.get("latest_amend").is_some() && holder.get("ref").is_none() {
        return Err(("latest_amend", Reason::Rule("belongs only beside a `ref`")));
    }
    Ok(())
}

fn content_is_encoded(holder: &Object) -> Result<(), (&'static str, Reason)> {
    if holder.get("content").is_some() && inline(holder).is_none() {
        return Err(("content", Reason::Not("base64, which this encoding has to be in")));
    }
    Ok(())
}

fn seconds_in_bounds(resources: &Object) -> Result<(), (&'static str, Reason)> {
    let seconds = resources.get("seconds").and_then(Value::as_number);
    let seconds = seconds.map(|seconds| {
        seconds.as_float().or(seconds.as_u64().map(|seconds| seconds as f64)).unwrap_or(-1.0)
    });
    match seconds {
        Some(seconds) if seconds < 0.001 => Err(("seconds", Reason::Rule("is less than 0.001"))),
        Some(seconds) if seconds > MAX_RUN_SECONDS as f64 => {
            Err(("seconds", Reason::Above(MAX_RUN_SECONDS)))
        }
        _ => Ok(()),
    }
}

/// The bytes of `content`.
fn inline(holder: &Object) -> Option<Arc<[u8]>> {
    let content = holder.get("content")?.as_str()?;
    match encoding(Some(holder)) {
        Encoding::Plain => Some(content.as_bytes().into()),
        _ => BASE64_STANDARD.decode(content).ok().map(Into::into),
    }
}

fn source(holder: Option<&Object>) -> Result<Source, Refusals> {
    if let Some(bytes) = holder.and_then(inline) {
        return Ok(Source::Inline(bytes));
    }
    let address = holder.and_then(|holder| holder.get("address")?.as_str());
    match address {
        // What is called an address may be the name of the file's message.
        Some(address) => Ok(match address.parse() {
            Ok(hash) => Source::Message { hash, use_latest: false },
            Err(_) => Source::Address(address.into()),
        }),
        None => stored(holder, "latest_amend"),
    }
}

impl Program {
    /// The canonical form of a `vm-function` document: defaults filled in, nulls left out. Its compact JSON
    /// text is what the program's id is the hash of.
    ///
    /// # Errors
    /// [`Refusals`]: which fields are wrong, and why.
    pub fn canonical_document(text: &str) -> Result<Value, Refusals> {
        if text.len() > MAX_DOCUMENT_BYTES {
            return Err(Refusals::one("", Reason::TooLong(MAX_DOCUMENT_BYTES)));
        }
        let mut value = Value::parse(text).map_err(|_| Refusals::one("", Reason::Not("JSON")))?;
        // The canonical text has to be that of what it reads back as.
        for _ in 0..MAX_READINGS {
            let canonical = check(&DOCUMENT, &value)?;
            if canonical.reads_back() {
                return Ok(canonical);
            }
            let again = Value::parse(&canonical.to_json());
            value = again.map_err(|_| Refusals::one("", Reason::Not("JSON")))?;
        }
        Err(Refusals::one("", Reason::Rule("has a number with more digits than can be kept")))
    }

    /// The program of a `vm-function` document.
    ///
    /// # Errors
    /// [`Refusals`]: which fields are wrong, and why.
    pub fn from_document(document: &str) -> Result<Self, Refusals> {
        let canonical = Self::canonical_document(document)?;
        let missing = |name: &str| Refusals::one(name, Reason::Missing);
        let outer = canonical.as_object().ok_or_else(|| missing(""))?;
        let content = object(outer, "content").ok_or_else(|| missing("content"))?;
        let (code, data, on) =
            (object(content, "code"), object(content, "data"), object(content, "on"));
        let cron = on.and_then(|on| on.get("cron")?.as_str());
        Ok(Self {
            id: ItemHash::of(canonical.to_json().as_bytes()),
            owner: text(Some(outer), "address"),
            time_ms: milliseconds(outer.get("time")).unwrap_or(0),
            code: Code {
                encoding: encoding(code),
                entrypoint: text(code, "entrypoint"),
                source: source(code)?,
            },
            data: match data {
                None => None,
                data => Some(Mount {
                    encoding: encoding(data),
                    mount: text(data, "mount"),
                    source: source(data)?,
                }),
            },
            export: object(content, "export").map(|export| text(Some(export), "mount")),
            triggers: Triggers {
                http: flag(on, "http"),
                cron: cron.and_then(|line| line.parse().ok()),
                messages: list(on, "aleph"),
                persistent: false,
            },
            environment: environment(content),
            resources: resources(content),
            variables: variables(content),
            replaces: outer.get("ref").and_then(Value::as_str).map(Into::into),
            allow_amend: true,
        })
    }
}
