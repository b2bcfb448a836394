//! What serves a port, as a part of its item.

use super::time;
use super::unknown::UnknownList;
use crate::model::{Access, Certificate, Http, Identity, Protocol, Risk, Tls};
use schemars::JsonSchema;
use serde::Serialize;
use std::net::IpAddr;

/// What serves a port, by its own word: every text comes from the service.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct IdentityItem<'a> {
    /// The address that it was asked at.
    target: IpAddr,
    /// `null` when what it said is of no known protocol.
    protocol: Option<&'static str>,
    /// `port`: a guess, as it said nothing that is known.
    #[schemars(extend("enum" = ["answer", "port"]))]
    by: &'static str,
    product: Option<&'a str>,
    version: Option<&'a str>,
    /// Whether it serves those who do not say who they are, where that was found out.
    #[schemars(extend("enum" = ["free", "guarded", null]))]
    access: Option<&'static str>,
    /// Whether it would begin TLS on the same connection, where that was asked.
    starttls: Option<bool>,
    banner: Option<&'a str>,
    http: Option<HttpItem<'a>>,
    tls: Option<TlsItem<'a>>,
    risk: Option<RiskItem<'a>>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct HttpItem<'a> {
    status: u16,
    server: Option<&'a str>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct TlsItem<'a> {
    version: Option<&'a str>,
    alpn: Option<&'a str>,
    certificate: Option<CertificateItem<'a>>,
}

/// The server's own certificate. It was not verified.
#[derive(Debug, Serialize, JsonSchema)]
struct CertificateItem<'a> {
    subject: &'a str,
    names: &'a [String],
    issuer: &'a str,
    /// Issuer and subject are the same, as in one that signed itself.
    self_issued: bool,
    /// RFC 3339, in UTC.
    not_before: Option<String>,
    /// RFC 3339, in UTC.
    not_after: Option<String>,
    /// Its time was over when the document was made.
    expired: bool,
    /// Its time had not begun yet.
    not_yet_valid: bool,
}

/// A danger. Its severity and its advice depend on whether the port is bound to the network.
#[derive(Debug, Serialize, JsonSchema)]
struct RiskItem<'a> {
    code: &'static str,
    #[schemars(extend("enum" = ["low", "medium", "high"]))]
    severity: &'static str,
    text: &'a str,
    advice: &'a str,
}

impl<'a> IdentityItem<'a> {
    /// The identity, and what of it is not known at the moment `now`, in seconds since the Unix epoch.
    pub(super) fn read(identity: &'a Identity, now: i128, unknown: &mut UnknownList<'a>) -> Self {
        let spoken = &identity.spoken;
        if spoken.protocol.is_none() {
            unknown.add("identity.protocol", "what it said is of no known protocol", None);
        }
        Self {
            target: identity.target,
            protocol: spoken.protocol.map(Protocol::name),
            by: identity.by.name(),
            product: spoken.product.as_deref(),
            version: spoken.version.as_deref(),
            access: spoken.access.map(Access::name),
            starttls: spoken.starttls,
            banner: spoken.banner.as_deref(),
            http: spoken.http.as_ref().map(HttpItem::from),
            tls: spoken.tls.as_ref().map(|tls| TlsItem::read(tls, now, unknown)),
            risk: identity.risk.as_ref().map(RiskItem::from),
        }
    }
}

impl<'a> From<&'a Http> for HttpItem<'a> {
    fn from(http: &'a Http) -> Self {
        Self { status: http.status, server: http.server.as_deref() }
    }
}

impl<'a> TlsItem<'a> {
    fn read(tls: &'a Tls, now: i128, unknown: &mut UnknownList<'a>) -> Self {
        let certificate = unknown.read("identity.tls.certificate", &tls.certificate);
        if certificate.is_some_and(|certificate| certificate.more_names > 0) {
            let field = "identity.tls.certificate.names";
            unknown.add(field, "more names than are kept", None);
        }
        Self {
            version: unknown.read("identity.tls.version", &tls.version).copied(),
            alpn: tls.alpn.as_deref(),
            certificate: certificate.map(|certificate| CertificateItem::at(certificate, now)),
        }
    }
}

impl<'a> CertificateItem<'a> {
    fn at(certificate: &'a Certificate, now: i128) -> Self {
        Self {
            subject: &certificate.subject,
            names: &certificate.names,
            issuer: &certificate.issuer,
            self_issued: certificate.self_issued,
            not_before: time::rfc3339(certificate.not_before),
            not_after: time::rfc3339(certificate.not_after),
            expired: i128::from(certificate.not_after) < now,
            not_yet_valid: i128::from(certificate.not_before) > now,
        }
    }
}

impl<'a> From<&'a Risk> for RiskItem<'a> {
    fn from(risk: &'a Risk) -> Self {
        Self {
            code: risk.code,
            severity: risk.severity.name(),
            text: &risk.text,
            advice: &risk.advice,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::samples;
    use crate::model::{Recognised, Seen, Severity, Spoken};
    use serde_json::{Value, json};

    fn written(identity: &Identity, now: i128) -> (Value, Value) {
        let mut unknown = UnknownList::default();
        let item = IdentityItem::read(identity, now, &mut unknown);
        (serde_json::to_value(item).unwrap(), serde_json::to_value(&unknown).unwrap())
    }

    #[test]
    fn every_field_is_written() {
        let mut identity = samples::https();
        identity.risk = Some(Risk {
            code: "docker-no-auth",
            severity: Severity::High,
            text: "obeys anyone".into(),
            advice: "remove it".into(),
        });
        let now = i128::from(samples::NOW);
        let (item, unknown) = written(&identity, now);
        assert_eq!(
            item,
            json!({
                "target": "127.0.0.1", "protocol": "http", "by": "answer", "product": "nginx",
                "version": "1.24.0", "access": "free", "starttls": null, "banner": null,
                "http": {"status": 200, "server": "nginx/1.24.0"},
                "tls": {
                    "version": "TLS 1.3", "alpn": "h2",
                    "certificate": {
                        "subject": "CN=web.example", "names": ["web.example"], "issuer": "CN=web.example",
                        "self_issued": true, "not_before": "2026-01-01T00:00:00Z",
                        "not_after": "2027-01-02T03:04:05Z", "expired": false, "not_yet_valid": false,
                    },
                },
                "risk": {
                    "code": "docker-no-auth", "severity": "high", "text": "obeys anyone", "advice": "remove it",
                },
            })
        );
        assert_eq!(unknown, json!([]));
        let (item, _) = written(&identity, 1_798_859_046);
        assert_eq!(item["tls"]["certificate"]["expired"], true);
        let (item, _) = written(&identity, 1_767_225_599);
        assert_eq!(item["tls"]["certificate"]["not_yet_valid"], true);
    }

    #[test]
    fn what_is_not_known_is_null_and_says_why() {
        let failed = || "the handshake was not over in time".to_owned();
        let tls = Tls {
            version: Seen::Failed(failed()),
            alpn: None,
            certificate: Seen::Failed(failed()),
        };
        let spoken = Spoken { tls: Some(tls), ..Spoken::default() };
        let by = Recognised::Answer;
        let identity = Identity { target: [127, 0, 0, 1].into(), by, spoken, risk: None };
        let (item, unknown) = written(&identity, 0);
        assert_eq!(item["tls"], json!({"version": null, "alpn": null, "certificate": null}));
        let fields: Vec<_> =
            unknown.as_array().unwrap().iter().map(|entry| entry["field"].clone()).collect();
        assert_eq!(
            fields,
            ["identity.protocol", "identity.tls.certificate", "identity.tls.version"]
        );
    }
}
