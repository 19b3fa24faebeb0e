//! Memory for the particles that are being received, shared by all connections.
//!
//! A particle takes its share as its bytes arrive, so a peer that announces much and sends nothing holds
//! nothing. When there is no more, the particle leaves that has cost most, in bytes times age: the
//! stalled large ones. A particle that is complete and waits for the handler stays.

use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use core::cell::RefCell;
use core::future::poll_fn;
use core::task::{Poll, Waker};

use embedded_io_async::{ErrorKind, ErrorType, Read};

use super::clock::Clock;
use super::signal::Signal;
use crate::time::{Instant, Timer};

/// The memory; clones are the same.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    shared: Rc<Shared>,
}

#[derive(Debug)]
struct Shared {
    clock: Clock,
    limit: usize,
    ledger: RefCell<Ledger>,
    /// Raised when memory comes back.
    freed: Signal,
}

#[derive(Debug, Default)]
struct Ledger {
    used: usize,
    next: u64,
    entries: BTreeMap<u64, Entry>,
}

#[derive(Debug)]
struct Entry {
    bytes: usize,
    since: Instant,
    stage: Stage,
    /// Who is to hear that the particle has to leave.
    waker: Option<Waker>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Arriving,
    Complete,
    CrowdedOut,
}

/// Others needed the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CrowdedOut;

/// The share of one particle, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    shared: Rc<Shared>,
    id: u64,
}

impl Budget {
    pub(super) fn new(clock: Clock, limit: usize) -> Self {
        let ledger = RefCell::default();
        Self { shared: Rc::new(Shared { clock, limit, ledger, freed: Signal::default() }) }
    }

    /// Bytes in use.
    pub(super) fn used(&self) -> usize {
        self.shared.ledger.borrow().used
    }

    /// A share of nothing yet.
    pub(super) fn open(&self) -> Share {
        let ledger = &mut *self.shared.ledger.borrow_mut();
        ledger.next += 1;
        let entry =
            Entry { bytes: 0, since: self.shared.clock.now(), stage: Stage::Arriving, waker: None };
        ledger.entries.insert(ledger.next, entry);
        Share { shared: Rc::clone(&self.shared), id: ledger.next }
    }
}

enum Grown {
    Yes,
    Wait,
    CrowdedOut,
}

impl Share {
    /// Takes so many bytes more; waits until they are free.
    pub(super) async fn grow(&self, bytes: usize) -> Result<(), CrowdedOut> {
        loop {
            let seen = self.shared.freed.count();
            match self.try_grow(bytes) {
                Grown::Yes => return Ok(()),
                Grown::CrowdedOut => return Err(CrowdedOut),
                Grown::Wait => self.shared.freed.beyond(seen).await,
            };
        }
    }

    /// The particle is complete: it stays until it is handed over.
    pub(super) fn complete(&self) {
        if let Some(entry) = self.shared.ledger.borrow_mut().entries.get_mut(&self.id) {
            entry.stage = Stage::Complete;
        }
    }

    /// Completes when the particle has to leave.
    pub(super) async fn crowded_out(&self) {
        poll_fn(|context| {
            let mut ledger = self.shared.ledger.borrow_mut();
            let Some(entry) = ledger.entries.get_mut(&self.id) else { return Poll::Ready(()) };
            if entry.stage == Stage::CrowdedOut {
                return Poll::Ready(());
            }
            entry.waker = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Whether the particle has to leave.
    pub(super) fn is_crowded_out(&self) -> bool {
        let ledger = self.shared.ledger.borrow();
        ledger.entries.get(&self.id).is_none_or(|entry| entry.stage == Stage::CrowdedOut)
    }

    fn try_grow(&self, bytes: usize) -> Grown {
        let now = self.shared.clock.now();
        let limit = self.shared.limit;
        let ledger = &mut *self.shared.ledger.borrow_mut();
        let Some(own) = ledger.entries.get_mut(&self.id) else { return Grown::CrowdedOut };
        if own.stage == Stage::CrowdedOut {
            return Grown::CrowdedOut;
        }
        if ledger.used.saturating_add(bytes) <= limit {
            own.bytes += bytes;
            ledger.used += bytes;
            return Grown::Yes;
        }
        let leaving = ledger.entries.values().filter(|entry| entry.stage == Stage::CrowdedOut);
        let coming_back: usize = leaving.map(|entry| entry.bytes).sum();
        if (ledger.used - coming_back).saturating_add(bytes) <= limit {
            return Grown::Wait;
        }
        // Nobody arrives but those who are complete: they are handed over some time.
        let Some(victim) = ledger.costliest(now) else { return Grown::Wait };
        let Some(entry) = ledger.entries.get_mut(&victim) else { return Grown::Wait };
        entry.stage = Stage::CrowdedOut;
        if victim == self.id {
            return Grown::CrowdedOut;
        }
        if let Some(waker) = entry.waker.take() {
            waker.wake();
        }
        Grown::Wait
    }
}

impl Ledger {
    /// The arriving particle that has cost most.
    fn costliest(&self, now: Instant) -> Option<u64> {
        let arriving = self.entries.iter().filter(|(_, entry)| entry.stage == Stage::Arriving);
        let cost = |entry: &Entry| {
            let age = now.total_micros().saturating_sub(entry.since.total_micros()).max(1);
            age.unsigned_abs().saturating_mul(entry.bytes as u64)
        };
        arriving
            .max_by_key(|(id, entry)| (cost(entry), core::cmp::Reverse(**id)))
            .map(|(id, _)| *id)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut ledger = self.shared.ledger.borrow_mut();
        if let Some(entry) = ledger.entries.remove(&self.id) {
            ledger.used -= entry.bytes;
        }
        drop(ledger);
        self.shared.freed.raise();
    }
}

/// A stream whose bytes are paid for as they arrive.
#[derive(Debug)]
pub(super) struct Paid<'a, S> {
    stream: &'a mut S,
    share: &'a Share,
    /// Bytes that arrived.
    pub(super) bytes: usize,
}

impl<'a, S> Paid<'a, S> {
    pub(super) fn new(stream: &'a mut S, share: &'a Share) -> Self {
        Self { stream, share, bytes: 0 }
    }
}

impl<S> ErrorType for Paid<'_, S> {
    type Error = ErrorKind;
}

impl<S: Read> Read for Paid<'_, S> {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, ErrorKind> {
        use embedded_io_async::Error;
        let read = self.stream.read(buf).await.map_err(|error| error.kind())?;
        self.share.grow(read).await.map_err(|CrowdedOut| ErrorKind::OutOfMemory)?;
        self.bytes += read;
        Ok(read)
    }
}
