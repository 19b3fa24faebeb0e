//! A file as a disk: what a volume of the node is on, outside of a virtual machine.

use std::fs::{self, File, OpenOptions};
use std::future::ready;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, Result, bail};
use futures_util::future::{FutureExt, LocalBoxFuture};
use kernel::store::{BlockDevice, DeviceError, SECTOR_BYTES, check_range, volume};
use log::error;

/// A file of whole sectors. Its operations are done at once: the node waits for them.
#[derive(Debug)]
pub struct FileDisk {
    file: File,
    sectors: u64,
}

impl FileDisk {
    /// The file, which no other process may have as a disk.
    ///
    /// # Errors
    /// When it cannot be opened, or is in use.
    pub fn open(path: &Path) -> Result<Self> {
        let open = || -> Result<Self> {
            let file = OpenOptions::new().read(true).write(true).open(path)?;
            if file.try_lock().is_err() {
                bail!("another node has it");
            }
            let sectors = file.metadata()?.len() / SECTOR_BYTES as u64;
            Ok(Self { file, sectors })
        };
        open().with_context(|| path.display().to_string())
    }
}

/// Makes a file of so many bytes that is an empty volume of a node.
///
/// # Errors
/// When there is such a file, or it cannot be made, or is too small for a volume.
pub fn make_volume(path: &Path, bytes: u64) -> Result<()> {
    let made = |file: File| -> Result<()> {
        file.set_len(bytes)?;
        let disk = FileDisk::open(path)?;
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(|error| io::Error::other(error.to_string()))?;
        let made = volume::format(&disk, id).now_or_never();
        made.context("a file is never waited for")??;
        Ok(())
    };
    let make = || -> Result<()> {
        let file = File::create_new(path)?;
        made(file).inspect_err(|_| {
            // What is left would be taken for a volume the next time; that it cannot be made is the error.
            let _ = fs::remove_file(path);
        })
    };
    make().with_context(|| format!("cannot make the volume {}", path.display()))
}

fn told(result: io::Result<()>) -> LocalBoxFuture<'static, Result<(), DeviceError>> {
    let result = result.map_err(|reason| {
        error!(target: "disk", "{reason}");
        DeviceError::Refused
    });
    ready(result).boxed_local()
}

impl BlockDevice for FileDisk {
    fn sectors(&self) -> u64 {
        self.sectors
    }

    fn read_only(&self) -> bool {
        false
    }

    fn read<'a>(
        &'a self,
        sector: u64,
        into: &'a mut [u8],
    ) -> LocalBoxFuture<'a, Result<(), DeviceError>> {
        match check_range(self.sectors, sector, into.len()) {
            Ok(_) => told(self.file.read_exact_at(into, sector * SECTOR_BYTES as u64)),
            Err(error) => ready(Err(error)).boxed_local(),
        }
    }

    fn write<'a>(
        &'a self,
        sector: u64,
        bytes: &'a [u8],
    ) -> LocalBoxFuture<'a, Result<(), DeviceError>> {
        match check_range(self.sectors, sector, bytes.len()) {
            Ok(_) => told(self.file.write_all_at(bytes, sector * SECTOR_BYTES as u64)),
            Err(error) => ready(Err(error)).boxed_local(),
        }
    }

    fn flush(&self) -> LocalBoxFuture<'_, Result<(), DeviceError>> {
        told(self.file.sync_data())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::store::{Store, Volume};
    use std::pin::pin;
    use std::rc::Rc;

    fn open(path: &Path) -> (Volume, volume::Worker) {
        let disk: Rc<dyn BlockDevice> = Rc::new(FileDisk::open(path).unwrap());
        Volume::open(disk, [1; 32]).now_or_never().unwrap().unwrap()
    }

    /// What comes of the first, while the second works for it.
    fn both<T>(asked: impl Future<Output = T>, work: impl Future<Output = ()>) -> T {
        let mut both = pin!(futures_util::future::join(asked, work));
        loop {
            if let Some((asked, ())) = both.as_mut().now_or_never() {
                return asked;
            }
        }
    }

    #[test]
    fn what_is_put_into_a_file_is_there_when_it_is_opened_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("volume");
        make_volume(&path, 1 << 20).unwrap();
        assert!(make_volume(&path, 1 << 20).is_err(), "there is one");
        let (volume, worker) = open(&path);
        assert!(FileDisk::open(&path).is_err(), "it is in use");
        let asked = async move {
            volume.put("key", b"value").await.unwrap();
            volume.flush().await.unwrap();
        };
        both(asked, worker.run());
        let (volume, worker) = open(&path);
        let asked = async move { volume.get("key").await };
        let value = both(asked, worker.run());
        assert_eq!(value, Ok(Some(b"value".to_vec())));
    }
}
