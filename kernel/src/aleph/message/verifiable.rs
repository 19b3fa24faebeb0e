//! What V-PROGRAM contains: a program whose whole software is measured.

use air_core::value::{Object, Value};

use super::content::{PAYMENT, payment_type};
use super::execution::{
    AUTHORIZED_KEYS, METADATA, REPLACES, REQUIREMENTS, VARIABLES, plain_metadata,
};
use super::trusted::{CONFIDENTIAL_GPU, MEASUREMENT, is_snp_policy, measurements_fit, text};
use crate::aleph::item_hash::is_lower_hex;
use crate::aleph::limits::{
    MAX_MEASUREMENTS, MAX_MEMORY_MIB, MAX_PORT, MAX_RUN_SECONDS, MAX_VCPUS,
    MAX_VERIFIED_COMMENT_CHARS, MAX_VERIFIED_VOLUMES,
};
use crate::aleph::schema::{
    Default, Field, Presence, Reason, Record, Shape, optional, required, with_default,
};

/// SEV-SNP's guest policy when none is said.
const SNP_POLICY: u32 = 0x3_0000;
const ROOT_HASH_DIGITS: usize = 64;
const ROOT_HASH: Shape = Shape::Form(is_root_hash, "64 lower-case hexadecimal digits");

pub(super) static VERIFIABLE_PROGRAM: Record = Record::closed(&[
    required("address", Shape::TEXT),
    required("time", Shape::StrictSeconds),
    required("allow_amend", Shape::StrictFlag),
    optional("metadata", METADATA),
    optional("authorized_keys", AUTHORIZED_KEYS),
    optional("variables", VARIABLES),
    required("environment", Shape::Record(&ENVIRONMENT)),
    required("resources", Shape::Record(&RESOURCES)),
    required("payment", Shape::Record(&PAYMENT)),
    optional("requirements", Shape::Record(&REQUIREMENTS)),
    with_default(
        "volumes",
        Shape::list_up_to(MAX_VERIFIED_VOLUMES, &Shape::Record(&VOLUME)),
        Default::EmptyList,
    ),
    optional("replaces", REPLACES),
    required("runtime", Shape::Record(&RUNTIME)),
    required("workload", Shape::Record(&WORKLOAD)),
    required("verification", Shape::Chosen(verification)),
    optional("gpu", Shape::Record(&CONFIDENTIAL_GPU)),
])
.with(&[plain_metadata, only_credit, immutable, all_measured]);

static ENVIRONMENT: Record =
    Record::closed(&[with_default("internet", Shape::StrictFlag, Default::Flag(false))]);

static RESOURCES: Record = Record::open(&[
    with_default("vcpus", Shape::StrictInteger(1, MAX_VCPUS), Default::Integer(1)),
    with_default("memory", Shape::StrictInteger(1, MAX_MEMORY_MIB), Default::Integer(128)),
    with_default("seconds", Shape::StrictInteger(1, MAX_RUN_SECONDS), Default::Integer(1)),
    optional("published_ports", Shape::list(&Shape::Record(&PUBLISHED_PORT))),
]);

static PUBLISHED_PORT: Record = Record::open(&[
    with_default("protocol", Shape::OneOf(&["tcp", "udp"]), Default::Text("tcp")),
    required("port", Shape::StrictInteger(1, MAX_PORT)),
]);

const COMMENT: Field =
    with_default("comment", Shape::text(MAX_VERIFIED_COMMENT_CHARS), Default::Text(""));

static RUNTIME: Record = Record::closed(&[required("ref", Shape::ItemHash), COMMENT]);

static WORKLOAD: Record = Record::closed(&[
    required("ref", Shape::ItemHash),
    required("hash_tree", Shape::ItemHash),
    required("roothash", ROOT_HASH),
]);

static VOLUME: Record = Record::closed(&[
    required("ref", Shape::ItemHash),
    required("hash_tree", Shape::ItemHash),
    required("roothash", ROOT_HASH),
    COMMENT,
]);

const BACKEND: Shape = Shape::OneOf(&["sev_snp", "tdx"]);
const POLICY: Shape = Shape::StrictInteger(0, u64::MAX as i128);
const MEASUREMENTS: Shape =
    Shape::List { item: &Shape::Record(&MEASUREMENT), least: 1, most: MAX_MEASUREMENTS };

static SNP_VERIFICATION: Record = Record::closed(&[
    required("backend", BACKEND),
    Field {
        name: "policy",
        shape: POLICY,
        presence: Presence::DefaultOrNull(Default::Integer(SNP_POLICY)),
    },
    required("measurements", MEASUREMENTS),
])
.with(&[verification_fits]);

static TDX_VERIFICATION: Record = Record::closed(&[
    required("backend", BACKEND),
    optional("policy", POLICY),
    required("measurements", MEASUREMENTS),
])
.with(&[verification_fits]);

fn verification(value: &Value) -> Shape {
    let is_snp = value.as_object().is_some_and(|members| text(members, "backend") == "sev_snp");
    if is_snp { Shape::Record(&SNP_VERIFICATION) } else { Shape::Record(&TDX_VERIFICATION) }
}

fn is_root_hash(text: &str) -> bool {
    text.len() == ROOT_HASH_DIGITS && text.bytes().all(is_lower_hex)
}

fn verification_fits(verification: &Object) -> Result<(), (&'static str, Reason)> {
    let backend = text(verification, "backend");
    let policy = verification.get("policy").and_then(Value::as_number);
    let is_right = match backend {
        "sev_snp" => is_snp_policy(policy.and_then(|policy| policy.as_u64())),
        _ => policy.is_none(),
    };
    if !is_right {
        return Err(("", Reason::Rule("has a `policy` that its `backend` does not have")));
    }
    measurements_fit(verification, backend)
}

fn only_credit(content: &Object) -> Result<(), (&'static str, Reason)> {
    if payment_type(content) == Some("credit") {
        return Ok(());
    }
    Err(("", Reason::Rule("must be paid by credit")))
}

fn immutable(content: &Object) -> Result<(), (&'static str, Reason)> {
    let is_amendable = content.get("allow_amend") == Some(&Value::Bool(true));
    if is_amendable || content.get("replaces").is_some() {
        return Err(("", Reason::Rule("cannot be amended or replace another")));
    }
    Ok(())
}

/// Everything that reaches the guest is measured.
fn all_measured(content: &Object) -> Result<(), (&'static str, Reason)> {
    let is_filled = |value: &Value| match value {
        Value::Object(members) => !members.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    };
    if ["variables", "authorized_keys"].iter().any(|name| content.get(name).is_some_and(is_filled))
    {
        return Err((
            "",
            Reason::Rule("has `variables` or `authorized_keys`, which nothing measures"),
        ));
    }
    let requirements = content.get("requirements").and_then(Value::as_object);
    if requirements.and_then(|requirements| requirements.get("gpu")).is_some_and(is_filled) {
        return Err(("", Reason::Rule("has `requirements.gpu`, which nothing measures")));
    }
    let verification = content.get("verification").and_then(Value::as_object);
    let is_snp =
        verification.is_some_and(|verification| text(verification, "backend") == "sev_snp");
    if content.get("gpu").is_some() && !is_snp {
        return Err(("", Reason::Rule("has a `gpu`, which only `sev_snp` has")));
    }
    Ok(())
}
