//! Who the node is: its ed25519 key and the peer id that follows from it.

use alloc::rc::Rc;
use alloc::string::ToString;
use alloc::sync::Arc;
use core::fmt;

use air_core::data::KeyPair;
use netstack::libp2p::{Keypair, PeerId};

use log::{error, warn};

use crate::config::{IdentityConfig, Seed};
use crate::machine::Machine;
use crate::secret::Secret;
use crate::store::{Store, StoreError};

/// The key of a store under which the node's own key is.
pub const STORE_KEY: &str = "identity";
/// Length of what is there.
const SEED_BYTES: usize = 32;

/// The node's key and peer id. The secret half is never shown. Clones share what they have, so that the
/// secret is in memory as often as there are fields with it, and no more.
#[derive(Clone)]
pub struct Identity {
    /// For the interpreter, whose parameters name it.
    secret: Arc<[u8]>,
    /// Likewise: what it signs with.
    key_pair: Arc<KeyPair>,
    /// The same for connections and particles.
    network_key: Rc<Keypair>,
    id: PeerId,
    peer_id: Arc<str>,
}

impl Identity {
    /// The identity that belongs to `seed`. The peer id is always that of the key: data signed under
    /// another name would be refused by everybody.
    #[must_use]
    pub fn from_seed(seed: &Seed) -> Self {
        let key_pair = Arc::new(KeyPair::from_secret(seed.expose()));
        let network_key = Rc::new(Keypair::from_seed(seed.expose()));
        let id = network_key.peer_id();
        let secret = Arc::from(seed.expose().as_slice());
        Self { secret, key_pair, network_key, id, peer_id: id.to_string().into() }
    }

    /// A new identity from the randomness of `machine`.
    #[must_use]
    pub fn generate(machine: &dyn Machine) -> Self {
        Self::from_seed(&new_seed(machine))
    }

    /// The secret from which the key is made, 32 bytes.
    #[must_use]
    pub fn secret(&self) -> &Arc<[u8]> {
        &self.secret
    }

    /// The key pair, which takes as long to derive from the seed as a signature.
    #[must_use]
    pub fn key_pair(&self) -> &Arc<KeyPair> {
        &self.key_pair
    }

    /// The ed25519 public key.
    #[must_use]
    pub fn public_key(&self) -> &[u8; 32] {
        self.id.public_key()
    }

    /// The peer id.
    #[must_use]
    pub fn id(&self) -> PeerId {
        self.id
    }

    /// The key pair in the form that connections take.
    #[must_use]
    pub fn network_key(&self) -> &Rc<Keypair> {
        &self.network_key
    }

    /// Signs in the node's name.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.network_key.sign(message)
    }

    /// The peer id as text, `12D3KooW…`.
    #[must_use]
    pub fn peer_id(&self) -> &Arc<str> {
        &self.peer_id
    }
}

/// Where the node's key comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The configuration names it.
    Configuration,
    /// It was kept from an earlier boot.
    Store,
    /// It was made now, and is kept.
    Made,
    /// It was made now, and is gone at power-off.
    Passing,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Configuration => "from the configuration",
            Self::Store => "from the volume",
            Self::Made => "made, and kept on the volume",
            Self::Passing => "made, and lost at power-off",
        })
    }
}

/// Fills in the key that the configuration leaves open: the one in `store`, else a new one, which is kept
/// there if the store lasts. One that is there but cannot be read stays there, for a person to look at.
pub async fn settle(
    config: &mut IdentityConfig,
    store: &dyn Store,
    machine: &dyn Machine,
) -> Origin {
    if config.seed.is_some() {
        return Origin::Configuration;
    }
    match kept(store).await {
        Ok(Some(seed)) => {
            config.seed = Some(seed);
            return Origin::Store;
        }
        Ok(None) => {}
        Err(reason) => {
            error!(target: "node", "the key on the volume cannot be read: {reason}");
            config.seed = Some(new_seed(machine));
            return Origin::Passing;
        }
    }
    let seed = new_seed(machine);
    let origin = match keep(store, &seed).await {
        _ if !store.is_lasting() => Origin::Passing,
        Ok(()) => Origin::Made,
        Err(reason) => {
            warn!(target: "node", "the key cannot be kept: {reason}");
            Origin::Passing
        }
    };
    config.seed = Some(seed);
    origin
}

fn new_seed(machine: &dyn Machine) -> Seed {
    Seed::filled_by(|bytes| machine.fill_random(bytes))
}

/// The key in a store, if there is one.
async fn kept(store: &dyn Store) -> Result<Option<Seed>, StoreError> {
    let Some(value) = store.get(STORE_KEY).await?.map(Secret::from) else { return Ok(None) };
    let bytes = <&[u8; SEED_BYTES]>::try_from(&*value).map_err(|_| StoreError::Damaged)?;
    Ok(Some(Seed::filled_by(|seed| *seed = *bytes)))
}

async fn keep(store: &dyn Store, seed: &Seed) -> Result<(), StoreError> {
    if !store.is_lasting() {
        return Ok(());
    }
    store.put(STORE_KEY, seed.expose()).await?;
    store.flush().await
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("peer_id", &self.peer_id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Simulated;
    use alloc::format;

    /// The three keys of fluence-network.md §1.4.
    #[test]
    fn peer_ids_are_those_of_the_specification() {
        let known = [
            ("01".repeat(32), "12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5"),
            ("09".repeat(32), "12D3KooWSrKnMZUcSxK8G7wmBbXdU8nFEfWGhLu6H8xjn8LmCSJb"),
            (
                "ee1e3c3d0fdfd6b4bd4f169c9a0383c5b0f8d8897d077282d75ee3bce3e9a4f1".into(),
                "12D3KooWANqfCDrV79MZdMnMqTvDdqSAPSxdgFY1L6DCq2DVGB4D",
            ),
        ];
        for (seed, peer_id) in known {
            let identity = Identity::from_seed(&seed.parse().unwrap());
            assert_eq!(&**identity.peer_id(), peer_id);
            assert_eq!(identity.key_pair().peer_id(), peer_id, "the key signs under this name");
            let signature = identity.sign(b"message");
            assert!(identity.id().verify(b"message", &signature));
        }
    }

    #[test]
    fn a_made_identity_is_one_of_the_machine_and_hides_its_seed() {
        let identity = Identity::generate(&Simulated::new(3));
        assert_ne!(identity.peer_id(), Identity::generate(&Simulated::new(4)).peer_id());
        let shown = format!("{identity:?}");
        assert!(shown.contains("12D3KooW") && !shown.contains("seed"), "{shown}");
    }
}
