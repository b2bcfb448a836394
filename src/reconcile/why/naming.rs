//! Whether a unit of systemd is about a port: it opens it, its command or its variables name it, or it is the program
//! that usually serves it. A number alone is no port.

use crate::model::{Endpoint, Opening, Port, Transport, UnitState};
use std::net::{IpAddr, SocketAddr};

/// How a unit is about a port, the strongest first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Claim {
    /// A socket unit opens it.
    Opens(String),
    /// Its command or its variables name it.
    Names(String),
    /// It has the name of the service that the port is registered for, or starts a program of that name.
    Serves(String),
    /// It is one of several programs that usually serve it.
    MayServe(String),
}

impl Claim {
    /// What it rests on, in words.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Opens(words) | Self::Names(words) => format!("`{words}`"),
            Self::Serves(service) => format!("its name is that of {service}"),
            Self::MayServe(service) => format!("it may serve {service}"),
        }
    }
}

/// Programs, and units, that serve a service of `/etc/services` by another name.
const ALIASES: [(&str, &[&str]); 12] = [
    ("ssh", &["sshd"]),
    ("postgresql", &["postgres"]),
    ("mysql", &["mysqld", "mariadb", "mariadbd"]),
    ("redis", &["redis-server", "valkey", "valkey-server"]),
    ("mongodb", &["mongod"]),
    ("ipp", &["cups", "cupsd"]),
    ("ntp", &["chrony", "chronyd", "ntpsec", "ntpd"]),
    ("memcache", &["memcached"]),
    ("amqp", &["rabbitmq-server"]),
    ("mqtt", &["mosquitto"]),
    ("ms-wbt-server", &["xrdp"]),
    ("sunrpc", &["rpcbind"]),
];

/// Programs of which one serves it on one host, and another on the next.
const SEVERAL: [(&[&str], &[&str]); 3] = [
    (&["http", "https"], &["nginx", "apache2", "httpd", "caddy", "lighttpd", "haproxy", "traefik"]),
    (&["domain"], &["named", "bind9", "dnsmasq", "unbound", "coredns", "pdns", "knot"]),
    (&["smtp", "submission", "submissions"], &["postfix", "exim4", "sendmail", "opensmtpd"]),
];

/// The names of the programs that serve a service: to look for their units by.
#[must_use]
pub fn programs_of(service: &str) -> Vec<String> {
    let mut names = own_names(service);
    let of_several = SEVERAL.iter().filter(|(services, _)| services.contains(&service));
    names.extend(of_several.flat_map(|(_, programs)| *programs).map(|it| (*it).to_owned()));
    names
}

/// Those that are no other's: `ssh`, `sshd`, `redis-server`.
fn own_names(service: &str) -> Vec<String> {
    let aliases = ALIASES.iter().filter(|(name, _)| *name == service);
    let aliases = aliases.flat_map(|(_, programs)| *programs).map(|it| (*it).to_owned());
    let forms = [service.to_owned(), format!("{service}d"), format!("{service}-server")];
    forms.into_iter().chain(aliases).collect()
}

