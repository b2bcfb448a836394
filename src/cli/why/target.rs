//! What to connect to, as people write it.

use crate::inventory::Services;
use crate::model::{Asked, Port, Transport};
use anyhow::{Result, anyhow, bail};
use std::net::{IpAddr, SocketAddr};

/// The ports of schemes that no registry of services has by that name.
const SCHEMES: [(&str, u16); 9] = [
    ("ws", 80),
    ("wss", 443),
    ("postgres", 5432),
    ("redis", 6379),
    ("rediss", 6379),
    ("mysql", 3306),
    ("mongodb", 27_017),
    ("amqp", 5672),
    ("mqtt", 1883),
];

/// What to connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// A port of a host.
    Port(Asked),
    /// The path of a Unix socket.
    Path(String),
}

impl Target {
    /// Reads `localhost:3000`, `3000`, `:3000`, `[::1]:22`, `53/udp`, `ssh`, `https://host/`, `/run/x.sock`.
    pub(super) fn parse(text: &str, udp: bool, services: &Services) -> Result<Self> {
        let path = ["unix://", "unix:"].into_iter().find_map(|prefix| text.strip_prefix(prefix));
        if let Some(path) = path.or_else(|| text.starts_with(['/', '.']).then_some(text)) {
            if path.is_empty() {
                bail!("{text:?} names no path");
            }
            return Ok(Self::Path(path.to_owned()));
        }
        let (place, transport) = match text.rsplit_once('/') {
            Some((place, "udp")) => (place, Transport::Udp),
            Some((place, "tcp")) if udp => {
                bail!("{text:?} is TCP, and --udp asks for UDP in {place:?}")
            }
            Some((place, "tcp")) => (place, Transport::Tcp),
            _ if udp => (text, Transport::Udp),
            _ => (text, Transport::Tcp),
        };
        let (scheme, host, port) = if let Some((scheme, rest)) = place.split_once("://") {
            let (host, port) = of_url(text, rest)?;
            let scheme = scheme.to_ascii_lowercase();
            let port = port.map(|port| number(text, port, transport, services)).transpose()?;
            let port = port.or_else(|| default_port(&scheme, transport, services));
            let port = port.ok_or_else(|| {
                anyhow!("{text:?} names no port, and {scheme:?} has none that is known")
            })?;
            (Some(scheme), host, port)
        } else {
            let (host, port) = of_words(text, place)?;
            (None, host, number(text, port, transport, services)?)
        };
        let host = checked_host(text, host)?;
        Ok(Self::Port(Asked { text: text.to_owned(), host, port, transport, scheme }))
    }
}

/// Host and port of a URL behind its scheme.
fn of_url<'a>(text: &str, rest: &'a str) -> Result<(&'a str, Option<&'a str>)> {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let authority = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
    let found = match authority.strip_prefix('[') {
        Some(inner) => match inner.split_once(']') {
            Some((host, "" | ":")) => (host, None),
            Some((host, port)) => match port.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None => bail!("{text:?} is no URL: behind ] comes : and the port"),
            },
            None => bail!("{text:?} is no URL: the [ has no ]"),
        },
        None => match authority.rsplit_once(':') {
            Some((host, "")) => (host, None),
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    if found.0.is_empty() {
        bail!("{text:?} is no URL: it names no host");
    }
    Ok(found)
}

/// Host and port of `host:port`, `port` or `:port`.
fn of_words<'a>(text: &str, place: &'a str) -> Result<(&'a str, &'a str)> {
    if let Some(inner) = place.strip_prefix('[') {
        let Some((host, port)) = inner.split_once("]:") else {
            bail!("{text:?} names no port: write [::1]:3000");
        };
        return Ok((host, port));
    }
    match place.rsplit_once(':') {
        Some((host, _)) if host.contains(':') => {
            let whole = if place.parse::<IpAddr>().is_ok() { place } else { host };
            bail!("{text:?}: an IPv6 address stands in brackets, as in [{whole}]:3000")
        }
        Some(("", port)) => Ok(("localhost", port)),
        Some((host, port)) => Ok((host, port)),
        None if place.parse::<IpAddr>().is_ok() => {
            bail!("{text:?} names no port: write {place}:3000")
        }
        None => Ok(("localhost", place)),
    }
}

fn default_port(scheme: &str, transport: Transport, services: &Services) -> Option<Port> {
    let listed = SCHEMES.iter().find(|(name, _)| *name == scheme);
    let listed = listed.and_then(|(_, port)| Port::new(*port));
    services.port(scheme, transport).or(listed)
}

/// A number, or the name of a service.
fn number(text: &str, port: &str, transport: Transport, services: &Services) -> Result<Port> {
    if !port.is_empty() && port.chars().all(|c| c.is_ascii_digit()) {
        let found = port.parse().ok().and_then(Port::new);
        let within = if text == port { String::new() } else { format!(" in {text:?}") };
        return found.ok_or_else(|| anyhow!("{port:?}{within} is no port: ports are 1 to 65535"));
    }
    services.port(port, transport).ok_or_else(|| {
        anyhow!(
            "{text:?} names no port: write HOST:PORT, PORT, a URL, or the path of a Unix socket"
        )
    })
}

