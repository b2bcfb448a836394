//! The connection was opened: is it of any use?

use super::forwarded::inside;
use super::inside::{self, Serves, named};
use super::words::holder;
use super::{Case, Facts, Found, units};
use crate::model::{Certainty, Code, Hides, Owner, Seen, Socket, TakenBy, elapsed};
use std::collections::BTreeSet;
use std::net::SocketAddr;

pub(super) fn found(facts: &Facts, case: &Case) -> Option<Found> {
    let takers = facts.takers(case);
    let Some(opened) = case.attempt.opened.as_ref() else {
        return from_the_network(facts, case, &takers);
    };
    if (opened.ended || opened.waits.is_some())
        && let Some(found) = units::of_opened(facts, case, &takers)
    {
        return Some(found);
    }
    if opened.ended {
        return Some(ended(facts, case, &takers));
    }
    if let Some(time) = opened.waits {
        let kept = kept(facts, &takers);
        return kept.or_else(|| Some(not_accepted(facts, &takers, &elapsed(time))));
    }
    two_programs(facts, &takers)
}

/// It was closed before a word was said.
fn ended(facts: &Facts, case: &Case, takers: &[&Socket]) -> Found {
    let port = facts.asked.port;
    let taken = case.attempt.opened.as_ref().map(|opened| &opened.taken);
    if let Some(owner) = proxy(takers).filter(|_| !case.attempt.was_taken_elsewhere()) {
        let is_pasta = owner.process.name.starts_with("pasta");
        let sure = match inside(case).map(|it| Serves::of(it, target(case))) {
            // pasta may lead to the loopback, and what it does was never seen.
            Some(Serves::LoopbackOnly(_)) if is_pasta => Certainty::Possible,
            Some(serves) if serves.is_dead() && !is_pasta => Certainty::Proved,
            // What is inside may have closed it.
            Some(serves) if !serves.is_dead() => Certainty::Possible,
            _ => Certainty::Likely,
        };
        let found = without_backend(facts, case, owner, sure);
        return found.seen("connection", "opened, and closed before a byte came");
    }
    let who = match (takers.first(), taken) {
        (_, Some(TakenBy::Other(address))) => format!("the socket at {address}"),
        (_, Some(TakenBy::Nobody)) => "what a rule hands it on to".to_owned(),
        (Some(socket), _) => holder(&socket.held),
        (None, _) => "the server".to_owned(),
    };
    let text = format!("{who} accepts the connection and closes it at once, without a word");
    let found = Found::new(Code::C02, Certainty::Likely, text);
    found.seen("connection", "opened, and closed at once").next(format!("portsight who {port}"))
}

/// The process among the holders that takes connections for a container.
fn proxy<'a>(takers: &[&'a Socket]) -> Option<&'a Owner> {
    takers.iter().flat_map(|socket| &socket.held.owners).find(|owner| owner.process.is_proxy())
}

fn target(case: &Case) -> Option<SocketAddr> {
    case.onward.as_ref()?.to
}

/// A proxy takes the connection, and what it should hand it to is not there.
fn without_backend(facts: &Facts, case: &Case, proxy: &Owner, sure: Certainty) -> Found {
    let Owner { process, .. } = proxy;
    let port = facts.asked.port;
    let known = inside(case);
    let serves = known.map(|inside| Serves::of(inside, target(case)));
    let leads = || format!("{} {} takes connections for what is", process.name, process.pid);
    if let (Some(inside), Some(serves)) = (known, serves)
        && let Some(found) = inside::starting(facts, inside, serves, &leads())
    {
        return found;
    }
    let there = match known.map(inside::place) {
        Some(place) if !place.is_empty() => place.replacen(" in ", " for what is in ", 1),
        _ => " for a container".to_owned(),
    };
    let words = serves.and_then(|serves| serves.words(target(case)));
    let end = match (words, serves) {
        (Some(words), _) => format!("and there {words}"),
        (None, Some(Serves::Takes(socket))) => {
            format!("and closes it, although {} listens there", holder(&socket.held))
        }
        (None, Some(_)) => "and closes it: what listens there closes it itself, or it leads to another port".to_owned(),
        (None, _) => "and nothing behind it answers: the program inside is not up, listens on another port, or on \
                      its own loopback only"
            .to_owned(),
    };
    let text = format!("{} {} takes connections{there}, {end}", process.name, process.pid);
    let mut found = Found::new(Code::C04, sure, text);
    if let (Some(inside), Some(serves)) = (known, serves) {
        found = found.seen("behind it", inside::servers(inside));
        found.next.extend(serves.remedy(inside, port));
        found.next.extend(inside::list(inside));
    }
    found.next(format!("portsight who {port}"))
}

