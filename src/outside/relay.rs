//! A program that is run as a neighbour: in a network namespace of its own, whose packets an interface of this host seems
//! to receive, and which gets what this host sends to it. Nothing of that leaves.

mod carry;
mod end;
mod memory;
mod queue;
mod room;
mod rules;

pub use carry::Carried;

use super::stand::Stand;
use super::{Unavailable, chance};
use crate::sys::{self, Ending, Guardian, Injector, NetlinkSocket, Signals, Started};
use crate::wire::netlink::AnswerError;
use carry::Inwards;
use end::Left;
use memory::Memory;
use queue::Queues;
use room::Room;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd as _, BorrowedFd};

/// The largest packet that a test run of a BPF program takes, whose frame, with what the kernel needs around it, is in
/// one page.
const LARGEST: u32 = 3000;

/// Everything that it takes to run a program outside.
#[derive(Debug)]
pub struct Relay {
    stand: Stand,
    injectors: BTreeMap<u32, Injector>,
    queues: Queues,
    memory: Memory,
    left: Left,
    guardian: Option<Guardian>,
    /// The tables go with its last holder.
    _rules: NetlinkSocket,
}

/// Why a program did not run to its end.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// There is no such program.
    #[error("there is no such program")]
    NotFound,
    /// There is, and it cannot be run.
    #[error("it cannot be run")]
    NotRunnable(#[source] io::Error),
    /// There is no network namespace for it.
    #[error("no network namespace could be made")]
    Namespace(#[source] io::Error),
    /// There is no device for it.
    #[error("no device could be made by /dev/net/tun")]
    Device(#[source] io::Error),
    /// Its device got no address, or no route.
    #[error("its network could not be set up")]
    Network(#[from] AnswerError),
    /// We failed.
    #[error("it was lost sight of")]
    Lost(#[source] io::Error),
}

impl Relay {
    /// Prepares everything, as [`super::Outside::open`] does. To be called while this process has one thread.
    ///
    /// # Errors
    /// Without `CAP_NET_ADMIN` and `CAP_BPF`, and where the kernel lacks a feature.
    pub fn open(stand: Stand, inside: &BTreeSet<IpAddr>) -> Result<Self, Unavailable> {
        let sources: Vec<IpAddr> = stand.addresses().collect();
        let mut injectors = BTreeMap::new();
        for door in stand.doors.values() {
            let injector = Injector::open(door.device).map_err(Unavailable::Injection)?;
            injectors.insert(door.device, injector);
        }
        end::can_end().map_err(Unavailable::Unending)?;
        if let Some(address) = end::one_with_connections(&sources).map_err(Unavailable::Unending)? {
            return Err(Unavailable::Connected(address));
        }
        let queues = Queues::open(chance()).map_err(Unavailable::Queue)?;
        let memory = Memory::new().map_err(Unavailable::Guardian)?;
        let mut rules = rules::prepare().map_err(|error| Unavailable::Table(error.into()))?;
        let own = sys::local_addresses().unwrap_or_default().usable;
        let is_own = |address: &&IpAddr| own.iter().any(|own| own.address == **address);
        let inside: BTreeSet<IpAddr> = inside.iter().filter(|it| !is_own(it)).copied().collect();
        let left = Left { sources, inside: inside.clone(), queues: queues.numbers };
        let keep: Vec<BorrowedFd<'_>> = std::iter::once(rules.as_fd())
            .chain(stand.claims.iter().map(sys::Claim::as_fd))
            .collect();
        let guardian =
            Guardian::fork(&keep, || left.finish(&memory.used())).map_err(Unavailable::Guardian)?;
        rules::install(&mut rules, &stand.doors, &inside, queues.numbers)?;
        Ok(Self { stand, injectors, queues, memory, left, guardian: Some(guardian), _rules: rules })
    }

    /// Runs a program to its end, and says how that was and what was not carried.
    ///
    /// # Errors
    /// When it could not be started, or was lost sight of.
    pub fn run(
        mut self,
        program: &OsString,
        arguments: &[OsString],
    ) -> Result<(Ending, Carried), Failure> {
        let widths = self.stand.doors.values().map(|door| door.mtu);
        let mtu = widths.min().unwrap_or(LARGEST).min(LARGEST);
        let signals = Signals::keep().map_err(Failure::Lost)?;
        let started = sys::in_new_network(|| {
            let room = Room::furnish(&self.stand, mtu)?;
            Ok::<_, Failure>((room, Started::start(program, arguments)))
        });
        let (mut room, started) = started.map_err(Failure::Namespace)??;
        let mut started = started.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Failure::NotFound,
            _ => Failure::NotRunnable(error),
        })?;
        let mut inwards = Inwards::new(&self.injectors, &self.stand.doors, &mut self.memory);
        let mtu = usize::try_from(mtu).unwrap_or(usize::MAX);
        let queues = &mut self.queues;
        let ended = carry::carry(&mut room, queues, mtu, &mut inwards, &mut started, &signals);
        Ok((ended.map_err(Failure::Lost)?, inwards.carried))
    }
}

impl Drop for Relay {
    /// The guardian goes first, then the socket of the tables, and the tables with it.
    fn drop(&mut self) {
        let used = self.memory.used();
        let takes_time = self.left.close(&used, true).unwrap_or(true) || used.datagrams;
        match self.guardian.take() {
            // Nobody waits for it then, but for the first process of a container, which takes it with it.
            Some(guardian) if takes_time && std::process::id() != 1 => drop(guardian),
            Some(guardian) => guardian.finish(),
            None => {}
        }
    }
}
