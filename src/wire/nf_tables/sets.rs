//! Sets and maps: how long their keys are, and what stands in those that have no name of their own.

use super::numbers::NFTA_DATA_VALUE;
use super::statements::{self, Verdict};
use super::{SUBSYSTEM, be32, body, split};
use crate::model::Table;
use crate::wire::netlink::{self, attribute, attributes, text};
use std::collections::BTreeMap;

const NFT_MSG_GETSET: u16 = SUBSYSTEM | 0x0a;
const NFT_MSG_GETSETELEM: u16 = SUBSYSTEM | 0x0d;

const NFTA_SET_TABLE: u16 = 1;
const NFTA_SET_NAME: u16 = 2;
const NFTA_SET_FLAGS: u16 = 3;
const NFTA_SET_KEY_LEN: u16 = 5;
/// `NFT_SET_ANONYMOUS`: it belongs to one rule, which is listed with what stands in it.
const ANONYMOUS: u32 = 1;
/// `NFT_SET_INTERVAL`: its elements are the beginnings and the ends of ranges.
const INTERVAL: u32 = 4;
/// `NFT_SET_CONCAT`: ranges of several fields each.
const CONCATENATED: u32 = 0x80;

/// A set or a map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    name: String,
    /// How many bytes a key has.
    key_len: usize,
    is_anonymous: bool,
    is_interval: bool,
    is_concatenated: bool,
}

/// The sets of a table, and the elements of those that were asked for, as the kernel sent them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sets {
    sets: BTreeMap<String, (Set, Option<Vec<Element>>)>,
}

/// An element of a set, or one end of a range of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    key: Vec<u8>,
    is_end: bool,
    verdict: Option<Verdict>,
}

/// What stands in a set, in the order of its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) first: Vec<u8>,
    pub(super) last: Vec<u8>,
    pub(super) verdict: Option<Verdict>,
}

/// A request for all sets of a table.
#[must_use]
pub fn sets(seq: u32, table: &Table) -> Vec<u8> {
    let attributes = [(NFTA_SET_TABLE, table.name.as_str())];
    netlink::request(NFT_MSG_GETSET, netlink::DUMP, seq, &body(table.family, &attributes))
}

/// A request for the elements of a set.
#[must_use]
pub fn elements(seq: u32, table: &Table, set: &str) -> Vec<u8> {
    /// `NFTA_SET_ELEM_LIST_TABLE` and `NFTA_SET_ELEM_LIST_SET`.
    const PLACE: [u16; 2] = [1, 2];
    let attributes = [(PLACE[0], table.name.as_str()), (PLACE[1], set)];
    netlink::request(NFT_MSG_GETSETELEM, netlink::DUMP, seq, &body(table.family, &attributes))
}

/// The set that an entry of the answer stands for.
#[must_use]
pub fn set(payload: &[u8]) -> Option<Set> {
    let (_, attributes) = split(payload)?;
    let number = |kind| attribute(attributes, kind).and_then(be32);
    let flags = number(NFTA_SET_FLAGS).unwrap_or(0);
    Some(Set {
        name: text(attribute(attributes, NFTA_SET_NAME)?),
        key_len: usize::try_from(number(NFTA_SET_KEY_LEN)?).ok()?,
        is_anonymous: flags & ANONYMOUS != 0,
        is_interval: flags & INTERVAL != 0,
        is_concatenated: flags & CONCATENATED != 0,
    })
}

/// The elements in a part of the answer; an element that is not understood is `None`.
#[must_use]
pub fn some_elements(payload: &[u8]) -> Vec<Option<Element>> {
    /// `NFTA_SET_ELEM_LIST_ELEMENTS`.
    const ELEMENTS: u16 = 3;
    let elements = split(payload).and_then(|(_, entry)| attribute(entry, ELEMENTS));
    attributes(elements.unwrap_or_default()).map(|(_, bytes)| element(bytes)).collect()
}

