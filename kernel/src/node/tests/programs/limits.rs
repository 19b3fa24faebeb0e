//! What a program may use, and that others do not notice when it wants more.

use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::time::Duration;

use futures_util::future::{FutureExt, LocalBoxFuture, ready};

use super::super::bench::{Bench, taken};
use super::super::bounds::endless;
use super::{Document, after, answer, at_once, field, respond};
use crate::aleph::item_hash::ItemHash;
use crate::aleph::package::{FileTree, Name};
use crate::machine::HeapUse;
use crate::program::api::{Api, ApiAnswer, ApiError, ApiRequest};
use crate::program::limits::{FREE_PACKAGE_PART, MAX_PROGRAMS, MAX_QUEUE_WAIT_MS, PACKAGE_PART};
use crate::program::{Definition, InstallError, RunOutcome, Trigger};

const SLOW: &str = r#"("peer" "timeout") [100 "done"] reply"#;

#[test]
fn a_program_that_loops_is_ended_at_its_time_and_others_go_on() {
    let bench = Bench::new();
    bench.machine.set_tick(Duration::from_micros(20));
    let loops = Document::of(endless()).host(&bench);
    let quick = Document::of(respond("\"quick\"")).host(&bench);
    let get = |id: &ItemHash| {
        let request = format!("GET /vm/{id}/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        bench.send(request.into_bytes())
    };
    let endless = get(loops.definition().id());
    for _ in 0..5 {
        bench.executor.turn();
    }
    let began = bench.machine_micros();
    let quick = get(quick.definition().id());
    bench.run();
    let quick = taken(&quick);
    assert_eq!(quick.body, "quick");
    assert!(quick.at.as_micros() - began < 100_000, "{:?}", quick.at);
    assert_eq!(taken(&endless).status, 504);
    assert_eq!(loops.stats().get(RunOutcome::TooSlow), 1);
    assert_eq!((loops.gate().inside(), loops.account().held()), (0, 0));
}

#[test]
fn a_program_that_loops_while_the_clock_stands_still_is_ended_by_its_fuel() {
    let resources = r#"{"memory":4,"seconds":0.05}"#;
    let reply = answer(&Document { resources, ..Document::of(endless()) });
    assert_eq!(reply.status, 500);
    assert!(reply.body.contains("units of fuel"), "{}", reply.body);
}

/// Grows by this many bytes in each of so many steps.
fn grows(bytes: usize, steps: usize) -> String {
    let steps: Vec<String> = (0..steps).map(|step| format!("{step}")).collect();
    format!(
        r#"(seq (call %init_peer_id% ("op" "array") [{}] list)
             (fold list i
               (seq (call %init_peer_id% ("op" "concat_strings") ["{}" i] more) (next i))
               {}))"#,
        steps.iter().map(|step| format!("\"{step}\"")).collect::<Vec<_>>().join(" "),
        "x".repeat(bytes),
        respond("1")
    )
}

#[test]
fn a_program_that_allocates_without_end_is_ended_at_its_memory() {
    let resources = r#"{"memory":1,"seconds":10}"#;
    let document = |steps| Document { resources, ..Document::of(grows(32 << 10, steps)) };
    let reply = answer(&document(10));
    assert_eq!(reply.status, 200, "{}", reply.body);
    let bench = Bench::new();
    let program = document(100).host(&bench);
    let reply = bench.get("/");
    assert_eq!(reply.status, 500);
    assert!(reply.body.contains("more than its memory of 1 MiB"), "{}", reply.body);
    assert!(program.account().peak() <= 1 << 20 && program.account().held() == 0);
}

