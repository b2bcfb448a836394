//! Questions for services that do not speak first, and for those that do a second one; and what their answers tell.

use super::text::{begins, first_line, has, split_at_any, word};
use crate::model::{Access, Protocol, Spoken};

/// Asks Redis, or a kind of it, whether it is there.
pub const REDIS_PING: &[u8] = b"PING\r\n";
/// Asks Redis for its version.
pub const REDIS_INFO: &[u8] = b"INFO server\r\n";
/// Asks memcached for its version.
pub const MEMCACHED_VERSION: &[u8] = b"version\r\n";
/// Asks `PostgreSQL` whether it speaks TLS (`SSLRequest`): length 8, code 1234 5679.
pub const POSTGRESQL_TLS: &[u8] = &[0, 0, 0, 8, 4, 210, 22, 47];
/// Tells SMTP who we are, which FTP does not understand.
pub const EHLO: &[u8] = b"EHLO localhost\r\n";

/// What an answer to [`REDIS_PING`] tells; `None` for one that is not Redis's.
#[must_use]
pub fn redis(bytes: &[u8]) -> Option<Spoken> {
    let line = first_line(bytes);
    let access = match split_at_any(line, b" ").0 {
        b"+PONG" => Some(Access::Free),
        b"-NOAUTH" | b"-NOPERM" | b"-DENIED" => Some(Access::Guarded),
        b"-LOADING" | b"-MASTERDOWN" | b"-BUSY" | b"-MISCONF" => None,
        b"-ERR" if has(line, b"operation not permitted") => Some(Access::Guarded),
        b"-ERR" if has(line, b"max number of clients") => None,
        _ => return None,
    };
    Some(Spoken { access, ..Spoken::of(Protocol::Redis) })
}

/// Whether the answer to another protocol's question is an error as Redis writes it.
#[must_use]
pub fn is_like_redis(bytes: &[u8]) -> bool {
    bytes.starts_with(b"-ERR ") || bytes.starts_with(b"-NOAUTH ") || bytes.starts_with(b"-DENIED ")
}

/// The product and the version in an answer to [`REDIS_INFO`].
#[must_use]
pub fn redis_software(bytes: &[u8]) -> (Option<String>, Option<String>) {
    let value = |key: &str| {
        let mut lines = bytes.split(|byte| *byte == b'\n');
        word(lines.find_map(|line| line.strip_prefix(key.as_bytes()))?)
    };
    if let Some(version) = value("valkey_version:") {
        return (word(b"Valkey"), Some(version));
    }
    match value("redis_version:") {
        Some(version) => (word(b"Redis"), Some(version)),
        None => (None, None),
    }
}

/// What an answer to [`MEMCACHED_VERSION`] tells; `None` for one that is not memcached's.
#[must_use]
pub fn memcached(bytes: &[u8]) -> Option<Spoken> {
    let line = first_line(bytes);
    let spoken = Spoken { product: word(b"memcached"), ..Spoken::of(Protocol::Memcached) };
    if let Some(version) = line.strip_prefix(b"VERSION ") {
        return Some(Spoken { version: word(version), access: Some(Access::Free), ..spoken });
    }
    let guarded = line == b"CLIENT_ERROR unauthenticated";
    guarded.then_some(Spoken { access: Some(Access::Guarded), ..spoken })
}

/// Whether the answer to another protocol's question is an error as memcached writes it.
#[must_use]
pub fn is_like_memcached(bytes: &[u8]) -> bool {
    bytes == b"ERROR\r\n" || bytes.starts_with(b"CLIENT_ERROR ")
}

/// Whether an answer to [`POSTGRESQL_TLS`] offers TLS; `None` for one that is not `PostgreSQL`'s. It is a single byte.
#[must_use]
pub fn postgresql(bytes: &[u8]) -> Option<bool> {
    match bytes {
        b"S" => Some(true),
        b"N" => Some(false),
        _ => None,
    }
}

