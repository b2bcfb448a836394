//! The way of a probe through the rules, in the document of `check`.

use super::check::RuleItem;
use super::unknown::UnknownList;
use crate::model::{Hook, Journey, Reply, Rulebook, Step};
use schemars::JsonSchema;
use serde::Serialize;
use std::net::SocketAddr;

/// A probe's way, and that of the reply to it.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct JourneyItem<'a> {
    /// How far it came: to the interface, to the first rule, past all rules to the sockets of this host, there at
    /// another address or port, through this host, or to where it would have left.
    #[schemars(extend("enum" = ["interface", "rules", "host", "redirected", "forwarded", "held-back"]))]
    reached: &'static str,
    /// The address and port that NAT gave it.
    to: Option<SocketAddr>,
    steps: Vec<StepItem<'a>>,
    reply: Option<ReplyItem<'a>>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct ReplyItem<'a> {
    /// Whether it passed all rules on the way out.
    left: bool,
    steps: Vec<StepItem<'a>>,
}

/// What a rule or a policy decided.
#[derive(Debug, Serialize, JsonSchema)]
struct StepItem<'a> {
    #[schemars(extend("enum" = ["ingress", "prerouting", "input", "forward", "output", "postrouting", "egress", null]))]
    hook: Option<&'static str>,
    #[schemars(extend("enum" = ["continue", "accept", "drop", "jump", "goto", "return", "queue", "stolen"]))]
    decision: &'static str,
    /// The chain that is asked next.
    chain: Option<&'a str>,
    rule: RuleItem<'a>,
}

impl<'a> JourneyItem<'a> {
    pub(super) fn of(journey: &'a Journey, rulebook: &'a Rulebook) -> Self {
        let reply =
            |reply: &'a Reply| ReplyItem { left: reply.left, steps: steps(&reply.steps, rulebook) };
        Self {
            reached: journey.reached.name(),
            to: journey.reached.elsewhere(),
            steps: steps(&journey.steps, rulebook),
            reply: journey.reply.as_ref().map(reply),
        }
    }
}

fn steps<'a>(steps: &'a [Step], rulebook: &'a Rulebook) -> Vec<StepItem<'a>> {
    let item = |(step, hook): (&'a Step, Option<Hook>)| StepItem {
        hook: hook.map(Hook::name),
        decision: step.verdict.name(),
        chain: step.verdict.chain(),
        rule: RuleItem::at(&step.rule, rulebook.rules.get(&step.rule)),
    };
    steps.iter().zip(rulebook.hooks(steps)).map(item).collect()
}

/// Adds what of the journey of this view could not be read.
pub(super) fn unread(
    view: usize,
    journey: &Journey,
    rulebook: &Rulebook,
    unknown: &mut UnknownList<'_>,
) {
    let mut look = |place: &str, steps: &[Step]| {
        for (at, (step, hook)) in steps.iter().zip(rulebook.hooks(steps)).enumerate() {
            let mut add = |field: &str, reason| {
                let step = format!("views[{view}].journey.{place}[{at}]");
                unknown.add(&format!("{step}.{field}"), reason, None);
            };
            if hook.is_none() {
                add("hook", "the chains could not be read");
            }
            let text = rulebook.rules.get(&step.rule).and_then(|rule| rule.text.as_ref());
            if text.is_none() {
                add("rule.text", "it could not be read");
            }
        }
    };
    look("steps", &journey.steps);
    if let Some(reply) = &journey.reply {
        look("reply.steps", &reply.steps);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::samples;
    use crate::model::{
        Chain, Decision, Reached, RuleId, State, Table, TableFamily, Vantage, Verdict, View,
    };
    use serde_json::{Value, json};
    use std::sync::Arc;

    #[test]
    fn what_a_rule_on_the_way_says_is_unknown_and_not_absent() {
        let table = Table { family: TableFamily::Ip, name: "filter".into() };
        let chain = Chain { table, name: "INPUT".into() };
        let step = Step { rule: RuleId { chain, handle: Some(4) }, verdict: Decision::Drop };
        let journey =
            Journey { reached: Reached::Rules, steps: vec![step], reply: None, dropped: None };
        let lan = samples::view(Vantage::Lan, State::Filtered, Verdict::Shielded);
        let view = View { journey: Some(Arc::new(journey)), ..lan };
        let mut check = samples::check(vec![samples::finding(81, Vec::new(), vec![view])]);
        let item = |check: &crate::model::Check| -> Value {
            let about = samples::about();
            let document = crate::document::check(&about, check);
            serde_json::to_value(document).unwrap()["items"][0].clone()
        };
        assert_eq!(item(&check)["views"][0]["journey"], Value::Null);
        assert_eq!(item(&check)["unknown"], json!([]));
        check.ways = Some(Rulebook::default());
        let item = item(&check);
        assert_eq!(item["views"][0]["journey"]["steps"][0]["rule"]["handle"], 4);
        let unread = |field: &str, reason: &str| {
            let field = format!("views[0].journey.steps[0].{field}");
            json!({"field": field, "reason": reason, "need": null})
        };
        let chains = unread("hook", "the chains could not be read");
        assert_eq!(item["unknown"], json!([chains, unread("rule.text", "it could not be read")]));
    }
}
