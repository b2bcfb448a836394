//! Rules of the firewall: where they stand, and what they say.

use super::{Decision, Family, Journey, Step};
use std::collections::BTreeMap;

/// The family of a table of `nf_tables` (`linux/netfilter.h`, `enum nfproto`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TableFamily {
    /// `inet`: IPv4 and IPv6.
    Inet,
    /// `ip`: IPv4.
    Ip,
    /// `ip6`: IPv6.
    Ip6,
    /// `arp`.
    Arp,
    /// `bridge`.
    Bridge,
    /// `netdev`: frames of one device.
    Netdev,
    /// IPv4, in the old `ip_tables` of the kernel, which are no tables of `nf_tables`.
    LegacyIp,
    /// IPv6, in the old `ip6_tables`.
    LegacyIp6,
}

impl TableFamily {
    /// Its name in the rules of `nft`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Inet => "inet",
            Self::Ip | Self::LegacyIp => "ip",
            Self::Ip6 | Self::LegacyIp6 => "ip6",
            Self::Arp => "arp",
            Self::Bridge => "bridge",
            Self::Netdev => "netdev",
        }
    }

    /// That of the old `ip_tables` for these packets.
    #[must_use]
    pub fn of_legacy(packets: Family) -> Self {
        match packets {
            Family::Ipv4 => Self::LegacyIp,
            Family::Ipv6 => Self::LegacyIp6,
        }
    }

    /// The packets that it is for, where it is one of the old `ip_tables`.
    #[must_use]
    pub fn legacy(self) -> Option<Family> {
        match self {
            Self::LegacyIp => Some(Family::Ipv4),
            Self::LegacyIp6 => Some(Family::Ipv6),
            _ => None,
        }
    }

    /// Whether it is one of the old `ip_tables`.
    #[must_use]
    pub fn is_legacy(self) -> bool {
        self.legacy().is_some()
    }
}

/// A table. Its name is its own only within its family.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Table {
    /// The family.
    pub family: TableFamily,
    /// The name.
    pub name: String,
}

/// A chain of rules.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Chain {
    /// The table that it is in.
    pub table: Table,
    /// Its name.
    pub name: String,
}

/// What decides about a packet: a rule, or what a chain does with a packet that none of its rules took.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId {
    /// The chain.
    pub chain: Chain,
    /// The handle of the rule in its table, or in a table of the old `ip_tables` its number in the chain, from 1 on;
    /// `None` for the policy of the chain.
    pub handle: Option<u64>,
}

/// Where on a packet's way a chain begins (`enum nf_inet_hooks`, `enum nf_dev_hooks`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hook {
    /// At the device, before everything else.
    Ingress,
    /// Before the routing of what comes in.
    Prerouting,
    /// On the way to a socket of this host.
    Input,
    /// On the way through this host.
    Forward,
    /// On the way from a socket of this host.
    Output,
    /// After the routing of what goes out.
    Postrouting,
    /// At the device, after everything else.
    Egress,
}

impl Hook {
    /// Its name in the rules of `nft` and in the documents.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Prerouting => "prerouting",
            Self::Input => "input",
            Self::Forward => "forward",
            Self::Output => "output",
            Self::Postrouting => "postrouting",
            Self::Egress => "egress",
        }
    }
}

/// What a base chain does with a packet that none of its rules took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Policy {
    /// It lets it go on.
    Accept,
    /// It drops it.
    Drop,
}

/// What the kernel asks a chain for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChainKind {
    /// `filter`.
    Filter,
    /// `nat`: only for the first packet of a connection.
    Nat,
    /// `route`: what it changes is routed again.
    Route,
}

/// What makes a chain the beginning of a way through rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Base {
    /// Where it begins.
    pub hook: Hook,
    /// What it is asked for.
    pub kind: ChainKind,
    /// Its place among the chains of its hook: the smaller, the earlier.
    pub priority: i32,
    /// What it does with a packet that none of its rules took.
    pub policy: Policy,
}

