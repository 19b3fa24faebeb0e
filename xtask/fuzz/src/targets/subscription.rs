//! Messages from all three sides, as anybody may send them: posted, polled, and over the WebSocket.
//!
//! Whatever comes, a program runs at most once for a message, the message node is not asked without end,
//! and what is answered is JSON.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use air_core::value::Value;
use embedded_io_async::{Read, Write};
use futures_util::future::{FutureExt, LocalBoxFuture, ready};
use kernel::aleph::item_hash::ItemHash;
use kernel::aleph::program::Program;
use kernel::aleph::trigger::Failure;
use kernel::config::AlephConfig;
use kernel::executor::{Executor, Signal, drive};
use kernel::limits::{MAX_FETCHED_PAGE_BYTES, MAX_PAGES_PER_ROUND};
use kernel::machine::{Simulated, SimulatedLoop};
use kernel::message_node::{Follow, MessageNode, NodeError, PollCounts, Poller};
use kernel::program::Trigger;
use kernel::runnable::{Runnable, Runnables};
use kernel::store::Memory;
use kernel::subscribe::{Messages, Parts, Subscriber};
use netstack::http::{Failure as HttpFailure, Handler, Head, Limits, RequestBody, Response, serve};
use netstack::libp2p::Multiaddr;
use netstack::libp2p::swarm::{Dial, DialError};
use netstack::pipe::{self, Pipe};
use netstack::{Split, Stream, websocket};

/// Ends an answer of the message node, or a message of its WebSocket.
const END: u8 = 0xFF;
/// Answers and messages of one input.
const MAX_PARTS: usize = 16;
/// Between rounds of polling.
const INTERVAL: Duration = Duration::from_secs(10);
/// What passes on the virtual clock.
const TIME: Duration = Duration::from_secs(120);
const STORE_BYTES: usize = 1 << 20;
/// Waits for messages of one channel, of the network's nodes or its users.
const PROGRAM: &str = r#"{"type":"vm-function","address":"owner","time":1700000000,
    "content":{"code":{"encoding":"plain","entrypoint":"main","content":"(null)"},
    "on":{"aleph":[{"channel":"A"},{"type":"POST","content":{"type":"calculation"}}]},
    "environment":{},"resources":{}}}"#;

/// The first byte says by which way the rest comes.
pub fn run(bytes: &[u8]) {
    let Some((way, rest)) = bytes.split_first() else { return };
    let world = World::new(rest);
    match way % 3 {
        0 => world.posted(rest),
        1 => world.polled(),
        _ => world.followed(rest),
    }
    world.pass(TIME);
    let ran = world.noted.ran.borrow();
    let different: BTreeSet<_> = ran.iter().collect();
    assert_eq!(different.len(), ran.len(), "a program ran twice for a message");
    world.executor.shut_down();
}

fn parts(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| *byte == END).take(MAX_PARTS)
}

struct World {
    machine: Simulated,
    executor: Executor,
    noted: Rc<Noted>,
    node: Rc<Canned>,
    subscriber: Rc<Subscriber>,
}

impl World {
    fn new(answers: &[u8]) -> Self {
        let machine = Simulated::new(1);
        let executor = Executor::new(Rc::new(machine.clone()));
        let program = Program::from_document(PROGRAM).expect("a good document");
        let noted = Rc::new(Noted { program, ran: RefCell::default() });
        let node = Rc::new(Canned {
            answers: parts(answers).map(<[u8]>::to_vec).collect(),
            asked: Cell::new(0),
        });
        let subscriber = Subscriber::new(Parts {
            programs: Rc::new(One(noted.clone(), Signal::new())),
            store: Rc::new(Memory::new(STORE_BYTES)),
            machine: Rc::new(machine.clone()),
            executor: executor.clone(),
            node: Some(node.clone()),
            install: None,
            config: AlephConfig::default(),
        });
        Self { machine, executor, noted, node, subscriber }
    }

    /// A request as it comes over a connection.
    fn posted(&self, request: &[u8]) {
        let (near, mut far) = pipe::pair(1 << 16);
        let (timer, handler) =
            (self.executor.clone(), Only(Messages::new(self.subscriber.clone())));
        self.executor.spawn(async move {
            serve(near, &Limits::default(), &timer, &handler).await;
        });
        let request = request.to_vec();
        self.executor.spawn(async move {
            if far.write_all(&request).await.is_ok() && far.shutdown().await.is_ok() {
                let mut buffer = [0; 512];
                while let Ok(1..) = far.read(&mut buffer).await {}
            }
        });
    }

    fn polled(&self) {
        let poller = Poller {
            node: self.node.clone(),
            subscriber: self.subscriber.clone(),
            store: Rc::new(Memory::new(STORE_BYTES)),
            machine: Rc::new(self.machine.clone()),
            executor: self.executor.clone(),
            interval: Some(INTERVAL),
            channels: Vec::new(),
            poke: Signal::new(),
            counts: Rc::new(PollCounts::default()),
        };
        self.executor.spawn(poller.run());
    }

