//! What ends a probe and is no rule: real programs, filters and sockets, each beside a neighbour that fares the same, and
//! beside a near miss that lets it pass.

use super::told::assert_neighbour_agrees;
use super::{can_inject, ip, with_neighbour};
use crate::bpf::{self, Attached, GENERIC, Kind, NATIVE};
use crate::cgroups::{Cgroups, did_not_run};
use crate::deaf::{demand_signatures, demand_signatures_of, drop_everything};
use crate::holder::holder;
use crate::host::Host;
use crate::sockets::{tcp, udp};
use crate::truth::{name, views};
use crate::world::{LAN_INDEX, World, feed};
use serde_json::Value;
use std::fs;
use std::io;

/// Asserts what each view of a check says of its end, but for those at link-local addresses:
///
/// ```text
/// PORT    VERDICT   CERTAINTY  HOOK     CHECKPOINT  REASON
/// 80/tcp  filtered  proved     ingress  xdp         XDP
/// ```
#[track_caller]
pub(super) fn assert_ended(report: &Value, table: &str) {
    let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let mut told: Vec<String> = views(report)
        .filter(|(_, view)| view["vantage"] != "loopback" && view["vantage"] != "self")
        .map(|(item, view)| {
            let end = &view["checkpoint"];
            let words = [&view["verdict"], &view["certainty"], &view["hook"], &end["name"]];
            let words: Vec<String> = words.into_iter().map(word).collect();
            format!("{} {} {}", name(item), words.join(" "), word(&end["reason"]))
        })
        .collect();
    told.dedup();
    let wanted: Vec<String> = table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|line| !line.is_empty())
        .collect();
    assert_eq!(told, wanted, "{report:#}");
}

/// The words for what ended the probe of a port.
pub(super) fn words(report: &Value, port: u16) -> String {
    let mut found = views(report).filter(|(item, _)| item["port"] == port);
    let (_, view) = found.next().expect("a view");
    view["checkpoint"]["text"].as_str().unwrap_or_default().to_owned()
}

/// The usual two hosts, with servers at 21 and 22.
fn serving() -> (World, Host) {
    let (world, there) = with_neighbour();
    let world =
        (21..=22).fold(world, |world, port| world.listens(tcp(&format!("[::]:{port}")).dual()));
    (world, there)
}

/// What was attached; `None`, and it is said, where the kernel has no such place.
fn attached(attached: io::Result<Attached>) -> Option<Attached> {
    attached
        .map_err(|error| did_not_run(&format!("the kernel attaches no such program: {error}")))
        .ok()
}

const CHECK: &str = "check 21,22,51 --from lan --proto tcp -4";
/// Where a frame and a packet of IPv4 have the port that they are for.
const IN_FRAME: i16 = 14 + 20 + 2;
const IN_PACKET: i16 = 20 + 2;

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn a_generic_xdp_program() {
    if !can_inject() {
        return;
    }
    let (world, there) = serving();
    // XDP_DROP and XDP_PASS.
    let program = bpf::for_port(Kind::Xdp, IN_FRAME, 21, 1, 2);
    let Some(program) = attached(bpf::attach(Kind::Xdp, LAN_INDEX, GENERIC, &program)) else {
        return;
    };
    let report = world.json(CHECK);
    assert_ended(
        &report,
        "21/tcp  filtered   proved  ingress  xdp  NOT_SPECIFIED
         22/tcp  reachable  proved  -        -    -
         51/tcp  closed     proved  -        -    -",
    );
    assert!(
        words(&report, 21).starts_with("an XDP program on lan0 (test_drop, program "),
        "{report:#}"
    );
    assert_neighbour_agrees(&report, &there);
    let text = world.portsight("check 21 --from lan --proto tcp -4").exits(0).stdout;
    assert!(text.contains("filtered: dropped by an XDP program on lan0 (test_drop, "), "{text}");
    drop(program);
}

