use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use air_core::value::Value;
use proptest::prelude::*;

use super::http::{BadRequest, Request, scope};
use super::*;
use crate::aleph::item_hash::ItemHash;
use crate::aleph::limits::{MAX_TRIGGER_BODY_BYTES, MAX_TRIGGER_HEADERS};
use crate::aleph::message::Message;

const HASH: &str = "00ff7af18acedf717e9a49c85bd065687731024b292d3b288227aa3a8eed7c9e";

fn value(json: &str) -> Value {
    Value::parse(json).unwrap()
}

fn hash() -> ItemHash {
    HASH.parse().unwrap()
}

#[test]
fn a_program_is_named_by_path_or_host() {
    let path = |path: &'static str| route(path, None).map(|route| route.path);
    let long = format!("/vm/{HASH}/a%20b?x");
    assert_eq!(route(&long, None).unwrap(), Route { program: hash(), path: "/a%20b?x" });
    assert_eq!(route(&format!("/vm/{HASH}"), None).unwrap().path, "/");
    assert_eq!(path("/vm/"), None);
    assert_eq!(path("/vm/xyz/"), None);
    assert_eq!(path("/"), None);
    let label = route::host_label(&hash()).unwrap();
    assert_eq!(label.len(), 52);
    let host = format!("{label}.example.org");
    assert_eq!(route("/a", Some(&host)).unwrap(), Route { program: hash(), path: "/a" });
    assert_eq!(route("/", Some(&host.to_uppercase())).unwrap().program, hash());
    assert_eq!(route("/", Some(&label)), None);
    assert_eq!(route("/", Some("example.org")), None);
    // The last letter has bits that are none of the hash's.
    let wrong = format!("{}b.example.org", &label[..51]);
    assert!(
        route("/", Some(&wrong))
            .is_none_or(|route| label.ends_with('b') && route.program == hash())
    );
}

#[test]
fn the_label_of_a_known_hash_is_base32() {
    let hash: ItemHash =
        "66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925".parse().unwrap();
    assert_eq!(
        route::host_label(&hash).as_deref(),
        Some("mzuhvlpymk6xo3epygfy5h4oeaejofefn3rdhm4qfjmr2dk7fesq")
    );
    let cid: ItemHash = "QmQvQnZg9rB2fhmuminFSYgtGGzEhfbiTMobppUXVfGBmD".parse().unwrap();
    assert_eq!(route::host_label(&cid), None);
}

fn request<'a>(path: &'a str, query: &'a str, body: &'a [u8]) -> Request<'a> {
    Request { method: "POST", path, query, body }
}

