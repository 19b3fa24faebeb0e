use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::deflate::crc32;
use super::*;
use crate::aleph::limits::{
    MAX_FILE_NAME_BYTES, MAX_NAME_PARTS, MAX_PACKAGE_RATIO, PACKAGE_RATIO_GRACE_BYTES,
};

// The samples hold the same files, packed by `zipfile` and `tarfile` of Python and by `mksquashfs`.
const ZIP: &[u8] = include_bytes!("samples/sample.zip");
const GNU_TAR: &[u8] = include_bytes!("samples/gnu.tar.gz");
const PAX_TAR: &[u8] = include_bytes!("samples/pax.tar.gz");
const SQUASHFS: &[u8] = include_bytes!("samples/sample.squashfs");
const WHOLE_BLOCKS: &[u8] = include_bytes!("samples/whole-blocks.squashfs");
const WITH_LINK: &[u8] = include_bytes!("samples/link.squashfs");
const XZ: &[u8] = include_bytes!("samples/xz.squashfs");
const ZSTD: &[u8] = include_bytes!("samples/zstd.squashfs");

/// Text, a hole and text again, over several blocks.
fn data() -> Vec<u8> {
    let squares: String = (0_u32..2500).map(|number| format!("{},", number * number)).collect();
    [&squares.as_bytes()[..5000], &[0; 9000], &squares.as_bytes()[..700]].concat()
}

fn files() -> Vec<(&'static str, Vec<u8>)> {
    let script =
        |word| format!("(call %init_peer_id% (\"callbackSrv\" \"response\") [\"{word}\"])\n");
    vec![
        ("data.bin", data()),
        ("lib/hello.greet.air", script("greet").into()),
        ("main.air", script("main").into()),
        ("static/empty", vec![]),
        ("static/größe.txt", b"x".to_vec()),
        ("static/index.html", "<p>Grüße</p>\n".into()),
    ]
}

fn open(bytes: &[u8], encoding: Encoding) -> Result<FileTree, PackageError> {
    unpack(bytes, encoding, &Limits::default())
}

fn contents(tree: &FileTree) -> Vec<(&str, Vec<u8>)> {
    tree.iter().map(|(name, bytes)| (name.as_str(), bytes.to_vec())).collect()
}

#[test]
fn the_samples_of_all_encodings_hold_the_same_files() {
    for (bytes, encoding) in
        [(ZIP, Encoding::Zip), (SQUASHFS, Encoding::Squashfs), (WHOLE_BLOCKS, Encoding::Squashfs)]
    {
        assert_eq!(contents(&open(bytes, encoding).unwrap()), files());
    }
    for tar in [GNU_TAR, PAX_TAR] {
        let mut tree = open(tar, Encoding::TarGzip).unwrap();
        let long = format!("long/{}.txt", "n".repeat(120));
        assert_eq!(tree.get(&long).map(|bytes| &**bytes), Some(&b"abc"[..]));
        assert!(tree.remove(&long));
        assert_eq!(contents(&tree), files());
    }
}

#[test]
fn a_package_of_another_encoding_is_refused() {
    for bytes in [ZIP, GNU_TAR, SQUASHFS, b"", b"PK", &[0; 4096]] {
        for encoding in [Encoding::Zip, Encoding::TarGzip, Encoding::Squashfs] {
            let is_own = match encoding {
                Encoding::Zip => bytes == ZIP,
                Encoding::TarGzip => bytes == GNU_TAR,
                _ => bytes == SQUASHFS,
            };
            assert_eq!(open(bytes, encoding).is_ok(), is_own);
        }
    }
    assert!(open(ZIP, Encoding::Plain).is_err());
    assert_eq!(
        open(XZ, Encoding::Squashfs),
        Err(PackageError::Unsupported("squashfs compressed with xz"))
    );
    assert_eq!(open(WITH_LINK, Encoding::Squashfs), Err(PackageError::Link("link".into())));
}

