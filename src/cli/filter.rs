//! The filters of `ls`: `key=value` words, all of which must hold.

use super::args::Kinds;
use super::hint;
use super::ports::Ports;
use crate::inventory::Services;
use crate::model::{Seen, Socket, Transport};
use anyhow::{Result, bail};

/// A test that a socket passes or not.
type Test = Box<dyn Fn(&Socket) -> bool>;

const KEYS: [&str; 14] = [
    "port",
    "proto",
    "state",
    "address",
    "addr",
    "scope",
    "family",
    "interface",
    "service",
    "process",
    "name",
    "pid",
    "user",
    "uid",
];

/// What a list is narrowed to.
#[derive(Default)]
pub(super) struct Filter {
    by_socket: Vec<Test>,
    by_owner: Vec<Test>,
}

impl std::fmt::Debug for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Filter({} + {} tests)", self.by_socket.len(), self.by_owner.len())
    }
}

impl Filter {
    /// The filter of the switches and the words.
    pub(super) fn parse(kinds: &Kinds, words: &[String], services: &Services) -> Result<Self> {
        let mut filter = Self::of_kinds(kinds);
        for word in words {
            let Some((key, value)) = word.split_once('=') else {
                bail!(
                    "{word:?} is no filter: filters are key=value; to look up a port or a name: portsight who {word}"
                );
            };
            match by_owner(key, word, value)? {
                Some(test) => filter.by_owner.push(test),
                None => filter.by_socket.push(by_socket(key, word, value, services)?),
            }
        }
        Ok(filter)
    }

    /// The filter of the switches alone.
    pub(super) fn of_kinds(kinds: &Kinds) -> Self {
        Self { by_socket: of_kinds(kinds), by_owner: Vec::new() }
    }

    /// Whether it lets everything through.
    pub(super) fn is_empty(&self) -> bool {
        self.by_socket.is_empty() && self.by_owner.is_empty()
    }

    /// Whether it looks at the owners: a socket whose owner is not known fails it, rightly or not.
    pub(super) fn is_by_owner(&self) -> bool {
        !self.by_owner.is_empty()
    }

    /// Whether a socket passes, as far as that can be told without its owners.
    pub(super) fn keeps(&self, socket: &Socket) -> bool {
        self.by_socket.iter().all(|test| test(socket))
    }

    /// Whether a socket passes by its owners.
    pub(super) fn keeps_by_owner(&self, socket: &Socket) -> bool {
        self.by_owner.iter().all(|test| test(socket))
    }
}

fn of_kinds(kinds: &Kinds) -> Vec<Test> {
    let mut tests: Vec<Test> = Vec::new();
    if kinds.tcp != kinds.udp {
        let wanted = if kinds.tcp { Transport::Tcp } else { Transport::Udp };
        tests.push(Box::new(move |socket| socket.transport == wanted));
    }
    if kinds.ipv4 != kinds.ipv6 {
        let v4 = kinds.ipv4;
        tests.push(Box::new(move |socket| takes(socket, v4)));
    }
    tests
}

/// Whether a socket takes packets of a family; a dual-stack socket takes both.
fn takes(socket: &Socket, v4: bool) -> bool {
    let mapped = socket.address.is_ipv6() && socket.address.to_canonical().is_ipv4();
    let is_v4 = socket.address.is_ipv4() || mapped;
    is_v4 == v4 || (v4 && socket.dual_stack() == Seen::Known(true))
}

fn by_owner(key: &str, word: &str, value: &str) -> Result<Option<Test>> {
    let value = value.to_owned();
    Ok(match key {
        "pid" => {
            let pid: u32 = parse_number(word, &value)?;
            Some(Box::new(move |socket| socket.owners.iter().any(|owner| owner.process.pid == pid)))
        }
        "user" => Some(Box::new(move |socket| has_user(socket, &value))),
        "process" | "name" => Some(Box::new(move |socket| {
            socket.owners.iter().any(|owner| owner.process.name == value)
        })),
        _ => None,
    })
}

/// Whether an owner is run by a user; where no owner is known, whether that user made the socket.
fn has_user(socket: &Socket, user: &String) -> bool {
    let owners = socket.owners.iter().map(|owner| &owner.process.user);
    match socket.owners.as_slice() {
        [] => socket.user.known() == Some(user),
        _ => owners.map(Seen::known).any(|known| known == Some(user)),
    }
}

fn by_socket(key: &str, word: &str, value: &str, services: &Services) -> Result<Test> {
    let value = value.to_owned();
    Ok(match key {
        "port" => {
            let ports = Ports::parse(&[value], services)?;
            Box::new(move |socket| ports.contains(socket.endpoint()))
        }
        "proto" => one_of(word, value, &["tcp", "udp"], |socket| socket.transport.name())?,
        "state" => {
            one_of(word, value, &["listen", "bound", "unconnected"], |socket| socket.state.name())?
        }
        "scope" => one_of(word, value, &["any", "loopback", "link-local", "address"], |socket| {
            socket.scope().name()
        })?,
        "family" => one_of(word, value, &["ipv4", "ipv6"], |socket| socket.family.name())?,
        "address" | "addr" => {
            let Ok(address) = value.trim_matches(['[', ']']).parse::<std::net::IpAddr>() else {
                bail!("{word:?}: {value:?} is no IP address");
            };
            Box::new(move |socket| socket.address == address)
        }
        "uid" => {
            let uid: u32 = parse_number(word, &value)?;
            Box::new(move |socket| socket.uid == uid)
        }
        "service" => Box::new(move |socket| socket.service.as_ref() == Some(&value)),
        "interface" => Box::new(move |socket| {
            socket.interface.known().is_some_and(|interface| interface.name == value)
        }),
        _ => {
            let near = hint::did_you_mean(key, KEYS.into_iter());
            bail!("{word:?}: there is no filter {key:?}; filters are {}{near}", KEYS.join(", "));
        }
    })
}

fn one_of(
    word: &str,
    value: String,
    values: &[&str],
    get: fn(&Socket) -> &'static str,
) -> Result<Test> {
    if !values.contains(&value.as_str()) {
        let near = hint::did_you_mean(&value, values.iter().copied());
        bail!("{word:?}: {value:?} is none of {}{near}", values.join(", "));
    }
    Ok(Box::new(move |socket| get(socket) == value))
}

fn parse_number(word: &str, value: &str) -> Result<u32> {
    value.parse().or_else(|_| bail!("{word:?}: {value:?} is no number"))
}
