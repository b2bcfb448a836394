//! What is inside of a container, or of another network namespace: where it is, and what serves there.

use super::words::{binding, holder};
use super::{Facts, Found};
use crate::model::{Certainty, Code, Container, Inside, Port, Runtime, Seen, Socket, shell_word};
use crate::reconcile::nat::source_port;
use std::net::{IpAddr, SocketAddr};

/// Of what serves inside, so many are told.
const MOST: usize = 4;

/// What becomes there of a connection to an address.
#[derive(Debug, Clone, Copy)]
pub(super) enum Serves<'a> {
    /// A socket takes it.
    Takes(&'a Socket),
    /// A socket is at the port, or all that there are, for the loopback only.
    LoopbackOnly(&'a Socket),
    /// A socket is at the port, for another address.
    OtherAddress(&'a Socket),
    /// Nothing is at the port, but at another.
    OtherPort(&'a Socket),
    /// Something serves, and which port is meant is not known.
    Unclear,
    /// Nothing serves.
    Nothing,
}

impl<'a> Serves<'a> {
    /// Of a connection to this address; `None` where it is not known to which.
    pub(super) fn of(inside: &'a Inside, to: Option<SocketAddr>) -> Self {
        let servers = || inside.servers.iter();
        let on_loopback = |socket: &&Socket| socket.address.to_canonical().is_loopback();
        let Some(to) = to else {
            return match servers().find(on_loopback).or_else(|| servers().next()) {
                Some(socket) if servers().all(|it| on_loopback(&it)) => Self::LoopbackOnly(socket),
                Some(_) => Self::Unclear,
                None => Self::Nothing,
            };
        };
        let at_port = || servers().filter(|socket| socket.port.get() == to.port());
        let takes = || at_port().find(|socket| socket.takes(to.ip()));
        let other = || servers().find(|socket| !on_loopback(socket)).or_else(|| servers().next());
        match (takes(), at_port().find(on_loopback).or_else(|| at_port().next()), other()) {
            (Some(socket), ..) => Self::Takes(socket),
            (None, Some(socket), _) if on_loopback(&socket) => Self::LoopbackOnly(socket),
            (None, Some(socket), _) => Self::OtherAddress(socket),
            (None, None, Some(socket)) => Self::OtherPort(socket),
            (None, None, None) => Self::Nothing,
        }
    }

    /// Whether it is seen that nobody takes it.
    pub(super) fn is_dead(self) -> bool {
        !matches!(self, Self::Takes(_) | Self::Unclear)
    }

    /// What is so, to be put behind `, where `; `None` where something takes it, or may.
    pub(super) fn words(self, to: Option<SocketAddr>) -> Option<String> {
        Some(match self {
            Self::Takes(_) | Self::Unclear => return None,
            Self::Nothing => "nothing listens".to_owned(),
            Self::LoopbackOnly(socket) | Self::OtherAddress(socket) => {
                format!("{} listens on {} only", holder(&socket.held), binding(socket))
            }
            Self::OtherPort(socket) => {
                let port = to.map_or_else(|| "it".to_owned(), |to| to.port().to_string());
                let who = holder(&socket.held);
                format!("nothing listens on {port}, and {who} on {}", binding(socket))
            }
        })
    }

    /// What mends it.
    pub(super) fn remedy(self, inside: &Inside, port: Port) -> Option<String> {
        let container = inside.containers.first();
        match self {
            Self::Takes(_) | Self::Unclear => None,
            Self::LoopbackOnly(socket) | Self::OtherAddress(socket) => {
                let any = if socket.address.is_ipv4() { "0.0.0.0" } else { "[::]" };
                let there = if container.is_some() { "inside the container" } else { "there" };
                Some(format!("let it listen on {any}:{} {there}", socket.port))
            }
            Self::OtherPort(socket) => publish(container?, port, socket.port),
            Self::Nothing => {
                let (runtime, name) = (program(container?)?, handle(container?)?);
                Some(format!("{runtime} logs {name}"))
            }
        }
    }
}

/// Nothing is at the port inside so far, and the runtime says that the container is starting.
pub(super) fn starting(
    facts: &Facts,
    inside: &Inside,
    serves: Serves<'_>,
    leads: &str,
) -> Option<Found> {
    if !inside.is_starting || !matches!(serves, Serves::Nothing | Serves::OtherPort(_)) {
        return None;
    }
    let text = format!("{leads}{}, which is still starting: it does not listen yet", place(inside));
    let found = Found::new(Code::R12, Certainty::Likely, text);
    let found = found.seen("health check", "starting").seen("behind it", servers(inside));
    Some(found.next(format!("portsight why {} --wait 30s", facts.target())))
}

/// ` in the container web (podman 0d7251807737)`, to be put behind an address; empty for this network namespace.
pub(super) fn place(inside: &Inside) -> String {
    match (inside.containers.as_slice(), &inside.netns) {
        (_, None) => String::new(),
        ([], Some(netns)) => format!(" in the network namespace {netns}"),
        ([container], _) => format!(" in the container {}", named(container)),
        (many, _) => {
            let names: Vec<String> = many.iter().map(named).collect();
            format!(" in the network of the containers {}", names.join(", "))
        }
    }
}

/// What serves inside, in words.
pub(super) fn servers(inside: &Inside) -> String {
    let told = inside.servers.iter().take(MOST);
    let told: Vec<String> =
        told.map(|socket| format!("{} ({})", binding(socket), holder(&socket.held))).collect();
    match inside.servers.len().saturating_sub(MOST) {
        _ if told.is_empty() => "nothing listens".to_owned(),
        0 => told.join(", "),
        more => format!("{} and {more} more", told.join(", ")),
    }
}

/// The command that lists them.
pub(super) fn list(inside: &Inside) -> Option<String> {
    inside.netns.as_ref().map(|netns| format!("sudo portsight ls --netns {}", shell_word(netns)))
}

/// `web (podman 0d7251807737)`.
pub(super) fn named(container: &Container) -> String {
    let runtime = container.runtime.name();
    let id = container.id.known().map(|id| short(id));
    match (container.name.known().map(String::as_str), id) {
        (Some(name), Some(id)) if name != id => format!("{name} ({runtime} {id})"),
        (Some(name), _) | (None, Some(name)) => format!("{name} ({runtime})"),
        (None, None) => format!("of {runtime}"),
    }
}

/// An id as the runtimes show it.
pub(super) fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

/// A word for the command line that the runtime knows the container by.
pub(super) fn handle<'a>(container: &'a Container) -> Option<&'a str> {
    let is_plain = |name: &&str| {
        !name.is_empty()
            && !name.starts_with('-')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
    };
    let of = |seen: &'a Seen<String>| seen.known().map(String::as_str).filter(is_plain);
    of(&container.name).or_else(|| of(&container.id))
}

/// The program that people call.
fn program(container: &Container) -> Option<&'static str> {
    match container.runtime {
        Runtime::Docker => Some("docker"),
        Runtime::Podman => Some("podman"),
        Runtime::Containerd => Some("nerdctl"),
        _ => None,
    }
}

