//! A rule in the words of `nft -s list ruleset`: what it counted is not written. Either all of a rule is put into
//! words, or nothing of it.

mod compare;
mod fields;
mod statement;
pub(super) mod values;

use super::numbers::{
    GREATER_OR_EQUAL, LESS_OR_EQUAL, LINK_HEADER, META_MARK, META_NFTRACE, NETWORK_HEADER,
    TRANSPORT_HEADER,
};
use super::sets::{Member, Sets};
use super::statements::{Ends, Field, Operand, Statement, Verdict};
use crate::model::{Family, TableFamily};
use fields::{About, Named};
use values::Kind;

/// The name of the interface with this index.
pub type Interfaces<'a> = &'a dyn Fn(u32) -> Option<String>;

/// The words for a rule.
pub(super) fn of(
    family: TableFamily,
    statements: &[Statement],
    sets: &Sets,
    comment: Option<&str>,
    interfaces: Interfaces<'_>,
) -> Option<String> {
    let mut writer = Writer::new(family, sets, interfaces);
    let mut rest = statements;
    while let Some((statement, after)) = rest.split_first() {
        rest = after;
        // A range of ports is two comparisons.
        if let Some((range, after)) = two_ends(statement, after) {
            writer.statement(&range)?;
            rest = after;
        } else {
            writer.statement(statement)?;
        }
    }
    // How `nft` writes what is said twice is not known here.
    let is_said_twice =
        writer.again.and_then(|part| writer.parts.get(part)).is_some_and(Option::is_some);
    (!is_said_twice).then_some(())?;
    if let Some(comment) = comment {
        writer.say(format!("comment \"{comment}\""));
    }
    Some(writer.parts.into_iter().flatten().collect::<Vec<_>>().join(" "))
}

/// The range that these two comparisons ask for, and what follows.
fn two_ends<'a>(first: &Statement, rest: &'a [Statement]) -> Option<(Statement, &'a [Statement])> {
    let Statement::Compare { left, operator: GREATER_OR_EQUAL, right: from } = first else {
        return None;
    };
    let (Statement::Compare { left: same, operator: LESS_OR_EQUAL, right: to }, rest) =
        rest.split_first()?
    else {
        return None;
    };
    let ends = (from.clone(), to.clone());
    let is_one = left == same && from.len() == to.len();
    is_one.then(|| (Statement::Range { left: left.clone(), is_in: true, ends }, rest))
}

/// The words so far, and what they leave unsaid.
struct Writer<'a> {
    about: About,
    sets: &'a Sets,
    interfaces: Interfaces<'a>,
    /// A part that a later one implies is taken away again.
    parts: Vec<Option<String>>,
    /// The parts that say which protocols the packet is of, while nothing else says it.
    link: Option<usize>,
    network: Option<usize>,
    transport: Option<usize>,
    /// The part that says a transport once more, and is not written where something implies it.
    again: Option<usize>,
}

impl<'a> Writer<'a> {
    fn new(family: TableFamily, sets: &'a Sets, interfaces: Interfaces<'a>) -> Self {
        let network = super::packets_of(family);
        Self {
            about: About { family, network, transport: None, is_of_frames: false },
            sets,
            interfaces,
            parts: Vec::new(),
            link: None,
            network: None,
            transport: None,
            again: None,
        }
    }

    fn say(&mut self, words: impl Into<String>) {
        self.parts.push(Some(words.into()));
    }

    /// Takes a part away that says which protocol it is.
    fn unsay(&mut self, part: Option<usize>) {
        if let Some(part) = part.and_then(|part| self.parts.get_mut(part)) {
            *part = None;
        }
    }

    fn value(&self, kind: Kind, bytes: &[u8]) -> Option<String> {
        kind.value(bytes, self.interfaces)
    }

    fn statement(&mut self, statement: &Statement) -> Option<()> {
        if !statement.asks() && !matches!(statement, Statement::Reject { .. }) {
            // What was said before the rule did something stays said.
            (self.link, self.network, self.transport) = (None, None, None);
        }
        match statement {
            Statement::Compare { left: Operand::Of { field, mask: None }, operator, right } => {
                self.compare(field, *operator, right)
            }
            Statement::Compare {
                left: Operand::Of { field, mask: Some(mask) },
                operator,
                right,
            } => self.compare_bits(field, mask, *operator, right),
            Statement::Range {
                left: Operand::Of { field, mask: None },
                is_in,
                ends: (first, last),
            } => {
                let named = self.named(field)?;
                let range = named.kind.range(first, last, self.interfaces)?;
                (first.len() == named.len && first < last && !range.contains('/')).then_some(())?;
                let not = if *is_in { "" } else { "!= " };
                self.say(format!("{} {not}{range}", named.words));
                Some(())
            }
            Statement::Lookup { left, set, is_in } => {
                let not = if *is_in { "" } else { "!= " };
                let (left, set) = self.lookup(left, set, false)?;
                self.say(format!("{left} {not}{set}"));
                Some(())
            }
            Statement::VerdictMap { left, set } => {
                let (left, set) = self.lookup(left, set, true)?;
                self.say(format!("{left} vmap {set}"));
                Some(())
            }
            Statement::Set { field, value } => self.set(field, value),
            Statement::Reject { kind, code } => self.reject(*kind, *code),
            other => {
                let words = statement::words(other, self.about.family)?;
                self.say(words);
                Some(())
            }
        }
    }

