//! Words, operands, checks and limits, by the tables of the specification.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::limits::{MAX_DIAGNOSTICS, MAX_NESTING, MAX_REPORT_BYTES, MAX_SCRIPT_BYTES};
use super::{DiagnosticKind, ParseLimits};
use crate::Script;
use crate::ast::{Instruction, Operand};

fn messages(text: &str) -> Vec<String> {
    let error = Script::parse(text).expect_err(text);
    error.diagnostics().iter().map(|diagnostic| diagnostic.message()).collect()
}

fn accepts(text: &str) {
    Script::parse(text).unwrap_or_else(|error| panic!("{}", error.render()));
}

/// The argument of `ap` that the word is, as the display shows it.
fn argument(word: &str) -> String {
    let script = Script::parse(&format!("(new {} (ap {word} y))", defined(word))).expect(word);
    let text = script.instruction_text(first(&script));
    text.strip_prefix("ap ").and_then(|t| t.strip_suffix(" y")).expect("ap").to_string()
}

fn first(script: &Script) -> crate::ast::NodeId {
    script.instruction(script.root()).children().next().expect("a body")
}

/// The name of a word with or without a lens.
fn defined(word: &str) -> &str {
    match word.find('.').map_or(word, |dot| &word[..dot]) {
        _ if word.starts_with('"')
            || word.trim_start_matches(['+', '-', '.']).parse::<u64>().is_ok() =>
        {
            "x"
        }
        name if name.parse::<i64>().is_ok() => "x",
        name => name,
    }
}

#[test]
fn unusual_words_are_what_the_specification_says() {
    // Words of digits are numbers only if all of them is.
    for (word, shown) in [
        ("123abc", "123abc"),
        ("1e5", "1e5"),
        ("-relay-", "-relay-"),
        ("-0", "0"),
        ("+7", "7"),
        ("1.", "1"),
        ("-0.0", "-0"),
        ("1.50", "1.5"),
        ("9223372036854775807", "9223372036854775807"),
        ("1234567.123", "1234567.123"),
        ("true1", "true1"),
        ("seq2", "seq2"),
        ("é", "é"),
        ("\"a;b (\n\"", "\"a;b (\n\""),
        ("#cc.$[0]", "#cc.$.[0]"),
        ("#$c.length", "#$c.length"),
        ("x.$.a.length", "x.$.a.length"),
        ("x.$.f[1][0].g!", "x.$.f.[1].[0].g"),
        ("x.$.é", "x.$.é"),
    ] {
        assert_eq!(argument(word), shown, "{word}");
    }
    // A percent sign in the second place makes the name of a canon map, whatever the first is.
    for name in ["a%foo", "$%foo", "%%foo", "1%foo"] {
        let script = Script::parse(&format!("(new {name} (match {name} 1 (null)))")).expect(name);
        let Instruction::Match { left, .. } = script.instruction(first(&script)) else {
            panic!("{name}: no match");
        };
        assert!(matches!(left, Operand::CanonMap(_)), "{name}");
    }
}