/// A program keeps the port for a container, and the rule that should hand the connection on did not.
fn kept(facts: &Facts, takers: &[&Socket]) -> Option<Found> {
    let port = facts.asked.port;
    let keeps = |owner: &&Owner| owner.process.only_keeps();
    let (socket, owner) =
        takers.iter().find_map(|socket| Some((socket, socket.held.owners.iter().find(keeps)?)))?;
    let container = socket.held.container.known();
    let whose = container
        .map_or_else(|| "a container".to_owned(), |it| format!("the container {}", named(it)));
    let text = format!(
        "{} {} only keeps port {port} for {whose}, and no rule hands the connection on to it",
        owner.process.name, owner.process.pid
    );
    // One that is there may be for others.
    let is_there = || {
        let mut rules = facts.published.known().into_iter().flatten();
        rules.any(|rule| rule.transport == facts.asked.transport && rule.leads_to(port).is_some())
    };
    let unread = facts.published.known().is_none()
        || is_there()
        || facts.gaps.iter().any(|gap| gap.hides == Hides::Published);
    let sure = if unread { Certainty::Likely } else { Certainty::Proved };
    let found = Found::new(Code::C04, sure, text);
    let found = match facts.remote {
        None => found.seen("connection", "open, and nobody accepts it"),
        Some(_) => found.seen("trace", "it comes to the socket that keeps the port"),
    };
    let reload = container.and_then(inside::handle);
    let found = match reload {
        Some(name) => found.next(format!("sudo podman network reload {name}")),
        None => found,
    };
    Some(found.next("sudo nft -a list ruleset"))
}

/// From the network no connection was opened: only that it would be is seen. What stands behind may be of no use all
/// the same.
fn from_the_network(facts: &Facts, case: &Case, takers: &[&Socket]) -> Option<Found> {
    facts.remote.as_ref().filter(|_| case.handed_on().is_none())?;
    let owners = || takers.iter().flat_map(|socket| &socket.held.owners);
    if let Some(found) = kept(facts, takers) {
        // What the trace shows is that it came to this socket.
        return Some(Found { works: true, certainty: Certainty::Likely, ..found });
    }
    if let Some(proxy) = proxy(takers) {
        let dead = inside(case).is_some_and(|it| Serves::of(it, target(case)).is_dead());
        let found = without_backend(facts, case, proxy, Certainty::Possible);
        let found = found.seen("connection", "not opened: only that it would be was seen");
        return dead.then_some(Found { works: true, ..found });
    }
    if owners().next().is_some() && owners().all(|owner| owner.process.stopped) {
        let (owner, port) = (owners().next()?, facts.asked.port);
        let text = format!(
            "{} {}, which listens on {port}, is stopped (state T), so nobody serves it",
            owner.process.name, owner.process.pid
        );
        let found = Found::new(Code::C01, Certainty::Likely, text);
        let found = found.seen("process", "stopped by a signal");
        let found = found.next(format!("kill -CONT {}", owner.process.pid));
        return Some(Found { works: true, ..found });
    }
    None
}

/// It waits in the accept queue.
fn not_accepted(facts: &Facts, takers: &[&Socket], time: &str) -> Found {
    let owners = || takers.iter().flat_map(|socket| &socket.held.owners);
    let stopped = owners().next().is_some() && owners().all(|owner| owner.process.stopped);
    let who = takers.first().map_or_else(|| "the program".to_owned(), |it| holder(&it.held));
    let seen = |found: Found| {
        let text = format!("open, and still in the accept queue after {time}");
        found.seen("connection", text)
    };
    if stopped {
        let pid = owners().next().map_or(0, |owner| owner.process.pid);
        let text = format!("it connects, and {who} is stopped (state T), so nobody serves it");
        let found = seen(Found::new(Code::C01, Certainty::Proved, text));
        return found.seen("process", "stopped by a signal").next(format!("kill -CONT {pid}"));
    }
    let text = format!("it connects, and {who} has not accepted the connection for {time}");
    let found = seen(Found::new(Code::C01, Certainty::Likely, text));
    found.next(format!("portsight who {}", facts.asked.port))
}

/// Programs of different names that each get a part of the connections.
fn two_programs(facts: &Facts, takers: &[&Socket]) -> Option<Found> {
    let first = takers.first()?;
    let alike = takers
        .iter()
        .filter(|socket| (socket.address, &socket.interface) == (first.address, &first.interface));
    let programs: BTreeSet<String> = alike
        .filter_map(|socket| {
            let process = &socket.held.foremost()?.process;
            let program = match &process.exe {
                Seen::Known(exe) => exe.clone(),
                _ => process.name.clone(),
            };
            Some(program)
        })
        .collect();
    if programs.len() < 2 {
        return None;
    }
    let text = format!("{} programs share the port, and each gets a part", programs.len());
    let found = Found::new(Code::C03, Certainty::Possible, text);
    let list = programs.into_iter().collect::<Vec<_>>().join(", ");
    let found = found.seen("programs", list).next(format!("portsight who {}", facts.asked.port));
    Some(Found { works: true, ..found })
}
