//! Packets that the kernel hands to a program to decide about (`linux/netfilter/nfnetlink_queue.h`).

use super::netlink::{self, attribute, attributes, push_attribute};

/// `NFNL_SUBSYS_QUEUE`, in the upper byte of a message's type.
const QUEUE: u16 = 3 << 8;
const PACKET: u16 = QUEUE;
const CONFIG: u16 = QUEUE | 2;
const VERDICT_BATCH: u16 = QUEUE | 3;

const NFQA_CFG_CMD: u16 = 1;
const NFQA_CFG_PARAMS: u16 = 2;
const NFQA_CFG_QUEUE_MAXLEN: u16 = 3;
const NFQA_CFG_MASK: u16 = 4;
const NFQA_CFG_FLAGS: u16 = 5;
/// `NFQA_CFG_F_GSO`: packets of many segments are handed over as one, and sums are left to whoever reads.
const LARGE: u32 = 1 << 2;

const NFQA_PACKET_HDR: u16 = 1;
const NFQA_VERDICT_HDR: u16 = 2;
const NFQA_PAYLOAD: u16 = 10;
const NFQA_CAP_LEN: u16 = 13;
const NFQA_SKB_INFO: u16 = 14;
/// `NFQA_SKB_CSUMNOTREADY` and `NFQA_SKB_GSO`.
const SUM_IS_OPEN: u32 = 1 << 0;
const IS_LARGE: u32 = 1 << 1;

/// `struct nfgenmsg`: a family, a version, and the number of the queue.
const GENERIC: usize = 4;

/// A packet that waits for a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queued<'a> {
    /// The number of its queue.
    pub queue: u16,
    /// Its number in the queue.
    pub id: u32,
    /// The packet, which begins with its IP header.
    pub packet: &'a [u8],
    /// Whether all of it is there.
    pub is_whole: bool,
    /// Whether the sum of its TCP header is still that of the pseudo header only.
    pub sum_is_open: bool,
    /// Whether it stands for many segments.
    pub is_large: bool,
}

/// The requests that make a queue ours, each by its own sequence number: to have it, to get whole packets, so many at
/// a time. With `large`, packets of many segments come as one, and their sums are open.
pub fn open(queue: u16, large: bool, at_a_time: u32) -> [impl FnOnce(u32) -> Vec<u8>; 3] {
    /// `NFQNL_CFG_CMD_BIND`; the family is none.
    const BIND: [u8; 4] = [1, 0, 0, 0];
    /// The largest packet, and `NFQNL_COPY_PACKET`: the kernel's structure is packed.
    const WHOLE: [u8; 5] = [0, 0, 0xff, 0xff, 2];
    let mut flags = Vec::new();
    push_attribute(&mut flags, NFQA_CFG_QUEUE_MAXLEN, &at_a_time.to_be_bytes());
    if large {
        push_attribute(&mut flags, NFQA_CFG_MASK, &LARGE.to_be_bytes());
        push_attribute(&mut flags, NFQA_CFG_FLAGS, &LARGE.to_be_bytes());
    }
    let one = |kind, value: &[u8]| {
        let mut attributes = Vec::new();
        push_attribute(&mut attributes, kind, value);
        attributes
    };
    [one(NFQA_CFG_CMD, &BIND), one(NFQA_CFG_PARAMS, &WHOLE), flags]
        .map(|attributes| move |seq| message(CONFIG, netlink::ACK, seq, queue, &attributes))
}

/// Drops every packet of a queue up to the one with this number. The sender is told that it was sent.
#[must_use]
pub fn drop_up_to(queue: u16, id: u32) -> Vec<u8> {
    const NF_DROP: u32 = 0;
    let verdict = [NF_DROP.to_be_bytes(), id.to_be_bytes()].concat();
    let mut attributes = Vec::new();
    push_attribute(&mut attributes, NFQA_VERDICT_HDR, &verdict);
    message(VERDICT_BATCH, 0, 0, queue, &attributes)
}

