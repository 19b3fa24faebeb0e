//! Messages from all sides, programs that note what they are told, and stores that outlive a node.

pub(crate) mod bench;
mod bounds;
mod once;
mod verification;
mod web;
