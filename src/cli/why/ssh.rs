//! The facts for `why --from ssh:USER@HOST`: the same question, asked on another machine over the system's `ssh`.
//!
//! A script goes to the shell there by its standard input. It asks the portsight of that machine, or else what its shell
//! has to connect with. What comes back is that machine's word; what this host knows of its own addresses joins it.

mod login;
mod reply;

use super::from::{Found, probes};
use super::look::{Looker, addresses_in_hosts};
use super::trace::{not_traced, read_around, rules_of, untraced};
use crate::document;
use crate::inventory;
use crate::model::{
    Asked, ClientAttempt, Evidence, Gap, Hides, Outcome, Resolution, Resolved, Told, Transport,
    Way, Why,
};
use crate::outside::{self, Post, Wanted};
use crate::reconcile::why::{self, Case, Facts, Remote, There};
use crate::sys::{self, LocalAddress};
use anyhow::{Result, bail};
pub(super) use login::Login;
use reply::Reply;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

/// What the script there is to ask.
#[derive(Debug)]
struct Question<'a> {
    asked: &'a Asked,
    /// What to connect to; `None` for this host as that machine sees it.
    host: Option<&'a str>,
    /// The addresses of this host.
    ours: &'a BTreeSet<IpAddr>,
    /// Whether a portsight there may be asked.
    portsight: bool,
}

/// What came of the question.
struct Answer {
    reply: Reply,
    told: Option<Told>,
    /// Why a portsight there was no help.
    not_understood: Option<String>,
}

impl Answer {
    /// Each attempt, with the address that it went out from where that is known.
    fn attempts(&self) -> Vec<(ClientAttempt, Option<IpAddr>)> {
        let source = |to: IpAddr| {
            // To where ssh comes from a machine answers from where ssh came to.
            let of_ssh = self.reply.seen.filter(|(client, _)| *client == to);
            self.reply.ways.get(&to).copied().or(of_ssh.map(|(_, server)| server))
        };
        let with_source = |attempt: &ClientAttempt| (attempt.clone(), source(attempt.to.ip()));
        match &self.told {
            Some(told) => told.attempts.iter().map(with_source).collect(),
            None => self.reply.attempts.iter().map(|knock| with_source(&knock.attempt)).collect(),
        }
    }

    /// What asked there.
    fn by(&self) -> &str {
        match (&self.told, &self.reply.tool) {
            (Some(_), _) => "portsight",
            (None, Some(tool)) => tool,
            (None, None) => "its shell",
        }
    }
}

