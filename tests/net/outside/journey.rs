//! `check --verbose`: the way of each probe through the rules.

use super::{can_inject, with_neighbour};
use crate::sockets::tcp;
use serde_json::{Value, json};

const RULES: &str = "table inet fw {
    chain early { type filter hook prerouting priority raw; policy accept; tcp dport 21-25 counter; }
    chain input {
        type filter hook input priority 0; policy drop;
        iif lo accept
        tcp dport { 22, 23, 25 } jump web
        meta l4proto icmpv6 accept
    }
    chain web { tcp dport 22 accept; tcp dport 25 accept; tcp dport 23 return; }
    chain output { type filter hook output priority 0; policy accept; tcp sport 25 drop; }
}";

/// The decisions on a way, in words.
fn decisions(steps: &Value) -> Vec<String> {
    let words = |step: &Value| {
        let text = |field: &Value| field.as_str().unwrap_or("?").to_owned();
        let rule = &step["rule"];
        let [hook, decision] = [&step["hook"], &step["decision"]].map(text);
        format!("{hook} {}: {}: {decision}", text(&rule["chain"]), text(&rule["text"]))
    };
    steps.as_array().unwrap().iter().map(words).collect()
}

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn the_way_of_each_probe_is_told_rule_by_rule() {
    if !can_inject() {
        return;
    }
    let (world, _there) = with_neighbour();
    let world = world.listens(tcp("0.0.0.0:22")).listens(tcp("0.0.0.0:25")).nft(RULES);
    let report = world.json("check 22-25 --from lan,loopback --proto tcp -4 -v");
    let view = |port: usize, vantage: &str| -> &Value {
        let views = report["items"][port - 22]["views"].as_array().unwrap();
        views.iter().find(|view| view["vantage"] == vantage).unwrap()
    };
    let journey = |port, vantage| &view(port, vantage)["journey"];
    let early = "prerouting early: tcp dport 21-25 counter: continue";
    let passed = "prerouting early: policy accept: accept";
    let web = "input input: tcp dport { 22, 23, 25 } jump web: jump";
    let let_in = |port| {
        let rule = format!("input web: tcp dport {port} accept: accept");
        vec![early.to_owned(), passed.to_owned(), web.to_owned(), rule]
    };

    let open = journey(22, "lan");
    assert_eq!((&open["reached"], &open["to"]), (&json!("host"), &Value::Null));
    assert_eq!(decisions(&open["steps"]), let_in(22));
    assert_eq!(open["steps"][2]["chain"], "web");
    assert_eq!(open["reply"]["left"], true);
    assert_eq!(decisions(&open["reply"]["steps"]), ["output output: policy accept: accept"]);

    let returned = journey(23, "lan");
    assert_eq!(returned["reached"], "rules");
    assert_eq!(returned["reply"], Value::Null);
    let back = "input web: tcp dport 23 return: return";
    let policy = "input input: policy drop: drop";
    assert_eq!(decisions(&returned["steps"]), [early, passed, web, back, policy]);

    let unanswered = journey(25, "lan");
    assert_eq!(decisions(&unanswered["steps"]), let_in(25));
    assert_eq!(unanswered["reply"]["left"], false);
    let dropped = "output output: tcp sport 25 drop: drop";
    assert_eq!(decisions(&unanswered["reply"]["steps"]), [dropped]);

    // What got through here was not asked once more.
    assert_eq!(*journey(22, "loopback"), Value::Null);
    // The trace shows that no rule imitated the refusal.
    let closed = journey(24, "loopback");
    assert_eq!(closed["reached"], "host");
    assert_eq!(view(24, "loopback")["certainty"], "proved");
    let lo = "input input: iif \"lo\" accept: accept";
    let out = "output output: policy accept: accept";
    assert_eq!(decisions(&closed["steps"]), [out, early, passed, lo]);

    let quiet = world.json("check 22 --from lan --proto tcp -4");
    assert_eq!(quiet["items"][0]["views"][0]["journey"], Value::Null);
}

#[test]
#[ignore = "needs root and a network namespace: scripts/test"]
fn people_read_the_way_below_the_table() {
    if !can_inject() {
        return;
    }
    let (world, _there) = with_neighbour();
    let world = world.listens(tcp("0.0.0.0:22")).nft(RULES);
    let run = world.portsight("check 22,23 --from lan --proto tcp -4 --verbose");
    let ways: Vec<&str> = run.stdout.lines().skip_while(|line| !line.is_empty()).collect();
    let rule = |at: &str| ways.iter().position(|line| line.contains(at));
    assert!(ways[1].starts_with("22/tcp from lan, 10.77.0."), "{ways:?}");
    assert!(ways[1].ends_with(" to 10.77.0.2: reachable (proved)"), "{ways:?}");
    assert_eq!(ways[2], "  arrives      at lan0");
    assert!(rule("\"tcp dport 22 accept\": accept") < rule("  reply        syn-ack"), "{ways:?}");
    assert!(rule("  output       the policy of inet fw output: accept").is_some(), "{ways:?}");
    assert!(rule("  input        the policy of inet fw input: drop").is_some(), "{ways:?}");
    assert!(rule("  ends         the probe was stopped").is_some(), "{ways:?}");
    // Without the option there is the table alone.
    let run = world.portsight("check 22,23 --from lan --proto tcp -4");
    assert!(!run.stdout.contains("arrives"), "{}", run.stdout);
}
