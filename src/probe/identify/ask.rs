//! What is asked of a port, and in which order.

use super::Question;
use super::link::{Clock, Dialer, Link, Plain, exchange, hear};
use super::secure::{Secure, Shaken, shake};
use crate::model::{Access, PortSet, Protocol, Seen, Spoken, Tls};
use crate::probe::share::Progress;
use crate::wire::service::{answers, banner, greeting, http, mongo};
use std::collections::VecDeque;
use std::time::Duration;

/// How long a greeting is waited for.
const GREETING: Duration = Duration::from_millis(500);
/// The same where something else is to be expected.
const SHORT: Duration = Duration::from_millis(100);
/// How long a web server may think.
const PAGE: Duration = Duration::from_millis(600);
/// How long the answer to another question is waited for.
const ANSWER: Duration = Duration::from_millis(200);

/// A question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Probe {
    Http,
    Tls,
    Redis,
    Postgresql,
    Memcached,
    Mongodb,
}

impl Probe {
    /// Every question, the likeliest first.
    const ALL: [Self; 6] =
        [Self::Http, Self::Tls, Self::Redis, Self::Postgresql, Self::Memcached, Self::Mongodb];

    /// What a port, the service that it is registered for or a process lets expect.
    fn expected(question: &Question) -> Option<Self> {
        let named = |names: &[&str]| {
            question.hints.iter().any(|hint| names.iter().any(|name| hint.contains(name)))
        };
        let by_port = match question.port.get() {
            443 | 465 | 563 | 636 | 853 | 989 | 990 | 993 | 995 | 2376 | 5671 | 6443 | 8443
            | 8883 => Some(Self::Tls),
            5432 => Some(Self::Postgresql),
            6379 => Some(Self::Redis),
            11211 => Some(Self::Memcached),
            27017..=27019 => Some(Self::Mongodb),
            _ => None,
        };
        let by_name = [
            (Self::Redis, &["redis", "valkey", "keydb"][..]),
            (Self::Postgresql, &["postgres"]),
            (Self::Memcached, &["memcache"]),
            (Self::Mongodb, &["mongo"]),
        ];
        let by_name = by_name.into_iter().find(|(_, names)| named(names)).map(|(probe, _)| probe);
        by_name.or(by_port)
    }
}

/// What a question brought.
enum Reply {
    /// The service.
    Is(Spoken),
    /// The service, unless this question finds another within it.
    IsUnless(Spoken, Probe),
    /// An answer as to this question.
    LooksLike(Probe),
    /// Nothing that is known.
    Nothing,
}

/// Asks one port.
pub(super) struct Asker<'a> {
    question: &'a Question,
    dialer: Dialer<'a>,
    /// The first that was said and is of no known protocol.
    unknown: Option<String>,
    /// Whether a connection was held open in silence.
    was_silent: bool,
    /// The connection on which a page was asked for in vain so far.
    slow: Option<Plain<'a>>,
}

impl<'a> Asker<'a> {
    pub(super) fn new(
        question: &'a Question,
        excluded: &'a PortSet,
        progress: &'a Progress,
    ) -> Self {
        let dialer = Dialer::new(question, excluded, Clock::start(progress));
        Self { question, dialer, unknown: None, was_silent: false, slow: None }
    }

    /// What serves the port.
    pub(super) fn ask(mut self) -> Seen<Spoken> {
        const INTERRUPTED: &str = "interrupted before it answered";
        if self.dialer.clock().is_stopped() {
            return Seen::Skipped(INTERRUPTED);
        }
        let found = self.search();
        match (found, self.unknown.take()) {
            (Ok(Some(spoken)), _) => Seen::Known(spoken),
            (_, Some(said)) => Seen::Known(Spoken { banner: Some(said), ..Spoken::default() }),
            _ if self.dialer.clock().is_stopped() => Seen::Skipped(INTERRUPTED),
            (Err(reason), _) => reason.and_then(|()| Seen::Absent),
            (Ok(None), _) => Seen::Failed(
                if self.was_silent {
                    "it said nothing in the time that it was given"
                } else {
                    "it ended each connection without a word"
                }
                .to_owned(),
            ),
        }
    }

