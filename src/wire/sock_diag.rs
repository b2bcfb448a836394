//! The kernel's socket tables over `NETLINK_SOCK_DIAG` (`linux/sock_diag.h`, `linux/inet_diag.h`).

use super::netlink::{self, family_number};
use crate::model::{Cookie, Family, Inode, Transport};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `SOCK_DIAG_BY_FAMILY`, of whatever family of sockets.
pub(super) const BY_FAMILY: u16 = 20;
/// `TCPDIAG_GETSOCK`: the sockets of TCP, whatever their family.
const OF_TCP: u16 = 18;
/// `INET_DIAG_NOCOOKIE`, for both halves: any socket.
const NO_COOKIE: [u32; 2] = [u32::MAX; 2];

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

const INET_DIAG_INFO: u16 = 2;
const INET_DIAG_SKMEMINFO: u16 = 7;
const INET_DIAG_SKV6ONLY: u16 = 11;
const INET_DIAG_MD5SIG: u16 = 18;
const INET_DIAG_ULP_INFO: u16 = 19;
const INET_DIAG_CGROUP_ID: u16 = 21;
const INET_ULP_INFO_NAME: u16 = 1;

/// Indices into the array of `INET_DIAG_SKMEMINFO`.
const SK_MEMINFO_RCVBUF: usize = 1;
const SK_MEMINFO_DROPS: usize = 8;

/// Socket states as the kernel numbers them (`net/tcp_states.h`); UDP uses two of them.
pub mod state {
    /// A connection; UDP with a peer.
    pub const ESTABLISHED: u8 = 1;
    /// A connection that was asked for.
    pub const SYN_SENT: u8 = 2;
    /// A connection that a peer asked for, with a socket of its own already (TCP Fast Open).
    pub const SYN_RECV: u8 = 3;
    /// A connection that was closed here, not yet acknowledged.
    pub const FIN_WAIT1: u8 = 4;
    /// A connection that was closed here only.
    pub const FIN_WAIT2: u8 = 5;
    /// A connection that was closed a moment ago.
    pub const TIME_WAIT: u8 = 6;
    /// UDP without a peer.
    pub const CLOSE: u8 = 7;
    /// A connection that the peer closed.
    pub const CLOSE_WAIT: u8 = 8;
    /// A connection that the peer closed, and then we, not yet acknowledged.
    pub const LAST_ACK: u8 = 9;
    /// A listener.
    pub const LISTEN: u8 = 10;
    /// A connection that both ends closed at once.
    pub const CLOSING: u8 = 11;
    /// A connection that a peer asked for.
    pub const NEW_SYN_RECV: u8 = 12;
    /// Bound and not listening: a state of dumps only, since Linux 6.8.
    pub const BOUND_INACTIVE: u8 = 13;
    /// Every state.
    pub const ALL: u32 = u32::MAX;
    /// The states of connections that are not over.
    pub const CONNECTIONS: u32 = bit(ESTABLISHED)
        | bit(SYN_SENT)
        | bit(SYN_RECV)
        | bit(FIN_WAIT1)
        | bit(FIN_WAIT2)
        | bit(CLOSE_WAIT)
        | bit(LAST_ACK)
        | bit(CLOSING)
        | bit(NEW_SYN_RECV);

    /// The bit of a state in a filter.
    #[must_use]
    pub const fn bit(state: u8) -> u32 {
        1 << state
    }
}

/// `struct inet_diag_sockid`, 48 bytes. Ports and addresses are in network byte order.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct SocketId {
    source_port: [u8; 2],
    destination_port: [u8; 2],
    source: [u8; 16],
    destination: [u8; 16],
    interface: u32,
    cookie: [u32; 2],
}

/// `struct inet_diag_req_v2`, 56 bytes.
#[derive(Debug, Clone, Copy, IntoBytes, Immutable)]
#[repr(C)]
struct Request {
    family: u8,
    protocol: u8,
    extensions: u8,
    pad: u8,
    states: u32,
    id: SocketId,
}

/// `struct inet_diag_req`, 60 bytes.
#[derive(Debug, Clone, Copy, IntoBytes, Immutable)]
#[repr(C)]
struct TcpRequest {
    family: u8,
    prefixes: [u8; 2],
    extensions: u8,
    id: SocketId,
    states: u32,
    cookie: u32,
}

/// `struct inet_diag_msg`, 72 bytes.
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Reply {
    family: u8,
    state: u8,
    timer: u8,
    retransmits: u8,
    id: SocketId,
    expires: u32,
    receive_queue: u32,
    write_queue: u32,
    uid: u32,
    inode: u32,
}

