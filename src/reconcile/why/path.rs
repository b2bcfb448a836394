//! Why connecting to the path of a Unix socket fails.

use super::Found;
use super::words::holder;
use crate::model::{Certainty, Code, Errno, Gap, Portless, Why};

/// Everything that was found out.
#[derive(Debug, Clone)]
pub struct PathFacts {
    /// The path.
    pub path: String,
    /// What connecting gave.
    pub connected: Result<(), Errno>,
    /// The Unix sockets with the path, with owners.
    pub sockets: Vec<Portless>,
    /// What could not be seen.
    pub gaps: Vec<Gap>,
}

/// Says why it fails, or that it does not.
#[must_use]
pub fn path(facts: &PathFacts) -> Why {
    let found = facts.connected.as_ref().err().and_then(|errno| found(facts, errno));
    Why {
        target: facts.path.clone(),
        from: None,
        attempts: Vec::new(),
        works: facts.connected.is_ok(),
        failure: facts.connected.as_ref().err().map(|errno| errno.text.to_lowercase()),
        evidence: found.iter().flat_map(|found| found.evidence.clone()).collect(),
        diagnosis: found.map(Found::diagnosis),
        also_checked: Vec::new(),
        gaps: facts.gaps.clone(),
    }
}

fn found(facts: &PathFacts, errno: &Errno) -> Option<Found> {
    let path = &facts.path;
    let socket = facts.sockets.first();
    let proved = |code, text: String| {
        Found::new(code, Certainty::Proved, text).seen("connect", errno.text.clone())
    };
    match errno.name.as_str() {
        "ENOENT" | "ENOTDIR" => Some(proved(Code::P01, format!("there is no file {path}"))),
        "ECONNREFUSED" => Some(if let Some(socket) = socket {
            // A datagram socket, or one that is bound and does not listen.
            let text = format!("{} has {path} and takes no connections", holder(&socket.held));
            Found::new(Code::P02, Certainty::Likely, text)
        } else {
            let text = format!("nobody listens at {path}: the file is left over, or no socket");
            proved(Code::P02, text)
        }),
        "EACCES" | "EPERM" => {
            Some(proved(Code::P03, format!("this user may not connect to {path}")))
        }
        "EAGAIN" => {
            let who = socket.map_or_else(|| "the server".to_owned(), |it| holder(&it.held));
            let text = format!("{who} does not accept its connections: its queue is full");
            let found = Found::new(Code::T03, Certainty::Proved, text);
            Some(found.seen("connect", errno.text.clone()).next("portsight ls --unix"))
        }
        _ => None,
    }
}
