//! Probes by SYN: they say what connections say, and leave nothing behind.

use crate::nmap::{assert_nmap_agrees, is_without_peers, nmap};
use crate::sockets::{at, tcp, udp};
use crate::truth::{LAN, assert_views, items, views};
use crate::world::{World, feed};
use serde_json::Value;
use std::collections::BTreeMap;

/// Ports 81 to 91, each behind another rule, all with a listener. Nobody listens on 92, 93 and 94.
fn ruled_world() -> World {
    (81..=91)
        .fold(World::new().veth(&LAN), |world, port| {
            world.listens(tcp(&format!("[::]:{port}")).dual())
        })
        .nft(
            "table inet fw {
            chain input {
                type filter hook input priority 0; policy accept;
                tcp dport { 82, 92 } drop
                tcp dport 83 reject with icmpx type port-unreachable
                tcp dport { 84, 93 } reject with icmpx type admin-prohibited
                tcp dport 85 reject with tcp reset
                tcp sport 88 drop
            }
            chain output {
                type filter hook output priority 0; policy accept;
                tcp dport 86 drop
                tcp dport 87 reject with tcp reset
                tcp dport 91 reject with icmpx type admin-prohibited
            }
        }
        table ip nat {
            chain output {
                type nat hook output priority -100; policy accept;
                tcp dport 89 redirect to :81
            }
        }",
        )
}

/// What each of them is, seen from 127.0.0.1 by connections.
const RULED: &str = "
    81/tcp  lo4  open      syn-ack           reachable  -              proved
    82/tcp  lo4  filtered  no-response       filtered   dropped        likely
    83/tcp  lo4  filtered  port-unreach      filtered   rejected       likely
    84/tcp  lo4  filtered  admin-prohibited  filtered   rejected       likely
    85/tcp  lo4  closed    conn-refused      filtered   reset          likely
    86/tcp  lo4  filtered  no-response       filtered   dropped        likely
    87/tcp  lo4  closed    conn-refused      filtered   reset          likely
    88/tcp  lo4  filtered  no-response       filtered   reply-dropped  likely
    89/tcp  lo4  open      syn-ack           forwarded  -              proved
    90/tcp  lo4  open      syn-ack           reachable  -              proved
    91/tcp  lo4  filtered  admin-prohibited  filtered   rejected       likely
    92/tcp  lo4  filtered  no-response       shielded   dropped        *
    93/tcp  lo4  filtered  admin-prohibited  shielded   rejected       *
    94/tcp  lo4  closed    conn-refused      closed     -              *";

/// State, verdict and certainty of each view.
fn judgements(report: &Value) -> BTreeMap<(u64, String), [String; 3]> {
    let word = |view: &Value, field: &str| view[field].as_str().unwrap_or("-").to_owned();
    views(report)
        .map(|(item, view)| {
            let place = (item["port"].as_u64().unwrap(), word(view, "target"));
            (place, ["state", "verdict", "certainty"].map(|field| word(view, field)))
        })
        .collect()
}

/// Only a SYN shows that a rule stopped it on the way out: what else it was the kernel's TCP keeps to itself.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn both_methods_say_the_same_of_each_rule() {
    let world = ruled_world();
    let by = |method: &str| {
        let report =
            world.json(&format!("check --from loopback,self 81-94 --proto tcp --method {method}"));
        assert!(views(&report).all(|(_, view)| view["method"] == method), "{report:#}");
        report
    };
    assert_eq!(judgements(&by("syn")), judgements(&by("connect")));

    let of_loopback = |method: &str| {
        world.json(&format!("check 81-94 --proto tcp -4 --from loopback --method {method}"))
    };
    assert_views(&of_loopback("connect"), RULED);
    let sent_to_86 = "86/tcp  lo4  filtered  no-response       filtered   dropped ";
    let not_sent = "86/tcp  lo4  filtered  not-sent  filtered   not-sent ";
    assert!(RULED.contains(sent_to_86));
    assert_views(&of_loopback("syn"), &RULED.replace(sent_to_86, not_sent));
    // As root the default is a SYN.
    assert_views(
        &world.json("check 94 --proto tcp -4 --from loopback"),
        "94/tcp  lo4  closed  conn-refused  closed  -  *",
    );
}

