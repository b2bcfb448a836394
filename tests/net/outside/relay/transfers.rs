//! What passes between a program outside and this host.

use super::super::safety::within;
use super::super::wire::Capture;
use super::super::{can_inject, ip, with_container, with_neighbour};
use super::{outside, outside_shell, page, serves_web, told};
use crate::sockets::udp;
use crate::world::{World, feed};
use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::net::UdpSocket;
use std::time::Duration;

/// The rules that let neighbours in, and nobody else.
pub(super) const LAN_ONLY: &str = "table inet fw {
    chain input {
        type filter hook input priority 0; policy drop;
        iifname lan0 ip saddr 10.77.0.0/24 accept
        iifname lan0 ip6 saddr { fd77::/64, fe80::/64 } accept
    }
}";

/// A file without a name.
fn file() -> File {
    rustix::fs::memfd_create("page", rustix::fs::MemfdFlags::CLOEXEC).unwrap().into()
}

/// What a command outside writes, byte for byte; it ends well and nothing else is said.
#[track_caller]
fn written(world: &World, options: &str, command: &[&str]) -> Vec<u8> {
    let mut out = file();
    let run = outside(world, options, command).to(out.try_clone().unwrap()).run().exits(0);
    assert_eq!(run.stderr, "", "{run:#?}");
    let mut bytes = Vec::new();
    out.rewind().unwrap();
    out.read_to_end(&mut bytes).unwrap();
    bytes
}

const LENGTH: usize = 3_000_000;

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn a_page_that_only_neighbours_get_comes_whole() {
    if !can_inject() {
        return;
    }
    let (world, there) = with_neighbour();
    let world = serves_web(world, "[::]:8080").nft(LAN_ONLY);
    let wire = Capture::of(&there);
    for host in ["10.77.0.2", "[fd77::2]", "[fe80::77%lan0]"] {
        let url = format!("http://{host}:8080/{LENGTH}");
        let got = written(&world, "", &["curl", "-gsS", &url]);
        assert!(got == page(LENGTH), "{host}: {} bytes, and not those", got.len());
    }
    // A named neighbour is one too, and of its family only.
    let url = format!("http://10.77.0.2:8080/{LENGTH}");
    for from in ["--from 10.77.0.66", "--from lan=10.77.0.66"] {
        assert!(written(&world, from, &["curl", "-sS", &url]) == page(LENGTH), "{from}");
    }
    let run = outside(&world, "--from fd77::66", &["curl", "-sS", &url]).run().exits(7);
    assert!(
        run.stderr.contains("Couldn't connect") || run.stderr.contains("unreachable"),
        "{run:?}"
    );
    wire.assert_silent();
}

/// The near miss: the same client, from where the rules let nobody in.
#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn a_client_of_the_internet_gets_nothing_of_it() {
    if !can_inject() {
        return;
    }
    let (world, there) = with_neighbour();
    ip("route add default via 10.77.0.9\nroute add default via fd77::9 dev lan0");
    let world = serves_web(serves_web(world, "[::]:8080"), "[::]:8081");
    let world = world.nft(LAN_ONLY).nft("add rule inet fw input tcp dport 8081 accept");
    let wire = Capture::of(&there);
    for host in ["10.77.0.2", "[fd77::2]"] {
        let command = |port| {
            let url = format!("http://{host}:{port}/{LENGTH}");
            ["curl", "-gsS", "-m", "3", url.leak()]
        };
        drop(outside(&world, "--from internet", &command(8080)).run().exits(28));
        let got = written(&world, "--from internet", &command(8081));
        assert!(got == page(LENGTH), "{host}: {} bytes, and not those", got.len());
    }
    wire.assert_silent();
}

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn what_is_sent_to_this_host_comes_whole() {
    if !can_inject() {
        return;
    }
    let (world, there) = with_neighbour();
    let world = serves_web(world, "[::]:8080").nft(LAN_ONLY);
    let wire = Capture::of(&there);
    let body = page(20_000_000);
    let put = |host: &str| {
        let script = format!("curl -gsS -T - http://{host}:8080/");
        let mut sent = file();
        std::io::Write::write_all(&mut sent, &body).unwrap();
        sent.rewind().unwrap();
        // Of a file the length is known.
        let script = script.replace("-T -", "-T /proc/self/fd/0");
        outside_shell(&world, &script)
            .with(|command| {
                command.stdin(sent);
            })
            .run()
            .exits(0)
    };
    for host in ["10.77.0.2", "[fd77::2]"] {
        let run = put(host);
        assert_eq!((run.stdout, run.stderr.as_str()), (told(&body), ""), "{host}");
    }
    wire.assert_silent();
}

