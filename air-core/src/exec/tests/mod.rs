//! Tests of the machine by scripts of their own; the recordings of the reference are compared in
//! `tests/vectors.rs`.

mod branches;
mod calls;
mod canons;
mod errors;
mod folds;
mod generator;
mod hostile;
mod lenses;
mod limits;
mod live;
mod merging;
mod network;
mod properties;
mod scopes;
mod steps;
mod stream_folds;
mod streams;
mod support;
