//! The node: programs, particles, services, metrics.
//!
//! Everything here is portable: `no_std`, no `unsafe`, no hardware. The machine under it comes through
//! the traits of [`machine`], byte streams through `embedded-io-async`, and all of it is tested on the
//! development host. The map:
//!
//! | module | what it is |
//! |---|---|
//! | [`aleph`] | Aleph programs: messages, packages, schedules, triggers |
//! | [`machine`] | what the node asks of its host: time, randomness, figures, the network poll |
//! | [`executor`] | tasks and timers on one core, and the main loop |
//! | [`config`] | the configuration: its form, its bytes, its checks |
//! | [`identity`] | the node's key and peer id |
//! | [`secret`] | bytes that are overwritten when dropped |
//! | [`service`] | what scripts can call on this node |
//! | [`peers`] | what the node asks of other peers |
//! | [`particle`] | checks of a particle, and the actor that runs it |
//! | [`program`] | programs that run: what is hosted, what starts it, what bounds it |
//! | [`guest`] | the protocol of an Aleph host with its guest, over virtio sockets |
//! | [`node`] | scripts in, answers out, over HTTP |
//! | [`metrics`] | what is counted, as Prometheus text |
//! | [`network`] | what the node asks of its network: ports, addresses |
//! | [`schedule`] | programs at their times |
//! | [`subscribe`] | messages for the programs that wait for them |
//! | [`triggers`] | both of these, put together |
//! | [`message_node`] | messages, files and programs from a node of the Aleph network |
//! | [`runnable`] | programs as what triggers them sees them |
//! | [`run`] | a node on a network |
//! | [`store`] | what outlives power-off: stores, volumes, what is on disks |
//! | [`limits`] | every bound |
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod aleph;
pub mod config;
pub mod executor;
pub mod guest;
pub mod handover;
pub mod identity;
pub mod limits;
pub mod machine;
pub mod message_node;
pub mod metrics;
pub mod network;
pub mod node;
pub mod particle;
pub mod peers;
pub mod program;
pub mod run;
pub mod runnable;
pub mod schedule;
pub mod secret;
pub mod service;
pub mod store;
pub mod subscribe;
pub mod triggers;
