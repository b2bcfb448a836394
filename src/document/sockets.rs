//! Sockets: the items of `ls`, what those of `who` are about, and the listeners of `check`.

use super::envelope::Document;
use super::time;
use super::unknown::UnknownList;
use crate::model::{
    About, Container, Held, Inventory, LeadsTo, Owner, OwnersUnknown, Portless, PortlessKind,
    PublishedAt, Queue, Seen, Socket, Transport,
};
use schemars::JsonSchema;
use serde::Serialize;
use std::net::{IpAddr, SocketAddr};

/// What a document of sockets has besides the envelope.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SocketsBody<'a> {
    items: Vec<SocketItem<'a>>,
}

/// The document of `ls`.
#[must_use]
pub fn sockets<'a>(about: &'a About, inventory: &'a Inventory) -> Document<'a, SocketsBody<'a>> {
    let portless = inventory.portless.iter().map(SocketItem::from);
    let items = inventory.sockets.iter().map(SocketItem::from).chain(portless).collect();
    Document::new("portsight/ls", about, &inventory.gaps, SocketsBody { items })
}

/// A socket. One without a port has `port` null, and a `path` (Unix) or a `protocol` (raw, packet) instead.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct SocketItem<'a> {
    #[schemars(extend("enum" = ["tcp", "udp", "sctp", "unix", "raw", "packet"]))]
    proto: &'static str,
    #[schemars(extend("enum" = ["ipv4", "ipv6", null]))]
    family: Option<&'static str>,
    address: Option<IpAddr>,
    port: Option<u16>,
    /// Of a Unix socket; in the abstract namespace it begins with `@`.
    path: Option<&'a str>,
    /// Of a raw or packet socket: the name of the protocol that it takes, or its number.
    protocol: Option<String>,
    interface: Option<&'a str>,
    dual_stack: Option<bool>,
    /// Whether a TCP socket takes Multipath TCP too.
    mptcp: Option<bool>,
    #[schemars(extend("enum" = ["listen", "bound", "unconnected", "established", "syn-sent", "syn-recv", "fin-wait-1", "fin-wait-2", "time-wait", "close-wait", "last-ack", "closing"]))]
    state: &'static str,
    /// The other end of a connection.
    peer: Option<EndItem>,
    #[schemars(extend("enum" = ["any", "loopback", "link-local", "address", null]))]
    scope: Option<&'static str>,
    service: Option<&'a str>,
    inode: u64,
    uid: Option<u32>,
    user: Option<&'a str>,
    queue: Option<QueueItem>,
    /// Its network namespace by name, else as `net:[4026532281]`; `null` for ours.
    netns: Option<&'a str>,
    /// The published ports that lead here; looked for with `--netns`.
    published_at: Vec<PublishedAtItem<'a>>,
    /// Where packets to its port go on to, past this socket; looked for with `--netns`.
    leads_to: Vec<LeadsToItem<'a>>,
    unit: Option<&'a str>,
    container: Option<ContainerItem<'a>>,
    owners: Vec<OwnerItem<'a>>,
    owners_unknown: Option<OwnersUnknownItem<'a>>,
    unknown: UnknownList<'a>,
}

/// A published port that leads to a socket.
#[derive(Debug, Serialize, JsonSchema)]
struct PublishedAtItem<'a> {
    /// The network namespace with the rule; `null` for ours.
    netns: Option<&'a str>,
    /// `null` for any.
    address: Option<IpAddr>,
    port: u16,
    /// Whether the rule asks for more, so that not every packet goes this way.
    narrowed: bool,
}

/// Where packets go on to.
#[derive(Debug, Serialize, JsonSchema)]
struct LeadsToItem<'a> {
    /// `null` for an address of the same network namespace.
    address: Option<IpAddr>,
    port: u16,
    /// The network namespace with that address, when it is listed and not ours.
    netns: Option<&'a str>,
    /// Whether the rule asks for more, so that not every packet goes this way.
    narrowed: bool,
}

impl<'a> From<&'a PublishedAt> for PublishedAtItem<'a> {
    fn from(at: &'a PublishedAt) -> Self {
        let PublishedAt { netns, address, port, narrowed } = at;
        Self { netns: netns.as_deref(), address: *address, port: port.get(), narrowed: *narrowed }
    }
}

impl<'a> From<&'a LeadsTo> for LeadsToItem<'a> {
    fn from(to: &'a LeadsTo) -> Self {
        let LeadsTo { address, port, netns, narrowed, .. } = to;
        Self { address: *address, port: port.get(), netns: netns.as_deref(), narrowed: *narrowed }
    }
}

