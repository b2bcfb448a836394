//! TCP SYNs and what comes back to them: segments (RFC 9293, section 3.1), and ICMP errors with the start of the
//! packet that caused them (RFC 792, RFC 4443), which may have been a UDP datagram too (RFC 768).

use crate::model::{Family, Port, Transport};
use pnet::packet::Packet as _;
use pnet::packet::icmp::IcmpPacket;
use pnet::packet::icmpv6::Icmpv6Packet;
use pnet::packet::ip::{IpNextHeaderProtocol, IpNextHeaderProtocols};
use pnet::packet::ipv4::Ipv4Packet;
use pnet::packet::ipv6::Ipv6Packet;
use pnet::packet::tcp::{MutableTcpPacket, TcpFlags, TcpOption, TcpPacket};
use pnet::util;
use std::net::{IpAddr, SocketAddr};

/// A SYN: a TCP header with one option, the largest segment that we would take.
pub type Syn = [u8; 24];

/// Where a checksum, the destination port and the sequence number are in a TCP header.
const CHECKSUM: usize = 16;
const DESTINATION: usize = 2;
const SEQUENCE: usize = 4;

/// The largest segment over a loopback device of 65,536 bytes, and the window that goes with it: what a socket of
/// this host says to itself.
const LARGEST_SEGMENT: u16 = 65_495;

/// The SYNs from one port to the ports of one address: they differ in destination, sequence number and checksum.
#[derive(Debug, Clone)]
pub struct SynTemplate {
    syn: Syn,
    /// The sum of everything that the checksum is over and that is the same in each of them (RFC 1071).
    sum: u32,
}

impl SynTemplate {
    /// SYNs from `port` of `source`; `None` where the addresses are of different families.
    #[must_use]
    pub fn new(source: IpAddr, port: u16, destination: IpAddr) -> Option<Self> {
        let mut syn = [0; 24];
        let mut header = MutableTcpPacket::new(&mut syn)?;
        header.set_source(port);
        header.set_data_offset(6);
        header.set_flags(TcpFlags::SYN);
        header.set_window(LARGEST_SEGMENT);
        header.set_options(&[TcpOption::mss(LARGEST_SEGMENT)]);
        let checksum = checksum(&header, source, destination)?;
        Some(Self { syn, sum: u32::from(!checksum) })
    }

    /// The SYN to a port with a sequence number.
    #[must_use]
    pub fn syn(&self, port: Port, sequence: u32) -> Syn {
        let mut syn = self.syn;
        let sum = self.sum + u32::from(port.get()) + (sequence >> 16) + (sequence & 0xffff);
        let folded = (sum & 0xffff) + (sum >> 16);
        let folded = (folded & 0xffff) + (folded >> 16);
        let checksum = !u16::try_from(folded).unwrap_or(u16::MAX);
        syn[DESTINATION..SEQUENCE].copy_from_slice(&port.get().to_be_bytes());
        syn[SEQUENCE..SEQUENCE + 4].copy_from_slice(&sequence.to_be_bytes());
        syn[CHECKSUM..CHECKSUM + 2].copy_from_slice(&checksum.to_be_bytes());
        syn
    }
}

/// The checksum of a segment; `None` where the addresses are of different families.
fn checksum(segment: &MutableTcpPacket<'_>, source: IpAddr, destination: IpAddr) -> Option<u16> {
    let (segment, tcp) = (segment.packet(), IpNextHeaderProtocols::Tcp);
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            Some(util::ipv4_checksum(segment, CHECKSUM / 2, &[], &source, &destination, tcp))
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            Some(util::ipv6_checksum(segment, CHECKSUM / 2, &[], &source, &destination, tcp))
        }
        _ => None,
    }
}

/// A segment that ends a connection.
pub type Reset = [u8; 20];

/// The reset by which a client ends a connection that is half open (RFC 9293, section 3.5.3), where its SYN had the
/// sequence number `ours` and the answer to it `theirs`; `None` where the addresses are of different families.
#[must_use]
pub fn reset(source: SocketAddr, destination: SocketAddr, ours: u32, theirs: u32) -> Option<Reset> {
    let mut reset = [0; 20];
    let mut header = MutableTcpPacket::new(&mut reset)?;
    header.set_source(source.port());
    header.set_destination(destination.port());
    header.set_sequence(ours.wrapping_add(1));
    header.set_acknowledgement(theirs.wrapping_add(1));
    header.set_data_offset(5);
    header.set_flags(TcpFlags::RST | TcpFlags::ACK);
    let checksum = checksum(&header, source.ip(), destination.ip())?;
    header.set_checksum(checksum);
    Some(reset)
}

