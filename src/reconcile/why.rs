//! Why connecting fails: what a client saw, and what the host shows of it, joined into one reason. No clock, no
//! environment, no I/O.
//!
//! Each address that a client would try is a [`Case`] with a finding of its own; the one that the client suffers from
//! is the answer. A finding is never surer than its entry in the catalogue allows, and not `proved` when something that
//! could contradict it could not be seen.

mod bind;
mod bind_units;
mod blocked;
mod connected;
mod ended;
mod facts;
mod forwarded;
mod inside;
mod naming;
mod opening;
mod path;
mod refused;
mod remote;
mod said;
mod silent;
mod there;
mod udp;
mod unit_filter;
mod units;
mod words;

pub use bind::{BindFacts, Bound, bind};
pub use bind_units::bind_wants_units;
pub use facts::{Case, Decided, Facts, Proxy, redirection};
pub use naming::programs_of;
pub use opening::Manager;
pub use path::{PathFacts, path};
pub use remote::{Probed, Remote};
pub use there::{There, judge_there};
pub use units::{silent_unit, wants_units};

use crate::model::{
    Certainty, Chain, Code, Delivery, Diagnosis, Evidence, Family, Hides, Outcome, Resolved, Rule,
    Transport, Tried, Why,
};

/// What stands for a rule that is not known.
const NOT_TRACED: &str = "not traced";

/// A reason for one case.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    code: Code,
    certainty: Certainty,
    text: String,
    next: Vec<String>,
    evidence: Vec<Evidence>,
    /// Whether a client is served all the same.
    works: bool,
}

impl Found {
    fn new(code: Code, certainty: Certainty, text: impl Into<String>) -> Self {
        Self {
            code,
            certainty: certainty.max(code.entry().most),
            text: text.into(),
            next: Vec::new(),
            evidence: Vec::new(),
            works: false,
        }
    }

    fn next(mut self, command: impl Into<String>) -> Self {
        self.next.push(command.into());
        self
    }

    fn seen(mut self, what: &str, text: impl Into<String>) -> Self {
        self.evidence.push(Evidence { what: what.to_owned(), text: text.into() });
        self
    }

    /// A rule that a trace has shown is the best evidence.
    fn by_rule(self, decided: Option<&Decided>) -> Self {
        match decided {
            Some(decided) => Self { certainty: Certainty::Proved, ..self }.with_rule(&decided.rule),
            None => self.seen("rule", NOT_TRACED).next("sudo nft -a list ruleset"),
        }
    }

    /// Names a rule, and the command that shows it.
    fn with_rule(self, rule: &Rule) -> Self {
        let chain = &rule.id.chain;
        let command = match chain.table.family.legacy() {
            Some(Family::Ipv4) => legacy_command("iptables-legacy", chain),
            Some(Family::Ipv6) => legacy_command("ip6tables-legacy", chain),
            None => format!("sudo nft -a list chain {}", words::chain(chain)),
        };
        self.seen("rule", words::rule(rule)).next(command)
    }

    fn diagnosis(self) -> Diagnosis {
        Diagnosis {
            code: self.code,
            certainty: self.certainty.max(self.code.entry().most),
            text: self.text,
            next: self.next,
        }
    }
}

/// What lists a chain of the old `ip_tables`.
fn legacy_command(program: &str, chain: &Chain) -> String {
    format!("sudo {program} -t {} -S {}", chain.table.name, chain.name)
}

