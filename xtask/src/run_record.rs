//! The note that `run` leaves for `send`: where the node answers.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::workspace;

/// The address of the node that `run` keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRecord {
    /// The node's URL on this machine.
    pub url: String,
    /// Its multiaddresses on this machine; none if it takes no peers.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// The process id of `run`.
    pub process: u32,
}

/// The written record; dropping it removes the file.
#[derive(Debug)]
pub struct Kept(RunRecord);

impl RunRecord {
    /// Writes the record for as long as the result lives.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn keep(url: &str, addresses: &[String]) -> Result<Kept> {
        let (url, addresses) = (url.to_owned(), addresses.to_vec());
        let record = Self { url, addresses, process: std::process::id() };
        let path = workspace::run_record();
        fs::write(&path, serde_json::to_vec(&record)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Kept(record))
    }

    /// The record of a `run` that is alive, if there is one.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn find() -> Result<Option<Self>> {
        let path = workspace::run_record();
        match Self::read(&path) {
            Ok(record) if Path::new(&format!("/proc/{}", record.process)).exists() => {
                Ok(Some(record))
            }
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    fn read(path: &Path) -> io::Result<Self> {
        Ok(serde_json::from_slice(&fs::read(path)?)?)
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let path = workspace::run_record();
        // Another run may have written its own record since; that one stays.
        if RunRecord::read(&path).is_ok_and(|record| record == self.0) {
            let _ = fs::remove_file(path);
        }
    }
}
