//! What another machine gets that was asked over ssh, beside what this host knows of itself.

use super::words::behind;
use super::{Case, Facts, Found, NOT_TRACED, Probed, blocked, judge, silent};
use crate::model::{
    Answer, Certainty, Code, Diagnosis, Evidence, Filters, Outcome, Rulebook, Socket, Told,
    Transport, Why,
};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Another machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct There {
    /// The command that logs in there: `ssh -l root web1`.
    pub login: String,
    /// The address that this host has as seen from there.
    pub seen: Option<IpAddr>,
    /// How this host itself would answer at an address: what a traced packet from there gets.
    pub here: BTreeMap<IpAddr, Outcome>,
    /// Whether everything that was traced comes from a neighbour: else NAT may have changed what arrives.
    pub direct: bool,
    /// Whether a real packet from there passes nothing that a traced one does not, as XDP in a driver.
    pub sees_all: bool,
}

impl Case {
    /// Takes what a traced packet from the same address showed, where it ended as the real one did. Returns how it ended.
    pub fn confirm(
        &mut self,
        probed: &Probed<'_>,
        rulebook: &Rulebook,
        filters: &Filters,
        taker: Option<&Socket>,
    ) -> Outcome {
        let traced = probed.case(rulebook, filters, taker);
        let here = traced.attempt.outcome;
        if alike(self.attempt.outcome, here) {
            self.decided = traced.decided;
            self.reached = traced.reached;
            self.ended = traced.ended;
            self.translated = traced.translated;
            // A tool tells the error only, and the trace of the same what was behind it.
            let is_icmp = matches!(probed.attempt.answer, Answer::Icmp(_));
            if is_icmp && self.attempt.icmp.is_none() {
                self.attempt.icmp = traced.attempt.icmp;
                self.attempt.sees_icmp = true;
            }
        }
        here
    }
}

/// Whether two attempts ended alike, as far as clients can tell.
fn alike(one: Outcome, other: Outcome) -> bool {
    let is_error = |outcome| matches!(outcome, Outcome::Unreachable | Outcome::Denied);
    one == other || (is_error(one) && is_error(other))
}

/// What another machine's failure says, where this host alone does not explain it.
pub(super) fn found(facts: &Facts, case: &Case) -> Option<Found> {
    let there = facts.remote.as_ref()?.there.as_ref()?;
    let attempt = &case.attempt;
    if matches!(attempt.outcome, Outcome::Connected | Outcome::Failed) {
        return None;
    }
    if case.device().is_none() {
        return elsewhere(facts, case, there);
    }
    if case.decided.is_some() || case.is_ended() || case.handed_on().is_some() {
        return None;
    }
    let takers = facts.takers(case);
    let taker = takers.first().copied();
    let icmp = attempt.icmp.as_ref().filter(|_| !there.here.contains_key(&case.address()));
    if let Some((from, error)) = icmp.and_then(|error| Some((error.from?, error))) {
        if facts.local.contains(&from) {
            return None;
        }
        let text = format!("{from}, and not this host, rejects it{}", behind(facts, taker));
        let found = Found::new(Code::T10, Certainty::Likely, text).seen("ICMP", error.to_string());
        return Some(found.next(path_to(there, case)));
    }
    let what = match (attempt.outcome, &attempt.errno) {
        (Outcome::Refused, _) => "refuses it".to_owned(),
        (Outcome::Unreachable | Outcome::Denied, Some(errno)) => {
            format!("rejects it ({})", errno.text)
        }
        (Outcome::Unreachable | Outcome::Denied, None) => "rejects it".to_owned(),
        _ => "drops it".to_owned(),
    };
    match there.here.get(&case.address()) {
        Some(here) if alike(*here, attempt.outcome) => None,
        Some(here) => {
            let also = match here {
                Outcome::Connected => String::new(),
                Outcome::Refused => behind(facts, taker),
                _ => "; this host would not let it in either".to_owned(),
            };
            let (lets, also) = match here {
                Outcome::Connected => ("this host lets it in and answers: ", also),
                _ => ("", also),
            };
            let (or, sure) = if there.sees_all {
                ("", Certainty::Likely)
            } else {
                (" or a program in the driver of this host's device", Certainty::Possible)
            };
            let text = format!("{lets}something between the two machines{or} {what}{also}");
            let found = Found::new(Code::T10, sure, text);
            let told = match here {
                Outcome::Connected => "a traced packet from there is let in, and answered",
                Outcome::Refused => {
                    "a traced packet from there is refused at once, as by a closed port"
                }
                Outcome::TimedOut => "a traced packet from there is dropped",
                _ => "a traced packet from there is rejected",
            };
            Some(found.seen("trace", told).next(path_to(there, case)))
        }
        // Without a listener the refusal is this host's own, or as good as that.
        None if attempt.outcome == Outcome::Refused && takers.is_empty() => None,
        None if facts.asked.transport == Transport::Udp && taker.is_some() => None,
        None => {
            let at_socket = taker.filter(|_| attempt.outcome == Outcome::TimedOut);
            if let Some(found) = at_socket.and_then(|socket| silent::by_socket(facts, case, socket))
            {
                return Some(found);
            }
            let text = format!(
                "a firewall of this host, or something between the two machines, {what}{}",
                behind(facts, taker)
            );
            let found = Found::new(Code::T10, Certainty::Possible, text).seen("rule", NOT_TRACED);
            Some(found.next("sudo nft -a list ruleset").next(path_to(there, case)))
        }
    }
}

