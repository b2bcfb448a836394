//! What `why` tells: what a client sees, the reason, and what it rests on.

use super::check::IcmpItem;
use super::envelope::Document;
use crate::model::{About, Code, Diagnosis, Evidence, Tried, Why};
use schemars::JsonSchema;
use serde::Serialize;
use std::net::IpAddr;

/// What the document of `why` has besides the envelope.
#[derive(Debug, Serialize, JsonSchema)]
pub struct WhyBody<'a> {
    /// As it was written.
    target: &'a str,
    /// From which place on the network or which other machine, as it was written (`lan`, `10.0.0.7`, `ssh:me@web1`);
    /// null from this host.
    from: Option<&'a str>,
    /// Whether it works, as far as a client can tell.
    works: bool,
    /// In the order in which a client tries; empty for a bind and for a path.
    attempts: Vec<AttemptItem<'a>>,
    /// The reason; null when all is well, and when nothing that is known explains it.
    diagnosis: Option<DiagnosisItem<'a>>,
    evidence: Vec<EvidenceItem<'a>>,
    /// What else was looked at.
    also_checked: &'a [String],
}

/// The document of `why`.
#[must_use]
pub fn why<'a>(about: &'a About, why: &'a Why) -> Document<'a, WhyBody<'a>> {
    let body = WhyBody {
        target: &why.target,
        from: why.from.as_deref(),
        works: why.works,
        attempts: why.attempts.iter().map(AttemptItem::from).collect(),
        diagnosis: why.diagnosis.as_ref().map(DiagnosisItem::from),
        evidence: why.evidence.iter().map(EvidenceItem::from).collect(),
        also_checked: &why.also_checked,
    };
    Document::new("portsight/why", about, &why.gaps, body)
}

/// One attempt to connect to one address.
#[derive(Debug, Serialize, JsonSchema)]
struct AttemptItem<'a> {
    address: IpAddr,
    port: u16,
    #[schemars(extend("enum" = ["ipv4", "ipv6"]))]
    family: &'static str,
    #[schemars(extend("enum" = ["connected", "refused", "timed-out", "unreachable", "denied", "failed"]))]
    outcome: &'static str,
    /// The system error that a client sees, as `ECONNREFUSED`.
    errno: Option<&'a str>,
    icmp: Option<IcmpItem>,
    /// Whether an ICMP error would have been seen: the tools of another machine's shell tell the system error only.
    icmp_known: bool,
    elapsed_us: u64,
    /// What of this host is at the port, in words.
    socket: &'a str,
}

/// The reason, and how sure it is.
#[derive(Debug, Serialize, JsonSchema)]
struct DiagnosisItem<'a> {
    /// `portsight why --explain CODE` tells all of it.
    #[schemars(extend("pattern" = "^[A-Z][0-9]{2}$"))]
    code: String,
    slug: &'static str,
    #[schemars(extend("enum" = ["proved", "likely", "possible"]))]
    certainty: &'static str,
    text: &'a str,
    /// What to do: commands, or an address to use; the best one first.
    next: &'a [String],
}

#[derive(Debug, Serialize, JsonSchema)]
struct EvidenceItem<'a> {
    what: &'a str,
    text: &'a str,
}

impl<'a> From<&'a Tried> for AttemptItem<'a> {
    fn from(Tried { attempt, socket }: &'a Tried) -> Self {
        Self {
            address: attempt.to.ip(),
            port: attempt.to.port(),
            family: attempt.family().name(),
            outcome: attempt.outcome.name(),
            errno: attempt.errno.as_ref().map(|errno| errno.name.as_str()),
            icmp: attempt.icmp.as_ref().map(IcmpItem::from),
            icmp_known: attempt.sees_icmp,
            elapsed_us: u64::try_from(attempt.elapsed.as_micros()).unwrap_or(u64::MAX),
            socket,
        }
    }
}

impl<'a> From<&'a Diagnosis> for DiagnosisItem<'a> {
    fn from(diagnosis: &'a Diagnosis) -> Self {
        let Diagnosis { code, certainty, text, next } = diagnosis;
        Self {
            code: Code::to_string(code),
            slug: code.entry().slug,
            certainty: certainty.name(),
            text,
            next,
        }
    }
}

impl<'a> From<&'a Evidence> for EvidenceItem<'a> {
    fn from(Evidence { what, text }: &'a Evidence) -> Self {
        Self { what, text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::samples;
    use serde_json::{Value, json};

    #[test]
    fn it_is_what_the_contract_says() {
        let about = samples::about();
        let mut report = samples::why();
        let written = |report: &Why| serde_json::to_value(why(&about, report)).unwrap();
        let document = written(&report);
        assert_eq!(
            document["attempts"][0],
            json!({"address": "127.0.0.1", "port": 3000, "family": "ipv4", "outcome": "refused",
                "errno": "ECONNREFUSED", "icmp": null, "icmp_known": true, "elapsed_us": 104,
                "socket": "no listener for 127.0.0.1:3000"})
        );
        assert_eq!(
            document["diagnosis"],
            json!({"code": "R05", "slug": "ipv6-only-listener", "certainty": "proved",
                "text": "the server listens on IPv6 only (node 42), and the client used IPv4",
                "next": ["use [::1]:3000"]})
        );
        assert_eq!(document["evidence"][0]["what"], "listener");
        let schema = crate::document::schema(crate::document::Kind::Why);
        let validator = jsonschema::validator_for(schema.as_value()).unwrap();
        let errors = |document: &Value| {
            validator.iter_errors(document).map(|error| error.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(errors(&document), [""; 0]);
        report.diagnosis = None;
        assert_eq!(errors(&written(&report)), [""; 0]);
        let mut wrong = document;
        wrong["diagnosis"]["certainty"] = "certain".into();
        assert!(!errors(&wrong).is_empty());
    }
}
