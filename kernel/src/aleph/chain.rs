//! The block chains whose keys sign messages.

/// How a chain's keys sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// As Ethereum's: personal messages, addresses of 20 bytes.
    Ethereum,
    /// As Solana's: ed25519 in base58.
    Solana,
    /// In a way that is not verified here.
    Other,
}

/// Every chain that the network knows, in the order of its reference parser, and how its keys sign.
const CHAINS: [(&str, Scheme); 33] = {
    use Scheme::{Ethereum, Other, Solana};
    [
        ("ARB", Ethereum),
        ("AURORA", Other),
        ("AVAX", Other),
        ("BASE", Ethereum),
        ("BLAST", Ethereum),
        ("BOB", Ethereum),
        ("BSC", Ethereum),
        ("CSDK", Other),
        ("CYBER", Ethereum),
        ("DOT", Other),
        ("ES", Solana),
        ("ETH", Ethereum),
        ("ETHERLINK", Ethereum),
        ("FRAX", Ethereum),
        ("HYPE", Ethereum),
        ("INK", Ethereum),
        ("LENS", Ethereum),
        ("LINEA", Ethereum),
        ("LISK", Ethereum),
        ("METIS", Ethereum),
        ("MODE", Ethereum),
        ("NEO", Ethereum),
        ("NULS", Other),
        ("NULS2", Other),
        ("OP", Ethereum),
        ("POL", Ethereum),
        ("SOL", Solana),
        ("STT", Other),
        ("SONIC", Ethereum),
        ("TEZOS", Other),
        ("UNICHAIN", Ethereum),
        ("WLD", Ethereum),
        ("ZORA", Ethereum),
    ]
};

/// The chains' names.
pub const NAMES: [&str; CHAINS.len()] = {
    let mut names = [""; CHAINS.len()];
    let mut index = 0;
    while index < names.len() {
        names[index] = CHAINS[index].0;
        index += 1;
    }
    names
};

/// How a chain's keys sign.
#[must_use]
pub fn scheme(chain: &str) -> Scheme {
    let known = CHAINS.iter().find(|(name, _)| *name == chain);
    known.map_or(Scheme::Other, |(_, scheme)| *scheme)
}
