//! The filters of `ls`: `key=value` words, all of which must hold.

use super::args::Kinds;
use super::hint;
use super::ports::Ports;
use crate::inventory::Services;
use crate::model::{Container, Seen, Socket, Transport};
use anyhow::{Result, bail};

/// A test that a socket passes or not.
type Test = Box<dyn Fn(&Socket) -> bool>;

const KEYS: [&str; 16] = [
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
    "unit",
    "container",
];

/// What a list is narrowed to.
#[derive(Default)]
pub(super) struct Filter {
    sockets: Vec<Test>,
    owners: Vec<Test>,
    units: Vec<Test>,
}

impl std::fmt::Debug for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (sockets, owners, units) = (self.sockets.len(), self.owners.len(), self.units.len());
        write!(f, "Filter({sockets} + {owners} + {units} tests)")
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
            if let Some(test) = by_unit(key, value) {
                filter.units.push(test);
                continue;
            }
            match by_owner(key, word, value)? {
                Some(test) => filter.owners.push(test),
                None => filter.sockets.push(by_socket(key, word, value, services)?),
            }
        }
        Ok(filter)
    }

    /// The filter of the switches alone.
    pub(super) fn of_kinds(kinds: &Kinds) -> Self {
        Self { sockets: of_kinds(kinds), ..Self::default() }
    }

    /// Whether it lets everything through.
    pub(super) fn is_empty(&self) -> bool {
        self.sockets.is_empty() && self.owners.is_empty() && self.units.is_empty()
    }

    /// Whether it looks at the owners: a socket whose owner is not known fails it, rightly or not.
    pub(super) fn is_by_owner(&self) -> bool {
        !self.owners.is_empty()
    }

    /// Whether it looks at units or containers: a socket whose unit is not known fails it, rightly or not.
    pub(super) fn is_by_unit(&self) -> bool {
        !self.units.is_empty()
    }

    /// Whether a socket passes, as far as that can be told without its owners.
    pub(super) fn keeps(&self, socket: &Socket) -> bool {
        self.sockets.iter().all(|test| test(socket))
    }

    /// Whether a socket passes by its owners, its unit and its container.
    pub(super) fn keeps_by_owner(&self, socket: &Socket) -> bool {
        self.owners.iter().chain(&self.units).all(|test| test(socket))
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

fn by_unit(key: &str, value: &str) -> Option<Test> {
    let value = value.to_owned();
    match key {
        "unit" => Some(Box::new(move |socket| {
            socket.unit.known().is_some_and(|unit| is_called(&unit.name, &value))
        })),
        "container" => Some(Box::new(move |socket| {
            socket.container.known().is_some_and(|container| is_container(container, &value))
        })),
        _ => None,
    }
}

/// Whether a unit has this name; as for `systemctl`, `ssh` is `ssh.service`.
fn is_called(unit: &str, name: &str) -> bool {
    unit == name || unit.strip_suffix(".service") == Some(name)
}

/// Whether a container has this name, this id, or an id that starts so.
fn is_container(container: &Container, value: &str) -> bool {
    /// What runtimes show of an id.
    const SHORT: usize = 12;
    let is = |text: &Seen<String>| text.known().is_some_and(|text| text == value);
    let starts = container.id.known().is_some_and(|id| id.starts_with(value));
    is(&container.name) || is(&container.id) || (starts && value.len() >= SHORT)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Runtime;

    #[test]
    fn a_unit_and_a_container_go_by_the_names_that_people_use() {
        assert!(is_called("ssh.service", "ssh") && is_called("ssh.service", "ssh.service"));
        assert!(is_called("web.socket", "web.socket"));
        assert!(!is_called("web.socket", "web") && !is_called("ssh.service", "ss"));
        let container = Container {
            id: Seen::Known("3fa2c1aabbcc0011".into()),
            name: Seen::Known("minio".into()),
            runtime: Runtime::Docker,
        };
        for value in ["minio", "3fa2c1aabbcc0011", "3fa2c1aabbcc"] {
            assert!(is_container(&container, value), "{value}");
        }
        for value in ["min", "3fa2c1", "", "c1aabbcc0011", "docker"] {
            assert!(!is_container(&container, value), "{value}");
        }
        let lost = Container { id: Seen::Skipped(""), name: Seen::Skipped(""), ..container };
        assert!(!is_container(&lost, ""));
    }
}
