//! TLS, for looking only: any certificate is taken, and what is said over it is what a stranger may hear.

use super::link::{Came, Link, Plain};
use crate::model::{Certificate, Seen, Tls};
use crate::wire::service::{answers, certificate};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    AlertDescription, ClientConfig, ClientConnection, DigitallySignedStruct, Error,
    ProtocolVersion, SignatureScheme,
};
use std::io::{self, Read as _, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long the first of an answer may take, and the rest of the handshake.
const FIRST: Duration = Duration::from_millis(300);
const HANDSHAKE: Duration = Duration::from_millis(600);

/// A connection with TLS.
pub(super) struct Secure<'a> {
    plain: Plain<'a>,
    tls: ClientConnection,
}

/// What a handshake came to.
pub(super) enum Shaken<'a> {
    /// The connection is up.
    Up(Box<Secure<'a>>, Tls),
    /// The other end speaks TLS, and this handshake failed; whether for the protocols that were offered within it.
    Refused { tls: Tls, for_alpn: bool },
    /// The other end said this instead, which may be nothing.
    Not(Vec<u8>),
}

/// Keeps the certificate that it is shown, and takes every one.
#[derive(Debug, Default)]
struct Onlooker {
    shown: Mutex<Option<Vec<u8>>>,
}

impl ServerCertVerifier for Onlooker {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some(end_entity.to_vec());
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    /// No signature is looked at, so every kind of certificate may be shown.
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![
            SignatureScheme::ECDSA_NISTP256_SHA256,
            SignatureScheme::ECDSA_NISTP384_SHA384,
            SignatureScheme::ECDSA_NISTP521_SHA512,
            SignatureScheme::ED25519,
            SignatureScheme::ED448,
            SignatureScheme::RSA_PSS_SHA256,
            SignatureScheme::RSA_PSS_SHA384,
            SignatureScheme::RSA_PSS_SHA512,
            SignatureScheme::RSA_PKCS1_SHA256,
            SignatureScheme::RSA_PKCS1_SHA384,
            SignatureScheme::RSA_PKCS1_SHA512,
            SignatureScheme::RSA_PKCS1_SHA1,
            SignatureScheme::ECDSA_SHA1_Legacy,
        ]
    }
}

fn client(onlooker: Arc<Onlooker>, alpn: &[&[u8]]) -> Result<ClientConnection, Error> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(onlooker)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    config.resumption = Resumption::disabled();
    let name =
        ServerName::try_from("localhost").map_err(|error| Error::General(error.to_string()))?;
    ClientConnection::new(Arc::new(config), name)
}

/// Begins TLS on a connection, with these protocols offered.
pub(super) fn shake<'a>(plain: Plain<'a>, alpn: &[&[u8]]) -> Shaken<'a> {
    let onlooker = Arc::new(Onlooker::default());
    let Ok(tls) = client(Arc::clone(&onlooker), alpn) else { return Shaken::Not(Vec::new()) };
    let mut secure = Secure { plain, tls };
    let mut said = Vec::new();
    let end = secure.handshake(&mut said);
    let shown = onlooker.shown.lock().unwrap_or_else(PoisonError::into_inner).take();
    let certificate = |missing: &str| match shown.as_deref().map(certificate::certificate) {
        Some(Ok(read)) => Seen::Known(read),
        Some(Err(error)) => Seen::Failed(error),
        None => Seen::Failed(missing.to_owned()),
    };
    match end {
        Ok(()) => {
            let tls = secure.facts(certificate("none was shown"));
            Shaken::Up(Box::new(secure), tls)
        }
        Err(_) if !answers::is_like_tls(&said) => Shaken::Not(said),
        Err(why) => {
            let text = why.text();
            let tls = Tls {
                version: secure.version().unwrap_or(Seen::Failed(text.clone())),
                alpn: None,
                certificate: certificate(&text),
            };
            let alert = Error::AlertReceived(AlertDescription::NoApplicationProtocol);
            Shaken::Refused { tls, for_alpn: why == Why::Error(alert) }
        }
    }
}

/// Why a handshake failed.
#[derive(Debug, PartialEq)]
enum Why {
    Ended,
    Late,
    Error(Error),
}

