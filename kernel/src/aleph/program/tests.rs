use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;

use super::*;
use crate::aleph::limits::{MAX_DOCUMENT_BYTES, MAX_SUBSCRIPTIONS};

const HASH: &str = "7a411af18acedf717e9a49c85bd065687731024b292d3b288227aa3a8eed7c9e";

/// The first form: code inside, addresses elsewhere.
const FIRST: &str = r#"{"type":"vm-function","address":"0xA1","time":1618386753.856,
    "ref":"dd2b59919c6f561cb6681877f1e881d56f88a79e315d251e5dd4ceab81e0d476",
    "content":{
        "code":{"encoding":"plain","entrypoint":"main","content":"(null)"},
        "on":{"http":true,"cron":"5 4 * * *","aleph":[{"type":"POST","content":{"type":"note"}}]},
        "environment":{"reproducible":true,"internet":false,"aleph_api":false},
        "resources":{"vcpus":1,"memory":64,"seconds":2.5},
        "runtime":{"address":"0xA1","comment":"any"},
        "data":{"encoding":"tar.gzip","mount":"/mnt","address":"0xA1"},
        "export":{"encoding":"tar.gzip","mount":"/mnt"}}}"#;

/// The second form with no more than it needs.
fn second(code: &str) -> String {
    format!(r#"{{"type":"vm-function","address":"0xA1","time":1,"content":{{"code":{code}}}}}"#)
}

fn first_refusal(document: &str) -> String {
    Program::from_document(document).unwrap_err().first().unwrap().to_string()
}

#[test]
fn the_canonical_form_of_a_document_that_says_little_is_canonical_too() {
    let short = second(r#"{"encoding":"plain","entrypoint":"main","content":"t"}"#);
    let canonical = Program::canonical_document(&short).unwrap().to_json();
    assert!(
        canonical.contains(r#""resources":{"memory":128,"seconds":1.0,"vcpus":1}"#),
        "{canonical}"
    );
    assert_eq!(Program::canonical_document(&canonical).unwrap().to_json(), canonical);
    let ids = [short, canonical].map(|text| Program::from_document(&text).unwrap().id);
    assert_eq!(ids[0], ids[1]);
}

#[test]
fn a_number_with_many_digits_is_what_its_canonical_text_says() {
    let digits = "9".repeat(45);
    let aleph = format!(r#""on":{{"aleph":[{{"n":{digits}}}]}},"code":"#);
    let code = r#"{"encoding":"plain","entrypoint":"main","content":"t"}"#;
    let document = second(code).replacen(r#""code":"#, &aleph, 1);
    assert!(!Value::parse(&document).unwrap().reads_back(), "it would prove nothing");
    let canonical = Program::canonical_document(&document).unwrap();
    assert_eq!(Program::canonical_document(&canonical.to_json()), Ok(canonical));
}

#[test]
fn the_first_form_is_understood() {
    let program = Program::from_document(FIRST).unwrap();
    assert_eq!(&*program.owner, "0xA1");
    assert_eq!(
        program.code,
        Code {
            encoding: Encoding::Plain,
            entrypoint: "main".into(),
            source: Source::Inline(b"(null)".as_slice().into())
        }
    );
    assert_eq!(
        program.data,
        Some(Mount {
            encoding: Encoding::TarGzip,
            mount: "/mnt".into(),
            source: Source::Address("0xA1".into())
        })
    );
    assert_eq!(program.export.as_deref(), Some("/mnt"));
    assert!(program.triggers.http && !program.triggers.persistent);
    assert_eq!(program.triggers.cron, Some("5 4 * * *".parse().unwrap()));
    assert_eq!(program.triggers.messages.len(), 1);
    assert_eq!(program.environment, Environment { reproducible: true, ..Environment::default() });
    assert_eq!(program.resources, Resources { vcpus: 1, memory_mib: 64, milliseconds: 2500 });
    assert!(program.replaces.is_some());
}

#[test]
fn the_second_form_is_understood_and_filled_in() {
    let code =
        format!(r#"{{"encoding":"zip","entrypoint":"main","ref":"{HASH}","latest_amend":true}}"#);
    let program = Program::from_document(&second(&code)).unwrap();
    let hash: ItemHash = HASH.parse().unwrap();
    assert_eq!(program.code.source, Source::Message { hash: hash.clone(), use_latest: true });
    assert_eq!(program.triggers, Triggers::default());
    assert_eq!(program.environment, Environment::default());
    let resources = Resources { vcpus: 1, memory_mib: 128, milliseconds: 1000 };
    assert_eq!(program.resources, resources);
    let named = second(&format!(r#"{{"encoding":"zip","entrypoint":"main","address":"{HASH}"}}"#));
    let program = Program::from_document(&named).unwrap();
    assert_eq!(program.code.source, Source::Message { hash, use_latest: false });
}

#[test]
fn packed_code_is_base64_in_the_document() {
    let of = |content: &str| {
        second(&format!(r#"{{"encoding":"zip","entrypoint":"main","content":"{content}"}}"#))
    };
    let program = Program::from_document(&of("UEs=")).unwrap();
    assert_eq!(program.code.source, Source::Inline(b"PK".as_slice().into()));
    assert!(first_refusal(&of("P!")).starts_with("content.code.content is not base64"));
}

#[test]
fn the_id_is_that_of_the_meaning_and_not_of_the_spelling() {
    let spelled = FIRST.replace("1618386753.856", "1618386753.8560").replace('\n', " ");
    let program = Program::from_document(FIRST).unwrap();
    assert_eq!(program.id, Program::from_document(&spelled).unwrap().id);
    let other = FIRST.replace("(null)", "(never)");
    assert_ne!(program.id, Program::from_document(&other).unwrap().id);
    let canonical = Program::canonical_document(FIRST).unwrap();
    assert_eq!(Program::canonical_document(&canonical.to_json()).unwrap(), canonical);
    assert_eq!(program.id, ItemHash::of(canonical.to_json().as_bytes()));
}

#[test]
fn a_document_that_is_wrong_says_where() {
    for (from, to, refusal) in [
        ("vm-function", "vm-instance", "type is not `vm-function`"),
        (r#""address":"0xA1","time""#, r#""time""#, "address is missing"),
        ("5 4 * * *", "5 4 * *", "content.on.cron is not a schedule of five fields"),
        (
            r#""plain""#,
            r#""rar""#,
            "content.code.encoding is none of `plain`, `zip`, `tar.gzip`, `squashfs`",
        ),
        (r#""content":"(null)""#, r#""x":1"#, "content.code.x is not a field that is known here"),
        (r#","content":"(null)""#, "", "content.code needs one of `content`, `address` and `ref`"),
        (
            r#""content":"(null)""#,
            r#""content":"x","address":"y""#,
            "content.code needs one of `content`, `address` and `ref`",
        ),
        (
            r#""content":"(null)""#,
            r#""content":"x","latest_amend":true"#,
            "content.code.latest_amend belongs only beside a `ref`",
        ),
        (r#""seconds":2.5"#, r#""seconds":0"#, "content.resources.seconds is less than 0.001"),
        (
            r#""seconds":2.5"#,
            r#""seconds":1e9"#,
            "content.resources.seconds is more than 315360000",
        ),
        (r#""memory":64"#, r#""memory":0"#, "content.resources.memory is less than 1"),
        (
            r#""export":{"encoding":"tar.gzip""#,
            r#""export":{"encoding":"zip""#,
            "content.export.encoding is not `tar.gzip`",
        ),
        (r#""aleph":[{"#, r#""aleph":[1,{"#, "content.on.aleph.0 is not an object"),
    ] {
        assert!(FIRST.contains(from), "{from}");
        assert_eq!(first_refusal(&FIRST.replacen(from, to, 1)), refusal);
    }
    assert_eq!(first_refusal("{"), "the document is not JSON");
    assert_eq!(first_refusal("[]"), "the document is not an object");
}

#[test]
fn a_document_may_have_so_many_bytes_and_subscriptions_and_no_more() {
    let padded = |length: usize| format!("{FIRST}{}", " ".repeat(length - FIRST.len()));
    assert!(Program::from_document(&padded(MAX_DOCUMENT_BYTES)).is_ok());
    let refusals = Program::from_document(&padded(MAX_DOCUMENT_BYTES + 1)).unwrap_err();
    assert_eq!(refusals, Refusals::one("", Reason::TooLong(MAX_DOCUMENT_BYTES)));
    let subscribed = |count: usize| {
        let list = vec![r#"{"type":"POST"}"#; count].join(",");
        FIRST.replace(r#"[{"type":"POST","content":{"type":"note"}}]"#, &format!("[{list}]"))
    };
    assert!(Program::from_document(&subscribed(MAX_SUBSCRIPTIONS)).is_ok());
    assert!(Program::from_document(&subscribed(MAX_SUBSCRIPTIONS + 1)).is_err());
}

fn message(content: &str) -> Message {
    let inline = Value::from(content);
    let hash = ItemHash::of(content.as_bytes());
    Message::parse(&format!(
        r#"{{"chain":"ETH","sender":"0xA1","type":"PROGRAM","signature":null,"time":1,"item_type":"inline","item_content":{inline},"item_hash":"{hash}","content":{content}}}"#
    ))
    .unwrap()
}

const CONTENT: &str = r#"{"address":"0xA1","time":1,"allow_amend":true,"variables":{"AIR_CRON":"@hourly","N":"1"},"environment":{"reproducible":false,"internet":true,"aleph_api":true,"shared_cache":false},"resources":{"vcpus":2,"memory":256,"seconds":30},"volumes":[],"type":"vm-function","code":{"encoding":"squashfs","entrypoint":"hello:greet","ref":"7a411af18acedf717e9a49c85bd065687731024b292d3b288227aa3a8eed7c9e","use_latest":true},"runtime":{"ref":"7a411af18acedf717e9a49c85bd065687731024b292d3b288227aa3a8eed7c9e","use_latest":true,"comment":"AIR"},"data":{"encoding":"zip","mount":"/data","ref":"7a411af18acedf717e9a49c85bd065687731024b292d3b288227aa3a8eed7c9e","use_latest":false},"on":{"http":false,"message":[{"type":"POST"}],"persistent":true}}"#;

#[test]
fn a_message_of_the_network_is_understood() {
    let message = message(CONTENT);
    let program = Program::from_message(&message).unwrap();
    let hash: ItemHash = HASH.parse().unwrap();
    assert_eq!(&program.id, message.item_hash());
    assert_eq!(
        program.code,
        Code {
            encoding: Encoding::Squashfs,
            entrypoint: "hello:greet".into(),
            source: Source::Message { hash: hash.clone(), use_latest: true }
        }
    );
    let data = program.data.unwrap();
    assert_eq!(data.source, Source::Message { hash, use_latest: false });
    assert_eq!(program.triggers.cron, Some("@hourly".parse().unwrap()));
    assert!(!program.triggers.http && program.triggers.persistent);
    assert_eq!(program.triggers.messages.len(), 1);
    assert_eq!(program.variables.len(), 2);
    assert!(program.allow_amend && program.replaces.is_none() && program.export.is_none());
    assert_eq!(program.resources.milliseconds, 30_000);
}

#[test]
fn a_message_that_is_no_program_or_has_no_schedule_is_refused() {
    let refused = |message: &Message| {
        Program::from_message(message).unwrap_err().first().unwrap().to_string()
    };
    let wrong = message(&CONTENT.replace("@hourly", "@reboot"));
    assert_eq!(refused(&wrong), "content.variables.AIR_CRON is not a schedule of five fields");
    let post = r#"{"chain":"ETH","sender":"0xA1","type":"POST","signature":null,"time":1,"item_type":"storage","item_hash":"7a411af18acedf717e9a49c85bd065687731024b292d3b288227aa3a8eed7c9e","content":{"address":"0xA1","time":1,"type":"x"}}"#;
    assert_eq!(refused(&Message::parse(post).unwrap()), "type is not `PROGRAM`");
    let stored = format!(
        r#"{{"chain":"ETH","sender":"0xA1","type":"PROGRAM","signature":null,"time":1,"item_type":"storage","item_hash":"{HASH}","content":{CONTENT}}}"#
    );
    assert_eq!(refused(&Message::parse(&stored).unwrap()), "content is missing");
}
