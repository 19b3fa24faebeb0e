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

use super::chain::{self, Scheme};
use super::message::Message;

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
    match chain::scheme(message.chain()) {
        Scheme::Ethereum => ethereum::verify(text.as_bytes(), message.sender(), signature),
        Scheme::Solana => solana::verify(text.as_bytes(), message.sender(), signature),
        Scheme::Other => Err(SignatureError::NotVerifiable),
    }
}
