//! How much of requests' bodies is read at once, of all requests.

use alloc::rc::Rc;
use core::cell::Cell;

use super::Node;
use crate::metrics::Outcome;

/// Part of what may be read at once; given back when it is dropped.
pub(crate) struct BodyPermit {
    node: Rc<Node>,
    bytes: Cell<usize>,
}

impl Node {
    /// The right to read a body of so many bytes; none while too much is being read.
    pub(crate) fn body_permit(self: &Rc<Self>, bytes: usize) -> Option<BodyPermit> {
        let permit = BodyPermit { node: self.clone(), bytes: Cell::new(0) };
        if permit.resize(bytes) {
            return Some(permit);
        }
        self.metrics.particle(Outcome::Refused);
        None
    }
}

#[cfg(test)]
impl Node {
    /// Bytes of bodies that are being read, or belong to a run.
    pub(crate) fn bodies_being_read(&self) -> usize {
        self.bodies.get()
    }
}

impl BodyPermit {
    /// Makes it one for so many bytes; false, and it stays as it is, if that would be too much. Less is
    /// never too much.
    pub(crate) fn resize(&self, bytes: usize) -> bool {
        let node = &self.node;
        let others = node.bodies.get().saturating_sub(self.bytes.get());
        let all = others.saturating_add(bytes);
        let is_less = bytes < self.bytes.get();
        if !is_less && (all > node.allowance.bodies || node.memory_is_short()) {
            return false;
        }
        node.bodies.set(all);
        self.bytes.set(bytes);
        true
    }
}

impl Drop for BodyPermit {
    fn drop(&mut self) {
        self.node.bodies.set(self.node.bodies.get().saturating_sub(self.bytes.get()));
    }
}
