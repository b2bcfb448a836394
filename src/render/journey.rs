//! The ways of probes through the rules, for `check --verbose`.

use super::check::listening;
use super::number::count;
use super::reason::{rule, target};
use super::sanitize::sanitize;
use super::{Appearance, style};
use crate::model::{Check, Hook, Journey, PortFinding, Reached, Rulebook, State, Step, View};
use std::io::{self, Write};

/// Room for the name of a hook, or what stands in its place.
const PLACE: usize = 11;

/// Writes the way of each probe that the kernel traced: where it came in, every rule that had to do with it in their
/// order, how far it came, and the way of the reply. Of the others, that there is no trace.
pub(super) fn ways(
    out: &mut dyn Write,
    check: &Check,
    rulebook: &Rulebook,
    look: &Appearance,
) -> io::Result<()> {
    let mut untraced = 0;
    for finding in &check.items {
        for view in &finding.views {
            let Some(journey) = &view.journey else {
                untraced += 1;
                continue;
            };
            heading(out, finding, view, look)?;
            Way { finding, view, journey, rulebook }.write(out)?;
        }
    }
    writeln!(out)?;
    if untraced > 0 {
        let which = "only what comes from the network is traced, and what does not get through here (takes root)";
        writeln!(out, "no trace of {}: {which}", count(untraced, "view"))?;
    }
    Ok(())
}

/// `8080/tcp from lan, 10.0.0.254 to 10.0.0.5: filtered (proved)`
fn heading(
    out: &mut dyn Write,
    finding: &PortFinding,
    view: &View,
    look: &Appearance,
) -> io::Result<()> {
    let paint = |style, text: &str| {
        if look.color { style::paint(style, text) } else { text.to_owned() }
    };
    let source = view.source.map(|source| format!("{} ", source.ip())).unwrap_or_default();
    writeln!(
        out,
        "\n{} from {}, {source}to {}: {} ({})",
        paint(style::PORT, &finding.endpoint.to_string()),
        view.vantage.name(),
        target(view),
        paint(style::verdict(view.verdict), view.verdict.name()),
        view.certainty.name(),
    )
}

/// The way of one probe.
struct Way<'a> {
    finding: &'a PortFinding,
    view: &'a View,
    journey: &'a Journey,
    rulebook: &'a Rulebook,
}

impl Way<'_> {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let from_network = self.view.vantage.is_network();
        if from_network {
            line(out, "arrives", &format!("at {}", sanitize(&self.view.interface.name)))?;
        } else {
            line(out, "sent", &format!("once more to {}, over lo", target(self.view)))?;
        }
        self.steps(out, &self.journey.steps)?;
        let (place, end) = self.end();
        line(out, place, &end)?;
        let Some(reply) = &self.journey.reply else { return Ok(()) };
        line(out, "reply", if reply.left { self.view.reason } else { "sets out" })?;
        self.steps(out, &reply.steps)?;
        match (reply.left, from_network) {
            (false, _) => {
                let note = self.view.note.as_deref().map(sanitize);
                let unruled = note.filter(|_| self.journey.reply_stopped_by().is_none());
                line(out, "ends", &unruled.unwrap_or("the reply was stopped".into()))
            }
            (true, true) => {
                line(out, "leaves", "here, and is held back, as every reply to a probe is")
            }
            (true, false) => line(out, "arrives", "the client has it"),
        }
    }

    fn steps(&self, out: &mut dyn Write, steps: &[Step]) -> io::Result<()> {
        for (step, hook) in steps.iter().zip(self.rulebook.hooks(steps)) {
            let decision = step.verdict.name();
            let chain = step.verdict.chain().map(|chain| format!(" {}", sanitize(chain)));
            let by = rule(&self.rulebook.rule(&step.rule));
            let what = format!("{by}: {decision}{}", chain.unwrap_or_default());
            line(out, hook.map_or("?", Hook::name), &what)?;
        }
        Ok(())
    }

    /// How far the probe came, and who took it.
    fn end(&self) -> (&'static str, String) {
        let note = self.view.note.as_deref().map(|note| sanitize(note).into_owned());
        let or_note = |text: &str| note.clone().unwrap_or_else(|| text.to_owned());
        if self.journey.stopped_by().is_some() {
            return ("ends", "the probe was stopped".to_owned());
        }
        match self.journey.reached {
            Reached::Nothing => ("ends", or_note("before the first rule")),
            Reached::Rules => ("ends", or_note("before it came to a socket")),
            Reached::Host(Some(to)) => ("socket", format!("at {to}")),
            Reached::Through(to) => ("forwarded", format!("to {to}")),
            Reached::Away(to) => ("leaves", format!("for {to}, and is held back here")),
            Reached::Host(None) => match listening(self.finding) {
                _ if self.view.state == State::Closed => ("socket", "none".to_owned()),
                names if names.is_empty() => ("socket", or_note("none that can be seen")),
                names if self.view.state == State::Open => ("socket", names),
                names => ("socket", note.map_or(names.clone(), |note| format!("{names}: {note}"))),
            },
        }
    }
}