/// One end of a connection.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct EndItem {
    address: IpAddr,
    port: u16,
}

impl From<SocketAddr> for EndItem {
    fn from(end: SocketAddr) -> Self {
        Self { address: end.ip(), port: end.port() }
    }
}

#[derive(Debug, Serialize, JsonSchema)]
struct QueueItem {
    length: u32,
    limit: u32,
    drops: u32,
}

/// A container: that of a socket, or the one that we are in.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ContainerItem<'a> {
    id: Option<&'a str>,
    name: Option<&'a str>,
    runtime: &'a str,
}

impl<'a> ContainerItem<'a> {
    /// The container, with what is not known of it entered in the list.
    pub(super) fn read(fact: &'a Seen<Container>, unknown: &mut UnknownList<'a>) -> Option<Self> {
        let container = unknown.read("container", fact)?;
        Some(Self {
            id: unknown.read("container.id", &container.id).map(String::as_str),
            name: unknown.read("container.name", &container.name).map(String::as_str),
            runtime: container.runtime.name(),
        })
    }
}

#[derive(Debug, Serialize, JsonSchema)]
struct OwnerItem<'a> {
    pid: u32,
    ppid: Option<u32>,
    name: &'a str,
    exe: Option<&'a str>,
    cmdline: Option<&'a [String]>,
    cwd: Option<&'a str>,
    uid: Option<u32>,
    user: Option<&'a str>,
    started_at: Option<String>,
    /// Whether a signal or a debugger has stopped it.
    stopped: bool,
    #[schemars(extend("enum" = ["listener", "inherited", "worker", "socket-activated"]))]
    role: &'static str,
    #[schemars(extend("enum" = ["thread", "in-flight", "io-uring", null]))]
    via: Option<&'static str>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct OwnersUnknownItem<'a> {
    #[schemars(extend("enum" = ["permission", "kernel", "other-pid-namespace", "vanished", "no-procfs"]))]
    reason: &'static str,
    text: &'a str,
}

impl<'a> SocketItem<'a> {
    /// What every socket has; the rest is absent.
    fn new(
        proto: &'static str,
        state: &'static str,
        queue: &'a Seen<Queue>,
        held: &'a Held,
        mut unknown: UnknownList<'a>,
    ) -> Self {
        let uid = unknown.read("uid", &held.uid).copied();
        let user = unknown.read("user", &held.user);
        let queue = unknown.read("queue", queue).map(QueueItem::from);
        let unit = unknown.read("unit", &held.unit).map(|unit| unit.name.as_str());
        let container = ContainerItem::read(&held.container, &mut unknown);
        let owners = held.owners.iter().enumerate();
        let owners = owners.map(|(at, owner)| OwnerItem::new(at, owner, &mut unknown)).collect();
        Self {
            proto,
            family: None,
            address: None,
            port: None,
            path: None,
            protocol: None,
            interface: None,
            dual_stack: None,
            mptcp: None,
            state,
            peer: None,
            scope: None,
            service: None,
            inode: held.inode.0,
            uid,
            user: user.map(String::as_str),
            queue,
            netns: held.netns.as_deref(),
            published_at: Vec::new(),
            leads_to: Vec::new(),
            unit,
            container,
            owners,
            owners_unknown: held.owners_unknown.as_ref().map(OwnersUnknownItem::from),
            unknown,
        }
    }
}

impl<'a> From<&'a Socket> for SocketItem<'a> {
    fn from(socket: &'a Socket) -> Self {
        let mut unknown = UnknownList::default();
        // It follows from the address, and of a wildcard from `IPV6_V6ONLY`.
        if socket.dual_stack().is_unknown() {
            unknown.read("dual_stack", &socket.v6_only);
        }
        let interface = unknown.read("interface", &socket.interface);
        let (proto, state) = (socket.transport.name(), socket.state.name());
        Self {
            family: Some(socket.family.name()),
            address: Some(socket.address),
            port: Some(socket.port.get()),
            interface: interface.map(|interface| interface.name.as_str()),
            dual_stack: socket.dual_stack().known().copied(),
            mptcp: (socket.transport == Transport::Tcp).then_some(socket.mptcp),
            peer: socket.peer.map(EndItem::from),
            scope: Some(socket.scope().name()),
            service: socket.service.as_deref(),
            published_at: socket.nat.published_at.iter().map(PublishedAtItem::from).collect(),
            leads_to: socket.nat.leads_to.iter().map(LeadsToItem::from).collect(),
            ..Self::new(proto, state, &socket.queue, &socket.held, unknown)
        }
    }
}