/// How a unit is about a port that is registered for this service.
pub(super) fn claim(unit: &UnitState, at: Endpoint, service: Option<&str>) -> Option<Claim> {
    if is_of_one_connection(&unit.name) {
        return None;
    }
    let opens = |it: &&Opening| (it.transport, it.port) == (at.transport, at.port);
    if let Some(opening) = unit.opens.iter().find(opens) {
        let kind = match opening.transport {
            Transport::Tcp => "ListenStream",
            _ => "ListenDatagram",
        };
        let place = SocketAddr::new(opening.address, opening.port.get());
        return Some(Claim::Opens(format!("{kind}={place}")));
    }
    // What runs once, or by the clock, does not listen: it may well be a client that fails for lack of the server.
    let by_clock = |name: &String| name.rsplit('.').next() == Some("timer");
    let is_job = unit.runs_once || unit.started_by.iter().any(by_clock);
    if !is_job
        && let Some(words) =
            in_command(&unit.words, at.port).or_else(|| in_variables(unit, at.port))
    {
        return Some(Claim::Names(words));
    }
    if let Some((place, _)) = unit.configured.iter().find(|(_, port)| *port == at.port) {
        return Some(Claim::Names(format!("Port {} in {place}", at.port)));
    }
    let service = service?;
    let base = unit.name.split(['@', '.']).next().unwrap_or_default();
    let program = unit.words.first().and_then(|path| path.rsplit('/').next()).unwrap_or_default();
    let is_one = |names: &[String]| names.iter().any(|name| name == base || name == program);
    if is_one(&own_names(service)) {
        Some(Claim::Serves(service.to_owned()))
    } else {
        is_one(&programs_of(service)).then(|| Claim::MayServe(service.to_owned()))
    }
}

/// Whether a unit serves one connection that came to a socket unit (`Accept=yes`), by both of its ends in the name:
/// `sshd@3-10.0.0.1:22-10.0.0.7:41022.service`.
fn is_of_one_connection(name: &str) -> bool {
    name.split_once('@').is_some_and(|(_, instance)| instance.matches(':').count() >= 2)
}

/// The variables of a unit that name the port.
fn in_variables(unit: &UnitState, port: Port) -> Option<String> {
    let mut variables = unit.environment.iter();
    let (name, value) = variables.find(|(name, value)| named_by(&Key::of(name), value, port))?;
    Some(format!("{name}={value}"))
}

/// Programs whose words name a port of something else.
const CLIENTS: [&str; 15] = [
    "systemd-socket-proxyd",
    "socat",
    "ssh",
    "autossh",
    "nc",
    "ncat",
    "netcat",
    "telnet",
    "curl",
    "wget",
    "psql",
    "mysql",
    "mariadb",
    "mongosh",
    "wait-for-it",
];

/// What their names often end with.
const CLIENT_ENDS: [&str; 5] = ["-cli", "-client", "dump", "dumpall", "isready"];

fn is_client(word: &str) -> bool {
    let program = word.rsplit('/').next().unwrap_or_default();
    let program = program.trim_end_matches(".sh");
    CLIENTS.contains(&program) || CLIENT_ENDS.iter().any(|end| program.ends_with(end))
}

/// Modules and commands that take a port as a word of its own.
const TAKERS: [&str; 2] = ["http.server", "runserver"];

/// The words of a command that name the port as one to listen on.
fn in_command(words: &[String], port: Port) -> Option<String> {
    let program = words.first()?.rsplit('/').next()?;
    let publishes = ["docker", "podman"].contains(&program);
    let bare = |word: &str| word.trim_matches(['\'', '"', ';', ',', '(', ')']).to_owned();
    let words: Vec<String> = words.iter().map(|word| bare(word)).collect();
    if words.iter().any(|word| !word.starts_with('-') && is_client(word)) {
        return None;
    }
    let mut before = "";
    for word in words.iter().skip(1) {
        let option = before.starts_with('-') && !before.contains('=');
        let found = match word.split_once('=') {
            Some((key, value)) => named_by(&Key::of(key), value, port),
            None if publishes && ["-p", "--publish"].contains(&before) => publishes_at(word, port),
            None if publishes => false,
            None if option => named_by(&Key::of(before), word, port),
            None if TAKERS.contains(&before) && *word == port.to_string() => true,
            None => {
                let joined = word.strip_prefix("-p").or_else(|| word.strip_prefix("-P"));
                joined == Some(port.to_string().as_str()) || is_place(word, port, is_everywhere)
            }
        };
        if found {
            let with = option || TAKERS.contains(&before);
            return Some(if with && !word.contains('=') {
                format!("{before} {word}")
            } else {
                word.clone()
            });
        }
        before = word;
    }
    None
}

