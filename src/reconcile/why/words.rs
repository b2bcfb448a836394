//! The words that several reasons share.

use super::{Case, Facts, forwarded, inside};
use crate::model::{Chain, Held, Port, Rule, RuleId, Seen, Socket, SocketState, TakenBy, Way};
use std::net::{IpAddr, SocketAddr};

/// `localhost:3000`, `[::1]:3000`.
pub(super) fn at(host: &str, port: Port) -> String {
    match host.parse::<IpAddr>() {
        Ok(address) => SocketAddr::new(address, port.get()).to_string(),
        Err(_) if host.contains(':') => format!("[{host}]:{port}"),
        Err(_) => format!("{host}:{port}"),
    }
}

/// Who holds a socket: `node 48291`, else what is known of it.
pub(super) fn holder(held: &Held) -> String {
    if let Some(owner) = held.foremost() {
        return format!("{} {}", owner.process.name, owner.process.pid);
    }
    match (&held.container, &held.unit, &held.user, &held.uid) {
        (Seen::Known(container), ..) => match (&container.name, &container.id) {
            (Seen::Known(name), _) => format!("container {name}"),
            (_, Seen::Known(id)) => format!("container {}", inside::short(id)),
            _ => "a container".to_owned(),
        },
        (_, Seen::Known(unit), ..) => unit.name.clone(),
        (_, _, Seen::Known(user), _) => format!("a program of {user}"),
        (_, _, _, Seen::Known(uid)) => format!("a program of user {uid}"),
        _ => "a program".to_owned(),
    }
}

/// Where a socket is bound: `[::1]:3000`, with its device.
pub(super) fn binding(socket: &Socket) -> String {
    let address = SocketAddr::new(socket.address, socket.port.get());
    match &socket.interface {
        Seen::Known(interface) => format!("{address} on {}", interface.name),
        _ => address.to_string(),
    }
}

/// `ip nat PREROUTING`.
pub(super) fn chain(chain: &Chain) -> String {
    format!("{} {} {}", chain.table.family.name(), chain.table.name, chain.name)
}

/// Where a rule stands and what it says: `ip nat PREROUTING handle 4: tcp dport 80 dnat to 10.88.0.2`.
pub(super) fn rule(Rule { id: RuleId { chain: at, handle }, text, .. }: &Rule) -> String {
    let word = if at.table.family.is_legacy() { "rule" } else { "handle" };
    let handle = handle.map_or_else(String::new, |number| format!(" {word} {number}"));
    let text = text.as_deref().map_or_else(String::new, |text| format!(": {text}"));
    format!("{}{handle}{text}", chain(at))
}

/// What is behind a rule that stops what comes, to be put behind the sentence.
pub(super) fn behind(facts: &Facts, taker: Option<&Socket>) -> String {
    let port = facts.asked.port;
    match (taker, facts.servers().next()) {
        (Some(socket), _) => format!(", although {} listens on {port}", holder(&socket.held)),
        (None, Some(socket)) => {
            format!("; behind it {} is bound to {} only", holder(&socket.held), binding(socket))
        }
        (None, None) => format!("; nothing listens on {port} behind it"),
    }
}

/// What of this host is at the port, for one address.
pub(super) fn beside(facts: &Facts, case: &Case) -> String {
    match &case.way {
        Way::Out { .. } => return "not an address of this host".to_owned(),
        Way::Refused(errno) => return format!("routing: {}", errno.text),
        Way::Unknown(text) => return format!("routing is not known: {text}"),
        Way::Local(_) => {}
    }
    if let Some(to) = case.handed_on() {
        return format!("handed on to {to}{}", forwarded::server(case, to));
    }
    let takers = facts.takers(case);
    let opened = case.attempt.opened.as_ref();
    if let Some(TakenBy::Other(address)) = opened.map(|opened| &opened.taken) {
        return format!("taken by the socket at {address}");
    }
    if let Some(TakenBy::Nobody) = opened.map(|opened| &opened.taken) {
        let past = takers.first().map(|socket| format!(", past {}", holder(&socket.held)));
        return format!("handed on elsewhere{}", past.unwrap_or_default());
    }
    if let Some(socket) = takers.first() {
        let more = if takers.len() > 1 { format!(" +{}", takers.len() - 1) } else { String::new() };
        return format!("{}{more}", holder(&socket.held));
    }
    let bound = facts.after.at(facts.endpoint()).find(|it| it.state == SocketState::Bound);
    match bound {
        Some(socket) => format!("bound by {}, not listening", holder(&socket.held)),
        None => format!("no listener for {}", case.attempt.to),
    }
}
