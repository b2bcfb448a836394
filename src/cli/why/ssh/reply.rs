//! What another machine replied to the script.

use crate::model::{ClientAttempt, Errno, Outcome, Port};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// So many attempts are read: the script makes no more.
const MOST: usize = 8;
/// So many letters of what a tool said are kept.
const LONGEST: usize = 200;

/// What is in a reply. Every word of it is that machine's.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Reply {
    /// The boot and the network namespace, as `/proc` names them.
    pub(super) machine: (String, String),
    /// How ssh reached it: the address of this host as seen there, and its own.
    pub(super) seen: Option<(IpAddr, IpAddr)>,
    /// Its addresses; none where it has no tool that lists them.
    pub(super) own: BTreeSet<IpAddr>,
    /// From where it speaks to addresses of this host, where it has a tool that tells that.
    pub(super) ways: BTreeMap<IpAddr, IpAddr>,
    /// What portsight printed there.
    pub(super) document: Option<String>,
    /// The tool that made the attempts; `none` where there is none.
    pub(super) tool: Option<String>,
    /// Why there is no address of the name.
    pub(super) no_name: Option<&'static str>,
    /// The attempts, in the order of the addresses.
    pub(super) attempts: Vec<Knock>,
}

/// One attempt of a tool.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Knock {
    pub(super) attempt: ClientAttempt,
    /// What the tool said where that is not understood.
    pub(super) unclear: Option<String>,
}

impl Reply {
    /// Reads what the script wrote; `None` where it did not run to its end. What a login writes before is passed over.
    pub(super) fn read(text: &str, port: Port) -> Option<Self> {
        let (_, text) = text.split_once("portsight-asks 1\n")?;
        let text = text.trim_end().strip_suffix("end")?;
        let (text, document) = match text.split_once("\nportsight\n") {
            Some((text, document)) => (text, Some(document.to_owned())),
            None => (text, None),
        };
        let mut reply = Self { document, ..Self::default() };
        let mut attempts = BTreeMap::new();
        for line in text.lines() {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            match word {
                "boot" => rest.clone_into(&mut reply.machine.0),
                "netns" => rest.clone_into(&mut reply.machine.1),
                "seen" => reply.seen = seen(rest),
                "own" => reply.own.extend(address(rest)),
                "way" => reply.ways.extend(
                    rest.split_once(' ')
                        .and_then(|(to, from)| Some((address(to)?, address(from)?))),
                ),
                "tool" => reply.tool = Some(rest.chars().take(20).collect()),
                "name" if rest == "none" => {
                    reply.no_name = Some("its resolver gives no address");
                }
                "name" => reply.no_name = Some("it has no getent that would tell the address"),
                "attempt" => attempts.extend(attempt(rest, port)),
                _ => {}
            }
        }
        reply.attempts = attempts.into_values().take(MOST).collect();
        Some(reply)
    }
}

/// The client's and the server's address in `SSH_CONNECTION`.
fn seen(text: &str) -> Option<(IpAddr, IpAddr)> {
    let words: Vec<&str> = text.split(' ').collect();
    let [client, _, server, _] = *words.as_slice() else { return None };
    Some((address(client)?, address(server)?))
}

/// An address without its zone.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.split_once('%').map_or(text, |(bare, _)| bare);
    bare.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// `1 10.0.0.5 3117 bash: Connection refused status 1`.
