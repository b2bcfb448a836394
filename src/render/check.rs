//! The report of `check`.

use super::number::{count, seconds, thousands};
use super::owners::{nobody, short_name};
use super::reason::{reason, rule, target};
use super::records::Records;
use super::table::{self, Cell, Column, Room};
use super::{Appearance, Shown, identity, journey, style};
use crate::model::{
    Check, Expectation, Method, PortFinding, State, Transport, Vantage, VantageSummary, Verdict,
    View,
};
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::time::Duration;

const PORT: Column = Column { title: "PORT", room: Room::Keep };
const LISTENING: Column = Column { title: "LISTENING", room: Room::Keep };
const VERDICT: Column = Column { title: "VERDICT", room: Room::Cut };
/// Only where ports were asked what they serve.
const IDENTITY: Column = Column { title: "IDENTITY", room: Room::Cut };

/// The order in which the last line counts verdicts: what needs attention first, then what is open.
const COUNTED: [Verdict; 9] = [
    Verdict::Unexpected,
    Verdict::Reachable,
    Verdict::Filtered,
    Verdict::LocalOnly,
    Verdict::Forwarded,
    Verdict::Overloaded,
    Verdict::Inconclusive,
    Verdict::Shielded,
    Verdict::Closed,
];

/// Writes the table of `check`, a row for each port, a line that sums it up, and what a `self` view does not
/// prove. `duration` is how long the check took.
pub fn check_table(
    out: &mut dyn Write,
    check: &Check,
    duration: Duration,
    look: &Appearance,
) -> io::Result<Shown> {
    let vantages: Vec<_> = check.vantages.iter().map(|summary| summary.vantage).collect();
    let mut shown = Shown::default();
    if !check.items.is_empty() {
        let views = vantages.iter().map(|vantage| column(*vantage));
        let mut columns: Vec<_> =
            [PORT, LISTENING].into_iter().chain(views).chain([VERDICT]).collect();
        let mut rows: Vec<_> = check.items.iter().map(|finding| row(finding, &vantages)).collect();
        if check.identified {
            columns.push(IDENTITY);
            for (row, finding) in rows.iter_mut().zip(&check.items) {
                row.push(identity::cell(finding, look.now));
            }
        }
        shown = table::write(out, look, &columns, rows)?;
    }
    if let Some(rulebook) = &check.ways {
        journey::ways(out, check, rulebook, look)?;
    }
    writeln!(out, "{}", summary(check, duration))?;
    identity::risks(out, check)?;
    expectations(out, check)?;
    doors(out, check)?;
    if vantages.contains(&Vantage::Own) {
        let lo = "note: self probes are carried over lo: an open there proves nothing about the network.";
        writeln!(out, "{lo}")?;
    }
    Ok(shown)
}

/// A line for each port that the firewall lets through to nobody.
fn doors(out: &mut dyn Write, check: &Check) -> io::Result<()> {
    /// More would bury the rest.
    const MOST: usize = 8;
    for door in check.doors.iter().take(MOST) {
        let by = door.rule.as_ref().map_or_else(String::new, |it| format!(" by {}", rule(it)));
        let (endpoint, vantage) = (door.endpoint, door.vantage.name());
        writeln!(
            out,
            "open door: {endpoint} is let through from {vantage}{by}, and nobody serves it"
        )?;
    }
    let more = check.doors.len().saturating_sub(MOST);
    if more > 0 {
        writeln!(out, "open door: {} more; --json lists them", thousands(more as u64))?;
    }
    Ok(())
}

/// A line for each expectation that is not met, and one for all that are.
fn expectations(out: &mut dyn Write, check: &Check) -> io::Result<()> {
    for expected in &check.expected {
        let Expectation { vantage, endpoint, verdict } = expected.expectation;
        let place = format!("{endpoint} from {}", vantage.name());
        match (expected.is_met(), expected.found) {
            (Some(true), _) => {}
            (_, Some(found)) => {
                writeln!(out, "NOT AS EXPECTED: {place} is {found}, not {verdict}")?;
            }
            (_, None) => writeln!(out, "NOT KNOWN: whether {place} is {verdict}")?,
        }
    }
    let met = check.expected.iter().filter(|expected| expected.is_met() == Some(true)).count();
    if met > 0 {
        let of = check.expected.len();
        writeln!(out, "As expected: {met} of {of}.")?;
    }
    Ok(())
}

