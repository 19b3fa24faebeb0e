use alloc::format;
use alloc::string::{String, ToString};

use proptest::prelude::*;

use super::*;

const ID: &str = "12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5";

fn read(text: &str) -> Multiaddr {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn the_binary_form_is_that_of_other_implementations() {
    let bytes = [0x04, 127, 0, 0, 1, 0x06, 0x4e, 0x1f, 0xdd, 0x03];
    let address = read("/ip4/127.0.0.1/tcp/19999/ws");
    assert_eq!(address.to_bytes(), bytes);
    assert_eq!(Multiaddr::from_bytes(&bytes), Ok(address.clone()));
    let mut observed = bytes.to_vec();
    observed.extend([0xa5, 0x03, 0x26, 0x00, 0x24, 0x08, 0x01, 0x12, 0x20]);
    observed.extend(read(&format!("{address}/p2p/{ID}")).peer_id().unwrap().public_key());
    assert_eq!(Multiaddr::from_bytes(&observed), Ok(address.with_peer_id(ID.parse().unwrap())));
}

#[test]
fn parts_are_told_apart() {
    let address = read(&format!("/dns4/relay.example.org/tcp/9999/wss/p2p/{ID}"));
    assert_eq!(address.host(), &Host::Dns(Family::V4, "relay.example.org".into()));
    assert_eq!((address.port(), address.transport()), (9999, Transport::SecureWebSocket));
    assert_eq!(address.peer_id().map(|id| id.to_string()).as_deref(), Some(ID));
    assert!(address.is_websocket());
    let address = read("/ip6/::1/tcp/7777");
    assert_eq!(address.host(), &Host::Ip(IpAddress::Ipv6(Ipv6Address::LOCALHOST)));
    assert!(!address.is_websocket() && address.peer_id().is_none());
    let address = address.with_peer_id(ID.parse().unwrap());
    assert_eq!(address.to_string(), format!("/ip6/::1/tcp/7777/p2p/{ID}"));
    assert_eq!(address.without_peer_id().to_string(), "/ip6/::1/tcp/7777");
}

#[test]
fn other_texts_are_refused_with_the_reason() {
    use MultiaddrError::{Malformed, Unsupported};
    for (text, error) in [
        ("", Malformed),
        ("/", Malformed),
        ("ip4/1.2.3.4/tcp/1", Malformed),
        ("/ip4", Malformed),
        ("/ip4/", Malformed),
        ("/ip4/1.2.3/tcp/1", Malformed),
        ("/ip4/1.2.3.4", Malformed),
        ("/ip4/1.2.3.4/tcp", Malformed),
        ("/ip4/1.2.3.4/tcp/", Malformed),
        ("/ip4/1.2.3.4/tcp/65536", Malformed),
        ("/ip4/1.2.3.4/tcp/+80", Malformed),
        ("/ip4/1.2.3.4/tcp/080", Malformed),
        ("/ip4/1.2.3.4/tcp/80/", Malformed),
        ("/ip4/1.2.3.4/tcp/80/p2p", Malformed),
        ("/ip4/1.2.3.4/tcp/80/p2p/QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N", Malformed),
        ("/ip6/1.2.3.4/tcp/80", Malformed),
        ("/dns//tcp/80", Malformed),
        ("/dns/a b/tcp/80", Malformed),
        ("/dns/ä.example/tcp/80", Malformed),
        ("/ip4/1.2.3.4/udp/80/quic-v1", Unsupported),
        ("/ip4/1.2.3.4/tcp/80/tls/ws", Unsupported),
        ("/ip4/1.2.3.4/tcp/80/ws/ws", Unsupported),
        ("/dnsaddr/example.org/tcp/80", Unsupported),
        ("/p2p/12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5", Unsupported),
        ("/unix/tmp", Unsupported),
    ] {
        assert_eq!(text.parse::<Multiaddr>(), Err(error), "{text}");
    }
}

#[test]
fn the_longest_name_and_address_are_read_and_one_more_is_not() {
    let name = |length: usize| "a".repeat(length);
    let text = |length| format!("/dns/{}/tcp/65535/wss/p2p/{ID}", name(length));
    let longest = read(&text(MAX_DNS_NAME_BYTES));
    assert!(longest.to_string().len() <= MULTIADDR_BYTES);
    assert_eq!(Multiaddr::from_bytes(&longest.to_bytes()), Ok(longest));
    let error = text(MAX_DNS_NAME_BYTES + 1).parse::<Multiaddr>();
    assert_eq!(error, Err(MultiaddrError::Malformed));
    let padded = |length: usize| format!("/ip4/{}", name(length - "/ip4/".len()));
    for (length, error) in [
        (MULTIADDR_BYTES, MultiaddrError::Malformed),
        (MULTIADDR_BYTES + 1, MultiaddrError::TooLong),
    ] {
        assert_eq!(padded(length).parse::<Multiaddr>(), Err(error));
        let mut bytes = alloc::vec![0; length];
        if let [first, second, third, ..] = bytes.as_mut_slice() {
            // A name of 300 bytes: one of more than the bound.
            [*first, *second, *third] = [53, 0xAC, 0x02];
        }
        assert_eq!(Multiaddr::from_bytes(&bytes), Err(error));
    }
}

fn addresses() -> impl Strategy<Value = Multiaddr> {
    let host = prop_oneof![
        any::<[u8; 4]>().prop_map(|ip| Host::Ip(IpAddress::Ipv4(ip.into()))),
        any::<[u8; 16]>().prop_map(|ip| Host::Ip(IpAddress::Ipv6(ip.into()))),
        (
            prop_oneof![Just(Family::Any), Just(Family::V4), Just(Family::V6)],
            "[a-zA-Z0-9._-]{1,253}"
        )
            .prop_map(|(family, name)| Host::Dns(family, name.into())),
    ];
    let transport = prop_oneof![
        Just(Transport::Tcp),
        Just(Transport::WebSocket),
        Just(Transport::SecureWebSocket)
    ];
    let peer_id = prop::option::of(any::<[u8; 32]>().prop_map(PeerId::from_public_key));
    (host, any::<u16>(), transport, peer_id)
        .prop_map(|(host, port, transport, peer_id)| Multiaddr { host, port, transport, peer_id })
}

proptest! {
    #[test]
    fn both_forms_read_back(address in addresses()) {
        prop_assert_eq!(address.to_string().parse(), Ok(address.clone()));
        prop_assert_eq!(Multiaddr::from_bytes(&address.to_bytes()), Ok(address));
    }

    #[test]
    fn bytes_that_are_an_address_are_its_only_form(
        address in addresses(), at: prop::sample::Index, by in 1u8..
    ) {
        let mut bytes = address.to_bytes();
        if let Some(byte) = bytes.get_mut(at.index(address.to_bytes().len())) {
            *byte ^= by;
        }
        if let Ok(other) = Multiaddr::from_bytes(&bytes) {
            prop_assert_ne!(&other, &address);
            prop_assert_eq!(other.to_bytes(), bytes);
        }
    }

    #[test]
    fn an_address_cut_short_is_another_or_none(address in addresses(), at: prop::sample::Index) {
        let bytes = address.to_bytes();
        let cut = bytes.get(..at.index(bytes.len())).unwrap_or_default();
        prop_assert_ne!(Multiaddr::from_bytes(cut), Ok(address));
    }

    #[test]
    fn any_text_is_read_or_refused(text in "(/(ip4|ip6|dns|tcp|ws|wss|p2p|[a-z0-9.:]{0,9})){0,9}/?") {
        if let Ok(address) = text.parse::<Multiaddr>() {
            let again: String = address.to_string();
            prop_assert_eq!(again.parse(), Ok(address));
        }
    }
}