/// Whether an answer begins like a record of TLS, a handshake or an alert (RFC 8446, section 5.1).
#[must_use]
pub fn is_like_tls(bytes: &[u8]) -> bool {
    matches!(bytes, [21 | 22, 3, 0..=4, ..])
}

/// What to say to begin TLS within a protocol, where that is done.
#[must_use]
pub fn starttls(protocol: Protocol) -> Option<&'static [u8]> {
    match protocol {
        Protocol::Ftp => Some(b"AUTH TLS\r\n"),
        Protocol::Smtp | Protocol::Nntp => Some(b"STARTTLS\r\n"),
        Protocol::Imap => Some(b"a STARTTLS\r\n"),
        Protocol::Pop3 => Some(b"STLS\r\n"),
        _ => None,
    }
}

/// Whether the answer to [`starttls`] lets it begin; `None` where it says neither.
#[must_use]
pub fn begins_tls(protocol: Protocol, bytes: &[u8]) -> Option<bool> {
    let (yes, no): (&[&str], &[&str]) = match protocol {
        Protocol::Ftp => (&["234"], &["5"]),
        Protocol::Smtp => (&["220"], &["5"]),
        Protocol::Nntp => (&["382"], &["5", "4"]),
        Protocol::Imap => (&["a OK"], &["a NO", "a BAD"]),
        Protocol::Pop3 => (&["+OK"], &["-ERR"]),
        _ => return None,
    };
    let any = |starts: &[&str]| starts.iter().any(|start| begins(bytes, start.as_bytes()));
    if any(yes) { Some(true) } else { any(no).then_some(false) }
}

/// Whether an answer to [`EHLO`] is SMTP's; `None` where it is neither SMTP's nor FTP's.
#[must_use]
pub fn understands_ehlo(bytes: &[u8]) -> Option<bool> {
    match bytes.get(..3)? {
        b"250" => Some(true),
        b"500" | b"502" | b"530" | b"503" => Some(false),
        _ => None,
    }
}

/// How to answer the greeting of a VNC server of this version: with the highest version that both know.
#[must_use]
pub fn vnc_version(version: &str) -> &'static [u8] {
    match version {
        "3.3" | "3.5" => b"RFB 003.003\n",
        "3.7" => b"RFB 003.007\n",
        _ => b"RFB 003.008\n",
    }
}

