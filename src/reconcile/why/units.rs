//! What systemd says of the units that are about the port: a service that failed, is still starting or does not run, and
//! a socket unit that decides the port.

use super::naming::{Claim, claim};
use super::{Case, Facts, Found};
use crate::model::{
    Activity, Certainty, Code, Endpoint, Manager, Opening, Outcome, Socket, Unit, UnitState,
    shell_word,
};
use std::net::IpAddr;
use std::time::Duration;
use words::{command, for_so_long, in_order_to_mend, result_and_time, state_in_words, to_start};
pub(super) use words::{systemctl, to_show, told};

/// A service that runs for less than this may not listen yet.
const YOUNG: Duration = Duration::from_secs(10);

/// The results of a socket unit that gave up for the sake of the service that it starts.
const GAVE_UP: [&str; 2] = ["service-start-limit-hit", "trigger-limit-hit"];

/// Why nothing listens: a unit that is about the port failed, is not there yet, or listens elsewhere.
pub(super) fn in_trouble(facts: &Facts, case: &Case, sure: Certainty) -> Option<Found> {
    let claimants = claimants(facts);
    let mut found =
        claimants.iter().filter_map(|(claim, unit)| found(facts, case, unit, claim, sure));
    found.find(|found| found.code != Code::R13)
}

/// The same by a unit that does not run; `sure` ones say themselves that they are for this port, or are to be started at
/// boot. Where another one runs that is about the port, that one should listen.
pub(super) fn idle(facts: &Facts, case: &Case, sure: bool) -> Option<Found> {
    let mut claimants = claimants(facts);
    claimants.retain(|(claim, _)| strength(claim) < MAY_SERVE);
    if claimants.iter().any(|(_, unit)| unit.activity == Activity::Active) {
        return None;
    }
    let enabled = |unit: &UnitState| unit.file == "enabled";
    claimants.sort_by_key(|(claim, unit)| (!enabled(unit), strength(claim)));
    claimants.retain(|(claim, unit)| !sure || enabled(unit) || strength(claim) <= NAMES);
    let mut found = claimants
        .iter()
        .filter_map(|(claim, unit)| found(facts, case, unit, claim, Certainty::Likely));
    found.find(|found| found.code == Code::R13)
}

/// The units that are about the port, the surest first.
fn claimants(facts: &Facts) -> Vec<(Claim, &UnitState)> {
    let service = facts.service.as_deref();
    let units = facts.units.known().into_iter().flatten();
    let mut claimants: Vec<_> =
        units.filter_map(|unit| Some((claim(unit, facts.endpoint(), service)?, unit))).collect();
    let rank = |unit: &UnitState| match unit.activity {
        Activity::Failed => 0,
        Activity::Starting => 1,
        Activity::Active | Activity::Stopping => 2,
        Activity::Inactive => 3,
    };
    claimants.sort_by_key(|(claim, unit)| (strength(claim), rank(unit)));
    claimants
}

/// The kind of a claim, whatever its words are; the strongest is 0.
fn strength(claim: &Claim) -> u8 {
    match claim {
        Claim::Opens(_) => 0,
        Claim::Names(_) => NAMES,
        Claim::Serves(_) => 2,
        Claim::MayServe(_) => MAY_SERVE,
    }
}

const NAMES: u8 = 1;
const MAY_SERVE: u8 = 3;

