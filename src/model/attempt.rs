//! What a client sees when it connects, and what the kernel shows of that.

use super::{Family, Icmp, TakenBy};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// How an attempt to connect ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The connection was opened; over UDP an answer came.
    Connected,
    /// It was refused (`ECONNREFUSED`).
    Refused,
    /// Nothing came back in the time given.
    TimedOut,
    /// There is no way there (`EHOSTUNREACH`, `ENETUNREACH` and the like).
    Unreachable,
    /// It is forbidden (`EACCES`, `EPERM`).
    Denied,
    /// It failed otherwise.
    Failed,
}

impl Outcome {
    /// The one with this name in the JSON documents.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        use Outcome::{Connected, Denied, Failed, Refused, TimedOut, Unreachable};
        let all = [Connected, Refused, TimedOut, Unreachable, Denied, Failed];
        all.into_iter().find(|outcome| outcome.name() == name)
    }

    /// Its name in the JSON documents.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Refused => "refused",
            Self::TimedOut => "timed-out",
            Self::Unreachable => "unreachable",
            Self::Denied => "denied",
            Self::Failed => "failed",
        }
    }
}

/// A system error as programs see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Errno {
    /// Its name, as `ECONNREFUSED`; its number where it has none here.
    pub name: String,
    /// What the C library says of it: `Connection refused`.
    pub text: String,
}

impl Errno {
    /// Those that connecting gives, as programs name them: the name, and what C libraries say of it, the usual text
    /// first.
    const OF_CLIENTS: [(&str, &[&str]); 11] = [
        ("ECONNREFUSED", &["Connection refused"]),
        ("EHOSTUNREACH", &["No route to host", "Host is unreachable"]),
        ("ENETUNREACH", &["Network is unreachable", "Network unreachable"]),
        ("EACCES", &["Permission denied"]),
        ("EPERM", &["Operation not permitted"]),
        ("EADDRNOTAVAIL", &["Cannot assign requested address", "Address not available"]),
        ("EAFNOSUPPORT", &["Address family not supported"]),
        ("EINVAL", &["Invalid argument"]),
        ("EHOSTDOWN", &["Host is down"]),
        ("ENETDOWN", &["Network is down"]),
        ("ETIMEDOUT", &["Connection timed out", "Operation timed out", "timed out", "TIMEOUT"]),
    ];

    /// Whether it is the one with this name.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.name == name
    }

    /// The error of a client that another program names, or says in the words of a C library, somewhere in a text.
    #[must_use]
    pub fn told_in(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        let says = |words: &&str| text.contains(&words.to_ascii_lowercase());
        let (name, words) =
            Self::OF_CLIENTS.iter().find(|(name, words)| says(name) || words.iter().any(says))?;
        let text = words.first().copied().unwrap_or_default();
        Some(Self { name: (*name).to_owned(), text: text.to_owned() })
    }

    /// How an attempt to connect ended that gave it.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self.name.as_str() {
            "ECONNREFUSED" => Outcome::Refused,
            "ETIMEDOUT" => Outcome::TimedOut,
            "EHOSTUNREACH" | "ENETUNREACH" | "EHOSTDOWN" | "ENETDOWN" | "EINVAL"
            | "EADDRNOTAVAIL" | "EAFNOSUPPORT" => Outcome::Unreachable,
            "EACCES" | "EPERM" => Outcome::Denied,
            _ => Outcome::Failed,
        }
    }
}

/// How the kernel would send a packet to an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// It stays here; the index of the device that has the address.
    Local(u32),
    /// It leaves.
    Out {
        /// The index of the device; 0 where the route has several.
        device: u32,
        /// The router that takes it; `None` where the address is on the link.
        gateway: Option<IpAddr>,
    },
    /// The kernel's routing says no, with this error.
    Refused(Errno),
    /// The kernel did not tell; the text says why.
    Unknown(String),
}

/// What an open connection showed in its first moments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// Which socket took it.
    pub taken: TakenBy,
    /// Whether its end came without data.
    pub ended: bool,
    /// Whether its other end still waited in the accept queue when it was given up; `None` where that is not known.
    pub waits: Option<Duration>,
}

/// The packets that a lone SYN to this host caused, by the counters of the network namespace. Known only where
/// several tries agree: other traffic moves the counters too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passage {
    /// Packets that were handed to the output path (`OutRequests`).
    pub sent: u64,
    /// Packets that arrived (`InReceives`).
    pub arrived: u64,
    /// Packets that passed the input path (`InDelivers`).
    pub delivered: u64,
    /// Segments without the signature that a listener wants (`TCPMD5NotFound`, `TCPAOKeyNotFound`).
    pub unsigned: u64,
    /// Connections that found an accept queue full (`ListenOverflows`).
    pub overflowed: u64,
}

/// What the kernel knows of the neighbour on the link that packets go to: the address itself, or a router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Neighbour {
    /// It has answered.
    Answers,
    /// It was asked for and has not answered.
    Silent,
    /// There is no entry: nobody asked.
    NotAsked,
}

