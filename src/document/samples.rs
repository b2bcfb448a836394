//! Literal values for the tests of this room and of `render`.

use crate::model::{
    About, Access, Certainty, Certificate, Check, ClientAttempt, Code, Container, Cookie,
    Diagnosis, Endpoint, Errno, Evidence, Family, Held, Http, Identity, Inode, Interface,
    Inventory, Manager, Method, Nat, Outcome, Owner, OwnersUnknown, OwnersUnknownReason, Port,
    PortFinding, Portless, PortlessKind, Process, Protocol, Queue, Recognised, Role, Runtime, Seen,
    Socket, SocketState, Spoken, State, Surroundings, Tally, Tls, Transport, Tried, Unit, Vantage,
    VantageSummary, Verdict, VerdictFrom, View, Why,
};
use std::net::IpAddr;
use std::time::Duration;

/// 2026-11-20 06:12:26 UTC.
pub(crate) const NOW: u64 = 1_795_155_146;
const HOUR: u64 = 3_600;

pub(crate) fn about() -> About {
    About {
        version: "0.1.0",
        host: "web1".into(),
        kernel: "6.18.0".into(),
        boot_id: Some("6f1c1c5e-0000-4000-8000-000000000000".into()),
        taken_at_ns: i128::from(NOW) * 1_000_000_000 + 1_999_999,
        duration: Duration::from_micros(412_700),
        uid: 1000,
        capabilities: vec!["cap_net_raw".into()],
        surroundings: Surroundings { container: Seen::Absent, netns: Seen::Absent },
    }
}

pub(crate) fn port(number: u16) -> Port {
    Port::new(number).unwrap()
}

pub(crate) fn interface(index: u32, name: &str) -> Interface {
    Interface { index, name: name.into() }
}

/// A listening TCP socket of root's without owner.
pub(crate) fn tcp(address: &str, number: u16) -> Socket {
    let address: IpAddr = address.parse().unwrap();
    Socket {
        transport: Transport::Tcp,
        family: Family::of(address),
        address,
        port: port(number),
        interface: Seen::Absent,
        v6_only: if address.is_ipv4() { Seen::Absent } else { Seen::Known(false) },
        state: SocketState::Listen,
        peer: None,
        mptcp: false,
        signed: false,
        cookie: Cookie(1),
        queue: Seen::Known(Queue { length: 0, limit: 128, drops: 0 }),
        service: None,
        nat: Nat::default(),
        held: held(31_000 + u64::from(number)),
    }
}

/// What root has made and nobody holds.
pub(crate) fn held(inode: u64) -> Held {
    Held {
        user: Seen::Known("root".into()),
        cgroup: Seen::Known(77),
        unit: Seen::Absent,
        container: Seen::Absent,
        ..Held::new(Inode(inode), Seen::Known(0))
    }
}

/// A UDP server socket of root's without owner.
pub(crate) fn udp(address: &str, number: u16) -> Socket {
    Socket {
        transport: Transport::Udp,
        state: SocketState::Unconnected,
        queue: Seen::Known(Queue { length: 0, limit: 212_992, drops: 0 }),
        ..tcp(address, number)
    }
}

/// An inventory of these sockets, in which nothing is hidden.
pub(crate) fn inventory(sockets: impl Into<Vec<Socket>>) -> Inventory {
    Inventory { sockets: sockets.into(), ..Inventory::default() }
}

/// A Unix socket of root's that listens.
pub(crate) fn unix(path: &str) -> Portless {
    Portless {
        kind: PortlessKind::Unix { path: path.into() },
        state: SocketState::Listen,
        queue: Seen::Known(Queue { length: 0, limit: 128, drops: 0 }),
        held: held(41_000),
    }
}

/// A packet socket of root's that takes every frame of `eth0`.
pub(crate) fn packet() -> Portless {
    let kind = PortlessKind::Packet { protocol: 3, interface: Seen::Known(interface(2, "eth0")) };
    Portless { kind, state: SocketState::Unconnected, queue: Seen::Absent, held: held(42_000) }
}

