//! Whether we run inside a container, or in a network namespace of one's own: what we list is then not the host's.

use super::cgroup_path::{self, Found};
use crate::model::{Container, Need, Runtime, Seen, Surroundings};
use crate::sys::{self, Mount, Procfs};
use std::fs;
use std::io;

/// The files of ours that runtimes mount theirs over.
const OURS: [&str; 4] = ["/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/run/.containerenv"];

/// The traces that a container leaves inside.
#[derive(Debug)]
struct Traces {
    /// The text of `/proc/self/cgroup`.
    cgroups: String,
    /// Whether we are in the host's first pid namespace and in its first cgroup namespace.
    initial: bool,
    mounts: Vec<Mount>,
    /// `/run/.containerenv` of podman.
    containerenv: Option<String>,
    /// Whether there is `/.dockerenv`.
    dockerenv: bool,
    /// `/run/systemd/container`: what a systemd inside found out.
    systemd: Option<String>,
    /// `container=` in the environment of the first process; `Err` where it may not be read.
    first: Result<Option<String>, io::ErrorKind>,
}

impl Traces {
    /// Where the host's first namespaces are ours, nothing else is looked at: it would prove nothing.
    fn of_the_host(cgroups: String) -> Self {
        Self {
            cgroups,
            initial: true,
            mounts: Vec::new(),
            containerenv: None,
            dockerenv: false,
            systemd: None,
            first: Ok(None),
        }
    }

    /// What there is to see for who is not in the host's first namespaces.
    fn inside(cgroups: String) -> Self {
        let first = sys::first_process_environment().map(|words| {
            words.iter().find_map(|word| word.strip_prefix("container=").map(str::to_owned))
        });
        Self {
            cgroups,
            initial: false,
            mounts: sys::mounts().unwrap_or_default(),
            containerenv: fs::read_to_string("/run/.containerenv").ok(),
            dockerenv: fs::exists("/.dockerenv").unwrap_or(false),
            systemd: fs::read_to_string("/run/systemd/container").ok(),
            first: first.map_err(|error| error.kind()),
        }
    }
}

/// What we run in.
#[must_use]
pub fn surroundings() -> Surroundings {
    let first_pids = sys::pid_namespace_is_initial();
    let cgroups = Procfs::open().and_then(|procfs| procfs.own_cgroups()).unwrap_or_default();
    let initial = first_pids && sys::cgroup_namespace_is_initial() == Some(true);
    let traces = if initial { Traces::of_the_host(cgroups) } else { Traces::inside(cgroups) };
    let container = container(&traces);
    let netns = netns(
        sys::network_namespace("self").map(|own| (own.inode, own.has_first_number())),
        sys::network_namespace("1").map(|first| first.inode),
        first_pids,
        sys::kernel_version(),
    );
    Surroundings { container, netns }
}

/// The container that these traces prove.
fn container(traces: &Traces) -> Seen<Container> {
    /// The files of the runtime are outside.
    const NOT_TOLD: &str = "not told inside of it";
    let told = |text: Option<String>| text.map_or(Seen::Skipped(NOT_TOLD), Seen::Known);
    let mut paths = traces.cgroups.lines().filter_map(|line| line.splitn(3, ':').nth(2));
    if let Some(found) = paths.find_map(|path| cgroup_path::place(path).container) {
        let name = match found.runtime {
            Runtime::Lxc | Runtime::Nspawn => told(found.id.clone()),
            _ => Seen::Skipped(NOT_TOLD),
        };
        return Seen::Known(Container { id: told(found.id), name, runtime: found.runtime });
    }
    // The files may be left over in an image that was made into a machine: a container has a namespace as well.
    if traces.initial {
        return Seen::Absent;
    }
    let hint = traces.mounts.iter().find_map(hint);
    let known = |runtime: Runtime, name: Option<String>, id: Option<String>| {
        let hint = hint.as_ref().filter(|hint| hint.runtime == runtime);
        let id = id.or_else(|| hint.and_then(|hint| hint.id.clone()));
        Seen::Known(Container { id: told(id), name: told(name), runtime })
    };
    // Either file is of a living container only where its runtime has also mounted something of ours.
    let mounted = traces.mounts.iter().any(|mount| OURS.contains(&mount.point.as_str()));
    if let Some(text) = traces.containerenv.as_ref().filter(|_| mounted) {
        return known(Runtime::Podman, field(text, "name"), field(text, "id"));
    }
    if traces.dockerenv && mounted {
        return known(Runtime::Docker, None, None);
    }
    if let Some(hint) = &hint {
        return known(hint.runtime.clone(), None, None);
    }
    let said = traces.systemd.iter().map(String::as_str);
    let mut said = said.chain(traces.first.as_ref().ok().and_then(Option::as_deref));
    match (said.find(|name| !name.trim().is_empty()), &traces.first) {
        (Some(name), _) => known(Runtime::named(name.trim()), None, None),
        (None, Err(io::ErrorKind::PermissionDenied)) => Seen::Denied(Need::Root),
        (None, _) => Seen::Absent,
    }
}

