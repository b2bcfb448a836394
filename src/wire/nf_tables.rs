//! The rules of `nf_tables` over `NETLINK_NETFILTER` (`linux/netfilter/nf_tables.h`, `linux/netfilter/nfnetlink.h`):
//! what they publish, as far as that can be read from each rule alone, and what they say, in words. These are the rules
//! of `nft`, of `iptables` where it is `iptables-nft`, and of whoever else talks to the kernel.

pub mod build;
mod chains;
mod expressions;
mod iptables;
mod listed;
mod numbers;
mod registers;
mod sets;
mod statements;
mod text;
mod xtables;

#[cfg(test)]
mod tests;

use super::netlink::{self, attribute, text};
use crate::model::{Chain, Family, Hook, Published, Table, TableFamily};
use expressions::Reading;

pub use chains::placed_chain;
pub use listed::{ListedRule, listed_rule, rules_of};
pub use sets::{Element, Set, Sets, elements, set, sets, some_elements};
pub use text::Interfaces;

/// `NFNL_SUBSYS_NFTABLES`, the upper half of a message's type.
const SUBSYSTEM: u16 = 10 << 8;
const NFT_MSG_NEWTABLE: u16 = SUBSYSTEM;
const NFT_MSG_GETTABLE: u16 = SUBSYSTEM | 1;
const NFT_MSG_DELTABLE: u16 = SUBSYSTEM | 2;
const NFT_MSG_NEWCHAIN: u16 = SUBSYSTEM | 3;
const NFT_MSG_GETCHAIN: u16 = SUBSYSTEM | 4;
const NFT_MSG_NEWRULE: u16 = SUBSYSTEM | 6;
const NFT_MSG_GETRULE: u16 = SUBSYSTEM | 7;

/// What a batch of messages is for: `NFNL_SUBSYS_NFTABLES`.
const NFNL_BATCH_RESOURCE: u16 = 10;

/// The size of `struct nfgenmsg`: the family, a version, the generation of the rules.
const NFGENMSG: usize = 4;

const NFTA_TABLE_NAME: u16 = 1;
const NFTA_TABLE_FLAGS: u16 = 2;
/// `NFT_TABLE_F_DORMANT`: its rules are kept, and do nothing.
const DORMANT: u32 = 1;

const NFTA_CHAIN_TABLE: u16 = 1;
const NFTA_CHAIN_NAME: u16 = 3;
const NFTA_CHAIN_HOOK: u16 = 4;
const NFTA_CHAIN_TYPE: u16 = 7;
const NFTA_HOOK_HOOKNUM: u16 = 1;
/// Destination NAT is done for packets that come in, and for our own (`enum nf_inet_hooks`).
const NF_INET_PRE_ROUTING: u32 = 0;
const NF_INET_LOCAL_OUT: u32 = 3;

const NFTA_RULE_TABLE: u16 = 1;
const NFTA_RULE_CHAIN: u16 = 2;
const NFTA_RULE_EXPRESSIONS: u16 = 4;

/// What is told of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The chain that it is in.
    pub chain: Chain,
    /// The chains that it hands packets to.
    pub leads_to: LeadsTo,
    /// What it does to the destination of packets; `None` when it leaves it alone, or is for other transports.
    pub translation: Option<Translation>,
}

/// The chains that a rule hands packets to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeadsTo {
    /// None.
    Nowhere,
    /// One of the same table, by its name.
    Chain(String),
    /// Those that stand in a map of verdicts, which is not read: it may be any of the table.
    Mapped,
}

/// What a rule does to the destination of packets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Translation {
    /// It publishes ports.
    Published(Published),
    /// It changes the destination of packets, in a way that cannot be read from the rule alone: the ports stand in a
    /// set, a map or another rule, they are those that are not named, or the target is one of many.
    NotUnderstood,
}

/// A request for all tables.
#[must_use]
pub fn tables(seq: u32) -> Vec<u8> {
    netlink::request(NFT_MSG_GETTABLE, netlink::DUMP, seq, &[0; NFGENMSG])
}

/// A request for all chains.
#[must_use]
pub fn chains(seq: u32) -> Vec<u8> {
    netlink::request(NFT_MSG_GETCHAIN, netlink::DUMP, seq, &[0; NFGENMSG])
}

/// A request for all rules, which the kernel sends in the order of each chain.
#[must_use]
pub fn rules(seq: u32) -> Vec<u8> {
    netlink::request(NFT_MSG_GETRULE, netlink::DUMP, seq, &[0; NFGENMSG])
}