/// It sees frames of the wire, and none that is injected: it is asked about each.
#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn a_native_xdp_program() {
    if !can_inject() {
        return;
    }
    let (world, there) = serving();
    let program = bpf::for_port(Kind::Xdp, IN_FRAME, 21, 1, 2);
    let Some(program) = attached(bpf::attach(Kind::Xdp, LAN_INDEX, NATIVE, &program)) else {
        return;
    };
    let report = world.json(CHECK);
    assert_ended(
        &report,
        "21/tcp  filtered   proved  ingress  xdp  XDP_DROP
         22/tcp  reachable  proved  -        -    -
         51/tcp  closed     proved  -        -    -",
    );
    let driver = "an XDP program in the driver of lan0 (test_drop, program ";
    assert!(words(&report, 21).starts_with(driver), "{report:#}");
    assert_eq!(report["incomplete"].as_array().map(Vec::len), Some(0), "{report:#}");
    assert_neighbour_agrees(&report, &there);
    let run = world.prepare("outside --").arg("true").run().exits(0);
    run.says_in_one_line(&["not seen: what XDP stops at lan0"]);
    drop(program);
    // One that answers or redirects frames itself (XDP_TX): what becomes of them cannot be seen from here.
    let program = bpf::for_port(Kind::Xdp, IN_FRAME, 21, 3, 2);
    let Some(_program) = attached(bpf::attach(Kind::Xdp, LAN_INDEX, NATIVE, &program)) else {
        return;
    };
    assert_ended(
        &world.json(CHECK),
        "21/tcp  inconclusive  likely  -  -  -
         22/tcp  reachable     proved  -  -  -
         51/tcp  closed        proved  -  -  -",
    );
}

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn a_tcx_program() {
    if !can_inject() {
        return;
    }
    let (world, there) = serving();
    // TC_ACT_SHOT and TCX_NEXT.
    let program = bpf::for_port(Kind::Tcx, IN_FRAME, 21, 2, -1);
    let Some(program) = attached(bpf::attach(Kind::Tcx, LAN_INDEX, 0, &program)) else { return };
    let report = world.json(CHECK);
    assert_ended(
        &report,
        "21/tcp  filtered   proved  ingress  tc  TC_INGRESS
         22/tcp  reachable  proved  -        -   -
         51/tcp  closed     proved  -        -   -",
    );
    assert!(words(&report, 21).contains("(tcx: test_drop, program "), "{report:#}");
    assert_neighbour_agrees(&report, &there);
    drop(program);
}

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn a_filter_of_traffic_control() {
    if !can_inject() {
        return;
    }
    let (world, there) = serving();
    feed("tc", &["qdisc", "add", "dev", "lan0", "clsact"], "");
    // Classic BPF: ldh [36]; jeq 21; drop; else go on.
    let code = "4,40 0 0 36,21 0 1 21,6 0 0 2,6 0 0 4294967295";
    let arguments = ["filter", "add", "dev", "lan0", "ingress", "bpf", "bytecode", code, "da"];
    feed("tc", &arguments, "");
    let report = world.json(CHECK);
    assert_ended(
        &report,
        "21/tcp  filtered   proved  ingress  tc  TC_INGRESS
         22/tcp  reachable  proved  -        -   -
         51/tcp  closed     proved  -        -   -",
    );
    assert!(words(&report, 21).contains("lan0 (filter bpf pref "), "{report:#}");
    assert_neighbour_agrees(&report, &there);
}

/// The kernel does not trace it: its chains are named.
#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn a_chain_at_the_device() {
    if !can_inject() {
        return;
    }
    for family in ["netdev", "inet"] {
        let (world, there) = serving();
        let world = world.nft(&format!(
            "table {family} door {{
                chain entrance {{
                    type filter hook ingress device lan0 priority 0; policy accept;
                    tcp dport {{ 21, 52 }} drop
                }}
            }}"
        ));
        let report = world.json("check 21,22,51,52 --from lan --proto tcp -4");
        assert_ended(
            &report,
            "21/tcp  filtered   proved  ingress  ingress-chain  NETFILTER_DROP
             22/tcp  reachable  proved  -        -              -
             51/tcp  closed     proved  -        -              -
             52/tcp  shielded   proved  ingress  ingress-chain  NETFILTER_DROP",
        );
        assert!(words(&report, 21).contains(&format!("{family} door entrance")), "{report:#}");
        assert_neighbour_agrees(&report, &there);
    }
}

fn set(file: &str, value: &str) {
    fs::write(format!("/proc/sys/net/ipv4/conf/{file}"), value).unwrap();
}

