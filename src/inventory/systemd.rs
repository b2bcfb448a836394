//! The services and socket units of systemd, and what they say of themselves: `systemctl` is asked, and only for those
//! that can have to do with a port. A manager that cannot be asked is a gap.

use super::sshd;
use crate::model::{Gap, Hides, Manager, Need, Port, Restrictions, Seen, Unit, UnitState};
use crate::sys;
use crate::wire::systemd::{self, PROPERTIES};
use std::collections::BTreeSet;

/// So many units that do not run are asked for by name.
const MOST: usize = 64;

/// Programs whose configuration is read for ports.
const CONFIGURED: [&str; 1] = ["sshd"];

/// The units of the system, and of the user who asks, that run, start or have failed, and those whose files have the
/// port as a number or that start a program of these names. Which of them is about the port is not judged here.
///
/// Absent where there is no systemd, and skipped where its services are in another network namespace.
#[must_use]
pub fn unit_states(port: Port, programs: &[&str]) -> (Seen<Vec<UnitState>>, Vec<Gap>) {
    if sys::first_process_shares_network() == Some(false) {
        return (
            Seen::Skipped("the services of systemd are in another network namespace"),
            Vec::new(),
        );
    }
    let (mut units, mut gaps): (Seen<Vec<UnitState>>, _) = (Seen::Absent, Vec::new());
    for manager in [Manager::System, Manager::User(sys::effective_uid())] {
        if !sys::manages_units(manager) {
            continue;
        }
        let (found, unread) = match ask(manager, port, programs) {
            Ok((found, unread)) => (Seen::Known(found), unread),
            Err(error) => (Seen::Failed(error.clone()), vec![(error, None)]),
        };
        gaps.extend(unread.into_iter().map(|(reason, need)| gap(manager, reason, need)));
        units = match (units, found) {
            (Seen::Known(mut all), Seen::Known(more)) => {
                all.extend(more);
                Seen::Known(all)
            }
            (known @ Seen::Known(_), _) => known,
            (_, found) => found,
        };
    }
    if let Seen::Known(units) = &mut units {
        gaps.extend(configure(units));
    }
    let others = match sys::other_users_with_units(sys::effective_uid()) {
        Some(0) => None,
        Some(1) => Some("1 other user".to_owned()),
        Some(many) => Some(format!("{many} other users")),
        None => Some("other users".to_owned()),
    };
    if let Some(others) = others.filter(|_| units != Seen::Absent) {
        gaps.push(Gap {
            what: format!("the units of {others}"),
            reason: "each user's systemd answers that user only".to_owned(),
            need: None,
            hides: Hides::Reasons,
        });
    }
    (units, gaps)
}

/// Adds the ports that the configurations of programs name.
fn configure(units: &mut [UnitState]) -> Option<Gap> {
    let is_sshd =
        |unit: &&mut UnitState| unit.words.first().is_some_and(|it| it.ends_with("/sshd"));
    let mut sshd: Vec<&mut UnitState> = units.iter_mut().filter(is_sshd).collect();
    if sshd.is_empty() {
        return None;
    }
    let (ports, gap) = sshd::ports();
    for unit in &mut sshd {
        unit.configured.clone_from(&ports);
    }
    gap
}

/// What keeps packets and binds of a unit out, that of the slices that it is in included.
///
/// # Errors
/// The gap that is left where systemd cannot be asked.
pub fn restrictions(unit: &Unit) -> Result<Restrictions, Gap> {
    let untold = |reason: String| Gap {
        what: format!("the packet filter of the unit {}", unit.name),
        reason,
        need: None,
        hides: Hides::Units,
    };
    if !sys::manages_units(unit.manager) {
        return Err(untold("its systemd is not one that can be asked here".to_owned()));
    }
    let show = |manager: Manager, names: &[&str]| {
        let text = sys::systemctl_show(manager, &PROPERTIES, names);
        let text = text.map_err(|error| untold(error.to_string()))?;
        let (units, broken) = systemd::units(&text, manager, sys::time_since_boot());
        if broken > 0 || units.len() != names.len() {
            Err(untold(not_understood()))
        } else {
            Ok(units)
        }
    };
    let mut wanted = vec![(unit.manager, unit.name.clone())];
    if let Manager::User(uid) = unit.manager {
        // The manager itself is a service of the system's.
        wanted.push((Manager::System, format!("user@{uid}.service")));
    }
    let mut units = Vec::new();
    for (manager, name) in wanted {
        let own = show(manager, &[&name])?;
        let slices = own.iter().filter_map(|unit| unit.slice.as_deref()).flat_map(slices);
        let slices: Vec<String> = slices.collect();
        units.extend(own);
        // Without a name it is the manager that is shown.
        if !slices.is_empty() {
            units.extend(show(manager, &slices.iter().map(String::as_str).collect::<Vec<_>>())?);
        }
    }
    let mut all = Restrictions::default();
    for it in units.into_iter().map(|unit| unit.restrictions) {
        let networks = it.allowed.len() + it.denied.len();
        if networks + it.may_bind.len() + it.may_not_bind.len() > 0 {
            all.units.extend(it.units);
        }
        all.allowed.extend(it.allowed);
        all.denied.extend(it.denied);
        all.may_bind.extend(it.may_bind);
        all.may_not_bind.extend(it.may_not_bind);
    }
    Ok(all)
}

