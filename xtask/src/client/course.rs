//! The client's own part of a particle: interpreting it, and answering what is asked of the client.

use std::collections::BTreeMap;
use std::sync::Arc;

use air_core::{CallRequest, CallResult, Parameters, Progress, Script, Session, Value};

use super::CallError;

/// What a script gave to its author.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The arguments of `callbackSrv.response`.
    Response(Vec<Value>),
    /// The error given to `errorHandlingSrv.error`.
    Error(Value),
}

/// One particle of this client.
#[derive(Debug)]
pub(super) struct Course {
    session: Session,
    data: BTreeMap<String, Value>,
    answer: Option<Answer>,
}

impl Course {
    pub(super) fn new(
        script: Arc<Script>,
        parameters: Parameters,
        data: BTreeMap<String, Value>,
    ) -> Self {
        Self { session: Session::new(script, parameters), data, answer: None }
    }

    /// Goes on with what arrived, until nothing is left to do here. True if another peer is to go on.
    ///
    /// # Errors
    /// The script's error, if nothing in it caught it.
    pub(super) fn step(&mut self, arrived: &[u8]) -> Result<bool, CallError> {
        let own = Arc::clone(&self.session.parameters().current_peer_id);
        let (mut travels, mut results, mut current) = (false, Vec::new(), arrived);
        loop {
            self.session.begin(current, results);
            let outcome = loop {
                if let Progress::Done(outcome) = self.session.run(u64::MAX) {
                    break outcome;
                }
            };
            if outcome.code != 0 {
                return Err(CallError::Failed(outcome.code, outcome.message));
            }
            travels |= outcome.next_peers.iter().any(|peer| *peer != own);
            if outcome.requests.is_empty() {
                return Ok(travels);
            }
            let answered = outcome.requests.iter().map(|call| (call.id, self.serve(call)));
            results = answered.collect();
            current = &[];
        }
    }

    /// What is sent on.
    pub(super) fn data(&mut self) -> Vec<u8> {
        self.session.data()
    }

    /// The script's answer, once.
    pub(super) fn answer(&mut self) -> Option<Answer> {
        self.answer.take()
    }

    fn serve(&mut self, call: &CallRequest) -> CallResult {
        let heard = || CallResult { ret_code: 0, result: "{}".to_owned() };
        match (&*call.service_id, &*call.function_name) {
            ("getDataSrv", name) => match self.data.get(name) {
                Some(value) => CallResult::success(value),
                None => CallResult::failure(1, &format!("there is no data named {name}")),
            },
            ("callbackSrv", "response") => {
                self.answer.get_or_insert_with(|| Answer::Response(call.arguments.clone()));
                heard()
            }
            ("callbackSrv", _) => heard(),
            ("errorHandlingSrv", "error") => {
                let error = call.arguments.first().cloned().unwrap_or_default();
                self.answer.get_or_insert(Answer::Error(error));
                heard()
            }
            (service, function) => CallResult::failure(
                1,
                &format!("this client has no service {service} with a function {function}"),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RELAY: &str = "12D3KooWBUJifCTgaxAUrcM9JysqCcS4CS8tiYH5hExbdWCAoNwb";

    fn course(text: &str) -> Course {
        let seed = [7; 32];
        let own: Arc<str> = super::super::peer_id_of(&seed).to_string().into();
        let parameters = Parameters::new(own.clone(), own, "particle".into(), seed);
        let data = BTreeMap::from([
            ("-relay-".to_owned(), Value::string(RELAY)),
            ("name".to_owned(), Value::string("world")),
        ]);
        Course::new(Arc::new(Script::parse(text).unwrap()), parameters, data)
    }

    #[test]
    fn a_script_that_needs_nobody_else_is_answered_at_once() {
        let mut course = course(
            r#"(seq (call %init_peer_id% ("getDataSrv" "name") [] n)
                    (call %init_peer_id% ("callbackSrv" "response") [n 1]))"#,
        );
        assert!(!course.step(&[]).unwrap());
        let Some(Answer::Response(values)) = course.answer() else { panic!("no response") };
        assert_eq!(values[0].as_str(), Some("world"));
        assert_eq!((values.len(), course.answer()), (2, None));
    }

    #[test]
    fn a_call_of_the_relay_sends_the_particle_there() {
        let mut course = course(
            r#"(seq (call %init_peer_id% ("getDataSrv" "-relay-") [] relay)
                    (call relay ("op" "noop") []))"#,
        );
        assert!(course.step(&[]).unwrap());
        assert!(!course.data().is_empty());
        assert_eq!(course.answer(), None);
    }

    #[test]
    fn an_error_is_answered_if_the_script_catches_it_and_fails_if_not() {
        let failing = r#"(call %init_peer_id% ("math" "add") [1 2])"#;
        let mut caught = course(&format!(
            r#"(xor {failing} (call %init_peer_id% ("errorHandlingSrv" "error") [:error: 0]))"#
        ));
        assert!(!caught.step(&[]).unwrap());
        assert!(matches!(caught.answer(), Some(Answer::Error(_))));
        assert!(matches!(course(failing).step(&[]), Err(CallError::Failed(10000, _))));
    }
}