/// `8080:80`, `127.0.0.1:8080:80`: the port of the host comes before that of the container.
fn publishes_at(word: &str, port: Port) -> bool {
    let word = word.split('/').next().unwrap_or_default();
    let mut parts = word.rsplit(':');
    parts.next().is_some() && parts.next() == Some(port.to_string().as_str())
}

/// What an option or a variable is for, by its name.
#[derive(Debug, PartialEq, Eq)]
enum Key {
    /// A port to listen on.
    Port,
    /// An address to listen on.
    Listen,
    /// An address: only that of all interfaces is certainly not one to connect to.
    Place,
    /// Anything else, as a port of another program.
    Other,
}

impl Key {
    /// Words that may stand beside: what has another one in its name is a port of something else.
    const BESIDE: [&'static str; 26] = [
        "http",
        "https",
        "web",
        "server",
        "listen",
        "listening",
        "bind",
        "local",
        "app",
        "service",
        "tcp",
        "udp",
        "api",
        "grpc",
        "ws",
        "admin",
        "ssl",
        "tls",
        "console",
        "metrics",
        "telemetry",
        "management",
        "debug",
        "ui",
        "main",
        "node",
    ];
    const LISTEN: [&'static str; 4] = ["listen", "listening", "bind", "serve"];
    const PLACE: [&'static str; 4] = ["addr", "address", "host", "socket"];

    fn of(name: &str) -> Self {
        match name {
            "-p" | "-P" => return Self::Port,
            "-b" | "-l" | "-S" => return Self::Listen,
            "-a" | "-H" => return Self::Place,
            _ if name.starts_with('-') && name.trim_start_matches('-').len() < 2 => {
                return Self::Other;
            }
            _ => {}
        }
        let lower = name.to_lowercase();
        // `-Dserver.port` of Java.
        let lower =
            if name.starts_with("-D") { lower.get(2..).unwrap_or_default() } else { &lower };
        let words: Vec<&str> =
            lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|it| !it.is_empty()).collect();
        let Some((last, others)) = words.split_last() else { return Self::Other };
        let listens = |word: &&str| Self::LISTEN.contains(word);
        let is_place = |word: &&str| Self::PLACE.contains(word);
        let beside = |word: &&str| Self::BESIDE.contains(word) || listens(word) || is_place(word);
        if !others.iter().all(beside) {
            return Self::Other;
        }
        match last.strip_suffix("port") {
            Some(rest) if rest.is_empty() || beside(&rest) => Self::Port,
            _ if !beside(last) => Self::Other,
            _ if words.iter().any(listens) => Self::Listen,
            _ if is_place(last) => Self::Place,
            _ => Self::Other,
        }
    }
}

/// Whether the value of an option or a variable is the port.
fn named_by(key: &Key, value: &str, port: Port) -> bool {
    let value = ["http://", "https://", "tcp://", "udp://"]
        .into_iter()
        .find_map(|scheme| value.strip_prefix(scheme))
        .unwrap_or(value);
    let value = value.trim_end_matches('/');
    match key {
        Key::Port => value == port.to_string() || is_place(value, port, is_everywhere),
        Key::Listen => is_place(value, port, |host| {
            is_everywhere(host) || host == "localhost" || host.parse::<IpAddr>().is_ok()
        }),
        Key::Place => is_place(value, port, is_everywhere),
        Key::Other => false,
    }
}

/// `:8080`, `*:8080`, `[::1]:8080`, where this host counts.
fn is_place(word: &str, port: Port, counts: impl Fn(&str) -> bool) -> bool {
    let Some((host, number)) = word.rsplit_once(':') else { return false };
    counts(host.trim_start_matches('[').trim_end_matches(']')) && number == port.to_string()
}

/// What nobody connects to: no host, or the address of every interface.
fn is_everywhere(host: &str) -> bool {
    ["", "*"].contains(&host) || host.parse::<IpAddr>().is_ok_and(|it| it.is_unspecified())
}

#[cfg(test)]
mod tests;