/// How a port of the container is published at one of this host.
fn publish(container: &Container, here: Port, inside: Port) -> Option<String> {
    if container.runtime == Runtime::Lxc {
        let (name, to) = (handle(container)?, format!("connect=tcp:127.0.0.1:{inside}"));
        let device = format!("lxc config device add {name} port{here} proxy");
        return Some(format!("{device} listen=tcp:0.0.0.0:{here} {to}"));
    }
    let program = program(container)?;
    Some(format!("start it again with -p {here}:{inside} ({program} run)"))
}

/// What listens on the port elsewhere on this host, where nothing does here.
pub(super) fn elsewhere(facts: &Facts) -> Option<Found> {
    let all = facts.elsewhere.known()?.iter();
    let all = all.flat_map(|inside| inside.servers.iter().map(move |socket| (inside, socket)));
    // A container is meant more often than another namespace, and what can be reached more often than what cannot.
    let (inside, socket) = all.min_by_key(|(inside, socket)| {
        let is_shy = socket.address.to_canonical().is_loopback();
        let is_published = published_at(facts, inside, socket).is_some();
        (inside.containers.is_empty(), is_shy, !is_published)
    })?;
    let port = facts.asked.port;
    let (who, there) = (holder(&socket.held), place(inside));
    let netns = inside.netns.as_deref().unwrap_or("another one");
    let all = format!("sudo portsight who {port} --netns all");
    let at = own_address(inside, socket).map(|at| SocketAddr::new(at, port.get()));
    let of_container = inside.containers.first();
    let found = match (of_container, published_at(facts, inside, socket)) {
        (None, _) => {
            let text = format!("{who} listens on {port}{there}, not here");
            Found::new(Code::R17, Certainty::Likely, text)
        }
        (Some(_), Some(published)) => {
            let text = format!(
                "nothing listens on {port} here; {who} does{there}, which is published at {published}"
            );
            let next = format!("portsight why {}", facts.target_at(published));
            Found::new(Code::R02, Certainty::Likely, text).next(next)
        }
        (Some(container), None) => {
            let only = if socket.address.to_canonical().is_loopback() {
                format!(", on its loopback only ({})", binding(socket))
            } else {
                String::new()
            };
            let text = format!(
                "{who} listens on {port}{there}{only}, and no port of this host leads there"
            );
            let found = Found::new(Code::R15, Certainty::Likely, text);
            match publish(container, port, socket.port) {
                Some(command) => found.next(command),
                None => found,
            }
        }
    };
    let found = match (at, found.code) {
        (Some(at), Code::R15) if facts.remote.is_none() => found.next(format!("use {at}")),
        _ => found,
    };
    let others = match all_but_first(facts) {
        0 => String::new(),
        others => format!("; {others} other network namespaces have one at the port too"),
    };
    let evidence = format!("{} in {netns}{others}", binding(socket));
    Some(found.seen("listener", evidence).next(all))
}

fn all_but_first(facts: &Facts) -> usize {
    facts.elsewhere.known().map_or(0, |all| all.len().saturating_sub(1))
}

/// An address of its own at which it takes connections.
fn own_address(inside: &Inside, socket: &Socket) -> Option<IpAddr> {
    let is_local = |address: &IpAddr| match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    let mut addresses = inside.addresses.iter().filter(|address| !is_local(address));
    addresses.find(|address| socket.takes(**address)).copied()
}

/// The port of this host that leads to a socket in there.
fn published_at(facts: &Facts, inside: &Inside, socket: &Socket) -> Option<Port> {
    let rules = facts.published.known().into_iter().flatten();
    let leads_there = |rule: &&crate::model::Published| {
        rule.transport == socket.transport
            && rule.target.is_some_and(|to| inside.addresses.contains(&to) && socket.takes(to))
    };
    let mut by_rule = rules.filter(leads_there).filter_map(|rule| source_port(rule, socket.port));
    by_rule.next().or_else(|| inside.proxied.first().copied())
}

#[cfg(test)]
mod tests;