fn line(out: &mut dyn Write, place: &str, text: &str) -> io::Result<()> {
    writeln!(out, "  {place:PLACE$}  {text}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::samples::{With as _, check, finding, tcp, view};
    use crate::model::{
        Backend, Base, Chain, ChainKind, Decision, Policy, Reply, Rule, RuleId, Table, TableFamily,
        Vantage, Verdict,
    };
    use std::sync::Arc;

    fn step(chain: &str, handle: Option<u64>, verdict: Decision) -> Step {
        let table = Table { family: TableFamily::Inet, name: "f".into() };
        Step { rule: RuleId { chain: Chain { table, name: chain.into() }, handle }, verdict }
    }

    fn rulebook(steps: &[&Step]) -> Rulebook {
        let mut rulebook = Rulebook::default();
        for step in steps {
            let hook = match step.rule.chain.name.as_str() {
                "in" => Some(Hook::Input),
                "out" => Some(Hook::Output),
                _ => None,
            };
            let (kind, priority, policy) = (ChainKind::Filter, 0, Policy::Drop);
            let base = hook.map(|hook| Base { hook, kind, priority, policy });
            rulebook.chains.insert(step.rule.chain.clone(), base);
            let text = Some(format!("text \u{1b} of {:?}", step.rule.handle));
            let (id, backend) = (step.rule.clone(), Backend::Nftables);
            rulebook.rules.insert(id.clone(), Rule { id, text, backend });
        }
        rulebook
    }

    #[test]
    fn a_way_names_each_rule_where_it_was_asked_and_who_took_the_probe() {
        let jump = step("in", Some(4), Decision::Jump("w\u{202e}eb".into()));
        let accept = step("web", Some(9), Decision::Accept);
        let policy = step("out", None, Decision::Accept);
        let drop = step("in", None, Decision::Drop);
        let rulebook = rulebook(&[&jump, &accept, &policy, &drop]);
        let traced = |journey, state, verdict| View {
            journey: Some(Arc::new(journey)),
            ..view(Vantage::Lan, state, verdict)
        };
        let in_and_out = Journey {
            reached: Reached::Host(None),
            steps: vec![jump.clone(), accept],
            reply: Some(Reply { left: true, steps: vec![policy.clone()] }),
            dropped: None,
        };
        let dropped = Journey {
            reached: Reached::Rules,
            steps: vec![jump, drop],
            reply: None,
            dropped: None,
        };
        let lost = Journey { reached: Reached::Nothing, steps: vec![], reply: None, dropped: None };
        let away = Journey {
            reached: Reached::Away("192.0.2.1:80".parse().unwrap()),
            steps: vec![],
            reply: Some(Reply { left: false, steps: vec![policy] }),
            dropped: None,
        };
        let unanswered = View {
            note: Some("its reply was dropped by a program\u{1b}".into()),
            ..traced(away.clone(), State::Filtered, Verdict::Filtered)
        };
        let open = traced(in_and_out, State::Open, Verdict::Reachable);
        let sshd = tcp("0.0.0.0", 22).owned_by(8, "sshd");
        let local = view(Vantage::Loopback, State::Open, Verdict::Reachable);
        let told = check(vec![
            finding(22, vec![sshd], vec![open, local]),
            finding(23, vec![], vec![traced(dropped, State::Filtered, Verdict::Shielded)]),
            finding(24, vec![], vec![traced(lost, State::Filtered, Verdict::Shielded)]),
            finding(25, vec![], vec![traced(away, State::Filtered, Verdict::Forwarded)]),
            finding(26, vec![], vec![unanswered]),
        ]);
        let mut out = Vec::new();
        ways(&mut out, &told, &rulebook, &Appearance::default()).unwrap();
        insta::assert_snapshot!(String::from_utf8(out).unwrap(), @r#"
        22/tcp from lan, 10.0.0.5 to 10.0.0.5: reachable (proved)
          arrives      at eth0
          input        inet f in handle 4 "text \x1b of Some(4)": jump w\u{202e}eb
          input        inet f web handle 9 "text \x1b of Some(9)": accept
          socket       sshd
          reply        syn-ack
          output       the policy of inet f out: accept
          leaves       here, and is held back, as every reply to a probe is

        23/tcp from lan, 10.0.0.5 to 10.0.0.5: shielded (proved)
          arrives      at eth0
          input        inet f in handle 4 "text \x1b of Some(4)": jump w\u{202e}eb
          input        the policy of inet f in: drop
          ends         the probe was stopped

        24/tcp from lan, 10.0.0.5 to 10.0.0.5: shielded (proved)
          arrives      at eth0
          ends         before the first rule

        25/tcp from lan, 10.0.0.5 to 10.0.0.5: forwarded (proved)
          arrives      at eth0
          leaves       for 192.0.2.1:80, and is held back here
          reply        sets out
          output       the policy of inet f out: accept
          ends         the reply was stopped

        26/tcp from lan, 10.0.0.5 to 10.0.0.5: filtered (proved)
          arrives      at eth0
          leaves       for 192.0.2.1:80, and is held back here
          reply        sets out
          output       the policy of inet f out: accept
          ends         its reply was dropped by a program\x1b

        no trace of 1 view: only what comes from the network is traced, and what does not get through here (takes root)
        "#);
    }
}
