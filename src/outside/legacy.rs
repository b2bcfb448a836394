//! The rules of the old `ip_tables` that a traced packet meets. The kernel logs them, where something takes its log: for
//! a moment we do, and then what did before does again.

use super::ask::change;
use crate::model::{Chain, Decision, Family, RuleId, Step, Table, TableFamily};
use crate::sys::{self, NetlinkSocket, Protocol};
use crate::wire::iptables_list;
use crate::wire::nf_log::{self, Met, What};
use crate::wire::nf_trace::Headers;
use std::collections::BTreeMap;

/// The logger that hands packets to programs, and the group that it hands them to where a rule names no other.
const TO_PROGRAMS: &str = "nfnetlink_log";
const GROUP: u16 = 0;
/// Room for what the rules of a batch log.
const ROOM: usize = 8 << 20;

/// The families that have such tables, each with what took the kernel's log before.
#[derive(Debug, Clone, Default)]
pub(super) struct Loggers(Vec<(Family, String)>);

impl Loggers {
    /// Those of our network namespace.
    pub(super) fn read() -> Self {
        let has_tables =
            |family: &Family| sys::legacy_tables(*family).is_ok_and(|tables| !tables.is_empty());
        let families = [Family::Ipv4, Family::Ipv6].into_iter().filter(has_tables);
        Self(families.filter_map(|family| Some((family, sys::packet_logger(family)?))).collect())
    }

    /// Whether there are any.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Lets what took the log before take it again, where it is ours now.
    pub(super) fn restore(&self) {
        for (family, before) in &self.0 {
            if before != TO_PROGRAMS
                && sys::packet_logger(*family).is_some_and(|logger| logger == TO_PROGRAMS)
            {
                // It was there before, and is only gone if its module is.
                let _gone = sys::set_packet_logger(*family, before).is_err();
            }
        }
    }
}

/// The log, as long as it is ours.
#[derive(Debug)]
pub(super) struct Log<'a> {
    netlink: NetlinkSocket,
    loggers: &'a Loggers,
    listings: BTreeMap<Table, Option<String>>,
}

impl<'a> Log<'a> {
    /// Takes the log; `None` where another program has it, or the kernel does not let us.
    pub(super) fn take(loggers: &'a Loggers) -> Option<Self> {
        let mut netlink = NetlinkSocket::open(Protocol::Netfilter).ok()?;
        change(&mut netlink, |seq| nf_log::bind(GROUP, nf_log::HEADERS, seq)).ok()?;
        netlink.receive_up_to(ROOM).ok()?;
        let log = Self { netlink, loggers, listings: BTreeMap::new() };
        for (family, before) in &loggers.0 {
            if before != TO_PROGRAMS {
                sys::set_packet_logger(*family, TO_PROGRAMS).ok()?;
            }
        }
        Some(log)
    }

    /// Hands what each packet met to `take`, as far as it was logged by now.
    pub(super) fn hear(&mut self, mut take: impl FnMut(&Headers, Step)) {
        let mut heard = Vec::new();
        self.netlink.hear(|datagram| {
            nf_log::traced(datagram, |headers, met| {
                let family = Family::of(headers.source.ip());
                heard.extend(id(family, met).map(|rule| (*headers, rule)));
            });
        });
        for (headers, rule) in heard {
            let verdict = self.verdict(&rule);
            take(&headers, Step { rule, verdict });
        }
    }

    /// Leaves out what was logged by now.
    pub(super) fn forget(&mut self) {
        self.netlink.hear(|_| ());
    }

    /// What a rule does with a packet that it takes. One that is not known may well let it go on.
    fn verdict(&mut self, rule: &RuleId) -> Decision {
        let table = &rule.chain.table;
        let list = || sys::legacy_list_table(table.family.legacy()?, &table.name);
        let listing = self.listings.entry(table.clone()).or_insert_with(list);
        let Some(listing) = listing else { return Decision::Continue };
        decision(listing, rule)
    }
}

impl Drop for Log<'_> {
    fn drop(&mut self) {
        self.loggers.restore();
    }
}

/// `None` for the end of a chain that another one called: it decides nothing.
fn id(family: Family, met: Met<'_>) -> Option<RuleId> {
    let handle = match met.what {
        What::Rule(number) => Some(number),
        What::Policy => None,
        What::End => return None,
    };
    let table = Table { family: TableFamily::of_legacy(family), name: met.table.to_owned() };
    Some(RuleId { chain: Chain { table, name: met.chain.to_owned() }, handle })
}

fn decision(listing: &str, rule: &RuleId) -> Decision {
    let chain = &rule.chain.name;
    let Some(number) = rule.handle else {
        let policy = iptables_list::policy(listing, chain).unwrap_or_default();
        return if policy.ends_with(" DROP") { Decision::Drop } else { Decision::Accept };
    };
    let text = iptables_list::rule(listing, chain, number);
    match text.and_then(iptables_list::target) {
        Some("DROP" | "REJECT" | "TARPIT") => Decision::Drop,
        Some("ACCEPT") => Decision::Accept,
        Some("RETURN") => Decision::Return,
        Some("NFQUEUE" | "QUEUE") => Decision::Queue,
        _ => Decision::Continue,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_rule_does_stands_in_its_listing() {
        let listing = "-P INPUT DROP\n-P OUTPUT ACCEPT\n-N f2b\n-A INPUT -j f2b\n-A INPUT -j LOG\n\
                       -A f2b -s 10.0.0.9/32 -j REJECT --reject-with icmp-port-unreachable\n";
        let of = |chain, what| {
            decision(listing, &id(Family::Ipv4, Met { table: "filter", chain, what }).unwrap())
        };
        assert_eq!(of("INPUT", What::Rule(1)), Decision::Continue, "a jump");
        assert_eq!(of("INPUT", What::Rule(2)), Decision::Continue);
        assert_eq!(of("INPUT", What::Rule(3)), Decision::Continue, "gone");
        assert_eq!(of("f2b", What::Rule(1)), Decision::Drop);
        assert_eq!(of("INPUT", What::Policy), Decision::Drop);
        assert_eq!(of("OUTPUT", What::Policy), Decision::Accept);
        assert_eq!(id(Family::Ipv6, Met { table: "filter", chain: "f2b", what: What::End }), None);
    }
}
