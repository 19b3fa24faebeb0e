//! Programs whose files are amended while they are hosted.

use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use futures_util::FutureExt;

use crate::aleph::item_hash::ItemHash;
use crate::config::Config;
use crate::message_node::Installer;
use crate::node::Node;
use crate::program::{Programs, Trigger};
use crate::store::testing::Lasting;
use crate::store::{Memory, Store};
use crate::subscribe::tests::bench::{Author, Bench, Canned, NOW, read};

const INTERVAL: Duration = Duration::from_secs(60);
/// The export of a program that counts its runs in it.
const STATE: &str = r#","export":{"encoding":"zip","mount":"/state"}"#;

/// A node that hosts programs of a message node.
struct Life {
    bench: Bench,
    programs: Programs,
    installer: Rc<Installer>,
}

impl Life {
    fn new(store: &Rc<dyn Store>) -> Self {
        let bench = Bench::new();
        let machine = Rc::new(bench.machine.clone());
        let mut config = Config::default();
        config.aleph.program_owners = vec!["*".into()];
        let node = Node::new(machine.clone(), bench.executor.clone(), config);
        let programs = Programs::new(node, store.clone());
        let source = Rc::<Canned>::clone(&bench.node);
        let executor = bench.executor.clone();
        let installer = Installer::new(source, programs.clone(), machine, executor, 1 << 20);
        Self { bench, programs, installer }
    }

    fn follow(&self) {
        self.bench.executor.spawn(self.installer.clone().follow_amendments(INTERVAL));
    }

    fn rounds(&self, count: u32) {
        self.bench.pass(INTERVAL * count + Duration::from_secs(1));
    }

    /// What a run answers.
    fn run(&self, program: &ItemHash) -> String {
        let hosted = self.programs.get(program).unwrap();
        let reply = self.bench.begin(async move { hosted.run(Trigger::Cron { tick: NOW }).await });
        self.bench.pass(Duration::from_secs(1));
        let reply = reply.take().now_or_never().unwrap().unwrap();
        reply.value().unwrap().as_str().unwrap().into()
    }

    fn asked(&self, part: &str) -> usize {
        self.bench.node.asked.borrow().iter().filter(|target| target.contains(part)).count()
    }
}

fn forgetful() -> Rc<dyn Store> {
    Rc::new(Memory::new(1 << 20))
}

