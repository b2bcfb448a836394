//! A rule that `iptables` made, in the words of `iptables -S`: either all of it, or nothing.

mod target;

use super::numbers::{
    EQUAL, META_IIFNAME, META_L4PROTO, META_MARK, META_OIFNAME, NETWORK_HEADER, NOT_EQUAL,
    TRANSPORT_HEADER,
};
use super::statements::{Field, Operand, Statement, Verdict};
use super::text::values::{PROTOCOLS, TCP_FLAGS, interface_name, mask_len, named};
use super::xtables;
use crate::model::Family;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The words for a rule, without `-A` and its chain. A rule that asks for nothing and does nothing has none.
pub(super) fn text(family: Family, statements: &[Statement]) -> Option<String> {
    let mut line = Line::of(family);
    for statement in statements {
        line.statement(statement)?;
    }
    Some(line.finish())
}

/// The options of a rule, in the order in which they are written.
#[derive(Debug)]
struct Line {
    family: Family,
    /// `-s`, `-d`, `-i`, `-o` and `-p`.
    plain: [Option<String>; 5],
    protocol: Option<u8>,
    matches: Vec<String>,
    /// The place of the match of the transport among them: what it asks for comes in several expressions.
    transport: Option<usize>,
    target: Option<String>,
}

impl Line {
    fn of(family: Family) -> Self {
        let plain = [const { None }; 5];
        Self { family, plain, protocol: None, matches: Vec::new(), transport: None, target: None }
    }

    fn finish(self) -> String {
        let options = self.plain.into_iter().flatten().chain(self.matches).chain(self.target);
        options.collect::<Vec<_>>().join(" ")
    }

    fn statement(&mut self, statement: &Statement) -> Option<()> {
        // The target is the last.
        self.target.is_none().then_some(())?;
        match statement {
            Statement::Counter => Some(()),
            Statement::Verdict(verdict) => {
                self.target = Some(match verdict {
                    Verdict::Accept => "-j ACCEPT".to_owned(),
                    Verdict::Drop => "-j DROP".to_owned(),
                    Verdict::Return => "-j RETURN".to_owned(),
                    Verdict::Jump(chain) => format!("-j {chain}"),
                    Verdict::Goto(chain) => format!("-g {chain}"),
                    Verdict::Continue => return None,
                });
                Some(())
            }
            Statement::Compare { left: Operand::Of { field, mask }, operator, right } => {
                let not = match *operator {
                    EQUAL => "",
                    NOT_EQUAL => "! ",
                    _ => return None,
                };
                self.compare(field, mask.as_deref(), not, right)
            }
            Statement::Range {
                left:
                    Operand::Of {
                        field: Field::Payload { base: TRANSPORT_HEADER, offset, len: 2 },
                        mask: None,
                    },
                is_in,
                ends: (first, last),
            } => {
                let range = format!("{}:{}", port(first)?, port(last)?);
                self.port(*offset, if *is_in { "" } else { "! " }, &range)
            }
            Statement::Limit { rate, seconds, burst, is_over: false } => {
                self.matches.push(limit(*rate, *seconds, *burst)?);
                Some(())
            }
            Statement::Xt { is_target: false, name, revision, info } => {
                let words = xtables::words(name, *revision, info, self.family)?;
                self.matches.push(words);
                Some(())
            }
            Statement::Xt { is_target: true, name, revision, info } => {
                self.target = Some(target::words(name, *revision, info, self.family)?);
                Some(())
            }
            _ => None,
        }
    }

