//! The document of `check`.

use super::envelope::Document;
use super::identity::IdentityItem;
use super::journey::{self, JourneyItem};
use super::sockets::SocketItem;
use super::unknown::UnknownList;
use crate::model::{
    About, Backend, Check, Checkpoint, Door, Expectation, Expected, How, Icmp, PortFinding, Rule,
    RuleId, Rulebook, Tally, VantageSummary, Verdict, VerdictFrom, View,
};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// What the document of `check` has besides the envelope.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CheckBody<'a> {
    partial: bool,
    summary: BTreeMap<&'static str, u64>,
    vantages: Vec<VantageItem<'a>>,
    expected: Vec<ExpectedItem>,
    open_doors: Vec<DoorItem<'a>>,
    items: Vec<PortItem<'a>>,
}

/// The document of `check`.
#[must_use]
pub fn check<'a>(about: &'a About, check: &'a Check) -> Document<'a, CheckBody<'a>> {
    let now = about.taken_at_ns.div_euclid(1_000_000_000);
    let body = CheckBody {
        partial: check.partial,
        summary: summary(check),
        vantages: check.vantages.iter().map(VantageItem::from).collect(),
        expected: check.expected.iter().map(ExpectedItem::from).collect(),
        open_doors: check.doors.iter().map(DoorItem::from).collect(),
        items: check.items.iter().map(|it| PortItem::at(it, check.ways.as_ref(), now)).collect(),
    };
    Document::new("portsight/check", about, &check.gaps, body)
}

/// The number of items for every verdict, also those that no item has: a reader can ask for any of them.
fn summary(check: &Check) -> BTreeMap<&'static str, u64> {
    let counts = check.summary();
    let count = |verdict: Verdict| counts.get(&verdict).copied().unwrap_or(0);
    Verdict::ALL.into_iter().map(|verdict| (verdict.name(), count(verdict))).collect()
}

/// What one vantage did.
#[derive(Debug, Serialize, JsonSchema)]
struct VantageItem<'a> {
    name: &'static str,
    targets: &'a [IpAddr],
    sent: u64,
    answered: u64,
    lost: u64,
    rescued: u64,
    transports: BTreeMap<&'static str, TallyItem>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct TallyItem {
    probed: u64,
    closed: u64,
    shielded: u64,
    not_probed: u64,
}

impl<'a> From<&'a VantageSummary> for VantageItem<'a> {
    fn from(vantage: &'a VantageSummary) -> Self {
        let transports = vantage.transports.iter();
        Self {
            name: vantage.vantage.name(),
            targets: &vantage.targets,
            sent: vantage.sent,
            answered: vantage.answered,
            lost: vantage.lost,
            rescued: vantage.rescued,
            transports: transports
                .map(|(transport, tally)| (transport.name(), tally.into()))
                .collect(),
        }
    }
}

impl From<&Tally> for TallyItem {
    fn from(tally: &Tally) -> Self {
        Self {
            probed: tally.probed,
            closed: tally.closed,
            shielded: tally.shielded,
            not_probed: tally.not_probed,
        }
    }
}

/// A port that the firewall lets through although it stops most others, and that nobody serves.
#[derive(Debug, Serialize, JsonSchema)]
struct DoorItem<'a> {
    vantage: &'static str,
    proto: &'static str,
    port: u16,
    rule: Option<RuleItem<'a>>,
}

impl<'a> From<&'a Door> for DoorItem<'a> {
    fn from(door: &'a Door) -> Self {
        Self {
            vantage: door.vantage.name(),
            proto: door.endpoint.transport.name(),
            port: door.endpoint.port.get(),
            rule: door.rule.as_ref().map(RuleItem::from),
        }
    }
}

/// What should be, and what is: `met` is null where that could not be found out.
#[derive(Debug, Serialize, JsonSchema)]
struct ExpectedItem {
    vantage: &'static str,
    proto: &'static str,
    port: u16,
    verdict: &'static str,
    found: Option<&'static str>,
    met: Option<bool>,
}

