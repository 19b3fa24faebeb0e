//! Messages over HTTP.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use air_core::value::Value;
use netstack::http::client::{Answer, Bounds, Client, Request};
use netstack::http::{Failure, Handler, Head, Limits, RequestBody, Response, serve};
use netstack::pipe;
use proptest::prelude::*;

use super::bench::{Author, Bench, NOW, read};
use crate::limits::{MAX_FILTER_VALUES, MAX_MESSAGES_PER_PAGE};
use crate::subscribe::Messages;
use crate::subscribe::page::{BadFilter, Filter};

struct Only(Messages);

impl Handler for Only {
    async fn handle(&self, head: &Head, body: &mut impl RequestBody) -> Result<Response, Failure> {
        assert!(Messages::is_theirs(&head.path), "{}", head.path);
        self.0.handle(head, body).await
    }
}

impl Bench {
    fn request(&self, method: &'static str, target: &str, body: Option<&str>) -> Answer {
        let (near, far) = pipe::pair(4096);
        let (timer, handler) =
            (self.executor.clone(), Only(Messages::new(self.subscriber.clone())));
        self.executor.spawn(async move {
            serve(far, &Limits::default(), &timer, &handler).await;
        });
        let (target, body) = (String::from(target), body.map(String::from));
        let timer = self.executor.clone();
        self.run(async move {
            let body = body.as_deref().map(str::as_bytes);
            let request = Request { method, target: &target, host: "node", headers: &[], body };
            Client::new(near, timer).send(&request, &Bounds::default()).await.unwrap()
        })
    }

    fn json(&self, method: &'static str, target: &str, body: Option<&str>) -> (u16, Value) {
        let answer = self.request(method, target, body);
        let text = core::str::from_utf8(&answer.body).unwrap();
        (answer.status, Value::parse(text).unwrap_or_else(|_| panic!("{text}")))
    }
}

/// The value at a path such as `error.fields.0.field`.
fn at<'a>(value: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(value, |value, name| match value {
        Value::Array(items) => &items[name.parse::<usize>().unwrap()],
        other => other.as_object().and_then(|members| members.get(name)).unwrap_or(&Value::Null),
    })
}

/// Without what only the network's nodes add.
fn published(message: &str) -> String {
    let end = message.find(",\"content\":").unwrap();
    format!("{}}}", &message[..end])
}

