//! The WebSocket of a message node: messages, confirmations, ends, silence; and requests over a network.

use alloc::collections::VecDeque;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::time::Duration;

use base64::Engine;
use embedded_io_async::{Read, Write};
use futures_util::future::FutureExt;
use netstack::Stream;
use netstack::http::client::ClientError;
use netstack::libp2p::Multiaddr;
use netstack::libp2p::swarm::{Dial, DialError};
use netstack::pipe::{self, Pipe};
use sha1::Digest;

use crate::executor::{Executor, Signal, Slot};
use crate::limits::{FOLLOW_QUIET_MS, MAX_NODE_REQUESTS};
use crate::message_node::{Follow, HttpNode, MessageNode, NodeApi, NodeError, PollCounts};
use crate::program::Api;
use crate::program::api::{ApiAnswer, ApiError, ApiRequest};
use crate::subscribe::tests::bench::{Author, Bench, NOW, read};

/// What a server does with a connection.
type Script = Rc<dyn Fn(Pipe) -> futures_util::future::LocalBoxFuture<'static, ()>>;

/// A network with one server.
#[derive(Clone)]
struct Wire {
    executor: Executor,
    server: Rc<RefCell<Option<Script>>>,
    dialled: Rc<Cell<usize>>,
    open: Rc<Cell<usize>>,
    most_open: Rc<Cell<usize>>,
}

impl Wire {
    fn new(executor: &Executor) -> Self {
        Self {
            executor: executor.clone(),
            server: Rc::default(),
            dialled: Rc::default(),
            open: Rc::default(),
            most_open: Rc::default(),
        }
    }

    fn serve<F: Future<Output = ()> + 'static>(&self, script: impl Fn(Pipe) -> F + 'static) {
        *self.server.borrow_mut() = Some(Rc::new(move |pipe| script(pipe).boxed_local()));
    }
}

impl Dial for Wire {
    type Stream = Pipe;

    async fn dial(&self, address: &Multiaddr) -> Result<Pipe, DialError> {
        assert_eq!(format!("{address}"), "/ip4/10.0.2.2/tcp/4024");
        self.dialled.set(self.dialled.get() + 1);
        let script = self.server.borrow().clone().ok_or(DialError::Refused)?;
        let (near, far) = pipe::pair(1 << 16);
        let (open, most_open) = (self.open.clone(), self.most_open.clone());
        self.executor.spawn(async move {
            open.set(open.get() + 1);
            most_open.set(most_open.get().max(open.get()));
            script(far).await;
            open.set(open.get() - 1);
        });
        Ok(near)
    }
}

async fn head(pipe: &mut Pipe) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if pipe.read(&mut byte).await.unwrap_or(0) == 0 {
            break;
        }
        bytes.extend(byte);
    }
    String::from_utf8(bytes).unwrap()
}

/// Opens the WebSocket; gives the request.
async fn accept(pipe: &mut Pipe) -> String {
    let request = head(pipe).await;
    let key = request.split("Sec-WebSocket-Key: ").nth(1).unwrap().split('\r').next().unwrap();
    let hash = sha1::Sha1::new()
        .chain_update(key)
        .chain_update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11")
        .finalize();
    let accept = base64::prelude::BASE64_STANDARD.encode(hash);
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    pipe.write_all(answer.as_bytes()).await.unwrap();
    request
}

/// A text message as a server sends it.
fn frame(text: &str) -> Vec<u8> {
    let mut bytes = alloc::vec![0x81];
    match text.len() {
        short @ 0..126 => bytes.push(u8::try_from(short).unwrap()),
        long => {
            bytes.push(126);
            bytes.extend(u16::try_from(long).unwrap().to_be_bytes());
        }
    }
    bytes.extend(text.as_bytes());
    bytes
}

struct Followed {
    bench: Bench,
    wire: Wire,
    poke: Signal,
    counts: Rc<PollCounts>,
}

impl Followed {
    fn new() -> Self {
        let bench = Bench::new();
        let wire = Wire::new(&bench.executor);
        let (poke, counts) = (Signal::new(), Rc::new(PollCounts::default()));
        let follow = Follow {
            network: wire.clone(),
            address: "http://10.0.2.2:4024".parse().unwrap(),
            subscriber: bench.subscriber.clone(),
            machine: Rc::new(bench.machine.clone()),
            executor: bench.executor.clone(),
            channels: alloc::vec!["A".into(), "B".into()],
            poke: poke.clone(),
            counts: counts.clone(),
        };
        bench.executor.spawn(follow.run());
        Self { bench, wire, poke, counts }
    }

