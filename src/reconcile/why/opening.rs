//! Which sources a port is open for, and the command that would open it for all.

use super::said::Said;
use super::words::behind;
use super::{Case, Decided, Facts, Found};
use crate::model::{
    Backend, Certainty, Chain, Code, Decision, Family, Hook, Journey, Policy, Rule, RuleId,
    Rulebook, Step, TableFamily,
};
use std::collections::BTreeMap;

/// What wrote the rules, and is to be asked to change them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Manager {
    /// Nobody that is known: the rules themselves.
    #[default]
    Nobody,
    /// ufw.
    Ufw,
    /// firewalld, with the zone that the packet was in.
    Firewalld(Option<String>),
}

impl Manager {
    /// By the names of the chains.
    pub(super) fn of(rule: &RuleId, steps: &[Step], rulebook: &Rulebook) -> Self {
        let table = &rule.chain.table;
        if table.name == "firewalld" {
            return Self::Firewalld(steps.iter().find_map(zone));
        }
        let is_ufw = |chain: &Chain| {
            chain.table == *table
                && ["ufw-user-input", "ufw6-user-input"].contains(&chain.name.as_str())
        };
        if rulebook.chains.keys().any(is_ufw) { Self::Ufw } else { Self::Nobody }
    }
}

/// The zone whose chain a decision of firewalld leads to.
fn zone(step: &Step) -> Option<String> {
    let (Decision::Goto(chain) | Decision::Jump(chain)) = &step.verdict else { return None };
    let zone = chain.strip_prefix("filter_IN_")?;
    let inner = ["_pre", "_log", "_deny", "_allow", "_post"];
    let is_zone = !inner.iter().any(|end| zone.ends_with(end)) && is_plain(zone);
    is_zone.then(|| zone.to_owned())
}

impl Decided {
    /// The chains that were asked before the rule that decided, from the base chain on that led to it, each with the handle
    /// of its rule at which the packet left it, where it did not come to the end.
    #[must_use]
    pub fn asked_before(&self, journey: &Journey) -> Vec<(Chain, Option<u64>)> {
        let id = &self.rule.id;
        let Some(at) = journey.steps.iter().rposition(|step| step.rule == *id) else {
            return Vec::new();
        };
        // What another base chain lets in comes to this one all the same.
        let others = journey.steps.iter().take(at).rposition(|it| it.verdict == Decision::Accept);
        let own = others.map_or(0, |last| last + 1);
        let mut chains: BTreeMap<Chain, Option<u64>> = BTreeMap::new();
        for Step { rule, verdict } in journey.steps.iter().take(at + 1).skip(own) {
            chains.insert(rule.chain.clone(), rule.handle);
            if let Decision::Jump(name) | Decision::Goto(name) = verdict {
                let chain = Chain { table: rule.chain.table.clone(), name: name.clone() };
                chains.entry(chain).or_insert(None);
            }
        }
        chains.into_iter().collect()
    }
}

/// The same reason, with what the rules around the one that decided say: that some sources are let in, or else the command
/// that would let in all.
pub(super) fn around(facts: &Facts, case: &Case, found: Found) -> Found {
    use Code::{H01, H02, H03, R20, R21, T01};
    let Some(decided) = case.decided.as_ref().filter(|it| it.hook == Some(Hook::Input)) else {
        return found;
    };
    if !matches!(found.code, T01 | R20 | R21 | H01 | H02 | H03) {
        return found;
    }
    if let Some((sources, rule)) = for_some(facts, case, decided) {
        let port = facts.asked.port;
        let taker = facts.takers(case).first().copied();
        let text = format!(
            "this host lets {port} in from {sources}, and the client is none of these{}",
            behind(facts, taker)
        );
        let scoped = Found::new(Code::T09, Certainty::Likely, text);
        let scoped = Found { next: found.next, evidence: found.evidence, ..scoped };
        return scoped.seen("lets in", rule);
    }
    match opening(facts, case, decided) {
        Some(command) => found.next(command),
        None => found,
    }
}

