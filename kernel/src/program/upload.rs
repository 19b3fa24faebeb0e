//! A request's body on its way into a file of the run that it starts.
//!
//! Bodies that are large, or whose length nobody has said, arrive piece by piece where the run finds them: they
//! are in memory once, and from the first byte to the end of the run they belong to what the program may
//! hold. Before anything is read (and before a client that asked for it is told to go on) the program has
//! promised room among those that wait, and, where the length is known, memory.
//!
//! Who sends slowly takes none of the turns, which are for runs: a body has its place among those that wait, and
//! goes to the end of the line when it is complete. A body that breaks off, is late or lies about its length
//! leaves nothing behind.

use alloc::rc::Rc;
use alloc::sync::Arc;

use netstack::http::{BodyError, RequestBody};

use super::account::Share;
use super::gate::Reserved;
use super::limits::FIRST_BODY_BYTES;
use super::{Hosted, RunOutcome};
use crate::node::{BodyPermit, Node, zeroed};

/// A body that arrives.
pub(super) struct Upload {
    admission: Admission,
    permit: BodyPermit,
    /// What is there, and room behind it.
    file: Arc<[u8]>,
    filled: usize,
    most: usize,
}

/// What a run has before it begins.
pub(super) struct Admission {
    pub(super) place: Reserved,
    /// Holds what has arrived.
    pub(super) share: Share,
}

/// A body that has arrived. The permit is for as long as it is there.
pub(super) struct Uploaded {
    pub(super) file: Arc<[u8]>,
    pub(super) admission: Admission,
    pub(super) permit: BodyPermit,
}

/// Why a body does not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UploadError {
    /// It is longer than the program may hold, or than the node is configured for.
    TooLarge,
    /// There is no room for it now.
    Busy,
    /// What is sent is no body.
    Body(BodyError),
}

impl Hosted {
    /// Makes room for a body of this length, or of at most `most` bytes if its length is not known.
    pub(super) fn admit(
        &self,
        node: &Rc<Node>,
        length: Option<usize>,
        most: usize,
    ) -> Result<Upload, UploadError> {
        let admitted = self.try_admit(node, length, most);
        if matches!(admitted, Err(UploadError::Busy)) {
            self.stats().count(RunOutcome::Shed);
        }
        admitted
    }

    fn try_admit(
        &self,
        node: &Rc<Node>,
        length: Option<usize>,
        most: usize,
    ) -> Result<Upload, UploadError> {
        let most = most.min(self.account().limit());
        let room = length.unwrap_or(FIRST_BODY_BYTES.min(most));
        if room > most {
            return Err(UploadError::TooLarge);
        }
        let place = self.gate().reserve().map_err(|_| UploadError::Busy)?;
        let permit = node.body_permit(room).ok_or(UploadError::Busy)?;
        let share = self.account().share();
        if !share.hold(room) {
            return Err(UploadError::Busy);
        }
        let file = zeroed(room).ok_or(UploadError::Busy)?;
        Ok(Upload { admission: Admission { place, share }, permit, file, filled: 0, most })
    }
}

impl Upload {
    /// Reads the body to its end.
    pub(super) async fn receive(
        mut self,
        body: &mut impl RequestBody,
    ) -> Result<Uploaded, UploadError> {
        loop {
            // Nobody else has the file yet.
            let room = Arc::get_mut(&mut self.file).and_then(|file| file.get_mut(self.filled..));
            let room = room.unwrap_or_default();
            let mut one = [0];
            let is_full = room.is_empty();
            // A body of known length ends right at the end of the room; of others one byte more tells.
            let read = body.read(if is_full { &mut one } else { room }).await;
            match read.map_err(UploadError::Body)? {
                0 => break,
                read if !is_full => self.filled += read,
                _ => self.grow(one)?,
            }
        }
        let Self { mut file, admission, permit, filled, .. } = self;
        if filled < file.len() {
            let whole = zeroed(filled).ok_or(UploadError::Busy)?;
            file = with(whole, file.get(..filled).unwrap_or_default());
        }
        // Less is never refused.
        let _ = admission.share.hold(filled) && permit.resize(filled);
        Ok(Uploaded { file, admission, permit })
    }

    /// Doubles the room, for a byte that does not fit.
    fn grow(&mut self, next: [u8; 1]) -> Result<(), UploadError> {
        if self.filled >= self.most {
            return Err(UploadError::TooLarge);
        }
        let larger = self.filled.saturating_mul(2).max(1).min(self.most);
        // While the bytes move, both places are there.
        let both = self.filled.saturating_add(larger);
        if !self.permit.resize(both) || !self.admission.share.hold(both) {
            return Err(UploadError::Busy);
        }
        let larger = zeroed(larger).ok_or(UploadError::Busy)?;
        self.file = with(larger, &self.file);
        if let Some(place) = Arc::get_mut(&mut self.file).and_then(|file| file.get_mut(self.filled))
        {
            [*place] = next;
        }
        self.filled += 1;
        let _ = self.admission.share.hold(self.file.len()) && self.permit.resize(self.file.len());
        Ok(())
    }
}

/// The file with these bytes at its beginning.
fn with(mut file: Arc<[u8]>, bytes: &[u8]) -> Arc<[u8]> {
    let place = Arc::get_mut(&mut file).and_then(|file| file.get_mut(..bytes.len()));
    if let Some(place) = place {
        place.copy_from_slice(bytes);
    }
    file
}
