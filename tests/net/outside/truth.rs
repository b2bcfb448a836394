//! Each kind of rule and of socket, as a real neighbour finds it.

use super::told::{assert_neighbour_agrees, assert_told};
use super::{can_inject, ip, with_neighbour};
use crate::host::Host;
use crate::sockets::{tcp, udp};
use crate::world::World;

/// A server for both families at each of these ports.
fn serving(world: World, ports: impl IntoIterator<Item = u16>) -> World {
    ports.into_iter().fold(world, |world, port| world.listens(tcp(&format!("[::]:{port}")).dual()))
}

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn drops_rejects_and_interfaces_are_told_as_a_neighbour_finds_them() {
    if !can_inject() {
        return;
    }
    let (world, there) = with_neighbour();
    let world = serving(world, (21..=32).chain([40])).nft(
        "table inet fw {
            chain input {
                type filter hook input priority 0; policy drop;
                iifname lo accept comment \"lo\"
                ct state established,related accept comment \"established\"
                meta l4proto { icmp, ipv6-icmp } accept comment \"icmp\"
                iifname lan0 tcp dport { 21, 41 } accept comment \"by_interface\"
                iifname lan1 tcp dport 22 accept comment \"other_interface\"
                tcp dport { 23, 43 } drop comment \"drop\"
                tcp dport { 24, 44 } reject with tcp reset comment \"reset\"
                tcp dport { 25, 45 } reject with icmpx type port-unreachable comment \"port\"
                tcp dport { 26, 46 } reject with icmpx type admin-prohibited comment \"admin\"
                tcp dport { 27, 47 } reject with icmpx type host-unreachable comment \"host\"
                tcp dport 28 reject with icmpx type no-route comment \"net\"
                ip saddr 10.77.0.0/24 tcp dport 29 accept comment \"by_source\"
                ip saddr 10.78.0.0/24 tcp dport 30 accept comment \"other_source\"
                tcp dport { 31, 32 } accept comment \"answered\"
                tcp dport 40 counter accept comment \"counted\"
                tcp dport 33 jump asked comment \"jump\"
            }
            chain asked { tcp dport 33 return comment \"back\"; }
            chain output {
                type filter hook output priority 0; policy accept;
                oifname lan0 tcp sport 31 drop comment \"out\"
            }
        }",
    );
    let report = world.json("check 21-33,40,41,43-47,50 --from lan --proto tcp");
    assert_told(
        &report,
        "PORT    TARGETS    STATE     REASON            VERDICT    HOW            RULE
         21/tcp  lan        open      syn-ack           reachable  -              by_interface
         22/tcp  lan        filtered  no-response       filtered   dropped        policy:input
         23/tcp  lan        filtered  no-response       filtered   dropped        drop
         24/tcp  lan        closed    reset             filtered   reset          reset
         25/tcp  lan        filtered  port-unreach      filtered   rejected       port
         26/tcp  lan        filtered  admin-prohibited  filtered   rejected       admin
         27/tcp  lan        filtered  host-unreach      filtered   rejected       host
         28/tcp  lan        filtered  net-unreach       filtered   rejected       net
         29/tcp  lan4       open      syn-ack           reachable  -              by_source
         29/tcp  lan6,link  filtered  no-response       filtered   dropped        policy:input
         30/tcp  lan        filtered  no-response       filtered   dropped        policy:input
         31/tcp  lan        filtered  no-response       filtered   reply-dropped  out
         32/tcp  lan        open      syn-ack           reachable  -              answered
         33/tcp  lan        filtered  no-response       shielded   dropped        policy:input
         40/tcp  lan        open      syn-ack           reachable  -              counted
         41/tcp  lan        closed    reset             closed     -              by_interface
         43/tcp  lan        filtered  no-response       shielded   dropped        drop
         44/tcp  lan        closed    reset             shielded   reset          reset
         45/tcp  lan        filtered  port-unreach      shielded   rejected       port
         46/tcp  lan        filtered  admin-prohibited  shielded   rejected       admin
         47/tcp  lan        filtered  host-unreach      shielded   rejected       host
         50/tcp  lan        filtered  no-response       shielded   dropped        policy:input",
    );
    assert_neighbour_agrees(&report, &there);
}

