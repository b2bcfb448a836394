//! The services that port numbers are registered for: `/etc/services`, then a small table of the registry of
//! IANA (RFC 6335) for hosts that have no such file.

use crate::model::{Endpoint, Port, Transport};
use std::fs;
use std::iter;

/// Well-known services of the registry, for a host without `/etc/services`, and in its form.
const BUILT_IN: &str = "\
ftp 21/tcp
ssh 22/tcp
telnet 23/tcp
smtp 25/tcp
domain 53/tcp
domain 53/udp
bootps 67/udp
bootpc 68/udp
tftp 69/udp
http 80/tcp
kerberos 88/tcp
kerberos 88/udp
pop3 110/tcp
sunrpc 111/tcp
sunrpc 111/udp
ntp 123/udp
netbios-ns 137/udp
imap 143/tcp
snmp 161/udp
snmptrap 162/udp
bgp 179/tcp
ldap 389/tcp
ldap 389/udp
https 443/tcp
https 443/udp
microsoft-ds 445/tcp
submissions 465/tcp
isakmp 500/udp
syslog 514/udp
submission 587/tcp
ipp 631/tcp
ipp 631/udp
ldaps 636/tcp
domain-s 853/tcp
domain-s 853/udp
rsync 873/tcp
imaps 993/tcp
pop3s 995/tcp
mqtt 1883/tcp
radius 1812/udp
nfs 2049/tcp
nfs 2049/udp
docker 2375/tcp
docker-s 2376/tcp
etcd-client 2379/tcp
mysql 3306/tcp
ms-wbt-server 3389/tcp
ms-wbt-server 3389/udp
ipsec-nat-t 4500/udp
vxlan 4789/udp
mdns 5353/udp
llmnr 5355/tcp
llmnr 5355/udp
postgresql 5432/tcp
amqp 5672/tcp
x11 6000/tcp
redis 6379/tcp
http-alt 8080/tcp
secure-mqtt 8883/tcp
memcache 11211/tcp
memcache 11211/udp
mongodb 27017/tcp
";

/// Service names in both directions.
#[derive(Debug, Default)]
pub struct Services {
    /// `/etc/services`, then the built-in table: where a name or a port is in both, the file counts.
    text: String,
    /// The name of each port, in the order of the ports.
    names: Vec<(Endpoint, String)>,
}

impl Services {
    /// Reads `/etc/services`; what it lacks comes from the built-in table.
    #[must_use]
    pub fn load() -> Self {
        let bytes = fs::read("/etc/services").unwrap_or_default();
        Self::parse(&String::from_utf8_lossy(&bytes))
    }

    fn parse(file: &str) -> Self {
        let text = format!("{file}\n{BUILT_IN}");
        let mut names: Vec<_> = entries(&text)
            .filter_map(|(endpoint, mut names)| Some((endpoint, names.next()?.to_owned())))
            .collect();
        // A stable sort: of several names for a port the first stays first.
        names.sort_by_key(|(endpoint, _)| *endpoint);
        names.dedup_by_key(|(endpoint, _)| *endpoint);
        Self { text, names }
    }

    /// The service that a port is registered for.
    #[must_use]
    pub fn name(&self, endpoint: Endpoint) -> Option<&str> {
        let at = self.names.binary_search_by_key(&endpoint, |(endpoint, _)| *endpoint).ok()?;
        self.names.get(at).map(|(_, name)| name.as_str())
    }

    /// The port of a service, by its name or an alias.
    #[must_use]
    pub fn port(&self, name: &str, transport: Transport) -> Option<Port> {
        let is_it = |known: &str| known.eq_ignore_ascii_case(name);
        entries(&self.text)
            .filter(|(endpoint, _)| endpoint.transport == transport)
            .find_map(|(endpoint, mut names)| names.any(is_it).then_some(endpoint.port))
    }

    /// Every name that is known, in no order.
    pub fn all_names(&self) -> impl Iterator<Item = &str> {
        entries(&self.text).flat_map(|(_, names)| names)
    }
}

/// The lines that say something: each port, with its name and then its aliases.
fn entries(text: &str) -> impl Iterator<Item = (Endpoint, impl Iterator<Item = &str>)> {
    text.lines().filter_map(|line| {
        let mut words = line.split('#').next().unwrap_or_default().split_ascii_whitespace();
        let (name, endpoint) = (words.next()?, endpoint(words.next()?)?);
        Some((endpoint, iter::once(name).chain(words)))
    })
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
