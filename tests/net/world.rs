//! The harness: a network namespace with addresses, sockets and rules.
//!
//! ```text
//! let world = World::new()
//!     .veth(&["10.77.0.2/24", "fd77::2/64"])
//!     .listens(tcp("0.0.0.0:22"))
//!     .echoes(udp("0.0.0.0:53"))
//!     .nft("table inet fw { … }");
//! let report = world.json("check 22,53/udp");
//! ```
//!
//! The namespace belongs to the test's thread: what the thread starts is in it too. In such a thread `/proc/net`
//! still shows the old namespace, `/proc/thread-self/net` the new one.

use crate::host::Host;
use crate::sockets::{Spec, tcp};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};
use socket2::{Domain, SockAddr, Socket, Type};
use std::fs;
use std::io::{self, PipeWriter, Write as _};
use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv6Addr, Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// The index of `lan0`, the interface that [`World::veth`] makes.
pub(crate) const LAN_INDEX: u32 = 7;

/// How many connections a listener of the harness takes before it counts as overloaded. Nobody accepts them.
const BACKLOG: i32 = 4096;

/// A network namespace of the test's own, with what was put into it. Dropping it closes everything; the kernel
/// removes the namespace with its last thread and process.
pub(crate) struct World {
    sockets: Vec<Socket>,
    servers: Vec<Server>,
    hosts: Vec<Host>,
}

