//! The messages that were posted and taken lately, for those who want to read them back.

use alloc::collections::VecDeque;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use air_core::value::Value;

use super::page::Filter;
use crate::aleph::item_hash::ItemHash;
use crate::aleph::message::{Message, Type};
use crate::limits::{ACCEPTED_MESSAGES_PART, MAX_ACCEPTED_BYTES, MAX_ACCEPTED_MESSAGES};

/// Messages in memory, the oldest of which make room for new ones.
#[derive(Debug)]
pub struct Accepted {
    messages: VecDeque<Kept>,
    bytes: usize,
    most_bytes: usize,
}

/// A message as it is handed out, and what it is asked for by.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) item_hash: ItemHash,
    pub(super) kind: Type,
    pub(super) time: f64,
    pub(super) sender: String,
    pub(super) chain: String,
    pub(super) channel: Option<String>,
    /// `address`, `ref`, `type` and `key` of the content, as far as it has them.
    pub(super) owner: Option<String>,
    pub(super) reference: Option<String>,
    pub(super) content_type: Option<String>,
    pub(super) content_key: Option<String>,
    pub(super) tags: Vec<String>,
    /// The envelope with its content.
    json: Arc<str>,
}

impl Kept {
    fn of(message: &Message) -> Self {
        let content = |name| {
            let value = message.content().and_then(|content| content.get(name)?.as_str());
            value.map(ToString::to_string)
        };
        let inner = message.content().and_then(|content| content.get("content")?.as_object());
        let tags = inner.and_then(|inner| inner.get("tags")?.as_array()).unwrap_or_default();
        Self {
            item_hash: message.item_hash().clone(),
            kind: message.kind(),
            time: message.time(),
            sender: message.sender().to_string(),
            chain: message.chain().to_string(),
            channel: message.channel().map(ToString::to_string),
            owner: content("address"),
            reference: content("ref"),
            content_type: content("type"),
            content_key: content("key"),
            tags: tags.iter().filter_map(Value::as_str).map(Into::into).collect(),
            json: Value::Object(Arc::new(message.envelope().clone())).to_json().into(),
        }
    }
}

impl Accepted {
    /// No messages; later so many as a part of this heap bears.
    #[must_use]
    pub fn within(heap_bytes: usize) -> Self {
        let most_bytes = (heap_bytes / ACCEPTED_MESSAGES_PART).min(MAX_ACCEPTED_BYTES);
        Self { messages: VecDeque::new(), bytes: 0, most_bytes }
    }

    /// Keeps a message, unless it is there or larger than all may be together.
    pub fn insert(&mut self, message: &Message) {
        if self.get(message.item_hash()).is_some() {
            return;
        }
        let kept = Kept::of(message);
        if kept.json.len() > self.most_bytes {
            return;
        }
        self.bytes += kept.json.len();
        self.messages.push_back(kept);
        while self.bytes > self.most_bytes || self.messages.len() > MAX_ACCEPTED_MESSAGES {
            let Some(oldest) = self.messages.pop_front() else { break };
            self.bytes = self.bytes.saturating_sub(oldest.json.len());
        }
    }

    /// The JSON of a message.
    #[must_use]
    pub fn get(&self, hash: &ItemHash) -> Option<Arc<str>> {
        let kept = self.messages.iter().find(|kept| kept.item_hash == *hash);
        kept.map(|kept| kept.json.clone())
    }

    /// Number of messages.
    #[must_use]
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// A page of the messages that pass a filter, as the network's nodes answer.
    pub(super) fn page(&self, filter: &Filter) -> String {
        let mut passing: Vec<&Kept> =
            self.messages.iter().filter(|kept| filter.lets_pass(kept)).collect();
        passing.sort_by(|a, b| {
            let order = a.time.total_cmp(&b.time);
            if filter.is_ascending { order } else { order.reverse() }
        });
        let total = passing.len();
        let skipped = filter.page.saturating_sub(1).saturating_mul(filter.per_page);
        let mut out = String::from("{\"messages\":[");
        for (index, kept) in passing.into_iter().skip(skipped).take(filter.per_page).enumerate() {
            if index > 0 {
                out.push(',');
            }
            out.push_str(&kept.json);
        }
        for (name, number) in [
            ("],\"pagination_page\":", filter.page),
            (",\"pagination_total\":", total),
            (",\"pagination_per_page\":", filter.per_page),
        ] {
            out.push_str(name);
            out.push_str(&number.to_string());
        }
        out.push_str(",\"pagination_item\":\"messages\"}");
        out
    }
}
