//! What a rule asks of a packet, and what it then does: its expressions read in order, as the kernel runs them.
//!
//! Whatever is not understood makes the claim smaller, never larger: a condition that cannot be read marks the result
//! as narrowed, and a translation that cannot be read is [`Translation::NotUnderstood`].

use super::numbers::{
    DREG, EQUAL, FIB_DADDR, FIB_RESULT_ADDRTYPE, GREATER, GREATER_OR_EQUAL, LESS, LESS_OR_EQUAL,
    META_IIFNAME, META_L4PROTO, META_NFPROTO, NETWORK_HEADER, NFPROTO_IPV4, NFPROTO_IPV6,
    NFT_NAT_DNAT, NFTA_CMP_DATA, NFTA_DATA_VALUE, NFTA_DATA_VERDICT, NFTA_EXPR_DATA,
    NFTA_EXPR_NAME, NFTA_FIB_FLAGS, NFTA_FIB_RESULT, NFTA_IMMEDIATE_DATA, NFTA_LOOKUP_DREG,
    NFTA_META_KEY, NFTA_META_SREG, NFTA_NAT_ADDRESSES, NFTA_NAT_FAMILY, NFTA_NAT_FLAGS,
    NFTA_NAT_PORTS, NFTA_NAT_TYPE, NFTA_PAYLOAD_BASE, NFTA_PAYLOAD_LEN, NFTA_PAYLOAD_OFFSET,
    NFTA_RANGE_FROM, NFTA_RANGE_TO, NFTA_REDIR_FLAGS, NFTA_REDIR_PORTS, NFTA_VERDICT_CHAIN,
    NOT_EQUAL, OPERATOR, SREG, TRANSPORT_HEADER, VERDICT, XT_INFO, XT_NAME, XT_REVISION,
};
use super::registers::{Field, Registers};
use super::xtables::{self, Match};
use super::{LeadsTo, Translation, be32};
use crate::model::{Family, Port, Published, TargetPort, Through, Transport};
use crate::wire::netlink::{attribute, attributes, text};
use std::net::IpAddr;
use std::ops::RangeInclusive;

/// `RTN_LOCAL` (`linux/rtnetlink.h`).
const RTN_LOCAL: u32 = 2;

/// Where packets are sent on to.
#[derive(Debug)]
pub(super) struct Onto {
    /// To this host, whatever their address.
    pub(super) is_redirect: bool,
    /// `NF_NAT_RANGE_…`.
    pub(super) flags: u32,
    /// The first and the last address; `None` when it stays.
    pub(super) addresses: Option<(IpAddr, IpAddr)>,
    /// The first and the last port; `None` when it stays.
    pub(super) ports: Option<(u16, u16)>,
    /// The port that the first one stands for, where each stands for one of its own.
    pub(super) base: Option<u16>,
}

impl Onto {
    /// What becomes of these ports; `None` where the kernel chooses, or starts again at the first.
    fn target_port(&self, ports: &RangeInclusive<u16>) -> Option<TargetPort> {
        /// `NF_NAT_RANGE_PROTO_RANDOM` and `NF_NAT_RANGE_PROTO_RANDOM_FULLY`.
        const RANDOM: u32 = 1 << 2 | 1 << 4;
        /// `NF_NAT_RANGE_PROTO_OFFSET`.
        const OFFSET: u32 = 1 << 5;
        let Some((first, last)) = self.ports else { return Some(TargetPort::Same) };
        if first == last {
            return Port::new(first).map(TargetPort::One);
        }
        match self.flags & (RANDOM | OFFSET) {
            // A port that is one of the target's own stays what it is.
            0 if first <= *ports.start() && *ports.end() <= last => Some(TargetPort::Same),
            OFFSET if self.base == Some(*ports.start()) => {
                let is_enough = last.checked_sub(first)? >= ports.end() - ports.start();
                Port::new(first).filter(|_| is_enough).map(TargetPort::From)
            }
            _ => None,
        }
    }
}

/// What the reading goes on with.
#[derive(Debug)]
pub(super) enum Step {
    /// The next expression.
    Next,
    /// Another chain.
    Leads(LeadsTo),
    /// Another destination; `None` where that cannot be told.
    Translates(Option<Onto>),
}

