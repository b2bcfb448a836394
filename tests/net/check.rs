//! `check`: the true state, reason and verdict of each port at each address.

use crate::sockets::{at, port_of, tcp, udp};
use crate::truth::{LAN, assert_views, items, name, names, rows};
use crate::world::{World, connects};
use std::io::ErrorKind;

/// The sockets of the big world: one of each kind that a host may have.
pub(crate) fn big_world_without_rules() -> World {
    World::new()
        .veth(&LAN)
        .listens(tcp("0.0.0.0:22"))
        .listens(tcp("127.0.0.1:5432"))
        .listens(tcp("[::]:8080").dual())
        .listens(tcp("[::1]:9090"))
        .listens(tcp("10.77.0.2:6379"))
        .listens(tcp("0.0.0.0:8071"))
        .listens(tcp("0.0.0.0:8072"))
        .overloaded(tcp("0.0.0.0:7000"))
        .echoes(udp("0.0.0.0:53"))
        .holds(udp("0.0.0.0:54"))
        .swallows(udp("0.0.0.0:55"))
        .echoes(udp("0.0.0.0:56"))
}

/// The big world with its firewall: 8080 is dropped, 22 is reset, 56/udp is dropped, 8070 (where nobody listens)
/// and 8072 (where somebody does) are redirected to 8071.
pub(crate) fn big_world() -> World {
    big_world_without_rules().nft(
        "table inet fw {
            chain input {
                type filter hook input priority 0; policy accept;
                tcp dport 8080 drop
                tcp dport 22 tcp flags & (syn|ack) == syn reject with tcp reset
                meta nfproto ipv4 udp dport 56 drop
            }
        }
        table ip nat {
            chain output {
                type nat hook output priority -100; policy accept;
                tcp dport { 8070, 8072 } redirect to :8071
            }
        }",
    )
}

/// What a check of the big world must say.
pub(crate) const BIG_WORLD: &str = "
    PORT      TARGETS  STATE          REASON        VERDICT       HOW      CERTAINTY
    22/tcp    v4       closed         conn-refused  filtered      reset    likely
    22/tcp    v6       closed         conn-refused  local-only    -        *
    5432/tcp  lo4      open           syn-ack       reachable     -        proved
    5432/tcp  lan4,v6  closed         conn-refused  local-only    -        *
    8080/tcp  all      filtered       no-response   filtered      dropped  likely
    9090/tcp  lo6      open           syn-ack       reachable     -        proved
    9090/tcp  v4,lan6,link  closed    conn-refused  local-only    -        *
    6379/tcp  lan4     open           syn-ack       reachable     -        proved
    6379/tcp  lo4,v6   closed         conn-refused  local-only    -        *
    7000/tcp  v4       filtered       no-response   overloaded    -        *
    7000/tcp  v6       closed         conn-refused  local-only    -        *
    8070/tcp  v4       open           syn-ack       forwarded     -        *
    8070/tcp  v6       closed         conn-refused  closed        -        *
    8071/tcp  v4       open           syn-ack       reachable     -        proved
    8071/tcp  v6       closed         conn-refused  local-only    -        *
    8072/tcp  v4       open           syn-ack       forwarded     -        *
    8072/tcp  v6       closed         conn-refused  local-only    -        *
    53/udp    v4       open           udp-response  reachable     -        likely
    53/udp    v6       closed         port-unreach  local-only    -        *
    54/udp    v4       open           no-response   reachable     -        proved
    54/udp    v6       closed         port-unreach  local-only    -        *
    55/udp    v4       open           no-response   reachable     -        *
    55/udp    v6       closed         port-unreach  local-only    -        *
    56/udp    v4       open|filtered  no-response   inconclusive  -        *
    56/udp    v6       closed         port-unreach  local-only    -        *
";