/// One socket as the kernel shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its family.
    pub family: Family,
    /// Its state, one of [`state`].
    pub state: u8,
    /// Its own address and port; port 0 is unbound.
    pub local: SocketAddr,
    /// The other end.
    pub peer: SocketAddr,
    /// The index of the device it is bound to, 0 for none.
    pub interface: u32,
    /// Its cookie.
    pub cookie: Cookie,
    /// `LISTEN`: connections that wait to be accepted; else bytes that wait to be read.
    pub receive_queue: u32,
    /// `LISTEN`: how many may wait; else bytes that wait to be sent.
    pub write_queue: u32,
    /// Its user.
    pub uid: u32,
    /// Its inode; 0 for a socket that nobody has accepted.
    pub inode: Inode,
    /// `IPV6_V6ONLY`, where the kernel sent it.
    pub v6_only: Option<bool>,
    /// Its cgroup's id, where the kernel sent it.
    pub cgroup: Option<u64>,
    /// The size of its receive buffer in bytes, where the kernel sent it.
    pub receive_buffer: Option<u32>,
    /// What was dropped at it, where the kernel sent it.
    pub drops: Option<u32>,
    /// Whether it is the TCP side of a Multipath TCP socket.
    pub mptcp: bool,
    /// Whether it has keys of TCP signatures (RFC 2385), which the kernel tells to `CAP_NET_ADMIN` only.
    pub signed: bool,
}

impl Row {
    /// A socket of which nothing more is known.
    #[must_use]
    pub fn between(family: Family, state: u8, local: SocketAddr, peer: SocketAddr) -> Self {
        Self {
            family,
            state,
            local,
            peer,
            interface: 0,
            cookie: Cookie(0),
            receive_queue: 0,
            write_queue: 0,
            uid: 0,
            inode: Inode(0),
            v6_only: None,
            cgroup: None,
            receive_buffer: None,
            drops: None,
            mptcp: false,
            signed: false,
        }
    }
}

/// `IPPROTO_RAW`: the table of raw sockets, whatever their protocol.
const IPPROTO_RAW: u8 = 255;

fn protocol(transport: Transport) -> u8 {
    match transport {
        Transport::Tcp => 6,
        Transport::Udp => 17,
        Transport::Sctp => 132,
    }
}

/// What to show beside what is always shown. The kernel names the protocol above TCP only beside all that it knows of
/// TCP.
const EXTENSIONS: u8 = 1 << (INET_DIAG_SKMEMINFO - 1) | 1 << (INET_DIAG_INFO - 1);

fn request(protocol: u8, family: Family, states: u32, id: SocketId) -> Request {
    Request { family: family_number(family), protocol, extensions: EXTENSIONS, pad: 0, states, id }
}

/// Which sockets a dump keeps, by their ports.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Keep {
    /// All.
    #[default]
    All,
    /// Those with this port.
    LocalPort(u16),
    /// Those with this port at the other end.
    PeerPort(u16),
}

/// A request for the sockets of a transport and family in one of `states` (bits of [`state`]).
#[must_use]
pub fn dump(transport: Transport, family: Family, states: u32, keep: Keep, seq: u32) -> Vec<u8> {
    dump_of(protocol(transport), family, states, keep, seq)
}

/// A request for the TCP sockets of both families in one of `states`. The kernel walks over its tables, which are those
/// of all families and namespaces, once and not twice.
#[must_use]
pub fn dump_tcp(states: u32, keep: Keep, seq: u32) -> Vec<u8> {
    let request = TcpRequest {
        family: AF_INET,
        prefixes: [0; 2],
        extensions: EXTENSIONS,
        id: with_ports(keep),
        states,
        cookie: 0,
    };
    netlink::request(OF_TCP, netlink::DUMP, seq, request.as_bytes())
}

/// A request for the raw sockets of a family. The port of each [`Row`] is the number of its protocol.
#[must_use]
pub fn dump_raw(family: Family, seq: u32) -> Vec<u8> {
    dump_of(IPPROTO_RAW, family, state::ALL, Keep::All, seq)
}

fn dump_of(protocol: u8, family: Family, states: u32, keep: Keep, seq: u32) -> Vec<u8> {
    let request = request(protocol, family, states, with_ports(keep));
    netlink::request(BY_FAMILY, netlink::DUMP, seq, request.as_bytes())
}

