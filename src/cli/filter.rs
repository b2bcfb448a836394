//! The filters of `ls`: `key=value` words, all of which must hold.

use super::args::{Kinds, More};
use super::hint;
use super::ports::Ports;
use crate::inventory::{Extra, Services};
use crate::model::{
    Container, Family, Held, Interface, Inventory, Portless, PortlessKind, Seen, Socket,
    SocketState, Transport,
};
use anyhow::{Result, bail};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// A socket, with a port or without.
enum Item<'a> {
    Port(&'a Socket),
    Portless(&'a Portless),
}

impl Item<'_> {
    fn held(&self) -> &Held {
        match self {
            Self::Port(socket) => &socket.held,
            Self::Portless(socket) => &socket.held,
        }
    }

    fn proto(&self) -> &'static str {
        match self {
            Self::Port(socket) => socket.transport.name(),
            Self::Portless(socket) => socket.kind.name(),
        }
    }

    fn state(&self) -> SocketState {
        match self {
            Self::Port(socket) => socket.state,
            Self::Portless(socket) => socket.state,
        }
    }

    /// Its family, and the address that it is bound to; a Unix or packet socket has neither.
    fn address(&self) -> Option<(Family, IpAddr)> {
        match self {
            Self::Port(socket) => Some((socket.family, socket.address)),
            Self::Portless(Portless {
                kind: PortlessKind::Raw { family, address, .. }, ..
            }) => Some((*family, *address)),
            Self::Portless(_) => None,
        }
    }

    fn interface(&self) -> &Seen<Interface> {
        match self {
            Self::Port(socket) => &socket.interface,
            Self::Portless(socket) => socket.kind.interface(),
        }
    }
}

/// A test that a socket passes or not.
type Test = Box<dyn Fn(&Item<'_>) -> bool>;

/// A test of what only a socket with a port has.
fn with_port(test: impl Fn(&Socket) -> bool + 'static) -> Test {
    Box::new(move |item| matches!(item, Item::Port(socket) if test(socket)))
}

/// A test of who holds a socket, and of what manages it.
fn of_held(test: impl Fn(&Held) -> bool + 'static) -> Test {
    Box::new(move |item| test(item.held()))
}

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

const PROTOS: [&str; 6] = ["tcp", "udp", "sctp", "unix", "raw", "packet"];

/// What a list is narrowed to.
#[derive(Default)]
pub(super) struct Filter {
    sockets: Vec<Test>,
    owners: Vec<Test>,
    units: Vec<Test>,
    extras: BTreeSet<Extra>,
}

impl std::fmt::Debug for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (sockets, owners, units) = (self.sockets.len(), self.owners.len(), self.units.len());
        write!(f, "Filter({sockets} + {owners} + {units} tests)")
    }
}

