//! The ports that rules of destination NAT publish.

use super::ask::{self, dump};
use crate::model::{Chain, Family, Gap, Hides, Need, Published, Table};
use crate::sys;
use crate::wire::netlink::AnswerError;
use crate::wire::nf_tables::{self, LeadsTo, Rule, Translation};
use std::collections::HashSet;
use std::io;

/// The ports that the rules of our thread's network namespace publish, those of one chain in their order, and what
/// could not be seen.
///
/// Of two rules for the same port the first one that a packet meets holds. A rule counts when a packet can reach its
/// chain from one in which destination NAT begins; what the rules on the way there ask for is not looked at, nor are
/// rules that let a packet go before. Not rules, and so not here: IPVS, and programs of BPF.
#[must_use]
pub fn published() -> (Vec<Published>, Vec<Gap>) {
    let ruleset = match Ruleset::read() {
        Ok(ruleset) => ruleset,
        Err(error) => return (Vec::new(), vec![unreadable(&error)]),
    };
    let mut published = Vec::new();
    let mut told = HashSet::new();
    let mut not_understood = Vec::new();
    let reached = ruleset.reached();
    for rule in ruleset.rules.into_iter().filter(|rule| reached.contains(&rule.chain)) {
        match rule.translation {
            // The same rule for packets that come in and for our own is told once.
            Some(Translation::Published(port)) => {
                published.extend(told.insert(port.clone()).then_some(port));
            }
            Some(Translation::NotUnderstood) => not_understood.push(rule.chain),
            None => {}
        }
    }
    (published, legacy().into_iter().chain(too_much(&not_understood)).collect())
}

/// What the kernel told.
#[derive(Debug, Default)]
struct Ruleset {
    dormant: HashSet<Table>,
    /// The chains in which destination NAT begins.
    nat_chains: Vec<Chain>,
    rules: Vec<Rule>,
}

impl Ruleset {
    /// Reads it; it is empty where the kernel has no `nf_tables`.
    fn read() -> Result<Self, AnswerError> {
        let Some(mut netlink) = ask::open()? else { return Ok(Self::default()) };
        let Some(dormant) = ask::first(dump(&mut netlink, nf_tables::tables, nf_tables::dormant))?
        else {
            return Ok(Self::default());
        };
        let dormant = dormant.into_iter().collect();
        let nat_chains = dump(&mut netlink, nf_tables::chains, nf_tables::nat_chain)?;
        let rules = dump(&mut netlink, nf_tables::rules, nf_tables::rule)?;
        Ok(Self { dormant, nat_chains, rules })
    }

    /// The chains that a packet can come to.
    fn reached(&self) -> HashSet<Chain> {
        let awake = self.nat_chains.iter().filter(|chain| !self.dormant.contains(&chain.table));
        let mut reached: HashSet<Chain> = awake.cloned().collect();
        loop {
            let known = reached.len();
            let rules = self.rules.iter().filter(|rule| reached.contains(&rule.chain));
            let next: Vec<Chain> = rules.flat_map(|rule| self.led_to(rule)).collect();
            reached.extend(next);
            if reached.len() == known {
                return reached;
            }
        }
    }

    /// The chains that a rule can hand a packet to.
    fn led_to(&self, rule: &Rule) -> Vec<Chain> {
        let table = &rule.chain.table;
        match &rule.leads_to {
            LeadsTo::Nowhere => Vec::new(),
            LeadsTo::Chain(name) => vec![Chain { table: table.clone(), name: name.clone() }],
            LeadsTo::Mapped => {
                let all = self.rules.iter().map(|rule| &rule.chain);
                all.filter(|chain| chain.table == *table).cloned().collect()
            }
        }
    }
}

fn unreadable(error: &AnswerError) -> Gap {
    let need = match error {
        AnswerError::Refused(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Some(Need::Root)
        }
        AnswerError::Interrupted | AnswerError::Overrun => Some(Need::Retry),
        _ => None,
    };
    let what = "the ports that the firewall publishes".to_owned();
    Gap { what, reason: error.with_cause(), need, hides: Hides::Published }
}

/// The tables of `iptables-legacy`, which `nf_tables` does not tell of.
fn legacy() -> Option<Gap> {
    let (reason, need) = match [Family::Ipv4, Family::Ipv6].map(sys::has_legacy_nat) {
        [Ok(false), Ok(false)] => return None,
        [Ok(true), _] | [_, Ok(true)] => {
            ("its NAT table is in use, and is not read".to_owned(), Some(Need::LaterVersion))
        }
        [Err(error), _] | [_, Err(error)] => {
            let is_denied = error.kind() == io::ErrorKind::PermissionDenied;
            (error.to_string(), is_denied.then_some(Need::Root))
        }
    };
    let what = "the ports that iptables-legacy publishes".to_owned();
    Some(Gap { what, reason, need, hides: Hides::Published })
}

/// The rules that are not understood; they are in these chains.
fn too_much(chains: &[Chain]) -> Option<Gap> {
    let Chain { table, name } = chains.first()?;
    let place = format!("chain {name} of table {} {}", table.family.name(), table.name);
    let what = match chains.len() {
        1 => format!("what a rule publishes, in {place}"),
        many => format!("what {many} rules publish, the first in {place}"),
    };
    Some(Gap {
        what,
        reason: "the ports or the target are not in the rule alone".to_owned(),
        need: Some(Need::LaterVersion),
        hides: Hides::Published,
    })
}
