//! Frames with a TCP segment or a UDP datagram from another host (IEEE 802.3, RFC 791, RFC 8200, RFC 9293, RFC 768).

use crate::model::Port;
use pnet::packet::ethernet::{EtherTypes, MutableEthernetPacket};
use pnet::packet::ip::{IpNextHeaderProtocol, IpNextHeaderProtocols};
use pnet::packet::ipv4::{self, Ipv4Flags, MutableIpv4Packet};
use pnet::packet::ipv6::MutableIpv6Packet;
use pnet::packet::tcp::{MutableTcpPacket, TcpFlags, TcpOption};
use pnet::packet::udp::MutableUdpPacket;
use pnet::util::{self, MacAddr};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const ETHERNET: usize = 14;
const IPV4: usize = 20;
const IPV6: usize = 40;
const TCP: usize = 20;
const UDP: usize = 8;
/// Where the checksums are, in words of 16 bits.
const TCP_CHECKSUM: usize = 8;
const UDP_CHECKSUM: usize = 3;
/// The option for the largest segment.
const OPTIONS: usize = 4;
/// The largest segment of an Ethernet network.
const LARGEST_SEGMENT: u16 = 1440;
/// What hosts start with.
const HOPS: u8 = 64;

/// The address of a device.
pub type Mac = [u8; 6];

/// Between whom frames pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way {
    /// The device that sends.
    pub from: Mac,
    /// The device that receives.
    pub to: Mac,
    /// The host that sends, and its port.
    pub source: SocketAddr,
    /// The host that receives: an address of the same family.
    pub target: IpAddr,
}

/// What a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content<'a> {
    /// A SYN with this sequence number.
    Syn(u32),
    /// A reset with this sequence number.
    Reset(u32),
    /// A datagram with this payload.
    Datagram(&'a [u8]),
}

impl Way {
    /// Writes the frame to a port. What marks it (the IPv4 identification, or the flow label of IPv6) is the number of
    /// the port: no translation of addresses changes that.
    pub fn frame(&self, port: Port, content: Content<'_>, frame: &mut Vec<u8>) {
        let length = match content {
            Content::Syn(_) => TCP + OPTIONS,
            Content::Reset(_) => TCP,
            Content::Datagram(payload) => UDP + payload.len(),
        };
        let network = if self.target.is_ipv4() { IPV4 } else { IPV6 };
        frame.clear();
        frame.resize(ETHERNET + network + length, 0);
        let (ethernet, packet) = frame.split_at_mut(ETHERNET);
        let (header, segment) = packet.split_at_mut(network);
        self.ethernet(ethernet);
        let protocol = self.segment(port, content, segment);
        match (self.source.ip(), self.target) {
            (IpAddr::V4(source), IpAddr::V4(target)) => {
                ipv4(header, length, protocol, port, source, target);
            }
            (IpAddr::V6(source), IpAddr::V6(target)) => {
                ipv6(header, length, protocol, port, source, target);
            }
            // The families of a way are the same.
            _ => {}
        }
    }

    /// Writes the frame that carries a whole packet, whoever it is from and to.
    pub fn carry(&self, packet: &[u8], frame: &mut Vec<u8>) {
        frame.clear();
        frame.resize(ETHERNET, 0);
        self.ethernet(frame);
        frame.extend_from_slice(packet);
    }

    fn ethernet(&self, bytes: &mut [u8]) {
        let Some(mut header) = MutableEthernetPacket::new(bytes) else { return };
        header.set_destination(mac(self.to));
        header.set_source(mac(self.from));
        header.set_ethertype(if self.target.is_ipv4() {
            EtherTypes::Ipv4
        } else {
            EtherTypes::Ipv6
        });
    }

    /// Writes the segment or datagram. Returns its protocol.
    fn segment(&self, port: Port, content: Content<'_>, bytes: &mut [u8]) -> IpNextHeaderProtocol {
        let (flags, sequence) = match content {
            Content::Syn(sequence) => (TcpFlags::SYN, sequence),
            Content::Reset(sequence) => (TcpFlags::RST, sequence),
            Content::Datagram(payload) => {
                self.datagram(port, payload, bytes);
                return IpNextHeaderProtocols::Udp;
            }
        };
        let words = bytes.len() / 4;
        if let Some(mut header) = MutableTcpPacket::new(bytes) {
            header.set_source(self.source.port());
            header.set_destination(port.get());
            header.set_sequence(sequence);
            header.set_data_offset(u8::try_from(words).unwrap_or(5));
            header.set_flags(flags);
            if flags == TcpFlags::SYN {
                header.set_window(u16::MAX);
                header.set_options(&[TcpOption::mss(LARGEST_SEGMENT)]);
            }
        }
        let sum = self.checksum(bytes, TCP_CHECKSUM, IpNextHeaderProtocols::Tcp);
        if let Some(mut header) = MutableTcpPacket::new(bytes) {
            header.set_checksum(sum);
        }
        IpNextHeaderProtocols::Tcp
    }

    fn datagram(&self, port: Port, payload: &[u8], bytes: &mut [u8]) {
        let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
        if let Some(mut header) = MutableUdpPacket::new(bytes) {
            header.set_source(self.source.port());
            header.set_destination(port.get());
            header.set_length(length);
            header.set_payload(payload);
        }
        let sum = self.checksum(bytes, UDP_CHECKSUM, IpNextHeaderProtocols::Udp);
        if let Some(mut header) = MutableUdpPacket::new(bytes) {
            // 0 says that there is none.
            header.set_checksum(if sum == 0 { u16::MAX } else { sum });
        }
    }