/// Whether a VNC server of this version asks who we are, by the security types that it offers (RFC 6143, section
/// 7.1.2); `None` where it refuses all, or has not said it yet. The first version decides for the client, in four bytes.
#[must_use]
pub fn vnc_access(version: &str, bytes: &[u8]) -> Option<Access> {
    /// The security type without authentication.
    const NONE: u8 = 1;
    let is_free = if matches!(version, "3.3" | "3.5") {
        match bytes.get(..4)? {
            [0, 0, 0, 0] => return None,
            kind => kind == [0, 0, 0, NONE],
        }
    } else {
        let (count, types) = bytes.split_first()?;
        if *count == 0 || types.is_empty() {
            return None;
        }
        types.iter().take(usize::from(*count)).any(|kind| *kind == NONE)
    };
    Some(if is_free { Access::Free } else { Access::Guarded })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn redis_is_free_only_when_it_answers() {
        let told = |bytes: &[u8]| redis(bytes).map(|spoken| spoken.access);
        assert_eq!(told(b"+PONG\r\n"), Some(Some(Access::Free)));
        assert_eq!(told(b"-NOAUTH Authentication required.\r\n"), Some(Some(Access::Guarded)));
        assert_eq!(
            told(b"-DENIED Redis is running in protected mode\r\n"),
            Some(Some(Access::Guarded))
        );
        assert_eq!(told(b"-ERR operation not permitted\r\n"), Some(Some(Access::Guarded)));
        assert_eq!(told(b"-LOADING Redis is loading the dataset in memory\r\n"), Some(None));
        for other in [&b"-ERR unknown command\r\n"[..], b"+PONGO\r\n", b"PONG\r\n", b""] {
            assert_eq!(told(other), None, "{}", other.escape_ascii());
        }
        let info = b"$99\r\n# Server\r\nredis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.0.1\r\n";
        assert_eq!(redis_software(info), (Some("Valkey".into()), Some("8.0.1".into())));
        let info = b"$99\r\n# Server\r\nredis_version:7.0.15\r\nos:x\r\n";
        assert_eq!(redis_software(info), (Some("Redis".into()), Some("7.0.15".into())));
        assert_eq!(redis_software(b"-NOAUTH\r\n"), (None, None));
    }

    #[test]
    fn memcached_is_free_only_when_it_tells_its_version() {
        let free = memcached(b"VERSION 1.6.18\r\n").unwrap();
        assert_eq!((free.access, free.version.as_deref()), (Some(Access::Free), Some("1.6.18")));
        let guarded = memcached(b"CLIENT_ERROR unauthenticated\r\n").unwrap();
        assert_eq!(guarded.access, Some(Access::Guarded));
        assert_eq!(memcached(b"ERROR\r\n"), None);
        assert!(is_like_memcached(b"ERROR\r\n") && !is_like_memcached(b"ERRORS\r\n"));
    }

    #[test]
    fn a_single_byte_is_postgresqls() {
        assert_eq!(postgresql(b"S"), Some(true));
        assert_eq!(postgresql(b"N"), Some(false));
        for other in [&b""[..], b"SS", b"E", b"NO\r\n"] {
            assert_eq!(postgresql(other), None);
        }
    }

    #[test]
    fn whether_tls_begins_is_read_by_protocol() {
        let table: [(Protocol, &[u8], Option<bool>); 9] = [
            (Protocol::Ftp, b"234 Proceed with negotiation.\r\n", Some(true)),
            (Protocol::Ftp, b"530 Please login with USER and PASS.\r\n", Some(false)),
            (Protocol::Ftp, b"220 hm\r\n", None),
            (Protocol::Smtp, b"220 2.0.0 Ready\r\n", Some(true)),
            (Protocol::Smtp, b"502 5.5.1 not implemented\r\n", Some(false)),
            (Protocol::Imap, b"a OK Begin TLS\r\n", Some(true)),
            (Protocol::Imap, b"a BAD TLS support isn't enabled.\r\n", Some(false)),
            (Protocol::Pop3, b"-ERR TLS support isn't enabled.\r\n", Some(false)),
            (Protocol::Redis, b"+OK\r\n", None),
        ];
        for (protocol, bytes, begins) in table {
            assert_eq!(begins_tls(protocol, bytes), begins, "{protocol} {}", bytes.escape_ascii());
        }
    }

    #[test]
    fn vnc_is_free_when_it_offers_no_authentication() {
        let table: [(&str, &[u8], Option<Access>); 8] = [
            ("3.8", &[1, 1], Some(Access::Free)),
            ("3.8", &[3, 2, 19, 1], Some(Access::Free)),
            ("3.8", &[1, 2], Some(Access::Guarded)),
            ("3.8", &[1, 2, 1], Some(Access::Guarded)),
            ("3.8", &[0, 0, 0, 0, 9], None),
            ("3.8", &[1], None),
            ("3.3", &[0, 0, 0, 1], Some(Access::Free)),
            ("3.3", &[0, 0, 0, 2], Some(Access::Guarded)),
        ];
        for (version, bytes, access) in table {
            assert_eq!(vnc_access(version, bytes), access, "{version} {bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_end_without_a_panic(
            start in prop::sample::select(vec!["", "-ERR ", "VERSION ", "CLIENT_ERROR ", "redis_version:", "250"]),
            rest in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let bytes = [start.as_bytes(), &rest].concat();
            let _read = (redis(&bytes), redis_software(&bytes), memcached(&bytes), postgresql(&bytes));
            let _alike = (is_like_redis(&bytes), is_like_memcached(&bytes), is_like_tls(&bytes));
            let _vnc = (vnc_access("3.3", &bytes), vnc_access("3.8", &bytes));
            let _smtp = (understands_ehlo(&bytes), begins_tls(Protocol::Smtp, &bytes));
        }
    }
}
