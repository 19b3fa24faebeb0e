//! A particle's data between steps: decoded while it is busy, as bytes once it has been idle.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use air_core::{Parameters, Session};

use super::Particle;

/// In one of the two forms. Decoded and verified, a step costs only what it changes; encoded and signed,
/// the data are several times smaller, and in one piece.
pub(super) struct Kept {
    session: Option<Box<Session>>,
    bytes: Vec<u8>,
}

impl Kept {
    pub(super) fn new(session: Session) -> Self {
        Self { session: Some(Box::new(session)), bytes: Vec::new() }
    }

    /// The decoded form. Bytes that this node wrote can be read again; should they not be, the particle
    /// starts anew, as on a node that has never seen it.
    pub(super) fn session(
        &mut self,
        particle: &Particle,
        parameters: impl Fn() -> Parameters,
    ) -> &mut Session {
        let bytes = &mut self.bytes;
        self.session.get_or_insert_with(|| {
            let bytes = core::mem::take(bytes);
            let session = Session::restore(particle.script.clone(), parameters(), &bytes)
                .unwrap_or_else(|_| Session::new(particle.script.clone(), parameters()));
            Box::new(session)
        })
    }

    pub(super) const fn is_frozen(&self) -> bool {
        self.session.is_none()
    }

    /// Turns the data into bytes; how many.
    pub(super) fn freeze(&mut self) -> usize {
        if let Some(mut session) = self.session.take() {
            self.bytes = session.data();
            self.bytes.shrink_to_fit();
        }
        self.bytes.len()
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").field("frozen", &self.is_frozen()).finish_non_exhaustive()
    }
}
