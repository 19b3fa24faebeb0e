//! A small HTTP/1.1 client over plain TCP, for talking to the node.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

/// The longest head of an answer that is read.
const HEAD_LIMIT: u64 = 64 << 10;
/// The longest body of an answer that is read.
const BODY_LIMIT: u64 = 64 << 20;

/// The parts of `http://HOST:PORT/PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// Name or address, and the port.
    pub authority: String,
    /// Path and query, with the leading slash.
    pub path: String,
}

impl Url {
    /// Takes a URL apart.
    ///
    /// # Errors
    /// When it does not begin with `http://` or names no host.
    pub fn parse(text: &str) -> Result<Self> {
        let rest = text
            .strip_prefix("http://")
            .with_context(|| format!("{text}: the URL has to begin with http://"))?;
        let (host, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        ensure!(!host.is_empty(), "{text}: the URL names no host");
        let tail = host.rsplit(']').next().unwrap_or(host);
        let port = if tail.contains(':') { "" } else { ":80" };
        let slash = if path.starts_with('/') { "" } else { "/" };
        Ok(Self { authority: format!("{host}{port}"), path: format!("{slash}{path}") })
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Header fields in order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, with any chunking removed.
    pub body: Vec<u8>,
}

impl Response {
    /// The value of the first header field of this (lower-case) name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// One connection, kept alive between requests.
#[derive(Debug)]
pub struct Connection {
    reader: BufReader<TcpStream>,
    host: String,
    /// Whether the other side keeps it after its last answer.
    is_kept: bool,
}

impl Connection {
    /// Connects; `limit` bounds the connecting and then each read and write.
    ///
    /// # Errors
    /// When the host has no address or does not accept.
    pub fn open(authority: &str, limit: Duration) -> Result<Self> {
        let mut last = None;
        let addresses = authority
            .to_socket_addrs()
            .with_context(|| format!("{authority} is not HOST:PORT or has no address"))?;
        for address in addresses {
            match TcpStream::connect_timeout(&address, limit) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(limit))?;
                    stream.set_write_timeout(Some(limit))?;
                    stream.set_nodelay(true)?;
                    let host = authority.to_owned();
                    return Ok(Self { reader: BufReader::new(stream), host, is_kept: true });
                }
                Err(error) => last = Some(error),
            }
        }
        match last {
            Some(error) => Err(error).with_context(|| format!("cannot connect to {authority}")),
            None => bail!("{authority} has no address"),
        }
    }

    /// Opens one on which `path` has been answered with status 200.
    ///
    /// Whoever needs several at once opens them so, one after the other. QEMU's user network listens with
    /// a backlog of 1: of a burst the host's kernel lets connections fall that already look open from here,
    /// and tries again ever later, after more than a minute at last.
    ///
    /// # Errors
    /// When the host does not accept, or answers otherwise.
    pub fn open_answered(authority: &str, path: &str, limit: Duration) -> Result<Self> {
        let mut connection = Self::open(authority, limit)?;
        let answer = connection.request("GET", path, b"")?;
        ensure!(answer.status == 200, "{path} answers {}: {}", answer.status, answer.text());
        Ok(connection)
    }

    /// Sends one request and reads its answer.
    ///
    /// # Errors
    /// When the connection breaks, the time is over, or the answer is not HTTP.
    pub fn request(&mut self, method: &str, path: &str, body: &[u8]) -> Result<Response> {
        let mut message = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n", self.host);
        if ["POST", "PUT", "PATCH"].contains(&method) || !body.is_empty() {
            message += &format!("Content-Length: {}\r\n", body.len());
        }
        message += "\r\n";
        let mut bytes = message.into_bytes();
        bytes.extend_from_slice(body);
        self.send(&bytes)?;
        self.receive()
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// When the connection breaks or the time is over.
    pub fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.reader.get_mut().write_all(bytes).context("the node does not take the request")
    }

