//! Tests of the configuration's forms and checks.

use super::*;
use crate::limits::{
    MAX_ALEPH_CHANNELS, MAX_ALEPH_OWNER_BYTES, MAX_ALEPH_OWNERS, MAX_ALEPH_POLL_MS,
    MAX_ALEPH_PROGRAMS, MIN_ALEPH_POLL_MS,
};
use alloc::format;
use alloc::string::ToString;
use alloc::vec;
use proptest::prelude::*;

const BOOTSTRAP: &str =
    "/ip4/10.0.2.3/tcp/7777/p2p/12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5";

fn full() -> Config {
    Config {
        log: LogLevel::Debug,
        network: NetworkConfig {
            hostname: "node-1".into(),
            addresses: vec!["10.0.2.15/24".parse().unwrap(), "fd00::2/64".parse().unwrap()],
            gateways: vec!["10.0.2.2".parse().unwrap(), "fd00::1".parse().unwrap()],
            dns: vec!["10.0.2.3".parse().unwrap()],
        },
        http: HttpConfig { port: 8080, max_connections: 20 },
        peers: PeersConfig {
            port: 9999,
            bootstrap: vec![BOOTSTRAP.parse().unwrap()],
            external_addresses: vec!["/dns4/node.example/tcp/9999/ws".parse().unwrap()],
            max_connections: 9,
            max_particle_bytes: 1 << 20,
            max_ttl_ms: 60_000,
            max_clock_skew_ms: 0,
            max_live_per_peer: 7,
        },
        identity: IdentityConfig { seed: Some(Seed::new([7; 32])) },
        particles: ParticleConfig { max_live: 9, ttl_ms: 1000, max_script_bytes: 4096 },
        programs: ProgramsConfig {
            concurrency: 3,
            queue: 0,
            max_body_bytes: 5,
            root: "0a".repeat(32),
        },
        volume: VolumeConfig { format: true },
        aleph: AlephConfig {
            node: Some("http://10.0.2.2:4024".parse().unwrap()),
            programs: vec!["0a".repeat(32)],
            poll_ms: 1000,
            websocket: false,
            channels: vec!["TEST".into()],
            accept: false,
            program_owners: vec!["0x5D86f5cFcd9e90283a82c214162e2d4C5CFda5c7".into()],
        },
    }
}

#[test]
fn default_and_full_configurations_survive_the_blob() {
    for config in [Config::default(), full()] {
        assert_eq!(Config::decode(&config.encode().unwrap()), Ok(config));
    }
}

#[test]
fn each_damage_of_the_blob_has_its_own_error() {
    let blob = full().encode().unwrap();
    for cut in 0..blob.len() {
        let error = Config::decode(&blob[..cut]).unwrap_err();
        assert!(matches!(error, DecodeError::Truncated { .. }), "{cut}: {error:?}");
    }
    let mut longer = blob.clone();
    longer.push(0);
    assert!(matches!(Config::decode(&longer), Err(DecodeError::TrailingBytes { .. })));
    assert_eq!(Config::decode(b"\x7fELF and more"), Err(DecodeError::NotAConfig));
    for found in [BLOB_VERSION - 1, BLOB_VERSION + 1] {
        let mut other = blob.clone();
        other[6..8].copy_from_slice(&u16::to_le_bytes(found));
        let error = Config::decode(&other).unwrap_err();
        assert_eq!(error, DecodeError::UnknownVersion { found });
        let told = format!("has version {found}, this node reads version {BLOB_VERSION} only");
        assert!(error.to_string().contains(&told), "{error}");
    }
    let mut garbled = blob;
    garbled[HEADER] = 77;
    assert_eq!(Config::decode(&garbled), Err(DecodeError::Malformed));
}

