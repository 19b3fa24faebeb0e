//! What a host hands over in one piece, such as an initial RAM disk: configuration and programs.
//!
//! One stands behind the other, in any order, each at most once; either may be missing. Both say
//! themselves how long they are. Zeros between them and behind them mean nothing, since some loaders fill
//! up to a page.

use crate::config::Config;
use crate::program::Bundle;
use crate::secret::{Secret, erase};

/// The parts, unread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Handover<'a> {
    /// The blob of a configuration, for [`Config::decode`].
    pub configuration: Option<&'a [u8]>,
    /// A bundle of programs, for [`Bundle::decode`].
    pub programs: Option<&'a [u8]>,
    /// What follows is neither, or one of them for the second time; it is not looked at.
    pub rest: &'a [u8],
}

impl<'a> Handover<'a> {
    /// Takes a piece apart. Total: any bytes give parts, none of them longer than the piece.
    #[must_use]
    pub fn split(bytes: &'a [u8]) -> Self {
        let mut parts = Self { rest: bytes, ..Self::default() };
        loop {
            let zeros = parts.rest.iter().take_while(|byte| **byte == 0).count();
            parts.rest = parts.rest.get(zeros..).unwrap_or_default();
            let (place, length) = match (Config::blob_bytes(parts.rest), Bundle::length(parts.rest))
            {
                (Some(length), _) => (&mut parts.configuration, length),
                (None, Ok(length)) => (&mut parts.programs, length),
                (None, Err(_)) => return parts,
            };
            if place.is_some() {
                return parts;
            }
            // What is cut off is for its reader to refuse.
            let (part, rest) = parts.rest.split_at(length.min(parts.rest.len()));
            *place = Some(part);
            parts.rest = rest;
        }
    }

    /// Takes the blob of a configuration out of a piece, where zeros stand in its place from then on: it
    /// may hold the node's key.
    pub fn take_configuration(bytes: &mut [u8]) -> Option<Secret> {
        let blob = Handover::split(bytes).configuration?;
        let start = blob.as_ptr().addr().checked_sub(bytes.as_ptr().addr())?;
        let place = start..start.checked_add(blob.len())?;
        let taken = Secret::from(blob.to_vec());
        erase(bytes.get_mut(place)?);
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;
    use crate::program::Package;

    fn configuration() -> Vec<u8> {
        Config::default().encode().unwrap()
    }

    fn programs() -> Vec<u8> {
        let package = Package { message: b"{}".to_vec(), files: Vec::new() };
        Bundle { programs: vec![package] }.encode().unwrap()
    }

    #[test]
    fn both_come_out_in_either_order_with_zeros_anywhere() {
        let (c, p, zeros) = (configuration(), programs(), vec![0; 5000]);
        for order in
            [vec![&c, &p], vec![&p, &c], vec![&zeros, &c, &zeros, &p, &zeros], vec![&p, &zeros, &c]]
        {
            let piece: Vec<u8> = order.into_iter().flatten().copied().collect();
            let parts = Handover::split(&piece);
            assert_eq!(parts.configuration, Some(&c[..]));
            assert_eq!(parts.programs, Some(&p[..]));
            assert_eq!(parts.rest, b"");
        }
    }

    #[test]
    fn one_of_them_or_nothing_is_enough() {
        let (c, p) = (configuration(), programs());
        assert_eq!(Handover::split(&c).configuration, Some(&c[..]));
        assert_eq!(Handover::split(&c).programs, None);
        assert_eq!(Handover::split(&p).programs, Some(&p[..]));
        assert_eq!(Handover::split(&[0; 100]), Handover::default());
    }

    #[test]
    fn what_is_neither_or_comes_twice_is_left() {
        let c = configuration();
        for rest in [b"070701".to_vec(), c.clone()] {
            let piece = [&c[..], &rest[..]].concat();
            let parts = Handover::split(&piece);
            assert_eq!((parts.configuration, parts.rest), (Some(&c[..]), &rest[..]));
        }
    }

    #[test]
    fn a_configuration_is_taken_and_the_programs_stay() {
        let (c, p, zeros) = (configuration(), programs(), vec![0; 100]);
        for order in [vec![&c, &p], vec![&zeros, &p, &zeros, &c]] {
            let mut piece: Vec<u8> = order.into_iter().flatten().copied().collect();
            let taken = Handover::take_configuration(&mut piece).unwrap();
            assert_eq!(*taken, c[..]);
            assert_eq!(piece.windows(6).position(|bytes| bytes == crate::config::MAGIC), None);
            let left = Handover { programs: Some(&p[..]), ..Handover::default() };
            assert_eq!(Handover::split(&piece), left);
            assert!(Handover::take_configuration(&mut piece).is_none());
        }
    }

    #[test]
    fn what_is_cut_off_is_given_as_it_is_and_refused_by_its_reader() {
        let whole = programs();
        for length in 48..whole.len() {
            let parts = Handover::split(&whole[..length]);
            assert_eq!(parts.programs, Some(&whole[..length]));
            assert!(Bundle::decode(parts.programs.unwrap()).is_err());
        }
    }

    proptest! {
        #[test]
        fn the_parts_of_any_bytes_are_parts_of_them(
            pieces in prop::collection::vec((0..4usize, 0..64usize), 0..6),
            noise in prop::collection::vec(any::<u8>(), 64),
        ) {
            let (c, p) = (configuration(), programs());
            let mut bytes = Vec::new();
            for (kind, length) in pieces {
                let piece = [&c[..], &p[..], &noise[..], &[0; 64]][kind];
                bytes.extend_from_slice(&piece[..piece.len() - length.min(piece.len())]);
            }
            let parts = Handover::split(&bytes);
            let given = [parts.configuration, parts.programs].into_iter().flatten();
            let sum: usize = given.map(<[u8]>::len).sum();
            prop_assert!(sum + parts.rest.len() <= bytes.len());
            prop_assert!(bytes.ends_with(parts.rest));
        }
    }
}
