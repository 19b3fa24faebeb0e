//! The power is cut at every write: what was flushed is there, and nothing that never was.

use super::*;
use crate::store::testing::Dice;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Put(u8, usize),
    Delete(u8),
    Flush,
    /// Take the volume up again, without a cut.
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0_u8..6, prop_oneof![0_usize..40, 400_usize..1200, 3000_usize..6000])
            .prop_map(|(key, bytes)| Step::Put(key, bytes)),
        2 => (0_u8..6).prop_map(Step::Delete),
        2 => Just(Step::Flush),
        1 => Just(Step::Reopen),
    ]
}

/// A volume in use, and all that it may turn out to be.
struct Tried {
    disk: RamDisk,
    /// What it may hold after a cut: the last flushed state and those after it, in order.
    possible: Vec<Model>,
    serial: u32,
}

impl Tried {
    /// Takes the steps until the disk dies; whether it did.
    fn run(&mut self, steps: &[Step]) -> bool {
        let Ok(mut log) = open(&self.disk) else { return true };
        for step in steps {
            let mut model = self.possible.last().unwrap().clone();
            let result = match step {
                Step::Put(key, bytes) => {
                    self.serial += 1;
                    // No two values are the same.
                    let mut value = vec![*key; *bytes];
                    value.extend(self.serial.to_le_bytes());
                    let result = now(log.put(&key.to_string(), &value));
                    model.insert(key.to_string(), value);
                    result
                }
                Step::Delete(key) => {
                    model.remove(&key.to_string());
                    now(log.delete(&key.to_string()))
                }
                Step::Flush => now(log.flush()),
                Step::Reopen => match open(&self.disk) {
                    Ok(again) => {
                        log = again;
                        continue;
                    }
                    Err(_) => return true,
                },
            };
            match result {
                Ok(()) if matches!(step, Step::Flush) => self.possible = vec![model],
                Ok(()) => self.possible.push(model),
                Err(StoreError::Full) => {}
                Err(_) => {
                    self.possible.push(model);
                    return true;
                }
            }
        }
        false
    }

    /// Cuts the power and looks at what is left.
    fn cut(&mut self, dice: &mut Dice) -> Result<(), TestCaseError> {
        self.disk = self.disk.after_cut(dice);
        let mut log = open(&self.disk).map_err(|error| TestCaseError::fail(format!("{error}")))?;
        let found = contents(&mut log).map_err(|error| TestCaseError::fail(format!("{error}")))?;
        prop_assert!(self.possible.contains(&found), "{found:?}\nis none of\n{:?}", self.possible);
        self.possible = vec![found];
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Each script is cut after each of its writes, taken up again, and cut once more somewhere.
    #[test]
    fn a_flushed_put_is_there_and_nothing_is_invented(
        first in prop::collection::vec(step(), 1..40),
        second in prop::collection::vec(step(), 1..20),
        seed: u64,
    ) {
        let whole = formatted(MIN_VOLUME_SECTORS + 32);
        let mut rehearsal =
            Tried { disk: whole.clone(), possible: vec![Model::new()], serial: 0 };
        prop_assert!(!rehearsal.run(&first));
        let operations = whole.done();
        let mut dice = Dice::new(seed);
        for cut in 0..=operations {
            let disk = formatted(MIN_VOLUME_SECTORS + 32);
            disk.die_after(cut);
            let mut tried = Tried { disk, possible: vec![Model::new()], serial: 0 };
            tried.run(&first);
            tried.cut(&mut dice)?;
            tried.disk.die_after(u32::try_from(dice.below(12)).unwrap());
            tried.run(&second);
            tried.cut(&mut dice)?;
            prop_assert!(!tried.run(&second));
            tried.cut(&mut dice)?;
        }
    }

    /// While a volume is made, the disk is no volume, or one that is empty.
    #[test]
    fn making_a_volume_may_be_cut_anywhere(cut in 0_u32..8, seed: u64, used: bool) {
        let disk = if used { formatted(256) } else { RamDisk::new(256) };
        if used {
            let mut log = open(&disk).unwrap();
            now(log.put("older", b"value")).unwrap();
            now(log.flush()).unwrap();
        }
        let before = disk.bytes();
        let disk = RamDisk::of(before);
        disk.die_after(cut);
        let made = now(format(&disk, *b"another id 12345"));
        let disk = disk.after_cut(&mut Dice::new(seed));
        match open(&disk) {
            Ok(mut log) => {
                let found = contents(&mut log).unwrap();
                prop_assert!(found.is_empty() || (used && made.is_err() && found.len() == 1));
            }
            Err(error) => {
                prop_assert!(made.is_err(), "{}", error);
            }
        }
    }
}

/// A long life of one volume: thousands of operations, cuts at random.
#[test]
fn a_volume_survives_many_cuts() {
    let mut dice = Dice::new(7);
    let mut tried =
        Tried { disk: formatted(MIN_VOLUME_SECTORS * 2), possible: vec![Model::new()], serial: 0 };
    for _ in 0..400 {
        let size = |dice: &mut Dice| {
            let order = 1 + dice.below(12);
            usize::try_from(dice.below(1 << order)).unwrap()
        };
        let steps: Vec<Step> = (0..dice.below(30))
            .map(|_| match dice.below(10) {
                0..6 => Step::Put(dice.below(8).to_le_bytes()[0], size(&mut dice)),
                6 | 7 => Step::Delete(dice.below(8).to_le_bytes()[0]),
                8 => Step::Flush,
                _ => Step::Reopen,
            })
            .collect();
        tried.disk.die_after(u32::try_from(dice.below(60)).unwrap());
        tried.run(&steps);
        tried.cut(&mut dice).unwrap();
    }
}
