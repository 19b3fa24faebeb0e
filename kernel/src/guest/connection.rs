//! One connection of the host: what it begins with, what is received, how it is answered.

use alloc::rc::Rc;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::pin::pin;

use embedded_io_async::{Read, Write};
use futures_util::future::{Either, select};
use log::debug;
use netstack::{Split, Writer};

use super::configuration::{self, Refusal};
use super::limits::{
    HOST_ANSWER_MS, HOST_CONFIGURATION_MS, HOST_CONFIGURATION_PART, HOST_PIECE_BYTES,
    HOST_REQUEST_MS, SMALL_HOST_REQUEST_BYTES,
};
use super::{Configured, Guest, HostSocket, Phase, Told, reply};
use crate::aleph::host::{Kind, PackError, Run, complete_length, configuration_length, configured};
use crate::aleph::limits::MAX_RUN_BYTES;
use crate::aleph::trigger::Failure;

/// The bytes that ask for the end.
const HALT: &[u8] = b"halt";

/// A connection and what has been received on it.
pub(super) struct Connection<S: Split> {
    reader: S::Reader,
    writer: S::Writer,
    pub(super) bytes: Vec<u8>,
}

/// Why nothing more is to be had from the host.
enum Lost {
    /// It has closed the connection.
    Closed,
    /// There is no memory for more.
    NoMemory,
}

impl<S: Split> Connection<S> {
    pub(super) fn new(stream: S) -> Self {
        let (reader, writer) = stream.split();
        Self { reader, writer, bytes: Vec::new() }
    }

    /// Waits for more bytes and keeps them.
    async fn receive(&mut self) -> Result<(), Lost> {
        let begin = self.bytes.len();
        self.bytes.try_reserve(HOST_PIECE_BYTES).map_err(|_| Lost::NoMemory)?;
        self.bytes.resize(begin.saturating_add(HOST_PIECE_BYTES), 0);
        let room = self.bytes.get_mut(begin..).unwrap_or_default();
        let count = self.reader.read(room).await.unwrap_or(0);
        self.bytes.truncate(begin.saturating_add(count));
        if count == 0 { Err(Lost::Closed) } else { Ok(()) }
    }

    /// Receives until there are so many bytes.
    async fn receive_until(&mut self, length: usize) -> Result<(), Lost> {
        while self.bytes.len() < length {
            self.receive().await?;
        }
        Ok(())
    }

    /// Receives so many bytes beyond those that are kept, and forgets them.
    async fn pass_over(&mut self, mut length: usize) -> Result<(), Lost> {
        let mut piece = [0; 256];
        while length > 0 {
            let count = self.reader.read(&mut piece).await.map_err(|_| Lost::Closed)?;
            if count == 0 {
                return Err(Lost::Closed);
            }
            length = length.saturating_sub(count);
        }
        Ok(())
    }

    /// Waits until the host closes the connection; what it says until then is no part of what it asked.
    async fn closed(&mut self) {
        while self.pass_over(1).await.is_ok() {}
    }

    /// Sends bytes and waits until they have left; whether they have.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> bool {
        let sent = async {
            self.writer.write_all(bytes).await?;
            self.writer.flush().await
        };
        sent.await.is_ok()
    }

    /// Sends the last bytes and closes the connection.
    pub(super) async fn finish(mut self, bytes: &[u8]) -> bool {
        self.send(bytes).await && self.writer.shutdown().await.is_ok()
    }
}

/// Does what the host wants with a connection.
pub(super) async fn converse<S: HostSocket>(guest: Rc<Guest<S>>, stream: S::Stream) {
    let mut connection = Connection::new(stream);
    if !matches!(guest.within(HOST_REQUEST_MS, connection.receive()).await, Some(Ok(()))) {
        return;
    }
    match connection.bytes.first().copied() {
        Some(first) if first.is_ascii_digit() => configure(&guest, connection).await,
        Some(first) => match Kind::of(first) {
            Kind::Run => run(&guest, connection).await,
            Kind::Halt => {
                let whole = connection.receive_until(HALT.len());
                let whole = matches!(guest.within(HOST_REQUEST_MS, whole).await, Some(Ok(())));
                if whole && connection.bytes == HALT {
                    guest.halt(connection).await;
                }
            }
            Kind::Unknown => debug!(target: "guest", "the host began with {first:#04x}: closed"),
        },
        None => {}
    }
}

