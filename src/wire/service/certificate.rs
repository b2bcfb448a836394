//! What a certificate says of itself (RFC 5280). Nothing is verified here.

use super::text;
use crate::model::Certificate;
use std::net::{Ipv4Addr, Ipv6Addr};
use x509_cert::Certificate as X509;
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

fn name(name: &Name) -> String {
    text::banner(name.to_string().as_bytes()).unwrap_or_default()
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
