//! Programs on the whole node: triggers in, answers out.

mod bodies;
mod files;
mod http;
mod kept;
mod limits;
mod reproducible;

use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;

use air_core::Value;

use super::bench::{Bench, Reply, taken};
use crate::program::{Definition, Hosted, Package};

/// A program on one script, as a document says it.
#[derive(Clone)]
struct Document {
    script: String,
    on: &'static str,
    environment: &'static str,
    resources: &'static str,
    more: String,
}

impl Document {
    fn of(script: impl Into<String>) -> Self {
        Self {
            script: script.into(),
            on: r#"{"http":true}"#,
            environment: "{}",
            resources: r#"{"memory":4,"seconds":2}"#,
            more: String::new(),
        }
    }

    /// One that keeps what is in `/state`, which is empty at first.
    fn keeping_state(script: impl Into<String>) -> Self {
        Self { more: r#","export":{"mount":"/state"}"#.into(), ..Self::of(script) }
    }

    fn package(&self) -> Package {
        let Self { script, on, environment, resources, more } = self;
        let message = format!(
            r#"{{"type":"vm-function","address":"0x1","time":1600000000.5,"content":{{
                "code":{{"encoding":"plain","entrypoint":"main","content":{}}},
                "on":{on},"environment":{environment},"resources":{resources}{more}}}}}"#,
            Value::from(script.as_str()).to_json(),
        );
        Package { message: message.into_bytes(), files: Vec::new() }
    }

    fn host(&self, bench: &Bench) -> Rc<Hosted> {
        let limits = bench.programs.package_limits();
        let definition = Definition::of_package(&self.package(), &limits);
        bench.programs.install(definition.unwrap()).unwrap_or_else(|error| panic!("{error}"))
    }
}

/// A script that gives this to its author.
fn respond(with: &str) -> String {
    format!("(call %init_peer_id% (\"callbackSrv\" \"response\") [{with}])")
}

/// Calls, one after the other, and then the response.
fn after(calls: &[&str], with: &str) -> String {
    let calls = calls.iter().rev();
    calls.fold(respond(with), |rest, call| format!("(seq (call %init_peer_id% {call}) {rest})"))
}

/// The answer to a request for the only program.
fn answer(document: &Document) -> Reply {
    let bench = Bench::new();
    document.host(&bench);
    bench.get("/")
}

fn field(reply: &Reply, name: &str) -> Option<String> {
    let lines = reply.head.lines().filter_map(|line| line.split_once(": "));
    let mut found = lines.filter(|(known, _)| known.eq_ignore_ascii_case(name));
    found.next().map(|(_, value)| value.into())
}

/// The answers to as many requests at once.
fn at_once(bench: &Bench, count: usize) -> Vec<Reply> {
    let request = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let replies: Vec<_> = (0..count).map(|_| bench.send(request.into())).collect();
    bench.run();
    replies.iter().map(taken).collect()
}
