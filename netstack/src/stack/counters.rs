//! What the stack counts, for metrics.

use smoltcp::socket::tcp::State;

use super::Inner;

/// Totals since the stack was made, and gauges of now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Frames received.
    pub frames_received: u64,
    /// Bytes of the frames received.
    pub bytes_received: u64,
    /// Frames sent.
    pub frames_sent: u64,
    /// Bytes of the frames sent.
    pub bytes_sent: u64,
    /// Frames refused before the protocols saw them (hostile router advertisements).
    pub frames_refused: u64,
    /// Connections made to others.
    pub connections_opened: u64,
    /// Connections to others that failed.
    pub connections_failed: u64,
    /// Connections accepted from others.
    pub connections_accepted: u64,
    /// Connection requests dropped because a backlog or the socket pool was full; the peer repeats them.
    pub connections_refused: u64,
    /// Handshakes that ended before the connection was accepted: timed out or reset.
    pub handshakes_failed: u64,
    /// Connections ended by us with a reset.
    pub connections_aborted: u64,
    /// Sockets taken out of TIME-WAIT early.
    pub time_wait_recycled: u64,
    /// DHCP leases got, renewals with changes included.
    pub leases_acquired: u64,
    /// DHCP leases lost.
    pub leases_lost: u64,
    /// How often a TCP socket was asked whether it has something to send: the work per frame.
    pub tcp_sockets_asked: u64,
    /// Gauge: TCP sockets in the pool, of any state.
    pub tcp_sockets: usize,
    /// Gauge: most TCP sockets that there can be.
    pub tcp_sockets_max: usize,
    /// Gauge: connections open now, closing ones not included.
    pub connections_open: usize,
    /// Gauge: handshakes under way.
    pub connections_half_open: usize,
    /// Gauge: sockets that their owner has left and that finish their closing.
    pub connections_closing: usize,
    /// Gauge: sockets in TIME-WAIT (part of the closing ones when their owner has left).
    pub connections_time_wait: usize,
    /// Gauge: UDP sockets.
    pub udp_sockets: usize,
}

impl Inner {
    pub(super) fn count(&self) -> Counters {
        let mut counters = self.counters;
        self.gate.count(&mut counters);
        counters.tcp_sockets = self.tcp.len();
        counters.tcp_sockets_max = self.config.max_tcp_sockets;
        counters.connections_closing = self.closing.len();
        counters.tcp_sockets_asked = self.tcp.asked();
        counters.udp_sockets = self.udp_sockets;
        for socket in self.tcp.iter() {
            match socket.state() {
                State::SynReceived | State::SynSent => counters.connections_half_open += 1,
                State::Established | State::CloseWait => counters.connections_open += 1,
                State::TimeWait => counters.connections_time_wait += 1,
                _ => {}
            }
        }
        counters
    }
}
