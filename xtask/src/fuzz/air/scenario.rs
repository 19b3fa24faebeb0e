//! One script on a network of peers: what arrives where and when, and both interpreters at each step.

use std::collections::BTreeMap;

use air_core::{Parameters, Script, Signatures, Value};
use anyhow::Result;

use super::dice::Dice;
use super::reference::{Reference, Verdict};
use super::service;
use super::tree::Tree;
use crate::air::{
    Answer, CallAnswer, Field, Request, decode_requests, encode_call_results, interpret,
};

/// Steps of one scenario at most; a script that loops between peers ends here.
const MAX_STEPS: usize = 60;
/// Messages under way at most; further ones are lost.
const MAX_IN_FLIGHT: usize = 24;

/// Everything that decides a scenario.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// Decides the network's behaviour.
    pub seed: u64,
    /// The script.
    pub script: Tree,
    /// The peers; the first starts the particle.
    pub peers: Vec<Peer>,
}

/// A peer of a scenario.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Its id, which belongs to its key.
    pub id: String,
    /// Its ed25519 seed.
    pub secret: [u8; 32],
    /// Whether the reference's data go on from here, rather than ours.
    pub is_reference: bool,
}

/// The first difference of a scenario.
#[derive(Debug, Clone)]
pub struct Difference {
    /// What was to be interpreted.
    pub request: Request,
    /// What differs.
    pub fields: Vec<Field>,
    /// What we made of it.
    pub ours: Answer,
    /// What the reference made of it.
    pub reference: Verdict,
}

/// How a scenario went.
#[derive(Debug)]
pub struct Course {
    /// Compared interpretations.
    pub compared: usize,
    /// Steps by the code of their outcome.
    pub codes: BTreeMap<i64, usize>,
    /// Where the two parted, if they did.
    pub difference: Option<Box<Difference>>,
    /// Whether the reference crashed and the scenario ended there.
    pub crashed: bool,
}

/// What a peer holds of the particle.
#[derive(Default, Clone)]
struct Held {
    prev: Vec<u8>,
    pending: BTreeMap<u32, CallAnswer>,
}

/// A thing that can happen next.
enum Event {
    Arrival { peer: usize, data: Vec<u8> },
    Results { peer: usize, results: BTreeMap<String, CallAnswer> },
}

impl Scenario {
    /// Runs both interpreters on every step until they differ, nothing is left to do, or the bound on
    /// steps is reached.
    pub fn run(&self, reference: &mut Reference) -> Result<Course> {
        let mut course =
            Course { compared: 0, codes: BTreeMap::new(), difference: None, crashed: false };
        let mut dice = Dice::new(self.seed);
        let script = self.script.to_string();
        let mut held = vec![Held::default(); self.peers.len()];
        let mut in_flight: Vec<(usize, Vec<u8>)> = vec![(0, Vec::new())];
        while course.compared < MAX_STEPS {
            let Some(event) = draw(&mut dice, &mut held, &mut in_flight) else { break };
            let (peer, data, results) = match event {
                Event::Arrival { peer, data } => (peer, data, BTreeMap::new()),
                Event::Results { peer, results } => (peer, Vec::new(), results),
            };
            let request = Request {
                air: script.clone(),
                prev_data: held[peer].prev.clone(),
                data,
                call_results: encode_call_results(&results)?,
                parameters: self.parameters(peer),
            };
            let verdict = reference.interpret(&request)?;
            let ours = interpret(&request);
            course.compared += 1;
            *course.codes.entry(ours.ret_code).or_default() += 1;
            let Verdict::Answer(theirs) = &verdict else {
                course.crashed = true;
                break;
            };
            let fields = ours.differences(theirs);
            if !fields.is_empty() {
                let difference = Difference { request, fields, ours, reference: verdict };
                course.difference = Some(Box::new(difference));
                break;
            }
            let answer = if self.peers[peer].is_reference { theirs.clone() } else { ours };
            self.follow(peer, answer, &mut held, &mut in_flight)?;
        }
        Ok(course)
    }

    /// Takes over what a step gave: the data, the calls, the messages.
    fn follow(
        &self,
        peer: usize,
        answer: Answer,
        held: &mut [Held],
        in_flight: &mut Vec<(usize, Vec<u8>)>,
    ) -> Result<()> {
        let ids: Vec<String> = self.peers.iter().map(|peer| peer.id.clone()).collect();
        for request in decode_requests(&answer.call_requests)? {
            let arguments: Vec<String> = request.arguments.iter().map(Value::to_json).collect();
            let (ret_code, result) =
                service::answer(&request.function_name, arguments.join(",").as_bytes(), &ids);
            held[peer].pending.insert(request.id, CallAnswer { ret_code, result });
        }
        for next in &answer.next_peers {
            if let Some(to) = ids.iter().position(|id| id == next)
                && in_flight.len() < MAX_IN_FLIGHT
            {
                in_flight.push((to, answer.data.clone()));
            }
        }
        held[peer].prev = answer.data;
        Ok(())
    }

    fn parameters(&self, peer: usize) -> Parameters {
        let mut parameters = Parameters::new(
            self.peers[0].id.as_str().into(),
            self.peers[peer].id.as_str().into(),
            format!("particle-{}", self.seed).into(),
            self.peers[peer].secret,
        );
        parameters.timestamp = 1_700_000_000;
        parameters.ttl = 7000;
        parameters.hard_limit_enabled = false;
        parameters.signatures = Signatures::Checked;
        parameters
    }

    /// The smallest script and network that still part the interpreters in the same fields.
    pub fn shrink(&self, reference: &mut Reference, fields: &[Field]) -> Result<Self> {
        let mut best = self.clone();
        'again: loop {
            for script in best.script.smaller() {
                if Script::parse(&script.to_string()).is_err() {
                    continue;
                }
                let candidate = Self { script, ..best.clone() };
                if candidate.run(reference)?.difference.is_some_and(|d| d.fields == fields) {
                    best = candidate;
                    continue 'again;
                }
            }
            return Ok(best);
        }
    }
}

/// One of the things that can happen next, at random: a message arrives, is doubled or lost, or some of
/// a peer's calls return. Nothing if all is quiet.
fn draw(
    dice: &mut Dice,
    held: &mut [Held],
    in_flight: &mut Vec<(usize, Vec<u8>)>,
) -> Option<Event> {
    loop {
        let waiting: Vec<usize> =
            (0..held.len()).filter(|p| !held[*p].pending.is_empty()).collect();
        if waiting.is_empty() && in_flight.is_empty() {
            return None;
        }
        if !waiting.is_empty() && (in_flight.is_empty() || dice.chance(60)) {
            let peer = waiting[dice.below(waiting.len())];
            let pending = &mut held[peer].pending;
            let all = dice.chance(50);
            let first = pending.keys().nth(dice.below(pending.len())).copied();
            let taken: Vec<u32> = pending
                .keys()
                .copied()
                .filter(|id| all || Some(*id) == first || dice.chance(25))
                .collect();
            let results = taken
                .into_iter()
                .filter_map(|id| pending.remove(&id).map(|answer| (id.to_string(), answer)))
                .collect();
            return Some(Event::Results { peer, results });
        }
        let index = dice.below(in_flight.len());
        match dice.weighted(&[85, 10, 5]) {
            0 => {
                let (peer, data) = in_flight.swap_remove(index);
                return Some(Event::Arrival { peer, data });
            }
            1 => {
                let (peer, data) = in_flight[index].clone();
                // the copy that stays is delivered or lost later
                return Some(Event::Arrival { peer, data });
            }
            _ => drop(in_flight.swap_remove(index)),
        }
    }
}
