//! An error that says more than a refusal: a reject, a neighbour that is not there, a route that forbids.

use super::{Accepts, assert_blames_a_rule, assert_says, evidence, text};
use crate::sockets::tcp;
use crate::truth::LAN;
use crate::world::{World, feed};

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn each_reject_is_told_by_its_error() {
    let rules = |hook: &str| {
        format!(
            "table inet fw {{ chain c {{ type filter hook {hook} priority 0;
                tcp dport 27301 reject
                tcp dport 27302 reject with icmpx admin-prohibited
                tcp dport 27303 reject with icmpx host-unreachable
                tcp dport 27304 reject with icmpx no-route
                tcp dport 27305 reject with icmp host-prohibited
                tcp dport 27306 reject with icmp net-prohibited
            }}
            }}"
        )
    };
    let table = [
        (27301, "R21", Some("R21")),
        (27302, "H01", Some("H02")),
        (27303, "H01", Some("H01")),
        (27304, "H03", Some("H03")),
        (27305, "H01", None),
        (27306, "H03", None),
    ];
    for hook in ["input", "output"] {
        let mut world = World::new().nft(&rules(hook));
        for (port, ..) in table {
            world = world.accepts(tcp(&format!("[::]:{port}")).dual());
        }
        for (port, ipv4, ipv6) in table {
            let report = assert_blames_a_rule(&world, &format!("127.0.0.1:{port}"), ipv4);
            assert!(report["attempts"][0]["icmp"].is_object(), "{report:#}");
            assert!(text(&report).contains("listens behind it"), "{report:#}");
            if let Some(ipv6) = ipv6 {
                assert_blames_a_rule(&world, &format!("[::1]:{port}"), ipv6);
            }
        }
        // Near miss: a port that no rule names.
        assert_says(&world.accepts(tcp("127.0.0.1:27309")), "127.0.0.1:27309", "works");
    }
    // Nobody listens behind the rule, which does not hide it.
    let report = assert_blames_a_rule(&World::new().nft(&rules("input")), "127.0.0.1:27301", "R21");
    assert!(text(&report).contains("nothing listens"), "{report:#}");
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_neighbour_that_nobody_is_is_told_from_one_that_refuses() {
    let world = World::new().veth(&LAN).neighbour();
    let report = assert_says(&world, "10.77.0.5:27310", "H04 likely");
    assert_eq!(evidence(&report, "neighbour entry"), "asked for, no answer");
    assert!(report["duration_ms"].as_u64().unwrap() < 1_500, "{report:#}");
    let report = assert_says(&world, "10.77.0.5:27310 --wait 4s", "H04 proved");
    assert_eq!(report["attempts"][0]["errno"], "EHOSTUNREACH");
    // Near misses: a machine that is there, with an open port and a closed one.
    assert_says(&world, "10.77.0.9:9999", "works");
    assert_says(&world, "10.77.0.9:27310", "R01 likely");
    // What a rule rejects at once is no fault of the link, although its entry is still there.
    let world = world.nft(
        "table ip fw {
            chain output {
                type filter hook output priority 0;
                ip daddr 10.77.0.5 tcp dport 27311 reject with icmp host-unreachable
            }
        }",
    );
    assert_says(&world, "10.77.0.5:27311", "H01 likely");
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_router_that_is_not_there_is_named() {
    let world = World::new().veth(&LAN).neighbour();
    feed("ip", &["route", "add", "default", "via", "10.77.0.5"], "");
    let report = assert_says(&world, "203.0.113.9:80", "H04 likely");
    assert!(text(&report).contains("10.77.0.5, the router on the way"), "{report:#}");
    // Near miss: a router that is there, and hands nothing on.
    feed("ip", &["route", "replace", "default", "via", "10.77.0.9"], "");
    assert_says(&world, "203.0.113.9:80", "T01 possible");
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_host_without_ipv6_is_told() {
    let world = World::new().accepts(tcp("127.0.0.1:27330"));
    feed("sysctl", &["-qw", "net.ipv6.conf.all.disable_ipv6=1"], "");
    assert_says(&world, "[::1]:27330", "H05 proved");
    assert_says(&world, "127.0.0.1:27330", "works");
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn routes_that_lead_nowhere_and_that_forbid_are_told_apart() {
    let world = World::new().veth(&LAN);
    assert_says(&world, "203.0.113.9:80", "H05 proved");
    assert_says(&world, "[2001:db8::9]:80", "H05 proved");
    for kind in ["prohibit", "blackhole", "unreachable"] {
        for target in ["203.0.113.9", "2001:db8::9"] {
            let family = if target.contains(':') { "-6" } else { "-4" };
            let prefix = if target.contains(':') { "2001:db8::/32" } else { "203.0.113.0/24" };
            feed("ip", &[family, "route", "add", kind, prefix], "");
            let host = if target.contains(':') { format!("[{target}]") } else { target.into() };
            let report = assert_says(&world, &format!("{host}:80"), "H06 proved");
            assert_eq!(report["attempts"][0]["icmp"], serde_json::Value::Null, "{report:#}");
            feed("ip", &[family, "route", "del", kind, prefix], "");
        }
    }
    feed("ip", &["rule", "add", "to", "203.0.113.9", "prohibit"], "");
    assert_says(&world, "203.0.113.9:80", "H06 proved");
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_loopback_that_is_down_is_named() {
    let world = World::new().veth(&LAN).accepts(tcp("0.0.0.0:27320"));
    assert_says(&world, "127.0.0.1:27320", "works");
    feed("ip", &["link", "set", "lo", "down"], "");
    assert_says(&world, "127.0.0.1:27320", "T08 proved");
    assert_says(&world, "10.77.0.2:27320", "T08 proved");
}