/// One attempt to connect to one address, as a client makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientAttempt {
    /// Where to.
    pub to: SocketAddr,
    /// How it ended.
    pub outcome: Outcome,
    /// The error that a client sees.
    pub errno: Option<Errno>,
    /// The ICMP error behind it.
    pub icmp: Option<Icmp>,
    /// Whether one would have been seen: the tools of another machine's shell tell the system error only.
    pub sees_icmp: bool,
    /// How long it took.
    pub elapsed: Duration,
    /// What an open connection showed.
    pub opened: Option<Opened>,
}

impl ClientAttempt {
    /// Whether a connection was opened that no socket at the address and port took: something redirected it.
    #[must_use]
    pub fn was_taken_elsewhere(&self) -> bool {
        let taken = self.opened.as_ref().map(|opened| &opened.taken);
        matches!(taken, Some(TakenBy::Other(_) | TakenBy::Nobody))
    }

    /// What a client sees, in words: `RST in 0.1 ms, no ICMP`.
    #[must_use]
    pub fn in_words(&self) -> String {
        let time = elapsed(self.elapsed);
        let errno = self.errno.as_ref().map_or(self.outcome.name(), |errno| errno.name.as_str());
        match (self.outcome, &self.icmp) {
            (_, Some(icmp)) => format!("{errno} in {time}, {icmp}"),
            (Outcome::Connected, None) => format!("open in {time}"),
            (Outcome::TimedOut, None) => format!("no answer in {time}"),
            (_, None) if !self.sees_icmp => format!("{errno} in {time}"),
            (Outcome::Refused, None) => format!("RST in {time}, no ICMP"),
            (_, None) => format!("{errno} in {time}, no ICMP"),
        }
    }

    /// The failure in the words of those who ask: `refused`, `no route to host`; `None` when it did not fail.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        let errno = || self.errno.as_ref().map(|errno| errno.text.to_lowercase());
        match self.outcome {
            Outcome::Connected => None,
            Outcome::Refused => Some("refused".to_owned()),
            Outcome::TimedOut => Some("no answer".to_owned()),
            Outcome::Unreachable | Outcome::Denied | Outcome::Failed => {
                Some(errno().unwrap_or_else(|| self.outcome.name().to_owned()))
            }
        }
    }

    /// The family of the address.
    #[must_use]
    pub fn family(&self) -> Family {
        Family::of(self.to.ip())
    }
}

/// A time in words: `0.1 ms`, `3.1 s`.
#[must_use]
pub fn elapsed(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        format!("{:.1} ms", time.as_secs_f64() * 1000.0)
    } else {
        format!("{:.1} s", time.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_is_told_as_a_client_sees_it() {
        let errno = |name: &str, text: &str| Some(Errno { name: name.into(), text: text.into() });
        let told = |outcome, errno, icmp, milliseconds| {
            let attempt = ClientAttempt {
                to: "127.0.0.1:80".parse().unwrap(),
                outcome,
                errno,
                icmp,
                sees_icmp: true,
                elapsed: Duration::from_millis(milliseconds),
                opened: None,
            };
            (attempt.in_words(), attempt.failure())
        };
        let failed = |words: &str, failure: &str| (words.to_owned(), Some(failure.to_owned()));
        assert_eq!(told(Outcome::Connected, None, None, 2), ("open in 2.0 ms".to_owned(), None));
        assert_eq!(
            told(Outcome::Refused, errno("ECONNREFUSED", "Connection refused"), None, 0),
            failed("RST in 0.0 ms, no ICMP", "refused")
        );
        assert_eq!(
            told(Outcome::TimedOut, None, None, 1_200),
            failed("no answer in 1.2 s", "no answer")
        );
        let icmp = Icmp { kind: 3, code: 13, from: Some([10, 0, 0, 1].into()) };
        assert_eq!(
            told(Outcome::Unreachable, errno("EHOSTUNREACH", "No route to host"), Some(icmp), 1),
            failed("EHOSTUNREACH in 1.0 ms, ICMP 3/13 from 10.0.0.1", "no route to host")
        );
        assert_eq!(
            told(Outcome::Denied, errno("EACCES", "Permission denied"), None, 0),
            failed("EACCES in 0.0 ms, no ICMP", "permission denied")
        );
    }

    #[test]
    fn an_error_is_known_by_its_name_and_by_the_words_of_c_libraries() {
        for (text, name) in [
            ("-: connect: Connection refused", "ECONNREFUSED"),
            ("Ncat: TIMEOUT. ncat: connect: Operation timed out", "ETIMEDOUT"),
            ("nc: connect to ::1 port 1 (tcp) timed out: Operation now in progress", "ETIMEDOUT"),
            ("can't connect to remote host (10.0.0.1): Host is unreachable", "EHOSTUNREACH"),
            ("EACCES", "EACCES"),
            ("connect: Invalid argument", "EINVAL"),
        ] {
            let errno = Errno::told_in(text).unwrap();
            assert_eq!(errno.name, name, "{text}");
            assert_ne!(errno.outcome(), Outcome::Failed, "{text}");
        }
        assert_eq!(Errno::told_in("nc: invalid option -- 'z'"), None);
        assert_eq!(Outcome::named("timed-out"), Some(Outcome::TimedOut));
        assert_eq!(Outcome::named("open"), None);
    }
}