/// Each ICMP error of its own family.
#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn each_icmp_error_is_the_one_that_a_neighbour_gets() {
    if !can_inject() {
        return;
    }
    let (world, there) = with_neighbour();
    let world = serving(world, 21..=31).nft(
        "table inet fw {
            chain input {
                type filter hook input priority 0; policy accept;
                meta nfproto ipv4 tcp dport 21 reject with icmp type net-unreachable comment \"net\"
                meta nfproto ipv4 tcp dport 22 reject with icmp type host-unreachable comment \"host\"
                meta nfproto ipv4 tcp dport 23 reject with icmp type prot-unreachable comment \"protocol\"
                meta nfproto ipv4 tcp dport 24 reject with icmp type port-unreachable comment \"port\"
                meta nfproto ipv4 tcp dport 25 reject with icmp type net-prohibited comment \"no_net\"
                meta nfproto ipv4 tcp dport 26 reject with icmp type host-prohibited comment \"no_host\"
                meta nfproto ipv4 tcp dport 27 reject with icmp type admin-prohibited comment \"admin\"
                meta nfproto ipv6 tcp dport 28 reject with icmpv6 type no-route comment \"no_route\"
                meta nfproto ipv6 tcp dport 29 reject with icmpv6 type admin-prohibited comment \"admin6\"
                meta nfproto ipv6 tcp dport 30 reject with icmpv6 type addr-unreachable comment \"address\"
                meta nfproto ipv6 tcp dport 31 reject with icmpv6 type port-unreachable comment \"port6\"
            }
        }",
    );
    let report = world.json("check 21-31 --from lan --proto tcp");
    assert_told(
        &report,
        "21/tcp  lan4       filtered  net-unreach       filtered   rejected  net
         22/tcp  lan4       filtered  host-unreach      filtered   rejected  host
         23/tcp  lan4       filtered  proto-unreach     filtered   rejected  protocol
         24/tcp  lan4       filtered  port-unreach      filtered   rejected  port
         25/tcp  lan4       filtered  net-prohibited    filtered   rejected  no_net
         26/tcp  lan4       filtered  host-prohibited   filtered   rejected  no_host
         27/tcp  lan4       filtered  admin-prohibited  filtered   rejected  admin
         28/tcp  lan6,link  filtered  net-unreach       filtered   rejected  no_route
         29/tcp  lan6,link  filtered  admin-prohibited  filtered   rejected  admin6
         30/tcp  lan6,link  filtered  host-unreach      filtered   rejected  address
         31/tcp  lan6,link  filtered  port-unreach      filtered   rejected  port6
         28/tcp  lan4       open      syn-ack           reachable  -         policy:input
         29/tcp  lan4       open      syn-ack           reachable  -         policy:input
         30/tcp  lan4       open      syn-ack           reachable  -         policy:input
         31/tcp  lan4       open      syn-ack           reachable  -         policy:input
         21/tcp  lan6,link  open      syn-ack           reachable  -         policy:input
         22/tcp  lan6,link  open      syn-ack           reachable  -         policy:input
         23/tcp  lan6,link  open      syn-ack           reachable  -         policy:input
         24/tcp  lan6,link  open      syn-ack           reachable  -         policy:input
         25/tcp  lan6,link  open      syn-ack           reachable  -         policy:input
         26/tcp  lan6,link  open      syn-ack           reachable  -         policy:input
         27/tcp  lan6,link  open      syn-ack           reachable  -         policy:input",
    );
    assert_neighbour_agrees(&report, &there);
}