impl World {
    /// A namespace in which only `lo` is up.
    pub(crate) fn new() -> Self {
        // SAFETY: unshare(2) takes no pointers, and CLONE_NEWNET changes nothing that Rust relies on.
        if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
            let error = io::Error::last_os_error();
            panic!(
                "did not run: no network namespace ({error}): use scripts/test, as root or where user \
                 namespaces are allowed"
            );
        }
        feed("ip", &["-batch", "-"], "link set lo up\n");
        Self::of_this_thread()
    }

    /// The namespace of this thread, whose it is already.
    pub(crate) fn of_this_thread() -> Self {
        Self { sockets: Vec::new(), servers: Vec::new(), hosts: Vec::new() }
    }

    /// Adds the interface `lan0`, one end of a veth pair, with these addresses (`10.77.0.2/24`).
    ///
    /// The kernel adds no addresses of its own, and all of these can be used when this returns.
    pub(crate) fn veth(self, addresses: &[&str]) -> Self {
        let link = format!("link add lan0 index {LAN_INDEX} type veth peer name wire0\n");
        feed("ip", &["-batch", "-"], &link);
        feed("ip", &["-batch", "-"], "link set wire0 addrgenmode none\nlink set wire0 up\n");
        bring_up("lan0", addresses);
        self
    }

    /// Loads nftables rules.
    pub(crate) fn nft(self, rules: &str) -> Self {
        feed("nft", &["-f", "-"], rules);
        self
    }

    /// How many packets a named counter of the table `inet fw` has seen.
    #[expect(clippy::unused_self, reason = "the counter is the namespace's")]
    pub(crate) fn counted(&self, counter: &str) -> u64 {
        let text = feed("nft", &["list", "counter", "inet", "fw", counter], "");
        let mut words = text.split_whitespace().skip_while(|word| *word != "packets");
        words.nth(1).and_then(|count| count.parse().ok()).expect("nft shows a packet count")
    }

    /// A TCP socket that listens. Nobody accepts, but its queue is long.
    pub(crate) fn listens(mut self, spec: Spec) -> Self {
        self.sockets.push(spec.listening(BACKLOG));
        self
    }

    /// A TCP server that closes each connection as soon as it is there.
    pub(crate) fn hangs_up(self, spec: Spec) -> Self {
        self.serves(spec.listening(BACKLOG), |socket| {
            if let Ok((connection, _)) = socket.accept() {
                drop(connection.shutdown(Shutdown::Both));
            }
        })
    }

    /// A TCP server that does this with each connection, in a thread of its own.
    pub(crate) fn speaks(
        self,
        spec: Spec,
        speak: impl Fn(TcpStream) + Clone + Send + 'static,
    ) -> Self {
        self.serves(spec.listening(BACKLOG), move |socket| {
            if let Ok((connection, _)) = socket.accept() {
                let speak = speak.clone();
                thread::spawn(move || speak(connection.into()));
            }
        })
    }

    /// A TCP socket that listens and whose queue is full, so that the kernel drops each SYN.
    pub(crate) fn overloaded(mut self, spec: Spec) -> Self {
        let listener = spec.listening(0);
        let address = spec.address_for_a_client();
        for _ in 0..8 {
            let client = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
            match client.connect_timeout(&address.into(), Duration::from_millis(50)) {
                Ok(()) => self.sockets.push(client),
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                    self.sockets.push(listener);
                    return self;
                }
                Err(error) => panic!("filling the queue of {address}: {error}"),
            }
        }
        panic!("the queue of {address} does not fill");
    }

    /// A socket that is bound and does nothing: for TCP it is not listening, for UDP it never reads.
    pub(crate) fn holds(mut self, spec: Spec) -> Self {
        self.sockets.push(spec.bound());
        self
    }

    /// A UDP server that sends each datagram back.
    pub(crate) fn echoes(self, spec: Spec) -> Self {
        self.serves(spec.bound(), |socket| {
            let mut buffer = [MaybeUninit::uninit(); 2048];
            if let Ok((length, peer)) = socket.recv_from(&mut buffer) {
                // SAFETY: the kernel wrote the first `length` bytes.
                let datagram = unsafe { buffer[..length].assume_init_ref() };
                drop(socket.send_to(datagram, &peer));
            }
        })
    }

    /// A UDP server that reads each datagram and never answers.
    pub(crate) fn swallows(self, spec: Spec) -> Self {
        self.serves(spec.bound(), |socket| {
            drop(socket.recv_from(&mut [MaybeUninit::uninit(); 2048]));
        })
    }

    /// A UDP socket that never reads and has no room left: the kernel drops each datagram for it.
    pub(crate) fn stuffed(mut self, spec: Spec) -> Self {
        let socket = spec.bound();
        socket.set_recv_buffer_size(1).unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        // Where a large datagram finds no room any more, a small one may.
        for size in [512, 1] {
            for _ in 0..64 {
                client.send_to(&[0; 512][..size], spec.address_for_a_client()).unwrap();
            }
        }
        self.sockets.push(socket);
        self
    }

    /// Other traffic: a datagram to this address each so many milliseconds.
    pub(crate) fn noise(mut self, address: SocketAddr, milliseconds: i64) -> Self {
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        let (stopped, stop) = io::pipe().unwrap();
        let thread = thread::spawn(move || {
            let pause = Timespec { tv_sec: 0, tv_nsec: milliseconds * 1_000_000 };
            while poll(&mut [PollFd::new(&stopped, PollFlags::IN)], Some(&pause)).expect("poll")
                == 0
            {
                drop(client.send_to(b"noise", address));
            }
        });
        self.servers.push(Server { stop: Some(stop), thread: Some(thread) });
        self
    }

    /// A TCP connection and a UDP client with a peer: sockets that hold a local port and serve nobody. Gives
    /// their ports: the server's side of the connection, the client's side, the UDP client's.
    pub(crate) fn clients_of(&mut self, server: SocketAddr) -> (u16, u16) {
        let client = Socket::new(Domain::for_address(server), Type::STREAM, None).unwrap();
        client.connect(&server.into()).expect("the server listens");
        let datagrams = Socket::new(Domain::for_address(server), Type::DGRAM, None).unwrap();
        datagrams.connect(&server.into()).expect("a UDP socket connects anywhere");
        let port = |socket: &Socket| {
            socket.local_addr().ok().and_then(|a| a.as_socket()).expect("it has a port").port()
        };
        let ports = (port(&client), port(&datagrams));
        self.sockets.extend([client, datagrams]);
        ports
    }

    /// Joins `lan0` to a second namespace, in which a server listens at `10.77.0.9:9999`.
    pub(crate) fn neighbour(self) -> Self {
        self.neighbour_at("10.77.0.9")
    }

    /// The same with another address, in a network of 24 bits.
    pub(crate) fn neighbour_at(mut self, address: &'static str) -> Self {
        let there = Host::new();
        there.takes("wire0", &[&format!("{address}/24")]);
        let listening = move || tcp(&format!("{address}:9999")).listening(BACKLOG);
        self.sockets.push(there.does(listening));
        self.hosts.push(there);
        self
    }

    /// Lets a thread answer whenever the socket has something to read.
    fn serves(mut self, socket: Socket, mut answer: impl FnMut(&Socket) + Send + 'static) -> Self {
        socket.set_nonblocking(true).unwrap();
        let (stopped, stop) = io::pipe().unwrap();
        let thread = thread::spawn(move || {
            loop {
                let mut ready =
                    [PollFd::new(&socket, PollFlags::IN), PollFd::new(&stopped, PollFlags::IN)];
                poll(&mut ready, None).expect("poll");
                if !ready[1].revents().is_empty() {
                    return;
                }
                answer(&socket);
            }
        });
        self.servers.push(Server { stop: Some(stop), thread: Some(thread) });
        self
    }
}

