//! What serves a port, and what is dangerous about it.

use crate::model::{
    Access, Identity, PortFinding, Protocol, Recognised, Risk, Scope, Seen, Severity, Spoken,
    State, Transport,
};
use std::net::IpAddr;

/// What serves a port that was asked at `target` and told this. A service of which nothing is known may still be known
/// by its port, where that is dangerous enough to say so.
#[must_use]
pub fn identity(finding: &PortFinding, target: IpAddr, told: Seen<Spoken>) -> Seen<Identity> {
    let (by, spoken) = match (told, by_port(finding)) {
        (Seen::Known(spoken), _) if spoken.protocol.is_some() => (Recognised::Answer, spoken),
        (Seen::Known(Spoken { banner, .. }), Some(protocol)) => {
            (Recognised::Port, Spoken { banner, ..Spoken::of(protocol) })
        }
        (Seen::Known(spoken), None) => (Recognised::Answer, spoken),
        (Seen::Failed(_), Some(protocol)) => (Recognised::Port, Spoken::of(protocol)),
        (unknown, _) => return unknown.and_then(|_| Seen::Absent),
    };
    let risk = risk(&spoken, is_exposed(finding));
    Seen::Known(Identity { target, by, spoken, risk })
}

/// What usually serves this port, of the services that wait for the client and understand no question (RFC 1282).
fn by_port(finding: &PortFinding) -> Option<Protocol> {
    match (finding.endpoint.transport, finding.endpoint.port.get()) {
        (Transport::Tcp, 512) => Some(Protocol::Rexec),
        (Transport::Tcp, 513) => Some(Protocol::Rlogin),
        (Transport::Tcp, 514) => Some(Protocol::Rsh),
        _ => None,
    }
}

/// Whether more than this host can reach it by its binding: a socket that serves it is bound to more than loopback, or
/// it is open at another address.
fn is_exposed(finding: &PortFinding) -> bool {
    let mut serving = finding.listeners.iter().filter(|socket| socket.state.serves());
    serving.any(|socket| socket.scope() != Scope::Loopback)
        || finding
            .views
            .iter()
            .any(|view| view.state == State::Open && !view.target.to_canonical().is_loopback())
}

