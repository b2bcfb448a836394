//! The unit and the container of each socket: by the id of its cgroup, which the kernel shows to everybody, and
//! else by the cgroup of the process that holds it.

use super::cgroup_path::{self, Found, Place};
use super::container_names::{Names, supervised};
use crate::model::{
    Container, Gap, Held, Hides, Inventory, Need, Owner, OwnersUnknownReason, Runtime, Seen,
    Surroundings, Unit,
};
use crate::sys::{Cgroup2, CgroupPaths, Procfs};
use std::collections::{HashMap, HashSet};
use std::io;

/// Why nothing is known of a process that was there when its socket was looked for.
const ENDED: &str = "its owner has ended meanwhile";

/// What the id of a cgroup, or a process, leads to; empty where it belongs to nothing.
type Led = Seen<Place>;

/// Finds the unit and the container of each socket of an inventory, whose owners were looked for before.
pub fn find_units(inventory: &mut Inventory, surroundings: &Surroundings) {
    if inventory.held().next().is_none() {
        return;
    }
    let mut finder = Finder::new(inventory, surroundings);
    for held in inventory.held_mut() {
        let led = finder.place(held);
        held.unit = led.clone().and_then(|place| place.unit.into());
        held.container = match led {
            Seen::Known(Place { container: Some(found), .. }) => {
                Seen::Known(finder.names.container(found))
            }
            Seen::Known(_) => Seen::Absent,
            unknown => unknown.and_then(|_| Seen::Absent),
        };
    }
    let gaps: Vec<Gap> = gaps(inventory).collect();
    inventory.gaps.extend(gaps);
}

/// The unit that we run in ourselves; `None` where there is none, or it cannot be read.
#[must_use]
pub fn own_unit() -> Option<Unit> {
    let text = Procfs::open().and_then(|procfs| procfs.own_cgroups()).ok()?;
    by_lines(&text, &by_lines(&text, &Place::default())).unit
}

/// The containers that these processes run in, each once.
#[must_use]
pub fn containers_of(processes: &[u32]) -> Vec<Container> {
    let Ok(procfs) = Procfs::open() else { return Vec::new() };
    let own = by_lines(&procfs.own_cgroups().unwrap_or_default(), &Place::default());
    let mut found: Vec<Found> = Vec::new();
    for pid in processes {
        let Ok(Some(text)) = procfs.cgroups(*pid) else { continue };
        let container = by_lines(&text, &own).container;
        found.extend(container.filter(|container| !found.contains(container)));
    }
    let mut names = Names::default();
    found.into_iter().map(|container| names.container(container)).collect()
}

/// What could not be seen, by what would let us see it. Where the owner of a socket is not known either, and root
/// would not help, its own gap or the item says so.
fn gaps(inventory: &Inventory) -> impl Iterator<Item = Gap> {
    let mut gaps: Vec<(Option<Need>, String, usize)> = Vec::new();
    for held in inventory.held() {
        let (need, reason) = match &held.unit {
            Seen::Denied(need) => (Some(*need), "its process may not be looked at".to_owned()),
            Seen::Failed(text) if !held.owners.is_empty() => (None, text.clone()),
            Seen::Skipped(text) if !held.owners.is_empty() && *text != ENDED => {
                (None, (*text).to_owned())
            }
            _ => continue,
        };
        match gaps.iter_mut().find(|gap| gap.0 == need && gap.1 == reason) {
            Some(gap) => gap.2 += 1,
            None => gaps.push((need, reason, 1)),
        }
    }
    gaps.into_iter().map(|(need, reason, count)| Gap {
        what: match count {
            1 => "the unit or container of 1 socket".to_owned(),
            many => format!("the units and containers of {many} sockets"),
        },
        reason,
        need,
        hides: Hides::Units,
    })
}

/// A line of `/proc/PID/cgroup`: the hierarchy's controllers (none for cgroup2), and the path in it.
fn lines(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter_map(|line| line.split_once(':')?.1.split_once(':'))
}

