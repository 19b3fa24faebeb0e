//! Programs as folders: a message file, scripts and data, put together for a node.
//!
//! | in the folder | what it is |
//! |---|---|
//! | `message.json` | a PROGRAM message, or a `vm-function` document |
//! | `*.air`, or `code/` | the scripts, where the document does not say where its code is |
//! | `data/` | the data, where the document has `data` and does not say where |
//! | `files/` | files that the message names, each under the `ref` that names it |
//!
//! Code and data that the document leaves open are packed as it says (`plain`, or `tar.gzip`, the same
//! bytes for the same files), and named by their hash: so the program has another name when they change.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use kernel::aleph::item_hash::ItemHash;
use kernel::aleph::package::{FileTree, Limits, Name, tar_gzip};
use kernel::program::{Bundle, Definition, Package};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

const MESSAGE: &str = "message.json";
const CODE: &str = "code";
const DATA: &str = "data";
const FILES: &str = "files";

/// The folders' programs as a bundle; nothing if there are no folders.
///
/// # Errors
/// When a folder is no program, or the bundle would be too large.
pub fn bundle(folders: &[PathBuf]) -> Result<Option<Vec<u8>>> {
    if folders.is_empty() {
        return Ok(None);
    }
    let packages = folders.iter().map(|folder| {
        package(folder).with_context(|| format!("{} is no program", folder.display()))
    });
    let bundle = Bundle { programs: packages.collect::<Result<_>>()? };
    Ok(Some(bundle.encode()?))
}

/// The same in a file, which is removed when it is dropped.
///
/// # Errors
/// As [`bundle`], or when the file cannot be written.
pub fn bundle_file(folders: &[PathBuf]) -> Result<Option<NamedTempFile>> {
    let Some(bytes) = bundle(folders)? else { return Ok(None) };
    let mut file = NamedTempFile::with_prefix("aerolith-programs-")?;
    file.write_all(&bytes)?;
    Ok(Some(file))
}

/// The program in a folder.
///
/// # Errors
/// When the folder has no message, or what the message names is not there or cannot be used.
pub fn package(folder: &Path) -> Result<Package> {
    let file = folder.join(MESSAGE);
    let text =
        fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut message: Value =
        serde_json::from_str(&text).with_context(|| format!("{}", file.display()))?;
    let mut files = named_files(&folder.join(FILES))?;
    if message["type"] == "vm-function" {
        for (part, from) in [("code", scripts(folder)?), ("data", tree_of(&folder.join(DATA))?)] {
            let open = &mut message["content"][part];
            let is_open = ["content", "ref", "address"].iter().all(|name| open.get(name).is_none());
            if open.is_object() && is_open {
                let bytes = packed(open, &from).with_context(|| format!("`content.{part}`"))?;
                let name = ItemHash::of(&bytes).to_string();
                open["ref"] = json!(name);
                files.push((name, bytes));
            }
        }
    }
    let package = Package { message: serde_json::to_vec(&message)?, files };
    // A node would say the same, but only in its log.
    Definition::of_package(&package, &Limits::default())?;
    Ok(package)
}

fn packed(part: &Value, from: &FileTree) -> Result<Vec<u8>> {
    match part["encoding"].as_str() {
        Some("tar.gzip") => {
            ensure!(!from.is_empty(), "there are no files for it");
            Ok(tar_gzip(from)?)
        }
        Some("plain") => match from.iter().collect::<Vec<_>>().as_slice() {
            [(_, bytes)] => Ok(bytes.to_vec()),
            others => bail!("plain code is one script, and there are {}", others.len()),
        },
        _ => bail!("the encoding has to be `plain` or `tar.gzip` where the folder is to be packed"),
    }
}

/// The scripts of the folder: those in `code`, or else those beside the message.
fn scripts(folder: &Path) -> Result<FileTree> {
    let code = folder.join(CODE);
    if code.exists() {
        return tree_of(&code);
    }
    let mut tree = FileTree::new(Limits::default());
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "air") {
            add(&mut tree, folder, &path)?;
        }
    }
    Ok(tree)
}

/// All files below a folder, which need not be there.
fn tree_of(folder: &Path) -> Result<FileTree> {
    let mut tree = FileTree::new(Limits::default());
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        if !next.exists() {
            continue;
        }
        for entry in fs::read_dir(&next)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                add(&mut tree, folder, &path)?;
            }
        }
    }
    Ok(tree)
}

