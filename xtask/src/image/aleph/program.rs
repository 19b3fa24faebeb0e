//! A program as it is published: its files, and the PROGRAM message that says what it was as a folder.
//!
//! | as a folder | as a PROGRAM message |
//! |---|---|
//! | one script; several files | `code` as `plain`; as `squashfs` |
//! | `data` | `data` as `zip`, which nodes hand to their guest |
//! | `export` | `export`, and a disk of the node's on which it is kept |
//! | `on.http`, `on.aleph` | `on.http`, `on.message` |
//! | `on.cron`, and what nodes do not tell their guests | variables: see `kernel::guest` |

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use kernel::aleph::message::Type;
use kernel::aleph::package::{FileTree, Limits, Name};
use kernel::aleph::program::{CRON_VARIABLE, Program};
use kernel::guest::{HTTP_VARIABLE, REPRODUCIBLE_VARIABLE, SECONDS_VARIABLE};
use kernel::program::files::{CODE, Place};
use kernel::program::{Definition, Package};
use serde_json::{Map, Value, json};

use super::{Author, store};
use crate::image::{runtime, zip};

/// MiB of memory of a program's machine at the least: the program's own bound does not count what the
/// kernel needs.
const LEAST_MEMORY_MIB: u32 = 128;
/// MiB of the disk on which a node keeps what a program exports.
const STATE_MIB: u32 = 64;

/// A program as it is published.
#[derive(Clone, Debug)]
pub struct Publication {
    program: Program,
    /// `plain` or `squashfs`.
    encoding: &'static str,
    code: Vec<u8>,
    /// The data, where there are any, as zip.
    data: Option<Vec<u8>>,
    variables: Map<String, Value>,
}

impl Publication {
    /// The program of a package, in the forms that the network takes.
    ///
    /// # Errors
    /// When it is no program, or cannot be packed.
    pub fn of_package(package: &Package) -> Result<Self> {
        let definition = Definition::of_package(package, &Limits::default())?;
        let program = definition.program().clone();
        let scripts = below(&definition, CODE)?;
        let (encoding, code) = if scripts.is_empty() {
            ("plain", definition.script().as_bytes().to_vec())
        } else {
            ("squashfs", runtime::squashfs(&scripts)?)
        };
        let data =
            program.data.as_ref().map(|data| zip::archive(&below(&definition, &data.mount)?));
        let data = data.transpose()?;
        let message: Value = serde_json::from_slice(&package.message)?;
        let cron = message["content"]["on"]["cron"].as_str();
        let variables = variables(&program, cron);
        Ok(Self { program, encoding, code, data, variables })
    }

    /// What the PROGRAM message says, with files and runtime by the hashes of their messages.
    fn content(
        &self,
        author: &Author,
        code: &str,
        data: Option<&str>,
        runtime: &str,
    ) -> Result<Value> {
        let Self { program, encoding, .. } = self;
        let (environment, resources) = (&program.environment, &program.resources);
        let mut on = json!({ "http": program.triggers.http });
        if !program.triggers.messages.is_empty() {
            let patterns = program.triggers.messages.iter();
            let patterns = patterns.map(|pattern| serde_json::from_str(&pattern.to_json()));
            on["message"] = Value::Array(patterns.collect::<Result<_, _>>()?);
        }
        if program.triggers.persistent {
            on["persistent"] = json!(true);
        }
        let mut content = json!({
            "type": "vm-function",
            "address": author.address,
            "time": author.time,
            "allow_amend": program.allow_amend,
            "code": {
                "encoding": encoding, "entrypoint": &*program.code.entrypoint,
                "ref": code, "use_latest": false,
            },
            "on": on,
            "environment": {
                "internet": environment.internet,
                "aleph_api": environment.aleph_api,
                "reproducible": environment.reproducible,
                "shared_cache": environment.shared_cache,
            },
            "resources": {
                "vcpus": resources.vcpus,
                "memory": resources.memory_mib.max(LEAST_MEMORY_MIB),
                "seconds": seconds(program),
            },
            "runtime": { "ref": runtime, "use_latest": false, "comment": "aerolith" },
            "volumes": [],
        });
        if !self.variables.is_empty() {
            content["variables"] = Value::Object(self.variables.clone());
        }
        if let (Some(mounted), Some(file)) = (&program.data, data) {
            content["data"] = json!({
                "encoding": "zip", "mount": &*mounted.mount, "ref": file, "use_latest": false,
            });
        }
        if let Some(mount) = &program.export {
            content["export"] = json!({ "encoding": "zip", "mount": &**mount });
            content["volumes"] = json!([{
                "mount": &**mount, "persistence": "host", "name": "state", "size_mib": STATE_MIB,
            }]);
        }
        if let Some(replaced) = &program.replaces {
            content["replaces"] = json!(&**replaced);
        }
        Ok(content)
    }
}

