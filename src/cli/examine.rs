//! The work of `check`: inventory, probes, a second look at what they leave unsettled, and the report.

use super::behind::behind;
use super::extent::Extent;
use super::identify::identify;
use super::network::{Network, read_rules};
use super::output::Printer;
use super::progress;
use super::request::Request;
use super::second_look;
use crate::inventory::{self, Packet, Services, SockDiag};
use crate::model::{
    Answer, Check, Cookie, Endpoint, Family, Gap, Hides, Inventory, Lookup, Need, Port, Socket,
    Surroundings, Sweep, TakenBy, Target, Transport, Vantage,
};
use crate::probe::{self, Job, Patience, Progress};
use crate::reconcile::{self, Facts, Look, Pair};
use crate::sys::{self, LocalAddresses};
use anyhow::{Context, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::thread;

/// Looks once at everything that was asked for, and once more at what that leaves unsettled.
pub(super) fn examine(
    request: &Request,
    services: &Services,
    surroundings: &Surroundings,
    printer: &Printer,
) -> Result<Check> {
    let before = inventory::take(&mut SockDiag::default(), services);
    let local = sys::local_addresses().context("cannot list the addresses of this host")?;
    let mut network = Network::prepare(request, &local.usable, &before)?;
    let mut vantages = request.vantages.clone();
    let mut gaps = request.gaps.clone();
    if network.is_there() || request.names_the_network() {
        gaps.append(&mut network.gaps);
    } else {
        // Nobody asked for the network by name: the next best is what can be had.
        vantages.retain(|vantage| !vantage.is_network());
        vantages.push(Vantage::Own);
    }
    let (targets, missing) = targets(request, &vantages, &local, &before);
    gaps.extend(missing);
    let jobs = jobs(request, &local, &targets, &before);
    let of_jobs: u64 = jobs.iter().map(|job| u64::from(job.wanted.len())).sum();
    let total = of_jobs + network.total();
    let progress = Progress::new(sys::interrupted).at_most(request.max_rate);
    let mut facts = progress::shown(printer, &progress, total, || {
        let first = look(&jobs, before, &progress, services, || network.sweep(&progress));
        let mut facts = Facts::new(first, request.named());
        let mut again: BTreeSet<Pair> = facts.samples().into_iter().collect();
        again.extend(reconcile::judge(&facts).unsettled);
        if !again.is_empty() && !progress.stopped() {
            let second = second_look::look_again(
                &facts.first,
                &again,
                request,
                &mut network,
                &progress,
                services,
            );
            facts.second = Some(second);
        }
        let unexplained = reconcile::unexplained(&facts, MOST_TRACED);
        let looks = std::iter::once(&mut facts.first).chain(&mut facts.second);
        network.explain(&unexplained, looks.flat_map(|look| &mut look.sweeps), &progress);
        facts
    });
    facts.interrupted = progress.stopped();
    // From here on nothing is injected any more.
    drop(network);
    read_rules(&mut facts, printer.is_verbose());
    facts.behind = behind(&reconcile::targets(&facts), services, surroundings);
    gaps.extend(name_owners(&mut facts, surroundings));
    let ways = printer.is_verbose().then(|| facts.rulebook.clone());
    let mut check = Check { ways, ..report(facts, gaps, services) };
    let expectations = request.expectations.iter();
    check.expected = expectations.map(|expectation| expectation.hold(&check.items)).collect();
    if request.identify {
        identify(&mut check, &targets, request, printer);
    }
    Ok(check)
}

/// The addresses to probe, and why others are not.
fn targets(
    request: &Request,
    vantages: &[Vantage],
    local: &LocalAddresses,
    inventory: &Inventory,
) -> (Vec<Target>, Vec<Gap>) {
    let bound: Vec<_> =
        inventory.sockets.iter().map(|socket| socket.address.to_canonical()).collect();
    let mut wanted = probe::targets(&local.usable, &bound, vantages);
    wanted.retain(|target| request.wants(Family::of(target.address)));
    // A host may well have no address but loopback: that is a gap only when it was asked for.
    let mut gaps: Vec<Gap> = vantages
        .iter()
        .filter(|vantage| !vantage.is_network())
        .filter(|vantage| request.vantages_named || **vantage == Vantage::Loopback)
        .filter(|vantage| !wanted.iter().any(|target| target.vantage == **vantage))
        .map(|vantage| Gap {
            what: format!("the vantage {}", vantage.name()),
            reason: "no interface has an address for it".to_owned(),
            need: None,
            hides: Hides::Views,
        })
        .collect();
    let tentative = local.tentative.iter().filter(|local| request.wants(Family::of(local.address)));
    gaps.extend(tentative.filter(|_| vantages.contains(&Vantage::Own)).map(|local| Gap {
        what: format!("{} on {}", local.address, local.interface.name),
        reason: "the kernel does not use the address (yet): duplicate address detection".to_owned(),
        need: Some(Need::Retry),
        hides: Hides::Views,
    }));
    let (listed, further) = wanted.into_iter().partition(|target| is_listed(local, target));
    let (mut targets, not_local) = probe::only_local(listed);
    gaps.extend(not_local);
    // An address that a socket is bound to and that is not here (yet) is nothing that this host could be asked at.
    targets.extend(probe::only_local(further).0);
    (targets, gaps)
}

/// Whether an interface has the address.
fn is_listed(local: &LocalAddresses, target: &Target) -> bool {
    local.usable.iter().any(|local| local.address == target.address)
}

/// What is to be probed. An address that no interface has is probed only at the ports that are bound to it.
fn jobs(
    request: &Request,
    local: &LocalAddresses,
    targets: &[Target],
    inventory: &Inventory,
) -> Vec<Job> {
    let mut jobs = Vec::new();
    for extent in Extent::of(request, inventory) {
        for target in targets {
            let wanted = extent.at(target.address, !is_listed(local, target));
            if !wanted.is_empty() {
                jobs.push(Job {
                    target: target.clone(),
                    transport: extent.transport,
                    wanted,
                    excluded: extent.excluded.clone(),
                    detail: extent.detail.clone(),
                    knock: request.knock,
                    patience: Patience::Quick,
                    waits: request.waits,
                });
            }
        }
    }
    // Target by target, with all its transports.
    jobs.sort_by(|a, b| (&a.target, a.transport).cmp(&(&b.target, b.transport)));
    jobs
}

/// Probes, from this host and by `network`, and takes the inventory after it.
pub(super) fn look(
    jobs: &[Job],
    before: Inventory,
    progress: &Progress,
    services: &Services,
    network: impl FnOnce() -> Vec<Sweep>,
) -> Look {
    // The kernel is asked for its lookups after each sweep: what a probe has left half open is soon gone.
    let one = |job: &Job| {
        let sweep = probe::sweep(job, progress);
        let lookups = lookups_of(&sweep, &before);
        (sweep, lookups)
    };
    // A sweep of many ports keeps every core busy. One of few, as those of a second look, mostly waits, and can wait
    // beside others.
    let waits = |job: &Job| job.patience != Patience::Quick || job.wanted.len() <= FEW;
    let together = jobs.iter().all(waits);
    let swept: Vec<_> = if together {
        jobs.chunks(AT_ONCE).flat_map(|jobs| beside_each_other(jobs, one)).collect()
    } else {
        jobs.iter().map(one).collect()
    };
    let (mut sweeps, mut lookups): (Vec<Sweep>, Vec<_>) = swept.into_iter().unzip();
    let from_network = network();
    lookups.extend(from_network.iter().map(|sweep| lookups_of(sweep, &before)));
    sweeps.extend(from_network);
    let lookups = lookups.into_iter().flatten().collect();
    let after = inventory::take(&mut SockDiag::default(), services);
    let tracks_connections = probe::tracks_connections();
    Look {
        before,
        after,
        sweeps,
        lookups,
        deliveries: BTreeMap::new(),
        droppers: BTreeMap::new(),
        tracks_connections,
    }
}

/// So many ports of this host are traced.
const MOST_TRACED: usize = 256;
/// How many sweeps that mostly wait go on at a time.
const AT_ONCE: usize = 16;
/// So many ports are few.
const FEW: u32 = 1024;

/// Does the work of each item in a thread of its own; in this one where the system gives no more.
fn beside_each_other<I: Sync, T: Send>(items: &[I], work: impl Fn(&I) -> T + Sync) -> Vec<T> {
    let work = &work;
    thread::scope(|scope| {
        let start = |item| (item, thread::Builder::new().spawn_scoped(scope, move || work(item)));
        let started: Vec<_> = items.iter().map(start).collect();
        let done = started.into_iter().map(|(item, started)| match started {
            Ok(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            Err(_refused) => work(item),
        });
        done.collect()
    })
}

/// The kernel's own lookup for each probe that a serving socket should have taken, and did not.
fn lookups_of(sweep: &Sweep, inventory: &Inventory) -> BTreeMap<Pair, Lookup> {
    let target = &sweep.target;
    let serving = inventory.sockets.iter().filter(|socket| {
        socket.transport == sweep.transport
            && socket.state.serves()
            && socket.accepts(target.address, target.device)
    });
    let mut packets: BTreeMap<Pair, Packet> = BTreeMap::new();
    for socket in serving {
        let attempt = sweep.attempts.get(&socket.port);
        let Some(attempt) = attempt.filter(|attempt| !attempt.answer.got_through()) else {
            continue;
        };
        let anywhere = SocketAddr::new(target.address, u16::MAX);
        let packet = Packet {
            transport: sweep.transport,
            to: target.at(socket.port),
            from: attempt.source.unwrap_or(anywhere),
            device: target.device,
        };
        packets.insert(Pair { target: target.clone(), endpoint: socket.endpoint() }, packet);
    }
    let (pairs, packets): (Vec<Pair>, Vec<Packet>) = packets.into_iter().unzip();
    pairs.into_iter().zip(inventory::exact(&packets)).collect()
}

/// Finds the owners, units and containers of the sockets that the report will show, and only of those.
fn name_owners(facts: &mut Facts, surroundings: &Surroundings) -> Vec<Gap> {
    let mut shown: BTreeSet<Endpoint> =
        reconcile::judge(facts).items.iter().map(|item| item.endpoint).collect();
    let looks = || std::iter::once(&facts.first).chain(&facts.second);
    for attempt in looks().flat_map(|look| &look.sweeps).flat_map(|sweep| sweep.attempts.values()) {
        if let Answer::SynAck(TakenBy::Other(address)) = attempt.answer {
            let port = Port::new(address.port());
            shown.extend(port.map(|port| Endpoint { port, transport: Transport::Tcp }));
        }
    }
    let sockets: BTreeMap<Cookie, Socket> = looks()
        .flat_map(|look| &look.after.sockets)
        .filter(|socket| shown.contains(&socket.endpoint()))
        .map(|socket| (socket.cookie, socket.clone()))
        .collect();
    let mut owned = Inventory { sockets: sockets.into_values().collect(), ..Inventory::default() };
    inventory::find_owners(&mut owned, &mut SockDiag::default());
    inventory::find_units(&mut owned, surroundings);
    let owned_by: BTreeMap<Cookie, &Socket> =
        owned.sockets.iter().map(|socket| (socket.cookie, socket)).collect();
    for look in std::iter::once(&mut facts.first).chain(&mut facts.second) {
        for socket in &mut look.after.sockets {
            if let Some(owned) = owned_by.get(&socket.cookie) {
                socket.held.clone_from(&owned.held);
            }
        }
    }
    owned.gaps
}

fn report(facts: Facts, mut gaps: Vec<Gap>, services: &Services) -> Check {
    let mut items = reconcile::judge(&facts).items;
    for item in &mut items {
        item.service = services.name(item.endpoint).map(str::to_owned);
    }
    let vantages = reconcile::vantages(&facts, &items);
    let doors = reconcile::doors(&facts);
    gaps.extend(reconcile::lost(&facts));
    gaps.extend(reconcile::unsteady(&facts));
    let partial = facts.interrupted;
    for look in std::iter::once(facts.first).chain(facts.second) {
        gaps.extend([look.before, look.after].into_iter().flat_map(|inventory| inventory.gaps));
        gaps.extend(look.sweeps.into_iter().flat_map(|sweep| sweep.gaps));
    }
    let mut seen = Vec::new();
    gaps.retain(|gap| {
        let new = !seen.contains(gap);
        seen.push(gap.clone());
        new
    });
    Check {
        items,
        vantages,
        gaps,
        partial,
        identified: false,
        expected: Vec::new(),
        doors,
        ways: None,
    }
}
