use alloc::string::ToString;
use alloc::vec;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures_util::FutureExt;
use proptest::prelude::*;

use super::*;
use crate::pipe;

const MAX_BYTES: usize = 1 << 20;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

/// With the length in front.
fn framed(message: &[u8]) -> Vec<u8> {
    let mut framed = Vec::new();
    crate::libp2p::protobuf::put_varint(&mut framed, message.len() as u64);
    framed.extend_from_slice(message);
    framed
}

fn decode(message: &[u8]) -> Result<Message, ReadError> {
    let framed = framed(message);
    read(&mut &framed[..], MAX_BYTES).now_or_never().unwrap()
}

/// What is written, without the length.
fn encode(message: &Message) -> Vec<u8> {
    let mut out = vec![0; encoded_bytes(message) + 5];
    let mut rest = &mut out[..];
    write(&mut rest, message, MAX_BYTES).now_or_never().unwrap().unwrap();
    let left = rest.len();
    out.truncate(out.len() - left);
    let prefix = out.len() - encoded_bytes(message);
    let message = out.split_off(prefix);
    assert_eq!(framed(&message)[..prefix], out);
    message
}

fn tiny() -> Message {
    let author = Keypair::from_seed(&[1; 32]);
    Message::new(&author, "a".into(), 1_700_000_000_000, 7000, "(null)".into(), Vec::new())
}

/// The map of a message, from its entries.
fn map(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut out = vec![0x81, 0x04, 0x80 | u8::try_from(entries.len()).unwrap()];
    for (key, value) in entries {
        out.push(0xa0 | u8::try_from(key.len()).unwrap());
        out.extend_from_slice(key.as_bytes());
        out.extend_from_slice(value);
    }
    out
}

fn entries() -> Vec<(&'static str, Vec<u8>)> {
    let message = tiny();
    let mut peer = vec![0xd9, 52];
    peer.extend_from_slice(message.init_peer_id.to_string().as_bytes());
    let mut signature = vec![0xc4, 64];
    signature.extend_from_slice(&message.signature);
    vec![
        ("action", b"\xa8Particle".to_vec()),
        ("id", b"\xa1a".to_vec()),
        ("init_peer_id", peer),
        ("timestamp", hex("cf0000018bcfe56800")),
        ("ttl", hex("cd1b58")),
        ("script", b"\xa6(null)".to_vec()),
        ("signature", signature),
        ("data", vec![0xc4, 0]),
    ]
}

/// `entries` with another value for `key`.
fn with(key: &str, value: &[u8]) -> Vec<u8> {
    let mut entries = entries();
    entries.iter_mut().find(|entry| entry.0 == key).unwrap().1 = value.to_vec();
    map(&entries)
}

#[test]
fn the_worked_example_is_written_and_read_byte_for_byte() {
    let message = tiny();
    assert_eq!(message.signed_bytes(), hex("610068e5cf8b010000581b0000286e756c6c29"));
    let signature = "53f6c0ca7439de4b8782c7b84d6676e4e79e439c91065e2c32f60be3f3502cd06f348aeb816cebac7b\
                     e0e525eed6814429f957769c9ce95611640c08d807610f";
    assert_eq!(message.signature[..], hex(signature));
    let bytes = encode(&message);
    assert_eq!(bytes, map(&entries()));
    assert_eq!(bytes.len(), 214);
    assert_eq!(framed(&bytes)[..2], [0xd6, 0x01]);
    assert_eq!(decode(&bytes), Ok(message));
}