/// What came back to a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply {
    /// The port that the probe went to.
    pub port: Port,
    /// The sequence number of the SYN that it answers; of UDP there is none.
    pub sequence: Option<u32>,
    /// What it says.
    pub kind: ReplyKind,
}

/// What a reply says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyKind {
    /// The connection may be opened; with the sequence number of who says so.
    SynAck(u32),
    /// The connection is refused.
    Reset,
    /// An ICMP or `ICMPv6` error with this type and code.
    Icmp(u8, u8),
}

/// The reply in a TCP segment to `our_port`; `None` for anything that does not answer a SYN.
#[must_use]
pub fn tcp_reply(segment: &[u8], our_port: u16) -> Option<Reply> {
    let header = TcpPacket::new(segment)?;
    let flags = header.get_flags();
    let kind = if flags & TcpFlags::ACK == 0 || header.get_destination() != our_port {
        return None;
    } else if flags & TcpFlags::RST != 0 {
        ReplyKind::Reset
    } else if flags & TcpFlags::SYN != 0 {
        ReplyKind::SynAck(header.get_sequence())
    } else {
        return None;
    };
    let port = Port::new(header.get_source())?;
    let sequence = Some(header.get_acknowledgement().wrapping_sub(1));
    Some(Reply { port, sequence, kind })
}

/// The reply in an ICMP or `ICMPv6` message: an error that quotes a probe of `transport` from `our_port`.
#[must_use]
pub fn icmp_reply(
    family: Family,
    transport: Transport,
    message: &[u8],
    our_port: u16,
) -> Option<Reply> {
    let (kind, code, is_error) = match family {
        // Destination unreachable, time exceeded, parameter problem.
        Family::Ipv4 => {
            let header = IcmpPacket::new(message)?;
            let kind = header.get_icmp_type().0;
            (kind, header.get_icmp_code().0, matches!(kind, 3 | 11 | 12))
        }
        // The same, and a packet that is too big.
        Family::Ipv6 => {
            let header = Icmpv6Packet::new(message)?;
            let kind = header.get_icmpv6_type().0;
            (kind, header.get_icmpv6_code().0, matches!(kind, 1..=4))
        }
    };
    let (protocol, segment) = packet(family, message.get(8..).filter(|_| is_error)?)?;
    // Eight bytes of what it carries are all that is sure to be quoted.
    let (quoted, _) = segment.split_first_chunk::<8>()?;
    let [source @ .., d1, d0, s3, s2, s1, s0] = *quoted;
    let sequence = match (transport, protocol) {
        (Transport::Tcp, IpNextHeaderProtocols::Tcp) => Some(u32::from_be_bytes([s3, s2, s1, s0])),
        (Transport::Udp, IpNextHeaderProtocols::Udp) => None,
        _ => return None,
    };
    if u16::from_be_bytes(source) != our_port {
        return None;
    }
    let port = Port::new(u16::from_be_bytes([d1, d0]))?;
    Some(Reply { port, sequence, kind: ReplyKind::Icmp(kind, code) })
}

/// What an IPv4 packet carries; `None` where it is cut short.
#[must_use]
pub fn ipv4_payload(bytes: &[u8]) -> Option<&[u8]> {
    packet(Family::Ipv4, bytes).map(|(_, payload)| payload)
}

/// The protocol and what is there of the payload of an IP packet, without IPv6 extension headers.
fn packet(family: Family, bytes: &[u8]) -> Option<(IpNextHeaderProtocol, &[u8])> {
    match family {
        Family::Ipv4 => {
            let header = Ipv4Packet::new(bytes)?;
            let length = usize::from(header.get_header_length()) * 4;
            let is_whole = header.get_version() == 4 && length >= Ipv4Packet::minimum_packet_size();
            let payload = bytes.get(length..).filter(|_| is_whole)?;
            Some((header.get_next_level_protocol(), payload))
        }
        Family::Ipv6 => {
            let header = Ipv6Packet::new(bytes).filter(|header| header.get_version() == 6)?;
            let payload = bytes.get(Ipv6Packet::minimum_packet_size()..)?;
            Some((header.get_next_header(), payload))
        }
    }
}

#[cfg(test)]
mod tests;
