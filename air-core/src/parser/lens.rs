//! Parses lenses (§1.5).

use alloc::string::String;
use alloc::vec::Vec;

use super::lens_error;

/// One accessor; names are byte ranges of the script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LensPart {
    Index(u32),
    Field { left: u32, right: u32 },
    ByScalar { left: u32, right: u32 },
}

/// Parses `text`, a lens that begins at byte `base` of the script, into `parts`, which it clears
/// first. A path gives at least one part, `.length` none.
///
/// # Errors
/// The reference's text for what is wrong.
pub(super) fn parse(text: &str, base: usize, parts: &mut Vec<LensPart>) -> Result<(), String> {
    parts.clear();
    if text == ".length" {
        return Ok(());
    }
    match path(text, base, parts) {
        Some(()) if !parts.is_empty() => Ok(()),
        _ => Err(lens_error::explain(text)),
    }
}

/// Parses a path; `None` if it is malformed.
fn path(text: &str, base: usize, parts: &mut Vec<LensPart>) -> Option<()> {
    let mut rest = text.strip_prefix(".$")?;
    while !rest.is_empty() {
        let dotless = rest.strip_prefix('.');
        let at = |rest: &str| u32::try_from(base + text.len() - rest.len()).ok();
        let part;
        (part, rest) = if let Some(inner) = dotless.unwrap_or(rest).strip_prefix('[') {
            let length = number_length(inner).max(name_length(inner));
            let (inside, after) = inner.split_at_checked(length)?;
            let part = if number_length(inner) > 0 {
                LensPart::Index(inside.parse().ok()?)
            } else {
                LensPart::ByScalar { left: at(inner)?, right: at(after)? }
            };
            (part, after.strip_prefix(']')?)
        } else {
            let name = dotless?;
            let (_, after) = name.split_at_checked(name_length(name))?;
            (LensPart::Field { left: at(name)?, right: at(after)? }, after)
        };
        if matches!(part, LensPart::Field { left, right } | LensPart::ByScalar { left, right } if left == right)
        {
            return None;
        }
        parts.push(part);
        // A mark of an older language, without effect.
        rest = rest.strip_prefix('!').unwrap_or(rest);
    }
    Some(())
}

/// The length of the number that `text` begins with.
pub(super) fn number_length(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

/// The length in bytes of the name that `text` begins with; names do not begin with a digit.
pub(super) fn name_length(text: &str) -> usize {
    if number_length(text) > 0 {
        return 0;
    }
    let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    text.find(|c| !is_name(c)).unwrap_or(text.len())
}
