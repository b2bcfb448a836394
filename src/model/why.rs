//! Why connecting or binding fails: what was asked, and the answer.

use super::{Certainty, ClientAttempt, Code, Gap, Port, Transport};
use std::net::{IpAddr, SocketAddr};

/// What is connected to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// As it was written.
    pub text: String,
    /// The name or the address.
    pub host: String,
    /// The port.
    pub port: Port,
    /// The transport.
    pub transport: Transport,
    /// The scheme of a URL.
    pub scheme: Option<String>,
}

/// What became of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    /// The name.
    pub name: String,
    /// What came of it.
    pub answer: Resolved,
    /// The addresses that `/etc/hosts` gives it.
    pub in_hosts: Vec<IpAddr>,
}

/// What a name is resolved to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved {
    /// It is an address.
    Literal(SocketAddr),
    /// These addresses, in the order in which clients try them.
    Addresses(Vec<SocketAddr>),
    /// There is no such name; the text is the resolver's.
    Denied(String),
    /// It could not be looked up; the text is the resolver's.
    Unreachable(String),
}

impl Resolved {
    /// The addresses.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        match self {
            Self::Literal(address) => std::slice::from_ref(address),
            Self::Addresses(addresses) => addresses,
            Self::Denied(_) | Self::Unreachable(_) => &[],
        }
    }
}

/// A reason, and how sure it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    /// The reason.
    pub code: Code,
    /// How sure it is; never surer than its entry allows.
    pub certainty: Certainty,
    /// What is so, in this case.
    pub text: String,
    /// What to do: commands that mend it or show more, or an address to use; the best one first.
    pub next: Vec<String>,
}

/// Something that was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// What was looked at.
    pub what: String,
    /// What was seen.
    pub text: String,
}

/// An attempt, and what of this host's sockets bears on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// The attempt.
    pub attempt: ClientAttempt,
    /// What is at the port, in words.
    pub socket: String,
}

/// The report of `portsight why`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Why {
    /// What was asked, as it was written.
    pub target: String,
    /// From which place on the network, as it was written; `None` from this host.
    pub from: Option<String>,
    /// What a client sees, in the order in which it tries; for a bind, nothing.
    pub attempts: Vec<Tried>,
    /// Whether it works, as far as a client can tell.
    pub works: bool,
    /// The failure in a word or two, where there is one: `refused`.
    pub failure: Option<String>,
    /// The reason; none when all is well, and none when it fails and nothing explains it.
    pub diagnosis: Option<Diagnosis>,
    /// What it rests on.
    pub evidence: Vec<Evidence>,
    /// What else was looked at, in words.
    pub also_checked: Vec<String>,
    /// What could not be seen.
    pub gaps: Vec<Gap>,
}

/// What a portsight on another machine told of the same question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// What a client there sees.
    pub attempts: Vec<ClientAttempt>,
    /// Whether it works from there.
    pub works: bool,
    /// The reason in its words, without commands.
    pub diagnosis: Option<Diagnosis>,
}