#[test]
fn numbers_and_booleans_become_literals() {
    let script = Script::parse(r#"(call "" ("" "") [1 -1 1. true false [] ""])"#).expect("a call");
    let Instruction::Call(call) = script.instruction(script.root()) else { panic!("no call") };
    let call = script.call(*call);
    let [one, minus, float, yes, no, empty, text] = script.operands(call.arguments) else {
        panic!("seven arguments");
    };
    assert_eq!([*one, *minus], [Operand::Integer(1), Operand::Integer(-1)]);
    assert_eq!([*float, *empty], [Operand::Float(1.0), Operand::EmptyArray]);
    assert_eq!([*yes, *no], [Operand::Boolean(true), Operand::Boolean(false)]);
    assert!(matches!(text, Operand::Literal(text) if script.literal(*text).is_empty()));
}

#[test]
fn names_with_different_sigils_are_different() {
    let script = "(new x (new $x (new %x (new #x (new #$x (new #%x (null)))))))";
    let script = Script::parse(script).expect("six variables");
    assert_eq!(script.name_count(), 6);
}

#[test]
fn positions_and_spans_are_bytes() {
    let script = Script::parse(" ; é\n(new $s (ap 1 $s))").expect("a script");
    let text = script.text().clone();
    let slice = |id| {
        let span = script.span(id);
        text[span.left as usize..span.right as usize].to_string()
    };
    assert_eq!(slice(script.root()), "(new $s (ap 1 $s))");
    assert_eq!(slice(first(&script)), "(ap 1 $s)");
    let Instruction::Ap { target: crate::ast::Output::Stream(stream), .. } =
        script.instruction(first(&script))
    else {
        panic!("no ap");
    };
    assert!(text[stream.position as usize..].starts_with("$s))"));
    assert!(script.span(script.root()).contains(stream.position));
    assert_eq!(script.line_column(stream.position).line, 2);
}

#[test]
fn what_the_reference_does_not_check_is_accepted() {
    for text in [
        r#"(ap ("k" undefined) %m)"#,
        "(canon undefined $s #$c)",
        "(fail x)",
        "(fail x.$.[i])",
        "(ap :error:.$.[i] x)",
        "(seq (ap 1 a) (seq (fold a i (next i)) (next i)))",
        // The scope of a definition does not count, only that it starts to the left.
        "(seq (new x (null)) (ap x y))",
        "(par (fold [] i (null)) (ap i y))",
    ] {
        accepts(text);
    }
    // Of a name only the first use that nothing satisfied so far is looked at again: the one in the
    // call, which the inner fold satisfies.
    assert_eq!(
        messages(r#"(fold x i (fold y x (call "" ("" "") [x])))"#),
        ["variable 'y' wasn't defined"]
    );
}

#[test]
fn after_next_follows_the_state_machine() {
    let finding = ["fold can not have instructions after next"];
    let stream = |body: &str| format!("(seq (ap 1 $s) (fold $s i {body}))");
    assert_eq!(messages(&stream("(seq (next i) (null))")), finding);
    assert_eq!(messages(&stream("(par (next i) (null))")), finding);
    assert_eq!(messages(&stream("(seq (new x (next i)) (null))")), finding);
    accepts(&stream("(seq (null) (next i))"));
    accepts(&stream("(xor (next i) (null))"));
    accepts(&stream("(seq (null) (next i)) (null)"));
    accepts("(fold [] i (seq (next i) (null)))");
    // With `next` at the end of both branches of a xor nothing is checked any more.
    let both = "(fold [] j (xor (next j) (fold [] k (next k))))";
    accepts(&format!("(seq {both} {})", stream("(xor (null) (next i))")));
    // What follows `next` in a scalar fold is held against a later stream fold of the same name.
    let scalar = "(fold [] i (seq (next i) (null)))";
    assert_eq!(messages(&format!("(seq {scalar} {})", stream("(next i)"))), finding);
}

#[test]
fn findings_of_all_rules_are_collected() {
    let text = r#"(seq (fail 0 "") (seq (ap a b) (seq (next i)
        (fold [] j (seq (new j (null)) (fold [] j (seq (next j) (next j))))))))"#;
    assert_eq!(
        messages(text),
        [
            "variable 'a' wasn't defined",
            "iterable 'i' wasn't defined",
            "multiple next instructions for iterator 'j' found for one fold, that is prohibited",
            "new can't be applied to a 'j' because it's an iterator",
            "multiple iterable values found for iterator name 'j'",
            "error code 0 with fail is unsupported",
        ]
    );
}

#[test]
fn syntax_errors_do_not_hide_later_ones() {
    assert_eq!(
        messages("(seq (nope) (par (next 1) (fail \"x\")))").len(),
        3,
        "three instructions are wrong"
    );
    // A malformed word is the only thing that is said.
    assert_eq!(messages("(seq (nope) (ap a#b c))").len(), 1);
    // So is a stream with a lens, which no rule takes.
    assert_eq!(messages("(seq (nope) (ap $ss.$.a c))").len(), 1);
}

#[test]
fn reports_look_like_the_reference_s() {
    let render = |text| Script::parse(text).expect_err(text).render();
    assert_eq!(
        render("(seq )"),
        "error: \n  ┌─ script.air:1:6\n  │\n1 │ (seq )\n  │      ^ expected \"(\"\n\n"
    );
    // Errors over several lines have a bracket; lines in between are left out.
    assert_eq!(
        render("(par (null)\n (match a\t1\n\n\n\n\n\n\n  (null)))"),
        "error: \n  ┌─ script.air:2:2\n  │  \n2 │ ╭  (match a   1\n3 │ │ \n4 │ │ \n5 │ │ \n  · │\n\
         8 │ │ \n9 │ │   (null)))\n  │ ╰─────────^ variable 'a' wasn't defined\n\n"
    );
}

fn nested(depth: usize) -> String {
    format!("{}(null){}", "(new x ".repeat(depth), ")".repeat(depth))
}

