//! Chains: which there are, and where on a packet's way they begin.

use super::{
    NFTA_CHAIN_HOOK, NFTA_CHAIN_NAME, NFTA_CHAIN_TABLE, NFTA_CHAIN_TYPE, NFTA_HOOK_HOOKNUM, be32,
    chain, split,
};
use crate::model::{Base, Chain, ChainKind, Hook, Policy, TableFamily};
use crate::wire::netlink::{attribute, text};

const NFTA_CHAIN_POLICY: u16 = 5;
const NFTA_HOOK_PRIORITY: u16 = 2;

/// The chain that an entry of the answer stands for, and how it begins; `None` beside it when it is one to jump to.
/// A chain that begins in a way that is not known here is no chain.
#[must_use]
pub fn placed_chain(payload: &[u8]) -> Option<(Chain, Option<Base>)> {
    let (family, attributes) = split(payload)?;
    let chain = chain(family, attributes, NFTA_CHAIN_TABLE, NFTA_CHAIN_NAME)?;
    let Some(hook) = attribute(attributes, NFTA_CHAIN_HOOK) else { return Some((chain, None)) };
    let kind = match text(attribute(attributes, NFTA_CHAIN_TYPE)?).as_str() {
        "filter" => ChainKind::Filter,
        "nat" => ChainKind::Nat,
        "route" => ChainKind::Route,
        _ => return None,
    };
    let policy = match attribute(attributes, NFTA_CHAIN_POLICY).and_then(be32)? {
        0 => Policy::Drop,
        1 => Policy::Accept,
        _ => return None,
    };
    let priority = attribute(hook, NFTA_HOOK_PRIORITY).and_then(be32)?.cast_signed();
    let hook = hook_of(family, attribute(hook, NFTA_HOOK_HOOKNUM).and_then(be32)?)?;
    Some((chain, Some(Base { hook, kind, priority, policy })))
}

/// `enum nf_inet_hooks`, `enum nf_dev_hooks`, and those of `linux/netfilter_arp.h`.
pub(super) fn hook_of(family: TableFamily, number: u32) -> Option<Hook> {
    let hooks: &[Hook] = match family {
        TableFamily::Netdev => &[Hook::Ingress, Hook::Egress],
        TableFamily::Arp => &[Hook::Input, Hook::Output, Hook::Forward],
        _ => &[
            Hook::Prerouting,
            Hook::Input,
            Hook::Forward,
            Hook::Output,
            Hook::Postrouting,
            Hook::Ingress,
        ],
    };
    hooks.get(usize::try_from(number).ok()?).copied()
}
