//! Programs from the message node: their messages and files fetched, and hosted.
//!
//! Amendments of a program's *files* are followed where its message says so (`use_latest`). A newer PROGRAM message
//! that replaces an older one is another program with another name, as with the network's nodes: who wants
//! it names it.

use alloc::rc::Rc;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::Cell;
use core::fmt;

use air_core::value::Value;
use log::{info, warn};

use super::fetch::{self, FetchError};
use super::{Backoff, MessageNode, NodeError, random};
use crate::aleph::item_hash::ItemHash;
use crate::aleph::message::{ItemType, Message};
use crate::aleph::program::Program;
use crate::aleph::resolve::is_permitted;
use crate::aleph::schema::Refusals;
use crate::executor::Executor;
use crate::limits::MAX_INSTALLS;
use crate::machine::Machine;
use crate::program::{Definition, Hosted, InstallError, Package, Programs};

/// Has programs hosted.
pub trait Install {
    /// Hosts the program of a PROGRAM message that was verified, as soon as its files are there.
    fn install(&self, message: Message);
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
        Rc::new(Self { node, programs, machine, executor, message_bytes, under_way: Rc::default() })
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
        if !is_permitted(&known, &message) {
            return Err(NotInstalled::NotPermitted);
        }
        self.host(&message).await
    }

    /// Fetches the files of a program whose message was verified, and hosts it.
    async fn host(&self, message: &Message) -> Result<Rc<Hosted>, NotInstalled> {
        let package = self.package(message).await?;
        self.host_package(&package)
    }

    fn host_package(&self, package: &Package) -> Result<Rc<Hosted>, NotInstalled> {
        let definition = Definition::of_package(package, &self.programs.package_limits());
        let hosted = self.programs.install(definition.map_err(NotInstalled::Program)?);
        hosted.map_err(NotInstalled::Program)
    }

    /// Fetches the files of a program whose message was verified.
    async fn package(&self, message: &Message) -> Result<Package, NotInstalled> {
        let program = Program::from_message(message).map_err(NotInstalled::Message)?;
        let most = self.programs.package_limits().packed_bytes;
        let envelope = Value::Object(Arc::new(message.envelope().clone()));
        let mut package = Package { message: envelope.to_json().into_bytes(), files: Vec::new() };
        if message.item_type() == ItemType::Storage {
            let hash = message.item_hash();
            let content = fetch::file(&*self.node, hash, self.message_bytes).await?;
            package.files.push((hash.as_str().into(), content));
        }
        for source in [Some(&program.code.source), program.data.as_ref().map(|data| &data.source)]
            .into_iter()
            .flatten()
        {
            let found = fetch::source(&*self.node, source, most, self.message_bytes).await;
            let Some((_, bytes)) = found.map_err(NotInstalled::Fetch)? else { continue };
            let name = source.name().unwrap_or_default();
            match package.file(name) {
                None => package.files.push((name.into(), bytes)),
                Some(same) if same == bytes => {}
                Some(_) => return Err(NotInstalled::TwoVersions),
            }
        }
        Ok(package)
    }

    /// Hosts a program that was posted, and keeps it over restarts.
    async fn host_posted(&self, message: &Message) -> Result<(), NotInstalled> {
        let package = self.package(message).await?;
        self.host_package(&package)?;
        let hash = message.item_hash();
        if let Err(reason) = self.programs.keep(hash, package).await {
            warn!(target: "aleph", "program {hash} is gone after a restart: {reason}");
        }
        Ok(())
    }
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
}

impl fmt::Debug for Installer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Installer").field("programs", &self.programs).finish_non_exhaustive()
    }
}
