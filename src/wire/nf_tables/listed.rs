//! A rule as the kernel lists it, and its text.

#[cfg(test)]
mod tests;

use super::numbers::{NFTA_EXPR_DATA, NFTA_EXPR_NAME};
use super::sets::Sets;
use super::text::{self as nft_text, Interfaces};
use super::{
    NFT_MSG_GETRULE, NFTA_RULE_CHAIN, NFTA_RULE_EXPRESSIONS, NFTA_RULE_TABLE, body, chain,
    iptables, packets_of, split, statements, userdata,
};
use crate::model::Chain;
use crate::wire::netlink::{self, attribute, attributes, text};

const NFTA_RULE_HANDLE: u16 = 3;
const NFTA_RULE_COMPAT: u16 = 5;
const NFTA_RULE_USERDATA: u16 = 7;

/// A rule of any family, not yet put into words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedRule {
    /// The chain that it is in.
    pub chain: Chain,
    /// Its handle.
    pub handle: u64,
    expressions: Vec<u8>,
    comment: Option<String>,
    has_compat: bool,
}

/// A request for the rules of one chain.
#[must_use]
pub fn rules_of(seq: u32, chain: &Chain) -> Vec<u8> {
    let names = [(NFTA_RULE_TABLE, chain.table.name.as_str()), (NFTA_RULE_CHAIN, &chain.name)];
    netlink::request(NFT_MSG_GETRULE, netlink::DUMP, seq, &body(chain.table.family, &names))
}

/// The rule that an entry of the answer stands for.
#[must_use]
pub fn listed_rule(payload: &[u8]) -> Option<ListedRule> {
    /// `NFTNL_UDATA_RULE_COMMENT`.
    const COMMENT: u8 = 0;
    let (family, entry) = split(payload)?;
    let chain = chain(family, entry, NFTA_RULE_TABLE, NFTA_RULE_CHAIN)?;
    let handle = attribute(entry, NFTA_RULE_HANDLE)?.try_into().map(u64::from_be_bytes).ok()?;
    let data = attribute(entry, NFTA_RULE_USERDATA).unwrap_or_default();
    let comment = userdata(data).find(|(kind, _)| *kind == COMMENT).map(|(_, value)| text(value));
    Some(ListedRule {
        chain,
        handle,
        expressions: attribute(entry, NFTA_RULE_EXPRESSIONS).unwrap_or_default().to_vec(),
        comment,
        has_compat: attribute(entry, NFTA_RULE_COMPAT).is_some(),
    })
}

impl ListedRule {
    /// The names of the sets and maps that it asks.
    #[must_use]
    pub fn sets(&self) -> Vec<String> {
        /// `NFTA_LOOKUP_SET`.
        const SET: u16 = 1;
        let lookups = self.expressions().filter(|(name, _)| name == "lookup");
        lookups.filter_map(|(_, data)| attribute(data, SET).map(text)).collect()
    }

    /// Whether only iptables makes such rules.
    #[must_use]
    pub fn is_of_iptables(&self) -> bool {
        self.has_compat || self.expressions().any(|(name, _)| name == "match" || name == "target")
    }

    /// Whether it counts packets: each rule of iptables does.
    #[must_use]
    pub fn counts(&self) -> bool {
        self.expressions().any(|(name, _)| name == "counter")
    }

    fn expressions(&self) -> impl Iterator<Item = (String, &[u8])> {
        attributes(&self.expressions).filter_map(|(_, expression)| {
            let data = attribute(expression, NFTA_EXPR_DATA).unwrap_or_default();
            Some((text(attribute(expression, NFTA_EXPR_NAME)?), data))
        })
    }

    /// The rule as `nft -s list ruleset` shows it; `None` where not all of it is understood.
    #[must_use]
    pub fn as_nft(&self, sets: &Sets, interfaces: Interfaces<'_>) -> Option<String> {
        let statements = statements::of(&self.expressions, &|set| sets.key_len(set))?;
        let family = self.chain.table.family;
        nft_text::of(family, &statements, sets, self.comment.as_deref(), interfaces)
    }

    /// The rule as `iptables -S` shows it, without its chain; `None` where not all of it is understood.
    #[must_use]
    pub fn as_iptables(&self) -> Option<String> {
        // A comment of nft's has no place there.
        let family = packets_of(self.chain.table.family).filter(|_| self.comment.is_none())?;
        iptables::text(family, &statements::of(&self.expressions, &|_| None)?)
    }
}