impl Why {
    fn text(&self) -> String {
        match self {
            Self::Ended => "the connection ended within the handshake".into(),
            Self::Late => "the handshake was not over in time".into(),
            Self::Error(Error::AlertReceived(AlertDescription::ProtocolVersion)) => {
                "the server refuses TLS 1.2 and 1.3, and older versions are not spoken here".into()
            }
            Self::Error(Error::AlertReceived(AlertDescription::HandshakeFailure)) => {
                "the server and this client have no way of encryption in common".into()
            }
            Self::Error(Error::AlertReceived(alert)) => {
                format!("the server refused the handshake: {}", words(*alert))
            }
            Self::Error(error) => format!("the handshake failed: {error}"),
        }
    }
}

/// `UnrecognisedName` as `unrecognised name`.
fn words(alert: AlertDescription) -> String {
    let mut words = String::new();
    for c in format!("{alert:?}").chars() {
        if c.is_ascii_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(c.to_ascii_lowercase());
    }
    words
}

impl Secure<'_> {
    /// Goes on until the connection is up. The first that the other end says goes into `said` too.
    fn handshake(&mut self, said: &mut Vec<u8>) -> Result<(), Why> {
        const ENOUGH: usize = 1024;
        let mut until = self.clock().after(FIRST);
        loop {
            self.flush(until);
            if !self.tls.is_handshaking() {
                return Ok(());
            }
            let mut bytes = Vec::new();
            match self.plain.read(&mut bytes, until) {
                Came::Some => {}
                Came::Late => return Err(Why::Late),
                Came::End => return Err(Why::Ended),
            }
            if said.is_empty() {
                until = self.clock().after(HANDSHAKE);
            }
            if said.len() < ENOUGH {
                said.extend_from_slice(&bytes);
            }
            if !answers::is_like_tls(said) && said.len() >= 3 {
                return Err(Why::Ended);
            }
            if let Err(error) = self.take(&bytes) {
                // The alert that tells the other end.
                self.flush(until);
                return Err(Why::Error(error));
            }
        }
    }

    /// Hands what has come to TLS.
    fn take(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        while !bytes.is_empty() {
            let before = bytes.len();
            let read = self.tls.read_tls(&mut bytes);
            self.tls.process_new_packets()?;
            if read.is_err() || bytes.len() == before {
                return Err(Error::General("more came than a record holds".into()));
            }
        }
        Ok(())
    }

    /// Sends what TLS has to say.
    fn flush(&mut self, until: Instant) {
        let mut bytes = Vec::new();
        while self.tls.wants_write() && self.tls.write_tls(&mut bytes).is_ok() {}
        self.plain.say(&bytes, until);
    }

    fn version(&self) -> Option<Seen<&'static str>> {
        Some(match self.tls.protocol_version()? {
            ProtocolVersion::TLSv1_2 => Seen::Known("TLS 1.2"),
            ProtocolVersion::TLSv1_3 => Seen::Known("TLS 1.3"),
            other => Seen::Failed(format!("the version {other:?} is not known")),
        })
    }

    fn facts(&self, certificate: Seen<Certificate>) -> Tls {
        let alpn = self.tls.alpn_protocol();
        Tls {
            version: self.version().unwrap_or(Seen::Absent),
            alpn: alpn.map(|name| String::from_utf8_lossy(name).into_owned()),
            certificate,
        }
    }

    /// Moves what has been decrypted; whether there was any, and `None` at the end.
    fn decrypted(&mut self, into: &mut Vec<u8>) -> Option<bool> {
        let before = into.len();
        let mut buffer = [0; 4096];
        loop {
            match self.tls.reader().read(&mut buffer) {
                Ok(0) => return (into.len() > before).then_some(true),
                Ok(length) => into.extend_from_slice(buffer.get(..length).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Some(into.len() > before);
                }
                Err(_ended) => return (into.len() > before).then_some(true),
            }
        }
    }
}

impl Link for Secure<'_> {
    fn read(&mut self, into: &mut Vec<u8>, until: Instant) -> Came {
        loop {
            match self.decrypted(into) {
                Some(true) => return Came::Some,
                Some(false) => {}
                None => return Came::End,
            }
            let mut bytes = Vec::new();
            match self.plain.read(&mut bytes, until) {
                Came::Some if self.take(&bytes).is_ok() => self.flush(until),
                // What came before the error counts.
                Came::Some if self.decrypted(into) == Some(true) => return Came::Some,
                Came::Some | Came::End => return Came::End,
                Came::Late => return Came::Late,
            }
        }
    }

    fn say(&mut self, bytes: &[u8], until: Instant) {
        // The questions are short: TLS takes each of them whole.
        if self.tls.writer().write_all(bytes).is_ok() {
            self.flush(until);
        }
    }

    fn clock(&self) -> super::link::Clock<'_> {
        self.plain.clock()
    }
}
