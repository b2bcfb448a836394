//! What services say first, without being asked: SSH (RFC 4253), SMTP (RFC 5321), FTP (RFC 959), IMAP (RFC 9051),
//! POP3 (RFC 1939), NNTP (RFC 3977), `MySQL`, VNC (RFC 6143), telnet (RFC 854) and others.

use super::text::{
    banner, begins, first_line, has, is_version, json_text, split_at_any, word, words,
};
use crate::model::{Access, Protocol, Spoken};

/// Whether a greeting has come whole, as far as its beginning tells.
#[must_use]
pub fn is_whole(bytes: &[u8]) -> bool {
    if is_negotiation(bytes) || bytes.starts_with(b"RFB ") {
        return bytes.len() >= 12 || bytes.first() == Some(&IAC);
    }
    if let Some(length) = mysql_length(bytes) {
        return bytes.len() >= 4 + length;
    }
    // The last line of a reply has no hyphen behind its code.
    let Some(text) = bytes.strip_suffix(b"\n") else { return false };
    let last = text.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    !(last.get(..3).is_some_and(|code| code.iter().all(u8::is_ascii_digit))
        && last.get(3) == Some(&b'-'))
}

/// Who greets like this; `None` for a greeting of no known protocol. Of a reply that SMTP and FTP have in common the
/// protocol stays open.
#[must_use]
pub fn greeting(bytes: &[u8]) -> Option<Spoken> {
    let mut spoken = binary(bytes).or_else(|| textual(bytes))?;
    let is_text = !matches!(
        spoken.protocol,
        Some(Protocol::Mysql | Protocol::MysqlX | Protocol::Amqp | Protocol::Http2)
    );
    if is_text && spoken.banner.is_none() {
        spoken.banner = banner(&without_negotiation(bytes));
    }
    Some(spoken)
}

fn binary(bytes: &[u8]) -> Option<Spoken> {
    if is_negotiation(bytes) {
        return Some(Spoken::of(Protocol::Telnet));
    }
    if bytes.starts_with(b"AMQP") {
        return Some(Spoken::of(Protocol::Amqp));
    }
    // A SETTINGS frame of the connection as a whole (RFC 9113, sections 4.1 and 6.5).
    if let [0, _, length, 4, 0, 0, 0, 0, 0, ..] = bytes
        && length % 6 == 0
    {
        return Some(Spoken::of(Protocol::Http2));
    }
    // The notice with which the X protocol begins: "server hello", without a payload.
    if bytes.starts_with(&[5, 0, 0, 0, 11, 8, 5, 26, 0]) {
        return Some(Spoken::of(Protocol::MysqlX));
    }
    mysql(bytes)
}

const IAC: u8 = 255;

/// Whether it begins with an option's negotiation (RFC 854).
fn is_negotiation(bytes: &[u8]) -> bool {
    matches!(bytes, [IAC, 251..=254, _, ..])
}

/// The text without the negotiation of options.
fn without_negotiation(mut bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    while let Some((first, rest)) = bytes.split_first() {
        bytes = match rest {
            [251..=254, _, rest @ ..] if *first == IAC => rest,
            _ => {
                text.push(*first);
                rest
            }
        };
    }
    text
}

/// The length of the first packet of a `MySQL` server: an initial handshake of version 10, or an error.
fn mysql_length(bytes: &[u8]) -> Option<usize> {
    let [low, middle, 0, 0, 10 | 255, ..] = bytes else { return None };
    let length = usize::from(u16::from_le_bytes([*low, *middle]));
    (8..1024).contains(&length).then_some(length)
}

fn mysql(bytes: &[u8]) -> Option<Spoken> {
    let length = mysql_length(bytes)?;
    let packet = bytes.get(4..)?;
    let packet = packet.get(..length).unwrap_or(packet);
    let spoken = Spoken::of(Protocol::Mysql);
    if let Some(error) = packet.strip_prefix(&[255]) {
        let message = error.get(2..)?;
        let known = [&b"MySQL"[..], b"MariaDB"].into_iter().find(|name| has(message, name));
        return Some(Spoken {
            product: known.and_then(word),
            access: Some(Access::Guarded),
            banner: banner(message),
            ..spoken
        });
    }
    let (version, rest) = split_at_any(packet.get(1..)?, b"\0");
    // Behind the version stand at least the connection's number and the first part of the challenge.
    if version.is_empty() || rest.len() < 12 || !version.iter().all(u8::is_ascii_graphic) {
        return None;
    }
    if !has(version, b"mariadb") {
        return Some(Spoken { product: word(b"MySQL"), version: word(version), ..spoken });
    }
    // MariaDB puts a version before its own that old clients take for MySQL's.
    let version = version.strip_prefix(b"5.5.5-").unwrap_or(version);
    let (version, _) = split_at_any(version, b"-");
    Some(Spoken { product: word(b"MariaDB"), version: word(version), ..spoken })
}