/// The table that an entry of the answer stands for, where its rules do nothing.
#[must_use]
pub fn dormant(payload: &[u8]) -> Option<Table> {
    let (family, attributes) = split(payload)?;
    let flags = attribute(attributes, NFTA_TABLE_FLAGS).and_then(be32)?;
    let name = text(attribute(attributes, NFTA_TABLE_NAME)?);
    (flags & DORMANT != 0).then_some(Table { family, name })
}

/// The chain that an entry of the answer stands for, where destination NAT begins in it.
#[must_use]
pub fn nat_chain(payload: &[u8]) -> Option<Chain> {
    let (family, attributes) = split(payload).filter(has_nat)?;
    let hook = attribute(attributes, NFTA_CHAIN_HOOK)?;
    let hook = attribute(hook, NFTA_HOOK_HOOKNUM).and_then(be32)?;
    let is_nat = text(attribute(attributes, NFTA_CHAIN_TYPE)?) == "nat";
    (is_nat && matches!(hook, NF_INET_PRE_ROUTING | NF_INET_LOCAL_OUT)).then_some(())?;
    chain(family, attributes, NFTA_CHAIN_TABLE, NFTA_CHAIN_NAME)
}

/// The rule that an entry of the answer stands for; `None` for a rule of a family without NAT.
#[must_use]
pub fn rule(payload: &[u8]) -> Option<Rule> {
    let (family, attributes) = split(payload).filter(has_nat)?;
    let chain = chain(family, attributes, NFTA_RULE_TABLE, NFTA_RULE_CHAIN)?;
    let expressions = attribute(attributes, NFTA_RULE_EXPRESSIONS).unwrap_or_default();
    let (leads_to, translation) = Reading::of(packets_of(family), expressions);
    Some(Rule { chain, leads_to, translation })
}

fn chain(family: TableFamily, attributes: &[u8], table: u16, name: u16) -> Option<Chain> {
    let table = Table { family, name: text(attribute(attributes, table)?) };
    Some(Chain { table, name: text(attribute(attributes, name)?) })
}

/// The family of the packets that the rules of a table see; `None` for both.
fn packets_of(family: TableFamily) -> Option<Family> {
    match family {
        TableFamily::Ip => Some(Family::Ipv4),
        TableFamily::Ip6 => Some(Family::Ipv6),
        _ => None,
    }
}

/// Whether the entry is of a family with NAT.
fn has_nat((family, _): &(TableFamily, &[u8])) -> bool {
    matches!(family, TableFamily::Inet | TableFamily::Ip | TableFamily::Ip6)
}

/// The family and the attributes of an entry.
fn split(payload: &[u8]) -> Option<(TableFamily, &[u8])> {
    let family = family(*payload.first()?)?;
    Some((family, payload.get(NFGENMSG..)?))
}

/// The family with this number (`linux/netfilter.h`).
pub(super) fn family(number: u8) -> Option<TableFamily> {
    Some(match number {
        1 => TableFamily::Inet,
        2 => TableFamily::Ip,
        3 => TableFamily::Arp,
        5 => TableFamily::Netdev,
        7 => TableFamily::Bridge,
        10 => TableFamily::Ip6,
        _ => return None,
    })
}

/// The family and the hook with these numbers (`linux/netfilter.h`).
#[must_use]
pub fn family_and_hook(family: u32, hook: u32) -> Option<(TableFamily, Hook)> {
    let family = self::family(u8::try_from(family).ok()?)?;
    Some((family, chains::hook_of(family, hook)?))
}

/// The beginning of a request that is for one family, with attributes that are names.
fn body(family: TableFamily, names: &[(u16, &str)]) -> Vec<u8> {
    let family = match family {
        TableFamily::Inet => 1,
        TableFamily::Ip | TableFamily::LegacyIp => 2,
        TableFamily::Arp => 3,
        TableFamily::Netdev => 5,
        TableFamily::Bridge => 7,
        TableFamily::Ip6 | TableFamily::LegacyIp6 => 10,
    };
    let mut body = vec![family, 0, 0, 0];
    for (kind, name) in names {
        netlink::push_attribute(&mut body, *kind, &[name.as_bytes(), &[0]].concat());
    }
    body
}

/// What programs keep with a rule or an element, of which the kernel knows nothing: a type, a length, and so many bytes.
fn userdata(mut bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let (&[kind, len], rest) = bytes.split_first_chunk()?;
        let (value, rest) = rest.split_at_checked(usize::from(len))?;
        bytes = rest;
        Some((kind, value))
    })
}

/// A number as `nf_tables` sends it: in network byte order.
fn be32(value: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(value.try_into().ok()?))
}