    fn followed(&self, messages: &[u8]) {
        let follow = Follow {
            network: Wire { executor: self.executor.clone(), sent: Rc::from(messages) },
            address: "http://10.0.2.2:4024".parse().expect("an address"),
            subscriber: self.subscriber.clone(),
            machine: Rc::new(self.machine.clone()),
            executor: self.executor.clone(),
            channels: Vec::new(),
            poke: Signal::new(),
            counts: Rc::new(PollCounts::default()),
        };
        self.executor.spawn(follow.run());
    }

    fn pass(&self, time: Duration) {
        let end = self.executor.now().after(time);
        drive(&self.executor, &mut SimulatedLoop::until(self.machine.clone(), end));
    }
}

/// A program that notes for what it ran.
struct Noted {
    program: Program,
    ran: RefCell<Vec<ItemHash>>,
}

impl Runnable for Noted {
    fn program(&self) -> &Program {
        &self.program
    }

    fn run(self: Rc<Self>, trigger: Trigger) -> LocalBoxFuture<'static, Result<(), Failure>> {
        let Trigger::Message { item_hash, scope, .. } = trigger else { panic!("another trigger") };
        assert!(Value::parse(&scope.to_json()).is_ok());
        self.ran.borrow_mut().push(item_hash);
        ready(Ok(())).boxed_local()
    }
}

struct One(Rc<Noted>, Signal);

impl Runnables for One {
    fn all(&self) -> Vec<Rc<dyn Runnable>> {
        vec![self.0.clone()]
    }

    fn changes(&self) -> Signal {
        self.1.clone()
    }
}

/// A message node that answers with one part of the input after the other, and then with them again.
struct Canned {
    answers: Vec<Vec<u8>>,
    asked: Cell<usize>,
}

impl MessageNode for Canned {
    fn get<'a>(
        &'a self,
        _: &'a str,
        most: usize,
    ) -> LocalBoxFuture<'a, Result<Vec<u8>, NodeError>> {
        assert!(most <= MAX_FETCHED_PAGE_BYTES.max(kernel::aleph::limits::MAX_MESSAGE_BYTES));
        let asked = self.asked.replace(self.asked.get() + 1);
        // Rounds, their pages, and what each message of a page may ask for.
        let rounds = TIME.as_secs() / INTERVAL.as_secs() + 2;
        assert!(asked < rounds as usize * MAX_PAGES_PER_ROUND * 4, "asked without end");
        let answer = self.answers.get(asked % self.answers.len().max(1)).cloned();
        ready(answer.ok_or(NodeError::NotFound)).boxed_local()
    }
}

/// A network whose only server is the WebSocket of a message node.
struct Wire {
    executor: Executor,
    sent: Rc<[u8]>,
}

impl Dial for Wire {
    type Stream = Pipe;

    async fn dial(&self, _: &Multiaddr) -> Result<Pipe, DialError> {
        let (near, far) = pipe::pair(1 << 16);
        let sent = self.sent.clone();
        self.executor.spawn(async move {
            let _ = server(far, &sent).await;
        });
        Ok(near)
    }
}

/// Each part as a message: of text, unless its first byte says otherwise.
async fn server(mut pipe: Pipe, sent: &[u8]) -> Option<()> {
    let mut request = [0; 1024];
    let read = pipe.read(&mut request).await.ok()?;
    let (near, mut far) = pipe::pair(4096);
    far.write_all(request.get(..read)?).await.ok()?;
    websocket::accept(near).await.ok()?;
    let mut answer = [0; 512];
    let read = far.read(&mut answer).await.ok()?;
    pipe.write_all(answer.get(..read)?).await.ok()?;
    for part in parts(sent) {
        let (first, payload) = match part {
            [first @ 0..8, payload @ ..] => {
                ([0x82, 0x01, 0x80, 0x89, 0x88, 0x8A, 0xC1, 0][usize::from(*first)], payload)
            }
            payload => (0x81, payload),
        };
        let mut frame = vec![first];
        match payload.len() {
            short @ 0..126 => frame.push(short as u8),
            long => {
                frame.push(126);
                frame.extend((long as u16).to_be_bytes());
            }
        }
        frame.extend(payload);
        pipe.write_all(&frame).await.ok()?;
    }
    // What the node says is taken until it leaves.
    let (mut reader, _writer) = pipe.split();
    while let Ok(1..) = reader.read(&mut answer).await {}
    Some(())
}

struct Only(Messages);

impl Handler for Only {
    async fn handle(
        &self,
        head: &Head,
        body: &mut impl RequestBody,
    ) -> Result<Response, HttpFailure> {
        if !Messages::is_theirs(&head.path) {
            return Ok(Response::method_not_allowed(&[]));
        }
        self.0.handle(head, body).await
    }
}