async fn configure<S: HostSocket>(guest: &Guest<S>, mut connection: Connection<S::Stream>) {
    let answer = if guest.phase.get() == Phase::Unconfigured {
        guest.phase.set(Phase::Configuring);
        let taken = guest.within(HOST_CONFIGURATION_MS, take(guest, &mut connection)).await;
        let next = if matches!(taken, Some(Ok(_))) { Phase::Running } else { Phase::Unconfigured };
        if guest.phase.get() == Phase::Configuring {
            guest.phase.set(next);
        }
        match taken {
            Some(Ok(program)) => {
                *guest.configured.borrow_mut() = Some(program);
                configured()
            }
            Some(Err(Refusal::Closed)) => return,
            Some(Err(refusal)) => refusal.reply(),
            None => Refusal::Late.reply(),
        }
    } else {
        Refusal::Again.reply()
    };
    connection.bytes = Vec::new();
    guest.within(HOST_ANSWER_MS, connection.finish(&answer)).await;
}

/// Receives the configuration and puts it into force.
async fn take<S: HostSocket>(
    guest: &Guest<S>,
    connection: &mut Connection<S::Stream>,
) -> Result<Configured, Refusal> {
    let lost = |lost| match lost {
        Lost::Closed => Refusal::Closed,
        Lost::NoMemory => Refusal::NoMemory,
    };
    let (length, begin) = loop {
        match configuration_length(&connection.bytes).map_err(Refusal::Malformed)? {
            Some(found) => break found,
            None => connection.receive().await.map_err(lost)?,
        }
    };
    let whole = begin.saturating_add(length);
    // Besides the message there are its parts unpacked, and what the node lives on.
    let heap = guest.programs.node().machine().heap();
    let free = usize::try_from(heap.total.saturating_sub(heap.used)).unwrap_or(usize::MAX);
    if whole > free / HOST_CONFIGURATION_PART {
        // The host writes all of it before it listens for an answer.
        let rest = whole.saturating_sub(connection.bytes.len());
        connection.pass_over(rest).await.map_err(lost)?;
        return Err(Refusal::NoMemory);
    }
    let more = whole.saturating_sub(connection.bytes.len());
    connection.bytes.try_reserve_exact(more).map_err(|_| Refusal::NoMemory)?;
    connection.receive_until(whole).await.map_err(lost)?;
    let message = connection.bytes.get(begin..whole).unwrap_or_default();
    let hosted = configuration::apply(guest, message).await?;
    let (store, heap) = (guest.programs.store().clone(), guest.programs.node().heap_bytes());
    let told = Told::open(store, hosted.definition().id(), heap).await;
    Ok(Configured { hosted, told: Rc::new(told) })
}

/// Why there is no request.
enum Unreceived {
    Closed,
    NoMemory,
    Busy,
    Malformed(PackError),
}

impl From<Lost> for Unreceived {
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::Closed => Self::Closed,
            Lost::NoMemory => Self::NoMemory,
        }
    }
}

async fn run<S: HostSocket>(guest: &Guest<S>, mut connection: Connection<S::Stream>) {
    let received = guest.within(HOST_REQUEST_MS, request(guest, &mut connection)).await;
    let answer = match received {
        Some(Ok(task)) => {
            let running = pin!(reply::answer(guest, task));
            match select(running, pin!(connection.closed())).await {
                Either::Left((answer, _)) => answer,
                // The host waits no longer: with its future the run is given up.
                Either::Right(_) => return,
            }
        }
        Some(Err(Unreceived::Closed)) => return,
        Some(Err(Unreceived::Busy)) => reply::of_failure(&Failure::Busy),
        Some(Err(Unreceived::NoMemory)) => reply::internal("there is no memory for the request"),
        Some(Err(Unreceived::Malformed(error))) => reply::internal(&error.to_string()),
        None => reply::internal("the request did not come in time"),
    };
    if guest.within(HOST_ANSWER_MS, connection.finish(&answer)).await != Some(true) {
        debug!(target: "guest", "the host did not take the answer");
    }
}

/// Receives a request, and makes what is to be done of it. One that is large waits until others have been
/// received: until then the host is given no room to send more.
async fn request<S: HostSocket>(
    guest: &Guest<S>,
    connection: &mut Connection<S::Stream>,
) -> Result<reply::Task, Unreceived> {
    let mut permit = None;
    loop {
        let complete = complete_length(&connection.bytes, MAX_RUN_BYTES);
        if let Some(length) = complete.map_err(Unreceived::Malformed)? {
            let bytes = core::mem::take(&mut connection.bytes);
            let message = bytes.get(..length).unwrap_or_default();
            let run = Run::decode(message).map_err(Unreceived::Malformed)?;
            return Ok(reply::Task::of(&guest.programs, &run));
        }
        if permit.is_none() && connection.bytes.len() > SMALL_HOST_REQUEST_BYTES {
            permit = Some(guest.receiving.enter().map_err(|_| Unreceived::Busy)?.await);
        }
        connection.receive().await?;
    }
}
