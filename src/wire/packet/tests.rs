//! Segments and messages against pnet's own checksums, and any bytes.

use super::*;
use pnet::packet::tcp;
use proptest::prelude::*;
use std::net::{Ipv4Addr, Ipv6Addr};

const OURS: u16 = 40_000;

fn port(number: u16) -> Port {
    Port::new(number).unwrap()
}

fn segment(source: u16, destination: u16, flags: u8, acknowledged: u32) -> Vec<u8> {
    let mut bytes = vec![0; 20];
    let mut header = MutableTcpPacket::new(&mut bytes).unwrap();
    header.set_source(source);
    header.set_destination(destination);
    header.set_data_offset(5);
    header.set_flags(flags);
    header.set_acknowledgement(acknowledged);
    bytes
}

/// An IP header of 20 or 40 bytes that says TCP.
fn header(family: Family) -> Vec<u8> {
    let mut header = vec![0; if family == Family::Ipv4 { 20 } else { 40 }];
    match family {
        Family::Ipv4 => (header[0], header[9]) = (0x45, 6),
        Family::Ipv6 => (header[0], header[6]) = (0x60, 6),
    }
    header
}

/// An ICMP error that quotes a packet.
fn error(kind: u8, code: u8, family: Family, quoted: &[u8]) -> Vec<u8> {
    [&[kind, code, 0, 0, 0, 0, 0, 0], &header(family)[..], quoted].concat()
}

#[test]
fn a_syn_has_the_ports_the_number_and_an_option() {
    let loopback = IpAddr::from(Ipv4Addr::LOCALHOST);
    let syn = SynTemplate::new(loopback, OURS, loopback).unwrap().syn(port(443), 0x0102_0304);
    let header = TcpPacket::new(&syn).unwrap();
    assert_eq!((header.get_source(), header.get_destination()), (OURS, 443));
    assert_eq!((header.get_sequence(), header.get_flags()), (0x0102_0304, TcpFlags::SYN));
    assert_eq!((header.get_data_offset(), header.get_window()), (6, LARGEST_SEGMENT));
    let [high, low] = LARGEST_SEGMENT.to_be_bytes();
    assert_eq!(syn[20..], [2, 4, high, low], "RFC 9293, section 3.2");
    assert!(SynTemplate::new(loopback, OURS, Ipv6Addr::LOCALHOST.into()).is_none());
}

#[test]
fn only_what_acknowledges_a_syn_is_a_reply() {
    use TcpFlags::{ACK, RST, SYN};
    let reply = |flags| tcp_reply(&segment(80, OURS, flags, 8), OURS).map(|reply| reply.kind);
    assert_eq!(reply(SYN | ACK), Some(ReplyKind::SynAck));
    assert_eq!(reply(RST | ACK), Some(ReplyKind::Reset));
    for flags in [SYN, RST, ACK, 0] {
        assert_eq!(reply(flags), None, "{flags:#x}");
    }
    assert_eq!(tcp_reply(&segment(80, OURS, SYN | ACK, 8), OURS + 1), None, "another's");
    assert_eq!(tcp_reply(&segment(0, OURS, SYN | ACK, 8), OURS), None, "no port");
    let reply = tcp_reply(&segment(80, OURS, RST | ACK, 0), OURS).unwrap();
    assert_eq!((reply.port, reply.sequence), (port(80), u32::MAX));
}

#[test]
fn an_icmp_error_is_a_reply_when_it_quotes_a_syn_of_ours() {
    let syn = |family: Family| {
        let address: IpAddr = match family {
            Family::Ipv4 => Ipv4Addr::LOCALHOST.into(),
            Family::Ipv6 => Ipv6Addr::LOCALHOST.into(),
        };
        SynTemplate::new(address, OURS, address).unwrap().syn(port(81), 77)
    };
    for (family, errors, others) in
        [(Family::Ipv4, &[3, 11, 12][..], &[0, 5, 8][..]), (Family::Ipv6, &[1, 2, 3, 4], &[0, 128])]
    {
        for kind in errors {
            let message = error(*kind, 9, family, &syn(family)[..8]);
            let expected = Reply { port: port(81), sequence: 77, kind: ReplyKind::Icmp(*kind, 9) };
            assert_eq!(icmp_reply(family, &message, OURS), Some(expected));
            assert_eq!(icmp_reply(family, &message, 1), None, "another's");
            assert_eq!(icmp_reply(family, &message[..message.len() - 1], OURS), None, "cut");
        }
        for kind in others {
            assert_eq!(icmp_reply(family, &error(*kind, 0, family, &syn(family)), OURS), None);
        }
    }
    let mut datagram = error(3, 3, Family::Ipv4, &syn(Family::Ipv4));
    datagram[8 + 9] = 17;
    assert_eq!(icmp_reply(Family::Ipv4, &datagram, OURS), None, "UDP");
}

#[test]
fn an_ipv4_header_is_as_long_as_it_says() {
    let packet = |first: u8| -> Vec<u8> { [&[first; 1][..], &[0; 23], b"payload"].concat() };
    assert_eq!(ipv4_payload(&packet(0x46)), Some(&b"payload"[..]));
    for first in [0x44, 0x65, 0x4f] {
        assert_eq!(ipv4_payload(&packet(first)), None, "{first:#x}");
    }
}

proptest! {
    #[test]
    fn each_checksum_is_that_of_the_whole_segment(
        source: [u8; 4], destination: [u8; 4], source6: [u8; 16], destination6: [u8; 16],
        ours: u16, to in 1..=u16::MAX, sequence: u32,
    ) {
        let (source, destination) = (Ipv4Addr::from(source), Ipv4Addr::from(destination));
        let template = SynTemplate::new(source.into(), ours, destination.into()).unwrap();
        let syn = template.syn(port(to), sequence);
        let header = TcpPacket::new(&syn).unwrap();
        prop_assert_eq!(header.get_checksum(), tcp::ipv4_checksum(&header, &source, &destination));

        let (source, destination) = (Ipv6Addr::from(source6), Ipv6Addr::from(destination6));
        let template = SynTemplate::new(source.into(), ours, destination.into()).unwrap();
        let syn = template.syn(port(to), sequence);
        let header = TcpPacket::new(&syn).unwrap();
        prop_assert_eq!(header.get_checksum(), tcp::ipv6_checksum(&header, &source, &destination));
    }

    #[test]
    fn the_reply_to_a_syn_names_it(to in 1..=u16::MAX, sequence: u32, open: bool) {
        let flags = TcpFlags::ACK | if open { TcpFlags::SYN } else { TcpFlags::RST };
        let reply = tcp_reply(&segment(to, OURS, flags, sequence.wrapping_add(1)), OURS).unwrap();
        prop_assert_eq!((reply.port, reply.sequence), (port(to), sequence));
    }

    #[test]
    fn any_bytes_end_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), ours: u16) {
        let sound = |reply: Option<Reply>| reply.is_none_or(|reply| reply.port.get() > 0);
        prop_assert!(sound(tcp_reply(&bytes, ours)));
        prop_assert!(sound(icmp_reply(Family::Ipv4, &bytes, ours)));
        prop_assert!(sound(icmp_reply(Family::Ipv6, &bytes, ours)));
        prop_assert!(ipv4_payload(&bytes).is_none_or(|payload| payload.len() + 20 <= bytes.len()));
    }
}
