//! Programs from the message node: their messages and files fetched, and hosted.
//!
//! Amendments of a program's *files* are followed where its message says so (`use_latest`): when it is fetched,
//! and then after every [`AMENDMENT_POLLS`] intervals of `aleph.poll_ms`, one program after the other. Its next
//! run begins with the newer files; runs under way end with those that they have, and its state stays. Files that
//! cannot be hosted (a script that does not parse) are reported, and the program goes on as it is. Only
//! programs that came from the message node are followed, not those that the node was booted with.
//!
//! A newer PROGRAM message that replaces an older one is another program with another name, as with the
//! network's nodes: who wants it names it.

use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::fmt;
use core::time::Duration;

use air_core::value::Value;
use futures_util::future::{FutureExt, LocalBoxFuture};
use log::{debug, info, warn};

use super::fetch::{self, FetchError};
use super::{Backoff, MessageNode, NodeError, random};
use crate::aleph::item_hash::ItemHash;
use crate::aleph::message::{ItemType, Message};
use crate::aleph::program::{Program, Source};
use crate::aleph::resolve::is_permitted;
use crate::aleph::schema::Refusals;
use crate::executor::Executor;
#[cfg(doc)]
use crate::limits::AMENDMENT_POLLS;
use crate::limits::MAX_INSTALLS;
use crate::machine::Machine;
use crate::program::{Definition, Hosted, InstallError, Package, Programs};

/// Has programs hosted.
pub trait Install {
    /// Hosts the program of a PROGRAM message that was verified, as soon as its files are there.
    fn install(&self, message: Message);

    /// Takes back what was installed of these programs, for the owner of a FORGET message that was verified.
    fn forget<'a>(&'a self, programs: &'a [ItemHash], owner: &'a str) -> LocalBoxFuture<'a, ()>;
}

/// Why a program is not hosted.
#[derive(Clone, Debug, PartialEq)]
pub enum NotInstalled {
    /// Its message or its files cannot be had.
    Fetch(FetchError),
    /// The message's sender may not speak for its content's address.
    NotPermitted,
    /// The message is that of no program that runs here.
    Message(Refusals),
    /// Its code and its data are one file, of which it wants two versions.
    TwoVersions,
    /// Its owner took it back.
    Forgotten,
    /// What was fetched cannot be hosted.
    Program(InstallError),
}

