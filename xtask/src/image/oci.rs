//! The same kernel as an OCI image layout, for registries and what pulls from them.
//!
//! Formats: OCI image specification 1.1 (image-layout.md, manifest.md, config.md). One layer, a tar file,
//! has the kernel at the path and under the annotations by which tools for unikernel images find it,
//! and configuration and programs beside it as the initial RAM disk. Every blob's name is its digest, so
//! the same kernel gives the same layout.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::hexadecimal;
use super::tar;

/// Where tools for unikernels look for the kernel in a layer.
const KERNEL: &str = "unikraft/bin/kernel";
/// Where they look for the initial RAM disk.
const MODULE: &str = "unikraft/bin/initrd";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// The name of the image in the layout.
pub const TAG: &str = "latest";

/// Writes the layout into `folder`, which is made.
///
/// # Errors
/// When a file cannot be written.
pub fn write(folder: &Path, kernel: &[u8], module: Option<&[u8]>) -> Result<()> {
    let blobs = folder.join("blobs/sha256");
    fs::create_dir_all(&blobs).with_context(|| folder.display().to_string())?;
    let put = |kind: &str, bytes: &[u8]| {
        let digest = hexadecimal(&Sha256::digest(bytes));
        fs::write(blobs.join(&digest), bytes)?;
        Ok::<_, anyhow::Error>(json!({
            "mediaType": kind, "digest": format!("sha256:{digest}"), "size": bytes.len(),
        }))
    };

    let mut files = vec![(KERNEL, kernel)];
    let mut paths = json!({ "org.unikraft.kernel.image": format!("/{KERNEL}") });
    if let Some(module) = module {
        files.push((MODULE, module));
        paths["org.unikraft.kernel.initrd"] = json!(format!("/{MODULE}"));
    }
    let archive = tar::archive(&files);
    let mut layer = put(LAYER, &archive)?;
    let config = put(
        CONFIG,
        &bytes_of(&json!({
            "architecture": "amd64",
            "os": "qemu",
            "config": {},
            "rootfs": { "type": "layers", "diff_ids": [layer["digest"]] },
        })),
    )?;
    layer["annotations"] = paths;
    let mut manifest = put(
        MANIFEST,
        &bytes_of(&json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config,
            "layers": [layer],
            "annotations": {
                "org.opencontainers.image.title": "aerolith",
                "org.opencontainers.image.version": env!("CARGO_PKG_VERSION"),
                "org.opencontainers.image.licenses": "Apache-2.0",
            },
        })),
    )?;
    manifest["platform"] = json!({ "architecture": "x86_64", "os": "qemu" });
    manifest["annotations"] = json!({ "org.opencontainers.image.ref.name": TAG });
    let index = json!({ "schemaVersion": 2, "manifests": [manifest] });
    fs::write(folder.join("index.json"), bytes_of(&index))?;
    fs::write(folder.join("oci-layout"), bytes_of(&json!({ "imageLayoutVersion": "1.0.0" })))?;
    Ok(())
}

fn bytes_of(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

/// Checks a layout as far as the specification says what holds in every one: versions, media types,
/// that each blob is there with its size and digest, that the layers are what the configuration says, and
/// that the kernel lies where its annotation says.
///
/// # Errors
/// What does not hold.
pub fn check(folder: &Path) -> Result<()> {
    let read = |name: &str| -> Result<Value> {
        let bytes = fs::read(folder.join(name)).with_context(|| name.to_owned())?;
        serde_json::from_slice(&bytes).with_context(|| name.to_owned())
    };
    let version = &read("oci-layout")?["imageLayoutVersion"];
    ensure!(*version == "1.0.0", "layout version {version}");
    let index = read("index.json")?;
    ensure!(index["schemaVersion"] == 2, "index.json has no schema version 2");
    let manifests = index["manifests"].as_array().context("index.json has no manifests")?;
    ensure!(!manifests.is_empty(), "index.json names no manifest");
    for descriptor in manifests {
        let manifest: Value = serde_json::from_slice(&blob(folder, descriptor, MANIFEST)?)?;
        ensure!(manifest["schemaVersion"] == 2, "a manifest without schema version 2");
        let config: Value = serde_json::from_slice(&blob(folder, &manifest["config"], CONFIG)?)?;
        let layers = manifest["layers"].as_array().context("a manifest without layers")?;
        let digests: Vec<&Value> = layers.iter().map(|layer| &layer["digest"]).collect();
        ensure!(json!(digests) == config["rootfs"]["diff_ids"], "the layers are others");
        for layer in layers {
            let archive = blob(folder, layer, LAYER)?;
            let path = layer["annotations"]["org.unikraft.kernel.image"].as_str();
            let path = path.context("a layer that names no kernel")?.trim_start_matches('/');
            ensure!(archive.starts_with(path.as_bytes()), "the layer has no {path}");
        }
    }
    Ok(())
}

/// The blob that a descriptor names, if it is what the descriptor says.
fn blob(folder: &Path, descriptor: &Value, kind: &str) -> Result<Vec<u8>> {
    ensure!(descriptor["mediaType"] == kind, "{} where {kind} is due", descriptor["mediaType"]);
    let Some(digest) = descriptor["digest"].as_str().and_then(|d| d.strip_prefix("sha256:")) else {
        bail!("a descriptor without a SHA-256: {descriptor}");
    };
    let bytes = fs::read(folder.join("blobs/sha256").join(digest)).context("a missing blob")?;
    ensure!(hexadecimal(&Sha256::digest(&bytes)) == digest, "{digest} is the name of other bytes");
    ensure!(descriptor["size"] == bytes.len(), "{digest} has {} bytes", bytes.len());
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn layout(module: Option<&[u8]>) -> TempDir {
        let folder = TempDir::new().unwrap();
        write(folder.path(), b"\x7fELF kernel", module).unwrap();
        folder
    }

    #[test]
    fn a_written_layout_holds_what_the_specification_demands() {
        check(layout(None).path()).unwrap();
        check(layout(Some(b"module")).path()).unwrap();
    }

    #[test]
    fn a_changed_blob_or_a_lost_one_is_noticed() {
        let folder = layout(None);
        let blobs: Vec<_> = fs::read_dir(folder.path().join("blobs/sha256"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        assert_eq!(blobs.len(), 3);
        for path in blobs {
            let bytes = fs::read(&path).unwrap();
            let mut changed = bytes.clone();
            changed[0] ^= 1;
            fs::write(&path, changed).unwrap();
            assert!(check(folder.path()).is_err(), "{}", path.display());
            fs::remove_file(&path).unwrap();
            assert!(check(folder.path()).is_err(), "{}", path.display());
            fs::write(&path, bytes).unwrap();
        }
        check(folder.path()).unwrap();
    }
}
