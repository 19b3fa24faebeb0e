//! `--volume FILE[,SIZE]`: the file that a node keeps things in.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, bail};

use crate::host;

/// Bytes of a volume that is made without a size.
const USUAL_BYTES: u64 = 64 << 20;

/// A file, and how large it becomes when it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeFile {
    path: PathBuf,
    bytes: Option<u64>,
}

impl FromStr for VolumeFile {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (path, bytes) = match text.rsplit_once(',') {
            Some((path, size)) => (path, Some(size_of(size)?)),
            None => (text, None),
        };
        if path.is_empty() {
            bail!("no file is named");
        }
        Ok(Self { path: path.into(), bytes })
    }
}

/// Bytes as people write them: `1048576`, `512K`, `64M`, `1G`.
fn size_of(text: &str) -> Result<u64> {
    let (digits, unit) = match text.strip_suffix(['K', 'M', 'G']) {
        Some(digits) => (digits, text.get(digits.len()..).unwrap_or_default()),
        None => (text, ""),
    };
    let shift = match unit {
        "K" => 10,
        "M" => 20,
        "G" => 30,
        _ => 0,
    };
    let bytes = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(1 << shift));
    bytes.with_context(|| format!("`{text}` is no size such as 512K, 64M or 1G"))
}

impl VolumeFile {
    /// The file, made an empty volume if it is not there.
    ///
    /// # Errors
    /// When it cannot be made, or is there with another size than the one named.
    pub fn ensure(&self) -> Result<&Path> {
        let path = self.path.as_path();
        if path.exists() {
            let found = std::fs::metadata(path)?.len();
            if let Some(bytes) = self.bytes.filter(|bytes| *bytes != found) {
                bail!("{} has {found} bytes, not {bytes}: leave the size out", path.display());
            }
        } else {
            let bytes = self.bytes.unwrap_or(USUAL_BYTES);
            host::make_volume(path, bytes)?;
            eprintln!("made the volume {} of {bytes} bytes", path.display());
        }
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_may_have_a_size() {
        let read = |text: &str| text.parse::<VolumeFile>().ok().map(|file| (file.path, file.bytes));
        assert_eq!(read("a.img"), Some(("a.img".into(), None)));
        assert_eq!(read("a,b.img,2M"), Some(("a,b.img".into(), Some(2 << 20))));
        assert_eq!(read("a,512K"), Some(("a".into(), Some(512 << 10))));
        assert_eq!(read("a,1000"), Some(("a".into(), Some(1000))));
        for bad in ["", ",1M", "a,", "a,M", "a,1T", "a,-1", "a,99999999999999G"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn it_is_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("v");
        let named = |bytes| VolumeFile { path: path.clone(), bytes };
        named(Some(1 << 20)).ensure().unwrap();
        std::fs::write(path.with_extension("other"), b"").unwrap();
        assert!(std::fs::read(&path).unwrap().starts_with(b"AEROVOLU"));
        named(None).ensure().unwrap();
        assert!(named(Some(2 << 20)).ensure().is_err());
        let small = VolumeFile { path: folder.path().join("small"), bytes: Some(1000) };
        assert!(small.ensure().is_err());
        assert!(!small.path.exists(), "what is no volume is not left behind");
    }
}