/// The sources for which rules that were asked before let the port in, and the first of these rules.
fn for_some(facts: &Facts, case: &Case, decided: &Decided) -> Option<(String, String)> {
    let family = Family::of(case.address());
    let scoped = |rule: &Rule| {
        let said = Said::of(rule)?;
        let fits = said.lets_in == Some(true)
            && said.names(facts.endpoint())
            && !said.interface
            && said.family == Some(family);
        said.sources.filter(|_| fits).map(|sources| (sources, rule.text.clone()))
    };
    let found: Vec<(String, Option<String>)> = decided.passed.iter().filter_map(scoped).collect();
    let sources: Vec<&str> = found.iter().map(|(sources, _)| sources.as_str()).collect();
    let first = found.first()?.1.clone().unwrap_or_default();
    Some((sources.join(", "), first))
}

/// The command that lets the port in for all, where that can be said safely: what was asked before the rule that decided
/// stays as it is.
fn opening(facts: &Facts, case: &Case, decided: &Decided) -> Option<String> {
    let RuleId { chain, handle } = &decided.rule.id;
    let (table, name) = (&chain.table, chain.name.as_str());
    let (port, transport) = (facts.asked.port, facts.asked.transport.name());
    if !is_plain(name) || !is_plain(&table.name) {
        return None;
    }
    let said = Said::of(&decided.rule);
    // A rule of which not all is understood, or for some sources, is there for another reason than the port.
    let for_all = handle.is_none() || said.as_ref().is_some_and(Said::is_for_all_sources);
    match &decided.manager {
        Manager::Ufw => {
            let last = ["reject-input", "skip-to-policy-input", "after-input"];
            let bare = name.strip_prefix("ufw-").or(name.strip_prefix("ufw6-"));
            let is_last = handle.is_none() || bare.is_some_and(|bare| last.contains(&bare));
            is_last.then(|| format!("sudo ufw allow {port}/{transport}"))
        }
        Manager::Firewalld(zone) => {
            let of_zone = zone.as_ref().is_some_and(|zone| name == format!("filter_IN_{zone}"));
            let zone = zone.as_ref().map_or_else(String::new, |zone| format!(" --zone={zone}"));
            (name == "filter_INPUT" || of_zone)
                .then(|| format!("sudo firewall-cmd{zone} --add-port={port}/{transport}"))
        }
        Manager::Nobody if !for_all => None,
        Manager::Nobody => {
            let is_iptables = decided.rule.backend != Backend::Nftables;
            let only = said.as_ref().is_some_and(|said| said.names_only(facts.endpoint()));
            let of_interface = said.is_some_and(|said| said.interface);
            let deletes = only && decided.policy == Some(Policy::Accept);
            let place = format!("{} {} {name}", table.family.name(), table.name);
            let accept = format!("{transport} dport {port} accept");
            match (handle, is_iptables) {
                (None, false) => Some(format!("sudo nft add rule {place} {accept}")),
                (Some(handle), false) if deletes => {
                    Some(format!("sudo nft delete rule {place} handle {handle}"))
                }
                // One more rule would let in what comes by the other interfaces too, past what stops it there.
                (Some(_), false) if of_interface => None,
                (Some(handle), false) => {
                    Some(format!("sudo nft insert rule {place} handle {handle} {accept}"))
                }
                _ if table.name != "filter" => None,
                (_, true) => {
                    let ipv6 = table.family == TableFamily::Ip6 || !case.address().is_ipv4();
                    let program = if ipv6 { "ip6tables" } else { "iptables" };
                    let text = decided.rule.text.as_deref().filter(|text| is_plain_line(text));
                    match (handle, text) {
                        (None, _) => Some(format!(
                            "sudo {program} -A {name} -p {transport} --dport {port} -j ACCEPT"
                        )),
                        (Some(_), Some(text)) if deletes => {
                            Some(format!("sudo {program} -D {name} {text}"))
                        }
                        _ => None,
                    }
                }
            }
        }
    }
}

/// Whether a name can stand in a command without quotes.
fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    !name.is_empty() && !name.starts_with('-') && name.chars().all(plain)
}

fn is_plain_line(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:, ".contains(c))
}
