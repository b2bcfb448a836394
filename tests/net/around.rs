//! What `who` tells around a socket: who is connected, what keeps a port without listening, what is above its holder,
//! and where a client's packets land.

use crate::holder::holder;
use crate::sockets::{at, tcp, udp};
use crate::truth::{LAN, items, only_item};
use crate::world::{World, feed};
use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::AsFd as _;

fn client_of(server: &str) -> (Socket, SocketAddr) {
    let client = Socket::new(Domain::for_address(at(server)), Type::STREAM, None).unwrap();
    client.connect(&at(server).into()).expect("it listens");
    let address = client.local_addr().unwrap().as_socket().unwrap();
    (client, address)
}

fn inode(socket: &Socket) -> u64 {
    rustix::fs::fstat(socket.as_fd()).unwrap().st_ino
}

/// The states of all TCP sockets with this local port, as `ss` names them.
fn states_in_ss(port: u16) -> Vec<String> {
    let text = feed("ss", &["-Htan", "sport", "=", &format!(":{port}")], "");
    let mut states: Vec<_> = text
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_lowercase)
        .collect();
    states.sort();
    states
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn who_names_the_clients_that_are_connected_now() {
    let world = World::new();
    let listener = tcp("0.0.0.0:7030").listening(8);
    let other = tcp("127.0.0.2:7031").listening(8);
    let report = world.json("who 7030");
    assert_eq!(only_item(&report)["clients"], json!([]));

    let (client, address) = client_of("127.0.0.1:7030");
    let (accepted, _) = listener.accept().unwrap();
    let (_elsewhere, _) = client_of("127.0.0.2:7031");
    let report = world.json("who 7030");
    let item = only_item(&report);
    let process = &item["clients"][0]["process"];
    assert_eq!(process["pid"], std::process::id(), "{item:#}");
    assert_eq!(
        item["clients"],
        json!([{"address": "127.0.0.1", "port": address.port(), "state": "established",
            "process": process}])
    );
    let text = world.portsight("7030").exits(0).stdout;
    assert!(text.contains(&format!("clients      1 connection: {address} (")), "{text}");

    // Closed by the client: our end waits for its process.
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(world.json("who 7030")["items"][0]["clients"][0]["state"], "close-wait");
    assert_eq!(states_in_ss(7030), ["close-wait", "listen"]);
    // Closed by us first, then by the client: what is left is no client.
    drop((accepted, client));
    let (client, _) = client_of("127.0.0.1:7030");
    let (accepted, _) = listener.accept().unwrap();
    drop(accepted);
    drop(client);
    let report = world.json("who 7030");
    let item = only_item(&report);
    assert_eq!((&item["clients"], &item["time_wait"]), (&json!([]), &json!(1)), "{item:#}");
    assert_eq!(states_in_ss(7030), ["listen", "time-wait"]);
    drop((listener, other));
}

/// An ordinary user sees the clients as well; the processes of others stay unnamed.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn an_ordinary_user_sees_the_clients_without_their_processes() {
    let world = World::new();
    let listener = tcp("[::]:7032").dual().listening(8);
    let (_client, address) = client_of("127.0.0.1:7032");
    let _accepted = listener.accept().unwrap();
    let run = world.prepare("who 7032 -o json").by_ordinary_user().run().exits(0);
    let document = run.document();
    let expected = json!([{"address": "127.0.0.1", "port": address.port(), "state": "established",
        "process": null}]);
    assert_eq!(only_item(&document)["clients"], expected);
}

