//! `ls`: the same sockets as the kernel's own tool shows, and those that it does not show.

use crate::sockets::{at, tcp, udp};
use crate::truth::{LAN, items, name, names, only_item};
use crate::world::{World, feed};
use netstat2::{AddressFamilyFlags, ProtocolFlags, ProtocolSocketInfo, TcpState, get_sockets_info};
use serde_json::{Value, json};
use socket2::{Domain, Protocol, Socket, Type};
use std::net::IpAddr;
use std::os::fd::AsFd as _;

/// Each kind of binding that a socket can have, among them near misses: a TCP connection and a UDP client that
/// has a peer hold ports too, and listen on none.
fn bindings() -> World {
    let mut world = World::new()
        .veth(&LAN)
        .listens(tcp("0.0.0.0:22"))
        .listens(tcp("127.0.0.1:5432"))
        .listens(tcp("[::]:8080").dual())
        .listens(tcp("[::]:8081"))
        .listens(tcp("[::1]:9090"))
        .listens(tcp("10.77.0.2:6379"))
        .listens(tcp("0.0.0.0:9100").on("lan0"))
        .listens(tcp("[::]:9101").dual().on("lo"))
        .listens(tcp("[fe80::77%lan0]:9103"))
        .listens(tcp("[::ffff:127.0.0.1]:9104").dual())
        .listens(tcp("0.0.0.0:7008").shared())
        .listens(tcp("0.0.0.0:7008").shared())
        .overloaded(tcp("0.0.0.0:7000"))
        .echoes(udp("0.0.0.0:53"))
        .holds(udp("[::]:54").dual())
        .holds(udp("[::]:55"))
        .holds(udp("[::1]:56"))
        .holds(udp("127.0.0.1:57").on("lo"))
        .holds(udp("[fe80::77%lan0]:58"));
    world.clients_of("127.0.0.1:5432".parse().unwrap());
    world
}

/// A socket by what `ss` shows of it: transport, address, port, device, both families, queue.
type Row = (String, IpAddr, u64, Option<String>, Option<bool>, (u64, Option<u64>));

/// The rows of `ss -Htuln`: `udp UNCONN 0 0 127.0.0.1%lo:57 0.0.0.0:*`.
fn rows_of_ss() -> Vec<Row> {
    let mut rows: Vec<Row> = feed("ss", &["-Htuln"], "").lines().map(row_of_ss).collect();
    rows.sort();
    rows
}

fn row_of_ss(line: &str) -> Row {
    let [transport, _, received, limit, local, ..] =
        line.split_whitespace().collect::<Vec<_>>()[..]
    else {
        panic!("ss: {line:?}")
    };
    let (host, port) = local.rsplit_once(':').unwrap();
    let (host, device) = host.split_once('%').map_or((host, None), |(h, d)| (h, Some(d.into())));
    let (address, both) = match host {
        "*" => ("::", Some(true)),
        v6 if v6.starts_with('[') => (v6.trim_matches(['[', ']']), Some(false)),
        v4 => (v4, None),
    };
    // For TCP the second number is the limit of the queue, for UDP it is another queue.
    let limit = (transport == "tcp").then(|| limit.parse().unwrap());
    let queue = (received.parse().unwrap(), limit);
    (transport.into(), address.parse().unwrap(), port.parse().unwrap(), device, both, queue)
}

/// The same of an item of `ls`.
fn row_of_item(item: &Value) -> Row {
    let tcp = item["proto"] == "tcp";
    (
        item["proto"].as_str().unwrap().to_owned(),
        item["address"].as_str().unwrap().parse().expect("a bare address"),
        item["port"].as_u64().unwrap(),
        item["interface"].as_str().map(str::to_owned),
        item["dual_stack"].as_bool(),
        (
            item["queue"]["length"].as_u64().unwrap(),
            tcp.then(|| item["queue"]["limit"].as_u64().unwrap()),
        ),
    )
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn ls_shows_the_sockets_that_ss_shows() {
    let world = bindings();
    let report = world.portsight("ls -o json").exits(0).document();
    let mut ours: Vec<Row> = items(&report).iter().map(row_of_item).collect();
    ours.sort();
    assert_eq!(ours, rows_of_ss());
    assert_eq!(ours.len(), 19, "what the world was given");
}

/// A TCP socket that is bound and not listening blocks its port: `ss` before 6.8 does not show it.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn ls_shows_what_is_bound_and_does_not_listen() {
    let world = World::new().holds(tcp("127.0.0.1:6000")).holds(tcp("[::]:6001").dual());
    assert_eq!(rows_of_ss(), []);
    let report = world.portsight("ls -o json").exits(0).document();
    let got: Vec<_> = items(&report)
        .iter()
        .map(|item| {
            (name(item), item["address"].as_str(), item["state"].as_str(), item["queue"].clone())
        })
        .collect();
    let expected = [
        ("6000/tcp".to_owned(), Some("127.0.0.1"), Some("bound"), Value::Null),
        ("6001/tcp".to_owned(), Some("::"), Some("bound"), Value::Null),
    ];
    assert_eq!(got, expected);
}

