//! The network stack: one interface, its addresses and its sockets, shared by all tasks.

mod addresses;
mod config;
mod counters;
mod ending;
mod filter;
mod gate;
mod one_shot;
mod pool;
mod solicitation;

use alloc::collections::VecDeque;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{RefCell, RefMut};
use core::future::poll_fn;
use core::task::{Poll, Waker};

use smoltcp::iface::{Config, Interface, PollResult, SocketHandle, SocketSet};
use smoltcp::phy::{Device, RxToken};
use smoltcp::socket::{dhcpv4, dns, tcp};
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, IpCidr};

use crate::limits;
use crate::tcp::{Closing, Listener};
use crate::time::after;
use addresses::Addresses;
pub use config::{Addressing, StackConfig, StaticAddressing};
pub use counters::Counters;
use ending::Ending;
pub(crate) use filter::Ends;
use filter::segment;
use gate::{Gate, GateState};
use one_shot::{OneShot, Single};
pub(crate) use pool::{Pool, TcpHandle};
use solicitation::Solicitation;

/// A network interface with its sockets. Clones share it; they are cheap.
#[derive(Clone)]
pub struct Stack {
    inner: Rc<RefCell<Inner>>,
}

impl core::fmt::Debug for Stack {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Stack").finish_non_exhaustive()
    }
}

/// What all the sockets of a stack share.
pub(crate) struct Inner {
    pub(crate) interface: Interface,
    /// What sockets are asked with when they have to be asked again. The interface itself says never as
    /// long as SLAAC has nothing to wait for (it takes the lesser of two options, and none is less), and
    /// then no segment would be sent again.
    timing: Interface,
    /// All sockets but TCP's.
    pub(crate) sockets: SocketSet<'static>,
    pub(crate) tcp: Pool,
    pub(crate) config: StackConfig,
    pub(crate) counters: Counters,
    pub(crate) listeners: Vec<Option<Listener>>,
    pub(crate) closing: VecDeque<Closing>,
    /// UDP sockets in `sockets` that a [`crate::UdpSocket`] owns.
    pub(crate) udp_sockets: usize,
    pub(crate) dns: SocketHandle,
    pub(crate) dns_queries: usize,
    /// Time of the last poll.
    pub(crate) now: Instant,
    started: Instant,
    addresses: Addresses,
    gate: GateState,
    solicitation: Solicitation,
    dirty: bool,
    random: u64,
    waiting_for_address: Vec<Waker>,
    ending: Ending,
    /// The addresses when they were last looked at, and who is told when they change.
    known_addresses: Vec<IpCidr>,
    watching_addresses: Vec<Waker>,
}

impl Stack {
    /// Makes a stack for a device with `config.capabilities`; it is idle until [`Self::poll`].
    ///
    /// Values of the configuration outside of their bounds ([`crate::limits`]) are brought within them;
    /// addresses that are not unicast are left out.
    #[must_use]
    pub fn new(config: StackConfig, now: Instant) -> Self {
        let config = config.bounded();
        let mut interface_config = Config::new(HardwareAddress::Ethernet(config.mac));
        interface_config.random_seed = config.seed;
        interface_config.slaac = config.slaac;
        let mut device = OneShot::new(config.capabilities.clone(), None);
        let interface = Interface::new(interface_config, &mut device, now);
        let plain = Config::new(HardwareAddress::Ethernet(config.mac));
        let timing = Interface::new(plain, &mut device, now);
        let mut sockets = SocketSet::new(Vec::new());
        let dns = sockets.add(dns::Socket::new(&[], Vec::new()));
        let mut inner = Inner {
            interface,
            timing,
            sockets,
            tcp: Pool::new(),
            addresses: Addresses::default(),
            counters: Counters::default(),
            listeners: Vec::new(),
            closing: VecDeque::new(),
            udp_sockets: 0,
            dns,
            dns_queries: 0,
            now,
            started: now,
            gate: GateState::default(),
            solicitation: Solicitation::new(config.slaac),
            dirty: true,
            random: config.seed,
            waiting_for_address: Vec::new(),
            ending: Ending::default(),
            known_addresses: Vec::new(),
            watching_addresses: Vec::new(),
            config,
        };
        inner.set_up_addresses();
        Self { inner: Rc::new(RefCell::new(inner)) }
    }

    /// Moves frames both ways, runs the protocols' timers and wakes the tasks whose sockets changed.
    ///
    /// The work of one call is bounded ([`limits::INGRESS_BUDGET_FRAMES`],
    /// [`limits::EGRESS_BUDGET_FRAMES`]). Returns when to call again at the latest: `now` or earlier
    /// when work was left, `None` when only a frame or a task's action can bring new work.
    pub fn poll<D: Device>(&self, now: Instant, device: &mut D) -> Option<Instant> {
        self.inner.borrow_mut().poll(now, device)
    }

    /// True when a task has left something to send, or a changed timer, since the last [`Self::poll`].
    #[must_use]
    pub fn needs_poll(&self) -> bool {
        self.inner.borrow().dirty
    }

