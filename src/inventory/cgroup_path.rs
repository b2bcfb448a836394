//! What the path of a cgroup says of what runs in it: a unit of systemd, a container, or neither. Pure: each
//! runtime and each version of it has its own way to name its cgroups.

use crate::model::{Manager, Runtime, Unit};

/// What a path says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) unit: Option<Unit>,
    /// The outermost container: the one that this host's runtime knows.
    pub(super) container: Option<Found>,
    /// The path of the innermost container or payload: below it begins another system.
    inside: String,
}

impl Place {
    /// The same place, with this container in it.
    pub(super) fn holding(self, container: Found) -> Self {
        Self { container: Some(container), ..self }
    }
}

/// A container, as far as a path tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) runtime: Runtime,
    /// Not told for a payload of `systemd-nspawn` that has no unit of its own.
    pub(super) id: Option<String>,
    /// The uid of its Kubernetes pod.
    pub(super) pod: Option<String>,
}

/// The start of a part of a path, where a container's system begins.
struct Boundary {
    /// How many components come before it.
    at: usize,
    /// How many it has itself.
    length: usize,
    found: Found,
    /// Whether the unit before it is there for this container alone.
    has_unit: bool,
}

/// What the path says. `..` stands for what a cgroup namespace hides.
pub(super) fn place(path: &str) -> Place {
    let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | "..")).collect();
    let mut place = Place::default();
    let mut rest = parts.as_slice();
    loop {
        let manager = if rest.len() == parts.len() { Manager::System } else { Manager::Inner };
        let Some(boundary) = boundary(rest) else {
            place.unit = unit(rest, manager, true).or(place.unit);
            return place;
        };
        let (before, after) = rest.split_at_checked(boundary.at).unwrap_or((rest, &[]));
        let outer = unit(before, manager, false).filter(|_| boundary.has_unit);
        place.unit = outer.or(place.unit);
        place.container = place.container.or(Some(boundary.found));
        rest = after.get(boundary.length..).unwrap_or_default();
        let depth = parts.len() - rest.len();
        place.inside = parts.get(..depth).unwrap_or_default().join("/");
    }
}

/// The path as one within the same container or payload sees it; unchanged for a path outside of it.
pub(super) fn seen_from<'a>(own: &Place, path: &'a str) -> &'a str {
    let below = path.trim_start_matches('/').strip_prefix(own.inside.as_str());
    match below {
        Some(below) if !own.inside.is_empty() && (below.is_empty() || below.starts_with('/')) => {
            below
        }
        _ => path,
    }
}

/// The first container or payload of a path.
fn boundary(parts: &[&str]) -> Option<Boundary> {
    (0..parts.len()).find_map(|at| {
        let rest = parts.get(at..)?;
        let (first, next) = (*rest.first()?, rest.get(1).copied());
        let pod = parts.iter().take(at + 1).rev().find_map(|part| pod_uid(part));
        let found = |runtime, id: String| Found { runtime, id: Some(id), pod: pod.clone() };
        let whole = |(runtime, id)| Boundary {
            at,
            length: 1 + usize::from(next.is_some_and(is_inner_root)),
            found: found(runtime, id),
            has_unit: first.starts_with("libpod-payload-"),
        };
        named(first)
            .or_else(|| unconverted(first))
            .map(whole)
            .or_else(|| bare(parts, at).map(whole))
            .or_else(|| {
                let (id, length) = lxc(first, next, at)?;
                Some(Boundary { at, length, found: found(Runtime::Lxc, id), has_unit: false })
            })
            .or_else(|| machine(at, rest))
    })
}

/// A directory in which some runtimes put the container's own tree.
fn is_inner_root(part: &str) -> bool {
    matches!(part, "container" | "payload")
}

