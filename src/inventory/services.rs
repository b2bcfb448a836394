//! The services that port numbers are registered for: `/etc/services`, then a small table of the registry of
//! IANA (RFC 6335) for hosts that have no such file.

use crate::model::{Endpoint, Port, Transport};
use std::collections::HashMap;
use std::fs;

/// Well-known services of the registry, for a host without `/etc/services`.
const BUILT_IN: &[(&str, u16, &[Transport])] = {
    use Transport::{Tcp, Udp};
    const T: &[Transport] = &[Tcp];
    const U: &[Transport] = &[Udp];
    const TU: &[Transport] = &[Tcp, Udp];
    &[
        ("ftp", 21, T),
        ("ssh", 22, T),
        ("telnet", 23, T),
        ("smtp", 25, T),
        ("domain", 53, TU),
        ("bootps", 67, U),
        ("bootpc", 68, U),
        ("tftp", 69, U),
        ("http", 80, T),
        ("kerberos", 88, TU),
        ("pop3", 110, T),
        ("sunrpc", 111, TU),
        ("ntp", 123, U),
        ("netbios-ns", 137, U),
        ("imap", 143, T),
        ("snmp", 161, U),
        ("snmptrap", 162, U),
        ("bgp", 179, T),
        ("ldap", 389, TU),
        ("https", 443, TU),
        ("microsoft-ds", 445, T),
        ("submissions", 465, T),
        ("isakmp", 500, U),
        ("syslog", 514, U),
        ("submission", 587, T),
        ("ipp", 631, TU),
        ("ldaps", 636, T),
        ("domain-s", 853, TU),
        ("rsync", 873, T),
        ("imaps", 993, T),
        ("pop3s", 995, T),
        ("mqtt", 1883, T),
        ("radius", 1812, U),
        ("nfs", 2049, TU),
        ("docker", 2375, T),
        ("docker-s", 2376, T),
        ("etcd-client", 2379, T),
        ("mysql", 3306, T),
        ("ms-wbt-server", 3389, TU),
        ("ipsec-nat-t", 4500, U),
        ("vxlan", 4789, U),
        ("mdns", 5353, U),
        ("llmnr", 5355, TU),
        ("postgresql", 5432, T),
        ("amqp", 5672, T),
        ("x11", 6000, T),
        ("redis", 6379, T),
        ("http-alt", 8080, T),
        ("secure-mqtt", 8883, T),
        ("memcache", 11211, TU),
        ("mongodb", 27017, T),
    ]
};

/// Service names in both directions.
#[derive(Debug, Default)]
pub struct Services {
    names: HashMap<Endpoint, String>,
    ports: HashMap<(String, Transport), Port>,
}

impl Services {
    /// Reads `/etc/services`; what it lacks comes from the built-in table.
    #[must_use]
    pub fn load() -> Self {
        let bytes = fs::read("/etc/services").unwrap_or_default();
        Self::parse(&String::from_utf8_lossy(&bytes))
    }

    fn parse(text: &str) -> Self {
        let mut services = Self::default();
        for line in text.lines() {
            let entry = line.split('#').next().unwrap_or_default();
            let mut words = entry.split_ascii_whitespace();
            let (Some(name), Some(endpoint)) = (words.next(), words.next().and_then(endpoint))
            else {
                continue;
            };
            services.add(endpoint, name, words);
        }
        for (name, number, transports) in BUILT_IN {
            for transport in *transports {
                if let Some(port) = Port::new(*number) {
                    services.add(
                        Endpoint { port, transport: *transport },
                        name,
                        std::iter::empty(),
                    );
                }
            }
        }
        services
    }

    fn add<'a>(
        &mut self,
        endpoint: Endpoint,
        name: &'a str,
        aliases: impl Iterator<Item = &'a str>,
    ) {
        self.names.entry(endpoint).or_insert_with(|| name.to_owned());
        for name in std::iter::once(name).chain(aliases) {
            let key = (name.to_ascii_lowercase(), endpoint.transport);
            self.ports.entry(key).or_insert(endpoint.port);
        }
    }

    /// The service that a port is registered for.
    #[must_use]
    pub fn name(&self, endpoint: Endpoint) -> Option<&str> {
        self.names.get(&endpoint).map(String::as_str)
    }

    /// The port of a service, by its name or an alias.
    #[must_use]
    pub fn port(&self, name: &str, transport: Transport) -> Option<Port> {
        self.ports.get(&(name.to_ascii_lowercase(), transport)).copied()
    }

    /// Every name that is known, in no order.
    pub fn all_names(&self) -> impl Iterator<Item = &str> {
        self.ports.keys().map(|(name, _)| name.as_str())
    }
}

/// `22/tcp`. Entries of other transports are none of ours.
fn endpoint(word: &str) -> Option<Endpoint> {
    let (port, transport) = word.split_once('/')?;
    let transport = match transport {
        "tcp" => Transport::Tcp,
        "udp" => Transport::Udp,
        _ => return None,
    };
    Some(Endpoint { port: Port::new(port.parse().ok()?)?, transport })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: u16, transport: Transport) -> Endpoint {
        Endpoint { port: Port::new(port).unwrap(), transport }
    }

    #[test]
    fn the_file_comes_first_and_the_table_fills_the_rest() {
        let services = Services::parse(
            "# comment\nwww-here 80/tcp http web # the site\nodd line\nbad 0/tcp\nsctpish 80/sctp\n",
        );
        assert_eq!(services.name(at(80, Transport::Tcp)), Some("www-here"));
        assert_eq!(services.name(at(22, Transport::Tcp)), Some("ssh"));
        assert_eq!(services.name(at(22, Transport::Udp)), None);
        assert_eq!(services.port("WEB", Transport::Tcp), Port::new(80));
        assert_eq!(services.port("http", Transport::Tcp), Port::new(80));
        assert_eq!(services.port("ssh", Transport::Udp), None);
    }
}
