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
    let opens = |it: &&Opening| (it.transport, it.port) == (at.transport, at.port);
    if let Some(opening) = unit.opens.iter().find(opens) {
        let kind = match opening.transport {
            Transport::Tcp => "ListenStream",
            _ => "ListenDatagram",
        };
        let place = SocketAddr::new(opening.address, opening.port.get());
        return Some(Claim::Opens(format!("{kind}={place}")));
    }
    let by_variable = unit.environment.iter().find_map(|(name, value)| {
        named_by(&Key::of(name), value, at.port).then(|| format!("{name}={value}"))
    });
    if let Some(words) = in_command(&unit.words, at.port).or(by_variable) {
        return Some(Claim::Names(words));
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

/// Programs whose words name a port of something else.
const CLIENTS: [&str; 8] =
    ["systemd-socket-proxyd", "socat", "ssh", "autossh", "nc", "ncat", "curl", "wget"];

/// Modules and commands that take a port as a word of its own.
const TAKERS: [&str; 2] = ["http.server", "runserver"];

/// The words of a command that name the port as one to listen on.
fn in_command(words: &[String], port: Port) -> Option<String> {
    let program = words.first()?.rsplit('/').next()?;
    if CLIENTS.contains(&program) {
        return None;
    }
    let publishes = ["docker", "podman"].contains(&program);
    let bare = |word: &str| word.trim_matches(['\'', '"', ';', ',', '(', ')']).to_owned();
    let words: Vec<String> = words.iter().map(|word| bare(word)).collect();
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
                joined == Some(port.to_string().as_str()) || is_place(word, port)
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
    const PLACE: [&'static str; 8] =
        ["listen", "listening", "bind", "addr", "address", "host", "socket", "serve"];

    fn of(name: &str) -> Self {
        match name {
            "-p" | "-P" => return Self::Port,
            "-b" | "-l" | "-a" | "-H" | "-S" => return Self::Place,
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
        let beside = |word: &&str| Self::BESIDE.contains(word) || Self::PLACE.contains(word);
        if !others.iter().all(beside) {
            return Self::Other;
        }
        match last.strip_suffix("port") {
            Some(rest) if rest.is_empty() || beside(&rest) => Self::Port,
            _ if Self::PLACE.contains(last)
                || words.iter().any(|it| ["listen", "bind"].contains(it)) =>
            {
                Self::Place
            }
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
        Key::Port => value == port.to_string() || is_place(value, port),
        Key::Place => is_place(value, port),
        Key::Other => false,
    }
}

/// `:8080`, `*:8080`, `localhost:8080`, `0.0.0.0:8080`, `[::]:8080`.
fn is_place(word: &str, port: Port) -> bool {
    let Some((host, number)) = word.rsplit_once(':') else { return false };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let is_here = ["", "*", "localhost"].contains(&host) || host.parse::<IpAddr>().is_ok();
    is_here && number == port.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::why::units::tests::unit;

    fn claimed(unit: &UnitState, port: u16, service: Option<&str>) -> Option<Claim> {
        let port = Port::new(port).unwrap();
        claim(unit, Endpoint { port, transport: Transport::Tcp }, service)
    }

    fn by_command(command: &str, port: u16) -> Option<String> {
        let mut unit = unit("x.service");
        unit.words = command.split(' ').map(str::to_owned).collect();
        claimed(&unit, port, None).map(|claim| claim.words())
    }

    #[test]
    fn words_of_a_command_that_name_a_port_to_listen_on() {
        let table = [
            ("/bin/x --port 8080", "`--port 8080`"),
            ("/bin/x --port=8080", "`--port=8080`"),
            ("/bin/x -p 8080", "`-p 8080`"),
            ("/bin/x -p8080", "`-p8080`"),
            ("/bin/x --http-port 8080", "`--http-port 8080`"),
            ("/bin/x --httpport 8080", "`--httpport 8080`"),
            ("/bin/x :8080", "`:8080`"),
            ("/bin/x 0.0.0.0:8080", "`0.0.0.0:8080`"),
            ("/bin/x --bind [::]:8080", "`--bind [::]:8080`"),
            ("/bin/x --web.listen-address=:8080", "`--web.listen-address=:8080`"),
            ("/bin/dockerd -H tcp://0.0.0.0:8080", "`-H tcp://0.0.0.0:8080`"),
            ("/bin/java -Dserver.port=8080 -jar x.jar", "`-Dserver.port=8080`"),
            ("/bin/sh -c 'exec x --port 8080'", "`--port 8080`"),
            ("/usr/bin/env PORT=8080 x", "`PORT=8080`"),
            ("/usr/bin/python3 -m http.server 8080", "`http.server 8080`"),
            ("/usr/bin/docker run --rm -p 8080:80 web", "`-p 8080:80`"),
            ("/usr/bin/podman run -p 127.0.0.1:8080:80/tcp web", "`-p 127.0.0.1:8080:80/tcp`"),
        ];
        for (command, words) in table {
            assert_eq!(by_command(command, 8080).as_deref(), Some(words), "{command}");
        }
    }

    #[test]
    fn numbers_that_are_no_port_or_another_programs() {
        let table = [
            "/bin/x --port 18080",
            "/bin/x --port 80800",
            "/bin/x --port=8081",
            "/bin/x 8080",
            "/bin/sleep 8080",
            "/bin/x --timeout 8080",
            "/bin/x --workers=8080",
            "/bin/x --db-port 8080",
            "/bin/x --redis-port=8080",
            "/bin/x --upstream 127.0.0.1:8080",
            "/bin/x --upstream-address=127.0.0.1:8080",
            "/bin/x --api-url http://example.org:8080",
            "/bin/x db.example.org:8080",
            "/bin/x --listen 8080x",
            "/lib/systemd/systemd-socket-proxyd 127.0.0.1:8080",
            "/usr/bin/ssh -N -L 127.0.0.1:8080 host",
            "/usr/bin/docker run -p 80:8080 web",
            "/usr/bin/docker run -p 8080 web",
            "/opt/8080/x",
            "/bin/x /srv/8080:8080x",
        ];
        for command in table {
            assert_eq!(by_command(command, 8080), None, "{command}");
        }
        assert_eq!(by_command("/bin/x --port 8080", 80), None, "80 is not 8080");
    }

    #[test]
    fn variables_openings_and_names() {
        let with = |name: &str, value: &str| {
            let mut unit = unit("x.service");
            unit.environment = vec![(name.to_owned(), value.to_owned())];
            claimed(&unit, 8080, None).is_some()
        };
        assert!(with("PORT", "8080") && with("HTTP_PORT", "8080"));
        assert!(with("LISTEN_ADDR", "0.0.0.0:8080"));
        assert!(!with("PORT", "80") && !with("DB_PORT", "8080") && !with("LIMIT", "8080"));
        assert!(!with("REPORT", "8080") && !with("HOST", "8080"));

        let mut socket = unit("x.socket");
        let at = |transport| Opening {
            transport,
            address: "::".parse().unwrap(),
            port: Port::new(8080).unwrap(),
        };
        socket.opens = vec![at(Transport::Udp)];
        assert_eq!(claimed(&socket, 8080, None), None, "the other transport");
        socket.opens.push(at(Transport::Tcp));
        assert_eq!(claimed(&socket, 8080, None).unwrap().words(), "`ListenStream=[::]:8080`");

        let named = |name: &str, program: &str, service| {
            let mut unit = unit(name);
            unit.words = vec![program.to_owned()];
            claimed(&unit, 1, Some(service))
        };
        let own = |service: &str| Some(Claim::Serves(service.to_owned()));
        assert_eq!(named("postgresql@15-main.service", "/bin/x", "postgresql"), own("postgresql"));
        assert_eq!(named("db.service", "/usr/lib/bin/postgres", "postgresql"), own("postgresql"));
        assert_eq!(named("ssh.service", "/usr/sbin/sshd", "ssh"), own("ssh"));
        assert_eq!(named("x.service", "/usr/bin/ssh-agent", "ssh"), None);
        assert_eq!(named("postgresql-exporter.service", "/bin/x", "postgresql"), None);
        let may = Some(Claim::MayServe("http".into()));
        assert_eq!(named("web.service", "/usr/sbin/nginx", "http"), may);
        assert!(own("http") < may);
    }
}