    fn pass(&self, seconds: u64) {
        self.bench.pass(Duration::from_secs(seconds));
    }
}

#[test]
fn messages_run_programs_as_soon_as_they_come() {
    let world = Followed::new();
    let noted = world.bench.host(1, r#"[{"channel":"A"}]"#);
    let author = Author::new(1);
    let messages = [
        author.note("A", NOW, "one"),
        author.note("B", NOW, "two"),
        author.note("A", NOW, "three"),
    ];
    let requests = Rc::new(RefCell::new(Vec::new()));
    let (seen, texts) = (requests.clone(), messages.clone());
    world.wire.serve(move |mut pipe| {
        let (seen, texts) = (seen.clone(), texts.clone());
        async move {
            let request = accept(&mut pipe).await;
            seen.borrow_mut().push(request);
            let confirmation = r#"{"item_hash":"x","confirmations":[]}"#;
            for text in texts.iter().map(String::as_str).chain([confirmation, "", "no JSON"]) {
                pipe.write_all(&frame(text)).await.unwrap();
            }
            core::future::pending::<()>().await;
        }
    });
    world.pass(10);
    let expected: Vec<_> = [0, 2].map(|at: usize| read(&messages[at]).item_hash().clone()).into();
    assert_eq!(*noted.ran.borrow(), expected);
    let requests = requests.borrow();
    let line = "GET /api/ws0/messages?history=0&channels=A,B HTTP/1.1\r\nHost: 10.0.2.2:4024\r\n";
    assert!(requests[0].starts_with(line), "{}", requests[0]);
    assert_eq!(requests.len(), 1);
    assert_eq!((world.counts.followed.get(), world.counts.unreadable.get()), (1, 3));
    assert_eq!(world.poke.count(), 1, "what was missed is polled");
}

#[test]
fn a_connection_that_ends_is_made_anew_and_what_was_missed_is_polled() {
    let world = Followed::new();
    world.bench.host(1, r#"[{"channel":"A"}]"#);
    world.wire.serve(|mut pipe| async move {
        accept(&mut pipe).await;
        let _ = pipe.shutdown().await;
    });
    world.pass(10);
    let connections = world.counts.followed.get();
    assert!((5..=20).contains(&connections), "{connections}");
    assert_eq!(world.poke.count(), connections);
}

#[test]
fn a_server_that_is_not_there_is_asked_ever_more_seldom() {
    let world = Followed::new();
    world.bench.host(1, r#"[{"channel":"A"}]"#);
    world.pass(600);
    let dialled = world.wire.dialled.get();
    assert!((10..=30).contains(&dialled), "{dialled}");
    // One that is there and opens no WebSocket is no better.
    world.wire.serve(|mut pipe| async move {
        head(&mut pipe).await;
        let _ = pipe.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await;
    });
    world.pass(600);
    assert!(world.wire.dialled.get() - dialled <= 30);
    assert_eq!(world.counts.followed.get(), 0);
}

#[test]
fn a_connection_over_which_nothing_comes_is_made_anew() {
    let world = Followed::new();
    world.bench.host(1, r#"[{"channel":"A"}]"#);
    world.wire.serve(|mut pipe| async move {
        accept(&mut pipe).await;
        core::future::pending::<()>().await;
    });
    world.pass(FOLLOW_QUIET_MS / 1000 - 1);
    assert_eq!(world.counts.followed.get(), 1);
    // The clock stands where something happened last: at the start.
    world.pass(FOLLOW_QUIET_MS / 1000 + 5);
    assert_eq!(world.counts.followed.get(), 2);
}

#[test]
fn nobody_is_followed_while_nobody_waits_for_messages() {
    let world = Followed::new();
    world.pass(1000);
    assert_eq!(world.wire.dialled.get(), 0);
}

/// A server that gives each connection the next of these answers.
fn answering(wire: &Wire, answers: &[&str]) -> Rc<RefCell<Vec<String>>> {
    let left: RefCell<VecDeque<String>> =
        RefCell::new(answers.iter().map(|one| (*one).into()).collect());
    let requests = Rc::new(RefCell::new(Vec::new()));
    let seen = requests.clone();
    wire.serve(move |mut pipe| {
        let answer = left.borrow_mut().pop_front().unwrap_or_default();
        let seen = seen.clone();
        async move {
            let request = head(&mut pipe).await;
            seen.borrow_mut().push(request);
            let _ = pipe.write_all(answer.as_bytes()).await;
            let _ = pipe.shutdown().await;
            // The client closes when it has what it wants.
            let _ = pipe.read(&mut [0; 64]).await;
        }
    });
    requests
}

fn node(bench: &Bench) -> (Wire, Rc<HttpNode<Wire>>) {
    let wire = Wire::new(&bench.executor);
    let origin = "http://10.0.2.2:4024".parse().unwrap();
    (wire.clone(), Rc::new(HttpNode::new(wire, origin, bench.executor.clone())))
}

#[test]
fn what_the_message_node_answers_is_taken_by_its_status() {
    let bench = Bench::new();
    let (wire, node) = node(&bench);
    let requests = answering(
        &wire,
        &[
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi",
            "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world",
            "",
        ],
    );
    let get = || {
        let node = node.clone();
        bench.run(async move { node.get("/a?b", 10).await })
    };
    assert_eq!(get(), Ok(b"hi".to_vec()));
    assert_eq!(get(), Err(NodeError::NotFound));
    assert_eq!(get(), Err(NodeError::Status(500)));
    assert_eq!(get(), Err(NodeError::Http(ClientError::Malformed("the body ended early"))));
    assert_eq!(get(), Err(NodeError::Http(ClientError::BodyTooLarge)));
    assert_eq!(get(), Err(NodeError::Http(ClientError::NoAnswer)));
    *wire.server.borrow_mut() = None;
    assert_eq!(get(), Err(NodeError::Unreachable));
    assert_eq!(requests.borrow()[0], "GET /a?b HTTP/1.1\r\nHost: 10.0.2.2:4024\r\n\r\n");
}

#[test]
fn requests_at_once_have_their_bound() {
    let bench = Bench::new();
    let (wire, node) = node(&bench);
    let go = Signal::new();
    let waiting = go.clone();
    wire.serve(move |mut pipe| {
        let waiting = waiting.clone();
        async move {
            head(&mut pipe).await;
            waiting.after(0).await;
            let _ = pipe.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await;
            let _ = pipe.read(&mut [0; 64]).await;
        }
    });
    let results: Vec<_> = (0..3 * MAX_NODE_REQUESTS)
        .map(|_| {
            let node = node.clone();
            bench.begin(async move { node.get("/", 10).await })
        })
        .collect();
    bench.pass(Duration::from_secs(1));
    assert_eq!(wire.open.get(), MAX_NODE_REQUESTS);
    go.give();
    bench.pass(Duration::from_secs(1));
    assert!(results.iter().all(Slot::is_filled));
    assert_eq!(wire.most_open.get(), MAX_NODE_REQUESTS);
}

#[test]
fn programs_reach_the_network_s_api_at_the_message_node() {
    let bench = Bench::new();
    let wire = Wire::new(&bench.executor);
    let origin = "http://10.0.2.2:4024".parse().unwrap();
    let api = NodeApi::new(wire.clone(), origin, bench.executor.clone());
    let requests = answering(
        &wire,
        &[
            "HTTP/1.1 422 No\r\nContent-Length: 3\r\n\r\nbad",
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n",
        ],
    );
    let ask = |method, body: &str| {
        let program = read(&Author::new(1).note("A", NOW, "x")).item_hash().clone();
        let request = ApiRequest { method, path: "/api/v0/x".into(), body: body.into() };
        bench.run(api.request(&program, request))
    };
    assert_eq!(ask("POST", "{}"), Ok(ApiAnswer { status: 422, body: b"bad".to_vec() }));
    assert_eq!(ask("GET", ""), Err(ApiError::Malformed));
    assert_eq!(ask("GET", ""), Err(ApiError::Unreachable));
    let requests = requests.borrow();
    assert!(requests[0].starts_with("POST /api/v0/x HTTP/1.1\r\n"), "{}", requests[0]);
    assert!(requests[0].contains("Content-Type: application/json\r\nContent-Length: 2\r\n"));
    assert!(!requests[1].contains("Content-"), "{}", requests[1]);
}
