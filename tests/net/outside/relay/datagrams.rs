//! Datagrams and pings between a program outside and this host.

use super::super::safety::{has_gone, has_gone_within};
use super::super::wire::Capture;
use super::super::{can_inject, with_neighbour};
use super::transfers::LAN_ONLY;
use super::{outside, outside_shell};
use crate::sockets::udp;
use crate::world::World;
use std::net::UdpSocket;
use std::time::Duration;

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

fn server() -> UdpSocket {
    let server = udp("[::]:5353").dual().bound();
    server.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    server.into()
}

/// A server whose answer were swallowed by a rule that drops it would see that.
#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn datagrams_go_both_ways_and_their_server_sees_no_error() {
    if !can_inject() {
        return;
    }
    let (world, there) = with_neighbour();
    let wire = Capture::of(&there);
    let server = server();
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
    let server = server();
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
    // Who has sent parts of packets has a guardian for some seconds, and some more where those of the next one are taken
    // for its own.
    has_gone_within(30, "after pings");
    wire.assert_silent();
}

/// Of a datagram that has come in part the kernel says after some time that it gives up, to where it came from.
#[test]
#[ignore = "takes 25 s: scripts/test"]
fn a_datagram_that_has_come_in_part_sends_nothing_afterwards() {
    if !can_inject() {
        return;
    }
    let (world, there) = with_neighbour();
    for setting in ["ipv4/ipfrag_time", "ipv6/ip6frag_time"] {
        std::fs::write(format!("/proc/sys/net/{setting}"), "6").unwrap();
    }
    let wire = Capture::of(&there);
    let client = "
import socket, struct
a = socket.inet_aton
six = lambda it: socket.inet_pton(socket.AF_INET6, it)
s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
part = struct.pack('!HHHH', 4000, 9, 3000, 0) + bytes(1192)
head = lambda sum: struct.pack('!BBHHHBBH', 0x45, 0, 1220, 7, 0x2000, 64, 17, sum) + a('10.77.0.254') + a('10.77.0.2')
sum = sum(struct.unpack('!10H', head(0)))
s.sendto(head(~(sum + (sum >> 16)) & 0xffff) + part, ('lan0', 0x800))
head = struct.pack('!IHBB', 0x60000000, 1208, 44, 64) + six('fd77::270:73ff:fe00:7000') + six('fd77::2')
s.sendto(head + struct.pack('!BBHI', 17, 0, 1, 7) + part, ('lan0', 0x86dd))";
    drop(outside(&world, "", &["python3", "-c", client]).run().exits(0));
    let parts = |name: &str| {
        let text = std::fs::read_to_string(format!("/proc/thread-self/net/{name}")).unwrap();
        text.lines().any(|line| line.starts_with("FRAG") && line.contains(": inuse 1 "))
    };
    assert!(parts("sockstat") && parts("sockstat6"), "they did not come");
    assert!(super::super::safety::within(10, || !parts("sockstat") && !parts("sockstat6")));
    std::thread::sleep(Duration::from_secs(1));
    wire.assert_silent();
    // The kernel gave up; so does the guardian in 15 s.
    std::thread::sleep(Duration::from_secs(15));
    has_gone("after the last part");
}
