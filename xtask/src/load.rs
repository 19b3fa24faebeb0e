//! What nodes are loaded with: particles that go there and back, and how long they took.

use std::collections::BTreeMap;
use std::time::Duration;

use air_core::Value;
use anyhow::{Result, anyhow};

use crate::client::{Answer, CallError, Client, Program};

/// Goes to the relay and back, with the payload in its data both ways.
const ROUND_TRIP: &str = r#"
(xor
  (seq
    (call %init_peer_id% ("getDataSrv" "-relay-") [] relay)
    (seq
      (call %init_peer_id% ("getDataSrv" "payload") [] payload)
      (seq
        (call relay ("op" "noop") [])
        (call %init_peer_id% ("callbackSrv" "response") [payload]))))
  (call %init_peer_id% ("errorHandlingSrv" "error") [:error: 0]))
"#;

/// What became of a round trip.
#[derive(Debug)]
pub enum Trip {
    /// The payload came back.
    Back,
    /// Something else came back.
    Wrong(String),
    /// Nothing came back.
    Failed(CallError),
}

/// The program of a round trip.
///
/// # Errors
/// Never, unless the parser is broken.
pub fn program() -> Result<Program> {
    Program::parse(ROUND_TRIP).map_err(|diagnostic| anyhow!(diagnostic))
}

/// Sends a payload to the client's node and back.
pub async fn round_trip(
    client: &Client,
    program: &Program,
    payload: &Value,
    ttl: Duration,
) -> Trip {
    let data = BTreeMap::from([("payload".to_owned(), payload.clone())]);
    match client.call(program, data, ttl).await {
        Ok(Answer::Response(values)) if values.first() == Some(payload) => Trip::Back,
        Ok(Answer::Response(values)) => Trip::Wrong(format!("{} values, others", values.len())),
        Ok(Answer::Error(error)) => Trip::Wrong(error.to_json()),
        Err(error) => Trip::Failed(error),
    }
}

/// A payload of so many bytes.
#[must_use]
pub fn payload(bytes: usize) -> Value {
    let text: String = (b'a'..=b'z').map(char::from).cycle().take(bytes).collect();
    Value::string(text)
}

/// Durations, for what most and nearly all of them stay below.
#[derive(Clone, Debug, Default)]
pub struct Times(Vec<Duration>);

impl Times {
    /// One more.
    pub fn add(&mut self, time: Duration) {
        self.0.push(time);
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What `percent` of them do not exceed; zero if there are none.
    #[must_use]
    pub fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * percent).div_ceil(100);
        sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_ranks() {
        let mut times = Times::default();
        assert_eq!((times.is_empty(), times.percentile(50)), (true, Duration::ZERO));
        for millis in (1..=200).rev() {
            times.add(Duration::from_millis(millis));
        }
        assert_eq!(times.percentile(50), Duration::from_millis(100));
        assert_eq!(times.percentile(99), Duration::from_millis(198));
        assert_eq!(times.percentile(100), Duration::from_millis(200));
        assert_eq!(times.len(), 200);
    }

    #[test]
    fn the_program_is_accepted_and_payloads_have_their_size() {
        program().unwrap();
        assert_eq!(payload(1000).as_str().unwrap().len(), 1000);
    }
}
