//! Disks that lost or changed what was flushed: an error, or what was there; never anything else.

use super::*;
use proptest::prelude::*;

/// A volume with some history, flushed, and every value that each key ever had.
fn with_history() -> (RamDisk, Model) {
    let disk = formatted(MIN_VOLUME_SECTORS * 2);
    let mut log = open(&disk).unwrap();
    let mut model = Model::new();
    for number in 0..30_u32 {
        let (key, value) = (format!("{}", number % 7), vec![number.to_le_bytes()[0]; 700]);
        now(log.put(&key, &value)).unwrap();
        model.insert(key, value);
        now(log.flush()).unwrap();
        if number % 10 == 9 {
            log = open(&disk).unwrap();
        }
    }
    (disk, model)
}

#[test]
fn a_flushed_record_that_is_gone_is_damage() {
    let disk = formatted(MIN_VOLUME_SECTORS * 2);
    let mut log = open(&disk).unwrap();
    for number in 0..6 {
        now(log.put("k", &[number; 100])).unwrap();
        now(log.flush()).unwrap();
    }
    drop(log);
    let bytes = disk.bytes();
    let records: Vec<usize> = (0..bytes.len() / SECTOR_BYTES)
        .filter(|sector| bytes[sector * SECTOR_BYTES..].starts_with(b"AREC"))
        .collect();
    assert_eq!(records.len(), 7, "a mount and six puts");
    for (number, sector) in records.iter().enumerate() {
        let mut spoilt = bytes.clone();
        spoilt[sector * SECTOR_BYTES..][..SECTOR_BYTES].fill(0);
        let opened = open(&RamDisk::of(spoilt));
        if number < records.len() - 1 {
            assert_eq!(opened.map(drop), Err(VolumeError::Damaged), "record {number}");
        } else {
            // Nothing on the disk says that the last one was ever there.
            assert_eq!(now(opened.unwrap().get("k")), Ok(Some(vec![4; 100])));
        }
    }
}

#[test]
fn a_value_that_changed_is_an_error_of_its_own() {
    let (disk, model) = with_history();
    let mut bytes = disk.bytes();
    // A byte within the newest value of key 0, which is flushed and has records after it.
    let at = bytes.windows(600).rposition(|window| window == [28; 600]).unwrap();
    bytes[at + 300] ^= 1;
    let mut log = open(&RamDisk::of(bytes)).unwrap();
    assert_eq!(now(log.get("0")), Err(StoreError::Damaged));
    for (key, value) in model.iter().filter(|(key, _)| *key != "0") {
        assert_eq!(now(log.get(key)).as_ref(), Ok(&Some(value.clone())));
    }
    // Moving the log does not make it good.
    for _ in 0..100 {
        now(log.put("1", &[1; 700])).unwrap();
    }
    assert_eq!(now(log.get("0")), Err(StoreError::Damaged));
    now(log.put("0", b"anew")).unwrap();
    assert_eq!(now(log.get("0")), Ok(Some(b"anew".to_vec())));
}

#[test]
fn the_older_generation_does_not_come_back() {
    let disk = formatted(MIN_VOLUME_SECTORS);
    let mut log = open(&disk).unwrap();
    for number in 0..100 {
        now(log.put("k", &[number; 900])).unwrap();
    }
    now(log.flush()).unwrap();
    let bytes = disk.bytes();
    let halves: Vec<usize> = (0..bytes.len() / SECTOR_BYTES)
        .filter(|sector| bytes[sector * SECTOR_BYTES..].starts_with(b"AEROHALF"))
        .collect();
    assert_eq!(halves.len(), 1);
    let mut spoilt = bytes;
    spoilt[halves[0] * SECTOR_BYTES + 9] ^= 1;
    assert_eq!(open(&RamDisk::of(spoilt)).map(drop), Err(VolumeError::Damaged));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever is changed on a disk, each key has a value that it once had, or an error.
    #[test]
    fn changed_bytes_never_make_a_new_value(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 1_usize..600), 1..6),
    ) {
        let (disk, _) = with_history();
        let mut bytes = disk.bytes();
        for (at, value, length) in changes {
            let at = at.index(bytes.len());
            let end = bytes.len().min(at + length);
            bytes[at..end].fill(value);
        }
        if let Ok(mut log) = open(&RamDisk::of(bytes)) {
            for key in log.keys("") {
                if let Ok(value) = now(log.get(&key)) {
                    let value = value.unwrap();
                    let number: u32 = key.parse().unwrap();
                    prop_assert!(value.len() == 700 && u32::from(value[0]) % 7 == number);
                }
            }
            let _ = now(log.put("1", b"more"));
            let _ = now(log.flush());
        }
    }
}
