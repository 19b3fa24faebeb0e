//! A script as a tree that can be printed and made smaller.

use std::fmt;

/// An instruction with its children; operands are kept as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tree {
    /// An instruction without children, as text.
    Leaf(String),
    /// `seq`, `par` or `xor`.
    Pair(&'static str, Box<Tree>, Box<Tree>),
    /// `match`, `mismatch` or `new`: everything up to the body, and the body.
    Block(String, Box<Tree>),
    /// `fold`: everything up to the body, the body, the last instruction.
    Fold(String, Box<Tree>, Option<Box<Tree>>),
}

impl Tree {
    /// `(null)`.
    #[must_use]
    pub fn null() -> Self {
        Self::Leaf("(null)".into())
    }

    /// A pair.
    #[must_use]
    pub fn pair(word: &'static str, left: Self, right: Self) -> Self {
        Self::Pair(word, Box::new(left), Box::new(right))
    }

    /// How many instructions there are.
    #[must_use]
    pub fn size(&self) -> usize {
        1 + self.children().iter().map(|child| child.size()).sum::<usize>()
    }

    /// Every tree that is this one with one instruction replaced by one of its children or by `null`,
    /// or with a fold's last instruction left out; the largest cuts first.
    #[must_use]
    pub fn smaller(&self) -> Vec<Self> {
        let mut out: Vec<Self> = self.children().into_iter().cloned().collect();
        if *self != Self::null() {
            out.push(Self::null());
        }
        match self {
            Self::Leaf(_) => {}
            Self::Pair(word, left, right) => {
                out.extend(
                    left.smaller().into_iter().map(|l| Self::pair(word, l, (**right).clone())),
                );
                out.extend(
                    right.smaller().into_iter().map(|r| Self::pair(word, (**left).clone(), r)),
                );
            }
            Self::Block(head, body) => {
                out.extend(body.smaller().into_iter().map(|b| Self::Block(head.clone(), b.into())));
            }
            Self::Fold(head, body, last) => {
                if last.is_some() {
                    out.push(Self::Fold(head.clone(), body.clone(), None));
                }
                for b in body.smaller() {
                    out.push(Self::Fold(head.clone(), b.into(), last.clone()));
                }
                for l in last.iter().flat_map(|last| last.smaller()) {
                    out.push(Self::Fold(head.clone(), body.clone(), Some(l.into())));
                }
            }
        }
        out.sort_by_key(Self::size);
        out
    }

    fn children(&self) -> Vec<&Self> {
        match self {
            Self::Leaf(_) => Vec::new(),
            Self::Pair(_, left, right) => vec![left, right],
            Self::Block(_, body) => vec![body],
            Self::Fold(_, body, last) => std::iter::once(&**body).chain(last.as_deref()).collect(),
        }
    }
}

impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Leaf(text) => f.write_str(text),
            Self::Pair(word, left, right) => write!(f, "({word} {left} {right})"),
            Self::Block(head, body) => write!(f, "({head} {body})"),
            Self::Fold(head, body, None) => write!(f, "({head} {body})"),
            Self::Fold(head, body, Some(last)) => write!(f, "({head} {body} {last})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Tree;

    #[test]
    fn every_smaller_tree_has_fewer_instructions_or_is_a_null_in_place_of_a_leaf() {
        let leaf = || Tree::Leaf("(never)".into());
        let tree = Tree::pair("seq", leaf(), Tree::Fold("fold x i".into(), leaf().into(), None));
        for smaller in tree.smaller() {
            assert!(smaller.size() <= tree.size());
            assert_ne!(smaller, tree);
        }
        assert_eq!(Tree::null().smaller(), Vec::new());
    }

    #[test]
    fn a_tree_prints_as_a_script() {
        let tree = Tree::Fold(
            "fold $s i".into(),
            Tree::pair("par", Tree::Leaf("(next i)".into()), Tree::null()).into(),
            Some(Tree::null().into()),
        );
        assert_eq!(tree.to_string(), "(fold $s i (par (next i) (null)) (null))");
    }
}