#[test]
fn signed_bytes_and_signature_are_those_of_other_implementations() {
    let seed = BASE64_STANDARD.decode("7h48PQ/f1rS9TxacmgODxbD42Il9B3KC117jvOPppPE=").unwrap();
    let author = Keypair::from_seed(&seed.try_into().unwrap());
    let id = "2883f959-e9e7-4843-8c37-205d393ca372".to_string();
    let mut message = Message::new(&author, id, 1_696_934_545_662, 7000, "abc".into(), Vec::new());
    assert_eq!(
        BASE64_STANDARD.encode(message.signed_bytes()),
        "Mjg4M2Y5NTktZTllNy00ODQzLThjMzctMjA1ZDM5M2NhMzcy/kguGYsBAABYGwAAYWJj"
    );
    assert_eq!(
        BASE64_STANDARD.encode(message.signature),
        "KceXDnOfqe0dOnAxiDsyWBIvUq6WHoT0ge+VMHXOZsjZvCNH7/10oufdlYfcPomfv28On6E87ZhDcHGBZcb7Bw=="
    );
    assert!(message.verify());
    message.data.push(1);
    assert!(message.verify(), "the data are not signed");
    for change in [
        |message: &mut Message| message.id.push('x'),
        |message: &mut Message| message.timestamp += 1,
        |message: &mut Message| message.ttl += 1,
        |message: &mut Message| message.script.push('\n'),
        |message: &mut Message| message.signature[63] ^= 1,
        |message: &mut Message| message.init_peer_id = Keypair::from_seed(&[1; 32]).peer_id(),
    ] {
        let mut changed = message.clone();
        change(&mut changed);
        assert!(!changed.verify());
    }
}

#[test]
fn a_recorded_pair_is_read_and_the_second_written_byte_for_byte() {
    let asked = hex(include_str!("../../../tests/data/libp2p/particle-from-client.hex"));
    let answered = hex(include_str!("../../../tests/data/libp2p/particle-from-host.hex"));
    assert_eq!((asked.len(), answered.len()), (2096, 2388));
    let (first, second) = (decode(&asked).unwrap(), decode(&answered).unwrap());
    for message in [&first, &second] {
        assert_eq!(message.id, "b972f319-e039-4cc7-ba21-a545ca699873");
        assert_eq!(message.init_peer_id, Keypair::from_seed(&[9; 32]).peer_id());
        assert_eq!((message.timestamp, message.ttl), (1_795_325_023_833, 7000));
        assert!(message.script.starts_with("(xor\n (seq\n") && message.script.ends_with('\n'));
        assert_eq!(message.signed_bytes().len(), 416);
        assert!(message.verify());
    }
    assert_eq!((first.data.len(), second.data.len()), (1249, 1773));
    assert_eq!(encode(&second), answered);
    assert_eq!(encode(&Message { data: second.data, ..first }), answered);
}

#[test]
fn entries_may_come_in_any_order_among_others_of_any_type() {
    let mut turned = entries();
    turned.reverse();
    assert_eq!(decode(&map(&turned)), Ok(tiny()));
    let strange = [
        "c0",
        "c2",
        "c3",
        "01",
        "ff",
        "cc80",
        "cd0100",
        "ce00010000",
        "cf0000000100000000",
        "d0ff",
        "d1ffff",
        "d2ffffffff",
        "d3ffffffffffffffff",
        "ca00000000",
        "cb0000000000000000",
        "a0",
        "a161",
        "d90161",
        "da000161",
        "db0000000161",
        "c40161",
        "c5000161",
        "c60000000161",
        "d40061",
        "d5006161",
        "d60061616161",
        "d7006161616161616161",
        "d80061616161616161616161616161616161",
        "c7010061",
        "c800010061",
        "c9000000010061",
        "90",
        "91a0",
        "dc000190",
        "dd0000000180",
        "80",
        "8101c0",
        "de0001a0a0",
        "df00000001c0c0",
        "92918191c0929090c0",
    ];
    for value in strange {
        let mut entries = entries();
        entries.insert(3, ("other", hex(value)));
        assert_eq!(decode(&map(&entries)), Ok(tiny()), "value {value}");
        // As a key, where the map's head counts it.
        let mut keyed = map(&entries[..3]);
        keyed[2] = 0x89;
        keyed.extend(hex(value));
        keyed.push(0xc0);
        keyed.extend_from_slice(&map(&entries[4..])[3..]);
        assert_eq!(decode(&keyed), Ok(tiny()), "key {value}");
    }
}

