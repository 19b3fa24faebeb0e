//! What PROGRAM and INSTANCE contain.

use air_core::value::{Object, Value};

use super::content::{PAYMENT, TAGS, TEXTS, payment_type};
use super::trusted::TRUSTED_EXECUTION;
use crate::aleph::limits::{
    MAX_AUTHORIZED_KEY_CHARS, MAX_AUTHORIZED_KEYS, MAX_EPHEMERAL_MIB, MAX_MEMORY_MIB,
    MAX_METADATA_ENTRIES, MAX_METADATA_KEY_CHARS, MAX_METADATA_VALUE_CHARS, MAX_PERSISTENT_MIB,
    MAX_PORT, MAX_REPLACES_CHARS, MAX_RUN_SECONDS, MAX_SUBSCRIPTION_ENTRIES,
    MAX_VARIABLE_NAME_CHARS, MAX_VARIABLE_VALUE_CHARS, MAX_VARIABLES, MAX_VCPUS,
    MAX_VOLUME_LABEL_CHARS, MAX_VOLUMES,
};
use crate::aleph::schema::{
    Default, Field, Presence, Reason, Record, Shape, Unknown, flag, optional, required,
    with_default,
};

const ENCODING: Shape = Shape::OneOf(&["plain", "zip", "squashfs"]);
const LABEL: Shape = Shape::text(MAX_VOLUME_LABEL_CHARS);

pub(super) const METADATA: Shape = Shape::Map {
    key_most: MAX_METADATA_KEY_CHARS,
    value: &Shape::Anything,
    most: MAX_METADATA_ENTRIES,
};
pub(super) const AUTHORIZED_KEYS: Shape =
    Shape::list_up_to(MAX_AUTHORIZED_KEYS, &Shape::text(MAX_AUTHORIZED_KEY_CHARS));
pub(super) const VARIABLES: Shape = Shape::Map {
    key_most: MAX_VARIABLE_NAME_CHARS,
    value: &Shape::text(MAX_VARIABLE_VALUE_CHARS),
    most: MAX_VARIABLES,
};
pub(super) const REPLACES: Shape = Shape::text(MAX_REPLACES_CHARS);

pub(super) static PROGRAM: Record = Record::closed(&[
    required("address", Shape::TEXT),
    required("time", Shape::Seconds),
    required("allow_amend", Shape::Flag),
    optional("metadata", METADATA),
    optional("authorized_keys", AUTHORIZED_KEYS),
    optional("variables", VARIABLES),
    required("environment", Shape::Chosen(program_environment)),
    required("resources", Shape::Record(&RESOURCES)),
    optional("payment", Shape::Record(&PAYMENT)),
    optional("requirements", Shape::Record(&REQUIREMENTS)),
    volumes(),
    optional("replaces", REPLACES),
    required("type", Shape::OneOf(&["vm-function"])),
    required("code", Shape::Record(&CODE)),
    required("runtime", Shape::Record(&RUNTIME)),
    optional("data", Shape::Record(&DATA)),
    optional("export", Shape::Record(&EXPORT)),
    required("on", Shape::Record(&TRIGGERS)),
])
.with(&[plain_metadata]);

pub(super) static INSTANCE: Record = Record::closed(&[
    required("address", Shape::TEXT),
    required("time", Shape::Seconds),
    required("allow_amend", Shape::Flag),
    optional("metadata", METADATA),
    optional("authorized_keys", AUTHORIZED_KEYS),
    optional("variables", VARIABLES),
    required("environment", Shape::Record(&INSTANCE_ENVIRONMENT)),
    required("resources", Shape::Record(&RESOURCES)),
    optional("payment", Shape::Record(&PAYMENT)),
    optional("requirements", Shape::Record(&REQUIREMENTS)),
    volumes(),
    optional("replaces", REPLACES),
    required("rootfs", Shape::Record(&ROOTFS)),
])
.with(&[plain_metadata, node_for_what_needs_one, credit_for_measured]);

static CODE: Record = Record::open(&[
    required("encoding", ENCODING),
    required("entrypoint", Shape::TEXT),
    required("ref", Shape::ItemHash),
    optional("interface", Shape::OneOf(&["asgi", "binary"])),
    optional("args", TEXTS),
    flag("use_latest", false),
]);

static RUNTIME: Record = Record::open(&[
    required("ref", Shape::ItemHash),
    flag("use_latest", true),
    required("comment", Shape::TEXT),
]);

static DATA: Record = Record::open(&[
    required("encoding", ENCODING),
    required("mount", Shape::TEXT),
    required("ref", Shape::ItemHash),
    Field {
        name: "use_latest",
        shape: Shape::Flag,
        presence: Presence::DefaultOrNull(Default::Flag(false)),
    },
]);

