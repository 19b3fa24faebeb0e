//! Which messages somebody asks for (`GET /api/v0/messages.json?…`).

use alloc::string::String;
use alloc::vec::Vec;

use super::accepted::Kept;
use crate::limits::{DEFAULT_MESSAGES_PER_PAGE, MAX_FILTER_VALUES, MAX_MESSAGES_PER_PAGE};

/// Which messages, in which order, and which part of them.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Filter {
    /// Each a name of a filter and the values that pass.
    lists: Vec<(&'static str, Vec<String>)>,
    start: f64,
    end: f64,
    pub(super) is_ascending: bool,
    /// From 1.
    pub(super) page: usize,
    pub(super) per_page: usize,
}

/// A parameter that cannot be understood, or asks for what is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BadFilter(pub(super) String);

/// The filters with lists of values, separated by commas, in the names of the network's nodes.
const LISTS: [&str; 11] = [
    "hashes",
    "addresses",
    "owners",
    "msgType",
    "msgTypes",
    "channels",
    "chains",
    "refs",
    "contentTypes",
    "contentKeys",
    "tags",
];

impl Filter {
    /// Reads the query of a request.
    pub(super) fn parse(query: &str) -> Result<Self, BadFilter> {
        let mut filter = Self {
            lists: Vec::new(),
            start: f64::NEG_INFINITY,
            end: f64::INFINITY,
            is_ascending: false,
            page: 1,
            per_page: DEFAULT_MESSAGES_PER_PAGE,
        };
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let bad = || BadFilter(name.chars().take(64).collect());
            let value = decoded(value).ok_or_else(bad)?;
            match name {
                "startDate" => filter.start = seconds(&value).ok_or_else(bad)?,
                "endDate" => filter.end = seconds(&value).ok_or_else(bad)?,
                "sortOrder" | "sort_order" => filter.is_ascending = value == "1",
                "sortBy" | "sort_by" if value == "time" => {}
                // All that are kept here are.
                "message_statuses" | "messageStatuses" if value == "processed" => {}
                "page" => {
                    filter.page = value.parse().ok().filter(|page| *page > 0).ok_or_else(bad)?;
                }
                "pagination" => {
                    let per_page = value.parse::<usize>().map_err(|_| bad())?;
                    filter.per_page = match per_page {
                        0 => MAX_MESSAGES_PER_PAGE,
                        some => some.min(MAX_MESSAGES_PER_PAGE),
                    };
                }
                _ => {
                    let known = LISTS.iter().find(|known| **known == name).ok_or_else(bad)?;
                    let values: Vec<String> = value.split(',').map(Into::into).collect();
                    if values.len() > MAX_FILTER_VALUES {
                        return Err(bad());
                    }
                    filter.lists.push((known, values));
                }
            }
        }
        Ok(filter)
    }

    /// Whether a message is one of those that are asked for.
    pub(super) fn lets_pass(&self, kept: &Kept) -> bool {
        self.start <= kept.time
            && kept.time < self.end
            && self.lists.iter().all(|(name, values)| passes(name, values, kept))
    }
}

fn passes(name: &str, values: &[String], kept: &Kept) -> bool {
    let is_one = |value: &str| values.iter().any(|one| one == value);
    let is_address = |value: &str| values.iter().any(|one| one.eq_ignore_ascii_case(value));
    match name {
        "hashes" => is_one(kept.item_hash.as_str()),
        "addresses" => is_address(&kept.sender),
        "owners" => kept.owner.as_deref().is_some_and(is_address),
        "msgType" | "msgTypes" => is_one(kept.kind.word()),
        "channels" => kept.channel.as_deref().is_some_and(is_one),
        "chains" => is_one(&kept.chain),
        "refs" => kept.reference.as_deref().is_some_and(is_one),
        "contentTypes" => kept.content_type.as_deref().is_some_and(is_one),
        "contentKeys" => kept.content_key.as_deref().is_some_and(is_one),
        _ => kept.tags.iter().any(|tag| is_one(tag)),
    }
}

fn seconds(text: &str) -> Option<f64> {
    text.parse().ok().filter(|seconds: &f64| seconds.is_finite())
}

/// A value of a query, decoded.
fn decoded(text: &str) -> Option<String> {
    let digit = |byte: Option<&u8>| char::from(*byte?).to_digit(16);
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        at += 1;
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let value = digit(bytes.get(at))? << 4 | digit(bytes.get(at + 1))?;
                at += 2;
                u8::try_from(value).ok()?
            }
            other => *other,
        });
    }
    String::from_utf8(out).ok()
}