/// A process that started two hours before [`NOW`].
pub(crate) fn process(pid: u32, name: &str, user: &str) -> Process {
    Process {
        pid,
        ppid: Seen::Known(1),
        name: name.into(),
        exe: Seen::Known(format!("/usr/bin/{name}")),
        cmdline: Seen::Known(vec![name.into(), "--serve".into()]),
        cwd: Seen::Known("/".into()),
        uid: Seen::Known(0),
        user: Seen::Known(user.into()),
        started_at: Seen::Known(NOW - 2 * HOUR),
        stopped: false,
    }
}

pub(crate) fn owner(pid: u32, name: &str, role: Role) -> Owner {
    Owner { process: process(pid, name, "root"), role, via: None }
}

pub(crate) trait With {
    fn owned_by(self, pid: u32, name: &str) -> Self;
    fn unowned(self, reason: OwnersUnknownReason, text: &str) -> Self;
    fn service(self, name: &str) -> Self;
    fn v6_only(self) -> Self;
    fn on(self, device: &str) -> Self;
    fn queue(self, length: u32, limit: u32, drops: u32) -> Self;
    fn of_unit(self, name: &str) -> Self;
    fn in_container(self, runtime: Runtime, id: &str, name: &str) -> Self;
    fn in_netns(self, name: &str) -> Self;
    fn connected(self, peer: &str, state: SocketState) -> Self;
}

impl With for Socket {
    fn owned_by(mut self, pid: u32, name: &str) -> Self {
        let role = if self.held.owners.is_empty() { Role::Listener } else { Role::Worker };
        self.held.owners.push(owner(pid, name, role));
        self
    }

    fn unowned(mut self, reason: OwnersUnknownReason, text: &str) -> Self {
        self.held.owners_unknown = Some(OwnersUnknown { reason, text: text.into() });
        self
    }

    fn service(mut self, name: &str) -> Self {
        self.service = Some(name.into());
        self
    }

    fn v6_only(mut self) -> Self {
        self.v6_only = Seen::Known(true);
        self
    }

    fn on(mut self, device: &str) -> Self {
        self.interface = Seen::Known(interface(2, device));
        self
    }

    fn queue(mut self, length: u32, limit: u32, drops: u32) -> Self {
        self.queue = Seen::Known(Queue { length, limit, drops });
        self
    }

    fn of_unit(mut self, name: &str) -> Self {
        self.held.unit =
            Seen::Known(Unit { name: name.into(), manager: Manager::System, serves: None });
        self
    }

    fn in_container(mut self, runtime: Runtime, id: &str, name: &str) -> Self {
        let (id, name) = (Seen::Known(id.into()), Seen::Known(name.into()));
        self.held.container = Seen::Known(Container { id, name, runtime });
        self
    }

    fn in_netns(mut self, name: &str) -> Self {
        self.held.netns = Some(name.into());
        self
    }

    fn connected(mut self, peer: &str, state: SocketState) -> Self {
        (self.peer, self.state, self.queue) = (Some(peer.parse().unwrap()), state, Seen::Absent);
        self
    }
}

/// A proved view: towards 127.0.0.1 on `lo`, or towards 10.0.0.5 on `eth0`.
pub(crate) fn view(vantage: Vantage, state: State, verdict: Verdict) -> View {
    let (interface, target) = match vantage {
        Vantage::Loopback => (interface(1, "lo"), [127, 0, 0, 1]),
        Vantage::Own | Vantage::Lan | Vantage::Internet => (interface(2, "eth0"), [10, 0, 0, 5]),
    };
    let (reason, rtt) = match state {
        State::Open => ("syn-ack", Some(Duration::from_micros(42))),
        State::Closed => ("conn-refused", Some(Duration::from_micros(17))),
        State::Filtered | State::OpenFiltered => ("no-response", None),
        State::Unknown => ("local-error", None),
    };
    View {
        vantage,
        interface,
        target: target.into(),
        source: Some((target, 40_000).into()),
        method: Method::Connect,
        state,
        reason,
        icmp: None,
        rtt,
        attempts: 1,
        verdict,
        certainty: Certainty::Proved,
        how: None,
        hook: Seen::Absent,
        rule: Seen::Absent,
        checkpoint: None,
        note: None,
        journey: None,
    }
}

