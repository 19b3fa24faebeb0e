//! The kernel command line: words between blanks, kept in a fixed buffer.
//!
//! Words that are not UTF-8 are passed over. Not supported: quotes, and escapes within words.

use super::limits::COMMAND_LINE_BYTES;

/// A copy of the command line.
#[derive(Clone)]
pub struct CommandLine {
    bytes: [u8; COMMAND_LINE_BYTES],
    length: usize,
    truncated: bool,
}

impl core::fmt::Debug for CommandLine {
    /// Does not show the words: the configuration among them may hold what no log should.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("CommandLine").field("length", &self.length).finish_non_exhaustive()
    }
}

impl CommandLine {
    /// No words.
    #[must_use]
    pub const fn empty() -> CommandLine {
        CommandLine { bytes: [0; COMMAND_LINE_BYTES], length: 0, truncated: false }
    }

    /// Copies `source` up to its first NUL, or to the bound, without a further copy on the way.
    pub fn read_from(&mut self, source: &[u8]) {
        let ended = source.iter().position(|&byte| byte == 0);
        let text = source.get(..ended.unwrap_or(source.len())).unwrap_or_default();
        self.length = text.len().min(COMMAND_LINE_BYTES);
        self.truncated = text.len() > COMMAND_LINE_BYTES;
        for (to, from) in self.bytes.iter_mut().zip(text) {
            *to = *from;
        }
    }

    /// Overwrites the values of all words `key=value` with blanks.
    pub fn erase(&mut self, key: &str) {
        let line = self.bytes.get_mut(..self.length).unwrap_or_default();
        for word in line.split_mut(u8::is_ascii_whitespace) {
            if let Some(b'=') = word.strip_prefix(key.as_bytes()).and_then(<[u8]>::first) {
                word.get_mut(key.len() + 1..).unwrap_or_default().fill(b' ');
            }
        }
    }

    /// The line's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    /// Whether the loader's line was longer than what is kept.
    #[must_use]
    pub const fn is_truncated(&self) -> bool {
        self.truncated
    }

    /// The words that are UTF-8, in order.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.as_bytes()
            .split(u8::is_ascii_whitespace)
            .filter(|word| !word.is_empty())
            .filter_map(|word| core::str::from_utf8(word).ok())
    }

    /// The values of all words `key=value`, in order.
    pub fn values<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.words().filter_map(move |word| word.strip_prefix(key)?.strip_prefix('='))
    }

    /// The value of the last word `key=value`: a later word overrides an earlier one.
    #[must_use]
    pub fn value<'a>(&'a self, key: &'a str) -> Option<&'a str> {
        self.values(key).last()
    }

    /// Whether nothing is to be written to the serial port. Hosts of microVMs (Firecracker's) say what Linux
    /// is to do: `pci=off reboot=k`, and `console=` only if somebody reads. Where that is not so, as under
    /// QEMU, silence is never meant; and whoever names a level of the log means to read it.
    #[must_use]
    pub fn wants_silence(&self) -> bool {
        let has = |word| self.words().any(|known| known == word);
        let read = self.value("console").is_some() || self.value("aerolith.log").is_some();
        has("pci=off") && has("reboot=k") && !read
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    fn line_of(bytes: &[u8]) -> CommandLine {
        let mut line = CommandLine::empty();
        line.read_from(bytes);
        line
    }

    #[test]
    fn an_erased_word_is_there_without_its_value() {
        let mut line = line_of(b"a=secret b=1 aa=2\ta=other a b=a=3");
        line.erase("a");
        assert_eq!(line.words().collect::<Vec<_>>(), ["a=", "b=1", "aa=2", "a=", "a", "b=a=3"]);
        let text = core::str::from_utf8(line.as_bytes()).unwrap();
        assert!(!text.contains("secret") && !text.contains("other"), "{text}");
        let mut whole = line_of(b"a=");
        whole.erase("a");
        assert_eq!(whole.as_bytes(), b"a=");
    }

    #[test]
    fn finds_words_and_values() {
        let line = line_of(b" a=1 b  a=2 aa=3\ta= c=x=y \0 d=4");
        assert_eq!(line.words().collect::<Vec<_>>(), ["a=1", "b", "a=2", "aa=3", "a=", "c=x=y"]);
        assert_eq!(line.values("a").collect::<Vec<_>>(), ["1", "2", ""]);
        assert_eq!(line.value("c"), Some("x=y"));
        assert_eq!(line.value("d"), None, "after the NUL");
        assert_eq!(line.value("b"), None, "no value");
    }

    #[test]
    fn only_a_microvm_without_a_console_is_silent() {
        for (line, silent) in [
            ("reboot=k panic=1 pci=off ro virtio_mmio.device=4K@0xc0001000:5", true),
            ("console=ttyS0 reboot=k panic=1 pci=off ro", false),
            ("reboot=k panic=1 pci=off aerolith.log=info", false),
            ("virtio_mmio.device=512@0xfeb02e00:12", false),
            ("pci=off", false),
            ("", false),
        ] {
            assert_eq!(line_of(line.as_bytes()).wants_silence(), silent, "{line}");
        }
    }

    #[test]
    fn passes_over_words_that_are_not_utf8() {
        let line = line_of(b"a=1 \xFF\xFE=2 b=3");
        assert_eq!(line.words().collect::<Vec<_>>(), ["a=1", "b=3"]);
    }

    #[test]
    fn keeps_the_bound_and_cuts_one_more() {
        let line = line_of(&[b'x'; COMMAND_LINE_BYTES]);
        assert_eq!((line.as_bytes().len(), line.is_truncated()), (COMMAND_LINE_BYTES, false));
        let line = line_of(&[b'x'; COMMAND_LINE_BYTES + 1]);
        assert_eq!((line.as_bytes().len(), line.is_truncated()), (COMMAND_LINE_BYTES, true));
    }

    proptest! {
        #[test]
        fn any_bytes_give_words_without_blanks(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let line = line_of(&bytes);
            for word in line.words() {
                prop_assert!(!word.is_empty());
                prop_assert!(!word.bytes().any(|byte| byte.is_ascii_whitespace()));
            }
        }
    }
}