/// Any socket with the ports to be kept.
fn with_ports(keep: Keep) -> SocketId {
    let (local, peer) = match keep {
        Keep::All => (0, 0),
        Keep::LocalPort(port) => (port, 0),
        Keep::PeerPort(port) => (0, port),
    };
    SocketId {
        source_port: u16::to_be_bytes(local),
        destination_port: u16::to_be_bytes(peer),
        source: [0; 16],
        destination: [0; 16],
        interface: 0,
        cookie: NO_COOKIE,
    }
}

/// A request to end this socket and no other (`SOCK_DESTROY`, since Linux 4.5, where it was built in): the cookie keeps it
/// from the listener, which the kernel would find in its place once it is gone.
#[must_use]
pub fn destroy(transport: Transport, row: &Row, seq: u32) -> Vec<u8> {
    const SOCK_DESTROY: u16 = 21;
    let (local, peer) = (row.local.ip().to_canonical(), row.peer.ip().to_canonical());
    // The lower half comes first.
    let Cookie(cookie) = row.cookie;
    let halves = [cookie, cookie >> 32].map(|half| u32::try_from(half & 0xffff_ffff).unwrap_or(0));
    let id = SocketId {
        source_port: row.local.port().to_be_bytes(),
        destination_port: row.peer.port().to_be_bytes(),
        source: address_bytes(local),
        destination: address_bytes(peer),
        interface: row.interface,
        cookie: halves,
    };
    let family = Family::of(local);
    let body = request(protocol(transport), family, state::ALL, id);
    netlink::request(SOCK_DESTROY, netlink::ACK, seq, body.as_bytes())
}

/// A request for the one socket that a packet from `remote` to `local`, arriving on the device with index
/// `interface`, would be delivered to: the kernel's own lookup. It is answered by one [`Row`] or by `ENOENT`.
#[must_use]
pub fn lookup(
    transport: Transport,
    local: SocketAddr,
    remote: SocketAddr,
    interface: u32,
    seq: u32,
) -> Vec<u8> {
    // The kernel reads the source as the socket's own side for TCP, and as the packet's for UDP.
    let (source, destination) = match transport {
        Transport::Tcp | Transport::Sctp => (local, remote),
        Transport::Udp => (remote, local),
    };
    let family = Family::of(local.ip());
    let id = SocketId {
        source_port: source.port().to_be_bytes(),
        destination_port: destination.port().to_be_bytes(),
        source: address_bytes(source.ip()),
        destination: address_bytes(destination.ip()),
        interface,
        cookie: NO_COOKIE,
    };
    netlink::request(
        BY_FAMILY,
        0,
        seq,
        request(protocol(transport), family, state::ALL, id).as_bytes(),
    )
}

/// The socket in the payload of an answer; `None` when it is cut short or of another family.
#[must_use]
pub fn row(payload: &[u8]) -> Option<Row> {
    let (reply, attributes) = Reply::read_from_prefix(payload).ok()?;
    let family = match reply.family {
        AF_INET => Family::Ipv4,
        AF_INET6 => Family::Ipv6,
        _ => return None,
    };
    let end = |address: [u8; 16], port: [u8; 2]| {
        SocketAddr::new(ip_address(family, address), u16::from_be_bytes(port))
    };
    let [low, high] = reply.id.cookie;
    let local = end(reply.id.source, reply.id.source_port);
    let peer = end(reply.id.destination, reply.id.destination_port);
    let mut row = Row {
        interface: reply.id.interface,
        cookie: Cookie(u64::from(high) << 32 | u64::from(low)),
        receive_queue: reply.receive_queue,
        write_queue: reply.write_queue,
        uid: reply.uid,
        inode: Inode(reply.inode.into()),
        ..Row::between(family, reply.state, local, peer)
    };
    for (kind, value) in netlink::attributes(attributes) {
        match kind {
            INET_DIAG_SKV6ONLY => row.v6_only = value.first().map(|flag| *flag != 0),
            INET_DIAG_CGROUP_ID => row.cgroup = u64::read_from_prefix(value).ok().map(|(id, _)| id),
            INET_DIAG_SKMEMINFO => {
                row.receive_buffer = nth_u32(value, SK_MEMINFO_RCVBUF);
                row.drops = nth_u32(value, SK_MEMINFO_DROPS);
            }
            INET_DIAG_MD5SIG => row.signed = !value.is_empty(),
            INET_DIAG_ULP_INFO => row.mptcp = upper_protocol(value) == Some(b"mptcp"),
            _ => {}
        }
    }
    Some(row)
}