/// A socket by what netstat2 shows of it.
type Seen = (String, IpAddr, u16);

/// netstat2 cannot see v6-only, devices and bound sockets, and cannot tell a UDP client from a server.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn netstat2_agrees_on_what_it_can_see() {
    let mut world = bindings().holds(tcp("127.0.0.1:6000"));
    let (_, udp_client) = world.clients_of("127.0.0.1:22".parse().unwrap());
    let report = world.json("ls");
    let mut ours: Vec<Seen> = items(&report)
        .iter()
        .filter(|item| item["state"] != "bound")
        .map(row_of_item)
        .map(|(transport, address, port, ..)| (transport, address, u16::try_from(port).unwrap()))
        .collect();
    let families = AddressFamilyFlags::IPV4 | AddressFamilyFlags::IPV6;
    let mut theirs: Vec<Seen> = get_sockets_info(families, ProtocolFlags::TCP | ProtocolFlags::UDP)
        .unwrap()
        .into_iter()
        .filter_map(|socket| match socket.protocol_socket_info {
            ProtocolSocketInfo::Tcp(tcp) => (tcp.state == TcpState::Listen)
                .then(|| ("tcp".to_owned(), tcp.local_addr, tcp.local_port)),
            ProtocolSocketInfo::Udp(udp) => {
                Some(("udp".to_owned(), udp.local_addr, udp.local_port))
            }
        })
        .collect();
    let is_client = |seen: &Seen| seen.0 == "udp" && seen.2 >= 1024;
    assert!(theirs.iter().any(|seen| seen.2 == udp_client), "it shows the client");
    theirs.retain(|seen| !is_client(seen));
    ours.sort();
    theirs.sort();
    assert_eq!(ours, theirs);
}

/// The second reader sees our network namespace alone: what others have is no disagreement.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_second_opinion_is_one_on_our_network_namespace() {
    let world = World::new()
        .veth(&["10.77.56.2/24"])
        .neighbour_at("10.77.56.9")
        .listens(tcp("127.0.0.1:80"))
        .listens(tcp("127.0.0.1:81"));
    // The first of this process is in another one than our thread.
    for netns in ["all".to_owned(), std::process::id().to_string()] {
        let run = world.portsight(&format!("ls -v --netns {netns}")).exits(0);
        assert!(!run.stderr.contains("netstat2"), "{run:?}");
    }
    let run = world.portsight("ls -v").exits(0);
    assert!(run.stderr.contains("netstat2 lists the same 2 serving sockets"), "{run:?}");
}

/// Every field of a socket, against what was asked of the kernel when it was made.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn an_item_holds_the_facts_of_its_socket() {
    let world = World::new();
    let socket = tcp("127.0.0.1:80").listening(17);
    let inode = rustix::fs::fstat(socket.as_fd()).unwrap().st_ino;
    let report = world.json("ls");
    let item = only_item(&report);
    for (field, value) in [
        ("proto", json!("tcp")),
        ("family", json!("ipv4")),
        ("address", json!("127.0.0.1")),
        ("port", json!(80)),
        ("interface", Value::Null),
        ("dual_stack", Value::Null),
        ("state", json!("listen")),
        ("scope", json!("loopback")),
        ("service", json!("http")),
        ("inode", json!(inode)),
        ("uid", json!(0)),
        ("user", json!("root")),
        ("queue", json!({ "length": 0, "limit": 17, "drops": 0 })),
        ("netns", Value::Null),
        ("owners_unknown", Value::Null),
    ] {
        assert_eq!(item.get(field), Some(&value), "{field} of {item:#}");
    }
    let pids: Vec<_> = item["owners"].as_array().unwrap().iter().map(|o| &o["pid"]).collect();
    assert!(pids.contains(&&json!(std::process::id())), "{item:#}");
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn each_scope_and_state_has_its_name() {
    let world = bindings();
    let report = world.json("ls");
    let of = |wanted: &str, field: &str| -> Value {
        let item = items(&report).iter().find(|item| name(item) == wanted).expect("it is there");
        item[field].clone()
    };
    for (port, scope) in [
        ("22/tcp", "any"),
        ("8080/tcp", "any"),
        ("8081/tcp", "any"),
        ("5432/tcp", "loopback"),
        ("9090/tcp", "loopback"),
        ("9104/tcp", "loopback"),
        ("9103/tcp", "link-local"),
        ("6379/tcp", "address"),
    ] {
        assert_eq!(of(port, "scope"), scope, "{port}");
    }
    assert_eq!(of("53/udp", "state"), "unconnected");
    assert_eq!(of("22/tcp", "state"), "listen");
    assert_eq!(of("7000/tcp", "queue")["limit"], 0, "the full queue");
    assert!(of("7000/tcp", "queue")["length"].as_u64() > Some(0), "the full queue");
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn ls_filters_and_takes_the_letters_that_fingers_know() {
    let world = World::new()
        .listens(tcp("127.0.0.1:22"))
        .listens(tcp("[::1]:22"))
        .listens(tcp("127.0.0.1:80"))
        .holds(udp("127.0.0.1:53"))
        .holds(udp("[::1]:22"));
    let shown = |arguments: &str| {
        let mut names =
            names(&world.portsight(&format!("{arguments} -o json")).exits(0).document());
        names.sort();
        names.join(" ")
    };
    let everything = "22/tcp 22/tcp 22/udp 53/udp 80/tcp";
    for (arguments, expected) in [
        ("", everything),
        ("ls", everything),
        ("-tulpn", everything),
        ("ls -tulpn46a", everything),
        ("-t", "22/tcp 22/tcp 80/tcp"),
        ("-u", "22/udp 53/udp"),
        ("ls -4", "22/tcp 53/udp 80/tcp"),
        ("-tn6", "22/tcp"),
        ("port=22", "22/tcp 22/tcp 22/udp"),
        ("proto=udp", "22/udp 53/udp"),
        ("ls port=22 proto=tcp", "22/tcp 22/tcp"),
        ("ls -u port=22", "22/udp"),
        ("ls port=1", ""),
    ] {
        assert_eq!(shown(arguments), expected, "portsight {arguments}");
    }
}

/// Nothing listens: an empty list and success, in each output.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn an_empty_namespace_is_an_empty_list() {
    let world = World::new();
    assert_eq!(world.portsight("ls -o json").exits(0).document()["items"], json!([]));
    for arguments in ["ls", "ls -o plain"] {
        let run = world.portsight(arguments).exits(0);
        assert!(!run.stdout.contains("/tcp") && !run.stdout.contains("/udp"), "{run:?}");
    }
}

