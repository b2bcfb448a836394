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
    header.set_sequence(9);
    bytes
}

/// An IP header of 20 or 40 bytes that says which transport it carries.
fn header(family: Family, transport: Transport) -> Vec<u8> {
    let protocol = if transport == Transport::Udp { 17 } else { 6 };
    let mut header = vec![0; if family == Family::Ipv4 { 20 } else { 40 }];
    match family {
        Family::Ipv4 => (header[0], header[9]) = (0x45, protocol),
        Family::Ipv6 => (header[0], header[6]) = (0x60, protocol),
    }
    header
}

/// An ICMP error that quotes a packet.
fn error(kind: u8, code: u8, family: Family, transport: Transport, quoted: &[u8]) -> Vec<u8> {
    [&[kind, code, 0, 0, 0, 0, 0, 0], &header(family, transport)[..], quoted].concat()
}

/// What an error says of a packet from our port.
fn said(family: Family, transport: Transport, message: &[u8]) -> Option<Reply> {
    icmp_reply(family, transport, message, OURS)
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
    assert_eq!(reply(SYN | ACK), Some(ReplyKind::SynAck(9)));
    assert_eq!(reply(RST | ACK), Some(ReplyKind::Reset));
    for flags in [SYN, RST, ACK, 0] {
        assert_eq!(reply(flags), None, "{flags:#x}");
    }
    assert_eq!(tcp_reply(&segment(80, OURS, SYN | ACK, 8), OURS + 1), None, "another's");
    assert_eq!(tcp_reply(&segment(0, OURS, SYN | ACK, 8), OURS), None, "no port");
    let reply = tcp_reply(&segment(80, OURS, RST | ACK, 0), OURS).unwrap();
    assert_eq!((reply.port, reply.sequence), (port(80), Some(u32::MAX)));
}

/// The types that are errors, and some that are not.
const ICMP_TYPES: [(Family, &[u8], &[u8]); 2] =
    [(Family::Ipv4, &[3, 11, 12], &[0, 5, 8]), (Family::Ipv6, &[1, 2, 3, 4], &[0, 128])];

#[test]
fn an_icmp_error_is_a_reply_when_it_quotes_a_probe_of_ours() {
    let syn = |family: Family| {
        let address: IpAddr = match family {
            Family::Ipv4 => Ipv4Addr::LOCALHOST.into(),
            Family::Ipv6 => Ipv6Addr::LOCALHOST.into(),
        };
        SynTemplate::new(address, OURS, address).unwrap().syn(port(81), 77)[..8].to_vec()
    };
    // To port 81, eight bytes long.
    let [high, low] = OURS.to_be_bytes();
    let datagram = vec![high, low, 0, 81, 0, 8, 0xab, 0xcd];
    for (family, errors, others) in ICMP_TYPES {
        for (transport, other, quoted, sequence) in [
            (Transport::Tcp, Transport::Udp, syn(family), Some(77)),
            (Transport::Udp, Transport::Tcp, datagram.clone(), None),
        ] {
            for kind in errors {
                let message = error(*kind, 9, family, transport, &quoted);
                let kind = ReplyKind::Icmp(*kind, 9);
                let expected = Reply { port: port(81), sequence, kind };
                assert_eq!(said(family, transport, &message), Some(expected));
                assert_eq!(said(family, other, &message), None, "of another transport");
                assert_eq!(icmp_reply(family, transport, &message, 1), None, "another's");
                assert_eq!(said(family, transport, &message[..message.len() - 1]), None, "cut");
            }
            for kind in others {
                let message = error(*kind, 0, family, transport, &quoted);
                assert_eq!(said(family, transport, &message), None);
            }
        }
    }
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
    fn a_reset_follows_the_syn_and_acknowledges_the_answer(
        source: [u8; 4], destination: [u8; 4], source6: [u8; 16], destination6: [u8; 16],
        from: u16, to: u16, ours: u32, theirs: u32,
    ) {
        let (source, destination) = (Ipv4Addr::from(source), Ipv4Addr::from(destination));
        let bytes = reset((source, from).into(), (destination, to).into(), ours, theirs).unwrap();
        let header = TcpPacket::new(&bytes).unwrap();
        prop_assert_eq!((header.get_source(), header.get_destination()), (from, to));
        prop_assert_eq!(header.get_sequence(), ours.wrapping_add(1));
        prop_assert_eq!(header.get_acknowledgement(), theirs.wrapping_add(1));
        prop_assert_eq!(header.get_flags(), TcpFlags::RST | TcpFlags::ACK);
        prop_assert_eq!(header.get_checksum(), tcp::ipv4_checksum(&header, &source, &destination));

        let (source, destination) = (Ipv6Addr::from(source6), Ipv6Addr::from(destination6));
        let bytes = reset((source, from).into(), (destination, to).into(), ours, theirs).unwrap();
        let header = TcpPacket::new(&bytes).unwrap();
        prop_assert_eq!(header.get_checksum(), tcp::ipv6_checksum(&header, &source, &destination));
    }

    #[test]
    fn the_reply_to_a_syn_names_it(to in 1..=u16::MAX, sequence: u32, open: bool) {
        let flags = TcpFlags::ACK | if open { TcpFlags::SYN } else { TcpFlags::RST };
        let reply = tcp_reply(&segment(to, OURS, flags, sequence.wrapping_add(1)), OURS).unwrap();
        prop_assert_eq!((reply.port, reply.sequence), (port(to), Some(sequence)));
    }

    #[test]
    fn an_error_names_the_port_that_the_datagram_it_quotes_went_to(
        to in 1..=u16::MAX, rest: [u8; 4], ipv6: bool, kind in 1..=4_u8, code: u8,
    ) {
        let family = if ipv6 { Family::Ipv6 } else { Family::Ipv4 };
        let kind = if ipv6 { kind } else { 3 };
        let quoted = [&OURS.to_be_bytes()[..], &to.to_be_bytes(), &rest].concat();
        let message = error(kind, code, family, Transport::Udp, &quoted);
        let expected = Reply { port: port(to), sequence: None, kind: ReplyKind::Icmp(kind, code) };
        prop_assert_eq!(said(family, Transport::Udp, &message), Some(expected));
    }

    #[test]
    fn any_bytes_end_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), ours: u16) {
        let sound = |reply: Option<Reply>| reply.is_none_or(|reply| reply.port.get() > 0);
        prop_assert!(sound(tcp_reply(&bytes, ours)));
        for family in [Family::Ipv4, Family::Ipv6] {
            for transport in [Transport::Tcp, Transport::Udp, Transport::Sctp] {
                prop_assert!(sound(icmp_reply(family, transport, &bytes, ours)));
            }
        }
        prop_assert!(ipv4_payload(&bytes).is_none_or(|payload| payload.len() + 20 <= bytes.len()));
    }
}
