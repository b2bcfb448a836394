//! The second look of `check`: at what the first one left unsettled, with the time that an answer may still take.

use super::examine::look;
use super::network::Network;
use super::request::Request;
use crate::firewall;
use crate::inventory::{self, Services, SockDiag};
use crate::model::{
    Answer, Delivery, DroppedBy, Endpoint, Inventory, Port, PortSet, Sweep, Target, Transport,
};
use crate::probe::{self, Job, Patience, Progress};
use crate::reconcile::{Look, Pair};
use std::collections::{BTreeMap, BTreeSet};

/// Looks once more at some pairs: with the counters around UDP probes that stay silent, and with patience, where
/// something could still come.
pub(super) fn look_again(
    first: &Look,
    pairs: &BTreeSet<Pair>,
    request: &Request,
    network: &mut Network,
    progress: &Progress,
    services: &Services,
) -> Look {
    let (from_network, from_here): (BTreeSet<Pair>, BTreeSet<Pair>) =
        pairs.iter().cloned().partition(|pair| pair.target.vantage.is_network());
    let before = inventory::take(&mut SockDiag::default(), services);
    let slowest = first.slowest_answer();
    let at_once = slowest.map_or(Patience::Quick, Patience::Measured);
    // Else an answer that has not come yet may still do so.
    let nothing_delays =
        slowest.is_some() && !hands_connections_on(first) && probe::nothing_delays();
    let silent = silent_at_sockets(&first.sweeps, &before);
    let mut deliveries = delivered(silent.intersection(&from_here), progress);
    let patience = |pair: &Pair| match deliveries.get(pair) {
        // It has arrived, whatever else comes.
        Some(Ok(Delivery::Queued)) => at_once,
        // No program has anything to answer.
        Some(Ok(Delivery::Unseen)) | None if nothing_delays => at_once,
        // A program may take its time, or what is on the way to it.
        _ => Patience::Patient,
    };
    let mut ports: BTreeMap<(Target, Transport, Patience), PortSet> = BTreeMap::new();
    for pair in &from_here {
        let key = (pair.target.clone(), pair.endpoint.transport, patience(pair));
        ports.entry(key).or_default().insert(pair.endpoint.port);
    }
    let jobs: Vec<Job> = ports
        .into_iter()
        .map(|((target, transport, patience), wanted)| Job {
            target,
            transport,
            detail: wanted.clone(),
            wanted,
            excluded: PortSet::new(),
            knock: request.knock,
            patience,
            waits: request.waits,
        })
        .collect();
    let mut look =
        look(&jobs, before, progress, services, || network.sweep_again(&from_network, progress));
    let mut silent = silent_at_sockets(&look.sweeps, &look.after);
    silent.retain(|pair| !deliveries.contains_key(pair));
    deliveries.extend(delivered(&silent, progress));
    look.deliveries = deliveries;
    look.droppers = droppers(&look, progress);
    look
}

/// Whether rules may hand connections to this host on to others, which take their time. It is not known of connections
/// that the kernel tracks, unless the rules can be read.
fn hands_connections_on(look: &Look) -> bool {
    look.tracks_connections && {
        let (published, gaps) = firewall::published();
        !published.is_empty() || !gaps.is_empty()
    }
}

/// The UDP ports of these sweeps that were silent although a socket serves them.
fn silent_at_sockets(sweeps: &[Sweep], inventory: &Inventory) -> BTreeSet<Pair> {
    let of_udp = sweeps
        .iter()
        .filter(|sweep| sweep.transport == Transport::Udp && !sweep.target.vantage.is_network());
    let silent = of_udp.flat_map(|sweep| {
        let silent = sweep.attempts.iter().filter(|(_, attempt)| attempt.answer == Answer::Silence);
        let endpoints = silent.map(|(port, _)| Endpoint { port: *port, transport: Transport::Udp });
        let served = endpoints.filter(|endpoint| {
            let mut sockets = inventory.at(*endpoint);
            sockets.any(|socket| socket.accepts(sweep.target.address, sweep.target.device))
        });
        served.map(|endpoint| Pair { target: sweep.target.clone(), endpoint })
    });
    silent.collect()
}

/// Whether probes to these UDP ports arrive.
fn delivered<'a>(
    pairs: impl IntoIterator<Item = &'a Pair>,
    progress: &Progress,
) -> BTreeMap<Pair, Result<Delivery, String>> {
    let ports: Vec<(Target, Port)> =
        pairs.into_iter().map(|pair| (pair.target.clone(), pair.endpoint.port)).collect();
    let found = probe::deliveries(&ports, progress).into_iter().map(|(target, port, delivery)| {
        let endpoint = Endpoint { port, transport: Transport::Udp };
        (Pair { target, endpoint }, delivery.map_err(|error| error.to_string()))
    });
    found.collect()
}

/// What drops the probes of silent TCP ports at their listener, where the kernel counted drops there.
fn droppers(look: &Look, progress: &Progress) -> BTreeMap<Pair, DroppedBy> {
    let drops = |inventory: &Inventory, cookie| {
        let mut sockets = inventory.sockets.iter();
        Some(sockets.find(|socket| socket.cookie == cookie)?.queue.known()?.drops)
    };
    let mut found = BTreeMap::new();
    for sweep in look
        .sweeps
        .iter()
        .filter(|sweep| sweep.transport == Transport::Tcp && !sweep.target.vantage.is_network())
    {
        let target = &sweep.target;
        let silent = sweep.attempts.iter().filter(|(_, attempt)| attempt.answer == Answer::Silence);
        for port in silent.map(|(port, _)| *port) {
            let endpoint = Endpoint { port, transport: Transport::Tcp };
            let drop_it = look.after.at(endpoint).any(|socket| {
                socket.accepts(target.address, target.device)
                    && drops(&look.after, socket.cookie) > drops(&look.before, socket.cookie)
            });
            if drop_it && !progress.stopped() {
                let dropper = probe::dropped_by(target, port).unwrap_or(DroppedBy::Unknown);
                found.insert(Pair { target: target.clone(), endpoint }, dropper);
            }
        }
    }
    found
}
