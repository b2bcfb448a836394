//! What no rule of `nf_tables` stops: programs, filters, the kernel itself, and the rules of `iptables-legacy`.

use super::{Accepts, assert_told, evidence, text};
use crate::bpf::{self, GENERIC, Kind};
use crate::cgroups::{Cgroups, did_not_run};
use crate::holder::holder;
use crate::outside::{can_inject, ip, with_neighbour};
use crate::sockets::tcp;
use crate::world::{LAN_INDEX, World, feed};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// What root is told of a port from the network; an ordinary user is told what is missing.
#[track_caller]
fn from_lan(world: &World, arguments: &str, expected: &str) -> Value {
    assert_told(world, &format!("{arguments} --from lan"), expected, "nothing")
}

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn a_program_at_the_device() {
    if !can_inject() {
        return;
    }
    let (world, _there) = with_neighbour();
    let world = world.accepts(tcp("[::]:27701").dual()).accepts(tcp("[::]:27702").dual());
    let program = bpf::for_port(Kind::Xdp, 14 + 20 + 2, 27701, 1, 2);
    let _program = match bpf::attach(Kind::Xdp, LAN_INDEX, GENERIC, &program) {
        Ok(program) => program,
        Err(error) => return did_not_run(&format!("no XDP: {error}")),
    };
    let report = from_lan(&world, "10.77.0.2:27701", "T01 proved");
    assert!(text(&report).contains("an XDP program on lan0 (test_drop, program "), "{report:#}");
    assert_eq!(evidence(&report, "checkpoint"), "xdp, at or behind ingress");
    assert_eq!(report["diagnosis"]["next"][0], "ip -details link");
    from_lan(&world, "10.77.0.2:27702", "works");
}

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn the_check_of_the_way_back() {
    if !can_inject() {
        return;
    }
    let (world, _there) = with_neighbour();
    let world = world.accepts(tcp("[::]:27703").dual());
    ip("route add default via 10.77.0.9 dev lan0\nlink add other0 type veth peer name other1\n\
        addr add 10.78.0.2/24 dev other0\nlink set other0 up\nlink set other1 up\n\
        route add 198.51.100.0/24 via 10.78.0.9 dev other0");
    let from = |source: &str, expected| {
        assert_told(&world, &format!("10.77.0.2:27703 --from {source}"), expected, "nothing")
    };
    fs::write("/proc/sys/net/ipv4/conf/lan0/rp_filter", "1").unwrap();
    let report = from("198.51.100.7", "T01 proved");
    assert!(text(&report).contains("the reverse path filter (rp_filter=1 on lan0)"), "{report:#}");
    from("203.0.113.9", "works");
}

#[test]
#[ignore = "needs root, a network namespace and a cgroup: scripts/test"]
fn a_program_of_the_units_cgroup() {
    let Some(cgroups) = Cgroups::new().filter(|_| can_inject()) else { return };
    let (world, _there) = with_neighbour();
    let (denied, plain) = (cgroups.at("denied.service"), cgroups.at("plain"));
    let _first = holder().within(&denied).holding(tcp("0.0.0.0:27704")).start();
    let _second = holder().within(&plain).holding(tcp("0.0.0.0:27705")).start();
    let attach =
        |cgroup: &Path| bpf::attach_to_cgroup(Kind::CgroupIngress, cgroup, &bpf::always(0));
    let _programs = match [attach(denied.path()), attach(plain.path())] {
        [Ok(first), Ok(second)] => [first, second],
        [Err(error), _] | [_, Err(error)] => return did_not_run(&format!("no program: {error}")),
    };
    let report = from_lan(&world, "10.77.0.2:27704", "T06 proved");
    assert!(text(&report).contains("denied.service (test_drop, program "), "{report:#}");
    let next = "systemctl show -p IPAddressDeny,IPAddressAllow denied.service";
    assert_eq!(report["diagnosis"]["next"][0], next);
    // In no unit it is nothing that systemd has to do with.
    from_lan(&world, "10.77.0.2:27705", "T04 proved");
    // This host itself fares the same.
    let report = assert_told(&world, "127.0.0.1:27704", "T06 proved", "T04 likely");
    assert!(evidence(&report, "kernel").contains("SOCKET_FILTER"), "{report:#}");
}

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn a_rule_of_the_old_tables() {
    if !Path::new("/usr/sbin/iptables-legacy").exists() {
        return did_not_run("there is no iptables-legacy");
    }
    if !can_inject() {
        return;
    }
    let (world, _there) = with_neighbour();
    let world = world.accepts(tcp("0.0.0.0:27706")).accepts(tcp("0.0.0.0:27707"));
    feed("iptables-legacy", &["-A", "INPUT", "-p", "tcp", "--dport", "27706", "-j", "DROP"], "");
    let rule = "ip filter INPUT rule 1: -A INPUT -p tcp -m tcp --dport 27706 -j DROP";
    for target in ["10.77.0.2:27706 --from lan", "127.0.0.1:27706"] {
        let ordinary = if target.contains("--from") { "nothing" } else { "T01 likely" };
        let report = assert_told(&world, target, "T01 proved", ordinary);
        assert_eq!(evidence(&report, "rule"), rule);
        assert_eq!(report["diagnosis"]["next"][0], "sudo iptables-legacy -t filter -S INPUT");
    }
    from_lan(&world, "10.77.0.2:27707", "works");
}