/// What the state of a unit explains.
fn found(
    facts: &Facts,
    case: &Case,
    unit: &UnitState,
    claim: &Claim,
    sure: Certainty,
) -> Option<Found> {
    let port = facts.asked.port;
    let sure = if opens_for(unit, facts.endpoint(), case) { sure } else { Certainty::Likely };
    let name = &unit.name;
    let who = match claim {
        Claim::Opens(_) => format!("{name}, which opens it,"),
        Claim::Names(_) => format!("{name}, which names it,"),
        Claim::Serves(service) | Claim::MayServe(service) => format!("{name} ({service})"),
    };
    let nothing = format!("nothing listens on port {port}: {who}");
    let found =
        |code, sure, text: String| Found::new(code, sure, text).seen(name, told(unit, claim));
    let again = format!("portsight why {} --wait 30s", facts.target());
    if unit.activity == Activity::Failed {
        if GAVE_UP.contains(&unit.result.as_str()) {
            return Some(gave_up(facts, unit, &nothing, sure).seen(name, told(unit, claim)));
        }
        let text = format!("{nothing} failed{}", result_and_time(unit));
        return Some(in_order_to_mend(found(Code::R11, sure, text), unit));
    }
    if let Some(socket) = opened_elsewhere(facts, unit, claim) {
        return Some(elsewhere(facts, unit, socket, claim).seen(name, told(unit, claim)));
    }
    match unit.activity {
        Activity::Starting => {
            let text = match unit.sub.as_str() {
                "auto-restart" | "auto-restart-queued" => {
                    format!("{nothing} ended{} and is started again", result_and_time(unit))
                }
                _ => format!("{nothing} is still starting{}", for_so_long(unit)),
            };
            let found = found(Code::R12, sure, text).next(again);
            Some(found.next(command(unit, "journalctl", "-n 20")))
        }
        Activity::Active if is_young(unit) => {
            let text =
                format!("{nothing} runs{}, and does not listen on it yet", for_so_long(unit));
            Some(found(Code::R12, Certainty::Likely, text).next(again))
        }
        Activity::Inactive | Activity::Stopping => {
            let text = match (unit.loaded.as_str(), unit.activity) {
                ("masked", _) => format!("{nothing} is masked, so it cannot be started"),
                ("loaded", Activity::Stopping) => format!("{nothing} is being stopped"),
                ("loaded", _) => format!("{nothing} is installed and does not run"),
                (loaded, _) => format!("{nothing} cannot be loaded ({loaded})"),
            };
            Some(found(Code::R13, sure, text).next(to_start(unit)))
        }
        _ => None,
    }
}

/// A socket unit that was closed since what it starts fails.
fn gave_up(facts: &Facts, unit: &UnitState, nothing: &str, sure: Certainty) -> Found {
    let service = unit.starts.first().map_or("its service", String::as_str);
    let text = format!("{nothing} gave up, since {service}, which it starts, fails");
    let mut found = Found::new(Code::R14, sure, text);
    if let Some(state) = of_name(facts, unit.manager, service) {
        found = found.seen(service, state_in_words(state));
        found = found.next(command(state, "journalctl", "-n 20"));
    }
    let both = format!("{} {}", shell_word(&unit.name), shell_word(service));
    found.next(systemctl(unit.manager, "reset-failed", &both)).next(systemctl(
        unit.manager,
        "start",
        &shell_word(&unit.name),
    ))
}

/// The socket unit that runs and starts this service, with other ports than the one that the service names.
fn opened_elsewhere<'a>(
    facts: &'a Facts,
    unit: &UnitState,
    claim: &Claim,
) -> Option<&'a UnitState> {
    if !matches!(claim, Claim::Names(_)) {
        return None;
    }
    let mut sockets = unit.started_by.iter().filter_map(|it| of_name(facts, unit.manager, it));
    sockets.find(|socket| {
        let opens = |it: &Opening| it.port != facts.asked.port;
        socket.activity == Activity::Active
            && !socket.opens.is_empty()
            && socket.opens.iter().all(opens)
    })
}

fn elsewhere(facts: &Facts, unit: &UnitState, socket: &UnitState, claim: &Claim) -> Found {
    let ports: Vec<String> = socket.opens.iter().map(|it| it.port.to_string()).collect();
    let text = format!(
        "{} opens port {} for {}, whose own {} does not count",
        socket.name,
        ports.join(" and "),
        unit.name,
        claim.words()
    );
    let found = Found::new(Code::R14, Certainty::Likely, text);
    let found = found.seen(&socket.name, state_in_words(socket));
    let first = socket.opens.first().map_or(facts.asked.port, |opening| opening.port);
    let found = found.next(systemctl(unit.manager, "edit", &shell_word(&socket.name)));
    found.next(format!("portsight why {}", facts.target_at(first)))
}

