//! The checks of a particle from another peer that cost next to nothing (fluence-network.md §2.5).

use core::time::Duration;

use netstack::libp2p::particle::Message;

use super::DropReason;
use crate::limits::MAX_PARTICLE_ID_BYTES;

/// What a particle may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of the script.
    pub script_bytes: usize,
    /// Bytes of the data.
    pub data_bytes: usize,
    /// Longest time that it is kept, in milliseconds.
    pub max_ttl_ms: u32,
    /// How far its timestamp may be ahead of the clock, in milliseconds.
    pub max_clock_skew_ms: u32,
}

/// Checks the times and sizes of `message` when the wall clock shows `now_ms` (milliseconds since 1970;
/// 0 on a machine that has no such clock and so cannot tell what is late or early).
///
/// Gives how long the particle is kept from now on: until its time is up, but no longer than the bound.
///
/// # Errors
/// The first check that fails.
pub fn check(message: &Message, now_ms: u64, bounds: &Bounds) -> Result<Duration, DropReason> {
    let end_ms = message.timestamp.checked_add(message.ttl.into()).ok_or(DropReason::Overflow)?;
    let left_ms = if now_ms == 0 {
        message.ttl.into()
    } else {
        let left_ms = end_ms.checked_sub(now_ms).ok_or(DropReason::Expired)?;
        if message.timestamp > now_ms.saturating_add(bounds.max_clock_skew_ms.into()) {
            return Err(DropReason::Future);
        }
        left_ms
    };
    if message.id.len() > MAX_PARTICLE_ID_BYTES {
        return Err(DropReason::LongId);
    }
    if message.script.len() > bounds.script_bytes {
        return Err(DropReason::LongScript);
    }
    if message.data.len() > bounds.data_bytes {
        return Err(DropReason::LongData);
    }
    Ok(Duration::from_millis(left_ms.min(bounds.max_ttl_ms.into())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use netstack::libp2p::PeerId;
    use proptest::prelude::*;

    const NOW: u64 = 1_700_000_000_000;
    const BOUNDS: Bounds =
        Bounds { script_bytes: 100, data_bytes: 200, max_ttl_ms: 60_000, max_clock_skew_ms: 500 };

    fn message() -> Message {
        Message {
            id: "a".into(),
            init_peer_id: PeerId::from_public_key([0; 32]),
            timestamp: NOW,
            ttl: 7000,
            script: "(null)".into(),
            signature: [0; 64],
            data: vec![],
        }
    }

    fn checked(change: impl FnOnce(&mut Message)) -> Result<u64, DropReason> {
        let mut message = message();
        change(&mut message);
        let kept = check(&message, NOW, &BOUNDS);
        kept.map(|kept| u64::try_from(kept.as_millis()).unwrap())
    }

    #[test]
    fn each_bound_holds_at_its_limit_and_one_past_it() {
        assert_eq!(checked(|_| {}), Ok(7000));
        assert_eq!(checked(|m| m.timestamp = u64::MAX - 7000), Err(DropReason::Future));
        assert_eq!(checked(|m| m.timestamp = u64::MAX - 6999), Err(DropReason::Overflow));
        assert_eq!(checked(|m| m.timestamp = NOW - 7000), Ok(0));
        assert_eq!(checked(|m| m.timestamp = NOW - 7001), Err(DropReason::Expired));
        assert_eq!(checked(|m| m.timestamp = NOW + 500), Ok(7500));
        assert_eq!(checked(|m| m.timestamp = NOW + 501), Err(DropReason::Future));
        assert_eq!(checked(|m| m.ttl = u32::MAX), Ok(60_000), "kept for the bound");
        let text = |bytes: usize| "x".repeat(bytes);
        assert_eq!(checked(|m| m.id = text(MAX_PARTICLE_ID_BYTES)), Ok(7000));
        assert_eq!(checked(|m| m.id = text(MAX_PARTICLE_ID_BYTES + 1)), Err(DropReason::LongId));
        assert_eq!(checked(|m| m.script = text(100)), Ok(7000));
        assert_eq!(checked(|m| m.script = text(101)), Err(DropReason::LongScript));
        assert_eq!(checked(|m| m.data = vec![0; 200]), Ok(7000));
        assert_eq!(checked(|m| m.data = vec![0; 201]), Err(DropReason::LongData));
    }

    #[test]
    fn a_machine_without_a_clock_takes_the_authors_word_for_the_time() {
        let kept = check(&message(), 0, &BOUNDS);
        assert_eq!(kept, Ok(Duration::from_secs(7)));
        let old = Message { timestamp: 5, ..message() };
        assert_eq!(check(&old, 0, &BOUNDS), Ok(Duration::from_secs(7)));
    }

    proptest! {
        #[test]
        fn any_times_are_kept_within_the_bound_or_refused(timestamp: u64, ttl: u32, now: u64) {
            let message = Message { timestamp, ttl, ..message() };
            if let Ok(kept) = check(&message, now, &BOUNDS) {
                prop_assert!(kept <= Duration::from_millis(BOUNDS.max_ttl_ms.into()));
                prop_assert!(now == 0 || timestamp + u64::from(ttl) >= now);
            }
        }
    }
}
