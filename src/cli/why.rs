//! `portsight why`: why connecting or binding fails.

mod bind;
mod from;
mod look;
mod onward;
mod proxy;
mod ssh;
mod systemd;
mod target;
mod trace;

use super::about::Started;
use super::args::{self, Output};
use super::duration;
use super::exit::Exit;
use super::hint;
use super::output::{self, Printer, environment};
use crate::document;
use crate::inventory::{self, Services};
use crate::model::{
    Asked, Certainty, Code, Evidence, Gap, Hides, Need, Outcome, Socket, Surroundings, Transport,
    Tried, Why,
};
use crate::probe;
use crate::reconcile::why;
use crate::render::{self, Records};
use crate::sys;
use anyhow::{Context, Result, bail};
use bind::Place;
use look::Looker;
use std::time::{Duration, Instant};
use systemd::Systemd;
use target::Target;

/// How long nothing may come back: the kernel sends its second SYN after a second.
const PATIENCE: Duration = Duration::from_millis(1_200);
/// The same for who waits anyway: a neighbour that nobody is takes the kernel three seconds.
const LONG_PATIENCE: Duration = Duration::from_secs(4);
/// How often it is tried again with `--wait`.
const AGAIN: Duration = Duration::from_millis(200);

pub(super) fn run(args: &args::Why, printer: &Printer) -> Result<Exit> {
    if let Some(word) = &args.explain {
        return explain(word);
    }
    let started = Started::now();
    let services = Services::load();
    let wait = args.wait.as_deref().map(waiting).transpose()?;
    let from = args.from.as_deref().map(Origin::parse).transpose()?;
    let transport = if args.udp { Transport::Udp } else { Transport::Tcp };
    let subject = match (&args.bind, &args.target) {
        (Some(text), _) => {
            let (at, port) = target::places(text, &services, transport)?;
            Subject::Bind(Place { text: text.clone(), at, port, transport })
        }
        (None, text) => Subject::Connect(Target::parse(
            text.as_deref().unwrap_or_default(),
            args.udp,
            &services,
        )?),
    };
    sys::catch_interrupt().context("cannot catch SIGINT")?;
    let surroundings = inventory::surroundings();
    let (services, surroundings) = (&services, &surroundings);
    let systemd = &Systemd::default();
    let asker = Asker { subject: &subject, from: from.as_ref(), services, surroundings, systemd };
    asker.must_lead_here()?;
    let report = asker.until(wait);
    let exit = exit(&report);
    let about = started.about(surroundings.clone());
    let document = || document::why(&about, &report);
    let (exit, written) = output::print(exit, |out| match printer.format() {
        Output::Table => {
            render::header(out, &about.surroundings)?;
            render::why_text(out, &report, &printer.appearance(started.unix_seconds()))
        }
        Output::Plain => render::why_records(out, &report, Records::Plain),
        Output::Csv => render::why_records(out, &report, Records::Csv),
        Output::Json => render::json(out, &document()),
        Output::Ndjson => render::ndjson(out, &document()),
    })?;
    if written.is_some() {
        printer.note_gaps(&report.gaps);
    }
    Ok(exit)
}

/// Prints one entry of the catalogue, or all.
fn explain(word: &str) -> Result<Exit> {
    let codes: Vec<Code> = match word {
        "all" => Code::all().collect(),
        _ => Code::named(word).into_iter().collect(),
    };
    if codes.is_empty() {
        let near = hint::did_you_mean(word, Code::all().map(|code| code.entry().slug));
        bail!("{word:?} is no code: codes are {} to {}, or all{near}", Code::R01, Code::P03);
    }
    let all = word == "all";
    Ok(output::print(Exit::Success, |out| render::findings(out, &codes, all))?.0)
}

fn waiting(text: &str) -> Result<Duration> {
    let (least, most) = (Duration::from_millis(1), Duration::from_hours(1));
    duration::parse(text, least, most).context("--wait")
}

