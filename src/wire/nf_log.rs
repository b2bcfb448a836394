//! Packets that the kernel logs to programs (`NFNL_SUBSYS_ULOG`, `linux/netfilter/nfnetlink_log.h`), and what the old
//! `ip_tables` say of a traced one: `TRACE: filter:INPUT:rule:3 `.

use super::netlink::{self, attribute, messages_of_any, push_attribute};
use super::nf_trace::{Headers, headers_of};

/// `NFULNL_MSG_PACKET` and `NFULNL_MSG_CONFIG` of `NFNL_SUBSYS_ULOG`.
const PACKET: u16 = 4 << 8;
const CONFIG: u16 = (4 << 8) | 1;

const NFULA_CFG_CMD: u16 = 1;
const NFULA_CFG_MODE: u16 = 2;
const NFULA_CFG_QTHRESH: u16 = 5;
const NFULA_PAYLOAD: u16 = 9;
const NFULA_PREFIX: u16 = 10;

/// `NFULNL_CFG_CMD_BIND` and `NFULNL_COPY_PACKET`.
const BIND: u8 = 1;
const COPY_PACKET: u8 = 2;

/// The size of `struct nfgenmsg`.
const NFGENMSG: usize = 4;
/// So much of a packet has its headers.
pub const HEADERS: u32 = 128;
/// So much is a whole packet, of those that are not larger.
pub const WHOLE: u32 = 0xffff;

/// A rule, a policy or the end of a chain that a traced packet met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Met<'a> {
    /// The table.
    pub table: &'a str,
    /// The chain.
    pub chain: &'a str,
    /// What in it.
    pub what: What,
}

/// What a traced packet met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// The rule with this number in its chain, from 1 on.
    Rule(u64),
    /// The policy of the chain.
    Policy,
    /// The end of a chain that another one called.
    End,
}

/// A request for so many bytes of each packet that is logged to a group, each at once. Only one program can have a group.
#[must_use]
pub fn bind(group: u16, copied: u32, seq: u32) -> Vec<u8> {
    let [high, low] = group.to_be_bytes();
    let mut body = vec![0, 0, high, low];
    push_attribute(&mut body, NFULA_CFG_CMD, &[BIND]);
    let [a, b, c, d] = copied.to_be_bytes();
    push_attribute(&mut body, NFULA_CFG_MODE, &[a, b, c, d, COPY_PACKET, 0]);
    push_attribute(&mut body, NFULA_CFG_QTHRESH, &1_u32.to_be_bytes());
    netlink::request(CONFIG, netlink::ACK, seq, &body)
}

/// The packets of a datagram, which begin with their IP headers.
pub fn packets(datagram: &[u8]) -> impl Iterator<Item = &[u8]> {
    messages_of_any(datagram)
        .filter(|(kind, _)| *kind == PACKET)
        .filter_map(|(_, payload)| attribute(payload.get(NFGENMSG..)?, NFULA_PAYLOAD))
}

/// Hands each traced packet of a datagram to `take`, with what it met.
pub fn traced(datagram: &[u8], mut take: impl FnMut(&Headers, Met<'_>)) {
    for (kind, payload) in messages_of_any(datagram) {
        let attributes = payload.get(NFGENMSG..).unwrap_or_default();
        let of = |wanted| attribute(attributes, wanted).filter(|_| kind == PACKET);
        let (Some(prefix), Some(packet)) = (of(NFULA_PREFIX), of(NFULA_PAYLOAD)) else { continue };
        let prefix = netlink::text(prefix);
        if let (Some(met), Some(headers)) = (met(&prefix), headers_of(packet)) {
            take(&headers, met);
        }
    }
}

/// Reads `TRACE: filter:INPUT:rule:3 `. The name of a chain may have colons.
fn met(prefix: &str) -> Option<Met<'_>> {
    let (table, rest) = prefix.strip_prefix("TRACE: ")?.trim_end().split_once(':')?;
    let (rest, number) = rest.rsplit_once(':')?;
    let (chain, kind) = rest.rsplit_once(':')?;
    let number = number.parse().ok()?;
    let what = match kind {
        "rule" => What::Rule(number),
        "policy" => What::Policy,
        "return" => What::End,
        _ => return None,
    };
    Some(Met { table, chain, what })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_a_packet_met_is_read() {
        let of = |table, chain, what| Some(Met { table, chain, what });
        assert_eq!(met("TRACE: filter:INPUT:rule:3 "), of("filter", "INPUT", What::Rule(3)));
        assert_eq!(met("TRACE: raw:PREROUTING:policy:2 "), of("raw", "PREROUTING", What::Policy));
        assert_eq!(met("TRACE: filter:a:b:return:1 "), of("filter", "a:b", What::End));
        assert_eq!(met("dropped: "), None);
        assert_eq!(met("TRACE: filter:INPUT:rule:x "), None);
    }

    #[test]
    fn a_logged_packet_has_its_headers() {
        use crate::model::Port;
        use crate::wire::frame::{Content, Way};
        let source = "10.0.0.9:40000".parse().unwrap();
        let way = Way { from: [2; 6], to: [4; 6], source, target: [10, 0, 0, 1].into() };
        let mut frame = Vec::new();
        way.frame(Port::new(22).unwrap(), Content::Syn(7), &mut frame);
        let mut body = vec![2, 0, 0, 0];
        push_attribute(&mut body, NFULA_PREFIX, b"TRACE: filter:INPUT:rule:1 \0");
        push_attribute(&mut body, NFULA_PAYLOAD, &frame[14..]);
        let mut seen = Vec::new();
        traced(&netlink::request(PACKET, 0, 0, &body), |headers, met| {
            seen.push((headers.source, headers.target.port(), met.what));
        });
        let datagram = netlink::request(PACKET, 0, 0, &body);
        assert_eq!(packets(&datagram).collect::<Vec<_>>(), [&frame[14..]]);
        assert_eq!(seen, [(source, 22, What::Rule(1))]);
    }

    proptest! {
        #[test]
        fn any_bytes_end_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), text in ".{0,60}") {
            traced(&bytes, |_, _| ());
            let _any = packets(&bytes).count();
            let _any = met(&text);
        }
    }
}
