//! Where a value comes from: security tetraplets and provenance.

use alloc::string::String;
use alloc::sync::Arc;

use super::Cid;
use crate::value::write_json_string;

/// A security tetraplet: which function of which service on which peer produced a value, and which
/// part of the result it is (air-language §4.8).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tetraplet {
    /// Peer that produced the value.
    pub peer_pk: Arc<str>,
    /// Service on it.
    pub service_id: Arc<str>,
    /// Function of the service.
    pub function_name: Arc<str>,
    /// Path inside the result, for example `.$.a.[0]`.
    pub lens: Arc<str>,
}

impl Tetraplet {
    /// A tetraplet that names only a peer: that of literals (the initial peer) and of canons.
    #[must_use]
    pub fn of_peer(peer_pk: Arc<str>) -> Self {
        let empty: Arc<str> = Arc::from("");
        Self { peer_pk, service_id: empty.clone(), function_name: empty.clone(), lens: empty }
    }

    /// The tetraplet of a call's whole result.
    #[must_use]
    pub fn of_call(peer_pk: Arc<str>, service_id: Arc<str>, function_name: Arc<str>) -> Self {
        Self { peer_pk, service_id, function_name, lens: Arc::from("") }
    }

    /// Appends the JSON object that CIDs are taken of, fields in their fixed order (air-data §5.2).
    pub fn write_json(&self, out: &mut String) {
        for (name, text) in [
            ("{\"peer_pk\":", &self.peer_pk),
            (",\"service_id\":", &self.service_id),
            (",\"function_name\":", &self.function_name),
            (",\"lens\":", &self.lens),
        ] {
            out.push_str(name);
            write_json_string(text, out);
        }
        out.push('}');
    }
}

/// What a value was made by.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Provenance {
    /// The script itself.
    #[default]
    Literal,
    /// The call result with this CID.
    ServiceResult(Cid),
    /// The canon result with this CID.
    Canon(Cid),
}

impl Provenance {
    /// Appends the JSON object with the kind and, if there is one, the CID.
    pub(super) fn write_json(&self, out: &mut String) {
        let (kind, cid) = match self {
            Self::Literal => ("literal", None),
            Self::ServiceResult(cid) => ("service_result", Some(cid)),
            Self::Canon(cid) => ("canon", Some(cid)),
        };
        out.push_str("{\"type\":\"");
        out.push_str(kind);
        out.push('"');
        if let Some(cid) = cid {
            out.push_str(",\"cid\":");
            cid.write_json(out);
        }
        out.push('}');
    }
}
