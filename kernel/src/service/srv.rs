//! `srv`: the services in WebAssembly, of which this node has none.
//!
//! Everything is answered as a node answers that runs none at this moment.

use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;

use air_core::value::Value;

use super::Outcome;
use super::arguments::Arguments;
use super::bounded_json::excerpt;
use super::failure::Failure;

/// Aliases that no service can be given: in a spell's own particle they name the spell.
const RESERVED_ALIASES: [&str; 2] = ["spell", "self"];

pub(super) fn call(is_host: bool, function: &str, arguments: &[Value]) -> Option<Outcome> {
    let arguments = Arguments::new(arguments);
    Some(match function {
        "list" => none(),
        "create" => create(is_host, arguments),
        "get_interface" => look_up("service_id", arguments),
        "info" => look_up("service_id_or_alias", arguments),
        "resolve_alias" => resolve_alias(arguments),
        "resolve_alias_opt" => resolve_alias_opt(arguments),
        "add_alias" => add_alias(is_host, arguments),
        "remove" => remove(is_host, arguments),
        _ => return None,
    })
}

/// The empty array.
pub(super) fn none() -> Outcome {
    Ok(Some(Value::array(Vec::new())?))
}

/// The answer about the service that the next argument names.
pub(super) fn look_up(field: &'static str, mut arguments: Arguments<'_>) -> Outcome {
    let id: &Arc<str> = arguments.next(field)?;
    Err(no_such_service(id))
}

fn no_such_service(id: &str) -> Failure {
    let id = excerpt(id);
    Failure::error(
        &format!("Service with id '{id}' not found on Host"),
        &format!("NoSuchService({id:?}, Host)"),
    )
}

fn create(is_host: bool, mut arguments: Arguments<'_>) -> Outcome {
    let blueprint_id: &Arc<str> = arguments.next("blueprint_id")?;
    if !is_host {
        return Err(Failure::guarded());
    }
    let id = excerpt(blueprint_id);
    Err(Failure::error(
        &format!("Blueprint '{id}' wasn't found"),
        &format!("ModuleError(BlueprintNotFound {{ id: {id:?} }})"),
    ))
}

fn resolve_alias(mut arguments: Arguments<'_>) -> Outcome {
    let alias: &Arc<str> = arguments.next("alias")?;
    let alias = excerpt(alias);
    Err(Failure::error(
        &format!("Service with alias '{alias}' is not found on worker 'Host'"),
        &format!("NoSuchAlias({alias:?}, Host)"),
    ))
}

fn resolve_alias_opt(mut arguments: Arguments<'_>) -> Outcome {
    let _alias: &Arc<str> = arguments.next("alias")?;
    none()
}

fn add_alias(is_host: bool, mut arguments: Arguments<'_>) -> Outcome {
    let alias: &Arc<str> = arguments.next("alias")?;
    let service_id: &Arc<str> = arguments.next("service_id")?;
    if !is_host {
        return Err(Failure::guarded());
    }
    if RESERVED_ALIASES.contains(&&**alias) {
        return Err(Failure::error(
            &format!("Cannot add alias '{alias}' because it is reserved"),
            &format!("ForbiddenAlias({alias:?})"),
        ));
    }
    Err(no_such_service(service_id))
}

fn remove(is_host: bool, mut arguments: Arguments<'_>) -> Outcome {
    let id: &Arc<str> = arguments.next("service_id_or_alias")?;
    Err(if is_host { no_such_service(id) } else { Failure::guarded() })
}