/// 0 it works, 1 it fails and the cause is known, 3 else; a requested vantage that was not run, or not in full, is no
/// answer either.
fn exit(report: &Why) -> Exit {
    let unseen = |gap: &Gap| {
        gap.need == Some(Need::LaterVersion)
            || (report.from.is_some() && report.works && gap.hides == Hides::Views)
    };
    let not_run = report.gaps.iter().any(unseen);
    match (sys::interrupted(), report.works, sureness(report)) {
        (true, ..) => Exit::Interrupted,
        _ if not_run => Exit::Inconclusive,
        (_, true, _) => Exit::Success,
        (_, false, Some(Certainty::Proved | Certainty::Likely)) => Exit::Negative,
        (_, false, _) => Exit::Inconclusive,
    }
}

/// What is asked about.
enum Subject {
    Connect(Target),
    Bind(Place),
}

/// Where the client is, when it is not here.
enum Origin {
    /// On the network, as a packet of this host's own making.
    Network(from::Place),
    /// On another machine, which is asked.
    Machine(ssh::Login),
}

impl Origin {
    fn parse(word: &str) -> Result<Self> {
        match ssh::Login::parse(word) {
            Some(login) => Ok(Self::Machine(login?)),
            None => Ok(Self::Network(from::Place::parse(word)?)),
        }
    }
}

/// Who asks, and asks again.
struct Asker<'a> {
    subject: &'a Subject,
    /// `None` for this host.
    from: Option<&'a Origin>,
    services: &'a Services,
    surroundings: &'a Surroundings,
    systemd: &'a Systemd,
}

impl Asker<'_> {
    /// Says no to what nobody on the network reaches here.
    fn must_lead_here(&self) -> Result<()> {
        match (self.from, self.subject) {
            (None, _) => Ok(()),
            (Some(Origin::Network(_)), Subject::Connect(Target::Port(asked))) => {
                self.looker(asked).must_lead_here()
            }
            (Some(Origin::Machine(_)), Subject::Connect(Target::Port(asked))) => {
                self.looker(asked).must_be_reachable()
            }
            (Some(_), _) => bail!("--from asks for a port: no other host reaches a path"),
        }
    }

    /// The answer; with time to wait, the one that works, or else the last one.
    fn until(&self, wait: Option<Duration>) -> Why {
        let start = Instant::now();
        let left = || wait.and_then(|wait| wait.checked_sub(start.elapsed())).unwrap_or_default();
        let patience =
            || if wait.is_some() { LONG_PATIENCE.min(left().max(PATIENCE)) } else { PATIENCE };
        // A login is a burden, and written down there.
        let again = if let Some(Origin::Machine(_)) = self.from { AGAIN * 10 } else { AGAIN };
        let first = self.ask(patience());
        let mut report = first.clone();
        if self.from.is_some() && first.attempts.is_empty() {
            return report;
        }
        while !report.works && !left().is_zero() && !sys::interrupted() {
            sys::pause(again.min(left()));
            if left().is_zero() || self.may_have_changed(&report, patience()) {
                let new = self.ask(patience());
                // The last look may be too short to see as much as the one before.
                if new.works || sureness(&new) <= sureness(&report) {
                    report = new;
                }
            }
            if answers(&report) > answers(&first) {
                break;
            }
        }
        if wait.is_some() {
            report.evidence.push(changed(&first, &report, start.elapsed()));
        }
        report
    }

    /// One whole look.
    fn ask(&self, patience: Duration) -> Why {
        match self.subject {
            Subject::Bind(place) => {
                let facts = bind::look(place, self.services, self.surroundings, self.systemd);
                let mut report = why::bind(&facts);
                let at_port = facts.inventory.sockets.iter();
                let mut open = at_port.filter(|socket| !socket.state.is_connection());
                let held = [Some(Code::B01), Some(Code::B07)];
                if held.contains(&report.diagnosis.as_ref().map(|diagnosis| diagnosis.code))
                    && let Some(command) = open.find_map(stop_command)
                    && let Some(diagnosis) = &mut report.diagnosis
                {
                    diagnosis.next.insert(0, command);
                }
                report
            }
            Subject::Connect(Target::Path(path)) => {
                why::path(&bind::look_at_path(path, self.services, self.surroundings))
            }
            Subject::Connect(Target::Port(asked)) => {
                let looker = self.looker(asked);
                match self.from {
                    Some(Origin::Machine(login)) => looker.look_over_ssh(login),
                    Some(Origin::Network(place)) => {
                        why::judge(&looker.look_from(place, looker.resolve()))
                    }
                    None => why::judge(&looker.look(looker.resolve(), patience)),
                }
            }
        }
    }

    fn looker<'a>(&'a self, asked: &'a Asked) -> Looker<'a> {
        let Asker { services, surroundings, systemd, .. } = *self;
        Looker { asked, services, surroundings, systemd, variable: environment }
    }

    /// Whether a quick try ends otherwise than the last whole look: only then is another one worth its time.
    fn may_have_changed(&self, last: &Why, patience: Duration) -> bool {
        let Subject::Connect(Target::Port(asked)) = self.subject else { return true };
        if asked.transport == Transport::Udp || self.from.is_some() {
            return true;
        }
        let looker = self.looker(asked);
        let calls = looker.calls(&looker.resolve(), patience);
        let calls: Vec<_> = calls.into_iter().map(|(call, _)| call).collect();
        let outcomes: Vec<Outcome> =
            probe::connect(&calls).iter().map(|attempt| attempt.outcome).collect();
        let before: Vec<Outcome> =
            last.attempts.iter().map(|tried| tried.attempt.outcome).collect();
        outcomes != before || outcomes.contains(&Outcome::Connected)
    }
}

