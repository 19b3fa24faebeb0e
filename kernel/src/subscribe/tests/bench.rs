//! Authors who sign messages, programs that note them, and a node without a network.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::time::Duration;

use air_core::value::Value;
use ed25519_dalek::{Signer, SigningKey};
use futures_util::future::{FutureExt, LocalBoxFuture};

use crate::aleph::item_hash::ItemHash;
use crate::aleph::message::Message;
use crate::aleph::package::Encoding;
use crate::aleph::program::{Code, Environment, Program, Resources, Source, Triggers};
use crate::aleph::trigger::Failure;
use crate::config::AlephConfig;
use crate::executor::{Executor, Signal, Slot, drive};
use crate::machine::{SIMULATED_EPOCH_MS, Simulated, SimulatedLoop};
use crate::message_node::{Install, MessageNode, NodeError};
use crate::program::Trigger;
use crate::runnable::{Runnable, Runnables};
use crate::store::{Memory, Store};
use crate::subscribe::{Parts, Refused, Subscriber, Taken};

/// The time of messages, in seconds since 1970: that of a simulated machine's entry.
pub(crate) const NOW: u64 = SIMULATED_EPOCH_MS / 1000;

/// Somebody with a key of the chain SOL.
pub(crate) struct Author(SigningKey);

impl Author {
    pub(crate) fn new(seed: u8) -> Self {
        Self(SigningKey::from_bytes(&[seed; 32]))
    }

    pub(crate) fn address(&self) -> String {
        bs58::encode(self.0.verifying_key().as_bytes()).into_string()
    }

    /// An envelope around an inline content, as the network's nodes hand it out.
    pub(crate) fn sign(&self, kind: &str, channel: &str, time: u64, content: &str) -> String {
        let hash = ItemHash::of(content.as_bytes());
        let sender = self.address();
        let signed = format!("SOL\n{sender}\n{kind}\n{hash}");
        let signature = bs58::encode(self.0.sign(signed.as_bytes()).to_bytes()).into_string();
        let signature = Value::from(
            format!(r#"{{"publicKey":"{sender}","signature":"{signature}"}}"#).as_str(),
        );
        let inline = Value::from(content);
        format!(
            r#"{{"chain":"SOL","sender":"{sender}","type":"{kind}","channel":"{channel}","signature":{},"time":{time},"item_type":"inline","item_content":{},"item_hash":"{hash}","content":{content}}}"#,
            signature.to_json(),
            inline.to_json(),
        )
    }

    /// A POST of type `note`.
    pub(crate) fn note(&self, channel: &str, time: u64, text: &str) -> String {
        self.note_for(&self.address(), channel, time, text)
    }

    /// The same in the name of another.
    pub(crate) fn note_for(&self, owner: &str, channel: &str, time: u64, text: &str) -> String {
        let text = Value::from(text).to_json();
        let content = format!(
            r#"{{"address":"{owner}","time":{time},"type":"note","content":{{"text":{text}}}}}"#
        );
        self.sign("POST", channel, time, &content)
    }

    /// The aggregate that lets these addresses speak in the author's name.
    pub(crate) fn security(&self, time: u64, delegates: &[&str]) -> String {
        let entries: Vec<String> = delegates
            .iter()
            .map(|address| {
                format!(r#"{{"address":"{address}","types":["POST","STORE","PROGRAM"]}}"#)
            })
            .collect();
        let content = format!(
            r#"{{"address":"{}","time":{time},"key":"security","content":{{"authorizations":[{}]}}}}"#,
            self.address(),
            entries.join(",")
        );
        self.sign("AGGREGATE", "security", time, &content)
    }
}

pub(crate) fn read(message: &str) -> Message {
    Message::parse(message).unwrap()
}

/// A program that notes for which messages it ran.
pub(crate) struct Noted {
    program: Program,
    pub(crate) ran: RefCell<Vec<ItemHash>>,
    pub(crate) scopes: RefCell<Vec<Value>>,
    pub(crate) takes: Cell<Duration>,
    /// So many runs find no room.
    pub(crate) busy: Cell<u32>,
    /// What is looked at when a run begins.
    pub(crate) look: RefCell<Option<Box<dyn Fn()>>>,
    executor: Executor,
}

impl Runnable for Noted {
    fn program(&self) -> &Program {
        &self.program
    }

    fn run(self: Rc<Self>, trigger: Trigger) -> LocalBoxFuture<'static, Result<(), Failure>> {
        let Trigger::Message { item_hash, scope, .. } = trigger else { panic!("another trigger") };
        async move {
            if let Some(left) = self.busy.get().checked_sub(1) {
                self.busy.set(left);
                return Err(Failure::Busy);
            }
            if let Some(look) = &*self.look.borrow() {
                look();
            }
            self.ran.borrow_mut().push(item_hash);
            self.scopes.borrow_mut().push(scope);
            self.executor.sleep(self.takes.get()).await;
            Ok(())
        }
        .boxed_local()
    }
}

/// The programs of a bench.
#[derive(Default)]
pub(crate) struct All {
    all: RefCell<Vec<Rc<Noted>>>,
    changes: Signal,
}

impl Runnables for All {
    fn all(&self) -> Vec<Rc<dyn Runnable>> {
        self.all.borrow().iter().map(|noted| noted.clone() as Rc<dyn Runnable>).collect()
    }