impl<'a> From<&'a Portless> for SocketItem<'a> {
    fn from(socket: &'a Portless) -> Self {
        let mut unknown = UnknownList::default();
        let interface = unknown.read("interface", socket.kind.interface());
        let (family, address, path) = match &socket.kind {
            PortlessKind::Unix { path } => (None, None, Some(path.as_str())),
            PortlessKind::Raw { family, address, .. } => {
                (Some(family.name()), Some(*address), None)
            }
            PortlessKind::Packet { .. } => (None, None, None),
        };
        let (proto, state) = (socket.kind.name(), socket.state.name());
        Self {
            family,
            address,
            path,
            protocol: socket.kind.protocol(),
            interface: interface.map(|interface| interface.name.as_str()),
            ..Self::new(proto, state, &socket.queue, &socket.held, unknown)
        }
    }
}

impl From<&Queue> for QueueItem {
    fn from(queue: &Queue) -> Self {
        Self { length: queue.length, limit: queue.limit, drops: queue.drops }
    }
}

impl<'a> From<&'a OwnersUnknown> for OwnersUnknownItem<'a> {
    fn from(unknown: &'a OwnersUnknown) -> Self {
        Self { reason: unknown.reason.name(), text: &unknown.text }
    }
}

impl<'a> OwnerItem<'a> {
    /// The owner at this place of its socket's list, with its unknown fields entered in the socket's.
    fn new(at: usize, owner: &'a Owner, unknown: &mut UnknownList<'a>) -> Self {
        let mut read = Fields { at, unknown };
        let process = &owner.process;
        Self {
            pid: process.pid,
            ppid: read.field("ppid", &process.ppid).copied(),
            name: &process.name,
            exe: read.field("exe", &process.exe).map(String::as_str),
            cmdline: read.field("cmdline", &process.cmdline).map(Vec::as_slice),
            cwd: read.field("cwd", &process.cwd).map(String::as_str),
            uid: read.field("uid", &process.uid).copied(),
            user: read.field("user", &process.user).map(String::as_str),
            started_at: read.moment("started_at", &process.started_at),
            stopped: process.stopped,
            role: owner.role.name(),
            via: owner.via.map(crate::model::Via::name),
        }
    }
}

/// Reads the fields of one owner.
struct Fields<'list, 'a> {
    at: usize,
    unknown: &'list mut UnknownList<'a>,
}