/// The command that frees the port of a socket.
fn stop_command(socket: &Socket) -> Option<String> {
    let pid = socket.held.owners.first()?.process.pid;
    let supervisor = inventory::supervisor(pid, &inventory::ancestors(pid));
    render::stop_command(socket, supervisor.as_ref())
}

/// How sure an answer is, the surest first.
fn sureness(report: &Why) -> Option<Certainty> {
    report.diagnosis.as_ref().map(|diagnosis| diagnosis.certainty)
}

/// How many addresses answer.
fn answers(report: &Why) -> usize {
    let answers = |tried: &&Tried| tried.attempt.outcome == Outcome::Connected;
    report.attempts.iter().filter(answers).count()
}

/// What became of it while it was waited for.
fn changed(first: &Why, last: &Why, time: Duration) -> Evidence {
    let before = first.diagnosis.as_ref().map_or_else(
        || if first.works { "it worked".to_owned() } else { "no reason was found".to_owned() },
        |diagnosis| format!("{} [{}]", diagnosis.text, diagnosis.code),
    );
    let seconds = time.as_secs_f64();
    let text = match (first.works, first == last || !last.works) {
        (true, _) => "nothing to wait for: it works".to_owned(),
        (false, true) => format!("still failing after {seconds:.1} s"),
        (false, false) => format!("it works after {seconds:.1} s; before: {before}"),
    };
    Evidence { what: "waited".to_owned(), text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::samples;

    #[test]
    fn what_works_from_there_as_far_as_it_was_seen_is_no_success() {
        let gap = |hides| Gap {
            what: "what XDP stops at lan0".into(),
            reason: "x".into(),
            need: None,
            hides,
        };
        let with = |from: Option<&str>, works, hides| {
            let from = from.map(str::to_owned);
            exit(&Why { from, works, gaps: vec![gap(hides)], ..samples::why() })
        };
        assert_eq!(with(Some("lan"), true, Hides::Views), Exit::Inconclusive);
        assert_eq!(with(Some("lan"), false, Hides::Views), Exit::Negative, "it fails in any case");
        assert_eq!(with(Some("lan"), true, Hides::Published), Exit::Success);
        assert_eq!(with(None, true, Hides::Views), Exit::Success);
    }
}
