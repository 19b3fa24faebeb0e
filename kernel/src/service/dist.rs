//! `dist`: modules and blueprints of services in WebAssembly, of which this node has none.
//!
//! Only the node itself may add any, and for it there is no function that does.

use alloc::format;
use alloc::sync::Arc;

use air_core::value::{Object, Value};

use super::Outcome;
use super::arguments::Arguments;
use super::bounded_json::excerpt;
use super::failure::Failure;
use super::srv::none;

pub(super) fn call(is_host: bool, function: &str, arguments: &[Value]) -> Option<Outcome> {
    let arguments = Arguments::new(arguments);
    match function {
        "list_modules" | "list_blueprints" => Some(none()),
        "get_blueprint" => Some(get_blueprint(arguments)),
        "add_module"
        | "add_module_from_vault"
        | "add_module_bytes_from_vault"
        | "add_blueprint" => match refuse(is_host, function, arguments) {
            Ok(()) => None,
            Err(failure) => Some(Err(failure)),
        },
        _ => None,
    }
}

fn get_blueprint(mut arguments: Arguments<'_>) -> Outcome {
    let id: &Arc<str> = arguments.next("blueprint_id")?;
    let id = excerpt(id);
    Err(Failure::error(
        &format!("Blueprint '{id}' wasn't found"),
        &format!("BlueprintNotFound {{ id: {id:?} }}"),
    ))
}

/// The reference reads the arguments first and asks who calls then.
fn refuse(is_host: bool, function: &str, mut arguments: Arguments<'_>) -> Result<(), Failure> {
    let _: &Arc<str> = arguments.next(match function {
        "add_module" => "module_bytes",
        "add_module_from_vault" => "module_path",
        "add_module_bytes_from_vault" => "module_name",
        _ => "blueprint",
    })?;
    match function {
        "add_module" | "add_module_from_vault" => {
            let _: &Object = arguments.next("config")?;
        }
        "add_module_bytes_from_vault" => {
            let _: &Arc<str> = arguments.next("module_path")?;
        }
        _ => {}
    }
    if is_host { Ok(()) } else { Err(Failure::guarded()) }
}
