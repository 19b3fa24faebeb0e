//! The script that an entrypoint names.

use alloc::format;
use alloc::string::String;
use core::fmt;

use super::FileTree;

/// Why there is no script to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoScript {
    /// The package has no file for the entrypoint.
    NotThere,
    /// The file is not text.
    NotText,
}

impl fmt::Display for NoScript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotThere => "the package has no script for the entrypoint",
            Self::NotText => "the script is not text",
        })
    }
}

impl core::error::Error for NoScript {}

/// The text of the script that `entrypoint` names in a package; the first of these that is there:
///
/// | entrypoint | files |
/// |---|---|
/// | `name` | `name`, `name.air` |
/// | `file:function` | `file.function.air`, which the Aqua compiler writes for the functions of `file.aqua`; `file/function.air`; `function.air` in the directory of `file` |
///
/// `file` may have its extension `.aqua` or `.air`.
///
/// # Errors
/// [`NoScript`].
pub fn script<'a>(tree: &'a FileTree, entrypoint: &str) -> Result<&'a str, NoScript> {
    let candidates: [String; 3] = match entrypoint.rsplit_once(':') {
        None => [entrypoint.into(), format!("{entrypoint}.air"), String::new()],
        Some((file, function)) => {
            let stem = file.strip_suffix(".aqua").or(file.strip_suffix(".air")).unwrap_or(file);
            let directory = stem.rfind('/').and_then(|slash| stem.get(..=slash)).unwrap_or("");
            [
                format!("{stem}.{function}.air"),
                format!("{stem}/{function}.air"),
                format!("{directory}{function}.air"),
            ]
        }
    };
    let bytes = candidates.iter().find_map(|name| tree.get(name)).ok_or(NoScript::NotThere)?;
    core::str::from_utf8(bytes).map_err(|_| NoScript::NotText)
}