/// A directory that names its runtime and its container: `docker-<id>.scope`, `libpod-<id>`.
fn named(part: &str) -> Option<(Runtime, String)> {
    /// The longest first: `libpod-conmon-` is no `libpod-`. What conmon holds, it holds for its container.
    const PREFIXES: [(&str, Runtime); 9] = [
        ("docker-", Runtime::Docker),
        ("libpod-payload-", Runtime::Podman),
        ("libpod-conmon-", Runtime::Podman),
        ("libpod-", Runtime::Podman),
        ("crio-conmon-", Runtime::CriO),
        ("crio-", Runtime::CriO),
        ("cri-containerd-", Runtime::Containerd),
        ("nerdctl-", Runtime::Containerd),
        ("containerd-", Runtime::Containerd),
    ];
    let stem = part.strip_suffix(".scope").unwrap_or(part);
    PREFIXES.into_iter().find_map(|(prefix, runtime)| {
        let id = stem.strip_prefix(prefix).filter(|id| is_id(id))?;
        // Without systemd only these name their directories so.
        let plain = prefix.starts_with("libpod-") || prefix.starts_with("crio-");
        (plain || stem != part).then(|| (runtime, id.to_owned()))
    })
}

/// A name meant for systemd that reached the file system: `<slice>:<runtime>:<id>`.
fn unconverted(part: &str) -> Option<(Runtime, String)> {
    let (before, id) = part.rsplit_once(':').filter(|(_, id)| is_id(id))?;
    let runtime = match before.rsplit_once(':')?.1 {
        "docker" => Runtime::Docker,
        "libpod" => Runtime::Podman,
        "crio" => Runtime::CriO,
        "cri-containerd" | "nerdctl" => Runtime::Containerd,
        _ => return None,
    };
    Some((runtime, id.to_owned()))
}

/// A bare id below a directory that only one runtime makes.
fn bare(parts: &[&str], at: usize) -> Option<(Runtime, String)> {
    let id = parts.get(at).filter(|id| is_id(id))?;
    let ancestors = parts.get(..at)?;
    let parent = *ancestors.last()?;
    let runtime = match parent {
        "docker" | "actions_job" => Runtime::Docker,
        "default" | "k8s.io" if at == 1 => Runtime::Containerd,
        "moby" if at == 1 => Runtime::Docker,
        _ if ancestors.first() == Some(&"ecs") => Runtime::Docker,
        _ if ancestors.iter().any(|part| part.starts_with("kubepods"))
            && pod_uid(parent).is_some() =>
        {
            Runtime::Kubernetes
        }
        _ => return None,
    };
    Some((runtime, (*id).to_owned()))
}

/// `lxc.payload.NAME`, before LXC 4.0.3 `lxc.payload/NAME`, before 4.0 `lxc/NAME`: the name, and how many components.
fn lxc(first: &str, next: Option<&str>, at: usize) -> Option<(String, usize)> {
    let named = |name: &str| (!name.is_empty()).then(|| name.to_owned());
    if let Some(name) = first.strip_prefix("lxc.payload.") {
        return named(name).map(|name| (name, 1));
    }
    match (first, next) {
        ("lxc.payload", Some(name)) => named(name).map(|name| (name, 2)),
        ("lxc", Some(name)) if at == 0 => named(name).map(|name| (name, 2)),
        _ => None,
    }
}

/// A machine of `systemd-nspawn`: with its payload, or in cgroup v1 also without.
fn machine(at: usize, rest: &[&str]) -> Option<Boundary> {
    let found = |id: Option<String>| Found { runtime: Runtime::Nspawn, id, pod: None };
    let (first, next) = (*rest.first()?, rest.get(1).copied());
    let has_payload = next == Some("payload");
    let begins_a_system =
        |part: Option<&&str>| part.is_some_and(|part| is_slice(part) || *part == "init.scope");
    let of_scope = first
        .strip_prefix("machine-")
        .and_then(|name| name.strip_suffix(".scope"))
        .map(unescaped)
        // Virtual machines of libvirt are no containers, and its LXC has names of its own.
        .filter(|name| !name.starts_with("qemu-") && !name.starts_with("lxc-"))
        .filter(|_| {
            has_payload || begins_a_system(rest.get(1).as_ref().copied()) || next.is_none()
        });
    let of_service = first
        .strip_prefix("systemd-nspawn@")
        .and_then(|name| name.strip_suffix(".service"))
        .map(unescaped)
        .filter(|_| has_payload || begins_a_system(rest.get(1).as_ref().copied()));
    if let Some(name) = of_scope.or(of_service) {
        let length = 1 + usize::from(has_payload);
        // The service is in the part before, where its unit is looked for.
        let (at, length) =
            if first.ends_with(".service") { (at + 1, length - 1) } else { (at, length) };
        return Some(Boundary { at, length, found: found(Some(name)), has_unit: true });
    }
    (first == "payload" && begins_a_system(rest.get(1).as_ref().copied())).then(|| Boundary {
        at,
        length: 1,
        found: found(None),
        has_unit: false,
    })
}

