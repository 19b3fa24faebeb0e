//! The handshake: against a recording, against payloads that prove nothing, against damage.

use super::*;

#[test]
fn a_recorded_handshake_gives_the_recorded_answer_keys_and_hash() {
    let (client, host) = recording();
    let (mut near, mut far) = given(&[client[0].as_slice(), &client[1]].concat());
    let (identity, ephemeral) = node(1, 2);
    let session = run(listen(&mut near, &identity, ephemeral)).unwrap();
    let mut answer = vec![0; host[0].len()];
    run(far.read_exact(&mut answer)).unwrap();
    assert_eq!(answer, host[0]);
    assert_eq!(session.handshake_hash().as_slice(), hex(HASH));
    assert_eq!(session.peer_id(), CLIENT.parse().unwrap());

    // The keys are those of the recording: what they open and seal is.
    let mut wire: Vec<u8> = client[2..].concat();
    let (mut reader, _) = session.into_halves(wire.as_slice(), Vec::<u8>::new());
    let mut expected = Reader::new(wire.as_slice(), key(CLIENT_KEY));
    assert_eq!(run(all(&mut reader)), run(all(&mut expected)));
    assert!(run(all(&mut Reader::new(wire.as_slice(), key(CLIENT_KEY)))).unwrap().len() > 2000);
    wire.truncate(1);
    assert_eq!(run(all(&mut Reader::new(wire.as_slice(), key(CLIENT_KEY)))), Err(Error::Truncated));
}

fn pair() -> (Session, Session) {
    let (mut near, mut far) = pipe::pair(4096);
    let ((dialer, first), (listener, second)) = (node(4, 5), node(6, 7));
    let sessions = run(join(dial(&mut near, &dialer, first), listen(&mut far, &listener, second)));
    (sessions.0.unwrap(), sessions.1.unwrap())
}

#[test]
fn both_sides_learn_who_the_other_is_and_agree_on_the_hash() {
    let (near, far) = pair();
    assert_eq!(near.peer_id(), Keypair::from_seed(&[6; 32]).peer_id());
    assert_eq!(far.peer_id(), Keypair::from_seed(&[4; 32]).peer_id());
    assert_eq!(near.handshake_hash(), far.handshake_hash());
}

/// What a dialer and a listener with these keys send first.
fn first_messages() -> (Vec<u8>, Vec<u8>) {
    let (mut near, mut far) = given(&[]);
    let (dialer, ephemeral) = node(4, 5);
    assert_eq!(run(dial(&mut near, &dialer, ephemeral)).unwrap_err(), Error::Truncated);
    let mut first = vec![0; 34];
    run(far.read_exact(&mut first)).unwrap();
    let (mut near, mut far) = given(&first);
    let (listener, ephemeral) = node(6, 7);
    assert_eq!(run(listen(&mut near, &listener, ephemeral)).unwrap_err(), Error::Truncated);
    let mut second = vec![0; 202];
    run(far.read_exact(&mut second)).unwrap();
    (first, second)
}

#[test]
fn messages_damaged_anywhere_or_cut_short_are_refused_by_the_listener() {
    let (client, _) = recording();
    let good = [client[0].as_slice(), &client[1]].concat();
    let (identity, _) = node(1, 2);
    let answer = |bytes: &[u8]| {
        let (mut near, _far) = given(bytes);
        run(listen(&mut near, &identity, node(1, 2).1)).map(|session| session.peer_id())
    };
    assert_eq!(answer(&good), Ok(CLIENT.parse().unwrap()));
    for at in 0..good.len() {
        for bit in [1, 0x80] {
            let mut bytes = good.clone();
            bytes[at] ^= bit;
            assert!(answer(&bytes).is_err(), "byte {at}, bit {bit}");
        }
        assert_eq!(answer(&good[..at]), Err(Error::Truncated), "cut at {at}");
    }
}

#[test]
fn an_answer_damaged_anywhere_or_cut_short_is_refused_by_the_dialer() {
    let (_, good) = first_messages();
    let (identity, _) = node(4, 5);
    let dialled = |bytes: &[u8]| {
        let (mut near, _far) = given(bytes);
        run(dial(&mut near, &identity, node(4, 5).1)).map(|session| session.peer_id())
    };
    assert_eq!(dialled(&good), Ok(Keypair::from_seed(&[6; 32]).peer_id()));
    for at in 0..good.len() {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        assert!(dialled(&bytes).is_err(), "byte {at}");
        assert_eq!(dialled(&good[..at]), Err(Error::Truncated), "cut at {at}");
    }
}

/// The handshake's end at the listener when the dialer sends this payload.
fn listen_to(payload: impl FnOnce(&Identity) -> Vec<u8>) -> Result<Session, Error<ErrorKind>> {
    let (mut near, mut far) = pipe::pair(4096);
    let ((mut dialer, first), (listener, second)) = (node(4, 5), node(6, 7));
    dialer.payload = payload(&dialer);
    run(join(dial(&mut near, &dialer, first), listen(&mut far, &listener, second))).1
}

#[test]
fn a_payload_must_prove_who_sends_it() {
    let peer = |payload: &dyn Fn(&Identity) -> Vec<u8>| {
        listen_to(payload).map(|session| session.peer_id())
    };
    let dialer = Ok(Keypair::from_seed(&[4; 32]).peer_id());
    assert_eq!(peer(&|own| own.payload.clone()), dialer);
    // The identity of another node, which has signed another noise key.
    assert_eq!(peer(&|_| node(9, 10).0.payload), Err(Error::Unproven));
    // The key alone, the signature alone, nothing, no message.
    assert_eq!(peer(&|own| own.payload[..38].to_vec()), Err(Error::Malformed));
    assert_eq!(peer(&|own| own.payload[38..].to_vec()), Err(Error::Malformed));
    assert_eq!(peer(&|_| Vec::new()), Err(Error::Malformed));
    assert_eq!(peer(&|own| own.payload[..100].to_vec()), Err(Error::Malformed));
    // A key of another type (secp256k1).
    assert_eq!(
        peer(&|own| {
            let mut payload = own.payload.clone();
            payload[3] = 2;
            payload
        }),
        Err(Error::Malformed)
    );
    // Extensions, and fields that nobody knows, are skipped.
    assert_eq!(
        peer(&|own| {
            let mut payload = own.payload.clone();
            payload.extend([0x22, 0x00, 0x98, 0x06, 0x07]);
            payload
        }),
        dialer
    );
}

#[test]
fn the_longest_handshake_message_is_read_and_a_longer_one_is_not() {
    let (identity, _) = node(1, 2);
    for (length, left) in [(NOISE_HANDSHAKE_BYTES, 0), (NOISE_HANDSHAKE_BYTES + 1, 1)] {
        let (mut near, _far) = given(&message(length));
        // The first message must be without payload.
        assert_eq!(run(listen(&mut near, &identity, node(1, 2).1)).unwrap_err(), Error::Malformed);
        assert_eq!(run(near.read(&mut [0; 1])), Ok(left));
    }
}

#[test]
fn a_key_of_low_order_is_refused() {
    let (identity, _) = node(1, 2);
    let mut first = vec![0, 32];
    first.extend([0; 32]);
    let (mut near, _far) = given(&first);
    assert_eq!(run(listen(&mut near, &identity, node(1, 2).1)).unwrap_err(), Error::Forged);
}