#[test]
fn nesting_is_bounded() {
    let deep = Script::parse(&nested(MAX_NESTING)).expect("within the limit");
    assert_eq!(deep.nodes().len(), MAX_NESTING + 1);
    // Nothing that walks, copies, shows or drops a tree depends on its depth.
    let printed = crate::text::print(&deep.clone());
    assert_eq!(Script::parse(&printed).expect("the same").nodes().len(), MAX_NESTING + 1);
    assert!(crate::text::tree_json(&deep).ends_with('}'));

    let error = Script::parse(&nested(MAX_NESTING + 1)).expect_err("over the limit");
    let kind = &error.diagnostics()[0].kind;
    assert_eq!(*kind, DiagnosticKind::NestedTooDeep { limit: MAX_NESTING });
}

#[test]
fn a_long_open_nest_ends_in_an_error() {
    for piece in ["(seq ", "(seq", "((", "(new x ", "(fold [] i ", "(xor (null)", "(ap (1 "] {
        let text = piece.repeat((10 << 20) / piece.len());
        assert!(Script::parse(&text).is_err(), "{piece}");
    }
}

#[test]
fn instructions_are_bounded() {
    let limits = ParseLimits { nodes: 3, ..ParseLimits::default() };
    assert!(Script::parse_within("(seq (null) (null))", limits).is_ok());
    let error = Script::parse_within("(new x (seq (null) (null)))", limits).expect_err("four");
    assert_eq!(error.diagnostics()[0].kind, DiagnosticKind::TooManyInstructions { limit: 3 });
}

#[test]
fn the_memory_of_the_tree_is_bounded() {
    let call = |count| format!(r#"(call "p" ("s" "f") [{}])"#, "1 ".repeat(count));
    let names = |count: usize| {
        (0..count).fold(String::from("(null)"), |all, i| format!("(seq (ap 1 x{i}) {all})"))
    };
    for text in [call(1000), names(1000)] {
        let memory = Script::parse(&text).unwrap().memory();
        assert!((8 * text.len()..40 * text.len()).contains(&memory), "{memory}: {text:.40}");
        let within =
            |memory| Script::parse_within(&text, ParseLimits { memory, ..ParseLimits::default() });
        assert!(within(memory).is_ok(), "{text:.40}");
        let error = within(memory / 2).expect_err("half of it");
        let kind = DiagnosticKind::TooMuchMemory { limit: memory / 2 };
        assert_eq!(error.diagnostics()[0].kind, kind);
    }
}

#[test]
fn bytes_are_bounded() {
    let limits = ParseLimits { bytes: 6, ..ParseLimits::default() };
    assert!(Script::parse_within("(null)", limits).is_ok());
    let error = Script::parse_within("(null) ", limits).expect_err("seven bytes");
    assert_eq!(error.diagnostics()[0].kind, DiagnosticKind::ScriptTooLong { limit: 6 });
    // A caller cannot go over the maximum.
    let limits = ParseLimits { bytes: usize::MAX, ..ParseLimits::default() };
    let long = " ".repeat(MAX_SCRIPT_BYTES + 1);
    let error = Script::parse_within(&long, limits).expect_err("too long");
    let kind = DiagnosticKind::ScriptTooLong { limit: MAX_SCRIPT_BYTES };
    assert_eq!(error.diagnostics()[0].kind, kind);
}

#[test]
fn diagnostics_and_reports_are_bounded() {
    let chain = |item: &str, count: usize| {
        format!("{}(null){}", format!("(seq {item} ").repeat(count), ")".repeat(count))
    };
    let count = |text: &str| Script::parse(text).expect_err("errors").diagnostics().len();
    assert_eq!(count(&chain("(next 1", MAX_DIAGNOSTICS)), MAX_DIAGNOSTICS);
    assert_eq!(count(&chain("(next 1", MAX_DIAGNOSTICS + 1)), MAX_DIAGNOSTICS);
    assert_eq!(count(&chain("(fail 0 \"\")", MAX_DIAGNOSTICS - 1)), MAX_DIAGNOSTICS - 1);
    assert_eq!(count(&chain("(fail 0 \"\")", MAX_DIAGNOSTICS + 1)), MAX_DIAGNOSTICS);
    // Many errors in one long line would give a report of a hundred times its length.
    let text = chain(&format!("(next \"{}\"", "é".repeat(1000)), 200);
    let report = Script::parse(&text).expect_err("errors").render();
    assert!(report.len() <= MAX_REPORT_BYTES + 8 && report.ends_with("…\n\n"));
}