impl Base {
    /// That of a chain of `iptables`, by the names of the table and of the chain (`enum nf_ip_hook_priorities`). Its policy
    /// is not meant.
    #[must_use]
    pub fn of_iptables(table: &str, chain: &str) -> Option<Self> {
        let (hook, source) = match chain {
            "PREROUTING" => (Hook::Prerouting, false),
            "INPUT" => (Hook::Input, true),
            "FORWARD" => (Hook::Forward, false),
            "OUTPUT" => (Hook::Output, false),
            "POSTROUTING" => (Hook::Postrouting, true),
            _ => return None,
        };
        let (kind, priority) = match table {
            "raw" => (ChainKind::Filter, -300),
            "mangle" if hook == Hook::Output => (ChainKind::Route, -150),
            "mangle" => (ChainKind::Filter, -150),
            "nat" => (ChainKind::Nat, if source { 100 } else { -100 }),
            "filter" => (ChainKind::Filter, 0),
            "security" => (ChainKind::Filter, 50),
            _ => return None,
        };
        Some(Self { hook, kind, priority, policy: Policy::Accept })
    }
}

/// Who made a rule, as far as that can be told by its form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Backend {
    /// `nft`, or another program that speaks to `nf_tables`.
    Nftables,
    /// `iptables` over `nf_tables`.
    IptablesNft,
    /// `iptables` over its own tables of the kernel.
    IptablesLegacy,
}

impl Backend {
    /// Its name in the documents.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Nftables => "nftables",
            Self::IptablesNft => "iptables-nft",
            Self::IptablesLegacy => "iptables-legacy",
        }
    }
}

/// A rule, or the policy of a chain, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Which.
    pub id: RuleId,
    /// What it says, as `nft` lists it: `tcp dport 8080 drop`; of a policy `policy drop`. `None` when that could not be
    /// read, or it is gone.
    pub text: Option<String>,
    /// Who made it.
    pub backend: Backend,
}

/// The chains of all tables in a network namespace: those in which a way through rules begins, and the others.
pub type Chains = BTreeMap<Chain, Option<Base>>;

/// What is known of the rules of the firewall.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rulebook {
    /// The chains.
    pub chains: Chains,
    /// The rules that were asked for.
    pub rules: BTreeMap<RuleId, Rule>,
}

impl Rulebook {
    /// What makes the chain of a rule the beginning of a way through rules, where it is one.
    #[must_use]
    pub fn base(&self, rule: &RuleId) -> Option<Base> {
        let chain = &rule.chain;
        if chain.table.family.is_legacy() {
            return Base::of_iptables(&chain.table.name, &chain.name);
        }
        self.chains.get(chain).copied().flatten()
    }

    /// Where a packet was that this rule on its way decided about: where the way through rules began that led to it.
    #[must_use]
    pub fn hook_at(&self, steps: &[Step], rule: &RuleId) -> Option<Hook> {
        let at = steps.iter().rposition(|step| step.rule == *rule)?;
        self.hooks(steps).get(at).copied().flatten()
    }

    /// Where a packet was at each of these decisions: where the way through rules began that led to it.
    #[must_use]
    pub fn hooks(&self, steps: &[Step]) -> Vec<Option<Hook>> {
        let mut hook = None;
        let mut at = |step: &Step| {
            hook = self.base(&step.rule).map(|base| base.hook).or(hook);
            hook
        };
        steps.iter().map(&mut at).collect()
    }