fn element(bytes: &[u8]) -> Option<Element> {
    const KEY: u16 = 1;
    const DATA: u16 = 2;
    const FLAGS: u16 = 3;
    const USERDATA: u16 = 6;
    const PADDING: u16 = 8;
    /// `NFT_SET_ELEM_INTERVAL_END`.
    const END: u32 = 1;
    /// `NFTNL_UDATA_SET_ELEM_COMMENT`.
    const COMMENT: u8 = 0;
    let known = [KEY, DATA, FLAGS, USERDATA, PADDING];
    let has_more = attributes(bytes).any(|(kind, _)| !known.contains(&kind));
    let userdata = attribute(bytes, USERDATA).unwrap_or_default();
    let has_comment = super::userdata(userdata).any(|(kind, _)| kind == COMMENT);
    let flags = attribute(bytes, FLAGS).and_then(be32).unwrap_or(0);
    if has_more || has_comment || flags & !END != 0 {
        return None;
    }
    let verdict = match attribute(bytes, DATA) {
        Some(data) => Some(statements::verdict(data)?),
        None => None,
    };
    let key = attribute(attribute(bytes, KEY)?, NFTA_DATA_VALUE)?.to_vec();
    Some(Element { key, is_end: flags == END, verdict })
}

impl Sets {
    /// Adds a set, without its elements.
    pub fn insert(&mut self, set: Set) {
        self.sets.insert(set.name.clone(), (set, None));
    }

    /// Whether the elements of this set are listed with its rule, and are not here so far.
    #[must_use]
    pub fn lacks_elements(&self, name: &str) -> bool {
        self.sets.get(name).is_some_and(|(set, elements)| set.is_anonymous && elements.is_none())
    }

    /// Adds the elements of a set; `None` where not all of them are understood.
    pub fn fill(&mut self, name: &str, elements: Option<Vec<Element>>) {
        if let Some((_, place)) = self.sets.get_mut(name) {
            *place = elements;
        }
    }

    /// How many bytes a key of this set has.
    pub(super) fn key_len(&self, name: &str) -> Option<usize> {
        self.sets.get(name).map(|(set, _)| set.key_len)
    }

    /// The name by which a rule speaks of the set; `None` for a set that is listed with its rule.
    pub(super) fn name(&self, name: &str) -> Option<&str> {
        self.sets.get(name).filter(|(set, _)| !set.is_anonymous).map(|(set, _)| set.name.as_str())
    }

    /// What stands in a set. Keys in the byte order of the host are put in order as the numbers that they are.
    pub(super) fn members(&self, name: &str, in_host_order: bool) -> Option<Vec<Member>> {
        let (set, elements) = self.sets.get(name)?;
        let mut elements = elements.clone().filter(|_| !set.is_concatenated)?;
        let is_reversed = in_host_order && cfg!(target_endian = "little");
        elements.sort_by_cached_key(|element| {
            let mut number = element.key.clone();
            if is_reversed {
                number.reverse();
            }
            // Where one range ends the next one may begin.
            (number, !element.is_end)
        });
        if !set.is_interval {
            let members = elements.into_iter().map(|element| {
                let (first, verdict) = (element.key, element.verdict);
                (!element.is_end).then(|| Member { last: first.clone(), first, verdict })
            });
            return members.collect();
        }
        if in_host_order {
            return None;
        }
        let mut members = Vec::new();
        for (at, element) in elements.iter().enumerate().filter(|(_, element)| !element.is_end) {
            let last = match elements.get(at + 1) {
                Some(next) => before(&next.key).filter(|last| *last >= element.key)?,
                None => vec![u8::MAX; element.key.len()],
            };
            let (first, verdict) = (element.key.clone(), element.verdict.clone());
            members.push(Member { first, last, verdict });
        }
        Some(members)
    }
}

/// The number before this one, with the high byte first.
fn before(number: &[u8]) -> Option<Vec<u8>> {
    let mut number = number.to_vec();
    for byte in number.iter_mut().rev() {
        let (less, is_below) = byte.overflowing_sub(1);
        *byte = less;
        if !is_below {
            return Some(number);
        }
    }
    None
}
