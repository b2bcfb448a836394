//! What holds packets back on this host, and that nothing does: silence is given time where an answer could still come,
//! and no more than that.

use crate::cgroups::did_not_run;
use crate::sockets::{tcp, udp};
use crate::truth::{LAN, assert_views};
use crate::world::{World, feed};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::netlink::{NETFILTER, SocketAddrNetlink};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, send, socket_with,
};
use serde_json::Value;
use std::collections::VecDeque;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::thread;
use std::time::{Duration, Instant};

/// A program that takes in the packets of queue 7 (`linux/netfilter/nfnetlink_queue.h`), and gives each back later.
struct Holder {
    fd: OwnedFd,
    delay: Duration,
    held: VecDeque<(Instant, u32)>,
}

impl Holder {
    const QUEUE: u16 = 7;

    fn new(delay: Duration) -> Self {
        let flags = SocketFlags::CLOEXEC;
        let fd =
            socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, Some(NETFILTER)).unwrap();
        bind(&fd, &SocketAddrNetlink::new(0, 0)).unwrap();
        let holder = Self { fd, delay, held: VecDeque::new() };
        // NFQNL_MSG_CONFIG: NFQA_CFG_CMD is to bind, NFQA_CFG_PARAMS to get no more than what a packet is called.
        holder.say(2, 1, &[1, 0, 0, 0]);
        holder.say(2, 2, &[0, 0, 0, 0, 1]);
        holder
    }

    /// Sends a message with one attribute.
    fn say(&self, kind: u8, attribute: u16, value: &[u8]) {
        let length = u16::try_from(4 + value.len()).unwrap();
        let padded = value.len().next_multiple_of(4);
        let mut bytes = Vec::new();
        bytes.extend(u32::try_from(16 + 4 + 4 + padded).unwrap().to_ne_bytes());
        // NFNL_SUBSYS_QUEUE, NLM_F_REQUEST
        bytes.extend([kind, 3, 1, 0]);
        bytes.extend([0; 8]);
        bytes.extend([0, 0]);
        bytes.extend(Self::QUEUE.to_be_bytes());
        bytes.extend(length.to_ne_bytes());
        bytes.extend(attribute.to_ne_bytes());
        bytes.extend(value);
        bytes.resize(16 + 4 + 4 + padded, 0);
        send(&self.fd, &bytes, SendFlags::empty()).expect("the kernel has packet queues");
    }

    /// Takes in what comes, and gives back what was held for long enough, until the pipe is closed.
    fn work(mut self, stop: &io::PipeReader) {
        loop {
            let now = Instant::now();
            while let Some((_, id)) = self.held.front().copied().filter(|(due, _)| *due <= now) {
                self.held.pop_front();
                // NFQNL_MSG_VERDICT with NFQA_VERDICT_HDR: accept.
                self.say(1, 2, &[1_u32.to_be_bytes(), id.to_be_bytes()].concat());
            }
            let next = self.held.front().map_or(Duration::from_secs(1), |(due, _)| *due - now);
            let next = Timespec::try_from(next).unwrap();
            let mut ready =
                [PollFd::new(&self.fd, PollFlags::IN), PollFd::new(stop, PollFlags::IN)];
            poll(&mut ready, Some(&next)).expect("poll");
            if !ready[1].revents().is_empty() {
                return;
            }
            if ready[0].revents().contains(PollFlags::IN) {
                let mut bytes = [0_u8; 4096];
                let (length, _) = recv(&self.fd, &mut bytes[..], RecvFlags::empty()).unwrap();
                self.held
                    .extend(packet(&bytes[..length]).map(|id| (Instant::now() + self.delay, id)));
            }
        }
    }
}

/// What the packet of a message is called (`NFQNL_MSG_PACKET`, `NFQA_PACKET_HDR`, which comes first).
fn packet(message: &[u8]) -> Option<u32> {
    let is_packet = message.get(4..6)? == [0, 3] && message.get(22..24)? == 1_u16.to_ne_bytes();
    let id = message.get(24..28)?;
    is_packet.then(|| u32::from_be_bytes(id.try_into().unwrap()))
}

/// Does this while a program holds back for so long whatever goes to port 4001.
fn while_held_back(delay: Duration, work: impl FnOnce()) {
    let holder = Holder::new(delay);
    let rule = "-A INPUT -p tcp --dport 4001 -j NFQUEUE --queue-num 7";
    feed("iptables", &rule.split(' ').collect::<Vec<_>>(), "");
    let (stop, stopped) = io::pipe().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| holder.work(&stop));
        work();
        drop(stopped);
    });
}

/// Whether it can be seen here that no program takes packets in.
fn queues_can_be_read() -> bool {
    let read = fs::read("/proc/thread-self/net/netfilter/nfnetlink_queue");
    match read {
        Ok(_) => true,
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(error) => {
            did_not_run(&format!("only root sees whether programs take packets in: {error}"));
            false
        }
    }
}

