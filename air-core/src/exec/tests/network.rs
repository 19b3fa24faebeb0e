//! Random networks: peers that pass a particle around in random order.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use super::generator::PEERS;
use super::support::{answer, parameters};
use crate::data::KeyPair;
use crate::session::Session;
use crate::step::{CallRequest, Parameters, Signatures, StepOutcome};
use crate::{CallResult, Script};

/// Steps of a random network.
pub(super) const STEPS: usize = 24;

/// What a step gets: the peer, current data, and results.
pub(super) type Event = (usize, Vec<u8>, Vec<(u32, CallResult)>);

/// A random network: peers, data under way, requests that wait.
pub(super) struct Network<'a> {
    pub(super) script: Arc<Script>,
    pub(super) sessions: Vec<Session>,
    /// Ids of the peers that have the sessions.
    peers: Vec<Arc<str>>,
    messages: Vec<(usize, Vec<u8>)>,
    requests: Vec<(usize, CallRequest)>,
    choices: &'a [u8],
}

impl<'a> Network<'a> {
    /// A network of a script; nothing if the choices make one that is not valid.
    pub(super) fn new(text: &str, choices: &'a [u8]) -> Option<Self> {
        Self::of(text, PEERS.map(parameters).into(), choices)
    }

    /// A network of peers that sign what they do and verify what they get.
    pub(super) fn signed(text: &str, choices: &'a [u8]) -> Option<Self> {
        let secrets: [[u8; 32]; PEERS.len()] = [[1; 32], [2; 32], [3; 32]];
        let keys = secrets.map(|secret| KeyPair::from_secret(&secret));
        let ids: [Arc<str>; 3] = keys.each_ref().map(|key| Arc::from(key.peer_id()));
        let mut text = String::from(text);
        for (name, id) in PEERS.iter().zip(&ids) {
            text = text.replace(&format!("{name:?}"), &format!("{id:?}"));
        }
        let parameters = ids.iter().zip(secrets).zip(keys).map(|((id, secret), key)| Parameters {
            signatures: Signatures::Checked,
            current_peer_id: id.clone(),
            init_peer_id: ids[0].clone(),
            secret_key: Arc::new(secret),
            key_pair: Some(Arc::new(key)),
            ..parameters("")
        });
        Self::of(&text, parameters.collect(), choices)
    }

    fn of(text: &str, parameters: Vec<Parameters>, choices: &'a [u8]) -> Option<Self> {
        let script = Arc::new(Script::parse(text).ok()?);
        let peers = parameters.iter().map(|peer| peer.current_peer_id.clone()).collect();
        let sessions =
            parameters.into_iter().map(|peer| Session::new(script.clone(), peer)).collect();
        let messages = vec![(0, vec![])];
        Some(Self { script, sessions, peers, messages, requests: vec![], choices })
    }

    pub(super) fn choose(&mut self, count: usize) -> usize {
        let Some((choice, rest)) = self.choices.split_first() else { return 0 };
        self.choices = rest;
        usize::from(*choice) % count
    }

    /// Which peer is next, with what.
    pub(super) fn event(&mut self) -> Option<Event> {
        let deliver = self.requests.is_empty() || self.choose(2) == 0;
        if deliver && !self.messages.is_empty() {
            let index = self.choose(self.messages.len());
            // Some messages come twice.
            let (peer, data) = match self.choose(8) {
                7 => self.messages.get(index).cloned()?,
                _ => self.messages.swap_remove(index),
            };
            return Some((peer, data, vec![]));
        }
        if self.requests.is_empty() {
            return None;
        }
        let index = self.choose(self.requests.len());
        let (peer, request) = self.requests.swap_remove(index);
        Some((peer, vec![], vec![(request.id, answer(&request))]))
    }

    /// Sends what came of a step.
    pub(super) fn dispatch(&mut self, peer: usize, outcome: &StepOutcome) {
        if !outcome.has_new_data() {
            return;
        }
        let data = self.sessions[peer].data();
        for next in &outcome.next_peers {
            if let Some(index) = self.peers.iter().position(|known| known == next) {
                self.messages.push((index, data.clone()));
            }
        }
        self.requests.extend(outcome.requests.iter().map(|request| (peer, request.clone())));
    }
}

/// Call results as a host encodes them (air-data §8.2).
pub(super) fn encode_results(results: &[(u32, CallResult)]) -> Vec<u8> {
    let text = |bytes: &mut Vec<u8>, text: &str| {
        bytes.push(0xdb);
        bytes.extend(u32::try_from(text.len()).unwrap().to_be_bytes());
        bytes.extend(text.bytes());
    };
    let mut bytes = vec![0x81, 0x04, 0xdf];
    bytes.extend(u32::try_from(results.len()).unwrap().to_be_bytes());
    for (id, result) in results {
        text(&mut bytes, &alloc::format!("{id}"));
        bytes.push(0x82);
        text(&mut bytes, "ret_code");
        bytes.push(0xd2);
        bytes.extend(result.ret_code.to_be_bytes());
        text(&mut bytes, "result");
        text(&mut bytes, &result.result);
    }
    bytes
}
