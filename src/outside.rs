//! What answers a neighbour on the network, without a neighbour: frames that an interface seems to receive, rules that
//! trace them and swallow the replies, and the kernel's own tale of what each rule decided.
//!
//! Nothing is attached to an interface and nothing stays. The table of rules belongs to a socket that a child of this
//! process shares: when this process ends, in whatever way, the child closes what probes have opened, and ends; the
//! kernel removes the table with the socket's last holder.

mod ask;
mod close;
mod closer;
mod driver;
mod drops;
mod explain;
mod follow;
mod legacy;
mod note;
mod post;
mod relay;
mod scan;
mod stand;
mod subnet;
mod table;

pub use post::{Post, Wanted, posts, unusable, vantage_of};
pub use relay::{Carried, Failure, Relay};
pub use stand::{NoStand, Stand};

use crate::model::{Port, PortSet, Sweep, Transport};
use crate::sys::{self, Guardian, Injector, NetlinkSocket, Protocol, SharedNote};
use crate::wire::netlink::AnswerError;
use crate::wire::nf_trace;
use driver::Drivers;
use drops::Drops;
use follow::Follower;
use legacy::Loggers;
use note::Note;
use scan::Scan;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::time::{Duration, Instant};
use table::{Probes, Table};

/// Room for what the kernel tells of a batch of probes, also where many rules are asked.
const ROOM: usize = 32 << 20;

/// How long the kernel's tale may take where a device spreads its work over processors, or another host answers.
const LATE: Duration = Duration::from_millis(30);