impl fmt::Display for NotInstalled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fetch(error) => error.fmt(f),
            Self::NotPermitted => f.write_str("its sender may not speak for its owner"),
            Self::Message(refusals) => refusals.fmt(f),
            Self::TwoVersions => f.write_str("its code and data are two versions of one file"),
            Self::Forgotten => f.write_str("its owner took it back"),
            Self::Program(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for NotInstalled {}

impl From<NodeError> for NotInstalled {
    fn from(error: NodeError) -> Self {
        Self::Fetch(error.into())
    }
}

/// Fetches programs from the message node and has them hosted.
pub struct Installer {
    node: Rc<dyn MessageNode>,
    programs: Programs,
    machine: Rc<dyn Machine>,
    executor: Executor,
    message_bytes: usize,
    under_way: Rc<Cell<usize>>,
    /// Programs that follow amendments, with the STORE messages that brought their files; none if they
    /// were brought in an earlier life.
    following: RefCell<BTreeMap<ItemHash, Vec<ItemHash>>>,
}

/// A program with its files.
struct Fetched {
    package: Package,
    /// The STORE messages that brought the files.
    versions: Vec<ItemHash>,
    follows: bool,
}

impl Installer {
    /// An installer that reads messages of up to so many bytes.
    #[must_use]
    pub fn new(
        node: Rc<dyn MessageNode>,
        programs: Programs,
        machine: Rc<dyn Machine>,
        executor: Executor,
        message_bytes: usize,
    ) -> Rc<Self> {
        Rc::new(Self {
            node,
            programs,
            machine,
            executor,
            message_bytes,
            under_way: Rc::default(),
            following: RefCell::default(),
        })
    }

    /// Fetches and hosts these programs, each tried again and again until it is there.
    pub fn fetch_all(self: &Rc<Self>, programs: Vec<ItemHash>) {
        for hash in programs {
            let installer = self.clone();
            self.executor.spawn(async move { installer.fetch_patiently(&hash).await });
        }
    }

    async fn fetch_patiently(&self, hash: &ItemHash) {
        let mut backoff = Backoff::new();
        loop {
            match self.fetch(hash).await {
                Ok(_) => return,
                Err(NotInstalled::Fetch(FetchError::Node(error))) => {
                    warn!(target: "aleph", "program {hash}: {error}");
                    self.executor.sleep(backoff.next(random(&*self.machine))).await;
                }
                Err(error) => {
                    warn!(target: "aleph", "program {hash} is not hosted: {error}");
                    return;
                }
            }
        }
    }

    /// Fetches and hosts the program of this item hash.
    ///
    /// # Errors
    /// [`NotInstalled`].
    pub async fn fetch(&self, hash: &ItemHash) -> Result<Rc<Hosted>, NotInstalled> {
        let message = self.message(hash).await?;
        let fetched = self.fetched(&message).await?;
        self.host(hash, &fetched)
    }

    /// The message of this item hash, which its sender was allowed to send.
    async fn message(&self, hash: &ItemHash) -> Result<Message, NotInstalled> {
        let message = fetch::message(&*self.node, hash, self.message_bytes).await?;
        let mut known = super::Known::default();
        if let Some(owner) = message.content().and_then(|content| content.get("address")?.as_str())
            && !owner.eq_ignore_ascii_case(message.sender())
        {
            known.set_security(
                owner,
                fetch::security(&*self.node, owner, self.message_bytes).await?,
            );
        }
        if is_permitted(&known, &message) { Ok(message) } else { Err(NotInstalled::NotPermitted) }
    }

    fn host(&self, hash: &ItemHash, fetched: &Fetched) -> Result<Rc<Hosted>, NotInstalled> {
        let hosted = self.definition(&fetched.package).and_then(|it| self.programs.install(it));
        let hosted = hosted.map_err(NotInstalled::Program)?;
        if fetched.follows {
            self.following.borrow_mut().insert(hash.clone(), fetched.versions.clone());
        }
        Ok(hosted)
    }

    fn definition(&self, package: &Package) -> Result<Definition, InstallError> {
        Definition::of_package(package, &self.programs.package_limits())
    }

    /// Fetches the files of a program whose message was verified.
    async fn fetched(&self, message: &Message) -> Result<Fetched, NotInstalled> {
        let program = Program::from_message(message).map_err(NotInstalled::Message)?;
        let most = self.programs.package_limits().packed_bytes;
        let envelope = Value::Object(Arc::new(message.envelope().clone()));
        let mut package = Package { message: envelope.to_json().into_bytes(), files: Vec::new() };
        if message.item_type() == ItemType::Storage {
            let hash = message.item_hash();
            let content = fetch::file(&*self.node, hash, self.message_bytes).await?;
            package.files.push((hash.as_str().into(), content));
        }
        let mut versions = Vec::new();
        for source in sources(&program) {
            let found = fetch::source(&*self.node, source, most, self.message_bytes).await;
            let Some((stored, bytes)) = found.map_err(NotInstalled::Fetch)? else { continue };
            versions.push(stored.message);
            let name = source.name().unwrap_or_default();
            match package.file(name) {
                None => package.files.push((name.into(), bytes)),
                Some(same) if same == bytes => {}
                Some(_) => return Err(NotInstalled::TwoVersions),
            }
        }
        Ok(Fetched { package, versions, follows: follows(&program) })
    }

    /// Hosts a program that was posted, and keeps it over restarts.
    async fn host_posted(&self, message: &Message) -> Result<(), NotInstalled> {
        let fetched = self.fetched(message).await?;
        // It may have been taken back while its files were fetched.
        if self.programs.is_forgotten(message.item_hash(), owner(message)) {
            return Err(NotInstalled::Forgotten);
        }
        self.host(message.item_hash(), &fetched)?;
        self.keep(message.item_hash(), fetched.package).await;
        Ok(())
    }

    async fn keep(&self, hash: &ItemHash, package: Package) {
        if let Err(reason) = self.programs.keep(hash, package).await {
            warn!(target: "aleph", "program {hash} is not kept over a restart: {reason}");
        }
    }

    /// Looks for amendments of what programs follow, for ever, each time after this interval. Those that
    /// were brought back from the store are among them.
    pub async fn follow_amendments(self: Rc<Self>, interval: Duration) {
        for hosted in self.programs.list() {
            let hash = &hosted.program().id;
            if self.programs.is_kept(hash) && follows(hosted.program()) {
                self.following.borrow_mut().entry(hash.clone()).or_default();
            }
        }
        loop {
            self.executor.sleep(interval).await;
            let all: Vec<ItemHash> = self.following.borrow().keys().cloned().collect();
            for hash in all {
                match self.renew(&hash).await {
                    Ok(()) => {}
                    // It is asked again, and polling says so already.
                    Err(NotInstalled::Fetch(FetchError::Node(error))) => {
                        debug!(target: "aleph", "program {hash} is not renewed: {error}");
                    }
                    Err(error) => {
                        warn!(target: "aleph", "program {hash} is not renewed: {error}");
                    }
                }
            }
        }
    }

    /// Gives a program the newest of its files, where these are others than it has.
    async fn renew(&self, hash: &ItemHash) -> Result<(), NotInstalled> {
        let Some(hosted) = self.programs.get(hash) else {
            self.following.borrow_mut().remove(hash);
            return Ok(());
        };
        let mut newest = Vec::new();
        for source in sources(hosted.program()) {
            let stored = fetch::stored(&*self.node, source, self.message_bytes).await;
            newest.extend(stored.map_err(NotInstalled::Fetch)?.map(|stored| stored.message));
        }
        if self.following.borrow().get(hash) == Some(&newest) {
            return Ok(());
        }
        let message = self.message(hash).await?;
        let fetched = self.fetched(&message).await?;
        // What cannot be hosted is not fetched again and again.
        self.following.borrow_mut().insert(hash.clone(), fetched.versions);
        let definition = self.definition(&fetched.package).map_err(NotInstalled::Program)?;
        if self.programs.update(definition).map_err(NotInstalled::Program)? {
            info!(target: "aleph", "program {hash} has newer files");
            if self.programs.is_kept(hash) {
                self.keep(hash, fetched.package).await;
            }
        }
        Ok(())
    }
}

/// Where the files of a program are.
fn sources(program: &Program) -> impl Iterator<Item = &Source> {
    [Some(&program.code.source), program.data.as_ref().map(|data| &data.source)]
        .into_iter()
        .flatten()
}

/// Whether the files of a program may be others some day.
fn follows(program: &Program) -> bool {
    let follows = |source: &Source| match source {
        Source::Inline(_) => false,
        Source::Message { use_latest, .. } => *use_latest,
        Source::Address(_) => true,
    };
    sources(program).any(follows)
}

/// Tries a few times, then gives up: who posted the message may post it again.
const ATTEMPTS: u32 = 5;

impl Install for Rc<Installer> {
    fn install(&self, message: Message) {
        if self.under_way.get() >= MAX_INSTALLS {
            warn!(target: "aleph", "program {}: too many are being fetched", message.item_hash());
            return;
        }
        self.under_way.set(self.under_way.get() + 1);
        let installer = self.clone();
        self.executor.spawn(async move {
            let hash = message.item_hash();
            let mut backoff = Backoff::new();
            for attempt in 1..=ATTEMPTS {
                match installer.host_posted(&message).await {
                    Ok(()) => {
                        info!(target: "aleph", "program {hash} was fetched");
                        break;
                    }
                    Err(NotInstalled::Fetch(FetchError::Node(error))) if attempt < ATTEMPTS => {
                        warn!(target: "aleph", "program {hash}: {error}");
                        installer.executor.sleep(backoff.next(random(&*installer.machine))).await;
                    }
                    Err(error) => {
                        warn!(target: "aleph", "program {hash} is not hosted: {error}");
                        break;
                    }
                }
            }
            installer.under_way.set(installer.under_way.get().saturating_sub(1));
        });
    }

    fn forget<'a>(&'a self, programs: &'a [ItemHash], owner: &'a str) -> LocalBoxFuture<'a, ()> {
        async move {
            if let Err(error) = self.programs.forget(programs, owner).await {
                warn!(target: "aleph", "what was taken back may return after a restart: {error}");
            }
        }
        .boxed_local()
    }
}

/// Whom a message speaks for.
fn owner(message: &Message) -> &str {
    let address = message.content().and_then(|content| content.get("address")?.as_str());
    address.unwrap_or_else(|| message.sender())
}

impl fmt::Debug for Installer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Installer").field("programs", &self.programs).finish_non_exhaustive()
    }
}
