//! What a peer says of itself: read or refused, and what is read is written the same.

use futures_util::FutureExt;
use netstack::libp2p::protobuf::put_bytes;
use netstack::libp2p::{Keypair, identify};

use super::Reader;

/// The first byte is even for a message that begins with the key which the connection has proved.
pub fn run(bytes: &[u8]) {
    let mut input = Reader::new(bytes);
    let keyed = input.byte().is_multiple_of(2);
    let peer = Keypair::from_seed(&[1; 32]).peer_id();
    let mut message = Vec::new();
    if keyed {
        put_bytes(&mut message, 1, &peer.public_key_protobuf());
    }
    message.extend_from_slice(input.rest());

    let _ = identify::receive(&mut input.rest(), peer).now_or_never().expect("nothing to wait for");
    let Ok(info) = identify::decode(&message, peer) else { return };
    assert!(info.listen_addresses.len() <= identify::MAX_ADDRESSES);
    assert!(info.protocols.len() <= identify::MAX_PROTOCOLS);
    // Addresses in text are as long as in bytes at least, but not what is written of them.
    let written = identify::encode(&info).expect("what was read is no longer than it was");
    assert!(written.len() <= message.len() + 4);
    assert_eq!(identify::decode(&written, peer).as_ref(), Ok(&info));
}
