//! Differences that have a known cause: defects of the reference that we do not share, and our bounds.
//!
//! Each is listed in `air-core/DIFFERENCES.md` with what we do in its place. A difference counts as known
//! only where both its form and the script fit the cause.

use super::scenario::Difference;
use super::tree::Tree;
use crate::air::Field;

/// Codes of our own bounds on frames, trace, memory and depth, which the reference does not have.
const OWN_BOUNDS: std::ops::RangeInclusive<i64> = 40000..=40003;
/// The code of an inconsistent trace.
const TRACE_ERROR: i64 = 20000;
/// The code of call results that nothing took.
const UNPROCESSED_RESULTS: i64 = 30000;

/// The name of the cause, if the difference has a known one.
#[must_use]
pub fn cause(script: &Tree, difference: &Difference, reference_code: i64) -> Option<&'static str> {
    let ours = difference.ours.ret_code;
    if OWN_BOUNDS.contains(&ours) {
        return Some("a bound of ours");
    }
    let lost = reference_code == UNPROCESSED_RESULTS
        || (reference_code == ours && difference.fields.contains(&Field::Data));
    let misplaced = lost || (reference_code == TRACE_ERROR && ours != TRACE_ERROR);
    if misplaced && takes_state_before_operand(&script.to_string()) {
        return Some("state taken before its operand failed");
    }
    if lost && appends_to_what_it_folds(script) {
        return Some("iterations of a recursive fold lost");
    }
    (misplaced && fails_to_take_in_left_of_par(script)).then_some("left window of par not moved")
}

/// Whether a stream map's key or a canon's peer is a variable: the reference takes the trace's state
/// first and resolves the variable then.
fn takes_state_before_operand(text: &str) -> bool {
    let variable_after = |word: &str| {
        text.match_indices(word).any(|(at, _)| {
            let rest = &text[at + word.len()..];
            !rest.starts_with(['"', '%', '-']) && !rest.starts_with(|c: char| c.is_ascii_digit())
        })
    };
    variable_after("(ap (") || variable_after("(canon ")
}

/// Whether the left side of a par has a call with an argument that can fail: it is recorded while the
/// argument is missing, and leaves its state untaken once the argument fails.
fn fails_to_take_in_left_of_par(tree: &Tree) -> bool {
    let can_fail = |left: &Tree| {
        let text = left.to_string();
        text.split("(call ").skip(1).any(|call| {
            let call = call.split(']').next().unwrap_or_default();
            call.contains(".$") || call.contains(".length")
        })
    };
    match tree {
        Tree::Leaf(_) => false,
        Tree::Pair("par", left, right) => {
            can_fail(left)
                || fails_to_take_in_left_of_par(left)
                || fails_to_take_in_left_of_par(right)
        }
        Tree::Pair(_, left, right) => {
            fails_to_take_in_left_of_par(left) || fails_to_take_in_left_of_par(right)
        }
        Tree::Block(_, body) => fails_to_take_in_left_of_par(body),
        Tree::Fold(_, body, last) => {
            fails_to_take_in_left_of_par(body)
                || last.as_deref().is_some_and(fails_to_take_in_left_of_par)
        }
    }
}

/// Whether the body or the last instruction of a fold over a stream or stream map appends to it.
fn appends_to_what_it_folds(tree: &Tree) -> bool {
    match tree {
        Tree::Leaf(_) => false,
        Tree::Pair(_, left, right) => {
            appends_to_what_it_folds(left) || appends_to_what_it_folds(right)
        }
        Tree::Block(_, body) => appends_to_what_it_folds(body),
        Tree::Fold(head, body, last) => {
            let folded = head.split(' ').nth(1).unwrap_or_default();
            let into = format!(" {folded})");
            let appends = |part: &Tree| part.to_string().contains(&into);
            let recursive = appends(body) || last.as_deref().is_some_and(appends);
            (folded.starts_with(['$', '%']) && recursive)
                || appends_to_what_it_folds(body)
                || last.as_deref().is_some_and(appends_to_what_it_folds)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_key_and_a_variable_peer_are_recognised() {
        assert!(takes_state_before_operand("(ap (x 1) %m)"));
        assert!(takes_state_before_operand("(canon x $s #$c)"));
        assert!(!takes_state_before_operand("(seq (ap (\"k\" x) %m) (canon %init_peer_id% %m x))"));
        assert!(!takes_state_before_operand("(ap (-1 x) %m)"));
    }

    #[test]
    fn a_call_that_can_fail_counts_only_on_the_left_of_a_par() {
        let call = || Tree::Leaf("(call \"p\" (\"s\" \"f\") [1 x.$.a] )".into());
        let par = |left, right| Tree::pair("seq", Tree::null(), Tree::pair("par", left, right));
        assert!(fails_to_take_in_left_of_par(&par(call(), Tree::null())));
        assert!(!fails_to_take_in_left_of_par(&par(Tree::null(), call())));
    }

    #[test]
    fn a_recursive_fold_is_recognised_at_any_depth() {
        let fold = |leaf: &str| {
            let fold = Tree::Fold("fold $s i".into(), Tree::Leaf(leaf.into()).into(), None);
            Tree::Block("new %m".into(), Tree::pair("par", Tree::null(), fold).into())
        };
        assert!(appends_to_what_it_folds(&fold("(ap 1 $s)")));
        assert!(!appends_to_what_it_folds(&fold("(ap 1 $s1)")));
    }
}