fn responding(with: &str) -> String {
    format!(r#"(call %init_peer_id% ("callbackSrv" "response") ["{with}"])"#)
}

/// A message node's file with the STORE message that brings it.
fn store(
    node: &Canned,
    author: &Author,
    time: u64,
    script: &str,
    amends: Option<&ItemHash>,
) -> String {
    let file = ItemHash::of(script.as_bytes());
    let target = format!("/api/v0/storage/raw/{file}");
    node.answers.borrow_mut().insert(target, script.as_bytes().to_vec());
    let amends = amends.map_or(String::new(), |first| format!(r#","ref":"{first}""#));
    let owner = author.address();
    let content = format!(
        r#"{{"address":"{owner}","time":{time},"item_type":"storage","item_hash":"{file}"{amends}}}"#
    );
    author.sign("STORE", "A", time, &content)
}

/// A program on that code, which the message node has.
fn program(
    node: &Canned,
    author: &Author,
    code: &ItemHash,
    use_latest: bool,
    more: &str,
) -> String {
    let owner = author.address();
    let content = format!(
        r#"{{"address":"{owner}","time":{NOW},"allow_amend":false,"type":"vm-function","code":{{"encoding":"plain","entrypoint":"main","ref":"{code}","use_latest":{use_latest}}},"on":{{"http":true}},"environment":{{"reproducible":false,"internet":false,"aleph_api":false,"shared_cache":false}},"resources":{{"vcpus":1,"memory":8,"seconds":5}},"runtime":{{"ref":"{code}","use_latest":false,"comment":""}},"volumes":[]{more}}}"#
    );
    let message = author.sign("PROGRAM", "A", NOW, &content);
    let name = read(&message).item_hash().clone();
    node.answer(&format!("hashes={name}"), core::slice::from_ref(&message));
    message
}

fn hash(message: &str) -> ItemHash {
    read(message).item_hash().clone()
}

/// A life with a program whose code says `old`.
fn begun(
    store_of: &Rc<dyn Store>,
    use_latest: bool,
    script: &str,
    more: &str,
) -> (Life, Author, ItemHash, ItemHash) {
    let (life, author) = (Life::new(store_of), Author::new(1));
    let node = &life.bench.node;
    let first = store(node, &author, NOW, script, None);
    let code = hash(&first);
    node.answer(&format!("hashes={code}"), core::slice::from_ref(&first));
    node.answer("msgTypes=STORE", &[]);
    let name = hash(&program(node, &author, &code, use_latest, more));
    (life, author, code, name)
}

fn fetch(life: &Life, name: &ItemHash) {
    let (installer, name) = (life.installer.clone(), name.clone());
    life.bench.begin(async move { installer.fetch(&name).await.map(drop) });
    life.bench.pass(Duration::from_secs(1));
}

#[test]
fn amended_code_runs_from_the_next_look_on_where_it_is_wanted() {
    for use_latest in [true, false] {
        let (life, author, code, name) = begun(&forgetful(), use_latest, &responding("old"), "");
        fetch(&life, &name);
        life.follow();
        assert_eq!(life.run(&name), "old");
        life.rounds(2);
        let fetched = life.asked("/storage/raw/");
        assert_eq!(fetched, 1, "what is the same is not fetched again");
        let second = store(&life.bench.node, &author, NOW + 9, &responding("new"), Some(&code));
        life.bench.node.answer("msgTypes=STORE", &[second]);
        assert_eq!(life.run(&name), "old", "nobody has looked yet");
        life.rounds(1);
        assert_eq!(life.run(&name), if use_latest { "new" } else { "old" });
        let asked = life.asked("");
        life.rounds(3);
        assert_eq!(life.asked("/storage/raw/"), fetched + usize::from(use_latest));
        assert_eq!(life.asked("") - asked, if use_latest { 6 } else { 0 }, "two questions a look");
    }
}

#[test]
fn code_that_cannot_be_hosted_is_passed_over_once_and_the_next_is_taken() {
    let (life, author, code, name) = begun(&forgetful(), true, &responding("old"), "");
    fetch(&life, &name);
    life.follow();
    let node = &life.bench.node;
    node.answer("msgTypes=STORE", &[store(node, &author, NOW + 1, "(seq", Some(&code))]);
    life.rounds(3);
    assert_eq!((life.run(&name), life.asked("/storage/raw/")), ("old".into(), 2));
    let third = store(node, &author, NOW + 2, &responding("third"), Some(&code));
    node.answer("msgTypes=STORE", &[third]);
    life.rounds(1);
    assert_eq!(life.run(&name), "third");
}

#[test]
fn a_message_node_that_fails_leaves_programs_as_they_are() {
    let (life, author, code, name) = begun(&forgetful(), true, &responding("old"), "");
    fetch(&life, &name);
    life.follow();
    let answers = core::mem::take(&mut *life.bench.node.answers.borrow_mut());
    life.rounds(2);
    assert_eq!(life.run(&name), "old");
    *life.bench.node.answers.borrow_mut() = answers;
    let second = store(&life.bench.node, &author, NOW + 1, &responding("new"), Some(&code));
    life.bench.node.answer("msgTypes=STORE", &[second]);
    life.rounds(1);
    assert_eq!(life.run(&name), "new");
}

#[test]
fn the_state_of_a_program_outlasts_an_amendment() {
    let counting = |mark: &str| {
        format!(
            r#"(seq (call %init_peer_id% ("vault" "get") ["/state/x" ""] before)
                 (seq (call %init_peer_id% ("op" "concat_strings") [before "{mark}"] now)
                  (seq (call %init_peer_id% ("vault" "put") ["/state/x" now] path)
                       (call %init_peer_id% ("callbackSrv" "response") [now]))))"#
        )
    };
    let (life, author, code, name) = begun(&forgetful(), true, &counting("a"), STATE);
    fetch(&life, &name);
    life.follow();
    assert_eq!([life.run(&name), life.run(&name)], ["a", "aa"]);
    let second = store(&life.bench.node, &author, NOW + 1, &counting("b"), Some(&code));
    life.bench.node.answer("msgTypes=STORE", &[second]);
    life.rounds(1);
    assert_eq!([life.run(&name), life.run(&name)], ["aab", "aabb"]);
}

#[test]
fn a_posted_program_is_kept_with_the_files_that_it_has_now() {
    use crate::message_node::Install;
    let kept: Rc<dyn Store> = Rc::new(Lasting(Memory::new(1 << 20)));
    let (life, author, code, name) = begun(&kept, true, &responding("old"), "");
    let answers = life.bench.node.answers.borrow();
    let page = answers.get(&format!("hashes={name}")).unwrap().clone();
    drop(answers);
    let page = String::from_utf8(page).unwrap();
    let message = page.strip_prefix("{\"messages\":[").unwrap().strip_suffix("]}").unwrap();
    life.installer.install(read(message));
    life.bench.pass(Duration::from_secs(1));
    assert_eq!(life.run(&name), "old");
    let second = store(&life.bench.node, &author, NOW + 1, &responding("new"), Some(&code));
    life.bench.node.answer("msgTypes=STORE", &[second]);

    // In the next life it is brought back, and what was amended meanwhile is found.
    let next = Life::new(&kept);
    let restored = |life: &Life| {
        let programs = life.programs.clone();
        life.bench.begin(async move { programs.restore().await });
        life.bench.pass(Duration::from_secs(1));
    };
    restored(&next);
    assert_eq!(next.run(&name), "old");
    let answers: Vec<_> = life.bench.node.answers.borrow().clone().into_iter().collect();
    next.bench.node.answers.borrow_mut().extend(answers);
    next.follow();
    next.rounds(1);
    assert_eq!(next.run(&name), "new");
    // And in the one after that without a message node.
    let last = Life::new(&kept);
    restored(&last);
    assert_eq!(last.run(&name), "new");
}
