//! What the kernel tells of packets that it traces through `nf_tables` (`NFT_MSG_TRACE` of the multicast group
//! `NFNLGRP_NFTRACE`, `linux/netfilter/nf_tables.h`, `net/netfilter/nf_tables_trace.c`).

use super::netlink::{attribute, messages_of_any};
use crate::model::{Decision, TableFamily};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// `NFNLGRP_NFTRACE`.
pub const GROUP: u32 = 9;
/// `NFT_MSG_TRACE` of the subsystem `NFNL_SUBSYS_NFTABLES`.
const NFT_MSG_TRACE: u16 = (10 << 8) + 17;

/// The size of `struct nfgenmsg`.
const NFGENMSG: usize = 4;

const NFTA_TRACE_TABLE: u16 = 1;
const NFTA_TRACE_CHAIN: u16 = 2;
const NFTA_TRACE_RULE_HANDLE: u16 = 3;
const NFTA_TRACE_TYPE: u16 = 4;
const NFTA_TRACE_VERDICT: u16 = 5;
const NFTA_TRACE_ID: u16 = 6;
const NFTA_TRACE_NETWORK_HEADER: u16 = 8;
const NFTA_TRACE_TRANSPORT_HEADER: u16 = 9;
const NFTA_TRACE_POLICY: u16 = 16;

const NFT_TRACETYPE_POLICY: u32 = 1;
const NFT_TRACETYPE_RULE: u32 = 3;

const NFTA_VERDICT_CODE: u16 = 1;
const NFTA_VERDICT_CHAIN: u16 = 2;

const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;

/// A decision about a traced packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event<'a> {
    /// A number that stays with a packet, within one host and as long as nothing copies it.
    pub packet: u32,
    /// The family of the table.
    pub family: TableFamily,
    /// The table, without its closing zero.
    pub table: &'a [u8],
    /// The chain, without its closing zero.
    pub chain: &'a [u8],
    /// The handle of the rule; `None` for the policy of the chain.
    pub handle: Option<u64>,
    /// What was decided; `None` where the event only tells that the packet has come to a chain of which no rule matched.
    pub decision: Option<Decision>,
    /// The packet's headers: they come with the first event of each base chain.
    pub headers: Option<Headers>,
}

/// The headers of a packet, as far as they tell whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Headers {
    /// Who sent it, with the port; 0 for a protocol without ports.
    pub source: SocketAddr,
    /// To whom, with the port.
    pub target: SocketAddr,
    /// The lower half of the mark: of the identification of IPv4, or the flow label of IPv6.
    pub mark: u16,
    /// What it carries.
    pub content: Content,
}

/// What a packet carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// A TCP segment with these flags, sequence number and acknowledgement.
    Tcp {
        /// The flags (RFC 9293, section 3.1).
        flags: u8,
        /// The sequence number.
        sequence: u32,
        /// The acknowledgement.
        acknowledgement: u32,
    },
    /// A UDP datagram with so many bytes.
    Udp(u16),
    /// An ICMP or `ICMPv6` message.
    Icmp {
        /// Its type.
        kind: u8,
        /// Its code.
        code: u8,
        /// The mark of the packet that it quotes, where it quotes one.
        quoted: u16,
    },
    /// Something else.
    Other,
}

/// Hands each event of a datagram to `take`.
pub fn events(datagram: &[u8], mut take: impl FnMut(Event<'_>)) {
    for (kind, payload) in messages_of_any(datagram) {
        if kind == NFT_MSG_TRACE
            && let Some(event) = event(payload)
        {
            take(event);
        }
    }
}

/// `None` for the end of a chain, which decides nothing, and for what cannot be read.
fn event(payload: &[u8]) -> Option<Event<'_>> {
    let family = super::nf_tables::family(*payload.first()?)?;
    let attributes = payload.get(NFGENMSG..)?;
    let of = |kind| attribute(attributes, kind);
    let number = |kind| of(kind).and_then(be32);
    let (handle, decision) = match number(NFTA_TRACE_TYPE)? {
        NFT_TRACETYPE_POLICY => {
            let drops = number(NFTA_TRACE_POLICY)? == 0;
            (None, Some(if drops { Decision::Drop } else { Decision::Accept }))
        }
        NFT_TRACETYPE_RULE => match of(NFTA_TRACE_RULE_HANDLE) {
            Some(handle) => {
                let handle = u64::from_be_bytes(handle.try_into().ok()?);
                (Some(handle), Some(decision(of(NFTA_TRACE_VERDICT)?)?))
            }
            None => (None, None),
        },
        _ => return None,
    };
    let headers = of(NFTA_TRACE_NETWORK_HEADER)
        .and_then(|network| headers(network, of(NFTA_TRACE_TRANSPORT_HEADER).unwrap_or_default()));
    Some(Event {
        packet: number(NFTA_TRACE_ID)?,
        family,
        table: name(of(NFTA_TRACE_TABLE)?),
        chain: name(of(NFTA_TRACE_CHAIN)?),
        handle,
        decision,
        headers,
    })
}

