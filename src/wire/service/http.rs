//! The head of an HTTP/1 answer (RFC 9112), and what a Docker engine says of itself over HTTP.

use super::text::{begins, first_line, has, json_text, split_at_any, word};
use crate::model::{Access, Http, Protocol, Spoken};

/// Asks for the first page. A server that is there for one name only gets that of this host.
pub const REQUEST: &[u8] = b"GET / HTTP/1.0\r\nHost: localhost\r\nUser-Agent: portsight\r\n\r\n";
/// Asks a Docker engine for its version, which needs no privilege but that to ask.
pub const DOCKER_VERSION: &[u8] =
    b"GET /version HTTP/1.0\r\nHost: localhost\r\nUser-Agent: portsight\r\n\r\n";

/// An answer's head, and what has come of its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer<'a> {
    /// The head.
    pub head: Http,
    /// Whether a header shows that the API of Docker, or Podman's, is served here.
    pub is_engine: bool,
    body: &'a [u8],
}

/// Whether the head has come whole.
#[must_use]
pub fn is_whole(bytes: &[u8]) -> bool {
    bytes.windows(4).any(|window| window == b"\r\n\r\n")
        || bytes.windows(2).any(|window| window == b"\n\n")
        || !b"HTTP/".starts_with(bytes.get(..5).unwrap_or(bytes))
}

/// An answer; `None` for what is not HTTP. A head that was cut short is read as far as it came.
#[must_use]
pub fn answer(bytes: &[u8]) -> Option<Answer<'_>> {
    let line = first_line(bytes);
    let (version, rest) = split_at_any(line.strip_prefix(b"HTTP/")?, b" ");
    if !version.first().is_some_and(u8::is_ascii_digit) {
        return None;
    }
    let code = rest.get(..3)?;
    let status =
        str::from_utf8(code).ok()?.parse().ok().filter(|code| (100..=999).contains(code))?;
    let mut answer = Answer { head: Http { status, server: None }, is_engine: false, body: &[] };
    let mut rest = after_line(bytes, line.len());
    while !rest.is_empty() {
        let line = first_line(rest);
        let next = after_line(rest, line.len());
        if line.is_empty() {
            answer.body = next;
            break;
        }
        answer.take(line);
        rest = next;
    }
    Some(answer)
}

/// What stands behind a line of this length and its end.
fn after_line(bytes: &[u8], length: usize) -> &[u8] {
    let rest = bytes.get(length..).unwrap_or_default();
    let rest = rest.strip_prefix(b"\r").unwrap_or(rest);
    rest.strip_prefix(b"\n").unwrap_or(rest)
}

