//! The HTTP engine over TCP over the simulated segment.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "a test may fail by panicking, and its numbers are small"
)]

mod support;

use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;

use embedded_io_async::{Read, Write};
use netstack::http::{Failure, Handler, Head, Limits, RequestBody, Response, serve_listener};
use netstack::time::{Duration, Timer};
use netstack::{IpEndpoint, Stack, Stream, TcpListener, TcpStream};
use support::http::{bad_requests, status};
use support::{Faults, Network, address};

const PORT: u16 = 80;

/// Answers with the path and the body, after a pause.
struct Slow {
    clock: support::Clock,
    pause: Duration,
    at_once: Cell<usize>,
    most_at_once: Cell<usize>,
}

impl Slow {
    fn new(network: &Network, millis: u64) -> Self {
        Self {
            clock: network.clock.clone(),
            pause: Duration::from_millis(millis),
            at_once: Cell::new(0),
            most_at_once: Cell::new(0),
        }
    }
}

impl Handler for Slow {
    async fn handle(&self, head: &Head, body: &mut impl RequestBody) -> Result<Response, Failure> {
        self.at_once.set(self.at_once.get() + 1);
        self.most_at_once.set(self.most_at_once.get().max(self.at_once.get()));
        let body = body.read_to_end(1 << 20).await;
        self.clock.sleep(self.pause).await;
        self.at_once.set(self.at_once.get() - 1);
        let mut answer = head.path.clone().into_bytes();
        answer.extend(body?);
        Ok(Response::json(200, answer))
    }
}

async fn connect(stack: &Stack) -> TcpStream {
    let peer = IpEndpoint::new(address(1), PORT);
    TcpStream::connect(stack, peer, Duration::from_secs(30)).await.expect("the peer accepts")
}

/// Reads one answer with a `Content-Length`; its head and body.
async fn read_answer(stream: &mut TcpStream) -> (String, Vec<u8>) {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).await.expect("an answer");
        bytes.push(byte[0]);
    }
    let head = String::from_utf8(bytes).expect("text");
    let length = head.split("Content-Length: ").nth(1).expect("a length");
    let length = length.split("\r\n").next().expect("a line").parse().expect("a number");
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.expect("a body");
    (head, body)
}

fn serving<'a>(
    listener: &'a TcpListener,
    connections: usize,
    limits: &'a Limits,
    handler: &'a Slow,
) -> std::pin::Pin<Box<dyn Future<Output = ()> + 'a>> {
    Box::pin(async move {
        let clock = &handler.clock;
        serve_listener(listener, connections, limits, clock, handler, pending()).await;
    })
}

fn two_stacks(seed: u64, faults: Faults) -> (Network, Stack, Stack) {
    let mut network = Network::new(seed, faults);
    let (server, client) = (network.add_static(1), network.add_static(2));
    (network, server, client)
}

#[test]
fn two_hundred_requests_over_twenty_connections_are_answered() {
    for (seed, loss) in [(1, 0), (2, 50)] {
        let faults = Faults { loss, reorder: loss, ..Faults::NONE };
        let (mut network, server, client) = two_stacks(seed, faults);
        let handler = Slow::new(&network, 1);
        let limits = Limits::default();
        let listener = TcpListener::bind(&server, PORT, 32).expect("free port");
        let talk = |connection: usize| {
            let client = &client;
            async move {
                let mut stream = connect(client).await;
                for number in 0..10 {
                    let body = "b".repeat(number * 300);
                    let request = format!(
                        "POST /{connection}/{number} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}",
                        body.len()
                    );
                    stream.write_all(request.as_bytes()).await.expect("open");
                    let (head, answer) = read_answer(&mut stream).await;
                    assert_eq!(status(&head), 200);
                    assert_eq!(answer, format!("/{connection}/{number}{body}").into_bytes());
                }
                stream.close().await.expect("delivered");
            }
        };
        network.run_with(
            vec![serving(&listener, 32, &limits, &handler)],
            futures_util::future::join_all((0..20).map(talk)),
        );
        let counters = server.counters();
        assert_eq!(counters.connections_accepted, 20);
        assert_eq!((counters.connections_refused, counters.connections_aborted), (0, 0));
        assert!(loss > 0 || handler.most_at_once.get() == 20, "they run side by side");
    }
}

#[test]
fn connections_beyond_the_bound_are_told_to_come_back() {
    let (mut network, server, client) = two_stacks(3, Faults::NONE);
    let handler = Slow::new(&network, 1_000);
    let limits = Limits::default();
    let listener = TcpListener::bind(&server, PORT, 16).expect("free port");
    let statuses = Rc::new(Cell::new((0, 0)));
    let ask = |_| async {
        let mut stream = connect(&client).await;
        stream
            .write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            .await
            .expect("open");
        let (head, _) = read_answer(&mut stream).await;
        let (served, refused) = statuses.get();
        match status(&head) {
            200 => statuses.set((served + 1, refused)),
            503 => {
                assert!(head.contains("\r\nRetry-After: 1\r\n"), "{head}");
                statuses.set((served, refused + 1));
            }
            other => panic!("status {other}"),
        }
        assert_eq!(stream.read(&mut [0]).await, Ok(0));
    };
    network.run_with(
        vec![serving(&listener, 4, &limits, &handler)],
        futures_util::future::join_all((0..10).map(ask)),
    );
    assert_eq!(statuses.get(), (4, 6));
    assert_eq!(handler.most_at_once.get(), 4);
}

