//! UDP sockets.

use alloc::vec;
use core::future::poll_fn;
use core::task::Poll;

use smoltcp::iface::SocketHandle;
use smoltcp::socket::udp::{self, PacketBuffer, PacketMetadata, RecvError, SendError};
use smoltcp::wire::IpEndpoint;

use crate::limits;
use crate::stack::Stack;

/// A UDP socket. Dropping it frees its port; datagrams not yet sent are lost.
#[derive(Debug)]
pub struct UdpSocket {
    stack: Stack,
    handle: SocketHandle,
}

/// Why a UDP operation failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UdpError {
    /// All UDP sockets ([`limits::MAX_UDP_SOCKETS`]) are taken.
    Exhausted,
    /// Port zero, or one that another socket has.
    BadPort,
    /// The endpoint cannot be sent to, or there is no address to send from.
    Unaddressable,
    /// The datagram is longer than the buffer.
    TooLong,
}

impl core::fmt::Display for UdpError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Exhausted => "no UDP socket is left",
            Self::BadPort => "the port cannot be bound",
            Self::Unaddressable => "no way to reach that address",
            Self::TooLong => "the datagram does not fit",
        })
    }
}

impl core::error::Error for UdpError {}

impl UdpSocket {
    /// Opens a socket on `port` of all addresses.
    ///
    /// # Errors
    /// [`UdpError::BadPort`], [`UdpError::Exhausted`].
    pub fn bind(stack: &Stack, port: u16) -> Result<Self, UdpError> {
        let mut inner = stack.inner();
        if inner.udp_sockets >= limits::MAX_UDP_SOCKETS {
            return Err(UdpError::Exhausted);
        }
        let taken = inner.sockets.iter().any(|(_, socket)| match socket {
            smoltcp::socket::Socket::Udp(socket) => socket.endpoint().port == port,
            _ => false,
        });
        if taken {
            return Err(UdpError::BadPort);
        }
        let buffer = || {
            PacketBuffer::new(
                vec![PacketMetadata::EMPTY; limits::UDP_QUEUE_DATAGRAMS],
                vec![0; limits::UDP_QUEUE_BYTES],
            )
        };
        let mut socket = udp::Socket::new(buffer(), buffer());
        socket.bind(port).map_err(|_| UdpError::BadPort)?;
        let handle = inner.sockets.add(socket);
        inner.udp_sockets += 1;
        drop(inner);
        Ok(Self { stack: stack.clone(), handle })
    }

    /// Sends a datagram; waits while the queue is full.
    ///
    /// # Errors
    /// [`UdpError::TooLong`], [`UdpError::Unaddressable`].
    pub async fn send_to(&self, bytes: &[u8], peer: IpEndpoint) -> Result<(), UdpError> {
        if bytes.len() > limits::UDP_QUEUE_BYTES {
            return Err(UdpError::TooLong);
        }
        poll_fn(|context| {
            let mut inner = self.stack.inner();
            let Some(_source) = inner.interface.get_source_address(&peer.addr) else {
                return Poll::Ready(Err(UdpError::Unaddressable));
            };
            let socket = inner.sockets.get_mut::<udp::Socket<'static>>(self.handle);
            match socket.send_slice(bytes, peer) {
                Ok(()) => {
                    inner.mark_dirty();
                    Poll::Ready(Ok(()))
                }
                Err(SendError::Unaddressable) => Poll::Ready(Err(UdpError::Unaddressable)),
                Err(SendError::BufferFull) => {
                    socket.register_send_waker(context.waker());
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// Waits for a datagram; gives its length and where it came from. Cancel-safe.
    ///
    /// # Errors
    /// [`UdpError::TooLong`] when it does not fit `buf`; it is lost then.
    pub async fn receive_from(&self, buf: &mut [u8]) -> Result<(usize, IpEndpoint), UdpError> {
        poll_fn(|context| {
            let mut inner = self.stack.inner();
            let socket = inner.sockets.get_mut::<udp::Socket<'static>>(self.handle);
            match socket.recv_slice(buf) {
                Ok((length, meta)) => Poll::Ready(Ok((length, meta.endpoint))),
                Err(RecvError::Truncated) => Poll::Ready(Err(UdpError::TooLong)),
                Err(RecvError::Exhausted) => {
                    socket.register_recv_waker(context.waker());
                    Poll::Pending
                }
            }
        })
        .await
    }
}

impl Drop for UdpSocket {
    fn drop(&mut self) {
        let mut inner = self.stack.inner();
        inner.sockets.remove(self.handle);
        inner.udp_sockets = inner.udp_sockets.saturating_sub(1);
    }
}