#[test]
fn all_runs_of_a_program_have_its_memory_together() {
    let resources = r#"{"memory":1,"seconds":10}"#;
    let file = "x".repeat(200 << 10);
    let put = format!(r#"("vault" "put") ["/x" "{file}"] path"#);
    let script = after(&[&put, SLOW], "reply");
    let bench = Bench::new();
    Document { resources, ..Document::of(script) }.host(&bench);
    assert_eq!(bench.get("/").status, 200, "one of them fits");
    let replies = at_once(&bench, 6);
    let good = replies.iter().filter(|reply| reply.status == 200).count();
    assert!((1..6).contains(&good), "{good} of 6 fitted");
    assert!(replies.iter().all(|reply| matches!(reply.status, 200 | 500)));
    assert_eq!(bench.get("/").status, 200, "and again");
}

#[test]
fn a_program_that_floods_calls_is_ended() {
    let bench = Bench::new();
    let mut waits = String::from("(null)");
    for number in 0..2000 {
        waits =
            format!("(par (call %init_peer_id% (\"peer\" \"timeout\") [60000] w{number}) {waits})");
    }
    let flood = Document::of(format!(
        "(seq {waits} (seq (call %init_peer_id% (\"op\" \"identity\") [w0] x) (null)))"
    ));
    let flood = flood.host(&bench);
    let other = Document::of(respond("\"fine\"")).host(&bench);
    let get = |id: &ItemHash| {
        let request = format!("GET /vm/{id}/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        bench.send(request.into_bytes())
    };
    let (flooded, fine) = (get(flood.definition().id()), get(other.definition().id()));
    bench.run();
    assert!(matches!(taken(&flooded).status, 500 | 504));
    assert_eq!(taken(&fine).body, "fine");
    assert_eq!(bench.metric("aerolith_particles"), 0.0);
}

#[test]
fn so_many_run_so_many_wait_and_the_rest_are_told_to_come_back() {
    let bench = Bench::with(|config| {
        config.programs.concurrency = 2;
        config.programs.queue = 3;
    });
    let program = Document::of(after(&[SLOW], "reply")).host(&bench);
    assert!(at_once(&bench, 5).iter().all(|reply| reply.status == 200));
    let replies = at_once(&bench, 6);
    let refused: Vec<_> = replies.iter().filter(|reply| reply.status != 200).collect();
    assert_eq!(refused.len(), 1);
    assert_eq!((refused[0].status, &*refused[0].body), (503, "Insufficient capacity"));
    assert_eq!(field(refused[0], "retry-after").as_deref(), Some("1"));
    assert_eq!(program.stats().get(RunOutcome::Shed), 1);
}

#[test]
fn nobody_waits_for_ever() {
    let bench = Bench::with(|config| config.programs.concurrency = 1);
    let long = format!(r#"("peer" "timeout") [{}] reply"#, MAX_QUEUE_WAIT_MS + 1);
    let resources = r#"{"memory":4,"seconds":60}"#;
    Document { resources, ..Document::of(after(&[&long], "1")) }.host(&bench);
    let mut statuses: Vec<_> = at_once(&bench, 2).iter().map(|reply| reply.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 503]);
}

#[test]
fn a_run_whose_client_is_gone_ends() {
    let bench = Bench::new();
    let program = Document::of(after(&[r#"("peer" "timeout") [1500] t"#], "1")).host(&bench);
    let mut run = alloc::boxed::Box::pin(program.run(Trigger::Cron { tick: 5 }));
    assert!((&mut run).now_or_never().is_none());
    assert_eq!((program.gate().inside(), bench.metric("aerolith_particles")), (1, 1.0));
    drop(run);
    assert_eq!((program.gate().inside(), bench.metric("aerolith_particles")), (0, 0.0));
    assert_eq!(program.account().held(), 0);
}

#[test]
fn without_internet_a_program_goes_nowhere() {
    let peer = "12D3KooWRawPbxPtP1eZaJpumGnyWX2DcUyd3RQnydr3eAto4Az7";
    let away = format!("(seq (call \"{peer}\" (\"op\" \"noop\") []) {})", respond("1"));
    let reply = answer(&Document::of(away));
    assert_eq!(reply.status, 500);
    assert!(
        reply.body.contains("cannot be reached") && reply.body.contains(peer),
        "{}",
        reply.body
    );
    let connect = format!(r#"("peer" "connect") ["{peer}" []] x"#);
    let reply = answer(&Document::of(after(&[&connect], "x")));
    assert!(reply.status == 500 && reply.body.contains("no internet"), "{}", reply.body);
    let environment = r#"{"internet":true}"#;
    let reply = answer(&Document { environment, ..Document::of(after(&[&connect], "x")) });
    assert_eq!((reply.status, &*reply.body), (200, "false"));
}

/// Answers every request with what it was asked.
struct Echo(RefCell<Vec<ApiRequest>>);

impl Api for Echo {
    fn request(
        &self,
        program: &ItemHash,
        request: ApiRequest,
    ) -> LocalBoxFuture<'static, Result<ApiAnswer, ApiError>> {
        let text = format!("[\"{program}\",\"{} {}\"]", request.method, request.path);
        let status = if request.path.ends_with("/missing") { 404 } else { 200 };
        self.0.borrow_mut().push(request);
        ready(Ok(ApiAnswer { status, body: text.into_bytes() })).boxed_local()
    }
}

#[test]
fn the_api_is_for_programs_that_may_use_it() {
    let calls = [
        r#"("aleph" "get") ["/api/v0/messages.json?x=1"] a"#,
        r#"("aleph" "cache_put") ["key" "value"] b"#,
        r#"("aleph" "cache_get") ["missing"] c"#,
    ];
    let document = Document::of(after(&calls, "a.$.[1] c"));
    let bench = Bench::new();
    let echo = Rc::new(Echo(RefCell::default()));
    bench.programs.set_api(echo.clone());
    document.host(&bench);
    let reply = bench.get("/");
    assert!(reply.status == 500 && reply.body.contains("'aleph' not found"), "{}", reply.body);
    assert!(echo.0.borrow().is_empty());

    let bench = Bench::new();
    bench.programs.set_api(echo.clone());
    let environment = r#"{"aleph_api":true}"#;
    let allowed = Document { environment, ..document.clone() };
    allowed.host(&bench);
    let reply = bench.get("/");
    assert_eq!(reply.body, r#"["GET /api/v0/messages.json?x=1",null]"#);
    assert_eq!(echo.0.borrow()[1].body, b"value");

    let reply = answer(&allowed);
    assert!(reply.body.contains("no way to the network's API"), "{}", reply.body);
    for call in [
        r#"("aleph" "get") ["no path"] a"#,
        r#"("aleph" "get") ["/a b"] a"#,
        r#"("aleph" "cache_get") ["a/b"] a"#,
        r#"("aleph" "sign") ["text"] a"#,
    ] {
        let bad = Document { environment, ..Document::of(after(&[call], "a")) };
        assert_eq!(answer(&bad).status, 500, "{call}");
    }
}

#[test]
fn a_node_hosts_so_many_programs_and_not_one_more() {
    let bench = Bench::new();
    let definition = |number: usize| {
        let package = Document::of(respond(&format!("{number}"))).package();
        Definition::of_package(&package, &bench.programs.package_limits()).unwrap()
    };
    for number in 0..MAX_PROGRAMS {
        bench.programs.install(definition(number)).unwrap();
    }
    let more = bench.programs.install(definition(MAX_PROGRAMS));
    assert_eq!(more.err(), Some(InstallError::TooMany));
    assert!(bench.programs.install(definition(0)).is_ok(), "it is there already");
    assert!(
        bench.programs.remove(definition(0).id()) && !bench.programs.remove(definition(0).id())
    );
    assert!(bench.programs.install(definition(MAX_PROGRAMS)).is_ok());
}

#[test]
fn what_cannot_run_is_not_hosted() {
    let bench = Bench::new();
    let install = |document: &Document| {
        let limits = bench.programs.package_limits();
        let definition = Definition::of_package(&document.package(), &limits)?;
        bench.programs.install(definition).map(|_| ())
    };
    let error = install(&Document::of("(seq")).unwrap_err();
    assert!(
        matches!(&error, InstallError::Script(text) if text.contains("script.air:1")),
        "{error}"
    );
    let long = format!("{}{}", respond("1"), " ".repeat(bench.node.allowance().script));
    assert!(matches!(install(&Document::of(long)), Err(InstallError::Script(_))));
    for mount in ["/opt/code", "/opt", "/", "/a/../b"] {
        let more = format!(r#","export":{{"mount":"{mount}"}}"#);
        let error = install(&Document { more, ..Document::of("(null)") });
        assert_eq!(error, Err(InstallError::Mount("export")), "{mount}");
    }
}

#[test]
fn a_package_that_would_fill_the_memory_that_is_left_is_refused() {
    let bench = Bench::new();
    let (total, size) = (64 << 20, 1 << 20);
    let unpacks_to_its_limit = |free: u64| {
        bench.machine.set_heap(HeapUse { total, used: total - free, peak: 0 });
        let limits = bench.programs.package_limits();
        let mut tree = FileTree::new(limits);
        tree.put(Name::new(b"file").unwrap(), alloc::vec![1; size]).is_ok()
    };
    let least = u64::try_from(size * FREE_PACKAGE_PART).unwrap();
    assert!(unpacks_to_its_limit(least));
    assert!(!unpacks_to_its_limit(least - 1));
    bench.machine.set_heap(HeapUse { total, used: 0, peak: 0 });
    let roomy = bench.programs.package_limits();
    assert_eq!(roomy.unpacked_bytes, usize::try_from(total).unwrap() / PACKAGE_PART);
}
