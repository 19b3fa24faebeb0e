//! Verification of the stores of data from elsewhere (air-data §5.5, code 8).

use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;

use super::{Cid, CidMismatch, CidStores, Provenance, Store};

/// What a store holds, by the names that messages use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreKind {
    /// Values.
    Value,
    /// Tetraplets.
    Tetraplet,
    /// Elements of canons.
    CanonElement,
    /// Canon results.
    CanonResult,
    /// Service results.
    ServiceResult,
    /// Not a store: the trace, which refers to them.
    Trace,
}

impl StoreKind {
    fn name(self) -> &'static str {
        match self {
            Self::Value => "air_interpreter_data::raw_value::RawValue",
            Self::Tetraplet => "marine_call_parameters::SecurityTetraplet",
            Self::CanonElement => "air_interpreter_data::executed_state::CanonCidAggregate",
            Self::CanonResult => "air_interpreter_data::executed_state::CanonResultCidAggregate",
            Self::ServiceResult => {
                "air_interpreter_data::executed_state::ServiceResultCidAggregate"
            }
            Self::Trace => "air_interpreter_data::trace::ExecutionTrace",
        }
    }
}

/// Why stores are refused (code 8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// An entry is not what its CID says.
    Mismatch {
        /// The store.
        kind: StoreKind,
        /// The entry's CID.
        cid: Cid,
        /// How it does not match.
        cause: CidMismatch,
    },
    /// An entry refers to something that is not there.
    Dangling {
        /// Where the reference is.
        from: StoreKind,
        /// What it refers to.
        to: StoreKind,
        /// The CID that is missing.
        cid: Cid,
    },
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mismatch { kind, cid, cause: CidMismatch::OtherText } => {
                let kind = kind.name();
                write!(f, "Value mismatch in the {kind:?} store for CID {cid:?}")
            }
            Self::Mismatch { cause, .. } => write!(f, "{cause}"),
            Self::Dangling { from, to, cid } => {
                let (from, to) = (from.name(), to.name());
                write!(f, "Reference CID {cid:?} from type {from:?} to {to:?} was not found")
            }
        }
    }
}

/// Verifies the stores of `current`: every entry is what its CID says and refers to entries that are
/// there. What `previous`, which is trusted, has under the same CID is compared instead of hashed.
pub fn verify_stores(current: &CidStores, previous: &CidStores) -> Result<(), StoreError> {
    let mut json = String::new();
    for (cid, value) in current.values.iter() {
        if previous.values.get(cid).is_none_or(|known| known.text() != value.text()) {
            check(StoreKind::Value, cid, value.text())?;
        }
    }
    let kind = StoreKind::Tetraplet;
    verify_store(kind, &current.tetraplets, &previous.tetraplets, &mut json, |t, json| {
        t.write_json(json);
    })?;
    let kind = StoreKind::CanonElement;
    verify_store(kind, &current.canon_elements, &previous.canon_elements, &mut json, |e, json| {
        e.write_json(json);
    })?;
    let kind = StoreKind::CanonResult;
    verify_store(kind, &current.canon_results, &previous.canon_results, &mut json, |c, json| {
        c.write_json(json);
    })?;
    verify_canon_references(current)?;
    let kind = StoreKind::ServiceResult;
    verify_store(
        kind,
        &current.service_results,
        &previous.service_results,
        &mut json,
        |s, json| {
            s.write_json(json);
        },
    )?;
    verify_service_references(current)
}

fn verify_store<T: PartialEq>(
    kind: StoreKind,
    current: &Store<Arc<T>>,
    previous: &Store<Arc<T>>,
    json: &mut String,
    write: impl Fn(&T, &mut String),
) -> Result<(), StoreError> {
    for (cid, entry) in current.iter() {
        if previous.get(cid).is_none_or(|known| known != entry) {
            json.clear();
            write(entry, json);
            check(kind, cid, json)?;
        }
    }
    Ok(())
}

fn check(kind: StoreKind, cid: &Cid, json: &str) -> Result<(), StoreError> {
    cid.check(json).map_err(|cause| StoreError::Mismatch { kind, cid: cid.clone(), cause })
}

fn verify_canon_references(stores: &CidStores) -> Result<(), StoreError> {
    let from = StoreKind::CanonResult;
    for (_, result) in stores.canon_results.iter() {
        for element in &result.values {
            require(from, StoreKind::CanonElement, &stores.canon_elements, element)?;
        }
        require(from, StoreKind::Tetraplet, &stores.tetraplets, &result.tetraplet)?;
    }
    let from = StoreKind::CanonElement;
    for (_, element) in stores.canon_elements.iter() {
        require(from, StoreKind::Tetraplet, &stores.tetraplets, &element.tetraplet)?;
        require(from, StoreKind::Value, &stores.values, &element.value)?;
        match &element.provenance {
            Provenance::Literal => {}
            Provenance::ServiceResult(cid) => {
                require(from, StoreKind::ServiceResult, &stores.service_results, cid)?;
            }
            Provenance::Canon(cid) => {
                require(from, StoreKind::CanonResult, &stores.canon_results, cid)?;
            }
        }
    }
    Ok(())
}

fn verify_service_references(stores: &CidStores) -> Result<(), StoreError> {
    let from = StoreKind::ServiceResult;
    for (_, result) in stores.service_results.iter() {
        require(from, StoreKind::Tetraplet, &stores.tetraplets, &result.tetraplet_cid)?;
        require(from, StoreKind::Value, &stores.values, &result.value_cid)?;
    }
    Ok(())
}

fn require<T>(
    from: StoreKind,
    to: StoreKind,
    store: &Store<T>,
    cid: &Cid,
) -> Result<(), StoreError> {
    if store.get(cid).is_some() {
        Ok(())
    } else {
        Err(StoreError::Dangling { from, to, cid: cid.clone() })
    }
}
