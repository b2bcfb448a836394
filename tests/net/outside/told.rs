//! What portsight told, beside what the real client got, and beside the rules as `nft` lists them.
//!
//! ```text
//! PORT    TARGETS    STATE     REASON       VERDICT   HOW      RULE
//! 22/tcp  lan4,link  open      syn-ack      reachable -        ssh
//! 23/tcp  lan        filtered  no-response  shielded  dropped  policy:input
//! ```
//! A rule is named by its comment, or by a part of its text with `_` for spaces, where need be behind its chain
//! (`input:tcp_dport_22`, `filter/INPUT:tcp_dport_22`); a policy by its chain. `-` is null and `*` is anything.

use super::client::{self, Got};
use crate::host::Host;
use crate::truth::{name, targets_of};
use crate::world::feed;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};

/// The views at `lan0`: those at other interfaces are no matter of the neighbour's.
fn views(report: &Value) -> impl Iterator<Item = (&Value, &Value)> {
    crate::truth::views(report).filter(|(_, view)| view["interface"] == "lan0")
}

/// Asserts that each view of a check is what the client got that asked the same.
#[track_caller]
pub(super) fn assert_neighbour_agrees(report: &Value, there: &Host) {
    let mut asked = BTreeMap::<&str, Vec<SocketAddr>>::new();
    let wire = there.does(client::wire);
    for (item, view) in views(report) {
        asked.entry(item["proto"].as_str().unwrap()).or_default().push(address(item, view, wire));
    }
    assert!(!asked.is_empty(), "nothing to compare: {report:#}");
    let mut got = BTreeMap::new();
    for (proto, addresses) in asked {
        let ask = if proto == "tcp" { client::connect } else { client::exchange };
        got.insert(proto, there.does(move || ask(&addresses)));
    }
    let mut errors = Vec::new();
    for (item, view) in views(report) {
        let truth = got[item["proto"].as_str().unwrap()][&address(item, view, wire)];
        let wanted = match truth {
            Got::Connection => json!(["syn-ack", null, null]),
            Got::Reset => json!(["reset", null, null]),
            Got::Payload => json!(["udp-response", null, null]),
            Got::Silence => json!(["no-response", null, null]),
            Got::Icmp(kind, code) => json!([view["reason"], kind, code]),
        };
        let told = json!([view["reason"], view["icmp"]["type"], view["icmp"]["code"]]);
        let mut wrong = told != wanted;
        // TCP is one thing or the other. A datagram that is not answered may have arrived.
        let is_open = view["state"] == "open";
        wrong |= match truth {
            Got::Connection | Got::Payload => !is_open,
            Got::Silence => is_open && item["proto"] == "tcp",
            Got::Reset | Got::Icmp(..) => is_open,
        };
        if wrong {
            errors.push(format!("{} at {}: {truth:?}, not {view}", name(item), view["target"]));
        }
    }
    assert!(errors.is_empty(), "the neighbour gets something else:\n{}", errors.join("\n"));
}

fn address(item: &Value, view: &Value, wire: u32) -> SocketAddr {
    let port = item["port"].as_u64().and_then(|port| port.try_into().ok()).unwrap();
    match view["target"].as_str().unwrap().parse().unwrap() {
        IpAddr::V6(address) if address.is_unicast_link_local() => {
            SocketAddrV6::new(address, port, 0, wire).into()
        }
        address => SocketAddr::new(address, port),
    }
}

/// Asserts that the check has exactly the views of the table.
#[track_caller]
pub(super) fn assert_told(report: &Value, table: &str) {
    let mut expected = BTreeMap::new();
    for line in table.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with("PORT")) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [port, targets, row @ ..] = words.as_slice() else { panic!("no table line: {line}") };
        let row: [&str; 5] = row.try_into().unwrap_or_else(|_| panic!("seven words: {line:?}"));
        for target in targets.split(',').flat_map(targets_of) {
            let before = expected.insert(((*port).to_owned(), target), row);
            assert_eq!(before, None, "{line} is there twice");
        }
    }
    let rules = rules();
    let mut errors = Vec::new();
    for (item, view) in views(report) {
        let target: IpAddr = view["target"].as_str().unwrap().parse().unwrap();
        let Some(row) = expected.remove(&(name(item), target)) else {
            errors.push(format!("nobody expected {} at {target}: {view}", name(item)));
            continue;
        };
        let [state, reason, verdict, how, rule] = row;
        let fields = [("state", state), ("reason", reason), ("verdict", verdict), ("how", how)];
        for (field, wanted) in fields {
            let is = view[field].as_str().unwrap_or("-");
            if wanted != "*" && wanted != is {
                let place = format!("{} at {target}", name(item));
                errors.push(format!("{place}: {field} is {is}, not {wanted}: {view}"));
            }
        }
        if let Err(why) = is_rule(view, rule, &rules) {
            errors.push(format!("{} at {target}: {why}: {view}", name(item)));
        }
    }
    errors.extend(expected.keys().map(|(port, target)| format!("{port} at {target} is missing")));
    assert!(errors.is_empty(), "{} errors\n{}", errors.len(), errors.join("\n"));
}

