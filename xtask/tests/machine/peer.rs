//! The other end of the guest's Ethernet cable: a small host made of smoltcp.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{ChecksumCapabilities, Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::{icmp, tcp};
use smoltcp::time::Instant as NetInstant;
use smoltcp::wire::{
    EthernetAddress, Icmpv4Packet, Icmpv4Repr, Icmpv6Packet, Icmpv6Repr, IpAddress, IpCidr,
};
use tempfile::TempDir;
use xtask::qemu::Network;

/// The peer's own addresses.
pub const PEER_V4: IpAddress = IpAddress::v4(10, 77, 0, 1);
pub const PEER_V6: IpAddress = IpAddress::v6(0xfd77, 0, 0, 0, 0, 0, 0, 1);
/// What the tests give to the guest.
pub const GUEST_V4: IpAddress = IpAddress::v4(10, 77, 0, 2);
pub const GUEST_V6: IpAddress = IpAddress::v6(0xfd77, 0, 0, 0, 0, 0, 0, 2);
/// The configuration of a guest at the other end.
pub const GUEST_TOML: &str = "[network]\naddresses = [\"10.77.0.2/24\", \"fd77::2/64\"]\n";

const HARDWARE_ADDRESS: [u8; 6] = [2, 0, 0, 0, 0x77, 1];
const FRAME_LIMIT: usize = 65_536;
const WAIT: Duration = Duration::from_millis(2);
const SEND_LIMIT: Duration = Duration::from_millis(200);

pub struct Peer {
    interface: Interface,
    cable: Cable,
    sockets: SocketSet<'static>,
    begun: Instant,
    next_port: u16,
    folder: TempDir,
}

/// The cable's end: a datagram socket, one Ethernet frame per datagram.
struct Cable {
    socket: UnixDatagram,
    guest: PathBuf,
    arrived: VecDeque<Vec<u8>>,
    pulled: bool,
    seen: Vec<Vec<u8>>,
}

impl Peer {
    pub fn new() -> Result<Self> {
        let folder = TempDir::with_prefix("aerolith-cable-")?;
        let socket = UnixDatagram::bind(folder.path().join("peer"))?;
        socket.set_read_timeout(Some(WAIT))?;
        // A guest that takes no frames loses them; it does not stop the peer.
        socket.set_write_timeout(Some(SEND_LIMIT))?;
        let guest = folder.path().join("guest");
        let mut cable =
            Cable { socket, guest, arrived: VecDeque::new(), pulled: false, seen: Vec::new() };
        let mut config = Config::new(EthernetAddress(HARDWARE_ADDRESS).into());
        config.random_seed = 7;
        let mut interface = Interface::new(config, &mut cable, NetInstant::ZERO);
        interface.update_ip_addrs(|addresses| {
            for (address, bits) in [(PEER_V4, 24), (PEER_V6, 64)] {
                assert!(
                    addresses.push(IpCidr::new(address, bits)).is_ok(),
                    "no room for {address}"
                );
            }
        });
        let sockets = SocketSet::new(Vec::new());
        Ok(Self { interface, cable, sockets, begun: Instant::now(), next_port: 40_000, folder })
    }

    /// What QEMU has to be told to hold the other end.
    pub fn network(&self) -> Network {
        let path = |name| Path::join(self.folder.path(), name);
        Network::Peer { guest: path("guest"), peer: path("peer") }
    }

    /// While pulled, frames are lost in both directions.
    pub fn pull(&mut self, pulled: bool) {
        self.cable.pulled = pulled;
    }

    /// Puts bytes on the cable as one frame.
    pub fn inject(&mut self, frame: &[u8]) {
        self.cable.transmit_frame(frame);
    }