/// `name="web"` of `/run/.containerenv`, which is empty in a container without privileges.
fn field(text: &str, key: &str) -> Option<String> {
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
    let value = value.trim().trim_matches('"');
    (!value.is_empty()).then(|| value.to_owned())
}

/// What a runtime mounts from its own directory over a file of ours tells which it is, and often the id.
fn hint(mount: &Mount) -> Option<Found> {
    if !OURS.contains(&mount.point.as_str()) {
        return None;
    }
    let after = |directory: &str| {
        let (_, rest) = mount.root.split_once(directory)?;
        rest.split('/').next().map(str::to_owned)
    };
    let with_id = |directory: &str, runtime| {
        let id = after(directory).filter(|id| cgroup_path::is_id(id))?;
        Some(Found { runtime, id: Some(id), pod: None })
    };
    let without =
        |directory: &str, runtime| after(directory).map(|_| Found { runtime, id: None, pod: None });
    with_id("/docker/containers/", Runtime::Docker)
        .or_else(|| with_id("/overlay-containers/", Runtime::Podman))
        .or_else(|| without("/io.containerd.grpc.v1.cri/sandboxes/", Runtime::Containerd))
        .or_else(|| without("/kubelet/pods/", Runtime::Kubernetes))
}

/// Our network namespace, when it is not the host's first one. `own` is its inode and whether that number is the
/// first one's; `first` is the inode of process 1.
fn netns(
    own: io::Result<(u64, bool)>,
    first: io::Result<u64>,
    first_pids: bool,
    kernel: (u16, u16),
) -> Seen<String> {
    /// From here on the first namespace has its own number.
    const SINCE: (u16, u16) = (6, 18);
    let (inode, has_first_number) = match own {
        Ok(own) => own,
        Err(error) => return Seen::Failed(error.to_string()),
    };
    let text = || format!("net:[{inode}]");
    if has_first_number {
        return Seen::Absent;
    }
    if kernel >= SINCE {
        return Seen::Known(text());
    }
    match first {
        // In a pid namespace of one's own, process 1 is not the host's.
        _ if !first_pids => Seen::Denied(Need::Kernel(SINCE.0, SINCE.1)),
        Ok(first) if first == inode => Seen::Absent,
        Ok(_) => Seen::Known(text()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Seen::Denied(Need::Root),
        Err(error) => Seen::Failed(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "3fa2c1aabbcc00112233445566778899aabbccddeeff00112233445566778899";

    fn mount(root: &str, point: &str) -> Mount {
        Mount { root: root.replace("<id>", ID), point: point.into(), kind: "ext4".into() }
    }

    /// Runtime, id and name in a few words.
    fn told(traces: &Traces) -> String {
        match container(traces) {
            Seen::Known(Container { id, name, runtime }) => {
                let id = id.known().map_or("?".into(), |id| id.replace(ID, "<id>"));
                format!("{} {id} {}", runtime.name(), name.known().map_or("?", String::as_str))
            }
            Seen::Absent => "none".into(),
            _ => "unknown".into(),
        }
    }

    /// A process in namespaces of its own, without a trace of a container.
    fn inside() -> Traces {
        Traces {
            cgroups: "0::/\n".into(),
            initial: false,
            mounts: Vec::new(),
            containerenv: None,
            dockerenv: false,
            systemd: None,
            first: Ok(None),
        }
    }

    #[test]
    fn the_traces_of_each_runtime() {
        let env = |text: &str| Some(text.to_owned());
        let file = |root: &str| vec![mount("/", "/"), mount(root, "/etc/hostname")];
        let table = [
            (inside(), "none"),
            (
                Traces { dockerenv: true, mounts: file("/data/x/hostname"), ..inside() },
                "docker ? ?",
            ),
            (Traces { dockerenv: true, ..inside() }, "none"),
            // An image of docker's that became a machine.
            (Traces { dockerenv: true, initial: true, ..inside() }, "none"),
            (
                Traces {
                    dockerenv: true,
                    mounts: file("/var/lib/docker/containers/<id>/hostname"),
                    ..inside()
                },
                "docker <id> ?",
            ),
            (
                // The host of docker sees its directories, but not over its own files.
                Traces { mounts: vec![mount("/docker/containers/<id>/x", "/mnt")], ..inside() },
                "none",
            ),
            (Traces { containerenv: env(""), mounts: file("/x"), ..inside() }, "podman ? ?"),
            (Traces { containerenv: env(""), ..inside() }, "none"),
            (
                Traces {
                    mounts: file("/x"),
                    containerenv: env("engine=\"podman-4.3.1\"\nname=\"web\"\nid=\"ab\"\n"),
                    ..inside()
                },
                "podman ab web",
            ),
            (
                Traces {
                    containerenv: env(""),
                    mounts: file("/containers/storage/overlay-containers/<id>/userdata/hostname"),
                    ..inside()
                },
                "podman <id> ?",
            ),
            (
                Traces {
                    mounts: file(
                        "/var/lib/containerd/io.containerd.grpc.v1.cri/sandboxes/ab/hostname",
                    ),
                    ..inside()
                },
                "containerd ? ?",
            ),
            (
                Traces {
                    mounts: vec![mount("/kubelet/pods/8f/etc-hosts", "/etc/hosts")],
                    ..inside()
                },
                "kubernetes ? ?",
            ),
        ];
        for (traces, expected) in table {
            assert_eq!(told(&traces), expected, "{traces:?}");
        }
    }

    #[test]
    fn what_is_said_inside_and_what_the_own_cgroup_says() {
        let env = |text: &str| Some(text.to_owned());
        let table = [
            (Traces { systemd: env("systemd-nspawn\n"), ..inside() }, "systemd-nspawn ? ?"),
            (Traces { first: Ok(env("lxc")), ..inside() }, "lxc ? ?"),
            (Traces { first: Ok(env("rkt")), ..inside() }, "rkt ? ?"),
            (Traces { first: Err(io::ErrorKind::PermissionDenied), ..inside() }, "unknown"),
            (
                Traces { first: Err(io::ErrorKind::PermissionDenied), initial: true, ..inside() },
                "none",
            ),
            (
                Traces {
                    cgroups: format!("0::/system.slice/docker-{ID}.scope\n"),
                    initial: true,
                    ..inside()
                },
                "docker <id> ?",
            ),
            (
                Traces {
                    cgroups: "1:name=systemd:/lxc/web\n0::/\n".into(),
                    initial: true,
                    ..inside()
                },
                "lxc web web",
            ),
            (
                Traces {
                    cgroups: "0::/system.slice/ssh.service\n".into(),
                    initial: true,
                    ..inside()
                },
                "none",
            ),
        ];
        for (traces, expected) in table {
            assert_eq!(told(&traces), expected, "{traces:?}");
        }
    }

    #[test]
    fn a_network_namespace_is_claimed_only_when_it_is_certain() {
        let denied = || io::Error::from(io::ErrorKind::PermissionDenied);
        let own = |first| Ok((4_026_532_281, first));
        let known = || Seen::Known("net:[4026532281]".to_owned());
        let (old, new) = ((6, 17), (6, 18));
        assert_eq!(netns(own(true), Err(denied()), true, old), Seen::Absent);
        assert_eq!(netns(own(false), Err(denied()), false, new), known());
        assert_eq!(netns(own(false), Ok(4_026_532_281), true, old), Seen::Absent);
        assert_eq!(netns(own(false), Ok(4_026_531_840), true, old), known());
        assert_eq!(netns(own(false), Err(denied()), true, old), Seen::Denied(Need::Root));
        let newer = Seen::Denied(Need::Kernel(6, 18));
        assert_eq!(netns(own(false), Ok(4_026_531_840), false, old), newer);
        assert_eq!(netns(own(false), Ok(4_026_532_281), false, old), newer);
        assert!(matches!(netns(Err(denied()), Ok(1), true, new), Seen::Failed(_)));
    }
}
