//! TCP: listeners with a real backlog, streams, and an orderly end for both.

mod closing;
mod listener;
mod stream;

pub(crate) use closing::Closing;
pub(crate) use listener::Listener;
pub use listener::{BindError, TcpListener};
pub use stream::{ConnectError, TcpError, TcpStream};
