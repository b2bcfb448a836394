//! What `systemctl show` prints (`systemctl(1)`), as values.

use crate::model::{
    Activity, BindRule, Manager, Network, Opening, Port, Restrictions, Seen, Transport, UnitState,
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// The properties that [`units`] reads.
pub const PROPERTIES: [&str; 21] = [
    "Id",
    "LoadState",
    "ActiveState",
    "SubState",
    "Result",
    "NRestarts",
    "StateChangeTimestampMonotonic",
    "UnitFileState",
    "Type",
    "ExecStart",
    "Environment",
    "Listen",
    "Triggers",
    "TriggeredBy",
    "Slice",
    "IPAddressAllow",
    "IPAddressDeny",
    "SocketBindAllow",
    "SocketBindDeny",
    "PrivateNetwork",
    "NetworkNamespacePath",
];

/// What is printed of each unit, at `now` on the monotonic clock, and how many of its paragraphs of `Name=value` are no
/// unit: a command with an empty line in it breaks one in two.
#[must_use]
pub fn units(text: &str, manager: Manager, now: Duration) -> (Vec<UnitState>, usize) {
    let paragraphs = text.split("\n\n").map(|it| it.trim_matches('\n')).filter(|it| !it.is_empty());
    let read: Vec<_> = paragraphs.map(|paragraph| unit(paragraph, manager, now)).collect();
    let unread = read.iter().filter(|unit| unit.is_none()).count();
    (read.into_iter().flatten().collect(), unread)
}

/// The directories of unit files (`UnitPath`). `None` where there is no such line.
#[must_use]
pub fn unit_path(text: &str) -> Option<Vec<String>> {
    let value = text.lines().find_map(|line| line.strip_prefix("UnitPath="))?;
    Some(value.split_whitespace().map(str::to_owned).collect())
}

fn unit(paragraph: &str, manager: Manager, now: Duration) -> Option<UnitState> {
    let values = |name: &str| {
        let named = move |line: &'_ str| Some(line.split_once('=')?.0 == name);
        let lines = paragraph.lines().filter(move |line| named(line) == Some(true));
        lines.filter_map(|line| Some(line.split_once('=')?.1)).collect::<Vec<&str>>()
    };
    let value = |name: &str| values(name).first().copied().unwrap_or_default();
    let words =
        |name| -> Vec<String> { value(name).split_whitespace().map(str::to_owned).collect() };
    let name = Some(value("Id")).filter(|name| is_name(name))?;
    let activity = match value("ActiveState") {
        "active" | "reloading" | "refreshing" => Activity::Active,
        "activating" => Activity::Starting,
        "deactivating" | "maintenance" => Activity::Stopping,
        "inactive" => Activity::Inactive,
        "failed" => Activity::Failed,
        _ => return None,
    };
    let since = match value("StateChangeTimestampMonotonic").parse::<u64>() {
        Ok(0) => Seen::Absent,
        Ok(then) => Seen::Known(now.saturating_sub(Duration::from_micros(then))),
        Err(_) => Seen::Skipped("systemd does not tell it"),
    };
    // What a unit opens in a network of its own is not opened here.
    let is_here = value("PrivateNetwork") != "yes" && value("NetworkNamespacePath").is_empty();
    let networks = |name| value(name).split_whitespace().filter_map(network).collect();
    let bind_rules = |name| value(name).split_whitespace().filter_map(bind_rule).collect();
    Some(UnitState {
        name: name.to_owned(),
        manager,
        loaded: value("LoadState").to_owned(),
        activity,
        sub: value("SubState").to_owned(),
        result: value("Result").to_owned(),
        restarts: value("NRestarts").parse().unwrap_or(0),
        since,
        file: value("UnitFileState").to_owned(),
        runs_once: value("Type") == "oneshot",
        configured: Vec::new(),
        words: values("ExecStart").into_iter().flat_map(command).collect(),
        environment: assignments(value("Environment")),
        opens: values("Listen").into_iter().filter_map(opening).filter(|_| is_here).collect(),
        starts: words("Triggers"),
        started_by: words("TriggeredBy"),
        slice: words("Slice").into_iter().next(),
        restrictions: Restrictions {
            units: vec![name.to_owned()],
            allowed: networks("IPAddressAllow"),
            denied: networks("IPAddressDeny"),
            may_bind: bind_rules("SocketBindAllow"),
            may_not_bind: bind_rules("SocketBindDeny"),
        },
    })
}

/// Whether a text can be the name of a unit: it stands in commands for people to copy.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
    !text.is_empty() && text.chars().all(is_plain)
}

