//! Who holds a port, as literal reports.

use super::*;
use crate::document::samples::interface;
use crate::document::samples::{NOW, With, owner, tcp, udp};
use crate::model::Supervisor;
use crate::model::{Cookie, Need, OwnersUnknownReason, Port, Runtime};

fn holdings(sockets: &[Socket]) -> Holdings {
    let found = sockets.iter().cloned().map(Holding::from).collect();
    Holdings { found, ..Holdings::default() }
}

fn text(holdings: &Holdings) -> String {
    let look = Appearance { now: NOW, ..Appearance::default() };
    let mut out = Vec::new();
    who_text(&mut out, holdings, &look).unwrap();
    String::from_utf8(out).unwrap()
}

fn shown(sockets: &[Socket]) -> String {
    text(&holdings(sockets))
}

#[test]
fn a_listener_with_workers() {
    let mut nginx = tcp("::", 80).service("http").queue(129, 128, 7).owned_by(812, "nginx");
    nginx = nginx.owned_by(813, "nginx").owned_by(814, "nginx");
    nginx.held.owners.push(Owner { via: Some(Via::IoUring), ..owner(900, "php", Role::Inherited) });
    nginx.held.owners[0].process.cmdline =
        Seen::Known(["nginx", "-g", "daemon off;", "", "it's"].map(String::from).to_vec());
    nginx.held.owners[0].process.exe = Seen::Denied(Need::Root);
    nginx.held.owners[0].process.cwd = Seen::Absent;
    insta::assert_snapshot!(shown(&[nginx]), @r"
    80/tcp (http)
      process      nginx 812 (listener)
      parent pid   1
      user         root
      executable   not known: needs root
      command      nginx -g 'daemon off;' '' 'it'\''s'
      started      2026-11-20T04:12:26Z (2h ago)
      held also by php 900 (inherited it, through io_uring)
      held also by nginx 813, 814 (worker)
      binding      every address, IPv4 and IPv6
      state        listening
      queue        full: 129 connections wait to be accepted, the limit is 128; 7 dropped since it was made
      inode        31080
      stop it with: kill 812
    ");
}

#[test]
fn several_sockets_and_several_ports() {
    let idle = tcp("127.0.0.1", 80).owned_by(5, "idle");
    let sockets = [
        tcp("0.0.0.0", 53).owned_by(4, "named"),
        tcp("::", 53).v6_only().owned_by(4, "named"),
        udp("10.0.0.5", 53).owned_by(4, "named").queue(2_048, 212_992, 0),
        Socket { state: SocketState::Bound, queue: Seen::Absent, ..idle },
    ];
    insta::assert_snapshot!(shown(&sockets), @"
    53/tcp
      process      named 4 (listener)
      parent pid   1
      user         root
      executable   /usr/bin/named
      command      named --serve
      directory    /
      started      2026-11-20T04:12:26Z (2h ago)
      binding      every address, IPv4 and IPv6
      state        listening
      inode        31053, 31053
      stop it with: kill 4

    53/udp
      process      named 4 (listener)
      parent pid   1
      user         root
      executable   /usr/bin/named
      command      named --serve
      directory    /
      started      2026-11-20T04:12:26Z (2h ago)
      binding      10.0.0.5
      state        takes datagrams from anyone (a server, or a client that uses sendto)
      queue        2,048 bytes waiting to be read, the limit is 212,992
      inode        31053
      stop it with: kill 4

    80/tcp
      process      idle 5 (listener)
      parent pid   1
      user         root
      executable   /usr/bin/idle
      command      idle --serve
      directory    /
      started      2026-11-20T04:12:26Z (2h ago)
      binding      127.0.0.1 (this host only)
      state        bound, not listening: it keeps the port and answers nobody
      inode        31080
      stop it with: kill 5
    ");
}

#[test]
fn an_unknown_holder_says_why() {
    let text = "the descriptors of 3 processes could not be read";
    let socket = tcp("::", 8080).unowned(OwnersUnknownReason::Permission, text);
    insta::assert_snapshot!(shown(&[socket]), @"
    8080/tcp
      process      not known (permission: the descriptors of 3 processes could not be read)
      user         root
      binding      every address, IPv4 and IPv6
      state        listening
      inode        39080
    ");
}

#[test]
fn what_must_not_be_killed_is_not() {
    let advice = |pid, name, role| {
        let mut socket = tcp("::", 80);
        socket.held.owners.push(owner(pid, name, role));
        shown(&[socket]).lines().last().unwrap().trim().to_owned()
    };
    let table = [
        (42, "node", Role::Listener, "stop it with: kill 42"),
        (1, "systemd", Role::Listener, "to stop it:  do not kill 1, the service manager"),
        (900, "systemd", Role::Listener, "to stop it:  do not kill 900, the service manager"),
        (1, "node", Role::Listener, "to stop it:  do not kill 1, the init process"),
        (
            42,
            "docker-proxy",
            Role::Listener,
            "to stop it:  do not kill 42: it serves a container; `docker ps --filter publish=80`",
        ),
        (42, "conmon", Role::Listener, "to stop it:  do not kill 42: it watches a container"),
    ];
    for (pid, name, role, start) in table {
        let text = advice(pid, name, role);
        assert!(text.starts_with(start), "{text}");
    }
}

#[test]
fn hostile_text_is_visible() {
    let evil = "\x1b[2J\n\u{202e}x";
    let mut socket = tcp("::", 1).service(evil).owned_by(7, evil).owned_by(8, evil);
    let process = &mut socket.held.owners[0].process;
    process.exe = Seen::Failed(evil.into());
    process.cmdline = Seen::Known(vec![evil.into(), "y".repeat(5_000)]);
    process.cwd = Seen::Known(evil.into());
    process.user = Seen::Known(evil.into());
    let text = shown(&[socket]);
    assert!(!text.replace('\n', "").contains(crate::render::sanitize::is_hostile), "{text:?}");
    assert!(text.lines().all(|line| line.chars().count() < COMMAND_WIDTH + 40));
}

#[test]
fn colour_marks_the_port_only() {
    let look = Appearance { color: true, ..Appearance::default() };
    let mut out = Vec::new();
    who_text(&mut out, &holdings(&[tcp("::", 22).service("ssh")]), &look).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.starts_with("\x1b[1m22/tcp\x1b[0m (ssh)\n"), "{text:?}");
    assert_eq!(text.matches('\x1b').count(), 2);
}

#[test]
fn no_sockets_are_no_text() {
    assert_eq!(shown(&[]), "");
}

#[test]
fn the_unit_and_the_container_are_named_and_stop_it() {
    let socket = tcp("::", 80).unowned(OwnersUnknownReason::Permission, "root only");
    let socket =
        socket.of_unit("web.service").in_container(Runtime::Podman, "3fa2c1aabbcc00", "web");
    insta::assert_snapshot!(shown(&[socket]), @"
    80/tcp
      process      not known (permission: root only)
      user         root
      unit         web.service
      container    web (podman 3fa2c1aabbcc)
      binding      every address, IPv4 and IPv6
      state        listening
      inode        31080
      stop it with: systemctl stop web.service
    ");
    let socket = tcp("::", 80).owned_by(4, "a");
    let mut lost = socket;
    lost.held.unit = Seen::Failed("its cgroup was removed".into());
    assert!(shown(&[lost]).contains("\n  unit         not known: its cgroup was removed\n"));
}

#[test]
fn what_is_around_a_socket_is_told_with_it() {
    let named = |pid, name: &str| Named { pid, name: name.into() };
    let client = |address: &str, state, process| Client {
        address: address.parse().unwrap(),
        state,
        process,
    };
    let socket = tcp("::", 80).owned_by(812, "nginx").in_netns("blue");
    let also = |port, transport, address: &str| {
        (Endpoint { port: Port::new(port).unwrap(), transport }, address.parse().unwrap())
    };
    let mut mptcp = socket.clone();
    mptcp.mptcp = true;
    let around = Holding {
        ancestors: vec![named(700, "supervisord"), named(1, "systemd")],
        supervisor: Some(Supervisor {
            process: named(700, "supervisord"),
            stop: Some(["supervisorctl", "stop", "web"].map(str::to_owned).to_vec()),
        }),
        clients: vec![
            client("10.0.0.7:51234", SocketState::Established, None),
            client("[::1]:4000", SocketState::CloseWait, Some(named(42, "cu\x1brl"))),
        ],
        time_wait: 2,
        also: vec![also(443, Transport::Tcp, "::"), also(443, Transport::Tcp, "10.0.0.5")],
        ..Holding::from(mptcp)
    };
    insta::assert_snapshot!(text(&Holdings { found: vec![around], ..Holdings::default() }), @r"
    80/tcp
      process      nginx 812 (listener)
      parents      supervisord 700 < systemd 1
      user         root
      executable   /usr/bin/nginx
      command      nginx --serve
      directory    /
      started      2026-11-20T04:12:26Z (2h ago)
      namespace    blue
      binding      every address, IPv4 and IPv6
      state        listening, for Multipath TCP too
      clients      2 connections: 10.0.0.7:51234; [::1]:4000 (cu\x1brl 42), close-wait
      time-wait    2 closed connections, kept by the kernel for a minute
      serves also  443/tcp at :: 10.0.0.5
      inode        31080
      stop it with: supervisorctl stop web
    ");
}

#[test]
fn a_port_that_only_connections_use() {
    let reason = "its process has closed it: the kernel keeps it for a minute";
    let mut left = tcp("127.0.0.1", 7777).connected("127.0.0.1:4000", SocketState::TimeWait);
    left.held.inode = Inode(0);
    left.held.uid = Seen::Skipped("the kernel does not keep it");
    left = left.unowned(OwnersUnknownReason::Kernel, reason);
    let client = tcp("127.0.0.1", 4000).owned_by(42, "curl");
    let client = client.connected("127.0.0.1:80", SocketState::Established);
    insta::assert_snapshot!(shown(&[left, client]), @"
    4000/tcp
      process      curl 42
      parent pid   1
      user         root
      executable   /usr/bin/curl
      command      curl --serve
      directory    /
      started      2026-11-20T04:12:26Z (2h ago)
      connection   127.0.0.1 to 127.0.0.1:80
      state        established: a connection, which uses the port and takes no clients
      to free it:  it is free when the connection has ended

    7777/tcp
      process      none: its process has closed it: the kernel keeps it for a minute
      connection   127.0.0.1 to 127.0.0.1:4000
      state        time-wait: closed, and kept for a minute; a bind fails until then, unless both sockets set SO_REUSEADDR
      to free it:  it is free when the connection has ended
    ");
}

#[test]
fn many_clients_are_counted() {
    let client = |at: u16| Client {
        address: ([10, 0, 0, 7], 40_000 + at).into(),
        state: SocketState::Established,
        process: None,
    };
    let socket = tcp("::", 80);
    let clients = (0..1_010).map(client).collect();
    let around = Holding { clients, ..Holding::from(socket) };
    // Sockets that share the port have the same clients.
    let holdings = Holdings { found: vec![around.clone(), around], ..Holdings::default() };
    let text = text(&holdings);
    let line = text.lines().find(|line| line.contains("clients")).unwrap();
    assert!(line.starts_with("  clients      1,010 connections: 10.0.0.7:40000; "), "{line}");
    assert!(line.ends_with("; 1,002 others"), "{line}");
    assert_eq!(text.matches("clients").count(), 1, "{text}");
}

#[test]
fn arrivals_say_where_each_packet_lands() {
    let socket = tcp("0.0.0.0", 80).owned_by(812, "nginx");
    let arrival = |to: [u8; 4], lands, socket: Option<&Socket>| Arrival {
        endpoint: Endpoint { port: Port::new(80).unwrap(), transport: Transport::Tcp },
        from: ([10, 0, 0, 7], 0).into(),
        to: to.into(),
        interface: interface(2, "eth0"),
        lands,
        socket: socket.cloned(),
    };
    let arrivals = vec![
        arrival([10, 0, 0, 5], Lookup::Socket(Cookie(1)), Some(&socket)),
        arrival([10, 0, 0, 6], Lookup::Nobody, None),
        arrival([10, 0, 0, 7], Lookup::Connection, Some(&socket)),
        arrival([10, 0, 0, 8], Lookup::Socket(Cookie(2)), None),
        arrival([10, 0, 0, 9], Lookup::Unknown("re\u{202e}fused".into()), None),
    ];
    insta::assert_snapshot!(text(&Holdings { arrivals, ..Holdings::default() }), @r"
    Packets from 10.0.0.7, as far as no rule stops them:
      to 10.0.0.5 port 80/tcp on eth0: nginx 812, bound to * (v4 only)
      to 10.0.0.6 port 80/tcp on eth0: no socket takes them
      to 10.0.0.7 port 80/tcp on eth0: a connection of nginx 812
      to 10.0.0.8 port 80/tcp on eth0: a socket that was not listed
      to 10.0.0.9 port 80/tcp on eth0: not known: re\u{202e}fused
    ");
}
