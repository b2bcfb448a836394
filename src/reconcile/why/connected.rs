//! The connection was opened: is it of any use?

use super::words::holder;
use super::{Case, Facts, Found, units};
use crate::model::{Certainty, Code, Owner, Seen, Socket, TakenBy, elapsed};
use std::collections::BTreeSet;

/// Programs that accept for a container.
const PROXIES: [&str; 6] =
    ["docker-proxy", "rootlessport", "conmon", "pasta", "slirp4netns", "gvproxy"];

pub(super) fn found(facts: &Facts, case: &Case) -> Option<Found> {
    let opened = case.attempt.opened.as_ref()?;
    let takers = facts.takers(case);
    if (opened.ended || opened.waits.is_some())
        && let Some(found) = units::of_opened(facts, case, &takers)
    {
        return Some(found);
    }
    if opened.ended {
        return Some(ended(facts, case, &takers));
    }
    if let Some(time) = opened.waits {
        return Some(not_accepted(facts, &takers, &elapsed(time)));
    }
    two_programs(facts, &takers)
}

/// It was closed before a word was said.
fn ended(facts: &Facts, case: &Case, takers: &[&Socket]) -> Found {
    let port = facts.asked.port;
    let is_proxy = |owner: &&Owner| PROXIES.contains(&owner.process.name.as_str());
    let proxy = takers.iter().flat_map(|socket| &socket.held.owners).find(is_proxy);
    let taken = case.attempt.opened.as_ref().map(|opened| &opened.taken);
    if let Some(Owner { process, .. }) = proxy {
        let text = format!(
            "{} {} accepts for a container, and nothing behind it answers: the program inside is not up, or listens \
             on its own loopback only",
            process.name, process.pid
        );
        let found = Found::new(Code::C04, Certainty::Likely, text);
        return found
            .seen("connection", "opened, and closed at once")
            .next(format!("portsight who {port}"));
    }
    let who = match (takers.first(), taken) {
        (_, Some(TakenBy::Other(address))) => format!("the socket at {address}"),
        (Some(socket), _) => holder(&socket.held),
        (None, _) => "the server".to_owned(),
    };
    let text = format!("{who} accepts the connection and closes it at once, without a word");
    let found = Found::new(Code::C02, Certainty::Likely, text);
    found.seen("connection", "opened, and closed at once").next(format!("portsight who {port}"))
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
