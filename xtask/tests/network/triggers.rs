//! A node whose programs come from a message node: they run for messages, once each, and at their times.

use std::fs;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use xtask::aleph_sdk::AlephSdk;
use xtask::subject::Subject;
use xtask::workspace;

use crate::message_node::{Author, MessageNode};

const CHANNEL: &str = "AEROLITH";
/// Time for what should happen soon, on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);
/// A schedule of every minute has run by then.
const CRON_LIMIT: Duration = Duration::from_secs(130);

fn now() -> Result<f64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64())
}

/// Publishes an example's script as a program of the network; its item hash.
fn publish(
    node: &MessageNode,
    author: &Author,
    example: &str,
    on: &Value,
    variables: &Value,
) -> Result<String> {
    let folder = workspace::root().join("examples").join(example);
    let script = fs::read(folder.join(format!("{example}.air")))?;
    let file = node.add_file(&script);
    let stored = author.sign(
        "STORE",
        "programs",
        now()?,
        json!({"item_type": "storage", "item_hash": file}),
    );
    node.add(&stored);
    let reference = stored["item_hash"].clone();
    let program = author.sign(
        "PROGRAM",
        "programs",
        now()?,
        json!({
            "allow_amend": false,
            "type": "vm-function",
            "code": {"encoding": "plain", "entrypoint": "main", "ref": reference, "use_latest": true},
            "export": {"encoding": "zip", "mount": "/state"},
            "on": on,
            "variables": variables,
            "environment": {"reproducible": true, "internet": false, "aleph_api": false, "shared_cache": false},
            "resources": {"vcpus": 1, "memory": 8, "seconds": 5},
            "runtime": {"ref": reference, "use_latest": false, "comment": ""},
            "volumes": [],
        }),
    );
    node.add(&program);
    Ok(program["item_hash"].as_str().context("no item hash")?.to_owned())
}

fn get(node: &Subject, path: &str) -> Result<Value> {
    let answer = node.get(path)?;
    ensure!(answer.status == 200, "{path}: {} {}", answer.status, answer.text());
    Ok(serde_json::from_slice(&answer.body)?)
}

/// Waits until this holds.
fn wait(limit: Duration, what: &str, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    let end = Instant::now() + limit;
    while !holds()? {
        ensure!(Instant::now() < end, "{what} did not happen in time");
        thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// `start` starts a node with a configuration, from which the test's machine is reached at `host`.
pub fn programs_run(start: impl FnOnce(&str) -> Result<Subject>, host: &str) -> Result<()> {
    let (source, author) = (MessageNode::start()?, Author::new());
    let subscriptions = json!([{"type": "POST", "channel": CHANNEL}]);
    let on_messages = publish(
        &source,
        &author,
        "message",
        &json!({"http": true, "persistent": false, "message": subscriptions}),
        &json!({}),
    )?;
    let on_times = publish(
        &source,
        &author,
        "cron",
        &json!({"http": true, "persistent": false}),
        &json!({"AIR_CRON": "* * * * *"}),
    )?;
    let node = start(&format!(
        "[aleph]\nnode = \"http://{host}:{}\"\npoll_ms = 300\nprograms = [\"{on_messages}\", \"{on_times}\"]\n",
        source.port()
    ))?;
    let told = |path: &str| -> Result<Value> { get(&node, path) };
    wait(LIMIT, "the hosting of both programs", || {
        Ok(told("/programs")?.as_array().is_some_and(|programs| programs.len() == 2))
    })?;
    let path = format!("/vm/{on_messages}/");
    runs_once(&node, &source, &author, &path).with_context(|| node.process().report())?;
    let path = format!("/vm/{on_times}/");
    wait(CRON_LIMIT, "a run at its time", || Ok(told(&path)?["count"] != 0))
        .with_context(|| node.process().report())?;
    let last = told(&path)?["last"].as_u64().context("no time")?;
    ensure!(last % 60 == 0 && (last as f64 - now()?).abs() < 300.0, "{last}");
    Ok(())
}

/// One message by all three ways, and one by each, is one run each.
fn runs_once(node: &Subject, source: &MessageNode, author: &Author, path: &str) -> Result<()> {
    let offered =
        |origin: &str| node.metric(&format!("aerolith_messages_total{{origin=\"{origin}\"}}"));
    let note = |text: &str| -> Result<Value> {
        Ok(author.sign("POST", CHANNEL, now()?, json!({"type": "note", "content": {"text": text}})))
    };
    wait(LIMIT, "the WebSocket", || Ok(source.followers() == 1))?;
    let message = note("by all ways")?;
    source.add(&message);
    source.send(&message);
    let answer = node.request("POST", "/message", message.to_string().as_bytes())?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.text());
    wait(LIMIT, "the message by all three ways", || {
        let all = ["posted", "polled", "followed"]
            .map(offered)
            .into_iter()
            .collect::<Result<Vec<_>>>()?;
        Ok(all.iter().all(|count| *count >= 1.0))
    })?;
    let count = |wanted: u64| wait(LIMIT, "a run", || Ok(get(node, path)?["count"] == wanted));
    count(1)?;
    ensure!(get(node, path)?["last"]["text"] == "by all ways");
    // After the connection is lost, messages come as before, and none again.
    source.drop_followers();
    wait(LIMIT, "the WebSocket's return", || Ok(source.followers() == 1))?;
    source.send(&message);
    source.send(&note("by the WebSocket")?);
    count(2)?;
    source.add(&note("by polling")?);
    count(3)?;
    let forged = {
        let mut forged = note("forged")?;
        forged["sender"] = json!("3rXSFeWtAqjHxB61C3uRF5JnGbYZzgN89XYWQb9mNYm9");
        forged
    };
    source.add(&forged);
    source.send(&forged);
    let refused = node.request("POST", "/message", forged.to_string().as_bytes())?;
    ensure!(refused.status == 422, "{} {}", refused.status, refused.text());
    let polls = source.polls();
    wait(LIMIT, "two more polls", || Ok(source.polls() >= polls + 2))?;
    ensure!(get(node, path)?["count"] == 3, "{}", get(node, path)?);
    Ok(())
}

/// The network's own client publishes and reads back, and each of its posts runs a program once.
pub fn published_by_the_sdk(
    start: impl FnOnce(&str) -> Result<Subject>,
    host: &str,
    sdk: &AlephSdk,
) -> Result<()> {
    let (source, author) = (MessageNode::start()?, Author::new());
    let subscriptions = json!([{"type": "POST", "channel": CHANNEL}]);
    let on = json!({"http": true, "persistent": false, "message": subscriptions});
    let program = publish(&source, &author, "message", &on, &json!({}))?;
    let node = start(&format!(
        "[aleph]\nnode = \"http://{host}:{}\"\nprograms = [\"{program}\"]\n",
        source.port()
    ))?;
    wait(LIMIT, "the hosting of the program", || {
        Ok(get(&node, "/programs")?.as_array().is_some_and(|programs| programs.len() == 1))
    })?;
    let url = format!("http://{}", node.url()?.authority);
    let passed = sdk.publish(&url, CHANNEL, LIMIT).with_context(|| node.process().report())?;
    ensure!(passed >= 12, "{passed} checks");
    let path = format!("/vm/{program}/");
    wait(LIMIT, "four runs", || Ok(get(&node, &path)?["count"] == 4))
}