impl Filter {
    /// The filter of the switches and the words.
    pub(super) fn parse(
        kinds: &Kinds,
        more: &More,
        words: &[String],
        services: &Services,
    ) -> Result<Self> {
        let mut filter = Self::of_kinds(kinds);
        filter.extras = asked_for(kinds, more);
        for word in words {
            let Some((key, value)) = word.split_once('=') else {
                bail!(
                    "{word:?} is no filter: filters are key=value; to look up a port or a name: portsight who {word}"
                );
            };
            filter.extras.extend(implied(key, value));
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

    /// What must be listed for it, beside the sockets that hold a port.
    pub(super) fn extras(&self) -> impl Iterator<Item = Extra> {
        self.extras.iter().copied()
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
        self.sockets.iter().all(|test| test(&Item::Port(socket)))
    }

    /// Leaves the sockets that pass, as far as that can be told without their owners.
    pub(super) fn narrow(&self, inventory: &mut Inventory) {
        retain(inventory, |item| self.sockets.iter().all(|test| test(item)));
    }

    /// Leaves the sockets that pass by their owners, their units and their containers.
    pub(super) fn narrow_by_owner(&self, inventory: &mut Inventory) {
        retain(inventory, |item| self.owners.iter().chain(&self.units).all(|test| test(item)));
    }
}

fn retain(inventory: &mut Inventory, keep: impl Fn(&Item<'_>) -> bool) {
    inventory.sockets.retain(|socket| keep(&Item::Port(socket)));
    inventory.portless.retain(|socket| keep(&Item::Portless(socket)));
}

/// What the switches ask for. `-a` beside `-t` or `-u` is the habit of `ss -tulpna`, which wants no other kinds.
fn asked_for(kinds: &Kinds, more: &More) -> BTreeSet<Extra> {
    let all = more.all && !kinds.tcp && !kinds.udp;
    [
        (all || more.unix, Extra::Unix),
        (all || more.raw, Extra::Raw),
        (more.established, Extra::Connections),
        (more.time_wait, Extra::TimeWait),
    ]
    .into_iter()
    .filter_map(|(asked, extra)| asked.then_some(extra))
    .collect()
}

/// What a filter can keep only if it is listed.
fn implied(key: &str, value: &str) -> Option<Extra> {
    match (key, value) {
        ("proto", "unix") => Some(Extra::Unix),
        ("proto", "raw" | "packet") => Some(Extra::Raw),
        ("state", "time-wait") => Some(Extra::TimeWait),
        ("state", state) => {
            let state = SocketState::ALL.into_iter().find(|known| known.name() == state)?;
            state.is_connection().then_some(Extra::Connections)
        }
        _ => None,
    }
}

fn of_kinds(kinds: &Kinds) -> Vec<Test> {
    let mut tests: Vec<Test> = Vec::new();
    if kinds.tcp != kinds.udp {
        let wanted = if kinds.tcp { Transport::Tcp } else { Transport::Udp };
        // Other kinds are there only because they were asked for.
        tests.push(Box::new(
            move |item| !matches!(item, Item::Port(socket) if socket.transport != wanted),
        ));
    } else if kinds.tcp {
        tests.push(Box::new(|item| {
            !matches!(item, Item::Port(Socket { transport: Transport::Sctp, .. }))
        }));
    }
    if kinds.ipv4 != kinds.ipv6 {
        let v4 = kinds.ipv4;
        tests.push(Box::new(move |item| takes(item, v4)));
    }
    tests
}

/// Whether a socket takes packets of a family; a dual-stack socket takes both.
fn takes(item: &Item<'_>, v4: bool) -> bool {
    let Some((_, address)) = item.address() else { return false };
    let is_dual = || matches!(item, Item::Port(socket) if socket.dual_stack() == Seen::Known(true));
    address.to_canonical().is_ipv4() == v4 || (v4 && is_dual())
}

fn by_owner(key: &str, word: &str, value: &str) -> Result<Option<Test>> {
    let value = value.to_owned();
    Ok(match key {
        "pid" => {
            let pid: u32 = parse_number(word, &value)?;
            Some(of_held(move |held| held.owners.iter().any(|owner| owner.process.pid == pid)))
        }
        "user" => Some(of_held(move |held| has_user(held, &value))),
        "process" | "name" => {
            Some(of_held(move |held| held.owners.iter().any(|owner| owner.process.name == value)))
        }
        _ => None,
    })
}

fn by_unit(key: &str, value: &str) -> Option<Test> {
    let value = value.to_owned();
    match key {
        "unit" => Some(of_held(move |held| {
            held.unit.known().is_some_and(|unit| is_called(&unit.name, &value))
        })),
        "container" => Some(of_held(move |held| {
            held.container.known().is_some_and(|container| is_container(container, &value))
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
fn has_user(held: &Held, user: &String) -> bool {
    let owners = held.owners.iter().map(|owner| &owner.process.user);
    match held.owners.as_slice() {
        [] => held.user.known() == Some(user),
        _ => owners.map(Seen::known).any(|known| known == Some(user)),
    }
}

fn by_socket(key: &str, word: &str, value: &str, services: &Services) -> Result<Test> {
    let value = value.to_owned();
    Ok(match key {
        "port" => {
            let ports = Ports::parse(&[value], services)?;
            with_port(move |socket| ports.contains(socket.endpoint()))
        }
        "proto" => one_of(word, value, &PROTOS, |item| Some(item.proto()))?,
        "state" => {
            let states = SocketState::ALL.map(SocketState::name);
            one_of(word, value, &states, |item| Some(item.state().name()))?
        }
        "scope" => {
            one_of(word, value, &["any", "loopback", "link-local", "address"], |item| match item {
                Item::Port(socket) => Some(socket.scope().name()),
                Item::Portless(_) => None,
            })?
        }
        "family" => one_of(word, value, &["ipv4", "ipv6"], |item| {
            item.address().map(|(family, _)| family.name())
        })?,
        "address" | "addr" => {
            let Ok(address) = value.trim_matches(['[', ']']).parse::<IpAddr>() else {
                bail!("{word:?}: {value:?} is no IP address");
            };
            Box::new(move |item| item.address().is_some_and(|(_, bound)| bound == address))
        }
        "uid" => {
            let uid: u32 = parse_number(word, &value)?;
            of_held(move |held| held.uid == Seen::Known(uid))
        }
        "service" => with_port(move |socket| socket.service.as_ref() == Some(&value)),
        "interface" => Box::new(move |item| {
            item.interface().known().is_some_and(|interface| interface.name == value)
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
    get: fn(&Item<'_>) -> Option<&'static str>,
) -> Result<Test> {
    if !values.contains(&value.as_str()) {
        let near = hint::did_you_mean(&value, values.iter().copied());
        bail!("{word:?}: {value:?} is none of {}{near}", values.join(", "));
    }
    Ok(Box::new(move |item| get(item).is_some_and(|name| name == value)))
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
