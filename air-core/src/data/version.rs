//! Semantic versions, as far as the envelope needs them: well-formed or not, old enough or not.

use alloc::format;
use alloc::string::String;

/// A well-formed version (semver 2.0), without its build metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Version {
    /// Major, minor and patch number.
    pub(super) numbers: [u64; 3],
    /// Whether it is a pre-release, which comes before the release of the same numbers.
    pub(super) is_pre_release: bool,
}

const NUMBER_NAMES: [&str; 3] = ["major", "minor", "patch"];

impl Version {
    /// Whether this version is the release with these numbers or comes after it.
    pub(super) fn is_at_least(&self, numbers: [u64; 3]) -> bool {
        self.numbers > numbers || (self.numbers == numbers && !self.is_pre_release)
    }

    /// Reads a version; the error is in the words of the reference.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("empty string, expected a semver version".into());
        }
        let mut numbers = [0; 3];
        let mut rest = text;
        for (index, name) in NUMBER_NAMES.into_iter().enumerate() {
            if index > 0 {
                rest = match rest.strip_prefix('.') {
                    Some(rest) => rest,
                    None => return Err(unexpected(rest, NUMBER_NAMES[index - 1], "after")),
                };
            }
            let (number, after) = number(rest, name)?;
            numbers[index] = number;
            rest = after;
        }
        let mut is_pre_release = false;
        if let Some(after) = rest.strip_prefix('-') {
            rest = identifiers(after, "pre-release identifier", true)?;
            is_pre_release = true;
        }
        if let Some(after) = rest.strip_prefix('+') {
            rest = identifiers(after, "build metadata", false)?;
        }
        match rest.chars().next() {
            None => Ok(Self { numbers, is_pre_release }),
            Some(character) => {
                let after =
                    if is_pre_release { "pre-release identifier" } else { "patch version number" };
                Err(format!("unexpected character {character:?} after {after}"))
            }
        }
    }
}

fn number<'a>(text: &'a str, name: &str) -> Result<(u64, &'a str), String> {
    let end = text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    if digits.is_empty() {
        return Err(unexpected(text, name, "while parsing"));
    }
    if digits.len() > 1 && digits.starts_with('0') {
        return Err(format!("invalid leading zero in {name} version number"));
    }
    let number =
        digits.parse().map_err(|_| format!("value of {name} version number exceeds u64::MAX"))?;
    Ok((number, rest))
}

/// `relation` says how the unexpected character relates to the number.
fn unexpected(rest: &str, name: &str, relation: &str) -> String {
    match rest.chars().next() {
        Some(character) => {
            format!("unexpected character {character:?} {relation} {name} version number")
        }
        None => format!("unexpected end of input while parsing {name} version number"),
    }
}

/// Reads dot-separated identifiers; what follows them.
fn identifiers<'a>(
    text: &'a str,
    what: &str,
    numeric_without_zeros: bool,
) -> Result<&'a str, String> {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    let end = text.bytes().position(|byte| !is_part(byte)).unwrap_or(text.len());
    let (all, rest) = text.split_at(end);
    for segment in all.split('.') {
        if segment.is_empty() {
            return Err(format!("empty identifier segment in {what}"));
        }
        let is_number = segment.bytes().all(|byte| byte.is_ascii_digit());
        if numeric_without_zeros && is_number && segment.len() > 1 && segment.starts_with('0') {
            return Err(format!("invalid leading zero in {what}"));
        }
    }
    Ok(rest)
}

#[cfg(test)]
mod tests {
    use super::Version;

    #[test]
    fn versions_compare_by_precedence() {
        for (text, at_least) in [
            ("0.61.0", true),
            ("0.61.0+build", true),
            ("0.61.1-rc1", true),
            ("99.1.2+x", true),
            ("0.61.0-rc1", false),
            ("0.60.99", false),
            ("0.31.1-feat-VM-173-add-interpreter-version-in-data-a2d575b-205-1.0", false),
        ] {
            assert_eq!(Version::parse(text).unwrap().is_at_least([0, 61, 0]), at_least, "{text}");
        }
    }

    /// Texts observed in the reference.
    #[test]
    fn malformed_versions_are_refused_in_the_words_of_the_reference() {
        for (text, error) in [
            ("", "empty string, expected a semver version"),
            ("x.1.2", "unexpected character 'x' while parsing major version number"),
            ("*", "unexpected character '*' while parsing major version number"),
            (" 1.2.3", "unexpected character ' ' while parsing major version number"),
            ("1", "unexpected end of input while parsing major version number"),
            ("1.", "unexpected end of input while parsing minor version number"),
            ("0.17", "unexpected end of input while parsing minor version number"),
            ("1.*", "unexpected character '*' while parsing minor version number"),
            ("01.2.3", "invalid leading zero in major version number"),
            ("99999999999999999999.0.0", "value of major version number exceeds u64::MAX"),
            ("1.2.3.4", "unexpected character '.' after patch version number"),
            ("1.2.3 ", "unexpected character ' ' after patch version number"),
            ("1.2.3-", "empty identifier segment in pre-release identifier"),
            ("1.2.3-a..b", "empty identifier segment in pre-release identifier"),
            ("1.2.3-01", "invalid leading zero in pre-release identifier"),
            ("1.2.3+", "empty identifier segment in build metadata"),
        ] {
            assert_eq!(Version::parse(text).unwrap_err(), error, "{text:?}");
        }
        for text in ["1.2.3-01a", "1.2.3-0", "1.2.3-a-b.c+00.-", "18446744073709551615.0.0"] {
            assert!(Version::parse(text).is_ok(), "{text:?}");
        }
    }
}