/// Why nothing can be probed from outside.
#[derive(Debug, thiserror::Error)]
pub enum Unavailable {
    /// Frames cannot be injected.
    #[error("frames cannot be injected")]
    Injection(#[source] io::Error),
    /// The table of rules was refused.
    #[error("the table of rules that would swallow the replies was refused")]
    Table(#[from] AnswerError),
    /// The trace cannot be heard.
    #[error("the kernel's trace of the rules cannot be heard")]
    Trace(#[source] io::Error),
    /// There is no guardian.
    #[error("no child process could be started to clean up")]
    Guardian(#[source] io::Error),
    /// Packets cannot be put into a queue.
    #[error("the kernel gives no queue for the replies (NFQUEUE)")]
    Queue(#[source] AnswerError),
    /// Connections cannot be ended.
    #[error("the kernel cannot end the connections that would be left (SOCK_DESTROY)")]
    Unending(#[source] AnswerError),
    /// The address is somebody's.
    #[error("connections of this host lead to {0}: it is somebody's")]
    Connected(IpAddr),
}

impl Unavailable {
    /// Whether it is a privilege that lacks.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        let (Self::Injection(error)
        | Self::Trace(error)
        | Self::Guardian(error)
        | Self::Table(AnswerError::Refused(error) | AnswerError::Socket(error))
        | Self::Queue(AnswerError::Refused(error) | AnswerError::Socket(error))
        | Self::Unending(AnswerError::Refused(error) | AnswerError::Socket(error))) = self
        else {
            return false;
        };
        error.kind() == io::ErrorKind::PermissionDenied
    }
}

/// The ports of one address that are probed from one post.
#[derive(Clone, Copy)]
#[expect(missing_debug_implementations, reason = "functions have none")]
pub struct Job<'a> {
    /// From where.
    pub post: &'a Post,
    /// The transport.
    pub transport: Transport,
    /// The ports that are asked for.
    pub wanted: &'a PortSet,
    /// The ports that no probe goes to.
    pub excluded: &'a PortSet,
    /// The ports that are probed first, and whose attempts are recorded also when they were plainly refused.
    pub detail: &'a PortSet,
    /// What a datagram to a port carries.
    pub payload: fn(Port) -> &'static [u8],
    /// Whether the work should stop.
    pub stop: &'a dyn Fn() -> bool,
    /// How many probes may be sent at once.
    pub at_once: usize,
    /// Waits until so many probes may be sent.
    pub turns: &'a dyn Fn(usize),
    /// Told how many more ports have been probed.
    pub advance: &'a dyn Fn(usize),
}

/// The instrument: while it is there, the kernel traces our probes and swallows the replies.
#[derive(Debug)]
pub struct Outside {
    table: Table,
    trace: NetlinkSocket,
    injectors: BTreeMap<u32, Injector>,
    note: SharedNote,
    /// The port that all probes come from.
    port: u16,
    /// What sequence numbers are made with; its lower half is 0.
    key: u32,
    /// Whether a program may still answer a datagram.
    is_late: bool,
    /// Whether a datagram was sent at all.
    sent_datagrams: bool,
    drops: Drops,
    drivers: Drivers,
    /// What takes the kernel's log of packets, where it has to be ours for a moment.
    loggers: Loggers,
    /// Whether it may be ours now.
    has_log: bool,
    guardian: Option<Guardian>,
}

impl Outside {
    /// Prepares everything that probes from these posts and traces of probes of this host to itself take. Rules of NAT
    /// may hand probes on to `inside`, the addresses of other network namespaces of this host, and to no other.
    ///
    /// To be called while this process has one thread: a child is forked.
    ///
    /// # Errors
    /// Without `CAP_NET_ADMIN` and `CAP_BPF`, and where the kernel lacks a feature. Then nothing is injected: without the
    /// table the replies would leave.
    pub fn open(posts: &[Post], inside: &BTreeSet<IpAddr>) -> Result<Self, Unavailable> {
        let mut injectors = BTreeMap::new();
        for device in posts.iter().map(|post| post.target.device) {
            if let std::collections::btree_map::Entry::Vacant(entry) = injectors.entry(device) {
                entry.insert(Injector::open(device).map_err(Unavailable::Injection)?);
            }
        }
        let note = SharedNote::new().map_err(Unavailable::Guardian)?;
        let mut trace = NetlinkSocket::open(Protocol::Netfilter).map_err(Unavailable::Trace)?;
        trace.join(nf_trace::GROUP, ROOM).map_err(Unavailable::Trace)?;
        let chance = chance();
        let (port, key) = (source_port(chance), key(chance));
        let sources: BTreeSet<IpAddr> = posts.iter().map(|post| post.source).collect();
        let sources: Vec<_> =
            sources.into_iter().map(|source| SocketAddr::new(source, port)).collect();
        let mut devices: BTreeMap<u32, BTreeSet<SocketAddr>> = BTreeMap::new();
        for post in posts {
            let at_device = devices.entry(post.target.device).or_default();
            at_device.insert(SocketAddr::new(post.source, port));
        }
        let probes =
            Probes { sources: sources.clone(), devices, inside: inside.clone(), local_port: port };
        let table = Table::prepare(probes).map_err(|error| Unavailable::Table(error.into()))?;
        let keep: Vec<BorrowedFd<'_>> = std::iter::once(table.socket.as_fd())
            .chain(injectors.values().map(Injector::as_fd))
            .collect();
        let loggers = Loggers::read();
        let finish = || close::finish(&note.read(), &injectors, &sources, &loggers);
        let guardian = Guardian::fork(&keep, finish).map_err(Unavailable::Guardian)?;
        let mut outside = Self {
            table,
            trace,
            injectors,
            note,
            port,
            key,
            is_late: false,
            sent_datagrams: false,
            drops: Drops::default(),
            drivers: Drivers::of(posts),
            loggers,
            has_log: false,
            guardian: Some(guardian),
        };
        outside.table.try_out()?;
        Ok(outside)
    }

    /// Takes what the kernel has told by now. Returns whether it had to drop a part of that.
    fn hear(&mut self, follower: &mut Follower) -> bool {
        self.trace.hear(|datagram| nf_trace::events(datagram, |event| follower.take(&event)))
    }

    /// Takes what the kernel tells, until it is enough, or late.
    fn hear_until(&mut self, follower: &mut Follower, is_enough: impl Fn(&Follower) -> bool) {
        let deadline = Instant::now() + LATE;
        loop {
            self.hear(follower);
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || is_enough(follower) {
                return;
            }
            self.trace.wait(left);
        }
    }

    /// Makes a device receive a frame.
    fn receive(&self, device: u32, frame: &[u8]) -> io::Result<()> {
        self.injectors.get(&device).ok_or(io::ErrorKind::NotFound)?.receive(frame)
    }

    /// Tells the guardian what it would have to do now, and which probes may have opened something.
    fn write_note(&mut self, probes: Option<&Note>) {
        self.write_state(self.sent_datagrams, probes);
    }

    fn write_state(&mut self, is_late: bool, probes: Option<&Note>) {
        let mut bytes = vec![note::state(is_late, self.has_log)];
        bytes.extend(probes.map(Note::to_bytes).unwrap_or_default());
        self.note.write(&bytes);
    }

    /// Probes the ports of a job, one of those that were prepared.
    pub fn sweep(&mut self, job: &Job<'_>) -> Sweep {
        match self.table.install() {
            Ok(()) => Scan::new(self, job).run(),
            // Without the rules the replies would leave.
            Err(error) => Scan::new(self, job).none(&error.with_cause()),
        }
    }
}

impl Drop for Outside {
    /// The guardian goes first, then the socket of the table, and the table with it.
    fn drop(&mut self) {
        self.write_state(self.is_late, None);
        let is_open = |source: &SocketAddr| close::end_half_open(*source).unwrap_or(true);
        let takes_time = self.table.sources().iter().any(is_open) || self.is_late;
        match self.guardian.take() {
            // Nobody waits for it then, but for the first process of a container, which takes it with it.
            Some(guardian) if takes_time && std::process::id() != 1 => drop(guardian),
            Some(guardian) => guardian.finish(),
            None => {}
        }
    }
}

/// A number that is another one each time.
fn chance() -> u64 {
    use std::hash::{BuildHasher as _, Hasher as _, RandomState};
    RandomState::new().build_hasher().finish()
}

/// A port that clients use, another one each time: what firewalls and servers remember of the last run does not matter.
fn source_port(chance: u64) -> u16 {
    /// What the kernel begins with (`ip_local_port_range`).
    const USUAL: (u16, u16) = (32_768, 60_999);
    let (low, high) = sys::local_port_range().filter(|(low, high)| low <= high).unwrap_or(USUAL);
    let number = u64::from(high - low) + 1;
    low + u16::try_from(chance % number).unwrap_or(0)
}

/// What sequence numbers are made with.
fn key(chance: u64) -> u32 {
    let [.., a, b] = chance.to_be_bytes();
    u32::from_be_bytes([a, b, 0, 0])
}
