//! Carries packets between a program outside and this host, until the program has ended: each way by a thread, since a
//! transfer keeps both busy.

use super::super::stand::Door;
use super::memory::Memory;
use super::queue::Queues;
use super::room::Room;
use crate::sys::{self, Ending, Injector, Signals, Started, Tun};
use crate::wire::ip::{self, NOTHING_LEFT};
use crate::wire::queue::Queued;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::thread;
use std::time::{Duration, Instant};

/// How many packets are carried before anything else is looked at.
const TURN: u32 = 64;
/// How long it is waited for something to carry.
const LONG: Duration = Duration::from_hours(1);
/// How long the connections of a program that has ended may take to send what they have, and how often that is asked.
const LAST_WORDS: Duration = Duration::from_secs(5);
const TICK: Duration = Duration::from_millis(20);
/// How long the addresses of this host are believed.
const FRESH: Duration = Duration::from_secs(1);

/// What was carried, and what was not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Carried {
    /// The addresses that are none of this host's, and how many packets to each were refused.
    pub refused: BTreeMap<IpAddr, u64>,
    /// How many packets the interface did not take, and why it did not take the last.
    pub lost: (u64, Option<String>),
}

/// Carries both ways until the program has ended, and what it had to send has been sent. Signals that end programs go to
/// the program.
pub(super) fn carry(
    room: &mut Room,
    queues: &mut Queues,
    mtu: usize,
    inwards: &mut Inwards<'_>,
    program: &mut Started,
    signals: &Signals,
) -> io::Result<Ending> {
    let Room { tun, sockets } = room;
    let tun = &*tun;
    let (stopped, stop) = io::pipe()?;
    thread::scope(|scope| {
        let outwards = || outwards(tun, queues, mtu, stopped.as_fd());
        // It ends when this end of the pipe is closed.
        let _stop = stop;
        thread::Builder::new().spawn_scoped(scope, outwards)?;
        loop {
            let [from_room, has_ended, is_told] =
                sys::ready([tun.as_fd(), program.as_fd(), signals.as_fd()], LONG);
            inwards.carry(tun, from_room);
            while let Some(came) = is_told.then(|| signals.next()).flatten() {
                // A terminal tells the program itself.
                if came.by_process {
                    program.signal(came.signal);
                }
            }
            if has_ended {
                break;
            }
        }
        let ended = program.wait()?;
        let began = Instant::now();
        loop {
            let [from_room] = sys::ready([tun.as_fd()], TICK);
            inwards.carry(tun, from_room);
            let is_quiet = !from_room && !sockets.have_to_send();
            if is_quiet || began.elapsed() > LAST_WORDS || signals.next().is_some() {
                return Ok(ended);
            }
        }
    })
}

/// Brings the program what this host sends to it, until `stopped` is.
fn outwards(tun: &Tun, queues: &mut Queues, mtu: usize, stopped: BorrowedFd<'_>) {
    loop {
        let [from_host, is_logged, is_stopped] =
            sys::ready([queues.as_fd(), queues.log(), stopped], LONG);
        if is_stopped {
            return;
        }
        if is_logged {
            queues.take_logged(
                |queued| bring(tun, mtu, queued),
                |packet| bring_whole(tun, mtu, packet),
            );
        } else if from_host {
            queues.take(TURN, |queued| bring(tun, mtu, queued));
        }
    }
}

fn bring(tun: &Tun, mtu: usize, queued: &Queued<'_>) {
    let Queued { packet, is_whole, is_large, sum_is_open, .. } = *queued;
    let outline = if sum_is_open { ip::outline(packet, mtu, is_large) } else { Some(NOTHING_LEFT) };
    // A part of a packet is nothing.
    if let Some(outline) = outline.filter(|_| is_whole) {
        // Where there is no room, it is lost as on a network that is full.
        let _full = tun.give(outline, packet).is_err();
    }
}

/// A packet that is there whole. The sum of a reset may be open, and the kernel does not say whether: a sum that is right
/// may count as open too.
fn bring_whole(tun: &Tun, mtu: usize, packet: &[u8]) {
    let is_tcp = ip::tcp_port(packet).is_some();
    let outline = if is_tcp { ip::outline(packet, mtu, false) } else { Some(NOTHING_LEFT) };
    if let Some(outline) = outline {
        let _full = tun.give(outline, packet).is_err();
    }
}

/// Who carries from the program to this host.
pub(super) struct Inwards<'a> {
    injectors: &'a BTreeMap<u32, Injector>,
    doors: &'a BTreeMap<IpAddr, Door>,
    memory: &'a mut Memory,
    hosts: Hosts,
    pub(super) carried: Carried,
    /// Room for a packet, and for the frame that it comes in.
    packet: Vec<u8>,
    frame: Vec<u8>,
}

impl<'a> Inwards<'a> {
    pub(super) fn new(
        injectors: &'a BTreeMap<u32, Injector>,
        doors: &'a BTreeMap<IpAddr, Door>,
        memory: &'a mut Memory,
    ) -> Self {
        let (hosts, carried) = (Hosts::default(), Carried::default());
        let (packet, frame) = (Vec::new(), Vec::new());
        Self { injectors, doors, memory, hosts, carried, packet, frame }
    }

    /// Carries some packets, where there are any.
    fn carry(&mut self, tun: &Tun, are_any: bool) {
        let mut packet = std::mem::take(&mut self.packet);
        let mut carried = 0;
        while are_any && carried < TURN {
            let Some(packet) = tun.take(&mut packet) else { break };
            self.one(tun, packet);
            carried += 1;
        }
        self.packet = packet;
        // A device that the program has taken away is ready for ever, and gives nothing.
        if are_any && carried == 0 {
            sys::pause(TICK);
        }
    }

    fn one(&mut self, tun: &Tun, packet: &[u8]) {
        let Some((source, target)) = ip::ends(packet) else { return };
        let Some(door) = self.doors.get(&source).filter(|_| !target.is_multicast()) else { return };
        if !self.hosts.have(target) {
            *self.carried.refused.entry(target).or_default() += 1;
            if let Some(refusal) = ip::unreachable(packet) {
                let _full = tun.give(NOTHING_LEFT, &refusal).is_err();
            }
            return;
        }
        match ip::tcp_port(packet) {
            Some(port) => self.memory.remember(port, true),
            None if ip::is_icmp(packet) => {}
            None => self.memory.remember(0, false),
        }
        door.way.carry(packet, &mut self.frame);
        let injector = self.injectors.get(&door.device);
        if let Err(error) = injector.map_or(Ok(()), |injector| injector.receive(&self.frame)) {
            let (number, why) = &mut self.carried.lost;
            *number += 1;
            *why = Some(error.to_string());
        }
    }
}

/// The addresses of this host that can be reached from outside.
#[derive(Debug, Default)]
struct Hosts {
    addresses: BTreeSet<IpAddr>,
    read: Option<Instant>,
}

impl Hosts {
    fn have(&mut self, address: IpAddr) -> bool {
        if !self.addresses.contains(&address) && self.read.is_none_or(|at| at.elapsed() > FRESH) {
            let local = sys::local_addresses().unwrap_or_default().usable;
            let local = local.into_iter().map(|local| local.address);
            self.addresses = local.filter(|address| !address.is_loopback()).collect();
            self.read = Some(Instant::now());
        }
        self.addresses.contains(&address)
    }
}
