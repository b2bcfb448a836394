//! The words for rules, read by the library in the test's own network namespace, held against what `nft` and
//! `iptables` say of the same rules.

use crate::world::{World, alone, feed};
use portsight::firewall::{chains, rules, rules_without_nft};
use portsight::model::{Backend, Base, Chain, ChainKind, Hook, Policy, RuleId, Table, TableFamily};
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
use std::collections::BTreeMap;

const FAMILIES: [TableFamily; 6] = [
    TableFamily::Inet,
    TableFamily::Ip,
    TableFamily::Ip6,
    TableFamily::Arp,
    TableFamily::Bridge,
    TableFamily::Netdev,
];

fn chain(family: TableFamily, table: &str, name: &str) -> Chain {
    Chain { table: Table { family, name: table.to_owned() }, name: name.to_owned() }
}

/// Every rule that `nft` lists in this namespace, in the order of each chain, and its words.
fn listed() -> Vec<(RuleId, String)> {
    let text = feed("nft", &["-a", "-s", "list", "ruleset"], "");
    let mut table = None;
    let mut place = None;
    let mut rules = Vec::new();
    for line in text.lines() {
        let Some((words, handle)) = line.rsplit_once(" # handle ") else { continue };
        let words: Vec<&str> = words.split(' ').collect();
        match (line.len() - line.trim_start_matches('\t').len(), words.as_slice()) {
            (0, ["table", family, name, "{"]) => {
                let family = FAMILIES.into_iter().find(|it| it.name() == *family).unwrap();
                table = Some(Table { family, name: (*name).to_owned() });
            }
            (1, ["\tchain", name, "{"]) => {
                let table = table.clone().expect("a chain is in a table");
                place = Some(Chain { table, name: (*name).to_owned() });
            }
            (1, _) => place = None,
            (2, words) => {
                if let Some(chain) = place.clone() {
                    let handle = Some(handle.parse().unwrap());
                    rules.push((RuleId { chain, handle }, words.join(" ").trim().to_owned()));
                }
            }
            _ => panic!("{line:?}"),
        }
    }
    rules
}

