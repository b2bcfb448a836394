//! Where the programs lead that take connections for containers, as far as they tell.

use super::Namespaces;
use super::container_names::value;
use crate::model::{Port, Process, is_proxy};
use crate::sys::{Procfs, Table};
use std::net::{IpAddr, SocketAddr};

/// Where a proxy leads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeadsInto {
    /// The address and port that it connects to.
    pub to: Option<SocketAddr>,
    /// The network namespace that it connects in, of those that are not ours.
    pub netns: Option<String>,
}

/// What the arguments of a proxy, and the namespaces of the processes that it has started, say of where it leads:
/// `docker-proxy` is given an address, `pasta` and `slirp4netns` the file of a namespace, and `rootlessport` has a child in
/// one.
#[must_use]
pub fn leads_into(process: &Process, namespaces: &Namespaces) -> LeadsInto {
    let no_arguments = Vec::new();
    let arguments = process.cmdline.known().unwrap_or(&no_arguments);
    let by_file = || {
        let mut files = arguments.iter().filter_map(|word| {
            let path = word.rsplit('=').next().filter(|path| path.starts_with('/'))?;
            namespaces.behind(path)
        });
        files.next()
    };
    LeadsInto { to: target(arguments), netns: by_file().or_else(|| of_child(process, namespaces)) }
}

/// The address and port in the arguments of a `docker-proxy`.
fn target(arguments: &[String]) -> Option<SocketAddr> {
    let given = |name: &str| value(arguments, name, name);
    let address: IpAddr = given("-container-ip")?.parse().ok()?;
    Some(SocketAddr::new(address, given("-container-port")?.parse().ok()?))
}

/// The namespace of a process that the proxy has started.
fn of_child(process: &Process, namespaces: &Namespaces) -> Option<String> {
    let procfs = Procfs::open().ok()?;
    let is_child = |pid: &u32| procfs.kin(*pid).is_ok_and(|kin| kin.parent == process.pid);
    let mut homes = namespaces.processes();
    homes.find(|(_, processes)| processes.iter().any(is_child)).map(|(netns, _)| netns)
}

/// Whether any process has the name of such a program, is of the user of the socket at the port, where that is known, and
/// is not told by its arguments to take another port.
#[must_use]
pub fn a_proxy_may_take(port: Port, user: Option<u32>) -> bool {
    let Ok(procfs) = Procfs::open() else { return false };
    let may = |pid: u32| {
        let is_its = |user| procfs.users(pid).is_ok_and(|users| users.contains(&user));
        procfs.comm(pid).is_ok_and(|name| is_proxy(&name)) && user.is_none_or(is_its) && {
            let arguments = procfs.arguments(Table::of(pid)).unwrap_or_default();
            let words = arguments.into_iter().map(|word| word.to_string_lossy().into_owned());
            may_take(&words.collect::<Vec<String>>(), port)
        }
    };
    procfs.pids().unwrap_or_default().into_iter().any(may)
}

/// Only `docker-proxy` is told its port so.
fn may_take(arguments: &[String], port: Port) -> bool {
    let told = value(arguments, "-host-port", "-host-port");
    told.is_none_or(|told| told == port.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_of_a_docker_proxy_say_where_it_leads() {
        let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let told = |line: &str| target(&words(line)).map(|to| to.to_string());
        let line = "/usr/bin/docker-proxy -proto tcp -host-ip 0.0.0.0 -host-port 8080 -container-ip 172.17.0.2 \
                    -container-port 80";
        assert_eq!(told(line).as_deref(), Some("172.17.0.2:80"));
        assert_eq!(
            told("docker-proxy -container-ip fd00::2 -container-port 80").as_deref(),
            Some("[fd00::2]:80")
        );
        assert_eq!(told("docker-proxy -container-ip 172.17.0.2"), None);
        assert_eq!(told("docker-proxy -container-ip x -container-port 80"), None);
        assert_eq!(told("rootlessport"), None);
        let may = |line: &str, port| may_take(&words(line), Port::new(port).unwrap());
        assert!(may(line, 8080) && !may(line, 8081) && may("rootlessport", 8081));
    }
}
