//! `peer`: this node and its clock.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::future::Future;
use core::time::Duration;

use air_core::value::Value;

use super::Outcome;
use super::arguments::{Arguments, FromValue};
use super::failure::Failure;
use crate::executor::Executor;
use crate::identity::is_peer_id;
use crate::machine::Machine;

/// The version of the language's reference that scripts may rely on.
const AIR_VERSION: &str = "0.64.1";

pub(super) fn call(
    own_peer_id: &str,
    machine: &dyn Machine,
    function: &str,
    arguments: &[Value],
) -> Option<Outcome> {
    Some(match function {
        "identify" => identify(),
        "timestamp_ms" => Ok(Some(machine.unix_time_ms().into())),
        "timestamp_sec" => Ok(Some((machine.unix_time_ms() / 1000).into())),
        "is_connected" => is_connected(own_peer_id, arguments),
        _ => return None,
    })
}

fn identify() -> Outcome {
    let none = || Value::array(Vec::new()).map_err(super::debug::too_deep);
    let members: Vec<(Arc<str>, Value)> = alloc::vec![
        ("air_version".into(), AIR_VERSION.into()),
        ("allowed_binaries".into(), none()?),
        ("external_addresses".into(), none()?),
        ("node_version".into(), env!("CARGO_PKG_VERSION").into()),
        ("spell_version".into(), "".into()),
        ("vm_info".into(), Value::Null),
    ];
    Value::object(members).map(Some).map_err(super::debug::too_deep)
}

/// The node knows no other peer yet.
fn is_connected(own_peer_id: &str, arguments: &[Value]) -> Outcome {
    let PeerId(peer_id) = Arguments::new(arguments).next("peer_id")?;
    Ok(Some((peer_id == own_peer_id).into()))
}

/// Starts `peer.timeout`: the future gives the message after the delay.
pub(super) fn timeout(
    executor: &Executor,
    arguments: &[Value],
) -> Result<impl Future<Output = Outcome> + 'static, Failure> {
    let mut arguments = Arguments::new(arguments);
    let Milliseconds(duration_ms) = arguments.next("duration_ms")?;
    let message = arguments.next_option::<&Value>("message")?.cloned();
    let sleep = executor.sleep(Duration::from_millis(duration_ms));
    Ok(async {
        sleep.await;
        Ok(message)
    })
}

/// A number, or a text of decimal digits.
struct Milliseconds(u64);

impl FromValue<'_> for Milliseconds {
    const NAME: &'static str = "u64";
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Number(number) => number.as_u64().map(Self),
            Value::String(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                text.parse().ok().map(Self)
            }
            _ => None,
        }
    }
}

struct PeerId<'a>(&'a str);

impl<'a> FromValue<'a> for PeerId<'a> {
    const NAME: &'static str = "PeerId";
    fn from_value(value: &'a Value) -> Option<Self> {
        value.as_str().filter(|text| is_peer_id(text)).map(Self)
    }
}