/// The words of `{ path=/bin/x ; argv[]=/bin/x -p 80 ; ignore_errors=no ; … }`.
fn command(value: &str) -> Vec<String> {
    let Some((_, rest)) = value.split_once(" ; argv[]=") else { return Vec::new() };
    let words = rest.rsplit_once(" ; ignore_errors=").map_or(rest, |(words, _)| words);
    words.split_whitespace().map(str::to_owned).collect()
}

/// The variables of `A=b "C=d e"`, in which a backslash takes the next character as it is.
fn assignments(value: &str) -> Vec<(String, String)> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => word.extend(characters.next()),
            '"' | '\'' if quote == Some(character) => quote = None,
            '"' | '\'' if quote.is_none() => quote = Some(character),
            ' ' if quote.is_none() => words.push(std::mem::take(&mut word)),
            other => word.push(other),
        }
    }
    words.push(word);
    let pair =
        |word: &String| word.split_once('=').map(|(name, value)| (name.into(), value.into()));
    words.iter().filter_map(pair).collect()
}

/// `127.0.0.1:80 (Stream)`, `[::]:53 (Datagram)`; others are no ports.
fn opening(value: &str) -> Option<Opening> {
    let (place, kind) = value.rsplit_once(" (")?;
    let transport = match kind {
        "Stream)" => Transport::Tcp,
        "Datagram)" => Transport::Udp,
        _ => return None,
    };
    // The device of an address of one link stands behind it.
    let (host, port) = place.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let address = host.split('%').next().and_then(|host| host.parse().ok());
    let bare = place.parse::<SocketAddr>().map(|at| at.ip()).ok();
    Some(Opening {
        transport,
        address: bare
            .or(address)
            .or_else(|| (host == "*").then_some(Ipv6Addr::UNSPECIFIED.into()))?,
        port: Port::new(port.parse().ok()?)?,
    })
}

/// `10.0.0.0/8`, `::1/128`.
fn network(word: &str) -> Option<Network> {
    let (address, prefix) = word.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    let prefix: u8 = prefix.parse().ok()?;
    let width = if address.is_ipv4() { Ipv4Addr::BITS } else { Ipv6Addr::BITS };
    (u32::from(prefix) <= width).then_some(Network { address, prefix })
}