    fn search(&mut self) -> Result<Option<Spoken>, Seen<()>> {
        let expected = Probe::expected(self.question);
        let mut first = self.dialer.dial()?;
        let patience = if expected.is_some() { SHORT } else { GREETING };
        let (heard, ended) = hear(&mut first, patience, greeting::is_whole);
        if !heard.is_empty() {
            return Ok(Some(match greeting::greeting(&heard) {
                Some(spoken) => follow(spoken, first),
                None => http::answer(&heard).map_or_else(|| unknown(&heard), http::Answer::spoken),
            }));
        }
        let mut open = (!ended).then_some(first);
        let others = Probe::ALL.into_iter().filter(|probe| Some(*probe) != expected);
        let mut queue: VecDeque<Probe> = expected.into_iter().chain(others).collect();
        let mut unless = None;
        while let Some(probe) = queue.pop_front().filter(|_| !self.dialer.clock().is_over()) {
            let link = match open.take().map_or_else(|| self.dialer.dial(), Ok) {
                Ok(link) => link,
                Err(_) if unless.is_some() => break,
                Err(reason) => return Err(reason),
            };
            let next = match self.put(probe, link) {
                Reply::Is(spoken) => return Ok(Some(spoken)),
                // A page that refuses the request is one all the same.
                Reply::IsUnless(spoken, next) => {
                    unless = Some(spoken);
                    queue.retain(|probe| *probe == next);
                    continue;
                }
                Reply::LooksLike(next) => next,
                Reply::Nothing => continue,
            };
            if let Some(at) = queue.iter().position(|probe| *probe == next) {
                queue.swap(0, at);
            }
        }
        Ok(unless.or_else(|| self.late_page()))
    }

    /// Puts a question on a new connection.
    fn put(&mut self, probe: Probe, mut link: Plain<'a>) -> Reply {
        let found = match probe {
            Probe::Http => return self.page(link),
            Probe::Tls => return self.tls(link),
            Probe::Redis => redis(&mut link),
            Probe::Memcached => memcached(&mut link),
            Probe::Mongodb => mongodb(&mut link),
            Probe::Postgresql => {
                let (heard, ended) =
                    exchange(&mut link, answers::POSTGRESQL_TLS, ANSWER, |heard| !heard.is_empty());
                match answers::postgresql(&heard) {
                    Some(tls) => return Reply::Is(postgresql(link, tls)),
                    None => Err((heard, ended)),
                }
            }
        };
        match found {
            Ok(spoken) => Reply::Is(spoken),
            Err((heard, ended)) => self.other(&heard, ended),
        }
    }

    /// What to make of an answer that is not to the question.
    fn other(&mut self, heard: &[u8], ended: bool) -> Reply {
        if heard.is_empty() {
            self.was_silent |= !ended;
            return Reply::Nothing;
        }
        if let Some(spoken) = greeting::greeting(heard) {
            return Reply::Is(spoken);
        }
        if answers::is_like_tls(heard) {
            return Reply::LooksLike(Probe::Tls);
        }
        if let Some(answer) = http::answer(heard) {
            // The answer to a question that no web server understands: the page is still to be asked for.
            return Reply::IsUnless(answer.spoken(), Probe::Http);
        }
        self.unknown = self.unknown.take().or_else(|| banner(heard));
        if answers::is_like_redis(heard) {
            Reply::LooksLike(Probe::Redis)
        } else if answers::is_like_memcached(heard) {
            Reply::LooksLike(Probe::Memcached)
        } else {
            Reply::Nothing
        }
    }

    fn page(&mut self, mut link: Plain<'a>) -> Reply {
        let (heard, ended) = exchange(&mut link, http::REQUEST, PAGE, http::is_whole);
        let Some(answer) = http::answer(&heard) else {
            if heard.is_empty() && !ended {
                self.slow = Some(link);
            } else if let Some(spoken) = greeting::greeting(&heard) {
                return Reply::Is(follow(spoken, link));
            }
            return self.other(&heard, ended);
        };
        if answer.is_engine {
            let known = answer.spoken();
            drop(link);
            let mut link = self.dialer.dial().ok();
            let engine = link.as_mut().and_then(|link| engine(link, known.clone()));
            return Reply::Is(engine.unwrap_or(known));
        }
        if answer.may_want_tls() {
            return Reply::IsUnless(answer.spoken(), Probe::Tls);
        }
        if answer.may_be_mongodb() {
            return Reply::IsUnless(answer.spoken(), Probe::Mongodb);
        }
        Reply::Is(answer.spoken())
    }

