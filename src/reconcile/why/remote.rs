//! What a client on the network gets, by a traced probe from there.

use super::refused::is_about_binding;
use super::{Case, Decided, Facts, Found, There};
use crate::model::{
    Answer, Attempt, Checkpoint, ClientAttempt, Evidence, Filters, Icmp, Journey, Outcome, RuleId,
    Rulebook, Socket, Way,
};
use crate::reconcile::checkpoint::{self, Scene};
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

    /// What ended it, where that is no rule and nothing came back.
    fn ended(
        &self,
        rulebook: &Rulebook,
        filters: &Filters,
        socket: Option<&Socket>,
    ) -> Option<Checkpoint> {
        let journey = self.journey.filter(|_| self.attempt.answer == Answer::Silence)?;
        let (device, source) = (Some(self.device), self.attempt.source.map(|it| it.ip()));
        checkpoint::ended(&Scene { journey, filters, rulebook, device, source, socket })
    }

    /// As a case; `taker` is the socket that it should have come to.
    #[must_use]
    pub fn case(&self, rulebook: &Rulebook, filters: &Filters, taker: Option<&Socket>) -> Case {
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
            ended: self.ended(rulebook, filters, taker),
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

#[cfg(test)]
mod tests;
