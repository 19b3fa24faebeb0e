//! Tests of the metrics page: the format is checked by a reader of its own.

use super::*;
use crate::machine::Simulated;
use alloc::collections::BTreeSet;
use alloc::string::ToString;
use alloc::vec::Vec;

/// A sample: its name with labels, and its value.
type Sample = (String, f64);

/// Reads a page of Prometheus' text format 0.0.4 and panics where it is not one.
pub(crate) fn check_exposition(page: &str) -> Vec<Sample> {
    assert!(page.ends_with('\n'), "the last line ends");
    let (mut helped, mut typed) = (BTreeSet::new(), BTreeSet::new());
    let (mut samples, mut seen) = (Vec::new(), BTreeSet::new());
    let mut current = "";
    for line in page.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, text) = help.split_once(' ').expect("a help has a text");
            assert!(helped.insert(name), "{name} has one help");
            check_escapes(text, "\\n");
            current = name;
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').expect("a type has a kind");
            assert_eq!(name, current, "the type follows the help");
            assert!(typed.insert(name), "{name} has one type");
            assert!(matches!(kind, "counter" | "gauge"), "{kind}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{name}");
            check_name(name);
        } else {
            let (series, value) = line.rsplit_once(' ').expect("a sample has a value");
            let (name, labels) = match series.split_once('{') {
                Some((name, labels)) => (name, labels.strip_suffix('}').expect("braces close")),
                None => (series, ""),
            };
            assert_eq!(name, current, "samples stand together under their type");
            assert!(typed.contains(name), "{name} has a type");
            check_labels(labels);
            assert!(seen.insert(series), "{series} is there once");
            samples.push((series.to_string(), value.parse().expect("a value is a number")));
        }
    }
    samples
}

fn check_name(name: &str) {
    assert!(name.starts_with("aerolith_"), "{name}");
    assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'), "{name}");
}

fn check_labels(mut labels: &str) {
    while !labels.is_empty() {
        let (name, rest) = labels.split_once("=\"").expect("a label has a value");
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
        let mut end = 0;
        let bytes = rest.as_bytes();
        while bytes[end] != b'"' {
            end += if bytes[end] == b'\\' { 2 } else { 1 };
        }
        check_escapes(&rest[..end], "\\n\"");
        labels = rest[end + 1..].strip_prefix(',').unwrap_or(&rest[end + 1..]);
    }
}

/// Every backslash begins one of the escapes that the place allows.
fn check_escapes(text: &str, allowed: &str) {
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        assert!(character != '\n');
        if character == '\\' {
            let escaped = characters.next().expect("an escape has a character");
            assert!(allowed.contains(escaped), "\\{escaped}");
        }
    }
}

fn value_of(samples: &[Sample], series: &str) -> Option<f64> {
    samples.iter().find(|(name, _)| name == series).map(|(_, value)| *value)
}

#[test]
fn the_page_is_well_formed_and_tells_what_was_counted() {
    let metrics = Metrics::default();
    metrics.particle(Outcome::Answered);
    metrics.particle(Outcome::Answered);
    metrics.call("op", 0);
    metrics.call("op", 1);
    metrics.call("whatever \"scripts\"\nname", 1);
    metrics.response(200);
    metrics.unreachable.add(3);
    let snapshot = Snapshot {
        live_particles: 4,
        network: Some(netstack::Counters::default()),
        ..Snapshot::default()
    };
    let machine = Simulated::new(0);
    machine.advance(Duration::from_millis(1500));
    let samples = check_exposition(&render(&metrics, &snapshot, &machine));
    for (series, value) in [
        ("aerolith_particles_total{outcome=\"answered\"}", 2.0),
        ("aerolith_particles_total{outcome=\"refused\"}", 0.0),
        ("aerolith_particles", 4.0),
        ("aerolith_service_calls_total{service=\"op\",result=\"ok\"}", 1.0),
        ("aerolith_service_calls_total{service=\"other\",result=\"error\"}", 1.0),
        ("aerolith_http_responses_total{code=\"200\"}", 1.0),
        ("aerolith_unreachable_peers_total", 3.0),
        ("aerolith_uptime_seconds", 1.5),
        ("aerolith_boot_phase_seconds{phase=\"simulated\"}", 0.0015),
        ("aerolith_heap_used_bytes", 1_048_576.0),
        ("aerolith_network_sent_frames_total", 0.0),
        ("aerolith_network_device_total{what=\"send_stall\"}", 1.0),
    ] {
        assert_eq!(value_of(&samples, series), Some(value), "{series}");
    }
}

#[test]
fn labels_and_helps_are_escaped() {
    let mut page = Exposition::default();
    page.metric("aerolith_test", Kind::Gauge, "back\\slash\nnew line")
        .sample(&[("text", "a\"b\\c\nd")], 1);
    let text = page.finish();
    assert!(text.contains("# HELP aerolith_test back\\\\slash\\nnew line\n"));
    assert!(text.contains("aerolith_test{text=\"a\\\"b\\\\c\\nd\"} 1\n"));
    check_exposition(&text);
}

#[test]
fn counters_do_not_wrap() {
    let counter = Counter::default();
    counter.add(u64::MAX);
    counter.add(5);
    assert_eq!(counter.get(), u64::MAX);
}
