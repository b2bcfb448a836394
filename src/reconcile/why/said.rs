//! What the words of a rule ask for and do, where all of them are plain ones. Of any other rule nothing is said here: it
//! may ask for more.

use crate::model::{Backend, Endpoint, Family, Rule, Transport};

/// What a rule says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// The sources that it asks for, in its own words.
    pub(super) sources: Option<String>,
    /// The family of addresses that it asks for.
    pub(super) family: Option<Family>,
    /// The ports that it asks for, in its own words.
    ports: Option<String>,
    /// The transport that it asks for.
    transport: Option<Transport>,
    /// Whether it asks for an interface.
    pub(super) interface: bool,
    /// What it does: lets in, or stops.
    pub(super) lets_in: Option<bool>,
}

impl Said {
    /// What a rule says; `None` where a word of it is not plain.
    pub(super) fn of(rule: &Rule) -> Option<Self> {
        let words = words(rule.text.as_deref()?);
        let mut said = Self::default();
        let mut words = words.iter().map(String::as_str);
        let take = match rule.backend {
            Backend::Nftables => Self::take_nft,
            Backend::IptablesNft | Backend::IptablesLegacy => Self::take_iptables,
        };
        while let Some(word) = words.next() {
            take(&mut said, word, &mut words)?;
        }
        said.lets_in.is_some().then_some(said)
    }

    /// Whether it names a port, alone or among others.
    pub(super) fn names(&self, endpoint: Endpoint) -> bool {
        let port = endpoint.port.get();
        let is_in = |part: &str| match part.split_once(['-', ':']) {
            Some((low, high)) => match (low.parse::<u16>(), high.parse::<u16>()) {
                (Ok(low), Ok(high)) => (low..=high).contains(&port),
                _ => false,
            },
            None => part.parse() == Ok(port),
        };
        let parts = |ports: &String| {
            let bare = ports.trim_matches(['{', '}', ' ']);
            bare.split(',').any(|part| is_in(part.trim()))
        };
        self.ports.as_ref().is_some_and(parts)
            && self.transport.is_none_or(|transport| transport == endpoint.transport)
    }

    /// Whether it names this port and no other.
    pub(super) fn names_only(&self, endpoint: Endpoint) -> bool {
        self.names(endpoint)
            && self.transport.is_some()
            && self.ports.as_ref().is_some_and(|ports| ports.parse() == Ok(endpoint.port.get()))
    }

    /// Whether it asks for no more than ports and interfaces.
    pub(super) fn is_for_all_sources(&self) -> bool {
        self.sources.is_none()
    }

    fn take_nft<'a>(&mut self, word: &str, rest: &mut impl Iterator<Item = &'a str>) -> Option<()> {
        match word {
            "accept" => self.lets_in = Some(true),
            "drop" => self.lets_in = Some(false),
            "reject" => {
                self.lets_in = Some(false);
                rest.for_each(drop);
            }
            "counter" => {}
            "comment" => drop(rest.next()?),
            "iif" | "iifname" => {
                is_value(rest.next()?)?;
                self.interface = true;
            }
            "ip" | "ip6" => match rest.next()? {
                "saddr" => {
                    let family = if word == "ip" { Family::Ipv4 } else { Family::Ipv6 };
                    self.from(is_value(rest.next()?)?, Some(family))?;
                }
                "protocol" | "nexthdr" => self.over(rest.next()?)?,
                _ => return None,
            },
            "tcp" | "udp" => {
                (rest.next()? == "dport").then_some(())?;
                self.over(word)?;
                self.ports = Some(is_value(rest.next()?)?.to_owned());
            }
            "th" => {
                (rest.next()? == "dport").then_some(())?;
                self.ports = Some(is_value(rest.next()?)?.to_owned());
            }
            "meta" => match rest.next()? {
                "l4proto" => self.over(rest.next()?)?,
                _ => return None,
            },
            "ct" => {
                (rest.next()? == "state").then_some(())?;
                has_new(rest.next()?)?;
            }
            _ => return None,
        }
        Some(())
    }

    fn take_iptables<'a>(
        &mut self,
        word: &str,
        rest: &mut impl Iterator<Item = &'a str>,
    ) -> Option<()> {
        match word {
            "-s" => self.from(rest.next()?, None)?,
            "-i" => {
                rest.next()?;
                self.interface = true;
            }
            "-p" => self.over(rest.next()?)?,
            "-m" => {
                let plain = ["tcp", "udp", "comment", "conntrack", "state", "multiport"];
                plain.contains(&rest.next()?).then_some(())?;
            }
            "--comment" => drop(rest.next()?),
            "--dport" | "--dports" => self.ports = Some(rest.next()?.to_owned()),
            "--ctstate" | "--state" => has_new(rest.next()?)?,
            "-j" => {
                self.lets_in = Some(match rest.next()? {
                    "ACCEPT" => true,
                    "DROP" => false,
                    "REJECT" => {
                        rest.for_each(drop);
                        false
                    }
                    _ => return None,
                });
            }
            _ => return None,
        }
        Some(())
    }

    fn from(&mut self, sources: &str, family: Option<Family>) -> Option<()> {
        // Two such words are one more question than is understood.
        self.sources.is_none().then_some(())?;
        self.sources = Some(sources.trim_matches(['{', '}', ' ']).to_owned());
        let of_text = || if sources.contains(':') { Family::Ipv6 } else { Family::Ipv4 };
        self.family = Some(family.unwrap_or_else(of_text));
        Some(())
    }

    fn over(&mut self, transport: &str) -> Option<()> {
        self.transport = Some(match transport {
            "tcp" => Transport::Tcp,
            "udp" => Transport::Udp,
            _ => return None,
        });
        Some(())
    }
}