/// A host that can stand in a command without quotes.
fn checked_host(text: &str, host: &str) -> Result<String> {
    let is_plain = |c: char| c.is_alphanumeric() || "-_.:%".contains(c);
    if host.is_empty() || host.starts_with('-') || !host.chars().all(is_plain) {
        bail!("{text:?}: {host:?} is no name of a host");
    }
    Ok(host.to_owned())
}

/// Where a server binds: `[ADDRESS:]PORT`. Without an address, both wildcards.
pub(super) fn places(
    text: &str,
    services: &Services,
    transport: Transport,
) -> Result<(Vec<SocketAddr>, Port)> {
    if let Ok(at) = text.parse::<SocketAddr>() {
        let port = Port::new(at.port());
        let port =
            port.ok_or_else(|| anyhow!("\"0\" in {text:?} is no port: ports are 1 to 65535"))?;
        return Ok((vec![at], port));
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, port),
        None => ("", text),
    };
    let port = number(text, port, transport, services)?;
    let at = |address: IpAddr| SocketAddr::new(address, port.get());
    let addresses = match host {
        "" => vec![at([0, 0, 0, 0].into()), at([0; 16].into())],
        "*" => vec![at([0, 0, 0, 0].into())],
        "localhost" => vec![at([127, 0, 0, 1].into())],
        _ => bail!("{text:?}: {host:?} is no address: write 8080, 127.0.0.1:8080 or [::1]:8080"),
    };
    Ok((addresses, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        match Target::parse(text, false, &Services::load()) {
            Ok(Target::Path(path)) => format!("path {path}"),
            Ok(Target::Port(Asked { host, port, transport, scheme, .. })) => {
                format!("{} {host} {port}/{transport}", scheme.unwrap_or("-".into()))
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn every_way_of_naming_a_target_is_read() {
        let table = [
            ("3000", "- localhost 3000/tcp"),
            (":3000", "- localhost 3000/tcp"),
            ("ssh", "- localhost 22/tcp"),
            ("53/udp", "- localhost 53/udp"),
            ("localhost:3000", "- localhost 3000/tcp"),
            ("db.local:postgresql", "- db.local 5432/tcp"),
            ("10.0.0.1:80", "- 10.0.0.1 80/tcp"),
            ("[::1]:22", "- ::1 22/tcp"),
            ("[fe80::1%eth0]:22", "- fe80::1%eth0 22/tcp"),
            ("http://localhost", "http localhost 80/tcp"),
            ("HTTPS://me:secret@example.org/a:1?b", "https example.org 443/tcp"),
            ("http://[::1]:8080/x", "http ::1 8080/tcp"),
            ("redis://cache", "redis cache 6379/tcp"),
            ("/run/x.sock", "path /run/x.sock"),
            ("./x.sock", "path ./x.sock"),
            ("unix:/run/x.sock", "path /run/x.sock"),
            ("unix:///run/x.sock", "path /run/x.sock"),
        ];
        for (text, expected) in table {
            assert_eq!(told(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_target_is_said_in_one_line() {
        let table = [
            ("localhost", "names no port: write HOST:PORT"),
            ("10.0.0.1", "names no port: write 10.0.0.1:3000"),
            ("0", "\"0\" is no port: ports are 1 to 65535"),
            ("localhost:0", "\"0\" in \"localhost:0\" is no port"),
            ("localhost:70000", "is no port: ports are 1 to 65535"),
            ("localhost:", "names no port"),
            ("::1:3000", "stands in brackets, as in [::1:3000]:3000"),
            ("::1", "stands in brackets, as in [::1]:3000"),
            ("[::1]", "names no port: write [::1]:3000"),
            ("http://", "it names no host"),
            ("http://:80", "it names no host"),
            ("http://[::1", "the [ has no ]"),
            ("foo://host", "\"foo\" has none that is known"),
            ("a b:80", "\"a b\" is no name of a host"),
            ("$(id):80", "is no name of a host"),
            ("", "names no port"),
            ("unix:", "names no path"),
        ];
        for (text, words) in table {
            let told = told(text);
            assert!(told.contains(words) && !told.contains('\n'), "{text}: {told}");
        }
    }

    #[test]
    fn a_place_to_bind_has_an_address_or_all() {
        let told = |text: &str| match places(text, &Services::load(), Transport::Tcp) {
            Ok((places, _)) => places.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
            Err(error) => error.to_string(),
        };
        assert_eq!(told("80"), "0.0.0.0:80 [::]:80");
        assert_eq!(told(":80"), "0.0.0.0:80 [::]:80");
        assert_eq!(told("ssh"), "0.0.0.0:22 [::]:22");
        assert_eq!(told("[::1]:80"), "[::1]:80");
        assert_eq!(told("localhost:80"), "127.0.0.1:80");
        for text in ["0", "127.0.0.1:0", "host:80", "::1:80", "80x"] {
            assert!(told(text).contains("is no") || told(text).contains("names no"), "{text}");
        }
    }
}