/// What is known of a rule while it is read.
#[derive(Debug)]
pub(super) struct Reading {
    registers: Registers,
    family: Option<Family>,
    protocol: Option<u8>,
    address: Option<IpAddr>,
    ports: Option<RangeInclusive<u16>>,
    through: Through,
    narrowed: bool,
}

impl Reading {
    /// What a rule for packets of this family leads to, and what it does to their destination.
    pub(super) fn of(family: Option<Family>, rule: &[u8]) -> (LeadsTo, Option<Translation>) {
        let mut reading = Self {
            registers: Registers::new(),
            family,
            protocol: None,
            address: None,
            ports: None,
            through: Through::Any,
            narrowed: false,
        };
        for (_, expression) in attributes(rule) {
            let name = text(attribute(expression, NFTA_EXPR_NAME).unwrap_or_default());
            let data = attribute(expression, NFTA_EXPR_DATA).unwrap_or_default();
            match reading.expression(&name, data) {
                Step::Next => {}
                Step::Leads(to) => return (to, None),
                Step::Translates(onto) => return (LeadsTo::Nowhere, reading.translation(onto)),
            }
        }
        (LeadsTo::Nowhere, None)
    }

    fn expression(&mut self, name: &str, data: &[u8]) -> Step {
        match name {
            "payload" | "meta" | "fib" => self.load(name, data),
            "cmp" => self.compare(data),
            "range" => self.compare_range(data),
            "immediate" => return self.immediate(data),
            "lookup" if number(data, NFTA_LOOKUP_DREG) == Some(VERDICT) => {
                return Step::Leads(LeadsTo::Mapped);
            }
            "match" => self.matched(data),
            "nat" if number(data, NFTA_NAT_TYPE) == Some(NFT_NAT_DNAT) => {
                return Step::Translates(self.nat(data));
            }
            "redir" => return Step::Translates(self.redir(data)),
            "target" => {
                let name = text(attribute(data, XT_NAME).unwrap_or_default());
                let revision = number(data, XT_REVISION).unwrap_or(0);
                let info = attribute(data, XT_INFO).unwrap_or_default();
                return xtables::target(&name, revision, info, self.family);
            }
            // They ask for nothing, and leave what is looked at alone.
            "counter" | "log" | "last" | "nat" | "masq" => {}
            // It asks for nothing by itself; what it makes of a fact is another one.
            "bitwise" => self.registers.forget(),
            _ => {
                self.registers.forget();
                self.narrowed = true;
            }
        }
        Step::Next
    }

    /// An expression that writes a fact of the packet into a register; or writes to the packet, or to its mark.
    fn load(&mut self, name: &str, data: &[u8]) {
        let Some(register) = number(data, DREG) else {
            // A mark that is set changes nothing here. A header that is written does.
            self.narrowed |= name != "meta" || number(data, NFTA_META_SREG).is_none();
            return;
        };
        let (field, bytes) = match name {
            "payload" => self.in_headers(data),
            "meta" => match number(data, NFTA_META_KEY) {
                Some(META_NFPROTO) => (Some(Field::Family), 1),
                Some(META_L4PROTO) => (Some(Field::Protocol), 1),
                Some(META_IIFNAME) => (Some(Field::Interface), 16),
                _ => (None, 16),
            },
            _ => {
                let asked = (number(data, NFTA_FIB_RESULT), number(data, NFTA_FIB_FLAGS));
                let is_kind = asked == (Some(FIB_RESULT_ADDRTYPE), Some(FIB_DADDR));
                (is_kind.then_some(Field::AddressKind), 16)
            }
        };
        self.registers.load(register, bytes, field);
    }

    /// The fact that a part of the packet's headers is, and its length.
    fn in_headers(&self, data: &[u8]) -> (Option<Field>, usize) {
        let [base, offset, length] =
            [NFTA_PAYLOAD_BASE, NFTA_PAYLOAD_OFFSET, NFTA_PAYLOAD_LEN].map(|it| number(data, it));
        let field = match (base, self.family, offset, length) {
            (Some(NETWORK_HEADER), Some(Family::Ipv4), Some(9), Some(1))
            | (Some(NETWORK_HEADER), Some(Family::Ipv6), Some(6), Some(1)) => Some(Field::Protocol),
            (Some(NETWORK_HEADER), Some(Family::Ipv4), Some(16), Some(4))
            | (Some(NETWORK_HEADER), Some(Family::Ipv6), Some(24), Some(16)) => {
                Some(Field::Address)
            }
            (Some(TRANSPORT_HEADER), _, Some(2), Some(2)) => Some(Field::Port),
            _ => None,
        };
        (field, length.and_then(|it| usize::try_from(it).ok()).unwrap_or(usize::MAX))
    }

