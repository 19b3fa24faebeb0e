//! A message node for tests: messages and files over HTTP, new messages over a WebSocket, on loopback.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ed25519_dalek::{Signer, SigningKey};
use serde_json::{Value, json};
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// Time that a client has for its request.
const PATIENCE: Duration = Duration::from_secs(60);

/// The node; its threads end with this program.
#[derive(Clone)]
pub struct MessageNode {
    port: u16,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    messages: Vec<Value>,
    files: BTreeMap<String, Vec<u8>>,
    followers: Vec<TcpStream>,
    polls: usize,
}

impl MessageNode {
    /// Listens on a free port.
    pub fn start() -> Result<Self> {
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let node = Self { port: listener.local_addr()?.port(), shared: Arc::default() };
        let server = node.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = server.clone();
                // A client that breaks off is the test's to notice.
                thread::spawn(move || server.serve(stream));
            }
        });
        Ok(node)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Has a file, under its SHA-256.
    pub fn add_file(&self, bytes: &[u8]) -> String {
        let name = sha256(bytes);
        self.shared().files.insert(name.clone(), bytes.to_vec());
        name
    }

    /// Has a message for those who ask.
    pub fn add(&self, message: &Value) {
        self.shared().messages.push(message.clone());
    }

    /// Sends a message to those who follow.
    pub fn send(&self, message: &Value) {
        let frame = text_frame(&message.to_string());
        self.shared().followers.retain_mut(|follower| follower.write_all(&frame).is_ok());
    }

    /// Ends all WebSockets.
    pub fn drop_followers(&self) {
        for follower in self.shared().followers.drain(..) {
            // It may be gone already.
            let _ = follower.shutdown(Shutdown::Both);
        }
    }

    pub fn followers(&self) -> usize {
        self.shared().followers.len()
    }

    /// How often new messages were asked for.
    pub fn polls(&self) -> usize {
        self.shared().polls
    }

    fn serve(&self, stream: TcpStream) -> Result<()> {
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let target = line.split(' ').nth(1).context("no target")?.to_owned();
        let mut key = None;
        loop {
            let mut field = String::new();
            ensure!(reader.read_line(&mut field)? > 0, "the head ended early");
            if field == "\r\n" {
                break;
            }
            if let Some((name, value)) = field.split_once(':')
                && name.eq_ignore_ascii_case("sec-websocket-key")
            {
                key = Some(value.trim().to_owned());
            }
        }
        match key {
            Some(key) => self.open(stream, &key),
            None => self.answer(stream, &target),
        }
    }

    fn open(&self, mut stream: TcpStream, key: &str) -> Result<()> {
        let hash = Sha1::new()
            .chain_update(key)
            .chain_update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11")
            .finalize();
        let accept = BASE64_STANDARD.encode(hash);
        write!(
            stream,
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        )?;
        let mut ours = stream.try_clone()?;
        self.shared().followers.push(stream);
        ours.set_read_timeout(None)?;
        // Whatever the client says, up to its end.
        while ours.read(&mut [0; 256])? > 0 {}
        Ok(())
    }

    fn answer(&self, mut stream: TcpStream, target: &str) -> Result<()> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let body = match path.strip_prefix("/api/v0/storage/raw/") {
            Some(name) => self.shared().files.get(name).cloned(),
            None if path == "/api/v0/messages.json" => {
                Some(self.page(query)?.to_string().into_bytes())
            }
            None => None,
        };
        let (status, body) = body.map_or(("404 Not Found", Vec::new()), |body| ("200 OK", body));
        write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len())?;
        Ok(stream.write_all(&body)?)
    }

    fn page(&self, query: &str) -> Result<Value> {
        let mut shared = self.shared();
        let parameters: Vec<(&str, &str)> =
            query.split('&').filter_map(|parameter| parameter.split_once('=')).collect();
        let get =
            |name| parameters.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        shared.polls += usize::from(get("startDate").is_some());
        let mut found: Vec<Value> = shared
            .messages
            .iter()
            .filter(|message| passes(message, &parameters))
            .cloned()
            .collect();
        found.sort_by(|a, b| time(a).total_cmp(&time(b)));
        if get("sortOrder") != Some("1") {
            found.reverse();
        }
        let number = |name, default: usize| get(name).map_or(Ok(default), str::parse);
        let (page, per_page) = (number("page", 1)?, number("pagination", 20)?);
        if page == 0 {
            bail!("pages begin with 1");
        }
        let part: Vec<Value> =
            found.into_iter().skip((page - 1) * per_page).take(per_page).collect();
        Ok(json!({
            "messages": part, "pagination_page": page, "pagination_per_page": per_page,
            "pagination_item": "messages",
        }))
    }
}

fn time(message: &Value) -> f64 {
    message["time"].as_f64().unwrap_or_default()
}

fn passes(message: &Value, parameters: &[(&str, &str)]) -> bool {
    parameters.iter().all(|(name, value)| {
        let is = |found: &Value| value.split(',').any(|one| found.as_str() == Some(one));
        match *name {
            "hashes" => is(&message["item_hash"]),
            "msgTypes" => is(&message["type"]),
            "channels" => is(&message["channel"]),
            "addresses" => is(&message["sender"]),
            "owners" => is(&message["content"]["address"]),
            "refs" => is(&message["content"]["ref"]),
            "contentKeys" => is(&message["content"]["key"]),
            "startDate" => value.parse().is_ok_and(|start: f64| time(message) >= start),
            _ => true,
        }
    })
}

/// A text message in one frame.
fn text_frame(text: &str) -> Vec<u8> {
    let mut frame = vec![0x81];
    match u16::try_from(text.len()) {
        Ok(length @ 0..126) => frame.extend(length.to_be_bytes().get(1..).unwrap_or_default()),
        Ok(length) => {
            frame.push(126);
            frame.extend(length.to_be_bytes());
        }
        Err(_) => {
            frame.push(127);
            frame.extend((text.len() as u64).to_be_bytes());
        }
    }
    frame.extend(text.as_bytes());
    frame
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Somebody who signs messages, with a key of the chain SOL.
pub struct Author(SigningKey);

impl Author {
    pub fn new() -> Self {
        Self(SigningKey::from_bytes(&[7; 32]))
    }

    pub fn address(&self) -> String {
        bs58::encode(self.0.verifying_key().as_bytes()).into_string()
    }

    /// A message around this content, to which address and time are added.
    pub fn sign(&self, kind: &str, channel: &str, time: f64, mut content: Value) -> Value {
        let sender = self.address();
        content["address"] = json!(sender);
        content["time"] = json!(time);
        let inline = content.to_string();
        let hash = sha256(inline.as_bytes());
        let signature = self.0.sign(format!("SOL\n{sender}\n{kind}\n{hash}").as_bytes());
        let signature = bs58::encode(signature.to_bytes()).into_string();
        json!({
            "chain": "SOL", "sender": sender, "type": kind, "channel": channel, "time": time,
            "signature": json!({"publicKey": sender, "signature": signature}).to_string(),
            "item_type": "inline", "item_content": inline, "item_hash": hash, "content": content,
        })
    }
}
