//! A program with its parts at hand: its script, and the files that it begins with.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use super::bundle::Package;
use super::files::{CODE, Place};
use crate::aleph::item_hash::ItemHash;
use crate::aleph::message::{ItemType, Message};
use crate::aleph::package::{
    Encoding, FileTree, Limits, NoScript, PackageError, script as script_of, unpack,
};
use crate::aleph::program::{Program, Source};
use crate::aleph::schema::Refusals;

/// A program with its parts at hand.
#[derive(Clone, Debug)]
pub struct Definition {
    program: Program,
    script: Arc<str>,
    files: FileTree,
    export: Option<Place>,
}

/// Why a program cannot be hosted.
#[derive(Clone, Debug, PartialEq)]
pub enum InstallError {
    /// The message is neither a PROGRAM nor a `vm-function` document.
    Message(Refusals),
    /// A file is not there: `code` or `data`, and what names it.
    Missing(&'static str, String),
    /// `code` or `data` cannot be unpacked.
    Package(&'static str, PackageError),
    /// There is no script for the entrypoint.
    NoScript(NoScript),
    /// `data.mount` or `export.mount` is not a directory that a program may have.
    Mount(&'static str),
    /// The script does not parse; where and why.
    Script(String),
    /// The node hosts as many programs as it may.
    TooMany,
    /// The program's files alone are more than its `resources.memory`.
    Memory,
}

impl fmt::Display for InstallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message(refusals) => write!(f, "the message is not taken: {refusals}"),
            Self::Missing(what, name) => write!(f, "the file of `{what}` is not there: {name}"),
            Self::Package(what, error) => write!(f, "`{what}` cannot be unpacked: {error}"),
            Self::NoScript(error) => error.fmt(f),
            Self::Mount(what) => {
                write!(f, "`{what}.mount` is not a directory that a program may have")
            }
            Self::Script(error) => write!(f, "the script does not parse: {error}"),
            Self::TooMany => f.write_str("the node hosts as many programs as it may"),
            Self::Memory => f.write_str("the program's files are more than its memory"),
        }
    }
}

impl core::error::Error for InstallError {}

impl Definition {
    /// A program and the bytes of its parts, still packed. What is inline in the program needs none.
    ///
    /// # Errors
    /// [`InstallError`].
    pub fn new(
        program: Program,
        code: Option<&[u8]>,
        data: Option<&[u8]>,
        limits: &Limits,
    ) -> Result<Self, InstallError> {
        let mut files = FileTree::new(*limits);
        let code_bytes = part("code", &program.code.source, code)?;
        let script = match program.code.encoding {
            Encoding::Plain => text(code_bytes)?,
            encoding => {
                let tree = unpack(code_bytes, encoding, limits)
                    .map_err(|error| InstallError::Package("code", error))?;
                let script =
                    script_of(&tree, &program.code.entrypoint).map_err(InstallError::NoScript)?;
                let script = script.into();
                mount(
                    "code",
                    &mut files,
                    &tree,
                    &Place::new(CODE).ok_or(InstallError::Mount("code"))?,
                )?;
                script
            }
        };
        if let Some(mounted) = &program.data {
            let bytes = part("data", &mounted.source, data)?;
            let tree = unpack(bytes, mounted.encoding, limits)
                .map_err(|error| InstallError::Package("data", error))?;
            let place = place("data", &mounted.mount)?;
            mount("data", &mut files, &tree, &place)?;
        }
        let export = program.export.as_deref().map(|mount| place("export", mount)).transpose()?;
        Ok(Self { program, script, files, export })
    }

    /// The program of a package, whose message may be of either kind. Who wrote it is not asked: whoever
    /// hands a node a package answers for it.
    ///
    /// # Errors
    /// [`InstallError`].
    pub fn of_package(package: &Package, limits: &Limits) -> Result<Self, InstallError> {
        let program = program_of(package).map_err(InstallError::Message)?;
        let code = program.code.source.name().and_then(|name| package.file(name));
        let data = program.data.as_ref().and_then(|data| package.file(data.source.name()?));
        Self::new(program, code, data, limits)
    }

