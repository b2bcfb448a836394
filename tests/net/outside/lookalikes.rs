//! Ends that look like another one: beside something that could have ended the probe, and did not.

use super::checkpoints::{assert_ended, words};
use super::{can_inject, ip, with_neighbour};
use crate::bpf::{self, Kind, NATIVE};
use crate::cgroups::{Cgroups, did_not_run};
use crate::deaf::{demand_hops, drop_everything};
use crate::holder::{Holder, holder};
use crate::sockets::tcp;
use crate::truth::views;
use crate::world::LAN_INDEX;
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
use socket2::Socket;

/// The listener of another process.
fn shared(holder: &Holder) -> Socket {
    let pid = Pid::from_raw(holder.pid().cast_signed()).unwrap();
    let process = pidfd_open(pid, PidfdFlags::empty()).unwrap();
    let sockets = (3..64).filter_map(|fd| pidfd_getfd(&process, fd, PidfdGetfdFlags::empty()).ok());
    let mut sockets = sockets.map(Socket::from);
    sockets.find(|socket| socket.is_listener().unwrap_or(false)).expect("it listens")
}

/// A program of the listener's cgroup lets everything pass, and the socket does not: the name of the one is no name for
/// the other.
#[test]
#[ignore = "needs root, a network namespace and a cgroup: scripts/test"]
fn a_program_of_the_cgroup_that_lets_pass() {
    let Some(cgroups) = Cgroups::new().filter(|_| can_inject()) else { return };
    let (world, _there) = with_neighbour();
    let here = cgroups.at("open.service");
    // A socket is of the cgroup in which it was made.
    let holders = ["0.0.0.0:23", "0.0.0.0:24", "0.0.0.0:25"]
        .map(|at| holder().within(&here).holding(tcp(at)).start());
    drop_everything(&shared(&holders[0]));
    demand_hops(&shared(&holders[1]), 255);
    let passes = bpf::always(1);
    let Ok(_passes) = bpf::attach_to_cgroup(Kind::CgroupIngress, here.path(), &passes) else {
        return did_not_run("the kernel attaches no program to a cgroup");
    };
    let report = world.json("check 23-25 --from lan --proto tcp -4");
    assert_ended(
        &report,
        "23/tcp  filtered   proved  input  cgroup  SOCKET_FILTER
         24/tcp  filtered   proved  input  socket  TCP_MINTTL
         25/tcp  reachable  proved  -      -       -",
    );
    assert!(words(&report, 23).ends_with("), or a filter of the socket"), "{report:#}");
    assert!(words(&report, 24).contains("(the kernel says TCP_MINTTL in "), "{report:#}");
}

/// The kernel throws away what its tunnels cannot read: that is no filter.
#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn a_tunnel_that_takes_no_datagram_of_ours() {
    if !can_inject() {
        return;
    }
    let (world, _there) = with_neighbour();
    ip("link add vx0 type vxlan id 5 dstport 4789\nlink set vx0 up");
    let report = world.json("check 4789 --from lan --proto udp -4");
    let (_, view) = views(&report).next().unwrap();
    assert_eq!(view["verdict"], "reachable", "{report:#}");
}

/// A program at the port of a bridge sees what comes for the bridge's address, and none of what is injected at the
/// bridge.
#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn a_program_below_a_bridge() {
    if !can_inject() {
        return;
    }
    let (world, _there) = with_neighbour();
    let world = world.listens(tcp("0.0.0.0:21")).listens(tcp("0.0.0.0:22"));
    ip("addr flush dev lan0\nlink add br0 type bridge\nlink set lan0 master br0\n\
        addr add 10.77.0.2/24 dev br0\nlink set br0 up");
    let check = || world.json("check 21,22 --from lan --proto tcp -4");
    let open = "21/tcp reachable proved - - -\n22/tcp reachable proved - - -";
    assert_ended(&check(), open);
    let program = bpf::for_port(Kind::Xdp, 14 + 20 + 2, 21, 1, 2);
    let Ok(_program) = bpf::attach(Kind::Xdp, LAN_INDEX, NATIVE, &program) else {
        return did_not_run("the kernel attaches no such program");
    };
    let report = check();
    assert_ended(&report, "21/tcp inconclusive likely - - -\n22/tcp inconclusive likely - - -");
    let what = report["incomplete"].as_array().unwrap().iter().map(|it| it["what"].clone());
    assert!(what.collect::<Vec<_>>().contains(&"what XDP stops below br0".into()), "{report:#}");
}

/// A rule may turn the trace off: what drops behind it is a rule still.
#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn a_rule_that_is_not_traced() {
    if !can_inject() {
        return;
    }
    let (world, _there) = with_neighbour();
    let world = world.listens(tcp("0.0.0.0:21")).nft(
        "table inet fw {
            chain pre { type filter hook prerouting priority -150; meta nftrace set 0; }
            chain input { type filter hook input priority 10; tcp dport 21 drop; }
        }",
    );
    let report = world.json("check 21 --from lan --proto tcp -4");
    assert_ended(&report, "21/tcp filtered proved - unknown NETFILTER_DROP");
    assert!(
        words(&report, 21).starts_with("a rule of nf_tables that was not traced"),
        "{report:#}"
    );
}