#[test]
fn a_message_is_published_and_read_back() {
    let bench = Bench::new();
    let noted = bench.host(1, r#"[{"channel":"A"}]"#);
    let message = published(&Author::new(1).note("A", NOW, "h\u{e9}llo"));
    let (status, answer) = bench.json("POST", "/message", Some(&message));
    let hash = read(&Author::new(1).note("A", NOW, "h\u{e9}llo")).item_hash().clone();
    assert_eq!((status, at(&answer, "message_status").as_str()), (200, Some("processed")));
    assert_eq!(at(&answer, "publication_status.status").as_str(), Some("success"));
    assert_eq!(at(&answer, "item_hash").as_str(), Some(hash.as_str()));
    assert_eq!(at(&answer, "programs").as_array().map(<[_]>::len), Some(1));
    assert_eq!(*noted.ran.borrow(), core::slice::from_ref(&hash));

    let wrapped = format!("{{\"sync\":true,\"message\":{message}}}");
    let (status, answer) = bench.json("POST", "/api/v0/messages", Some(&wrapped));
    assert_eq!((status, at(&answer, "repeated").as_array().map(<[_]>::len)), (200, Some(1)));
    assert_eq!(noted.ran.borrow().len(), 1);

    let (status, answer) = bench.json("GET", &format!("/api/v0/messages/{hash}"), None);
    assert_eq!((status, at(&answer, "status").as_str()), (200, Some("processed")));
    assert_eq!(at(&answer, "message.item_hash").as_str(), Some(hash.as_str()));
    assert_eq!(at(&answer, "message.content.content.text").as_str(), Some("h\u{e9}llo"));
    let (status, answer) = bench.json("GET", &format!("/api/v0/messages/{hash}/status"), None);
    assert_eq!((status, at(&answer, "status").as_str()), (200, Some("processed")));
    assert_eq!(*at(&answer, "message"), Value::Null);
}

#[test]
fn a_refusal_says_which_field_is_wrong_and_why() {
    let bench = Bench::new();
    let message = published(&Author::new(1).note("A", NOW, "hello"));
    let other = published(&Author::new(2).note("A", NOW, "hello"));
    let signature = |message: &str| {
        let start = message.find("\"signature\":").unwrap();
        message[start..message.find(",\"time\"").unwrap()].replace('\n', "")
    };
    for (body, status, field, reason) in [
        ("{", 400, "", ""),
        ("[]", 422, "", "an object"),
        ("{}", 422, "type", "is missing"),
        (&message.replace("\"channel\":\"A\"", "\"channel\":7"), 422, "channel", "text"),
        (&message.replace("hello", "hullo"), 422, "item_hash", "SHA-256"),
        (&message.replace("\"chain\":\"SOL\"", "\"chain\":\"XYZ\""), 422, "chain", "none of"),
        (
            &message.replace(&signature(&message), &signature(&other)),
            422,
            "signature",
            "not the sender's",
        ),
    ] {
        let (found, answer) = bench.json("POST", "/message", Some(body));
        assert_eq!(found, status, "{body}: {}", answer.to_json());
        if status == 422 {
            assert_eq!(at(&answer, "message_status").as_str(), Some("rejected"));
            assert_eq!(at(&answer, "error.fields.0.field").as_str(), Some(field), "{body}");
            let said = at(&answer, "error.fields.0.reason").as_str().unwrap();
            assert!(said.contains(reason), "{said}");
        }
    }
    assert!(bench.subscriber.accepted.borrow().is_empty());
}

#[test]
fn a_message_has_its_bound_in_bytes() {
    let bench = Bench::new();
    let most = Messages::new(bench.subscriber.clone()).body_bytes();
    let with = |length: usize| format!("{{{}}}", " ".repeat(length - 2));
    assert_eq!(bench.json("POST", "/message", Some(&with(most))).0, 422);
    assert_eq!(bench.json("POST", "/message", Some(&with(most + 1))).0, 413);
}

#[test]
fn a_full_queue_is_said_with_the_time_to_come_again() {
    let bench = Bench::new();
    let noted = bench.host(1, r#"[{"channel":"A"}]"#);
    noted.takes.set(core::time::Duration::from_secs(1_000_000));
    let author = Author::new(1);
    let answer = (0..).map(|number| {
        let message = published(&author.note("A", NOW, &format!("{number}")));
        bench.request("POST", "/message", Some(&message))
    });
    let full = answer.into_iter().find(|answer| answer.status != 200).unwrap();
    assert_eq!((full.status, full.headers.get("retry-after")), (503, Some("1")));
}

#[test]
fn pages_are_filtered_and_ordered_as_by_the_network_s_nodes() {
    let bench = Bench::new();
    let (first, second) = (Author::new(1), Author::new(2));
    for (author, channel, time) in [
        (&first, "A", NOW),
        (&second, "B", NOW + 1),
        (&first, "B", NOW + 2),
        (&second, "A", NOW + 3),
    ] {
        bench.post(&author.note(channel, time, "x")).unwrap();
    }
    let times = |query: &str| -> Vec<u64> {
        let (status, page) = bench.json("GET", &format!("/api/v0/messages.json?{query}"), None);
        assert_eq!(status, 200, "{query}");
        let time = |message: &Value| {
            let time = at(message, "time").to_json();
            time.trim_end_matches(".0").parse::<u64>().unwrap() - NOW
        };
        at(&page, "messages").as_array().unwrap().iter().map(time).collect()
    };
    assert_eq!(times(""), [3, 2, 1, 0]);
    assert_eq!(times("sortOrder=1&sortBy=time"), [0, 1, 2, 3]);
    assert_eq!(times("channels=A"), [3, 0]);
    assert_eq!(times("channels=A%2CB&msgTypes=POST&sortOrder=-1"), [3, 2, 1, 0]);
    assert_eq!(times(&format!("addresses={}&sortOrder=1", first.address())), [0, 2]);
    assert_eq!(times(&format!("owners={}", second.address().to_lowercase())), [3, 1]);
    assert_eq!(times(&format!("startDate={}&endDate={}.5", NOW + 1, NOW + 2)), [2, 1]);
    assert_eq!(times("contentTypes=note&chains=SOL&pagination=2"), [3, 2]);
    assert_eq!(times("pagination=2&page=2"), [1, 0]);
    assert_eq!(times("pagination=2&page=3"), [0; 0]);
    assert_eq!(times("msgTypes=STORE"), [0; 0]);
    let hash = read(&first.note("A", NOW, "x")).item_hash().clone();
    assert_eq!(times(&format!("hashes={hash}")), [0]);
    let (_, page) = bench.json("GET", "/api/v0/messages.json?pagination=3", None);
    let number = |name| at(&page, name).as_number().unwrap().as_u64().unwrap();
    assert_eq!(
        ["pagination_page", "pagination_total", "pagination_per_page"].map(number),
        [1, 4, 3]
    );
}

#[test]
fn requests_for_what_is_not_there_are_told_so() {
    let bench = Bench::new();
    let hash = "0a".repeat(32);
    for (method, target, status) in [
        ("GET", format!("/api/v0/messages/{hash}"), 404),
        ("GET", format!("/api/v0/messages/{hash}/status"), 404),
        ("GET", "/api/v0/messages/xyz".into(), 404),
        ("GET", "/api/v0/messages/".into(), 404),
        ("GET", "/api/v0/messages.json?what=ever".into(), 422),
        ("GET", "/api/v0/messages.json?page=0".into(), 422),
        ("GET", "/message".into(), 405),
        ("GET", "/api/v0/messages".into(), 405),
        ("DELETE", format!("/api/v0/messages/{hash}"), 405),
    ] {
        let body = (method == "DELETE").then_some("");
        assert_eq!(bench.request(method, &target, body).status, status, "{method} {target}");
    }
    for path in ["/", "/messages", "/api/v0/messagesx", "/api/v0/message", "/message/x"] {
        assert!(!Messages::is_theirs(path), "{path}");
    }
}

#[test]
fn filters_have_their_bounds() {
    let values = |count: usize| format!("hashes={}", alloc::vec!["a"; count].join(","));
    assert!(Filter::parse(&values(MAX_FILTER_VALUES)).is_ok());
    assert_eq!(Filter::parse(&values(MAX_FILTER_VALUES + 1)), Err(BadFilter("hashes".into())));
    let per_page = |number: usize| Filter::parse(&format!("pagination={number}")).unwrap().per_page;
    assert_eq!(per_page(MAX_MESSAGES_PER_PAGE), MAX_MESSAGES_PER_PAGE);
    assert_eq!(per_page(MAX_MESSAGES_PER_PAGE + 1), MAX_MESSAGES_PER_PAGE);
    assert_eq!(per_page(0), MAX_MESSAGES_PER_PAGE);
    for query in [
        "page=-1",
        "page=99999999999999999999",
        "pagination=x",
        "startDate=nan",
        "a%2",
        "hashes=%zz",
        "hashes=%ff",
    ] {
        assert!(Filter::parse(query).is_err(), "{query}");
    }
}

proptest! {
    #[test]
    fn any_query_is_a_filter_or_not(query in ".{0,60}", name in "[a-zA-Z]{0,10}", value in "[%a-z0-9,+.]{0,20}") {
        let _ = Filter::parse(&query);
        let _ = Filter::parse(&format!("{name}={value}"));
    }

    /// Damage is answered, with nothing kept of it unless it is the same message still.
    #[test]
    fn damaged_messages_are_refused(at in any::<prop::sample::Index>(), byte in 32..127_u8) {
        let bench = Bench::new();
        let noted = bench.host(1, r#"[{"channel":"A"}]"#);
        let message = published(&Author::new(1).note("A", NOW, "hello"));
        let mut bytes = message.clone().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let damaged = String::from_utf8(bytes).unwrap();
        let status = bench.request("POST", "/message", Some(&damaged)).status;
        prop_assert!(matches!(status, 200 | 400 | 422), "{}", status);
        let ran: Vec<_> = noted.ran.borrow().clone();
        let hash = read(&Author::new(1).note("A", NOW, "hello")).item_hash().clone();
        prop_assert!(ran.is_empty() || (ran == [hash] && status == 200));
    }
}
