//! One step of an interpretation: what goes in, what comes out, and the pure form of it.

mod invoke;

pub use invoke::{Outcome, invoke};
pub(crate) use invoke::{check_result_sizes, check_sizes, refuse_preparation};

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::ast::Span;
use crate::data::{KeyPair, KeyPairError, Tetraplet};
use crate::exec::limits::ExecutionLimits;
use crate::value::Value;

/// Whether signatures of data from elsewhere are verified (air-data §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Signatures {
    /// CIDs and signatures of current data are verified and signature stores are merged: the only
    /// setting for data from a network.
    #[default]
    Checked,
    /// Nothing is verified and the result holds only the own signature: for tests with hand-made data.
    Unchecked,
}

/// The parameters of a run (air-data §8.1). They must be the same in every step of one particle on one
/// peer.
#[derive(Clone)]
pub struct Parameters {
    /// Who started the particle; the value of `%init_peer_id%`.
    pub init_peer_id: Arc<str>,
    /// The peer that runs the step.
    pub current_peer_id: Arc<str>,
    /// `%timestamp%`.
    pub timestamp: u64,
    /// `%ttl%`.
    pub ttl: u32,
    /// Format of the secret key: 0 is ed25519, the only one that is accepted.
    pub key_format: u8,
    /// The ed25519 seed, 32 bytes; shared, so that a host needs no copy of it for each run.
    pub secret_key: Arc<[u8]>,
    /// The key pair of the secret key, for a host that takes many steps: to derive it takes as long as
    /// to sign. One that is not of the secret key has no effect.
    pub key_pair: Option<Arc<KeyPair>>,
    /// The particle's id, the salt of signatures.
    pub particle_id: Arc<str>,
    /// Bytes that a script should not exceed.
    pub air_size_limit: u64,
    /// Bytes that current data should not exceed.
    pub particle_size_limit: u64,
    /// Bytes that the text of a call result should not exceed.
    pub call_result_size_limit: u64,
    /// Whether exceeding one of the three is an error (code 10) or only flagged.
    pub hard_limit_enabled: bool,
    /// Whether data from elsewhere are verified.
    pub signatures: Signatures,
    /// What a step may use at most.
    pub limits: ExecutionLimits,
}

/// Default of [`Parameters::air_size_limit`], the reference's.
pub const DEFAULT_AIR_SIZE_LIMIT: u64 = 16 << 20;
/// Default of [`Parameters::particle_size_limit`], the reference's.
pub const DEFAULT_PARTICLE_SIZE_LIMIT: u64 = 64 << 20;
/// Default of [`Parameters::call_result_size_limit`], the reference's.
pub const DEFAULT_CALL_RESULT_SIZE_LIMIT: u64 = 32 << 20;

impl Parameters {
    /// Parameters of a particle with the reference's limits as errors, signatures checked.
    #[must_use]
    pub fn new(
        init_peer_id: Arc<str>,
        current_peer_id: Arc<str>,
        particle_id: Arc<str>,
        secret_key: impl Into<Arc<[u8]>>,
    ) -> Self {
        Self {
            init_peer_id,
            current_peer_id,
            timestamp: 0,
            ttl: 0,
            key_format: 0,
            secret_key: secret_key.into(),
            key_pair: None,
            particle_id,
            air_size_limit: DEFAULT_AIR_SIZE_LIMIT,
            particle_size_limit: DEFAULT_PARTICLE_SIZE_LIMIT,
            call_result_size_limit: DEFAULT_CALL_RESULT_SIZE_LIMIT,
            hard_limit_enabled: true,
            signatures: Signatures::Checked,
            limits: ExecutionLimits::default(),
        }
    }

    /// The key pair that the host derived, or one derived now.
    pub(crate) fn key_pair(&self) -> Result<Arc<KeyPair>, KeyPairError> {
        match &self.key_pair {
            Some(known) if known.is_of_parameters(self.key_format, &self.secret_key) => {
                Ok(known.clone())
            }
            _ => KeyPair::from_parameters(self.key_format, &self.secret_key).map(Arc::new),
        }
    }
}

impl core::fmt::Debug for Parameters {
    /// Everything but the secret key.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Parameters")
            .field("init_peer_id", &self.init_peer_id)
            .field("current_peer_id", &self.current_peer_id)
            .field("timestamp", &self.timestamp)
            .field("ttl", &self.ttl)
            .field("particle_id", &self.particle_id)
            .field("signatures", &self.signatures)
            .finish_non_exhaustive()
    }
}

/// A call that the host is to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallRequest {
    /// Number under which the result is to be given.
    pub id: u32,
    /// The service.
    pub service_id: Arc<str>,
    /// Its function.
    pub function_name: Arc<str>,
    /// The argument values.
    pub arguments: Vec<Value>,
    /// For each argument where it comes from: one tetraplet, or one for each element of a canon.
    pub tetraplets: Vec<Vec<Arc<Tetraplet>>>,
}

/// What a service answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallResult {
    /// 0 for success.
    pub ret_code: i32,
    /// JSON text; with another code than 0 any text.
    pub result: String,
}

impl CallResult {
    /// A success.
    #[must_use]
    pub fn success(value: &Value) -> Self {
        Self { ret_code: 0, result: value.to_json() }
    }

    /// A failure with a message, which is handed on as a JSON string.
    #[must_use]
    pub fn failure(ret_code: i32, message: &str) -> Self {
        Self { ret_code, result: Value::from(message).to_json() }
    }
}

/// Sizes that were exceeded while [`Parameters::hard_limit_enabled`] is off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SizeFlags {
    /// The script's.
    pub air: bool,
    /// That of current data.
    pub particle: bool,
    /// That of a call result.
    pub call_result: bool,
}

/// What a step came to (air-data §8.4), but for the data.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StepOutcome {
    /// 0, or the code of the error (air-language §8).
    pub code: i64,
    /// The error's text, empty on success.
    pub message: String,
    /// Where in the script the failing instruction stands, if an instruction failed.
    pub span: Option<Span>,
    /// Peers that the data are to be sent to, each once, in the order in which they were met.
    pub next_peers: Vec<Arc<str>>,
    /// Calls to make, in order of their numbers.
    pub requests: Vec<CallRequest>,
    /// Exceeded sizes.
    pub flags: SizeFlags,
}

impl StepOutcome {
    /// Whether the step produced new data: success, a catchable error, or unprocessed results.
    /// Otherwise the data are what they were before.
    #[must_use]
    pub fn has_new_data(&self) -> bool {
        matches!(self.code, 0 | 10000..20000 | 30000)
    }
}