fn textual(bytes: &[u8]) -> Option<Spoken> {
    let line = first_line(bytes);
    let of = |protocol| Some(Spoken::of(protocol));
    let named =
        |protocol, (product, version)| Some(Spoken { product, version, ..Spoken::of(protocol) });
    if line.starts_with(b"SSH-") {
        return named(Protocol::Ssh, ssh(line));
    }
    if let Some(version) = line.strip_prefix(b"RFB ") {
        return named(Protocol::Vnc, (None, rfb(version)));
    }
    if let Some(version) = line.strip_prefix(b"@RSYNCD: ") {
        return named(Protocol::Rsync, (None, words(version).next().and_then(word)));
    }
    if let Some(rest) = line.strip_prefix(b"INFO {") {
        return named(Protocol::Nats, (word(b"nats-server"), json_text(rest, "version")));
    }
    if line.starts_with(b"\"IMPLEMENTATION\"") {
        let product = line.split(|byte| *byte == b'"').nth(3).and_then(word);
        return named(Protocol::Sieve, (product, None));
    }
    if line.starts_with(b"-DENIED ") && has(line, b"redis") {
        return Some(Spoken { access: Some(Access::Guarded), ..Spoken::of(Protocol::Redis) });
    }
    if ["* OK", "* PREAUTH", "* BYE"].iter().any(|start| begins(line, start.as_bytes())) {
        return named(Protocol::Imap, (mail_product(line), None));
    }
    if begins(line, b"+OK") {
        return named(Protocol::Pop3, (mail_product(line), None));
    }
    if line.starts_with(b":") && has(line, b" notice ") || begins(line, b"NOTICE AUTH") {
        return of(Protocol::Irc);
    }
    reply(bytes)
}

/// A reply with a code of three digits.
fn reply(bytes: &[u8]) -> Option<Spoken> {
    let (code, rest) = bytes.split_at_checked(3)?;
    if !matches!(rest.first(), Some(b' ' | b'-' | b'\r' | b'\n')) {
        return None;
    }
    let named =
        |protocol, (product, version)| Some(Spoken { product, version, ..Spoken::of(protocol) });
    match code {
        // FTP that is closed to us says so.
        b"220" | b"421" | b"500" | b"530" if has(rest, b"ftp") => named(Protocol::Ftp, ftp(rest)),
        b"220" if has(rest, b"smtp") || has(rest, b"lmtp") => named(Protocol::Smtp, smtp(rest)),
        b"220" => Some(Spoken::default()),
        b"200" | b"201" if has(rest, b"nntp") || has(rest, b"news") || has(rest, b"InterNet") => {
            named(Protocol::Nntp, (None, None))
        }
        b"554" | b"421" if has(rest, b"smtp") => named(Protocol::Smtp, (None, None)),
        _ => None,
    }
}

type Software = (Option<String>, Option<String>);

/// `SSH-2.0-OpenSSH_9.2p1 Debian-2` as `OpenSSH` and `9.2p1`.
fn ssh(line: &[u8]) -> Software {
    let software = line.splitn(3, |byte| *byte == b'-').nth(2).unwrap_or_default();
    let software = words(software).next().unwrap_or_default();
    let (product, version) = split_at_any(software, b"_/");
    (word(product), word(version))
}

/// `003.008` as `3.8`.
fn rfb(version: &[u8]) -> Option<String> {
    let mut numbers = str::from_utf8(version).ok()?.trim().split('.');
    let mut number = || numbers.next()?.parse::<u16>().ok();
    Some(format!("{}.{}", number()?, number()?))
}

