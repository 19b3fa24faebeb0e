//! `sig`: signatures by the node's key.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use air_core::CallRequest;
use air_core::data::Tetraplet;
use air_core::value::Value;

use super::Outcome;
use super::arguments::{Arguments, List};
use super::bounded_json::excerpt;
use super::contact::parse_peer_id;
use super::failure::Failure;
use super::op::byte_array;
use crate::identity::Identity;
use crate::limits::{MAX_EXCERPT_BYTES, MAX_SIGNED_BYTES};

/// The calls whose results the node signs: records of a registry, which name no more than they are.
const SIGNED_RESULTS: [(&str, &str); 2] =
    [("registry", "get_record_bytes"), ("registry", "get_record_metadata_bytes")];

pub(super) fn call(
    identity: &Identity,
    init_peer_id: &str,
    function: &str,
    request: &CallRequest,
) -> Option<Outcome> {
    Some(match function {
        "sign" => sign(identity, init_peer_id, request),
        "verify" => verify(identity, &request.arguments),
        "get_peer_id" => Ok(Some(Value::String(identity.peer_id().clone()))),
        _ => return None,
    })
}

/// Signs for the node's own particles only, and only what came out of the registry's functions that
/// make such bytes: who gets any bytes signed could take the node's place everywhere.
fn sign(identity: &Identity, init_peer_id: &str, request: &CallRequest) -> Outcome {
    let own_peer_id = identity.peer_id();
    if init_peer_id != &**own_peer_id {
        return Err(Failure::Message(format!(
            "peer '{init_peer_id}' is not allowed to sign data on '{own_peer_id}'"
        )));
    }
    // That there is nothing to sign is told in the result, as the reference does; that the bytes come
    // from elsewhere is an error.
    let data = match Arguments::new(&request.arguments).next("data") {
        Ok(List(data)) => data,
        Err(error) => return refusal(&error.into()),
    };
    if let Err(refused) = check_origin(own_peer_id, &request.tetraplets) {
        return match refused {
            Refused::Told(failure) => refusal(&failure),
            Refused::Raised(message) => Err(Failure::Message(message)),
        };
    }
    check_length(&data)?;
    let signature = byte_array(&identity.sign(&data))?;
    answer(true, Vec::new(), signature.into_iter().collect())
}

enum Refused {
    Told(Failure),
    Raised(String),
}

fn check_origin(own_peer_id: &str, tetraplets: &[Vec<Arc<Tetraplet>>]) -> Result<(), Refused> {
    let first = tetraplets.first().map(Vec::as_slice);
    let Some([tetraplet]) = first else {
        return Err(Refused::Raised(format!(
            "expected tetraplet for a scalar argument, got tetraplet for an array: {}, tetraplets",
            debug_form(first)
        )));
    };
    let Tetraplet { peer_pk, service_id, function_name, lens } = &**tetraplet;
    parse_peer_id(peer_pk).map_err(Refused::Told)?;
    if **peer_pk != *own_peer_id {
        return Err(Refused::Raised(format!(
            "data is expected to be produced by service 'registry' on peer '{own_peer_id}', was \
             from peer '{peer_pk}'"
        )));
    }
    if !SIGNED_RESULTS.contains(&(service_id, function_name)) {
        let (service_id, function_name) = (excerpt(service_id), excerpt(function_name));
        return Err(Refused::Raised(format!(
            "data is expected to result from a call to 'registry.get_record_bytes' or \
             'registry.get_record_metadata_bytes', was from '{service_id}.{function_name}'"
        )));
    }
    if !lens.is_empty() {
        return Err(Refused::Raised("lens for data tetraplet is expected to be empty".into()));
    }
    Ok(())
}

/// The tetraplets of an argument as the reference prints them for its developers.
fn debug_form(tetraplets: Option<&[Arc<Tetraplet>]>) -> String {
    let Some(tetraplets) = tetraplets else { return "None".into() };
    let mut text = String::from("Some([");
    for (index, tetraplet) in tetraplets.iter().enumerate() {
        if text.len() > MAX_EXCERPT_BYTES {
            break;
        }
        let Tetraplet { peer_pk, service_id, function_name, lens } = &**tetraplet;
        let separator = if index > 0 { ", " } else { "" };
        text.push_str(&format!(
            "{separator}SecurityTetraplet {{ peer_pk: {:?}, service_id: {:?}, function_name: {:?}, \
             lens: {:?} }}",
            excerpt(peer_pk),
            excerpt(service_id),
            excerpt(function_name),
            excerpt(lens)
        ));
    }
    text.push_str("])");
    excerpt(&text)
}

fn refusal(failure: &Failure) -> Outcome {
    answer(false, alloc::vec![Value::from(&*failure.text())], Vec::new())
}

/// The result of `sign`; its error and its signature are options, so arrays of none or one.
fn answer(success: bool, error: Vec<Value>, signature: Vec<Value>) -> Outcome {
    let members = alloc::vec![
        ("success".into(), Value::from(success)),
        ("error".into(), Value::array(error)?),
        ("signature".into(), Value::array(signature)?),
    ];
    Ok(Some(Value::object(members)?))
}

fn verify(identity: &Identity, arguments: &[Value]) -> Outcome {
    let mut arguments = Arguments::new(arguments);
    let List(signature): List<u8> = arguments.next("signature")?;
    let List(data): List<u8> = arguments.next("data")?;
    check_length(&data)?;
    Ok(Some(identity.id().verify(&data, &signature).into()))
}

/// Signatures take time in proportion to the length, hence the bound.
fn check_length(data: &[u8]) -> Result<(), Failure> {
    if data.len() > MAX_SIGNED_BYTES {
        return Err(Failure::Message(format!(
            "data of {} bytes is over the limit of {MAX_SIGNED_BYTES}",
            data.len()
        )));
    }
    Ok(())
}