/// Answers to this source would leave by another device, or have no way at all.
#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn the_check_of_the_way_back() {
    if !can_inject() {
        return;
    }
    let (world, there) = serving();
    ip("route add default via 10.77.0.9 dev lan0\nlink add other0 type veth peer name other1\n\
        addr add 10.78.0.2/24 dev other0\nlink set other0 up\nlink set other1 up\n\
        route add 198.51.100.0/24 via 10.78.0.9 dev other0");
    let from =
        |source: &str| world.json(&format!("check 21,51 --from internet={source} --proto tcp -4"));
    for (all, own, is_strict) in
        [("0", "1", true), ("1", "0", true), ("0", "2", false), ("0", "0", false)]
    {
        set("all/rp_filter", all);
        set("lan0/rp_filter", own);
        let report = from("198.51.100.7");
        if is_strict {
            assert_ended(
                &report,
                "21/tcp  filtered  proved  prerouting  rp_filter  IP_RPFILTER
                 51/tcp  shielded  proved  prerouting  rp_filter  IP_RPFILTER",
            );
            let text = "the reverse path filter (rp_filter=1 on lan0), before any rule of input";
            assert_eq!(words(&report, 21), text);
        } else {
            assert_ended(
                &report,
                "21/tcp  reachable  proved  -  -  -
                 51/tcp  closed     proved  -  -  -",
            );
        }
        // A near miss: the way back to this one leads through the device.
        let near = from("203.0.113.9");
        assert_ended(&near, "21/tcp reachable proved - - -\n51/tcp closed proved - - -");
    }
    // The real host beyond sees the same.
    set("lan0/rp_filter", "1");
    there.ip("addr add 198.51.100.7/32 dev lo\nroute add 10.77.0.2/32 dev wire0 src 198.51.100.7");
    assert_neighbour_agrees(&from("198.51.100.7"), &there);
}

/// Without the check of the way back the SYN arrives, and its answer has no way.
#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn no_way_back() {
    if !can_inject() {
        return;
    }
    let (world, there) = serving();
    for kind in ["unreachable", "blackhole", "prohibit"] {
        ip("route replace default via 10.77.0.9 dev lan0");
        ip(&format!("route replace {kind} 198.51.100.0/24"));
        set("all/rp_filter", "0");
        set("lan0/rp_filter", "0");
        let report = world.json("check 21 --from internet=198.51.100.7 --proto tcp -4");
        let (_, view) = views(&report).next().unwrap();
        assert_eq!(
            (&view["state"], &view["verdict"]),
            (&"filtered".into(), &"filtered".into()),
            "{report:#}"
        );
        assert_eq!(view["checkpoint"]["name"], "route", "{kind}: {report:#}");
        ip(&format!("route del {kind} 198.51.100.0/24"));
        let report = world.json("check 21 --from internet=198.51.100.7 --proto tcp -4");
        assert_ended(&report, "21/tcp reachable proved - - -");
    }
    there.ip("addr add 198.51.100.7/32 dev lo\nroute add 10.77.0.2/32 dev wire0 src 198.51.100.7");
    ip("route replace unreachable 198.51.100.0/24");
    let report = world.json("check 21 --from internet=198.51.100.7 --proto tcp -4");
    assert_neighbour_agrees(&report, &there);
}

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn a_redirection_to_loopback() {
    if !can_inject() {
        return;
    }
    let (world, there) = serving();
    let world = world.nft(
        "table ip nat {
            chain incoming {
                type nat hook prerouting priority dstnat;
                tcp dport 51 dnat to 127.0.0.1:21
            }
        }",
    );
    let report = world.json(CHECK);
    assert_ended(
        &report,
        "21/tcp  reachable  proved  -           -        -
         22/tcp  reachable  proved  -           -        -
         51/tcp  shielded   proved  prerouting  address  IP_LOCALNET",
    );
    assert!(words(&report, 51).contains("route_localnet=0"), "{report:#}");
    assert_neighbour_agrees(&report, &there);
    // A near miss: the kernel lets it.
    set("all/route_localnet", "1");
    let (_, view) = views(&world.json("check 51 --from lan --proto tcp -4"))
        .next()
        .map(|(a, b)| (a.clone(), b.clone()))
        .unwrap();
    assert_eq!(view["verdict"], "forwarded", "{view:#}");
}

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn a_program_at_a_hook_of_netfilter() {
    if !can_inject() {
        return;
    }
    let (world, there) = serving();
    // NF_ACCEPT is a near miss.
    let Some(passes) = attached(bpf::attach_to_input(&bpf::always(1))) else { return };
    assert_ended(
        &world.json("check 21 --from lan --proto tcp -4"),
        "21/tcp reachable proved - - -",
    );
    drop(passes);
    let Some(_drops) = attached(bpf::attach_to_input(&bpf::always(0))) else { return };
    let report = world.json(CHECK);
    assert_ended(
        &report,
        "21/tcp  filtered  proved  input  netfilter-bpf  NETFILTER_DROP
         22/tcp  filtered  proved  input  netfilter-bpf  NETFILTER_DROP
         51/tcp  shielded  proved  input  netfilter-bpf  NETFILTER_DROP",
    );
    let text = "a BPF program at the hook input of netfilter (test_drop, program ";
    assert!(words(&report, 21).starts_with(text), "{report:#}");
    assert_neighbour_agrees(&report, &there);
}

