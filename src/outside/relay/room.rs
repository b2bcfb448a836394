//! The network namespace of a program outside: a device that leads to us, with its addresses, and nothing else.

use super::super::ask::{change, dump};
use super::super::stand::Stand;
use super::Failure;
use crate::model::Family;
use crate::sys::{self, NetlinkSocket, Protocol, Tun};
use crate::wire::netlink::AnswerError;
use crate::wire::setup::{self, Size};
use crate::wire::sock_diag::{self, Keep, state};
use std::net::IpAddr;

/// The index of `lo`, in every namespace.
const LOOPBACK: u32 = 1;
/// How many packets may wait for us.
const QUEUE: u32 = 4000;

/// The program's end of everything.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) tun: Tun,
    pub(super) sockets: Sockets,
}

/// The sockets in the room, of whatever program.
#[derive(Debug)]
pub(super) struct Sockets(NetlinkSocket);

impl Room {
    /// Furnishes the network namespace of this thread, which is new.
    pub(super) fn furnish(stand: &Stand, mtu: u32) -> Result<Self, Failure> {
        // Without the label of an address (`eth0:1`).
        let name = stand.interface.name.split(':').next().unwrap_or_default();
        let tun = Tun::create(name).map_err(Failure::Device)?;
        still(name);
        let open = |protocol| NetlinkSocket::open(protocol).map_err(AnswerError::Socket);
        let mut netlink = open(Protocol::Route)?;
        let mut ask = |request: &dyn Fn(u32) -> Vec<u8>| change(&mut netlink, request);
        ask(&|seq| setup::bring_up(LOOPBACK, None, seq))?;
        ask(&|seq| setup::bring_up(tun.index, Some(Size { mtu, queue: QUEUE }), seq))?;
        for address in stand.addresses() {
            ask(&|seq| setup::address(tun.index, address, prefix(address), seq))?;
        }
        for family in [Family::Ipv4, Family::Ipv6] {
            if stand.addresses().any(|address| Family::of(address) == family) {
                ask(&|seq| setup::everything_at(tun.index, family, seq))?;
            }
        }
        Ok(Self { tun, sockets: Sockets(open(Protocol::SockDiag)?) })
    }
}

impl Sockets {
    /// Whether a connection that its program has closed has something to send.
    pub(super) fn have_to_send(&mut self) -> bool {
        let states = [state::FIN_WAIT1, state::LAST_ACK, state::CLOSING];
        let states = states.into_iter().map(state::bit).sum();
        let mut has = false;
        let request = |seq| sock_diag::dump_tcp(states, Keep::All, seq);
        // What cannot be asked has nothing to wait for.
        let asked = dump(&mut self.0, request, |_| has = true);
        asked.is_ok() && has
    }
}

/// How many bits of an address are those of its network, which has nobody else; link-local addresses are found in one.
fn prefix(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(address) if address.is_unicast_link_local() => 64,
        IpAddr::V6(_) => 128,
    }
}

/// Keeps the kernel from using the device by itself, and lets every user ping. Where a setting is missing or may not be
/// set, the program works all the same.
fn still(device: &str) {
    let of_device = |setting: &str| format!("ipv6/conf/{device}/{setting}");
    for (setting, value) in [
        (of_device("disable_ipv6"), "0"),
        // No address of its own making.
        (of_device("addr_gen_mode"), "1"),
        (of_device("accept_ra"), "0"),
        (of_device("router_solicitations"), "0"),
        ("ipv4/ping_group_range".to_owned(), "0 2147483647"),
    ] {
        let _works_without = sys::set_network(&setting, value).is_err();
    }
}
