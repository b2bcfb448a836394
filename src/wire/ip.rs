//! Whole IP packets that are carried from one place to another: between whom, what of them is still to be done
//! (`linux/virtio_net.h`), and the ICMP error that refuses one (RFC 792, RFC 4443).

use pnet::packet::icmpv6;
use pnet::packet::ip::IpNextHeaderProtocol;
use pnet::util;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const IPV4: usize = 20;
const IPV6: usize = 40;
const TCP: u8 = 6;
const ICMPV6: u8 = 58;
/// Where the checksum is in a TCP header.
const TCP_CHECKSUM: u16 = 16;
/// What of a packet is quoted at most: what every network carries (RFC 4443, section 2.4).
const QUOTED: usize = 1280 - IPV6 - 8;

/// `struct virtio_net_hdr`, in the byte order of the host.
pub type Outline = [u8; 10];

/// The outline of a packet with nothing left to do.
pub const NOTHING_LEFT: Outline = [0; 10];

/// The source and the destination of an IP packet.
#[must_use]
pub fn ends(packet: &[u8]) -> Option<(IpAddr, IpAddr)> {
    let v4 = |at: usize| Some(Ipv4Addr::from(*packet.get(at..)?.first_chunk()?).into());
    let v6 = |at: usize| Some(Ipv6Addr::from(*packet.get(at..)?.first_chunk()?).into());
    match packet.first()? >> 4 {
        4 => Some((v4(12)?, v4(16)?)),
        6 => Some((v6(8)?, v6(24)?)),
        _ => None,
    }
}

/// The port that a TCP packet comes from.
#[must_use]
pub fn tcp_port(packet: &[u8]) -> Option<u16> {
    let bytes = packet.get(tcp_at(packet)?..)?.first_chunk()?;
    Some(u16::from_be_bytes(*bytes))
}

/// Whether a packet is of ICMP: what it asks is answered at once, or never.
#[must_use]
pub fn is_icmp(packet: &[u8]) -> bool {
    const ICMP: u8 = 1;
    match packet.first().map(|first| first >> 4) {
        Some(4) => packet.get(9) == Some(&ICMP),
        _ => packet.get(6) == Some(&ICMPV6),
    }
}

/// What is left to do with a TCP packet whose checksum is open: the sum, and where it stands for many segments, their
/// size, as it fits the largest packet of its receiver. `None` for what is no such packet.
#[must_use]
pub fn outline(packet: &[u8], mtu: usize, is_large: bool) -> Option<Outline> {
    /// `VIRTIO_NET_HDR_F_NEEDS_CSUM`, `VIRTIO_NET_HDR_GSO_TCPV4` and `VIRTIO_NET_HDR_GSO_TCPV6`.
    const NEEDS_SUM: u8 = 1;
    const SEGMENTS: [u8; 2] = [1, 4];
    let at = tcp_at(packet)?;
    let headers = at + usize::from(packet.get(at + 12)? >> 4) * 4;
    let segment = mtu.checked_sub(headers).filter(|size| *size > 0)?;
    let is_large = is_large && packet.len() - headers.min(packet.len()) > segment;
    let kind = if packet.first()? >> 4 == 4 { SEGMENTS[0] } else { SEGMENTS[1] };
    let number = |number: usize| u16::try_from(number).ok().map(u16::to_ne_bytes);
    let [length, size] = if is_large { [number(headers)?, number(segment)?] } else { [[0; 2]; 2] };
    let (start, offset) = (number(at)?, TCP_CHECKSUM.to_ne_bytes());
    let mut outline = [NEEDS_SUM, if is_large { kind } else { 0 }, 0, 0, 0, 0, 0, 0, 0, 0];
    outline[2..].copy_from_slice(&[length, size, start, offset].concat());
    Some(outline)
}

/// Where the TCP header of a packet is.
fn tcp_at(packet: &[u8]) -> Option<usize> {
    /// Headers of IPv6 that may stand before it: for each hop, for the destination, and for the route.
    const MORE: [u8; 3] = [0, 60, 43];
    if packet.first()? >> 4 == 4 {
        let at = usize::from(packet.first()? & 15) * 4;
        return (*packet.get(9)? == TCP && at >= IPV4).then_some(at);
    }
    let (mut kind, mut at) = (*packet.get(6)?, IPV6);
    while MORE.contains(&kind) {
        kind = *packet.get(at)?;
        at += (usize::from(*packet.get(at + 1)?) + 1) * 8;
    }
    (kind == TCP).then_some(at)
}

