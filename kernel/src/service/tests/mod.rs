//! Tests of the built-ins: results and error texts as the reference has them, and totality.

mod array;
mod author;
mod bench;
mod bounds;
mod clients;
mod json;
mod kad;
mod numbers;
mod op;
mod peer;
mod sig;
mod srv;
mod text;
mod totality;

use bench::{Bench, check_errors, check_values};

/// The peer id of the node under test, whose seed is 32 times 1.
const OWN_ID: &str = "12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5";
/// The peer id that belongs to 32 times 9.
const OTHER_ID: &str = "12D3KooWSrKnMZUcSxK8G7wmBbXdU8nFEfWGhLu6H8xjn8LmCSJb";

/// What strangers hear from guarded functions.
const GUARDED: &str = "This function is only available to the host or worker spells";