    fn compare(
        &mut self,
        field: &Field,
        mask: Option<&[u8]>,
        not: &str,
        right: &[u8],
    ) -> Option<()> {
        match (field, mask, right) {
            (Field::Meta(key @ (META_IIFNAME | META_OIFNAME)), None, name) => {
                let (name, is_whole) = interface_name(name)?;
                let rest = if is_whole { "" } else { "+" };
                let (place, option) = if *key == META_IIFNAME { (2, "-i") } else { (3, "-o") };
                self.plain(place, format!("{not}{option} {name}{rest}"))
            }
            (Field::Meta(META_L4PROTO), None, [protocol]) => {
                let name = named(PROTOCOLS, u32::from(*protocol))?;
                self.protocol = Some(*protocol).filter(|_| not.is_empty());
                self.plain(4, format!("{not}-p {name}"))
            }
            (Field::Meta(META_MARK), mask, right) => {
                let host = |bytes: &[u8]| Some(u32::from_ne_bytes(bytes.try_into().ok()?));
                let mask = match mask {
                    Some(mask) => format!("/{:#x}", host(mask)?),
                    None => String::new(),
                };
                self.matches.push(format!("-m mark {not}--mark {:#x}{mask}", host(right)?));
                Some(())
            }
            (Field::Payload { base: NETWORK_HEADER, offset, len }, mask, right) => {
                self.address(*offset, *len, mask, not, right)
            }
            (Field::Payload { base: TRANSPORT_HEADER, offset, len: 2 }, None, right) => {
                self.port(*offset, not, &port(right)?.to_string())
            }
            // Both ports at once.
            (Field::Payload { base: TRANSPORT_HEADER, offset: 0, len: 4 }, None, right)
                if not.is_empty() =>
            {
                let (source, destination) = right.split_at_checked(2)?;
                self.port(0, "", &port(source)?.to_string())?;
                self.port(2, "", &port(destination)?.to_string())
            }
            (
                Field::Payload { base: TRANSPORT_HEADER, offset: 13, len: 1 },
                Some([mask]),
                [flags],
            ) if self.protocol == Some(6) => {
                let words = format!("{not}--tcp-flags {} {}", tcp_flags(*mask), tcp_flags(*flags));
                self.of_transport(&words)
            }
            _ => None,
        }
    }

    fn plain(&mut self, place: usize, option: String) -> Option<()> {
        self.plain.get_mut(place)?.replace(option).is_none().then_some(())
    }

    fn address(
        &mut self,
        offset: u32,
        len: usize,
        mask: Option<&[u8]>,
        not: &str,
        right: &[u8],
    ) -> Option<()> {
        let (source, destination, whole) = match self.family {
            Family::Ipv4 => (12, 16, 4),
            Family::Ipv6 => (8, 24, 16),
        };
        let (place, option) = match offset {
            at if at == source => (0, "-s"),
            at if at == destination => (1, "-d"),
            _ => return None,
        };
        let is_even = right.len() == len && mask.is_none_or(|mask| mask.len() == len);
        (is_even && (1..=whole).contains(&len)).then_some(())?;
        let prefix = mask.map_or(u32::try_from(len * 8).ok(), mask_len)?;
        let mut bytes = right.to_vec();
        bytes.resize(whole, 0);
        let address = match self.family {
            Family::Ipv4 => Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).to_string(),
            Family::Ipv6 => Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).to_string(),
        };
        self.plain(place, format!("{not}{option} {address}/{prefix}"))
    }

    fn port(&mut self, offset: u32, not: &str, ports: &str) -> Option<()> {
        let option = match offset {
            0 => "--sport",
            2 => "--dport",
            _ => return None,
        };
        self.of_transport(&format!("{not}{option} {ports}"))
    }

    /// An option of the match that has the name of the transport.
    fn of_transport(&mut self, option: &str) -> Option<()> {
        let protocol = self.protocol.filter(|protocol| matches!(protocol, 6 | 17))?;
        let name = named(PROTOCOLS, u32::from(protocol))?;
        let place = *self.transport.get_or_insert(self.matches.len());
        match self.matches.get_mut(place) {
            Some(words) => {
                words.push(' ');
                words.push_str(option);
            }
            None => self.matches.push(format!("-m {name} {option}")),
        }
        Some(())
    }
}

fn port(bytes: &[u8]) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.try_into().ok()?))
}

fn tcp_flags(bits: u8) -> String {
    const ORDER: [u32; 6] = [1, 2, 4, 8, 16, 32];
    let names = ORDER.iter().filter(|bit| u32::from(bits) & **bit != 0);
    let names: Vec<String> =
        names.filter_map(|bit| named(TCP_FLAGS, *bit)).map(str::to_ascii_uppercase).collect();
    if names.is_empty() { "NONE".to_owned() } else { names.join(",") }
}

fn limit(rate: u64, seconds: u64, burst: u32) -> Option<String> {
    /// What iptables takes where a rule says nothing.
    const BURST: u32 = 5;
    let unit = match seconds {
        1 => "sec",
        60 => "min",
        3600 => "hour",
        86_400 => "day",
        _ => return None,
    };
    let burst = if burst == BURST { String::new() } else { format!(" --limit-burst {burst}") };
    Some(format!("-m limit --limit {rate}/{unit}{burst}"))
}

/// A word of a rule, in quotes where a shell needs them.
pub(super) fn quoted(word: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    let mut quoted = String::from('"');
    for letter in word.chars() {
        if matches!(letter, '"' | '\\' | '\'') {
            quoted.push('\\');
        }
        quoted.push(letter);
    }
    quoted + "\""
}
