//! Random scripts that the parser accepts, over every instruction of the language.

use super::dice::Dice;
use super::tree::Tree;

/// Most instructions that a generated script holds, about.
pub const MAX_INSTRUCTIONS: usize = 40;

/// Functions of the services that scripts call; a name says what the function answers
/// (see [`super::service`]).
pub const FUNCTIONS: [&str; 9] =
    ["num", "str", "arr", "obj", "peer", "peers", "any", "fail", "err"];

/// A random script that runs on the given peers.
#[must_use]
pub fn generate(dice: &mut Dice, peers: &[String]) -> Tree {
    let budget = 3 + dice.below(MAX_INSTRUCTIONS - 3);
    let mut writer = Writer { dice, peers, names: Names::default(), fresh: 0 };
    writer.tree(budget)
}

/// Names that are defined further left, by kind; definitions are never forgotten, as in the
/// reference's validation.
#[derive(Default)]
struct Names {
    scalars: Vec<String>,
    streams: Vec<String>,
    maps: Vec<String>,
    canons: Vec<String>,
    canon_maps: Vec<String>,
    iterators: Vec<String>,
}

struct Writer<'a> {
    dice: &'a mut Dice,
    peers: &'a [String],
    names: Names,
    fresh: usize,
}

impl Writer<'_> {
    fn tree(&mut self, budget: usize) -> Tree {
        if budget <= 1 {
            return self.leaf();
        }
        match self.dice.weighted(&[30, 18, 10, 7, 9, 5, 21]) {
            0 => self.pair("seq", budget),
            1 => self.pair("par", budget),
            2 => self.pair("xor", budget),
            3 => {
                let word = if self.dice.chance(50) { "match" } else { "mismatch" };
                let (a, b) = (self.value(), self.value());
                let b = if self.dice.chance(40) { a.clone() } else { b };
                Tree::Block(format!("{word} {a} {b}"), self.tree(budget - 1).into())
            }
            4 => self.fold(budget),
            5 => {
                let variable = self.restricted();
                Tree::Block(format!("new {variable}"), self.tree(budget - 1).into())
            }
            _ => self.leaf(),
        }
    }

    fn pair(&mut self, word: &'static str, budget: usize) -> Tree {
        let left = 1 + self.dice.below(budget - 1);
        let first = self.tree(left);
        let second = self.tree(budget.saturating_sub(left + 1).max(1));
        Tree::pair(word, first, second)
    }

    fn leaf(&mut self) -> Tree {
        Tree::Leaf(match self.dice.weighted(&[44, 20, 9, 14, 5, 2, 3]) {
            0 => self.call(),
            1 => self.ap(),
            2 => {
                let (key, value) = (self.map_key(), self.ap_value());
                let map = self.map_target();
                format!("(ap ({key} {value}) {map})")
            }
            3 => self.canon(),
            4 => self.fail(),
            5 => "(never)".into(),
            _ => "(null)".into(),
        })
    }

    fn call(&mut self) -> String {
        let peer = self.peer();
        let function = FUNCTIONS[self.dice.weighted(&[16, 14, 16, 16, 10, 6, 14, 5, 3])];
        let service = if self.dice.chance(90) { "\"s\"".into() } else { self.triplet_part() };
        let arguments: Vec<_> = (0..self.dice.below(4)).map(|_| self.value()).collect();
        let output = match self.dice.weighted(&[60, 25, 15]) {
            0 => self.scalar_target(),
            1 => self.stream_target(),
            _ => String::new(),
        };
        format!("(call {peer} ({service} \"{function}\") [{}] {output})", arguments.join(" "))
    }

    fn ap(&mut self) -> String {
        let value = self.ap_value();
        let target = if self.dice.chance(65) { self.stream_target() } else { self.scalar_target() };
        format!("(ap {value} {target})")
    }

    fn canon(&mut self) -> String {
        let peer = self.peer();
        if self.dice.chance(60) {
            let stream = self.known(|n| &n.streams).unwrap_or_else(|| "$s0".into());
            let canon = self.fresh_or_known("#$c", 30, |n| &mut n.canons);
            return format!("(canon {peer} {stream} {canon})");
        }
        let map = self.known(|n| &n.maps).unwrap_or_else(|| "%m0".into());
        let target = if self.dice.chance(65) {
            self.fresh_or_known("#%k", 30, |n| &mut n.canon_maps)
        } else {
            self.scalar_target()
        };
        format!("(canon {peer} {map} {target})")
    }

    fn fail(&mut self) -> String {
        match self.dice.below(6) {
            0 => "(fail %last_error%)".into(),
            1 => "(fail :error:)".into(),
            2 => match self.known(|n| &n.scalars) {
                Some(name) => format!("(fail {name})"),
                None => "(fail 3 \"three\")".into(),
            },
            3 => match self.known(|n| &n.canons) {
                Some(name) => format!("(fail {name}.$.[0])"),
                None => "(fail -1 \"minus\")".into(),
            },
            n => format!("(fail {} \"failed {n}\")", n + 40),
        }
    }

    fn fold(&mut self, budget: usize) -> Tree {
        let iterator = self.fresh_name("i");
        let (iterable, over_stream) = self.iterable();
        let head = format!("fold {iterable} {iterator}");
        self.names.iterators.push(iterator.clone());
        let next = Tree::Leaf(format!("(next {iterator})"));
        let body_budget = budget.saturating_sub(2).max(1);
        let inner = self.tree(body_budget / 2 + 1);
        let mut body = match self.dice.below(if over_stream { 6 } else { 9 }) {
            0 | 1 => Tree::pair("seq", inner, next),
            2 | 3 => Tree::pair("par", inner, next),
            4 => Tree::pair("xor", Tree::pair("seq", inner, next), Tree::null()),
            5 => inner,
            6 => Tree::pair("seq", next, inner),
            7 => Tree::pair("par", next, inner),
            _ => Tree::pair("seq", inner, Tree::pair("seq", next, self.tree(body_budget / 3 + 1))),
        };
        if self.dice.chance(10) {
            let variable = self.restricted();
            if variable != iterator {
                body = Tree::Block(format!("new {variable}"), body.into());
            }
        }
        self.names.iterators.pop();
        let last = match self.dice.below(10) {
            0..5 => None,
            5..8 => Some(Tree::null()),
            8 => Some(Tree::Leaf("(never)".into())),
            _ => Some(self.tree(2)),
        };
        Tree::Fold(head, body.into(), last.map(Box::new))
    }

    fn iterable(&mut self) -> (String, bool) {
        let kind = self.dice.weighted(&[30, 40, 12, 10, 8, 2]);
        let found = match kind {
            0 => self.known(|n| &n.scalars),
            1 => self.known(|n| &n.streams),
            2 => self.known(|n| &n.maps),
            3 => self.known(|n| &n.canons),
            4 => self.known(|n| &n.canon_maps),
            _ => None,
        };
        match found {
            Some(name) if kind == 0 && self.dice.chance(25) => (format!("{name}.$.b"), false),
            Some(name) => (name, kind == 1 || kind == 2),
            None => ("[]".into(), false),
        }
    }

    fn value(&mut self) -> String {
        match self.dice.weighted(&[25, 45, 12, 8, 10]) {
            0 => self.literal(),
            1 => self.scalar_use(),
            2 => self.canon_use(),
            3 => self.canon_map_use(true),
            _ => self.special(),
        }
    }

    fn ap_value(&mut self) -> String {
        match self.dice.weighted(&[30, 45, 12, 5, 8]) {
            0 => self.literal(),
            1 => self.scalar_use(),
            2 => self.canon_use(),
            3 => self.canon_map_use(false),
            _ => self.special(),
        }
    }

    fn literal(&mut self) -> String {
        const LITERALS: [&str; 12] = [
            "1", "0", "-7", "2.5", "-0.0", "1.0", "true", "false", "[]", "\"a\"", "\"text\"",
            "\"\"",
        ];
        LITERALS[self.dice.below(LITERALS.len())].into()
    }

    fn special(&mut self) -> String {
        const SPECIAL: [&str; 10] = [
            "%init_peer_id%",
            "%timestamp%",
            "%ttl%",
            "%last_error%",
            "%last_error%.$.message",
            "%last_error%.$.error_code",
            ":error:",
            ":error:.$.message",
            ":error:.$.error_code",
            "%last_error%.$.instruction",
        ];
        SPECIAL[self.dice.below(SPECIAL.len())].into()
    }

    fn scalar_use(&mut self) -> String {
        let iterator = self.dice.chance(45).then(|| self.known(|n| &n.iterators)).flatten();
        let Some(name) = iterator.or_else(|| self.known(|n| &n.scalars)) else {
            return self.literal();
        };
        match self.dice.weighted(&[70, 8, 8, 6, 4, 4]) {
            0 => name,
            1 => format!("{name}.$.a"),
            2 => format!("{name}.$.[0]"),
            3 => format!("{name}.length"),
            4 => format!("{name}.$.b.[1]"),
            _ => match self.known(|n| &n.scalars) {
                Some(index) => format!("{name}.$.[{index}]"),
                None => name,
            },
        }
    }

    fn canon_use(&mut self) -> String {
        let Some(name) = self.known(|n| &n.canons) else { return self.literal() };
        match self.dice.weighted(&[55, 15, 10, 10, 10]) {
            0 => name,
            1 => format!("{name}.$.[0]"),
            2 => format!("{name}.length"),
            3 => format!("{name}.$.[1].a"),
            _ => match self.known(|n| &n.scalars) {
                Some(index) => format!("{name}.$.[{index}]"),
                None => name,
            },
        }
    }

    fn canon_map_use(&mut self, whole: bool) -> String {
        let Some(name) = self.known(|n| &n.canon_maps) else { return self.literal() };
        match self.dice.weighted(&[if whole { 40 } else { 0 }, 25, 15, 10, 10]) {
            0 => name,
            1 => format!("{name}.$.a"),
            2 => format!("{name}.$.[1]"),
            3 => format!("{name}.length"),
            _ => format!("{name}.$.a.[0]"),
        }
    }

    fn map_key(&mut self) -> String {
        match self.dice.weighted(&[50, 25, 25]) {
            0 => ["\"a\"", "\"b\"", "\"1\""][self.dice.below(3)].into(),
            1 => ["1", "2", "-1"][self.dice.below(3)].into(),
            _ => self.known(|n| &n.scalars).unwrap_or_else(|| "\"a\"".into()),
        }
    }

    fn peer(&mut self) -> String {
        if self.dice.chance(10) {
            return self.triplet_part();
        }
        let peers = self.peers;
        match self.dice.pick(peers) {
            Some(peer) if self.dice.chance(88) => format!("\"{peer}\""),
            _ => "%init_peer_id%".into(),
        }
    }

    fn triplet_part(&mut self) -> String {
        match self.dice.below(5) {
            0 => self.known(|n| &n.canons).map(|name| format!("{name}.$.[0]")),
            1 => self.known(|n| &n.iterators),
            2 => self.known(|n| &n.canon_maps).map(|name| format!("{name}.$.a.[0]")),
            _ => self.known(|n| &n.scalars),
        }
        .unwrap_or_else(|| "\"s\"".into())
    }

    fn restricted(&mut self) -> String {
        match self.dice.weighted(&[20, 45, 15, 10, 10]) {
            0 => self.known(|n| &n.scalars).unwrap_or_else(|| "x0".into()),
            1 => self.stream_target(),
            2 => self.map_target(),
            3 => self.fresh_or_known("#$c", 80, |n| &mut n.canons),
            _ => self.fresh_or_known("#%k", 80, |n| &mut n.canon_maps),
        }
    }

    fn scalar_target(&mut self) -> String {
        self.fresh_or_known("x", 12, |n| &mut n.scalars)
    }

    fn stream_target(&mut self) -> String {
        self.fresh_or_known("$s", 75, |n| &mut n.streams)
    }

    fn map_target(&mut self) -> String {
        self.fresh_or_known("%m", 80, |n| &mut n.maps)
    }

    fn known(&mut self, of: impl Fn(&Names) -> &Vec<String>) -> Option<String> {
        self.dice.pick(of(&self.names)).cloned()
    }

    /// A name that is known already in `percent` of a hundred cases, else a new one.
    fn fresh_or_known(
        &mut self,
        prefix: &str,
        percent: usize,
        of: impl Fn(&mut Names) -> &mut Vec<String>,
    ) -> String {
        if self.dice.chance(percent)
            && let Some(name) = self.dice.pick(of(&mut self.names))
        {
            return name.clone();
        }
        let name = self.fresh_name(prefix);
        of(&mut self.names).push(name.clone());
        name
    }

    fn fresh_name(&mut self, prefix: &str) -> String {
        self.fresh += 1;
        format!("{prefix}{}", self.fresh)
    }
}

#[cfg(test)]
mod tests {
    use super::{Dice, generate};

    #[test]
    fn nearly_every_generated_script_parses() {
        let peers = ["A".to_string(), "B".to_string()];
        let accepted = (0..300)
            .filter(|seed| {
                let script = generate(&mut Dice::new(*seed), &peers).to_string();
                air_core::Script::parse(&script).is_ok()
            })
            .count();
        assert!(accepted > 270, "{accepted} of 300");
    }
}
