//! What a UDP probe carries: for a few services a question that they answer, else nothing.

use crate::model::Port;

/// A DNS query for the name servers of the root, with recursion not desired (RFC 1035).
const DNS: &[u8] = &[
    0x50, 0x53, // id
    0x00, 0x00, // a standard query
    0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, // one question
    0x00, // the root
    0x00, 0x02, 0x00, 0x01, // NS, IN
];

/// An NTP client request, version 4 (RFC 5905).
const NTP: &[u8] = &{
    let mut packet = [0; 48];
    packet[0] = 0b00_100_011;
    packet
};

/// What a datagram to a port carries.
#[must_use]
pub fn payload(port: Port) -> &'static [u8] {
    match port.get() {
        53 | 5353 | 5355 => DNS,
        123 => NTP,
        _ => &[],
    }
}