impl From<&Expected> for ExpectedItem {
    fn from(expected: &Expected) -> Self {
        let Expectation { vantage, endpoint, verdict } = expected.expectation;
        Self {
            vantage: vantage.name(),
            proto: endpoint.transport.name(),
            port: endpoint.port.get(),
            verdict: verdict.name(),
            found: expected.found.map(Verdict::name),
            met: expected.is_met(),
        }
    }
}

/// A port.
#[derive(Debug, Serialize, JsonSchema)]
struct PortItem<'a> {
    #[schemars(extend("enum" = ["tcp", "udp"]))]
    proto: &'static str,
    port: u16,
    service: Option<&'a str>,
    listeners: Vec<SocketItem<'a>>,
    #[schemars(extend("enum" = ["unexpected", "inconclusive", "overloaded", "filtered", "forwarded", "reachable", "local-only", "shielded", "closed", null]))]
    verdict: Option<&'static str>,
    verdict_from: &'static str,
    /// The verdict over the network vantages.
    network: Option<&'static str>,
    views: Vec<ViewItem<'a>>,
    /// What serves it: with --identify, of an open TCP port.
    identity: Option<IdentityItem<'a>>,
    unknown: UnknownList<'a>,
}

impl<'a> PortItem<'a> {
    /// The item at the moment `now`, in seconds since the Unix epoch.
    fn at(finding: &'a PortFinding, ways: Option<&'a Rulebook>, now: i128) -> Self {
        let mut unknown = unknown(finding, ways);
        let identity = unknown.read("identity", &finding.identity);
        let identity = identity.map(|it| IdentityItem::read(it, now, &mut unknown));
        Self {
            proto: finding.endpoint.transport.name(),
            port: finding.endpoint.port.get(),
            service: finding.service.as_deref(),
            listeners: finding.listeners.iter().map(SocketItem::from).collect(),
            verdict: finding.verdict.map(Verdict::name),
            verdict_from: finding.verdict_from.name(),
            network: finding
                .verdict
                .filter(|_| finding.verdict_from == VerdictFrom::Network)
                .map(Verdict::name),
            views: finding.views.iter().map(|view| ViewItem::at(view, ways)).collect(),
            identity,
            unknown,
        }
    }
}

/// A port that was not probed has no verdict. Where something stopped a probe that was not traced, the hook and the rule
/// are unknown, not absent.
fn unknown<'a>(finding: &'a PortFinding, ways: Option<&Rulebook>) -> UnknownList<'a> {
    let mut unknown = UnknownList::default();
    if finding.verdict.is_none() {
        unknown.add("verdict", "not probed", None);
    }
    for (at, view) in finding.views.iter().enumerate() {
        let _hook = unknown.read(&format!("views[{at}].hook"), &view.hook);
        let rule = unknown.read(&format!("views[{at}].rule"), &view.rule);
        if rule.is_some_and(|rule| rule.text.is_none()) {
            unknown.add(&format!("views[{at}].rule.text"), "it could not be read", None);
        }
        if let (Some(journey), Some(ways)) = (&view.journey, ways) {
            journey::unread(at, journey, ways, &mut unknown);
        }
    }
    unknown
}

/// A port as seen from one vantage towards one address.
#[derive(Debug, Serialize, JsonSchema)]
struct ViewItem<'a> {
    vantage: &'static str,
    interface: &'a str,
    target: IpAddr,
    source: Option<IpAddr>,
    #[schemars(extend("enum" = ["syn", "connect", "udp", "inject"]))]
    method: &'static str,
    #[schemars(extend("enum" = ["open", "closed", "filtered", "open|filtered", "unknown"]))]
    state: &'static str,
    reason: &'static str,
    icmp: Option<IcmpItem>,
    rtt_us: Option<u64>,
    attempts: u8,
    #[schemars(extend("enum" = ["unexpected", "inconclusive", "overloaded", "filtered", "forwarded", "reachable", "local-only", "shielded", "closed"]))]
    verdict: &'static str,
    #[schemars(extend("enum" = ["proved", "likely"]))]
    certainty: &'static str,
    #[schemars(extend("enum" = ["dropped", "rejected", "reset", "not-sent", "reply-dropped", null]))]
    how: Option<&'static str>,
    #[schemars(extend("enum" = ["ingress", "prerouting", "input", "forward", "output", "postrouting", "egress", null]))]
    hook: Option<&'static str>,
    rule: Option<RuleItem<'a>>,
    checkpoint: Option<CheckpointItem<'a>>,
    note: Option<&'a str>,
    /// The way of its probe through the rules: with --verbose, where the kernel traced it.
    journey: Option<JourneyItem<'a>>,
}

