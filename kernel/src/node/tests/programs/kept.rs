//! Programs that were installed and are there again after a restart, unless their owners took them back.

use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use futures_util::future::FutureExt;

use super::super::bench::{Bench, taken};
use super::{Document, after, respond};
use crate::aleph::item_hash::ItemHash;
use crate::program::limits::MAX_KEPT_PROGRAMS;
use crate::program::{Bundle, Definition, KeepError, Package, Programs};
use crate::store::testing::Lasting;
use crate::store::{Memory, Store, StoreError};

/// A node with this store that lets owner `0x1` install.
fn start(store: &Rc<dyn Store>) -> Bench {
    let mut bench = Bench::with(|config| config.aleph.program_owners = vec!["0x1".into()]);
    bench.programs = Programs::new(bench.node.clone(), store.clone());
    bench
}

fn lasting() -> Rc<dyn Store> {
    Rc::new(Lasting(Memory::new(usize::MAX)))
}

fn restored(bench: &Bench) {
    let programs = bench.programs.clone();
    bench.executor.spawn(async move { programs.restore().await });
    bench.run();
    assert!(bench.programs.restored().now_or_never().is_some());
}

fn id(package: &Package) -> ItemHash {
    Definition::of_package(package, &crate::aleph::package::Limits::default()).unwrap().id().clone()
}

fn keep(bench: &Bench, name: &ItemHash, package: Package) -> Result<(), KeepError> {
    bench.programs.keep(name, package).now_or_never().unwrap()
}

fn answering(with: usize) -> Package {
    Document::of(respond(&format!("\"{with}\""))).package()
}

fn keys(store: &Rc<dyn Store>) -> Vec<String> {
    store.keys("installed/").now_or_never().unwrap().unwrap()
}

#[test]
fn an_installed_program_is_there_after_a_restart() {
    let store = lasting();
    let package = answering(7);
    let name = id(&package);
    assert_eq!(keep(&start(&store), &name, package), Ok(()));
    for _ in 0..2 {
        let again = start(&store);
        restored(&again);
        assert_eq!(again.get(&format!("/vm/{name}/")).body, "7");
    }
}

#[test]
fn where_nothing_lasts_nothing_is_kept() {
    let store: Rc<dyn Store> = Rc::new(Memory::new(usize::MAX));
    let package = answering(7);
    assert_eq!(keep(&start(&store), &id(&package), package), Ok(()));
    assert!(keys(&store).is_empty());
    restored(&start(&store));
}

#[test]
fn broken_and_foreign_records_are_passed_over_and_stay() {
    let store = lasting();
    let packages: Vec<Package> = (0..3).map(answering).collect();
    let bench = start(&store);
    for package in &packages {
        keep(&bench, &id(package), package.clone()).unwrap();
    }
    let put = |name: &str, record: &[u8]| {
        store.put(&format!("installed/{name}"), record).now_or_never().unwrap().unwrap();
    };
    let bundle = |programs: Vec<Package>| Bundle { programs }.encode().unwrap();
    // Damaged, of another name, none, two, of an owner who may not.
    let mut damaged = bundle(vec![packages[0].clone()]);
    *damaged.last_mut().unwrap() ^= 1;
    put(id(&packages[0]).as_str(), &damaged);
    put("0x1", &bundle(vec![packages[1].clone()]));
    put("none", &bundle(vec![]));
    put("two", &bundle(packages.clone()));
    let text = String::from_utf8(answering(9).message).unwrap().replace("0x1", "0x2");
    let foreign = Package { message: text.into_bytes(), files: Vec::new() };
    put(id(&foreign).as_str(), &bundle(vec![foreign]));
    let before = keys(&store);

    let again = start(&store);
    restored(&again);
    let mut hosted: Vec<ItemHash> =
        again.programs.list().iter().map(|hosted| hosted.program().id.clone()).collect();
    let mut expected = vec![id(&packages[1]), id(&packages[2])];
    hosted.sort();
    expected.sort();
    assert_eq!(hosted, expected);
    assert_eq!(keys(&store), before, "nothing is thrown away");
    keep(&again, &id(&packages[0]), packages[0].clone())
        .expect("a damaged one may be installed anew");
    let last = start(&store);
    restored(&last);
    assert_eq!(last.programs.list().len(), 3);
}