#[test]
#[ignore = "needs a network namespace: scripts/test, and nmap"]
fn nmap_gives_the_same_states_and_reasons() {
    if is_without_peers() {
        eprintln!("did not run: PORTSIGHT_WITHOUT_PEERS is set");
        return;
    }
    let world = ruled_world();
    // nmap gives up where the kernel does not let it send, or its replies are dropped in front of what it reads: a
    // packet socket hears what no client does.
    let but_for = [86, 88];
    assert_nmap_agrees(&world, "81-94 --proto tcp --method syn", &["-sS", "-p81-94"], 14, &but_for);
}

/// How many connections the kernel has opened for servers here (`PassiveOpens`).
fn passive_opens() -> String {
    let text = std::fs::read_to_string("/proc/thread-self/net/snmp").unwrap();
    let mut rows = text.lines().filter_map(|line| line.strip_prefix("Tcp: "));
    let (names, values) = (rows.next().unwrap(), rows.next().unwrap());
    let at = names.split(' ').position(|name| name == "PassiveOpens").unwrap();
    values.split(' ').nth(at).unwrap().to_owned()
}

/// The sockets that `ss` lists.
fn sockets(arguments: &str) -> Vec<String> {
    let words: Vec<_> = arguments.split_whitespace().collect();
    feed("ss", &words, "").lines().map(str::to_owned).collect()
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_scan_by_syn_is_seen_by_no_application() {
    let world = (0..30).fold(World::new().veth(&LAN), |world, number| {
        world.listens(tcp(&format!("[::]:{}", 1000 + number)).dual())
    });
    let before = passive_opens();
    let report = world
        .portsight("check --from loopback,self --proto tcp --method syn -o json")
        .exits(0)
        .document();
    assert_eq!(items(&report).len(), 30);
    assert_eq!(passive_opens(), before, "connections were opened");
    assert_eq!(sockets("-Htan state syn-recv state time-wait state established"), [""; 0]);
    let queued = |line: &String| line.split_whitespace().nth(1) != Some("0");
    assert_eq!(sockets("-Htln").into_iter().filter(queued).collect::<Vec<_>>(), [""; 0]);
    // The counter does count.
    world.portsight("check --from loopback,self --proto tcp --method connect -o json").exits(0);
    assert_ne!(passive_opens(), before);
}

/// The kernel's own resets are of no user: these rules drop them, and take those that a program sends.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn nothing_stays_half_open_where_the_resets_of_the_kernel_are_dropped() {
    let rules = [
        "tcp flags & (rst | ack) == rst drop",
        "tcp flags rst meta skuid 0 accept; tcp flags rst drop",
    ];
    let world = (0..30).fold(World::new().veth(&LAN), |world, number| {
        world.listens(tcp(&format!("[::]:{}", 1000 + number)).dual())
    });
    let half_open = || sockets("-Htan state syn-recv");
    for rule in rules {
        let table = format!(
            "table inet fw {{
                chain output {{
                    type filter hook output priority 0; policy accept;
                    {rule}
                }}
            }}"
        );
        feed("nft", &["-f", "-"], &table);
        for arguments in ["--proto tcp --from loopback", "1000-1005 --proto tcp"] {
            let run = world.portsight(&format!("check {arguments} --method syn -o json"));
            assert!(views(&run.exits(0).document()).all(|(_, view)| view["state"] == "open"));
            assert_eq!(half_open(), [""; 0], "{rule}");
        }
        // Who sends no reset of its own leaves them: nmap leaves it to the kernel.
        if !is_without_peers() {
            nmap("127.0.0.1", &["-sS", "-p1000-1029"]);
            assert_eq!(half_open().len(), 30, "{rule}");
        }
        feed("nft", &["flush", "ruleset"], "");
        feed("ss", &["-K", "state", "syn-recv"], "");
    }
}

