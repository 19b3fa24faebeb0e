//! Signatures of messages: whether the sender's key signed the message's name.
//!
//! Signed are chain, sender, type and item hash, a line feed between each
//! ([`Message::signed_text`](crate::aleph::message::Message::signed_text)), in the framing of the chain:
//!
//! | chains | scheme | verified |
//! |---|---|---|
//! | Ethereum and those with its addresses | EIP-191 personal message, Keccak-256, secp256k1 with recovery | yes |
//! | SOL, ES | ed25519 | yes |
//! | DOT, CSDK, TEZOS, AVAX, NULS, NULS2 | each its own | no: refused as not verifiable |
//! | AURORA, STT | none: the network does not take them either | no |

mod ethereum;
mod solana;
#[cfg(test)]
mod tests;

use core::fmt;

pub use ethereum::{Address, recover};

use super::message::Message;

/// Chains whose addresses and signatures are Ethereum's.
const ETHEREUM_LIKE: [&str; 23] = [
    "ETH",
    "ARB",
    "BASE",
    "BLAST",
    "BOB",
    "BSC",
    "CYBER",
    "ETHERLINK",
    "FRAX",
    "HYPE",
    "INK",
    "LENS",
    "LINEA",
    "LISK",
    "METIS",
    "MODE",
    "NEO",
    "OP",
    "POL",
    "SONIC",
    "UNICHAIN",
    "WLD",
    "ZORA",
];
/// Chains whose keys are ed25519 in base58.
const SOLANA_LIKE: [&str; 2] = ["SOL", "ES"];

/// Why a signature is not good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureError {
    /// There is none.
    Missing,
    /// Signatures of this chain are not verified here.
    NotVerifiable,
    /// It has not the form of its chain.
    Malformed,
    /// The sender is no address of its chain.
    BadSender,
    /// Another key made it, or it is of something else.
    NotTheSenders,
}

impl fmt::Display for SignatureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "there is no signature",
            Self::NotVerifiable => "signatures of this chain are not verified here",
            Self::Malformed => "the signature has not the form of its chain",
            Self::BadSender => "the sender is not an address of its chain",
            Self::NotTheSenders => "the signature is not the sender's of this message",
        })
    }
}

impl core::error::Error for SignatureError {}

/// Verifies that the message's sender signed its name, and with it all of its content.
///
/// # Errors
/// [`SignatureError`] if not, or if it cannot be said.
pub fn verify(message: &Message) -> Result<(), SignatureError> {
    let signature = message.signature().ok_or(SignatureError::Missing)?;
    let text = message.signed_text();
    match message.chain() {
        chain if ETHEREUM_LIKE.contains(&chain) => {
            ethereum::verify(text.as_bytes(), message.sender(), signature)
        }
        chain if SOLANA_LIKE.contains(&chain) => {
            solana::verify(text.as_bytes(), message.sender(), signature)
        }
        _ => Err(SignatureError::NotVerifiable),
    }
}
