//! Request heads: what is accepted, and how the body that follows is framed.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::{Limits, Refusal};
use crate::limits;

/// Longest method name that could be one (all registered ones are shorter).
const MAX_METHOD_BYTES: usize = 24;

/// Version of the protocol that a request speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
}

/// Header fields in the order in which they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers {
    fields: Vec<(String, Vec<u8>)>,
}

impl Headers {
    /// The value of the first field of that name (case does not matter), when it is UTF-8.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let field = self.fields.iter().find(|field| field.0.eq_ignore_ascii_case(name));
        field.and_then(|(_, value)| core::str::from_utf8(value).ok())
    }

    /// The values of all fields of that name, as they came, without surrounding whitespace.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let same = move |field: &&(String, Vec<u8>)| field.0.eq_ignore_ascii_case(name);
        self.fields.iter().filter(same).map(|(_, value)| value.as_slice())
    }

    /// All fields.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.fields.iter().map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    /// The fields that a parser found.
    pub(super) fn of(fields: &[httparse::Header<'_>]) -> Self {
        let fields = fields.iter().map(|field| (field.name.to_string(), field.value.to_vec()));
        Self { fields: fields.collect() }
    }

    /// True when the connection may be used again (RFC 9112 section 9.3).
    pub(super) fn keeps_alive(&self, version: Version) -> bool {
        match version {
            Version::Http11 => !self.has_token("connection", "close"),
            Version::Http10 => {
                self.has_token("connection", "keep-alive") && !self.has_token("connection", "close")
            }
        }
    }

    /// True when a comma-separated list field holds `token` (case does not matter).
    fn has_token(&self, name: &str, token: &str) -> bool {
        self.all(name)
            .flat_map(|value| value.split(|byte| *byte == b','))
            .any(|item| item.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
    }
}

/// A request without its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Method, as it came: methods are case-sensitive.
    pub method: String,
    /// Path: begins with `/`, percent-encoding as it came; or `*` (only with `OPTIONS`).
    pub path: String,
    /// What follows the first `?`, as it came.
    pub query: Option<String>,
    /// Version.
    pub version: Version,
    /// Header fields.
    pub headers: Headers,
}

/// How the body after a head is delimited (RFC 9112 section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Length(u64),
    Chunked,
    /// Up to the end of the connection: of answers alone.
    UntilEnd,
}

/// A head and what it says about the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parsed {
    pub(super) head: Head,
    pub(super) framing: Framing,
    pub(super) keep_alive: bool,
    pub(super) expects_continue: bool,
}

/// Reads a whole head: from the request line to the empty line, which is included. The caller has seen
/// to it that the only line ends in it are CRLF, and that the bounds on bytes are kept.
pub(super) fn parse(bytes: &[u8], limits: &Limits) -> Result<Parsed, Refusal> {
    let (method, target, version) = request_line(bytes)?;
    let mut slots = [httparse::EMPTY_HEADER; limits::HTTP_HEADERS];
    let allowed = limits.headers.min(slots.len());
    let mut request = httparse::Request::new(slots.get_mut(..allowed).unwrap_or_default());
    match request.parse(bytes) {
        Ok(httparse::Status::Complete(length)) if length == bytes.len() => {}
        Ok(_) => return Err(Refusal::bad("malformed head")),
        Err(httparse::Error::TooManyHeaders) => {
            return Err(Refusal::new(431, "too many header fields"));
        }
        Err(httparse::Error::Token) => return Err(Refusal::bad("malformed request line")),
        Err(_) => return Err(Refusal::bad("malformed header field")),
    }
    let headers = Headers::of(request.headers);
    let (path, query) = split_target(method, target)?;
    check_host(&headers, version)?;
    let head = Head { method: method.to_string(), path, query, version, headers };
    let framing = framing(&head, limits)?;
    let keep_alive = head.headers.keeps_alive(version);
    let expects_continue = expectation(&head)? && framing != Framing::Length(0);
    Ok(Parsed { head, framing, keep_alive, expects_continue })
}

/// Splits the request line: one space each between method, target and version (RFC 9112 section 3).
fn request_line(bytes: &[u8]) -> Result<(&str, &str, Version), Refusal> {
    const MALFORMED: Refusal = Refusal::bad("malformed request line");
    let end = bytes.iter().position(|byte| *byte == b'\r').ok_or(MALFORMED)?;
    let line = core::str::from_utf8(bytes.get(..end).ok_or(MALFORMED)?).map_err(|_| MALFORMED)?;
    let mut parts = line.split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(MALFORMED);
    };
    if method.is_empty() || !method.bytes().all(is_token_byte) {
        return Err(MALFORMED);
    }
    if target.is_empty() || !target.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(MALFORMED);
    }
    let version = match version {
        "HTTP/1.1" => Version::Http11,
        "HTTP/1.0" => Version::Http10,
        other => match other.strip_prefix("HTTP/").map(str::as_bytes) {
            Some([major, b'.', minor]) if major.is_ascii_digit() && minor.is_ascii_digit() => {
                return Err(Refusal::new(505, "this version of HTTP is not spoken here"));
            }
            _ => return Err(MALFORMED),
        },
    };
    if method.len() > MAX_METHOD_BYTES {
        return Err(Refusal::new(501, "no such method"));
    }
    Ok((method, target, version))
}