#[test]
fn the_length_of_a_blob_is_in_its_header() {
    let blob = full().encode().unwrap();
    assert_eq!(Config::blob_bytes(&[&blob[..], &[0; 100]].concat()), Some(blob.len()));
    assert_eq!(Config::blob_bytes(&blob[..HEADER - 1]), None);
    assert_eq!(Config::blob_bytes(b"EFI PART and more"), None);
    let mut huge = blob;
    huge[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(Config::blob_bytes(&huge), None);
}

/// Offset of the first field, which is the log level.
const HEADER: usize = 12;

#[test]
fn size_is_checked_at_the_limit() {
    let at_limit = vec![b'x'; crate::limits::MAX_CONFIG_BYTES];
    assert_eq!(Config::decode(&at_limit), Err(DecodeError::NotAConfig));
    let over = vec![b'x'; crate::limits::MAX_CONFIG_BYTES + 1];
    assert_eq!(Config::decode(&over), Err(DecodeError::TooLong { bytes: over.len() }));
}

#[test]
fn an_unusable_field_is_named() {
    type Spoil = fn(&mut Config);
    let spoils: [(&str, Spoil); 43] = [
        ("network.hostname", |c| c.network.hostname = "a".repeat(64)),
        ("network.hostname", |c| c.network.hostname = "a b".into()),
        ("network.addresses", |c| c.network.addresses = vec![Cidr::default()]),
        ("network.addresses", |c| {
            c.network.addresses = vec!["10.0.0.1/8".parse().unwrap(); 5];
        }),
        ("network.gateways", |c| c.network.gateways.push("10.0.2.4".parse().unwrap())),
        ("network.gateways", |c| c.network.addresses.clear()),
        ("network.dns", |c| c.network.dns = vec!["10.0.2.3".parse().unwrap(); 4]),
        ("network.dns", |c| c.network.dns = vec!["127.0.0.1".parse().unwrap()]),
        ("http.port", |c| c.http.port = 0),
        ("http.max_connections", |c| c.http.max_connections = MAX_HTTP_CONNECTIONS + 1),
        ("peers.port", |c| c.peers.port = 0),
        ("peers.port", |c| c.peers.port = c.http.port),
        ("peers.bootstrap", |c| c.peers.bootstrap = vec![BOOTSTRAP.parse().unwrap(); 33]),
        ("peers.bootstrap", |c| {
            c.peers.bootstrap = vec!["/ip4/10.0.2.3/tcp/7777".parse().unwrap()];
        }),
        ("peers.external_addresses", |c| {
            c.peers.external_addresses = vec![BOOTSTRAP.parse().unwrap(); 9];
        }),
        ("peers.max_connections", |c| c.peers.max_connections = MAX_PEER_CONNECTIONS + 1),
        ("peers.max_connections", |c| c.peers.max_connections = 0),
        ("peers.max_particle_bytes", |c| c.peers.max_particle_bytes = MIN_PARTICLE_BYTES - 1),
        ("peers.max_particle_bytes", |c| c.peers.max_particle_bytes = MAX_PARTICLE_BYTES + 1),
        ("peers.max_ttl_ms", |c| c.peers.max_ttl_ms = MAX_TTL_MS + 1),
        ("peers.max_clock_skew_ms", |c| c.peers.max_clock_skew_ms = MAX_CLOCK_SKEW_MS + 1),
        ("peers.max_live_per_peer", |c| c.peers.max_live_per_peer = MAX_LIVE_PARTICLES + 1),
        ("particles.max_live", |c| c.particles.max_live = MAX_LIVE_PARTICLES + 1),
        ("particles.ttl_ms", |c| c.particles.ttl_ms = MAX_TTL_MS + 1),
        ("particles.max_script_bytes", |c| c.particles.max_script_bytes = MAX_SCRIPT_BYTES + 1),
        ("particles.max_script_bytes", |c| c.particles.max_script_bytes = 0),
        ("programs.concurrency", |c| c.programs.concurrency = 0),
        ("programs.concurrency", |c| c.programs.concurrency = MAX_CONCURRENCY + 1),
        ("programs.queue", |c| c.programs.queue = MAX_QUEUE + 1),
        ("programs.max_body_bytes", |c| c.programs.max_body_bytes = MAX_PROGRAM_BODY_BYTES + 1),
        ("programs.root", |c| c.programs.root = "0a".into()),
        ("aleph.programs", |c| c.aleph.programs = vec!["0a".repeat(32); MAX_ALEPH_PROGRAMS + 1]),
        ("aleph.programs", |c| c.aleph.programs.push("0A".repeat(32))),
        ("aleph.programs", |c| c.aleph.node = None),
        ("aleph.poll_ms", |c| c.aleph.poll_ms = MIN_ALEPH_POLL_MS - 1),
        ("aleph.poll_ms", |c| c.aleph.poll_ms = MAX_ALEPH_POLL_MS + 1),
        ("aleph.channels", |c| c.aleph.channels = vec!["a".into(); MAX_ALEPH_CHANNELS + 1]),
        ("aleph.channels", |c| c.aleph.channels.push("a".repeat(129))),
        ("aleph.channels", |c| c.aleph.channels.push("a,b".into())),
        ("aleph.channels", |c| c.aleph.channels.push(String::new())),
        ("aleph.program_owners", |c| {
            c.aleph.program_owners = vec!["a".into(); MAX_ALEPH_OWNERS + 1];
        }),
        ("aleph.program_owners", |c| {
            c.aleph.program_owners.push("a".repeat(MAX_ALEPH_OWNER_BYTES + 1));
        }),
        ("aleph.program_owners", |c| c.aleph.program_owners.push(String::new())),
    ];
    for (field, spoil) in spoils {
        let mut config = full();
        assert_eq!(config.validate(), Ok(()));
        spoil(&mut config);
        assert_eq!(config.validate().unwrap_err().field, field);
        assert!(matches!(config.encode(), Err(EncodeError::Invalid(_))));
    }
    let mut at_limit = full();
    at_limit.http.max_connections = MAX_HTTP_CONNECTIONS;
    at_limit.peers = PeersConfig {
        bootstrap: vec![BOOTSTRAP.parse().unwrap(); MAX_BOOTSTRAP_PEERS],
        external_addresses: vec![BOOTSTRAP.parse().unwrap(); MAX_EXTERNAL_ADDRESSES],
        max_connections: MAX_PEER_CONNECTIONS,
        max_particle_bytes: MAX_PARTICLE_BYTES,
        max_ttl_ms: MAX_TTL_MS,
        max_clock_skew_ms: MAX_CLOCK_SKEW_MS,
        max_live_per_peer: MAX_LIVE_PARTICLES,
        ..PeersConfig::default()
    };
    at_limit.particles = ParticleConfig {
        max_live: MAX_LIVE_PARTICLES,
        ttl_ms: MAX_TTL_MS,
        max_script_bytes: MAX_SCRIPT_BYTES,
    };
    at_limit.programs = ProgramsConfig {
        concurrency: MAX_CONCURRENCY,
        queue: MAX_QUEUE,
        max_body_bytes: MAX_PROGRAM_BODY_BYTES,
        root: String::new(),
    };
    assert_eq!(at_limit.validate(), Ok(()));
}

#[test]
fn the_messages_of_the_limits_say_the_limits() {
    let mut config = full();
    config.http.max_connections = 0;
    assert!(config.validate().unwrap_err().why.ends_with(&MAX_HTTP_CONNECTIONS.to_string()));
    config = full();
    config.particles.max_live = 0;
    assert!(config.validate().unwrap_err().why.ends_with(&MAX_LIVE_PARTICLES.to_string()));
    config = full();
    config.particles.ttl_ms = 0;
    assert!(config.validate().unwrap_err().why.ends_with(&MAX_TTL_MS.to_string()));
    let why = |spoil: fn(&mut PeersConfig)| {
        let mut config = full();
        spoil(&mut config.peers);
        config.validate().unwrap_err().why
    };
    let bootstrap = why(|peers| peers.bootstrap = vec![BOOTSTRAP.parse().unwrap(); 33]);
    assert!(bootstrap.contains(&MAX_BOOTSTRAP_PEERS.to_string()));
    let external = why(|peers| peers.external_addresses = vec![BOOTSTRAP.parse().unwrap(); 9]);
    assert!(external.contains(&MAX_EXTERNAL_ADDRESSES.to_string()));
    assert!(why(|peers| peers.max_connections = 0).ends_with(&MAX_PEER_CONNECTIONS.to_string()));
    let bytes = why(|peers| peers.max_particle_bytes = 0);
    assert!(bytes.contains(&MIN_PARTICLE_BYTES.to_string()));
    assert!(bytes.ends_with(&MAX_PARTICLE_BYTES.to_string()));
    assert!(why(|peers| peers.max_ttl_ms = 0).ends_with(&MAX_TTL_MS.to_string()));
    let skew = why(|peers| peers.max_clock_skew_ms = u32::MAX);
    assert!(skew.ends_with(&MAX_CLOCK_SKEW_MS.to_string()));
    let live = why(|peers| peers.max_live_per_peer = 0);
    assert!(live.ends_with(&MAX_LIVE_PARTICLES.to_string()));
    config = full();
    config.particles.max_script_bytes = 0;
    assert!(config.validate().unwrap_err().why.ends_with(&MAX_SCRIPT_BYTES.to_string()));
}

#[test]
fn text_form_has_names_defaults_and_refuses_unknown_fields() {
    let parsed: Config = serde_json::from_str(
        r#"{"log":"warn","http":{"port":8080},"network":{"addresses":["10.0.2.15/24"]}}"#,
    )
    .unwrap();
    assert_eq!((parsed.log, parsed.http.port), (LogLevel::Warn, 8080));
    assert_eq!(parsed.http.max_connections, HttpConfig::default().max_connections);
    assert_eq!(parsed.network.addresses[0].to_string(), "10.0.2.15/24");
    let error = serde_json::from_str::<Config>(r#"{"http":{"prot":1}}"#).unwrap_err();
    assert!(error.to_string().contains("prot"), "{error}");
    let text = serde_json::to_string(&full()).unwrap();
    assert_eq!(serde_json::from_str::<Config>(&text).unwrap(), full());
}

#[test]
fn a_seed_is_never_shown() {
    let config = full();
    assert!(format!("{config:?}").contains("seed: Some(Seed(..))"));
    let digits = "ab".repeat(32);
    assert_eq!(digits.parse::<Seed>(), Ok(Seed::new([0xab; 32])));
    assert!("ab".repeat(33).parse::<Seed>().is_err());
    assert!("zz".repeat(32).parse::<Seed>().is_err());
}

#[test]
fn prefixes_fit_their_address() {
    assert!("10.0.0.1/32".parse::<Cidr>().is_ok());
    assert!("fd00::1/128".parse::<Cidr>().is_ok());
    for bad in ["10.0.0.1", "10.0.0.1/33", "fd00::1/129", "10.0.0.1/+8", "x/8", "/", "10.0.0.1/"] {
        assert!(bad.parse::<Cidr>().is_err(), "{bad}");
    }
}

proptest! {
    #[test]
    fn any_bytes_give_a_config_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Config::decode(&bytes);
        let mut blob = [b"AEROCF", &BLOB_VERSION.to_le_bytes()[..]].concat();
        blob.extend_from_slice(&u32::try_from(bytes.len()).unwrap().to_le_bytes());
        blob.extend_from_slice(&bytes);
        if let Ok(config) = Config::decode(&blob) {
            prop_assert_eq!(Config::decode(&config.encode().unwrap()), Ok(config));
        }
    }

    #[test]
    fn a_flipped_byte_never_panics(at in 0_usize..100, value: u8) {
        let mut blob = full().encode().unwrap();
        let index = at % blob.len();
        blob[index] = value;
        let _ = Config::decode(&blob);
    }
}

#[test]
fn aleph_s_bounds_hold_at_their_values() {
    let mut config = full();
    config.aleph.programs = vec!["0a".repeat(32); MAX_ALEPH_PROGRAMS];
    config.aleph.channels = vec!["\u{e9}".repeat(128); MAX_ALEPH_CHANNELS];
    config.aleph.program_owners = vec!["a".repeat(MAX_ALEPH_OWNER_BYTES); MAX_ALEPH_OWNERS];
    for poll_ms in [0, MIN_ALEPH_POLL_MS, MAX_ALEPH_POLL_MS] {
        config.aleph.poll_ms = poll_ms;
        assert_eq!(config.validate(), Ok(()));
    }
}

#[test]
fn nobody_s_programs_are_installed_unless_the_configuration_names_the_owner() {
    assert!(!AlephConfig::default().may_install("0x5D86f5cFcd9e90283a82c214162e2d4C5CFda5c7"));
    let aleph = full().aleph;
    assert!(aleph.may_install("0x5d86F5cFcd9e90283a82c214162e2d4C5CFda5c7"));
    assert!(!aleph.may_install("0x5D86f5cFcd9e90283a82c214162e2d4C5CFda5c8"));
    let everybody = AlephConfig { program_owners: vec!["*".into()], ..aleph };
    assert!(everybody.may_install("anybody"));
}
