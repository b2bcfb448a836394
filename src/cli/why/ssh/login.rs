//! Another machine that can be logged in to, and one question to it.

use super::Question;
use super::reply::Reply;
use crate::cli::output::environment;
use crate::model::{Transport, shell_word};
use crate::sys::{self, Program, Unfinished};
use anyhow::{Result, bail};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What is asked, behind the words of a question.
const SCRIPT: &str = include_str!("script.sh");
/// How long each address may take there: a neighbour that nobody is takes three seconds.
const PATIENCE: Duration = Duration::from_secs(4);
/// How long all of it may take.
const ALL: Duration = Duration::from_secs(20);
/// How much the other machine may say.
const BOUND: usize = 512 << 10;
/// So many letters of what ssh says are shown.
const LONGEST: usize = 300;

/// What ssh is told, whatever the user's configuration says. It asks nothing, starts nothing that stays, and forwards
/// nothing.
const OPTIONS: [&str; 9] = [
    "BatchMode=yes",
    "ConnectTimeout=5",
    "ConnectionAttempts=1",
    "ControlMaster=no",
    "RemoteCommand=none",
    "ClearAllForwardings=yes",
    "PermitLocalCommand=no",
    "LogLevel=ERROR",
    "ServerAliveInterval=5",
];

/// `ssh:USER@HOST:PORT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli::why) struct Login {
    /// As it was written.
    pub(super) word: String,
    user: Option<String>,
    host: String,
    port: Option<u16>,
}

impl Login {
    /// Reads `ssh:web1`, `ssh:me@web1:2222`, `ssh:[::1]:22`; `None` for another vantage.
    pub(in crate::cli::why) fn parse(word: &str) -> Option<Result<Self>> {
        let place = word.strip_prefix("ssh:")?;
        Some(Self::read(word, place.strip_prefix("//").unwrap_or(place)))
    }

    fn read(word: &str, place: &str) -> Result<Self> {
        let (user, place) = match place.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, place),
        };
        let (host, port) = match place.strip_prefix('[') {
            Some(inner) => match inner.split_once(']') {
                Some((host, "")) => (host, None),
                Some((host, port)) if port.starts_with(':') => (host, port.get(1..)),
                _ => bail!("--from {word}: write ssh:USER@[::1]:22"),
            },
            None if place.parse::<IpAddr>().is_ok() => (place, None),
            None => match place.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (place, None),
            },
        };
        let is_plain = |c: char| c.is_alphanumeric() || "-_.:%".contains(c);
        let is_word = |text: &str, more: &str| {
            !text.is_empty()
                && !text.starts_with('-')
                && text.chars().all(|c| is_plain(c) || more.contains(c))
        };
        if !is_word(host, "") {
            bail!("--from {word}: {host:?} is no name of a host: write ssh:USER@HOST");
        }
        if let Some(user) = user.filter(|user| !is_word(user, "@+")) {
            bail!("--from {word}: {user:?} is no name of a user");
        }
        let number = |port: &str| port.parse().ok().filter(|port| *port != 0);
        let port = match port.map(|port| (port, number(port))) {
            Some((port, None)) => bail!("--from {word}: {port:?} is no port"),
            port => port.and_then(|(_, number)| number),
        };
        let (word, user, host) = (word.to_owned(), user.map(str::to_owned), host.to_owned());
        Ok(Self { word, user, host, port })
    }

    /// The command that logs in there, for a shell.
    pub(super) fn command(&self) -> String {
        let port = self.port.map_or_else(String::new, |port| format!(" -p {port}"));
        let user = self.user.as_ref().map_or_else(String::new, |user| format!("{user}@"));
        format!("ssh{port} {}", shell_word(&format!("{user}{}", self.host)))
    }

    /// Asks there. The error says in one line why that failed; then nothing is known.
    pub(super) fn ask(&self, question: &Question<'_>) -> Result<Reply, String> {
        let ssh = which("ssh").ok_or("there is no program ssh: install the client of OpenSSH")?;
        let port = self.port.map(|port| port.to_string());
        let mut arguments = vec!["-T", "-a", "-x"];
        arguments.extend(OPTIONS.iter().flat_map(|option| ["-o", option]));
        arguments.extend(self.user.iter().flat_map(|user| ["-l", user]));
        arguments.extend(port.iter().flat_map(|port| ["-p", port]));
        // The login shell may be any: it only starts the one that reads the script.
        arguments.extend(["--", &self.host, "exec sh -s"]);
        let input = format!("{}{SCRIPT}", question.assignments());
        let ended = Program {
            path: &ssh,
            arguments: &arguments,
            environment: None,
            input: &input,
            patience: ALL,
            bound: BOUND,
        }
        .run();
        let ended = ended.map_err(|error| match error {
            Unfinished::Failed(error) => format!("ssh could not be started: {error}"),
            error => format!("ssh was ended: {error}"),
        })?;
        let reply = Reply::read(&String::from_utf8_lossy(&ended.output), question.asked.port);
        match (reply, ended.status) {
            (Some(reply), Some(0)) => Ok(reply),
            (_, status) => {
                let said = String::from_utf8_lossy(&ended.errors);
                let said = said.lines().map(str::trim).rfind(|line| !line.is_empty());
                let said = said.map(|line| line.chars().take(LONGEST).collect::<String>());
                Err(match (said, status) {
                    (Some(said), Some(255)) => format!("ssh: {said}"),
                    (Some(said), _) => format!("no answer from a POSIX shell there: {said}"),
                    (None, _) => "no answer from a POSIX shell there".to_owned(),
                })
            }
        }
    }
}

