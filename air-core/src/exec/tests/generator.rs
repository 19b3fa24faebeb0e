//! Well-formed random scripts, made from a list of choices so that a failing one shrinks.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// The peers of random scripts.
pub(super) const PEERS: [&str; 3] = ["I", "A", "B"];

/// Deepest nesting of a random script.
const MAX_DEPTH: usize = 7;

/// Makes a script from choices; where they end, the simplest form is taken.
pub(super) fn script(choices: &[u8]) -> String {
    let mut generator = Generator { choices, ..Generator::default() };
    // Streams must be written before they are read, as the text goes.
    let first = match generator.choose(3) {
        0 => "(ap 0 $s1)",
        1 => r#"(call "B" ("s" "1") [] $s1)"#,
        _ => r#"(call "I" ("s" "1") [] $s1)"#,
    };
    let body = generator.instruction(MAX_DEPTH);
    format!(r#"(par (par {first} (ap 5 $s2)) (par (ap ("k" 0) %m) {body}))"#)
}

#[derive(Default)]
struct Generator<'a> {
    choices: &'a [u8],
    scalars: Vec<String>,
    iterators: Vec<String>,
    canons: Vec<String>,
    canon_maps: Vec<String>,
    names: usize,
}

impl Generator<'_> {
    fn choose(&mut self, count: usize) -> usize {
        let Some((choice, rest)) = self.choices.split_first() else { return 0 };
        self.choices = rest;
        usize::from(*choice) % count
    }

    fn name(&mut self, prefix: &str) -> String {
        self.names += 1;
        format!("{prefix}{}", self.names)
    }

    fn peer(&mut self) -> String {
        let choice = self.choose(PEERS.len());
        format!("{:?}", PEERS[choice])
    }

    fn of(&mut self, names: &[String]) -> Option<String> {
        let choice = self.choose(names.len().max(1));
        names.get(choice).cloned()
    }

    fn scalar(&mut self) -> Option<String> {
        let names: Vec<String> = self.iterators.iter().chain(&self.scalars).cloned().collect();
        self.of(&names)
    }

    fn value(&mut self) -> String {
        let lens = [".$.a", ".$.[0]", ".length", ".$.key"][self.choose(4)];
        let variable = match self.choose(9) {
            0 => return self.choose(3).to_string(),
            1 => return "\"k\"".into(),
            2 => return "%last_error%.$.message".into(),
            3 => return ":error:".into(),
            4 | 5 => self.scalar(),
            6 => self.scalar().map(|name| name + lens),
            7 => self.of(&self.canons.clone()),
            _ => self.of(&self.canon_maps.clone()).map(|name| name + lens),
        };
        variable.unwrap_or_else(|| "[]".into())
    }

    fn stream(&mut self) -> String {
        ["$s1", "$s2"][self.choose(2)].into()
    }

    fn call(&mut self) -> String {
        let (peer, value) = (self.peer(), self.value());
        let function = ["echo", "[1,2,'k']", "{'a':[3]}", "fail", "1"][self.choose(5)];
        let output = match self.choose(3) {
            0 => String::new(),
            1 => self.stream(),
            _ => self.name("x"),
        };
        let call = format!("(call {peer} (\"s\" \"{function}\") [{value}] {output})");
        if output.starts_with('x') {
            self.scalars.push(output);
        }
        call
    }

    fn leaf(&mut self) -> String {
        match self.choose(9) {
            0 => "(null)".into(),
            1..=3 => self.call(),
            4 => {
                let value = self.value();
                format!("(ap {value} {})", self.stream())
            }
            5 => {
                let value = self.value();
                format!("(ap ({} {value}) %m)", ["\"k\"", "1"][self.choose(2)])
            }
            6 => {
                let (peer, stream) = (self.peer(), self.stream());
                let canon = self.name("#c");
                self.canons.push(canon.clone());
                format!("(canon {peer} {stream} {canon})")
            }
            7 => {
                let (peer, canon) = (self.peer(), self.name("#%c"));
                self.canon_maps.push(canon.clone());
                format!("(canon {peer} %m {canon})")
            }
            _ => ["(fail 1 \"m\")", "(fail :error:)", "(never)"][self.choose(3)].into(),
        }
    }

    fn pair(&mut self, word: &str, depth: usize) -> String {
        let left = self.instruction(depth - 1);
        let right = self.instruction(depth - 1);
        format!("({word} {left} {right})")
    }

    fn instruction(&mut self, depth: usize) -> String {
        if depth == 0 {
            return self.leaf();
        }
        match self.choose(16) {
            0 | 1 => self.leaf(),
            2..=5 => self.pair("seq", depth),
            6..=8 => self.pair("par", depth),
            9 | 10 => self.pair("xor", depth),
            11 => {
                let (left, right) = (self.value(), self.value());
                format!("(match {left} {right} {})", self.instruction(depth - 1))
            }
            12 => {
                let target = self.stream();
                format!("(new {target} {})", self.instruction(depth - 1))
            }
            13 => {
                let iterable = self.scalar().unwrap_or_else(|| "[]".into());
                self.fold(&iterable, depth)
            }
            _ => {
                let iterable = match self.choose(3) {
                    0 => "%m".into(),
                    _ => self.stream(),
                };
                self.fold(&iterable, depth)
            }
        }
    }

    fn fold(&mut self, iterable: &str, depth: usize) -> String {
        let iterator = self.name("i");
        self.iterators.push(iterator.clone());
        let body = self.instruction(depth - 1);
        self.iterators.pop();
        let word = ["seq", "par"][self.choose(2)];
        let last = ["", " (null)"][self.choose(2)];
        format!("(fold {iterable} {iterator} ({word} {body} (next {iterator})){last})")
    }
}