    fn changes(&self) -> Signal {
        self.changes.clone()
    }
}

/// A message node that has answers to some requests.
#[derive(Default)]
pub(crate) struct Canned {
    pub(crate) answers: RefCell<BTreeMap<String, Vec<u8>>>,
    pub(crate) asked: RefCell<Vec<String>>,
}

impl MessageNode for Canned {
    fn get<'a>(
        &'a self,
        target: &'a str,
        most: usize,
    ) -> LocalBoxFuture<'a, Result<Vec<u8>, NodeError>> {
        self.asked.borrow_mut().push(target.to_string());
        let answers = self.answers.borrow();
        let found = answers.iter().find(|(part, _)| target.contains(part.as_str()));
        let answer = found.map(|(_, bytes)| bytes.clone()).ok_or(NodeError::NotFound);
        assert!(answer.as_ref().map_or(0, Vec::len) <= most);
        core::future::ready(answer).boxed_local()
    }
}

impl Canned {
    pub(crate) fn answer(&self, part: &str, messages: &[String]) {
        let page = format!("{{\"messages\":[{}]}}", messages.join(","));
        self.answers.borrow_mut().insert(part.to_string(), page.into_bytes());
    }
}

/// Notes which programs are to be installed, and which are taken back by whom.
#[derive(Default)]
pub(crate) struct Installs(
    pub(crate) RefCell<Vec<ItemHash>>,
    pub(crate) RefCell<Vec<(ItemHash, String)>>,
);

impl Install for Installs {
    fn install(&self, message: Message) {
        self.0.borrow_mut().push(message.item_hash().clone());
    }

    fn forget<'a>(&'a self, programs: &'a [ItemHash], owner: &'a str) -> LocalBoxFuture<'a, ()> {
        self.1.borrow_mut().extend(programs.iter().map(|it| (it.clone(), owner.to_string())));
        core::future::ready(()).boxed_local()
    }
}

/// A node without a network.
pub(crate) struct Bench {
    pub(crate) machine: Simulated,
    pub(crate) executor: Executor,
    pub(crate) programs: Rc<All>,
    pub(crate) subscriber: Rc<Subscriber>,
    pub(crate) node: Rc<Canned>,
    pub(crate) installs: Rc<Installs>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(Rc::new(Memory::new(16 << 20)), AlephConfig::default())
    }

    pub(crate) fn with(store: Rc<dyn Store>, config: AlephConfig) -> Self {
        let machine = Simulated::new(1);
        let executor = Executor::new(Rc::new(machine.clone()));
        let (programs, node, installs) = (Rc::new(All::default()), Rc::default(), Rc::default());
        let subscriber = Subscriber::new(Parts {
            programs: programs.clone(),
            store,
            machine: Rc::new(machine.clone()),
            executor: executor.clone(),
            node: Some(Rc::<Canned>::clone(&node)),
            install: Some(Rc::<Installs>::clone(&installs)),
            config,
        });
        Self { machine, executor, programs, subscriber, node, installs }
    }

    /// Hosts a program with these subscriptions.
    pub(crate) fn host(&self, name: u8, subscriptions: &str) -> Rc<Noted> {
        let Value::Array(messages) = Value::parse(subscriptions).unwrap() else {
            panic!("no list")
        };
        let noted = Rc::new(Noted {
            program: program(name, messages.iter().cloned().collect()),
            ran: RefCell::default(),
            scopes: RefCell::default(),
            takes: Cell::default(),
            busy: Cell::default(),
            look: RefCell::default(),
            executor: self.executor.clone(),
        });
        self.programs.all.borrow_mut().push(noted.clone());
        self.programs.changes.give();
        noted
    }

    /// Takes all programs away.
    pub(crate) fn evict(&self) {
        self.programs.all.borrow_mut().clear();
        self.programs.changes.give();
    }

    /// Lets this time pass, as far as anything waits for it.
    pub(crate) fn pass(&self, time: Duration) {
        let end = self.executor.now().after(time);
        drive(&self.executor, &mut SimulatedLoop::until(self.machine.clone(), end));
    }

    /// Does something, and lets what follows happen.
    pub(crate) fn run<T: 'static>(&self, work: impl Future<Output = T> + 'static) -> T {
        let slot = self.begin(work);
        self.pass(Duration::from_secs(3600));
        slot.take().now_or_never().expect("it ended")
    }

    /// Begins something.
    pub(crate) fn begin<T: 'static>(&self, work: impl Future<Output = T> + 'static) -> Slot<T> {
        let slot = Slot::new();
        let done = slot.clone();
        self.executor.spawn(async move {
            done.put(work.await);
        });
        slot
    }

    pub(crate) fn offer(
        &self,
        message: &str,
        origin: super::super::Origin,
    ) -> Result<Taken, Refused> {
        let (subscriber, message) = (self.subscriber.clone(), read(message));
        self.run(async move { subscriber.offer(message, origin).await })
    }

    pub(crate) fn post(&self, message: &str) -> Result<Taken, Refused> {
        let (subscriber, message) = (self.subscriber.clone(), read(message));
        self.run(async move { subscriber.take_posted(message).await })
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.executor.shut_down();
    }
}

pub(crate) fn program(name: u8, messages: Vec<Value>) -> Program {
    Program {
        id: ItemHash::of(&[name]),
        owner: "owner".into(),
        time_ms: 0,
        code: Code {
            encoding: Encoding::Plain,
            entrypoint: "main".into(),
            source: Source::Inline([].into()),
        },
        data: None,
        export: None,
        triggers: Triggers { messages, ..Triggers::default() },
        environment: Environment::default(),
        resources: Resources { vcpus: 1, memory_mib: 1, milliseconds: 1000 },
        variables: Vec::new(),
        replaces: None,
        allow_amend: false,
    }
}
