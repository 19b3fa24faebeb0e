//! What is published to run on the Aleph network: files, and the messages that name them.
//!
//! Two ways to deploy. As an **instance**, the disk image is the root disk of a virtual machine that any node
//! runs. As the **kernel of a node**, the ELF file is what that node boots for every program; a program
//! then needs a runtime, which has to be a squashfs and is otherwise not read.
//!
//! Messages are as an author publishes them: `item_content` is compact JSON with every default spelled out
//! (of programs the network demands it), `item_hash` is its SHA-256, `signature` is null and is the
//! author's to fill in. Each is read back by the node's own rules before it is written.

mod program;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, anyhow, ensure};
use kernel::aleph::item_hash::ItemHash;
use kernel::aleph::message::{Message, Signed, Type};
use serde_json::{Value, json};

pub use self::program::{Publication, write_node};

/// Who publishes, and when.
#[derive(Clone, Debug)]
pub struct Author {
    /// Name of the block chain whose kind of key signs.
    pub chain: String,
    /// The address that owns what is published.
    pub address: String,
    /// Seconds since 1970.
    pub time: u64,
}

/// MiB of memory of the instance: the least that is sold, beside one processor.
const INSTANCE_MEMORY_MIB: u32 = 2048;
/// Seconds of an instance: demanded, and of no meaning.
const INSTANCE_SECONDS: u32 = 1;
const MIB: u64 = 1 << 20;

/// Writes the folder of an instance: the disk and the messages that publish and start it.
///
/// # Errors
/// When a file cannot be written or read, or a message would be refused.
pub fn write_instance(folder: &Path, disk: &Path, author: &Author) -> Result<()> {
    fs::create_dir_all(folder)?;
    fs::hard_link(disk, folder.join("rootfs.img")).context("cannot link the disk")?;
    let bytes = fs::read(disk).with_context(|| disk.display().to_string())?;
    let store = store(author, &bytes)?;
    let instance = author.message(
        Type::Instance,
        &json!({
            "address": author.address,
            "time": author.time,
            "allow_amend": false,
            "environment": {
                "internet": true, "aleph_api": true, "hypervisor": "qemu",
                "reproducible": false, "shared_cache": false,
            },
            "resources": { "vcpus": 1, "memory": INSTANCE_MEMORY_MIB, "seconds": INSTANCE_SECONDS },
            "rootfs": {
                "parent": { "ref": store.hash, "use_latest": false },
                "persistence": "host",
                "size_mib": u64::try_from(bytes.len())?.div_ceil(MIB),
            },
            "volumes": [],
            "payment": { "chain": author.chain, "type": "credit" },
        }),
    )?;
    store.write(&folder.join("store.json"))?;
    instance.write(&folder.join("instance.json"))
}

/// The message that publishes a file.
fn store(author: &Author, file: &[u8]) -> Result<Published> {
    author.message(
        Type::Store,
        &json!({
            "address": author.address,
            "time": author.time,
            "item_type": "storage",
            "item_hash": ItemHash::of(file).as_str(),
        }),
    )
}

/// A message, ready to be signed.
struct Published {
    hash: String,
    envelope: Value,
}

impl Published {
    fn write(&self, file: &Path) -> Result<()> {
        let text = format!("{:#}\n", self.envelope);
        fs::write(file, text).with_context(|| file.display().to_string())
    }
}

impl Author {
    fn message(&self, kind: Type, content: &Value) -> Result<Published> {
        let content = content.to_string();
        let hash = ItemHash::of(content.as_bytes()).as_str().to_owned();
        let envelope = json!({
            "chain": self.chain,
            "sender": self.address,
            "type": kind.word(),
            "channel": "AEROLITH",
            "signature": null,
            "time": self.time,
            "item_type": "inline",
            "item_hash": hash,
            "item_content": content,
        });
        let message = Message::parse_published(&envelope.to_string()).map_err(|refusals| {
            anyhow!("the network would refuse the {}: {refusals}", kind.word())
        })?;
        let is_canonical = *message.signed() == Signed::Same;
        ensure!(is_canonical, "a {} that leaves defaults out: {envelope}", kind.word());
        Ok(Published { hash, envelope })
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    pub(super) fn author() -> Author {
        let address = "0x5B38Da6a701c568545dCfcB03FcB875f56beddC4".to_owned();
        Author { chain: "ETH".to_owned(), address, time: 1_700_000_000 }
    }

    pub(super) fn read(folder: &Path, name: &str) -> Message {
        let text = fs::read_to_string(folder.join(name)).unwrap();
        Message::parse_published(&text).unwrap()
    }

    pub(super) fn text<'a>(message: &'a Message, path: &[&str]) -> &'a str {
        let content = message.content().unwrap();
        let first = content.get(path[0]).unwrap();
        let value = path[1..]
            .iter()
            .fold(first, |value, name| value.as_object().unwrap().get(name).unwrap());
        value.as_str().unwrap()
    }

    #[test]
    fn an_instance_names_the_message_that_stores_its_disk() {
        let folder = TempDir::new().unwrap();
        let disk = folder.path().join("disk");
        fs::write(&disk, vec![1; 3 * 1_048_576 - 1]).unwrap();
        let out = folder.path().join("instance");
        write_instance(&out, &disk, &author()).unwrap();
        let store = read(&out, "store.json");
        let disk = fs::read(out.join("rootfs.img")).unwrap();
        assert_eq!(text(&store, &["item_hash"]), ItemHash::of(&disk).as_str());
        let instance = read(&out, "instance.json");
        assert_eq!(instance.kind(), Type::Instance);
        assert_eq!(text(&instance, &["rootfs", "parent", "ref"]), store.item_hash().as_str());
        assert_eq!(text(&instance, &["environment", "hypervisor"]), "qemu");
        let envelope: Value =
            serde_json::from_slice(&fs::read(out.join("instance.json")).unwrap()).unwrap();
        let content: Value =
            serde_json::from_str(envelope["item_content"].as_str().unwrap()).unwrap();
        assert_eq!(content["rootfs"]["size_mib"], 3);
    }

    #[test]
    fn what_the_network_would_refuse_is_not_written() {
        let folder = TempDir::new().unwrap();
        let disk = folder.path().join("disk");
        fs::write(&disk, b"disk").unwrap();
        let author = Author { chain: "BTC".to_owned(), ..author() };
        let error = write_instance(&folder.path().join("out"), &disk, &author).unwrap_err();
        assert!(error.to_string().contains("refuse"), "{error}");
        assert!(!folder.path().join("out/store.json").exists());
    }
}