#[test]
fn so_many_are_kept_and_not_one_more() {
    let store = lasting();
    let bench = start(&store);
    for number in 0..MAX_KEPT_PROGRAMS {
        let package = answering(number);
        keep(&bench, &id(&package), package).unwrap();
    }
    let more = answering(MAX_KEPT_PROGRAMS);
    assert_eq!(keep(&bench, &id(&more), more.clone()), Err(KeepError::TooMany));
    let first = answering(0);
    assert_eq!(keep(&bench, &id(&first), first), Ok(()), "in place of itself");
    // The bound holds over a restart, and for what somebody else put there.
    let again = start(&store);
    restored(&again);
    assert_eq!(again.programs.list().len(), MAX_KEPT_PROGRAMS);
    assert_eq!(keep(&again, &id(&more), more.clone()), Err(KeepError::TooMany));
    let record = Bundle { programs: vec![more.clone()] }.encode().unwrap();
    let key = format!("installed/{}", id(&more));
    store.put(&key, &record).now_or_never().unwrap().unwrap();
    let last = start(&store);
    restored(&last);
    assert_eq!(last.programs.list().len(), MAX_KEPT_PROGRAMS);
}

#[test]
fn what_the_store_refuses_is_not_counted() {
    let store: Rc<dyn Store> = Rc::new(Lasting(Memory::new(1000)));
    let bench = start(&store);
    for number in 0..=MAX_KEPT_PROGRAMS {
        let package = Package { message: vec![b' '; 1000], files: Vec::new() };
        let refused = keep(&bench, &ItemHash::of(&[u8::try_from(number).unwrap()]), package);
        assert_eq!(refused, Err(KeepError::Store(StoreError::Full)), "and not `TooMany`");
    }
}

fn forget(bench: &Bench, name: &ItemHash, owner: &str) {
    bench.programs.forget(core::slice::from_ref(name), owner).now_or_never().unwrap().unwrap();
}

/// Has a program hosted as one that was posted is.
fn post(bench: &Bench, package: &Package) -> ItemHash {
    let limits = bench.programs.package_limits();
    bench.programs.install(Definition::of_package(package, &limits).unwrap()).unwrap();
    let name = id(package);
    keep(bench, &name, package.clone()).unwrap();
    name
}

#[test]
fn a_program_that_its_owner_took_back_is_gone_for_good() {
    let store = lasting();
    let bench = start(&store);
    let put = r#"("vault" "put") ["/state/n" "1"]"#;
    let counting = Document::keeping_state(after(&[put], "1")).package();
    let (name, stays) = (post(&bench, &counting), post(&bench, &answering(1)));
    assert_eq!(bench.get(&format!("/vm/{name}/")).body, "1");
    let state = || store.keys("program/").now_or_never().unwrap().unwrap();
    assert_eq!((keys(&store).len(), state().len()), (2, 1));
    forget(&bench, &name, "0x2");
    assert_eq!(bench.get(&format!("/vm/{name}/")).status, 200, "somebody else cannot");
    forget(&bench, &name, "0x1");
    assert_eq!(bench.get(&format!("/vm/{name}/")).status, 404);
    assert_eq!(bench.get(&format!("/vm/{stays}/")).status, 200);
    assert_eq!((keys(&store).len(), state().len()), (1, 0));
    // Power went between the note and the deletion.
    let record = Bundle { programs: vec![counting] }.encode().unwrap();
    store.put(&format!("installed/{name}"), &record).now_or_never().unwrap().unwrap();
    let again = start(&store);
    restored(&again);
    assert_eq!(again.get(&format!("/vm/{name}/")).status, 404);
    assert_eq!(again.get(&format!("/vm/{stays}/")).status, 200);
    assert_eq!(keys(&store).len(), 1);
    assert!(
        again.programs.is_forgotten(&name, "0x1") && !again.programs.is_forgotten(&name, "0x3")
    );
}

#[test]
fn a_run_under_way_when_its_program_is_taken_back_ends_and_keeps_nothing() {
    let store = lasting();
    let bench = start(&store);
    let calls = [r#"("vault" "put") ["/state/n" "1"]"#, r#"("peer" "timeout") [500 "x"]"#];
    let name = post(&bench, &Document::keeping_state(after(&calls, "1")).package());
    let request = format!("GET /vm/{name}/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let reply = bench.send(request.into_bytes());
    while bench.programs.get(&name).unwrap().gate().inside() == 0 {
        bench.executor.turn();
    }
    forget(&bench, &name, "0x1");
    bench.run();
    assert_eq!(taken(&reply).body, "1");
    assert!(store.keys("program/").now_or_never().unwrap().unwrap().is_empty());
}

#[test]
fn a_program_that_the_node_was_booted_with_stays() {
    let bench = start(&lasting());
    let package = answering(1);
    let limits = bench.programs.package_limits();
    bench.programs.install(Definition::of_package(&package, &limits).unwrap()).unwrap();
    forget(&bench, &id(&package), "0x1");
    assert_eq!(bench.get(&format!("/vm/{}/", id(&package))).status, 200);
}

#[test]
fn a_damaged_list_of_what_was_taken_back_hinders_nothing() {
    let store = lasting();
    post(&start(&store), &answering(1));
    store.put("forgotten", &[0xff; 9]).now_or_never().unwrap().unwrap();
    let again = start(&store);
    restored(&again);
    assert_eq!(again.programs.list().len(), 1);
}
