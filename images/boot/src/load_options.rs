//! EFI's load options as a command line.
//!
//! By convention of boot managers and of Linux' EFI stub the options are UTF-16 text. Shells put
//! the program's own name first; that is a word without a meaning for the kernel. What is no text
//! (firmware appends data of its own to boot entries that it made) gives no command line: a node
//! must not be configured by noise.

use crate::u16_at;

/// Writes the text of `options` as UTF-8 into `line`, cut off where `line` ends; how many bytes.
/// The text ends at its NUL; without one, where the options end.
pub fn to_utf8(options: &[u8], line: &mut [u8]) -> usize {
    let units = || (0..options.len() / 2).map_while(|index| u16_at(options, index * 2));
    let text = || char::decode_utf16(units().take_while(|&unit| unit != 0));
    if !text().all(|c| c.is_ok_and(is_text)) {
        return 0;
    }
    let mut length = 0;
    for c in text().flatten() {
        let Some(room) = line.get_mut(length..).filter(|room| room.len() >= c.len_utf8()) else {
            break;
        };
        length += c.encode_utf8(room).len();
    }
    length
}

fn is_text(c: char) -> bool {
    !c.is_control() || c.is_ascii_whitespace()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn options(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    fn line(options: &[u8], room: usize) -> String {
        let mut line = vec![0xEE; room];
        let length = to_utf8(options, &mut line);
        String::from_utf8(line[..length].to_vec()).unwrap()
    }

    #[test]
    fn takes_text_up_to_its_nul() {
        assert_eq!(line(&options("aerolith.log=debug ü\0x"), 99), "aerolith.log=debug ü");
        assert_eq!(line(&options("a=b"), 99), "a=b");
        assert_eq!(line(b"", 99), "");
        assert_eq!(line(b"x", 99), "", "half a unit");
    }

    #[test]
    fn takes_no_noise_for_text() {
        assert_eq!(line(&[1, 0, 2, 0], 99), "");
        assert_eq!(line(&[0x41, 0, 0x00, 0xD8, 0x41, 0], 99), "", "half a surrogate pair");
    }

    #[test]
    fn ends_where_the_line_ends() {
        assert_eq!(line(&options("abc"), 3), "abc");
        assert_eq!(line(&options("abcd"), 3), "abc");
        assert_eq!(line(&options("abü"), 3), "ab", "a character is whole or not there");
        assert_eq!(line(&options("abc"), 0), "");
    }

    proptest! {
        #[test]
        fn any_text_survives(text in "[ -~äöü€😀]{0,60}") {
            prop_assert_eq!(line(&options(&text), 300), text);
        }

        #[test]
        fn any_bytes_give_text_or_nothing(
            bytes in prop::collection::vec(any::<u8>(), 0..200), room in 0usize..100,
        ) {
            prop_assert!(line(&bytes, room).len() <= room);
        }
    }
}
