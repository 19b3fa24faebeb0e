//! A program: what is to run, when, and within which bounds, whichever message says it.
//!
//! | where it comes from | what is special |
//! |---|---|
//! | [`Program::from_message`]: a PROGRAM of the network | a schedule is the variable `AIR_CRON`, because the network knows none |
//! | [`Program::from_document`]: a `vm-function` document | code may be inside; `on.cron` and `on.aleph`; its id is the hash of its canonical JSON |

mod document;
#[cfg(test)]
mod tests;

use alloc::sync::Arc;
use alloc::vec::Vec;

use air_core::value::{Object, Value};

use super::cron::Schedule;
use super::item_hash::ItemHash;
use super::message::{Message, Type};
use super::package::Encoding;
use super::schema::{Reason, Refusals};

/// The variable that holds the schedule of a program that came as a PROGRAM message.
pub const CRON_VARIABLE: &str = "AIR_CRON";

/// What is to run, when, and within which bounds.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    /// Its name: the item hash of its message, or of its document in canonical form.
    pub id: ItemHash,
    /// Address of its owner.
    pub owner: Arc<str>,
    /// When it was written, in milliseconds since 1970.
    pub time_ms: u64,
    /// The scripts.
    pub code: Code,
    /// The state that it begins with.
    pub data: Option<Mount>,
    /// Where the state is that it leaves behind.
    pub export: Option<Arc<str>>,
    /// When it runs.
    pub triggers: Triggers,
    /// What it may do.
    pub environment: Environment,
    /// What it may use.
    pub resources: Resources,
    /// Names and values that it can read.
    pub variables: Vec<(Arc<str>, Arc<str>)>,
    /// The earlier program that this one takes the place of.
    pub replaces: Option<Arc<str>>,
    /// Whether a later program may take the place of this one.
    pub allow_amend: bool,
}

/// The scripts of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// How they are packed.
    pub encoding: Encoding,
    /// Which one runs (see [`script`](crate::aleph::package::script)); of `plain` code there is only one.
    pub entrypoint: Arc<str>,
    /// Where they are.
    pub source: Source,
}

/// Files that a program finds in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// How they are packed.
    pub encoding: Encoding,
    /// The directory.
    pub mount: Arc<str>,
    /// Where they are.
    pub source: Source,
}

/// Where a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Here.
    Inline(Arc<[u8]>),
    /// In the file of a STORE message, or of the newest one that amends it.
    Message {
        /// The STORE message.
        hash: ItemHash,
        /// Whether its amendments count.
        use_latest: bool,
    },
    /// In the file of the newest STORE message of this address.
    Address(Arc<str>),
}

impl Source {
    /// What names the file: an item hash or an address; nothing if the file is here.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Inline(_) => None,
            Self::Message { hash, .. } => Some(hash.as_str()),
            Self::Address(owner) => Some(owner),
        }
    }
}

/// When a program runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Triggers {
    /// On HTTP requests.
    pub http: bool,
    /// At these times.
    pub cron: Option<Schedule>,
    /// On messages that match one of these (see [`subscription`](crate::aleph::trigger::subscription)).
    pub messages: Vec<Value>,
    /// All the time.
    pub persistent: bool,
}

/// What a program may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// Its clock and its randomness are functions of the trigger.
    pub reproducible: bool,
    /// It may send to others.
    pub internet: bool,
    /// It may use the network's API.
    pub aleph_api: bool,
    /// It may share its cache with others.
    pub shared_cache: bool,
}

/// What a program may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resources {
    /// Processors.
    pub vcpus: u32,
    /// Memory.
    pub memory_mib: u32,
    /// Time of one run.
    pub milliseconds: u64,
}