/// What is known of the hierarchies.
struct Finder {
    procfs: io::Result<Procfs>,
    /// Where we are ourselves.
    own: Place,
    /// Whether there are cgroup v1 hierarchies: then the root of cgroup2 says nothing of a process.
    shared: bool,
    tree: Result<Tree, String>,
    by_process: HashMap<u32, Led>,
    /// What the first directory of a hierarchy that is not whole stands for.
    beginning: Led,
    names: Names,
}

struct Tree {
    root: u64,
    whole: bool,
    paths: CgroupPaths,
}

impl Finder {
    fn new(inventory: &Inventory, surroundings: &Surroundings) -> Self {
        let procfs = Procfs::open();
        let text = procfs.as_ref().ok().and_then(|procfs| procfs.own_cgroups().ok());
        let text = text.unwrap_or_default();
        let wanted = inventory.held().filter_map(|held| held.cgroup.known().copied()).collect();
        Self {
            own: by_lines(&text, &Place::default()),
            shared: lines(&text).any(|(controllers, _)| !controllers.is_empty()),
            procfs,
            tree: tree(&wanted),
            by_process: HashMap::new(),
            // A container is named in the header; what runs in it, and in no unit of it, belongs to nothing here.
            beginning: match &surroundings.container {
                Seen::Known(_) => Seen::Known(Place::default()),
                _ => Seen::Failed(
                    "it is in the cgroup that our cgroup namespace begins at, and what that belongs to is hidden"
                        .to_owned(),
                ),
            },
            names: Names::default(),
        }
    }

    fn place(&mut self, held: &Held) -> Led {
        if held.cgroup == Seen::Absent && held.owners.is_empty() {
            return Seen::Known(Place::default());
        }
        let by_id = self.by_id(held);
        if let Seen::Known(place) = &by_id
            && is_decisive(place)
            && !opens_for_others(place)
        {
            return by_id;
        }
        let by_owner = self.by_owner(held);
        settle(by_id, by_owner).map(|place| with_watched(place, held.owners.first()))
    }

    fn by_id(&self, held: &Held) -> Led {
        let id = match &held.cgroup {
            Seen::Known(id) => *id,
            unknown => return unknown.clone().and_then(|_| Seen::Absent),
        };
        let tree = match &self.tree {
            Ok(tree) => tree,
            Err(why) => return Seen::Failed(why.clone()),
        };
        match tree.paths.found.get(&id) {
            Some(_) if id == tree.root && self.shared => Seen::Failed(
                "it is in the root of the cgroup2 hierarchy, and this host sorts its processes by cgroup v1 ones too"
                    .to_owned(),
            ),
            Some(_) if id == tree.root && !tree.whole => self.beginning.clone(),
            Some(path) => Seen::Known(cgroup_path::place(cgroup_path::seen_from(&self.own, path))),
            None if tree.paths.unread > 0 => {
                Seen::Failed(format!("{} cgroups could not be read", tree.paths.unread))
            }
            None if tree.paths.cut => Seen::Failed("there are too many cgroups".to_owned()),
            None => Seen::Failed(
                "its cgroup was removed, or is not among those that are shown here".to_owned(),
            ),
        }
    }

    /// Where the process is that holds the socket: the listener, unless that is a service manager and there is another.
    fn by_owner(&mut self, held: &Held) -> Led {
        const INIT: u32 = 1;
        let manages = |owner: &&Owner| owner.process.pid == INIT || owner.process.name == "systemd";
        let served = held.owners.iter().find(|owner| !manages(owner));
        let Some(pid) = served.or(held.owners.first()).map(|owner| owner.process.pid) else {
            return match held.owners_unknown.as_ref().map(|unknown| unknown.reason) {
                Some(OwnersUnknownReason::Permission) => Seen::Denied(Need::Root),
                _ => Seen::Skipped("its owner is not known"),
            };
        };
        if let Some(led) = self.by_process.get(&pid) {
            return led.clone();
        }
        let led = match self.procfs.as_ref().map(|procfs| procfs.cgroups(pid)) {
            Ok(Ok(Some(text))) => Seen::Known(by_lines(&text, &self.own)),
            Ok(Ok(None)) => Seen::Skipped(ENDED),
            Ok(Err(error)) => Seen::Failed(format!("/proc/{pid}/cgroup: {error}")),
            Err(error) => Seen::Failed(error.to_string()),
        };
        self.by_process.insert(pid, led.clone());
        led
    }
}

