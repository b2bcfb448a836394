//! What a unit of systemd keeps out by programs of BPF at its control group, which no rule of the firewall shows.

use super::units::{systemctl, to_show};
use super::words::holder;
use super::{Case, Facts, Found};
use crate::model::{Certainty, Code, Manager, Network, Restrictions, Socket, shell_word};
use std::net::IpAddr;

/// Packets come to the socket, and its unit denies their source. That the kernel applies the settings is not seen.
pub(super) fn drops(facts: &Facts, case: &Case, socket: &Socket) -> Option<Found> {
    let restrictions = facts.restrictions.as_ref()?;
    let (peer, network) = denied(facts, case, restrictions)?;
    let units = restrictions.units.join(", ");
    let Network { address, prefix } = network;
    let text = format!(
        "IPAddressDeny={address}/{prefix} of {units} keeps {peer} from {}",
        holder(&socket.held)
    );
    let found = Found::new(Code::T06, Certainty::Likely, text);
    let list = |networks: &[Network]| {
        let words: Vec<_> =
            networks.iter().map(|it| format!("{}/{}", it.address, it.prefix)).collect();
        words.join(" ")
    };
    let settings = format!(
        "IPAddressDeny={} IPAddressAllow={}",
        list(&restrictions.denied),
        list(&restrictions.allowed)
    );
    let mut found = found.seen(&units, settings);
    // Those above the unit are the system's.
    let own = socket.held.unit.known();
    let manager = |name: &String| {
        own.filter(|own| own.name == *name).map_or(Manager::System, |own| own.manager)
    };
    for name in &restrictions.units {
        found = found.next(to_show(manager(name), "IPAddressDeny,IPAddressAllow", &[name]));
    }
    let edit = restrictions.units.first().map(|it| systemctl(manager(it), "edit", &shell_word(it)));
    found.next.extend(edit);
    Some(found)
}

/// The client, and the network of it that is denied. A client of this host has the address that it asks for.
fn denied(facts: &Facts, case: &Case, restrictions: &Restrictions) -> Option<(IpAddr, Network)> {
    let peers = match &facts.remote {
        Some(remote) => remote.sources.clone(),
        None => vec![case.address()],
    };
    let same = |peer: &IpAddr| peer.is_ipv4() == case.address().is_ipv4();
    let mut peers = peers.into_iter().filter(same);
    peers.find_map(|peer| Some((peer, restrictions.denies(peer)?)))
}
