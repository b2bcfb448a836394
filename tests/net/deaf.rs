//! Listeners that do not hear: their process is stopped, they demand signatures, or a filter of theirs drops all. None
//! of it is a firewall.

use crate::holder::holder;
use crate::sockets::{at, tcp};
use crate::truth::{assert_views, views};
use crate::world::World;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use socket2::{Domain, Socket, Type};
use std::io;
use std::os::fd::AsRawFd as _;
use std::time::Duration;

/// Sets an option to these bytes.
fn set(socket: &Socket, level: i32, option: i32, value: &[u8]) {
    let length = libc::socklen_t::try_from(value.len()).unwrap();
    // SAFETY: the kernel reads `length` bytes of `value`, which lives through the call.
    let status = unsafe {
        libc::setsockopt(socket.as_raw_fd(), level, option, value.as_ptr().cast(), length)
    };
    assert_eq!(status, 0, "did not run: {}", io::Error::last_os_error());
}

/// Demands a signature (RFC 2385) of what comes from 127.0.0.1.
pub(crate) fn demand_signatures(socket: &Socket) {
    demand_signatures_of(socket, [127, 0, 0, 1], 32);
}

/// Demands a signature of what comes from a network.
pub(crate) fn demand_signatures_of(socket: &Socket, network: [u8; 4], prefix: u8) {
    /// `TCP_MD5SIG_EXT` and `TCP_MD5SIG_FLAG_PREFIX` (`linux/tcp.h`).
    const EXTENDED: i32 = 32;
    const PREFIX: u8 = 1;
    // struct tcp_md5sig: an address in 128 bytes, flags, prefix length, key length, device, a key in 80 bytes.
    let mut value = [0; 216];
    value[..2].copy_from_slice(&2_u16.to_ne_bytes());
    value[4..8].copy_from_slice(&network);
    (value[128], value[129]) = (PREFIX, prefix);
    value[130..132].copy_from_slice(&6_u16.to_ne_bytes());
    value[136..142].copy_from_slice(b"secret");
    set(socket, libc::IPPROTO_TCP, EXTENDED, &value);
}

/// Drops whatever comes: the classic BPF program `ret 0`.
pub(crate) fn drop_everything(socket: &Socket) {
    let program = [libc::sock_filter { code: 6, jt: 0, jf: 0, k: 0 }];
    let filter = libc::sock_fprog { len: 1, filter: program.as_ptr().cast_mut() };
    let bytes = (&raw const filter).cast::<u8>();
    // SAFETY: a sock_fprog is as many bytes as its size; the kernel copies the program during the call.
    let value = unsafe { std::slice::from_raw_parts(bytes, size_of_val(&filter)) };
    set(socket, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, value);
}

/// Drops what has come through more routers than this leaves (RFC 5082).
pub(crate) fn demand_hops(socket: &Socket, left: i32) {
    /// `IP_MINTTL` (`linux/in.h`).
    const LEAST: i32 = 21;
    set(socket, libc::IPPROTO_IP, LEAST, &left.to_ne_bytes());
}

/// The note of the only view of a port.
fn note(report: &Value, port: u16) -> String {
    let mut found = views(report).filter(|(item, _)| item["port"] == port);
    found.next().expect("a view").1["note"].as_str().unwrap_or_default().to_owned()
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_socket_that_drops_the_probe_is_told_from_a_firewall() {
    let world = World::new();
    let [signed, filtered] = ["127.0.0.1:7050", "127.0.0.1:7051"].map(|it| tcp(it).listening(8));
    demand_signatures(&signed);
    drop_everything(&filtered);
    let world = world.listens(tcp("127.0.0.1:7052")).nft(
        "table inet fw {
            chain input { type filter hook input priority 0; tcp dport 7052 drop; }
        }",
    );
    let report = world.json("check 7050-7052 --from loopback --proto tcp -4");
    assert_views(
        &report,
        "7050/tcp  lo4  filtered  no-response  filtered  dropped  *
         7051/tcp  lo4  filtered  no-response  filtered  dropped  *
         7052/tcp  lo4  filtered  no-response  filtered  dropped  *",
    );
    // Where the kernel lets its reasons be heard, those are told, and else what its counters show.
    assert!(note(&report, 7050).contains("demand"), "{report:#}");
    assert!(note(&report, 7050).contains("TCP signatures (MD5"), "{report:#}");
    assert!(note(&report, 7051).contains("a filter of the socket"), "{report:#}");
    let (_, dropped) = views(&report).last().expect("three views");
    assert_eq!(dropped["rule"]["text"], "tcp dport 7052 drop", "{report:#}");
}

/// The kernel tells who has keys to `CAP_NET_ADMIN` only, and shows everybody its counters.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn an_ordinary_user_is_told_the_same() {
    let world = World::new();
    let [signed, filtered] = ["127.0.0.1:7050", "127.0.0.1:7051"].map(|it| tcp(it).listening(8));
    demand_signatures(&signed);
    drop_everything(&filtered);
    let arguments = "check 7050-7051 --from loopback --proto tcp -4 -o json";
    let report = world.prepare(arguments).by_ordinary_user().run().document();
    let signature = "there: it demands TCP signatures, which the probe lacks, and no firewall rule";
    assert!(note(&report, 7050).ends_with(signature), "{report:#}");
    assert!(note(&report, 7051).contains("there: a filter of the socket, of its"), "{report:#}");
}

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_stopped_process_is_named_for_its_full_queue() {
    let world = World::new();
    let process = holder().named("net-stopped").given(tcp("127.0.0.1:7053").listening(0)).start();
    let pid = Pid::from_raw(process.pid().cast_signed()).unwrap();
    let mut clients = Vec::new();
    loop {
        let client = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        match client.connect_timeout(&at("127.0.0.1:7053").into(), Duration::from_millis(50)) {
            Ok(()) => clients.push(client),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => break,
            Err(error) => panic!("{error}"),
        }
        assert!(clients.len() < 9, "the queue does not fill");
    }
    let told = |words: &str, is_told: bool| {
        let report = world.json("check 7053 --from loopback --proto tcp -4");
        assert_eq!(views(&report).next().unwrap().1["verdict"], "overloaded", "{report:#}");
        assert_eq!(note(&report, 7053).contains(words), is_told, "{report:#}");
    };
    told("stopped", false);
    kill_process(pid, Signal::STOP).unwrap();
    told(&format!("its process net-stopped {} is stopped", process.pid()), true);
    let text = world.portsight("7053").exits(0).stdout;
    assert!(text.contains(&format!("net-stopped {}, stopped (listener)", process.pid())), "{text}");
    kill_process(pid, Signal::CONT).unwrap();
}
