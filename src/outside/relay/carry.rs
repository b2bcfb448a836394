//! Carries packets between a program outside and this host, until the program has ended.

use super::super::stand::Door;
use super::memory::Memory;
use super::queue::Queues;
use super::room::Room;
use crate::sys::{self, Ended, Injector, Signals, Started};
use crate::wire::ip::{self, NOTHING_LEFT};
use crate::wire::queue::Queued;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

/// How many packets are carried one way before the other way is looked at.
const TURN: u32 = 64;
/// How long it is waited for something to carry.
const LONG: Duration = Duration::from_hours(1);
/// How long the connections of a program that has ended may take to send what they have, and how often that is asked.
const LAST_WORDS: Duration = Duration::from_secs(5);
const TICK: Duration = Duration::from_millis(20);
/// How long the addresses of this host are believed.
const FRESH: Duration = Duration::from_secs(1);

/// Who carries.
pub(super) struct Carrier<'a> {
    pub(super) room: Room,
    pub(super) queues: &'a mut Queues,
    pub(super) injectors: &'a BTreeMap<u32, Injector>,
    pub(super) doors: &'a BTreeMap<IpAddr, Door>,
    pub(super) memory: &'a mut Memory,
    pub(super) mtu: usize,
    pub(super) hosts: Hosts,
    pub(super) carried: Carried,
}

/// What was carried, and what was not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Carried {
    /// The addresses that are none of this host's, and how many packets to each were refused.
    pub refused: BTreeMap<IpAddr, u64>,
    /// How many packets the interface did not take, and why it did not take the last.
    pub lost: (u64, Option<String>),
}

/// The addresses of this host that can be reached from outside.
#[derive(Debug, Default)]
pub(super) struct Hosts {
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

impl Carrier<'_> {
    /// Carries until the program has ended, and what it had to send has been sent. Signals that end programs go to the
    /// program.
    pub(super) fn run(&mut self, program: &mut Started, signals: &Signals) -> io::Result<Ended> {
        loop {
            let descriptors =
                [self.room.tun.as_fd(), self.queues.as_fd(), program.as_fd(), signals.as_fd()];
            let [from_room, from_host, has_ended, is_told] = sys::ready(descriptors, LONG);
            self.carry(from_room, from_host);
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
            let [from_room, from_host] =
                sys::ready([self.room.tun.as_fd(), self.queues.as_fd()], TICK);
            self.carry(from_room, from_host);
            let is_quiet = !from_room && !from_host && !self.room.has_to_send();
            if is_quiet || began.elapsed() > LAST_WORDS || signals.next().is_some() {
                return Ok(ended);
            }
        }
    }

    fn carry(&mut self, from_room: bool, from_host: bool) {
        // A device that the program has taken away is ready for ever, and gives nothing.
        if from_room && !self.inwards() {
            sys::pause(TICK);
        }
        if from_host {
            self.outwards();
        }
    }

    /// From the program to this host. Returns whether there was anything.
    fn inwards(&mut self) -> bool {
        let mut is_any = false;
        let mut frame = Vec::new();
        let mut refusals = Vec::new();
        for _ in 0..TURN {
            let Some(packet) = self.room.tun.take() else { break };
            is_any = true;
            let Some((source, target)) = ip::ends(packet) else { continue };
            let Some(door) = self.doors.get(&source) else { continue };
            if target.is_multicast() {
                continue;
            }
            if !self.hosts.have(target) {
                *self.carried.refused.entry(target).or_default() += 1;
                refusals.extend(ip::unreachable(packet));
                continue;
            }
            match ip::tcp_port(packet) {
                Some(port) => self.memory.remember(port, true),
                None if ip::is_icmp(packet) => {}
                None => self.memory.remember(0, false),
            }
            door.way.carry(packet, &mut frame);
            let injector = self.injectors.get(&door.device);
            if let Err(error) = injector.map_or(Ok(()), |injector| injector.receive(&frame)) {
                let (number, why) = &mut self.carried.lost;
                *number += 1;
                *why = Some(error.to_string());
            }
        }
        for refusal in refusals {
            let _full = self.room.tun.give(NOTHING_LEFT, &refusal).is_err();
        }
        is_any
    }

    /// From this host to the program.
    fn outwards(&mut self) {
        let Self { room, queues, mtu, .. } = self;
        queues.take(TURN, |queued| {
            let Queued { packet, is_large, .. } = *queued;
            // A part of a packet is nothing.
            if !queued.is_whole {
                return;
            }
            let outline = if queued.sum_is_open {
                ip::outline(packet, *mtu, is_large)
            } else {
                Some(NOTHING_LEFT)
            };
            if let Some(outline) = outline {
                // Where there is no room, it is lost as on a network that is full.
                let _full = room.tun.give(outline, packet).is_err();
            }
        });
    }
}