#[test]
fn an_image_compressed_with_zstd_has_the_same_files() {
    assert_eq!(contents(&open(ZSTD, Encoding::Squashfs).unwrap()), files());
}

#[test]
fn encodings_have_the_names_of_messages() {
    assert_eq!(Encoding::from_word("tar.gzip"), Some(Encoding::TarGzip));
    assert_eq!(Encoding::from_word("squashfs"), Some(Encoding::Squashfs));
    assert_eq!(Encoding::from_word("rar"), None);
}

#[test]
fn names_stay_inside_the_package() {
    for name in [
        "",
        "/",
        "/etc/passwd",
        "..",
        "a/../b",
        "../a",
        "a//b",
        "a/./b",
        "a\\b",
        "a\0b",
        "a\nb",
        "./../a",
        ".",
        "a/..",
    ] {
        assert!(Name::new(name.as_bytes()).is_err(), "{name}");
    }
    assert!(Name::new(b"\xff").is_err());
    for (name, kept) in
        [("./a/b", "a/b"), ("a/", "a"), ("...", "..."), (".hidden", ".hidden"), ("é b", "é b")]
    {
        assert_eq!(Name::new(name.as_bytes()).unwrap().as_str(), kept);
    }
}

#[test]
fn names_have_a_length_and_a_depth() {
    assert!(Name::new("n".repeat(MAX_FILE_NAME_BYTES).as_bytes()).is_ok());
    assert!(Name::new("n".repeat(MAX_FILE_NAME_BYTES + 1).as_bytes()).is_err());
    let deep = |parts: usize| vec!["d"; parts].join("/");
    assert!(Name::new(deep(MAX_NAME_PARTS).as_bytes()).is_ok());
    assert!(Name::new(deep(MAX_NAME_PARTS + 1).as_bytes()).is_err());
}

/// A zip file of stored entries, with the mode of each.
fn zip_of(entries: &[(&str, &[u8], u32)]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, bytes, mode) in entries {
        let length = u32::try_from(bytes.len()).unwrap().to_le_bytes();
        let name_length = u16::try_from(name.len()).unwrap().to_le_bytes();
        let crc = crc32(bytes).to_le_bytes();
        let common =
            [&[10, 0, 0, 0, 0, 0, 0, 0, 0, 0][..], &crc, &length, &length, &name_length, &[0; 2]]
                .concat();
        let local = u32::try_from(out.len()).unwrap().to_le_bytes();
        out.extend([b"PK\x03\x04".as_slice(), &common, name.as_bytes(), bytes].concat());
        let mode = (mode << 16).to_le_bytes();
        directory.extend(
            [b"PK\x01\x02\x14\x03".as_slice(), &common, &[0; 6], &mode, &local, name.as_bytes()]
                .concat(),
        );
    }
    let count = u16::try_from(entries.len()).unwrap().to_le_bytes();
    let size = u32::try_from(directory.len()).unwrap().to_le_bytes();
    let offset = u32::try_from(out.len()).unwrap().to_le_bytes();
    out.extend(directory);
    out.extend(
        [b"PK\x05\x06\0\0\0\0".as_slice(), &count, &count, &size, &offset, &[0; 2]].concat(),
    );
    out
}

#[test]
fn zip_entries_that_are_not_plain_files_are_refused() {
    let of =
        |name, mode| open(&zip_of(&[(name, b"x", mode)]), Encoding::Zip).map(|tree| tree.len());
    assert_eq!(of("a", 0o100_644), Ok(1));
    assert_eq!(of("a", 0), Ok(1));
    assert_eq!(of("a/", 0o040_755), Ok(0));
    assert_eq!(of("a", 0o120_777), Err(PackageError::Link("a".into())));
    assert_eq!(of("a", 0o020_644), Err(PackageError::Special("a".into())));
    assert_eq!(of("../a", 0o100_644), Err(PackageError::BadName("../a".into())));
    assert_eq!(of("/a", 0o100_644), Err(PackageError::BadName("/a".into())));
    let twice = zip_of(&[("a", b"x", 0), ("a", b"y", 0)]);
    assert_eq!(open(&twice, Encoding::Zip), Err(PackageError::Duplicate("a".into())));
    let through = zip_of(&[("a", b"x", 0), ("a/b", b"y", 0)]);
    assert_eq!(open(&through, Encoding::Zip), Err(PackageError::Duplicate("a/b".into())));
    let over = zip_of(&[("a/b", b"x", 0), ("a", b"y", 0)]);
    assert_eq!(open(&over, Encoding::Zip), Err(PackageError::Duplicate("a".into())));
}

