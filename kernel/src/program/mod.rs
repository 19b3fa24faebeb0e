//! Programs that run: what the node hosts, and what starts it.
//!
//! A [`Definition`] is a program with its parts at hand, by way of a [`Bundle`], a message and fetched
//! files, or a host's configuration. [`Programs::install`] makes a [`Hosted`] of it, and
//! [`Hosted::run`] runs it for a [`Trigger`]. A run is a particle of the node itself on the program's
//! script: `("getDataSrv" NAME)` gives the trigger's scope, `("callbackSrv" "response")` takes the reply,
//! `("errorHandlingSrv" "error")` the error. So a function that the stock Aqua compiler made is a program.
//!
//! | module | what it is |
//! |---|---|
//! | [`bundle`] | programs with all of their files, as bytes |
//! | `definition` | a program with its parts at hand |
//! | `hosted`, `gate`, `account` | runs of a program: how many at once, what they hold |
//! | [`files`], `state` | what a run reads and writes, what is kept of it |
//! | `kept`, `forgotten` | programs that were installed, over restarts, and those that were taken back |
//! | `run`, `clock` | what one run may reach |
//! | [`api`] | the network's API |
//! | `reply` | from what a script gave to an HTTP answer |
//! | `web`, `upload`, `listing` | programs over HTTP |
//! | [`limits`] | every bound |
//!
//! # What bounds a run
//!
//! | of the message | what it does |
//! |---|---|
//! | `resources.seconds` | time of a run, up to [`MAX_RUN_MS`](limits::MAX_RUN_MS), and fuel in proportion |
//! | `resources.memory` | what all runs of the program hold together: triggers, data, files |
//! | `resources.vcpus` | nothing: a node has one core |
//! | `environment.internet` | `false`: the particle leaves for no other peer, and no connection is made for it |
//! | `environment.aleph_api` | `false`: the service `aleph` is not there |
//! | `environment.reproducible` | clock, ids and randomness follow from the trigger; what tells of the node's surroundings is not there |
//!
//! # What runs see of each other
//!
//! Each run has its own version of the files. Runs of a program with `export` go one after the other, and
//! one that ends with a reply, or with nothing left to do, has its `export.mount` kept before its reply is
//! given; one that fails leaves nothing. Runs of other programs go side by side and leave nothing.

mod account;
pub mod api;
pub mod bundle;
mod clock;
mod definition;
pub mod files;
mod forgotten;
mod gate;
mod hosted;
mod kept;
pub mod limits;
mod listing;
mod reply;
mod run;
mod state;
mod stats;
mod trigger;
mod upload;
mod web;

pub use account::{Account, Share};
pub use api::Api;
pub use bundle::{Bundle, BundleError, Package};
pub use clock::{RunClock, RunSleep};
pub use definition::{Definition, InstallError};
pub use gate::{Enter, Full, Gate, Permit, Reserved};
pub use hosted::Hosted;
pub use kept::KeepError;
pub use reply::{FileAnswer, Reply};
pub use run::Run;
pub use stats::{RunOutcome, Stats};
pub use trigger::Trigger;

use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::fmt;

use air_core::Script;
use log::{info, warn};

use crate::aleph::item_hash::ItemHash;
use crate::aleph::package::Limits;
use crate::executor::Signal;
use crate::node::Node;
use crate::store::Store;
use forgotten::Forgotten;
use kept::Kept;
use limits::{
    FREE_PACKAGE_PART, INLINE_BODY_PART, MAX_INLINE_BODY_BYTES, MAX_PROGRAMS, PACKAGE_PART,
};

/// The programs that a node hosts; clones are the same.
#[derive(Clone)]
pub struct Programs {
    shared: Rc<Shared>,
    hosted: Rc<RefCell<BTreeMap<ItemHash, Rc<Hosted>>>>,
    lanes: Rc<Cell<u32>>,
    kept: Rc<Kept>,
    forgotten: Rc<Forgotten>,
    changes: Signal,
}

/// What all programs of a node have in common.
pub(crate) struct Shared {
    node: Rc<Node>,
    store: Rc<dyn Store>,
    api: RefCell<Option<Rc<dyn Api>>>,
    concurrency: usize,
    queue: usize,
}

impl Programs {
    /// No programs, on this node; what they keep is in `store`.
    #[must_use]
    pub fn new(node: Rc<Node>, store: Rc<dyn Store>) -> Self {
        let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        let config = &node.config().programs;
        let (concurrency, queue) = (count(config.concurrency), count(config.queue));
        let shared = Shared { node, store, api: RefCell::new(None), concurrency, queue };
        Self {
            shared: Rc::new(shared),
            hosted: Rc::default(),
            lanes: Rc::default(),
            kept: Rc::default(),
            forgotten: Rc::default(),
            changes: Signal::new(),
        }
    }

    /// The node that they run on.
    #[must_use]
    pub fn node(&self) -> &Rc<Node> {
        &self.shared.node
    }