/// What keeps a port without listening: a bind fails, so it is not free.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn who_shows_what_keeps_a_port_when_nobody_listens() {
    let world = World::new().listens(tcp("127.0.0.1:80"));
    // The end that closes first keeps the port for a minute.
    let server = tcp("127.0.0.1:7033").listening(1);
    let (client, _) = client_of("127.0.0.1:7033");
    let (accepted, peer) = server.accept().unwrap();
    drop((accepted, client, server));
    assert_eq!(states_in_ss(7033), ["time-wait"]);
    // Rust sets SO_REUSEADDR, which is not enough: the socket that was closed did not.
    assert!(std::net::TcpListener::bind("127.0.0.1:7033").is_err());
    let report = world.portsight("who 7033 -o json").exits(0).document();
    let item = only_item(&report);
    let peer = peer.as_socket().unwrap();
    assert_eq!(item["state"], "time-wait");
    assert_eq!(item["peer"], json!({"address": "127.0.0.1", "port": peer.port()}));
    assert_eq!(
        (&item["inode"], &item["uid"], &item["owners"]),
        (&json!(0), &Value::Null, &json!([]))
    );
    assert_eq!(item["owners_unknown"]["reason"], "kernel");
    let text = world.portsight("7033").exits(0);
    assert!(text.stdout.contains("process      none: its process has closed it"), "{text:?}");
    assert!(text.stdout.contains("unless both sockets set SO_REUSEADDR"), "{text:?}");
    assert!(!text.stdout.contains("kill") && text.stderr.is_empty(), "{text:?}");

    // A client keeps the port that it was given; with a server at that port, it is not named in its place.
    let client = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    client.bind(&at("127.0.0.2:7034").into()).unwrap();
    client.connect(&at("127.0.0.1:80").into()).unwrap();
    let report = world.portsight("who 7034 -o json").exits(0).document();
    let item = only_item(&report);
    assert_eq!(
        (&item["state"], &item["owners"][0]["pid"]),
        (&json!("established"), &json!(std::process::id()))
    );
    let text = world.portsight("7034").exits(0).stdout;
    assert!(text.contains("to free it:") && !text.contains("kill"), "{text}");
    let server = tcp("127.0.0.1:7034").listening(1);
    let report = world.json("who 7034");
    assert_eq!(only_item(&report)["inode"], inode(&server), "the server alone");
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn who_tells_what_is_above_a_process_and_what_else_it_serves() {
    let world = World::new().listens(tcp("127.0.0.1:7037"));
    let process = holder()
        .named("net-many")
        .holding(tcp("127.0.0.1:7035"))
        .holding(tcp("127.0.0.1:7036"))
        .holding(udp("0.0.0.0:7036"))
        .start();
    let report = world.json("who 7035");
    let item = only_item(&report);
    let also = |proto, address, port| json!({"proto": proto, "address": address, "port": port});
    assert_eq!(item["also"], json!([also("tcp", "127.0.0.1", 7036), also("udp", "0.0.0.0", 7036)]));
    let above: Vec<u64> = item["ancestors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["pid"].as_u64().unwrap())
        .collect();
    // The truth: each parent as the kernel says it.
    let parent = |pid: u64| -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap();
        line.trim().parse().unwrap()
    };
    let first = u64::from(process.pid());
    let parents =
        std::iter::successors(Some(first), |pid| Some(parent(*pid)).filter(|it| *it != 0));
    let expected: Vec<u64> = parents.skip(1).collect();
    assert_eq!(above, expected);
    assert_eq!(above.first(), Some(&u64::from(std::process::id())));
    let text = world.portsight("7035").exits(0).stdout;
    assert!(text.contains("serves also  7036/tcp at 127.0.0.1, 7036/udp at 0.0.0.0\n"), "{text}");
}

/// A process that would be started again is not killed, but stopped where it was started.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_supervised_process_is_stopped_by_its_supervisor() {
    let world = World::new();
    for (name, command) in [
        ("supervisord", "stop it with: supervisorctl stop web:web_0\n"),
        ("supervisorc", "stop it with: kill "),
    ] {
        let supervisor = holder()
            .named(name)
            .running(
                "exec 9<&0; SUPERVISOR_GROUP_NAME=web SUPERVISOR_PROCESS_NAME=web_0 perl -MIO::Socket::INET -e \
                 '$s = IO::Socket::INET->new(LocalAddr => \"127.0.0.1:7038\", Listen => 1, ReuseAddr => 1) \
                 or die; $| = 1; print \"$$\\n\"; <STDIN>' <&9 & wait",
            )
            .start();
        let [pid] = supervisor.numbers()[..] else { panic!("did not run: perl") };
        let run = world.portsight("7038").exits(0);
        assert!(run.stdout.contains(&format!("{name} {}", supervisor.pid())), "{run:?}");
        assert!(run.stdout.contains(command), "{name} {pid}: {run:?}");
    }
}

