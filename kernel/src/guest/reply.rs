//! What a run request asks for, and the answer to it.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use air_core::value::Value;

use super::{Guest, HostSocket, Phase, first_line, with_line_feed};
use crate::aleph::host::{Run, error_reply, event_reply, http_reply};
use crate::aleph::item_hash::ItemHash;
use crate::aleph::limits::{MAX_TRIGGER_BODY_BYTES, MAX_TRIGGER_HEADERS};
use crate::aleph::trigger::Failure;
use crate::aleph::trigger::body::value_of;
use crate::program::Trigger;

/// What is to be done for a request.
pub(super) enum Task {
    /// The program is to run.
    Run(Trigger),
    /// The program has run for this message.
    Repeated,
    /// It cannot run, for this reason.
    Refused(&'static str),
}

impl Task {
    /// What a request asks for.
    pub(super) fn of<S: HostSocket>(guest: &Guest<S>, run: &Run<'_>) -> Self {
        match run {
            Run::Http { headers, body, .. }
                if headers.len() > MAX_TRIGGER_HEADERS || body.len() > MAX_TRIGGER_BODY_BYTES =>
            {
                Self::Refused("the request has too many headers or too large a body")
            }
            Run::Http { path, method, query, headers, body } => {
                let inline = guest.programs.inline_body_bytes();
                let (inside, apart) = match body.len() <= inline {
                    true => (*body, None),
                    false => (&[][..], Some(Arc::from(*body))),
                };
                let pair = |(name, value): &(&[u8], &[u8])| {
                    list(alloc::vec![value_of(name), value_of(value)])
                };
                let scope = object(alloc::vec![
                    (Arc::from("type"), "http".into()),
                    (Arc::from("path"), (*path).into()),
                    (Arc::from("method"), (*method).into()),
                    (Arc::from("query_string"), (*query).into()),
                    (Arc::from("headers"), list(headers.iter().map(pair).collect())),
                    (Arc::from("body"), value_of(inside)),
                ]);
                Self::Run(Trigger::Http { scope, body: apart })
            }
            Run::Event(body) => Self::of_message(guest, *body),
        }
    }

    /// A program runs once for a message, however often the host tells of it. What is no message has no
    /// name by which it could be known again.
    fn of_message<S: HostSocket>(guest: &Guest<S>, body: Option<&str>) -> Self {
        let message = body.and_then(|body| Value::parse(body).ok());
        let member = |name| message.as_ref()?.as_object()?.get(name);
        let named = member("item_hash").and_then(Value::as_str).and_then(|hash| hash.parse().ok());
        let now = guest.programs.node().unix_time_ms();
        if let Some(hash) = &named
            && !guest.seen.borrow_mut().is_new(hash, now)
        {
            return Self::Repeated;
        }
        let scope = object(alloc::vec![
            (Arc::from("type"), "aleph.message".into()),
            (Arc::from("body"), body.map_or(Value::Null, Value::from)),
        ]);
        let anonymous = || ItemHash::of(body.unwrap_or_default().as_bytes());
        let item_hash = named.unwrap_or_else(anonymous);
        Self::Run(Trigger::Message { item_hash, time_ms: now, scope })
    }
}

fn list(items: Vec<Value>) -> Value {
    // Two levels are not too deep.
    Value::array(items).unwrap_or_default()
}

fn object(members: Vec<(Arc<str>, Value)>) -> Value {
    // Nor are three.
    Value::object(members).unwrap_or_default()
}

/// Does it, and gives the bytes of the answer.
pub(super) async fn answer<S: HostSocket>(guest: &Guest<S>, task: Task) -> Vec<u8> {
    let trigger = match task {
        Task::Run(trigger) => trigger,
        Task::Repeated => return event_reply(&Value::Null),
        Task::Refused(why) => return internal(why),
    };
    let hosted = guest.hosted.borrow().clone();
    let Some(hosted) = hosted.filter(|_| guest.phase.get() == Phase::Running) else {
        return internal("no program is configured");
    };
    let is_http = matches!(trigger, Trigger::Http { .. });
    match hosted.run(trigger).await {
        Ok(reply) if is_http => match reply.answer() {
            Ok(answer) => http_reply(&answer),
            Err(failure) => of_failure(&failure),
        },
        Ok(reply) => event_reply(reply.value().unwrap_or(&Value::Null)),
        Err(failure) if is_http => of_failure(&failure),
        Err(failure) => internal(&text_of(&failure)),
    }
}

/// The answer to an HTTP request for which there is no reply: the program's errors as such, and what lies
/// with the node as a status that clients know what to do about.
pub(super) fn of_failure(failure: &Failure) -> Vec<u8> {
    match failure {
        Failure::Busy | Failure::TooSlow | Failure::NoProgram => http_reply(&failure.answer()),
        _ => internal(&text_of(failure)),
    }
}

fn text_of(failure: &Failure) -> String {
    match failure {
        Failure::Program(text) => text.clone(),
        Failure::Reply(bad) => bad.to_string(),
        Failure::Silent => "the program gave no reply".into(),
        other => other.status().1.into(),
    }
}

/// Says that something went wrong, and what.
pub(super) fn internal(text: &str) -> Vec<u8> {
    error_reply(first_line(text), &with_line_feed(text))
}