#[test]
fn idle_connections_make_room_for_a_client_with_a_request() {
    let (mut network, server, client) = two_stacks(6, Faults::NONE);
    let handler = Slow::new(&network, 0);
    let limits = Limits::default();
    let listener = TcpListener::bind(&server, PORT, 16).expect("free port");
    let clock = network.clock.clone();
    let talk = async {
        let mut idle = futures_util::future::join_all((0..4).map(|_| connect(&client))).await;
        clock.sleep(Duration::from_secs(2)).await;
        for longest in &mut idle {
            let mut stream = connect(&client).await;
            stream.write_all(b"GET /in HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("open");
            assert_eq!(read_answer(&mut stream).await.1, b"/in");
            assert_eq!(longest.read(&mut [0]).await, Ok(0), "it had to leave");
            stream.close().await.expect("delivered");
        }
    };
    network.run_with(vec![serving(&listener, 4, &limits, &handler)], talk);
}

#[test]
fn bad_requests_get_their_answer_over_tcp_too_and_the_server_goes_on() {
    let faults = Faults { loss: 20, ..Faults::NONE };
    let (mut network, server, client) = two_stacks(4, faults);
    let handler = Slow::new(&network, 0);
    let limits = Limits::default();
    let listener = TcpListener::bind(&server, PORT, 16).expect("free port");
    let talk = async {
        for request in bad_requests() {
            let mut stream = connect(&client).await;
            stream.write_all(&request.bytes).await.expect("open");
            stream.shutdown().await.expect("open");
            let (head, _) = read_answer(&mut stream).await;
            assert_eq!(status(&head), request.status, "{}", request.name);
            assert_eq!(stream.read(&mut [0]).await, Ok(0), "{}", request.name);
        }
        let mut stream = connect(&client).await;
        stream.write_all(b"GET /on HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("open");
        assert_eq!(read_answer(&mut stream).await.1, b"/on");
    };
    network.run_with(vec![serving(&listener, 4, &limits, &handler)], talk);
}

#[test]
fn the_answer_survives_a_client_that_still_sends() {
    let (mut network, server, client) = two_stacks(5, Faults::NONE);
    let handler = Slow::new(&network, 0);
    let limits = Limits { body_bytes: 1000, ..Limits::default() };
    let listener = TcpListener::bind(&server, PORT, 16).expect("free port");
    let talk = async {
        let mut stream = connect(&client).await;
        let head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n";
        stream.write_all(head).await.expect("open");
        // More than both sides' buffers: the server must read on while it says no.
        stream.write_all(&vec![b'x'; 300_000]).await.expect("open");
        let (head, _) = read_answer(&mut stream).await;
        assert_eq!(status(&head), 413);
    };
    network.run_with(vec![serving(&listener, 4, &limits, &handler)], talk);
}

#[test]
fn at_its_end_a_server_answers_what_is_under_way_and_nothing_else() {
    let (mut network, server, client) = two_stacks(7, Faults::NONE);
    let handler = Slow::new(&network, 1_000);
    let limits = Limits::default();
    let listener = TcpListener::bind(&server, PORT, 16).expect("free port");
    let clock = network.clock.clone();
    let asked_at = clock.now() + Duration::from_millis(500);
    let ended = Cell::new(None);
    let serve = Box::pin(async {
        let end = clock.sleep_until(asked_at);
        serve_listener(listener, 8, &limits, &clock, &handler, end).await;
        ended.set(Some(clock.now()));
    });
    let begun = clock.now();
    let talk = async {
        let mut idle = connect(&client).await;
        let (mut polite, mut eager) = (connect(&client).await, connect(&client).await);
        polite.write_all(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("open");
        // The second of these has not been begun when the end comes.
        let two = b"GET /b HTTP/1.1\r\nHost: a\r\n\r\nGET /c HTTP/1.1\r\nHost: a\r\n\r\n";
        eager.write_all(two).await.expect("open");
        assert_eq!(idle.read(&mut [0]).await, Ok(0), "it ends at once");
        assert!(clock.now() < asked_at + Duration::from_millis(500));
        let late =
            TcpStream::connect(&client, IpEndpoint::new(address(1), PORT), Duration::from_secs(30));
        assert!(late.await.is_err(), "nobody listens any more");
        for (mut stream, path) in [(polite, b"/a"), (eager, b"/b")] {
            let (head, body) = read_answer(&mut stream).await;
            assert_eq!((status(&head), &body[..]), (200, &path[..]));
            assert!(head.contains("\r\nConnection: close\r\n"), "{head}");
            assert_eq!(stream.read(&mut [0]).await, Ok(0));
            stream.close().await.expect("delivered");
        }
        clock.sleep(Duration::from_millis(100)).await;
    };
    network.run_with(vec![serve], talk);
    let lasted = ended.get().expect("it has ended") - begun;
    assert!(lasted >= Duration::from_secs(1) && lasted < Duration::from_millis(1500), "{lasted}");
}
