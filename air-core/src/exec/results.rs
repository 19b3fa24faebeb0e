//! Call results that wait for their calls.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use crate::step::CallResult;

/// Call results by number. A number is a text here, for a host may send a text that is none; nobody
/// waits for that one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct CallResults(BTreeMap<String, CallResult>);

impl CallResults {
    pub(crate) fn take(&mut self, id: u32) -> Option<CallResult> {
        if self.0.is_empty() { None } else { self.0.remove(&id.to_string()) }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The longest result text, in bytes.
    pub(crate) fn longest(&self) -> usize {
        self.0.values().map(|result| result.result.len()).max().unwrap_or(0)
    }
}

impl From<Vec<(u32, CallResult)>> for CallResults {
    fn from(results: Vec<(u32, CallResult)>) -> Self {
        Self(results.into_iter().map(|(id, result)| (id.to_string(), result)).collect())
    }
}

impl From<Vec<(String, CallResult)>> for CallResults {
    fn from(results: Vec<(String, CallResult)>) -> Self {
        Self(results.into_iter().collect())
    }
}

impl fmt::Display for CallResults {
    /// As the reference prints its map, in order of the texts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (index, (id, CallResult { ret_code, result })) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{id:?}: CallServiceResult {{ ret_code: {ret_code}, result: {result:?} }}")?;
        }
        f.write_str("}")
    }
}