/// What is dangerous about a service. Each has its severity and its advice for a port that is bound to the network, and
/// for one that only this host can reach.
fn risk(spoken: &Spoken, exposed: bool) -> Option<Risk> {
    use Severity::{High, Low, Medium};
    let is_free = spoken.access == Some(Access::Free);
    let (code, text, network, local) = match spoken.protocol? {
        Protocol::Telnet => (
            "telnet",
            "telnet sends passwords and everything else in clear text",
            (High, "stop it and use ssh, or at least bind it to 127.0.0.1"),
            (Low, "use ssh instead, unless it is a console that is meant to be local"),
        ),
        Protocol::Ftp if spoken.starttls == Some(false) => (
            "ftp-no-tls",
            "this FTP server offers no TLS, so passwords cross the network in clear text",
            (High, "turn on TLS (AUTH TLS), or use sftp instead"),
            (Low, "turn on TLS before it is ever bound to the network, or use sftp instead"),
        ),
        Protocol::Rsh | Protocol::Rlogin | Protocol::Rexec => (
            "r-services",
            "the port of rsh, rlogin or rexec: they trust addresses and send passwords in clear text",
            (High, "if it is one of these, stop it and use ssh"),
            (Medium, "if it is one of these, stop it: any local user can pose as a trusted host"),
        ),
        Protocol::Redis if is_free => (
            "redis-no-auth",
            "Redis obeys anyone without a password: its data can be read, changed and used to write files",
            (High, "bind it to 127.0.0.1 or a Unix socket, and set requirepass or ACL users"),
            (Medium, "set requirepass or ACL users: every local user and program can command it"),
        ),
        Protocol::Memcached if is_free => (
            "memcached-no-auth",
            "memcached serves anyone: what it keeps can be read and changed",
            (High, "bind it to 127.0.0.1 (-l 127.0.0.1, and -U 0), or turn on SASL"),
            (
                Low,
                "every local user can read and change what it keeps: use a Unix socket (-s) if that matters",
            ),
        ),
        Protocol::Docker if is_free => (
            "docker-no-auth",
            "the API of the container engine obeys anyone, and whoever commands it is root on this host",
            (High, "remove the tcp:// host, or demand client certificates (--tlsverify)"),
            (
                High,
                "remove the tcp:// host: every local user, and every page in a local browser, can become root",
            ),
        ),
        Protocol::Mongodb if is_free => (
            "mongodb-no-auth",
            "MongoDB obeys anyone without a password: its data can be read and changed",
            (High, "bind it to 127.0.0.1 (net.bindIp), and turn on security.authorization"),
            (Medium, "turn on security.authorization: every local user and program can command it"),
        ),
        Protocol::Vnc if is_free => (
            "vnc-no-auth",
            "VNC shows and controls a screen without a password",
            (High, "bind it to localhost and reach it through ssh, and set a password"),
            (Medium, "set a password: every local user can see and control the screen"),
        ),
        _ => return None,
    };
    let (severity, advice) = if exposed { network } else { local };
    let reach = if exposed { "bound to the network" } else { "bound to loopback only" };
    let text = format!("{text} ({reach})");
    Some(Risk { code, severity, text, advice: advice.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        Certainty, Endpoint, Interface, Method, Port, Socket, Vantage, Verdict, VerdictFrom, View,
    };
    use crate::reconcile::tests::listener;

    fn view(target: [u8; 4], state: State) -> View {
        View {
            vantage: Vantage::Loopback,
            interface: Interface { index: 1, name: "lo".into() },
            target: target.into(),
            source: None,
            method: Method::Connect,
            state,
            reason: "syn-ack",
            icmp: None,
            rtt: None,
            attempts: 1,
            verdict: Verdict::Reachable,
            certainty: Certainty::Proved,
            how: None,
            hook: Seen::Absent,
            rule: Seen::Absent,
            checkpoint: None,
            note: None,
            journey: None,
        }
    }

    /// A port that is open at 127.0.0.1.
    fn finding(port: u16, listeners: Vec<Socket>) -> PortFinding {
        PortFinding {
            endpoint: Endpoint { port: Port::new(port).unwrap(), transport: Transport::Tcp },
            service: None,
            listeners,
            views: vec![view([127, 0, 0, 1], State::Open)],
            verdict: Some(Verdict::Reachable),
            verdict_from: VerdictFrom::Local,
            identity: Seen::Absent,
        }
    }

    fn told(spoken: Spoken, bound_to: &str) -> Option<(&'static str, Severity)> {
        let finding = finding(7000, vec![listener(bound_to)]);
        let identity = identity(&finding, [127, 0, 0, 1].into(), Seen::Known(spoken));
        identity.known()?.risk.as_ref().map(|risk| (risk.code, risk.severity))
    }

    fn with(protocol: Protocol, access: Option<Access>) -> Spoken {
        Spoken { access, ..Spoken::of(protocol) }
    }

    #[test]
    fn a_service_is_dangerous_only_while_it_is_free() {
        use Severity::{High, Low, Medium};
        let free = Some(Access::Free);
        let table = [
            (Protocol::Redis, "redis-no-auth", Medium),
            (Protocol::Memcached, "memcached-no-auth", Low),
            (Protocol::Docker, "docker-no-auth", High),
            (Protocol::Mongodb, "mongodb-no-auth", Medium),
            (Protocol::Vnc, "vnc-no-auth", Medium),
        ];
        for (protocol, code, on_loopback) in table {
            assert_eq!(told(with(protocol, free), "0.0.0.0"), Some((code, High)), "{protocol}");
            assert_eq!(told(with(protocol, free), "::1"), Some((code, on_loopback)), "{protocol}");
            for access in [None, Some(Access::Guarded)] {
                assert_eq!(told(with(protocol, access), "0.0.0.0"), None, "{protocol}");
            }
        }
        assert_eq!(told(with(Protocol::Http, free), "0.0.0.0"), None);
    }

    #[test]
    fn clear_text_is_dangerous_and_tls_is_not() {
        let ftp = |starttls| Spoken { starttls, ..Spoken::of(Protocol::Ftp) };
        assert_eq!(told(ftp(Some(false)), "::"), Some(("ftp-no-tls", Severity::High)));
        assert_eq!(told(ftp(Some(false)), "127.0.0.1"), Some(("ftp-no-tls", Severity::Low)));
        assert_eq!(told(ftp(Some(true)), "::"), None);
        assert_eq!(told(ftp(None), "::"), None, "it did not say");
        assert_eq!(told(Spoken::of(Protocol::Telnet), "::"), Some(("telnet", Severity::High)));
        assert_eq!(told(Spoken::of(Protocol::Ssh), "::"), None);
    }

    #[test]
    fn the_text_and_the_advice_say_how_far_it_reaches() {
        let redis = with(Protocol::Redis, Some(Access::Free));
        let [near, far] = [false, true].map(|exposed| risk(&redis, exposed).unwrap());
        assert!(near.text.ends_with("(bound to loopback only)"), "{}", near.text);
        assert!(far.text.ends_with("(bound to the network)"), "{}", far.text);
        assert_ne!(near.advice, far.advice);
    }

    #[test]
    fn an_open_view_of_the_network_exposes_what_no_socket_shows() {
        let exposed = |own, listeners| {
            let mut finding = finding(1, listeners);
            finding.views.push(view([10, 0, 0, 5], own));
            is_exposed(&finding)
        };
        assert!(exposed(State::Open, Vec::new()));
        assert!(!exposed(State::Closed, Vec::new()));
        assert!(!exposed(State::Closed, vec![listener("127.0.0.1")]));
        assert!(exposed(State::Filtered, vec![listener("0.0.0.0")]), "the rule may go");
    }

    #[test]
    fn a_port_says_what_it_is_only_where_the_service_does_not() {
        let silent = || Seen::Failed("it said nothing".to_owned());
        let by = |port, told| {
            let told = identity(&finding(port, Vec::new()), [127, 0, 0, 1].into(), told);
            told.map(|identity| (identity.by, identity.spoken.protocol))
        };
        let guess = |protocol| Seen::Known((Recognised::Port, Some(protocol)));
        assert_eq!(by(512, silent()), guess(Protocol::Rexec));
        assert_eq!(by(513, silent()), guess(Protocol::Rlogin));
        assert_eq!(by(514, Seen::Known(Spoken::default())), guess(Protocol::Rsh));
        let ssh = Seen::Known(Spoken::of(Protocol::Ssh));
        assert_eq!(by(514, ssh), Seen::Known((Recognised::Answer, Some(Protocol::Ssh))));
        assert_eq!(by(515, silent()), Seen::Failed("it said nothing".to_owned()));
        assert_eq!(by(514, Seen::Skipped("excluded")), Seen::Skipped("excluded"));
        let unknown = Seen::Known((Recognised::Answer, None));
        assert_eq!(by(515, Seen::Known(Spoken::default())), unknown);
    }
}
