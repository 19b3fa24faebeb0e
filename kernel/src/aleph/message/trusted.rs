//! Trusted execution: what instances and verifiable programs say of the machine that must attest itself.

use air_core::value::{Object, Value};

use crate::aleph::item_hash::is_lower_hex;
use crate::aleph::limits::{
    MAX_CONFIDENTIAL_GPU_MODELS, MAX_CONFIDENTIAL_GPUS, MAX_MEASUREMENTS, MAX_PORT,
    MAX_VCPU_TYPE_CHARS,
};
use crate::aleph::schema::{Default, Reason, Record, Shape, optional, required, with_default};

/// The bit of an SEV-SNP guest policy that must be set.
const SNP_RESERVED_BIT: u64 = 1 << 17;
/// The policy of SEV when none is said: no debugging.
const SEV_NO_DEBUGGING: u32 = 1;
/// Digits of a SHA-384.
const REGISTER_DIGITS: usize = 96;

const REGISTER: Shape = Shape::Form(is_register, "96 lower-case hexadecimal digits");

pub(super) static TRUSTED_EXECUTION: Record = Record::closed(&[
    optional("firmware", Shape::ItemHash),
    with_default(
        "policy",
        Shape::Integer(i128::MIN, i128::MAX),
        Default::Integer(SEV_NO_DEBUGGING),
    ),
    optional("mode", Shape::OneOf(&["sev", "sev_snp", "tdx"])),
    optional("runtime", Shape::ItemHash),
    optional("measurements", Shape::list_up_to(MAX_MEASUREMENTS, &Shape::Record(&MEASUREMENT))),
    optional("attestation_port", Shape::Integer(1, MAX_PORT)),
    optional("gpu", Shape::Record(&CONFIDENTIAL_GPU)),
])
.with(&[fields_fit_mode]);

pub(super) static MEASUREMENT: Record = Record::closed(&[
    required("platform", Shape::OneOf(&["sev_snp", "tdx"])),
    required("registers", Shape::Chosen(registers)),
    optional("vcpu_type", Shape::text(MAX_VCPU_TYPE_CHARS)),
])
.with(&[registers_fit_platform]);

static SNP_REGISTERS: Record = Record::closed(&[required("launch", REGISTER)]);

static TDX_REGISTERS: Record = Record::closed(&[
    required("mrtd", REGISTER),
    required("rtmr1", REGISTER),
    required("rtmr2", REGISTER),
    required("mrconfigid", REGISTER),
]);

pub(super) static CONFIDENTIAL_GPU: Record = Record::closed(&[
    required("vendor", Shape::OneOf(&["nvidia"])),
    required("arch", Shape::OneOf(&["hopper", "blackwell"])),
    required("count", Shape::StrictInteger(1, MAX_CONFIDENTIAL_GPUS)),
    optional(
        "models",
        Shape::List {
            item: &Shape::Form(is_pci_id, "a vendor and device id such as `10de:2b85`"),
            least: 1,
            most: MAX_CONFIDENTIAL_GPU_MODELS,
        },
    ),
    required("mode", Shape::OneOf(&["cc"])),
])
.with(&[models_once]);

fn is_register(text: &str) -> bool {
    text.len() == REGISTER_DIGITS && text.bytes().all(is_lower_hex)
}

fn is_pci_id(text: &str) -> bool {
    let is_id = |part: &str| part.len() == 4 && part.bytes().all(is_lower_hex);
    text.split_once(':').is_some_and(|(vendor, device)| is_id(vendor) && is_id(device))
}

fn registers(value: &Value) -> Shape {
    let is_snp = value.as_object().is_some_and(|members| members.get("launch").is_some());
    if is_snp { Shape::Record(&SNP_REGISTERS) } else { Shape::Record(&TDX_REGISTERS) }
}

fn registers_fit_platform(measurement: &Object) -> Result<(), (&'static str, Reason)> {
    let registers = measurement.get("registers").and_then(Value::as_object);
    let has_launch = registers.is_some_and(|registers| registers.get("launch").is_some());
    if (text(measurement, "platform") == "sev_snp") == has_launch {
        return Ok(());
    }
    Err(("", Reason::Rule("has registers of another platform")))
}

fn models_once(gpu: &Object) -> Result<(), (&'static str, Reason)> {
    let models = gpu.get("models").and_then(Value::as_array).unwrap_or_default();
    let is_twice = |(index, model): (usize, &Value)| models.iter().take(index).any(|m| m == model);
    if models.iter().enumerate().any(is_twice) {
        return Err(("models", Reason::Rule("names a device twice")));
    }
    Ok(())
}

/// What the measured modes need, and the others must not have.
fn fields_fit_mode(trusted: &Object) -> Result<(), (&'static str, Reason)> {
    let has = |name| trusted.get(name).is_some();
    let mode = text(trusted, "mode");
    if !matches!(mode, "sev_snp" | "tdx") {
        if ["runtime", "measurements", "attestation_port", "gpu"].into_iter().any(has) {
            return Err(("", Reason::Rule("has a field that only `sev_snp` and `tdx` have")));
        }
        return Ok(());
    }
    if has("firmware") {
        return Err(("", Reason::Rule("is measured, so it has `runtime` and no `firmware`")));
    }
    if !has("runtime") {
        return Err(("", Reason::Rule("is measured, so it needs `runtime`")));
    }
    let policy = trusted.get("policy").and_then(Value::as_number);
    let policy = policy.and_then(|policy| policy.as_u64());
    let is_right = match mode {
        "sev_snp" => is_snp_policy(policy),
        _ => policy == Some(SEV_NO_DEBUGGING.into()) && !has("gpu"),
    };
    if !is_right {
        return Err(("", Reason::Rule("has a `policy` or `gpu` that its mode does not have")));
    }
    measurements_fit(trusted, mode)
}

/// Whether a policy is one of SEV-SNP.
pub(super) fn is_snp_policy(policy: Option<u64>) -> bool {
    policy.is_some_and(|policy| policy & SNP_RESERVED_BIT != 0)
}

/// Measurements are of the platform that is asked for, and of TDX there is one.
pub(super) fn measurements_fit(
    holder: &Object,
    platform: &str,
) -> Result<(), (&'static str, Reason)> {
    let measurements = holder.get("measurements").and_then(Value::as_array).unwrap_or_default();
    let is_other = |measurement: &Value| {
        measurement.as_object().is_none_or(|members| text(members, "platform") != platform)
    };
    if measurements.is_empty() {
        return Err(("", Reason::Rule("needs `measurements`")));
    }
    if measurements.iter().any(is_other) {
        return Err(("", Reason::Rule("has a measurement of another platform")));
    }
    if platform == "tdx" && measurements.len() != 1 {
        return Err((
            "",
            Reason::Rule("has one measurement, because `tdx` does not depend on the processor"),
        ));
    }
    Ok(())
}

pub(super) fn text<'a>(object: &'a Object, name: &str) -> &'a str {
    object.get(name).and_then(Value::as_str).unwrap_or_default()
}
