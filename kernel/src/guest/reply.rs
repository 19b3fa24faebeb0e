//! What a run request asks for, and the answer to it.

use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use air_core::value::Value;

use super::{Configured, Guest, HostSocket, Phase, first_line, with_line_feed};
use crate::aleph::host::{Run, error_reply, event_reply, http_reply};
use crate::aleph::item_hash::ItemHash;
use crate::aleph::limits::{MAX_TRIGGER_BODY_BYTES, MAX_TRIGGER_HEADERS};
use crate::aleph::message::time_of;
use crate::aleph::trigger::body::value_of;
use crate::aleph::trigger::{Failure, milliseconds};
use crate::executor::Executor;
use crate::limits::{MAX_MESSAGE_RETRY_MS, MIN_MESSAGE_RETRY_MS};
use crate::program::{Hosted, Programs, Reply, Trigger};

/// What is to be done for a request.
pub(super) enum Task {
    /// The program is to run.
    Run(Trigger),
    /// The program is to run once for the message of this name, which says this time, in milliseconds since
    /// 1970.
    Once(ItemHash, Option<u64>, Trigger),
    /// It cannot run, for this reason.
    Refused(&'static str),
}

impl Task {
    /// What a request asks for.
    pub(super) fn of(programs: &Programs, run: &Run<'_>) -> Self {
        match run {
            Run::Http { headers, body, .. }
                if headers.len() > MAX_TRIGGER_HEADERS || body.len() > MAX_TRIGGER_BODY_BYTES =>
            {
                Self::Refused("the request has too many headers or too large a body")
            }
            Run::Http { path, method, query, headers, body } => {
                let inline = programs.inline_body_bytes();
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
            Run::Event(body) => Self::of_message(programs.node().unix_time_ms(), *body),
        }
    }

    /// A program runs once for a message, however often the host tells of it. What is no message has no
    /// name by which it could be known again.
    fn of_message(time_ms: u64, body: Option<&str>) -> Self {
        let message = body.and_then(|body| Value::parse(body).ok());
        let member = |name| message.as_ref()?.as_object()?.get(name);
        let named: Option<ItemHash> =
            member("item_hash").and_then(Value::as_str).and_then(|hash| hash.parse().ok());
        let scope = object(alloc::vec![
            (Arc::from("type"), "aleph.message".into()),
            (Arc::from("body"), body.map_or(Value::Null, Value::from)),
        ]);
        let anonymous = || ItemHash::of(body.unwrap_or_default().as_bytes());
        let item_hash = named.clone().unwrap_or_else(anonymous);
        let trigger = Trigger::Message { item_hash, time_ms, scope };
        match named {
            Some(name) => {
                let content = member("content").and_then(Value::as_object);
                Self::Once(name, content.and_then(time_of).map(milliseconds), trigger)
            }
            None => Self::Run(trigger),
        }
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
    let (once, trigger) = match task {
        Task::Run(trigger) => (None, trigger),
        Task::Once(name, time_ms, trigger) => (Some((name, time_ms)), trigger),
        Task::Refused(why) => return internal(why),
    };
    let configured = guest.configured.borrow().clone();
    let Some(configured) = configured.filter(|_| guest.phase.get() == Phase::Running) else {
        return internal("no program is configured");
    };
    let Configured { hosted, told } = configured;
    if let Some((name, time_ms)) = once
        && !told.is_new(&name, time_ms, guest.programs.node().unix_time_ms()).await
    {
        return event_reply(&Value::Null);
    }
    let is_http = matches!(trigger, Trigger::Http { .. });
    let outcome = if is_http {
        hosted.run(trigger).await
    } else {
        run_when_there_is_room(&guest.executor, &hosted, trigger).await
    };
    match outcome {
        Ok(reply) if is_http => match reply.answer() {
            Ok(answer) => http_reply(&answer),
            Err(failure) => of_failure(&failure),
        },
        Ok(reply) => event_reply(reply.value().unwrap_or(&Value::Null)),
        Err(failure) if is_http => of_failure(&failure),
        Err(failure) => internal(&text_of(&failure)),
    }
}

/// Runs the program for a message, which nobody may tell of again.
async fn run_when_there_is_room(
    executor: &Executor,
    hosted: &Rc<Hosted>,
    trigger: Trigger,
) -> Result<Reply, Failure> {
    let mut pause = MIN_MESSAGE_RETRY_MS;
    loop {
        match hosted.run(trigger.clone()).await {
            Err(Failure::Busy) => executor.sleep(Duration::from_millis(pause)).await,
            outcome => return outcome,
        }
        pause = (pause * 2).min(MAX_MESSAGE_RETRY_MS);
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
