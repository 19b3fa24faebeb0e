//! What the unikernel is compared with: Debian's kernel for clouds, with a web server in an initial RAM disk.
//!
//! Two servers: busybox's, about the least that Linux serves with, and Python's own, as programs in Python
//! have it below them. Everything comes from Debian's archive by apt, is unpacked into the target folder
//! and needs no privileges.

mod cpio;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use self::cpio::Archive;
use crate::qemu::install;
use crate::{external, workspace};

/// The package whose dependency is the kernel.
const KERNEL: &str = "linux-image-cloud-amd64";
/// What a network device over PCI needs, in the order in which it is loaded.
const MODULES: [&str; 8] = [
    "virtio_ring",
    "virtio",
    "virtio_pci_legacy_dev",
    "virtio_pci_modern_dev",
    "virtio_pci",
    "failover",
    "net_failover",
    "virtio_net",
];
/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// `busybox httpd`.
    Busybox,
    /// `python3 -m http.server`, its modules compiled beforehand.
    Python,
}

/// What QEMU loads.
#[derive(Clone, Debug)]
pub struct Linux {
    /// The kernel.
    pub kernel: PathBuf,
    /// The initial RAM disk.
    pub module: PathBuf,
    /// What is printed once the server listens.
    pub ready: &'static str,
}

/// Prepares a server; what was prepared before is taken again.
///
/// # Errors
/// When a package cannot be had, or is not as it was when this was written.
pub fn prepare(server: Server) -> Result<Linux> {
    let folder = workspace::target().join("debian");
    let image = dependencies(KERNEL)?
        .into_iter()
        .find(|name| name.starts_with("linux-image-"))
        .with_context(|| format!("{KERNEL} depends on no kernel"))?;
    let kernel = unpacked(&folder, "kernel", std::slice::from_ref(&image))?;
    let version = image.trim_start_matches("linux-image-");
    let busybox = unpacked(&folder, "busybox", &["busybox-static".to_owned()])?;

    let mut archive = Archive::default();
    let mut script = vec![
        "#!/bin/busybox sh".to_owned(),
        "b=/bin/busybox; $b mkdir /proc /sys /dev /www; $b mount -t devtmpfs d /dev".to_owned(),
        "$b mount -t proc p /proc; $b mount -t sysfs s /sys; $b echo ok > /www/health".to_owned(),
    ];
    let (start, ready, module) = match server {
        // It goes to the background when it listens.
        Server::Busybox => {
            let start = "$b httpd -p 80 -h /www && $b echo httpd listens".to_owned();
            (start, "httpd listens", "busybox.cpio")
        }
        Server::Python => {
            let (python, name) = python(&folder)?;
            archive.add_tree(&python)?;
            // With HTTP/1.0, its default, no connection would be kept.
            let options = "--protocol HTTP/1.1 --directory /www";
            let start = format!("/usr/bin/{name} -u -m http.server 80 {options}");
            (start, "Serving HTTP on", "python.cpio")
        }
    };
    let modules = kernel.join("lib/modules").join(version).join("kernel");
    for module in MODULES {
        let file = format!("{module}.ko");
        let found = find(&modules, &file)?.with_context(|| format!("{image} has no {file}"))?;
        archive.add_program(&file, &fs::read(found)?)?;
        script.push(format!("$b insmod /{file}"));
    }
    script.push("$b ip link set lo up; $b ip link set eth0 up".to_owned());
    script.push(
        "$b ip addr add 10.0.2.15/24 dev eth0; $b ip route add default via 10.0.2.2".to_owned(),
    );
    script.push(start);
    script.push("exec $b sleep 100000".to_owned());
    // Where Python has a folder of that name, this changes nothing.
    let bin = fs::read(busybox.join("bin/busybox")).context("busybox-static has no bin/busybox")?;
    archive.add_folder("bin")?;
    archive.add_program("bin/busybox", &bin)?;
    archive.add_program("init", (script.join("\n") + "\n").as_bytes())?;
    let module = folder.join(module);
    fs::write(&module, archive.finish()?)?;
    let kernel = kernel.join("boot").join(format!("vmlinuz-{version}"));
    Ok(Linux { kernel, module, ready })
}

/// A folder with Debian's Python and what it links to, its modules compiled; and the program's name.
fn python(folder: &Path) -> Result<(PathBuf, String)> {
    let minimal = dependencies("python3-minimal")?
        .into_iter()
        .find(|name| name.starts_with("python3.") && name.ends_with("-minimal"))
        .context("python3-minimal depends on no Python")?;
    let name = minimal.trim_end_matches("-minimal").to_owned();
    let packages = [
        minimal,
        format!("lib{name}-minimal"),
        format!("lib{name}-stdlib"),
        "libc6".to_owned(),
        "libexpat1".to_owned(),
        "zlib1g".to_owned(),
    ];
    let root = unpacked(folder, "python", &packages)?;
    let compiled = folder.join("python-compiled");
    if !compiled.exists() {
        let libraries = root.join("lib/x86_64-linux-gnu");
        let libraries = [libraries, root.join("usr/lib/x86_64-linux-gnu")];
        let path = std::env::join_paths(&libraries)?;
        let mut command = Command::new(libraries[0].join("ld-linux-x86-64.so.2"));
        command.arg("--library-path").arg(path).arg(root.join("usr/bin").join(&name));
        command.args(["-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]);
        command.arg(root.join("usr/lib").join(&name)).env("PYTHONHOME", root.join("usr"));
        external::run(&mut command)?;
        fs::write(&compiled, b"")?;
    }
    Ok((root, name))
}

/// The packages that one depends on, by apt, whose lists are fetched if it does not know that one.
fn dependencies(package: &str) -> Result<Vec<String>> {
    let ask = || external::output("apt-cache", &["depends", package]);
    let text = match ask() {
        None => {
            install::update()?;
            ask()
        }
        known => known,
    };
    let text = text.with_context(|| format!("apt knows no {package}; this needs Debian's apt"))?;
    let words = text.lines().filter_map(|line| line.split_once("Depends: "));
    Ok(words.map(|(_, name)| name.trim().to_owned()).collect())
}

/// A folder with what is in these packages, in their newest version when it is made.
fn unpacked(folder: &Path, name: &str, packages: &[String]) -> Result<PathBuf> {
    let done = folder.join(name);
    if done.exists() {
        return Ok(done);
    }
    let unfinished = folder.join(format!("{name}.unfinished"));
    let archives = folder.join(format!("{name}.archives"));
    for folder in [&unfinished, &archives] {
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        fs::create_dir_all(folder)?;
    }
    let mut command = Command::new("apt-get");
    command.current_dir(&archives).arg("download").args(packages);
    external::run(&mut command)?;
    let mut count = 0;
    for entry in fs::read_dir(&archives)? {
        let mut command = Command::new("dpkg-deb");
        external::run(command.arg("--extract").arg(entry?.path()).arg(&unfinished))?;
        count += 1;
    }
    ensure!(count == packages.len(), "apt-get brought {count} of {} packages", packages.len());
    fs::remove_dir_all(&archives)?;
    fs::rename(&unfinished, &done)?;
    Ok(done)
}

fn find(folder: &Path, name: &str) -> Result<Option<PathBuf>> {
    let mut open = vec![folder.to_owned()];
    while let Some(at) = open.pop() {
        for entry in fs::read_dir(&at).with_context(|| at.display().to_string())? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                open.push(entry.path());
            } else if entry.file_name() == name {
                return Ok(Some(entry.path()));
            }
        }
    }
    Ok(None)
}
