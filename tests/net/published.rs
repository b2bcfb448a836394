//! The ports that rules of destination NAT publish, read by the library in the test's own network namespace, beside
//! the rules that the test gave to `nft` and to both kinds of `iptables`.

use crate::cgroups::did_not_run;
use crate::sockets::tcp;
use crate::truth::items;
use crate::world::{World, alone, connects, feed};
use portsight::firewall::published;
use portsight::model::{Family, Gap, Hides, Need, Port, Published, TargetPort, Through, Transport};
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
use serde_json::{Value, json};
use std::process::Command;

/// TCP over IPv4 that arrives anywhere at this port, sent on to this port of `10.88.0.2`.
fn sent_on(port: u16, target_port: u16) -> Published {
    let port = Port::new(port).unwrap();
    Published {
        transport: Transport::Tcp,
        family: Some(Family::Ipv4),
        address: None,
        ports: port..=port,
        through: Through::Any,
        narrowed: false,
        target: Some("10.88.0.2".parse().unwrap()),
        target_port: TargetPort::One(Port::new(target_port).unwrap()),
    }
}

/// Asserts that this is published, in any order, and gives the gaps.
#[track_caller]
fn assert_published(expected: &[Published]) -> Vec<Gap> {
    let (mut found, gaps) = published();
    for port in expected {
        let place = found.iter().position(|found| found == port);
        let place = place.unwrap_or_else(|| panic!("{port:?} is missing from {found:#?}"));
        found.remove(place);
    }
    assert_eq!(found, [], "published beside what was expected");
    assert!(gaps.iter().all(|gap| gap.hides == Hides::Published), "{gaps:?}");
    gaps
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn without_rules_nothing_is_published_and_nothing_is_missing() {
    let _world = World::new();
    assert_eq!(assert_published(&[]), []);
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn rules_of_nft_are_read_where_packets_reach_them() {
    let world = World::new().listens(tcp("127.0.0.1:80"));
    assert!(connects("127.0.0.1:8080".parse().unwrap()).is_err(), "not published so far");
    let _world = world.nft(
        "table ip published {
            map by_port { type inet_service : verdict; elements = { 9000 : jump mapped }
            }
            chain incoming {
                type nat hook prerouting priority dstnat;
                tcp dport 8081 dnat to 10.88.0.2:80
                jump called
            }
            chain called { ip daddr 192.0.2.1 udp dport 53 goto called_too; }
            chain called_too { ip daddr 192.0.2.1 udp dport 53 dnat to 10.88.0.2; }
            chain mapped { tcp dport 9000 dnat to 10.88.0.2:90; }
            chain outgoing {
                type nat hook output priority -100;
                tcp dport 8081 dnat to 10.88.0.2:80
                tcp dport 8080 redirect to :80
            }
        }
        table ip6 published {
            chain incoming {
                type nat hook prerouting priority dstnat;
                tcp dport 8081 dnat to [fd00::2]:80
            }
            chain leaving { type nat hook postrouting priority srcnat; tcp dport 80 masquerade; }
            chain never_called { tcp dport 8090 redirect to :80; }
        }
        table inet asleep {
            flags dormant
            chain incoming { type nat hook prerouting priority dstnat; tcp dport 1 redirect to :2; }
        }
        table inet fw {
            chain input { type filter hook input priority filter; tcp dport 8081 drop; }
        }",
    );
    let to_ipv6 = Published {
        family: Some(Family::Ipv6),
        target: Some("fd00::2".parse().unwrap()),
        ..sent_on(8081, 80)
    };
    let of_address = Published {
        transport: Transport::Udp,
        address: Some("192.0.2.1".parse().unwrap()),
        target_port: TargetPort::Same,
        ..sent_on(53, 53)
    };
    let redirected = Published { target: None, ..sent_on(8080, 80) };
    let expected = [sent_on(8081, 80), of_address.clone(), redirected.clone(), to_ipv6.clone()];
    assert_eq!(assert_published(&expected), []);
    assert_eq!(connects("127.0.0.1:8080".parse().unwrap()), Ok(()), "the rule does what it says");

    // The near miss: with a jump by a map, its chains are reached, and it may be any chain of the table.
    feed("nft", &["-f", "-"], "add rule ip published incoming tcp dport vmap @by_port");
    let expected = [sent_on(8081, 80), of_address, redirected, to_ipv6, sent_on(9000, 90)];
    assert_eq!(assert_published(&expected), []);
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_rule_that_is_not_understood_is_a_gap() {
    let _world = World::new().nft(
        "table inet published {
            chain incoming {
                type nat hook prerouting priority dstnat;
                tcp dport { 80, 443 } dnat ip to 10.88.0.2
                tcp dport 8081 dnat ip to 10.88.0.2:80
                tcp dport != 22 dnat ip to 10.88.0.3
            }
        }",
    );
    let gaps = assert_published(&[sent_on(8081, 80)]);
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    assert_eq!(
        gaps[0].what,
        "what 2 rules publish, the first in chain incoming of table inet published"
    );
}

/// The rules that Docker and netavark make, and those of the resolver in a container of Docker's.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn rules_of_iptables_are_read() {
    let _world = World::new();
    let rules = "*nat
        :DOCKER - [0:0]
        :NETAVARK-HOSTPORT-DNAT - [0:0]
        :NETAVARK-DN-1D8721804F16F - [0:0]
        :LEFT-OVER - [0:0]
        -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
        -A PREROUTING -m addrtype --dst-type LOCAL -j NETAVARK-HOSTPORT-DNAT
        -A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
        -A OUTPUT -d 127.0.0.11/32 -p udp -m udp --dport 53 -j DNAT --to-destination 127.0.0.11:4123
        -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
        -A DOCKER -i docker0 -j RETURN
        -A DOCKER ! -i docker0 -p tcp -m tcp --dport 8081 -j DNAT --to-destination 10.88.0.2:80
        -A NETAVARK-HOSTPORT-DNAT -p tcp -m comment --comment \"dnat name: podman\" -m tcp --dport 8082 \
            -j NETAVARK-DN-1D8721804F16F
        -A NETAVARK-DN-1D8721804F16F -s 10.88.0.0/16 -p tcp -m tcp --dport 8082 -j MARK --set-mark 1
        -A NETAVARK-DN-1D8721804F16F -p tcp -m tcp --dport 8082 -j DNAT --to-destination 10.88.0.2:80
        -A NETAVARK-DN-1D8721804F16F -p tcp -m tcp --dport 9090:9092 -j DNAT --to-destination 10.88.0.2:90-92/9090
        -A LEFT-OVER -p tcp -m tcp --dport 8083 -j DNAT --to-destination 10.88.0.2:80
        COMMIT";
    // Each line must begin at its beginning.
    let rules: String = rules.lines().flat_map(|line| [line.trim_start(), "\n"]).collect();
    feed("iptables-nft-restore", &[], &rules);
    let of_docker = Published { through: Through::AllBut("docker0".into()), ..sent_on(8081, 80) };
    let resolver = "127.0.0.11".parse().unwrap();
    let of_resolver = Published {
        transport: Transport::Udp,
        address: Some(resolver),
        target: Some(resolver),
        ..sent_on(53, 4123)
    };
    let port = |number| Port::new(number).unwrap();
    let range = Published {
        ports: port(9090)..=port(9092),
        target_port: TargetPort::From(port(90)),
        ..sent_on(9090, 90)
    };
    assert_eq!(assert_published(&[of_docker, sent_on(8082, 80), range, of_resolver]), []);
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn the_nat_table_of_iptables_legacy_is_a_gap() {
    let _world = World::new().nft(
        "table ip published {
            chain incoming { type nat hook prerouting priority -90; tcp dport 8081 dnat to 10.88.0.2:80; }
        }",
    );
    let mut legacy = Command::new("iptables-legacy");
    // An ordinary user may not write to the usual one.
    legacy.env("XTABLES_LOCKFILE", "/dev/null");
    legacy.args("-t nat -A PREROUTING -p tcp --dport 80 -j REDIRECT --to-ports 8080".split(' '));
    match alone(|| legacy.output()) {
        Ok(output) if output.status.success() => {}
        why => return did_not_run(&format!("no iptables-legacy: {why:?}")),
    }
    let gaps = assert_published(&[sent_on(8081, 80)]);
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    assert_eq!(gaps[0].what, "the ports that iptables-legacy publishes");
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn without_the_right_to_see_rules_there_is_one_gap() {
    let _world = World::new();
    // Those of this thread only.
    let mut sets = capabilities(None).unwrap();
    sets.effective.remove(CapabilitySet::NET_ADMIN);
    set_capabilities(None, sets).unwrap();
    let gaps = assert_published(&[]);
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    assert_eq!(gaps[0].need, Some(Need::Root));
    assert_eq!(gaps[0].what, "the ports that the firewall publishes");
}

/// Both sides of a published port are shown beside each other, as a real connection through the rule finds them.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn ls_joins_both_sides_of_a_published_port() {
    const HERE: &str = "10.77.55.2";
    let world = World::new()
        .veth(&["10.77.55.2/24"])
        .neighbour_at("10.77.55.9")
        .listens(tcp("0.0.0.0:8081"))
        .listens(tcp("127.0.0.1:8082"))
        .listens(tcp("0.0.0.0:8083"))
        .nft(
            "table ip nat {
                chain output {
                    type nat hook output priority -100;
                    ip daddr 10.77.55.2 tcp dport 8081 dnat to 10.77.55.9:9999
                    tcp dport 8082 dnat to 10.77.55.9:9999
                    tcp dport 8084 dnat to 10.77.55.9:9998
                }
            }",
        );
    let connects_to = |port: u16| connects(format!("{HERE}:{port}").parse().unwrap()).is_ok();
    assert!(connects_to(8081) && connects_to(8082), "the rules lead to the neighbour");
    let report = world.portsight("ls --netns all -o json").exits(0).document();
    let item = |port: u16, address: &str| {
        let is_it = |item: &&Value| item["port"] == port && item["address"] == address;
        let mut found = items(&report).iter().filter(is_it);
        found.find(|item| port == 9999 || item["netns"] == Value::Null).unwrap()
    };
    let behind = item(9999, "10.77.55.9");
    let at = |address: Value, port: u16| json!({"netns": null, "address": address, "port": port, "narrowed": false});
    assert_eq!(behind["published_at"], json!([at(json!(HERE), 8081), at(Value::Null, 8082)]));
    let netns = behind["netns"].as_str().expect("it is in another namespace");
    let on = json!({"address": "10.77.55.9", "port": 9999, "netns": netns, "narrowed": false});
    assert_eq!(item(8081, "0.0.0.0")["leads_to"], json!([on]));
    // What comes for a loopback address stays there as a rule, and nothing is said of a port without a rule.
    assert_eq!(item(8082, "127.0.0.1")["leads_to"], json!([]));
    assert_eq!(item(8083, "0.0.0.0")["leads_to"], json!([]));

    let table = world.portsight("ls --netns all").exits(0).stdout;
    let row = |start: &str| table.lines().find(|line| line.starts_with(start)).unwrap_or_default();
    assert!(row("8081/tcp").contains("to 10.77.55.9:9999"), "{table}");
    let who = world.portsight("who 8081 --netns all").exits(0).stdout;
    let told =
        format!("packets to this port go on to 10.77.55.9:9999 in {netns}, past this socket");
    assert!(who.contains(&told), "{who}");
    // An ordinary user may not read the rules: that is said.
    let run = world.prepare("ls --netns all -o json").by_ordinary_user().run().exits(0);
    let incomplete = run.document()["incomplete"].to_string();
    assert!(incomplete.contains("the ports that the firewall publishes"), "{incomplete}");
    // Without the option nothing of it is looked for.
    let plain = world.json("ls");
    assert!(items(&plain).iter().all(|item| item["leads_to"] == json!([])), "{plain:#}");
    assert_eq!(plain["incomplete"], json!([]));
}
