//! Truth tables: what a check must say, one line for each port and target, in words that a person can check.
//!
//! ```text
//! PORT      TARGETS   STATE     REASON        VERDICT     HOW      CERTAINTY
//! 22/tcp    v4        closed    conn-refused  filtered    reset    likely
//! 22/tcp    v6        closed    conn-refused  local-only  -        *
//! ```
//! `conn-refused` is also what a SYN gets, for which nmap has the word `reset`. `-` is null and `*` is anything. Targets are `lo4 lo6 lan4 lan6 link`, the groups `v4 v6 lo lan all`, or an
//! address; several are joined by commas. A table is complete: a view that it does not name is an error.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ptr;

/// The addresses of `lan0` in the worlds that speak of `lan4`, `lan6` and `link`.
pub(crate) const LAN: [&str; 3] = ["10.77.0.2/24", "fd77::2/64", "fe80::77/64"];

/// The verdicts, the most urgent first (product.md, "Verdicts").
const URGENCY: [&str; 9] = [
    "unexpected",
    "inconclusive",
    "overloaded",
    "filtered",
    "forwarded",
    "reachable",
    "local-only",
    "shielded",
    "closed",
];

/// A port and a target.
type Place = (String, IpAddr);

/// A line of a table after its port and target: state, reason, verdict, how, certainty.
type Row = [String; 5];

/// The lines of a table.
pub(crate) fn rows(table: &str) -> BTreeMap<Place, Row> {
    let mut rows = BTreeMap::new();
    for line in table.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with("PORT")) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [port, targets, row @ ..] = words.as_slice() else { panic!("no table line: {line:?}") };
        let row: Row = row
            .iter()
            .map(|word| (*word).to_owned())
            .collect::<Vec<_>>()
            .try_into()
            .unwrap_or_else(|_| panic!("a table line has seven words: {line:?}"));
        for target in targets.split(',').flat_map(targets_of) {
            let before = rows.insert(((*port).to_owned(), target), row.clone());
            assert_eq!(before, None, "the table has {port} {target} twice");
        }
    }
    rows
}

fn targets_of(word: &str) -> Vec<IpAddr> {
    let addresses: &[&str] = match word {
        "lo4" => &["127.0.0.1"],
        "lo6" => &["::1"],
        "lan4" => &["10.77.0.2"],
        "lan6" => &["fd77::2"],
        "link" => &["fe80::77"],
        "v4" => &["127.0.0.1", "10.77.0.2"],
        "v6" => &["::1", "fd77::2", "fe80::77"],
        "lo" => &["127.0.0.1", "::1"],
        "lan" => &["10.77.0.2", "fd77::2", "fe80::77"],
        "all" => &["127.0.0.1", "::1", "10.77.0.2", "fd77::2", "fe80::77"],
        address => &[address],
    };
    addresses.iter().map(|a| a.parse().unwrap_or_else(|_| panic!("target {a:?}?"))).collect()
}

/// Asserts that the check has exactly the views of the table, and that it is sound.
#[track_caller]
pub(crate) fn assert_views(document: &Value, table: &str) {
    let expected = rows(table);
    let mut errors = unsound(document);
    let mut seen = BTreeSet::new();
    for (item, view) in views(document) {
        let place = place(item, view);
        let row: Row = ["state", "reason", "verdict", "how", "certainty"].map(|field| {
            match view[field].as_str().unwrap_or("-") {
                "reset" if field == "reason" => "conn-refused",
                word => word,
            }
            .to_owned()
        });
        let wanted = expected.get(&place);
        let fits = wanted.is_some_and(|wanted| {
            // Where rules may be traced, a trace makes likely what is so into proved, and shows which refusal a rule
            // only imitates, and what became of a datagram.
            let is_traced = view["rule"].is_object() || view["verdict"] == "closed";
            let is_imitated = view["rule"].is_object() && wanted[2] == "closed";
            let is_settled = view["rule"].is_object() && wanted[2] == "inconclusive";
            wanted.iter().zip(&row).all(|(wanted, got)| {
                wanted == "*"
                    || wanted == got
                    || (is_traced && wanted == "likely" && got == "proved")
                    || (is_imitated && ["shielded", "reset", "rejected"].contains(&got.as_str()))
                    || (is_settled && ["filtered", "dropped", "proved"].contains(&got.as_str()))
            })
        });
        if !fits {
            let wanted = wanted.map_or("no such view".to_owned(), |row| row.join(" "));
            let (port, target) = &place;
            let note = &view["note"];
            errors.push(format!(
                "{port} at {target}\n  is      {}\n  wanted  {wanted}\n  note    {note}",
                row.join(" ")
            ));
        }
        if !seen.insert(place.clone()) {
            errors.push(format!("{} at {} twice", place.0, place.1));
        }
    }
    for (port, target) in expected.keys().filter(|place| !seen.contains(*place)) {
        errors.push(format!("{port} at {target} is missing"));
    }
    assert!(errors.is_empty(), "{} errors\n{}", errors.len(), errors.join("\n"));
}

