//! The metrics page: every figure of the node, with its meaning.

use alloc::string::{String, ToString};
use core::time::Duration;

use netstack::Counters;
use netstack::libp2p::swarm;

use super::exposition::{Exposition, Kind};
use super::{Metrics, NAMED_SERVICES, Outcome, seconds};
use crate::machine::Machine;
use crate::particle::DropReason;

/// Figures that are not counted but read at the moment of asking.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// Particles that live now.
    pub live_particles: usize,
    /// Bytes of the data that idle ones keep.
    pub kept_bytes: usize,
    /// Particles of other peers that wait to be looked at.
    pub arrivals: usize,
    /// Particles that wait for the interpreter.
    pub waiting_turns: usize,
    /// Particles that ended before their time and are remembered.
    pub remembered: usize,
    /// Tasks of the executor.
    pub live_tasks: usize,
    /// Parsed scripts that are kept.
    pub cached_scripts: usize,
    /// How often a kept script was found.
    pub cache_hits: u64,
    /// How often a script had to be parsed.
    pub cache_misses: u64,
    /// What the network stack counts, if there is one.
    pub network: Option<Counters>,
    /// What the network of peers counts, if there is one.
    pub peers: Option<swarm::Counters>,
}

/// The page in Prometheus' text format.
#[must_use]
pub fn render(metrics: &Metrics, snapshot: &Snapshot, machine: &dyn Machine) -> String {
    let mut page = Exposition::default();
    write_machine(&mut page, machine);
    write_particles(&mut page, metrics, snapshot);
    write_exchange(&mut page, metrics, snapshot);
    write_services(&mut page, metrics);
    page.metric(
        "aerolith_http_responses_total",
        Kind::Counter,
        "Answers of the HTTP server by status code.",
    );
    for (status, count) in metrics.responses.borrow().iter() {
        page.sample(&[("code", &status.to_string())], count);
    }
    if let Some(counters) = &snapshot.network {
        write_network(&mut page, counters);
    }
    if let Some(counters) = &snapshot.peers {
        super::peers::write(&mut page, counters);
    }
    super::limits::write(&mut page);
    page.finish()
}