#[test]
fn a_comment_behind_a_zip_file_does_no_harm() {
    let mut zip = zip_of(&[("a", b"x", 0)]);
    let length = zip.len();
    zip[length - 2] = 9;
    zip.extend(b"PK\x05\x06 etc.");
    assert_eq!(open(&zip, Encoding::Zip).unwrap().len(), 1);
    zip.push(b'!');
    assert_eq!(open(&zip, Encoding::Zip), Err(PackageError::Malformed("end of the zip file")));
}

#[test]
fn damaged_bytes_are_found_by_their_checksums() {
    let mut zip = zip_of(&[("a", b"abcdef", 0)]);
    zip[31 + 3] ^= 1;
    assert_eq!(open(&zip, Encoding::Zip), Err(PackageError::Checksum("entry of the zip file")));
    let mut tar = GNU_TAR.to_vec();
    let end = tar.len() - 6;
    tar[end] ^= 1;
    assert_eq!(open(&tar, Encoding::TarGzip), Err(PackageError::Checksum("gzip file")));
}

#[test]
fn a_package_may_have_so_many_bytes_and_no_more() {
    let zip = zip_of(&[("a", b"12345", 0), ("b", b"678", 0)]);
    let with = |packed_bytes, unpacked_bytes, files| {
        unpack(&zip, Encoding::Zip, &Limits { packed_bytes, unpacked_bytes, files })
            .map(|tree| tree.size())
    };
    assert_eq!(with(zip.len(), 8, 2), Ok(8));
    assert_eq!(with(zip.len() - 1, 8, 2), Err(PackageError::TooLarge));
    assert_eq!(with(zip.len(), 7, 2), Err(PackageError::TooMuch));
    assert_eq!(with(zip.len(), 8, 1), Err(PackageError::TooManyFiles));
    let tree = open(SQUASHFS, Encoding::Squashfs).unwrap();
    let exact = Limits { packed_bytes: SQUASHFS.len(), unpacked_bytes: tree.size(), files: 8 };
    assert_eq!(unpack(SQUASHFS, Encoding::Squashfs, &exact).map(|tree| tree.len()), Ok(6));
    let less = Limits { unpacked_bytes: tree.size() - 1, ..exact };
    assert_eq!(unpack(SQUASHFS, Encoding::Squashfs, &less), Err(PackageError::TooMuch));
    // Six files and two directories.
    let fewer = Limits { files: 7, ..exact };
    assert_eq!(unpack(SQUASHFS, Encoding::Squashfs, &fewer), Err(PackageError::TooManyFiles));
    let tar = open(GNU_TAR, Encoding::TarGzip).unwrap();
    let less = Limits { unpacked_bytes: tar.size() - 1, ..Limits::default() };
    assert_eq!(unpack(GNU_TAR, Encoding::TarGzip, &less), Err(PackageError::TooMuch));
}

#[test]
fn an_archive_bomb_is_refused_before_it_bursts() {
    let mut tree = FileTree::new(Limits::default());
    tree.put(Name::new(b"zeros").unwrap(), vec![0; 8 * PACKAGE_RATIO_GRACE_BYTES]).unwrap();
    let bomb = tar_gzip(&tree).unwrap();
    assert!(bomb.len() * MAX_PACKAGE_RATIO < tree.size());
    assert_eq!(open(&bomb, Encoding::TarGzip), Err(PackageError::TooDense));
    let mut small = FileTree::new(Limits::default());
    small.put(Name::new(b"zeros").unwrap(), vec![0; PACKAGE_RATIO_GRACE_BYTES / 2]).unwrap();
    assert_eq!(
        contents(&open(&tar_gzip(&small).unwrap(), Encoding::TarGzip).unwrap()),
        contents(&small)
    );
}