impl Looker<'_> {
    /// Says no to a target that only this host itself reaches.
    pub(super) fn must_be_reachable(&self) -> Result<()> {
        let Asked { host, port, .. } = self.asked;
        if let Ok(address) = host.parse::<IpAddr>()
            && address.is_loopback()
        {
            bail!(
                "{address} is reached from this host only: {port} asks for the address that others use"
            );
        }
        Ok(())
    }

    /// Everything, where the client is on another machine. Forks a child, so it is done while there is one thread.
    pub(super) fn look_over_ssh(&self, login: &Login) -> Why {
        let before = self.table();
        let local = sys::local_addresses().unwrap_or_default().usable;
        let ours: BTreeSet<IpAddr> = local
            .iter()
            .map(|local| local.address)
            .filter(|address| !address.is_loopback())
            .collect();
        let host = (!self.means_this_host()).then_some(self.asked.host.as_str());
        let question = Question { asked: self.asked, host, ours: &ours, portsight: true };
        let mut gaps = Vec::new();
        let answer = answer(login, &question).unwrap_or_else(|reason| {
            gaps.push(gap(login, reason));
            Answer { reply: Reply::default(), told: None, not_understood: None }
        });
        if gaps.is_empty() {
            gaps.extend(nothing_asked(&answer, host, self.asked).map(|reason| gap(login, reason)));
        }
        let unclear = answer.reply.attempts.iter().filter(|_| answer.told.is_none());
        gaps.extend(unclear.filter_map(|knock| {
            let what = format!("what {} gets at {}", login.word, knock.attempt.to);
            let reason = format!("{} says there: {}", answer.by(), knock.unclear.as_ref()?);
            Some(Gap { what, reason, need: None, hides: Hides::Views })
        }));
        let asked = answer.attempts();
        let is_ours = |to: IpAddr| {
            let own = &answer.reply.own;
            let sees_us = answer.reply.seen.is_some_and(|(client, _)| client == to);
            // An address that both machines have is its own there.
            ours.contains(&to) && !own.contains(&to) && (sees_us || !own.is_empty())
        };
        let mut cases: Vec<Case> = asked
            .iter()
            .map(|(attempt, _)| case(attempt.clone(), is_ours(attempt.to.ip())))
            .collect();
        let sources: Vec<Option<IpAddr>> = asked.iter().map(|(_, source)| *source).collect();
        let traced = self.trace_from_there(&mut cases, &sources, &local, &login.word, &mut gaps);
        let places = places(&answer, &sources);
        let has_any_of_ours = cases.iter().any(|case| matches!(case.way, Way::Local(_)));
        let resolution = resolution(self.asked, host, &answer, &cases);
        let mut facts = self.facts(resolution, before, cases, traced.untraced, true);
        if has_any_of_ours {
            gaps.append(&mut facts.gaps);
        }
        let there = There {
            login: login.command(),
            seen: answer.reply.seen.map(|(client, _)| client),
            here: traced.here,
            direct: traced.direct,
            sees_all: traced.sees_all,
        };
        let word = login.word.clone();
        let sources = sources.into_iter().flatten().collect();
        let there = Some(there);
        let remote = Remote { word, places, sources, every_address: false, there };
        let facts = Facts { remote: Some(remote), gaps, ..facts };
        let mut report = why::judge_there(&facts, answer.told.as_ref());
        report.evidence.extend(answer.not_understood.map(|text| Evidence {
            what: "portsight there".to_owned(),
            text: format!("not understood, so its shell was asked: {text}"),
        }));
        report
    }

    /// Whether the target names no other host: then it is this one, as the other machine sees it.
    fn means_this_host(&self) -> bool {
        let host = self.asked.host.as_str();
        if let Ok(address) = host.parse::<IpAddr>() {
            return address.is_unspecified();
        }
        // No server of names is asked here for what is to be looked up there.
        let addresses = addresses_in_hosts(host);
        host == "localhost" || !addresses.is_empty() && addresses.iter().all(IpAddr::is_loopback)
    }

    /// Traces a packet from there for each of our addresses that it did not reach, where we may.
    fn trace_from_there(
        &self,
        cases: &mut [Case],
        sources: &[Option<IpAddr>],
        local: &[LocalAddress],
        word: &str,
        gaps: &mut Vec<Gap>,
    ) -> Traced {
        let mut traced = Traced {
            untraced: untraced("it is not known by which way packets come from there", None),
            here: BTreeMap::new(),
            direct: true,
            sees_all: true,
        };
        for (case, source) in cases.iter_mut().zip(sources) {
            let failed = case.attempt.outcome != Outcome::Connected;
            let (true, Way::Local(_), Some(source)) = (failed, &case.way, source) else { continue };
            let to = case.attempt.to.ip();
            let posts = posts(*source, to, local);
            let unseen = gaps.len();
            let found = match probes(word, &posts, self.asked, gaps) {
                Ok(found) => found,
                Err(error) => {
                    traced.untraced = not_traced(&error);
                    continue;
                }
            };
            let Some(found): Option<&Found> = found.first() else { continue };
            let probed = found.probed(self.asked);
            let (rulebook, table) = (rules_of(|rulebook| probed.rules(rulebook)), self.table());
            let filters = self.filters(&table, found.way().into_iter());
            let taker = self.taker(&table, to, probed.device);
            let here = case.confirm(&probed, &rulebook, &filters, taker);
            if let Some(journey) = probed.journey {
                read_around(case, journey);
            }
            traced.here.insert(to, here);
            traced.sees_all &= gaps.iter().skip(unseen).all(|gap| gap.hides != Hides::Views);
            traced.direct &=
                matches!(inventory::way_to(*source, 0), Way::Out { gateway: None, .. });
            traced.untraced = untraced("the kernel's trace does not tell the rule", None);
        }
        traced
    }
}

/// What traces showed.
struct Traced {
    /// Why no rule is known where one must have decided.
    untraced: Gap,
    here: BTreeMap<IpAddr, Outcome>,
    direct: bool,
    sees_all: bool,
}

