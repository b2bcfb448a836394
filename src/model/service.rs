//! What a service tells of itself when it is asked, and what is dangerous about it.

use super::Seen;
use std::fmt;
use std::net::IpAddr;

/// An application protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "`Protocol::name` is what each one is")]
pub enum Protocol {
    Amqp,
    Docker,
    Ftp,
    Http,
    Http2,
    Imap,
    Irc,
    Memcached,
    Mongodb,
    Mysql,
    MysqlX,
    Nats,
    Nntp,
    Pop3,
    Postgresql,
    Redis,
    Rexec,
    Rlogin,
    Rsh,
    Rsync,
    Sieve,
    Smtp,
    Ssh,
    Telnet,
    /// TLS around a protocol that is not known.
    Tls,
    Vnc,
}

impl Protocol {
    /// Its name in the documents.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Amqp => "amqp",
            Self::Docker => "docker",
            Self::Ftp => "ftp",
            Self::Http => "http",
            Self::Http2 => "http2",
            Self::Imap => "imap",
            Self::Irc => "irc",
            Self::Memcached => "memcached",
            Self::Mongodb => "mongodb",
            Self::Mysql => "mysql",
            Self::MysqlX => "mysqlx",
            Self::Nats => "nats",
            Self::Nntp => "nntp",
            Self::Pop3 => "pop3",
            Self::Postgresql => "postgresql",
            Self::Redis => "redis",
            Self::Rexec => "rexec",
            Self::Rlogin => "rlogin",
            Self::Rsh => "rsh",
            Self::Rsync => "rsync",
            Self::Sieve => "sieve",
            Self::Smtp => "smtp",
            Self::Ssh => "ssh",
            Self::Telnet => "telnet",
            Self::Tls => "tls",
            Self::Vnc => "vnc",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Whether a service does its work for a client that has not said who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// It does.
    Free,
    /// It asks for a password, a certificate or the like.
    Guarded,
}

impl Access {
    /// Its name in the documents.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Guarded => "guarded",
        }
    }
}

/// What a service told of itself. All texts come from a stranger and are bounded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spoken {
    /// The protocol, when what it said is of a known one.
    pub protocol: Option<Protocol>,
    /// The product, by its own word.
    pub product: Option<String>,
    /// The version, by its own word.
    pub version: Option<String>,
    /// Whether it serves anybody, where that was found out.
    pub access: Option<Access>,
    /// Whether it would begin TLS on the same connection, where that was asked.
    pub starttls: Option<bool>,
    /// The first that it said, of protocols that are text, and of unknown ones.
    pub banner: Option<String>,
    /// The answer to an HTTP request.
    pub http: Option<Http>,
    /// What its TLS showed.
    pub tls: Option<Tls>,
}

impl Spoken {
    /// Nothing but the protocol.
    #[must_use]
    pub fn of(protocol: Protocol) -> Self {
        Self { protocol: Some(protocol), ..Self::default() }
    }
}

/// The head of an HTTP answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    /// The status code.
    pub status: u16,
    /// The header `Server`.
    pub server: Option<String>,
}

/// What a TLS handshake showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The version that both ends agreed on.
    pub version: Seen<&'static str>,
    /// The protocol that both ends agreed on (ALPN).
    pub alpn: Option<String>,
    /// The server's own certificate. Nobody vouches for it: it was not verified.
    pub certificate: Seen<Certificate>,
}

/// What a certificate says (RFC 5280).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Whom it is for, as RFC 4514 writes it.
    pub subject: String,
    /// The DNS names and addresses that it is for.
    pub names: Vec<String>,
    /// How many more names there are.
    pub more_names: usize,
    /// Who issued it.
    pub issuer: String,
    /// Whether issuer and subject are the same, as in one that signed itself.
    pub self_issued: bool,
    /// From when it holds, in seconds since the Unix epoch.
    pub not_before: u64,
    /// Until when it holds.
    pub not_after: u64,
}

/// How a service was recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recognised {
    /// By what it said.
    Answer,
    /// By its port only, as it said nothing that is known: a guess.
    Port,
}

impl Recognised {
    /// Its name in the documents.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Answer => "answer",
            Self::Port => "port",
        }
    }
}

/// What serves a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The address that it was asked at.
    pub target: IpAddr,
    /// How it was recognised.
    pub by: Recognised,
    /// What it told.
    pub spoken: Spoken,
    /// What is dangerous about it.
    pub risk: Option<Risk>,
}

/// How bad a danger is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It takes a user of this host, or a listener on the way.
    Low,
    /// It takes a user of this host, and gives what no such user should have.
    Medium,
    /// Whoever reaches the port has it.
    High,
}

impl Severity {
    /// Its name in the documents.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// A danger, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Risk {
    /// Its name, for programs.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What it is, as a clause.
    pub text: String,
    /// What to do, as a clause.
    pub advice: String,
}
