//! What `check` was asked for, checked before anything is done.

use super::args::{Check, Method, Proto};
use super::duration;
use super::expect;
use super::hint;
use super::ports::Ports;
use crate::inventory::Services;
use crate::model::{
    Endpoint, Expectation, Family, Gap, Hides, Need, PortSet, Transport, Vantage, Verdict,
};
use crate::outside::{self, Wanted};
use crate::probe::{self, Knock, Waits};
use crate::sys::LocalAddress;
use anyhow::{Context, Result, bail};
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::net::IpAddr;
use std::time::Duration;

/// Up to so many named ports get a row each.
const MOST_ROWS: u32 = 1024;

/// A checked request.
#[derive(Debug)]
pub(super) struct Request {
    transports: Vec<Transport>,
    ports: Option<Ports>,
    exclude: Ports,
    all_udp: bool,
    family: Option<Family>,
    /// The vantages to probe from.
    pub(super) vantages: Vec<Vantage>,
    /// The addresses that probes from the network come from, where they were named.
    sources: BTreeMap<Vantage, IpAddr>,
    /// Whether they were named, so that one without an address is a gap.
    pub(super) vantages_named: bool,
    /// A gap for each vantage that was named and that this version does not have.
    pub(super) gaps: Vec<Gap>,
    /// How TCP ports are knocked on.
    pub(super) knock: Knock,
    /// The verdicts that make the exit status 1.
    pub(super) fail_on: BTreeSet<Verdict>,
    /// What the report should say.
    pub(super) expectations: BTreeSet<Expectation>,
    /// Whether open ports are asked what they serve.
    pub(super) identify: bool,
    /// What is known better about waiting.
    pub(super) waits: Waits,
    /// How many probes may be sent in a second.
    pub(super) max_rate: Option<u32>,
}

fn timeout(text: &str) -> Result<Duration> {
    let (least, most) = (Duration::from_millis(1), Duration::from_mins(1));
    duration::parse(text, least, most).context("--timeout")
}

impl Request {
    pub(super) fn parse(args: &Check, services: &Services) -> Result<Self> {
        let mut request = Self {
            transports: match args.proto {
                Proto::Tcp => vec![Transport::Tcp],
                Proto::Udp => vec![Transport::Udp],
                Proto::All => vec![Transport::Tcp, Transport::Udp],
            },
            ports: (!args.ports.is_empty())
                .then(|| Ports::parse(&args.ports, services))
                .transpose()?,
            exclude: Ports::parse(&args.exclude, services)?,
            all_udp: args.all_udp,
            family: match (args.ipv4, args.ipv6) {
                (true, _) => Some(Family::Ipv4),
                (_, true) => Some(Family::Ipv6),
                _ => None,
            },
            vantages: Vec::new(),
            sources: BTreeMap::new(),
            vantages_named: !args.from.is_empty(),
            gaps: Vec::new(),
            knock: match args.method {
                Method::Auto => Knock::Auto,
                Method::Syn => Knock::Syn,
                Method::Connect => Knock::Connect,
            },
            fail_on: args
                .fail_on
                .iter()
                .map(|word| expect::verdict(word))
                .collect::<Result<_>>()?,
            expectations: expect::parse(&args.expect, services)?,
            identify: args.identify,
            waits: Waits {
                timeout: args.timeout.as_deref().map(timeout).transpose()?,
                retries: args.retries,
            },
            max_rate: args.max_rate,
        };
        request.must_ask_for_something()?;
        request.must_be_allowed()?;
        for word in &args.from {
            match vantage(word)? {
                Ok((vantage, source)) => {
                    request.vantages.push(vantage);
                    request.sources.extend(source.map(|source| (vantage, source)));
                }
                Err(gap) => request.gaps.push(gap),
            }
        }
        if args.from.is_empty() {
            request.vantages = vec![Vantage::Loopback, Vantage::Lan];
        }
        request.must_be_found_out()?;
        Ok(request)
    }

    /// Ports and transports that have nothing in common are a mistake of the command line.
    fn must_ask_for_something(&self) -> Result<()> {
        if self.all_udp && !self.transports.contains(&Transport::Udp) {
            bail!("--all-udp asks for UDP, and --proto tcp leaves it out");
        }
        if self.identify && !self.transports.contains(&Transport::Tcp) {
            bail!("--identify asks TCP ports, and --proto udp leaves them out");
        }
        let only_sctp = |ports: &Ports| ports.iter().all(|port| port.transport == Transport::Sctp);
        if self.ports.as_ref().is_some_and(only_sctp) {
            bail!("no probe speaks SCTP: portsight who shows who holds such a port");
        }
        let asked =
            |ports: &Ports| self.transports.iter().any(|proto| !ports.of(*proto).is_empty());
        if !self.all_udp && self.ports.as_ref().is_some_and(|ports| !asked(ports)) {
            let names: Vec<_> = self.transports.iter().map(|transport| transport.name()).collect();
            bail!("nothing to probe: none of the ports is one of {}", names.join(" or "));
        }
        let left = |proto: &Transport| {
            let asked = self.ports(*proto, &PortSet::full());
            asked.iter().any(|port| !self.excluded(*proto).contains(port))
        };
        if !self.transports.iter().any(left) {
            bail!("nothing to probe: --exclude leaves no port");
        }
        Ok(())
    }