#[test]
fn a_request_becomes_the_scope_of_the_network() {
    let headers: [(&str, &[u8]); 3] = [("Host", b"example"), ("X-A", b"1"), ("x-a", b"\xff")];
    let got = scope(&request("/%C3%B6/a%2Fb", "a=1&b=%20x", b"hi"), headers).unwrap();
    assert_eq!(
        got,
        value(
            r#"{"type":"http","path":"/ö/a/b","method":"POST","query_string":"a=1&b= x","headers":[["host","example"],["x-a","1"],["x-a",{"base64":"/w=="}]],"body":"hi"}"#
        )
    );
    let got = scope(&request("/100%", "%zz%4", &[0xff, 0]), []).unwrap();
    let member = |name: &str| got.as_object().unwrap().get(name).unwrap().clone();
    assert_eq!(member("path"), "/100%".into());
    assert_eq!(member("query_string"), "%zz%4".into());
    assert_eq!(member("body"), value(r#"{"base64":"/wA="}"#));
}

#[test]
fn requests_that_no_program_gets_have_a_status() {
    let of = |path, query| scope(&request(path, query, b""), []).unwrap_err();
    assert_eq!(of("/%ff", ""), BadRequest::Path);
    assert_eq!(of("*", ""), BadRequest::Path);
    assert_eq!(of("/", "%ff"), BadRequest::Query);
    let body = |length: usize| scope(&request("/", "", &vec![b'x'; length]), []).map(|_| ());
    assert_eq!(body(MAX_TRIGGER_BODY_BYTES), Ok(()));
    assert_eq!(body(MAX_TRIGGER_BODY_BYTES + 1), Err(BadRequest::BodyTooLarge));
    let fields =
        |count| scope(&request("/", "", b""), vec![("a", b"b".as_slice()); count]).map(|_| ());
    assert_eq!(fields(MAX_TRIGGER_HEADERS), Ok(()));
    assert_eq!(fields(MAX_TRIGGER_HEADERS + 1), Err(BadRequest::TooManyHeaders));
    let statuses =
        [BadRequest::Path, BadRequest::Query, BadRequest::BodyTooLarge, BadRequest::TooManyHeaders]
            .map(BadRequest::status);
    assert_eq!(statuses, [400, 400, 413, 431]);
}

/// Status, fields without the program's, body.
type Parts = (u16, Vec<(String, String)>, Vec<u8>);

fn answered(json: &str) -> Result<Parts, BadReply> {
    let mut answer = answer(&value(json), &hash(), None)?;
    let last = answer.headers.pop().unwrap();
    assert_eq!(last, ("aleph-program-itemhash".into(), HASH.into()));
    Ok((answer.status, answer.headers, answer.body))
}

fn field(name: &str, value: &str) -> (String, String) {
    (name.into(), value.into())
}

#[test]
fn replies_that_say_nothing_of_http_are_their_bodies() {
    let text = field("content-type", "text/plain; charset=utf-8");
    let json = field("content-type", "application/json");
    let bytes = field("content-type", "application/octet-stream");
    assert_eq!(answered(r#""pong""#), Ok((200, vec![text], b"pong".to_vec())));
    assert_eq!(answered("[1,2]"), Ok((200, vec![json.clone()], b"[1,2]".to_vec())));
    assert_eq!(answered("null"), Ok((200, vec![json.clone()], b"null".to_vec())));
    assert_eq!(answered(r#"{"a":1}"#), Ok((200, vec![json], br#"{"a":1}"#.to_vec())));
    assert_eq!(answered(r#"{"base64":"/wA="}"#), Ok((200, vec![bytes], vec![0xff, 0])));
    assert_eq!(answered(r#"{"base64":"!"}"#), Err(BadReply::Body));
}

#[test]
fn replies_of_http_say_status_fields_and_body() {
    let plain = field("content-type", "text/plain");
    for reply in [
        r#"{"status":201,"headers":[["Content-Type","text/plain"]],"body":"ok"}"#,
        r#"{"status":201,"headers":{"Content-Type":"text/plain"},"body":"ok"}"#,
        r#"{"headers":{"headers":[["content-type","text/plain"]],"status":201},"body":{"body":"ok"},"output":"","output_data":null}"#,
    ] {
        assert_eq!(answered(reply), Ok((201, vec![plain.clone()], b"ok".to_vec())), "{reply}");
    }
    assert_eq!(answered(r#"{"status":204}"#), Ok((204, vec![], vec![])));
    let json = field("content-type", "application/json");
    assert_eq!(
        answered(r#"{"status":200,"body":{"k":[]}}"#),
        Ok((200, vec![json], br#"{"k":[]}"#.to_vec()))
    );
}

#[test]
fn fields_that_are_not_the_programs_are_left_out_and_the_others_keep_their_order() {
    let reply = r#"{"status":200,"headers":[["X-B","1"],["Server","x"],["Content-Length","9"],["Vary","x"],["Transfer-Encoding","chunked"],["Content-Encoding","br"],["x-b","2"],["X-A","3"]]}"#;
    let fields = vec![field("x-b", "1"), field("x-b", "2"), field("x-a", "3")];
    assert_eq!(answered(reply), Ok((200, fields, vec![])));
    let code = ItemHash::of(b"code");
    let answer = answer(&value("1"), &hash(), Some(&code)).unwrap();
    assert_eq!(answer.headers.last(), Some(&field("aleph-program-code-ref", code.as_str())));
}

#[test]
fn the_body_of_a_404_becomes_json() {
    let json = field("content-type", "application/json");
    let reply = r#"{"status":404,"headers":[["content-type","text/html"]],"body":"no \"x\""}"#;
    assert_eq!(answered(reply), Ok((404, vec![json], br#"{"error":"no \"x\""}"#.to_vec())));
    assert_eq!(answered(r#"{"status":404,"body":{"base64":"/w=="}}"#), Err(BadReply::NotFoundBody));
}

#[test]
fn replies_that_http_cannot_carry_are_refused() {
    for (reply, error) in [
        (r#"{"status":"200"}"#, BadReply::Status),
        (r#"{"status":199}"#, BadReply::Status),
        (r#"{"status":600}"#, BadReply::Status),
        (r#"{"status":200.5}"#, BadReply::Status),
        (r#"{"status":200,"headers":"x"}"#, BadReply::Headers),
        (r#"{"status":200,"headers":[["a"]]}"#, BadReply::Headers),
        (r#"{"status":200,"headers":[["a",1]]}"#, BadReply::Headers),
        (r#"{"status":200,"headers":{"a":1}}"#, BadReply::Headers),
        (r#"{"status":200,"headers":[["a b","c"]]}"#, BadReply::Field),
        (r#"{"status":200,"headers":[["","c"]]}"#, BadReply::Field),
        (r#"{"status":200,"headers":[["a","b\r\nc: d"]]}"#, BadReply::Field),
        (r#"{"headers":{"status":200},"body":"x"}"#, BadReply::Body),
        (r#"{"headers":{"status":200},"body":{}}"#, BadReply::Body),
    ] {
        assert_eq!(answered(reply), Err(error), "{reply}");
        assert!(!error.to_string().is_empty());
    }
    let many = |count| {
        let fields = vec![r#"["a","b"]"#; count].join(",");
        answered(&format!(r#"{{"status":200,"headers":[{fields}]}}"#)).map(|answer| answer.1.len())
    };
    assert_eq!(many(MAX_TRIGGER_HEADERS), Ok(MAX_TRIGGER_HEADERS));
    assert_eq!(many(MAX_TRIGGER_HEADERS + 1), Err(BadReply::Headers));
}

#[test]
fn failures_are_answered_as_the_network_does() {
    let answer = |failure: Failure| {
        let Answer { status, headers, body } = failure.answer();
        (status, headers, String::from_utf8(body).unwrap())
    };
    let text = field("content-type", "text/plain; charset=utf-8");
    let json = field("content-type", "application/json");
    assert_eq!(answer(Failure::Program("boom".into())), (500, vec![text.clone()], "boom".into()));
    assert_eq!(
        answer(Failure::TooSlow),
        (
            504,
            vec![json.clone()],
            r#"{"error":"Program did not respond within `resource.seconds`"}"#.into()
        )
    );
    assert_eq!(answer(Failure::Reply(BadReply::Status)).0, 500);
    assert_eq!(answer(Failure::Silent).0, 502);
    assert_eq!(answer(Failure::Unavailable).0, 400);
    assert_eq!(answer(Failure::Start).0, 500);
    assert_eq!(answer(Failure::NoProgram).0, 404);
    let busy = answer(Failure::Busy);
    assert_eq!((busy.0, busy.1.last()), (503, Some(&field("retry-after", "1"))));
}

/// A post with this content, in a message of a known sender and channel.
fn post(content: &str) -> Message {
    message(
        "POST",
        &format!(
            r#"{{"address":"0xA1","time":1700000000.5,"type":"calculation","content":{content}}}"#
        ),
    )
}

fn message(kind: &str, content: &str) -> Message {
    let (inline, hash) = (Value::from(content), ItemHash::of(content.as_bytes()));
    Message::parse(&format!(
        r#"{{"chain":"ETH","sender":"0xA1","type":"{kind}","channel":"TEST","signature":"0x","time":1700000000.25,"item_type":"inline","item_content":{inline},"item_hash":"{hash}","content":{content}}}"#
    ))
    .unwrap()
}

#[test]
fn subscriptions_match_by_all_of_their_members() {
    let message =
        post(r#"{"k":"v","n":1,"list":[1,{"a":2}],"flag":true,"nothing":null,"tags":["x","y"]}"#);
    for subscription in [
        r#"{"type":"POST"}"#,
        r#"{"sender":"0xA1","channel":"TEST"}"#,
        r#"{"chain":"ETH","type":"POST","content":{"type":"calculation"}}"#,
        r#"{"content":{"address":"0xA1"}}"#,
        r#"{"content":{"content":{"k":"v"}}}"#,
        r#"{"content":{"content":{"n":1.0,"flag":true,"nothing":null}}}"#,
        r#"{"content":{"content":{"list":[1,{"a":2}]}}}"#,
        r#"{"content":{}}"#,
        r#"{"tags":"x"}"#,
        r#"{"tags":["y","x"]}"#,
    ] {
        assert!(subscription::matches(&value(subscription), &message), "{subscription}");
    }
    let by_hash = format!(r#"{{"item_hash":"{}"}}"#, message.item_hash());
    assert!(subscription::matches(&value(&by_hash), &message));
    for subscription in [
        "{}",
        "[]",
        r#""POST""#,
        r#"{"type":"STORE"}"#,
        r#"{"type":"POST","channel":"OTHER"}"#,
        r#"{"foo":"x"}"#,
        r#"{"content":"calculation"}"#,
        r#"{"content":{"content":{"k":"w"}}}"#,
        r#"{"content":{"content":{"flag":1}}}"#,
        r#"{"content":{"content":{"list":[1]}}}"#,
        r#"{"content":{"content":{"k":{"deeper":1}}}}"#,
        r#"{"content":{"missing":null}}"#,
        r#"{"tags":["x","z"]}"#,
        r#"{"tags":[]}"#,
        r#"{"tags":1}"#,
    ] {
        assert!(!subscription::matches(&value(subscription), &message), "{subscription}");
    }
}

#[test]
fn the_first_subscription_that_matches_is_the_one() {
    let list = [
        value("{}"),
        value(r#"{"type":"STORE"}"#),
        value(r#"{"type":"POST"}"#),
        value(r#"{"chain":"ETH"}"#),
    ];
    assert_eq!(subscription::first_match(&list, &post("1")), Some(2));
    assert_eq!(subscription::first_match(&list[..2], &post("1")), None);
}

#[test]
fn tags_are_found_where_each_type_has_them() {
    let tagged = value(r#"{"tags":"a"}"#);
    let zeros = "0".repeat(64);
    let store = format!(
        r#"{{"address":"x","time":1,"item_type":"storage","item_hash":"{zeros}","tags":["a"]}}"#
    );
    assert!(subscription::matches(&tagged, &message("STORE", &store)));
    let aggregate = r#"{"address":"x","time":1,"key":"k","content":{"tags":["a"]}}"#;
    assert!(subscription::matches(&tagged, &message("AGGREGATE", aggregate)));
    let forget = format!(r#"{{"address":"x","time":1,"hashes":["{zeros}"],"aggregates":[]}}"#);
    assert!(!subscription::matches(&tagged, &message("FORGET", &forget)));
}

#[test]
fn only_the_signed_content_is_matched() {
    let honest = post(r#"{"k":"v"}"#);
    let envelope = Value::Object(alloc::sync::Arc::new(honest.envelope().clone()));
    let lie = envelope.to_json().replacen(
        r#""content":{"address":"0xA1","content":{"k":"v"}"#,
        r#""content":{"address":"0xA1","content":{"k":"lie"}"#,
        1,
    );
    let lie = Message::parse(&lie).unwrap();
    assert_ne!(lie.stated_content(), honest.stated_content());
    assert!(!subscription::matches(&value(r#"{"content":{"content":{"k":"lie"}}}"#), &lie));
    assert!(subscription::matches(&value(r#"{"content":{"content":{"k":"v"}}}"#), &lie));
}

#[test]
fn an_event_is_the_message_with_nothing_left_out() {
    let scope = event::scope(&post(r#"{"k":1}"#));
    let members = scope.as_object().unwrap();
    assert_eq!(members.get("type"), Some(&"aleph.message".into()));
    let body = members.get("body").unwrap().as_str().unwrap();
    assert!(body.starts_with(r#"{"chain":"ETH","sender":"0xA1","type":"POST","channel":"TEST","confirmations":null,"confirmed":null,"signature":"0x","size":null,"time":"2023-11-14T22:13:20.250000Z","item_type":"inline","item_content":"{"#), "{body}");
    assert!(body.ends_with(r#""content":{"address":"0xA1","content":{"k":1},"time":1700000000.5,"type":"calculation"},"forgotten_by":null}"#), "{body}");
    assert!(Value::parse(body).is_ok());
}

#[test]
fn each_message_is_new_once() {
    let hash = |number: u64| ItemHash::of(&number.to_le_bytes());
    let mut seen = Seen::new(3);
    assert!(seen.is_new(&hash(1), 10) && !seen.is_new(&hash(1), 10));
    assert!(seen.is_new(&hash(2), 30) && seen.is_new(&hash(3), 20));
    // The fourth makes the oldest be forgotten, which is not new for all that.
    assert!(seen.is_new(&hash(4), 40));
    assert_eq!(seen.len(), 3);
    assert!(!seen.is_new(&hash(1), 10) && !seen.is_new(&hash(5), 10));
    assert!(seen.is_new(&hash(6), 25));
    assert!(!seen.is_new(&hash(6), 99));
}

proptest! {
    #[test]
    fn no_message_is_new_twice(times in prop::collection::vec((0_u64..20, 0_u64..50), 0..80), most in 1_usize..6) {
        let mut seen = Seen::new(most);
        let mut dealt_with = Vec::new();
        for (number, time) in times {
            if seen.is_new(&ItemHash::of(&number.to_le_bytes()), time) {
                // A message has one time; another one with the same name does not come by.
                prop_assert!(!dealt_with.contains(&(number, time)));
                dealt_with.push((number, time));
            }
            prop_assert!(seen.len() <= most);
        }
    }

    #[test]
    fn a_label_reads_back(bytes in any::<[u8; 32]>()) {
        let hash = ItemHash::of(&bytes);
        let host = format!("{}.x", route::host_label(&hash).unwrap());
        prop_assert_eq!(route("/", Some(&host)).unwrap().program, hash);
    }

    #[test]
    fn any_request_has_a_scope_or_a_status(path in "/[ -~é]{0,30}", query in "[ -~]{0,30}", body in prop::collection::vec(any::<u8>(), 0..50)) {
        match scope(&request(&path, &query, &body), []) {
            Ok(value) => prop_assert!(value.as_object().is_some()),
            Err(error) => prop_assert_eq!(error.status(), 400),
        }
    }

    #[test]
    fn bytes_go_through_a_program_unchanged(body in prop::collection::vec(any::<u8>(), 1..100)) {
        let scope = scope(&request("/", "", &body), []).unwrap();
        let body_value = scope.as_object().unwrap().get("body").unwrap().clone();
        prop_assert_eq!(answer(&body_value, &hash(), None).unwrap().body, body);
    }
}
