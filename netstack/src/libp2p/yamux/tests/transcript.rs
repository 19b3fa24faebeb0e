//! Recorded connections: what stock clients and peers send, fed as it came.

use super::*;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

/// multistream-select header and a proposal, as both come in one frame.
const PROPOSAL: &str = "132f6d756c746973747265616d2f312e302e300a0f2f697066732f69642f312e302e300a";

/// A JavaScript client, js-libp2p-yamux 6: opens with an empty window update, half-closes with one, and
/// announces windows that grow.
#[test]
fn a_javascript_client_opens_asks_and_closes() {
    let node = Node::listener();
    // The host asks for the client's identify as soon as there is a connection.
    let mut asking = node.open();
    assert_eq!(write(&mut asking, &hex(PROPOSAL)), Some(Ok(36)));
    // Opening and first bytes leave as one frame.
    assert_eq!(node.sent_bytes(), hex(&["000000010000000200000024", PROPOSAL].concat()));

    node.feed(&hex("000200010000000000000000")).unwrap();
    assert_eq!(node.sent_bytes(), hex("000200020000000000000000"), "pings are answered");

    node.feed(&hex("000100010000000100000000")).unwrap();
    let mut asked = node.accept();
    assert_eq!(node.sent_bytes(), hex("000100020000000100000000"), "acknowledged without bytes");
    node.feed(&hex(&["000000000000000100000024", PROPOSAL].concat())).unwrap();
    assert_eq!(read(&mut asked, 100), Some(Ok(hex(PROPOSAL))));
    node.feed(&hex("000100020000000200000024")).unwrap();
    assert_eq!(node.counters().unacknowledged, 0);

    let header = hex("132f6d756c746973747265616d2f312e302e300a");
    assert_eq!(write(&mut asked, &header), Some(Ok(20)));
    assert_eq!(node.sent_bytes(), [hex("000000000000000100000014"), header.clone()].concat());
    assert_eq!(shutdown(&mut asked), None, "the end has not left");
    assert_eq!(node.sent_bytes(), hex("000000040000000100000000"));
    assert_eq!(shutdown(&mut asked), Some(Ok(())));

    node.feed(&hex("000000000000000200000014")).unwrap();
    for byte in &header {
        node.feed(&[*byte]).unwrap();
    }
    node.feed(&hex("000100040000000200000000")).unwrap();
    assert_eq!(read(&mut asking, 100), Some(Ok(header)));
    assert_eq!(read(&mut asking, 100), Some(Ok(Vec::new())), "ended by a window update");
    for window in
        ["000100000000000100040014", "000100000000000100080010", "00010000000000010010009c"]
    {
        node.feed(&hex(window)).unwrap();
    }
    node.feed(&hex("000100040000000100000000")).unwrap();
    assert_eq!(read(&mut asked, 100), Some(Ok(Vec::new())));
    drop((asking, asked));
    node.sent();
    assert_eq!(node.counters(), Counters::default());
}

/// A rust peer, rust-yamux 0.12: opens with data, acknowledges on data, resets what it has done with.
#[test]
fn a_rust_peer_opens_with_data_and_resets_what_is_done() {
    let node = Node::listener();
    let mut asking = node.open();
    assert_eq!(write(&mut asking, &hex(PROPOSAL)), Some(Ok(36)));
    node.sent();
    node.feed(&hex(&["000000010000000100000024", PROPOSAL].concat())).unwrap();
    let mut ping = node.accept();
    assert_eq!(read(&mut ping, 100), Some(Ok(hex(PROPOSAL))));
    assert_eq!(write(&mut ping, b"answer"), Some(Ok(6)));
    assert_eq!(node.sent(), [Frame::data(Flags::ACK, 1, b"answer")], "acknowledged with bytes");

    assert_eq!(node.counters().unacknowledged, 1);
    node.receive(&Frame::data(Flags::ACK, 2, b"hello")).unwrap();
    assert_eq!(node.counters().unacknowledged, 0);
    assert_eq!(read(&mut asking, 100), Some(Ok(b"hello".to_vec())));
    node.feed(&hex("000000040000000200000000")).unwrap();
    assert_eq!(read(&mut asking, 100), Some(Ok(Vec::new())));
    assert_eq!(shutdown(&mut asking), None);
    assert_eq!(node.sent_bytes(), hex("000000040000000200000000"));
    drop(asking);
    // A second end, and a reset of what is over: harmless.
    node.feed(&hex("000000040000000200000000")).unwrap();
    node.feed(&hex("000000080000000300000000")).unwrap();

    node.receive(&Frame::data(Flags::NONE, 1, b"last")).unwrap();
    node.feed(&hex("000100080000000100000000")).unwrap();
    assert_eq!(read(&mut ping, 100), Some(Ok(b"last".to_vec())), "what had arrived is not lost");
    assert_eq!(read(&mut ping, 100), Some(Err(Error::Reset)));
    assert_eq!(write(&mut ping, b"x"), Some(Err(Error::Reset)));
    drop(ping);
    assert_eq!(node.sent(), [], "nothing is said of a stream that the peer has reset");
    assert_eq!(node.counters(), Counters::default());
}