/// A connection that came to a socket of systemd's, or of none any more, and was not served: by what the socket unit says
/// that starts the service.
pub(super) fn of_opened(facts: &Facts, case: &Case, takers: &[&Socket]) -> Option<Found> {
    let elsewhere = case.device().is_none() || case.attempt.was_taken_elsewhere();
    if elsewhere || !takers.iter().all(|socket| of_systemd(socket)) {
        return None;
    }
    let claimants = claimants(facts);
    let (claim, socket) = claimants.iter().find(|(it, _)| matches!(it, Claim::Opens(_)))?;
    let service = of_name(facts, socket.manager, socket.starts.first()?)?;
    let name = &socket.name;
    let (code, text) = match service.activity {
        Activity::Starting => {
            let text = format!(
                "it connects, and {}, which {name} starts, is still starting",
                service.name
            );
            (Code::R12, text)
        }
        Activity::Failed | Activity::Inactive => {
            let how = result_and_time(service);
            let text = format!(
                "it connects, and {}, which {name} starts, does not run{how}",
                service.name
            );
            (Code::R14, text)
        }
        _ => return None,
    };
    let found = Found::new(code, Certainty::Likely, text);
    let found = found.seen(name, told(socket, claim)).seen(&service.name, state_in_words(service));
    Some(in_order_to_mend(found, service))
}

/// Whether what systemd says of units can matter: nothing has the port, or the connection came to a socket of systemd's
/// and nobody serves it.
#[must_use]
pub fn wants_units(cases: &[Case], at_port: &[&Socket]) -> bool {
    let of_host = || cases.iter().filter(|case| case.device().is_some()).map(|it| &it.attempt);
    let refused = || of_host().any(|attempt| attempt.outcome == Outcome::Refused);
    let unserved = || {
        let mut opened = of_host().filter_map(|attempt| attempt.opened.as_ref());
        opened.any(|opened| opened.ended || opened.waits.is_some())
    };
    // A socket that is bound only is being closed, or not open yet.
    let mut servers = at_port.iter().filter(|socket| socket.state.serves());
    (at_port.is_empty() && refused()) || (unserved() && servers.all(|socket| of_systemd(socket)))
}

/// The unit whose settings can matter: it listens, and nothing comes back.
#[must_use]
pub fn silent_unit<'a>(cases: &[Case], at_port: &[&'a Socket]) -> Option<&'a Unit> {
    let silent = cases.iter().any(|case| {
        let lost = case.attempt.outcome == Outcome::TimedOut && case.decided.is_none();
        lost && case.device().is_some()
    });
    let mut units = at_port.iter().filter_map(|socket| socket.held.unit.known());
    units.next().filter(|_| silent)
}

/// Whether a socket is one that systemd opened, as far as can be seen.
pub(super) fn of_systemd(socket: &Socket) -> bool {
    let unit = socket.held.unit.known().map(|unit| unit.name.as_str());
    socket.held.owners.iter().any(|owner| owner.process.name == "systemd")
        || unit.is_some_and(|unit| unit.ends_with(".socket") || unit == "init.scope")
}

/// Units that are about the port and explain nothing, for who reads on.
pub(super) fn beside(facts: &Facts) -> Vec<(String, String)> {
    let claimants = claimants(facts);
    let active = claimants.iter().filter(|(claim, unit)| {
        strength(claim) < MAY_SERVE
            && matches!(unit.activity, Activity::Active | Activity::Stopping)
    });
    active.map(|(claim, unit)| (unit.name.clone(), told(unit, claim))).collect()
}

/// Units that may be meant.
pub(super) fn hints(facts: &Facts) -> Vec<String> {
    let claimants = claimants(facts);
    let idle = claimants.iter().filter(|(claim, unit)| {
        strength(claim) == MAY_SERVE && unit.activity == Activity::Inactive
    });
    idle.map(|(claim, unit)| {
        format!("{} does not run, and {} (possible)", unit.name, claim.words())
    })
    .collect()
}

fn of_name<'a>(facts: &'a Facts, manager: Manager, name: &str) -> Option<&'a UnitState> {
    let mut units = facts.units.known()?.iter();
    units.find(|unit| unit.manager == manager && unit.name == name)
}

/// Whether a socket unit opens the very port and address.
fn opens_for(unit: &UnitState, at: Endpoint, case: &Case) -> bool {
    unit.opens.iter().any(|it| {
        (it.transport, it.port) == (at.transport, at.port)
            && (it.address == case.address() || takes_all(it.address, case.address()))
    })
}

/// Whether a socket at an address takes what is for another one, as far as its family goes: `[::]` takes IPv4 too.
fn takes_all(bound: IpAddr, address: IpAddr) -> bool {
    bound.is_unspecified() && (bound.is_ipv6() || address.is_ipv4())
}

fn is_young(unit: &UnitState) -> bool {
    unit.sub == "running" && unit.since.known().is_some_and(|since| *since < YOUNG)
}

#[cfg(test)]
pub(super) mod tests;
mod words;