    /// Takes these addresses, routers and name servers in place of all that there are; no DHCP server is
    /// asked any more. Connections over addresses that go are over.
    pub fn set_static(&self, given: StaticAddressing) {
        self.inner().take_static(given);
    }

    /// The addresses of the interface, IPv4 and IPv6, link-local included.
    #[must_use]
    pub fn addresses(&self) -> Vec<IpCidr> {
        self.inner.borrow().interface.ip_addrs().to_vec()
    }

    /// True when the interface has an address that others can reach it by (not only a link-local one).
    /// With DHCP, an IPv6 address alone counts only when [`limits::DHCP_PATIENCE`] has passed without a
    /// lease.
    #[must_use]
    pub fn is_configured(&self) -> bool {
        self.inner.borrow().is_configured()
    }

    /// Completes when [`Self::is_configured`] holds, and gives the addresses then.
    pub async fn wait_configured(&self) -> Vec<IpCidr> {
        poll_fn(|context| {
            let mut inner = self.inner.borrow_mut();
            if inner.is_configured() {
                return Poll::Ready(inner.interface.ip_addrs().to_vec());
            }
            if !inner.waiting_for_address.iter().any(|waker| waker.will_wake(context.waker())) {
                inner.waiting_for_address.push(context.waker().clone());
                inner.mark_dirty();
            }
            Poll::Pending
        })
        .await
    }

