//! `portsight check`: inventory, probes, a second look at what they leave unsettled, and the report.

use super::about::Started;
use super::args::{self, Output};
use super::exit::Exit;
use super::output::{self, Printer};
use super::progress;
use super::request::Request;
use crate::document;
use crate::inventory::{self, Packet, Services, SockDiag};
use crate::model::{
    Answer, Check, Family, Gap, Hides, Inventory, PortSet, Seen, Target, Transport, Vantage,
    Verdict,
};
use crate::probe::{self, Job, Progress};
use crate::reconcile::{self, Facts, Look, Pair};
use crate::render::{self, Shown};
use crate::sys;
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::net::SocketAddr;

pub(super) fn run(args: &args::Check, printer: &Printer) -> Result<Exit> {
    let started = Started::now();
    let services = Services::load();
    let request = Request::parse(args, &services)?;
    sys::catch_interrupt().context("cannot catch SIGINT")?;
    let check = examine(&request, &services, printer)?;
    let exit = exit(&check, &request);
    let about = started.about();
    let (exit, shown) = output::print(exit, |out| match printer.format() {
        Output::Table => {
            render::check_table(out, &check, about.duration, &printer.look(started.unix_seconds()))
        }
        Output::Plain => render::check_plain(out, &check).map(|()| Shown::default()),
        Output::Json => {
            render::json(out, &document::check(&about, &check)).map(|()| Shown::default())
        }
    })?;
    if let Some(shown) = shown {
        printer.note_hidden(&shown);
        printer.note_gaps(&check.gaps);
    }
    Ok(exit)
}

fn exit(check: &Check, request: &Request) -> Exit {
    let mut views = check.items.iter().flat_map(|item| &item.views);
    let blind = check.gaps.iter().any(|gap| matches!(gap.hides, Hides::Sockets | Hides::Views))
        || check.items.iter().any(|item| item.verdict == Verdict::Inconclusive)
        || views.any(|view| view.verdict == Verdict::Inconclusive);
    if check.partial {
        Exit::Interrupted
    } else if check.items.iter().any(|item| request.fail_on.contains(&item.verdict)) {
        Exit::Negative
    } else if blind {
        Exit::Inconclusive
    } else {
        Exit::Success
    }
}

/// Looks once at everything that was asked for, and once more at what that leaves unsettled.
fn examine(request: &Request, services: &Services, printer: &Printer) -> Result<Check> {
    let before = inventory::take(&mut SockDiag, services);
    let (targets, mut gaps) = targets(request, &before)?;
    gaps.extend(request.gaps.iter().cloned());
    let jobs = jobs(request, &targets, &before);
    let total = jobs.iter().map(|job| u64::from(job.ports.len())).sum();
    let progress = Progress::new(sys::interrupted);
    let named = request.named();
    let mut facts = progress::shown(printer, &progress, total, || {
        let detail = |transport| -> PortSet {
            let bound = before.sockets.iter().map(crate::model::Socket::endpoint);
            let wanted = bound
                .chain(named.iter().copied())
                .filter(|endpoint| endpoint.transport == transport);
            wanted.map(|endpoint| endpoint.port).collect()
        };
        let first = look(&jobs, before.clone(), &detail, &progress, services);
        Facts { first, second: None, named: named.clone() }
    });
    let unsettled = reconcile::judge(&facts).unsettled;
    if !unsettled.is_empty() && !progress.stopped() {
        facts.second = Some(look_again(&unsettled, &progress, services));
    }
    Ok(report(facts, gaps, services, progress.stopped()))
}

fn report(facts: Facts, mut gaps: Vec<Gap>, services: &Services, partial: bool) -> Check {
    let mut items = reconcile::judge(&facts).items;
    for item in &mut items {
        item.service = services.name(item.endpoint).map(str::to_owned);
    }
    let vantages = reconcile::vantages(&facts, &items);
    gaps.extend(reconcile::lost(&facts));
    for look in std::iter::once(facts.first).chain(facts.second) {
        let inventories =
            [look.before, look.after].into_iter().flat_map(|inventory| inventory.gaps);
        gaps.extend(inventories.chain(look.sweeps.into_iter().flat_map(|sweep| sweep.gaps)));
    }
    let mut seen = Vec::new();
    gaps.retain(|gap| {
        let new = !seen.contains(gap);
        seen.push(gap.clone());
        new
    });
    Check { items, vantages, gaps, partial }
}

