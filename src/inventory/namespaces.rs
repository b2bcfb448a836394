//! The sockets of other network namespaces: of containers, and of those that `ip netns` names.

use super::{SockDiag, Source};
use crate::model::{Gap, Hides, Inventory, Need};
use crate::sys::{self, OpenNamespace, OpenNamespaces, Procfs};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;

/// Network namespaces that are kept open.
#[derive(Debug)]
pub struct Namespaces {
    /// Those that are not ours.
    others: Vec<OpenNamespace>,
    /// Whether ours is among them.
    ours: bool,
    gaps: Vec<Gap>,
}

impl Namespaces {
    /// Every one that can be found, ours included.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub fn all() -> io::Result<Self> {
        let OpenNamespaces { found, denied, hidden, failed, .. } =
            sys::network_namespaces(&Procfs::open()?)?;
        let ours = sys::network_namespace("self")?.inode;
        let denied = match denied {
            0 => None,
            1 => Some("that of 1 process may not be looked at".to_owned()),
            many => Some(format!("those of {many} processes may not be looked at")),
        };
        let hidden = hidden.then(|| "/proc hides the processes of other users".to_owned());
        let reason =
            [denied, hidden].into_iter().flatten().reduce(|one, two| one + ", and " + &two);
        let unseen = reason.map(|reason| Gap {
            what: "other network namespaces".to_owned(),
            reason,
            need: Some(Need::Root),
            hides: Hides::Sockets,
        });
        let mut gaps: Vec<Gap> = unseen.into_iter().collect();
        let mut by_reason: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (path, reason) in failed {
            by_reason.entry(reason).or_default().push(path);
        }
        gaps.extend(by_reason.into_iter().map(|(reason, paths)| Gap {
            what: match paths.len() {
                1 => format!("the network namespace {}", paths.concat()),
                many => format!(
                    "{many} network namespaces, the first {}",
                    paths.first().map_or("", String::as_str)
                ),
            },
            reason,
            need: None,
            hides: Hides::Sockets,
        }));
        let others = found.into_values().filter(|namespace| namespace.inode != ours).collect();
        Ok(Self { others, ours: true, gaps })
    }

    /// The one of this name: of `ip netns`, `net:[4026532281]` as portsight shows those without a name, a path, or
    /// the id of a process in it.
    ///
    /// # Errors
    /// When there is none, or it may not be looked at.
    pub fn named(name: &str) -> io::Result<Self> {
        let open = if name.starts_with("net:[") {
            let mut all = sys::network_namespaces(&Procfs::open()?)?;
            let inode = all.found.keys().copied().find(|inode| unnamed(*inode) == name);
            inode.and_then(|inode| all.found.remove(&inode)).ok_or(io::ErrorKind::NotFound)?
        } else if name.contains('/') {
            OpenNamespace::at(name)?
        } else if name.bytes().all(|byte| byte.is_ascii_digit()) {
            match OpenNamespace::at(&format!("/proc/{name}/ns/net")) {
                // `ip netns` takes any name.
                Err(error) if error.kind() == io::ErrorKind::NotFound => mounted(name)?,
                opened => opened?,
            }
        } else {
            mounted(name)?
        };
        let ours = open.inode == sys::network_namespace("self")?.inode;
        let others = if ours { Vec::new() } else { vec![open.with_name()] };
        Ok(Self { others, ours, gaps: Vec::new() })
    }

    /// Ours alone.
    #[must_use]
    pub fn ours() -> Self {
        Self { others: Vec::new(), ours: true, gaps: Vec::new() }
    }

    /// The processes in each that is not ours, by its name, as far as they may be looked at.
    pub fn processes(&self) -> impl Iterator<Item = (String, &[u32])> {
        self.others.iter().map(|namespace| (label(namespace), namespace.processes.as_slice()))
    }

    /// The name of the one that a file stands for, of those that are not ours.
    #[must_use]
    pub fn behind(&self, path: &str) -> Option<String> {
        let inode = OpenNamespace::at(path).ok()?.inode;
        self.others.iter().find(|namespace| namespace.inode == inode).map(label)
    }

    /// What could not be looked at.
    #[must_use]
    pub fn gaps(&self) -> &[Gap] {
        &self.gaps
    }

    /// What `work` finds in each, with its name; `None` for ours. What it needs is asked within the namespace.
    pub fn visit<T: Send>(
        &self,
        work: impl Fn() -> T + Sync,
    ) -> Vec<(Option<String>, io::Result<T>)> {
        self.visit_some(|_| true, work)
    }

    /// The same, only where it is wanted.
    fn visit_some<T: Send>(
        &self,
        wanted: impl Fn(&Option<String>) -> bool,
        work: impl Fn() -> T + Sync,
    ) -> Vec<(Option<String>, io::Result<T>)> {
        let ours = (self.ours && wanted(&None)).then(|| (None, Ok(work())));
        let labelled = self.others.iter().map(|namespace| (Some(label(namespace)), namespace));
        let (labels, others): (Vec<_>, Vec<_>) =
            labelled.filter(|(label, _)| wanted(label)).unzip();
        let results = sys::in_namespaces(&others, |_| work());
        let others = labels.into_iter().zip(results);
        ours.into_iter().chain(others).collect()
    }
}

