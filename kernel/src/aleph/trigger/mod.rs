//! What starts a program: HTTP requests and messages ([`cron`](crate::aleph::cron) is the third).
//!
//! Pure functions: from a request to the value that the program gets, from the program's reply to the
//! answer, from a message to whether it is one that the program waits for.

pub(crate) mod body;
pub mod event;
pub mod failure;
pub mod http;
pub mod reply;
pub mod route;
mod seen;
pub mod subscription;
#[cfg(test)]
mod tests;

pub use failure::Failure;
pub use reply::{Answer, BadReply, answer};
pub use route::{Route, route};
pub use seen::{Seen, milliseconds};
