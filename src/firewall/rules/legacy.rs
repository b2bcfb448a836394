//! Rules of the old `ip_tables`, as `iptables-legacy` lists them.

use crate::model::{Backend, Chain, Rule, RuleId};
use crate::sys;
use crate::wire::iptables_list;

/// These rules and policies of a chain.
pub(super) fn rules(chain: &Chain, ids: &[&RuleId]) -> Vec<(RuleId, Rule)> {
    let list = |family| sys::legacy_list_table(family, &chain.table.name);
    let listing = chain.table.family.legacy().and_then(list).unwrap_or_default();
    let rule = |id: &&RuleId| {
        let text = match id.handle {
            Some(number) => iptables_list::rule(&listing, &chain.name, number),
            None => iptables_list::policy(&listing, &chain.name),
        };
        let text = text.map(str::to_owned);
        ((*id).clone(), Rule { id: (*id).clone(), text, backend: Backend::IptablesLegacy })
    };
    ids.iter().map(rule).collect()
}
