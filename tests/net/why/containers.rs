//! What is published from a container and of no use, and what is not published: with real containers, and beside them what
//! must not be taken for it.

use super::{Accepts, assert_told, evidence, text, told};
use crate::cgroups::Cgroups;
use crate::containers::{Podman, can_run, server};
use crate::holder::holder;
use crate::outside::{ip, with_container, with_neighbour};
use crate::sockets::tcp;
use crate::truth::LAN;
use crate::world::{World, bring_up, connects, feed};
use serde_json::Value;
use std::io::ErrorKind;
use std::net::SocketAddr;

/// A server inside that others reach.
fn open(port: u16) -> String {
    server(port).replace("127.0.0.1", "0.0.0.0")
}

/// Asserts that one of the next commands has these words.
#[track_caller]
fn assert_next(report: &Value, words: &str) {
    let next = report["diagnosis"]["next"].as_array().expect("what to do");
    let found = next.iter().any(|command| command.as_str().unwrap().contains(words));
    assert!(found, "{words:?} in {report:#}");
}

/// Asserts the words of the answer, and gives the report.
#[track_caller]
fn assert_words(report: &Value, words: &[&str]) {
    for word in words {
        assert!(text(report).contains(word), "{word:?} in {report:#}");
    }
}

/// The address that comes behind `to` or `use`.
fn address_in(words: &str, before: &str) -> SocketAddr {
    let (_, rest) = words.split_once(before).expect("the words before it");
    rest.split(' ').next().unwrap().parse().expect("an address")
}

