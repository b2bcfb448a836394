//! Which tables `iptables-nft` made. Its rules that need nothing of its own look like those of `nft`; its chains have
//! names and places that nobody else needs to choose.

use crate::model::{Base, Chain, Chains, Table, TableFamily};
use std::collections::BTreeSet;

/// The tables of `iptables`: those in which one of its chains begins.
pub(super) fn tables(chains: &Chains) -> BTreeSet<Table> {
    let made = chains.iter().filter(|(chain, base)| base.is_some_and(|base| makes(chain, base)));
    made.map(|(chain, _)| chain.table.clone()).collect()
}

/// Whether a chain begins as one of `iptables` does.
pub(super) fn makes(chain: &Chain, base: Base) -> bool {
    let table = &chain.table;
    if !matches!(table.family, TableFamily::Ip | TableFamily::Ip6) {
        return false;
    }
    let Some(usual) = Base::of_iptables(&table.name, &chain.name) else { return false };
    (base.hook, base.kind, base.priority) == (usual.hook, usual.kind, usual.priority)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ChainKind, Hook, Policy};

    fn chain(family: TableFamily, table: &str, name: &str) -> Chain {
        Chain { table: Table { family, name: table.to_owned() }, name: name.to_owned() }
    }

    fn base(hook: Hook, kind: ChainKind, priority: i32) -> Base {
        Base { hook, kind, priority, policy: Policy::Drop }
    }

    #[test]
    fn a_chain_of_iptables_has_its_name_and_its_place() {
        let input = base(Hook::Input, ChainKind::Filter, 0);
        assert!(makes(&chain(TableFamily::Ip, "filter", "INPUT"), input));
        assert!(makes(&chain(TableFamily::Ip6, "filter", "INPUT"), input));
        let nat = |hook, priority| base(hook, ChainKind::Nat, priority);
        assert!(makes(&chain(TableFamily::Ip, "nat", "INPUT"), nat(Hook::Input, 100)));
        assert!(makes(&chain(TableFamily::Ip, "nat", "OUTPUT"), nat(Hook::Output, -100)));
        for (chain, base) in [
            (chain(TableFamily::Inet, "filter", "INPUT"), input),
            (chain(TableFamily::Ip, "filter", "input"), input),
            (chain(TableFamily::Ip, "mine", "INPUT"), input),
            (chain(TableFamily::Ip, "filter", "INPUT"), base(Hook::Input, ChainKind::Filter, 1)),
            (chain(TableFamily::Ip, "filter", "INPUT"), base(Hook::Forward, ChainKind::Filter, 0)),
            (
                chain(TableFamily::Ip, "mangle", "OUTPUT"),
                base(Hook::Output, ChainKind::Filter, -150),
            ),
        ] {
            assert!(!makes(&chain, base), "{chain:?} {base:?}");
        }
    }

    #[test]
    fn a_table_is_of_iptables_when_one_of_its_chains_is() {
        let input = chain(TableFamily::Ip, "filter", "INPUT");
        let called = chain(TableFamily::Ip, "filter", "DOCKER");
        let other = chain(TableFamily::Inet, "filter", "INPUT");
        let base = base(Hook::Input, ChainKind::Filter, 0);
        let chains =
            Chains::from([(input, Some(base)), (called.clone(), None), (other, Some(base))]);
        assert_eq!(tables(&chains), BTreeSet::from([called.table.clone()]));
        assert_eq!(tables(&Chains::from([(called, None)])), BTreeSet::new());
    }
}