fn tree(wanted: &HashSet<u64>) -> Result<Tree, String> {
    match Cgroup2::open() {
        Ok(Some(mounted)) => {
            Ok(Tree { root: mounted.id(), whole: mounted.is_whole(), paths: mounted.paths(wanted) })
        }
        Ok(None) => Err("no cgroup2 hierarchy is mounted".to_owned()),
        Err(error) => Err(format!("the cgroup2 hierarchy cannot be opened: {error}")),
    }
}

/// What the cgroups of a process say: that of cgroup2, else that of systemd in v1, else any other.
fn by_lines(text: &str, own: &Place) -> Place {
    let mut found: Vec<(u8, Place)> = lines(text)
        .map(|(controllers, path)| {
            let rank = match controllers {
                "" => 0,
                "name=systemd" => 1,
                _ => 2,
            };
            (rank, cgroup_path::place(cgroup_path::seen_from(own, path)))
        })
        .filter(|(_, place)| place.unit.is_some() || place.container.is_some())
        .collect();
    // A container before a unit: Docker with cgroup v1 may leave the hierarchy of systemd alone.
    found.sort_by_key(|(rank, place)| (place.container.is_none(), *rank));
    found.into_iter().next().map(|(_, place)| place).unwrap_or_default()
}

/// Whether the cgroup in which the socket was made tells who has it now: a service and a container keep their own.
fn is_decisive(place: &Place) -> bool {
    let is_service = |unit: &Unit| {
        unit.name.ends_with(".socket")
            || (unit.name.ends_with(".service") && !unit.name.starts_with("user@"))
    };
    place.unit.as_ref().map_or(place.container.is_some(), is_service)
}

/// The place with the container that the socket is held for: podman publishes a port by a socket that it gives to
/// conmon, the supervisor of the container, which may be in no cgroup of it.
fn with_watched(place: Place, listener: Option<&Owner>) -> Place {
    let supervisor = listener.filter(|owner| owner.process.name == "conmon");
    let words = supervisor.and_then(|owner| owner.process.cmdline.known());
    match words.and_then(|words| supervised(words)) {
        Some((id, _)) if place.container.is_none() => {
            place.holding(Found { runtime: Runtime::Podman, id: Some(id), pod: None })
        }
        _ => place,
    }
}

/// Whether it is a unit that opens sockets for a service.
fn opens_for_others(place: &Place) -> bool {
    place.unit.as_ref().is_some_and(|unit| unit.name.ends_with(".socket"))
}

/// Of what the socket's cgroup and its owner's say, what is true now. A socket keeps the cgroup that it was made in,
/// also when it is handed to a process elsewhere: podman opens ports in the user's session for conmon.
fn settle(by_id: Led, by_owner: Led) -> Led {
    match (by_id, by_owner) {
        (Seen::Known(mut made), held) if is_decisive(&made) => {
            let service = held.known().and_then(|place| place.unit.as_ref());
            let service = service.filter(|unit| unit.name.ends_with(".service"));
            if let (Some(unit), Some(service)) = (made.unit.as_mut(), service)
                && service.manager == unit.manager
            {
                unit.serves = Some(service.name.clone());
            }
            Seen::Known(made)
        }
        (_, Seen::Known(held)) => Seen::Known(held),
        (Seen::Known(made), _) => Seen::Known(made),
        (_, Seen::Denied(need)) => Seen::Denied(need),
        (_, Seen::Skipped(ENDED)) => Seen::Skipped(ENDED),
        (unknown, _) => unknown,
    }
}

#[cfg(test)]
mod tests;