/// The product that an FTP server says it is: the first word with "FTP" in it that is more than that, else none.
fn ftp(text: &[u8]) -> Software {
    let plain = |word: &[u8]| {
        let is_mark = |byte: &u8| !byte.is_ascii_alphanumeric();
        let start = word.iter().position(|byte| !is_mark(byte)).unwrap_or(word.len());
        let end = word.iter().rposition(|byte| !is_mark(byte)).map_or(start, |at| at + 1);
        word.get(start..end).unwrap_or_default().to_vec()
    };
    let words: Vec<Vec<u8>> = words(text).map(plain).collect();
    let at = words.iter().position(|word| has(word, b"ftp") && word.len() > 4);
    let Some((product, rest)) = at.and_then(|at| words.get(at..)?.split_first()) else {
        return (None, None);
    };
    (word(product), rest.first().filter(|next| is_version(next)).and_then(|next| word(next)))
}

/// `220 host ESMTP Postfix (Debian)`: what stands behind the name of the protocol.
fn smtp(text: &[u8]) -> Software {
    let mut words = words(first_line(text)).skip_while(|word| !has(word, b"mtp")).skip(1);
    let is_name = |word: &&[u8]| word.first().is_some_and(u8::is_ascii_alphabetic);
    let Some(product) = words.next().filter(is_name) else { return (None, None) };
    let version = words.next().filter(|next| is_version(next));
    let version = version.map(|version| split_at_any(version, b"/;,").0);
    (word(product.strip_suffix(b",").unwrap_or(product)), version.and_then(word))
}