    /// Says that nothing more will be sent.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn finish(&mut self) -> Result<()> {
        Ok(self.reader.get_mut().shutdown(std::net::Shutdown::Write)?)
    }

    /// Whether another request may be sent, going by the last answer.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.is_kept
    }

    /// Reads one answer.
    ///
    /// # Errors
    /// When the connection breaks, the time is over, or the answer is not HTTP.
    pub fn receive(&mut self) -> Result<Response> {
        let (status, headers) = self.head()?;
        let find = |name: &str| {
            headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.to_ascii_lowercase())
        };
        self.is_kept &= find("connection").is_none_or(|value| value != "close");
        let mut body = Vec::new();
        if find("transfer-encoding").is_some_and(|value| value.contains("chunked")) {
            self.chunks(&mut body)?;
        } else if let Some(length) = find("content-length") {
            let length: u64 = length.parse().context("a Content-Length that is no number")?;
            self.take(length, &mut body)?;
        } else if status != 204 && status != 304 {
            (&mut self.reader).take(BODY_LIMIT).read_to_end(&mut body)?;
        }
        Ok(Response { status, headers, body })
    }

    fn head(&mut self) -> Result<(u16, Vec<(String, String)>)> {
        let mut left = HEAD_LIMIT;
        let first = self.line(&mut left)?;
        let status = first
            .strip_prefix("HTTP/1.")
            .and_then(|rest| rest.split(' ').nth(1))
            .and_then(|code| code.parse().ok())
            .with_context(|| format!("not an HTTP answer: {first:?}"))?;
        self.is_kept &= !first.starts_with("HTTP/1.0");
        let mut headers = Vec::new();
        loop {
            let line = self.line(&mut left)?;
            if line.is_empty() {
                return Ok((status, headers));
            }
            let (name, value) =
                line.split_once(':').with_context(|| format!("not a header field: {line:?}"))?;
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    fn line(&mut self, left: &mut u64) -> Result<String> {
        let mut line = String::new();
        let count = (&mut self.reader)
            .take(*left)
            .read_line(&mut line)
            .context("no answer from the node")?;
        ensure!(line.ends_with('\n'), "the node closed the connection within an answer's head");
        *left -= u64::try_from(count)?;
        Ok(line.trim_end_matches(['\r', '\n']).to_owned())
    }

    fn chunks(&mut self, body: &mut Vec<u8>) -> Result<()> {
        loop {
            let line = self.line(&mut HEAD_LIMIT.clone())?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = u64::from_str_radix(size, 16)
                .with_context(|| format!("not the size of a chunk: {line:?}"))?;
            if size == 0 {
                // Trailer fields, then an empty line.
                while !self.line(&mut HEAD_LIMIT.clone())?.is_empty() {}
                return Ok(());
            }
            self.take(size, body)?;
            ensure!(self.line(&mut HEAD_LIMIT.clone())?.is_empty(), "a chunk without its end");
        }
    }

    fn take(&mut self, length: u64, body: &mut Vec<u8>) -> Result<()> {
        let before = body.len();
        let total = length.saturating_add(u64::try_from(before)?);
        ensure!(total <= BODY_LIMIT, "an answer of {total} bytes is too long");
        (&mut self.reader).take(length).read_to_end(body)?;
        let got = u64::try_from(body.len() - before)?;
        ensure!(got == length, "the answer ends after {got} of {length} bytes");
        Ok(())
    }
}

/// One request on a connection of its own.
///
/// # Errors
/// See [`Connection`].
pub fn request(url: &Url, method: &str, body: &[u8], limit: Duration) -> Result<Response> {
    Connection::open(&url.authority, limit)?.request(method, &url.path, body)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    fn answered(answer: &'static [u8]) -> Result<Response> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 512];
            let count = stream.read(&mut request).unwrap();
            stream.write_all(answer).unwrap();
            String::from_utf8_lossy(&request[..count]).into_owned()
        });
        let url = Url { authority, path: "/x".to_owned() };
        let response = request(&url, "POST", b"hi", Duration::from_secs(10));
        let seen = server.join().unwrap();
        assert!(seen.starts_with("POST /x HTTP/1.1\r\nHost: 127.0.0.1:"), "{seen}");
        assert!(seen.ends_with("Content-Length: 2\r\n\r\nhi"), "{seen}");
        response
    }

    #[test]
    fn a_body_of_known_length_is_read() {
        let response =
            answered(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nX: y\r\n\r\nabc").unwrap();
        assert_eq!((response.status, response.text().as_str()), (200, "abc"));
        assert_eq!(response.header("x"), Some("y"));
    }

    #[test]
    fn a_connection_is_kept_unless_the_answer_says_otherwise() {
        for (answer, is_kept) in [
            (&b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"[..], true),
            (b"HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 0\r\n\r\n", false),
            (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", false),
        ] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let authority = listener.local_addr().unwrap().to_string();
            let mut connection = Connection::open(&authority, Duration::from_secs(10)).unwrap();
            listener.accept().unwrap().0.write_all(answer).unwrap();
            connection.receive().unwrap();
            assert_eq!(connection.is_kept(), is_kept);
        }
    }

    #[test]
    fn a_chunked_body_is_joined() {
        let text = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x\r\nab\r\n1\r\nc\r\n0\r\n\r\n";
        assert_eq!(answered(text).unwrap().text(), "abc");
    }

    #[test]
    fn a_cut_off_answer_is_an_error() {
        assert!(answered(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab").is_err());
        assert!(answered(b"HTTP/1.1 200 OK\r\nContent-Le").is_err());
        assert!(answered(b"SSH-2.0\r\n").is_err());
        assert!(answered(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n").is_err());
    }

    #[test]
    fn urls_are_taken_apart() {
        let parts = |text| Url::parse(text).map(|url| (url.authority, url.path)).ok();
        let is = |a: &str, b: &str| Some((a.to_owned(), b.to_owned()));
        assert_eq!(parts("http://h:1/p?q"), is("h:1", "/p?q"));
        assert_eq!(parts("http://h"), is("h:80", "/"));
        assert_eq!(parts("http://h?x=1"), is("h:80", "/?x=1"));
        assert_eq!(parts("http://[::1]"), is("[::1]:80", "/"));
        assert_eq!(parts("http://[::1]:8"), is("[::1]:8", "/"));
        assert_eq!(parts("https://h"), None);
        assert_eq!(parts("http:///p"), None);
    }
}