/// The name of the protocol that uses a TCP socket for itself, in the attributes of `INET_DIAG_ULP_INFO`.
fn upper_protocol(attributes: &[u8]) -> Option<&[u8]> {
    let name = netlink::attribute(attributes, INET_ULP_INFO_NAME)?;
    name.split(|byte| *byte == 0).next()
}

fn nth_u32(bytes: &[u8], index: usize) -> Option<u32> {
    netlink::u32_at(index * 4, bytes)
}

fn address_bytes(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V6(address) => address.octets(),
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        }
    }
}

fn ip_address(family: Family, bytes: [u8; 16]) -> IpAddr {
    match family {
        Family::Ipv6 => Ipv6Addr::from(bytes).into(),
        Family::Ipv4 => {
            let [a, b, c, d, ..] = bytes;
            Ipv4Addr::new(a, b, c, d).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The answer for a dual-stack listener on `[::]:8080`, field by field.
    fn listener() -> Vec<u8> {
        let mut bytes = vec![AF_INET6, state::LISTEN, 0, 0];
        bytes.extend(8080u16.to_be_bytes());
        bytes.extend([0; 2]); // no peer
        bytes.extend([0; 32]); // both addresses
        bytes.extend(3u32.to_ne_bytes()); // bound to device 3
        bytes.extend(0x11u32.to_ne_bytes()); // cookie, low half first
        bytes.extend(0x22u32.to_ne_bytes());
        bytes.extend(0u32.to_ne_bytes()); // expires
        bytes.extend(129u32.to_ne_bytes()); // accept queue
        bytes.extend(128u32.to_ne_bytes()); // its limit
        bytes.extend(1000u32.to_ne_bytes()); // uid
        bytes.extend(4711u32.to_ne_bytes()); // inode
        netlink::push_attribute(&mut bytes, INET_DIAG_SKV6ONLY, &[0]);
        netlink::push_attribute(&mut bytes, INET_DIAG_CGROUP_ID, &77u64.to_ne_bytes());
        let memory: Vec<u8> = (0..9u32).flat_map(u32::to_ne_bytes).collect();
        netlink::push_attribute(&mut bytes, INET_DIAG_SKMEMINFO, &memory);
        netlink::push_attribute(&mut bytes, INET_DIAG_MD5SIG, &[0; 100]);
        let mut upper = Vec::new();
        netlink::push_attribute(&mut upper, INET_ULP_INFO_NAME, b"mptcp\0");
        netlink::push_attribute(&mut bytes, INET_DIAG_ULP_INFO, &upper);
        bytes
    }

    #[test]
    fn the_structures_have_the_sizes_of_the_kernel_header() {
        assert_eq!((size_of::<SocketId>(), size_of::<Request>(), size_of::<Reply>()), (48, 56, 72));
        assert_eq!(size_of::<TcpRequest>(), 60);
    }

    #[test]
    fn a_listener_is_read_field_by_field() {
        assert_eq!(
            row(&listener()),
            Some(Row {
                family: Family::Ipv6,
                state: state::LISTEN,
                local: "[::]:8080".parse().unwrap(),
                peer: "[::]:0".parse().unwrap(),
                interface: 3,
                cookie: Cookie(0x22_0000_0011),
                receive_queue: 129,
                write_queue: 128,
                uid: 1000,
                inode: Inode(4711),
                v6_only: Some(false),
                cgroup: Some(77),
                receive_buffer: Some(1),
                drops: Some(8),
                mptcp: true,
                signed: true,
            })
        );
    }

    #[test]
    fn an_older_kernel_that_sends_no_attributes_leaves_them_unknown() {
        let row = row(&listener()[..72]).unwrap();
        assert_eq!((row.v6_only, row.cgroup, row.drops), (None, None, None));
        assert_eq!(super::row(&listener()[..71]), None, "cut short");
    }

    #[test]
    fn lookups_put_the_packet_the_way_round_that_each_transport_wants() {
        let (local, remote) = ("10.0.0.1:80".parse().unwrap(), "10.0.0.2:4000".parse().unwrap());
        let ports = |transport| lookup(transport, local, remote, 0, 1)[24..28].to_vec();
        assert_eq!(ports(Transport::Tcp), [0, 80, 15, 160]);
        assert_eq!(ports(Transport::Udp), [15, 160, 0, 80]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_row_or_nothing(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let read = row(&bytes);
            prop_assert!(read.is_none() || bytes.len() >= 72);
        }
    }
}
