//! Asks the message node again and again what is new.
//!
//! A round asks for messages since the newest one that was seen, less [`POLL_OVERLAP_SECONDS`], because messages
//! do not reach the message node in the order of their times; what comes back twice is known already. It goes
//! through the pages, oldest first. An answer that is too large is asked for in smaller pages, which grow again with each
//! round; a single message that is too large is passed over.
//!
//! # From when on
//!
//! Without a volume from the start of the node: what was published before is not run. With one the store has,
//! under `aleph/cursor`, eight bytes: the time in milliseconds since 1970, little-endian, up to which every message
//! that was found has been run for. It never passes a message that still waits in a queue. After the
//! start it goes on there, but not further back than [`MAX_CATCH_UP_SECONDS`]. Without a clock the node
//! does not know what is new, so it asks for nothing until it has one.

use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use core::fmt;
use core::time::Duration;

use futures_util::future::select;
use log::{debug, info, warn};
use netstack::http::client::ClientError;

use super::fetch::encoded;
use super::{Backoff, MessageNode, NodeError, page, page_bytes, random};
use crate::aleph::message::Message;
use crate::executor::{Executor, Signal};
use crate::limits::{
    MAX_CATCH_UP_SECONDS, MAX_MESSAGES_PER_PAGE, MAX_PAGES_PER_ROUND, POLL_OVERLAP_SECONDS,
};
use crate::machine::Machine;
use crate::metrics::Counter;
use crate::store::Store;
use crate::subscribe::{Origin, Subscriber};

/// Where the store has how far was polled.
const CURSOR: &str = "aleph/cursor";
/// How often it is looked whether there is a clock.
const CLOCK_SECONDS: u64 = 10;

/// What came of asking.
#[derive(Debug, Default)]
pub struct PollCounts {
    /// Rounds that went well.
    pub rounds: Counter,
    /// Rounds that did not.
    pub failed: Counter,
    /// Things among the messages that are none.
    pub unreadable: Counter,
    /// Connections of the WebSocket.
    pub followed: Counter,
    /// Connections of the WebSocket that could not be made, or ended.
    pub unfollowed: Counter,
}

/// What a poller works with.
pub struct Poller {
    /// The message node.
    pub node: Rc<dyn MessageNode>,
    /// Who gets the messages.
    pub subscriber: Rc<Subscriber>,
    /// Where it is kept how far was polled.
    pub store: Rc<dyn Store>,
    /// The clock.
    pub machine: Rc<dyn Machine>,
    /// Timers.
    pub executor: Executor,
    /// How long to wait between rounds; none: rounds are made only when somebody asks for one.
    pub interval: Option<Duration>,
    /// Only these channels; none: all.
    pub channels: alloc::vec::Vec<String>,
    /// Asks for a round.
    pub poke: Signal,
    /// What is counted.
    pub counts: Rc<PollCounts>,
}

/// How far was polled, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Cursor {
    newest: f64,
    /// Nothing before is asked for.
    earliest: f64,
    /// The next round begins right there: the last one did not come to the end.
    is_partial: bool,
}

impl Poller {
    /// Polls for ever.
    pub async fn run(self) {
        let mut cursor = self.first_cursor().await;
        let mut backoff = Backoff::new();
        let mut is_failing = false;
        let mut per_page = MAX_MESSAGES_PER_PAGE;
        let mut kept = None;
        loop {
            let (changes, pokes) = (self.subscriber.changes(), self.poke.count());
            let seen = changes.count();
            if !self.subscriber.has_subscriptions() {
                changes.after(seen).await;
                continue;
            }
            let round = self.round(&mut cursor, &mut per_page).await;
            self.keep(cursor, &mut kept).await;
            match round {
                Ok(true) => {
                    self.counts.rounds.add(1);
                    if core::mem::take(&mut is_failing) {
                        info!(target: "aleph", "the message node answers again");
                    }
                    backoff = Backoff::new();
                    self.wait(pokes).await;
                }
                // There is more at once.
                Ok(false) => self.counts.rounds.add(1),
                Err(error) => {
                    self.counts.failed.add(1);
                    if !core::mem::replace(&mut is_failing, true) {
                        warn!(target: "aleph", "messages cannot be polled: {error}");
                    }
                    self.executor.sleep(backoff.next(random(&*self.machine))).await;
                }
            }
        }
    }

    /// Waits until the next round is due, or somebody asks for it.
    async fn wait(&self, pokes: u64) {
        let poke = self.poke.after(pokes);
        match self.interval {
            Some(interval) => {
                select(core::pin::pin!(poke), self.executor.sleep(interval)).await;
            }
            None => {
                poke.await;
            }
        }
    }

