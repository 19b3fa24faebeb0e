//! The part of the configuration that concerns the Aleph network: messages, programs, and where they come from.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::{InvalidConfig, Origin};
use crate::aleph::item_hash::ItemHash;
use crate::aleph::limits::MAX_CHANNEL_CHARS;
use crate::limits::{
    DEFAULT_ALEPH_POLL_MS, MAX_ALEPH_CHANNELS, MAX_ALEPH_OWNER_BYTES, MAX_ALEPH_OWNERS,
    MAX_ALEPH_POLL_MS, MAX_ALEPH_PROGRAMS, MIN_ALEPH_POLL_MS,
};

/// Stands for every address in [`AlephConfig::program_owners`].
const EVERYBODY: &str = "*";

/// Messages and programs of the Aleph network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AlephConfig {
    /// The message node (a core channel node) that messages, programs and files come from, such as
    /// `http://10.0.2.2:4024`; none: only what is posted to the node and what it was booted with.
    pub node: Option<Origin>,
    /// Item hashes of the PROGRAM messages that are fetched from the message node and run.
    pub programs: Vec<String>,
    /// How often the message node is asked for new messages, in milliseconds; 0: never.
    pub poll_ms: u32,
    /// Whether new messages are also taken from the message node's WebSocket, which brings them sooner.
    pub websocket: bool,
    /// Only messages of these channels are asked of the message node; none: of all.
    pub channels: Vec<String>,
    /// Whether messages may be posted to the node itself (`POST /message` and what goes with it).
    pub accept: bool,
    /// Addresses whose PROGRAM messages are installed when somebody posts them; `"*"` stands for every
    /// address, an empty list for none.
    pub program_owners: Vec<String>,
}

impl Default for AlephConfig {
    fn default() -> Self {
        Self {
            node: None,
            programs: Vec::new(),
            poll_ms: DEFAULT_ALEPH_POLL_MS,
            websocket: true,
            channels: Vec::new(),
            accept: true,
            program_owners: Vec::new(),
        }
    }
}

impl AlephConfig {
    /// Whether the PROGRAM messages of this address are installed when they are posted.
    #[must_use]
    pub fn may_install(&self, owner: &str) -> bool {
        let is_this = |entry: &String| entry == EVERYBODY || entry.eq_ignore_ascii_case(owner);
        self.program_owners.iter().any(is_this)
    }

    pub(super) fn validate(&self) -> Result<(), InvalidConfig> {
        let wrong = |field, why| Err(InvalidConfig { field, why });
        if self.programs.len() > MAX_ALEPH_PROGRAMS {
            return wrong("aleph.programs", "has more than 32 entries");
        }
        if self.programs.iter().any(|hash| hash.parse::<ItemHash>().is_err()) {
            return wrong("aleph.programs", "has an entry that is no item hash");
        }
        if !self.programs.is_empty() && self.node.is_none() {
            return wrong("aleph.programs", "needs aleph.node");
        }
        if self.poll_ms != 0 && !(MIN_ALEPH_POLL_MS..=MAX_ALEPH_POLL_MS).contains(&self.poll_ms) {
            return wrong("aleph.poll_ms", "must be 0, or between 100 and 3600000");
        }
        if self.channels.len() > MAX_ALEPH_CHANNELS {
            return wrong("aleph.channels", "has more than 16 entries");
        }
        let is_channel = |channel: &String| {
            !channel.is_empty()
                && channel.chars().count() <= MAX_CHANNEL_CHARS
                && !channel.contains(',')
        };
        if !self.channels.iter().all(is_channel) {
            let why = "has an entry that is empty, longer than 128 characters, or has a comma";
            return wrong("aleph.channels", why);
        }
        if self.program_owners.len() > MAX_ALEPH_OWNERS {
            return wrong("aleph.program_owners", "has more than 64 entries");
        }
        let is_owner = |owner: &String| !owner.is_empty() && owner.len() <= MAX_ALEPH_OWNER_BYTES;
        if !self.program_owners.iter().all(is_owner) {
            return wrong(
                "aleph.program_owners",
                "has an entry that is empty or longer than 128 bytes",
            );
        }
        Ok(())
    }
}