#[test]
fn nesting_without_end_is_skipped_without_a_stack() {
    let mut deep = entries();
    deep.insert(0, ("deep", [vec![0x91; 100_000], vec![0xc0]].concat()));
    assert_eq!(decode(&map(&deep)), Ok(tiny()));
    deep[0].1 = vec![0x91; 100_000];
    assert!(matches!(decode(&map(&deep)), Err(ReadError::Malformed | ReadError::Missing(_))));
}

#[test]
fn what_is_no_field_value_is_named() {
    let long_id = [vec![0xda, 0x04, 0x00], vec![b'x'; MAX_ID_BYTES]].concat();
    assert_eq!(decode(&with("id", &long_id)).unwrap().id.len(), MAX_ID_BYTES);
    let longer_id = [vec![0xda, 0x04, 0x01], vec![b'x'; MAX_ID_BYTES + 1]].concat();
    let array =
        |count: u8, value: &[u8]| [vec![0xdc, 0, count], value.repeat(count.into())].concat();
    assert_eq!(
        decode(&with("signature", &array(64, &[0xcc, 0x80]))).unwrap().signature,
        [0x80; 64]
    );
    assert_eq!(decode(&with("data", &array(3, &hex("ce000000ff")))).unwrap().data, [0xff; 3]);
    assert_eq!(decode(&with("data", &array(3, &hex("d10000")))).unwrap().data, [0; 3]);
    assert_eq!(decode(&with("ttl", &hex("ceffffffff"))).unwrap().ttl, u32::MAX);
    assert_eq!(decode(&with("timestamp", &hex("d27fffffff"))).unwrap().timestamp, 0x7fff_ffff);
    for (field, value) in [
        (Field::Id, longer_id),
        (Field::Id, hex("01")),
        (Field::Id, hex("a1ff")),
        (Field::InitPeerId, hex("a161")),
        (Field::InitPeerId, hex("c0")),
        (Field::Timestamp, hex("ff")),
        (Field::Timestamp, hex("cb0000000000000000")),
        (Field::Ttl, hex("cf0000000100000000")),
        (Field::Script, hex("c40161")),
        (Field::Script, hex("a2c328")),
        (Field::Signature, array(63, &[1])),
        (Field::Signature, array(65, &[1])),
        (Field::Signature, [vec![0xc4, 63], vec![0; 63]].concat()),
        (Field::Signature, array(64, &[0xff])),
        (Field::Data, hex("a161")),
        (Field::Data, array(1, &hex("cd0100"))),
        (Field::Data, array(1, &hex("d0ff"))),
        (Field::Data, array(1, &hex("a0"))),
    ] {
        let error = decode(&with(field.name(), &value)).unwrap_err();
        assert_eq!(error, ReadError::Field(field), "{value:02x?}");
    }
    assert_eq!(decode(&with("action", b"\xa7Upgrade")), Err(ReadError::Action));
    assert_eq!(decode(&with("action", b"\xa8particle")), Err(ReadError::Action));
}

#[test]
fn a_field_is_there_once() {
    for field in Field::ALL {
        let mut entries = entries();
        let index = entries.iter().position(|entry| entry.0 == field.name()).unwrap();
        let entry = entries.remove(index);
        assert_eq!(decode(&map(&entries)), Err(ReadError::Missing(field)));
        entries.extend([entry.clone(), entry]);
        assert_eq!(decode(&map(&entries)), Err(ReadError::Field(field)));
    }
}

#[test]
fn frames_that_are_none_are_refused() {
    let bytes = encode(&tiny());
    for end in 0..bytes.len() {
        let cut = decode(&bytes[..end]).unwrap_err();
        assert_eq!(cut, ReadError::Malformed, "the length says {end}");
        let framed = framed(&bytes);
        let cut = read(&mut &framed[..end], MAX_BYTES).now_or_never().unwrap();
        assert_eq!(cut, Err(ReadError::Truncated), "the stream ends after {end}");
    }
    let mut json = bytes.clone();
    json[0] = 0x80;
    assert_eq!(decode(&json), Err(ReadError::Codec));
    assert_eq!(decode(b"\x81\x04\x90"), Err(ReadError::Malformed));
    assert_eq!(decode(b"\x81\x04\xc1"), Err(ReadError::Malformed));
    // Lengths and counts beyond the message cost nothing.
    assert_eq!(decode(&with("script", &hex("dbffffffff"))), Err(ReadError::Malformed));
    assert_eq!(decode(&with("data", &hex("c6ffffffff"))), Err(ReadError::Malformed));
    assert_eq!(decode(&with("data", &hex("ddffffffff"))), Err(ReadError::Malformed));
    for endless in [&[0xff; 5][..], &[0x80; 5]] {
        let read = read(&mut &endless[..], MAX_BYTES).now_or_never().unwrap();
        assert_eq!(read, Err(ReadError::TooLong));
    }
}

