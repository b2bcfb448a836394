//! Rules and chains, in words.

mod before;
mod iptables;
mod legacy;
mod listing;

pub use before::rules_before;

use super::ask::{self, dump};
use crate::model::{Backend, Chain, Chains, Policy, Rule, RuleId, Table};
use crate::sys::{self, NetlinkSocket};
use crate::wire::netlink::AnswerError;
use crate::wire::nf_tables::{self, ListedRule, Sets};
use std::collections::{BTreeMap, BTreeSet};

/// Every chain of every family in our thread's network namespace, and how a packet's way begins in it.
///
/// They are none where the kernel has no `nf_tables`.
///
/// # Errors
/// When the kernel refuses, which it does without `CAP_NET_ADMIN`, or its answer is not complete.
pub fn chains() -> Result<Chains, AnswerError> {
    let Some(mut netlink) = ask::open()? else { return Ok(Chains::new()) };
    let chains = ask::first(read_chains(&mut netlink))?;
    Ok(chains.unwrap_or_default())
}

fn read_chains(netlink: &mut NetlinkSocket) -> Result<Chains, AnswerError> {
    Ok(dump(netlink, nf_tables::chains, nf_tables::placed_chain)?.into_iter().collect())
}

/// The text of each of these rules and policies, and who made it. What is gone, or cannot be read, has no text.
///
/// A rule that is not understood here is looked for in what the program `nft` lists, where there is one: that starts
/// it once for each table.
#[must_use]
pub fn rules(wanted: &BTreeSet<RuleId>) -> BTreeMap<RuleId, Rule> {
    Reader::open(sys::nft_list_table).rules(wanted)
}

/// The same, where no program may be started: a rule that is not understood here has no text.
#[must_use]
pub fn rules_without_nft(wanted: &BTreeSet<RuleId>) -> BTreeMap<RuleId, Rule> {
    Reader::open(|_, _| None).rules(wanted)
}

/// What was read so far.
#[derive(Debug)]
struct Reader {
    netlink: Option<NetlinkSocket>,
    chains: Chains,
    /// The tables that `iptables-nft` made.
    of_iptables: BTreeSet<Table>,
    /// The sets of the tables, with the elements of those that a rule asked for.
    sets: BTreeMap<Table, Sets>,
    /// How a table, by its family and name, is listed by `nft`.
    list: fn(&str, &str) -> Option<String>,
    /// The rules in those listings, by their handles.
    listings: BTreeMap<Table, BTreeMap<u64, String>>,
}

impl Reader {
    fn open(list: fn(&str, &str) -> Option<String>) -> Self {
        let mut netlink = ask::open().ok().flatten();
        let chains = netlink.as_mut().and_then(|netlink| read_chains(netlink).ok());
        let chains = chains.unwrap_or_default();
        let of_iptables = iptables::tables(&chains);
        let (sets, listings) = (BTreeMap::new(), BTreeMap::new());
        Self { netlink, chains, of_iptables, sets, list, listings }
    }

    fn rules(mut self, wanted: &BTreeSet<RuleId>) -> BTreeMap<RuleId, Rule> {
        let mut rules = BTreeMap::new();
        let mut chains: BTreeMap<&Chain, Vec<&RuleId>> = BTreeMap::new();
        for id in wanted {
            chains.entry(&id.chain).or_default().push(id);
        }
        for (chain, ids) in chains {
            if chain.table.family.is_legacy() {
                rules.extend(legacy::rules(chain, &ids));
                continue;
            }
            let listed = self.listed(chain, &ids);
            for id in ids {
                let rule = match id.handle {
                    None => self.policy(id),
                    Some(handle) => self.rule(id, listed.get(&handle)),
                };
                rules.insert(id.clone(), rule);
            }
        }
        rules
    }

    /// The rules of a chain that are wanted, by their handles.
    fn listed(&mut self, chain: &Chain, ids: &[&RuleId]) -> BTreeMap<u64, ListedRule> {
        let wanted: BTreeSet<u64> = ids.iter().filter_map(|id| id.handle).collect();
        let Some(netlink) = self.netlink.as_mut().filter(|_| !wanted.is_empty()) else {
            return BTreeMap::new();
        };
        let rules = dump(
            netlink,
            |seq| nf_tables::rules_of(seq, chain),
            |entry| {
                let rule = nf_tables::listed_rule(entry);
                // An old kernel sends those of other chains too.
                rule.filter(|rule| rule.chain == *chain && wanted.contains(&rule.handle))
            },
        );
        rules.unwrap_or_default().into_iter().map(|rule| (rule.handle, rule)).collect()
    }

    fn policy(&self, id: &RuleId) -> Rule {
        let base = self.chains.get(&id.chain).copied().flatten();
        let text = base.map(|base| match base.policy {
            Policy::Accept => "policy accept".to_owned(),
            Policy::Drop => "policy drop".to_owned(),
        });
        let is_iptables = base.is_some_and(|base| iptables::makes(&id.chain, base));
        Rule { id: id.clone(), text, backend: backend(is_iptables) }
    }

    fn rule(&mut self, id: &RuleId, listed: Option<&ListedRule>) -> Rule {
        let Some(listed) = listed else {
            let backend = backend(self.of_iptables.contains(&id.chain.table));
            return Rule { id: id.clone(), text: None, backend };
        };
        let only_iptables = listed.is_of_iptables();
        let is_iptables =
            only_iptables || listed.counts() && self.of_iptables.contains(&id.chain.table);
        let mut text = if is_iptables { listed.as_iptables() } else { None };
        // Other words than those of iptables would leave out what it asks for.
        if text.is_none() && !only_iptables {
            self.read_sets(listed);
            let sets = self.sets.get(&listed.chain.table);
            text = listed.as_nft(sets.unwrap_or(&Sets::default()), &sys::interface_name);
        }
        let text = text.or_else(|| self.listing(id, listed.handle));
        Rule { id: id.clone(), text, backend: backend(is_iptables) }
    }

    /// Reads the sets that a rule asks. One that cannot be read is not there: the rule is then not understood.
    fn read_sets(&mut self, rule: &ListedRule) {
        let (names, table) = (rule.sets(), &rule.chain.table);
        let Some(netlink) = self.netlink.as_mut().filter(|_| !names.is_empty()) else { return };
        let sets = self.sets.entry(table.clone()).or_insert_with(|| {
            let read = dump(netlink, |seq| nf_tables::sets(seq, table), nf_tables::set);
            let mut sets = Sets::default();
            for set in read.unwrap_or_default() {
                sets.insert(set);
            }
            sets
        });
        for name in &names {
            if !sets.lacks_elements(name) {
                continue;
            }
            let ask = |seq| nf_tables::elements(seq, table, name);
            let elements = dump(netlink, ask, nf_tables::some_elements).ok();
            sets.fill(name, elements.and_then(|elements| elements.into_iter().collect()));
        }
    }

    /// What `nft` says of a rule.
    fn listing(&mut self, id: &RuleId, handle: u64) -> Option<String> {
        let table = &id.chain.table;
        let listing = self.listings.entry(table.clone()).or_insert_with(|| {
            let listed = (self.list)(table.family.name(), &table.name);
            listed.map(|text| listing::by_handle(&text)).unwrap_or_default()
        });
        listing.get(&handle).cloned()
    }
}

fn backend(is_iptables: bool) -> Backend {
    if is_iptables { Backend::IptablesNft } else { Backend::Nftables }
}
