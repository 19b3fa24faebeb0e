//! What must hold of any parse.

use air_core::Script;
use air_core::text::{print, tree_json};

/// A parse never panics; what it gives is consistent.
pub fn check(text: &str) {
    match Script::parse(text) {
        Ok(script) => {
            for (index, node) in script.nodes().iter().enumerate() {
                assert!(text.is_char_boundary(node.span.left as usize));
                assert!(text[..node.span.right as usize].ends_with(')'));
                assert!(node.instruction.children().all(|child| child.index() < index));
            }
            assert_eq!(script.root().index() + 1, script.nodes().len());
            prints_to_the_same_tree(&script);
        }
        Err(error) => {
            assert!(!error.diagnostics().is_empty());
            for diagnostic in error.diagnostics() {
                let span = diagnostic.span;
                assert!(span.left <= span.right && span.right as usize <= text.len());
                assert!(text.get(span.left as usize..span.right as usize).is_some());
            }
            assert!(error.render().ends_with("\n\n"));
        }
    }
}

/// The printed script parses to the same tree, and prints the same again.
pub fn prints_to_the_same_tree(script: &Script) {
    let printed = print(script);
    let again = Script::parse(&printed).unwrap_or_else(|error| panic!("{printed}{error}"));
    assert_eq!(without_places(script), without_places(&again), "{printed}");
    // What is printed once stays as it is.
    assert_eq!(print(&again), printed);
}

fn without_places(script: &Script) -> String {
    let places = ["\"position\":", "\"span\":", "\"right\":"];
    let keep = |piece: &str| match places.iter().any(|place| piece.starts_with(place)) {
        true => piece.trim_start_matches(|c| c != '}').to_owned(),
        false => piece.to_owned(),
    };
    tree_json(script).split(',').map(keep).collect::<Vec<_>>().join(",")
}