/// An ordinary user asks for what only a privilege allows, and is told which.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn without_the_privilege_a_syn_is_refused_and_nothing_else_is() {
    let world = World::new().listens(tcp("127.0.0.1:80")).echoes(udp("127.0.0.1:81"));
    let by_user = |arguments: &str| world.prepare(arguments).by_ordinary_user().run();
    let run = by_user("check 80 --method syn").exits(2);
    assert_eq!(run.stdout, "");
    run.says_in_one_line(&["--method syn", "CAP_NET_RAW", "setcap cap_net_raw"]);
    for arguments in
        ["check 80 --proto tcp -4 -o json", "check 80 --proto tcp -4 --method auto -o json"]
    {
        let report = by_user(arguments).exits(0).document();
        assert!(views(&report).all(|(_, view)| view["method"] == "connect"), "{report:#}");
        let gaps = report["incomplete"].to_string();
        assert!(!gaps.contains("SYN"), "what is automatic promises nothing: {gaps}");
    }
    by_user("check 81 --proto udp -4 --method syn").exits(0);
    let table = world.portsight("check 80 --proto tcp -4 --method syn").exits(0).stdout;
    assert!(table.contains("1 TCP port (by SYN) as seen from"), "{table}");
}

/// Each client port of one address is taken by a connection: none can be reserved there, and connections to elsewhere
/// can still have one.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_target_without_a_free_port_is_probed_by_connections_and_the_others_by_syn() {
    let mut world = World::new()
        .veth(&["10.77.0.2/24"])
        .listens(tcp("0.0.0.0:80"))
        .listens(tcp("10.77.0.2:81"))
        .listens(tcp("10.77.0.2:82"));
    std::fs::write("/proc/sys/net/ipv4/ip_local_port_range", "40000 40007").unwrap();
    let mut taken: Vec<u16> = (0..8).map(|_| world.clients_of(at("10.77.0.2:82")).0).collect();
    taken.sort_unstable();
    assert_eq!(taken, (40_000..=40_007).collect::<Vec<_>>());
    for (method, is_said) in [("syn", true), ("auto", false)] {
        let report = world
            .json(&format!("check 80,81,83 --from loopback,self --proto tcp -4 --method {method}"));
        let mut told: Vec<_> = views(&report)
            .map(|(item, view)| {
                let words = ["target", "method", "state"].map(|word| view[word].as_str().unwrap());
                format!("{} {}", item["port"], words.join(" "))
            })
            .collect();
        told.sort_unstable();
        let expected = [
            "80 10.77.0.2 connect open",
            "80 127.0.0.1 syn open",
            "81 10.77.0.2 connect open",
            "81 127.0.0.1 syn closed",
            "83 10.77.0.2 connect closed",
            "83 127.0.0.1 syn closed",
        ];
        assert_eq!(told, expected, "{method}");
        let gaps: Vec<_> = report["incomplete"].as_array().unwrap().iter().collect();
        let of_syn = gaps.iter().filter(|gap| gap["what"] == "10.77.0.2 from self by SYN");
        assert_eq!((gaps.len(), of_syn.count()), if is_said { (1, 1) } else { (0, 0) }, "{gaps:?}");
    }
}

/// Where connections are tracked an open port may be another's: only there a connection asks whose.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn an_open_port_is_asked_for_its_socket_only_where_that_may_be_another() {
    let world = World::new().listens(tcp("127.0.0.1:80")).listens(tcp("127.0.0.1:81"));
    let before = passive_opens();
    let table = "80/tcp  lo4  open  syn-ack  reachable  -  proved";
    let check = || world.json("check 80 --proto tcp -4 --from loopback --method syn");
    assert_views(&check(), table);
    assert_eq!(passive_opens(), before);
    feed(
        "nft",
        &["-f", "-"],
        "table ip nat {
        chain output {
            type nat hook output priority -100; policy accept;
            tcp dport 80 redirect to :81
        }
    }",
    );
    assert_views(&check(), "80/tcp  lo4  open  syn-ack  forwarded  -  proved");
    assert_ne!(passive_opens(), before);
}