/// A value, and no comparison with one.
fn is_value(word: &str) -> Option<&str> {
    (!["!=", "<", ">", "<=", ">=", "&", "vmap"].contains(&word)).then_some(word)
}

/// Whether first packets are among these states.
fn has_new(states: &str) -> Option<()> {
    let mut states = states.split(|c: char| !c.is_ascii_alphabetic());
    states.any(|state| state.eq_ignore_ascii_case("new")).then_some(())
}

/// The words of a rule; what stands in quotes or in braces is one.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let (mut quoted, mut depth) = (false, 0_u32);
    for letter in text.chars() {
        match letter {
            '"' => quoted = !quoted,
            '{' if !quoted => depth += 1,
            '}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        if letter.is_whitespace() && !quoted && depth == 0 {
            if !word.is_empty() {
                words.push(std::mem::take(&mut word));
            }
        } else {
            word.push(letter);
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Chain, Port, RuleId, Table, TableFamily};

    fn rule(backend: Backend, text: &str) -> Rule {
        let table = Table { family: TableFamily::Inet, name: "f".into() };
        let id = RuleId { chain: Chain { table, name: "i".into() }, handle: Some(1) };
        Rule { id, text: Some(text.into()), backend }
    }

    fn told(backend: Backend, text: &str) -> String {
        let Some(said) = Said::of(&rule(backend, text)) else { return "unclear".into() };
        let endpoint = Endpoint { port: Port::new(8080).unwrap(), transport: Transport::Tcp };
        let port = match (said.names(endpoint), said.names_only(endpoint)) {
            (_, true) => "only",
            (true, _) => "among",
            _ => "-",
        };
        let does = if said.lets_in == Some(true) { "accept" } else { "stop" };
        format!("{port} {does} {}", said.sources.unwrap_or("all".into()))
    }

    #[test]
    fn plain_rules_are_understood_and_others_are_not() {
        for (text, expected) in [
            ("tcp dport 8080 drop", "only stop all"),
            ("tcp dport 8080 counter drop comment \"a # b\"", "only stop all"),
            (
                "iifname \"eth 0\" tcp dport 8080 reject with icmpx admin-prohibited",
                "only stop all",
            ),
            ("tcp dport { 22, 8000-8090 } drop", "among stop all"),
            ("udp dport 8080 drop", "- stop all"),
            ("meta l4proto tcp th dport 8080 drop", "only stop all"),
            ("th dport 8080 drop", "among stop all"),
            ("counter drop", "- stop all"),
            ("ip saddr 10.0.0.0/8 tcp dport 8080 accept", "only accept 10.0.0.0/8"),
            (
                "ip saddr { 10.0.0.1, 10.0.0.2 } tcp dport 8080 accept",
                "only accept 10.0.0.1, 10.0.0.2",
            ),
            ("ip saddr @admins tcp dport 8080 ct state new accept", "only accept @admins"),
            ("ip saddr != 10.0.0.0/8 tcp dport 8080 drop", "unclear"),
            ("tcp dport != 8080 drop", "unclear"),
            ("ct state established accept", "unclear"),
            ("tcp dport 8080 limit rate 3/second accept", "unclear"),
            ("ip daddr 10.0.0.1 tcp dport 8080 drop", "unclear"),
            ("ip saddr 10.0.0.1 ip saddr 10.0.0.2 tcp dport 8080 accept", "unclear"),
            ("tcp dport 8080 jump more", "unclear"),
            ("tcp dport 8080", "unclear"),
        ] {
            assert_eq!(told(Backend::Nftables, text), expected, "{text}");
        }
        for (text, expected) in [
            ("-p tcp -m tcp --dport 8080 -j DROP", "only stop all"),
            ("-p tcp -m multiport --dports 22,8080 -j REJECT --reject-with x", "among stop all"),
            ("-s 10.0.0.0/8 -p tcp -m tcp --dport 8080 -j ACCEPT", "only accept 10.0.0.0/8"),
            (
                "-s 10.0.0.1/32 -p tcp -m conntrack --ctstate NEW -m tcp --dport 8080 -j ACCEPT",
                "only accept 10.0.0.1/32",
            ),
            ("! -s 10.0.0.0/8 -p tcp -m tcp --dport 8080 -j DROP", "unclear"),
            ("-p tcp -m tcp ! --dport 8080 -j DROP", "unclear"),
            ("-p tcp -m tcp --dport 8080 -m limit --limit 3/sec -j ACCEPT", "unclear"),
            ("-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", "unclear"),
            ("-j ufw-user-input", "unclear"),
        ] {
            assert_eq!(told(Backend::IptablesNft, text), expected, "{text}");
        }
    }
}
