//! A node on a simulated machine, and clients for it.

use alloc::format;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use air_core::Value;
use embedded_io_async::{Read, Write};
use futures_util::future::FutureExt;
use netstack::Stream;
use netstack::http::{Limits, serve};
use netstack::pipe::{self, Pipe};

use crate::config::{Config, IdentityConfig, Seed};
use crate::executor::{Executor, Slot, drive};
use crate::machine::{HeapUse, Instant, Simulated, SimulatedLoop};
use crate::node::{Node, Web};
use crate::program::Programs;
use crate::store::Memory;

/// The peer id that belongs to the seed of the bench.
pub const PEER_ID: &str = "12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5";

/// A node with its machine.
pub struct Bench {
    pub machine: Simulated,
    pub executor: Executor,
    pub node: Rc<Node>,
    pub programs: Programs,
}

/// An answer as a client sees it.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: String,
    /// When the last byte was there.
    pub at: Instant,
}

impl Reply {
    pub fn json(&self) -> Value {
        Value::parse(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// A field of the error object.
    pub fn error(&self, field: &str) -> Value {
        let json = self.json();
        let error = json.as_object().and_then(|object| object.get("error")).cloned();
        let error = error.unwrap_or_else(|| panic!("no error in {}", self.body));
        error.as_object().unwrap().get(field).cloned().unwrap_or_default()
    }
}

impl Bench {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config {
            identity: IdentityConfig { seed: Some(Seed::new([1; 32])) },
            ..Config::default()
        };
        change(&mut config);
        Self::on(Simulated::new(7), config)
    }

    /// On a machine with a heap of 14 MiB, as one of 16 MiB has it.
    pub fn small() -> Self {
        let machine = Simulated::new(7);
        machine.set_heap(HeapUse { total: 14 << 20, ..HeapUse::default() });
        let seed = Some(Seed::new([1; 32]));
        Self::on(machine, Config { identity: IdentityConfig { seed }, ..Config::default() })
    }

    fn on(machine: Simulated, config: Config) -> Self {
        let executor = Executor::new(Rc::new(machine.clone()));
        let node = Node::new(Rc::new(machine.clone()), executor.clone(), config);
        let programs = Programs::new(node.clone(), Rc::new(Memory::new(16 << 20)));
        Self { machine, executor, node, programs }
    }

    /// Opens a connection, on which so many bytes fit each way.
    pub fn connect(&self, capacity: usize) -> Pipe {
        let (client, server) = pipe::pair(capacity);
        let (timer, web) = (self.executor.clone(), Web::new(self.programs.clone()));
        self.executor.spawn(async move {
            serve(server, &Limits::default(), &timer, &web).await;
        });
        client
    }

    /// Opens a connection, sends the bytes, and keeps what comes back.
    pub fn send(&self, request: Vec<u8>) -> Slot<Reply> {
        let mut client = self.connect(4096);
        let reply = Slot::new();
        let (slot, clock) = (reply.clone(), self.executor.clone());
        self.executor.spawn(async move {
            // A node that refuses a body early closes: what was answered is still there to read.
            let _ = client.write_all(&request).await;
            let _ = client.shutdown().await;
            let (mut bytes, mut buffer) = (Vec::new(), [0; 1024]);
            while let Ok(read @ 1..) = client.read(&mut buffer).await {
                bytes.extend_from_slice(&buffer[..read]);
            }
            slot.put(parse(&bytes, clock.now()));
        });
        reply
    }

    /// Lets everything run to its end; time passes as the timers ask.
    pub fn run(&self) {
        drive(&self.executor, &mut SimulatedLoop::until(self.machine.clone(), Instant::NEVER));
        assert_eq!(self.executor.live_tasks(), 0, "nothing is left behind");
    }

    pub fn post(&self, target: &str, script: &str) -> Slot<Reply> {
        self.send(post(target, "", script.as_bytes()))
    }

    /// Sends one script and gives the answer.
    pub fn air(&self, script: &str) -> Reply {
        let reply = self.post("/air", script);
        self.run();
        taken(&reply)
    }

    pub fn get(&self, target: &str) -> Reply {
        let request = format!("GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let reply = self.send(request.into_bytes());
        self.run();
        taken(&reply)
    }

    pub fn machine_micros(&self) -> u64 {
        crate::machine::Machine::now(&self.machine).as_micros()
    }

    /// The value of a series of the metrics page.
    pub fn metric(&self, series: &str) -> f64 {
        let page = self.programs.metrics_page();
        let samples = crate::metrics::check_exposition(&page);
        let found = samples.iter().find(|(name, _)| name == series);
        found.unwrap_or_else(|| panic!("no {series} in {page}")).1
    }
}

pub fn taken(reply: &Slot<Reply>) -> Reply {
    reply.take().now_or_never().expect("the request was answered")
}

pub fn post(target: &str, fields: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{fields}Content-Length: {}\r\n\r\n",
        body.len()
    );
    let mut request = head.into_bytes();
    request.extend_from_slice(body);
    request
}

fn parse(bytes: &[u8], at: Instant) -> Reply {
    let text = core::str::from_utf8(bytes).expect("answers of the node are UTF-8");
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head in {text:?}"));
    let status = head.split(' ').nth(1).expect("there is a status").parse().unwrap();
    Reply { status, head: head.to_string(), body: body.to_string(), at }
}