/// The program's variables, and those by which its guest learns what a host does not tell it.
fn variables(program: &Program, cron: Option<&str>) -> Map<String, Value> {
    let own = program.variables.iter();
    let mut all: Map<String, Value> =
        own.map(|(name, value)| (name.to_string(), json!(&**value))).collect();
    let mut add = |name: &str, value: String| {
        all.entry(name).or_insert(Value::String(value));
    };
    add(SECONDS_VARIABLE, seconds(program).to_string());
    if !program.triggers.http {
        add(HTTP_VARIABLE, "false".to_owned());
    }
    if program.environment.reproducible {
        add(REPRODUCIBLE_VARIABLE, "true".to_owned());
    }
    if let Some(cron) = cron {
        add(CRON_VARIABLE, cron.to_owned());
    }
    all
}

/// Whole seconds, and not fewer than the program has.
fn seconds(program: &Program) -> u64 {
    program.resources.milliseconds.div_ceil(1000).max(1)
}

/// The program's files in a directory, under their names there.
fn below(definition: &Definition, mount: &str) -> Result<FileTree> {
    let place = Place::new(mount).with_context(|| format!("{mount} is no directory"))?;
    let mut tree = FileTree::new(Limits::default());
    for (name, bytes) in definition.files().iter() {
        if let Some(inner) = place.inner(name.as_str()) {
            tree.put_shared(Name::new(inner.as_bytes())?, bytes.clone())?;
        }
    }
    Ok(tree)
}

/// Writes the folder of a node's kernel: the kernel, the runtime, a program's files, and the messages that
/// publish them.
///
/// # Errors
/// When a file cannot be written or read, or a message would be refused.
pub fn write_node(
    folder: &Path,
    kernel: &Path,
    runtime: &[u8],
    publication: &Publication,
    author: &Author,
) -> Result<()> {
    fs::create_dir_all(folder)?;
    fs::hard_link(kernel, folder.join("vmlinux.bin")).context("cannot link the kernel")?;
    let publish = |name: &str, message: &str, bytes: &[u8]| {
        fs::write(folder.join(name), bytes)
            .with_context(|| folder.join(name).display().to_string())?;
        let stored = store(author, bytes)?;
        stored.write(&folder.join(message))?;
        Ok::<_, anyhow::Error>(stored.hash)
    };
    let runtime = publish("runtime.squashfs", "runtime-store.json", runtime)?;
    let code = publish("code", "code-store.json", &publication.code)?;
    let data = publication.data.as_deref().map(|data| publish("data.zip", "data-store.json", data));
    let data = data.transpose()?;
    let content = publication.content(author, &code, data.as_deref(), &runtime)?;
    author.message(Type::Program, &content)?.write(&folder.join("program.json"))
}

#[cfg(test)]
mod tests {
    use kernel::aleph::cron::Schedule;
    use kernel::aleph::item_hash::ItemHash;
    use kernel::aleph::package::{Encoding, unpack};
    use kernel::aleph::program::{Mount, Source};
    use tempfile::TempDir;

    use super::super::tests::{author, read, text};
    use super::*;
    use crate::program_folder;