    fn checksum(&self, bytes: &[u8], at: usize, protocol: IpNextHeaderProtocol) -> u16 {
        match (self.source.ip(), self.target) {
            (IpAddr::V4(source), IpAddr::V4(target)) => {
                util::ipv4_checksum(bytes, at, &[], &source, &target, protocol)
            }
            (IpAddr::V6(source), IpAddr::V6(target)) => {
                util::ipv6_checksum(bytes, at, &[], &source, &target, protocol)
            }
            _ => 0,
        }
    }
}

fn mac(mac: Mac) -> MacAddr {
    MacAddr::from(mac)
}

fn ipv4(
    bytes: &mut [u8],
    length: usize,
    protocol: IpNextHeaderProtocol,
    mark: Port,
    source: Ipv4Addr,
    target: Ipv4Addr,
) {
    let Some(mut header) = MutableIpv4Packet::new(bytes) else { return };
    header.set_version(4);
    header.set_header_length(5);
    header.set_total_length(u16::try_from(IPV4 + length).unwrap_or(u16::MAX));
    header.set_identification(mark.get());
    header.set_flags(Ipv4Flags::DontFragment);
    header.set_ttl(HOPS);
    header.set_next_level_protocol(protocol);
    header.set_source(source);
    header.set_destination(target);
    let sum = ipv4::checksum(&header.to_immutable());
    header.set_checksum(sum);
}

fn ipv6(
    bytes: &mut [u8],
    length: usize,
    protocol: IpNextHeaderProtocol,
    mark: Port,
    source: Ipv6Addr,
    target: Ipv6Addr,
) {
    let Some(mut header) = MutableIpv6Packet::new(bytes) else { return };
    header.set_version(6);
    header.set_flow_label(u32::from(mark.get()));
    header.set_payload_length(u16::try_from(length).unwrap_or(u16::MAX));
    header.set_next_header(protocol);
    header.set_hop_limit(HOPS);
    header.set_source(source);
    header.set_destination(target);
}

#[cfg(test)]
mod tests {
    use super::*;
    use pnet::packet::Packet as _;
    use pnet::packet::ipv4::Ipv4Packet;
    use pnet::packet::ipv6::Ipv6Packet;
    use pnet::packet::tcp::TcpPacket;
    use pnet::packet::udp::UdpPacket;

    fn way(source: &str, target: &str) -> Way {
        Way {
            from: [2, 0, 0, 0, 0, 9],
            to: [2, 0, 0, 0, 0, 1],
            source: SocketAddr::new(source.parse().unwrap(), 40_000),
            target: target.parse().unwrap(),
        }
    }

    fn port(number: u16) -> Port {
        Port::new(number).unwrap()
    }

    #[test]
    fn a_syn_over_ipv4_is_whole_and_its_sums_are_right() {
        let mut frame = Vec::new();
        way("10.0.0.9", "10.0.0.1").frame(port(22), Content::Syn(0x0102_0304), &mut frame);
        assert_eq!(frame[..14], [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9, 8, 0]);
        let ip = Ipv4Packet::new(&frame[14..]).unwrap();
        assert_eq!((ip.get_identification(), ip.get_ttl()), (22, 64));
        assert_eq!(usize::from(ip.get_total_length()), frame.len() - 14);
        assert_eq!(ip.get_checksum(), ipv4::checksum(&ip));
        let tcp = TcpPacket::new(ip.payload()).unwrap();
        assert_eq!((tcp.get_source(), tcp.get_destination()), (40_000, 22));
        assert_eq!((tcp.get_flags(), tcp.get_sequence()), (TcpFlags::SYN, 0x0102_0304));
        assert_eq!(tcp.get_data_offset(), 6);
        let sum = pnet::packet::tcp::ipv4_checksum(&tcp, &ip.get_source(), &ip.get_destination());
        assert_eq!(tcp.get_checksum(), sum);
    }

    #[test]
    fn a_packet_is_carried_as_it_is() {
        let mut frame = vec![9; 200];
        way("fd00::9", "fd00::1").carry(b"packet", &mut frame);
        assert_eq!(frame[..14], [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9, 0x86, 0xdd]);
        assert_eq!(&frame[14..], b"packet");
    }

    #[test]
    fn a_reset_and_a_datagram_over_ipv6_are_whole() {
        let mut frame = vec![9; 200];
        let way = way("fd00::9", "fd00::1");
        way.frame(port(80), Content::Reset(5), &mut frame);
        let ip = Ipv6Packet::new(&frame[14..]).unwrap();
        assert_eq!((ip.get_flow_label(), ip.get_payload_length()), (80, 20));
        let tcp = TcpPacket::new(ip.payload()).unwrap();
        assert_eq!((tcp.get_flags(), tcp.get_sequence()), (TcpFlags::RST, 5));
        let sum = pnet::packet::tcp::ipv6_checksum(&tcp, &ip.get_source(), &ip.get_destination());
        assert_eq!(tcp.get_checksum(), sum);
        way.frame(port(53), Content::Datagram(b"odd"), &mut frame);
        let ip = Ipv6Packet::new(&frame[14..]).unwrap();
        let udp = UdpPacket::new(ip.payload()).unwrap();
        assert_eq!((udp.get_destination(), udp.get_length(), udp.payload()), (53, 11, &b"odd"[..]));
        let sum = pnet::packet::udp::ipv6_checksum(&udp, &ip.get_source(), &ip.get_destination());
        assert_eq!(udp.get_checksum(), sum);
    }
}