/// Asserts that the words for each rule are the expected ones, or none where they are none of ours to know.
#[track_caller]
fn assert_words(expected: &[(RuleId, String)], unknown: &[&str]) {
    let wanted = expected.iter().map(|(id, _)| id.clone()).collect();
    let found = rules_without_nft(&wanted);
    let differ: Vec<_> = expected
        .iter()
        .filter_map(|(id, words)| Some((words, found[id].text.as_ref()?)))
        .filter(|(words, text)| words != text)
        .collect();
    assert!(differ.is_empty(), "expected, and found: {differ:#?}");
    let missing: Vec<&str> = expected
        .iter()
        .filter(|(id, _)| found[id].text.is_none())
        .map(|(_, words)| words.as_str())
        .collect();
    assert_eq!(missing, unknown);
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn rules_of_firewalld_and_fail2ban_read_as_nft_lists_them() {
    let _world = World::new()
        .nft(include_str!("../data/rules/firewalld.nft"))
        .nft(include_str!("../data/rules/fail2ban.nft"));
    // It marks with what it was told, and nft lists another mask than that.
    assert_words(&listed(), &["tcp dport 8444 meta mark set meta mark & 0xffffff65 | 0x00000065"]);
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn rules_of_every_kind_read_as_nft_lists_them() {
    let _world = World::new().nft(include_str!("../data/rules/kinds.nft"));
    assert_words(&listed(), &["ip version 4 accept"]);
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn rules_of_every_family_read_as_nft_lists_them() {
    let _world = World::new().nft(include_str!("../data/rules/families.nft"));
    let unknown = [
        // Its transport is said twice.
        "ip protocol tcp tcp dport 5 drop",
        "ip saddr . tcp dport { 192.0.2.1 . 22, 192.0.2.2 . 80 } accept",
        "limit rate 10 kbytes/second accept",
        "add @seen { ip saddr } accept",
        "update @seen { ip saddr timeout 2m } accept",
        "ct original ip saddr 192.0.2.1 accept",
        "meta skuid 1000 drop",
        "meta cpu 1 drop",
        "meta length 5 drop",
        "udp length 5 drop",
        "@th,0,8 0x5 drop",
        "ip dscp cs1 drop",
        "ip frag-off & 8191 != 0 drop",
        "ip saddr & 0.0.0.255 == 0.0.0.1 drop",
        "tcp dport 80 dnat to tcp dport map { 80 : 192.0.2.1 }",
        "exthdr frag exists drop",
        "meta l4proto tcp meta l4proto tcp drop",
        "meta l4proto tcp tcp dport 5 drop",
        "vlan id 5 drop",
        "ip saddr . ip daddr { 192.0.2.1 . 192.0.2.2 } drop",
        "iifgroup 5 drop",
        "arp operation request accept",
        // The type of the frame is the link layer's.
        "ip saddr 192.0.2.1 drop",
    ];
    assert_words(&listed(), &unknown);
}

/// Every rule that `iptables-nft` or `ip6tables-nft` lists in these tables, and its words.
fn listed_by(program: &str, family: TableFamily, tables: &[&str]) -> Vec<(RuleId, String)> {
    let mut places: BTreeMap<Chain, Vec<RuleId>> = BTreeMap::new();
    for (id, _) in listed() {
        places.entry(id.chain.clone()).or_default().push(id);
    }
    let mut rules = Vec::new();
    for table in tables {
        let text = feed(program, &["-t", table, "-S"], "");
        for line in text.lines() {
            let mut words = line.splitn(3, ' ');
            let (Some("-A"), Some(name)) = (words.next(), words.next()) else { continue };
            let place = places.get_mut(&chain(family, table, name)).expect("nft lists the chain");
            rules.push((place.remove(0), words.next().unwrap_or_default().to_owned()));
        }
    }
    assert!(places.values().all(Vec::is_empty), "nft lists more: {places:?}");
    rules
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn rules_of_ufw_read_as_iptables_lists_them() {
    let _world = World::new();
    feed("iptables-nft-restore", &[], include_str!("../data/rules/ufw.v4"));
    let expected = listed_by("iptables-nft", TableFamily::Ip, &["filter"]);
    assert_words(&expected, &[]);
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn rules_of_docker_read_as_iptables_lists_them() {
    let _world = World::new();
    feed("iptables-nft-restore", &[], include_str!("../data/rules/docker.v4"));
    let tables = ["raw", "mangle", "nat", "filter"];
    let expected = listed_by("iptables-nft", TableFamily::Ip, &tables);
    let unknown = [
        "-p udp -m udp --dport 53 -j CT --notrack",
        "-m comment --comment \"default/web it\\'s\" -m statistic --mode random --probability 0.50000000000 -j RETURN",
    ];
    assert_words(&expected, &unknown);
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn options_of_iptables_read_as_it_lists_them() {
    let _world = World::new();
    feed("iptables-nft-restore", &[], include_str!("../data/rules/kinds.v4"));
    let expected = listed_by("iptables-nft", TableFamily::Ip, &["filter", "nat"]);
    let unknown = [
        "-m pkttype --pkt-type broadcast -j DROP",
        "-m iprange --src-range 1.1.1.1-1.1.1.9 -j DROP",
        "-m mac --mac-source 02:00:00:00:00:01 -j DROP",
        "-f -j DROP",
        "-m hashlimit --hashlimit-above 5/sec --hashlimit-burst 5 --hashlimit-name x -j DROP",
        "-m conntrack --ctstate NEW --ctproto 6 -j DROP",
    ];
    assert_words(&expected, &unknown);
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn options_of_ip6tables_read_as_it_lists_them() {
    let _world = World::new();
    feed("ip6tables-nft-restore", &[], include_str!("../data/rules/kinds.v6"));
    let expected = listed_by("ip6tables-nft", TableFamily::Ip6, &["filter", "nat"]);
    let unknown = [
        "-p ipv6-icmp -m icmp6 --icmpv6-type 135 -m hl --hl-eq 255 -j ACCEPT",
        "-m rt --rt-type 0 -j DROP",
    ];
    assert_words(&expected, &unknown);
}

/// A rule that is not understood here has the words of `nft`, and a policy its own.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn what_is_not_understood_is_asked_of_nft() {
    let _world = World::new().nft(
        "table inet fw {
            chain input {
                type filter hook input priority -5; policy drop;
                meta cpu 1 tcp dport 22 counter drop
                tcp dport 8080 counter packets 5 bytes 300 drop comment \"a \\ [31m # handle 7\"
            }
        }",
    );
    feed(
        "iptables-nft",
        &["-A", "INPUT", "-p", "tcp", "-m", "mac", "--mac-source", "02:00:00:00:00:01"],
        "",
    );
    feed("iptables-nft", &["-A", "INPUT", "-i", "lo", "-j", "ACCEPT"], "");
    let mut expected: BTreeMap<RuleId, String> = listed().into_iter().collect();
    assert_eq!(expected.len(), 4);
    let input = chain(TableFamily::Inet, "fw", "input");
    let of_iptables = chain(TableFamily::Ip, "filter", "INPUT");
    let policy = |chain: &Chain| RuleId { chain: chain.clone(), handle: None };
    expected.insert(policy(&input), "policy drop".to_owned());
    expected.insert(policy(&of_iptables), "policy accept".to_owned());
    // What is gone has no words.
    let gone = [
        RuleId { chain: input.clone(), handle: Some(9999) },
        RuleId { chain: chain(TableFamily::Inet, "fw", "gone"), handle: Some(3) },
        policy(&chain(TableFamily::Bridge, "gone", "gone")),
    ];
    let wanted = expected.keys().chain(&gone).cloned().collect();
    let found = alone(|| rules(&wanted));
    assert_eq!(found.len(), wanted.len());
    for (id, words) in &expected {
        let rule = &found[id];
        assert_eq!(rule.id, *id);
        let (backend, words) = match (&id.chain, words.as_str()) {
            (chain, words) if *chain == input => (Backend::Nftables, words),
            (_, "iifname \"lo\" counter accept") => (Backend::IptablesNft, "-i lo -j ACCEPT"),
            (_, words) => (Backend::IptablesNft, words),
        };
        assert_eq!((rule.text.as_deref(), rule.backend), (Some(words), backend));
    }
    assert!(gone.iter().all(|id| found[id].text.is_none()), "{found:#?}");
    let here = rules_without_nft(&wanted);
    let lost = expected.keys().filter(|id| here[id].text.is_none());
    assert_eq!(lost.count(), 2, "only nft has words for them: {here:#?}");
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn chains_of_every_family_are_found() {
    let _world = World::new().nft(include_str!("../data/rules/families.nft"));
    let all = chains().unwrap();
    let base = |hook, kind, priority, policy| Some(Base { hook, kind, priority, policy });
    let filter = |hook, priority| base(hook, ChainKind::Filter, priority, Policy::Accept);
    let nat = |hook, priority| base(hook, ChainKind::Nat, priority, Policy::Accept);
    let v4 = |name| chain(TableFamily::Ip, "v4", name);
    let v6 = |name| chain(TableFamily::Ip6, "v6", name);
    let both = |name| chain(TableFamily::Inet, "both", name);
    let expected = BTreeMap::from([
        (v4("called"), None),
        (v4("input"), base(Hook::Input, ChainKind::Filter, 0, Policy::Drop)),
        (v4("raw"), filter(Hook::Prerouting, -300)),
        (v4("proxied"), filter(Hook::Prerouting, -150)),
        (v4("nat"), nat(Hook::Prerouting, -100)),
        (v4("source"), nat(Hook::Postrouting, 100)),
        (v4("rerouted"), base(Hook::Output, ChainKind::Route, 7, Policy::Accept)),
        (v6("input"), filter(Hook::Input, 0)),
        (v6("nat"), nat(Hook::Prerouting, -100)),
        (both("input"), filter(Hook::Input, 0)),
        (both("proxied"), filter(Hook::Prerouting, -150)),
        (both("ingress"), filter(Hook::Ingress, -5)),
        (chain(TableFamily::Arp, "neighbours", "input"), filter(Hook::Input, 0)),
        (chain(TableFamily::Arp, "neighbours", "output"), filter(Hook::Output, 1)),
        (chain(TableFamily::Bridge, "ports", "forward"), filter(Hook::Prerouting, 0)),
        (chain(TableFamily::Netdev, "frames", "ingress"), filter(Hook::Ingress, 0)),
        (chain(TableFamily::Netdev, "frames", "egress"), filter(Hook::Egress, 0)),
    ]);
    assert_eq!(all, expected);
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn without_the_right_to_see_rules_there_are_no_words() {
    let _world = World::new().nft("table inet fw { chain input { tcp dport 22 drop; }; }");
    let (id, _) = listed().remove(0);
    let mut sets = capabilities(None).unwrap();
    sets.effective.remove(CapabilitySet::NET_ADMIN);
    // Also not for a program that this thread starts.
    sets.permitted.remove(CapabilitySet::NET_ADMIN);
    set_capabilities(None, sets).unwrap();
    assert!(chains().is_err());
    let found = rules_without_nft(&[id.clone()].into());
    assert_eq!(found[&id].text, None);
}
