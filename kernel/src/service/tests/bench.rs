//! Services on a simulated machine, with peers of one's choice around them.

use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use air_core::CallRequest;
use air_core::data::Tetraplet;
use air_core::value::Value;
use netstack::libp2p::{Multiaddr, PeerId};

use super::OWN_ID;
use crate::config::Seed;
use crate::executor::Executor;
use crate::identity::Identity;
use crate::limits::MAX_CALL_RESULT_BYTES;
use crate::machine::Simulated;
use crate::peers::{Nobody, Peers};
use crate::service::{Author, Caller, Services, Started};

pub struct Bench {
    pub services: Services,
    pub executor: Executor,
    pub machine: Simulated,
    pub author: Rc<Author>,
}

impl Bench {
    /// A lone node.
    pub fn new() -> Self {
        Self::among(Rc::new(Nobody))
    }

    pub fn among(peers: Rc<dyn Peers>) -> Self {
        let machine = Simulated::new(1);
        let executor = Executor::new(Rc::new(machine.clone()));
        let services = Services::new(
            identity(1),
            peers,
            Rc::new(machine.clone()),
            executor.clone(),
            MAX_CALL_RESULT_BYTES,
        );
        let data = BTreeMap::from([("name".to_string(), Value::from("World"))]);
        Self { services, executor, machine, author: Rc::new(Author::new(data)) }
    }

    /// Starts a call of a particle that the node wrote, with arguments in JSON.
    pub fn start(&self, name: &str, arguments: &str) -> Started {
        let caller =
            Caller { init_peer_id: OWN_ID.into(), author: Some(self.author.clone()), run: None };
        self.services.start(&caller, &request(name, arguments))
    }

    /// The code and the JSON that such a call is answered with.
    pub fn call(&self, name: &str, arguments: &str) -> (i32, String) {
        answer(name, self.start(name, arguments))
    }

    /// The same for a particle that another peer wrote.
    pub fn call_of_stranger(&self, stranger: &str, name: &str, arguments: &str) -> (i32, String) {
        let caller = Caller { init_peer_id: stranger.into(), author: None, run: None };
        answer(name, self.services.start(&caller, &request(name, arguments)))
    }
}

fn answer(name: &str, started: Started) -> (i32, String) {
    match started {
        Started::Done(reply) => (reply.ret_code, reply.result),
        Started::Waiting(_) => panic!("{name} waits"),
    }
}

/// The text of an error.
pub fn error(answer: &(i32, String)) -> String {
    assert_eq!(answer.0, 1, "{}", answer.1);
    Value::parse(&answer.1).unwrap().as_str().expect("errors are strings").to_string()
}

/// The request for `service.function`; every argument is a literal of the node's own script.
pub fn request(name: &str, arguments: &str) -> CallRequest {
    let arguments = Value::parse(arguments).expect("the test's arguments are JSON");
    let arguments: Vec<Value> = arguments.as_array().unwrap().into();
    request_of(name, arguments)
}

pub fn request_of(name: &str, arguments: Vec<Value>) -> CallRequest {
    let (service, function) = name.split_once('.').unwrap();
    let literal = Arc::new(Tetraplet::of_peer(OWN_ID.into()));
    CallRequest {
        id: 1,
        service_id: service.into(),
        function_name: function.into(),
        tetraplets: arguments.iter().map(|_| alloc::vec![literal.clone()]).collect(),
        arguments,
    }
}

/// Calls each `service.function arguments` and compares with the JSON it must give.
pub fn check_values(cases: &[(&str, &str, &str)]) {
    let bench = Bench::new();
    for (name, arguments, result) in cases {
        let expected = (0, (*result).to_string());
        assert_eq!(bench.call(name, arguments), expected, "{name} {arguments}");
    }
}

/// Calls each and compares with the message that it must fail with.
pub fn check_errors(cases: &[(&str, &str, &str)]) {
    let bench = Bench::new();
    for (name, arguments, message) in cases {
        let answer = bench.call(name, arguments);
        assert_eq!(error(&answer), *message, "{name} {arguments}");
    }
}

pub fn identity(seed: u8) -> Identity {
    Identity::from_seed(&Seed::new([seed; 32]))
}

pub fn peer_id(seed: u8) -> PeerId {
    identity(seed).id()
}

pub fn address(text: &str) -> Multiaddr {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}