/// The same without the rules.
const BIG_WORLD_WITHOUT_RULES: &str = "
    PORT      TARGETS  STATE          REASON        VERDICT       HOW      CERTAINTY
    22/tcp    v4       open           syn-ack       reachable     -        proved
    22/tcp    v6       closed         conn-refused  local-only    -        *
    5432/tcp  lo4      open           syn-ack       reachable     -        proved
    5432/tcp  lan4,v6  closed         conn-refused  local-only    -        *
    8080/tcp  all      open           syn-ack       reachable     -        proved
    9090/tcp  lo6      open           syn-ack       reachable     -        proved
    9090/tcp  v4,lan6,link  closed    conn-refused  local-only    -        *
    6379/tcp  lan4     open           syn-ack       reachable     -        proved
    6379/tcp  lo4,v6   closed         conn-refused  local-only    -        *
    7000/tcp  v4       filtered       no-response   overloaded    -        *
    7000/tcp  v6       closed         conn-refused  local-only    -        *
    8071/tcp  v4       open           syn-ack       reachable     -        proved
    8071/tcp  v6       closed         conn-refused  local-only    -        *
    8072/tcp  v4       open           syn-ack       reachable     -        proved
    8072/tcp  v6       closed         conn-refused  local-only    -        *
    53/udp    v4       open           udp-response  reachable     -        proved
    53/udp    v6       closed         port-unreach  local-only    -        *
    54/udp    v4       open           no-response   reachable     -        proved
    54/udp    v6       closed         port-unreach  local-only    -        *
    55/udp    v4       open           no-response   reachable     -        *
    55/udp    v6       closed         port-unreach  local-only    -        *
    56/udp    v4       open           udp-response  reachable     -        proved
    56/udp    v6       closed         port-unreach  local-only    -        *
";

/// The harness's own eyes see the TCP states of the table: so the table is true, whatever portsight says.
#[track_caller]
fn assert_world_is_true(table: &str) {
    for ((port, target), [state, ..]) in rows(table) {
        if let Some(port) = port.strip_suffix("/tcp") {
            let seen = match connects(port_of(target, port.parse().unwrap())) {
                Ok(()) => "open",
                Err(ErrorKind::ConnectionRefused) => "closed",
                Err(_) => "filtered",
            };
            assert_eq!(seen, state, "{port} at {target}, seen by a plain client");
        }
    }
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn the_tables_are_true() {
    let with_rules = big_world();
    assert_world_is_true(BIG_WORLD);
    drop(with_rules);
    let _without_rules = big_world_without_rules();
    assert_world_is_true(BIG_WORLD_WITHOUT_RULES);
}

/// The harness itself: where nobody listens, a plain client is refused by each address of a world that was just made.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn the_addresses_of_a_world_can_be_used_at_once() {
    for _ in 0..20 {
        let _world = World::new().veth(&LAN);
        for target in LAN.map(|address| address.split('/').next().unwrap().parse().unwrap()) {
            assert_eq!(
                connects(port_of(target, 9100)),
                Err(ErrorKind::ConnectionRefused),
                "{target}"
            );
        }
    }
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn each_port_of_the_big_world_has_its_true_verdict() {
    let world = big_world();
    // Nothing is unexpected: 0.
    let report = world.portsight("check --from loopback,self -o json").exits(0).document();
    assert_views(&report, BIG_WORLD);
    assert_eq!(report["schema"], "portsight/check");
    assert_eq!(report["format_version"], "1.0");
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn without_rules_nothing_is_filtered_and_nothing_is_undecided() {
    let world = big_world_without_rules();
    assert_views(
        &world.portsight("check --from loopback,self -o json").exits(0).document(),
        BIG_WORLD_WITHOUT_RULES,
    );
}

/// A check leaves connections in accept queues, and datagrams in receive queues: it must not judge itself by them.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_second_check_says_what_the_first_said() {
    let world = big_world();
    for _ in 0..2 {
        assert_views(&world.json("check --from loopback,self"), BIG_WORLD);
    }
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_listener_for_one_device_or_scope_is_local_only_elsewhere() {
    let world = World::new()
        .veth(&LAN)
        .listens(tcp("0.0.0.0:9100").on("lan0"))
        .listens(tcp("[::]:9101").on("lan0"))
        .listens(tcp("[::]:9102").dual().on("lo"))
        .listens(tcp("[fe80::77%lan0]:9103"))
        .listens(tcp("[::ffff:127.0.0.1]:9104").dual())
        .echoes(udp("0.0.0.0:9105").on("lan0"));
    // A packet to an own address travels over `lo`, and counts as arriving at the interface that has the address.
    let table = "
        9100/tcp  lan4             open    syn-ack       reachable   -  proved
        9100/tcp  lo4,v6           closed  conn-refused  local-only  -  *
        9101/tcp  lan6,link        open    syn-ack       reachable   -  proved
        9101/tcp  v4,lo6           closed  conn-refused  local-only  -  *
        9102/tcp  lo               open    syn-ack       reachable   -  proved
        9102/tcp  lan              closed  conn-refused  local-only  -  *
        9103/tcp  link             open    syn-ack       reachable   -  proved
        9103/tcp  v4,lo6,lan6      closed  conn-refused  local-only  -  *
        9104/tcp  lo4              open    syn-ack       reachable   -  proved
        9104/tcp  lan4,v6          closed  conn-refused  local-only  -  *
        9105/udp  lan4             open    udp-response  reachable   -  proved
        9105/udp  lo4,v6           closed  port-unreach  local-only  -  *
    ";
    assert_world_is_true(table);
    assert_views(&world.json("check --from loopback,self"), table);
}

/// It is probed at the ports that are bound to it, and only there.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn another_loopback_address_is_a_target_when_a_socket_is_bound_to_it() {
    let world = World::new().listens(tcp("127.0.0.53:5300")).listens(tcp("127.0.0.1:5301"));
    assert_views(
        &world.portsight("check -o json").exits(0).document(),
        "5300/tcp  lo          closed  conn-refused  local-only  -  *
         5300/tcp  127.0.0.53  open    syn-ack       reachable   -  proved
         5301/tcp  lo4         open    syn-ack       reachable   -  proved
         5301/tcp  lo6         closed  conn-refused  local-only  -  *",
    );
}

/// A server that hangs up at once has closed its socket by the time anybody looks for it.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_server_that_hangs_up_at_once_is_reachable() {
    let world = World::new().hangs_up(tcp("127.0.0.1:7777"));
    for _ in 0..20 {
        assert_views(
            &world
                .portsight("check 7777 --proto tcp --from loopback -4 -o json")
                .exits(0)
                .document(),
            "7777/tcp  lo4  open  syn-ack  reachable  -  *",
        );
    }
}

