//! `--expect lan:3306=shielded`: what the report should say.

use super::hint;
use super::ports::Ports;
use crate::inventory::Services;
use crate::model::{Expectation, Transport, Vantage, Verdict};
use anyhow::{Result, bail};
use std::collections::BTreeSet;

/// The expectations of some words.
pub(super) fn parse(words: &[String], services: &Services) -> Result<BTreeSet<Expectation>> {
    let mut expectations = BTreeSet::new();
    for word in words {
        let Some((place, verdict)) = word.split_once('=') else {
            bail!("{word:?} expects nothing: write VANTAGE:PORT=VERDICT, as in lan:3306=shielded");
        };
        let Some((vantage, port)) = place.split_once(':') else {
            bail!("{word:?} names no port: write VANTAGE:PORT=VERDICT, as in lan:3306=shielded");
        };
        let (vantage, verdict) = (self::vantage(vantage)?, self::verdict(verdict)?);
        let ports = Ports::parse(&[port.to_owned()], services)?;
        // A port is one of TCP unless it says otherwise.
        let only = [Transport::Tcp, Transport::Udp];
        let named = only.into_iter().find(|transport| !ports.of(*transport).is_empty());
        for endpoint in ports.iter().filter(|endpoint| Some(endpoint.transport) == named) {
            expectations.insert(Expectation { vantage, endpoint, verdict });
        }
    }
    Ok(expectations)
}

/// The verdict of this name.
pub(super) fn verdict(word: &str) -> Result<Verdict> {
    let names = || Verdict::ALL.iter().map(|verdict| verdict.name());
    if let Some(verdict) = Verdict::ALL.into_iter().find(|verdict| verdict.name() == word) {
        return Ok(verdict);
    }
    let near = hint::did_you_mean(word, names());
    bail!("{word:?} is no verdict: verdicts are {}{near}", names().collect::<Vec<_>>().join(", "));
}

/// The vantage of this name.
fn vantage(word: &str) -> Result<Vantage> {
    let names = || Vantage::ALL.iter().map(|vantage| vantage.name());
    if let Some(vantage) = Vantage::ALL.into_iter().find(|vantage| vantage.name() == word) {
        return Ok(vantage);
    }
    let near = hint::did_you_mean(word, names());
    bail!("{word:?} is no vantage: vantages are {}{near}", names().collect::<Vec<_>>().join(", "));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(word: &str) -> Result<Vec<String>, String> {
        let parsed = parse(&[word.to_owned()], &Services::default());
        let one =
            |it: &Expectation| format!("{} {} {}", it.vantage.name(), it.endpoint, it.verdict);
        parsed.map(|all| all.iter().map(one).collect()).map_err(|error| error.to_string())
    }

    #[test]
    fn an_expectation_names_vantage_port_and_verdict() {
        assert_eq!(told("lan:3306=shielded"), Ok(vec!["lan 3306/tcp shielded".into()]));
        assert_eq!(told("self:53/udp=reachable"), Ok(vec!["self 53/udp reachable".into()]));
        assert_eq!(told("loopback:udp:53=closed"), Ok(vec!["loopback 53/udp closed".into()]));
        assert_eq!(told("internet:1-2=closed").unwrap().len(), 2);
        for (word, words) in [
            ("lan:3306", "write VANTAGE:PORT=VERDICT"),
            ("3306=closed", "names no port"),
            ("lann:3306=closed", "did you mean \"lan\"?"),
            ("lan:3306=open", "is no verdict"),
            ("lan:0=closed", "65535"),
        ] {
            assert!(told(word).unwrap_err().contains(words), "{word}: {:?}", told(word));
        }
    }
}