/// Says why it fails, or that it does not.
#[must_use]
pub fn judge(facts: &Facts) -> Why {
    let mut findings: Vec<Option<Found>> = facts
        .cases
        .iter()
        .map(|case| Some(opening::around(facts, case, of_case(facts, case)?)))
        .collect();
    let ok = |(case, found): (&Case, &Option<Found>)| {
        case_works(facts, case) && found.as_ref().is_none_or(|found| found.works)
    };
    let mut each: Vec<bool> = facts.cases.iter().zip(&findings).map(ok).collect();
    remote::excuse(facts, &mut findings, &mut each);
    let proxy = facts.proxy.as_ref().and_then(|proxy| refused_by_proxy(facts, proxy));
    let works = !each.is_empty() && each.iter().all(|ok| *ok) && proxy.is_none();
    let some_work = each.contains(&true);
    let failures = facts.cases.iter().map(|case| case.attempt.failure());
    let nobody = facts.cases.iter().map(|case| facts.takers(case).is_empty());
    let told = findings.into_iter().zip(failures).zip(nobody).zip(&each);
    let unserved = told.filter(|(_, ok)| **ok == works).map(|(told, _)| told);
    let (mut candidates, unexplained): (Vec<_>, Vec<_>) =
        unserved.partition(|((found, _), _)| found.is_some());
    // Where no address works, one with a socket behind it tells more than one that the server is not bound to.
    if !some_work {
        candidates.sort_by_key(|((found, _), nobody)| {
            (found.as_ref().map(|it| refused::is_about_binding(it.code)), *nobody)
        });
    }
    let of_all = of_name(facts).or(proxy).map(|found| (Some(found), None));
    let mut each_told = candidates.into_iter().chain(unexplained).map(|(told, _)| told);
    let (primary, failure) = of_all.or_else(|| each_told.next()).unwrap_or_default();
    let untraced = |found: &Found| found.evidence.iter().any(|it| it.text == NOT_TRACED);
    let mut gaps = facts.gaps.clone();
    if primary.as_ref().is_some_and(untraced) {
        gaps.push(facts.untraced.clone());
    }
    let mut also_checked = also_checked(facts, primary.as_ref().map(|found| found.code));
    also_checked.extend(hints(facts, primary.as_ref().map(|found| found.code)));
    let mut evidence: Vec<Evidence> = lookup_evidence(facts).into_iter().collect();
    evidence.extend(facts.remote.iter().filter_map(Remote::evidence));
    evidence.extend(primary.iter().flat_map(|found| found.evidence.clone()));
    evidence.extend(forwarded::evidence(facts).filter(|_| works && primary.is_none()));
    let tried = facts
        .cases
        .iter()
        .map(|case| Tried { attempt: case.attempt.clone(), socket: words::beside(facts, case) });
    Why {
        target: facts.asked.text.clone(),
        from: facts.remote.as_ref().map(|remote| remote.word.clone()),
        attempts: tried.collect(),
        works,
        failure,
        diagnosis: primary.map(Found::diagnosis),
        evidence,
        also_checked,
        gaps,
    }
}

/// Whether the attempt itself went well.
fn case_works(facts: &Facts, case: &Case) -> bool {
    let arrived =
        matches!(case.delivery, Some(Ok(Delivery::Replied | Delivery::Queued | Delivery::Read)));
    case.attempt.outcome == Outcome::Connected || arrived || udp::came_in(facts, case)
}

fn of_case(facts: &Facts, case: &Case) -> Option<Found> {
    if let Some(found) = there::found(facts, case) {
        return Some(found);
    }
    if case.handed_on().is_some() && !case_works(facts, case) {
        return forwarded::forwarded(facts, case);
    }
    if facts.asked.transport == Transport::Udp {
        return udp::found(facts, case);
    }
    let takes_loopback = case.device().is_some() && facts.remote.is_none();
    if takes_loopback && !facts.loopback_is_up && !case_works(facts, case) {
        return Some(blocked::without_loopback(case));
    }
    match case.attempt.outcome {
        Outcome::Connected => connected::found(facts, case),
        _ if case.attempt.icmp.is_some() => blocked::by_icmp(facts, case),
        Outcome::Refused => Some(refused::found(facts, case)),
        Outcome::TimedOut => Some(silent::found(facts, case)),
        Outcome::Unreachable | Outcome::Denied => blocked::by_routing(facts, case),
        Outcome::Failed => None,
    }
}

/// A name that leads nowhere.
fn of_name(facts: &Facts) -> Option<Found> {
    let name = &facts.resolution.name;
    match &facts.resolution.answer {
        Resolved::Denied(text) => {
            let found =
                Found::new(Code::N01, Certainty::Proved, format!("there is no address of {name}"));
            Some(found.seen("resolver", text.as_str()).next(format!("getent ahosts {name}")))
        }
        Resolved::Unreachable(text) => {
            let told = format!("{name} could not be looked up, so nothing was tried");
            let found = Found::new(Code::N02, Certainty::Possible, told);
            Some(found.seen("resolver", text.as_str()).next("cat /etc/resolv.conf"))
        }
        Resolved::Literal(_) | Resolved::Addresses(_) => None,
    }
}

