//! Kinds of sockets beside the servers of TCP and UDP: Unix, raw and packet sockets, MPTCP, UDP-Lite, and
//! connections in each state that a kernel keeps. Each beside what `ss` says.

use crate::cgroups::{did_not_run, pause};
use crate::holder::{Directory, Plan, holder};
use crate::run::Run;
use crate::sockets::{tcp, udp};
use crate::truth::{LAN, items, name, names};
use crate::world::{LAN_INDEX, World, feed};
use serde_json::{Value, json};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::collections::BTreeSet;
use std::env;
use std::ffi::OsStr;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// A Unix socket with this name. One that begins with a zero byte is in the abstract namespace.
fn unix(kind: Type, name: impl AsRef<Path>) -> Socket {
    let socket = Socket::new(Domain::UNIX, kind, None).unwrap();
    let name = name.as_ref();
    let address = SockAddr::unix(name).unwrap();
    socket.bind(&address).unwrap_or_else(|error| panic!("{}: {error}", name.display()));
    socket
}

fn unix_listener(kind: Type, name: impl AsRef<Path>, backlog: i32) -> Socket {
    let socket = unix(kind, name);
    socket.listen(backlog).unwrap();
    socket
}

/// A client of the socket with this name.
fn joined(client: Socket, name: impl AsRef<Path>) -> Socket {
    client.connect(&SockAddr::unix(name).unwrap()).unwrap();
    client
}

fn inode(socket: &Socket) -> u64 {
    rustix::fs::fstat(socket.as_fd()).unwrap().st_ino
}

/// What these items are: kind, state, and the path, or the protocol with the address and the device.
fn told(document: &Value) -> Vec<String> {
    let mut told: Vec<String> = items(document)
        .iter()
        .map(|item| {
            let fields = ["proto", "state", "path", "protocol", "address"].map(|f| &item[f]);
            let mut words: Vec<_> = fields.iter().filter_map(|field| field.as_str()).collect();
            let port = item["port"].as_u64().map(|port| port.to_string());
            words.extend(port.as_deref());
            let device = item["interface"].as_str().map(|device| format!("%{device}"));
            words.join(" ") + &device.unwrap_or_default()
        })
        .collect();
    told.sort();
    told
}

fn sorted<T: Ord>(items: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut items: Vec<T> = items.into_iter().collect();
    items.sort();
    items
}

/// The item of this inode.
#[track_caller]
fn of_inode(document: &Value, inode: u64) -> &Value {
    let item = items(document).iter().find(|item| item["inode"] == inode);
    item.unwrap_or_else(|| panic!("no socket {inode} in {document:#}"))
}

/// The processes that hold it.
fn pids(item: &Value) -> Vec<u64> {
    item["owners"].as_array().unwrap().iter().map(|o| o["pid"].as_u64().unwrap()).collect()
}

/// Asserts that each socket is held by this process alone.
#[track_caller]
fn assert_held_by(document: &Value, pid: u32) {
    for item in items(document) {
        assert_eq!(pids(item), [u64::from(pid)], "{item:#}");
        assert_eq!(item["owners_unknown"], Value::Null, "{item:#}");
    }
}

/// What could not be seen, beside the owners and units that an ordinary user may not see.
fn gaps(document: &Value) -> Vec<&str> {
    let gaps = document["incomplete"].as_array().unwrap();
    let what = gaps.iter().map(|gap| gap["what"].as_str().unwrap());
    what.filter(|what| !what.starts_with("the owner") && !what.starts_with("the unit")).collect()
}

fn sockets(run: Run) -> Value {
    run.exits(0).document()
}

/// The Unix sockets that `ss` shows as ones that clients can find: inode, and what waits of how many.
fn unix_of_ss() -> BTreeSet<(u64, u64, u64)> {
    let text = feed("ss", &["-Hxan"], "");
    let row = |line: &str| {
        let words: Vec<_> = line.split_whitespace().collect();
        let [kind, state, waiting, limit, local, inode, _, peer] = words[..] else {
            panic!("ss: {line:?}")
        };
        let datagram = kind == "u_dgr" && local != "*" && peer == "0";
        let number = |word: &str| word.parse::<u64>().unwrap();
        (state == "LISTEN" || datagram).then(|| (number(inode), number(waiting), number(limit)))
    };
    text.lines().filter_map(row).collect()
}

