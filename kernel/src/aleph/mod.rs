//! Aleph programs: messages, packages, schedules, triggers.
//!
//! Everything here is a function of bytes: nothing waits, nothing is fetched. What comes from strangers
//! (messages, archives, cron lines, requests) is refused with a reason or understood, within the bounds
//! of [`limits`]. The map:
//!
//! | module | what it is |
//! |---|---|
//! | [`calendar`] | days and dates |
//! | [`chain`] | the block chains whose keys sign |
//! | [`cron`] | schedules: when is the next time |
//! | [`host`] | what a program's host and its guest say to each other |
//! | [`item_hash`] | the names of messages and files |
//! | [`schema`] | shapes of JSON documents: check, fill in defaults, say what is wrong and where |
//! | [`message`] | the network's messages: PROGRAM, INSTANCE, POST, AGGREGATE, STORE, FORGET, V-PROGRAM |
//! | [`signature`] | who signed a message |
//! | [`package`] | archives of scripts and files, and the script of an entrypoint |
//! | [`program`] | what is to run, when, and within which bounds |
//! | [`resolve`] | files, amendments and permissions, from a store of messages |
//! | [`trigger`] | from requests and messages to runs, and from replies to answers |
//! | [`limits`] | every bound |

pub mod calendar;
pub mod chain;
mod cid;
pub mod cron;
pub mod host;
pub mod item_hash;
pub mod limits;
pub mod message;
pub mod package;
pub mod program;
pub mod resolve;
pub mod schema;
pub mod signature;
pub mod trigger;