/// What is wrong with a check whatever the world is: rules of product.md that hold for every view and item.
fn unsound(document: &Value) -> Vec<String> {
    let mut errors = Vec::new();
    for (item, view) in views(document) {
        let (port, target) = place(item, view);
        let broken = broken_rules(item, view, target).into_iter();
        errors.extend(broken.map(|rule| format!("{port} at {target}: not so: {rule}\n  {view}")));
    }
    let mut counts = BTreeMap::<&str, u64>::new();
    for item in items(document) {
        let verdicts: Vec<_> = views_of(item).map(|view| &view["verdict"]).collect();
        let first = URGENCY.iter().find(|verdict| verdicts.iter().any(|v| v == *verdict));
        if first.is_none_or(|first| item["verdict"] != **first) {
            errors
                .push(format!("{}: not the most urgent verdict of its views: {item}", name(item)));
        }
        if !item["network"].is_null() {
            errors.push(format!("{}: the network was not tested", name(item)));
        }
        *counts.entry(item["verdict"].as_str().unwrap_or("-")).or_default() += 1;
    }
    let summary = document["summary"].as_object().cloned().unwrap_or_default();
    let told = summary.iter().filter_map(|(verdict, n)| Some((verdict.as_str(), n.as_u64()?)));
    let told: BTreeMap<&str, u64> = told.filter(|(_, count)| *count > 0).collect();
    if told != counts {
        errors.push(format!("the summary says {told:?}, the items {counts:?}"));
    }
    errors
}

/// The rules that a view breaks.
fn broken_rules(item: &Value, view: &Value, target: IpAddr) -> Vec<&'static str> {
    let word = |field: &str| view[field].as_str().unwrap_or("-");
    let local = target.is_loopback();
    let tcp = item["proto"] == "tcp";
    let stopped = ["filtered", "shielded"].contains(&word("verdict"));
    let reason = word("reason");
    let by_icmp = reason.contains("-unreach") || reason.contains("-prohibited");
    // Null in two senses: there is none, or (and then the item says so) it is not known.
    let unknown = |field: &str| {
        let at = views_of(item).position(|other| ptr::eq(other, view));
        let name = at.map(|at| format!("views[{at}].{field}"));
        let list = item["unknown"].as_array().into_iter().flatten();
        list.filter_map(|entry| entry["field"].as_str()).any(|field| Some(field) == name.as_deref())
    };
    let answered = !["no-response", "not-sent"].contains(&reason);
    [
        (
            word("vantage") == if local { "loopback" } else { "self" },
            "the vantage is the address's",
        ),
        (word("interface") == if local { "lo" } else { "lan0" }, "the interface has the address"),
        (["syn", "connect"].contains(&word("method")) == tcp, "the method is the transport's"),
        (tcp || word("method") == "udp", "UDP has one method"),
        ((reason == "reset") <= (word("method") == "syn"), "a SYN is reset"),
        ((reason == "conn-refused") <= (word("method") == "connect"), "a connection is refused"),
        (URGENCY.contains(&word("verdict")), "the verdict is one of product.md's"),
        (["proved", "likely"].contains(&word("certainty")), "it is proved or likely"),
        (stopped != view["how"].is_null(), "a stopped probe, and no other, has a how"),
        (
            view["rule"].is_null() || word("certainty") == "proved",
            "what a named rule did is proved",
        ),
        (view["attempts"].as_u64().is_some_and(|n| n > 0), "it was probed"),
        (by_icmp == view["icmp"].is_object(), "an ICMP reason, and no other, has its ICMP error"),
        (!answered || view["rtt_us"].is_u64() || unknown("rtt_us"), "an answer took a time"),
    ]
    .into_iter()
    .filter_map(|(holds, rule)| (!holds).then_some(rule))
    .collect()
}

/// The items of a document.
pub(crate) fn items(document: &Value) -> &[Value] {
    document["items"].as_array().unwrap_or_else(|| panic!("no items: {document}"))
}

/// The only item of a document.
#[track_caller]
pub(crate) fn only_item(document: &Value) -> &Value {
    let [item] = items(document) else { panic!("not one item: {document:#}") };
    item
}

/// Each view of a check with its item.
pub(crate) fn views(document: &Value) -> impl Iterator<Item = (&Value, &Value)> {
    items(document).iter().flat_map(|item| views_of(item).map(move |view| (item, view)))
}

fn views_of(item: &Value) -> impl Iterator<Item = &Value> {
    item["views"].as_array().into_iter().flatten()
}

/// A port as people write it: `22/tcp`.
pub(crate) fn name(item: &Value) -> String {
    format!("{}/{}", item["port"], item["proto"].as_str().unwrap_or("?"))
}

/// The ports that items stand for.
pub(crate) fn names(document: &Value) -> Vec<String> {
    items(document).iter().map(name).collect()
}

fn place(item: &Value, view: &Value) -> Place {
    let target = view["target"].as_str().and_then(|target| target.parse().ok());
    (name(item), target.unwrap_or_else(|| panic!("a target is a bare address: {view}")))
}