fn column(vantage: Vantage) -> Column {
    match vantage {
        Vantage::Loopback => Column { title: "LOOPBACK", room: Room::Drop(0) },
        Vantage::Own => Column { title: "SELF", room: Room::Drop(1) },
        Vantage::Lan => Column { title: "LAN", room: Room::Drop(3) },
        Vantage::Internet => Column { title: "INTERNET", room: Room::Drop(2) },
    }
}

fn row(finding: &PortFinding, vantages: &[Vantage]) -> Vec<Cell> {
    let states = vantages.iter().map(|vantage| Cell::plain(states(finding, *vantage)));
    let verdict = match finding.verdict {
        Some(verdict) => Cell::styled(style::verdict(verdict), verdict.name()),
        None => Cell::plain("not probed"),
    };
    let mut cells = vec![
        Cell::styled(style::PORT, finding.endpoint.to_string()),
        Cell::plain(listening(finding)),
    ];
    cells.extend(states);
    cells.push(verdict.with_tail(reason(finding)));
    cells
}

/// Who listens: a name, and how many others; empty when nobody does.
pub(super) fn listening(finding: &PortFinding) -> String {
    let mut names: Vec<String> = Vec::new();
    for socket in finding.listeners.iter().filter(|socket| socket.state.serves()) {
        let listener = socket.held.foremost().map(|owner| short_name(&owner.process.name));
        let name = listener.unwrap_or_else(|| nobody(&socket.held).into());
        if !names.contains(&name) {
            names.push(name);
        }
    }
    match names.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [first, others @ ..] => format!("{first} +{}", others.len()),
    }
}

/// The states of a vantage's views: one where all agree, else each of them; empty where none was taken. Where the
/// port is served towards some addresses, those that it is not bound to do not count.
fn states(finding: &PortFinding, vantage: Vantage) -> String {
    let views = || finding.views.iter().filter(|view| view.vantage == vantage);
    let is_served = |view: &View| view.verdict != Verdict::LocalOnly;
    let any_served = views().any(is_served);
    let mut states: Vec<State> = Vec::new();
    for view in views().filter(|view| !any_served || is_served(view)) {
        if !states.contains(&view.state) {
            states.push(view.state);
        }
    }
    states.into_iter().map(State::name).collect::<Vec<_>>().join("/")
}

/// `65,535 TCP and 3 UDP ports as seen from loopback and self in 0.4 s: 4 reachable, 1 filtered`
fn summary(check: &Check, duration: Duration) -> String {
    let vantages: Vec<_> = check.vantages.iter().map(|summary| summary.vantage.name()).collect();
    let seen = match vantages.as_slice() {
        [] => "No port was probed".into(),
        names => format!("{} as seen from {}", ports(&check.vantages), names.join(" and ")),
    };
    let partial = if check.partial { "; PARTIAL: interrupted" } else { "" };
    format!("{seen} in {}: {}{partial}", seconds(duration), counts(check))
}

/// How many ports were asked for: `65,535 TCP and 3 UDP ports`.
fn ports(vantages: &[VantageSummary]) -> String {
    let asked = |transport| {
        let tallies = vantages.iter().filter_map(|vantage| vantage.transports.get(&transport));
        tallies.map(|tally| tally.ports).max().unwrap_or(0)
    };
    match (asked(Transport::Tcp), asked(Transport::Udp)) {
        (0, 0) => "No ports".into(),
        (tcp, 0) => format!("{}{}", count(tcp, "TCP port"), by(vantages)),
        (0, udp) => count(udp, "UDP port"),
        (tcp, udp) => {
            format!("{} TCP{} and {}", thousands(tcp), by(vantages), count(udp, "UDP port"))
        }
    }
}