/// The packet that says to its sender that a packet goes nowhere. `None` where none may be sent: in answer to an ICMP
/// error, to a fragment that is not the first, and to what goes to many.
#[must_use]
pub fn unreachable(packet: &[u8]) -> Option<Vec<u8>> {
    let (source, target) = ends(packet)?;
    if target.is_multicast() || source.is_unspecified() || is_error(packet)? {
        return None;
    }
    let quoted = packet.get(..packet.len().min(QUOTED))?;
    match (source, target) {
        (IpAddr::V4(source), IpAddr::V4(target)) if !target.is_broadcast() => {
            // Destination unreachable, the network is.
            let message = [&[3, 0, 0, 0, 0, 0, 0, 0], quoted].concat();
            let mut answer = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, 1, 0, 0];
            answer.extend([target.octets(), source.octets()].concat());
            answer.extend(message);
            let length = u16::try_from(answer.len()).ok()?;
            answer.get_mut(2..4)?.copy_from_slice(&length.to_be_bytes());
            let sum = util::checksum(answer.get(..IPV4)?, 5);
            answer.get_mut(10..12)?.copy_from_slice(&sum.to_be_bytes());
            let sum = util::checksum(answer.get(IPV4..)?, 1);
            answer.get_mut(IPV4 + 2..IPV4 + 4)?.copy_from_slice(&sum.to_be_bytes());
            Some(answer)
        }
        (IpAddr::V6(source), IpAddr::V6(target)) => {
            // Destination unreachable, there is no route.
            let mut message = [&[1, 0, 0, 0, 0, 0, 0, 0], quoted].concat();
            let sum = icmpv6::checksum(&icmpv6::Icmpv6Packet::new(&message)?, &target, &source);
            message.get_mut(2..4)?.copy_from_slice(&sum.to_be_bytes());
            let mut answer = vec![0x60, 0, 0, 0];
            answer.extend(u16::try_from(message.len()).ok()?.to_be_bytes());
            answer.extend([IpNextHeaderProtocol(ICMPV6).0, 64]);
            answer.extend([target.octets(), source.octets()].concat());
            answer.extend(message);
            Some(answer)
        }
        _ => None,
    }
}

/// Whether a packet is an ICMP error, or a part of a packet that is not the first.
fn is_error(packet: &[u8]) -> Option<bool> {
    if packet.first()? >> 4 == 4 {
        let at = usize::from(packet.first()? & 15) * 4;
        let part = u16::from_be_bytes([*packet.get(6)?, *packet.get(7)?]) & 0x1fff;
        let kind = packet.get(at).copied().unwrap_or_default();
        return Some(part != 0 || (*packet.get(9)? == 1 && matches!(kind, 3 | 4 | 5 | 11 | 12)));
    }
    Some(*packet.get(6)? == ICMPV6 && *packet.get(IPV6)? < 128)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A TCP packet over IPv4 with options of twelve bytes.
    fn packet4(payload: usize) -> Vec<u8> {
        let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, TCP, 0, 0, 10, 0, 0, 2, 10, 0, 0, 9];
        packet.extend([0; 12]);
        packet.push(8 << 4);
        packet.resize(20 + 32 + payload, 0);
        packet
    }

    /// The same over IPv6, behind one more header.
    fn packet6(payload: usize) -> Vec<u8> {
        let mut packet = vec![0x60, 0, 0, 0, 0, 0, 60, 64];
        packet.extend([0xfd; 16]);
        packet.extend([0xfe; 16]);
        packet.extend([TCP, 0, 0, 0, 0, 0, 0, 0]);
        packet.extend(&packet4(payload)[20..]);
        packet
    }

    fn numbers(outline: Outline) -> (u8, u8, [u16; 4]) {
        let number = |at: usize| u16::from_ne_bytes([outline[at], outline[at + 1]]);
        (outline[0], outline[1], [2, 4, 6, 8].map(number))
    }

    #[test]
    fn an_open_sum_is_said_to_be_open_and_large_packets_have_a_size() {
        let of = |packet: &[u8], large| numbers(outline(packet, 1500, large).unwrap());
        assert_eq!(of(&packet4(10_000), true), (1, 1, [52, 1448, 20, 16]));
        assert_eq!(of(&packet6(10_000), true), (1, 4, [80, 1420, 48, 16]));
        assert_eq!(of(&packet4(1448), true), (1, 0, [0, 0, 20, 16]), "one segment");
        assert_eq!(of(&packet4(10_000), false), (1, 0, [0, 0, 20, 16]));
        let mut datagram = packet4(10);
        datagram[9] = 17;
        assert_eq!(outline(&datagram, 1500, false), None);
    }

    #[test]
    fn connections_are_known_by_their_ports() {
        let mut packet = packet6(3);
        packet.splice(48..50, 40_000_u16.to_be_bytes());
        assert_eq!((tcp_port(&packet), is_icmp(&packet)), (Some(40_000), false));
        packet[6] = ICMPV6;
        assert_eq!((tcp_port(&packet), is_icmp(&packet)), (None, true));
    }

    #[test]
    fn a_refusal_quotes_the_packet_and_comes_from_where_it_went() {
        let answer = unreachable(&packet4(3000)).unwrap();
        assert_eq!(ends(&answer).unwrap().0.to_string(), "10.0.0.9");
        assert_eq!((answer.len(), &answer[20..22]), (20 + 8 + QUOTED, &[3, 0][..]));
        assert_eq!(util::checksum(&answer[..20], 5).to_be_bytes(), answer[10..12]);
        assert_eq!(util::checksum(&answer[20..], 1).to_be_bytes(), answer[22..24]);
        assert_eq!(answer[28..40], packet4(3000)[..12]);
        let answer6 = unreachable(&packet6(3)).unwrap();
        assert_eq!(ends(&answer6).unwrap().1, ends(&packet6(3)).unwrap().0);
        assert_eq!((answer6[6], &answer6[40..42]), (ICMPV6, &[1, 0][..]));
        assert_eq!(unreachable(&answer), None, "an error is not answered");
        assert_eq!(unreachable(&answer6), None);
        let mut multicast = packet4(3);
        multicast[16] = 224;
        assert_eq!(unreachable(&multicast), None);
        let mut part = packet4(3);
        part[7] = 9;
        assert_eq!(unreachable(&part), None);
    }

    proptest! {
        #[test]
        fn any_bytes_end_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), version in 4_u8..7) {
            let mut bytes = bytes;
            bytes.insert(0, version << 4 | 5);
            let _any = (ends(&bytes), outline(&bytes, 1500, true), unreachable(&bytes));
        }
    }
}