    /// A whole field in words. What it implies needs not be said any more.
    fn named(&mut self, field: &Field) -> Option<Named> {
        let named = self.about.named(field)?;
        self.implied_by(field);
        Some(named)
    }

    fn implied_by(&mut self, field: &Field) {
        let implied = match field {
            Field::Payload { base: LINK_HEADER, .. } => self.link.take(),
            Field::Payload { base: NETWORK_HEADER, .. } => self.network.take(),
            Field::Payload { base: TRANSPORT_HEADER, .. } if self.again.is_none() => {
                self.says_its_family();
                self.transport.take()
            }
            _ => None,
        };
        self.unsay(implied);
    }

    /// What is looked up, and the set or the map.
    fn lookup(&mut self, left: &[Operand], set: &str, is_map: bool) -> Option<(String, String)> {
        let mut named = Vec::new();
        for part in left {
            let Operand::Of { field, mask: None } = part else { return None };
            named.push(self.named(field)?);
        }
        let words: Vec<&str> = named.iter().map(|named| named.words.as_str()).collect();
        let words = words.join(" . ");
        if let Some(name) = self.sets.name(set) {
            return Some((words, format!("@{name}")));
        }
        let [Named { kind, len, .. }] = named.as_slice() else { return None };
        (self.sets.key_len(set)? == *len).then_some(())?;
        let members = self.sets.members(set, kind.is_in_host_order())?;
        let members: Option<Vec<String>> =
            members.iter().map(|member| self.member(*kind, member, is_map)).collect();
        let members = members.filter(|members| !members.is_empty())?;
        Some((words, format!("{{ {} }}", members.join(", "))))
    }

    fn member(&self, kind: Kind, member: &Member, is_map: bool) -> Option<String> {
        let key = kind.range(&member.first, &member.last, self.interfaces)?;
        match (&member.verdict, is_map) {
            (Some(verdict), true) => Some(format!("{key} : {}", statement::verdict(verdict))),
            (None, false) => Some(key),
            _ => None,
        }
    }

    fn set(&mut self, field: &Field, value: &Operand) -> Option<()> {
        let (target, kind) = match field {
            Field::Meta(META_MARK) => ("meta mark", Kind::Mark),
            Field::Meta(META_NFTRACE) => ("meta nftrace", Kind::Number),
            Field::Ct(3) => ("ct mark", Kind::Mark),
            _ => return None,
        };
        let value = match value {
            Operand::Constant(bytes) => self.value(kind, bytes)?,
            Operand::Of { field: source @ (Field::Meta(META_MARK) | Field::Ct(3)), mask: None } => {
                self.named(source)?.words
            }
            Operand::Of { .. } => return None,
        };
        self.say(format!("{target} set {value}"));
        Some(())
    }

    /// The transports of ICMP say which family the packet is of.
    fn says_its_family(&mut self) {
        let of_its_own = [(Some(1), Some(Family::Ipv4)), (Some(58), Some(Family::Ipv6))];
        if of_its_own.contains(&(self.about.transport, self.about.network)) {
            let implied = self.network.take();
            self.unsay(implied);
        }
    }

    fn reject(&mut self, kind: u32, code: u8) -> Option<()> {
        /// `NFT_REJECT_ICMP_UNREACH`, of the packet's own family, and `NFT_REJECT_TCP_RST`.
        const ICMP: u32 = 0;
        const RESET: u32 = 1;
        // How `nft` writes those of bridges and devices is not known here.
        let is_known = self.about.is_of_one() || self.about.family == TableFamily::Inet;
        (is_known && !self.about.is_of_frames).then_some(())?;
        let words = statement::reject(kind, code, self.about.family, self.about.network)?;
        // With a reset nft 1.0.6 leaves out a family that the rule asks for: not here.
        let implied = match kind {
            ICMP => self.network.take(),
            RESET if self.about.is_of_one() => self.transport.take(),
            _ => None,
        };
        self.unsay(implied);
        self.say(words);
        Some(())
    }
}
