//! Whether a text is a regular expression in the language of the network's nodes (Python's `re`).
//!
//! Checked are brackets, repetitions, escapes, groups, their names and references to them. Not checked:
//! names of Unicode characters (`\N{…}`), that a look-behind has one length, and flags at the wrong place.

use alloc::vec::Vec;

/// The most repetitions that the language can count.
const MAX_REPEAT: u64 = 4_294_967_295;

/// Whether the expression compiles.
pub(super) fn compiles(pattern: &str) -> bool {
    Parser { rest: pattern, groups: Vec::new(), open: Vec::new() }.run().is_some()
}

struct Parser<'a> {
    rest: &'a str,
    /// The names of the groups so far, empty for those without one.
    groups: Vec<&'a str>,
    /// The numbers of the groups that are open, of those that have one.
    open: Vec<Option<usize>>,
}

/// What stands before a repetition.
#[derive(Clone, Copy, PartialEq)]
enum Before {
    Nothing,
    Item,
    Repeated,
}

impl<'a> Parser<'a> {
    fn run(&mut self) -> Option<()> {
        let mut before = Before::Nothing;
        while let Some(character) = self.next() {
            before = match character {
                '\\' => self.escape(false)?,
                '[' => self.class()?,
                '(' => self.group()?,
                ')' => {
                    self.open.pop()?;
                    Before::Item
                }
                // Nothing stands there, or a place between characters.
                '|' | '^' | '$' => Before::Nothing,
                '*' | '+' | '?' => self.repeat(before)?,
                '{' => match self.bounds() {
                    Some((least, most)) if least <= most => self.repeat(before)?,
                    Some(_) => return None,
                    None => Before::Item,
                },
                _ => Before::Item,
            };
        }
        self.open.is_empty().then_some(())
    }

    fn next(&mut self) -> Option<char> {
        let character = self.rest.chars().next()?;
        self.rest = self.rest.get(character.len_utf8()..)?;
        Some(character)
    }

    fn skip(&mut self, text: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(text)?;
        Some(())
    }

    fn repeat(&mut self, before: Before) -> Option<Before> {
        if before != Before::Item {
            return None;
        }
        // Lazy and possessive forms.
        let _ = self.skip("?").or_else(|| self.skip("+"));
        Some(Before::Repeated)
    }

    /// `{m}`, `{m,}`, `{,n}` or `{m,n}`; anything else is text.
    fn bounds(&mut self) -> Option<(u64, u64)> {
        let (inside, rest) = self.rest.split_once('}')?;
        let number = |text: &str, default| match text {
            "" => Some(default),
            digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok(),
            _ => None,
        };
        let bounds = match inside.split_once(',') {
            Some((least, most)) => (number(least, 0)?, number(most, MAX_REPEAT)?),
            None if inside.is_empty() => return None,
            None => (number(inside, 0)?, number(inside, 0)?),
        };
        self.rest = rest;
        Some(bounds)
    }

    fn escape(&mut self, in_class: bool) -> Option<Before> {
        let hex = |parser: &mut Self, count| {
            (0..count).try_for_each(|_| parser.next().filter(char::is_ascii_hexdigit).map(|_| ()))
        };
        match self.next()? {
            'x' => hex(self, 2)?,
            'u' => hex(self, 4)?,
            'U' => hex(self, 8)?,
            'A' | 'Z' | 'b' | 'B' if !in_class => return Some(Before::Nothing),
            'b' => {}
            'd' | 'D' | 's' | 'S' | 'w' | 'W' | 'a' | 'f' | 'n' | 'r' | 't' | 'v' | '0' => {}
            digit @ '1'..='9' if !in_class => self.reference(digit)?,
            'N' => {
                self.skip("{")?;
                let (_, rest) = self.rest.split_once('}')?;
                self.rest = rest;
            }
            character if character.is_ascii_alphanumeric() => return None,
            _ => {}
        }
        Some(Before::Item)
    }

    /// `\1` to `\99` name a group that is closed by now; three octal digits are a character.
    fn reference(&mut self, first: char) -> Option<()> {
        let digits = self.rest.bytes().take_while(u8::is_ascii_digit).take(2).count();
        let octal = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
        let rest = self.rest;
        let (behind, rest_behind) = rest.split_at_checked(digits)?;
        if digits == 2 && octal(behind) && octal(first.encode_utf8(&mut [0; 4])) {
            self.rest = rest_behind;
            return (first <= '3').then_some(());
        }
        let mut number = first.to_digit(10)? as usize;
        if let Some(second) = behind.chars().next().and_then(|digit| digit.to_digit(10)) {
            number = number * 10 + second as usize;
            self.next();
        }
        self.is_closed(number).then_some(())
    }

