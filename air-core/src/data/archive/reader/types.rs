//! The archived types, fields in declared order (air-data §3.3).

use alloc::sync::Arc;

use super::super::layout;
use super::{ArchiveError, Read, Reader, Shared};
use crate::data::{
    CallState, CanonElement, CanonResult, CanonState, FoldLore, Generations, ParticleData,
    Provenance, Sender, ServiceResult, SignatureEntry, State, StoredValue, SubTrace, SubTraces,
    Tetraplet, ValueRef,
};

impl Reader<'_> {
    pub(super) fn root(&mut self, at: usize) -> Read<ParticleData> {
        let mut data =
            ParticleData { trace: self.vec(at, layout::STATE, Self::state)?, ..Default::default() };
        data.last_call_request_id = self.u32(at + 8)?;
        data.stores.values = self.store(at + 12, Self::stored_value)?;
        data.stores.tetraplets = self.store(at + 20, Self::tetraplet)?;
        data.stores.canon_elements = self.store(at + 28, Self::canon_element)?;
        data.stores.canon_results = self.store(at + 36, Self::canon_result)?;
        data.stores.service_results = self.store(at + 44, Self::service_result)?;
        for entry in self.vec(at + 52, layout::SIGNATURE_ENTRY, Self::signature)? {
            data.signatures.put(entry);
        }
        Ok(data)
    }

    fn state(&mut self, at: usize) -> Read<State> {
        let inner = at + 4;
        Ok(match self.tag(at)? {
            layout::TAG_PAR => State::Par { left: self.u32(inner)?, right: self.u32(inner + 4)? },
            layout::TAG_CALL => State::Call(self.call(inner)?),
            layout::TAG_FOLD => State::Fold(self.vec(inner, layout::FOLD_LORE, Self::fold_lore)?),
            layout::TAG_AP => State::Ap(self.generations(inner)?),
            layout::TAG_CANON => State::Canon(self.canon(inner)?),
            tag => return Err(ArchiveError::InvalidTag(tag)),
        })
    }

    fn call(&mut self, at: usize) -> Read<CallState> {
        let inner = at + 4;
        Ok(match self.tag(at)? {
            layout::TAG_REQUEST_SENT_BY => CallState::RequestSentBy(self.sender(inner)?),
            layout::TAG_EXECUTED => CallState::Executed(self.value_ref(inner)?),
            layout::TAG_FAILED => CallState::Failed(self.cid(inner)?),
            tag => return Err(ArchiveError::InvalidTag(tag)),
        })
    }

    fn sender(&mut self, at: usize) -> Read<Sender> {
        let inner = at + 4;
        Ok(match self.tag(at)? {
            layout::TAG_PEER => Sender { peer_id: self.peer(inner)?, call_id: None },
            layout::TAG_PEER_WITH_CALL_ID => {
                Sender { peer_id: self.peer(inner)?, call_id: Some(self.u32(inner + 4)?) }
            }
            tag => return Err(ArchiveError::InvalidTag(tag)),
        })
    }

    fn value_ref(&mut self, at: usize) -> Read<ValueRef> {
        let inner = at + 4;
        Ok(match self.tag(at)? {
            layout::TAG_SCALAR => ValueRef::Scalar(self.cid(inner)?),
            layout::TAG_STREAM => ValueRef::Stream {
                cid: self.cid(inner)?,
                generation: self.u32(inner + layout::CID)?,
            },
            layout::TAG_UNUSED => ValueRef::Unused(self.cid(inner)?),
            tag => return Err(ArchiveError::InvalidTag(tag)),
        })
    }

    fn canon(&mut self, at: usize) -> Read<CanonState> {
        let inner = at + 4;
        Ok(match self.tag(at)? {
            layout::TAG_REQUEST_SENT_BY => CanonState::RequestSentBy(self.peer(inner)?),
            layout::TAG_EXECUTED => CanonState::Executed(self.cid(inner)?),
            tag => return Err(ArchiveError::InvalidTag(tag)),
        })
    }

    fn generations(&mut self, at: usize) -> Read<Generations> {
        if self.u32(at + 4)? == 1 {
            // The usual case, without a vector.
            let target = self.target(at)?;
            let after = self.enter(target, layout::GENERATION, layout::ALIGNMENT)?;
            self.leave(after);
            return self.u32(target).map(Generations::One);
        }
        let generations = self.vec(at, layout::GENERATION, |reader, at| reader.u32(at))?;
        Ok(Generations::Other(generations.into()))
    }

    fn fold_lore(&mut self, at: usize) -> Read<FoldLore> {
        let value_pos = self.u32(at)?;
        let subtraces = self.vec(at + 4, layout::SUBTRACE, |reader, at| {
            Ok(SubTrace { begin: reader.u32(at)?, len: reader.u32(at + 4)? })
        })?;
        let subtraces = match subtraces.as_slice() {
            [before, after] => SubTraces::Pair(*before, *after),
            _ => SubTraces::Other(subtraces.into()),
        };
        Ok(FoldLore { value_pos, subtraces })
    }

    fn stored_value(&mut self, at: usize) -> Read<StoredValue> {
        let text = self.structure(
            at,
            layout::RAW_VALUE,
            |shared| if let Shared::Value(text) = shared { Some(text) } else { None },
            Self::boxed_text,
            Shared::Value,
        )?;
        Ok(StoredValue::from_text(text))
    }

    fn tetraplet(&mut self, at: usize) -> Read<Arc<Tetraplet>> {
        self.structure(
            at,
            layout::TETRAPLET,
            |shared| if let Shared::Tetraplet(object) = shared { Some(object) } else { None },
            |reader, at| {
                Ok(Arc::new(Tetraplet {
                    peer_pk: reader.string(at)?,
                    service_id: reader.string(at + layout::STRING)?,
                    function_name: reader.string(at + 2 * layout::STRING)?,
                    lens: reader.string(at + 3 * layout::STRING)?,
                }))
            },
            Shared::Tetraplet,
        )
    }

    fn canon_element(&mut self, at: usize) -> Read<Arc<CanonElement>> {
        self.structure(
            at,
            layout::CANON_ELEMENT,
            |shared| if let Shared::CanonElement(object) = shared { Some(object) } else { None },
            |reader, at| {
                Ok(Arc::new(CanonElement {
                    value: reader.cid(at)?,
                    tetraplet: reader.cid(at + layout::CID)?,
                    provenance: reader.provenance(at + 2 * layout::CID)?,
                }))
            },
            Shared::CanonElement,
        )
    }

    fn provenance(&mut self, at: usize) -> Read<Provenance> {
        Ok(match self.tag(at)? {
            layout::TAG_LITERAL => Provenance::Literal,
            layout::TAG_SERVICE_RESULT => Provenance::ServiceResult(self.cid(at + 4)?),
            layout::TAG_CANON_RESULT => Provenance::Canon(self.cid(at + 4)?),
            tag => return Err(ArchiveError::InvalidTag(tag)),
        })
    }

    fn canon_result(&mut self, at: usize) -> Read<Arc<CanonResult>> {
        self.structure(
            at,
            layout::CANON_RESULT,
            |shared| if let Shared::CanonResult(object) = shared { Some(object) } else { None },
            |reader, at| {
                Ok(Arc::new(CanonResult {
                    tetraplet: reader.cid(at)?,
                    values: reader.vec(at + layout::CID, layout::CID, Self::cid)?,
                }))
            },
            Shared::CanonResult,
        )
    }

    fn service_result(&mut self, at: usize) -> Read<Arc<ServiceResult>> {
        self.structure(
            at,
            layout::SERVICE_RESULT,
            |shared| if let Shared::ServiceResult(object) = shared { Some(object) } else { None },
            |reader, at| {
                Ok(Arc::new(ServiceResult {
                    value_cid: reader.cid(at)?,
                    argument_hash: reader.cid(at + layout::CID)?,
                    tetraplet_cid: reader.cid(at + 2 * layout::CID)?,
                }))
            },
            Shared::ServiceResult,
        )
    }

    fn signature(&mut self, at: usize) -> Read<SignatureEntry> {
        Ok(SignatureEntry {
            public_key: self.boxed_bytes(at)?,
            signature: self.boxed_bytes(at + 8)?,
        })
    }
}