/// Where a packet lands, as a real client finds out by connecting.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn who_asks_the_kernel_where_a_clients_packets_land() {
    let world = World::new().veth(&LAN);
    let everywhere = tcp("0.0.0.0:7040").shared().listening(8);
    let here = tcp("10.77.0.2:7040").shared().listening(8);
    let on_device = tcp("0.0.0.0:7041").on("lan0").listening(8);
    let landed = |from: &str, to: &str, port: u64| -> (Value, Value) {
        let report =
            world.portsight(&format!("who {port} --from {from} -o json")).exits(0).document();
        let arrivals = report["arrivals"].as_array().unwrap();
        let is_it = |it: &&Value| it["to"] == to && it["port"] == port && it["proto"] == "tcp";
        let found = arrivals.iter().find(is_it).unwrap_or_else(|| panic!("{to} in {report:#}"));
        (found["lands"].clone(), found["inode"].clone())
    };
    let socket = |socket: &Socket| (json!("socket"), json!(inode(socket)));
    let nobody = (json!("nobody"), Value::Null);
    // The more exact binding wins, and a client on this host finds the same.
    assert_eq!(landed("10.77.0.9", "10.77.0.2", 7040), socket(&here));
    assert_eq!(landed("127.0.0.1", "10.77.0.2", 7040), socket(&here));
    assert_eq!(landed("127.0.0.1", "127.0.0.1", 7040), socket(&everywhere));
    for (listener, address) in [(&here, "10.77.0.2:7040"), (&everywhere, "127.0.0.1:7040")] {
        let (_client, from) = client_of(address);
        let (_accepted, peer) = listener.accept().unwrap();
        assert_eq!(peer.as_socket(), Some(from), "{address}");
    }
    // One for a device takes what arrives there, and not what arrives elsewhere.
    assert_eq!(landed("10.77.0.9", "10.77.0.2", 7041), socket(&on_device));
    assert_eq!(landed("127.0.0.1", "127.0.0.1", 7041), nobody);
    // What is connected already is no new client.
    let (_client, from) = client_of("10.77.0.2:7040");
    let (accepted, _) = here.accept().unwrap();
    let connection = (json!("connection"), json!(inode(&accepted)));
    assert_eq!(landed(&from.to_string(), "10.77.0.2", 7040), connection);
    let text = world.portsight(&format!("7040 --from {from}")).exits(0).stdout;
    assert!(text.contains("to 10.77.0.2 port 7040/tcp on lan0: a connection of "), "{text}");
    assert!(!text.contains("a connection of ?"), "{text}");

    // From outside no packet comes to a loopback address.
    let report = world.json("who 7040 --from fd77::9");
    let targets: Vec<_> =
        report["arrivals"].as_array().unwrap().iter().map(|it| &it["to"]).collect();
    assert!(
        targets.contains(&&json!("fd77::2")) && !targets.contains(&&json!("::1")),
        "{targets:?}"
    );
    assert!(items(&report).len() == 2, "{report:#}");
    for (from, words) in [
        ("8.8.8.8", "there is no route to 8.8.8.8"),
        ("fe80::9", "needs its device"),
        ("[fe80::9]:4000", "needs its device"),
        ("fe80::9%lan1", "did you mean \"lan0\"?"),
        ("nonsense", "is no address"),
    ] {
        world.portsight(&format!("who 7040 --from {from}")).exits(2).says_in_one_line(&[words]);
    }
}

/// Of several sockets that take a connection's address, it came in through the one that the kernel prefers.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_client_is_that_of_the_socket_that_the_kernel_prefers() {
    let world = World::new().veth(&LAN);
    let everywhere = tcp("0.0.0.0:7042").shared().listening(8);
    let six = tcp("[::]:7042").shared().listening(8);
    let here = tcp("127.0.0.1:7042").shared().listening(8);
    let mut clients = Vec::new();
    for (listener, server) in
        [(&everywhere, "10.77.0.2:7042"), (&here, "127.0.0.1:7042"), (&six, "[::1]:7042")]
    {
        let (client, address) = client_of(server);
        let (accepted, peer) = listener.accept().unwrap();
        assert_eq!(peer.as_socket(), Some(address), "{server}");
        clients.push((inode(listener), address, client, accepted));
    }
    let report = world.json("who 7042");
    for (inode, address, ..) in &clients {
        let item = items(&report).iter().find(|item| item["inode"] == *inode).unwrap();
        let ports: Vec<_> =
            item["clients"].as_array().unwrap().iter().map(|it| &it["port"]).collect();
        assert_eq!(ports, [&json!(address.port())], "{item:#}");
    }
    let text = world.portsight("7042").exits(0).stdout;
    assert!(text.contains("clients      3 connections: "), "{text}");
    // What is left of connections counts once, at whatever address.
    for (_, _, client, accepted) in clients {
        drop(accepted);
        drop(client);
    }
    // The kernel may still be about to close them.
    let left = || states_in_ss(7042).iter().filter(|state| *state == "time-wait").count();
    assert!((0..1_000).any(|_| left() == 3), "{:?}", states_in_ss(7042));
    let text = world.portsight("7042").exits(0).stdout;
    assert!(text.contains("time-wait    3 closed connections, "), "{text}");
}