    fn compare(&mut self, data: &[u8]) {
        let operator = number(data, OPERATOR);
        let value = self.compared(data, NFTA_CMP_DATA);
        let understood = match (value, operator) {
            (Some((Field::Family, &[NFPROTO_IPV4])), Some(EQUAL)) => self.is_of(Family::Ipv4),
            (Some((Field::Family, &[NFPROTO_IPV6])), Some(EQUAL)) => self.is_of(Family::Ipv6),
            (Some((Field::Protocol, &[protocol])), Some(EQUAL)) => {
                self.protocol.replace(protocol).is_none_or(|other| other == protocol)
            }
            (Some((Field::Address, bytes)), Some(EQUAL)) => address(bytes)
                .is_some_and(|new| self.address.replace(new).is_none_or(|other| other == new)),
            (Some((Field::AddressKind, bytes)), Some(EQUAL)) => bytes == RTN_LOCAL.to_ne_bytes(),
            (Some((Field::Port, &[high, low])), Some(operator)) => {
                let port = u16::from_be_bytes([high, low]);
                let range = match operator {
                    EQUAL => Some(port..=port),
                    LESS => port.checked_sub(1).map(|last| 0..=last),
                    LESS_OR_EQUAL => Some(0..=port),
                    GREATER => port.checked_add(1).map(|first| first..=u16::MAX),
                    GREATER_OR_EQUAL => Some(port..=u16::MAX),
                    _ => None,
                };
                range.map(|range| self.goes_to(&range)).is_some()
            }
            (Some((Field::Interface, name)), Some(operator @ (EQUAL | NOT_EQUAL))) => {
                self.comes_through(name, operator == EQUAL)
            }
            _ => false,
        };
        self.narrowed |= !understood;
    }

    fn compare_range(&mut self, data: &[u8]) {
        let [from, to] = [NFTA_RANGE_FROM, NFTA_RANGE_TO].map(|end| self.compared(data, end));
        match (number(data, OPERATOR), from, to) {
            (Some(EQUAL), Some((Field::Port, &[a, b])), Some((_, &[c, d]))) => {
                self.goes_to(&(u16::from_be_bytes([a, b])..=u16::from_be_bytes([c, d])));
            }
            _ => self.narrowed = true,
        }
    }