/// A mail server that names itself somewhere in its greeting.
fn mail_product(line: &[u8]) -> Option<String> {
    let known = ["Dovecot", "Cyrus", "Courier", "Zimbra", "Exchange", "Stalwart", "hMailServer"];
    known.into_iter().find(|name| has(line, name.as_bytes())).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Protocol, product and version in one line; `-` for none.
    fn told(bytes: &[u8]) -> Option<String> {
        let spoken = greeting(bytes)?;
        let text = |text: Option<String>| text.unwrap_or_else(|| "-".into());
        let protocol = spoken.protocol.map_or("-", Protocol::name);
        Some(format!("{protocol} {} {}", text(spoken.product), text(spoken.version)))
    }

    fn handshake(version: &str) -> Vec<u8> {
        let mut packet = vec![10];
        packet.extend(version.as_bytes());
        packet.extend([0; 45]);
        let length = u8::try_from(packet.len()).unwrap();
        [vec![length, 0, 0, 0], packet].concat()
    }

    #[test]
    fn known_greetings_are_recognised() {
        let mysql = handshake("8.0.36-0ubuntu0.22.04.1");
        let mariadb = handshake("5.5.5-10.11.6-MariaDB-0+deb12u1");
        let refused = b"\x45\0\0\0\xff\x6a\x04Host '10.0.0.9' is not allowed to connect to this MariaDB server";
        let table: [(&[u8], &str); 32] = [
            (b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n", "ssh OpenSSH 9.2p1"),
            (b"SSH-2.0-dropbear_2022.83\r\n", "ssh dropbear 2022.83"),
            (b"SSH-2.0-Go\r\n", "ssh Go -"),
            (b"SSH-", "ssh - -"),
            (b"220 mail.example.org ESMTP Postfix (Debian/GNU)\r\n", "smtp Postfix -"),
            (b"220 host ESMTP Exim 4.96 Tue, 01 Jan 2030 00:00:00 +0000\r\n", "smtp Exim 4.96"),
            (b"220 host ESMTP Sendmail 8.17.1/8.17.1; Tue\r\n", "smtp Sendmail 8.17.1"),
            (b"220-host.example ESMTP\r\n220 ready\r\n", "smtp - -"),
            (b"220 (vsFTPd 3.0.3)\r\n", "ftp vsFTPd 3.0.3"),
            (b"220 ProFTPD 1.3.8 Server (Debian) [::1]\r\n", "ftp ProFTPD 1.3.8"),
            (
                b"220---------- Welcome to Pure-FTPd [privsep] [TLS] ----------\r\n",
                "ftp Pure-FTPd -",
            ),
            (b"220 FTP server ready\r\n", "ftp - -"),
            (b"500 OOPS: vsftpd: cannot locate user\r\n", "ftp vsftpd -"),
            (b"220 ready\r\n", "- - -"),
            (b"* OK [CAPABILITY IMAP4rev1] Dovecot (Debian) ready.\r\n", "imap Dovecot -"),
            (b"+OK Dovecot ready.\r\n", "pop3 Dovecot -"),
            (b"200 news.example InterNetNews NNRP server INN 2.7.1 ready\r\n", "nntp - -"),
            (b"RFB 003.008\n", "vnc - 3.8"),
            (b"RFB 004.001\n", "vnc - 4.1"),
            (b"@RSYNCD: 31.0 sha512 md5\n", "rsync - 31.0"),
            (b"INFO {\"server_id\":\"X\",\"version\":\"2.10.7\"} \r\n", "nats nats-server 2.10.7"),
            (b"\"IMPLEMENTATION\" \"Dovecot Pigeonhole\"\r\n", "sieve Dovecot Pigeonhole -"),
            (b":irc.example NOTICE * :*** Looking up your hostname\r\n", "irc - -"),
            (b"-DENIED Redis is running in protected mode because\r\n", "redis - -"),
            (b"\xff\xfd\x18\xff\xfd\x20", "telnet - -"),
            (b"\xff\xfb\x01", "telnet - -"),
            (b"AMQP\0\0\x09\x01", "amqp - -"),
            (&[0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0], "http2 - -"),
            (&[5, 0, 0, 0, 11, 8, 5, 26, 0], "mysqlx - -"),
            (&mysql, "mysql MySQL 8.0.36-0ubuntu0.22.04.1"),
            (&mariadb, "mysql MariaDB 10.11.6"),
            (refused, "mysql MariaDB -"),
        ];
        for (bytes, expected) in table {
            assert_eq!(told(bytes).as_deref(), Some(expected), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn near_misses_are_not() {
        let cut = handshake("8.0.36");
        for bytes in [
            &b""[..],
            b"SSH",
            b"220",
            b"2200 ESMTP FTP\r\n",
            b"hello\r\n",
            b"-ERR unknown command\r\n",
            b"\xff\xff\xff",
            b"\xff\xfd",
            b"\x15\x03\x01\0\x02\x02\x28",
            &[0, 0, 7, 4, 0, 0, 0, 0, 0],
            &handshake(""),
            &handshake("8\u{1b}[2J"),
            &cut[..12],
        ] {
            assert_eq!(told(bytes), None, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn only_a_whole_greeting_ends_the_wait() {
        let mysql = handshake("8.0.36");
        let table: [(&[u8], bool); 10] = [
            (b"220 ready\r\n", true),
            (b"220-one\r\n", false),
            (b"220-one\r\n220 two\r\n", true),
            (b"220 rea", false),
            (b"", false),
            (b"RFB 003.008\n", true),
            (b"RFB 003", false),
            (b"\xff\xfd\x18", true),
            (&mysql, true),
            (&mysql[..mysql.len() - 1], false),
        ];
        for (bytes, whole) in table {
            assert_eq!(is_whole(bytes), whole, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn the_banner_is_text_without_negotiation() {
        let banner = |bytes: &[u8]| greeting(bytes).unwrap().banner;
        assert_eq!(banner(b"\xff\xfd\x18\xff\xfb\x01\r\nlogin: ").as_deref(), Some("login:"));
        assert_eq!(
            banner(b"SSH-2.0-x\x1b[2J\xff\r\n").as_deref(),
            Some("SSH-2.0-x\u{1b}[2J\u{fffd}")
        );
        assert_eq!(banner(&handshake("8.0.36")), None);
    }

    /// The beginnings of every greeting that is known, and of what is like them.
    fn beginnings() -> impl Strategy<Value = Vec<u8>> {
        let known = [
            &b""[..],
            b"SSH-",
            b"SSH-2.0-",
            b"220 ",
            b"220-",
            b"220 ESMTP ",
            b"220 x FTP ",
            b"* OK ",
            b"+OK ",
            b"200 nntp",
            b"RFB ",
            b"@RSYNCD: ",
            b"INFO {\"version\":",
            b"\"IMPLEMENTATION\" \"",
            b":x NOTICE ",
            b"-DENIED redis",
            b"\xff\xfd",
            b"AMQP",
            b"\x4a\0\0\0\x0a",
            b"\x4a\0\0\0\xff",
            b"\0\0\x06\x04\0",
        ];
        prop::sample::select(known.to_vec()).prop_map(<[u8]>::to_vec)
    }

    proptest! {
        #[test]
        fn any_bytes_end_without_a_panic(
            start in beginnings(),
            rest in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let bytes = [start, rest].concat();
            let _whole = is_whole(&bytes);
            if let Some(spoken) = greeting(&bytes) {
                for text in [spoken.product, spoken.version].into_iter().flatten() {
                    prop_assert!(text.len() <= 128);
                }
                prop_assert!(spoken.banner.is_none_or(|text| text.len() <= 1024));
            }
        }
    }
}
