//! The way to the host: virtio sockets in a machine, pipes in tests.

use core::future::Future;

use netstack::Split;
use netstack::vsock::{Address, HOST, Vsock, VsockListener, VsockStream};

/// What connects this machine with its host. Clones are handles of the same.
pub trait HostSocket: Clone + 'static {
    /// A connection. When it is dropped, both sides are closed after what was written.
    type Stream: Split + 'static;
    /// A port that the host connects to.
    type Listener: HostListener<Stream = Self::Stream> + 'static;

    /// Listens on a port, nothing if that cannot be.
    fn listen(&self, port: u32) -> Option<Self::Listener>;

    /// Connects to a port of the host; nothing if it refuses.
    fn connect(&self, port: u32) -> impl Future<Output = Option<Self::Stream>>;

    /// Waits until the host has acknowledged the end of every connection that was dropped.
    fn settled(&self) -> impl Future<Output = ()>;
}

/// A port that the host connects to.
pub trait HostListener {
    /// A connection.
    type Stream;

    /// Waits for the next connection of the host.
    fn accept(&self) -> impl Future<Output = Self::Stream>;
}

impl HostSocket for Vsock {
    type Stream = VsockStream;
    type Listener = VsockListener;

    fn listen(&self, port: u32) -> Option<VsockListener> {
        VsockListener::bind(self, port).ok()
    }

    async fn connect(&self, port: u32) -> Option<VsockStream> {
        VsockStream::connect(self, Address { cid: HOST, port }).await.ok()
    }

    async fn settled(&self) {
        self.wait_settled().await;
    }
}

impl HostListener for VsockListener {
    type Stream = VsockStream;

    async fn accept(&self) -> VsockStream {
        loop {
            let (stream, peer) = Self::accept(self).await;
            // Other machines may reach us too, and have nothing to say here.
            if peer.cid == HOST {
                return stream;
            }
        }
    }
}