    /// The page of a server that took longer than the other questions together.
    fn late_page(&mut self) -> Option<Spoken> {
        let mut link = self.slow.take()?;
        let (heard, _) = hear(&mut link, PAGE, http::is_whole);
        let page = http::answer(&heard).map(http::Answer::spoken);
        page.or_else(|| greeting::greeting(&heard))
    }

    fn tls(&mut self, link: Plain<'a>) -> Reply {
        match shake(link, &[b"h2", b"http/1.1"]) {
            Shaken::Up(secure, tls) => Reply::Is(self.within(*secure, tls)),
            Shaken::Refused { tls, for_alpn: true } => {
                let again = self.dialer.dial().ok().map(|link| shake(link, &[]));
                Reply::Is(match again {
                    Some(Shaken::Up(secure, tls)) => self.within(*secure, tls),
                    Some(Shaken::Refused { tls, .. }) => only_tls(tls),
                    _ => only_tls(tls),
                })
            }
            Shaken::Refused { tls, .. } => Reply::Is(only_tls(tls)),
            Shaken::Not(heard) => self.other(&heard, heard.is_empty()),
        }
    }

    /// What is within TLS.
    fn within(&mut self, mut secure: Secure<'a>, tls: Tls) -> Spoken {
        let with_tls = |spoken: Spoken, tls: Tls| Spoken { tls: Some(tls), ..spoken };
        match tls.alpn.as_deref() {
            Some("h2") => {
                // A page is asked for in words that an HTTP/2 connection does not understand. Here and below a
                // server that serves one client at a time is first let go.
                drop(secure);
                let http = Spoken::of(Protocol::Http);
                let page = self
                    .secure(&[b"http/1.1"])
                    .map(|mut secure| exchange(&mut secure, http::REQUEST, PAGE, http::is_whole).0);
                let page = page.and_then(|heard| self.secure_page(&heard));
                return with_tls(page.unwrap_or(http), tls);
            }
            Some(_) => {}
            None => {
                let (heard, _) = hear(&mut secure, SHORT, greeting::is_whole);
                if !heard.is_empty() {
                    drop(secure);
                    let spoken = greeting::greeting(&heard).or_else(|| self.secure_page(&heard));
                    return with_tls(spoken.unwrap_or_else(|| within_tls(&heard)), tls);
                }
            }
        }
        let expected = match Probe::expected(self.question) {
            Some(Probe::Redis) => redis(&mut secure).ok(),
            Some(Probe::Memcached) => memcached(&mut secure).ok(),
            Some(Probe::Mongodb) => mongodb(&mut secure).ok(),
            _ => None,
        };
        if let Some(spoken) = expected {
            return with_tls(spoken, tls);
        }
        let (heard, _) = exchange(&mut secure, http::REQUEST, PAGE, http::is_whole);
        drop(secure);
        let spoken =
            self.secure_page(&heard).or_else(|| greeting::greeting(&heard)).or_else(|| {
                let mut secure =
                    answers::is_like_redis(&heard).then(|| self.secure(&[])).flatten()?;
                redis(&mut secure).ok()
            });
        with_tls(spoken.unwrap_or_else(|| within_tls(&heard)), tls)
    }

    fn secure_page(&mut self, heard: &[u8]) -> Option<Spoken> {
        let answer = http::answer(heard)?;
        let is_engine = answer.is_engine;
        let known = answer.spoken();
        let mut secure = is_engine.then(|| self.secure(&[b"http/1.1"])).flatten();
        let engine = secure.as_mut().and_then(|secure| engine(secure, known.clone()));
        Some(engine.unwrap_or(known))
    }

    /// Another connection with TLS.
    fn secure(&mut self, alpn: &[&[u8]]) -> Option<Secure<'a>> {
        match shake(self.dialer.dial().ok()?, alpn) {
            Shaken::Up(secure, _) => Some(*secure),
            Shaken::Refused { .. } | Shaken::Not(_) => None,
        }
    }
}