/// What a program has written before it ends is sent, although nobody waits for it.
#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn the_last_words_of_a_program_are_heard() {
    if !can_inject() {
        return;
    }
    let (world, there) = with_neighbour();
    let (tell, heard) = std::sync::mpsc::channel();
    let world = world.speaks(crate::sockets::tcp("0.0.0.0:8080"), move |mut stream| {
        std::thread::sleep(Duration::from_millis(200));
        let mut bytes = Vec::new();
        let read = stream.read_to_end(&mut bytes).map(|_| bytes.len());
        tell.send(read.map_err(|error| error.kind())).unwrap();
    });
    let wire = Capture::of(&there);
    let script = "exec 3<>/dev/tcp/10.77.0.2/8080; head -c 1000000 /dev/zero >&3";
    drop(outside(&world, "", &["bash", "-c", script]).run().exits(0));
    assert_eq!(heard.recv_timeout(Duration::from_secs(20)).unwrap(), Ok(1_000_000));
    wire.assert_silent();
}

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn connections_go_on_beside_each_other() {
    if !can_inject() {
        return;
    }
    let (world, there) = with_neighbour();
    let world = serves_web(world, "[::]:8080");
    let wire = Capture::of(&there);
    // Through a pipe, so that no line is written over another.
    let script = "{ for i in 1 2 3 4 5 6 7 8; do
            curl -gsS http://10.77.0.2:8080/$((1000000 + i)) | sha256sum &
            curl -gsS 'http://[fd77::2]:8080/'$((2000000 + i)) | sha256sum &
        done
        wait; } | cat";
    let run = outside_shell(&world, script).run().exits(0);
    let sum = |length| {
        feed("sh", &["-c", &format!("curl -sS http://127.0.0.1:8080/{length} | sha256sum")], "")
    };
    let mut expected: Vec<String> =
        (1..=8).flat_map(|i| [sum(1_000_000 + i), sum(2_000_000 + i)]).collect();
    let mut got: Vec<String> = run.stdout.lines().map(|line| format!("{line}\n")).collect();
    expected.sort();
    got.sort();
    assert_eq!(got, expected, "{}", run.stderr);
    wire.assert_silent();
}

/// Sends datagrams of these sizes, and wants each back.
const DATAGRAMS: &str = "
import socket, sys
for host in sys.argv[1:]:
    family = socket.AF_INET6 if ':' in host else socket.AF_INET
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.settimeout(10)
    for size in 1, 1400, 1500, 9000, 60000:
        s.sendto(bytes([size % 251]) * size, (host, 5353))
        data, peer = s.recvfrom(65536)
        assert data == bytes([size % 251]) * size, (host, size, len(data))
    print(host)
";

/// A server whose answer were swallowed by a rule that drops it would see that.
#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn datagrams_go_both_ways_and_their_server_sees_no_error() {
    if !can_inject() {
        return;
    }
    let (world, there) = with_neighbour();
    let wire = Capture::of(&there);
    let server = udp("[::]:5353").dual().bound();
    server.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let server: UdpSocket = server.into();
    let running =
        outside(&world, "", &["python3", "-c", DATAGRAMS, "10.77.0.2", "fd77::2"]).start();
    let mut buffer = vec![0; 1 << 16];
    for _ in 0..10 {
        let (length, peer) = server.recv_from(&mut buffer).expect("a datagram comes");
        assert_eq!(server.send_to(&buffer[..length], peer).expect("it is sent"), length);
    }
    let run = running.end().exits(0);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("10.77.0.2\nfd77::2\n", ""));
    wire.assert_silent();
}

/// A server may hand the kernel many datagrams as one: to a client they are many.
#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn datagrams_that_are_sent_together_arrive_one_by_one() {
    const SEGMENT: libc::c_int = 103; // UDP_SEGMENT
    if !can_inject() {
        return;
    }
    let (world, there) = with_neighbour();
    let wire = Capture::of(&there);
    let server = udp("[::]:5353").dual().bound();
    server.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let server: UdpSocket = server.into();
    let (size, length) = (1000_i32, u32::try_from(size_of::<i32>()).unwrap());
    // SAFETY: the kernel reads a number that lives through the call.
    let set = unsafe {
        let fd = std::os::fd::AsRawFd::as_raw_fd(&server);
        libc::setsockopt(fd, libc::SOL_UDP, SEGMENT, (&raw const size).cast(), length)
    };
    assert_eq!(set, 0, "{}", std::io::Error::last_os_error());
    let client = "