impl Answer<'_> {
    fn take(&mut self, line: &[u8]) {
        let (name, value) = split_at_any(line, b":");
        if name.eq_ignore_ascii_case(b"server") && self.head.server.is_none() {
            self.head.server = word(value);
            let value = value.trim_ascii_start();
            self.is_engine |= begins(value, b"Docker/") || begins(value, b"Libpod/");
        }
        self.is_engine |= [&b"Api-Version"[..], b"Libpod-Api-Version"]
            .iter()
            .any(|header| name.eq_ignore_ascii_case(header));
    }

    /// Whether the server may be one that wants TLS here: it refuses the request as such.
    #[must_use]
    pub fn may_want_tls(&self) -> bool {
        self.head.status == 400
    }

    /// Whether it is the page on which `MongoDB` explains that it is no web server.
    #[must_use]
    pub fn may_be_mongodb(&self) -> bool {
        has(self.body, b"access MongoDB over HTTP")
    }

    /// What it tells of the service.
    #[must_use]
    pub fn spoken(self) -> Spoken {
        let server = self.head.server.as_deref().unwrap_or_default().as_bytes();
        let (name, rest) = split_at_any(server, b"/");
        let (version, _) = split_at_any(rest, b" ");
        // Without a version the whole header is the name, as in `BaseHTTP server`.
        let product = if version.is_empty() { server } else { name };
        Spoken {
            product: word(product),
            version: word(version),
            http: Some(self.head.clone()),
            ..Spoken::of(Protocol::Http)
        }
    }

    /// What the answer to [`DOCKER_VERSION`] adds to what is known of a service; `None` where no such engine answers.
    #[must_use]
    pub fn engine(self, known: Spoken) -> Option<Spoken> {
        let access = match self.head.status {
            200 if json_text(self.body, "ApiVersion").is_some() => Access::Free,
            401 | 403 => Access::Guarded,
            _ => return None,
        };
        let version = json_text(self.body, "Version").or_else(|| known.version.clone());
        Some(Spoken { protocol: Some(Protocol::Docker), version, access: Some(access), ..known })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn told(bytes: &[u8]) -> Option<(u16, String)> {
        let spoken = answer(bytes)?.spoken();
        let text = |text: Option<String>| text.unwrap_or_else(|| "-".into());
        Some((spoken.http?.status, format!("{} {}", text(spoken.product), text(spoken.version))))
    }

    #[test]
    fn the_status_and_the_server_are_read() {
        let table: [(&[u8], (u16, &str)); 7] = [
            (
                b"HTTP/1.1 200 OK\r\nServer: nginx/1.24.0 (Ubuntu)\r\n\r\nServer: not",
                (200, "nginx 1.24.0"),
            ),
            (b"HTTP/1.0 404 Not Found\r\nserver:Apache\r\n", (404, "Apache -")),
            (b"HTTP/1.0 200\r\nX: y\r\n\r\n", (200, "- -")),
            (b"HTTP/1.1 503 x\nServer: a b\n\n", (503, "a b -")),
            (
                b"HTTP/1.0 200 OK\r\nServer: SimpleHTTP/0.6 Python/3.11.2\r\n\r\n",
                (200, "SimpleHTTP 0.6"),
            ),
            (b"HTTP/1.0 200 OK\r\nServer: one\r\nServer: two\r\n\r\n", (200, "one -")),
            (b"HTTP/2 200 OK\r\n", (200, "- -")),
        ];
        for (bytes, (status, software)) in table {
            assert_eq!(
                told(bytes),
                Some((status, software.to_owned())),
                "{}",
                bytes.escape_ascii()
            );
        }
        for bytes in
            [&b""[..], b"HTTP/", b"HTTP/1.1", b"HTTP/1.1 2x0 OK", b"HTTP/1.1 20", b"HTTP 200 OK"]
        {
            assert_eq!(told(bytes), None, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn the_wait_ends_with_the_head() {
        let table: [(&[u8], bool); 6] = [
            (b"", false),
            (b"HTT", false),
            (b"HTTP/1.1 200 OK\r\nServer: x\r\n", false),
            (b"HTTP/1.1 200 OK\r\n\r\n", true),
            (b"-ERR\r\n", true),
            (b"HX", true),
        ];
        for (bytes, whole) in table {
            assert_eq!(is_whole(bytes), whole, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn an_engine_is_known_by_its_headers_and_its_version() {
        let first = b"HTTP/1.0 404 Not Found\r\nApi-Version: 1.43\r\nServer: Docker/24.0.7 (linux)\r\n\r\n{}";
        let first = answer(first).unwrap();
        assert!(first.is_engine);
        let known = first.spoken();
        let told = |bytes: &[u8]| {
            let spoken = answer(bytes).unwrap().engine(known.clone())?;
            Some((spoken.protocol?, spoken.access?, spoken.version?))
        };
        let version = |version: &str| version.to_owned();
        assert_eq!(
            told(b"HTTP/1.0 200 OK\r\n\r\n{\"Version\":\"24.0.8\",\"ApiVersion\":\"1.43\"}"),
            Some((Protocol::Docker, Access::Free, version("24.0.8")))
        );
        assert_eq!(
            told(b"HTTP/1.0 403 Forbidden\r\n\r\n"),
            Some((Protocol::Docker, Access::Guarded, version("24.0.7")))
        );
        assert_eq!(told(b"HTTP/1.0 200 OK\r\n\r\n<html>"), None, "somebody else's page");
        let other = answer(b"HTTP/1.0 200 OK\r\nServer: x\r\nVia: Docker/1\r\n\r\n").unwrap();
        assert!(!other.is_engine);
    }

    proptest! {
        #[test]
        fn any_bytes_end_without_a_panic(
            start in prop::sample::select(vec!["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 400 x\r\nServer:", "HTTP/"]),
            rest in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let bytes = [start.as_bytes(), &rest].concat();
            let _whole = is_whole(&bytes);
            if let Some(answer) = answer(&bytes) {
                let _other = (answer.may_want_tls(), answer.may_be_mongodb());
                let spoken = answer.clone().spoken();
                prop_assert!(spoken.product.as_ref().is_none_or(|text| text.len() <= 128));
                let _engine = answer.engine(spoken);
            }
        }
    }
}
