//! The message node's side, played by an in-memory one: rounds, files, programs, the WebSocket.

mod amending;
mod fetching;
mod following;
mod polling;
