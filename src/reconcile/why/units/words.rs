//! A unit's state in words, and the commands for it.

use crate::model::{Activity, Manager, UnitState, shell_word};
use crate::reconcile::why::Found;
use crate::reconcile::why::naming::Claim;
use std::time::Duration;

/// ` (exit-code) 20 s ago`
pub(super) fn result_and_time(unit: &UnitState) -> String {
    let result = match unit.result.as_str() {
        "" | "success" => String::new(),
        result => format!(" ({result})"),
    };
    let time = unit.since.known().map_or_else(String::new, |it| format!(" {} ago", in_words(*it)));
    format!("{result}{time}")
}

pub(super) fn for_so_long(unit: &UnitState) -> String {
    unit.since.known().map_or_else(String::new, |it| format!(" for {}", in_words(*it)))
}

/// The state of a unit, and what makes it one of the port.
pub(in crate::reconcile::why) fn told(unit: &UnitState, claim: &Claim) -> String {
    format!("{}; {}", state_in_words(unit), claim.words())
}

/// `failed (exit-code), 3 restarts, disabled`
pub(super) fn state_in_words(unit: &UnitState) -> String {
    let state = match unit.activity {
        Activity::Active => "active",
        Activity::Starting => "activating",
        Activity::Stopping => "deactivating",
        Activity::Inactive => "inactive",
        Activity::Failed => "failed",
    };
    let result = unit.result.as_str();
    let detail = if ["", "success"].contains(&result) { unit.sub.as_str() } else { result };
    let mut words = vec![format!("{state} ({detail})")];
    match unit.restarts {
        0 => {}
        1 => words.push("1 restart".to_owned()),
        many => words.push(format!("{many} restarts")),
    }
    if !unit.file.is_empty() && unit.file != "static" {
        words.push(unit.file.clone());
    }
    words.join(", ")
}

/// The commands for a unit that has failed.
pub(super) fn in_order_to_mend(found: Found, unit: &UnitState) -> Found {
    let name = shell_word(&unit.name);
    let found = found.next(command(unit, "systemctl", "status"));
    let found = found.next(command(unit, "journalctl", "-n 20"));
    // Who was started too often is not started again before that is forgotten.
    let found = if unit.restarts > 0 || unit.result.ends_with("limit-hit") {
        found.next(systemctl(unit.manager, "reset-failed", &name))
    } else {
        found
    };
    found.next(systemctl(unit.manager, "start", &name))
}

/// The command that starts it.
pub(super) fn to_start(unit: &UnitState) -> String {
    let name = shell_word(&unit.name);
    match (unit.loaded.as_str(), unit.file.as_str()) {
        ("masked", _) => systemctl(unit.manager, "unmask", &name),
        ("loaded", "disabled" | "indirect") => systemctl(unit.manager, "enable --now", &name),
        ("loaded", _) => systemctl(unit.manager, "start", &name),
        _ => command(unit, "systemctl", "status"),
    }
}

/// A command that only looks: `systemctl status web.service`, `journalctl -u web.service -n 20`.
pub(super) fn command(unit: &UnitState, program: &str, what: &str) -> String {
    let user = flag(unit.manager);
    let name = shell_word(&unit.name);
    match program {
        "journalctl" => format!("journalctl{user} -u {name} {what}"),
        _ => format!("{program}{user} {what} {name}"),
    }
}

/// What tells a command that only looks which manager is meant.
fn flag(manager: Manager) -> &'static str {
    if matches!(manager, Manager::User(_)) { " --user" } else { "" }
}

/// A command that shows properties of units.
pub(in crate::reconcile::why) fn to_show(
    manager: Manager,
    properties: &str,
    names: &[&String],
) -> String {
    let user = flag(manager);
    let names: Vec<String> = names.iter().map(|name| shell_word(name)).collect();
    format!("systemctl{user} show -p {properties} {}", names.join(" "))
}

/// A command that changes something.
pub(in crate::reconcile::why) fn systemctl(manager: Manager, verb: &str, names: &str) -> String {
    match manager {
        Manager::User(_) => format!("systemctl --user {verb} {names}"),
        _ => format!("sudo systemctl {verb} {names}"),
    }
}

/// `20 s`, `5 min`, `3 h`, `12 days`
pub(super) fn in_words(time: Duration) -> String {
    match time.as_secs() {
        seconds @ ..60 => format!("{seconds} s"),
        seconds @ ..3600 => format!("{} min", seconds / 60),
        seconds @ ..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}
