//! Nothing came back, and something that is no rule is the reason.

use super::words::{behind, holder};
use super::{Case, Facts, Found, Remote, unit_filter, units};
use crate::model::{Certainty, Checkpoint, Code, Hook, Place, Reached, Seen, Socket};
use std::collections::BTreeSet;

/// What ended a traced packet that no rule ended. Of a packet of this host to itself it is said where the kernel told it:
/// else its counters tell as much.
pub(super) fn found(facts: &Facts, case: &Case, taker: Option<&Socket>) -> Option<Found> {
    let ended = case.ended.as_ref().filter(|_| case.decided.is_none())?;
    let is_remote = facts.remote.is_some();
    // Behind all rules and without a socket nothing is there that could.
    let is_lost = case.reached != Some(Reached::Host(None)) || taker.is_some();
    ((is_remote && is_lost) || ended.is_told()).then_some(())?;
    if let Some(found) = taker.and_then(|socket| by_unit(facts, case, ended, socket)) {
        return Some(found);
    }
    let text = &ended.text;
    let code = code(ended, taker);
    let said = match code {
        Code::T02 => format!("the answer does not leave this host: it is dropped by {text}"),
        Code::T03 | Code::T04 | Code::T05 | Code::T06 => {
            let who = taker.map_or_else(|| "the socket".to_owned(), |socket| holder(&socket.held));
            format!("what comes is let in by every rule, and dropped before {who}: by {text}")
        }
        _ => format!("what comes for it is dropped by {text}{}", behind(facts, taker)),
    };
    let sure = match (ended.is_told(), ended.place) {
        (true, _) => Certainty::Proved,
        (false, Place::Socket) => Certainty::Possible,
        (false, _) => Certainty::Likely,
    };
    let mut found = Found::new(code, sure, said).seen("checkpoint", evidence(ended));
    found = in_the_kernels_words(found, ended);
    for command in commands(facts, case, ended, taker) {
        found = found.next(command);
    }
    Some(found)
}

fn in_the_kernels_words(found: Found, ended: &Checkpoint) -> Found {
    let Some(dropped) = &ended.dropped else { return found };
    let place = dropped.location.as_ref().map_or_else(String::new, |at| format!(" in {at}"));
    found.seen("kernel", format!("it dropped the probe: {}{place}", dropped.reason))
}

/// The settings of the socket's unit, where they say that it is so.
fn by_unit(facts: &Facts, case: &Case, ended: &Checkpoint, socket: &Socket) -> Option<Found> {
    matches!(ended.place, Place::Cgroup | Place::Socket).then_some(())?;
    let found = unit_filter::drops(facts, case, socket)?;
    if ended.place == Place::Cgroup && ended.is_told() {
        let found = Found { certainty: Certainty::Proved, ..found };
        return Some(in_the_kernels_words(found, ended));
    }
    Some(found.seen("trace", "every rule lets it pass"))
}

fn code(ended: &Checkpoint, taker: Option<&Socket>) -> Code {
    let has_unit = taker.is_some_and(|socket| matches!(socket.held.unit, Seen::Known(_)));
    match ended.place {
        Place::Cgroup if has_unit => Code::T06,
        Place::Cgroup | Place::SocketFilter | Place::SecurityModule | Place::Socket => Code::T04,
        Place::Signature => Code::T05,
        Place::SocketQueue => Code::T03,
        _ if matches!(ended.hook, Some(Hook::Output | Hook::Postrouting)) => Code::T02,
        _ => Code::T01,
    }
}

/// How far it came, and what is there.
fn evidence(ended: &Checkpoint) -> String {
    let name = ended.place.name();
    match ended.hook {
        Some(hook) => format!("{name}, at or behind {}", hook.name()),
        None => name.to_owned(),
    }
}

/// The filters of the devices that probes came in by: `10.77.0.254 by lan0`.
fn tc_commands(remote: &Remote) -> Vec<String> {
    let devices = remote.places.iter().filter_map(|place| place.rsplit_once(" by "));
    let devices: BTreeSet<&str> = devices.map(|(_, device)| device).collect();
    devices.into_iter().map(|device| format!("tc filter show dev {device} ingress")).collect()
}

/// What shows it.
fn commands(facts: &Facts, case: &Case, ended: &Checkpoint, taker: Option<&Socket>) -> Vec<String> {
    let who = || format!("portsight who {}", facts.asked.port);
    let one = |command: &str| vec![command.to_owned()];
    match ended.place {
        Place::Xdp => one("ip -details link"),
        Place::Tc => facts.remote.as_ref().map_or_else(Vec::new, tc_commands),
        Place::IngressChain | Place::Device => one("sudo nft -a list ruleset"),
        Place::ReversePath => one("sysctl -ar 'rp_filter'"),
        Place::Address | Place::Route => vec![format!("ip route get {}", case.address())],
        Place::NetfilterProgram => one("sudo bpftool link"),
        Place::LegacyTables | Place::Reply | Place::Unknown => one("sudo iptables-legacy -S"),
        Place::Ipsec => one("ip xfrm policy"),
        Place::Cgroup => match taker.map(|socket| &socket.held.unit) {
            Some(Seen::Known(unit)) => {
                vec![units::to_show(unit.manager, "IPAddressDeny,IPAddressAllow", &[&unit.name])]
            }
            _ => vec![who()],
        },
        _ => vec![who()],
    }
}
