//! Ports as people write them.

use super::hint;
use crate::inventory::Services;
use crate::model::{Endpoint, Port, PortSet, Transport};
use anyhow::{Result, anyhow, bail};
use std::collections::BTreeMap;

const EACH: [Transport; 3] = [Transport::Tcp, Transport::Udp, Transport::Sctp];

/// Ports for each transport.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ports(BTreeMap<Transport, PortSet>);

impl Ports {
    /// The ports of a list of words such as `80,443`, `8000-8100`, `:8080`, `53/udp`, `udp:53` and `ssh`. A port
    /// without a transport is that port of each.
    pub(super) fn parse(words: &[String], services: &Services) -> Result<Self> {
        let mut ports = Self::default();
        for word in words.iter().flat_map(|words| words.split(',')).map(str::trim) {
            ports.add(word, services)?;
        }
        Ok(ports)
    }

    fn add(&mut self, word: &str, services: &Services) -> Result<()> {
        let (text, transports) = split_transport(word)?;
        let text = text.strip_prefix(':').unwrap_or(text);
        if !number_like(text) {
            return self.add_service(word, text, transports, services);
        }
        let (low, high) = text.split_once('-').unwrap_or((text, text));
        let (low, high) = (number(word, low)?, number(word, high)?);
        if low > high {
            bail!("{word:?}: the range ends before it begins; write {high}-{low}");
        }
        for transport in transports {
            let set = self.0.entry(*transport).or_default();
            set.extend((low.get()..=high.get()).filter_map(Port::new));
        }
        Ok(())
    }

    fn add_service(
        &mut self,
        word: &str,
        name: &str,
        transports: &[Transport],
        services: &Services,
    ) -> Result<()> {
        let mut known = false;
        for transport in transports {
            if let Some(port) = services.port(name, *transport) {
                self.0.entry(*transport).or_default().insert(port);
                known = true;
            }
        }
        if known {
            return Ok(());
        }
        let near = hint::did_you_mean(name, services.all_names());
        bail!(
            "{word:?} is no port: ports are 1 to 65535, ranges like 8000-8100, or service names{near}"
        );
    }

    /// The ports of a transport.
    pub(super) fn of(&self, transport: Transport) -> PortSet {
        self.0.get(&transport).cloned().unwrap_or_default()
    }

    /// Whether a port is among them.
    pub(super) fn contains(&self, endpoint: Endpoint) -> bool {
        self.0.get(&endpoint.transport).is_some_and(|set| set.contains(endpoint.port))
    }

    /// Every one of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = Endpoint> {
        self.0.iter().flat_map(|(transport, set)| {
            set.iter().map(|port| Endpoint { port, transport: *transport })
        })
    }

    /// How many port numbers they have, whatever the transport.
    pub(super) fn numbers(&self) -> u32 {
        let mut numbers = PortSet::new();
        self.0.values().for_each(|set| numbers.extend(set.iter()));
        numbers.len()
    }
}

/// Whether a word is meant as ports, and not as the name of a service or a process: a number, a range, or one
/// with a transport.
pub(super) fn looks_like_ports(word: &str) -> bool {
    word.starts_with(':')
        || number_like(word)
        || split_transport(word).is_ok_and(|(_, all)| all.len() == 1)
}

fn number_like(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_digit() || c == '-' || c == ',')
}

/// `53/udp` and `udp:53` as the text of the port and its transports.
fn split_transport(word: &str) -> Result<(&str, &[Transport])> {
    let (text, name) = match (word.split_once('/'), word.split_once(':')) {
        (Some((text, name)), _) => (text, name),
        (None, Some((name, text))) if !name.is_empty() => (text, name),
        (None, _) => return Ok((word, &EACH)),
    };
    match name {
        "tcp" => Ok((text, &EACH[..1])),
        "udp" => Ok((text, &EACH[1..2])),
        "sctp" => Ok((text, &EACH[2..])),
        _ => Err(anyhow!("{word:?}: the transport {name:?} is none of tcp, udp, sctp")),
    }
}

fn number(word: &str, digits: &str) -> Result<Port> {
    let port = digits.parse().ok().and_then(Port::new);
    let what = if word == digits { String::new() } else { format!(" in {word:?}") };
    port.ok_or_else(|| anyhow!("{digits:?}{what} is no port: ports are 1 to 65535"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Ports> {
        Ports::parse(&[text.to_owned()], &Services::load())
    }

    fn listed(text: &str) -> Vec<String> {
        parse(text).unwrap().iter().map(|endpoint| endpoint.to_string()).collect()
    }

    #[test]
    fn every_way_of_writing_a_port_is_read() {
        assert_eq!(listed("80/tcp,443/tcp"), ["80/tcp", "443/tcp"]);
        assert_eq!(listed("8000-8002/tcp"), ["8000/tcp", "8001/tcp", "8002/tcp"]);
        assert_eq!(listed(":8080"), ["8080/tcp", "8080/udp", "8080/sctp"]);
        assert_eq!(listed("udp:53"), ["53/udp"]);
        assert_eq!(listed("36412/sctp"), ["36412/sctp"]);
        assert_eq!(listed("ssh/tcp"), ["22/tcp"]);
        assert_eq!(parse("1-65535").unwrap().numbers(), Port::COUNT);
    }

    #[test]
    fn what_is_no_port_is_named_with_what_is() {
        let table = [
            ("0", "\"0\" is no port: ports are 1 to 65535"),
            ("70000", "\"70000\" is no port: ports are 1 to 65535"),
            ("10-5", "\"10-5\": the range ends before it begins; write 5-10"),
            ("1-70000", "\"70000\" in \"1-70000\" is no port: ports are 1 to 65535"),
            ("53/icmp", "\"53/icmp\": the transport \"icmp\" is none of tcp, udp, sctp"),
            ("", "\"\" is no port: ports are 1 to 65535, ranges like 8000-8100, or service names"),
        ];
        for (text, message) in table {
            assert_eq!(parse(text).unwrap_err().to_string(), message);
        }
        let message = parse("postgresq").unwrap_err().to_string();
        assert!(message.ends_with("did you mean \"postgresql\"?"), "{message}");
    }
}
