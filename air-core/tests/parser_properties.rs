//! What holds of the parser for any text.

#![allow(clippy::expect_used, clippy::panic, reason = "that is how a test fails")]

#[path = "support/parsing.rs"]
mod parsing;

use air_core::Script;
use parsing::{check, prints_to_the_same_tree};
use proptest::collection::vec;
use proptest::prelude::*;

/// Pieces of scripts: put together at random they get deeper into the parser than random bytes.
const PIECES: &[&str] = &[
    "(",
    ")",
    "[",
    "]",
    " ",
    "\n",
    "; c\n",
    "\"",
    "\"s\"",
    "call",
    "ap",
    "canon",
    "seq",
    "par",
    "xor",
    "match",
    "mismatch",
    "fold",
    "next",
    "new",
    "fail",
    "never",
    "null",
    "(null)",
    "(seq ",
    "(fold $s i ",
    "(next i)",
    "(new x ",
    "(xor ",
    "(match 1 1 ",
    "(call \"p\" (\"s\" \"f\") [",
    "] x)",
    "x",
    "i",
    "$s",
    "%m",
    "#c",
    "#%m",
    "#$cc.$.[0]",
    "x.$.a.[i]!",
    "x.length",
    ".$",
    ".",
    "!",
    "%init_peer_id%",
    "%last_error%",
    ":error:",
    ":error:.$.a",
    "%ttl%",
    "true",
    "0",
    "-1",
    "1.5",
    "1.",
    "99999999999999999999",
    "é",
    "日",
    "\u{a0}",
    "\u{0}",
    "$s.$.a",
];

fn soup() -> impl Strategy<Value = String> {
    vec(prop::sample::select(PIECES), 0..60).prop_map(|pieces| pieces.concat())
}

/// Makes a well-formed script out of random choices.
struct Writer<'a> {
    choices: std::slice::Iter<'a, u8>,
    text: String,
}

impl Writer<'_> {
    fn choose(&mut self, below: u8) -> u8 {
        self.choices.next().map_or(0, |choice| choice % below)
    }

    fn one_of(&mut self, words: &[&str]) {
        let count = u8::try_from(words.len()).expect("few words");
        let word = words[usize::from(self.choose(count))];
        self.text.push_str(word);
        let blank = [" ", "  ", "\n", " ;c\n "][usize::from(self.choose(4))];
        self.text.push_str(blank);
    }

    fn value(&mut self) {
        self.one_of(&[
            "1",
            "-7",
            "0.5",
            "12.",
            "-0.0",
            "1234567890.",
            "\"\"",
            "\"a ; (\n\"",
            "true",
            "false",
            "[]",
            "[ ]",
            "%init_peer_id%",
            "%timestamp%",
            "%ttl%",
            "%last_error%",
            "%last_error%.$.a!.b",
            ":error:.length",
            "x",
            "x.$.a[1].[y]!",
            "#c",
            "#cc.$[0]",
            "#$c.length",
            "é.$.ü-1a",
            "#%m.$.k.[2]",
        ]);
    }

    fn part(&mut self) {
        self.one_of(&["\"p\"", "x", "x.$.[y]", "#cc.$.[0].a", "#%m.$.k", "1a"]);
    }

    fn target(&mut self) {
        self.one_of(&["x", "y", "$s", "é", "1a"]);
    }

    fn instruction(&mut self, depth: u8) {
        self.text.push('(');
        let kinds = if depth == 0 { 6 } else { 14 };
        match self.choose(kinds) {
            0 => self.one_of(&["null", "never"]),
            1 => {
                self.text.push_str("call ");
                self.part();
                self.text.push('(');
                self.part();
                self.part();
                self.text.push_str(")[");
                (0..self.choose(4)).for_each(|_| self.value());
                self.text.push(']');
                if self.choose(2) == 1 {
                    self.target();
                }
            }
            2 => {
                self.text.push_str("ap ");
                self.value();
                self.target();
            }
            3 => {
                self.text.push_str("ap (");
                self.one_of(&["\"k\"", "1", "x", "x.$.a", "#cc.$.[0]"]);
                self.value();
                self.text.push_str(") %m");
            }
            4 => {
                self.text.push_str("canon ");
                self.part();
                self.one_of(&["$s #c", "$s #$c", "%m #%m", "%m x"]);
            }
            5 => {
                self.text.push_str("fail ");
                self.one_of(&[
                    "x",
                    "x.$.a",
                    "#cc.$.[0]",
                    "1 \"m\"",
                    "-1 \"\"",
                    "%last_error%",
                    ":error:",
                ]);
            }
            6 | 7 => self.compound(&["match ", "mismatch "], 2, depth, 1),
            8 => {
                self.text.push_str("new ");
                self.one_of(&["x", "$s", "%m", "#c", "#%m"]);
                self.instruction(depth - 1);
            }
            9 | 10 => {
                self.text.push_str("fold ");
                self.one_of(&["[]", "x", "x.$.a", "#c", "#%m", "#%m.$.k", "$s", "%m"]);
                let iterator = format!("i{depth}");
                self.one_of(&[&iterator]);
                match self.choose(3) {
                    0 => self.text.push_str(&format!("(next {iterator})")),
                    _ => self.instruction(depth - 1),
                }
                if self.choose(2) == 1 {
                    self.instruction(depth - 1);
                }
            }
            _ => self.compound(&["seq ", "par ", "xor "], 0, depth, 2),
        }
        self.text.push(')');
    }

    fn compound(&mut self, words: &[&str], values: u8, depth: u8, children: u8) {
        self.one_of(words);
        (0..values).for_each(|_| self.value());
        (0..children).for_each(|_| self.instruction(depth - 1));
    }
}

fn well_formed() -> impl Strategy<Value = String> {
    vec(any::<u8>(), 0..400).prop_map(|choices| {
        let defined = ["x", "y", "é", "1a", "#c", "#cc", "#$c", "#%m", "$s", "%m"];
        let mut writer = Writer { choices: choices.iter(), text: String::new() };
        defined.iter().for_each(|name| writer.text.push_str(&format!("(new {name} ")));
        writer.instruction(6);
        writer.text + &")".repeat(defined.len())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_bytes_give_a_tree_or_errors(bytes in vec(any::<u8>(), 0..200)) {
        check(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn any_text_gives_a_tree_or_errors(text in ".{0,100}") {
        check(&text);
        check(&format!("(ap {text} x)"));
    }

    #[test]
    fn any_pieces_give_a_tree_or_errors(text in soup()) {
        check(&text);
    }

    #[test]
    fn well_formed_scripts_print_to_the_same_tree(text in well_formed()) {
        let script = Script::parse(&text).unwrap_or_else(|error| panic!("{text}\n{}", error.render()));
        prints_to_the_same_tree(&script);
    }

    #[test]
    fn a_well_formed_script_cut_anywhere_is_refused(text in well_formed(), at in any::<prop::sample::Index>()) {
        let cut = text.floor_char_boundary(at.index(text.len()));
        prop_assert!(Script::parse(&text[..cut]).is_err());
        check(&text[..cut]);
    }
}