/// `any`, `8080`, `8000-8100`, `ipv4:any`, `ipv6:tcp:80`, and `ipv4:tcp80` as systemd 252 has it.
fn bind_rule(word: &str) -> Option<BindRule> {
    let family = |word: &str| match word {
        "ipv4" => Some(true),
        "ipv6" => Some(false),
        _ => None,
    };
    let (ipv4, rest) = match word.split_once(':') {
        Some((first, rest)) if family(first).is_some() => (family(first), rest),
        _ => (family(word), if family(word).is_some() { "any" } else { word }),
    };
    let transports = [("tcp", Transport::Tcp), ("udp", Transport::Udp)];
    let named = transports.into_iter().find_map(|(name, it)| Some((it, rest.strip_prefix(name)?)));
    let (transport, ports) = match named {
        Some((transport, ports)) => (Some(transport), ports.trim_start_matches(':')),
        None => (None, rest),
    };
    let ports = match ports {
        "" | "any" => None,
        ports => {
            let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
            Some((first.parse().ok()?, last.parse().ok()?))
        }
    };
    Some(BindRule { ipv4, transport, ports })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICE: &str = "\
Type=oneshot
Result=exit-code
NRestarts=3
ExecStart={ path=/usr/bin/web ; argv[]=/usr/bin/web --port 7005 ; x ; ignore_errors=no ; start_time=[n/a] ; pid=0 }
ExecStart={ path=/bin/true ; argv[]=/bin/true ; ignore_errors=no ; status=0/0 }
Environment=PORT=7006 \"A=b c\" \"Q=it\\\"s\"
IPAddressAllow=127.0.0.0/8 ::1/128
IPAddressDeny=0.0.0.0/0 ::/0 nonsense 1.2.3.4/99
SocketBindAllow=
SocketBindDeny=ipv4:tcp7099 any ipv6:udp:1-9 ipv4:any 80
Id=bad.service
TriggeredBy=bad.socket
LoadState=loaded
ActiveState=failed
SubState=failed
UnitFileState=disabled
Slice=system.slice
StateChangeTimestampMonotonic=2000000
";
    const SOCKET: &str = "\
Listen=127.0.0.1:7008 (Stream)
Listen=[::]:7009 (Datagram)
Listen=/run/x.sock (Stream)
Listen=[fe80::1%2]:7010 (Stream)
Id=sock.socket
Triggers=sock.service
LoadState=loaded
ActiveState=active
SubState=listening
StateChangeTimestampMonotonic=0
";

    #[test]
    fn units_are_read_from_what_systemctl_shows() {
        let text = format!("{SERVICE}\n{SOCKET}");
        let now = Duration::from_secs(5);
        let (units, unread) = units(&text, Manager::System, now);
        assert_eq!(unread, 0);
        let [bad, sock] = units.as_slice() else { panic!("{units:#?}") };
        assert_eq!((bad.name.as_str(), bad.activity), ("bad.service", Activity::Failed));
        assert_eq!((bad.result.as_str(), bad.restarts), ("exit-code", 3));
        assert_eq!(bad.since, Seen::Known(Duration::from_secs(3)));
        assert_eq!(bad.words, ["/usr/bin/web", "--port", "7005", ";", "x", "/bin/true"]);
        let variables: Vec<_> = bad.environment.iter().map(|(a, b)| format!("{a}|{b}")).collect();
        assert_eq!(variables, ["PORT|7006", "A|b c", "Q|it\"s"]);
        assert!(bad.runs_once && !sock.runs_once);
        assert_eq!(bad.started_by, ["bad.socket"]);
        assert_eq!(bad.slice.as_deref(), Some("system.slice"));
        let all = Network { address: [0, 0, 0, 0].into(), prefix: 0 };
        assert_eq!((bad.restrictions.denied.len(), bad.restrictions.denied[0]), (2, all));
        assert_eq!(bad.restrictions.allowed.len(), 2);
        let rules: Vec<_> = bad
            .restrictions
            .may_not_bind
            .iter()
            .map(|rule| (rule.ipv4, rule.transport, rule.ports))
            .collect();
        let (tcp, udp) = (Some(Transport::Tcp), Some(Transport::Udp));
        let expected = [
            (Some(true), tcp, Some((7099, 7099))),
            (None, None, None),
            (Some(false), udp, Some((1, 9))),
            (Some(true), None, None),
            (None, None, Some((80, 80))),
        ];
        assert_eq!(rules, expected);

        assert_eq!((sock.activity, &sock.since), (Activity::Active, &Seen::Absent));
        let opens: Vec<_> = sock
            .opens
            .iter()
            .map(|it| format!("{} {}/{}", it.address, it.port, it.transport))
            .collect();
        assert_eq!(opens, ["127.0.0.1 7008/tcp", ":: 7009/udp", "fe80::1 7010/tcp"]);
        assert_eq!(sock.starts, ["sock.service"]);
    }

    #[test]
    fn what_a_unit_opens_in_a_network_of_its_own_is_not_opened_here() {
        let opens = |line: &str| {
            let (units, _) = units(&format!("{SOCKET}{line}\n"), Manager::System, Duration::ZERO);
            units[0].opens.len()
        };
        assert_eq!(opens("PrivateNetwork=no"), 3);
        assert_eq!(opens("NetworkNamespacePath="), 3);
        assert_eq!(opens("PrivateNetwork=yes"), 0);
        assert_eq!(opens("NetworkNamespacePath=/run/netns/blue"), 0);
    }

    #[test]
    fn what_is_no_such_text_is_not_read_as_no_units() {
        let read = |text: &str| {
            let (units, unread) = units(text, Manager::System, Duration::ZERO);
            (units.len(), unread)
        };
        assert_eq!(read(""), (0, 0));
        for text in [
            "garbage",
            "Id=a.service\n",
            "ActiveState=active\n",
            "Id=a\nActiveState=odd",
            "Id=a;b\nActiveState=active",
        ] {
            assert_eq!(read(text), (0, 1), "{text:?}");
        }
        let half = format!("{SOCKET}\n\u{fffd}\u{0}garbage");
        assert_eq!(read(&half), (1, 1));
        assert_eq!(unit_path("x\nUnitPath=/a /b\n"), Some(vec!["/a".into(), "/b".into()]));
        assert_eq!(unit_path("garbage"), None);
    }
}