/// As `IPAddressDeny=` of systemd does it.
#[test]
#[ignore = "needs root, a network namespace and a cgroup: scripts/test"]
fn a_program_of_the_listeners_cgroup() {
    let Some(cgroups) = Cgroups::new().filter(|_| can_inject()) else { return };
    let (world, there) = with_neighbour();
    let (denied, open) = (cgroups.at("denied.service"), cgroups.at("open.service"));
    let _first =
        holder().within(&denied).holding(tcp("0.0.0.0:23")).holding(udp("0.0.0.0:24")).start();
    let _second = holder().within(&open).holding(tcp("0.0.0.0:25")).start();
    let drops = bpf::for_port(Kind::CgroupIngress, IN_PACKET, 1, 1, 0);
    let Some(_drops) = attached(bpf::attach_to_cgroup(Kind::CgroupIngress, denied.path(), &drops))
    else {
        return;
    };
    let Some(_passes) =
        attached(bpf::attach_to_cgroup(Kind::CgroupIngress, open.path(), &bpf::always(1)))
    else {
        return;
    };
    let report = world.json("check 23/tcp,24/udp,25/tcp --from lan -4");
    assert_ended(
        &report,
        "23/tcp  filtered   proved  input  cgroup  SOCKET_FILTER
         24/udp  filtered   proved  input  cgroup  SOCKET_FILTER
         25/tcp  reachable  proved  -      -       -",
    );
    for port in [23, 24] {
        let text = words(&report, port);
        assert!(text.contains("denied.service (test_drop, program "), "{report:#}");
    }
    assert_neighbour_agrees(&report, &there);
}

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn a_filter_of_the_socket() {
    if !can_inject() {
        return;
    }
    let (world, there) = serving();
    let deaf = tcp("0.0.0.0:23").listening(8);
    drop_everything(&deaf);
    let report = world.json("check 21,23 --from lan --proto tcp -4");
    assert_ended(
        &report,
        "21/tcp  reachable  proved  -      -              -
         23/tcp  filtered   proved  input  socket-filter  SOCKET_FILTER",
    );
    assert_neighbour_agrees(&report, &there);
}

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn a_full_queue_signatures_and_another_device() {
    if !can_inject() {
        return;
    }
    let (world, there) = serving();
    let signed = tcp("0.0.0.0:23").listening(8);
    demand_signatures_of(&signed, [10, 77, 0, 0], 16);
    // A near miss: it demands them of others.
    let other = tcp("0.0.0.0:24").listening(8);
    demand_signatures_of(&other, [10, 99, 0, 0], 16);
    let world = world.overloaded(tcp("0.0.0.0:25")).listens(tcp("0.0.0.0:26").on("lo"));
    let report = world.json("check 23-26 --from lan --proto tcp -4");
    assert_ended(
        &report,
        "23/tcp  filtered    proved  input  tcp-signature  TCP_MD5NOTFOUND
         24/tcp  reachable   proved  -      -              -
         25/tcp  overloaded  proved  input  socket-queue   -
         26/tcp  local-only  proved  -      -              -",
    );
    assert_neighbour_agrees(&report, &there);
}

/// A source that the kernel takes for one of its own.
#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn a_martian() {
    if !can_inject() {
        return;
    }
    let (world, there) = serving();
    ip("route add default via 10.77.0.9 dev lan0\nroute add local 198.51.100.7 dev lo");
    let from =
        |source: &str| world.json(&format!("check 21 --from internet={source} --proto tcp -4"));
    let report = from("198.51.100.7");
    assert_ended(&report, "21/tcp filtered proved prerouting address IP_LOCAL_SOURCE");
    assert!(words(&report, 21).contains("its source is an address of this host"), "{report:#}");
    assert_ended(&from("198.51.100.8"), "21/tcp reachable proved - - -");
    there.ip("addr add 198.51.100.7/32 dev lo\nroute add 10.77.0.2/32 dev wire0 src 198.51.100.7");
    assert_neighbour_agrees(&report, &there);
}