    /// What is expected of a vantage or a transport that is left out can never be met.
    fn must_be_found_out(&mut self) -> Result<()> {
        for Expectation { vantage, endpoint, .. } in self.expectations.clone() {
            if !self.transports.contains(&endpoint.transport) {
                bail!("--expect asks for {endpoint}, and --proto leaves it out");
            }
            if self.excluded(endpoint.transport).contains(endpoint.port) {
                bail!("--expect asks for {endpoint}, and --exclude leaves it out");
            }
            if self.vantages_named && !self.vantages.contains(&vantage) {
                let name = vantage.name();
                bail!("--expect asks for the vantage {name}, and --from leaves it out");
            }
            if !self.vantages.contains(&vantage) {
                self.vantages.push(vantage);
            }
        }
        Ok(())
    }

    /// SYNs take a privilege, and who asks for them does not want connections.
    fn must_be_allowed(&self) -> Result<()> {
        let asked = self.knock == Knock::Syn && self.transports.contains(&Transport::Tcp);
        match asked.then(probe::unavailable).flatten() {
            Some(error) if error.kind() == ErrorKind::PermissionDenied => bail!(
                "--method syn needs CAP_NET_RAW: run it with sudo, or once: \
                 sudo setcap cap_net_raw+ep \"$(command -v portsight)\""
            ),
            Some(error) => bail!("--method syn: no raw socket can be had: {error}"),
            None => Ok(()),
        }
    }

    /// The vantages of the network to probe from.
    pub(super) fn network(&self) -> Vec<Wanted> {
        let network = self.vantages.iter().filter(|vantage| vantage.is_network());
        let wanted = network.map(|vantage| Wanted {
            vantage: *vantage,
            source: self.sources.get(vantage).copied(),
        });
        wanted.collect()
    }

    /// Whether a vantage of the network was named, so that it is a gap where it cannot be had.
    pub(super) fn names_the_network(&self) -> bool {
        let expects = |it: &Expectation| it.vantage.is_network();
        self.vantages_named || self.expectations.iter().any(expects)
    }

    /// Whether addresses of a family are probed.
    pub(super) fn wants(&self, family: Family) -> bool {
        self.family.is_none_or(|wanted| wanted == family)
    }

    /// The transports to probe.
    pub(super) fn transports(&self) -> &[Transport] {
        &self.transports
    }

    /// The ports of a transport that are asked for, where `bound` are those that a socket is bound to.
    pub(super) fn ports(&self, transport: Transport, bound: &PortSet) -> PortSet {
        let mut ports = match (&self.ports, transport) {
            (_, Transport::Udp) if self.all_udp => PortSet::full(),
            (Some(named), _) => named.of(transport),
            (None, Transport::Tcp) => PortSet::full(),
            (None, Transport::Udp | Transport::Sctp) => bound.clone(),
        };
        ports.extend(
            self.expected().filter(|it| it.transport == transport).map(|endpoint| endpoint.port),
        );
        ports
    }

    /// The ports of which something is expected.
    fn expected(&self) -> impl Iterator<Item = Endpoint> {
        self.expectations.iter().map(|expectation| expectation.endpoint)
    }

    /// The ports of a transport that no probe goes to.
    pub(super) fn excluded(&self, transport: Transport) -> PortSet {
        self.exclude.of(transport)
    }

    /// The ports that get a row in any case.
    pub(super) fn named(&self) -> BTreeSet<Endpoint> {
        let mut named: BTreeSet<Endpoint> = self.expected().collect();
        if let Some(ports) = self.ports.as_ref().filter(|ports| ports.numbers() <= MOST_ROWS) {
            let asked = |endpoint: &Endpoint| self.transports.contains(&endpoint.transport);
            named.extend(ports.iter().filter(asked));
        }
        named
    }
}

/// Reads a place on the network, `lan`, `lan=10.0.0.7`, `internet` or `10.0.0.7`, of a host with the addresses `local`.
/// `here` is what to say of a word for this host itself.
pub(super) fn place(word: &str, local: &[LocalAddress], here: &str) -> Result<Wanted> {
    let (vantage, source) = match word.parse::<IpAddr>() {
        Ok(source) => (outside::vantage_of(source, local), Some(source)),
        Err(_) => match vantage(word)? {
            Ok(found) => found,
            Err(gap) => bail!("--from {word}: {}", gap.reason),
        },
    };
    if !vantage.is_network() {
        bail!("--from {word}: {here}");
    }
    if let Some(why) = source.and_then(|source| outside::unusable(source, local)) {
        bail!("--from {word}: {why}");
    }
    Ok(Wanted { vantage, source })
}

/// The vantage of a word and the address that it names, or the gap that it leaves in this version.
fn vantage(word: &str) -> Result<Result<(Vantage, Option<IpAddr>), Gap>> {
    const NAMES: [&str; 4] = ["loopback", "self", "lan", "internet"];
    let (name, source) = match word.split_once('=') {
        Some((name @ ("lan" | "internet"), address)) => {
            let source = address.parse();
            (name, Some(source.with_context(|| format!("{word:?} names no address"))?))
        }
        _ => (word, None),
    };
    Ok(match name {
        "loopback" => Ok((Vantage::Loopback, None)),
        "self" => Ok((Vantage::Own, None)),
        "lan" => Ok((Vantage::Lan, source)),
        "internet" => Ok((Vantage::Internet, source)),
        _ if word.strip_prefix("ssh:").is_some_and(|host| !host.is_empty()) => Err(Gap {
            what: format!("the vantage {word}"),
            reason: "check probes from this host only; why --from asks other hosts".to_owned(),
            need: Some(Need::LaterVersion),
            hides: Hides::Views,
        }),
        _ => {
            let near = hint::did_you_mean(word, NAMES.into_iter());
            bail!("{word:?} is no vantage: vantages are {}, ssh:USER@HOST{near}", NAMES.join(", "));
        }
    })
}