impl Program {
    /// The program of a PROGRAM message, by the content that its item hash covers.
    ///
    /// # Errors
    /// [`Refusals`] where the message is another, its content is not known, or its schedule is none.
    pub fn from_message(message: &Message) -> Result<Self, Refusals> {
        if message.kind() != Type::Program {
            return Err(Refusals::one("type", Reason::NotOneOf(&["PROGRAM"])));
        }
        let content = message.content().ok_or_else(|| Refusals::one("content", Reason::Missing))?;
        let on = object(content, "on");
        let variables = variables(content);
        let cron = variables.iter().find(|(name, _)| &**name == CRON_VARIABLE);
        let cron = cron.map(|(_, line)| line.parse()).transpose().map_err(|_| {
            Refusals::one("content.variables.AIR_CRON", Reason::Not("a schedule of five fields"))
        })?;
        Ok(Self {
            id: message.item_hash().clone(),
            owner: text(Some(content), "address"),
            time_ms: milliseconds(content.get("time")).unwrap_or(0),
            code: Code {
                encoding: encoding(object(content, "code")),
                entrypoint: text(object(content, "code"), "entrypoint"),
                source: stored(object(content, "code"), "use_latest")?,
            },
            data: match object(content, "data") {
                None => None,
                data => Some(Mount {
                    encoding: encoding(data),
                    mount: text(data, "mount"),
                    source: stored(data, "use_latest")?,
                }),
            },
            export: object(content, "export").map(|export| text(Some(export), "mount")),
            triggers: Triggers {
                http: flag(on, "http"),
                cron,
                messages: list(on, "message"),
                persistent: flag(on, "persistent"),
            },
            environment: environment(content),
            resources: resources(content),
            variables,
            replaces: content.get("replaces").and_then(Value::as_str).map(Into::into),
            allow_amend: flag(Some(content), "allow_amend"),
        })
    }
}

// The readers of members stand on contents in canonical form, where every member has its kind.

fn object<'a>(holder: &'a Object, name: &str) -> Option<&'a Object> {
    holder.get(name).and_then(Value::as_object)
}

fn text(holder: Option<&Object>, name: &str) -> Arc<str> {
    holder.and_then(|holder| holder.get(name)?.as_str()).unwrap_or_default().into()
}

fn flag(holder: Option<&Object>, name: &str) -> bool {
    holder.is_some_and(|holder| holder.get(name) == Some(&Value::Bool(true)))
}

fn list(holder: Option<&Object>, name: &str) -> Vec<Value> {
    holder.and_then(|holder| holder.get(name)?.as_array()).unwrap_or_default().to_vec()
}

fn encoding(holder: Option<&Object>) -> Encoding {
    Encoding::from_word(&text(holder, "encoding")).unwrap_or(Encoding::Plain)
}

fn stored(holder: Option<&Object>, follow: &str) -> Result<Source, Refusals> {
    let hash = text(holder, "ref").parse();
    let hash = hash.map_err(|_| Refusals::one("ref", Reason::Not("an item hash")))?;
    Ok(Source::Message { hash, use_latest: flag(holder, follow) })
}

fn variables(content: &Object) -> Vec<(Arc<str>, Arc<str>)> {
    let members = object(content, "variables").into_iter().flatten();
    members.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.into()))).collect()
}

fn environment(content: &Object) -> Environment {
    let holder = object(content, "environment");
    Environment {
        reproducible: flag(holder, "reproducible"),
        internet: flag(holder, "internet"),
        aleph_api: flag(holder, "aleph_api"),
        shared_cache: flag(holder, "shared_cache"),
    }
}

fn resources(content: &Object) -> Resources {
    let holder = object(content, "resources");
    let number = |name| holder.and_then(|holder| holder.get(name)?.as_number());
    let small = |name, default| {
        let number = number(name).and_then(|number| number.as_u64());
        number.and_then(|number| number.try_into().ok()).unwrap_or(default)
    };
    let milliseconds =
        milliseconds(holder.and_then(|holder| holder.get("seconds"))).unwrap_or(1000);
    Resources { vcpus: small("vcpus", 1), memory_mib: small("memory", 128), milliseconds }
}

/// A number of seconds.
fn milliseconds(seconds: Option<&Value>) -> Option<u64> {
    let seconds = seconds?.as_number()?;
    match seconds.as_float() {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the conversion saturates, and less than a millisecond is none"
        )]
        Some(seconds) => Some((seconds * 1000.0) as u64),
        None => Some(seconds.as_u64()?.saturating_mul(1000)),
    }
}
