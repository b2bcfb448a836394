//! Filters that the kernel asks before it queues a packet at a raw socket: classic BPF (`linux/filter.h`). Over IPv4 a
//! packet begins with its IP header there, over IPv6 behind it.

use crate::model::Family;
use libc::{
    BPF_ABS, BPF_ADD, BPF_ALU, BPF_AND, BPF_B, BPF_H, BPF_IND, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD,
    BPF_LDX, BPF_LSH, BPF_MISC, BPF_MSH, BPF_RET, BPF_TAX, BPF_X,
};
use socket2::SockFilter;

/// Passes TCP segments to a port.
pub(super) fn tcp_to(family: Family, port: u16) -> Vec<SockFilter> {
    let load = match family {
        Family::Ipv4 => vec![ipv4_header_length(), step(BPF_LD | BPF_H | BPF_IND, 2)],
        Family::Ipv6 => vec![step(BPF_LD | BPF_H | BPF_ABS, 2)],
    };
    load.into_iter().chain(pass_if_equal(port)).collect()
}

/// Passes ICMP messages whose quoted packet has this port where TCP and UDP have their source port. What kind of message
/// it is, and of which transport, the reader sees.
pub(super) fn errors_of_packets_from(family: Family, port: u16) -> Vec<SockFilter> {
    let load = match family {
        Family::Ipv4 => vec![
            ipv4_header_length(),
            // The length of the quoted header, whose first byte is behind the eight of ICMP; both together.
            step(BPF_LD | BPF_B | BPF_IND, 8),
            step(BPF_ALU | BPF_AND | BPF_K, 0x0f),
            step(BPF_ALU | BPF_LSH | BPF_K, 2),
            step(BPF_ALU | BPF_ADD | BPF_X, 0),
            step(BPF_MISC | BPF_TAX, 0),
            step(BPF_LD | BPF_H | BPF_IND, 8),
        ],
        Family::Ipv6 => vec![step(BPF_LD | BPF_H | BPF_ABS, 8 + 40)],
    };
    load.into_iter().chain(pass_if_equal(port)).collect()
}

/// The length of the IPv4 header, into the index register.
fn ipv4_header_length() -> SockFilter {
    step(BPF_LDX | BPF_B | BPF_MSH, 0)
}

/// Passes the whole packet when the accumulator has this value. A load beyond its end has passed nothing.
fn pass_if_equal(port: u16) -> [SockFilter; 3] {
    let unequal = jump(BPF_JMP | BPF_JEQ | BPF_K, u32::from(port), 1);
    [unequal, step(BPF_RET | BPF_K, u32::MAX), step(BPF_RET | BPF_K, 0)]
}

fn step(code: u32, operand: u32) -> SockFilter {
    jump(code, operand, 0)
}

/// A step that skips `if_false` of those that follow when it is a comparison and does not hold.
fn jump(code: u32, operand: u32, if_false: u8) -> SockFilter {
    // Each code is of two bytes (`struct sock_filter`).
    SockFilter::new(u16::try_from(code).unwrap_or(u16::MAX), 0, if_false, operand)
}
