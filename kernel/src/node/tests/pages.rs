//! `GET /health` and `GET /metrics`.

use air_core::Value;

use super::bench::{Bench, PEER_ID};

#[test]
fn health_tells_who_and_how_the_node_is() {
    let bench = Bench::new();
    bench.machine.advance(core::time::Duration::from_millis(42));
    let reply = bench.get("/health");
    assert_eq!(reply.status, 200);
    let json = reply.json();
    let field = |name| json.as_object().unwrap().get(name).cloned().unwrap_or_default();
    assert_eq!(field("status"), Value::from("ok"));
    assert_eq!(field("peer_id"), Value::from(PEER_ID));
    assert_eq!(field("uptime_ms"), Value::from(42_i64));
    assert_eq!(field("particles"), Value::from(0_i64));
}

#[test]
fn the_metrics_page_counts_requests_and_is_well_formed() {
    let bench = Bench::new();
    bench.air("(null)");
    bench.air("(seq");
    bench.get("/nowhere");
    let reply = bench.get("/metrics");
    assert_eq!(reply.status, 200);
    assert!(reply.head.contains("Content-Type: text/plain; version=0.0.4"), "{}", reply.head);
    crate::metrics::check_exposition(&reply.body);
    for code in ["204", "400", "404"] {
        let line = alloc::format!("aerolith_http_responses_total{{code=\"{code}\"}} 1\n");
        assert!(reply.body.contains(&line), "{line} in {}", reply.body);
    }
}

#[test]
fn answers_bear_the_date_of_the_machine() {
    let head = Bench::new().get("/health").head;
    assert!(head.contains("Date: Mon, 01 Jan 2024 00:00:00 GMT"), "{head}");
}

#[test]
fn the_seed_is_shown_nowhere() {
    let bench = Bench::new();
    let secret = "0101010101010101";
    for page in ["/health", "/metrics"] {
        assert!(!bench.get(page).body.contains(secret));
    }
    assert!(!alloc::format!("{:?} {:?}", bench.node, bench.node.config()).contains(secret));
}
