//! The sockets as the library `netstat2` lists them: the portable source, and a second opinion on the kernel's
//! tables. It cannot see sockets that are bound and not listening, `IPV6_V6ONLY`, devices and queues, and it
//! lists UDP sockets with a peer among the others.

use super::Source;
use crate::model::{
    Cookie, Family, Gap, Held, Hides, Inode, Inventory, Nat, Port, Seen, Socket, SocketState,
    Transport,
};
use netstat2::{AddressFamilyFlags, ProtocolFlags, ProtocolSocketInfo, SocketInfo, TcpState};
use std::collections::BTreeSet;
use std::net::IpAddr;

const NOT_SHOWN: &str = "netstat2 does not show it";

/// The source.
#[derive(Debug, Default)]
pub struct Netstat;

impl Source for Netstat {
    fn read(&mut self) -> Inventory {
        let families = AddressFamilyFlags::IPV4 | AddressFamilyFlags::IPV6;
        let listed = netstat2::iterate_sockets_info_without_pids(
            families,
            ProtocolFlags::TCP | ProtocolFlags::UDP,
        )
        .and_then(Iterator::collect::<Result<Vec<SocketInfo>, _>>);
        match listed {
            Ok(listed) => Inventory {
                sockets: listed.iter().filter_map(socket).collect(),
                ..Inventory::default()
            },
            Err(error) => {
                let gap = Gap {
                    what: "sockets as netstat2 lists them".to_owned(),
                    reason: error.to_string(),
                    need: None,
                    hides: Hides::Sockets,
                };
                Inventory { gaps: vec![gap], ..Inventory::default() }
            }
        }
    }
}

fn socket(info: &SocketInfo) -> Option<Socket> {
    let (transport, state) = match &info.protocol_socket_info {
        ProtocolSocketInfo::Tcp(tcp) if tcp.state == TcpState::Listen => {
            (Transport::Tcp, SocketState::Listen)
        }
        ProtocolSocketInfo::Tcp(_) => return None,
        ProtocolSocketInfo::Udp(_) => (Transport::Udp, SocketState::Unconnected),
    };
    let address = info.local_addr();
    let family = Family::of(address);
    Some(Socket {
        transport,
        family,
        address,
        port: Port::new(info.local_port())?,
        interface: Seen::Skipped(NOT_SHOWN),
        v6_only: match family {
            Family::Ipv4 => Seen::Absent,
            Family::Ipv6 => Seen::Skipped(NOT_SHOWN),
        },
        state,
        peer: None,
        mptcp: false,
        signed: false,
        cookie: Cookie(0),
        queue: Seen::Skipped(NOT_SHOWN),
        service: None,
        nat: Nat::default(),
        held: Held::new(Inode(info.inode.into()), Seen::Known(info.uid)),
    })
}

/// How two inventories of the same moment differ.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Disagreement {
    /// How many serving sockets were compared.
    pub compared: usize,
    /// Listeners that only `netstat2` lists.
    pub missing: Vec<String>,
    /// Sockets that `netstat2` should list and does not.
    pub extra: Vec<String>,
}

type Key = (Transport, IpAddr, Port);

/// Holds an inventory against `netstat2`, as far as that can see: TCP and UDP. A socket that came or went in between
/// shows as a disagreement.
///
/// # Errors
/// When `netstat2` could not list the sockets; the text says why.
pub fn second_opinion(inventory: &Inventory) -> Result<Disagreement, String> {
    let theirs = Netstat.read();
    if let Some(gap) = theirs.gaps.first() {
        return Err(gap.reason.clone());
    }
    let key = |socket: &Socket| -> Key { (socket.transport, socket.address, socket.port) };
    let may_be_listed =
        |socket: &&Socket| socket.state.serves() && socket.transport != Transport::Sctp;
    let compared: Vec<Key> = inventory.sockets.iter().filter(may_be_listed).map(key).collect();
    let ours: BTreeSet<Key> = compared.iter().copied().collect();
    let all: BTreeSet<Key> = theirs.sockets.iter().map(key).collect();
    let text = |key: &&Key| format!("{} {}:{}", key.0, key.1, key.2);
    Ok(Disagreement {
        compared: compared.len(),
        missing: all
            .difference(&ours)
            .filter(|key| key.0 == Transport::Tcp)
            .map(|key| text(&key))
            .collect(),
        extra: ours.difference(&all).map(|key| text(&key)).collect(),
    })
}