/// The unit that a path below one systemd leads to (`sd_pid_get_unit(3)`): what follows the slices. What lies
/// below the unit is its own business. A slice is named only where nothing follows it.
fn unit(parts: &[&str], manager: Manager, or_slice: bool) -> Option<Unit> {
    let slices = parts.iter().take_while(|part| is_slice(part)).count();
    let named = |name: &str, manager| Unit { name: plain(name).to_owned(), manager, serves: None };
    let Some(first) = parts.get(slices) else {
        return parts.last().filter(|_| or_slice).map(|slice| named(slice, manager));
    };
    if !is_unit(first) {
        return None;
    }
    let user = first.strip_prefix("user@").and_then(|name| name.strip_suffix(".service"));
    if let Some(uid) = user.and_then(|uid| uid.parse().ok()) {
        let of_user = if manager == Manager::System { Manager::User(uid) } else { Manager::Inner };
        let below = parts.get(slices + 1..).unwrap_or_default();
        if let Some(unit) = unit(below, of_user, false) {
            return Some(unit);
        }
    }
    Some(named(first, manager))
}

/// A component without the `_` that keeps the name of a unit from looking like a file of the kernel's.
fn plain(part: &str) -> &str {
    part.strip_prefix('_').unwrap_or(part)
}

fn is_slice(part: &str) -> bool {
    part.strip_suffix(".slice").is_some_and(is_unit_stem)
}

fn is_unit(part: &str) -> bool {
    const KINDS: [&str; 5] = [".service", ".scope", ".socket", ".mount", ".swap"];
    KINDS.iter().any(|kind| plain(part).strip_suffix(kind).is_some_and(is_unit_stem))
}

/// The characters of the names of units (systemd.unit(5)).
fn is_unit_stem(stem: &str) -> bool {
    !stem.is_empty()
        && stem.chars().all(|c| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c))
        && !stem.starts_with('@')
}

/// The id of a container: 64 hexadecimal digits in lower case.
pub(super) fn is_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The uid of a Kubernetes pod in the name of its directory: `pod<uid>`, `kubepods-burstable-pod<uid>.slice`.
fn pod_uid(part: &str) -> Option<String> {
    let stem = part.split(".slice").next().filter(|_| part.starts_with("kubepods"));
    let uid = match stem {
        Some(stem) => stem.rsplit_once("-pod")?.1.replace('_', "-"),
        None => part.strip_prefix("pod")?.to_owned(),
    };
    let is_uid = matches!(uid.len(), 32 | 36)
        && uid.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    is_uid.then_some(uid)
}

/// The name of a machine without the escapes of systemd: `\x2d` is `-`. The name of a unit keeps them, since
/// `systemctl` wants them.
fn unescaped(name: &str) -> String {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = rest.strip_prefix(b"\\x").and_then(|rest| rest.split_at_checked(2));
        let code = escaped.and_then(|(digits, after)| {
            let digits = str::from_utf8(digits).ok()?;
            Some((u8::from_str_radix(digits, 16).ok()?, after))
        });
        let (byte, after) = code.unwrap_or((*first, after));
        bytes.push(byte);
        rest = after;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests;