fn took(report: &Value) -> u64 {
    report["duration_ms"].as_u64().unwrap()
}

/// A program that looks at each packet, as some firewalls have one: the answers are late, and no rule stops anything.
/// Others answer at once meanwhile.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_program_that_takes_its_time_for_each_packet_is_no_firewall_that_drops() {
    let world = World::new().listens(tcp("127.0.0.1:22")).listens(tcp("127.0.0.1:4001"));
    while_held_back(Duration::from_millis(120), || {
        for method in ["syn", "connect"] {
            let options = format!("--from loopback -4 --proto tcp --method {method}");
            assert_views(
                &world.json(&format!("check 22,4001,4002 {options}")),
                "22/tcp    lo4  open    syn-ack  reachable  -  proved
                 4001/tcp  lo4  open    syn-ack  reachable  -  proved
                 4002/tcp  lo4  closed  *        closed     -  *",
            );
        }
    });
}

/// The same where the device itself holds packets back: those of the first connection pass at once, and each later one
/// takes some 30 ms, one after another.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn a_slow_loopback_is_no_firewall_that_drops() {
    let world = World::new().listens(tcp("127.0.0.1:22")).listens(tcp("127.0.0.1:4001"));
    let shaped = "qdisc replace dev lo root tbf rate 20kbit burst 300 latency 5s";
    feed("tc", &shaped.split(' ').collect::<Vec<_>>(), "");
    assert_views(
        &world.json("check 22,4001 --from loopback -4 --proto tcp --method connect"),
        "22/tcp    lo4  open  syn-ack  reachable  -  *
         4001/tcp  lo4  open  syn-ack  reachable  -  *",
    );
}

/// A listener behind a drop, another that answers, and nothing that could delay an answer.
fn dropping_world() -> World {
    World::new().veth(&LAN).listens(tcp("127.0.0.1:22")).listens(tcp("127.0.0.1:4001")).nft(
        "table inet fw {
            chain input { type filter hook input priority 0; tcp dport 4001 drop; }
        }",
    )
}

const DROPPED: &str = "22/tcp    lo4  open      syn-ack      reachable  -        *
                       4001/tcp  lo4  filtered  no-response  filtered   dropped  likely";

#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn where_nothing_can_delay_an_answer_silence_is_soon_believed() {
    if !queues_can_be_read() {
        return;
    }
    let world = dropping_world();
    for method in ["syn", "connect"] {
        let report =
            world.json(&format!("check 22,4001 --from loopback -4 --proto tcp --method {method}"));
        assert_views(&report, DROPPED);
        assert!(took(&report) < 600, "{method} took {} ms", took(&report));
    }
}

/// Where connections can be sent on to other hosts their answers take as long as the way.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn where_connections_are_sent_on_silence_is_given_time() {
    let world = dropping_world().nft(
        "table ip nat {
            chain output {
                type nat hook output priority -100; policy accept;
                tcp dport 8080 dnat to 10.77.0.9:80
            }
        }",
    );
    let report = world.json("check 22,4001 --from loopback -4 --proto tcp");
    assert_views(&report, DROPPED);
    assert!(took(&report) >= 600, "it took only {} ms", took(&report));
}

/// An ordinary user cannot see whether a program takes packets in, where the kernel has that.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn where_it_is_not_known_silence_is_given_time() {
    let world = dropping_world();
    // Nothing has answered that could tell how long that takes.
    let report = world.json("check 4001 --from loopback -4 --proto tcp --method connect");
    assert_views(&report, "4001/tcp  lo4  filtered  no-response  filtered  dropped  likely");
    assert!(took(&report) >= 600, "it took only {} ms", took(&report));
}

/// Sockets behind a drop, some that read and some that do not: the many that get nothing are looked at together.
#[test]
#[ignore = "needs a network namespace: scripts/test"]
fn many_silent_udp_sockets_are_looked_at_together() {
    let dropped = 4001..=4020;
    let world = dropped
        .clone()
        .fold(World::new(), |world, port| world.swallows(udp(&format!("127.0.0.1:{port}"))));
    let world = world.holds(udp("127.0.0.1:4021")).swallows(udp("127.0.0.1:4022")).nft(
        "table inet fw {
            chain input { type filter hook input priority 0; udp dport 4001-4020 drop; }
        }",
    );
    let report = world.json("check 4001-4022 --from loopback -4 --proto udp");
    let table = |port: u16| {
        let says = match port {
            4021 => "open  no-response  reachable  -  proved",
            4022 => "open  no-response  reachable  -  *",
            _ => "open|filtered  no-response  inconclusive  -  *",
        };
        format!("{port}/udp  lo4  {says}\n")
    };
    assert_views(&report, &(4001..=4022).map(table).collect::<String>());
    // Each by itself takes 54 ms; 600 are for what a program may still answer.
    assert!(took(&report) < 20 * 54 + 640, "it took {} ms", took(&report));
}