/// The finding of a TCP port; its verdict is the first of its views'.
pub(crate) fn finding(number: u16, listeners: Vec<Socket>, views: Vec<View>) -> PortFinding {
    PortFinding {
        endpoint: Endpoint { port: port(number), transport: Transport::Tcp },
        service: None,
        verdict: views.iter().map(|view| view.verdict).min(),
        verdict_from: VerdictFrom::of(&views),
        identity: Seen::Absent,
        listeners,
        views,
    }
}

/// A web server with TLS, whose certificate signed itself and is about to expire.
pub(crate) fn https() -> Identity {
    let certificate = Certificate {
        subject: "CN=web.example".into(),
        names: vec!["web.example".into()],
        more_names: 0,
        issuer: "CN=web.example".into(),
        self_issued: true,
        not_before: 1_767_225_600,
        not_after: 1_798_859_045,
    };
    let tls = Tls {
        version: Seen::Known("TLS 1.3"),
        alpn: Some("h2".into()),
        certificate: Seen::Known(certificate),
    };
    let spoken = Spoken {
        product: Some("nginx".into()),
        version: Some("1.24.0".into()),
        access: Some(Access::Free),
        http: Some(Http { status: 200, server: Some("nginx/1.24.0".into()) }),
        tls: Some(tls),
        ..Spoken::of(Protocol::Http)
    };
    Identity { target: [127, 0, 0, 1].into(), by: Recognised::Answer, spoken, risk: None }
}

/// A server that listens on IPv6 only, and a client that tries IPv4 first.
pub(crate) fn why() -> Why {
    let attempt = |to: &str, outcome, errno: Option<&str>| ClientAttempt {
        to: to.parse().unwrap(),
        outcome,
        errno: errno.map(|name| Errno { name: name.into(), text: "Connection refused".into() }),
        icmp: None,
        elapsed: Duration::from_micros(104),
        opened: None,
        sees_icmp: true,
    };
    let refused = attempt("127.0.0.1:3000", Outcome::Refused, Some("ECONNREFUSED"));
    let open = attempt("[::1]:3000", Outcome::Connected, None);
    let evidence = |what: &str, text: &str| Evidence { what: what.into(), text: text.into() };
    Why {
        target: "localhost:3000".into(),
        from: None,
        attempts: vec![
            Tried { attempt: refused, socket: "no listener for 127.0.0.1:3000".into() },
            Tried { attempt: open, socket: "node 42".into() },
        ],
        works: false,
        failure: Some("refused".into()),
        diagnosis: Some(Diagnosis {
            code: Code::R05,
            certainty: Certainty::Proved,
            text: "the server listens on IPv6 only (node 42), and the client used IPv4".into(),
            next: vec!["use [::1]:3000".into()],
        }),
        evidence: vec![evidence("listener", "[::1]:3000")],
        also_checked: vec!["firewall (no ICMP error came, so it is no reject)".into()],
        gaps: Vec::new(),
    }
}

/// A check of every TCP and three UDP ports from both vantages.
pub(crate) fn check(items: Vec<PortFinding>) -> Check {
    let vantage = |vantage, target: [u8; 4]| VantageSummary {
        vantage,
        targets: vec![target.into()],
        methods: [Method::Connect, Method::Udp].into(),
        sent: 65_538,
        answered: 65_538,
        lost: 0,
        rescued: 0,
        transports: [(Transport::Tcp, 65_535), (Transport::Udp, 3)]
            .map(|(transport, probed)| {
                (transport, Tally { ports: probed, probed, closed: probed, ..Tally::default() })
            })
            .into(),
    };
    Check {
        items,
        vantages: vec![
            vantage(Vantage::Loopback, [127, 0, 0, 1]),
            vantage(Vantage::Own, [10, 0, 0, 5]),
        ],
        gaps: Vec::new(),
        partial: false,
        identified: false,
        expected: Vec::new(),
        doors: Vec::new(),
        ways: None,
    }
}