    /// Where they keep their states.
    #[must_use]
    pub fn store(&self) -> &Rc<dyn Store> {
        &self.shared.store
    }

    /// Gives programs that may use it a way to the network's API.
    pub fn set_api(&self, api: Rc<dyn Api>) {
        *self.shared.api.borrow_mut() = Some(api);
    }

    /// What a package may hold on this machine.
    #[must_use]
    pub fn package_limits(&self) -> Limits {
        let bytes = self.shared.node.heap_bytes() / PACKAGE_PART;
        let free = self.shared.node.free_heap_bytes() / FREE_PACKAGE_PART;
        let most = Limits::default();
        Limits {
            packed_bytes: most.packed_bytes.min(bytes),
            unpacked_bytes: most.unpacked_bytes.min(bytes).min(free),
            ..most
        }
    }

    /// The largest body of a request that is in the scope; a larger one is a file of the run.
    #[must_use]
    pub fn inline_body_bytes(&self) -> usize {
        (self.shared.node.allowance().call_result / INLINE_BODY_PART).min(MAX_INLINE_BODY_BYTES)
    }

    /// Hosts a program. One that is hosted already stays as it is.
    ///
    /// # Errors
    /// [`InstallError`].
    pub fn install(&self, definition: Definition) -> Result<Rc<Hosted>, InstallError> {
        if let Some(hosted) = self.get(definition.id()) {
            return Ok(hosted);
        }
        if self.hosted.borrow().len() >= MAX_PROGRAMS {
            return Err(InstallError::TooMany);
        }
        let script = self.parsed(&definition)?;
        let lane = self.lanes.get();
        self.lanes.set(lane.wrapping_add(1));
        let id = definition.id().clone();
        let hosted = Rc::new(Hosted::new(definition, script, self.shared.clone(), lane));
        info!(target: "program", "hosts {}", web::shown_path(&hosted));
        self.hosted.borrow_mut().insert(id, hosted.clone());
        self.changes.give();
        Ok(hosted)
    }

    /// Gives a program that is hosted other files: its next run begins with them, and its state stays. False
    /// if there is no such program, or it has these files already.
    ///
    /// # Errors
    /// [`InstallError`]; the program stays as it is.
    pub fn update(&self, definition: Definition) -> Result<bool, InstallError> {
        let Some(hosted) = self.get(definition.id()) else { return Ok(false) };
        if hosted.definition().has_same_files(&definition) {
            return Ok(false);
        }
        let script = self.parsed(&definition)?;
        hosted.update(definition, script);
        Ok(true)
    }

    fn parsed(&self, definition: &Definition) -> Result<Arc<Script>, InstallError> {
        if definition.files().size() > definition.memory() {
            return Err(InstallError::Memory);
        }
        self.shared.node.parse_program(definition.script())
    }

    /// Hosts the programs of a bundle. What is wrong with one is logged, and the others are hosted.
    ///
    /// # Errors
    /// [`BundleError`]: nothing of it can be used.
    pub fn install_bundle(&self, bytes: &[u8]) -> Result<Vec<Rc<Hosted>>, BundleError> {
        let bundle = Bundle::decode(bytes)?;
        let limits = self.package_limits();
        let mut all = Vec::new();
        for (index, package) in bundle.programs.iter().enumerate() {
            match Definition::of_package(package, &limits).and_then(|program| self.install(program))
            {
                Ok(hosted) => all.push(hosted),
                Err(error) => warn!(target: "program", "program {index} of the bundle: {error}"),
            }
        }
        Ok(all)
    }

    /// Hosts a program no longer: runs that have begun go on and keep nothing, those that wait do not. What
    /// was kept before stays.
    pub fn remove(&self, program: &ItemHash) -> bool {
        let removed = self.hosted.borrow_mut().remove(program);
        self.changes.give();
        removed.inspect(|hosted| hosted.remove()).is_some()
    }

    /// Is given whenever a program comes or goes.
    #[must_use]
    pub fn changes(&self) -> Signal {
        self.changes.clone()
    }

    /// The program of this name.
    #[must_use]
    pub fn get(&self, program: &ItemHash) -> Option<Rc<Hosted>> {
        self.hosted.borrow().get(program).cloned()
    }

    /// The program, if there is exactly one.
    #[must_use]
    pub fn only(&self) -> Option<Rc<Hosted>> {
        let hosted = self.hosted.borrow();
        let mut all = hosted.values();
        all.next().filter(|_| all.next().is_none()).cloned()
    }

    /// All of them, in the order of their names.
    #[must_use]
    pub fn list(&self) -> Vec<Rc<Hosted>> {
        self.hosted.borrow().values().cloned().collect()
    }
}

impl fmt::Debug for Programs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosted = self.hosted.borrow();
        f.debug_struct("Programs").field("hosted", &hosted.len()).finish_non_exhaustive()
    }
}