    /// Frames that the guest has sent since the last call.
    pub fn take_seen(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.cable.seen)
    }

    /// Lets the peer work for a while.
    pub fn work(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.step();
        }
    }

    fn step(&mut self) -> NetInstant {
        self.cable.receive_frames();
        let micros = i64::try_from(self.begun.elapsed().as_micros()).unwrap_or(i64::MAX);
        let now = NetInstant::from_micros(micros);
        self.interface.poll(now, &mut self.cable, &mut self.sockets);
        now
    }

    /// Sends an echo request and waits for the echo of the same bytes.
    pub fn ping(&mut self, target: IpAddress, data: &[u8], limit: Duration) -> Result<Duration> {
        let buffer =
            || icmp::PacketBuffer::new(vec![icmp::PacketMetadata::EMPTY; 4], vec![0; 8192]);
        let handle = self.sockets.add(icmp::Socket::new(buffer(), buffer()));
        let result = self.ping_on(handle, target, data, limit);
        self.sockets.remove(handle);
        result.with_context(|| format!("ping {target} with {} bytes", data.len()))
    }

    fn ping_on(
        &mut self,
        handle: SocketHandle,
        target: IpAddress,
        data: &[u8],
        limit: Duration,
    ) -> Result<Duration> {
        let ident = self.next_port;
        self.next_port += 1;
        self.socket::<icmp::Socket>(handle).bind(icmp::Endpoint::Ident(ident))?;
        let checksums = ChecksumCapabilities::default();
        let begun = Instant::now();
        match target {
            IpAddress::Ipv4(_) => {
                let request = Icmpv4Repr::EchoRequest { ident, seq_no: 1, data };
                let socket = self.socket::<icmp::Socket>(handle);
                let bytes = socket.send(request.buffer_len(), target)?;
                request.emit(&mut Icmpv4Packet::new_unchecked(bytes), &checksums);
            }
            IpAddress::Ipv6(address) => {
                let IpAddress::Ipv6(source) = PEER_V6 else { bail!("not an IPv6 address") };
                let request = Icmpv6Repr::EchoRequest { ident, seq_no: 1, data };
                let socket = self.socket::<icmp::Socket>(handle);
                let bytes = socket.send(request.buffer_len(), target)?;
                let mut packet = Icmpv6Packet::new_unchecked(bytes);
                request.emit(&source, &address, &mut packet, &checksums);
            }
        }
        while begun.elapsed() < limit {
            self.step();
            let socket = self.socket::<icmp::Socket>(handle);
            if !socket.can_recv() {
                continue;
            }
            let (bytes, from) = socket.recv()?;
            // The data of an echo stand behind eight bytes of header in both versions.
            if from == target && bytes.get(8..) == Some(data) {
                return Ok(begun.elapsed());
            }
        }
        bail!("no echo within {limit:?}")
    }

    /// Connects, sends `request`, and reads until the guest closes or `enough` says so.
    pub fn exchange(
        &mut self,
        target: IpAddress,
        port: u16,
        request: &[u8],
        enough: impl Fn(&[u8]) -> bool,
        limit: Duration,
    ) -> Result<Vec<u8>> {
        let buffer = || tcp::SocketBuffer::new(vec![0; 16_384]);
        let handle = self.sockets.add(tcp::Socket::new(buffer(), buffer()));
        let result = self.exchange_on(handle, (target, port), request, enough, limit);
        self.socket::<tcp::Socket>(handle).abort();
        self.step();
        self.sockets.remove(handle);
        result
    }

    fn exchange_on(
        &mut self,
        handle: SocketHandle,
        target: (IpAddress, u16),
        request: &[u8],
        enough: impl Fn(&[u8]) -> bool,
        limit: Duration,
    ) -> Result<Vec<u8>> {
        self.next_port += 1;
        let local = self.next_port;
        let socket = self.sockets.get_mut::<tcp::Socket>(handle);
        socket.connect(self.interface.context(), target, local)?;
        let (mut sent, mut answer) = (0, Vec::new());
        let begun = Instant::now();
        while begun.elapsed() < limit {
            self.step();
            let socket = self.socket::<tcp::Socket>(handle);
            if socket.can_send() && sent < request.len() {
                sent += socket.send_slice(&request[sent..])?;
            }
            while socket.can_recv() {
                socket.recv(|bytes| {
                    answer.extend_from_slice(bytes);
                    (bytes.len(), ())
                })?;
            }
            if enough(&answer) || (!socket.may_recv() && sent > 0 && !answer.is_empty()) {
                return Ok(answer);
            }
            if !socket.is_open() {
                bail!(
                    "the guest closed the connection; got {:?}",
                    String::from_utf8_lossy(&answer)
                );
            }
        }
        bail!("no answer within {limit:?}; got {:?}", String::from_utf8_lossy(&answer))
    }

    fn socket<T: smoltcp::socket::AnySocket<'static>>(&mut self, handle: SocketHandle) -> &mut T {
        self.sockets.get_mut::<T>(handle)
    }
}

impl Cable {
    /// Takes what has arrived; waits a moment when there is nothing.
    fn receive_frames(&mut self) {
        let mut frame = vec![0; FRAME_LIMIT];
        loop {
            match self.socket.recv(&mut frame) {
                Ok(_) if self.pulled => {}
                Ok(length) => {
                    let mut frame = frame[..length].to_vec();
                    self.seen.push(frame.clone());
                    take_as_own(&mut frame);
                    self.arrived.push_back(frame);
                    // More than one burst would starve the sockets.
                    if self.arrived.len() >= 64 {
                        return;
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return,
            }
            if !self.arrived.is_empty() {
                return;
            }
        }
    }

    /// A frame that cannot be sent is lost, as on a real cable.
    fn transmit_frame(&self, frame: &[u8]) {
        if !self.pulled {
            let _ = self.socket.send_to(frame, &self.guest);
        }
    }
}

/// Garbage on the cable may have taught the guest another hardware address for this peer, as it would
/// teach any host; the peer is alone at its end and takes what is for anyone.
fn take_as_own(frame: &mut [u8]) {
    if let Some(destination) = frame.first_chunk_mut::<6>()
        && destination[0] & 1 == 0
    {
        *destination = HARDWARE_ADDRESS;
    }
}

struct Received(Vec<u8>);
struct Sending<'a>(&'a Cable);

impl RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

impl TxToken for Sending<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, f: F) -> R {
        let mut frame = vec![0; length];
        let result = f(&mut frame);
        self.0.transmit_frame(&frame);
        result
    }
}

impl Device for Cable {
    type RxToken<'a> = Received;
    type TxToken<'a> = Sending<'a>;

    fn receive(&mut self, _: NetInstant) -> Option<(Received, Sending<'_>)> {
        let frame = self.arrived.pop_front()?;
        Some((Received(frame), Sending(self)))
    }

    fn transmit(&mut self, _: NetInstant) -> Option<Sending<'_>> {
        Some(Sending(self))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = 1514;
        capabilities
    }
}
