//! What a program outside reaches, and what it does not.

use super::super::safety::{has_begun, has_gone, within};
use super::super::wire::Capture;
use super::super::{can_inject, ip, with_container, with_neighbour};
use super::transfers::{LENGTH, written};
use super::{outside, outside_shell, page, serves_web};
use crate::world::{World, feed};
use rustix::process::Signal;

/// A container is reached as neighbours reach it; what NAT would hand on to another host is held back.
#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn a_published_port_leads_into_its_container_and_to_no_other_host() {
    if !can_inject() {
        return;
    }
    let (world, there) = with_neighbour();
    let (container, servers) = with_container();
    // Of several networks, that of the default route is where a neighbour is.
    ip("route add default via 10.77.0.9");
    let web = container.does(|| serves_web(World::of_this_thread(), "[::]:8000"));
    let _elsewhere = there.does(|| serves_web(World::of_this_thread(), "[::]:8000"));
    there.ip("route add 203.0.113.0/24 via 10.77.0.2");
    let world = world.nft(
        "table ip nat {
            chain incoming {
                type nat hook prerouting priority dstnat;
                tcp dport 8080 dnat to 172.17.0.2:8000
                tcp dport 8081 dnat to 10.77.0.9:8000
            }
        }",
    );
    let wire = Capture::of(&there);
    let url = |port| format!("http://10.77.0.2:{port}/{LENGTH}");
    assert!(written(&world, "", &["curl", "-sS", &url(8080)]) == page(LENGTH));
    drop(outside(&world, "", &["curl", "-sS", "-m", "2", &url(8081)]).run().exits(28));
    // In the midst of it, when all ends at once.
    let mut running =
        outside(&world, "", &["curl", "-sS", "--limit-rate", "1M", &url(8080)]).start();
    has_begun(&mut running);
    let open =
        || container.does(|| feed("ss", &["-Htn", "state", "established", "sport = :8000"], ""));
    assert!(within(20, || open().contains("10.77.0.254")), "no connection with the container");
    running.signal(Signal::KILL);
    drop(running.end());
    has_gone("after a kill");
    assert_eq!(open(), "", "connections of the container");
    wire.assert_silent();
    drop((web, servers));
}

/// Only addresses of this host are reached.
#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn what_goes_to_other_hosts_is_refused_and_told() {
    if !can_inject() {
        return;
    }
    let (world, there) = with_neighbour();
    ip("route add default via 10.77.0.9\nroute add default via fd77::9 dev lan0");
    std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap();
    let wire = Capture::of(&there);
    for (host, named) in [("192.0.2.1", "192.0.2.1"), ("[2001:db8::1]", "2001:db8::1")] {
        let command = ["curl", "-gsS", "-m", "10", &format!("http://{host}/")];
        let run = outside(&world, "", &command).run().exits(7);
        let last = run.stderr.lines().last().unwrap();
        assert!(last.starts_with("note: refused 1 packet to ") && last.contains(named), "{run:#?}");
        let quiet = outside(&world, "-q", &command).run().exits(7);
        assert!(!quiet.stderr.contains("note"), "{quiet:#?}");
    }
    // The real neighbour is another host too, and so is what everybody hears.
    let datagrams = "python3 -c 'import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
for host in \"10.77.0.9\", \"224.0.0.251\", \"10.77.0.255\":
    s.sendto(b\"x\", (host, 9))'";
    let run = outside_shell(&world, datagrams).run().exits(0);
    assert!(run.stderr.contains("refused 2 packets to 10.77.0.9, 10.77.0.255"), "{run:#?}");
    wire.assert_silent();
}

/// A device with nothing but an address of its link is not where neighbours are.
#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn a_program_stands_where_the_network_is() {
    if !can_inject() {
        return;
    }
    let (world, _there) = with_neighbour();
    ip("link add under0 index 3 type veth peer name under1 index 4");
    ip("link set under1 up\nlink set under0 up\naddress add fe80::3/64 dev under0 nodad");
    let run = outside(&world, "-v", &["true"]).run().exits(0);
    assert!(run.stderr.contains("its packets come by lan0"), "{run:?}");
}