/// Asks on where a greeting leaves something open.
fn follow(mut spoken: Spoken, mut link: Plain<'_>) -> Spoken {
    let a_line = |heard: &[u8]| greeting::is_whole(heard);
    let mut ehlo = || exchange(&mut link, answers::EHLO, ANSWER, a_line).0;
    if spoken.protocol.is_none() {
        spoken.protocol = match answers::understands_ehlo(&ehlo()) {
            Some(true) => Some(Protocol::Smtp),
            Some(false) => Some(Protocol::Ftp),
            None => None,
        };
    } else if spoken.protocol == Some(Protocol::Smtp) {
        // Before that it begins no TLS.
        ehlo();
    }
    let Some(protocol) = spoken.protocol else { return spoken };
    if let Some(begin) = answers::starttls(protocol) {
        let (heard, _) = exchange(&mut link, begin, ANSWER, a_line);
        spoken.starttls = answers::begins_tls(protocol, &heard);
        if spoken.starttls == Some(true) {
            spoken.tls = upgraded(link);
        }
    } else if let (Protocol::Vnc, Some(version)) = (protocol, spoken.version.as_deref()) {
        let access = |heard: &[u8]| answers::vnc_access(version, heard);
        let hello = answers::vnc_version(version);
        let (heard, _) = exchange(&mut link, hello, ANSWER, |heard| access(heard).is_some());
        spoken.access = access(&heard);
    }
    spoken
}

/// A service that is known by nothing but what it said.
fn unknown(heard: &[u8]) -> Spoken {
    Spoken { banner: banner(heard), ..Spoken::default() }
}

fn only_tls(tls: Tls) -> Spoken {
    Spoken { tls: Some(tls), ..Spoken::of(Protocol::Tls) }
}

fn within_tls(heard: &[u8]) -> Spoken {
    Spoken { banner: banner(heard), ..Spoken::of(Protocol::Tls) }
}

/// What TLS shows on a connection whose other end has agreed to it.
fn upgraded(link: Plain<'_>) -> Option<Tls> {
    match shake(link, &[]) {
        Shaken::Up(_, tls) | Shaken::Refused { tls, .. } => Some(tls),
        Shaken::Not(_) => None,
    }
}

fn ends_a_line(heard: &[u8]) -> bool {
    heard.ends_with(b"\n")
}

/// What Redis says; else what was heard, and whether the connection ended.
fn redis(link: &mut dyn Link) -> Result<Spoken, (Vec<u8>, bool)> {
    let (heard, ended) = exchange(link, answers::REDIS_PING, ANSWER, ends_a_line);
    let mut spoken = answers::redis(&heard).ok_or((heard, ended))?;
    if spoken.access == Some(Access::Free) {
        // A text as a bulk string ends with an empty line behind its last one.
        let (info, _) =
            exchange(link, answers::REDIS_INFO, ANSWER, |heard| heard.ends_with(b"\r\n\r\n"));
        (spoken.product, spoken.version) = answers::redis_software(&info);
    }
    Ok(spoken)
}

fn memcached(link: &mut dyn Link) -> Result<Spoken, (Vec<u8>, bool)> {
    let (heard, ended) = exchange(link, answers::MEMCACHED_VERSION, ANSWER, ends_a_line);
    answers::memcached(&heard).ok_or((heard, ended))
}

fn mongodb(link: &mut dyn Link) -> Result<Spoken, (Vec<u8>, bool)> {
    let (heard, ended) = exchange(link, &mongo::build_info(), ANSWER, mongo::is_whole);
    let mut spoken = mongo::server(&heard).ok_or((heard, ended))?;
    let (heard, _) = exchange(link, &mongo::list_databases(), ANSWER, mongo::is_whole);
    spoken.access = mongo::access(&heard);
    Ok(spoken)
}

fn postgresql(link: Plain<'_>, tls: bool) -> Spoken {
    let tls_facts = if tls { upgraded(link) } else { None };
    Spoken { starttls: Some(tls), tls: tls_facts, ..Spoken::of(Protocol::Postgresql) }
}

/// What an engine of containers tells of itself.
fn engine(link: &mut dyn Link, known: Spoken) -> Option<Spoken> {
    // The body has no end of its own that is easily known; it comes with the head or right behind it.
    let (heard, _) = exchange(link, http::DOCKER_VERSION, PAGE, |heard| heard.ends_with(b"}\n"));
    http::answer(&heard)?.engine(known)
}
