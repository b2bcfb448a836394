//! What a certificate says of itself (RFC 5280). Nothing is verified here.

use super::text;
use crate::model::Certificate;
use std::net::{Ipv4Addr, Ipv6Addr};
use x509_cert::Certificate as X509;
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::der::asn1::Any;
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::der::{Decode, Tag, TagNumber, Tagged};
use x509_cert::name::Name;

/// `subjectAltName`.
const ALTERNATIVE_NAMES: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");
/// How many names are kept.
const MOST_NAMES: usize = 32;

/// The certificate with this DER.
///
/// # Errors
/// When it is malformed; the text says where.
pub fn certificate(der: &[u8]) -> Result<Certificate, String> {
    let read = X509::from_der(der).map_err(|error| format!("malformed certificate: {error}"))?;
    let read = read.tbs_certificate();
    let mut names = alternative_names(read.extensions().map_or(&[][..], Vec::as_slice));
    let more_names = names.len().saturating_sub(MOST_NAMES);
    names.truncate(MOST_NAMES);
    let validity = read.validity();
    Ok(Certificate {
        subject: name(read.subject()),
        names,
        more_names,
        issuer: name(read.issuer()),
        self_issued: read.subject() == read.issuer(),
        not_before: validity.not_before.to_unix_duration().as_secs(),
        not_after: validity.not_after.to_unix_duration().as_secs(),
    })
}

/// The attributes of names that have short forms (RFC 4514, section 3), and that of mail addresses.
const SHORT: [(&str, ObjectIdentifier); 9] = [
    ("CN", ObjectIdentifier::new_unwrap("2.5.4.3")),
    ("C", ObjectIdentifier::new_unwrap("2.5.4.6")),
    ("L", ObjectIdentifier::new_unwrap("2.5.4.7")),
    ("ST", ObjectIdentifier::new_unwrap("2.5.4.8")),
    ("O", ObjectIdentifier::new_unwrap("2.5.4.10")),
    ("OU", ObjectIdentifier::new_unwrap("2.5.4.11")),
    ("DC", ObjectIdentifier::new_unwrap("0.9.2342.19200300.100.1.25")),
    ("UID", ObjectIdentifier::new_unwrap("0.9.2342.19200300.100.1.1")),
    ("emailAddress", ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.1")),
];

/// A name as RFC 4514 writes it: the last part first. (The crate's own way of writing it knows every attribute that has
/// a name, in a table that would be a large part of this program.)
fn name(name: &Name) -> String {
    let mut parts: Vec<String> = name
        .iter_rdn()
        .map(|part| part.iter().map(attribute).collect::<Vec<_>>().join("+"))
        .collect();
    parts.reverse();
    text::banner(parts.join(",").as_bytes()).unwrap_or_default()
}

fn attribute(attribute: &AttributeTypeAndValue) -> String {
    let short = SHORT.iter().find(|(_, kind)| *kind == attribute.oid);
    let kind = short.map_or_else(|| attribute.oid.to_string(), |(name, _)| (*name).to_owned());
    let value = attribute.value.value();
    let value = match attribute.value.tag() {
        Tag::BmpString => {
            let units = value
                .chunks_exact(2)
                .filter_map(|unit| Some(u16::from_be_bytes(unit.try_into().ok()?)));
            String::from_utf16_lossy(&units.collect::<Vec<_>>())
        }
        _ => String::from_utf8_lossy(value).into_owned(),
    };
    format!("{kind}={}", escaped(&value))
}

/// A value with the characters escaped that would end it.
fn escaped(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for c in value.chars() {
        if matches!(c, ',' | '+' | '"' | '\\' | '<' | '>' | ';') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// The DNS names and the addresses. Other kinds of names say nothing of a server, and one that is malformed does not
/// hide the others.
fn alternative_names(extensions: &[x509_cert::ext::Extension]) -> Vec<String> {
    let dns = Tag::ContextSpecific { constructed: false, number: TagNumber(2) };
    let address = Tag::ContextSpecific { constructed: false, number: TagNumber(7) };
    let of_extension = extensions.iter().filter(|extension| extension.extn_id == ALTERNATIVE_NAMES);
    let names = of_extension
        .filter_map(|extension| Vec::<Any>::from_der(extension.extn_value.as_bytes()).ok())
        .flatten();
    names
        .filter_map(|name| match name.tag() {
            tag if tag == dns => text::word(name.value()),
            tag if tag == address => ip(name.value()),
            _ => None,
        })
        .collect()
}

fn ip(octets: &[u8]) -> Option<String> {
    let four = || <[u8; 4]>::try_from(octets).map(|octets| Ipv4Addr::from(octets).to_string());
    let sixteen = || <[u8; 16]>::try_from(octets).map(|octets| Ipv6Addr::from(octets).to_string());
    four().or_else(|_| sixteen()).ok()
}

#[cfg(test)]
mod tests;
