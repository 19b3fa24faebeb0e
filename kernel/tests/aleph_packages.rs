//! Packages that other programs make and read: `tar`, `zip`, `mksquashfs`, where they are installed.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use kernel::aleph::package::{Encoding, FileTree, Limits, Name, tar_gzip, unpack};
use libtest_mimic::{Arguments, Failed, Trial};

/// The block of a squashfs image, around which the sizes of files are chosen.
const BLOCK: usize = 128 << 10;

fn main() {
    let arguments = Arguments::from_args();
    libtest_mimic::run(&arguments, trials()).exit();
}

fn trials() -> Vec<Trial> {
    let package = |name: &'static str, program, words: &'static [&'static str], encoding| {
        trial(name, program, move |folder| {
            let archive = folder.join("archive.bin");
            run(Command::new(program).args(words).current_dir(folder.join("files")))?;
            same(&unpack(&fs::read(archive)?, encoding, &Limits::default())?)
        })
    };
    vec![
        package("tar_in_gzip", "tar", &["-czf", "../archive.bin", "."], Encoding::TarGzip),
        package(
            "tar_in_gzip_of_posix",
            "tar",
            &["--format=posix", "-czf", "../archive.bin", "."],
            Encoding::TarGzip,
        ),
        package("zip", "zip", &["-q", "-r", "../archive.bin", "."], Encoding::Zip),
        package(
            "squashfs",
            "mksquashfs",
            &[".", "../archive.bin", "-quiet", "-no-progress"],
            Encoding::Squashfs,
        ),
        package(
            "squashfs_with_small_blocks",
            "mksquashfs",
            &[".", "../archive.bin", "-quiet", "-no-progress", "-b", "4096", "-noF"],
            Encoding::Squashfs,
        ),
        trial("export", "tar", |folder| {
            let mut tree = FileTree::new(Limits::default());
            for (name, bytes) in files() {
                tree.put(Name::new(name.as_bytes())?, bytes)?;
            }
            let target = folder.join("again");
            fs::create_dir(&target)?;
            let mut tar = Command::new("tar")
                .args(["-xzf", "-"])
                .current_dir(&target)
                .stdin(Stdio::piped())
                .spawn()?;
            tar.stdin.take().ok_or("no pipe")?.write_all(&tar_gzip(&tree)?)?;
            if !tar.wait()?.success() {
                return Err("tar does not read the export".into());
            }
            for (name, bytes) in files() {
                if fs::read(target.join(&name))? != bytes {
                    return Err(format!("{name} differs").into());
                }
            }
            Ok(())
        }),
    ]
}

/// A trial in a folder of its own, which has the files in `files`; ignored without the program.
fn trial(
    name: &'static str,
    program: &'static str,
    check: impl FnOnce(&Path) -> Result<(), Failed> + Send + 'static,
) -> Trial {
    let is_there = Command::new(program)
        .arg("--help")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok();
    let trial = Trial::test(name, move || {
        let folder = tempfile::tempdir()?;
        for (name, bytes) in files() {
            let path = folder.path().join("files").join(name);
            fs::create_dir_all(path.parent().ok_or("no directory")?)?;
            fs::write(path, bytes)?;
        }
        check(folder.path())
    });
    trial.with_ignored_flag(!is_there)
}

fn run(command: &mut Command) -> Result<(), Failed> {
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned().into())
}

fn same(tree: &FileTree) -> Result<(), Failed> {
    let files = files();
    for (name, bytes) in &files {
        if tree.get(name).map(|bytes| &**bytes) != Some(bytes) {
            return Err(format!("{name} differs, or is not there").into());
        }
    }
    if tree.len() == files.len() { Ok(()) } else { Err("there are files too many".into()) }
}

/// Files of all sizes around a block, some with holes, some without structure; many small ones.
fn files() -> BTreeMap<String, Vec<u8>> {
    let mut state = 1_u32;
    let mut noise = move |length: usize| -> Vec<u8> {
        let mut byte = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        };
        (0..length).map(|_| byte()).collect()
    };
    let text = |length: usize| "(null) ".bytes().cycle().take(length).collect::<Vec<u8>>();
    let mut files = BTreeMap::new();
    for length in [0, 1, 4095, 4096, 4097, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 5] {
        files.insert(format!("text/{length}"), text(length));
        files.insert(format!("noise/{length}"), noise(length));
        files.insert(format!("holes/{length}"), [text(10), vec![0; length], noise(10)].concat());
    }
    for number in 0..700 {
        files.insert(format!("many/{:02}/größe {number}.air", number % 3), noise(number % 50));
    }
    files.insert(format!("long/{}/{}", "d".repeat(130), "n".repeat(140)), text(7));
    files
}