/// Whether the view names the rule with this comment, or this policy.
fn is_rule(view: &Value, label: &str, rules: &[Listed]) -> Result<(), String> {
    let named = &view["rule"];
    if label == "*" {
        return Ok(());
    }
    if label == "-" {
        return if named.is_null() { Ok(()) } else { Err("no rule decided".to_owned()) };
    }
    let is_chain = |rule: &Listed, name: &str| match name.split_once('/') {
        Some((table, chain)) => rule.table == table && rule.chain == chain,
        None => rule.chain == name,
    };
    let by_comment = |rule: &&Listed| rule.comment.as_deref() == Some(label);
    let found = rules.iter().find(by_comment).or_else(|| {
        rules.iter().find(|rule| match (label.split_once(':'), rule.handle) {
            (Some(("policy", chain)), handle) => handle.is_none() && is_chain(rule, chain),
            (_, None) => false,
            (Some((chain, text)), _) => is_chain(rule, chain) && rule.text.contains(text),
            (None, _) => rule.text.contains(label),
        })
    });
    let found = found.unwrap_or_else(|| panic!("{label} in {rules:#?}"));
    let kind = if found.handle.is_some() { "rule" } else { "policy" };
    let fields = [
        ("family", json!(found.family)),
        ("table", json!(found.table)),
        ("chain", json!(found.chain)),
        ("handle", json!(found.handle)),
        ("kind", json!(kind)),
    ];
    let other = fields.iter().find(|(field, wanted)| named[*field] != *wanted);
    if let Some((field, wanted)) = other {
        return Err(format!("the {field} of {label} is {wanted}"));
    }
    let Some(hook) = view["hook"].as_str() else { return Err("no hook".to_owned()) };
    if found.hook.as_ref().is_some_and(|known| known != hook) {
        return Err(format!("the hook is {:?}", found.hook));
    }
    let text = named["text"].as_str().unwrap_or_default();
    let says = found.comment.as_deref().is_none_or(|comment| text.contains(comment));
    if found.handle.is_some() && (text.is_empty() || !says) {
        return Err("that is not the text of the rule".to_owned());
    }
    Ok(())
}

/// A rule or a policy as `nft` lists it.
#[derive(Debug, Clone, Default)]
struct Listed {
    family: String,
    table: String,
    chain: String,
    /// That of the chain, if it is a base chain.
    hook: Option<String>,
    handle: Option<u64>,
    comment: Option<String>,
    /// The whole of it, with `_` for spaces.
    text: String,
}

fn rules() -> Vec<Listed> {
    let mut rules = Vec::new();
    let mut place = Listed::default();
    for line in feed("nft", &["-a", "-s", "list", "ruleset"], "").lines().map(str::trim) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let after = |word: &str| {
            let at = words.iter().position(|other| *other == word)?;
            words.get(at + 1).map(|word| word.trim_matches(['"', ';']).to_owned())
        };
        match words.as_slice() {
            ["table", family, table, ..] => {
                place = Listed { family: (*family).into(), table: (*table).into(), ..place };
            }
            ["chain", chain, ..] => place = Listed { chain: (*chain).into(), hook: None, ..place },
            ["type", _, "hook", hook, ..] => {
                place.hook = Some((*hook).to_owned());
                rules.push(place.clone());
            }
            _ => {
                let handle = after("handle").and_then(|handle| handle.parse().ok());
                let comment = after("comment").or_else(|| after("/*"));
                let text = line.replace(' ', "_");
                rules.extend(handle.map(|_| Listed { handle, comment, text, ..place.clone() }));
            }
        }
    }
    rules
}