fn write_machine(page: &mut Exposition, machine: &dyn Machine) {
    use Kind::{Counter, Gauge};
    page.metric("aerolith_build_info", Gauge, "Version of the node.")
        .sample(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    page.metric("aerolith_uptime_seconds", Gauge, "Time since the machine was entered.")
        .value(seconds(Duration::from_micros(machine.now().as_micros())));
    let phases = machine.boot_phases();
    page.metric("aerolith_boot_phase_seconds", Gauge, "Time that a phase of the boot took.");
    for phase in &phases {
        page.sample(&[("phase", phase.name)], seconds(Duration::from_micros(phase.micros)));
    }
    page.metric("aerolith_boot_phase_ticks", Gauge, "Cycle counter ticks of a phase of the boot.");
    for phase in &phases {
        page.sample(&[("phase", phase.name)], phase.ticks);
    }
    page.metric("aerolith_processors", Gauge, "Processors of the machine, of which one is used.")
        .value(machine.processors());
    let heap = machine.heap();
    page.metric("aerolith_heap_size_bytes", Gauge, "Memory that the heap manages.")
        .value(heap.total);
    page.metric("aerolith_heap_used_bytes", Gauge, "Memory in use.").value(heap.used);
    page.metric("aerolith_heap_peak_bytes", Gauge, "Most memory in use since boot.")
        .value(heap.peak);
    if let Some(device) = machine.network_device() {
        page.metric("aerolith_network_device_total", Counter, "Troubles of the network device.")
            .sample(&[("what", "receive_error")], device.receive_errors)
            .sample(&[("what", "send_drop")], device.send_drops)
            .sample(&[("what", "send_stall")], device.send_stalls);
    }
    let idle = machine.idle();
    page.metric("aerolith_idle_halts_total", Counter, "Times that the processor was halted.")
        .value(idle.halts);
    page.metric("aerolith_idle_seconds_total", Counter, "Time that the processor was halted.")
        .value(seconds(Duration::from_micros(idle.micros)));
}

fn write_particles(page: &mut Exposition, metrics: &Metrics, snapshot: &Snapshot) {
    use Kind::{Counter, Gauge};
    page.metric("aerolith_tasks", Gauge, "Tasks that have not ended.").value(snapshot.live_tasks);
    page.metric("aerolith_particles", Gauge, "Particles that live now.")
        .value(snapshot.live_particles);
    page.metric("aerolith_particles_total", Counter, "Particles that were given to the node.");
    for outcome in Outcome::ALL {
        let count = metrics.particles.borrow().get(&outcome).copied().unwrap_or(0);
        page.sample(&[("outcome", outcome.label())], count);
    }
    page.metric("aerolith_interpreter_steps_total", Counter, "Steps of the interpreter.")
        .value(metrics.steps.get());
    page.metric("aerolith_interpreter_fuel_total", Counter, "Fuel given to the interpreter.")
        .value(metrics.fuel.get());
    page.metric("aerolith_interpreter_seconds_total", Counter, "Time of the interpreter.")
        .value(seconds(Duration::from_micros(metrics.interpreter_micros.get())));
    page.metric(
        "aerolith_unreachable_peers_total",
        Counter,
        "Peers that scripts named and that could not be reached.",
    )
    .value(metrics.unreachable.get());
    page.metric("aerolith_cached_scripts", Gauge, "Parsed scripts that are kept.")
        .value(snapshot.cached_scripts);
    page.metric("aerolith_script_cache_total", Counter, "Scripts asked of the cache.")
        .sample(&[("result", "hit")], snapshot.cache_hits)
        .sample(&[("result", "miss")], snapshot.cache_misses);
}

/// Particles from and to other peers.
fn write_exchange(page: &mut Exposition, metrics: &Metrics, snapshot: &Snapshot) {
    use Kind::{Counter, Gauge};
    page.metric("aerolith_particle_arrived_total", Counter, "Particles that peers brought.")
        .value(metrics.arrived.get());
    page.metric(
        "aerolith_particle_dropped_total",
        Counter,
        "Particles that peers brought and that were not run.",
    );
    for reason in DropReason::ALL {
        let count = metrics.dropped.borrow().get(&reason).copied().unwrap_or(0);
        page.sample(&[("reason", reason.label())], count);
    }
    let peers = snapshot.peers.unwrap_or_default();
    page.sample(&[("reason", "malformed")], peers.particles_malformed)
        .sample(&[("reason", "crowded_out")], peers.particles_crowded_out);
    page.metric("aerolith_particle_sends_total", Counter, "Particles sent to peers, by result.");
    for (result, count) in metrics.sent.borrow().iter() {
        page.sample(&[("result", result)], count);
    }
    page.metric(
        "aerolith_particle_evicted_total",
        Counter,
        "Idle particles that ended so that others were not dropped.",
    );
    for reason in [DropReason::TooMany, DropReason::TooManyOfPeer, DropReason::Memory] {
        let count = metrics.evicted.borrow().get(&reason).copied().unwrap_or(0);
        page.sample(&[("reason", reason.label())], count);
    }
    page.metric("aerolith_particle_kept_bytes", Gauge, "Data of particles that are idle.")
        .value(snapshot.kept_bytes);
    page.metric("aerolith_particle_arrivals", Gauge, "Particles of peers that wait for a look.")
        .value(snapshot.arrivals);
    page.metric("aerolith_particle_turns", Gauge, "Particles that wait for the interpreter.")
        .value(snapshot.waiting_turns);
    page.metric(
        "aerolith_particle_remembered",
        Gauge,
        "Particles that ended before their time and are remembered.",
    )
    .value(snapshot.remembered);
}

fn write_services(page: &mut Exposition, metrics: &Metrics) {
    page.metric("aerolith_service_calls_total", Kind::Counter, "Calls that services answered.");
    let calls = metrics.services.borrow();
    for service in NAMED_SERVICES.into_iter().chain(["other"]) {
        for (ok, result) in [(true, "ok"), (false, "error")] {
            if let Some(count) = calls.get(&(service, ok)) {
                page.sample(&[("service", service), ("result", result)], count);
            }
        }
    }
}

fn write_network(page: &mut Exposition, counters: &Counters) {
    let totals = [
        ("aerolith_network_received_frames_total", counters.frames_received, "Frames received."),
        ("aerolith_network_received_bytes_total", counters.bytes_received, "Bytes received."),
        ("aerolith_network_sent_frames_total", counters.frames_sent, "Frames sent."),
        ("aerolith_network_sent_bytes_total", counters.bytes_sent, "Bytes sent."),
        ("aerolith_network_refused_frames_total", counters.frames_refused, "Frames refused."),
        ("aerolith_tcp_accepted_total", counters.connections_accepted, "Connections accepted."),
        ("aerolith_tcp_refused_total", counters.connections_refused, "Connections refused."),
        ("aerolith_tcp_opened_total", counters.connections_opened, "Connections made to others."),
        ("aerolith_tcp_failed_total", counters.connections_failed, "Connections that failed."),
        (
            "aerolith_tcp_aborted_total",
            counters.connections_aborted,
            "Connections that were reset.",
        ),
        (
            "aerolith_tcp_handshakes_failed_total",
            counters.handshakes_failed,
            "Handshakes that failed.",
        ),
        ("aerolith_dhcp_leases_acquired_total", counters.leases_acquired, "DHCP leases got."),
        ("aerolith_dhcp_leases_lost_total", counters.leases_lost, "DHCP leases lost."),
    ];
    for (name, value, help) in totals {
        page.metric(name, Kind::Counter, help).value(value);
    }
    page.metric("aerolith_tcp_sockets", Kind::Gauge, "TCP sockets of any state.")
        .value(counters.tcp_sockets);
    page.metric("aerolith_tcp_connections", Kind::Gauge, "TCP connections by state.")
        .sample(&[("state", "open")], counters.connections_open)
        .sample(&[("state", "half-open")], counters.connections_half_open)
        .sample(&[("state", "closing")], counters.connections_closing)
        .sample(&[("state", "time-wait")], counters.connections_time_wait);
}
