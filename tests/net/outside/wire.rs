//! The neighbour's end of the wire: every frame that comes, and whether it has to do with our probes.

use super::client;
use crate::host::Host;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::Read as _;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::time::{Duration, Instant};

/// Where probes come from in a world whose `lan0` has the usual addresses, and from where the internet seems to be.
const NOBODIES: [&str; 5] = [
    "10.77.0.254",
    "fd77::270:73ff:fe00:7000",
    "fe80::270:73ff:fe00:7000",
    "203.0.113.77",
    "2001:db8:0:7073::77",
];

/// A socket that gets every frame at the neighbour's end.
pub(crate) struct Capture(Socket);

impl Capture {
    pub(crate) fn of(there: &Host) -> Self {
        Self(there.does(|| {
            let every = libc::ETH_P_ALL.to_be() >> 16;
            let socket =
                Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(every))).unwrap();
            socket.set_recv_buffer_size(4 << 20).unwrap();
            let address = libc::sockaddr_ll {
                sll_family: libc::AF_PACKET.try_into().unwrap(),
                sll_protocol: u16::try_from(every).unwrap(),
                sll_ifindex: client::wire().try_into().unwrap(),
                sll_hatype: 0,
                sll_pkttype: 0,
                sll_halen: 0,
                sll_addr: [0; 8],
            };
            let length = u32::try_from(size_of_val(&address)).unwrap();
            // SAFETY: the address is a sockaddr_ll of this length, and lives through the call.
            let bound =
                unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) };
            assert_eq!(bound, 0, "{}", std::io::Error::last_os_error());
            socket.set_nonblocking(true).unwrap();
            socket
        }))
    }

    /// The frames until now that this is true of.
    fn frames(&self, is_wanted: impl Fn(&[u8]) -> bool) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        let mut buffer = vec![0; 1 << 16];
        while let Ok(length) = (&self.0).read(&mut buffer) {
            if is_wanted(&buffer[..length]) {
                frames.push(buffer[..length].to_vec());
            }
        }
        frames
    }

    /// Asserts that no frame has named an address of nobody's; and that one that does would have been seen.
    #[track_caller]
    pub(crate) fn assert_silent(&self) {
        let frames = self.frames(names_nobody);
        let text: Vec<String> =
            frames.iter().take(5).map(|frame| format!("{frame:02x?}")).collect();
        assert!(frames.is_empty(), "{} frames left, as\n{}", frames.len(), text.join("\n"));
        assert!(self.would_see("10.77.0.253"), "the capture sees nothing at all");
        assert!(self.would_see("fd77::270:73ff:fe00:70ff"), "the capture sees no IPv6");
    }

    /// Whether a datagram to a neighbour that is not there makes a frame that asks for it.
    fn would_see(&self, address: &str) -> bool {
        let address: IpAddr = address.parse().unwrap();
        let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let client = UdpSocket::bind(any).unwrap();
        client.send_to(b"x", SocketAddr::new(address, 9)).unwrap();
        let deadline = Instant::now() + Duration::from_secs(5);
        while Instant::now() < deadline {
            let limit = Timespec { tv_sec: 1, tv_nsec: 0 };
            poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&limit)).unwrap();
            if !self.frames(|frame| names(frame, address)).is_empty() {
                return true;
            }
        }
        false
    }
}

/// Whether bytes hold an address from where probes seem to come.
pub(super) fn names_nobody(frame: &[u8]) -> bool {
    NOBODIES.iter().any(|address| names(frame, address.parse().unwrap()))
}

/// Whether bytes hold an address, anywhere in them.
fn names(frame: &[u8], address: IpAddr) -> bool {
    let octets = match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    frame.windows(octets.len()).any(|bytes| bytes == octets)
}