import socket, sys
for host in '10.77.0.2', 'fd77::2':
    s = socket.socket(socket.AF_INET6 if ':' in host else socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(10)
    s.sendto(b'go', (host, 5353))
    print(*[len(s.recv(65536)) for i in range(6)])
";
    let running = outside(&world, "", &["python3", "-c", client]).start();
    for _ in 0..2 {
        let (_, peer) = server.recv_from(&mut [0; 16]).expect("a datagram comes");
        assert_eq!(server.send_to(&[7; 5500], peer).expect("they are sent"), 5500);
    }
    let run = running.end().exits(0);
    assert_eq!(run.stdout, "1000 1000 1000 1000 1000 500\n".repeat(2), "{}", run.stderr);
    wire.assert_silent();
}

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn pings_are_answered() {
    if !can_inject() {
        return;
    }
    let (world, there) = with_neighbour();
    let world = world.nft(LAN_ONLY);
    let wire = Capture::of(&there);
    for (host, size) in
        [("10.77.0.2", "56"), ("10.77.0.2", "5000"), ("fd77::2", "3000"), ("fe80::77%lan0", "56")]
    {
        let ping = ["ping", "-n", "-c", "3", "-i", "0.2", "-W", "5", "-s", size, host];
        let run = outside(&world, "", &ping).run().exits(0);
        assert!(run.stdout.contains(" 0% packet loss"), "{run:#?}");
    }
    // Who is not root pings by another socket.
    let script = "setpriv --reuid 65534 --clear-groups --inh-caps=-all --bounding-set=-all \
                  /usr/bin/python3 -c \"
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)
s.settimeout(10)
s.sendto(bytes([8, 0, 0, 0, 0, 0, 0, 1]) + b'hello', ('10.77.0.2', 0))
print(s.recv(100)[8:].decode())\"";
    assert_eq!(outside_shell(&world, script).run().exits(0).stdout, "hello\n");
    drop(world.nft("insert rule inet fw input meta l4proto icmp drop"));
    let world = World::of_this_thread();
    let ping = ["ping", "-n", "-c", "2", "-i", "0.2", "-W", "1", "10.77.0.2"];
    assert!(outside(&world, "", &ping).run().exits(1).stdout.contains("100% packet loss"));
    wire.assert_silent();
}

/// A container is reached as neighbours reach it; what NAT would hand on to another host is held back.
#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn a_published_port_leads_into_its_container_and_to_no_other_host() {
    if !can_inject() {
        return;
    }
    let (world, there) = with_neighbour();
    let (container, servers) = with_container();
    // Of several networks, that of the default route is where a neighbour is.
    ip("route add default via 10.77.0.9");
    let web = container.does(|| serves_web(World::of_this_thread(), "[::]:8000"));
    let _elsewhere = there.does(|| serves_web(World::of_this_thread(), "[::]:8000"));
    there.ip("route add 203.0.113.0/24 via 10.77.0.2");
    let world = world.nft(
        "table ip nat {
            chain incoming {
                type nat hook prerouting priority dstnat;
                tcp dport 8080 dnat to 172.17.0.2:8000
                tcp dport 8081 dnat to 10.77.0.9:8000
            }
        }",
    );
    let wire = Capture::of(&there);
    let url = |port| format!("http://10.77.0.2:{port}/{LENGTH}");
    assert!(written(&world, "", &["curl", "-sS", &url(8080)]) == page(LENGTH));
    drop(outside(&world, "", &["curl", "-sS", "-m", "2", &url(8081)]).run().exits(28));
    // In the midst of it, when all ends at once.
    let mut running =
        outside(&world, "", &["curl", "-sS", "--limit-rate", "1M", &url(8080)]).start();
    super::super::safety::has_begun(&mut running);
    let open =
        || container.does(|| feed("ss", &["-Htn", "state", "established", "sport = :8000"], ""));
    assert!(within(20, || open().contains("10.77.0.254")), "no connection with the container");
    running.signal(rustix::process::Signal::KILL);
    drop(running.end());
    super::super::safety::has_gone("after a kill");
    assert_eq!(open(), "", "connections of the container");
    wire.assert_silent();
    drop((web, servers));
}

/// Only addresses of this host are reached.
#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn what_goes_to_other_hosts_is_refused_and_told() {
    if !can_inject() {
        return;
    }
    let (world, there) = with_neighbour();
    ip("route add default via 10.77.0.9\nroute add default via fd77::9 dev lan0");
    std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap();
    let wire = Capture::of(&there);
    for (host, named) in [("192.0.2.1", "192.0.2.1"), ("[2001:db8::1]", "2001:db8::1")] {
        let command = ["curl", "-gsS", "-m", "10", &format!("http://{host}/")];
        let run = outside(&world, "", &command).run().exits(7);
        let last = run.stderr.lines().last().unwrap();
        assert!(last.starts_with("note: refused 1 packet to ") && last.contains(named), "{run:#?}");
        let quiet = outside(&world, "-q", &command).run().exits(7);
        assert!(!quiet.stderr.contains("note"), "{quiet:#?}");
    }
    // The real neighbour is another host too, and so is what everybody hears.
    let datagrams = "python3 -c 'import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
for host in \"10.77.0.9\", \"224.0.0.251\", \"10.77.0.255\":
    s.sendto(b\"x\", (host, 9))'";
    let run = outside_shell(&world, datagrams).run().exits(0);
    assert!(run.stderr.contains("refused 2 packets to 10.77.0.9, 10.77.0.255"), "{run:#?}");
    wire.assert_silent();
}
