//! Tests of the whole node: HTTP requests over in-memory streams in, answers out, virtual clock.

mod answers;
mod bench;
mod bounds;
mod errors;
mod examples;
mod pages;
mod random;
