//! What is answered to those who post messages and ask for them, in the words of the network's nodes.

use alloc::string::String;
use alloc::string::ToString;

use air_core::value::write_json_string;

use super::{Refused, Taken};
use crate::aleph::item_hash::ItemHash;

const PUBLISHED: &str =
    "{\"publication_status\":{\"status\":\"success\",\"failed\":[]},\"message_status\":";

/// A message was taken.
pub(super) fn taken(hash: &ItemHash, taken: &Taken) -> String {
    let mut out = String::from(PUBLISHED);
    out.push_str("\"processed\",\"item_hash\":");
    write_json_string(hash.as_str(), &mut out);
    for (name, programs) in [("programs", &taken.programs), ("repeated", &taken.repeated)] {
        out.push(',');
        write_json_string(name, &mut out);
        out.push_str(":[");
        for (index, program) in programs.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            write_json_string(program.as_str(), &mut out);
        }
        out.push(']');
    }
    out.push('}');
    out
}

/// A message was refused.
pub(super) fn refused(refused: &Refused) -> String {
    let mut out = String::from(PUBLISHED);
    out.push_str("\"rejected\",\"error\":");
    error(&mut out, &refused.to_string(), refused);
    out.push('}');
    out
}

fn error(out: &mut String, message: &str, refused: &Refused) {
    out.push_str("{\"message\":");
    write_json_string(message, out);
    out.push_str(",\"fields\":[");
    for (index, (field, reason)) in refused.fields().iter().enumerate() {
        out.push_str(if index == 0 { "{\"field\":" } else { ",{\"field\":" });
        write_json_string(field, out);
        out.push_str(",\"reason\":");
        write_json_string(reason, out);
        out.push('}');
    }
    out.push_str("]}");
}

/// Something about the request rather than the message.
pub(super) fn problem(message: &str) -> String {
    let mut out = String::from("{\"error\":{\"message\":");
    write_json_string(message, &mut out);
    out.push_str("}}");
    out
}

/// A message and its status.
pub(super) fn message(hash: &ItemHash, json: &str) -> String {
    let mut out = status(hash);
    out.pop();
    out.push_str(",\"message\":");
    out.push_str(json);
    out.push('}');
    out
}

/// The status of a message that was taken.
pub(super) fn status(hash: &ItemHash) -> String {
    let mut out = String::from("{\"status\":\"processed\",\"item_hash\":");
    write_json_string(hash.as_str(), &mut out);
    out.push('}');
    out
}