/// A name may hold anything but a zero byte, so nothing here has a blank: `ss` separates by them.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn the_unix_sockets_that_clients_can_find_are_listed() {
    let directory = Directory::within(&env::temp_dir());
    let at = |name: &str| -> PathBuf { directory.path().join(name) };
    let world = World::new().listens(tcp("127.0.0.1:22"));
    let listener = unix_listener(Type::STREAM, at("stream"), 3);
    let connected = joined(unix(Type::STREAM, at("client")), at("stream"));
    let accepted = listener.accept().unwrap().0;
    let waiting = joined(Socket::new(Domain::UNIX, Type::STREAM, None).unwrap(), at("stream"));
    let servers = [
        listener,
        unix_listener(Type::SEQPACKET, at("packets"), 4),
        unix_listener(Type::STREAM, "\0portsight\0test", 5),
        unix(Type::DGRAM, at("datagrams")),
        unix(Type::DGRAM, "\0portsight-datagrams"),
        // A client joined to it changes its state, as each program that logs does to /dev/log.
        unix(Type::DGRAM, at("log")),
    ];
    let stream = inode(&servers[0]);
    let process = servers.into_iter().fold(holder(), Plan::given).start();
    let _near_misses = [
        connected,
        accepted,
        waiting,
        joined(unix(Type::DGRAM, at("logs")), at("log")),
        Socket::new(Domain::UNIX, Type::DGRAM, None).unwrap(),
        Socket::new(Domain::UNIX, Type::STREAM, None).unwrap(),
        unix(Type::STREAM, at("bound")),
    ];
    let (_one, _other) = Socket::pair(Domain::UNIX, Type::DGRAM, None).unwrap();

    let report = sockets(world.portsight("ls -x proto=unix -o json"));
    let path = |state: &str, name: &str| format!("unix {state} {}", at(name).display());
    let expected = [
        path("listen", "stream"),
        path("listen", "packets"),
        "unix listen @portsight@test".to_owned(),
        path("unconnected", "datagrams"),
        path("unconnected", "log"),
        "unix unconnected @portsight-datagrams".to_owned(),
    ];
    assert_eq!(told(&report), sorted(expected));
    assert_held_by(&report, process.pid());
    assert_eq!(gaps(&report), [""; 0]);
    let seen = items(&report).iter().map(|item| {
        let (inode, queue) = (item["inode"].as_u64().unwrap(), &item["queue"]);
        let number = |field: &str| queue[field].as_u64().unwrap_or_default();
        (inode, number("length"), number("limit"))
    });
    assert_eq!(seen.collect::<BTreeSet<_>>(), unix_of_ss());
    let item = of_inode(&report, stream);
    assert_eq!(item["queue"], json!({ "length": 1, "limit": 3, "drops": 0 }));
    for (field, value) in [
        ("port", Value::Null),
        ("address", Value::Null),
        ("family", Value::Null),
        ("scope", Value::Null),
        ("peer", Value::Null),
        ("mptcp", Value::Null),
        ("protocol", Value::Null),
        ("netns", Value::Null),
        ("uid", json!(0)),
        ("user", json!("root")),
    ] {
        assert_eq!(item.get(field), Some(&value), "{field} of {item:#}");
    }
    // Nothing of it without the switch; with it, the others are still there.
    for (arguments, expected) in [("ls", 1), ("ls -x", 7), ("ls -a", 7), ("ls proto=unix", 6)] {
        let report = sockets(world.portsight(&format!("{arguments} -o json")));
        assert_eq!(items(&report).len(), expected, "{arguments}");
    }
    let table = world.portsight("ls -x").exits(0).stdout;
    assert!(table.contains(&format!("sh {}", process.pid())), "{table}");
    assert!(table.contains("1 port, 6 sockets without a port"), "{table}");
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_hostile_path_is_exact_for_programs_and_visible_for_people() {
    let directory = Directory::within(&env::temp_dir());
    let world = World::new();
    let hostile = "evil\x1b[2J\n22/tcp\r\t\u{202e}\u{9b}";
    let hostile = hostile.replace('/', "_");
    let exact = directory.path().join(&hostile);
    let no_text = directory.path().join(OsStr::from_bytes(b"bytes-\xff\xfe"));
    let _process = [
        unix_listener(Type::STREAM, &exact, 1),
        unix_listener(Type::STREAM, &no_text, 1),
        unix_listener(Type::STREAM, "\0\x1b[31m\0", 1),
    ]
    .into_iter()
    .fold(holder(), Plan::given)
    .start();
    let report = sockets(world.portsight("ls -x -o json"));
    let paths = items(&report).iter().map(|item| item["path"].as_str().unwrap());
    let replaced = directory.path().join("bytes-\u{fffd}\u{fffd}");
    let expected = [exact.to_str().unwrap(), replaced.to_str().unwrap(), "@\x1b[31m@"];
    assert_eq!(sorted(paths), sorted(expected));
    for arguments in ["ls -x", "ls -x -o plain", "ls -x -o csv"] {
        let text = world.portsight(arguments).exits(0).stdout;
        // CSV ends its lines with both.
        let text = text.replace("\r\n", "\n");
        let control = |c: char| c.is_control() && !['\n', '\t'].contains(&c) || c == '\u{202e}';
        assert!(!text.contains(control), "{arguments}: {text:?}");
        assert_eq!(text.lines().filter(|line| line.starts_with("unix")).count(), 3, "{text}");
        let visible = r"evil\x1b[2J\n22_tcp\r\t\u{202e}\u{9b}";
        assert!(text.contains(visible) && text.contains(r"@\x1b[31m@"), "{arguments}: {text}");
    }
}

