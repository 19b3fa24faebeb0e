//! The archive against the facts of air-data §3.6, and under random damage.

use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::{ArchiveError, layout, read, write_into};
use crate::data::arbitrary::{mutations, particle_data};
use crate::data::{
    Cid, Generations, KeyPair, MEMORY_PER_ARCHIVE_BYTE, ParticleData, SignedCids, State, Versions,
};

/// What is allocated even for the smallest archive.
const FIXED_MEMORY: usize = 1024;

fn written(data: &ParticleData) -> Vec<u8> {
    let mut archive = Vec::new();
    write_into(data, None, &mut archive).unwrap();
    archive
}

fn read_plain(archive: &[u8]) -> Result<ParticleData, ArchiveError> {
    read(archive, &mut |_| {})
}

/// The same states, entries in the same order, and signatures.
fn same(one: &ParticleData, two: &ParticleData) -> bool {
    let keys = |data: &ParticleData| {
        let stores = &data.stores;
        let mut keys: Vec<Cid> = stores.values.iter().map(|(cid, _)| cid.clone()).collect();
        keys.extend(stores.tetraplets.iter().map(|(cid, _)| cid.clone()));
        keys.extend(stores.canon_elements.iter().map(|(cid, _)| cid.clone()));
        keys.extend(stores.canon_results.iter().map(|(cid, _)| cid.clone()));
        keys.extend(stores.service_results.iter().map(|(cid, _)| cid.clone()));
        keys
    };
    let versions = Versions { data: "1.0.0".into(), interpreter: "1.0.0".into() };
    one.to_value(&versions) == two.to_value(&versions) && keys(one) == keys(two)
}

fn signed(trace: Vec<State>) -> ParticleData {
    let mut data = ParticleData { trace, ..ParticleData::default() };
    data.signatures.put(SignedCids::default().sign(&KeyPair::from_secret(&[1; 32]), "particle-1"));
    data
}

fn ap() -> State {
    State::Ap(Generations::One(0))
}

fn called() -> State {
    use crate::data::{CallState, ValueRef};
    State::Call(CallState::Executed(ValueRef::Scalar(Cid::of_json("1"))))
}

#[test]
fn empty_data_are_60_bytes() {
    let archive = written(&ParticleData::default());
    assert_eq!(archive.len(), layout::ROOT);
    assert!(same(&read_plain(&archive).unwrap(), &ParticleData::default()));
}

#[test]
fn lengths_and_surroundings_are_judged_as_by_the_reference() {
    let data = signed(vec![ap()]);
    let archive = written(&data);
    for len in [0, 1, 56, 59] {
        let end = &archive[archive.len() - len..];
        assert_eq!(read_plain(end).unwrap_err(), ArchiveError::OutOfBounds, "{len} bytes");
    }
    assert!(read_plain(&[0; layout::ROOT]).is_err());
    let with_before = |before: usize| [&vec![0; before][..], &archive].concat();
    assert!(same(&read_plain(&with_before(4)).unwrap(), &data));
    assert!(same(&read_plain(&with_before(8)).unwrap(), &data));
    assert_eq!(read_plain(&with_before(1)).unwrap_err(), ArchiveError::Unaligned);
    assert!(read_plain(&[&archive[..], &[0; 4]].concat()).is_err());
}

#[test]
fn unknown_tags_are_refused_and_padding_is_not_looked_at() {
    // Text of 61 bytes, 3 of padding, then the state.
    let archive = written(&signed(vec![called()]));
    for (position, known) in
        [(64, true), (68, true), (72, true), (65, false), (71, false), (63, false)]
    {
        let mut damaged = archive.clone();
        damaged[position] = 9;
        let error = known.then_some(ArchiveError::InvalidTag(9));
        assert_eq!(read_plain(&damaged).err(), error, "byte {position}");
    }
}

#[test]
fn strings_must_be_utf8_and_fit_their_place() {
    let mut archive = written(&signed(vec![called()]));
    archive[3] = 0xff;
    assert_eq!(read_plain(&archive).unwrap_err(), ArchiveError::NotUtf8);

    let mut data = ParticleData::default();
    let tetraplet = crate::data::Tetraplet::of_peer("peer".into());
    data.stores.add_tetraplet(&alloc::sync::Arc::new(tetraplet));
    let mut archive = written(&data);
    // The tetraplet follows the key's 61 bytes; byte 7 of its first string is that string's length.
    assert_eq!(archive[64 + 7], 4);
    archive[64 + 7] = 8;
    assert_eq!(read_plain(&archive).unwrap_err(), ArchiveError::InlineStringTooLong(8));
}