#[test]
#[ignore = "needs root, podman and a file system for it: scripts/test"]
fn real_containers_behind_ports_that_are_of_no_use_are_named() {
    if !can_run(&["podman", "runc", "conmon", "netavark", "slirp4netns", "rootlessport"]) {
        return;
    }
    let (world, there) = with_neighbour();
    let podman = Podman::new();
    let slirp = |port| ["--network", "slirp4netns", "-p", port];
    podman.run("web", &["-p", "28081:80"], 80, &open(80));
    let id = podman.run("shy", &["-p", "28082:80"], 80, &server(80));
    podman.run("other", &["-p", "28083:80"], 28_090, &open(28_090));
    podman.run("tunnel", &slirp("28084:80"), 80, &open(80));
    podman.run("shy-tunnel", &slirp("28085:80"), 80, &server(80));
    let by_slirp = ["--network", "slirp4netns:port_handler=slirp4netns", "-p", "28088:80"];
    podman.run("shy-slirp", &by_slirp, 80, &server(80));
    podman.run("hidden", &[], 28_186, &open(28_186));
    let checked = ["-p", "28087:80", "--health-cmd", "true", "--health-interval", "disable"];
    podman.run("slow", &checked, 28_091, &open(28_091));
    let world = world.accepts(tcp("127.0.0.1:28299"));

    // By a rule of NAT, which leads to where nobody takes it.
    for target in ["127.0.0.1:28082", "10.77.0.2:28082", "10.77.0.2:28082 --from lan"] {
        let ordinary = if target.contains("lan") { "nothing" } else { "R19 likely" };
        let report = assert_told(&world, target, "R19 proved", ordinary);
        let place = format!("in the container shy (podman {})", id.get(..12).unwrap());
        assert_words(
            &report,
            &["forwards port 28082 to 10.88.", ":80", &place, "127.0.0.1:80 only"],
        );
        let rule = evidence(&report, "rule");
        assert!(rule.starts_with("ip nat NETAVARK-") && rule.contains(" handle "), "{rule}");
        assert!(rule.contains("--dport 28082") && rule.contains("DNAT"), "{rule}");
        assert!(evidence(&report, "behind it").starts_with("127.0.0.1:80 (python3"), "{report:#}");
        assert_next(&report, "let it listen on 0.0.0.0:80 inside the container");
    }
    let report = assert_told(&world, "127.0.0.1:28083", "R19 proved", "R19 likely");
    assert_words(&report, &["in the container other", "nothing listens on 80", "0.0.0.0:28090"]);
    assert_next(&report, "-p 28083:28090 (podman run)");
    // One whose health check has not passed may listen later.
    let report = assert_told(&world, "127.0.0.1:28087", "R12 likely", "R19 likely");
    assert_words(&report, &["in the container slow", "is still starting"]);
    assert!(evidence(&report, "health check") == "starting", "{report:#}");
    // The port inside is not the one that is published.
    let report = assert_told(&world, "127.0.0.1:28090", "R15 likely", "R01 likely");
    assert_words(&report, &["no port of this host leads there"]);
    // Near misses: what is published and works, here and from the network.
    let report = assert_told(&world, "127.0.0.1:28081", "works", "works");
    let socket = report["attempts"][0]["socket"].as_str().unwrap();
    assert!(socket.starts_with("handed on elsewhere, past conmon "), "{socket}");
    let report = assert_told(&world, "10.77.0.2:28081 --from lan", "works", "nothing");
    let socket = report["attempts"][0]["socket"].as_str().unwrap();
    assert!(socket.contains("(python3") && socket.contains("in the container web"), "{socket}");
    assert!(evidence(&report, "rule").contains("--dport 28081"), "{report:#}");
    assert_eq!(there.does(|| connects("10.77.0.2:28081".parse().unwrap())), Ok(()));
    let refused = there.does(|| connects("10.77.0.2:28082".parse().unwrap()));
    assert_eq!(refused, Err(ErrorKind::ConnectionRefused));

    // By a proxy, which takes the connection and ends it. Who asks without root sees that, and not whose it is.
    let report = assert_told(&world, "127.0.0.1:28085", "C04 proved", "C02 likely");
    assert_words(&report, &["rootlessport", "in the container shy-tunnel", "127.0.0.1:80 only"]);
    assert!(evidence(&report, "connection").contains("closed before a byte came"), "{report:#}");
    let report = assert_told(&world, "10.77.0.2:28085 --from lan", "works C04 possible", "nothing");
    assert_words(&report, &["rootlessport", "in the container shy-tunnel"]);
    let report = assert_told(&world, "127.0.0.1:28088", "C04 proved", "C02 likely");
    assert_words(&report, &["slirp4netns", "in the container shy-slirp", "127.0.0.1:80 only"]);
    // Near misses: the same proxy with a server behind it.
    assert_told(&world, "127.0.0.1:28084", "works", "works");
    assert_told(&world, "10.77.0.2:28084 --from lan", "works", "nothing");

    // Not published at all, or at another port.
    let report = assert_told(&world, "127.0.0.1:28186", "R15 likely", "R01 likely");
    assert_words(
        &report,
        &["in the container hidden (podman ", "no port of this host leads there"],
    );
    assert_eq!(report["diagnosis"]["next"][0], "start it again with -p 28186:28186 (podman run)");
    let own = report["diagnosis"]["next"][1].as_str().unwrap();
    assert_eq!(connects(address_in(own, "use ")), Ok(()), "its own address works");
    let report = assert_told(&world, "127.0.0.1:80", "R02 likely", "R01 likely");
    assert_words(&report, &["nothing listens on 80 here", "is published at 2808"]);
    // Near misses: an ordinary process at such a port, for its address and for another.
    assert_told(&world, "127.0.0.1:28299", "works", "works");
    assert_told(&world, "10.77.0.2:28299", "R03 proved", "R03 likely");

    // Inside, the host's own server is not there, and what it has cannot be seen.
    let inside =
        podman.call(&["exec", "web", "sh", "-c", "/portsight why 127.0.0.1:28299 -o json; true"]);
    let report: Value = serde_json::from_str(&inside).unwrap();
    assert_eq!(report["diagnosis"]["code"], "R01", "{report:#}");
    let hint = report["also_checked"].to_string();
    assert!(hint.contains("localhost is the container, not the host (possible; "), "{hint}");
    let host = hint.split("portsight why ").nth(1).expect("how to ask the host");
    let host: SocketAddr = host.split(')').next().unwrap().parse().unwrap();
    assert_eq!(host.port(), 28_299, "{hint}");
    let of_host = feed("ip", &["-br", "address", "show", "podman0"], "");
    assert!(of_host.contains(&format!(" {}/", host.ip())), "{host} in {of_host}");
    // Near miss: the host itself is in no container.
    let report = world.json("why 127.0.0.1:28399");
    assert!(!report["also_checked"].to_string().contains("localhost is"), "{report:#}");

    // Without its rules, as after a reload of the firewall, only what keeps the port is left.
    feed("nft", &["flush", "ruleset"], "");
    let report = assert_told(&world, "127.0.0.1:28081", "C04 proved", "C01 likely");
    assert_words(&report, &["conmon", "only keeps port 28081 for the container web"]);
    assert_next(&report, "podman network reload web");
    let report = assert_told(&world, "10.77.0.2:28081 --from lan", "works C04 likely", "nothing");
    assert_words(&report, &["conmon", "the container web"]);
}