static EXPORT: Record =
    Record::open(&[required("encoding", ENCODING), required("mount", Shape::TEXT)]);

static TRIGGERS: Record = Record::closed(&[
    required("http", Shape::Flag),
    optional("message", Shape::list(&Shape::Record(&SUBSCRIPTION))),
    optional("persistent", Shape::Flag),
]);

static SUBSCRIPTION: Record =
    Record { fields: &[], unknown: Unknown::Kept(MAX_SUBSCRIPTION_ENTRIES), rules: &[] };

static FUNCTION_ENVIRONMENT: Record = Record::open(&[
    flag("reproducible", false),
    flag("internet", false),
    flag("aleph_api", false),
    flag("shared_cache", false),
]);

static INSTANCE_ENVIRONMENT: Record = Record::open(&[
    flag("internet", false),
    flag("aleph_api", false),
    optional("hypervisor", Shape::OneOf(&["qemu", "firecracker"])),
    optional("trusted_execution", Shape::Record(&TRUSTED_EXECUTION)),
    flag("reproducible", false),
    flag("shared_cache", false),
])
.with(&[trust_needs_qemu]);

/// A program may have the environment of an instance: then it is read as one if it can be.
fn program_environment(value: &Value) -> Shape {
    static FUNCTION: Shape = Shape::Record(&FUNCTION_ENVIRONMENT);
    static INSTANCE: Shape = Shape::Record(&INSTANCE_ENVIRONMENT);
    let has = |name| value.as_object().is_some_and(|members| members.get(name).is_some());
    if has("hypervisor") || has("trusted_execution") {
        Shape::Either(&INSTANCE, &FUNCTION)
    } else {
        Shape::Record(&FUNCTION_ENVIRONMENT)
    }
}

static RESOURCES: Record = Record::open(&[
    with_default("vcpus", Shape::Integer(1, MAX_VCPUS), Default::Integer(1)),
    with_default("memory", Shape::Integer(1, MAX_MEMORY_MIB), Default::Integer(128)),
    with_default("seconds", Shape::Integer(1, MAX_RUN_SECONDS), Default::Integer(1)),
    optional("published_ports", Shape::list(&Shape::Record(&PUBLISHED_PORT))),
]);

static PUBLISHED_PORT: Record = Record::open(&[
    with_default("protocol", Shape::OneOf(&["tcp", "udp"]), Default::Text("tcp")),
    required("port", Shape::Integer(1, MAX_PORT)),
]);

pub(super) static REQUIREMENTS: Record = Record::closed(&[
    optional("cpu", Shape::Record(&CPU)),
    optional("node", Shape::Record(&NODE)),
    optional("gpu", Shape::list(&Shape::Record(&GPU))),
]);

static CPU: Record = Record::closed(&[
    optional("architecture", Shape::OneOf(&["x86_64", "arm64"])),
    optional("vendor", Shape::TEXT),
    optional("features", TEXTS),
]);

static NODE: Record = Record::closed(&[
    optional("owner", Shape::TEXT),
    optional("address_regex", Shape::Regex),
    optional("node_hash", Shape::ItemHash),
    optional("terms_and_conditions", Shape::ItemHash),
]);

static GPU: Record = Record::closed(&[
    required("vendor", Shape::TEXT),
    required("device_name", Shape::TEXT),
    required("device_class", Shape::OneOf(&["0300", "0302"])),
    required("device_id", Shape::TEXT),
]);

const fn volumes() -> Field {
    let list = Shape::list_up_to(MAX_VOLUMES, &Shape::Chosen(volume));
    with_default("volumes", list, Default::EmptyList)
}

/// The kind of volume that a value can only be, if it is one.
fn volume(value: &Value) -> Shape {
    let has = |name| value.as_object().is_some_and(|members| members.get(name).is_some());
    let size = value.as_object().and_then(|members| members.get("size_mib")?.as_number()?.as_u64());
    if has("ref") {
        Shape::Record(&IMMUTABLE_VOLUME)
    } else if has("ephemeral") {
        Shape::Record(&EPHEMERAL_VOLUME)
    } else if ["parent", "persistence", "name"].into_iter().any(has)
        || size.is_some_and(|size| i128::from(size) > MAX_EPHEMERAL_MIB)
    {
        Shape::Record(&PERSISTENT_VOLUME)
    } else {
        Shape::Record(&EPHEMERAL_VOLUME)
    }
}

static IMMUTABLE_VOLUME: Record = Record::closed(&[
    optional("comment", LABEL),
    optional("mount", LABEL),
    required("ref", Shape::ItemHash),
    flag("use_latest", true),
]);

