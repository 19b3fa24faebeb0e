//! Tests of the whole node: HTTP requests over in-memory streams in, answers out, virtual clock.

mod answers;
mod bench;
mod bounds;
mod drops;
mod errors;
mod examples;
mod exchange;
mod fairness;
mod pages;
mod programs;
mod random;
mod room;
mod swarm;
mod village;
