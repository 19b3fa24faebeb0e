//! One run of a program: what its script may reach, and what it holds.

use alloc::rc::Rc;
use alloc::sync::Arc;
use core::cell::{Cell, RefCell};
use core::fmt;

use sha2::{Digest, Sha256};

use super::account::Share;
use super::api::Api;
use super::clock::RunClock;
use super::files::Files;
use crate::aleph::item_hash::ItemHash;
use crate::aleph::program::Environment;
use crate::particle::Meter;

/// What the services know of the run that calls them.
pub struct Run {
    program: ItemHash,
    environment: Environment,
    variables: Rc<[(Arc<str>, Arc<str>)]>,
    files: RefCell<Files>,
    /// Set in a reproducible run.
    clock: Option<RunClock>,
    api: Option<Rc<dyn Api>>,
    share: Share,
    /// Bytes of the trigger's scope, held from the beginning.
    trigger_bytes: usize,
    /// Bytes of the particle's data after the last step.
    data_bytes: Cell<usize>,
    /// Files that got their names from the node.
    named: Cell<u64>,
    is_over: Cell<bool>,
}

/// What a run is made of.
pub(super) struct Parts {
    pub(super) program: ItemHash,
    pub(super) environment: Environment,
    pub(super) variables: Rc<[(Arc<str>, Arc<str>)]>,
    pub(super) files: Files,
    pub(super) clock: Option<RunClock>,
    pub(super) api: Option<Rc<dyn Api>>,
    pub(super) share: Share,
    pub(super) trigger_bytes: usize,
}

impl Run {
    pub(super) fn new(parts: Parts) -> Self {
        let Parts { program, environment, variables, files, clock, api, share, trigger_bytes } =
            parts;
        Self {
            program,
            environment,
            variables,
            files: RefCell::new(files),
            clock,
            api,
            share,
            trigger_bytes,
            data_bytes: Cell::new(0),
            named: Cell::new(0),
            is_over: Cell::new(false),
        }
    }

    /// The program.
    pub(crate) fn program(&self) -> &ItemHash {
        &self.program
    }

    /// What the program may do.
    pub(crate) fn environment(&self) -> &Environment {
        &self.environment
    }

    /// The value of a variable of the program.
    pub(crate) fn variable(&self, name: &str) -> Option<&Arc<str>> {
        let found = self.variables.iter().find(|(known, _)| **known == *name);
        found.map(|(_, value)| value)
    }

    /// The names and values of all variables.
    pub(crate) fn variables(&self) -> &[(Arc<str>, Arc<str>)] {
        &self.variables
    }

    /// The files.
    pub(crate) fn files(&self) -> &RefCell<Files> {
        &self.files
    }

    /// The clock of a reproducible run.
    pub(crate) fn clock(&self) -> Option<&RunClock> {
        self.clock.as_ref()
    }

    /// The way to the network's API, if the program may use it and there is one.
    pub(crate) fn api(&self) -> Option<&Rc<dyn Api>> {
        self.api.as_ref().filter(|_| self.environment.aleph_api)
    }

    /// Whether the run has given its answer, so that nothing it writes counts.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over.get()
    }

    pub(crate) fn end(&self) {
        self.is_over.set(true);
    }

    /// A number that no other file of this run has in its name.
    pub(crate) fn next_file_number(&self) -> u64 {
        self.named.replace(self.named.get().saturating_add(1))
    }

    /// Counts what the run holds anew, with `more` bytes; false if that is more than the program may hold.
    pub(crate) fn weigh(&self, more: usize) -> bool {
        let written = self.files.borrow().written_bytes();
        let held = self.trigger_bytes.saturating_add(self.data_bytes.get());
        self.share.hold(held.saturating_add(written).saturating_add(more))
    }
}

impl Meter for Run {
    fn holds(&self, data_bytes: usize) -> bool {
        self.data_bytes.set(data_bytes);
        self.weigh(0)
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("program", &self.program)
            .field("held", &self.share.held())
            .finish_non_exhaustive()
    }
}

/// A particle id that follows from the seed of a reproducible run, in the form of a random one.
pub(super) fn particle_id(seed: &[u8; 32]) -> Arc<str> {
    let digest: [u8; 32] = Sha256::digest(seed).into();
    let mut number = [0; 16];
    number.copy_from_slice(digest.first_chunk::<16>().unwrap_or(&[0; 16]));
    crate::particle::particle_id_of(u128::from_be_bytes(number)).into()
}