#[test]
fn an_export_reads_back_however_dense_it_is_but_within_its_limits() {
    let exact = Limits { unpacked_bytes: 8 * PACKAGE_RATIO_GRACE_BYTES, ..Limits::default() };
    let mut tree = FileTree::new(exact);
    tree.put(Name::new(b"zeros").unwrap(), vec![0; exact.unpacked_bytes]).unwrap();
    let dense = tar_gzip(&tree).unwrap();
    assert_eq!(contents(&unpack_export(&dense, &exact).unwrap()), contents(&tree));
    let less = Limits { unpacked_bytes: exact.unpacked_bytes - 1, ..exact };
    assert_eq!(unpack_export(&dense, &less), Err(PackageError::TooMuch));
}

#[test]
fn the_export_depends_on_the_files_alone() {
    let mut forth = FileTree::new(Limits::default());
    let mut back = FileTree::new(Limits::default());
    for (name, bytes) in files() {
        forth.put(Name::new(name.as_bytes()).unwrap(), bytes).unwrap();
    }
    for (name, bytes) in files().into_iter().rev() {
        back.put(Name::new(name.as_bytes()).unwrap(), b"first".to_vec()).unwrap();
        back.put(Name::new(name.as_bytes()).unwrap(), bytes).unwrap();
    }
    assert_eq!(tar_gzip(&forth).unwrap(), tar_gzip(&back).unwrap());
    assert_eq!(contents(&open(&tar_gzip(&forth).unwrap(), Encoding::TarGzip).unwrap()), files());
    // Nothing in the head of the gzip file says when or where.
    assert_eq!(tar_gzip(&forth).unwrap()[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);
    assert_eq!(
        crate::aleph::item_hash::ItemHash::of(
            &tar_gzip(&FileTree::new(Limits::default())).unwrap()
        )
        .as_str(),
        "acb5604b126ac894c1eb11c4575bf2072fea61232a888e453770c79d7ed56419"
    );
}

#[test]
fn files_are_counted_and_kept_apart_from_directories() {
    let limits = Limits { packed_bytes: 0, unpacked_bytes: 10, files: 2 };
    let mut tree = FileTree::new(limits);
    let name = |name: &str| Name::new(name.as_bytes()).unwrap();
    tree.put(name("d/a"), vec![0; 6]).unwrap();
    assert_eq!(tree.put(name("d"), vec![]), Err(PackageError::Duplicate("d".into())));
    assert_eq!(tree.put(name("d/a/b"), vec![]), Err(PackageError::Duplicate("d/a/b".into())));
    tree.put(name("b"), vec![0; 4]).unwrap();
    assert_eq!(tree.put(name("b"), vec![0; 5]), Err(PackageError::TooMuch));
    assert_eq!(tree.put(name("c"), vec![]), Err(PackageError::TooManyFiles));
    assert_eq!((tree.size(), tree.len()), (10, 2));
    tree.put(name("b"), vec![]).unwrap();
    assert_eq!(tree.size(), 6);
    assert!(tree.remove("d/a") && !tree.remove("d/a"));
    tree.put(name("d"), vec![0; 10]).unwrap();
    assert!(!tree.is_empty() && tree.get("d").is_some() && tree.get("d/a").is_none());
}

#[test]
fn entrypoints_name_scripts_in_each_of_their_forms() {
    let mut tree = FileTree::new(Limits::default());
    for path in ["main.air", "plain", "src/hello.greet.air", "src/hello/part.air", "src/alone.air"]
    {
        tree.put(Name::new(path.as_bytes()).unwrap(), path.into()).unwrap();
    }
    tree.put(Name::new(b"binary").unwrap(), vec![0xff]).unwrap();
    for (entrypoint, found) in [
        ("main", Ok("main.air")),
        ("main.air", Ok("main.air")),
        ("plain", Ok("plain")),
        ("src/hello:greet", Ok("src/hello.greet.air")),
        ("src/hello.aqua:greet", Ok("src/hello.greet.air")),
        ("src/hello:part", Ok("src/hello/part.air")),
        ("src/hello.air:alone", Ok("src/alone.air")),
        ("src/hello:none", Err(NoScript::NotThere)),
        ("", Err(NoScript::NotThere)),
        ("binary", Err(NoScript::NotText)),
    ] {
        assert_eq!(script(&tree, entrypoint), found, "{entrypoint}");
    }
}

#[test]
fn every_reason_has_words() {
    for error in [
        PackageError::TooLarge,
        PackageError::TooMuch,
        PackageError::TooDense,
        PackageError::TooManyFiles,
        PackageError::BadName("a".into()),
        PackageError::Special("a".into()),
        PackageError::Unsupported("x"),
    ] {
        assert!(!error.to_string().is_empty());
    }
    assert!(PackageError::BadName(shown("\n".repeat(99).as_bytes())).to_string().len() < 200);
}

/// A sample with some bytes exchanged or cut off.
fn damaged() -> impl Strategy<Value = (Encoding, Vec<u8>)> {
    let samples = prop::sample::select(vec![
        (Encoding::Zip, ZIP),
        (Encoding::TarGzip, GNU_TAR),
        (Encoding::TarGzip, PAX_TAR),
        (Encoding::Squashfs, SQUASHFS),
        (Encoding::Squashfs, WHOLE_BLOCKS),
        (Encoding::Squashfs, ZSTD),
    ]);
    (samples, prop::collection::vec((any::<u32>(), any::<u8>()), 0..6), any::<u32>()).prop_map(
        |((encoding, sample), changes, cut)| {
            let mut bytes = sample.to_vec();
            for (at, byte) in changes {
                let at = at as usize % bytes.len();
                bytes[at] = byte;
            }
            if cut % 4 == 0 {
                bytes.truncate(cut as usize / 4 % bytes.len());
            }
            (encoding, bytes)
        },
    )
}

proptest! {
    #[test]
    fn any_damage_gives_files_or_a_reason((encoding, bytes) in damaged()) {
        let limits = Limits { packed_bytes: 1 << 16, unpacked_bytes: 1 << 18, files: 20 };
        match unpack(&bytes, encoding, &limits) {
            Ok(tree) => prop_assert!(tree.size() <= limits.unpacked_bytes && tree.len() <= limits.files),
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }

    #[test]
    fn slices_do_not_show_in_an_export(
        sizes in prop::collection::vec(0..4 * SLICE_BYTES, 0..5), period in 1..70_usize
    ) {
        let mut tree = FileTree::new(Limits::default());
        for (number, size) in sizes.into_iter().enumerate() {
            let bytes = (0..size).map(|at| (at % period * at / 4000).to_le_bytes()[0]).collect();
            tree.put(Name::new(alloc::format!("f{number}").as_bytes()).unwrap(), bytes).unwrap();
        }
        let packed = tar_gzip(&tree).unwrap();
        let archive = gzip::unpack(&packed, usize::MAX).unwrap();
        let at_once = miniz_oxide::deflate::compress_to_vec(&archive, 6);
        prop_assert!(packed[10..packed.len() - 8] == at_once);
    }

    #[test]
    fn an_export_reads_back(
        files in prop::collection::btree_map("[a-zé]{1,60}(/[a-z.]{3,90}){0,4}", prop::collection::vec(any::<u8>(), 0..2000), 0..8)
    ) {
        let mut tree = FileTree::new(Limits::default());
        for (name, bytes) in files {
            if let Ok(name) = Name::new(name.as_bytes()) {
                let _ = tree.put(name, bytes);
            }
        }
        let again = open(&tar_gzip(&tree).unwrap(), Encoding::TarGzip).unwrap();
        prop_assert_eq!(contents(&again), contents(&tree));
    }
}
