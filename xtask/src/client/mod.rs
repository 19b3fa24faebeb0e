//! A native client: a Fluence peer without services of its own, which asks one node.
//!
//! It does what the published client does, over the node's own protocol code: connects, runs its
//! scripts itself up to where another peer is to go on, sends them to its node, takes what comes back,
//! and goes on. `getDataSrv`, `callbackSrv` and `errorHandlingSrv` are the services that it has.

mod course;
mod error;
mod link;
mod mailbox;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use air_core::data::KeyPair;
use air_core::{Parameters, Script, Value};
use kernel::executor::Turns;
use kernel::machine::Machine;
use netstack::libp2p::particle::Message;
use netstack::libp2p::{Keypair, Multiaddr, PeerId};

pub use course::Answer;
pub use error::{CallError, LinkError};
pub use link::Link;

use course::Course;
use mailbox::Mailbox;

use crate::host::Ground;

/// The name under which a script gets the id of the client's node.
const RELAY: &str = "-relay-";

/// A client of one node. Clones are the same.
#[derive(Clone)]
pub struct Client(Rc<Inner>);

struct Inner {
    ground: Ground,
    keypair: Keypair,
    /// The same key, as the interpreter takes it.
    signing: Arc<KeyPair>,
    address: Multiaddr,
    relay: PeerId,
    link: RefCell<Option<Rc<Link>>>,
    /// Whoever finds no connection makes one in turn, so that several at once share it.
    connecting: Turns<()>,
    waiting: Rc<RefCell<BTreeMap<String, Rc<Mailbox>>>>,
}

/// A script, parsed once.
#[derive(Clone, Debug)]
pub struct Program {
    text: Arc<str>,
    script: Arc<Script>,
}

impl Program {
    /// Parses a script.
    ///
    /// # Errors
    /// The parser's diagnostic.
    pub fn parse(text: &str) -> Result<Self, String> {
        let script = Script::parse(text).map_err(|error| error.render())?;
        Ok(Self { text: text.into(), script: Arc::new(script) })
    }
}

/// The peer id of a seed.
#[must_use]
pub fn peer_id_of(seed: &[u8; 32]) -> PeerId {
    Keypair::from_seed(seed).peer_id()
}

impl Client {
    /// A client with this key of the node at `address`. It connects when it has to.
    ///
    /// # Errors
    /// [`LinkError::NoPeerId`] when the address does not say who is there.
    pub fn new(ground: &Ground, keypair: Keypair, address: Multiaddr) -> Result<Self, LinkError> {
        let relay = address.peer_id().ok_or(LinkError::NoPeerId)?;
        let signing = Arc::new(KeyPair::from_secret(&keypair.seed()));
        let ground = ground.clone();
        Ok(Self(Rc::new(Inner {
            ground,
            keypair,
            signing,
            address,
            relay,
            link: RefCell::default(),
            connecting: Turns::new(),
            waiting: Rc::default(),
        })))
    }

    /// Who the client is.
    #[must_use]
    pub fn peer_id(&self) -> PeerId {
        self.0.keypair.peer_id()
    }

    /// Connects, unless there is a connection.
    ///
    /// # Errors
    /// [`LinkError`].
    pub async fn connect(&self) -> Result<Rc<Link>, LinkError> {
        let _turn = self.0.connecting.take(()).await;
        let open = self.0.link.borrow().clone().filter(|link| link.is_open());
        if let Some(link) = open {
            return Ok(link);
        }
        let waiting = Rc::clone(&self.0.waiting);
        let arrived = move |message: Message| {
            if let Some(mailbox) = waiting.borrow().get(&message.id) {
                mailbox.put(message.data);
            }
        };
        let Inner { ground, keypair, address, .. } = &*self.0;
        let link = Rc::new(Link::open(ground, keypair, address, Rc::new(arrived)).await?);
        *self.0.link.borrow_mut() = Some(Rc::clone(&link));
        Ok(link)
    }

    /// Says good-bye and closes the connection.
    pub fn disconnect(&self) {
        if let Some(link) = self.0.link.borrow_mut().take() {
            link.close();
        }
    }

    /// Resets the TCP connection, as a broken network would.
    pub fn cut(&self) {
        if let Some(link) = self.0.link.borrow_mut().take() {
            link.cut();
        }
    }

    /// Starts a particle and waits for what its script gives to `callbackSrv` or `errorHandlingSrv`.
    /// `data` is what `getDataSrv` gives, with `-relay-` added.
    ///
    /// # Errors
    /// [`CallError`], at the particle's deadline at the latest.
    pub async fn call(
        &self,
        program: &Program,
        mut data: BTreeMap<String, Value>,
        ttl: Duration,
    ) -> Result<Answer, CallError> {
        let Inner { ground, relay, waiting, .. } = &*self.0;
        data.entry(RELAY.to_owned()).or_insert_with(|| Value::string(relay.to_string()));
        let mut message = self.particle(program, ttl);
        let mailbox = Rc::new(Mailbox::default());
        waiting.borrow_mut().insert(message.id.clone(), Rc::clone(&mailbox));
        let _registered = Registered { waiting, id: message.id.clone() };
        let course = Course::new(program.script.clone(), self.parameters(&message), data);
        let running = self.run(course, &mut message, &mailbox);
        let deadline = ground.executor.now().after(ttl);
        let outcome = ground.executor.timeout_at(deadline, running).await;
        outcome.unwrap_or(Err(CallError::Expired))
    }

    async fn run(
        &self,
        mut course: Course,
        message: &mut Message,
        mailbox: &Mailbox,
    ) -> Result<Answer, CallError> {
        let mut arrived = Vec::new();
        loop {
            let travels = course.step(&arrived)?;
            if travels {
                message.data = course.data();
                self.connect().await?.send(message).await?;
            }
            if let Some(answer) = course.answer() {
                return Ok(answer);
            }
            arrived = mailbox.take().await;
        }
    }

    fn particle(&self, program: &Program, ttl: Duration) -> Message {
        let Inner { ground, keypair, .. } = &*self.0;
        let mut name = [0; 16];
        ground.machine.fill_random(&mut name);
        let id = name.iter().map(|byte| format!("{byte:02x}")).collect();
        let ttl = u32::try_from(ttl.as_millis()).unwrap_or(u32::MAX);
        let now = ground.machine.unix_time_ms();
        Message::new(keypair, id, now, ttl, program.text.to_string(), Vec::new())
    }

    fn parameters(&self, message: &Message) -> Parameters {
        let own: Arc<str> = self.peer_id().to_string().into();
        let id: Arc<str> = message.id.as_str().into();
        let mut parameters = Parameters::new(own.clone(), own, id, *self.0.keypair.seed());
        parameters.key_pair = Some(self.0.signing.clone());
        parameters.timestamp = message.timestamp;
        parameters.ttl = message.ttl;
        parameters
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("peer_id", &self.peer_id()).finish_non_exhaustive()
    }
}

/// A particle that is waited for, until this is dropped.
struct Registered<'a> {
    waiting: &'a RefCell<BTreeMap<String, Rc<Mailbox>>>,
    id: String,
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        self.waiting.borrow_mut().remove(&self.id);
    }
}