/// How TCP ports were probed: ` (by SYN)`.
fn by(vantages: &[VantageSummary]) -> String {
    let methods: BTreeSet<Method> =
        vantages.iter().flat_map(|vantage| vantage.methods.iter().copied()).collect();
    let names: Vec<&str> = methods
        .into_iter()
        .filter_map(|method| match method {
            Method::Syn => Some("SYN"),
            Method::Connect => Some("connect"),
            Method::Udp | Method::Inject => None,
        })
        .collect();
    if names.is_empty() { String::new() } else { format!(" (by {})", names.join(" and ")) }
}

/// The items by verdict, and the probes that were not made or were lost: those are of ports times addresses.
fn counts(check: &Check) -> String {
    let by_verdict = check.summary();
    let tallies = || check.vantages.iter().flat_map(|vantage| vantage.transports.values());
    let wanted: u64 = tallies().map(|tally| tally.probed + tally.not_probed).sum();
    let missed: u64 = tallies().map(|tally| tally.not_probed).sum();
    let lost: u64 = check.vantages.iter().map(|vantage| vantage.lost).sum();
    let mut parts: Vec<_> = COUNTED
        .iter()
        .filter_map(|verdict| {
            let count = by_verdict.get(verdict)?;
            Some(format!("{} {verdict}", thousands(*count)))
        })
        .collect();
    let listed = check.items.iter().flat_map(|item| &item.views);
    let listed = listed.filter(|view| view.verdict == Verdict::Shielded).count();
    let shielded: u64 = tallies().map(|tally| tally.shielded).sum();
    let unlisted = shielded.saturating_sub(u64::try_from(listed).unwrap_or(u64::MAX));
    if unlisted > 0 {
        parts.push(format!("{} more shielded (ports times addresses)", thousands(unlisted)));
    }
    if parts.is_empty() {
        // Not "nothing there": what was missed may be just what would have been found.
        let complete = !check.vantages.is_empty()
            && missed == 0
            && lost == 0
            && check.gaps.is_empty()
            && !check.partial;
        let none = if complete { "no port is held and none answered" } else { "nothing was found" };
        parts.push(none.into());
    }
    if missed > 0 {
        let of = thousands(wanted);
        parts.push(format!("{} not probed (of {of}, ports times addresses)", thousands(missed)));
    }
    if lost > 0 {
        parts.push(format!("{} failed on our side", count(lost, "probe")));
    }
    parts.join(", ")
}

/// What a record of a view has: `port` is `22/tcp`.
const FIELDS: [&str; 9] =
    ["port", "verdict", "certainty", "vantage", "target", "state", "reason", "listener", "note"];

/// Writes the report for programs: a record for each port and view. A port that was not probed has one, with the
/// verdict `not-probed`. Where ports were asked what they serve, that stands behind it.
pub fn check_records(out: &mut dyn Write, check: &Check, records: Records) -> io::Result<()> {
    let of = |finding: &PortFinding| -> Vec<[String; 9]> {
        match finding.views.as_slice() {
            [] => vec![record(finding, None)],
            views => views.iter().map(|view| record(finding, Some(view))).collect(),
        }
    };
    if !check.identified {
        return records.write(out, FIELDS, check.items.iter().flat_map(of));
    }
    let with_identity = |finding: &PortFinding| -> Vec<[String; 15]> {
        let of = of(finding).into_iter();
        of.map(|record| both(record, identity::record(finding))).collect()
    };
    records.write(out, both(FIELDS, identity::FIELDS), check.items.iter().flat_map(with_identity))
}

/// The fields of one after those of the other.
fn both<T: Default>(first: [T; 9], second: [T; 6]) -> [T; 15] {
    let mut all = first.into_iter().chain(second);
    std::array::from_fn(|_| all.next().unwrap_or_default())
}

fn record(finding: &PortFinding, view: Option<&View>) -> [String; 9] {
    let field = |read: fn(&View) -> String| view.map(read).unwrap_or_default();
    [
        finding.endpoint.to_string(),
        view.map_or("not-probed", |view| view.verdict.name()).into(),
        field(|view| view.certainty.name().into()),
        field(|view| view.vantage.name().into()),
        field(target),
        field(|view| view.state.name().into()),
        field(|view| view.reason.into()),
        listening(finding),
        field(|view| view.note.clone().unwrap_or_default()),
    ]
}

#[cfg(test)]
mod tests;
