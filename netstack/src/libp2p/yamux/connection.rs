//! The task of a connection: reading, writing and asking whether the peer is there, all at once.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::future::{Future as _, pending, poll_fn};
use core::pin::pin;
use core::task::Poll;

use embedded_io_async::{Error as _, Read};

use super::control::Control;
use super::limits::{BUSY_READ_BYTES, FAREWELL_TIMEOUT, IDLE_READ_BYTES, READS_IN_A_ROW};
use super::session::Session;
use super::transmit::Next;
use super::{End, GoAway, Limits, ReceiveMemory, Role};
use crate::Writer;
use crate::time::{Elapsed, Timer, after, until, yield_now};

/// One end of a connection. Does nothing unless it [runs](Self::run); dropping it, or that future, ends
/// all streams.
#[derive(Debug)]
pub struct Connection<R, W, T> {
    reader: R,
    writer: W,
    timer: T,
    session: Ending,
}

/// Ends the session when the connection's task does, however that comes about.
#[derive(Debug)]
struct Ending(Rc<RefCell<Session>>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.borrow_mut().end();
    }
}

impl<R: Read, W: Writer, T: Timer> Connection<R, W, T> {
    /// Multiplexes what `reader` and `writer` carry, with memory of its own.
    pub fn new(reader: R, writer: W, role: Role, timer: T, limits: Limits) -> (Self, Control) {
        let memory = ReceiveMemory::new(limits.receive_bytes);
        Self::sharing(memory, reader, writer, role, timer, limits)
    }

    /// The same with `memory` shared with other connections.
    pub fn sharing(
        memory: ReceiveMemory,
        reader: R,
        writer: W,
        role: Role,
        timer: T,
        limits: Limits,
    ) -> (Self, Control) {
        let session = Rc::new(RefCell::new(Session::new(role, limits, memory)));
        let control = Control::new(Rc::clone(&session));
        (Self { reader, writer, timer, session: Ending(session) }, control)
    }

    /// Carries the streams until the connection ends; returns why it did. What had arrived can be read
    /// from the streams afterwards, but for those that nobody had accepted.
    pub async fn run(self) -> End {
        let Self { mut reader, mut writer, timer, session } = self;
        let (session, timer) = (&*session.0, &timer);
        let mut transmitting = pin!(transmit(session, &mut writer, timer));
        let end = {
            let mut receiving = pin!(receive(session, &mut reader, timer));
            let mut watching = pin!(watch(session, timer));
            // Who has something to send is served as often as who has sent something.
            poll_fn(|context| {
                if let Poll::Ready(end) = receiving.as_mut().poll(context) {
                    return Poll::Ready((end, true));
                }
                if let Poll::Ready(end) = transmitting.as_mut().poll(context) {
                    return Poll::Ready((end, false));
                }
                watching.as_mut().poll(context).map(|end| (end, true))
            })
            .await
        };
        let (end, transmits) = end;
        if transmits && !matches!(end, End::Io(_)) {
            let last = match end {
                End::Violation(_) | End::Flood => GoAway::ProtocolError,
                _ => GoAway::Normal,
            };
            session.borrow_mut().leave(last);
            let deadline = after(timer.now(), FAREWELL_TIMEOUT);
            // Whether the peer still hears it does not matter to why it ends.
            let _ = until(timer, deadline, transmitting).await;
        }
        end
    }
}

/// Takes what arrives.
async fn receive<R: Read, T: Timer>(session: &RefCell<Session>, reader: &mut R, timer: &T) -> End {
    let stall = session.borrow().limits.stall_timeout;
    let mut idle = [0; IDLE_READ_BYTES];
    let mut busy = Vec::new();
    let mut reads = 0;
    loop {
        reads += 1;
        if reads == READS_IN_A_ROW {
            reads = 0;
            yield_now().await;
        }
        let buffer = if busy.is_empty() { &mut idle[..] } else { &mut busy[..] };
        let read = match reader.read(buffer).await {
            Ok(0) => return End::ClosedByPeer,
            Ok(read) => read,
            Err(error) => return End::Io(error.kind()),
        };
        let mut rest = buffer.get(..read).unwrap_or_default();
        loop {
            let taken = match session.borrow_mut().receive(rest) {
                Ok(taken) => taken,
                Err(end) => return end,
            };
            rest = rest.get(taken..).unwrap_or_default();
            if rest.is_empty() {
                break;
            }
            let room = poll_fn(|context| session.borrow_mut().poll_room(context));
            if until(timer, after(timer.now(), stall), room).await.is_err() {
                return End::Stalled;
            }
        }
        if busy.is_empty() {
            if read == IDLE_READ_BYTES {
                busy.resize(BUSY_READ_BYTES, 0);
            }
        } else if read < BUSY_READ_BYTES / 2 {
            busy = Vec::new();
        }
    }
}

/// Sends what is ready.
async fn transmit<W: Writer, T: Timer>(
    session: &RefCell<Session>,
    writer: &mut W,
    timer: &T,
) -> End {
    let stall = session.borrow().limits.stall_timeout;
    let mut batch = Vec::new();
    loop {
        let next = poll_fn(|context| session.borrow_mut().poll_batch(&mut batch, context)).await;
        let sending = send(writer, &batch, next);
        match until(timer, after(timer.now(), stall), sending).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return End::Io(error.kind()),
            Err(Elapsed) => return End::Stalled,
        }
        if next == Next::Nothing {
            return if session.borrow().leaving.is_some() { End::Closed } else { End::GoneAway(0) };
        }
        batch.clear();
    }
}

/// One write, passed on at once.
async fn send<W: Writer>(writer: &mut W, batch: &[u8], next: Next) -> Result<(), W::Error> {
    writer.write_all(batch).await?;
    writer.flush().await?;
    if next == Next::Nothing {
        writer.shutdown().await?;
    }
    Ok(())
}

/// Asks the peer every now and then whether it is there.
async fn watch<T: Timer>(session: &RefCell<Session>, timer: &T) -> End {
    let interval = session.borrow().limits.keep_alive;
    let Some(interval) = interval else { return pending().await };
    let mut value = 0_u32;
    loop {
        timer.sleep_until(after(timer.now(), interval)).await;
        let mut session = session.borrow_mut();
        if session.unanswered.is_some() || session.ping.is_some() {
            return End::Silent;
        }
        session.ping = Some(value);
        session.wake_transmitter();
        value = value.wrapping_add(1);
    }
}