/// Web servers do it: the connection is up for the client, and on this side there is no socket for it yet.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_server_that_waits_for_data_is_reachable() {
    let world = World::new()
        .veth(&LAN)
        .listens(tcp("0.0.0.0:80").deferred())
        .listens(tcp("[::]:81").deferred());
    assert_views(
        &world.portsight("check --from loopback,self --proto tcp -o json").exits(0).document(),
        "80/tcp  v4  open    syn-ack       reachable   -  *
         80/tcp  v6  closed  conn-refused  local-only  -  *
         81/tcp  v6  open    syn-ack       reachable   -  *
         81/tcp  v4  closed  conn-refused  local-only  -  *",
    );
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_bound_socket_that_does_not_listen_is_closed_and_shown() {
    let world = World::new().holds(tcp("127.0.0.1:6000"));
    let report = world.portsight("check 6000 -4 --proto tcp -o json").exits(0).document();
    assert_views(&report, "6000/tcp  lo4  closed  conn-refused  closed  -  *");
    assert_eq!(items(&report)[0]["listeners"][0]["state"], "bound");
}

/// A connection that leads out of this namespace: it is up, and no socket here took it.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn an_open_port_that_nothing_here_explains_is_unexpected() {
    let world = World::new().veth(&["10.77.0.2/24"]).neighbour().nft(
        "table ip nat {
            chain output {
                type nat hook output priority -100; policy accept;
                ip daddr 10.77.0.2 tcp dport 8073 dnat to 10.77.0.9:9999
            }
        }",
    );
    assert_eq!(connects(at("10.77.0.2:8073")), Ok(()), "the neighbour answers");
    assert_views(
        &world.portsight("check --from loopback,self -4 -o json").exits(1).document(),
        "8073/tcp  lo4   closed  conn-refused  closed      -  *
         8073/tcp  lan4  open    syn-ack       unexpected  -  *",
    );
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_named_port_has_its_row_also_when_nobody_listens() {
    let world = World::new();
    let closed = world.portsight("check 3306 -o json").exits(0).document();
    assert_views(
        &closed,
        "3306/tcp  lo  closed  conn-refused  closed  -  *
         3306/udp  lo  closed  port-unreach  closed  -  *",
    );

    let world = world.nft(
        "table inet fw {
            chain input { type filter hook input priority 0; tcp dport 3306 drop; }
        }",
    );
    let shielded = world.portsight("check 3306 --proto tcp -o json").exits(0).document();
    assert_views(&shielded, "3306/tcp  lo  filtered  no-response  shielded  dropped  *");
    // Not named, it is counted and has no row.
    assert!(names(&world.json("check --proto tcp")).is_empty());
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn the_table_says_the_verdicts_of_the_document() {
    let world = big_world();
    let report = world.json("check --from loopback,self");
    let table = world.portsight("check --from loopback,self").stdout;
    for item in items(&report) {
        let rows: Vec<_> =
            table.lines().filter(|l| l.split_whitespace().next() == Some(&name(item))).collect();
        let [row] = rows.as_slice() else { panic!("not one row for {}:\n{table}", name(item)) };
        let verdict = item["verdict"].as_str().unwrap();
        assert!(row.contains(verdict), "{verdict} in {row:?}");
    }
    assert!(table.contains("network not tested"), "{table}");
}