/// A verdict (`linux/netfilter.h`, `enum nft_verdicts`). Its upper half may have a number of a queue or an error.
fn decision(verdict: &[u8]) -> Option<Decision> {
    let code = attribute(verdict, NFTA_VERDICT_CODE).and_then(be32)?.cast_signed();
    let chain = || {
        let name = attribute(verdict, NFTA_VERDICT_CHAIN).map(name).unwrap_or_default();
        String::from_utf8_lossy(name).into_owned()
    };
    Some(match code {
        -1 | -2 => Decision::Continue,
        -3 => Decision::Jump(chain()),
        -4 => Decision::Goto(chain()),
        -5 => Decision::Return,
        code => match code & 0xff {
            0 => Decision::Drop,
            1 => Decision::Accept,
            2 => Decision::Stolen,
            3 => Decision::Queue,
            _ => return None,
        },
    })
}

/// Reads a packet from the beginning of its network header on. IPv6 with further headers before its own is not read.
pub(super) fn headers_of(packet: &[u8]) -> Option<Headers> {
    let begin = match packet.first()? >> 4 {
        4 => usize::from(packet.first()? & 0x0f) * 4,
        _ => 40,
    };
    headers(packet, packet.get(begin..)?)
}

/// Reads up to 40 bytes from the beginning of the network header and up to 20 from that of the transport header.
fn headers(network: &[u8], transport: &[u8]) -> Option<Headers> {
    let (source, target, protocol, mark, length) = match network.first()? >> 4 {
        4 => {
            let address = |at: usize| -> Option<IpAddr> {
                Some(<[u8; 4]>::try_from(network.get(at..at + 4)?).ok()?.into())
            };
            let header = u16::from(network.first()? & 0x0f) * 4;
            let length = be16(network, 2)?.saturating_sub(header);
            (address(12)?, address(16)?, *network.get(9)?, be16(network, 4)?, length)
        }
        6 => {
            let address = |at: usize| -> Option<IpAddr> {
                let octets = <[u8; 16]>::try_from(network.get(at..at + 16)?).ok()?;
                Some(Ipv6Addr::from(octets).into())
            };
            (address(8)?, address(24)?, *network.get(6)?, be16(network, 2)?, be16(network, 4)?)
        }
        _ => return None,
    };
    let port = |at| match protocol {
        TCP | UDP => be16(transport, at),
        _ => Some(0),
    };
    let content = match protocol {
        TCP => Content::Tcp {
            flags: *transport.get(13)?,
            sequence: be32(transport.get(4..8)?)?,
            acknowledgement: be32(transport.get(8..12)?)?,
        },
        UDP => Content::Udp(length.saturating_sub(8)),
        // Behind the eight bytes of the message stands the packet that it quotes.
        ICMP => quoting(transport, 8 + 4),
        ICMPV6 => quoting(transport, 8 + 2),
        _ => Content::Other,
    };
    Some(Headers {
        source: SocketAddr::new(source, port(0)?),
        target: SocketAddr::new(target, port(2)?),
        mark,
        content,
    })
}

/// An ICMP message that quotes a packet whose mark is so many bytes from the beginning.
fn quoting(message: &[u8], mark: usize) -> Content {
    match (message, be16(message, mark)) {
        ([kind, code, ..], Some(quoted)) => Content::Icmp { kind: *kind, code: *code, quoted },
        _ => Content::Other,
    }
}