/// What stopped a probe or its reply, and is no rule of `nf_tables`.
#[derive(Debug, Serialize, JsonSchema)]
struct CheckpointItem<'a> {
    #[schemars(extend("enum" = ["xdp", "tc", "ingress-chain", "device", "rp_filter", "address", "route", "netfilter-bpf", "iptables-legacy", "queue", "ipsec", "cgroup", "socket-filter", "tcp-signature", "socket-queue", "security-module", "socket", "reply", "unknown"]))]
    name: &'static str,
    /// The kernel's reason for the drop, or what the program returned; null where neither was heard.
    reason: Option<&'a str>,
    /// The function of the kernel.
    location: Option<&'a str>,
    text: &'a str,
}

impl<'a> From<&'a Checkpoint> for CheckpointItem<'a> {
    fn from(checkpoint: &'a Checkpoint) -> Self {
        let dropped = checkpoint.dropped.as_ref();
        Self {
            name: checkpoint.place.name(),
            reason: dropped.map(|dropped| dropped.reason.as_str()),
            location: dropped.and_then(|dropped| dropped.location.as_deref()),
            text: &checkpoint.text,
        }
    }
}

/// A rule, or the policy of a chain.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct RuleItem<'a> {
    family: &'static str,
    table: &'a str,
    chain: &'a str,
    handle: Option<u64>,
    text: Option<&'a str>,
    #[schemars(extend("enum" = ["rule", "policy"]))]
    kind: &'static str,
    #[schemars(extend("enum" = ["nftables", "iptables-nft", "iptables-legacy"]))]
    backend: &'static str,
}

impl<'a> From<&'a Rule> for RuleItem<'a> {
    fn from(rule: &'a Rule) -> Self {
        Self::at(&rule.id, Some(rule))
    }
}

