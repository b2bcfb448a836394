//! The rules of a chain that come before one of them.

use super::Reader;
use crate::firewall::ask::dump;
use crate::model::{Chain, Rule, RuleId};
use crate::wire::nf_tables;

/// Of a chain so many rules are put into words.
const MOST: usize = 1000;

/// The rules of these chains in their order, each until the one with this handle, or all of them. What cannot be read
/// has no text, or is not there. No program is started.
#[must_use]
pub fn rules_before(chains: &[(Chain, Option<u64>)]) -> Vec<Rule> {
    let mut reader = Reader::open(|_, _| None);
    let mut rules = Vec::new();
    for (chain, until) in chains {
        let Some(netlink) = reader.netlink.as_mut() else { break };
        let listed = dump(
            netlink,
            |seq| nf_tables::rules_of(seq, chain),
            |entry| nf_tables::listed_rule(entry).filter(|rule| rule.chain == *chain),
        );
        let before =
            listed.unwrap_or_default().into_iter().take_while(|rule| Some(rule.handle) != *until);
        for listed in before.take(MOST) {
            let id = RuleId { chain: chain.clone(), handle: Some(listed.handle) };
            rules.push(reader.rule(&id, Some(&listed)));
        }
    }
    rules
}