/// The packets in a datagram.
pub fn packets(datagram: &[u8]) -> impl Iterator<Item = Queued<'_>> {
    netlink::messages_of_any(datagram)
        .filter(|(kind, _)| *kind == PACKET)
        .filter_map(|(_, payload)| queued(payload))
}

fn queued(payload: &[u8]) -> Option<Queued<'_>> {
    let (generic, rest) = payload.split_first_chunk::<GENERIC>()?;
    let [_family, _version, high, low] = *generic;
    let mut packet = Queued {
        queue: u16::from_be_bytes([high, low]),
        id: number(attribute(rest, NFQA_PACKET_HDR)?)?,
        packet: &[],
        is_whole: true,
        sum_is_open: false,
        is_large: false,
    };
    for (kind, value) in attributes(rest) {
        match kind {
            NFQA_PAYLOAD => packet.packet = value,
            // It is there only where a part is missing.
            NFQA_CAP_LEN => packet.is_whole = false,
            NFQA_SKB_INFO => {
                let flags = number(value)?;
                packet.sum_is_open = flags & SUM_IS_OPEN != 0;
                packet.is_large = flags & IS_LARGE != 0;
            }
            _ => {}
        }
    }
    Some(packet)
}

fn number(value: &[u8]) -> Option<u32> {
    value.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

fn message(kind: u16, flags: u16, seq: u32, queue: u16, attributes: &[u8]) -> Vec<u8> {
    let mut body = vec![0, 0];
    body.extend(queue.to_be_bytes());
    body.extend_from_slice(attributes);
    netlink::request(kind, flags, seq, &body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn told(kind: u16, attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut body = Vec::new();
        for (kind, value) in attributes {
            push_attribute(&mut body, *kind, value);
        }
        message(kind, 0, 0, 0x7073, &body)
    }

    #[test]
    fn a_packet_is_read_with_what_is_open() {
        let header = [0, 0, 1, 2, 8, 0, 4];
        let plain = told(PACKET, &[(NFQA_PACKET_HDR, &header), (NFQA_PAYLOAD, b"packet")]);
        let expected = Queued {
            queue: 0x7073,
            id: 0x102,
            packet: b"packet",
            is_whole: true,
            sum_is_open: false,
            is_large: false,
        };
        assert_eq!(packets(&plain).collect::<Vec<_>>(), [expected]);
        let large = told(
            PACKET,
            &[
                (NFQA_PACKET_HDR, &header),
                (NFQA_SKB_INFO, &3_u32.to_be_bytes()),
                (NFQA_CAP_LEN, &70_000_u32.to_be_bytes()),
                (NFQA_PAYLOAD, b"packet"),
            ],
        );
        let large: Vec<_> = packets(&large).collect();
        let expected = Queued { is_whole: false, sum_is_open: true, is_large: true, ..expected };
        assert_eq!(large, [expected]);
        assert_eq!(packets(&told(CONFIG, &[(NFQA_PACKET_HDR, &header)])).count(), 0);
        assert_eq!(packets(&told(PACKET, &[(NFQA_PAYLOAD, b"packet")])).count(), 0, "no number");
    }

    #[test]
    fn a_verdict_names_the_queue_and_the_last_packet() {
        let bytes = drop_up_to(0x7073, 9);
        assert_eq!(bytes[4..6], VERDICT_BATCH.to_ne_bytes());
        assert_eq!(bytes[16..20], [0, 0, 0x70, 0x73]);
        assert_eq!(bytes[24..], [0, 0, 0, 0, 0, 0, 0, 9]);
    }

    #[test]
    fn only_one_kind_of_queue_takes_packets_of_many_segments() {
        let flags = |large| {
            let [_, _, request] = open(1, large, 5);
            let bytes = request(7);
            attribute(&bytes[20..], NFQA_CFG_FLAGS).map(<[u8]>::to_vec)
        };
        assert_eq!((flags(true), flags(false)), (Some(vec![0, 0, 0, 4]), None));
    }

    proptest! {
        #[test]
        fn any_bytes_end_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _any = packets(&bytes).count();
            let _any = queued(&bytes);
        }
    }
}