/// An address that is not of this host.
fn elsewhere(facts: &Facts, case: &Case, there: &There) -> Option<Found> {
    let (address, port) = (case.address(), facts.asked.port);
    if there.seen == Some(address) {
        let text = format!(
            "{address} is how that machine sees this host, which does not have it: what has it (NAT) must pass the \
             port on"
        );
        let found = Found::new(Code::T10, Certainty::Possible, text);
        return Some(found.next(path_to(there, case)));
    }
    let only = |found: Found| {
        found.seen(
            "seen from there",
            "only this; portsight on the host that was asked for sees the rest",
        )
    };
    Some(match (case.attempt.outcome, &case.attempt.errno) {
        (Outcome::Refused, _) if case.attempt.icmp.is_none() => {
            let text = format!(
                "{address} refuses: nobody listens on port {port} there, or a firewall of it resets"
            );
            only(Found::new(Code::R01, Certainty::Likely, text))
        }
        (Outcome::TimedOut, _) => {
            let text =
                format!("{address} does not answer: it is down, or a firewall on the way drops");
            only(Found::new(Code::T01, Certainty::Possible, text)).next(path_to(there, case))
        }
        _ if case.attempt.icmp.is_some() => {
            Found { next: Vec::new(), ..blocked::by_icmp(facts, case)? }
        }
        (_, Some(errno)) => {
            let code = if errno.is("ENETUNREACH") { Code::H05 } else { Code::T10 };
            let text = format!(
                "that machine gets no further than an error for {address} ({})",
                errno.text
            );
            Found::new(code, Certainty::Possible, text).next(path_to(there, case))
        }
        (_, None) => return None,
    })
}

/// What shows the path from there.
fn path_to(there: &There, case: &Case) -> String {
    format!("{} tracepath -n {}", there.login, case.address())
}

/// The answer, with what a portsight on that machine told: where no address is of this host, that is the answer.
#[must_use]
pub fn judge_there(facts: &Facts, told: Option<&Told>) -> Why {
    let mut why = judge(facts);
    let Some(there) = facts.remote.as_ref().and_then(|remote| remote.there.as_ref()) else {
        return why;
    };
    let rule = |it: &Evidence| it.what == "rule" && it.text != NOT_TRACED;
    if let Some(diagnosis) = &mut why.diagnosis
        && !there.direct
        && why.evidence.iter().any(rule)
    {
        diagnosis.certainty = diagnosis.certainty.max(Certainty::Likely);
    }
    let Some(told) = told else { return why };
    let is_nat = |case: &Case| there.seen == Some(case.address());
    let none_is_ours = facts.cases.iter().all(|case| case.device().is_none() && !is_nat(case));
    let more = why.works && !told.works;
    if none_is_ours || more {
        if none_is_ours {
            why.evidence.retain(|it| it.what == "name lookup" || it.what == "asked from");
        }
        why.works = told.works;
        let command = format!("{} portsight why {}", there.login, facts.target_there());
        why.diagnosis =
            told.diagnosis.clone().map(|told| Diagnosis { next: vec![command], ..told });
    } else if let Some(Diagnosis { code, certainty, text, .. }) = &told.diagnosis {
        let text = format!("{text} [{code}, {}]", certainty.name());
        why.evidence.push(Evidence { what: "portsight there".to_owned(), text });
    }
    why
}

#[cfg(test)]
mod tests;