static EPHEMERAL_VOLUME: Record = Record::closed(&[
    optional("comment", LABEL),
    optional("mount", LABEL),
    with_default("ephemeral", Shape::AlwaysTrue, Default::Flag(true)),
    required("size_mib", Shape::StrictInteger(1, MAX_EPHEMERAL_MIB)),
]);

static PERSISTENT_VOLUME: Record = Record::closed(&[
    optional("comment", LABEL),
    optional("mount", LABEL),
    optional("parent", Shape::Record(&PARENT)),
    optional("persistence", Shape::OneOf(&["host", "store"])),
    optional("name", LABEL),
    required("size_mib", Shape::StrictInteger(1, MAX_PERSISTENT_MIB)),
]);

static PARENT: Record = Record::open(&[required("ref", Shape::ItemHash), flag("use_latest", true)]);

static ROOTFS: Record = Record::open(&[
    required("parent", Shape::Record(&PARENT)),
    required("persistence", Shape::OneOf(&["host", "store"])),
    required("size_mib", Shape::StrictInteger(1, MAX_PERSISTENT_MIB)),
    optional("forgotten_by", TEXTS),
]);

/// Metadata are scalars, but for `tags`.
pub(super) fn plain_metadata(content: &Object) -> Result<(), (&'static str, Reason)> {
    let Some(metadata) = content.get("metadata").and_then(Value::as_object) else { return Ok(()) };
    for (key, value) in metadata {
        let is_plain = match value {
            _ if &**key == "tags" => crate::aleph::schema::check(&TAGS, value).is_ok(),
            Value::String(text) => text.chars().count() <= MAX_METADATA_VALUE_CHARS,
            Value::Array(_) | Value::Object(_) => false,
            _ => true,
        };
        if !is_plain {
            let words = "has an entry that is no number, truth value, null or text of up to 512 \
                         characters, or `tags` that are not up to 16 short texts";
            return Err(("metadata", Reason::Rule(words)));
        }
    }
    Ok(())
}

fn trust_needs_qemu(environment: &Object) -> Result<(), (&'static str, Reason)> {
    let hypervisor = environment.get("hypervisor").and_then(Value::as_str);
    if environment.get("trusted_execution").is_some() && hypervisor != Some("qemu") {
        return Err(("trusted_execution", Reason::Rule("needs `hypervisor` to be `qemu`")));
    }
    Ok(())
}

fn member<'a>(value: &'a Object, path: &[&str]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(value.get(first)?, |value, name| value.as_object()?.get(name))
}

/// What only a certain node can give needs that node's hash.
fn node_for_what_needs_one(content: &Object) -> Result<(), (&'static str, Reason)> {
    if content.get("requirements").is_none() {
        return Ok(());
    }
    let payment = payment_type(content);
    let trusted = member(content, &["environment", "trusted_execution"]);
    let has_node = member(content, &["requirements", "node", "node_hash"]).is_some();
    let gpu = member(content, &["requirements", "gpu"]).and_then(Value::as_array);
    if payment == Some("superfluid") && !has_node {
        return Err((
            "",
            Reason::Rule("is paid by a stream, so it needs `requirements.node.node_hash`"),
        ));
    }
    if gpu.is_some_and(|gpu| !gpu.is_empty()) {
        if trusted.and_then(|trusted| trusted.as_object()?.get("gpu")).is_some() {
            return Err(("", Reason::Rule("has two lists of GPUs, which exclude each other")));
        }
        if payment != Some("credit") && !has_node {
            return Err(("", Reason::Rule("has GPUs, so it needs `requirements.node.node_hash`")));
        }
        if member(content, &["environment", "hypervisor"]).and_then(Value::as_str) != Some("qemu") {
            return Err((
                "",
                Reason::Rule("has GPUs, so it needs `environment.hypervisor` to be `qemu`"),
            ));
        }
    }
    if member(content, &["requirements", "node", "terms_and_conditions"]).is_some() {
        if !has_node {
            return Err((
                "",
                Reason::Rule("has terms and conditions, so it needs `requirements.node.node_hash`"),
            ));
        }
        if !matches!(payment, Some("superfluid" | "credit")) && trusted.is_none() {
            return Err((
                "",
                Reason::Rule(
                    "has terms and conditions, so it must be paid by stream or credit, or be confidential",
                ),
            ));
        }
    }
    Ok(())
}

fn credit_for_measured(content: &Object) -> Result<(), (&'static str, Reason)> {
    let mode =
        member(content, &["environment", "trusted_execution", "mode"]).and_then(Value::as_str);
    if matches!(mode, Some("sev_snp" | "tdx")) && payment_type(content) != Some("credit") {
        return Err(("", Reason::Rule("is measured, so it must be paid by credit")));
    }
    Ok(())
}