impl<'a> RuleItem<'a> {
    /// This rule or policy, with what it says, as far as that is known.
    pub(super) fn at(id: &'a RuleId, rule: Option<&'a Rule>) -> Self {
        let chain = &id.chain;
        Self {
            family: chain.table.family.name(),
            table: &chain.table.name,
            chain: &chain.name,
            // What it has is the number of the rule, which changes with every other one.
            handle: id.handle.filter(|_| !chain.table.family.is_legacy()),
            text: rule.and_then(|rule| rule.text.as_deref()),
            kind: if id.handle.is_some() { "rule" } else { "policy" },
            backend: rule.map_or(Backend::Nftables, |rule| rule.backend).name(),
        }
    }
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct IcmpItem {
    r#type: u8,
    code: u8,
    from: Option<IpAddr>,
}

impl<'a> ViewItem<'a> {
    fn at(view: &'a View, ways: Option<&'a Rulebook>) -> Self {
        let journey = view.journey.as_ref().zip(ways);
        Self {
            vantage: view.vantage.name(),
            interface: &view.interface.name,
            target: view.target,
            source: view.source.as_ref().map(SocketAddr::ip),
            method: view.method.name(),
            state: view.state.name(),
            reason: view.reason,
            icmp: view.icmp.as_ref().map(IcmpItem::from),
            rtt_us: view.rtt.map(|rtt| u64::try_from(rtt.as_micros()).unwrap_or(u64::MAX)),
            attempts: view.attempts,
            verdict: view.verdict.name(),
            certainty: view.certainty.name(),
            how: view.how.map(How::name),
            hook: view.hook.known().map(|hook| hook.name()),
            rule: view.rule.known().map(RuleItem::from),
            checkpoint: view.checkpoint.as_ref().map(CheckpointItem::from),
            note: view.note.as_deref(),
            journey: journey.map(|(journey, ways)| JourneyItem::of(journey, ways)),
        }
    }
}

impl From<&Icmp> for IcmpItem {
    fn from(icmp: &Icmp) -> Self {
        Self { r#type: icmp.kind, code: icmp.code, from: icmp.from }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::samples::{self, With};
    use crate::model::{Certainty, Seen, State, Vantage};
    use serde_json::{Value, json};

    fn document(check_: &Check) -> Value {
        serde_json::to_value(check(&samples::about(), check_)).unwrap()
    }

    #[test]
    fn a_stopped_view_has_every_field_and_its_rule_is_unknown() {
        let icmp = Icmp { kind: 3, code: 13, from: Some([10, 0, 0, 5].into()) };
        let stopped = View {
            reason: "admin-prohibited",
            icmp: Some(icmp),
            certainty: Certainty::Likely,
            how: Some(How::Rejected),
            note: Some("no rule was traced".into()),
            hook: Seen::Skipped("not traced"),
            rule: Seen::Skipped("not traced"),
            ..samples::view(Vantage::Own, State::Filtered, Verdict::Filtered)
        };
        let open = samples::view(Vantage::Loopback, State::Open, Verdict::Reachable);
        let java = samples::tcp("0.0.0.0", 8080).owned_by(4, "java");
        let check = samples::check(vec![samples::finding(8080, vec![java], vec![open, stopped])]);
        let item = &document(&check)["items"][0];
        assert_eq!(item["verdict"], "filtered");
        assert_eq!(item["verdict_from"], "local");
        assert_eq!(item["network"], Value::Null);
        assert_eq!(item["listeners"][0]["owners"][0]["name"], "java");
        assert_eq!(
            item["views"][1],
            json!({
                "vantage": "self", "interface": "eth0", "target": "10.0.0.5", "source": "10.0.0.5",
                "method": "connect", "state": "filtered", "reason": "admin-prohibited",
                "icmp": {"type": 3, "code": 13, "from": "10.0.0.5"}, "rtt_us": null, "attempts": 1,
                "verdict": "filtered", "certainty": "likely", "how": "rejected", "hook": null,
                "rule": null, "checkpoint": null, "note": "no rule was traced", "journey": null,
            })
        );
        assert_eq!(item["views"][0]["rtt_us"], 42);
        let unknown = |field| json!({"field": field, "reason": "not traced", "need": null});
        assert_eq!(item["unknown"], json!([unknown("views[1].hook"), unknown("views[1].rule")]));
    }

    #[test]
    fn the_top_level_counts_every_verdict_and_every_transport() {
        let closed = samples::view(Vantage::Own, State::Closed, Verdict::Closed);
        let mut check = samples::check(vec![samples::finding(3306, Vec::new(), vec![closed])]);
        check.partial = true;
        let document = document(&check);
        assert_eq!(document["schema"], "portsight/check");
        assert_eq!(document["partial"], true);
        assert_eq!(document["summary"]["closed"], 1);
        assert_eq!(document["summary"]["unexpected"], 0);
        assert_eq!(document["summary"].as_object().unwrap().len(), Verdict::ALL.len());
        let tally = |n| json!({"probed": n, "closed": n, "shielded": 0, "not_probed": 0});
        assert_eq!(
            document["vantages"][1],
            json!({
                "name": "self", "targets": ["10.0.0.5"], "sent": 65_538, "answered": 65_538,
                "lost": 0, "rescued": 0, "transports": {"tcp": tally(65_535), "udp": tally(3)},
            })
        );
    }

    #[test]
    fn each_verdict_has_its_name_and_its_count() {
        let finding = |verdict| {
            samples::finding(1, Vec::new(), vec![samples::view(Vantage::Own, State::Open, verdict)])
        };
        for verdict in Verdict::ALL {
            let document = document(&samples::check(vec![finding(verdict)]));
            assert_eq!(document["items"][0]["verdict"], verdict.name());
            assert_eq!(document["items"][0]["views"][0]["verdict"], verdict.name());
            assert_eq!(document["summary"][verdict.name()], 1);
        }
    }
}