impl Question<'_> {
    /// The words of the question, as a shell assigns them.
    fn assignments(&self) -> String {
        let asked = self.asked;
        let host = self.host.unwrap_or_default();
        let is_literal = host.parse::<IpAddr>().is_ok() || host.contains('%');
        let ours: Vec<String> = self.ours.iter().map(ToString::to_string).collect();
        let scheme = asked.scheme.as_ref().map_or_else(String::new, |it| format!("{it}://"));
        let udp = if asked.transport == Transport::Udp { "--udp" } else { "" };
        let yes = |is| if is { "yes" } else { "no" };
        let words = [
            ("host", host.to_owned()),
            ("literal", yes(is_literal).to_owned()),
            ("port", asked.port.to_string()),
            ("scheme", scheme),
            ("udp", udp.to_owned()),
            ("ours", ours.join(" ")),
            ("patience", PATIENCE.as_secs().to_string()),
            ("portsight", yes(self.portsight).to_owned()),
        ];
        let line = |(name, value): &(&str, String)| format!("{name}={}\n", shell_word(value));
        words.iter().map(line).collect()
    }
}

/// The file of a program, by the variable `PATH`.
fn which(name: &str) -> Option<PathBuf> {
    let path = environment("PATH")?;
    let absolute = path.split(':').map(Path::new).filter(|directory| directory.is_absolute());
    absolute.map(|directory| directory.join(name)).find(|file| sys::is_program(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(word: &str) -> String {
        match Login::parse(word) {
            None => "another vantage".to_owned(),
            Some(Ok(login)) => login.command(),
            Some(Err(error)) => error.to_string(),
        }
    }

    #[test]
    fn a_login_is_read_and_nothing_in_it_is_an_option() {
        for (word, command) in [
            ("ssh:web1", "ssh web1"),
            ("ssh:me@web1:2222", "ssh -p 2222 me@web1"),
            ("ssh://me@web1", "ssh me@web1"),
            ("ssh:me@10.0.0.1", "ssh me@10.0.0.1"),
            ("ssh:[::1]:22", "ssh -p 22 ::1"),
            ("ssh:fe80::1", "ssh fe80::1"),
            ("ssh:me@[fe80::1%eth0]", "ssh me@fe80::1%eth0"),
            ("ssh:a@b@web1", "ssh a@b@web1"),
            ("lan", "another vantage"),
        ] {
            assert_eq!(told(word), command, "{word}");
        }
        for (word, words) in [
            ("ssh:", "\"\" is no name of a host"),
            ("ssh:-oProxyCommand=x", "is no name of a host"),
            ("ssh:-l", "is no name of a host"),
            ("ssh:web1;id", "is no name of a host"),
            ("ssh:$(id)", "is no name of a host"),
            ("ssh:-x@web1", "is no name of a user"),
            ("ssh:`id`@web1", "is no name of a user"),
            (r"ssh:DOM\me@web1", "is no name of a user"),
            ("ssh:@web1", "is no name of a user"),
            ("ssh:web1:0", "\"0\" is no port"),
            ("ssh:web1:99999", "is no port"),
            ("ssh:web1:", "\"\" is no port"),
            ("ssh:[::1", "write ssh:USER@[::1]:22"),
            ("ssh:[::1]x", "write ssh:USER@[::1]:22"),
        ] {
            let told = told(word);
            assert!(told.contains(words) && !told.contains('\n'), "{word}: {told}");
        }
    }
}
