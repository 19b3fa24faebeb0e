//! One connection of a client with its node.

use std::fmt;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use embedded_io_async::Read;
use futures_util::future::select;
use kernel::executor::{Executor, Slot};
use kernel::machine::MachineRng;
use netstack::libp2p::multiaddr::Host;
use netstack::libp2p::noise::Identity;
use netstack::libp2p::particle::{self, Message};
use netstack::libp2p::upgrade::{self, Secrets};
use netstack::libp2p::yamux::{self, Control, GoAway, Role};
use netstack::libp2p::{Keypair, Multiaddr, PeerId, identify, multistream, ping};
use netstack::{Stream, Timer};

use super::LinkError;
use crate::host::{Ground, TcpStream};

/// Time for TCP, WebSocket, noise and the negotiations; the published client gives as much.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest particle either way; the published client takes no more.
const MAX_PARTICLE_BYTES: usize = particle::CLIENT_MAX_BYTES;
/// What a client calls itself.
const AGENT: &str = concat!("aerolith-client/", env!("CARGO_PKG_VERSION"));
/// What a client speaks, as the published one does.
const PROTOCOLS: [&str; 4] =
    [particle::PROTOCOL, identify::PROTOCOL, identify::PUSH_PROTOCOL, ping::PROTOCOL];

/// Takes the particles that arrive.
pub(super) type Arrived = Rc<dyn Fn(Message)>;

/// An open connection.
pub struct Link {
    control: Control,
    cut: Slot<()>,
}

impl Link {
    /// Connects to the node at `address` and asks who it is, as the published client does.
    pub(super) async fn open(
        ground: &Ground,
        keypair: &Keypair,
        address: &Multiaddr,
        arrived: Arrived,
    ) -> Result<Self, LinkError> {
        let Host::Ip(host) = address.host() else { return Err(LinkError::NotNumeric) };
        let socket = SocketAddr::new((*host).into(), address.port());
        let stream =
            TcpStream::connect(&ground.sockets, socket).await.map_err(LinkError::Connect)?;
        let mut rng = MachineRng::new(Rc::new(ground.machine.clone()));
        let identity = Identity::new(keypair, &mut rng);
        let deadline = after(&ground.executor, HANDSHAKE_TIMEOUT);
        let secrets = Secrets::draw(&mut rng);
        let secured =
            upgrade::outbound(stream, address, &identity, secrets, &ground.executor, deadline)
                .await
                .map_err(LinkError::Secure)?;
        let (connection, control) = yamux::Connection::new(
            secured.reader,
            secured.writer,
            Role::Dialer,
            ground.executor.clone(),
            yamux::Limits::default(),
        );
        let cut = Slot::new();
        let ordered = cut.take();
        // Dropping what runs the connection is what resets it.
        ground.executor.spawn(async move {
            let _over_or_cut = select(pin!(connection.run()), pin!(ordered)).await;
        });
        let (accepting, executor) = (control.clone(), ground.executor.clone());
        let own = keypair.peer_id();
        ground.executor.spawn(async move {
            while let Some(stream) = accepting.accept().await {
                let (arrived, timer) = (Rc::clone(&arrived), executor.clone());
                executor.spawn(serve(stream, own, arrived, timer));
            }
        });
        let link = Self { control, cut };
        link.identify(secured.peer).await?;
        Ok(link)
    }

    async fn identify(&self, peer: PeerId) -> Result<(), LinkError> {
        let mut stream = self.control.open().await.map_err(|_| LinkError::Gone)?;
        match multistream::dial(&mut stream, identify::PROTOCOL).await {
            // That a node says nothing of itself is no reason not to talk to it.
            Ok(()) => drop(identify::ask(&mut stream, peer).await),
            Err(multistream::Error::Refused) => {}
            Err(_) => return Err(LinkError::Gone),
        }
        Ok(())
    }

    /// Whether particles can be sent.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.control.is_open()
    }

    /// Sends a particle, on a stream of its own.
    ///
    /// # Errors
    /// [`LinkError`].
    pub async fn send(&self, message: &Message) -> Result<(), LinkError> {
        let mut stream = self.control.open().await.map_err(|_| LinkError::Gone)?;
        multistream::dial(&mut stream, particle::PROTOCOL).await.map_err(|error| match error {
            multistream::Error::Refused => LinkError::Refused,
            _ => LinkError::Gone,
        })?;
        let written = particle::write(&mut stream, message, MAX_PARTICLE_BYTES).await;
        written.map_err(LinkError::Write)?;
        stream.shutdown().await.map_err(|_| LinkError::Gone)?;
        // The node ends its side when it has read everything; a stream dropped earlier is reset.
        let mut nothing = [0; 16];
        while matches!(stream.read(&mut nothing).await, Ok(1..)) {}
        Ok(())
    }

    pub(super) fn close(&self) {
        self.control.close(GoAway::Normal);
    }

    pub(super) fn cut(&self) {
        self.cut.put(());
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("open", &self.is_open()).finish_non_exhaustive()
    }
}

/// Answers one stream that the node opens.
async fn serve(mut stream: yamux::Stream, own: PeerId, arrived: Arrived, timer: Executor) {
    let Ok(protocol) = multistream::listen(&mut stream, &PROTOCOLS).await else { return };
    match protocol {
        particle::PROTOCOL => {
            if let Ok(message) = particle::read(&mut stream, MAX_PARTICLE_BYTES).await {
                // Whether the node hears that it was read does not matter to what was read.
                let _ = stream.shutdown().await;
                arrived(message);
            }
        }
        identify::PROTOCOL => {
            let info = identify::Info {
                peer_id: own,
                protocol_version: "ipfs/0.1.0".to_owned(),
                agent_version: AGENT.to_owned(),
                listen_addresses: Vec::new(),
                observed_address: None,
                protocols: PROTOCOLS.map(str::to_owned).to_vec(),
            };
            // A node that does not hear the answer asks again.
            let _ = identify::answer(&mut stream, &info).await;
        }
        ping::PROTOCOL => {
            ping::answer(&mut stream, &timer).await;
        }
        // What the node tells of itself later changes nothing for a client.
        _ => {}
    }
}

fn after(executor: &Executor, time: Duration) -> netstack::time::Instant {
    let micros = i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
    let now = Timer::now(executor).total_micros();
    netstack::time::Instant::from_micros(now.saturating_add(micros))
}
