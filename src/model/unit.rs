//! What manages a process: a unit of systemd, a container.

use super::Seen;

/// Whose unit it is: which `systemctl` knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Manager {
    /// The system's.
    System,
    /// A user's own (`systemctl --user`), by the user's id.
    User(u32),
    /// One inside a container or a payload of `systemd-nspawn`: ours does not know it.
    Inner,
}

/// A unit of systemd.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unit {
    /// Its name as `systemctl` takes it, escapes such as `\x2d` included.
    pub name: String,
    /// Whose it is.
    pub manager: Manager,
    /// The service that has the socket from this unit, where this one opened it for another.
    pub serves: Option<String>,
}

/// What runs a container.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Runtime {
    /// Docker.
    Docker,
    /// Podman.
    Podman,
    /// containerd, without Docker.
    Containerd,
    /// CRI-O.
    CriO,
    /// Kubernetes, where the runtime below it cannot be told.
    Kubernetes,
    /// LXC, LXD or Incus.
    Lxc,
    /// `systemd-nspawn`.
    Nspawn,
    /// Another that says its name.
    Other(String),
}

impl Runtime {
    /// Its name in the JSON documents.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
            Self::Containerd => "containerd",
            Self::CriO => "cri-o",
            Self::Kubernetes => "kubernetes",
            Self::Lxc => "lxc",
            Self::Nspawn => "systemd-nspawn",
            Self::Other(name) => name,
        }
    }

    /// The runtime of this name.
    #[must_use]
    pub fn named(name: &str) -> Self {
        match name {
            "docker" => Self::Docker,
            "podman" => Self::Podman,
            "containerd" => Self::Containerd,
            "crio" | "cri-o" => Self::CriO,
            "lxc" | "lxc-libvirt" => Self::Lxc,
            "systemd-nspawn" => Self::Nspawn,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// A container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// Its id: of 64 hexadecimal digits, or the name where the runtime has no other.
    pub id: Seen<String>,
    /// The name that a person gave it.
    pub name: Seen<String>,
    /// What runs it.
    pub runtime: Runtime,
}

/// The system that we run in, as part of a larger one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surroundings {
    /// The container that we are in.
    pub container: Seen<Container>,
    /// Our network namespace, as `net:[4026532281]`; absent when it is the host's first one.
    pub netns: Seen<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runtime_is_found_by_its_name() {
        use Runtime::{Containerd, CriO, Docker, Kubernetes, Lxc, Nspawn, Other, Podman};
        for runtime in [Docker, Podman, Containerd, CriO, Lxc, Nspawn, Other("rkt".into())] {
            assert_eq!(Runtime::named(runtime.name()), runtime);
        }
        assert_eq!(Kubernetes.name(), "kubernetes");
    }
}
