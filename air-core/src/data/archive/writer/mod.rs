//! Writes an archive: depth first, children before parents, fields in declared order (air-data §3.4).
//!
//! Equal CID texts and equal peer ids are written once; the order of entries is that of the stores.
//! So equal data give equal bytes.

mod types;

use alloc::vec::Vec;
use core::fmt;

use hashbrown::HashMap;

use super::layout;
use crate::data::{Cid, ParticleData};

/// The data do not fit into an archive, whose offsets are 32 bits with a sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArchiveTooLong;

impl fmt::Display for ArchiveTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("data do not fit into an archive of 2 GiB")
    }
}

/// How references to equal shared strings are told apart: nothing means that equal strings are written
/// once; a list names for each reference, in order of writing, the string it shares (equal numbers
/// share), which is how an archive from elsewhere is written again to the very same bytes.
pub type Sharing<'a> = Option<&'a [usize]>;

/// Appends the archive of `data` to `out`.
pub fn write_into(
    data: &ParticleData,
    sharing: Sharing<'_>,
    out: &mut Vec<u8>,
) -> Result<(), ArchiveTooLong> {
    let start = out.len();
    let mut writer = Writer {
        out,
        start,
        sharing: sharing.map(<[usize]>::iter),
        by_text: HashMap::with_capacity(if sharing.is_none() { data.cid_count() } else { 0 }),
        peers: HashMap::new(),
        by_number: HashMap::new(),
        too_long: false,
    };
    writer.root(data);
    let archive_len = writer.out.len() - start;
    if writer.too_long || i32::try_from(archive_len).is_err() {
        return Err(ArchiveTooLong);
    }
    Ok(())
}

/// Where something lies in the archive, and how long it is in its own units.
#[derive(Clone, Copy, Default)]
struct Place {
    at: usize,
    len: usize,
}

struct Writer<'a> {
    out: &'a mut Vec<u8>,
    /// Where the archive begins in `out`.
    start: usize,
    sharing: Option<core::slice::Iter<'a, usize>>,
    by_text: HashMap<&'a Cid, Place>,
    peers: HashMap<&'a str, usize>,
    by_number: HashMap<usize, Place>,
    too_long: bool,
}

impl<'a> Writer<'a> {
    // Positions and raw fields.

    fn position(&self) -> usize {
        self.out.len() - self.start
    }

    fn pad(&mut self) -> usize {
        while !self.position().is_multiple_of(layout::ALIGNMENT) {
            self.out.push(0);
        }
        self.position()
    }

    fn u32(&mut self, value: u32) {
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    fn len(&mut self, len: usize) {
        let value = u32::try_from(len).unwrap_or_else(|_| {
            self.too_long = true;
            0
        });
        self.u32(value);
    }

    fn tag(&mut self, tag: u8) {
        self.out.extend_from_slice(&[tag, 0, 0, 0]);
    }

    fn offset_from(&mut self, from: usize, target: usize) -> i32 {
        let distance = i64::try_from(target).and_then(|t| i64::try_from(from).map(|f| t - f));
        let offset = distance.ok().and_then(|distance| i32::try_from(distance).ok());
        offset.unwrap_or_else(|| {
            self.too_long = true;
            0
        })
    }

    /// An offset to `target`, relative to its own place.
    fn offset(&mut self, target: usize) {
        let here = self.position();
        let offset = self.offset_from(here, target);
        self.out.extend_from_slice(&offset.to_be_bytes());
    }

    fn reference(&mut self, place: Place) {
        self.offset(place.at);
        self.len(place.len);
    }

    fn zeros_up_to(&mut self, begin: usize, size: usize) {
        let missing = (begin + size).saturating_sub(self.position());
        self.out.extend(core::iter::repeat_n(0, missing));
    }

    // Children, which go before what refers to them.

    fn bytes(&mut self, bytes: &[u8]) -> Place {
        let at = self.position();
        self.out.extend_from_slice(bytes);
        Place { at, len: bytes.len() }
    }

    /// The place of a shared CID text, written now if it was not before.
    fn cid(&mut self, cid: &'a Cid) -> Place {
        let number = self.sharing.as_mut().and_then(Iterator::next).copied();
        let known = match number {
            Some(number) => self.by_number.get(&number),
            None => self.by_text.get(cid),
        };
        if let Some(place) = known {
            return *place;
        }
        let place = Place { at: self.position(), len: cid.text_len() };
        cid.write_bytes(self.out);
        if place.len == 0 {
            // Shared objects are told apart by where they lie, so even this one takes a byte.
            self.out.push(0);
        }
        match number {
            Some(number) => self.by_number.insert(number, place),
            None => self.by_text.insert(cid, place),
        };
        place
    }

    /// The place of a shared peer id.
    fn peer(&mut self, peer: &'a str) -> Place {
        let number = self.sharing.as_mut().and_then(Iterator::next).copied();
        let known = match number {
            Some(number) => self.by_number.get(&number).map(|place| place.at),
            None => self.peers.get(peer).copied(),
        };
        if let Some(at) = known {
            return Place { at, len: 0 };
        }
        let child = self.string_child(peer);
        let at = self.pad();
        self.string(peer, child);
        let place = Place { at, len: 0 };
        match number {
            Some(number) => drop(self.by_number.insert(number, place)),
            None => drop(self.peers.insert(peer, at)),
        }
        place
    }

    fn string_child(&mut self, text: &str) -> Place {
        if text.len() > layout::INLINE_STRING {
            self.bytes(text.as_bytes())
        } else {
            Place::default()
        }
    }

    /// The 8 bytes of a string whose child, if it is long, lies at `child`.
    fn string(&mut self, text: &str, child: Place) {
        if text.len() > layout::INLINE_STRING {
            let here = self.position();
            self.len(text.len());
            let offset = self.offset_from(here, child.at);
            self.out.extend_from_slice(&offset.to_le_bytes());
            return;
        }
        let mut image = [0; layout::STRING];
        for (place, byte) in image.iter_mut().zip(text.bytes()) {
            *place = byte;
        }
        if let Some(last) = image.last_mut() {
            *last = u8::try_from(text.len()).unwrap_or_default();
        }
        self.out.extend_from_slice(&image);
    }
}
