//! What `GET /programs` tells, and the metrics of programs.

use alloc::rc::Rc;
use alloc::string::String;

use super::{Hosted, Programs, RunOutcome};
use crate::metrics::{Exposition, Kind};
use crate::node::json::{ObjectWriter, array};

impl Programs {
    /// A JSON array of the hosted programs, in the order of their names.
    #[must_use]
    pub fn to_json(&self) -> String {
        array(self.list().iter().map(program))
    }

    /// The metrics page of the node and its programs, each with its name; there are as many as programs
    /// at most.
    #[must_use]
    pub fn metrics_page(&self) -> String {
        let mut page = Exposition::default();
        self.write_metrics(&mut page);
        self.node().metrics_page() + &page.finish()
    }

    fn write_metrics(&self, page: &mut Exposition) {
        use Kind::{Counter, Gauge};
        let all = self.list();
        let id = |hosted: &Rc<Hosted>| hosted.definition().id().clone();
        page.metric("aerolith_programs", Gauge, "Programs that are hosted.").value(all.len());
        page.metric("aerolith_program_runs_total", Counter, "Runs of a program, by outcome.");
        for hosted in &all {
            for outcome in RunOutcome::ALL {
                let program = id(hosted);
                let labels = [("program", program.as_str()), ("outcome", outcome.label())];
                page.sample(&labels, hosted.stats().get(outcome));
            }
        }
        let mut gauge = |name, help, read: fn(&Hosted) -> usize| {
            page.metric(name, Gauge, help);
            for hosted in &all {
                page.sample(&[("program", id(hosted).as_str())], read(hosted));
            }
        };
        gauge("aerolith_program_running", "Runs of a program.", |hosted| hosted.gate().inside());
        gauge(
            "aerolith_program_waiting",
            "Runs of a program that wait for their turn.",
            |hosted| hosted.gate().waiting(),
        );
        gauge(
            "aerolith_program_receiving",
            "Requests of a program whose bodies are arriving, of those that are large.",
            |hosted| hosted.gate().reserved(),
        );
        gauge("aerolith_program_held_bytes", "Memory that a program's runs hold.", |hosted| {
            hosted.account().held()
        });
        gauge("aerolith_program_peak_bytes", "Most memory that they held.", |hosted| {
            hosted.account().peak()
        });
    }
}

fn program(hosted: &Rc<Hosted>) -> String {
    let program = hosted.program();
    let (resources, may) = (&program.resources, &program.environment);
    let triggers = ObjectWriter::new()
        .json("http", program.triggers.http)
        .json("cron", program.triggers.cron.is_some())
        .json("messages", program.triggers.messages.len())
        .finish();
    let environment = ObjectWriter::new()
        .json("reproducible", may.reproducible)
        .json("internet", may.internet)
        .json("aleph_api", may.aleph_api)
        .finish();
    let resources = ObjectWriter::new()
        .json("vcpus", resources.vcpus)
        .json("memory", resources.memory_mib)
        .json("milliseconds", hosted.time_limit().as_millis())
        .finish();
    let runs = RunOutcome::ALL.iter().fold(ObjectWriter::new(), |writer, outcome| {
        writer.json(outcome.label(), hosted.stats().get(*outcome))
    });
    let path = alloc::format!("/vm/{}/", program.id);
    ObjectWriter::new()
        .text("item_hash", program.id.as_str())
        .text("owner", &program.owner)
        .text("path", &path)
        .optional_text("host", crate::aleph::trigger::route::host_label(&program.id).as_deref())
        .json("on", triggers)
        .json("environment", environment)
        .json("resources", resources)
        .json("keeps_state", hosted.definition().export().is_some())
        .json("running", hosted.gate().inside())
        .json("waiting", hosted.gate().waiting())
        .json("held_bytes", hosted.account().held())
        .json("runs", runs.finish())
        .finish()
}