    /// The same under the name that a host gives it, with the host's variables before its own, on a machine
    /// with so much memory and perhaps no way to the internet.
    #[must_use]
    pub fn adopted(
        mut self,
        id: ItemHash,
        mut variables: Vec<(Arc<str>, Arc<str>)>,
        memory_mib: u32,
        has_internet: bool,
    ) -> Self {
        variables.append(&mut self.program.variables);
        self.program.variables = variables;
        self.program.id = id;
        self.program.resources.memory_mib = self.program.resources.memory_mib.min(memory_mib);
        self.program.environment.internet &= has_internet;
        self
    }

    /// What is to run, when, and within which bounds.
    #[must_use]
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// The program's name.
    #[must_use]
    pub fn id(&self) -> &ItemHash {
        &self.program.id
    }

    /// The message that brought the code, where one did.
    #[must_use]
    pub fn code_ref(&self) -> Option<&ItemHash> {
        match &self.program.code.source {
            Source::Message { hash, .. } => Some(hash),
            Source::Inline(_) | Source::Address(_) => None,
        }
    }

    /// The text of the script that runs.
    #[must_use]
    pub fn script(&self) -> &str {
        &self.script
    }

    /// The files that every run begins with, as long as no state was kept.
    #[must_use]
    pub fn files(&self) -> &FileTree {
        &self.files
    }

    /// Whether another definition of the program has the same script and files.
    pub(super) fn has_same_files(&self, other: &Self) -> bool {
        self.script == other.script && self.files == other.files
    }

    /// The directory whose files are kept when a run is over.
    #[must_use]
    pub fn export(&self) -> Option<&Place> {
        self.export.as_ref()
    }

    /// What all runs together may hold, in bytes.
    #[must_use]
    pub fn memory(&self) -> usize {
        usize::try_from(self.program.resources.memory_mib)
            .unwrap_or(usize::MAX)
            .saturating_mul(1 << 20)
    }
}

/// The program that a package's message describes, which may be of either kind.
fn program_of(package: &Package) -> Result<Program, Refusals> {
    let text = core::str::from_utf8(&package.message).unwrap_or_default();
    if is_document(text) {
        return Program::from_document(text);
    }
    let mut message = Message::parse_published(text)?;
    if message.item_type() == ItemType::Storage
        && let Some(content) = package.file(message.item_hash().as_str())
    {
        message = message.with_stored_content(content)?;
    }
    Program::from_message(&message)
}

/// Whether a message is a `vm-function` document rather than an envelope.
fn is_document(text: &str) -> bool {
    let Ok(value) = air_core::value::Value::parse(text) else { return false };
    let kind = value.as_object().and_then(|members| members.get("type"));
    kind.and_then(air_core::value::Value::as_str) == Some("vm-function")
}

fn part<'a>(
    what: &'static str,
    source: &'a Source,
    given: Option<&'a [u8]>,
) -> Result<&'a [u8], InstallError> {
    match (source, given) {
        (Source::Inline(bytes), _) => Ok(bytes),
        (_, Some(bytes)) => Ok(bytes),
        (Source::Message { hash, .. }, None) => {
            Err(InstallError::Missing(what, hash.as_str().into()))
        }
        (Source::Address(address), None) => {
            Err(InstallError::Missing(what, format!("the newest of {address:.64}")))
        }
    }
}

fn text(bytes: &[u8]) -> Result<Arc<str>, InstallError> {
    let text = core::str::from_utf8(bytes);
    text.map(Into::into).map_err(|_| InstallError::NoScript(NoScript::NotText))
}

fn place(what: &'static str, mount: &str) -> Result<Place, InstallError> {
    match Place::new(mount) {
        Some(place) if !place.overlaps_code() => Ok(place),
        _ => Err(InstallError::Mount(what)),
    }
}

/// Puts the files of a package into their directory.
fn mount(
    what: &'static str,
    files: &mut FileTree,
    tree: &FileTree,
    place: &Place,
) -> Result<(), InstallError> {
    for (name, bytes) in tree.iter() {
        let put =
            place.name_of(name.as_str()).and_then(|name| files.put_shared(name, bytes.clone()));
        put.map_err(|error| InstallError::Package(what, error))?;
    }
    Ok(())
}