/// A packet socket. `protocol` is an `EtherType`, `device` an index or 0.
fn packet(kind: Type, protocol: u16, device: u32) -> Socket {
    let socket = Socket::new(Domain::PACKET, kind, Some(i32::from(protocol.to_be()).into()));
    let socket = socket.unwrap();
    if device != 0 {
        // SAFETY: all zeroes are a valid `sockaddr_ll`, and it lives through the call.
        unsafe {
            let mut address: libc::sockaddr_ll = std::mem::zeroed();
            address.sll_family = u16::try_from(libc::AF_PACKET).unwrap();
            address.sll_protocol = protocol.to_be();
            address.sll_ifindex = i32::try_from(device).unwrap();
            let length = u32::try_from(size_of_val(&address)).unwrap();
            let bound = libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length);
            assert_eq!(bound, 0, "{}", io::Error::last_os_error());
        }
    }
    socket
}

/// The packet sockets of `ss -0`, `p_raw UNCONN 0 0 [35020]:lan0 *`, in the words of [`told`].
fn packet_of_ss() -> Vec<String> {
    let text = feed("ss", &["-H0an"], "");
    let row = |line: &str| {
        let local = line.split_whitespace().nth(4).unwrap();
        let (protocol, device) = local.rsplit_once(':').unwrap();
        let protocol = match protocol {
            "*" => "all",
            "[0]" => "none",
            "[2054]" => "arp",
            "[35020]" => "lldp",
            "[35063]" => "0x88f7",
            other => panic!("ss: {other}"),
        };
        let device = if device == "*" { String::new() } else { format!("%{device}") };
        format!("packet unconnected {protocol}{device}")
    };
    sorted(text.lines().map(row))
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn packet_sockets_are_listed_with_protocol_and_device() {
    const ALL: u16 = 0x0003;
    let world = World::new().veth(&LAN).listens(tcp("127.0.0.1:22"));
    let process = [
        packet(Type::RAW, ALL, 0),
        packet(Type::RAW, ALL, LAN_INDEX),
        packet(Type::DGRAM, 0x0806, 0),
        packet(Type::DGRAM, 0x0806, LAN_INDEX),
        packet(Type::RAW, 0x88cc, 1),
        packet(Type::RAW, 0x88f7, 0),
        packet(Type::DGRAM, 0, 0),
    ]
    .into_iter()
    .fold(holder(), Plan::given)
    .start();
    let report = sockets(world.portsight("ls proto=packet -o json"));
    let expected = ["all", "all%lan0", "arp", "arp%lan0", "lldp%lo", "0x88f7", "none"]
        .map(|what| format!("packet unconnected {what}"));
    assert_eq!(told(&report), sorted(expected));
    assert_eq!(told(&report), packet_of_ss());
    assert_held_by(&report, process.pid());
    assert!(items(&report).iter().all(|item| item["uid"] == 0), "{report:#}");
    for (arguments, expected) in [("ls", 1), ("ls -w", 8), ("ls -a", 8), ("ls proto=raw", 0)] {
        let report = sockets(world.portsight(&format!("{arguments} -o json")));
        assert_eq!(items(&report).len(), expected, "{arguments}");
    }
}

fn raw(domain: Domain, protocol: i32, address: Option<&str>) -> Socket {
    let socket = Socket::new(domain, Type::RAW, Some(protocol.into())).unwrap();
    if let Some(address) = address {
        let address: SocketAddr = address.parse().unwrap();
        socket.bind(&address.into()).unwrap();
    }
    socket
}

/// The raw sockets of `ss -w`, `UNCONN 0 0 127.0.0.1:1 0.0.0.0:*`, without their devices, in the words of [`told`].
fn raw_of_ss() -> Vec<String> {
    let text = feed("ss", &["-Hwan"], "");
    let row = |line: &str| {
        let local = line.split_whitespace().nth(3).unwrap();
        let (address, protocol) = local.rsplit_once(':').unwrap();
        let address = address.split('%').next().unwrap().trim_matches(['[', ']']);
        let protocol = match protocol {
            "1" => "icmp",
            "58" => "icmpv6",
            "253" => "253",
            "255" => "raw",
            other => panic!("ss: {other}"),
        };
        let address = if address == "*" { "::" } else { address };
        format!("raw unconnected {protocol} {address}")
    };
    sorted(text.lines().map(row))
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn raw_sockets_are_listed_with_protocol_and_address() {
    let world = World::new().veth(&LAN).holds(udp("127.0.0.1:53"));
    let on_device = raw(Domain::IPV4, 253, None);
    on_device.bind_device(Some(b"lan0")).unwrap();
    let bound_to_device = inode(&on_device);
    let process = [
        raw(Domain::IPV4, 1, None),
        raw(Domain::IPV4, 1, Some("10.77.0.2:0")),
        raw(Domain::IPV4, 255, None),
        raw(Domain::IPV6, 58, None),
        raw(Domain::IPV6, 58, Some("[fd77::2]:0")),
        on_device,
    ]
    .into_iter()
    .fold(holder(), Plan::given)
    .start();
    let report = sockets(world.portsight("ls proto=raw -o json"));
    // A kernel without raw_diag shows no device: that is then said.
    let item = of_inode(&report, bound_to_device);
    let unknown = |item: &Value| {
        let fields = item["unknown"].as_array().unwrap();
        fields.iter().any(|entry| entry["field"] == "interface")
    };
    assert!(item["interface"] == "lan0" || unknown(item), "{item:#}");
    let without_device = told(&report).into_iter();
    let without_device = without_device.map(|row| row.trim_end_matches("%lan0").to_owned());
    let without_device: Vec<String> = without_device.collect();
    let expected = [
        "icmp 0.0.0.0",
        "icmp 10.77.0.2",
        "raw 0.0.0.0",
        "icmpv6 ::",
        "icmpv6 fd77::2",
        "253 0.0.0.0",
    ]
    .map(|what| format!("raw unconnected {what}"));
    assert_eq!(without_device, sorted(expected));
    assert_eq!(without_device, raw_of_ss());
    assert_held_by(&report, process.pid());
    assert_eq!(gaps(&report), [""; 0]);
    let families = items(&report).iter().filter(|item| item["family"] == "ipv6").count();
    assert_eq!(families, 2, "{report:#}");
    for (arguments, expected) in [("ls", 1), ("ls -w", 7), ("ls -a", 7), ("ls proto=packet", 0)] {
        let report = sockets(world.portsight(&format!("{arguments} -o json")));
        assert_eq!(items(&report).len(), expected, "{arguments}");
    }
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn an_ordinary_user_sees_every_kind_and_not_whose_they_are() {
    let directory = Directory::within(&env::temp_dir());
    let world = World::new().listens(tcp("127.0.0.1:22"));
    let _sockets = [
        unix_listener(Type::STREAM, directory.path().join("s"), 1),
        packet(Type::RAW, 3, 0),
        raw(Domain::IPV4, 1, None),
        raw(Domain::IPV6, 58, None),
    ];
    let run = world.prepare("ls -a -o json").by_ordinary_user().run();
    let report = sockets(run);
    assert_eq!(told(&report), told(&world.json("ls -a")), "root sees the same");
    assert_eq!(items(&report).len(), 5);
    for item in items(&report) {
        assert_eq!(item["owners"], json!([]), "{item:#}");
        assert_eq!(item["owners_unknown"]["reason"], "permission", "{item:#}");
        let text = item["owners_unknown"]["text"].as_str().unwrap();
        assert!(text.starts_with("root (uid 0) made it; "), "{text}");
    }
    assert_eq!(gaps(&report), [""; 0]);
    world
        .prepare("ls -a")
        .by_ordinary_user()
        .run()
        .exits(0)
        .says_in_one_line(&["5 sockets", "root"]);
}

/// `IPPROTO_MPTCP`, and a listener or client of it.
fn mptcp(domain: Domain) -> Socket {
    let protocol = Some(Protocol::from(262));
    let socket = Socket::new(domain, Type::STREAM, protocol);
    socket.unwrap_or_else(|error| panic!("did not run: no MPTCP: {error}"))
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_listener_says_whether_it_takes_mptcp() {
    let world = World::new();
    let address = |text: &str| SockAddr::from(text.parse::<SocketAddr>().unwrap());
    let listener = mptcp(Domain::IPV6);
    listener.bind(&address("[::]:8001")).unwrap();
    listener.listen(7).unwrap();
    let client = mptcp(Domain::IPV4);
    client.bind(&address("127.0.0.1:9001")).unwrap();
    client.connect(&address("127.0.0.1:8001")).unwrap();
    let accepted = listener.accept().unwrap().0;
    let own = inode(&listener);
    let process = holder()
        .given(listener)
        .given(client)
        .given(accepted)
        .holding(tcp("127.0.0.1:8002"))
        .start();
    let report = sockets(world.portsight("ls --established -o json"));
    let seen = items(&report).iter().map(|item| {
        (name(item), item["state"].as_str().unwrap(), item["mptcp"].as_bool().unwrap())
    });
    let expected = [
        ("8001/tcp".to_owned(), "listen", true),
        ("8001/tcp".to_owned(), "established", true),
        ("9001/tcp".to_owned(), "established", true),
        ("8002/tcp".to_owned(), "listen", false),
    ];
    assert_eq!(sorted(seen), sorted(expected));
    assert_held_by(&report, process.pid());
    assert_eq!(of_inode(&report, own)["queue"]["limit"], 7);
    // ss names the protocol above TCP too.
    let ss = feed("ss", &["-Htlni"], "");
    assert_eq!(ss.matches("tcp-ulp-mptcp").count(), 1, "{ss}");
    let table = world.portsight("ls").exits(0).stdout;
    let rows = table.lines().filter(|line| line.contains("(mptcp)"));
    assert!(rows.map(|row| row.starts_with("8001/tcp")).eq([true]), "{table}");
}

/// A UDP-Lite socket at this address; `None` where the kernel has none.
fn udp_lite(address: &str) -> Option<Socket> {
    let address: SocketAddr = address.parse().unwrap();
    let protocol = Some(Protocol::from(libc::IPPROTO_UDPLITE));
    match Socket::new(Domain::for_address(address), Type::DGRAM, protocol) {
        Ok(socket) => {
            socket.bind(&address.into()).unwrap();
            Some(socket)
        }
        Err(error) => {
            did_not_run(&format!("no UDP-Lite: {error}"));
            None
        }
    }
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn what_is_not_listed_is_counted_only_where_there_is_any() {
    let world = World::new().listens(tcp("127.0.0.1:22")).holds(udp("127.0.0.1:53"));
    // Neither UDP-Lite, nor SCTP where the kernel has it not.
    for arguments in ["ls", "ls -a", "ls --established --time-wait", "who 22"] {
        let report = sockets(world.portsight(&format!("{arguments} -o json")));
        assert_eq!(report["incomplete"], json!([]), "{arguments}");
        assert_eq!(world.portsight(arguments).exits(0).stderr, "");
    }
    let Some(_lite) = udp_lite("127.0.0.1:7001") else { return };
    assert_eq!(gaps(&sockets(world.portsight("ls -o json"))), ["1 UDP-Lite socket"]);
    let _lite_v6 = udp_lite("[::1]:7001");
    for arguments in ["ls", "ls -a", "who 22"] {
        let report = sockets(world.portsight(&format!("{arguments} -o json")));
        let gap = json!([{
            "what": "2 UDP-Lite sockets",
            "reason": "UDP-Lite is left out",
            "need": null,
        }]);
        assert_eq!(report["incomplete"], gap, "{arguments}");
        assert!(!names(&report).iter().any(|name| name.starts_with("7001")), "{report:#}");
        let run = world.portsight(arguments).exits(0);
        run.says_in_one_line(&["not seen", "2 UDP-Lite sockets"]);
    }
    // Its ports are not those of UDP: 7001 is free, and is known to be.
    world.portsight("who 7001").exits(1);
    let _udp = udp("127.0.0.1:7001").bound();
    assert_eq!(names(&sockets(world.portsight("who 7001 -o json"))), ["7001/udp"]);
    let seen = world.prepare("who 7002").by_ordinary_user().run();
    seen.exits(1);
}

/// A connection of TCP by state, its own end and the other one.
type Connection = (String, SocketAddr, SocketAddr);

/// The connections of `ss`: `ESTAB 0 0 127.0.0.1:22 127.0.0.1:4000`.
fn connections_of_ss() -> Vec<Connection> {
    let text = feed("ss", &["-Htan", "state", "all", "exclude", "listening"], "");
    let row = |line: &str| {
        let words: Vec<_> = line.split_whitespace().collect();
        let [state, _, _, own, peer, ..] = words[..] else { panic!("ss: {line:?}") };
        let state = match state.to_lowercase() {
            short if short == "estab" => "established".to_owned(),
            state => state,
        };
        (state, own.parse().unwrap(), peer.parse().unwrap())
    };
    sorted(text.lines().map(row))
}

fn end(of: &Value) -> SocketAddr {
    let address = of["address"].as_str().unwrap().parse().unwrap();
    SocketAddr::new(address, u16::try_from(of["port"].as_u64().unwrap()).unwrap())
}

fn connections(document: &Value) -> Vec<Connection> {
    let connections = items(document).iter().filter(|item| item["state"] != "listen");
    let row =
        |item: &Value| (item["state"].as_str().unwrap().to_owned(), end(item), end(&item["peer"]));
    sorted(connections.map(row))
}

/// The listeners and connections of [`states`], by their ports: `8001` listens, `9001` is its client.
const STATES: &str = "
    OWN   PEER  STATE        HELD   UID   WHY
    8001  9001  established  yes    0     -
    9001  8001  established  yes    0     -
    8002  9002  established  no     0     no process has accepted it yet
    9002  8002  established  yes    0     -
    9003  8003  syn-sent     yes    0     -
    9004  8004  syn-sent     yes    0     -
    8004  9004  syn-recv     no     -     no process has accepted it yet
    8005  9005  established  yes    0     -
    9005  8005  fin-wait-1   no     0     its process has closed it: the kernel ends the connection
    8006  9006  last-ack     no     0     its process has closed it: the kernel ends the connection
    9006  8006  fin-wait-2   yes    0     -
    8007  9007  close-wait   yes    0     -
    9007  8007  fin-wait-2   no     -     its process has closed it: the kernel ends the connection
    9008  8008  time-wait    no     -     its process has closed it: the kernel keeps it for a minute
    8009  9009  close-wait   no     0     no process has accepted it yet
    9009  8009  fin-wait-2   no     -     its process has closed it: the kernel ends the connection
    8010  9010  established  yes    0     -
    9010  8010  established  yes    0     -
    8011  9011  established  yes    0     -
    9011  8011  established  yes    0     -
";

/// A row of [`STATES`].
struct Told {
    own: u16,
    peer: u16,
    state: &'static str,
    held: bool,
    uid: Option<u32>,
    why: String,
}

fn rows_of_states() -> Vec<Told> {
    let rows = STATES.lines().map(str::trim).filter(|row| row.starts_with(['8', '9']));
    let told = |row: &'static str| {
        let words: Vec<_> = row.split_whitespace().collect();
        let [own, peer, state, held, uid, why @ ..] = &words[..] else { panic!("{row}") };
        let [own, peer] = [own, peer].map(|port| port.parse().unwrap());
        Told { own, peer, state, held: *held == "yes", uid: uid.parse().ok(), why: why.join(" ") }
    };
    rows.map(told).collect()
}

/// A client at port 9000 + `number` of the server at 8000 + `number`.
fn client(number: u16, host: &str) -> Socket {
    let at = |port: u16| SockAddr::from(SocketAddr::new(host.parse().unwrap(), port));
    let (own, server) = (at(9000 + number), at(8000 + number));
    let socket = Socket::new(own.domain(), Type::STREAM, None).unwrap();
    socket.bind(&own).unwrap();
    socket.set_nonblocking(true).unwrap();
    // It is under way, or lost on its way.
    drop(socket.connect(&server));
    socket
}

/// A connection in each state that lasts. Gives those of their sockets that a process is to hold.
fn states() -> (World, Vec<Socket>) {
    // What is lost on its way keeps a state from going on to the next.
    let world = World::new().nft(
        "table inet fw {
            chain input {
                type filter hook input priority 0;
                tcp dport 8003 drop
                tcp sport 8004 tcp flags & (syn | ack) == (syn | ack) drop
                tcp dport 8005 tcp flags & fin == fin drop
                tcp sport 8006 tcp flags & fin == fin drop
            }
        }",
    );
    let listen = |number: u16| match number {
        10 => tcp("[::1]:8010").listening(9),
        11 => tcp("[::]:8011").dual().listening(9),
        _ => tcp(&format!("127.0.0.1:{}", 8000 + number)).listening(9),
    };
    let connected = |number: u16| {
        let host = if number == 10 { "::1" } else { "127.0.0.1" };
        let (listener, client) = (listen(number), client(number, host));
        let accepted = listener.accept().unwrap().0;
        (listener, client, accepted)
    };
    let mut kept = Vec::new();
    for number in [1, 10, 11] {
        let (listener, client, accepted) = connected(number);
        kept.extend([listener, client, accepted]);
    }
    kept.extend([listen(2), client(2, "127.0.0.1")]);
    kept.extend([client(3, "127.0.0.1")]);
    kept.extend([listen(4), client(4, "127.0.0.1")]);
    let (listener, closed, accepted) = connected(5);
    drop(closed);
    kept.extend([listener, accepted]);
    let (listener, client_6, closed) = connected(6);
    client_6.shutdown(Shutdown::Write).unwrap();
    drop(closed);
    kept.extend([listener, client_6]);
    let (listener, closed, accepted) = connected(7);
    drop(closed);
    kept.extend([listener, accepted]);
    let (listener, first, second) = connected(8);
    drop(first);
    drop(second);
    kept.push(listener);
    kept.push(listen(9));
    drop(client(9, "127.0.0.1"));
    (world, kept)
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn each_state_of_a_connection_is_told_with_its_holder() {
    let (world, kept) = states();
    let process = kept.into_iter().fold(holder(), Plan::given).start();
    // Packets are on their way a moment longer than the calls that sent them.
    let expected = rows_of_states();
    let wanted = sorted(expected.iter().map(|row| (row.own, row.peer, row.state.to_owned())));
    let as_expected = || {
        let seen = connections_of_ss().into_iter();
        sorted(seen.map(|(state, own, peer)| (own.port(), peer.port(), state))) == wanted
    };
    let mut tries = 0..500;
    while !as_expected() {
        assert!(tries.next().is_some(), "ss sees {:#?}", connections_of_ss());
        pause(10);
    }
    let report = sockets(world.portsight("ls --established --time-wait -o json"));
    assert_eq!(connections(&report), connections_of_ss());
    assert_eq!(gaps(&report), [""; 0]);
    for Told { own, peer, state, held, uid, why } in expected {
        let found = items(&report)
            .iter()
            .find(|item| item["port"] == own && item["peer"]["port"] == peer)
            .unwrap_or_else(|| panic!("{own} {peer} in {report:#}"));
        assert_eq!(found["state"], state, "{found:#}");
        assert_eq!(found["uid"], json!(uid), "{found:#}");
        let unknown = found["unknown"].as_array().unwrap();
        let uid_unknown = unknown.iter().any(|entry| entry["field"] == "uid");
        assert_eq!(uid_unknown, uid.is_none(), "{found:#}");
        if held {
            assert_eq!(pids(found), [u64::from(process.pid())], "{found:#}");
            assert_eq!(found["owners_unknown"], Value::Null, "{found:#}");
        } else {
            assert_eq!((pids(found), &found["inode"]), (vec![], &json!(0)), "{found:#}");
            let expected = json!({ "reason": "kernel", "text": why });
            assert_eq!(found["owners_unknown"], expected, "{found:#}");
        }
    }
    let text = world.portsight("ls --time-wait state=time-wait").exits(0).stdout;
    let row = text.lines().find(|line| line.starts_with("9008/tcp")).expect("it is there");
    assert!(row.contains("to 127.0.0.1:8008 (time-wait)") && !row.contains("kernel?"), "{text}");
    assert!(text.contains("0 ports, 1 connection,"), "{text}");

    // What is not asked for is not there.
    let states = |arguments: &str| -> BTreeSet<String> {
        let report = sockets(world.portsight(&format!("{arguments} -o json")));
        items(&report).iter().map(|item| item["state"].as_str().unwrap().to_owned()).collect()
    };
    let all = ["listen", "established", "syn-sent", "syn-recv", "fin-wait-1", "last-ack"];
    let all = [&all[..], &["fin-wait-2", "close-wait"]].concat();
    for (arguments, expected) in [
        ("ls", &["listen"][..]),
        ("ls -t -a", &["listen"]),
        ("-tulpna", &["listen"]),
        ("ls -a", &["listen"]),
        ("ls --established", &all),
        ("ls --time-wait", &["listen", "time-wait"]),
        ("state=time-wait", &["time-wait"]),
        ("state=established", &["established"]),
        ("state=syn-recv", &["syn-recv"]),
        ("state=fin-wait-2 proto=tcp", &["fin-wait-2"]),
        ("state=listen", &["listen"]),
    ] {
        let expected = expected.iter().map(|state| (*state).to_owned()).collect();
        assert_eq!(states(arguments), expected, "{arguments}");
    }
    // A port that a client has is held, and nobody listens there.
    assert_eq!(world.json("who 9001")["items"][0]["state"], "established");
    // Nobody has them, whoever asks.
    let run = world.prepare("ls state=time-wait -o json").by_ordinary_user().run();
    let report = sockets(run);
    assert_eq!(items(&report)[0]["owners_unknown"]["reason"], "kernel");
    assert_eq!(report["incomplete"], json!([]));
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_udp_socket_with_a_peer_is_a_connection() {
    let world = World::new().echoes(udp("127.0.0.1:53"));
    let client = udp("127.0.0.1:7001").bound();
    client.connect(&"127.0.0.1:53".parse::<SocketAddr>().unwrap().into()).unwrap();
    let process = holder().given(client).start();
    assert_eq!(names(&sockets(world.portsight("ls -o json"))), ["53/udp"]);
    for arguments in ["ls --established", "ls -u --established"] {
        let report = sockets(world.portsight(&format!("{arguments} -o json")));
        assert_eq!(names(&report), ["53/udp", "7001/udp"], "{arguments}");
    }
    let report = sockets(world.portsight("state=established -o json"));
    assert_held_by(&report, process.pid());
    let ss = feed("ss", &["-Huan", "state", "established"], "");
    let ss: Vec<_> = ss.split_whitespace().skip(2).map(|w| w.parse().unwrap()).collect();
    let [(state, own, peer)] = &connections(&report)[..] else { panic!("{report:#}") };
    assert_eq!((state.as_str(), vec![*own, *peer]), ("established", ss));
}
