//! What was fetched from the message node, as a store of messages.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};

use air_core::value::Value;

use crate::aleph::item_hash::ItemHash;
use crate::aleph::message::Message;
use crate::aleph::resolve::Store;

/// The aggregate that says who may do what.
const SECURITY: &str = "security";

/// Messages whose signatures were verified, fetched for one question.
#[derive(Clone, Debug, Default)]
pub struct Known {
    messages: BTreeMap<ItemHash, Message>,
    /// By owner and what they amend.
    newest: BTreeMap<(String, Option<String>), ItemHash>,
    security: BTreeMap<String, Value>,
}

impl Known {
    /// Adds a message.
    pub fn add(&mut self, message: Message) {
        self.messages.insert(message.item_hash().clone(), message);
    }

    /// Adds the newest STORE message of an owner, or the newest of those that amend a file.
    pub fn add_newest(&mut self, owner: &str, amends: Option<&str>, message: Message) {
        let key = (owner.to_string(), amends.map(ToString::to_string));
        self.newest.insert(key, message.item_hash().clone());
        self.add(message);
    }

    /// Sets whom an owner lets speak in its name.
    pub fn set_security(&mut self, owner: &str, aggregate: Value) {
        self.security.insert(owner.to_string(), aggregate);
    }
}

impl Store for Known {
    fn message(&self, hash: &ItemHash) -> Option<Message> {
        self.messages.get(hash).cloned()
    }

    fn newest_file(&self, owner: &str, amends: Option<&str>) -> Option<Message> {
        let key = (owner.to_string(), amends.map(ToString::to_string));
        self.newest.get(&key).and_then(|hash| self.message(hash))
    }

    /// None: nothing here asks for posts.
    fn newest_amendment(&self, _: &ItemHash) -> Option<Message> {
        None
    }

    fn aggregate(&self, owner: &str, key: &str) -> Option<Value> {
        if key == SECURITY { self.security.get(owner).cloned() } else { None }
    }
}