    /// Where an earlier life ended, else now.
    async fn first_cursor(&self) -> Cursor {
        let kept = match self.store.get(CURSOR).await {
            Ok(bytes) => bytes.and_then(|bytes| <[u8; 8]>::try_from(bytes.as_slice()).ok()),
            Err(error) => {
                warn!(target: "aleph", "how far was polled cannot be read: {error}");
                None
            }
        };
        let mut now = self.unix_seconds();
        while now <= 0.0 {
            self.executor.sleep(Duration::from_secs(CLOCK_SECONDS)).await;
            now = self.unix_seconds();
        }
        let newest = kept.map_or(now, |bytes| u64::from_le_bytes(bytes) as f64 / 1000.0);
        let newest = newest.clamp(now - MAX_CATCH_UP_SECONDS as f64, now);
        // Of what came before the first start nothing is wanted.
        let earliest = if kept.is_some() { 0.0 } else { newest };
        Cursor { newest, earliest, is_partial: false }
    }

    fn unix_seconds(&self) -> f64 {
        self.machine.unix_time_ms() as f64 / 1000.0
    }

    /// Keeps how far was polled, if that is another time than was kept last.
    async fn keep(&self, cursor: Cursor, kept: &mut Option<u64>) {
        if !self.store.is_lasting() {
            return;
        }
        let until = self
            .subscriber
            .earliest_pending()
            .map_or(cursor.newest, |earliest| earliest.min(cursor.newest));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the conversion saturates"
        )]
        let until = (until * 1000.0) as u64;
        if kept.replace(until) == Some(until) {
            return;
        }
        // It is flushed with the next message that is noted: an older one only makes the next start ask for more.
        if let Err(error) = self.store.put(CURSOR, &until.to_le_bytes()).await {
            debug!(target: "aleph", "how far was polled cannot be kept: {error}");
        }
    }

    /// One round; false if there is more than a round may take.
    async fn round(&self, cursor: &mut Cursor, per_page: &mut usize) -> Result<bool, NodeError> {
        let overlap = if cursor.is_partial { 0.0 } else { POLL_OVERLAP_SECONDS as f64 };
        let start = (cursor.newest - overlap).max(cursor.earliest);
        let mut number = 1;
        while number <= MAX_PAGES_PER_ROUND {
            let target = self.target(start, number, *per_page);
            let bytes =
                match self.node.get(&target, page_bytes(self.subscriber.message_bytes())).await {
                    Err(NodeError::Http(ClientError::BodyTooLarge)) if *per_page > 1 => {
                        // Smaller pages are others, so the round begins anew.
                        *per_page /= 2;
                        number = 1;
                        continue;
                    }
                    Err(NodeError::Http(ClientError::BodyTooLarge)) => {
                        // One that no page can bring holds up none of those behind it.
                        self.counts.unreadable.add(1);
                        number += 1;
                        continue;
                    }
                    bytes => bytes?,
                };
            let count = self.take(&bytes, cursor).await?;
            if count < *per_page {
                cursor.is_partial = false;
                // What made the pages small may be past.
                *per_page = (*per_page * 2).min(MAX_MESSAGES_PER_PAGE);
                return Ok(true);
            }
            number += 1;
        }
        cursor.is_partial = true;
        if cursor.newest <= start {
            // So many of one moment, or of the future, cannot be told apart: those beyond are passed over, and the next
            // round comes when it is due.
            cursor.newest = start + 1.0;
            return Ok(true);
        }
        Ok(false)
    }

    /// Offers the messages of a page; how many there were.
    async fn take(&self, bytes: &[u8], cursor: &mut Cursor) -> Result<usize, NodeError> {
        let texts = page::messages(bytes).map_err(|_| NodeError::Malformed)?;
        let now = self.unix_seconds();
        for text in &texts {
            let fits = text.len() <= self.subscriber.message_bytes();
            let Some(message) = fits.then(|| Message::parse(text).ok()).flatten() else {
                self.counts.unreadable.add(1);
                continue;
            };
            // A time that somebody made up does not make the others old.
            cursor.newest = cursor.newest.max(message.time().min(now));
            let hash = message.item_hash().clone();
            if let Err(refused) = self.subscriber.offer(message, Origin::Polled).await {
                debug!(target: "aleph", "message {hash} is refused: {refused}");
            }
            crate::executor::yield_now().await;
        }
        Ok(texts.len())
    }

    fn target(&self, start: f64, page: usize, per_page: usize) -> String {
        let mut target = format!(
            "/api/v0/messages.json?startDate={start}&sortBy=time&sortOrder=1&pagination={per_page}&page={page}"
        );
        if !self.channels.is_empty() {
            target.push_str("&channels=");
            target.push_str(&channels(&self.channels));
        }
        target
    }
}

/// Channels as a value of a query.
pub(super) fn channels(channels: &[String]) -> String {
    let encoded: alloc::vec::Vec<String> =
        channels.iter().map(|channel| encoded(channel)).collect();
    encoded.join(",")
}

impl fmt::Debug for Poller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Poller").field("interval", &self.interval).finish_non_exhaustive()
    }
}