/// The one that `ip netns` has given this name.
fn mounted(name: &str) -> io::Result<OpenNamespace> {
    let mut places =
        ["/run/netns", "/var/run/netns"].map(|place| format!("{place}/{name}")).into_iter();
    let path = places.find(|path| !name.is_empty() && fs::exists(path).unwrap_or(false));
    OpenNamespace::at(&path.ok_or(io::ErrorKind::NotFound)?)
}

/// The name, else the number in the words of `/proc/PID/ns`.
fn label(namespace: &OpenNamespace) -> String {
    namespace.name.clone().unwrap_or_else(|| unnamed(namespace.inode))
}

fn unnamed(inode: u64) -> String {
    format!("net:[{inode}]")
}

/// Network namespaces, and what to list of each.
#[derive(Debug)]
pub struct Across<'a> {
    /// Where.
    pub namespaces: &'a Namespaces,
    /// What.
    pub what: SockDiag,
}

impl Source for Across<'_> {
    fn read(&mut self) -> Inventory {
        self.read_where(|_| true)
    }

    fn read_in(&mut self, namespaces: &BTreeSet<Option<String>>) -> Inventory {
        self.read_where(|netns| namespaces.contains(netns))
    }
}

impl Across<'_> {
    fn read_where(&self, wanted: impl Fn(&Option<String>) -> bool) -> Inventory {
        let mut found = Inventory { gaps: self.namespaces.gaps.clone(), ..Inventory::default() };
        for (netns, read) in self.namespaces.visit_some(wanted, || self.what.clone().read()) {
            match (netns, read) {
                (Some(netns), Ok(mut inventory)) => {
                    for held in inventory.held_mut() {
                        held.netns = Some(netns.clone());
                    }
                    for gap in &mut inventory.gaps {
                        // What the kernel lacks it lacks everywhere.
                        if !matches!(gap.need, Some(Need::Kernel(..) | Need::Module(_))) {
                            gap.what = format!("{} of {netns}", gap.what);
                        }
                    }
                    inventory.gaps.retain(|gap| !found.gaps.contains(gap));
                    found = found.and(inventory);
                }
                (None, Ok(inventory)) => found = found.and(inventory),
                (netns, Err(error)) => found.gaps.push(Gap {
                    what: format!("the sockets of {}", netns.unwrap_or_default()),
                    reason: error.to_string(),
                    need: (error.kind() == io::ErrorKind::PermissionDenied).then_some(Need::Root),
                    hides: Hides::Sockets,
                }),
            }
        }
        found
    }
}