    /// Waits until `reached` says that the addresses are as it wants them; asks it at once, and again
    /// whenever they have changed.
    pub async fn wait_for_addresses(&self, reached: impl Fn() -> bool) {
        poll_fn(|context| {
            if reached() {
                return Poll::Ready(());
            }
            let watching = &mut self.inner.borrow_mut().watching_addresses;
            if !watching.iter().any(|waker| waker.will_wake(context.waker())) {
                watching.push(context.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }

    /// What has been counted so far, and the state of the socket pool now.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.inner.borrow().count()
    }

    pub(crate) fn inner(&self) -> RefMut<'_, Inner> {
        self.inner.borrow_mut()
    }
}

impl Inner {
    fn poll<D: Device>(&mut self, now: Instant, device: &mut D) -> Option<Instant> {
        self.now = now;
        self.dirty = false;
        let frames_before = self.gate.frames();
        self.tend_solicitation(now);
        self.interface.poll_maintenance(now);
        let left_ingress = self.poll_ingress(now, device);
        self.keep_house();
        let left_egress = self.poll_egress(now, device);
        self.keep_house();
        self.notice_addresses();
        self.notice_ended();

        let progress = self.gate.frames() != frames_before;
        if left_ingress || left_egress || (self.dirty && progress) {
            return Some(now);
        }
        let sockets_at = self.timing.poll_at(now, &self.sockets);
        let tcp_at = self.tcp.deadline();
        let closing_at = self.closing.iter().map(|closing| closing.deadline).min();
        let solicitation_at = self.solicitation.deadline();
        // Frames are left in the queue only when the device is full.
        let queued_at = self.gate.has_queued().then(|| after(now, limits::STALL_BACKOFF));
        let patience_at = self.patience_deadline();
        let all = [sockets_at, tcp_at, closing_at, solicitation_at, queued_at, patience_at];
        let at = all.into_iter().flatten().min()?;
        // Whoever asks to be called at once and gets nowhere must not make the caller spin.
        Some(if at <= now && !progress { after(now, limits::STALL_BACKOFF) } else { at })
    }

    /// Takes frames in; true when the budget ended before the frames did.
    fn poll_ingress<D: Device>(&mut self, now: Instant, device: &mut D) -> bool {
        for _ in 0..limits::INGRESS_BUDGET_FRAMES {
            if !self.take_frame(now, device) {
                return false;
            }
            if let Some(ends) = self.gate.take_obstacle() {
                self.forget_time_wait(ends);
            }
            // A connection request may have taken a listener's socket: the next frame may be another
            // request, and must find a listening socket again.
            self.rearm_listeners();
        }
        true
    }

    /// Takes one frame in and gives it to the sockets that it may be for; false when there is none.
    fn take_frame<D: Device>(&mut self, now: Instant, device: &mut D) -> bool {
        let Self { interface, sockets, tcp, listeners, gate, config, .. } = self;
        let mut gated = Gate::new(device, gate);
        let Some((receive, transmit)) = gated.receive(now) else { return false };
        let meta = receive.meta();
        receive.consume(|frame| {
            let sockets = match segment(frame) {
                Some(segment) => {
                    let known = tcp.find(&segment.ends);
                    let listening =
                        || segment.opens.then(|| spare(listeners, segment.ends)).flatten();
                    tcp.set_of(known.or_else(listening))
                }
                None => {
                    tcp.notice_neighbours(now);
                    sockets
                }
            };
            let capabilities = config.capabilities.clone();
            let mut device = Single::new(capabilities, frame, meta, transmit);
            interface.poll_ingress_single(now, &mut device, sockets);
        });
        true
    }

    /// Sends what the sockets have; true when the budget ended before that did.
    fn poll_egress<D: Device>(&mut self, now: Instant, device: &mut D) -> bool {
        let sent_before = self.gate.transmitted();
        let mut gate = Gate::new(device, &self.gate);
        gate.send_queued(now);
        while let PollResult::SocketStateChanged =
            self.interface.poll_egress(now, &mut gate, &mut self.sockets)
        {
            if self.gate.transmitted() - sent_before >= limits::EGRESS_BUDGET_FRAMES {
                return true;
            }
        }
        // Everybody has a turn at least, and the busy ones take turns as long as the budget lasts.
        let mut turns = self.tcp.begin_round(now);
        loop {
            let spent = self.gate.transmitted() - sent_before >= limits::EGRESS_BUDGET_FRAMES;
            if spent && turns == 0 {
                return true;
            }
            turns = turns.saturating_sub(1);
            let mut gate = Gate::new(device, &self.gate);
            if !self.tcp.ask_next(now, &mut self.interface, &mut self.timing, &mut gate) {
                return false;
            }
        }
    }

    /// What follows from what the frames did: leases, listeners, closing sockets.
    fn keep_house(&mut self) {
        self.apply_dhcp();
        self.tend_listeners();
        self.tend_closing();
    }

    /// Says that something waits for the next poll.
    pub(crate) fn mark_dirty(&mut self) {
        self.dirty = true;
    }

    /// A TCP socket, to change it.
    pub(crate) fn tcp(&mut self, handle: TcpHandle) -> &mut tcp::Socket<'static> {
        self.tcp.get_mut(handle)
    }

    /// The state of a TCP socket.
    pub(crate) fn tcp_state(&self, handle: TcpHandle) -> tcp::State {
        self.tcp.get(handle).state()
    }

    pub(crate) fn gate(&self) -> &GateState {
        &self.gate
    }

    fn dhcp(&mut self) -> Option<&mut dhcpv4::Socket<'static>> {
        let handle = self.addresses.dhcp?;
        Some(self.sockets.get_mut::<dhcpv4::Socket<'static>>(handle))
    }

    /// Makes a closed TCP socket, or `None` when the pool is used up by live ones, memory is short, or
    /// the stack has ended.
    pub(crate) fn add_tcp(&mut self) -> Option<TcpHandle> {
        if self.ending.begun() {
            return None;
        }
        if self.tcp.len() >= self.config.max_tcp_sockets && !self.recycle_time_wait() {
            return None;
        }
        let receive = zeroed(self.config.tcp_receive_bytes)?;
        let send = zeroed(self.config.tcp_send_bytes)?;
        let mut socket = tcp::Socket::new(receive, send);
        socket.set_congestion_control(tcp::CongestionControl::Reno);
        // Writers hand over whole messages; waiting to join small ones only adds a round trip.
        socket.set_nagle_enabled(false);
        Some(self.tcp.add(socket))
    }

    pub(crate) fn remove_tcp(&mut self, handle: TcpHandle) {
        self.tcp.remove(handle);
    }

    /// A pseudo-random number (xorshift64*): for port numbers, not for secrets.
    pub(crate) fn random(&mut self) -> u32 {
        let mut x = self.random;
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        self.random = x;
        (x.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32) as u32
    }

    fn is_configured(&self) -> bool {
        let is_v4 = |cidr: &IpCidr| matches!(cidr, IpCidr::Ipv4(_));
        let lease_due = self.addresses.dhcp.is_some() && self.now < self.patience_ends();
        self.interface
            .ip_addrs()
            .iter()
            .any(|cidr| addresses::is_reachable(cidr) && (is_v4(cidr) || !lease_due))
    }

    /// When an IPv6 address is good enough.
    fn patience_ends(&self) -> Instant {
        after(self.started, limits::DHCP_PATIENCE)
    }

    /// When to look again on behalf of the tasks that wait for an address.
    fn patience_deadline(&self) -> Option<Instant> {
        let waiting = !self.waiting_for_address.is_empty() && self.addresses.dhcp.is_some();
        Some(self.patience_ends()).filter(|end| waiting && self.now < *end)
    }

    fn notice_addresses(&mut self) {
        if *self.interface.ip_addrs() != *self.known_addresses {
            self.known_addresses = self.interface.ip_addrs().to_vec();
            self.watching_addresses.drain(..).for_each(Waker::wake);
        }
        if !self.waiting_for_address.is_empty() && self.is_configured() {
            for waker in self.waiting_for_address.drain(..) {
                waker.wake();
            }
        }
    }
}

/// The listening socket for a connection request.
fn spare(listeners: &[Option<Listener>], ends: Ends) -> Option<TcpHandle> {
    let mut listeners = listeners.iter().flatten();
    listeners.find(|listener| listener.port == ends.local.port)?.spare
}

/// A buffer, or `None` when there is no memory for it: a peer's wish to connect must not end the node.
fn zeroed(bytes: usize) -> Option<tcp::SocketBuffer<'static>> {
    let mut buffer = Vec::new();
    buffer.try_reserve_exact(bytes).ok()?;
    buffer.resize(bytes, 0);
    Some(tcp::SocketBuffer::new(buffer))
}
