//! `canon` in its three forms (air-language §6.4).

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::ast::{NodeId, TripletPart, Variable};
use crate::data::{CanonElement, CanonResult, CanonState, Cid, Provenance, State, Tetraplet};

use super::call_result::not_found;
use super::canon_values::{CanonMap, CanonStream, first_values};
use super::datum::Datum;
use super::failure::{Failure, Unresolved};
use super::frame::{Begun, Flow};
use super::machine::{ITEM_BYTES, Machine};

/// How a form of `canon` takes its snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Snapshot {
    /// The values as they are.
    Values,
    /// One object with the first value of each key.
    FirstValues,
}

impl Machine {
    pub(super) fn canon(
        &mut self,
        node: NodeId,
        peer: TripletPart,
        stream: Variable,
        target: Variable,
    ) -> Begun {
        let Some(canon) = self.fixed(node, peer, stream, Snapshot::Values)? else {
            return Ok(Flow::Done);
        };
        let set = self.scopes_mut().set_canon(target.name, Arc::new(canon));
        set.map_err(|_| Failure::shadowing_not_allowed(self.script.name(target.name)))?;
        Ok(Flow::Done)
    }

    pub(super) fn canon_to_map(
        &mut self,
        node: NodeId,
        peer: TripletPart,
        map: Variable,
        target: Variable,
    ) -> Begun {
        let Some(canon) = self.fixed(node, peer, map, Snapshot::Values)? else {
            return Ok(Flow::Done);
        };
        let set = self.scopes_mut().set_map(target.name, Arc::new(CanonMap::new(canon)?));
        set.map_err(|_| Failure::shadowing_not_allowed(self.script.name(target.name)))?;
        Ok(Flow::Done)
    }

    pub(super) fn canon_to_scalar(
        &mut self,
        node: NodeId,
        peer: TripletPart,
        map: Variable,
        target: Variable,
    ) -> Begun {
        let Some(canon) = self.fixed(node, peer, map, Snapshot::FirstValues)? else {
            return Ok(Flow::Done);
        };
        if self.iterator(target.name).is_some() {
            return Err(Failure::iterable_shadowing(self.script.name(target.name)));
        }
        let provenance = canon.provenance();
        let first = canon.values.into_iter().next();
        let value = first.ok_or_else(Failure::no_scalar_in_canon_map)?.value;
        self.set_scalar(target.name, Datum::new(value, canon.tetraplet, provenance))?;
        Ok(Flow::Done)
    }

    /// The fixed values and their state; nothing if the canon is not done yet.
    ///
    /// The peer is resolved before the state is taken: the reference takes it first and loses it when
    /// the peer fails (§13, quirk 7). Only a state that is there makes an absent peer an error.
    fn fixed(
        &mut self,
        node: NodeId,
        peer: TripletPart,
        source: Variable,
        snapshot: Snapshot,
    ) -> Result<Option<CanonStream>, Failure> {
        let peer = match self.triplet_part(peer) {
            Err(Unresolved::Failed(failure)) => return Err(failure),
            resolved => resolved,
        };
        self.check_trace()?;
        let state = self.merge.take_canon().map_err(|error| self.trace_error(node, &error))?;
        let peer = match (peer, &state) {
            (Ok(peer), _) => peer,
            (Err(_), None) => {
                self.complete = false;
                return Ok(None);
            }
            (Err(unresolved), Some(_)) => return Err(self.not_joinable(unresolved)),
        };
        let canon = match state {
            Some(CanonState::Executed(cid)) => self.replayed_canon(&peer, cid)?,
            _ if self.is_here(&peer) => self.take_snapshot(&peer, source, snapshot)?,
            before => {
                self.complete = false;
                let before = before.unwrap_or_else(|| {
                    self.send_to(&peer);
                    CanonState::RequestSentBy(self.parameters.current_peer_id.clone())
                });
                self.push_state(State::Canon(before))?;
                return Ok(None);
            }
        };
        self.track(&peer, &canon.cid);
        self.push_state(State::Canon(CanonState::Executed(canon.cid.clone())))?;
        Ok(Some(canon))
    }

    /// Fixes what the stream holds now.
    fn take_snapshot(
        &mut self,
        peer: &Arc<str>,
        source: Variable,
        snapshot: Snapshot,
    ) -> Result<CanonStream, Failure> {
        let tetraplet = Arc::new(Tetraplet::of_peer(peer.clone()));
        let stream = self.streams.get(source);
        let values: Vec<Datum> = match snapshot {
            Snapshot::Values => {
                stream.map_or_else(Vec::new, |stream| stream.values().cloned().collect())
            }
            Snapshot::FirstValues => {
                let object = first_values(stream.into_iter().flat_map(|stream| stream.values()))?;
                alloc::vec![Datum::new(object, tetraplet.clone(), Provenance::Literal)]
            }
        };
        // Their texts are hashed and kept in the store.
        for datum in &values {
            self.check_stored(datum.value.size())?;
            self.charge(ITEM_BYTES)?;
            self.charge_fresh(datum.value.size())?;
        }
        let elements = values
            .iter()
            .map(|datum| {
                let element = CanonElement {
                    value: self.stores.add_value(&datum.value),
                    tetraplet: self.stores.add_tetraplet(&datum.tetraplet),
                    provenance: datum.provenance.clone(),
                };
                self.stores.add_canon_element(element)
            })
            .collect();
        let result =
            CanonResult { tetraplet: self.stores.add_tetraplet(&tetraplet), values: elements };
        let cid = self.stores.add_canon_result(result);
        Ok(CanonStream { values, tetraplet, cid })
    }

    /// Rebuilds a canon from data.
    fn replayed_canon(&mut self, peer: &Arc<str>, cid: Cid) -> Result<CanonStream, Failure> {
        let result = self.stores.canon_results.get(&cid).cloned();
        let result = result.ok_or_else(|| not_found("canon result aggregate", &cid))?;
        let tetraplet = self.stored_tetraplet(&result.tetraplet)?;
        let expected = Tetraplet::of_peer(peer.clone());
        if *tetraplet != expected {
            return Err(Failure::tetraplet_mismatch("canon tetraplet", &expected, &tetraplet));
        }
        self.charge(result.values.len().saturating_mul(ITEM_BYTES))?;
        let mut values = Vec::with_capacity(result.values.len());
        for cid in &result.values {
            let element = self.stores.canon_elements.get(cid).cloned();
            let element = element.ok_or_else(|| not_found("canon aggregate", cid))?;
            let value = self.stored_value(&element.value)?;
            let tetraplet = self.stored_tetraplet(&element.tetraplet)?;
            values.push(Datum::new(value, tetraplet, element.provenance.clone()));
        }
        Ok(CanonStream { values, tetraplet, cid })
    }
}