/// Gives a device of this thread's namespace these addresses, and no other; they can be used when this returns.
pub(crate) fn bring_up(device: &str, addresses: &[&str]) {
    let news = RouteNews::subscribe();
    let mut batch = vec![format!("link set {device} addrgenmode none")];
    batch.extend(addresses.iter().map(|address| {
        let nodad = if address.contains(':') { "nodad" } else { "" };
        format!("addr add {address} dev {device} {nodad}")
    }));
    batch.push(format!("link set {device} up\n"));
    feed("ip", &["-batch", "-"], &batch.join("\n"));
    let parsed = addresses.iter().map(|address| address.split('/').next()?.parse().ok());
    for address in parsed {
        news.wait_for_local(address.expect("an address and a prefix"));
    }
}

/// Hears of each IPv6 route that comes or goes in this namespace.
///
/// An IPv6 address is there when `ip` returns, also in `/proc/net/if_inet6`. The route that keeps packets to it on this
/// host comes later, also with `nodad`: from a work queue, under a lock that all namespaces share, and many come and
/// go while the tests run. Until then such packets take the wire and are lost, or have no route at all.
struct RouteNews(OwnedFd);

impl RouteNews {
    fn subscribe() -> Self {
        let flags = SocketFlags::CLOEXEC;
        // NETLINK_ROUTE is protocol 0, the default.
        let fd = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None).unwrap();
        let group = u32::try_from(libc::RTMGRP_IPV6_ROUTE).unwrap();
        bind(&fd, &SocketAddrNetlink::new(0, group)).unwrap();
        Self(fd)
    }

    /// Returns when packets to the address stay here. IPv4 has its route together with the address.
    fn wait_for_local(&self, address: IpAddr) {
        let IpAddr::V6(address) = address else { return };
        let limit = Timespec { tv_sec: 20, tv_nsec: 0 };
        while !is_routed_here(address) {
            let news = poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&limit)).unwrap();
            assert_ne!(news, 0, "no local route for {address} within {} s", limit.tv_sec);
            // What it says does not matter, nor that there was more than the socket holds: the table is read again.
            let heard = recv(&self.0, &mut [0_u8; 4096][..], RecvFlags::empty());
            assert!(matches!(heard, Ok(_) | Err(Errno::NOBUFS)), "news of routes: {heard:?}");
        }
    }
}

/// Whether the routing table has the address as one of this host.
fn is_routed_here(address: Ipv6Addr) -> bool {
    /// `RTF_LOCAL` (`linux/ipv6_route.h`).
    const LOCAL: u32 = 0x8000_0000;
    let wanted = format!("{:032x}", u128::from(address));
    let table = fs::read_to_string("/proc/thread-self/net/ipv6_route").expect("the IPv6 routes");
    table.lines().any(|line| {
        let fields: Vec<_> = line.split_ascii_whitespace().collect();
        let [destination, "80", _, _, _, _, _, _, flags, _] = *fields else { return false };
        destination == wanted && u32::from_str_radix(flags, 16).is_ok_and(|f| f & LOCAL != 0)
    })
}

/// A thread that serves until the other end of its pipe is closed.
struct Server {
    stop: Option<PipeWriter>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let end = thread.join();
            assert!(end.is_ok() || thread::panicking(), "a server of the harness panicked");
        }
    }
}

/// Whether a TCP client gets a connection: the harness's own eyes, without portsight. `Err` has the kind of the
/// failure.
pub(crate) fn connects(address: SocketAddr) -> Result<(), io::ErrorKind> {
    let client = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
    client
        .connect_timeout(&SockAddr::from(address), Duration::from_millis(100))
        .map_err(|error| error.kind())
}

/// Runs a program of the system with this input and gives its output.
pub(crate) fn feed(program: &str, arguments: &[&str], input: &str) -> String {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child =
        alone(|| command.spawn()).unwrap_or_else(|error| panic!("did not run: {program}: {error}"));
    let fed = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {errors}");
    fed.unwrap_or_else(|error| panic!("{program} {arguments:?} does not read its input: {error}"));
    String::from_utf8(output.stdout).unwrap()
}

/// Runs this while no other test is between a fork and its exec.
///
/// A child that was just forked holds a copy of each socket of every test: it would be one more owner. So all
/// forks of the tests are made here, and sockets whose owners are counted are made, handed over and closed here.
pub(crate) fn alone<T>(action: impl FnOnce() -> T) -> T {
    static FORKS: Mutex<()> = Mutex::new(());
    let _guard = FORKS.lock().unwrap_or_else(PoisonError::into_inner);
    action()
}