/// A slice and those that it is in, which its name tells: `a-b.slice` is in `a.slice`, and that in `-.slice`.
fn slices(name: &str) -> Vec<String> {
    let Some(base) = name.strip_suffix(".slice").filter(|_| can_be_named(name)) else {
        return Vec::new();
    };
    let ends = base.match_indices('-').map(|(at, _)| at).filter(|at| *at > 0).chain([base.len()]);
    let mut slices: Vec<String> =
        ends.filter_map(|end| Some(format!("{}.slice", base.get(..end)?))).collect();
    slices.reverse();
    if base != "-" {
        slices.push("-.slice".to_owned());
    }
    slices
}

type Unread = Vec<(String, Option<Need>)>;

fn ask(
    manager: Manager,
    port: Port,
    programs: &[&str],
) -> Result<(Vec<UnitState>, Unread), String> {
    let show = |properties: &[&str], units: &[&str]| {
        sys::systemctl_show(manager, properties, units).map_err(|error| error.to_string())
    };
    let mut unread = Unread::new();
    let path = systemd::unit_path(&show(&["UnitPath"], &[])?).ok_or_else(not_understood)?;
    let mut named = BTreeSet::new();
    let hidden = sys::unit_files(&path, |name, text| {
        let is_about = has_number(text, port)
            || is_program(name, text, programs)
            || is_program(name, text, &CONFIGURED);
        if can_be_named(name) && is_about {
            named.insert(name.to_owned());
        }
    });
    if hidden > 0 {
        let root = (manager == Manager::System).then_some(Need::Root);
        let which = if hidden == 1 { "file or folder" } else { "files and folders" };
        unread.push((format!("{hidden} unit {which} could not be read"), root));
    }
    if named.len() > MOST {
        unread.push((format!("more than {MOST} unit files have the port in them"), None));
    }
    // Those that run, start or have failed are loaded, whatever their files say.
    let patterns = ["*.service", "*.socket"];
    let asked = patterns.into_iter().chain(named.iter().map(String::as_str).take(MOST));
    let text = show(&PROPERTIES, &asked.collect::<Vec<_>>())?;
    let (units, broken) = systemd::units(&text, manager, sys::time_since_boot());
    match broken {
        0 => {}
        _ if units.is_empty() => return Err(not_understood()),
        many => {
            unread
                .push((format!("{many} parts of what systemctl prints are not understood"), None));
        }
    }
    let mut seen = BTreeSet::new();
    let units = units.into_iter().filter(|unit| seen.insert(unit.name.clone()));
    Ok((units.collect(), unread))
}

fn not_understood() -> String {
    "systemctl prints what is not understood".to_owned()
}

fn gap(manager: Manager, reason: String, need: Option<Need>) -> Gap {
    let whose = match manager {
        Manager::User(_) => "this user's units of systemd",
        _ => "the units of systemd",
    };
    Gap { what: whose.to_owned(), reason, need, hides: Hides::Reasons }
}

/// Whether a name is of a unit, and not of a template for several, and no pattern.
fn can_be_named(name: &str) -> bool {
    systemd::is_name(name) && !name.contains("@.")
}

/// Whether a text has the port as a number of its own.
fn has_number(text: &str, port: Port) -> bool {
    let digits = port.to_string();
    let numbers = text.split(|c: char| !c.is_ascii_digit());
    numbers.into_iter().any(|number| number == digits)
}

/// Whether a unit has the name of one of these programs, or starts one.
fn is_program(name: &str, text: &str, programs: &[&str]) -> bool {
    let base = name.split(['@', '.']).next().unwrap_or_default();
    let started = text.lines().filter_map(|line| {
        let (key, command) = line.split_once('=')?;
        let path = command.split_whitespace().next()?.trim_start_matches(['-', '@', ':', '+', '!']);
        (key.trim() == "ExecStart").then(|| path.rsplit('/').next())?
    });
    let mut names = started.chain([base]);
    names.any(|name| programs.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_file_is_asked_for_by_number_or_program() {
        let port = Port::new(80).unwrap();
        for text in ["ListenStream=80", "ExecStart=/x --port=80\n", "x 0.0.0.0:80,y"] {
            assert!(has_number(text, port), "{text}");
        }
        for text in ["8080", "ListenStream=180", "eighty", ""] {
            assert!(!has_number(text, port), "{text}");
        }
        let is = |name, text| is_program(name, text, &["sshd", "postgresql"]);
        assert!(is("postgresql.service", ""));
        assert!(is("postgresql@15-main.service", ""));
        assert!(is("x.service", "[Service]\nExecStart = -/usr/sbin/sshd -D\n"));
        assert!(!is(
            "postgresql-exporter.service",
            "ExecStart=/usr/bin/x sshd\nExecStop=/bin/sshd"
        ));
        assert_eq!(slices("user-1000.slice"), ["user-1000.slice", "user.slice", "-.slice"]);
        assert_eq!(slices("system.slice"), ["system.slice", "-.slice"]);
        assert_eq!(slices("-.slice"), ["-.slice"]);
        assert!(slices("garbage").is_empty() && slices("a b.slice").is_empty());
        assert!(can_be_named(r"a\x2db@1.service") && !can_be_named("a@.service"));
        assert!(!can_be_named("a*.service") && !can_be_named("a b.service"));
    }
}