fn name(value: &[u8]) -> &[u8] {
    value.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn be32(value: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(value.try_into().ok()?))
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::netlink::{self, push_attribute};
    use proptest::prelude::*;

    fn trace(family: u8, attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut body = vec![family, 0, 0, 0];
        for (kind, value) in attributes {
            push_attribute(&mut body, *kind, value);
        }
        netlink::request(NFT_MSG_TRACE, 0, 0, &body)
    }

    fn verdict(code: i32, chain: Option<&str>) -> Vec<u8> {
        let mut body = Vec::new();
        push_attribute(&mut body, NFTA_VERDICT_CODE, &code.to_be_bytes());
        if let Some(chain) = chain {
            push_attribute(&mut body, NFTA_VERDICT_CHAIN, &[chain.as_bytes(), &[0]].concat());
        }
        body
    }

    #[test]
    fn a_rule_and_a_policy_are_told_apart() {
        let names: [(u16, &[u8]); 2] =
            [(NFTA_TRACE_TABLE, b"fw\0"), (NFTA_TRACE_CHAIN, b"input\0")];
        let id = 7_u32.to_be_bytes();
        let rule = verdict(-3, Some("ports"));
        let mut datagram = trace(
            1,
            &[
                names[0],
                names[1],
                (NFTA_TRACE_TYPE, &3_u32.to_be_bytes()),
                (NFTA_TRACE_RULE_HANDLE, &12_u64.to_be_bytes()),
                (NFTA_TRACE_VERDICT, &rule),
                (NFTA_TRACE_ID, &id),
            ],
        );
        let policy: [(u16, &[u8]); 3] = [
            (NFTA_TRACE_TYPE, &1_u32.to_be_bytes()),
            (NFTA_TRACE_POLICY, &0_u32.to_be_bytes()),
            (NFTA_TRACE_ID, &id),
        ];
        datagram.extend(trace(2, &[&names[..], &policy].concat()));
        let arrival: [(u16, &[u8]); 2] =
            [(NFTA_TRACE_TYPE, &3_u32.to_be_bytes()), (NFTA_TRACE_ID, &id)];
        datagram.extend(trace(2, &[&names[..], &arrival].concat()));
        let mut seen = Vec::new();
        events(&datagram, |event| {
            seen.push((event.family, event.handle, event.decision.clone(), event.packet));
            assert_eq!((event.table, event.chain), (&b"fw"[..], &b"input"[..]));
        });
        assert_eq!(
            seen,
            [
                (TableFamily::Inet, Some(12), Some(Decision::Jump("ports".into())), 7),
                (TableFamily::Ip, None, Some(Decision::Drop), 7),
                (TableFamily::Ip, None, None, 7),
            ]
        );
    }

    #[test]
    fn verdicts_have_their_names() {
        let of = |code| decision(&verdict(code, None));
        assert_eq!(of(0), Some(Decision::Drop));
        assert_eq!(of(13 << 16), Some(Decision::Drop), "with an error");
        assert_eq!(of(1), Some(Decision::Accept));
        assert_eq!(of(2), Some(Decision::Stolen));
        assert_eq!(of(3 | 5 << 16), Some(Decision::Queue));
        assert_eq!(of(-1), Some(Decision::Continue));
        assert_eq!(of(-4), Some(Decision::Goto(String::new())));
        assert_eq!(of(-5), Some(Decision::Return));
        assert_eq!(of(9), None);
    }

    #[test]
    fn headers_tell_whose_packet_it_is() {
        use crate::model::Port;
        use crate::wire::frame::{self, Way};
        for (source, target) in [("10.0.0.9", "10.0.0.1"), ("fd00::9", "fd00::1")] {
            let source = SocketAddr::new(source.parse().unwrap(), 40_000);
            let way = Way { from: [2; 6], to: [4; 6], source, target: target.parse().unwrap() };
            let network = if source.is_ipv4() { 20 } else { 40 };
            let mut bytes = Vec::new();
            let mut read = |content| {
                way.frame(Port::new(8080).unwrap(), content, &mut bytes);
                headers(&bytes[14..bytes.len().min(54)], &bytes[14 + network..]).unwrap()
            };
            let syn = read(frame::Content::Syn(77));
            assert_eq!((syn.source, syn.mark), (source, 8080));
            assert_eq!(syn.target, SocketAddr::new(way.target, 8080));
            assert_eq!(syn.content, Content::Tcp { flags: 2, sequence: 77, acknowledgement: 0 });
            assert_eq!(read(frame::Content::Datagram(b"12345678")).content, Content::Udp(8));
            // An error quotes it.
            let (protocol, at) = if source.is_ipv4() { (ICMP, 9) } else { (ICMPV6, 6) };
            let mut error = bytes[14..14 + network].to_vec();
            error[at] = protocol;
            let message = [&[3, 13, 0, 0, 0, 0, 0, 0], &bytes[14..26]].concat();
            let told = headers(&error, &message).unwrap();
            assert_eq!(told.content, Content::Icmp { kind: 3, code: 13, quoted: 8080 });
        }
    }

    proptest! {
        #[test]
        fn any_bytes_end_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            events(&bytes, |_| ());
            let _any = event(&bytes);
            let (network, transport) = bytes.split_at(bytes.len() / 2);
            let _any = headers(network, transport);
        }
    }
}