    const MESSAGE: &str = r#"{"type":"vm-function","address":"x","time":1,"content":{
        "code":{"encoding":"tar.gzip","entrypoint":"main"},
        "on":{"http":false,"cron":"5 4 * * *","aleph":[{"type":"POST","content":{"k":[1,null]}}]},
        "environment":{"reproducible":true,"internet":false,"aleph_api":true},
        "resources":{"vcpus":2,"memory":200,"seconds":1.5},
        "variables":{"GREETING":"hi"},
        "data":{"encoding":"tar.gzip","mount":"/state"},
        "export":{"encoding":"tar.gzip","mount":"/state"}}}"#;

    fn published(message: &str, files: &[(&str, &str)]) -> (TempDir, Program) {
        let folder = TempDir::new().unwrap();
        for (name, text) in files.iter().chain([&("message.json", message)]) {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let package = program_folder::package(folder.path()).unwrap();
        let publication = Publication::of_package(&package).unwrap();
        let kernel = folder.path().join("kernel");
        fs::write(&kernel, b"\x7fELF").unwrap();
        let out = folder.path().join("node");
        write_node(&out, &kernel, b"hsqs", &publication, &author()).unwrap();
        let program = Program::from_message(&read(&out, "program.json")).unwrap();
        (folder, program)
    }

    /// The file that a message of the folder publishes.
    fn stored(folder: &TempDir, message: &str, file: &str) -> (Source, Vec<u8>) {
        let folder = folder.path().join("node");
        let store = read(&folder, message);
        let bytes = fs::read(folder.join(file)).unwrap();
        assert_eq!(text(&store, &["item_hash"]), ItemHash::of(&bytes).as_str());
        (Source::Message { hash: store.item_hash().clone(), use_latest: false }, bytes)
    }

    #[test]
    fn a_script_is_published_as_it_is() {
        let message = MESSAGE.replacen("tar.gzip", "plain", 1);
        let files = [("main.air", "(null)"), ("data/a", "1")];
        let (folder, program) = published(&message, &files);
        let (source, bytes) = stored(&folder, "code-store.json", "code");
        assert_eq!((program.code.encoding, program.code.source), (Encoding::Plain, source));
        assert_eq!(bytes, b"(null)");
        let node = folder.path().join("node");
        let (runtime, program) = (read(&node, "runtime-store.json"), read(&node, "program.json"));
        assert_eq!(text(&program, &["runtime", "ref"]), runtime.item_hash().as_str());
    }

    #[test]
    fn a_program_with_everything_is_the_same_program_when_it_is_published() {
        let files = [
            ("code/main.air", "(null)"),
            ("code/lib/other.air", "(never)"),
            ("data/count", "0"),
            ("data/deep/er", "x"),
        ];
        let (folder, program) = published(MESSAGE, &files);
        let (code, packed) = stored(&folder, "code-store.json", "code");
        assert_eq!((program.code.encoding, &program.code.source), (Encoding::Squashfs, &code));
        assert_eq!(unpack(&packed, Encoding::Squashfs, &Limits::default()).unwrap().len(), 2);
        let (source, zip) = stored(&folder, "data-store.json", "data.zip");
        let mounted = Mount { encoding: Encoding::Zip, mount: "/state".into(), source };
        assert_eq!(program.data, Some(mounted));
        let definition =
            Definition::new(program, Some(&packed), Some(&zip), &Limits::default()).unwrap();
        let names: Vec<&str> = definition.files().iter().map(|(name, _)| name.as_str()).collect();
        let code = ["opt/code/lib/other.air", "opt/code/main.air"];
        assert_eq!(names, [&code[..], &["state/count", "state/deep/er"]].concat());
        assert_eq!(definition.script(), "(null)");

        let program = definition.program();
        assert_eq!(program.export.as_deref(), Some("/state"));
        let triggers = &program.triggers;
        assert_eq!(triggers.cron, Some("5 4 * * *".parse::<Schedule>().unwrap()));
        let pattern = r#"{"content":{"k":[1,null]},"type":"POST"}"#;
        assert_eq!(triggers.messages.len(), 1);
        assert_eq!(triggers.messages[0].to_json(), pattern);
        assert!(!triggers.http && program.environment.reproducible);
        assert!(!program.environment.internet && program.environment.aleph_api);
        let resources = program.resources;
        assert_eq!((resources.vcpus, resources.memory_mib, resources.milliseconds), (2, 200, 2000));
        let variables: Vec<_> =
            program.variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let expected =
            ["AIR_CRON=5 4 * * *", "AIR_HTTP=false", "AIR_REPRODUCIBLE=true", "AIR_SECONDS=2"];
        assert_eq!(variables, [&expected[..], &["GREETING=hi"]].concat());
    }

    #[test]
    fn what_a_program_keeps_has_a_disk_of_the_node() {
        let files = [("code/main.air", "(null)"), ("data/a", "1")];
        let (folder, _) = published(MESSAGE, &files);
        let program = read(&folder.path().join("node"), "program.json");
        let volumes = program.content().unwrap().get("volumes").unwrap().as_array().unwrap();
        let [volume] = volumes else { panic!("{volumes:?}") };
        assert_eq!(volume.as_object().unwrap().get("mount").unwrap().as_str(), Some("/state"));
    }
}