/// The cgroup of a socket says to everybody which container a port is kept for; what is inside takes root.
#[test]
#[ignore = "needs a network namespace and a cgroup: scripts/test"]
fn who_asks_without_root_is_told_for_which_container_a_port_is_kept() {
    const ID: &str = "5da2c1aabbcc00112233445566778899aabbccddeeff00112233445566778899";
    let Some(cgroups) = Cgroups::new() else { return };
    let world = World::new().nft(
        "table ip nat {
            chain output {
                type nat hook output priority -100;
                tcp dport 28401 dnat to 172.17.0.2:82
                tcp dport 28402 dnat to 172.17.0.2:80
            }
        }",
    );
    let (_container, _servers) = with_container();
    for device in ["all", "docker0"] {
        std::fs::write(format!("/proc/sys/net/ipv4/conf/{device}/route_localnet"), "1").unwrap();
    }
    feed(
        "nft",
        &["-f", "-"],
        "add chain ip nat leaving { type nat hook postrouting priority 100; }",
    );
    feed("nft", &["-f", "-"], "add rule ip nat leaving oifname docker0 masquerade");
    let kept = cgroups.at(&format!("libpod-conmon-{ID}.scope"));
    let ports = holder().within(&kept).holding(tcp("0.0.0.0:28401")).holding(tcp("0.0.0.0:28402"));
    let process = ports.start();
    let report = assert_told(&world, "127.0.0.1:28401", "R19 proved", "R19 likely");
    assert!(evidence(&report, "rule").contains("dnat to 172.17.0.2:82"), "{report:#}");
    let ordinary = world.prepare("why 127.0.0.1:28401 -o json").by_ordinary_user().run().document();
    assert_words(&ordinary, &["forwards port 28401 (kept by container 5da2c1aabbcc)"]);
    assert_next(&ordinary, "sudo portsight why 127.0.0.1:28401");
    // Near misses: one that leads to a server, and one that no rule takes.
    assert_told(&world, "127.0.0.1:28402", "works", "works");
    drop(process);
    assert_told(&world, "127.0.0.1:28499", "R01 proved", "R01 likely");
}

/// Rules that lead to an address of a network of this host that nobody has any more.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_container_that_is_gone_is_told_from_one_that_refuses() {
    let world = World::new().veth(&LAN);
    ip(
        "link add docker0 type bridge\nlink add veth0 type veth peer name eth0\nlink set veth0 master docker0 up\nlink set eth0 up",
    );
    bring_up("docker0", &["172.17.0.1/16"]);
    for device in ["all", "docker0"] {
        std::fs::write(format!("/proc/sys/net/ipv4/conf/{device}/route_localnet"), "1").unwrap();
    }
    let world = world.nft(
        "table ip nat {
            chain output {
                type nat hook output priority -100;
                fib daddr type local tcp dport 28301 dnat to 172.17.0.9:80
                fib daddr type local tcp dport 28302 dnat to 172.17.0.1:81
            }
            chain leaving {
                type nat hook postrouting priority srcnat;
                ip saddr 127.0.0.1 oifname docker0 masquerade
            }
        }",
    );
    for target in ["10.77.0.2:28301", "127.0.0.1:28301"] {
        let mut report = Value::Null;
        for (ordinary, expected) in [(true, "T02 possible"), (false, "H04 likely")] {
            // One that was asked for before is given up sooner.
            ip("neigh flush dev docker0");
            let run = world.prepare(&format!("why {target} -o json"));
            let run = if ordinary { run.by_ordinary_user() } else { run }.run();
            assert_eq!(told(&run), expected, "why {target}: {run:#?}");
            report = run.document();
        }
        assert_words(&report, &["to 172.17.0.9:80", "nobody answers ARP for 172.17.0.9"]);
        assert!(evidence(&report, "rule").contains("dnat to 172.17.0.9:80"), "{report:#}");
        assert!(evidence(&report, "neighbour entry").contains("no answer"), "{report:#}");
    }
    ip("neigh flush dev docker0");
    // Who waits for the kernel gets its word for it.
    let run = world.prepare("why 10.77.0.2:28301 --wait 6s -o json").run();
    assert_eq!(told(&run), "H04 proved", "{run:#?}");
    assert!(evidence(&run.document(), "ICMP").starts_with("ICMP 3/1 from 10.77.0.2"), "{run:#?}");
    // Near misses: an address that somebody has, where nobody listens, and a port that no rule takes.
    let report = assert_told(&world, "10.77.0.2:28302", "R19 proved", "R01 likely");
    assert_words(&report, &["to 172.17.0.1:81", "where nothing listens"]);
    assert_told(&world, "10.77.0.2:28399", "R01 proved", "R01 likely");
}