/// `CAP_SYS_ADMIN` and `CAP_PERFMON` (`linux/capability.h`).
const TO_HEAR: &[i32] = &[21, 38];

/// Without the kernel's word the place is told by how far the probe came, and no more than likely. A program in a driver
/// cannot be asked then: what it may drop is not called reachable.
#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn without_the_kernels_word_it_is_likely() {
    if !can_inject() {
        return;
    }
    let (world, _there) = serving();
    let check = || {
        let run = world.prepare(&format!("{CHECK} -o json")).without_capabilities(TO_HEAR);
        run.run().document()
    };
    feed("tc", &["qdisc", "add", "dev", "lan0", "clsact"], "");
    let code = "4,40 0 0 36,21 0 1 21,6 0 0 2,6 0 0 4294967295";
    let arguments = ["filter", "add", "dev", "lan0", "ingress", "bpf", "bytecode", code, "da"];
    feed("tc", &arguments, "");
    assert_ended(
        &check(),
        "21/tcp  filtered   likely  ingress  tc  -
         22/tcp  reachable  proved  -        -   -
         51/tcp  closed     proved  -        -   -",
    );
    feed("tc", &["qdisc", "del", "dev", "lan0", "clsact"], "");
    let program = bpf::for_port(Kind::Xdp, IN_FRAME, 21, 1, 2);
    let Some(_program) = attached(bpf::attach(Kind::Xdp, LAN_INDEX, NATIVE, &program)) else {
        return;
    };
    let report = check();
    assert_ended(
        &report,
        "21/tcp  inconclusive  likely  -  -  -
         22/tcp  inconclusive  likely  -  -  -
         51/tcp  closed        proved  -  -  -",
    );
    let what = report["incomplete"].as_array().unwrap().iter().map(|it| it["what"].clone());
    assert!(what.collect::<Vec<_>>().contains(&"what XDP stops at lan0".into()), "{report:#}");
}

/// Probes of this host to itself are told the same.
#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn a_probe_of_this_host_to_itself() {
    if !can_inject() {
        return;
    }
    let world = World::new().listens(tcp("127.0.0.1:21"));
    let [signed, filtered] = ["127.0.0.1:22", "127.0.0.1:23"].map(|it| tcp(it).listening(8));
    demand_signatures(&signed);
    drop_everything(&filtered);
    let told = || {
        let report = world.json("check 21-23 --from loopback --proto tcp -4");
        let views = views(&report).map(|(item, view)| {
            let end = &view["checkpoint"];
            let words = [&view["verdict"], &view["certainty"], &end["name"], &end["reason"]];
            let words = words.map(|word| word.as_str().unwrap_or("-").to_owned());
            format!("{} {}", item["port"], words.join(" "))
        });
        views.collect::<Vec<_>>()
    };
    let [signed, filtered] = [
        "22 filtered proved tcp-signature TCP_MD5NOTFOUND",
        "23 filtered proved socket-filter SOCKET_FILTER",
    ];
    assert_eq!(told(), ["21 reachable proved - -", signed, filtered]);
    let Some(_drops) = attached(bpf::attach_to_input(&bpf::always(0))) else { return };
    let dropped = |port| format!("{port} filtered proved netfilter-bpf NETFILTER_DROP");
    assert_eq!(told(), [21, 22, 23].map(dropped));
}

/// More ports than are looked at at once.
#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn each_of_many_ports_is_told() {
    if !can_inject() {
        return;
    }
    let (world, _there) = serving();
    let program = bpf::for_port(Kind::Xdp, IN_FRAME, 77, 2, 1);
    let Some(_drops) = attached(bpf::attach(Kind::Xdp, LAN_INDEX, GENERIC, &program)) else {
        return;
    };
    let report = world.json("check 1-500 --from lan --proto tcp -4");
    let mut dropped = 0;
    for (item, view) in views(&report) {
        let is_open = item["port"] == 77;
        let name = if is_open { Value::Null } else { "xdp".into() };
        assert_eq!((&view["certainty"], &view["checkpoint"]["name"]), (&"proved".into(), &name));
        dropped += usize::from(!is_open);
    }
    assert_eq!(dropped, 499, "{report:#}");
}
