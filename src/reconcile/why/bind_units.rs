//! What systemd says to a bind: the units that would have the port, and those that may not.

use super::naming::{Claim, claim};
use super::{BindFacts, Bound, Found, units};
use crate::model::{
    Certainty, Code, Endpoint, Evidence, Inventory, Manager, Restrictions, UnitState,
};

/// Whether what systemd says of units can matter: nothing holds the port, or systemd or nobody that is known does.
#[must_use]
pub fn bind_wants_units(bound: &[Bound], inventory: &Inventory) -> bool {
    let mut open = inventory.sockets.iter().filter(|socket| !socket.state.is_connection());
    bound.iter().all(|bound| bound.plain.is_ok()) || open.any(units::of_systemd)
}

/// The units that open the port or name it.
fn claimants(facts: &BindFacts) -> impl Iterator<Item = (Claim, &UnitState)> {
    let at = Endpoint { port: facts.port, transport: facts.transport };
    let units = facts.units.known().into_iter().flatten();
    let claimants =
        units.filter_map(move |unit| Some((claim(unit, at, facts.service.as_deref())?, unit)));
    claimants.filter(|(claim, _)| matches!(claim, Claim::Opens(_) | Claim::Names(_)))
}

/// Who has the port, or would have it.
pub(super) fn evidence(facts: &BindFacts) -> Vec<Evidence> {
    let told = |(claim, unit): (Claim, &UnitState)| Evidence {
        what: unit.name.clone(),
        text: units::told(unit, &claim),
    };
    claimants(facts).map(told).collect()
}

/// The unit that we run in may not bind the port.
pub(super) fn forbids(facts: &BindFacts, bound: &Bound) -> Option<Found> {
    let own = facts.own.as_ref()?;
    let (port, transport) = (facts.port, facts.transport);
    if !own.denies_bind(bound.at.ip(), transport, port) {
        return None;
    }
    let text = format!("{} does not let its programs bind port {port}", own.units.join(", "));
    Some(by_setting(Found::new(Code::B09, Certainty::Possible, text), own))
}

/// The port is free here, and the unit that is to have it may not.
pub(super) fn that_may_not(facts: &BindFacts) -> Option<Found> {
    let (port, transport) = (facts.port, facts.transport);
    let (_, unit) = claimants(facts).find(|(_, unit)| {
        let denies = |bound: &Bound| unit.restrictions.denies_bind(bound.at.ip(), transport, port);
        facts.bound.iter().any(denies)
    })?;
    let text = format!("{}, which names port {port}, may not bind it", unit.name);
    Some(by_setting(Found::new(Code::B09, Certainty::Possible, text), &unit.restrictions))
}

fn by_setting(found: Found, of: &Restrictions) -> Found {
    let names: Vec<&String> = of.units.iter().collect();
    found.seen("SocketBindDeny", format!("of {}", of.units.join(" "))).next(units::to_show(
        Manager::System,
        "SocketBindDeny,SocketBindAllow",
        &names,
    ))
}

#[cfg(test)]
mod tests;
