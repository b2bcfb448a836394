//! What a client on the network gets, by a traced probe from there.

use super::refused::is_about_binding;
use super::words::{behind, holder};
use super::{Case, Decided, Facts, Found, There, unit_filter};
use crate::model::{
    Answer, Attempt, Certainty, ClientAttempt, Code, Evidence, Icmp, Journey, Outcome, Reached,
    RuleId, Rulebook, Socket, Way,
};
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// A place on the network that is asked from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// As it was written: `lan`, `internet=198.51.100.1`, `10.0.0.7`.
    pub word: String,
    /// From where each probe seemed to come: `10.77.0.254 by lan0`.
    pub places: BTreeSet<String>,
    /// Their addresses.
    pub sources: Vec<IpAddr>,
    /// Whether every address of this host was meant, and none was named.
    pub every_address: bool,
    /// The machine that was asked over ssh; `None` where a packet only seems to come from there.
    pub there: Option<There>,
}

impl Remote {
    /// From where it was asked.
    pub(super) fn evidence(&self) -> Option<Evidence> {
        let places: Vec<&str> = self.places.iter().map(String::as_str).collect();
        let text = places.join(", ");
        let what = if self.there.is_some() { "asked from" } else { "probed from" };
        (!text.is_empty()).then(|| Evidence { what: what.to_owned(), text })
    }
}

/// A probe that came in by a device of this host.
#[derive(Debug, Clone, Copy)]
pub struct Probed<'a> {
    /// Where to.
    pub to: SocketAddr,
    /// The index of the device.
    pub device: u32,
    /// What came back.
    pub attempt: &'a Attempt,
    /// How long it took until that was known.
    pub took: Duration,
    /// Its way through the rules.
    pub journey: Option<&'a Journey>,
}

impl Probed<'_> {
    fn outcome(&self) -> (Outcome, Option<Icmp>) {
        match self.attempt.answer {
            Answer::SynAck(_) | Answer::Payload(_) => (Outcome::Connected, None),
            Answer::Rst => (Outcome::Refused, None),
            Answer::Icmp(icmp) if icmp.is_port_unreachable(self.to.ip()) => {
                (Outcome::Refused, Some(icmp))
            }
            Answer::Icmp(icmp) => (Outcome::Unreachable, Some(icmp)),
            Answer::Silence => (Outcome::TimedOut, None),
            Answer::NotSent | Answer::Failed(_) => (Outcome::Failed, None),
        }
    }

    /// The rules and policies on its way that explain what became of it.
    #[must_use]
    pub fn rules(&self, rulebook: &Rulebook) -> Vec<RuleId> {
        let explain = |journey| Decided::rules(journey, self.outcome().0, rulebook);
        self.journey.map(explain).unwrap_or_default()
    }

    fn decided(&self, rulebook: &Rulebook) -> Option<Decided> {
        Decided::of(self.journey?, self.outcome().0, rulebook)
    }

    /// As a case.
    #[must_use]
    pub fn case(&self, rulebook: &Rulebook) -> Case {
        let (outcome, icmp) = self.outcome();
        let elapsed = self.attempt.rtt.unwrap_or(self.took);
        let attempt = ClientAttempt {
            to: self.to,
            outcome,
            errno: None,
            icmp,
            elapsed,
            sees_icmp: true,
            opened: None,
        };
        Case {
            decided: self.decided(rulebook),
            translated: self.journey.and_then(|journey| {
                rulebook.translated_by(&journey.steps).map(|rule| rulebook.rule(rule))
            }),
            reached: self.journey.map(|journey| journey.reached),
            ..Case::unasked(attempt, Way::Local(self.device))
        }
    }
}

/// Where every address of this host was meant and one works, the others are no failure that only have no server. Those
/// that stand on one link only are not even told: nobody names them.
pub(super) fn excuse(facts: &Facts, findings: &mut [Option<Found>], each: &mut [bool]) {
    let all = facts.remote.as_ref().is_some_and(|remote| remote.every_address);
    if !all || !each.contains(&true) {
        return;
    }
    for ((case, found), ok) in facts.cases.iter().zip(findings).zip(each) {
        let excused = found.as_ref().is_some_and(|found| is_about_binding(found.code));
        let on_link = matches!(case.address(), IpAddr::V6(it) if it.is_unicast_link_local());
        *ok |= excused;
        *found = found.take().filter(|_| !(excused && on_link));
    }
}

/// Nothing came back to a traced probe, and no rule decided that.
pub(super) fn lost(facts: &Facts, case: &Case, taker: Option<&Socket>) -> Option<Found> {
    let reached = case.reached.filter(|_| facts.remote.is_some() && case.decided.is_none())?;
    let behind = behind(facts, taker);
    Some(match (reached, taker) {
        (Reached::Nothing, _) => {
            let text = format!("something at the interface drops what comes for it{behind}");
            let found = Found::new(Code::T01, Certainty::Likely, text);
            let told = "it did not come to the first rule: a program (XDP, tc) or a chain at the device took it";
            found.seen("trace", told).next("sudo nft -a list ruleset")
        }
        (Reached::Rules, _) => {
            let text = format!(
                "this host drops what comes for it, by no rule of nf_tables that is traced{behind}"
            );
            let found = Found::new(Code::T01, Certainty::Likely, text);
            let told = "it came to no socket: iptables-legacy, or a check of its source (rp_filter) or its route";
            let found = found.seen("trace", told).next("sudo iptables-legacy -S");
            found.next("sysctl net.ipv4.conf.all.rp_filter")
        }
        (Reached::Host(None), Some(socket)) => {
            if let Some(found) = unit_filter::drops(facts, case, socket) {
                return Some(found.seen("trace", "every rule lets it pass"));
            }
            let text = format!(
                "every rule lets it pass, and it is dropped before {}: by a filter of the socket or its cgroup",
                holder(&socket.held)
            );
            let found = Found::new(Code::T04, Certainty::Possible, text);
            found.next(format!("portsight who {}", facts.asked.port))
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
