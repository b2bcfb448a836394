//! What serves a port, in a cell of the table, in lines below it, and in records.

use super::sanitize::sanitize;
use super::style;
use super::table::Cell;
use crate::document::rfc3339;
use crate::model::{
    Access, Certificate, Check, Identity, PortFinding, Protocol, Recognised, Seen, Spoken, Tls,
};
use std::borrow::Cow;
use std::io::{self, Write};

/// Stands for what is not known.
const UNKNOWN: &str = "?";

/// The cell of a port; `now` in seconds since the Unix epoch.
pub(super) fn cell(finding: &PortFinding, now: u64) -> Cell {
    let identity = match &finding.identity {
        Seen::Known(identity) => identity,
        Seen::Absent => return Cell::plain(""),
        Seen::Failed(why) => return Cell::plain(UNKNOWN).with_tail(format!(" {}", sanitize(why))),
        Seen::Skipped(why) => return Cell::plain(UNKNOWN).with_tail(format!(" {why}")),
        Seen::Denied(need) => return Cell::plain(UNKNOWN).with_tail(format!(" needs {need}")),
    };
    let severity = identity.risk.as_ref().map(|risk| risk.severity);
    Cell::styled(style::severity(severity), name(identity)).with_tail(tail(identity, now))
}

/// The protocol as people call it; with a question mark where it is a guess.
fn name(identity: &Identity) -> String {
    let name = match (identity.spoken.protocol, &identity.spoken.tls) {
        (Some(Protocol::Http), Some(_)) => "https",
        (Some(protocol), _) => protocol.name(),
        (None, _) => return UNKNOWN.to_owned(),
    };
    let doubt = if identity.by == Recognised::Port { UNKNOWN } else { "" };
    format!("{name}{doubt}")
}

fn tail(identity: &Identity, now: u64) -> String {
    let spoken = &identity.spoken;
    // "redis Redis 7.0" says no more than "redis 7.0".
    let is_news = |product: &&String| {
        !spoken.protocol.is_some_and(|protocol| product.eq_ignore_ascii_case(protocol.name()))
    };
    let software = [spoken.product.as_ref().filter(is_news), spoken.version.as_ref()];
    let software: Vec<_> = software.into_iter().flatten().map(|text| sanitize(text)).collect();
    let mut tail = match (identity.by, &spoken.banner) {
        (Recognised::Port, _) => " (a guess by the port)".to_owned(),
        _ if !software.is_empty() => format!(" {}", software.join(" ")),
        (_, Some(banner)) => {
            format!(" \"{}\"", sanitize(banner.lines().next().unwrap_or_default()))
        }
        _ => String::new(),
    };
    let guarded = spoken.access == Some(Access::Guarded);
    let more = [
        spoken.http.as_ref().map(|http| format!("status {}", http.status)),
        guarded.then(|| "authentication required".to_owned()),
        spoken.tls.as_ref().map(|tls| self::tls(tls, now)),
        identity.risk.as_ref().map(|risk| format!("risk: {}", risk.code)),
    ];
    for part in more.into_iter().flatten() {
        tail += ", ";
        tail += &part;
    }
    tail
}

fn tls(tls: &Tls, now: u64) -> String {
    let version = match &tls.version {
        Seen::Known(version) => Cow::Borrowed(*version),
        Seen::Failed(why) => format!("TLS ({})", sanitize(why)).into(),
        _ => "TLS".into(),
    };
    let alpn = tls.alpn.as_ref().map(|alpn| format!(" {}", sanitize(alpn))).unwrap_or_default();
    let certificate = tls.certificate.known();
    let certificate = certificate.map(|read| format!(", {}", self::certificate(read, now)));
    format!("{version}{alpn}{}", certificate.unwrap_or_default())
}

fn certificate(certificate: &Certificate, now: u64) -> String {
    let first = certificate.names.first().unwrap_or(&certificate.subject);
    let until = date(certificate.not_after);
    let when = if certificate.not_after < now {
        format!("expired {until}")
    } else if certificate.not_before > now {
        format!("not valid before {}", date(certificate.not_before))
    } else {
        format!("until {until}")
    };
    let signed = if certificate.self_issued { ", self-issued" } else { "" };
    format!("{} {when}{signed}", sanitize(first))
}

/// The day of a moment, in UTC.
fn date(seconds: u64) -> String {
    let moment = rfc3339(seconds).unwrap_or_else(|| "in an unknown year".into());
    moment.split_once('T').map_or(moment.clone(), |(day, _)| day.to_owned())
}

/// Writes two lines for each danger: what it is, and what to do.
pub(super) fn risks(out: &mut dyn Write, check: &Check) -> io::Result<()> {
    for finding in &check.items {
        let identity = finding.identity.known();
        if let Some((identity, risk)) = identity.and_then(|it| Some((it, it.risk.as_ref()?))) {
            let (port, severity) = (finding.endpoint, risk.severity.name());
            writeln!(out, "risk ({severity}): {port} {}: {}", name(identity), risk.text)?;
            writeln!(out, "  advice: {}", risk.advice)?;
        }
    }
    Ok(())
}

/// The headings of what [`record`] gives.
pub(super) const FIELDS: [&str; 6] =
    ["identity", "product", "version", "tls", "certificate_until", "risk"];

/// What serves a port, for programs.
pub(super) fn record(finding: &PortFinding) -> [String; 6] {
    let known = finding.identity.known();
    let spoken = |read: fn(&Spoken) -> Option<String>| {
        known.and_then(|identity| read(&identity.spoken)).unwrap_or_default()
    };
    let tls = |spoken: &Spoken| spoken.tls.as_ref()?.version.known().map(|name| (*name).to_owned());
    let until = |spoken: &Spoken| {
        let certificate = spoken.tls.as_ref()?.certificate.known()?;
        rfc3339(certificate.not_after)
    };
    let unknown = if finding.identity.is_unknown() { UNKNOWN } else { "" };
    [
        known.map_or_else(|| unknown.to_owned(), name),
        spoken(|spoken| spoken.product.clone()),
        spoken(|spoken| spoken.version.clone()),
        spoken(tls),
        spoken(until),
        known.and_then(|it| Some(it.risk.as_ref()?.code.to_owned())).unwrap_or_default(),
    ]
}

#[cfg(test)]
mod tests;
