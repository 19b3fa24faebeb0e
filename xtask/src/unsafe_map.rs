//! The trust map as a check: `unsafe` only where it belongs, each block with its reason.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

/// The folders that may contain `unsafe`.
const ALLOWED: [&str; 3] = ["hypervisor-glue/src", "images/boot/src/stub", "kernel/src/unikernel"];
/// The one file beside them: the root of the unikernel.
const ALLOWED_FILE: &str = "kernel/src/main.rs";
/// The crate roots that must forbid it.
const FORBIDDING: [&str; 5] = [
    "air-core/src/lib.rs",
    "images/boot/src/lib.rs",
    "kernel/src/lib.rs",
    "netstack/src/lib.rs",
    "xtask/src/lib.rs",
];
/// The rooms.
const ROOMS: [&str; 6] = ["air-core", "hypervisor-glue", "images", "kernel", "netstack", "xtask"];

/// Looks through all Rust sources below `root`.
///
/// # Errors
/// When `unsafe` stands where it may not, or a crate that has to forbid it does not.
pub fn check(root: &Path) -> Result<()> {
    let mut wrong = Vec::new();
    for name in FORBIDDING {
        let text = fs::read_to_string(root.join(name)).with_context(|| name.to_owned())?;
        if !text.lines().any(|line| line.trim() == "#![forbid(unsafe_code)]") {
            wrong.push(format!("{name}: lacks #![forbid(unsafe_code)]"));
        }
    }
    for room in ROOMS {
        visit(root, &root.join(room), &mut wrong)?;
    }
    if !wrong.is_empty() {
        bail!("the trust map is violated:\n{}", wrong.join("\n"));
    }
    Ok(())
}

fn visit(root: &Path, folder: &Path, wrong: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let name = path.strip_prefix(root).unwrap_or(&path).display().to_string();
        if path.is_dir() {
            let allowed = ALLOWED.contains(&name.as_str()) || name.ends_with("/target");
            if !allowed {
                visit(root, &path, wrong)?;
            }
        } else if name.ends_with(".rs") && name != ALLOWED_FILE {
            let text = fs::read_to_string(&path).with_context(|| name.clone())?;
            let lines = text.lines().zip(1..).filter(|(line, _)| has_unsafe(line));
            wrong.extend(lines.map(|(_, number)| format!("{name}:{number}: unsafe")));
        }
    }
    Ok(())
}

/// Whether a line uses the keyword outside of comments and string literals.
fn has_unsafe(line: &str) -> bool {
    let word = ["un", "safe"].concat();
    let mut code = String::new();
    let mut quoted = false;
    let mut characters = line.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '\\' if quoted => drop(characters.next()),
            '"' => quoted = !quoted,
            '/' if !quoted && characters.peek() == Some(&'/') => break,
            _ if !quoted => code.push(c),
            _ => {}
        }
    }
    code.split(|c: char| !c.is_alphanumeric() && c != '_').any(|part| part == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_keyword_in_code_counts() {
        assert!(has_unsafe("    unsafe { x() }"));
        assert!(has_unsafe("pub unsafe fn x()"));
        assert!(has_unsafe("f(\"\\\"\", unsafe { 1 })"));
        assert!(!has_unsafe("#![forbid(unsafe_code)]"));
        assert!(!has_unsafe("// unsafe is not allowed"));
        assert!(!has_unsafe("let x = \"unsafe \\\" unsafe\";"));
    }

    #[test]
    fn this_repository_keeps_to_its_trust_map() {
        check(&crate::workspace::root()).unwrap();
    }
}