#[test]
fn references_to_one_text_must_agree_about_its_length() {
    let archive = written(&signed(vec![called(), called()]));
    // Text, padding, two states; the length is 16 bytes into a state.
    let second = 64 + layout::STATE + 16;
    assert_eq!(archive[second..second + 4], 61_u32.to_be_bytes());
    for len in [60_u8, 62, 0, 200] {
        let mut damaged = archive.clone();
        damaged[second + 3] = len;
        assert_eq!(read_plain(&damaged).unwrap_err(), ArchiveError::SharedDifferently);
    }
}

#[test]
fn counts_beyond_the_archive_are_refused_before_anything_is_allocated() {
    let archive = written(&signed(vec![ap()]));
    let root = archive.len() - layout::ROOT;
    for field in [0, 12, 20, 28, 36, 44, 52] {
        for count in [1000, u32::MAX / 24, u32::MAX / 24 + 1, u32::MAX] {
            let mut damaged = archive.clone();
            damaged[root + field + 4..root + field + 8].copy_from_slice(&count.to_be_bytes());
            assert_eq!(read_plain(&damaged).unwrap_err(), ArchiveError::OutOfBounds);
        }
    }
}

#[test]
fn of_equal_keys_the_last_entry_counts() {
    let mut data = ParticleData::default();
    data.stores.add_value(&1_u64.into());
    data.stores.add_value(&2_u64.into());
    let archive = written(&data);
    // Both entries lie right before the root; give the second one the first one's key.
    let entries = archive.len() - layout::ROOT - 2 * layout::ENTRY;
    let mut same_keys = archive.clone();
    let offset = i32::from_be_bytes(archive[entries..entries + 4].try_into().unwrap());
    let offset = offset - i32::try_from(layout::ENTRY).unwrap();
    same_keys[entries + layout::ENTRY..entries + layout::ENTRY + 4]
        .copy_from_slice(&offset.to_be_bytes());
    let read = read_plain(&same_keys).unwrap();
    assert_eq!(read.stores.values.len(), 1);
    assert_eq!(&**read.stores.values.get(&Cid::of_json("1")).unwrap().text(), "2");
}

proptest! {
    #[test]
    fn data_come_back_as_they_were_written(data in particle_data()) {
        let archive = written(&data);
        prop_assert_eq!(archive.len() % layout::ALIGNMENT, 0);
        let mut places = Vec::new();
        let again = read(&archive, &mut |place| places.push(place)).unwrap();
        prop_assert!(same(&again, &data));
        prop_assert_eq!(&written(&again), &archive);
        let mut with_sharing = Vec::new();
        write_into(&again, Some(&places), &mut with_sharing).unwrap();
        prop_assert_eq!(with_sharing, archive);
    }

    #[test]
    fn damaged_archives_are_judged_within_their_memory(
        data in particle_data(),
        damage in mutations(),
    ) {
        let mut archive = written(&data);
        damage.iter().for_each(|mutation| mutation.apply(&mut archive));
        if let Ok(data) = read_plain(&archive) {
            let bound = MEMORY_PER_ARCHIVE_BYTE * archive.len() + FIXED_MEMORY;
            prop_assert!(data.memory_used() <= bound);
            // What was accepted can be written, and is then accepted again.
            prop_assert!(same(&read_plain(&written(&data)).unwrap(), &data));
        }
    }

    #[test]
    fn any_bytes_are_judged(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = read_plain(&bytes);
    }
}

/// Archives made to take as much memory as possible for their length.
#[test]
fn memory_is_bounded_by_the_archives_length() {
    let many = 3000_u32;
    let mut cases = Vec::new();
    // Short keys that all name one small shared object.
    let mut data = ParticleData::default();
    for number in 0..many {
        let cid = Cid::from_text(&alloc::format!("{number:x}"));
        let result = crate::data::ServiceResult {
            value_cid: cid.clone(),
            argument_hash: cid.clone(),
            tetraplet_cid: cid.clone(),
        };
        data.stores.service_results.put(cid, alloc::sync::Arc::new(result));
    }
    cases.push(data);
    cases
        .push(ParticleData { trace: (0..many).map(|_| ap()).collect(), ..ParticleData::default() });
    cases.push(ParticleData {
        trace: (0..many).map(|_| State::Fold(Vec::new())).collect(),
        ..ParticleData::default()
    });
    let mut data = ParticleData::default();
    let tiny = crate::data::CanonResult {
        tetraplet: Cid::from_text(""),
        values: vec![Cid::from_text("x"); many as usize],
    };
    data.stores.add_canon_result(tiny);
    cases.push(data);
    for data in cases {
        let archive = written(&data);
        let used = read_plain(&archive).unwrap().memory_used();
        assert!(
            used <= MEMORY_PER_ARCHIVE_BYTE * archive.len() + FIXED_MEMORY,
            "{used} bytes for {}",
            archive.len()
        );
    }
}