/// The addresses to probe, and why others are not.
fn targets(request: &Request, inventory: &Inventory) -> Result<(Vec<Target>, Vec<Gap>)> {
    let local = sys::local_addresses().context("cannot list the addresses of this host")?;
    let bound: Vec<_> =
        inventory.sockets.iter().map(|socket| socket.address.to_canonical()).collect();
    let mut targets = probe::targets(&local.usable, &bound, &request.vantages);
    targets.retain(|target| request.wants(Family::of(target.address)));
    let (targets, mut gaps) = probe::only_local(targets);
    let tentative =
        local.tentative.into_iter().filter(|local| request.wants(Family::of(local.address)));
    gaps.extend(tentative.filter(|_| request.vantages.contains(&Vantage::Own)).map(|local| Gap {
        what: format!("{} on {}", local.address, local.interface.name),
        reason: "the kernel does not use the address (yet): duplicate address detection".to_owned(),
        need: Some(crate::model::Need::Retry),
        hides: Hides::Views,
    }));
    for vantage in &request.vantages {
        // A host may well have no address but loopback: that is a gap only when it was asked for.
        let expected = request.vantages_named || *vantage == Vantage::Loopback;
        if expected && gaps.is_empty() && !targets.iter().any(|target| target.vantage == *vantage) {
            gaps.push(Gap {
                what: format!("the vantage {}", vantage.name()),
                reason: "no interface has an address for it".to_owned(),
                need: None,
                hides: Hides::Views,
            });
        }
    }
    Ok((targets, gaps))
}

/// What is to be probed. A further loopback address is probed only at the ports that are bound to it.
fn jobs(request: &Request, targets: &[Target], inventory: &Inventory) -> Vec<Job> {
    let bound = |transport: Transport, address: Option<std::net::IpAddr>| -> PortSet {
        let sockets = inventory.sockets.iter().filter(|socket| socket.transport == transport);
        let here = sockets.filter(|socket| {
            address.is_none_or(|address| socket.address.to_canonical() == address)
        });
        here.map(|socket| socket.port).collect()
    };
    let mut jobs = Vec::new();
    for target in targets {
        for transport in request.transports() {
            let mut ports = request.ports(*transport, &bound(*transport, None));
            if target.is_further_loopback() {
                let only = bound(*transport, Some(target.address));
                ports = ports.iter().filter(|port| only.contains(*port)).collect();
            }
            if !ports.is_empty() {
                jobs.push(Job { target: target.clone(), transport: *transport, ports });
            }
        }
    }
    jobs
}

/// Probes, and takes the inventory after it.
fn look(
    jobs: &[Job],
    before: Inventory,
    detail: &dyn Fn(Transport) -> PortSet,
    progress: &Progress,
    services: &Services,
) -> Look {
    let detail = BTreeMap::from(
        [Transport::Tcp, Transport::Udp].map(|transport| (transport, detail(transport))),
    );
    let none = PortSet::new();
    let sweeps = jobs
        .iter()
        .map(|job| probe::sweep(job, detail.get(&job.transport).unwrap_or(&none), progress))
        .collect();
    let mut after = inventory::take(&mut SockDiag, services);
    inventory::find_owners(&mut after);
    let mut look =
        Look { before, after, sweeps, lookups: BTreeMap::new(), deliveries: BTreeMap::new() };
    look.lookups = lookups(&look);
    look
}

/// Looks once more at some pairs: with the counters around UDP probes that stay silent.
fn look_again(pairs: &[Pair], progress: &Progress, services: &Services) -> Look {
    let before = inventory::take(&mut SockDiag, services);
    let mut ports: BTreeMap<(Target, Transport), PortSet> = BTreeMap::new();
    for pair in pairs {
        let key = (pair.target.clone(), pair.endpoint.transport);
        ports.entry(key).or_default().insert(pair.endpoint.port);
    }
    let jobs: Vec<Job> = ports
        .into_iter()
        .map(|((target, transport), ports)| Job { target, transport, ports })
        .collect();
    let mut look = look(&jobs, before, &|_| PortSet::full(), progress, services);
    for pair in pairs.iter().filter(|pair| pair.endpoint.transport == Transport::Udp) {
        let silent = look.sweeps.iter().any(|sweep| {
            let answer = sweep.attempts.get(&pair.endpoint.port).map(|attempt| &attempt.answer);
            sweep.target == pair.target && answer == Some(&Answer::Silence)
        });
        if silent
            && !progress.stopped()
            && let Ok(delivery) = probe::delivery(&pair.target, pair.endpoint.port)
        {
            look.deliveries.insert(pair.clone(), delivery);
        }
    }
    look
}

/// The kernel's own lookup for each probe that met a serving socket's port.
fn lookups(look: &Look) -> BTreeMap<Pair, Seen<crate::model::Cookie>> {
    let mut pairs = Vec::new();
    let mut packets = Vec::new();
    for sweep in &look.sweeps {
        let serving = look.after.sockets.iter().filter(|socket| {
            socket.transport == sweep.transport
                && socket.state.serves()
                && socket.accepts(sweep.target.address, sweep.target.arrival_device())
        });
        for socket in serving {
            let Some(attempt) = sweep.attempts.get(&socket.port) else {
                continue;
            };
            let anywhere = SocketAddr::new(sweep.target.address, u16::MAX);
            pairs.push(Pair { target: sweep.target.clone(), endpoint: socket.endpoint() });
            packets.push(Packet {
                transport: sweep.transport,
                to: sweep.target.at(socket.port),
                from: attempt.source.unwrap_or(anywhere),
                device: sweep.target.arrival_device(),
            });
        }
    }
    pairs.into_iter().zip(inventory::exact(&packets)).collect()
}