fn attempt(text: &str, port: Port) -> Option<(u32, Knock)> {
    let mut words = text.splitn(4, ' ');
    let (number, to, time, said) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let to = SocketAddr::new(address(to)?, port.get());
    let (said, status) = said.rsplit_once("status ")?;
    let said: String = said.trim().chars().take(LONGEST).collect();
    let errno = |name| Errno::told_in(name);
    // The resolver of the tool, not the network.
    let misread = said.contains("not known") || said.contains("resolution");
    let (outcome, errno) = match status.trim() {
        "0" => (Outcome::Connected, None),
        // It was ended since it took too long.
        "137" | "9" => (Outcome::TimedOut, None),
        _ => match errno(&said).filter(|_| !misread) {
            Some(errno) if errno.outcome() == Outcome::TimedOut => (Outcome::TimedOut, None),
            Some(errno) => (errno.outcome(), Some(errno)),
            None => (Outcome::Failed, None),
        },
    };
    let elapsed = Duration::from_micros(time.parse().ok()?);
    let (icmp, sees_icmp, opened) = (None, false, None);
    let attempt = ClientAttempt { to, outcome, errno, icmp, sees_icmp, elapsed, opened };
    let unclear = (outcome == Outcome::Failed).then_some(said);
    Some((number.parse().ok()?, Knock { attempt, unclear }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port() -> Port {
        Port::new(80).unwrap()
    }

    #[test]
    fn each_line_is_read_and_what_a_login_says_is_not() {
        let text = "Welcome!\nseen 9.9.9.9 1 9.9.9.9 2\nportsight-asks 1\nboot b\nnetns net:[4]\n\
            seen fe80::1%eth0 4000 10.0.0.9 22\nown 10.0.0.9\nown ::1\nown x\nway 10.0.0.5 10.0.0.9\nway x y\ntool bash\n\
            attempt 2 fe80::2%eth0 1200 bash: connect: No route to host status 1\n\
            attempt 1 10.0.0.5 3117  status 0\nrubbish\nend\n";
        let reply = Reply::read(text, port()).unwrap();
        assert_eq!(reply.machine, ("b".to_owned(), "net:[4]".to_owned()));
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(reply.seen, Some((address("fe80::1"), address("10.0.0.9"))));
        assert_eq!(reply.own, BTreeSet::from([address("10.0.0.9"), address("::1")]));
        assert_eq!(reply.ways, BTreeMap::from([(address("10.0.0.5"), address("10.0.0.9"))]));
        assert_eq!((reply.tool.as_deref(), reply.document), (Some("bash"), None));
        let told: Vec<_> = reply
            .attempts
            .iter()
            .map(|knock| (knock.attempt.in_words(), knock.unclear.clone()))
            .collect();
        let expected =
            [("open in 3.1 ms".to_owned(), None), ("EHOSTUNREACH in 1.2 ms".to_owned(), None)];
        assert_eq!(told, expected);
        let document = "portsight-asks 1\ntool x\nportsight\n{\n}\nend\n\nend\n";
        let reply = Reply::read(document, port()).unwrap();
        assert_eq!(reply.document.as_deref(), Some("{\n}\nend\n\n"));
        assert_eq!(Reply::read("portsight-asks 1\nboot x\n", port()), None, "not to its end");
        assert_eq!(Reply::read("boot x\nend\n", port()), None);
    }

    #[test]
    fn more_attempts_than_the_script_makes_are_not_read() {
        let line = |number| format!("attempt {number} 10.0.0.{} 5 status 0\n", number % 256);
        let lines: String = (1..1000).map(line).collect();
        let reply = Reply::read(&format!("portsight-asks 1\n{lines}end\n"), port()).unwrap();
        assert_eq!(reply.attempts.len(), 8);
        assert_eq!(reply.attempts[7].attempt.to.to_string(), "10.0.0.8:80");
    }

    #[test]
    fn what_a_tool_says_is_one_outcome_or_unclear() {
        let told = |said: &str| {
            let (_, knock) = attempt(&format!("1 10.0.0.5 5 {said}"), port()).unwrap();
            (knock.attempt.outcome, knock.unclear.is_some())
        };
        for (said, outcome) in [
            ("status 0", Outcome::Connected),
            (" status 137", Outcome::TimedOut),
            (
                "nc: connect to ::1 port 1 (tcp) failed: Connection refused status 1",
                Outcome::Refused,
            ),
            ("Ncat: TIMEOUT. status 1", Outcome::TimedOut),
            ("nc: timed out status 1", Outcome::TimedOut),
            ("EACCES status 1", Outcome::Denied),
            ("ENETUNREACH status 1", Outcome::Unreachable),
            ("nc: invalid option -- 'z' status 1", Outcome::Failed),
            (
                "bash: x: Name or service not known bash: /dev/tcp/x/1: Invalid argument status 1",
                Outcome::Failed,
            ),
        ] {
            assert_eq!(told(said), (outcome, outcome == Outcome::Failed), "{said}");
        }
        for text in ["", "1 10.0.0.5", "1 x 5 status 0", "1 10.0.0.5 x status 0", "1 10.0.0.5 5 x"]
        {
            assert_eq!(attempt(text, port()), None, "{text}");
        }
    }
}
