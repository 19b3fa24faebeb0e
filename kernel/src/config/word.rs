//! The configuration as a word of text, `aerolith.config=…`: its blob in base64url without padding, for
//! places that take words only, such as the kernel's command line.

use core::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{Config, DecodeError, EncodeError};
use crate::secret::Secret;
use alloc::format;
use alloc::string::String;

/// What stands before the `=`.
pub const WORD: &str = "aerolith.config";

/// Why the value of such a word is not a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WordError {
    /// It is not base64url.
    NotBase64,
    /// What it stands for is no configuration.
    Decode(DecodeError),
}

impl fmt::Display for WordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotBase64 => write!(f, "the value of {WORD} is not base64url"),
            Self::Decode(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for WordError {}

impl Config {
    /// Reads and checks the value of such a word.
    ///
    /// # Errors
    /// See [`WordError`].
    pub fn decode_word(value: &str) -> Result<Self, WordError> {
        let mut blob = Secret::zeros(base64::decoded_len_estimate(value.len()));
        let bytes = URL_SAFE_NO_PAD.decode_slice(value, &mut blob);
        blob.truncate(bytes.map_err(|_| WordError::NotBase64)?);
        Self::decode(&blob).map_err(WordError::Decode)
    }

    /// Writes a checked configuration as such a word, with its name.
    ///
    /// # Errors
    /// See [`Config::encode`].
    pub fn encode_word(&self) -> Result<String, EncodeError> {
        Ok(format!("{WORD}={}", URL_SAFE_NO_PAD.encode(self.encode()?)))
    }
}

/// The value of the first such word in a text of whatever form: what stands between a separator, `aerolith.config=`
/// and whatever base64url does not have.
#[must_use]
pub fn find_word(text: &str) -> Option<&str> {
    let is_of_a_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let mut searched = 0;
    loop {
        let rest = text.get(searched..)?;
        let at = searched + rest.find(WORD)?;
        searched = at + WORD.len();
        let before = text.as_bytes().get(..at)?.last();
        let value = text.get(searched..)?.strip_prefix('=');
        if let Some(value) =
            value.filter(|_| !before.is_some_and(|b| is_of_a_word(b) || *b == b'.'))
        {
            let bytes = value.bytes().take_while(is_of_a_word).count();
            return value.get(..bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::HttpConfig;
    use alloc::string::ToString;
    use proptest::prelude::*;

    fn config() -> Config {
        Config { http: HttpConfig { port: 8001, ..HttpConfig::default() }, ..Config::default() }
    }

    #[test]
    fn a_configuration_is_the_same_after_it_was_a_word() {
        let word = config().encode_word().unwrap();
        let value = word.strip_prefix("aerolith.config=").unwrap();
        assert_eq!(Config::decode_word(value), Ok(config()));
    }

    #[test]
    fn a_value_that_is_none_is_refused_with_the_reason() {
        assert_eq!(Config::decode_word("a+b"), Err(WordError::NotBase64));
        let error = Config::decode_word("AAAA").unwrap_err();
        assert_eq!(error, WordError::Decode(DecodeError::NotAConfig));
        assert_eq!(error.to_string(), "these bytes are no configuration of a node");
    }

    #[test]
    fn the_first_whole_word_of_a_text_is_found() {
        for (text, value) in [
            ("aerolith.config=AAA", Some("AAA")),
            ("- aerolith.config=A-_9\n- other", Some("A-_9")),
            ("[\"ssh-rsa x\", \"aerolith.config=AA\"]", Some("AA")),
            ("x-aerolith.config=AA aerolith.config=BB", Some("BB")),
            ("an.aerolith.config=AA", None),
            ("aerolith.config aerolith.configs=A aerolith.config=C", Some("C")),
            ("aerolith.config=", Some("")),
            ("é aerolith.config=Aé", Some("A")),
            ("aerolith.confi", None),
            ("", None),
        ] {
            assert_eq!(find_word(text), value, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_word_is_found_in_whatever_surrounds_it(
            before in "[ \n\"'\\[\\]{}:,=é-]{0,8}[ \n\"'\\[:,=é]",
            after in "([ \n\"'\\]:,é=][ -~é]{0,20})?",
        ) {
            let word = config().encode_word().unwrap();
            let text = format!("{before}{word}{after}");
            let value = find_word(&text).unwrap();
            prop_assert_eq!(Config::decode_word(value), Ok(config()));
        }
    }
}