/// What a socket does with a probe that every rule lets pass.
#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn sockets_are_told_as_a_neighbour_finds_them() {
    if !can_inject() {
        return;
    }
    let (world, there) = with_neighbour();
    let world = serving(world, [21])
        .listens(tcp("127.0.0.1:22"))
        .listens(tcp("10.77.0.2:23"))
        .listens(tcp("[fe80::77%lan0]:24"))
        .overloaded(tcp("0.0.0.0:25"))
        .listens(tcp("0.0.0.0:26").on("lo"))
        .listens(tcp("0.0.0.0:27").on("lan0"))
        .holds(tcp("0.0.0.0:28"))
        .listens(tcp("0.0.0.0:29").deferred());
    let report = world.json("check 21-30 --from lan --proto tcp");
    assert_told(
        &report,
        "21/tcp  lan        open      syn-ack      reachable   -  -
         22/tcp  lan        closed    reset        local-only  -  -
         23/tcp  lan4       open      syn-ack      reachable   -  -
         23/tcp  lan6,link  closed    reset        *           -  -
         24/tcp  link       open      syn-ack      reachable   -  -
         24/tcp  lan4,lan6  closed    reset        *           -  -
         25/tcp  lan4       filtered  no-response  overloaded  -  -
         25/tcp  lan6,link  closed    reset        *           -  -
         26/tcp  lan        closed    reset        local-only  -  -
         27/tcp  lan4       open      syn-ack      reachable   -  -
         27/tcp  lan6,link  closed    reset        *           -  -
         28/tcp  lan        closed    reset        closed      -  -
         29/tcp  lan4       open      syn-ack      reachable   -  -
         29/tcp  lan6,link  closed    reset        *           -  -
         30/tcp  lan        closed    reset        closed      -  -",
    );
    assert_neighbour_agrees(&report, &there);
}

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn datagrams_are_told_as_a_neighbour_finds_them() {
    if !can_inject() {
        return;
    }
    let (world, there) = with_neighbour();
    let world = world
        .echoes(udp("[::]:21").dual())
        .swallows(udp("[::]:22").dual())
        .holds(udp("[::]:23").dual())
        .stuffed(udp("0.0.0.0:24"))
        .holds(udp("127.0.0.1:25"))
        .echoes(udp("0.0.0.0:26"))
        .echoes(udp("0.0.0.0:27"))
        .echoes(udp("0.0.0.0:28"))
        .nft(
            "table inet fw {
                chain input {
                    type filter hook input priority 0; policy accept;
                    udp dport { 26, 36 } drop comment \"drop\"
                    meta nfproto ipv4 udp dport { 27, 37 } reject with icmp type admin-prohibited comment \"admin\"
                }
                chain output {
                    type filter hook output priority 0; policy accept;
                    udp sport 28 drop comment \"out\"
                }
            }",
        );
    let report = world.json("check 21-28/udp,36/udp,37/udp,40/udp --from lan --proto udp -4");
    assert_told(
        &report,
        "21/udp  lan4  open           udp-response      reachable   -         policy:input
         22/udp  lan4  open           no-response       reachable   -         policy:input
         23/udp  lan4  open           no-response       reachable   -         policy:input
         24/udp  lan4  open|filtered  no-response       overloaded  -         policy:input
         25/udp  lan4  closed         port-unreach      local-only  -         policy:input
         26/udp  lan4  filtered       no-response       filtered    dropped   drop
         27/udp  lan4  filtered       admin-prohibited  filtered    rejected  admin
         28/udp  lan4  filtered       no-response       filtered    reply-dropped  out
         36/udp  lan4  filtered       no-response       shielded    dropped   drop
         37/udp  lan4  filtered       admin-prohibited  shielded    rejected  admin
         40/udp  lan4  closed         port-unreach      closed      -         policy:input",
    );
    assert_neighbour_agrees(&report, &there);
    let report = world.json("check 21-23/udp,26/udp,40/udp --from lan --proto udp -6");
    assert_told(
        &report,
        "21/udp  lan6,link  open      udp-response  reachable  -        policy:input
         22/udp  lan6,link  open      no-response   reachable  -        policy:input
         23/udp  lan6,link  open      no-response   reachable  -        policy:input
         26/udp  lan6,link  filtered  no-response   *          *        drop
         40/udp  lan6,link  closed    port-unreach  closed     -        policy:input",
    );
    assert_neighbour_agrees(&report, &there);
}

/// A host behind this one, as a container is, and ports that lead elsewhere.
#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn forwarded_ports_are_told_as_a_neighbour_finds_them() {
    if !can_inject() {
        return;
    }
    let (world, there) = with_neighbour();
    ip("link add br0 type veth peer name eth0");
    let container = Host::new();
    container.takes("eth0", &["172.31.0.2/24"]);
    crate::world::bring_up("br0", &["172.31.0.1/24"]);
    container.ip("route add default via 172.31.0.1");
    std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap();
    let _servers =
        container.does(|| [tcp("0.0.0.0:80").listening(16), tcp("0.0.0.0:82").listening(16)]);
    let world = serving(world, [22]).nft(
        "table ip nat {
            chain incoming {
                type nat hook prerouting priority dstnat;
                tcp dport 8081 dnat to 172.31.0.2:80 comment \"to_80\"
                tcp dport 8082 dnat to 172.31.0.2:81 comment \"to_81\"
                tcp dport 8083 dnat to 172.31.0.2:82 comment \"to_82\"
                tcp dport 8084 redirect to :22 comment \"to_22\"
                tcp dport 8085 redirect to :23 comment \"to_23\"
            }
        }
        table inet fw {
            chain forward {
                type filter hook forward priority 0; policy drop;
                ct state established,related accept comment \"established\"
                oifname br0 tcp dport { 80, 81 } accept comment \"through\"
            }
        }",
    );
    let report = world.json("check 8081-8086 --from lan --proto tcp -4");
    assert_told(
        &report,
        "8081/tcp  lan4  open      syn-ack      forwarded  -        to_80
         8082/tcp  lan4  closed    reset        forwarded  -        to_81
         8083/tcp  lan4  filtered  no-response  shielded   dropped  policy:forward
         8084/tcp  lan4  open      syn-ack      forwarded  -        to_22
         8085/tcp  lan4  closed    reset        forwarded  -        to_23
         8086/tcp  lan4  closed    reset        closed     -        *",
    );
    assert_neighbour_agrees(&report, &there);
}