/// A socket that asks for a connection from the port of a listener is no client of it.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn what_asks_for_a_connection_is_no_client() {
    let world = World::new().veth(&LAN);
    // Nobody answers at that address.
    let asking = tcp("10.77.0.2:7043").shared().bound();
    asking.set_nonblocking(true).unwrap();
    asking.connect(&at("10.77.0.200:80").into()).unwrap_err();
    let _listener = tcp("10.77.0.2:7043").shared().listening(8);
    assert_eq!(states_in_ss(7043), ["listen", "syn-sent"]);
    let report = world.json("who 7043");
    assert_eq!(only_item(&report)["clients"], json!([]));
}

/// Each network namespace has loopback addresses of its own: the same two may be connected in each.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_client_is_looked_for_in_the_namespace_of_its_server() {
    let world = World::new();
    let pair = || {
        holder()
            .running(
                "exec unshare -n sh -c 'ip link set lo up; exec perl -MIO::Socket::INET -e \"$0\"' \
                 '$l = IO::Socket::INET->new(LocalAddr => \"127.0.0.1:7044\", Listen => 1) or die; $| = 1; \
                 if ($client = fork) { $a = $l->accept; print \"$$ $client\\n\" } \
                 else { close $l; $c = IO::Socket::INET->new(LocalPort => 7045, PeerAddr => \"127.0.0.1:7044\") or die } \
                 <STDIN>; wait'",
            )
            .start()
    };
    let pairs = [pair(), pair()];
    let report = world.json("who 7044 --netns all");
    for pair in &pairs {
        let [server, client] = pair.numbers()[..] else { panic!("did not run: perl") };
        let is_its = |item: &&Value| item["owners"][0]["pid"] == server;
        let item = items(&report).iter().find(is_its).unwrap_or_else(|| panic!("{report:#}"));
        assert_eq!(item["clients"][0]["process"]["pid"], client, "{item:#}");
    }
}

/// Many connections are told as fast when their listener has gone.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn what_many_connections_leave_behind_is_counted() {
    const MANY: usize = 2_000;
    let world = World::new();
    let listener = tcp("127.0.0.1:7046").listening(64);
    let ends: Vec<_> =
        (0..MANY).map(|_| (client_of("127.0.0.1:7046").0, listener.accept().unwrap().0)).collect();
    let text = world.portsight("7046").exits(0).stdout;
    assert!(text.contains("clients      2,000 connections: "), "{text}");
    drop(listener);
    let text = world.portsight("7046").exits(0).stdout;
    assert!(text.contains("and 1992 others"), "{text}");
    let report = world.json("who 7046");
    assert_eq!(items(&report).len(), MANY);
    assert!(items(&report).iter().all(|item| !item["ancestors"].as_array().unwrap().is_empty()));
    // A range is not asked for connections, and that is said.
    let text = world.portsight("who 7000-7100").exits(1).stdout;
    assert!(!text.contains("nothing else holds it"), "{text}");
    drop(ends);
}

/// Each namespace is kept open. Where there may not be so many descriptors, the rest is said in one line, and what is
/// listed has its owners.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn more_namespaces_than_descriptors_are_one_gap() {
    let world = World::new().listens(tcp("127.0.0.1:7047"));
    let elsewhere = || holder().running("exec unshare -n sh -c 'echo ready; read line'").start();
    let _elsewhere: Vec<_> = (0..8).map(|_| elsewhere()).collect();
    let run = world.prepare("who 7047 --netns all").with_descriptors(68).run().exits(0);
    let process = format!(" {} (listener)", std::process::id());
    assert!(run.stdout.contains(&process), "{run:?}");
    let said: Vec<_> =
        run.stderr.lines().filter(|line| line.contains("Too many open files")).collect();
    assert_eq!(said.len(), 1, "{run:?}");
    assert!(said[0].contains(" network namespaces, the first /proc/"), "{run:?}");
}

/// What cannot be seen of other ports is no gap of this one's answer.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn an_ordinary_users_own_port_has_no_gap() {
    let world = World::new().listens(tcp("127.0.0.1:7042"));
    let own = holder().named("net-own").of_ordinary_user().holding(tcp("127.0.0.1:7043")).start();
    let run = world.prepare("who 7043 -o json").by_ordinary_user().run().exits(0);
    let document = run.document();
    assert_eq!(only_item(&document)["owners"][0]["pid"], own.pid());
    assert_eq!(document["incomplete"], json!([]), "{document:#}");
    let run = world.prepare("who 7042 -o json").by_ordinary_user().run().exits(0);
    let what = &run.document()["incomplete"][0]["what"];
    assert_eq!(what, "the owner of 1 socket");
}