fn add(tree: &mut FileTree, folder: &Path, path: &Path) -> Result<()> {
    let inner = path.strip_prefix(folder)?.to_str();
    let inner = inner.with_context(|| format!("{} is not UTF-8", path.display()))?;
    tree.put(Name::new(inner.as_bytes())?, fs::read(path)?)?;
    Ok(())
}

/// The files that the message names itself.
fn named_files(folder: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let tree = tree_of(folder)?;
    Ok(tree.iter().map(|(name, bytes)| (name.to_string(), bytes.to_vec())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::aleph::message::Message;
    use kernel::aleph::signature;
    use kernel::aleph::trigger::subscription;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    fn document(code: &str, more: &str) -> String {
        format!(
            r#"{{"type":"vm-function","address":"0x1","time":1,"content":{{"code":{code}{more}}}}}"#
        )
    }

    fn definition(package: &Package) -> Definition {
        Definition::of_package(package, &Limits::default()).unwrap()
    }

    #[test]
    fn one_script_and_data_become_a_program() {
        let message = document(
            r#"{"encoding":"plain","entrypoint":"main"}"#,
            r#","data":{"encoding":"tar.gzip","mount":"/state"}"#,
        );
        let folder = folder(&[
            ("message.json", &message),
            ("main.air", "(null)"),
            ("data/deep/file", "x"),
            ("README.md", "words"),
        ]);
        let program = definition(&package(folder.path()).unwrap());
        assert_eq!(program.script(), "(null)");
        let names: Vec<_> = program.files().iter().map(|(name, _)| name.to_string()).collect();
        assert_eq!(names, ["state/deep/file"]);
    }

    #[test]
    fn the_examples_of_triggers_wait_for_what_they_say() {
        let example = |name: &str| {
            let folder = crate::workspace::root().join("examples").join(name);
            definition(&package(&folder).unwrap()).program().triggers.clone()
        };
        let (cron, message) = (example("cron"), example("message"));
        assert_eq!(cron.cron.unwrap().next_after(1_700_000_000), Some(1_700_000_040));
        let hello = include_str!("../../examples/message/hello.json");
        let hello = Message::parse_published(hello).unwrap();
        assert_eq!(signature::verify(&hello), Ok(()));
        assert!(subscription::first_match(&message.messages, &hello).is_some());
        assert!(subscription::first_match(&cron.messages, &hello).is_none());
    }

    #[test]
    fn several_scripts_are_packed_and_the_entrypoint_names_one() {
        let message = document(r#"{"encoding":"tar.gzip","entrypoint":"b"}"#, "");
        let files =
            [("message.json", &*message), ("code/a.air", "(null)"), ("code/b.air", "(never)")];
        let first = package(folder(&files).path()).unwrap();
        assert_eq!(definition(&first).script(), "(never)");
        assert_eq!(
            package(folder(&files).path()).unwrap(),
            first,
            "the same files, the same bytes"
        );
    }

    #[test]
    fn a_message_that_names_its_files_finds_them() {
        let name = ItemHash::of(b"(null)").to_string();
        let code = format!(r#"{{"encoding":"plain","entrypoint":"main","ref":"{name}"}}"#);
        let message = document(&code, "");
        let file = format!("files/{name}");
        let with = folder(&[("message.json", &message), (&file, "(null)")]);
        assert_eq!(definition(&package(with.path()).unwrap()).script(), "(null)");
        let without = folder(&[("message.json", &message)]);
        let error = format!("{:#}", package(without.path()).unwrap_err());
        assert!(error.contains("the file of `code` is not there"), "{error}");
    }

    #[test]
    fn what_is_wrong_with_a_folder_is_said() {
        let plain = document(r#"{"encoding":"plain","entrypoint":"main"}"#, "");
        let two = folder(&[("message.json", &plain), ("a.air", "(null)"), ("b.air", "(null)")]);
        let error = format!("{:#}", bundle(&[two.path().to_owned()]).unwrap_err());
        assert!(
            error.contains("is no program: `content.code`: plain code is one script"),
            "{error}"
        );
        let zip = document(r#"{"encoding":"zip","entrypoint":"main"}"#, "");
        let zipped = folder(&[("message.json", &zip), ("a.air", "(null)")]);
        assert!(package(zipped.path()).is_err());
        assert!(package(folder(&[]).path()).is_err());
        assert!(bundle(&[]).unwrap().is_none());
    }
}