/// What the resolver said.
fn lookup_evidence(facts: &Facts) -> Option<Evidence> {
    let Resolved::Addresses(addresses) = &facts.resolution.answer else { return None };
    if facts.remote.as_ref().is_some_and(|remote| remote.every_address) {
        return None;
    }
    let list: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
    let of_file =
        |address: &&std::net::SocketAddr| facts.resolution.in_hosts.contains(&address.ip());
    let file =
        if addresses.iter().all(|address| of_file(&address)) { "  (/etc/hosts)" } else { "" };
    let text = format!("{} → {}{file}", facts.resolution.name, list.join(", "));
    Some(Evidence { what: "name lookup".to_owned(), text })
}

/// A proxy that does not answer, for clients that heed it.
fn refused_by_proxy(facts: &Facts, proxy: &Proxy) -> Option<Found> {
    let attempts = proxy.attempts.as_ref().ok()?;
    let failed = attempts.iter().all(|attempt| attempt.outcome != Outcome::Connected);
    let first = attempts.first().filter(|_| failed)?;
    let host = &facts.asked.host;
    let text = format!(
        "{} sends clients to the proxy {}, and connecting to it fails",
        proxy.variable, proxy.value
    );
    let found = Found::new(Code::R23, Certainty::Likely, text);
    let found = found.seen(&first.to.to_string(), first.in_words());
    Some(found.next(format!("unset {}", proxy.variable)).next(format!("export no_proxy={host}")))
}

/// What else was looked at and found in order.
fn also_checked(facts: &Facts, primary: Option<Code>) -> Vec<String> {
    let mut checked = Vec::new();
    let attempts = || facts.cases.iter().map(|case| &case.attempt);
    let refused = attempts().any(|attempt| attempt.outcome == Outcome::Refused);
    if facts.remote.is_some() {
        if refused && facts.cases.iter().all(Case::came_in) {
            checked.push("firewall (a trace shows that every rule lets it pass)".to_owned());
        }
    } else if refused && attempts().all(|attempt| attempt.icmp.is_none()) {
        checked.push("firewall (no ICMP error came, so it is no reject)".to_owned());
    }
    match &facts.proxy {
        _ if facts.asked.scheme.is_none() || facts.remote.is_some() => {}
        None => checked.push("proxy settings (none for this URL)".to_owned()),
        Some(proxy) => checked.push(match &proxy.attempts {
            Ok(attempts) if attempts.iter().any(|it| it.outcome == Outcome::Connected) => {
                format!("proxy settings ({} is set, and the proxy answers)", proxy.variable)
            }
            Ok(_) => format!("proxy settings ({} is set)", proxy.variable),
            Err(why) => format!("proxy settings ({} is set; not tried: {why})", proxy.variable),
        }),
    }
    let nothing = matches!(primary, Some(Code::R01));
    let local = facts.cases.iter().any(|case| case.device().is_some());
    if nothing && local {
        checked.push("near-miss ports".to_owned());
        if facts.elsewhere.known().is_some() {
            checked.push("other network namespaces".to_owned());
        }
        let hidden = facts.gaps.iter().any(|gap| gap.hides == Hides::Reasons);
        if facts.units.known().is_some() && !hidden {
            checked.push("units of systemd".to_owned());
        }
    }
    checked
}

/// What may be so as well, without evidence that decides it.
fn hints(facts: &Facts, primary: Option<Code>) -> Vec<String> {
    let mut hints = Vec::new();
    if primary == Some(Code::R01) {
        hints.extend(units::hints(facts));
    }
    let nothing_here = matches!(primary, Some(Code::R01 | Code::R02));
    let loopback = facts.cases.iter().any(|case| case.address().is_loopback());
    if nothing_here && loopback && facts.surroundings.container.known().is_some() {
        let host = facts.gateway.map_or_else(String::new, |gateway| {
            let at = words::at(&gateway.to_string(), facts.asked.port);
            format!("; the host may be what its packets pass: portsight why {at}")
        });
        hints.push(format!("{} (possible{host})", Code::R24.entry().title));
    }
    if nothing_here && facts.kernel.to_lowercase().contains("microsoft") {
        hints.push(format!("{} (possible)", Code::R18.entry().title));
    }
    hints
}

#[cfg(test)]
mod tests;