    /// What let the probe go on where it was last asked for: a rule, and a policy only where no rule there did. Chains of
    /// NAT, which decide about something else, do not count.
    #[must_use]
    pub fn let_in_by<'j>(&self, journey: &'j Journey) -> Option<&'j RuleId> {
        let is_nat =
            |step: &Step| self.base(&step.rule).is_some_and(|it| it.kind == ChainKind::Nat);
        let mut of_nat = false;
        let accepted: Vec<(&Step, Option<Hook>)> = journey
            .steps
            .iter()
            .zip(self.hooks(&journey.steps))
            .filter(|(step, _)| {
                if self.base(&step.rule).is_some() {
                    of_nat = is_nat(step);
                }
                step.verdict == Decision::Accept && !of_nat
            })
            .collect();
        let (_, last) = accepted.last()?;
        let there = || accepted.iter().rev().filter(|(_, hook)| hook == last);
        let rule = there().find(|(step, _)| step.rule.handle.is_some());
        rule.or_else(|| there().next()).map(|(step, _)| &step.rule)
    }

    /// The rule that gave a packet another destination: the last that took it on its way through a chain of NAT, of
    /// those that are asked before it is routed. Later ones change the source.
    #[must_use]
    pub fn translated_by<'j>(&self, steps: &'j [Step]) -> Option<&'j RuleId> {
        let mut is_nat = false;
        let mut found = None;
        for (step, hook) in steps.iter().zip(self.hooks(steps)) {
            is_nat = self.base(&step.rule).map_or(is_nat, |base| base.kind == ChainKind::Nat);
            let before_routing = matches!(hook, Some(Hook::Prerouting | Hook::Output));
            let takes = step.verdict == Decision::Accept && step.rule.handle.is_some();
            if is_nat && before_routing && takes {
                found = Some(&step.rule);
            }
        }
        found
    }

    /// A rule in words, as far as it was asked for.
    #[must_use]
    pub fn rule(&self, id: &RuleId) -> Rule {
        let unread = || Rule { id: id.clone(), text: None, backend: Backend::Nftables };
        self.rules.get(id).cloned().unwrap_or_else(unread)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Reached;

    /// Chains by the first letter of their names: where they begin, and whether they are of NAT.
    fn let_in(steps: &[(&str, Option<u64>, Decision)]) -> Option<String> {
        let table = Table { family: TableFamily::Ip, name: "t".into() };
        let chain = |name: &str| Chain { table: table.clone(), name: name.to_owned() };
        let mut rulebook = Rulebook::default();
        let mut journey =
            Journey { reached: Reached::Host(None), steps: vec![], reply: None, dropped: None };
        for (name, handle, verdict) in steps {
            let hook = match name.as_bytes().first() {
                Some(b'p') => Some(Hook::Prerouting),
                Some(b'i') => Some(Hook::Input),
                _ => None,
            };
            let kind = if name.ends_with("nat") { ChainKind::Nat } else { ChainKind::Filter };
            let base = hook.map(|hook| Base { hook, kind, priority: 0, policy: Policy::Accept });
            rulebook.chains.insert(chain(name), base);
            let rule = RuleId { chain: chain(name), handle: *handle };
            journey.steps.push(Step { rule, verdict: verdict.clone() });
        }
        let rule = rulebook.let_in_by(&journey)?;
        Some(format!("{} {:?}", rule.chain.name, rule.handle))
    }

    #[test]
    fn the_rule_that_gave_another_destination_is_of_nat_and_before_the_routing() {
        let table = Table { family: TableFamily::Ip, name: "t".into() };
        let chain = |name: &str| Chain { table: table.clone(), name: name.to_owned() };
        let base = |hook, kind| Some(Base { hook, kind, priority: 0, policy: Policy::Accept });
        let chains = [
            ("raw", base(Hook::Output, ChainKind::Filter)),
            ("nat", base(Hook::Output, ChainKind::Nat)),
            ("docker", None),
            ("out", base(Hook::Output, ChainKind::Filter)),
            ("masquerade", base(Hook::Postrouting, ChainKind::Nat)),
        ];
        let chains = chains.into_iter().map(|(name, base)| (chain(name), base)).collect();
        let rulebook = Rulebook { chains, ..Rulebook::default() };
        let found = |steps: &[(&str, Option<u64>, Decision)]| {
            let steps: Vec<Step> = steps
                .iter()
                .map(|(name, handle, verdict)| {
                    let rule = RuleId { chain: chain(name), handle: *handle };
                    Step { rule, verdict: verdict.clone() }
                })
                .collect();
            rulebook.translated_by(&steps).map(|rule| (rule.chain.name.clone(), rule.handle))
        };
        let accept = |name| (name, Some(4), Decision::Accept);
        let jump = ("nat", Some(3), Decision::Jump("docker".into()));
        let way = [accept("raw"), jump, accept("docker"), accept("out"), accept("masquerade")];
        assert_eq!(found(&way), Some(("docker".to_owned(), Some(4))));
        let untouched = [accept("raw"), ("nat", None, Decision::Accept), accept("masquerade")];
        assert_eq!(found(&untouched), None);
    }

    #[test]
    fn the_rule_that_let_a_probe_in_is_the_one_that_was_asked_for_that() {
        use Decision::{Accept, Jump};
        let policy = |chain| (chain, None, Accept);
        let rule = |chain| (chain, Some(4), Accept);
        let table: [(&[_], Option<&str>); 6] = [
            (&[], None),
            (&[policy("pre"), policy("in")], Some("in None")),
            (&[rule("in"), policy("in-late")], Some("in Some(4)")),
            (&[rule("in"), policy("in-nat")], Some("in Some(4)")),
            (&[rule("pre"), policy("in"), rule("in-nat")], Some("in None")),
            (&[rule("pre"), ("in", Some(3), Jump("web".into())), rule("web")], Some("web Some(4)")),
        ];
        for (steps, expected) in table {
            assert_eq!(let_in(steps).as_deref(), expected, "{steps:?}");
        }
    }
}
