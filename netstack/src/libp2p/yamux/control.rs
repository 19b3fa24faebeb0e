//! What the owner of a connection does with it.

use alloc::rc::Rc;
use core::cell::RefCell;
use core::future::poll_fn;

use super::session::Session;
use super::{Error, GoAway, Stream};

/// Opens and accepts the streams of a connection. Clones are the same.
#[derive(Clone, Debug)]
pub struct Control {
    session: Rc<RefCell<Session>>,
}

/// What a connection holds at the moment, and how much came over it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Streams that the peer opened and that are not over, those refused excepted.
    pub streams_in: usize,
    /// Streams that this side opened and that are not over.
    pub streams_out: usize,
    /// Those of them that the peer has not acknowledged.
    pub unacknowledged: usize,
    /// Bytes that arrived and were not read.
    pub receive_buffered: usize,
    /// Bytes that were written and have not left.
    pub send_buffered: usize,
    /// Bytes of frames that have arrived since the connection began: whether they grow shows whether the
    /// peer is there.
    pub received_bytes: u64,
}

impl Control {
    pub(super) const fn new(session: Rc<RefCell<Session>>) -> Self {
        Self { session }
    }

    /// Opens a stream. Waits, first come first served, while the limits allow no more; the peer learns of
    /// the stream with the first bytes written, or a little later without any.
    ///
    /// # Errors
    /// [`Error::Gone`] when the connection has ended or will take no more streams.
    pub async fn open(&self) -> Result<Stream, Error> {
        let ticket = self.session.borrow_mut().ticket();
        let place = Place { session: &self.session, ticket };
        let id =
            poll_fn(|context| self.session.borrow_mut().poll_open(place.ticket, context)).await?;
        Ok(Stream::new(Rc::clone(&self.session), id))
    }

    /// The next stream that the peer opens; none once the connection has ended. That the peer is told of
    /// the acceptance only here is what slows down one that opens more than is accepted.
    pub async fn accept(&self) -> Option<Stream> {
        let id = poll_fn(|context| self.session.borrow_mut().poll_accept(context)).await?;
        Some(Stream::new(Rc::clone(&self.session), id))
    }

    /// Ends the connection: what was written and may leave does, then the peer is told why.
    pub fn close(&self, why: GoAway) {
        self.session.borrow_mut().leave(why);
    }

    /// Whether streams can be opened still.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.session.borrow().is_open()
    }

    /// What the connection holds.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.session.borrow().counters()
    }
}

/// A place in the line of those that open a stream, left when it is dropped.
struct Place<'a> {
    session: &'a RefCell<Session>,
    ticket: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.session.borrow_mut().give_up(self.ticket);
    }
}