    fn is_closed(&self, number: usize) -> bool {
        (1..=self.groups.len()).contains(&number) && !self.open.contains(&Some(number))
    }

    fn class(&mut self) -> Option<Before> {
        let _ = self.skip("^");
        let mut is_first = true;
        loop {
            match self.next()? {
                ']' if !is_first => return Some(Before::Item),
                '\\' => {
                    let start = self.rest;
                    self.escape(true)?;
                    self.range(escaped_character(start))?;
                }
                character => self.range(Some(character))?,
            }
            is_first = false;
        }
    }

    /// What may follow the first end of a range in a class; `None` for a class such as `\d`.
    fn range(&mut self, first: Option<char>) -> Option<()> {
        let Some(rest) = self.rest.strip_prefix('-') else { return Some(()) };
        if rest.starts_with(']') {
            return Some(());
        }
        self.rest = rest;
        let last = match self.next()? {
            '\\' => {
                let start = self.rest;
                self.escape(true)?;
                escaped_character(start)
            }
            character => Some(character),
        };
        match (first, last) {
            (Some(first), Some(last)) if first <= last => Some(()),
            _ => None,
        }
    }

    fn group(&mut self) -> Option<Before> {
        let mut name = Some("");
        if self.skip("?").is_some() {
            if self.skip("P<").is_some() {
                name = Some(self.name('>').filter(|name| !self.groups.contains(name))?);
            } else if self.skip("P=").is_some() {
                let wanted = self.name(')')?;
                let number = 1 + self.groups.iter().position(|name| *name == wanted)?;
                return self.is_closed(number).then_some(Before::Item);
            } else if self.skip("#").is_some() {
                let (_, rest) = self.rest.split_once(')')?;
                self.rest = rest;
                return Some(Before::Nothing);
            } else if self.skip("(").is_some() {
                let wanted = self.rest.split_once(')')?.0;
                self.rest = self.rest.get(wanted.len() + 1..)?;
                let is_one = match wanted.parse::<usize>() {
                    Ok(number) => (1..=self.groups.len()).contains(&number),
                    Err(_) => !wanted.is_empty() && self.groups.contains(&wanted),
                };
                if !is_one {
                    return None;
                }
                name = None;
            } else if ["<=", "<!", "=", "!", ":", ">"].iter().any(|mark| self.skip(mark).is_some())
            {
                name = None;
            } else {
                let flags = self.rest.bytes().take_while(|byte| b"aiLmsux-".contains(byte)).count();
                let (flags, rest) = self.rest.split_at_checked(flags)?;
                self.rest = rest;
                if flags.is_empty() || flags.ends_with('-') {
                    return None;
                }
                if self.skip(")").is_some() {
                    return (!flags.contains('-')).then_some(Before::Nothing);
                }
                self.skip(":")?;
                name = None;
            }
        }
        if let Some(name) = name {
            self.groups.push(name);
            self.open.push(Some(self.groups.len()));
        } else {
            self.open.push(None);
        }
        Some(Before::Nothing)
    }

    fn name(&mut self, end: char) -> Option<&'a str> {
        let (name, rest) = self.rest.split_once(end)?;
        self.rest = rest;
        let mut characters = name.chars();
        let starts = characters.next().is_some_and(|first| first.is_alphabetic() || first == '_');
        (starts && characters.all(|c| c.is_alphanumeric() || c == '_')).then_some(name)
    }
}

/// The character that an escape in a class stands for, as far as the order of a range needs it.
fn escaped_character(escape: &str) -> Option<char> {
    let code = |count: usize| {
        let digits = escape.get(1..1 + count)?;
        char::from_u32(u32::from_str_radix(digits, 16).ok()?)
    };
    match escape.chars().next()? {
        'd' | 'D' | 's' | 'S' | 'w' | 'W' => None,
        'x' => code(2),
        'u' => code(4),
        'U' => code(8),
        'a' => Some('\u{7}'),
        'b' => Some('\u{8}'),
        't' => Some('\t'),
        'n' => Some('\n'),
        'v' => Some('\u{b}'),
        'f' => Some('\u{c}'),
        'r' => Some('\r'),
        '0' => Some('\0'),
        other => Some(other),
    }
}