/// The way by which packets from there come to an address of ours: by the device by which ours leave for there.
fn posts(source: IpAddr, to: IpAddr, local: &[LocalAddress]) -> Vec<Post> {
    let Way::Out { device, .. } = inventory::way_to(source, 0) else { return Vec::new() };
    let vantage = outside::vantage_of(source, local);
    let wanted = Wanted { vantage, source: Some(source) };
    let (mut posts, _) = outside::posts(local, &[to], &[wanted]);
    posts.retain(|post| post.target.address == to && post.target.device == device);
    posts.truncate(1);
    posts
}

/// Asks a portsight there, or else, and where that is not understood, the shell.
fn answer(login: &Login, question: &Question<'_>) -> Result<Answer, String> {
    let reply = login.ask(question)?;
    must_be_another(&reply)?;
    let Some(document) = &reply.document else {
        return Ok(Answer { reply, told: None, not_understood: None });
    };
    match document::read_why(document) {
        Ok(told) => Ok(Answer { told: Some(told), reply, not_understood: None }),
        Err(text) => {
            let reply = login.ask(&Question { portsight: false, ..*question })?;
            Ok(Answer { reply, told: None, not_understood: Some(text) })
        }
    }
}

/// Says no to a login that leads back to this host.
fn must_be_another(reply: &Reply) -> Result<(), String> {
    let netns = sys::network_namespace("self").ok().map(|netns| format!("net:[{}]", netns.inode));
    let here = sys::boot_id().zip(netns);
    if here.is_some_and(|here| here == reply.machine) {
        return Err("it leads to this host itself, which is asked without --from".to_owned());
    }
    Ok(())
}

/// Why there is no attempt, where there is none.
fn nothing_asked(answer: &Answer, host: Option<&str>, asked: &Asked) -> Option<String> {
    let reply = &answer.reply;
    if answer.told.is_some() || !reply.attempts.is_empty() {
        return None;
    }
    Some(match (host, reply.seen) {
        (None, None) => format!(
            "ssh does not say there how it sees this host: name the address, as in ADDRESS:{}",
            asked.port
        ),
        (None, Some((client, _))) if reply.tool.is_none() => format!(
            "it sees this host as {client}, which this host does not have (NAT, or a jump host): name the address that \
             clients there use, as in ADDRESS:{}",
            asked.port
        ),
        _ if asked.transport == Transport::Udp => {
            "there is no portsight there, and a shell cannot ask for UDP".to_owned()
        }
        _ if reply.tool.as_deref() == Some("none") => {
            "there is no portsight, no bash, no python3 and no nc there".to_owned()
        }
        (Some(host), _) if reply.no_name.is_some() => {
            let why = reply.no_name.unwrap_or_default();
            format!("{host} could not be looked up there: {why}")
        }
        _ => "nothing was tried there".to_owned(),
    })
}

/// From where and by what it was asked.
fn places(answer: &Answer, sources: &[Option<IpAddr>]) -> BTreeSet<String> {
    let from = |source: &Option<IpAddr>| match source {
        Some(source) => format!("{source} by {}", answer.by()),
        None => answer.by().to_owned(),
    };
    sources.iter().map(from).collect()
}

/// What became of the name there.
fn resolution(asked: &Asked, host: Option<&str>, answer: &Answer, cases: &[Case]) -> Resolution {
    let addresses: Vec<SocketAddr> = cases.iter().map(|case| case.attempt.to).collect();
    let literal = host.is_none_or(|host| host.parse::<IpAddr>().is_ok());
    let found = match (addresses.first(), answer.reply.no_name) {
        (Some(address), _) if literal => Resolved::Literal(*address),
        (None, Some(why)) => Resolved::Unreachable(why.to_owned()),
        _ => Resolved::Addresses(addresses),
    };
    Resolution { name: asked.host.clone(), answer: found, in_hosts: Vec::new() }
}

fn gap(login: &Login, reason: String) -> Gap {
    let what = format!("the vantage {}", login.word);
    Gap { what, reason, need: None, hides: Hides::Views }
}

fn case(attempt: ClientAttempt, is_ours: bool) -> Case {
    let way = if is_ours {
        inventory::way_to(attempt.to.ip(), 0)
    } else {
        Way::Out { device: 0, gateway: None }
    };
    Case::unasked(attempt, way)
}