#[test]
fn limits_hold_at_the_byte() {
    let message = tiny();
    let framed = framed(&encode(&message));
    let read = |max| read(&mut &framed[..], max).now_or_never().unwrap();
    assert_eq!(read(214), Ok(message.clone()));
    assert_eq!(read(213), Err(ReadError::TooLong));
    let mut out = [0; 300];
    let mut write = |max| write(&mut &mut out[..], &message, max).now_or_never().unwrap();
    assert_eq!(write(214), Ok(()));
    assert_eq!(write(213), Err(WriteError::TooLong));
}

/// Polls until it is done: in one of two ends at least there is always something to do.
fn run<F: Future>(future: F) -> F::Output {
    let mut future = core::pin::pin!(future);
    for _ in 0..10_000_000 {
        if let Some(output) = future.as_mut().now_or_never() {
            return output;
        }
    }
    panic!("it does not end");
}

/// Something like a particle, with bytes of all sizes.
fn messages() -> impl Strategy<Value = Message> {
    let bytes = prop::collection::vec(any::<u8>(), 0..3000);
    let sizes = prop_oneof![4 => 0_usize..2000, 1 => Just(70_000), 1 => Just(200_000)];
    let fields = (".{0,60}", any::<u64>(), any::<u32>(), ".{0,300}", bytes, sizes);
    fields.prop_map(|(id, timestamp, ttl, script, seed, size)| {
        let data = seed.iter().cycle().take(size.min(seed.len() * 200)).copied().collect();
        let (init_peer_id, signature) = (Keypair::from_seed(&[5; 32]).peer_id(), [0xa5; 64]);
        Message { id, init_peer_id, timestamp, ttl, script, signature, data }
    })
}

/// As JavaScript clients write bytes.
fn as_array(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0xdd];
    out.extend(u32::try_from(bytes.len()).unwrap().to_be_bytes());
    for byte in bytes {
        if *byte >= 0x80 {
            out.push(0xcc);
        }
        out.push(*byte);
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_whatever_the_pieces(message in messages(), room in 1_usize..5000) {
        let (mut ours, mut theirs) = pipe::pair(room);
        let both = async {
            futures_util::join!(write(&mut ours, &message, MAX_BYTES), read(&mut theirs, MAX_BYTES))
        };
        let (written, read) = run(both);
        prop_assert_eq!(written, Ok(()));
        let read = read.unwrap();
        prop_assert!(read.data.capacity() <= read.data.len().max(1));
        prop_assert_eq!(read, message);
    }

    #[test]
    fn arrays_of_integers_are_bytes(message in messages()) {
        let mut bytes = encode(&message);
        bytes.truncate(bytes.len() - message.data.len());
        let head = match message.data.len() { 0..=0xff => 2, 0x100..=0xffff => 3, _ => 5 };
        bytes.truncate(bytes.len() - head);
        bytes.extend(as_array(&message.data));
        prop_assert_eq!(decode(&bytes), Ok(message));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = read(&mut &bytes[..], MAX_BYTES).now_or_never().expect("nothing to wait for");
        let _ = decode(&[&CODEC[..], &bytes].concat());
    }

    #[test]
    fn a_changed_message_is_read_or_refused(at in 0_usize..214, by in 1_u8..) {
        let mut bytes = encode(&tiny());
        bytes[at] ^= by;
        if let Ok(message) = decode(&bytes) {
            prop_assert_eq!(decode(&encode(&message)), Ok(message));
        }
    }
}