impl<'a> Fields<'_, 'a> {
    fn field<T>(&mut self, name: &str, fact: &'a Seen<T>) -> Option<&'a T> {
        self.unknown.read(&self.path(name), fact)
    }

    fn moment(&mut self, name: &str, fact: &'a Seen<u64>) -> Option<String> {
        let seconds = self.field(name, fact)?;
        let moment = time::rfc3339(*seconds);
        if moment.is_none() {
            self.unknown.add(&self.path(name), "beyond the calendar", None);
        }
        moment
    }

    fn path(&self, name: &str) -> String {
        format!("owners[{}].{name}", self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::samples::{self, With};
    use crate::model::{Need, OwnersUnknownReason, Runtime, Via};
    use serde_json::{Value, json};

    fn item(socket: &Socket) -> Value {
        serde_json::to_value(SocketItem::from(socket)).unwrap()
    }

    #[test]
    fn a_known_socket_has_every_field_of_the_contract() {
        let socket =
            samples::tcp("::", 22).service("ssh").owned_by(812, "sshd").of_unit("ssh.service");
        assert_eq!(
            item(&socket),
            json!({
                "proto": "tcp", "family": "ipv6", "address": "::", "port": 22, "path": null,
                "protocol": null, "interface": null, "dual_stack": true, "mptcp": false,
                "state": "listen", "peer": null, "scope": "any", "service": "ssh",
                "inode": 31_022, "uid": 0, "user": "root",
                "queue": {"length": 0, "limit": 128, "drops": 0},
                "netns": null, "published_at": [], "leads_to": [], "unit": "ssh.service", "container": null,
                "owners": [{
                    "pid": 812, "ppid": 1, "name": "sshd", "exe": "/usr/bin/sshd",
                    "cmdline": ["sshd", "--serve"], "cwd": "/", "uid": 0, "user": "root",
                    "started_at": "2026-11-20T04:12:26Z", "stopped": false, "role": "listener", "via": null,
                }],
                "owners_unknown": null,
                "unknown": [],
            })
        );
    }

    #[test]
    fn what_is_absent_is_null_and_what_was_denied_is_also_entered() {
        let mut socket = samples::tcp("127.0.0.1", 80).owned_by(1, "a").owned_by(2, "b");
        socket.queue = Seen::Failed("no attribute".into());
        socket.held.owners[0].process.cwd = Seen::Absent;
        socket.held.owners[1].process.exe = Seen::Denied(Need::Root);
        socket.held.owners[1].process.started_at = Seen::Known(u64::MAX);
        socket.held.owners[1].via = Some(Via::IoUring);
        let item = item(&socket);
        assert_eq!(item["dual_stack"], Value::Null);
        assert_eq!(item["owners"][0]["cwd"], Value::Null);
        assert_eq!(item["owners"][1]["exe"], Value::Null);
        assert_eq!(item["owners"][1]["role"], "worker");
        assert_eq!(item["owners"][1]["via"], "io-uring");
        let unknown = item["unknown"].as_array().unwrap();
        assert_eq!(unknown[0], json!({"field": "queue", "reason": "no attribute", "need": null}));
        assert_eq!(
            unknown[1],
            json!({"field": "owners[1].exe", "reason": "permission", "need": "root"})
        );
        assert_eq!(unknown[2]["field"], "owners[1].started_at");
        assert_eq!(unknown.len(), 3);
    }

    #[test]
    fn a_container_may_be_known_in_part() {
        let socket = samples::tcp("::", 80).in_container(Runtime::Docker, "3fa2", "minio");
        let docker = json!({"id": "3fa2", "name": "minio", "runtime": "docker"});
        assert_eq!(item(&socket)["container"], docker);
        let mut unnamed = socket.clone();
        unnamed.held.container = unnamed.held.container.map(|container| Container {
            id: Seen::Skipped("its cgroup does not tell"),
            name: Seen::Denied(Need::Root),
            ..container
        });
        let item = item(&unnamed);
        assert_eq!(item["container"], json!({"id": null, "name": null, "runtime": "docker"}));
        assert_eq!(
            item["unknown"],
            json!([
                {"field": "container.id", "reason": "its cgroup does not tell", "need": null},
                {"field": "container.name", "reason": "permission", "need": "root"},
            ])
        );
    }

    #[test]
    fn an_unknown_unit_is_not_an_absent_one() {
        let mut socket = samples::tcp("::", 80);
        (socket.held.unit, socket.held.container) =
            (Seen::Denied(Need::Root), Seen::Denied(Need::Root));
        let item = item(&socket);
        assert_eq!((&item["unit"], &item["container"]), (&Value::Null, &Value::Null));
        let fields: Vec<_> =
            item["unknown"].as_array().unwrap().iter().map(|entry| &entry["field"]).collect();
        assert_eq!(fields, ["unit", "container"]);
    }

    #[test]
    fn who_made_what_is_left_of_a_connection_is_not_known() {
        let mut socket = samples::tcp("::", 80);
        (socket.held.uid, socket.held.user) =
            (Seen::Skipped("not kept"), Seen::Skipped("not kept"));
        let item = item(&socket);
        assert_eq!((&item["uid"], &item["user"]), (&Value::Null, &Value::Null));
        let fields: Vec<_> =
            item["unknown"].as_array().unwrap().iter().map(|entry| &entry["field"]).collect();
        assert_eq!(fields, ["uid", "user"]);
    }

    #[test]
    fn a_socket_without_owners_says_why() {
        let text = "its holder could not be read";
        let socket = samples::udp("10.0.0.5", 53).unowned(OwnersUnknownReason::Permission, text);
        let item = item(&socket);
        assert_eq!(item["state"], "unconnected");
        assert_eq!(item["scope"], "address");
        assert_eq!(item["owners"], json!([]));
        assert_eq!(item["owners_unknown"], json!({"reason": "permission", "text": text}));
    }

    #[test]
    fn an_unread_v6_only_makes_dual_stack_unknown() {
        let mut socket = samples::tcp("::", 80);
        socket.v6_only = Seen::Denied(Need::Kernel(4, 2));
        let item = item(&socket);
        assert_eq!(item["dual_stack"], Value::Null);
        assert_eq!(
            item["unknown"][0],
            json!({"field": "dual_stack", "reason": "permission", "need": "Linux 4.2"})
        );
    }

    #[test]
    fn an_empty_inventory_is_an_empty_list() {
        let about = samples::about();
        let document = serde_json::to_value(sockets(&about, &Inventory::default())).unwrap();
        assert_eq!(document["schema"], "portsight/ls");
        assert_eq!(document["items"], json!([]));
        assert_eq!(document["incomplete"], json!([]));
    }
}