/// True for a byte of a token (RFC 9110 section 5.6.2).
pub(super) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Reads the target in origin, absolute or asterisk form (RFC 9112 section 3.2).
fn split_target(method: &str, target: &str) -> Result<(String, Option<String>), Refusal> {
    const MALFORMED: Refusal = Refusal::bad("malformed request target");
    if method == "CONNECT" {
        return Err(Refusal::new(501, "this is no proxy"));
    }
    if target == "*" {
        return match method {
            "OPTIONS" => Ok((target.to_string(), None)),
            _ => Err(MALFORMED),
        };
    }
    if target.contains('#') {
        return Err(MALFORMED);
    }
    let local = if target.starts_with('/') {
        target
    } else {
        let scheme = target.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("http://"));
        let rest = target.get(scheme.ok_or(MALFORMED)?.len()..).ok_or(MALFORMED)?;
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, local) = rest.split_at_checked(end).ok_or(MALFORMED)?;
        if authority.is_empty() || !is_authority(authority.as_bytes()) {
            return Err(MALFORMED);
        }
        local
    };
    let (path, query) = match local.split_once('?') {
        Some((path, query)) => (path, Some(query.to_string())),
        None => (local, None),
    };
    let path = if path.is_empty() { "/" } else { path };
    Ok((path.to_string(), query))
}

/// `Host` is there once in HTTP/1.1, at most once in HTTP/1.0, and is an authority or empty
/// (RFC 9112 section 3.2).
fn check_host(headers: &Headers, version: Version) -> Result<(), Refusal> {
    let mut hosts = headers.all("host");
    match (hosts.next(), hosts.next()) {
        (_, Some(_)) => Err(Refusal::bad("more than one Host")),
        (None, None) if version == Version::Http11 => Err(Refusal::bad("no Host")),
        (Some(host), None) if !is_authority(host) => Err(Refusal::bad("malformed Host")),
        _ => Ok(()),
    }
}

/// True for what can be `host[:port]`: a registered name, an IPv4 or a bracketed IPv6 address.
pub(super) fn is_authority(bytes: &[u8]) -> bool {
    let (host, port) = match bytes.iter().rposition(|byte| matches!(byte, b':' | b']')) {
        Some(at) if bytes.get(at) == Some(&b':') => {
            (bytes.get(..at).unwrap_or_default(), bytes.get(at + 1..).unwrap_or_default())
        }
        _ => (bytes, &[][..]),
    };
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%".contains(byte);
    let is_address = |byte: &u8| byte.is_ascii_alphanumeric() || b":.%-_~".contains(byte);
    let host_ok = match host {
        [b'[', inner @ .., b']'] => !inner.is_empty() && inner.iter().all(is_address),
        _ => host.iter().all(is_name),
    };
    host_ok && port.len() <= 5 && port.iter().all(u8::is_ascii_digit)
}

/// Finds how long the body is (RFC 9112 section 6.3).
fn framing(head: &Head, limits: &Limits) -> Result<Framing, Refusal> {
    match head.headers.framing(head.version, limits)? {
        Some(framing) => Ok(framing),
        None => match head.method.as_str() {
            "POST" | "PUT" | "PATCH" => Err(Refusal::new(411, "a Content-Length is needed")),
            _ => Ok(Framing::Length(0)),
        },
    }
}

impl Headers {
    /// How long the body is, if the fields say so.
    pub(super) fn framing(
        &self,
        version: Version,
        limits: &Limits,
    ) -> Result<Option<Framing>, Refusal> {
        let codings = self.all("transfer-encoding").count();
        let mut lengths = self.all("content-length");
        let (length, second) = (lengths.next(), lengths.next());
        if codings > 0 {
            if length.is_some() {
                return Err(Refusal::bad("both Content-Length and Transfer-Encoding"));
            }
            return self.transfer_coding(version).map(Some);
        }
        if second.is_some() {
            return Err(Refusal::bad("more than one Content-Length"));
        }
        let Some(length) = length else { return Ok(None) };
        if length.is_empty() || !length.iter().all(u8::is_ascii_digit) {
            return Err(Refusal::bad("malformed Content-Length"));
        }
        // Digits only: what does not fit is a number too large.
        let number = core::str::from_utf8(length).ok().and_then(|text| text.parse::<u64>().ok());
        match number {
            Some(number) if number <= limits.body_bytes => Ok(Some(Framing::Length(number))),
            _ => Err(Refusal::new(413, "the body is too large")),
        }
    }

    fn transfer_coding(&self, version: Version) -> Result<Framing, Refusal> {
        if version == Version::Http10 {
            return Err(Refusal::bad("Transfer-Encoding in HTTP/1.0"));
        }
        let (mut chunked, mut unknown, mut last_is_chunked) = (0, false, false);
        for value in self.all("transfer-encoding") {
            for coding in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
                if coding.is_empty() || !coding.iter().all(|byte| is_token_byte(*byte)) {
                    return Err(Refusal::bad("malformed Transfer-Encoding"));
                }
                last_is_chunked = coding.eq_ignore_ascii_case(b"chunked");
                chunked += usize::from(last_is_chunked);
                unknown |= !last_is_chunked;
            }
        }
        // Chunked must come last and only once, or nobody can tell where the body ends.
        if chunked > usize::from(last_is_chunked) {
            return Err(Refusal::bad("chunked is not the last transfer coding"));
        }
        if unknown || chunked == 0 {
            return Err(Refusal::new(501, "unknown transfer coding"));
        }
        Ok(Framing::Chunked)
    }
}

/// True when the client waits for `100 Continue` before it sends the body (RFC 9110 section 10.1.1).
fn expectation(head: &Head) -> Result<bool, Refusal> {
    let mut expects = false;
    for value in head.headers.all("expect") {
        if !value.eq_ignore_ascii_case(b"100-continue") {
            return Err(Refusal::new(417, "only 100-continue can be expected"));
        }
        expects = true;
    }
    Ok(expects && head.version == Version::Http11)
}