/// The formats for programs say the same.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn every_format_has_the_same_sockets() {
    let world = World::new()
        .listens(tcp("127.0.0.1:22"))
        .listens(tcp("[::1]:8080"))
        .echoes(udp("0.0.0.0:53"));
    for command in ["ls", "who 22,53,8080", "check 22,53/udp,8080 --from loopback"] {
        let document = world.json(command);
        let run = |format: &str| world.portsight(&format!("{command} -o {format}")).exits(0).stdout;
        let ndjson = run("ndjson");
        let mut lines = ndjson.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let head = lines.next().unwrap();
        assert_eq!(head["schema"], document["schema"], "{command}");
        assert_eq!(head["items"], Value::Null, "{command}");
        let ports = |item: &Value| (item["port"].clone(), item["proto"].clone());
        let items = document["items"].as_array().unwrap();
        assert!(lines.map(|item| ports(&item)).eq(items.iter().map(ports)), "{command}");
        let (plain, csv) = (run("plain"), run("csv"));
        let of_csv = csv.lines().skip(1).map(|line| line.split(',').next().unwrap());
        let of_plain = plain.lines().map(|line| line.split('\t').next().unwrap());
        assert!(of_csv.eq(of_plain), "{command}: {csv} {plain}");
        assert!(csv.starts_with("port,"), "{csv}");
    }
}

/// A raw socket has a family and an address, as its item says, and is filtered by them.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_raw_socket_is_filtered_by_its_family_and_address() {
    let world = World::new().listens(tcp("127.0.0.1:80")).listens(tcp("[::1]:80"));
    let raw = |domain, address: &str| {
        let socket = Socket::new(domain, Type::from(libc::SOCK_RAW), Some(Protocol::from(255)));
        let socket = socket.expect("did not run: no raw socket");
        socket.bind(&at(address).into()).unwrap();
        socket
    };
    let _both = [raw(Domain::IPV4, "127.0.0.2:0"), raw(Domain::IPV6, "[::1]:0")];
    for (arguments, expected) in [
        ("-w -4", &["ipv4 tcp", "ipv4 raw"][..]),
        ("-w -6", &["ipv6 tcp", "ipv6 raw"]),
        ("family=ipv4 proto=raw", &["ipv4 raw"]),
        ("proto=raw address=::1", &["ipv6 raw"]),
        ("-w address=127.0.0.2", &["ipv4 raw"]),
        ("-w scope=loopback", &["ipv4 tcp", "ipv6 tcp"]),
    ] {
        let report = world.json(&format!("ls {arguments}"));
        let text = |item: &Value, field: &str| item[field].as_str().unwrap().to_owned();
        let found: Vec<_> = items(&report)
            .iter()
            .map(|item| format!("{} {}", text(item, "family"), text(item, "proto")))
            .collect();
        assert_eq!(found, expected, "{arguments}");
    }
}