    /// The fact that is compared, and the constant that it is compared with.
    fn compared<'a>(&self, data: &'a [u8], constant: u16) -> Option<(Field, &'a [u8])> {
        let value = attribute(attribute(data, constant)?, NFTA_DATA_VALUE)?;
        Some((self.registers.field(number(data, SREG)?, value.len())?, value))
    }

    /// The rule asks for a family. Whether that is understood: not when it asked for another one before.
    fn is_of(&mut self, family: Family) -> bool {
        self.family.replace(family).is_none_or(|other| other == family)
    }

    /// The rule asks for a port of this range, and of those that it asked for before.
    fn goes_to(&mut self, range: &RangeInclusive<u16>) {
        let before = self.ports.clone().unwrap_or(0..=u16::MAX);
        let (first, last) = (range.start().max(before.start()), range.end().min(before.end()));
        self.ports = Some(*first..=*last);
    }

    /// The rule asks for an interface by its name; a name without its closing zero is the beginning of many.
    fn comes_through(&mut self, name: &[u8], is: bool) -> bool {
        let is_new = self.through == Through::Any;
        let is_whole = name.contains(&0);
        if is_new && is_whole {
            let name = text(name);
            self.through = if is { Through::Only(name) } else { Through::AllBut(name) };
        }
        is_new && is_whole
    }

    fn immediate(&mut self, data: &[u8]) -> Step {
        let value = attribute(data, NFTA_IMMEDIATE_DATA).unwrap_or_default();
        match number(data, DREG) {
            Some(VERDICT) => {
                let verdict = attribute(value, NFTA_DATA_VERDICT).unwrap_or_default();
                let chain = attribute(verdict, NFTA_VERDICT_CHAIN).map(text);
                return Step::Leads(chain.map_or(LeadsTo::Nowhere, LeadsTo::Chain));
            }
            Some(register) => {
                let constant = attribute(value, NFTA_DATA_VALUE).unwrap_or_default();
                self.registers.set(register, constant);
            }
            None => {}
        }
        Step::Next
    }

    fn matched(&mut self, data: &[u8]) {
        let name = text(attribute(data, XT_NAME).unwrap_or_default());
        match xtables::matched(&name, attribute(data, XT_INFO).unwrap_or_default()) {
            Match::Nothing => {}
            Match::Ports(ports) => self.goes_to(&ports),
            Match::More => self.narrowed = true,
        }
    }

    /// Where the expression `nat` sends packets; `None` where that is not in the rule.
    fn nat(&self, data: &[u8]) -> Option<Onto> {
        let is_ipv4 = number(data, NFTA_NAT_FAMILY) == Some(NFPROTO_IPV4.into());
        let address = |register| {
            if is_ipv4 {
                self.registers.constant(register).map(<IpAddr as From<[u8; 4]>>::from)
            } else {
                self.registers.constant(register).map(<IpAddr as From<[u8; 16]>>::from)
            }
        };
        Some(Onto {
            is_redirect: false,
            flags: number(data, NFTA_NAT_FLAGS).unwrap_or(0),
            addresses: ends(data, NFTA_NAT_ADDRESSES, address)?,
            ports: ends(data, NFTA_NAT_PORTS, |register| self.port(register))?,
            base: None,
        })
    }

    /// Where the expression `redir` sends packets; `None` where that is not in the rule.
    fn redir(&self, data: &[u8]) -> Option<Onto> {
        Some(Onto {
            is_redirect: true,
            flags: number(data, NFTA_REDIR_FLAGS).unwrap_or(0),
            addresses: None,
            ports: ends(data, NFTA_REDIR_PORTS, |register| self.port(register))?,
            base: None,
        })
    }

    fn port(&self, register: u32) -> Option<u16> {
        self.registers.constant(register).map(u16::from_be_bytes)
    }

    /// What a rule does that sends packets there.
    fn translation(self, onto: Option<Onto>) -> Option<Translation> {
        let transport = match self.protocol {
            Some(6) => Some(Transport::Tcp),
            Some(17) => Some(Transport::Udp),
            // A transport without ports that sockets here are listed by.
            Some(_) => return None,
            None => None,
        };
        let ports = self.ports.clone();
        if ports.as_ref().is_some_and(RangeInclusive::is_empty) {
            return None;
        }
        let published = onto.zip(transport).zip(ports);
        let published = published
            .and_then(|((onto, transport), ports)| self.published(transport, &ports, &onto));
        Some(published.map_or(Translation::NotUnderstood, Translation::Published))
    }

    fn published(
        self,
        transport: Transport,
        ports: &RangeInclusive<u16>,
        onto: &Onto,
    ) -> Option<Published> {
        /// `NF_NAT_RANGE_NETMAP`: each address stands for another one.
        const NETMAP: u32 = 1 << 6;
        if onto.flags & NETMAP != 0 {
            return None;
        }
        let target = match onto.addresses {
            Some((first, last)) if first == last => Some(first),
            Some(_) => return None,
            None if onto.is_redirect => None,
            // Only the port is another one.
            None => self.address,
        };
        Some(Published {
            transport,
            family: target.or(self.address).map(Family::of).or(self.family),
            address: self.address,
            // There is no port 0.
            ports: Port::new((*ports.start()).max(1))?..=Port::new(*ports.end())?,
            through: self.through,
            narrowed: self.narrowed,
            target,
            target_port: onto.target_port(ports)?,
        })
    }
}

/// A number among these attributes.
fn number(data: &[u8], kind: u16) -> Option<u32> {
    attribute(data, kind).and_then(be32)
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let ipv4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    ipv4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

/// The first and the last of what stands in two registers: `Some(None)` where no register is named, and `None` where
/// it is no constant. A rule that names only the first means that one.
#[expect(clippy::option_option, reason = "nothing is named, and nothing is known, are two answers")]
pub(super) fn ends<T>(
    data: &[u8],
    [first, last]: [u16; 2],
    read: impl Fn(u32) -> Option<T>,
) -> Option<Option<(T, T)>> {
    let Some(first) = number(data, first) else { return Some(None) };
    let last = number(data, last).unwrap_or(first);
    Some(Some((read(first)?, read(last)?)))
}
