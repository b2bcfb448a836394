//! The answer of `why`: one reason, what it rests on, one next command; and the catalogue of reasons.

use super::Appearance;
use super::records::Records;
use super::sanitize::{sanitize, width};
use super::style::{self, paint};
use crate::model::{Code, Diagnosis, Entry, Tried, Why};
use std::io::{self, Write};

/// Writes the reason, a line for each attempt and each piece of evidence, the next command, and what else was
/// looked at.
pub fn why_text(out: &mut dyn Write, why: &Why, look: &Appearance) -> io::Result<()> {
    let headline = sanitize(&headline(why)).into_owned();
    let headline = if look.color { paint(style::outcome(why.works), &headline) } else { headline };
    writeln!(out, "{headline}{}", code(why.diagnosis.as_ref()))?;
    let attempts = why.attempts.iter().map(|Tried { attempt, socket }| {
        [attempt.to.to_string(), attempt.in_words(), socket.clone()]
    });
    let mut rows: Vec<[String; 3]> = attempts.collect();
    rows.extend(why.evidence.iter().map(|it| [it.what.clone(), it.text.clone(), String::new()]));
    let rows: Vec<_> =
        rows.iter().map(|row| row.each_ref().map(|cell| sanitize(cell).into_owned())).collect();
    let wide = |at: usize| {
        let with_more = rows.iter().filter(|row| row.iter().skip(at + 1).any(|it| !it.is_empty()));
        with_more.filter_map(|row| row.get(at)).map(|cell| width(cell)).max().unwrap_or(0)
    };
    let (first, second) = (wide(0), wide(1));
    for [what, seen, beside] in &rows {
        let pad = |text: &str, to: usize| " ".repeat(to.saturating_sub(width(text)));
        let line = format!("  {what}{}  {seen}{}  {beside}", pad(what, first), pad(seen, second));
        writeln!(out, "{}", line.trim_end())?;
    }
    let next = why.diagnosis.iter().flat_map(|diagnosis| &diagnosis.next);
    let next: Vec<_> = next.map(|command| sanitize(command).into_owned()).collect();
    if let Some((first, others)) = next.split_first() {
        writeln!(out, "Next:  {first}")?;
        others.iter().try_for_each(|command| writeln!(out, "   or  {command}"))?;
    }
    if !why.also_checked.is_empty() {
        writeln!(out, "Also checked: {}", sanitize(&why.also_checked.join(", ")))?;
    }
    Ok(())
}

/// What is so, in one line.
fn headline(why: &Why) -> String {
    let diagnosis = why.diagnosis.as_ref().map(|diagnosis| diagnosis.text.as_str());
    let from = why.from.as_ref().map_or_else(String::new, |from| format!(" from {from}"));
    match (why.works, diagnosis) {
        (true, None) => format!("✓ {} works{from}", why.target),
        (true, Some(text)) => format!("✓ {} works{from}, but: {text}", why.target),
        // Nothing was tried, and no reason for that is a fault of the target.
        (false, None) if why.from.is_some() && why.attempts.is_empty() => {
            format!("? whether {} works{from} could not be seen", why.target)
        }
        (false, text) if why.from.is_some() => {
            let what = why.failure.as_ref().map_or_else(String::new, |word| format!(", {word}"));
            format!("✗{from}{what}: {}", text.unwrap_or("nothing that can be seen explains it"))
        }
        (false, text) => {
            let what = why.failure.as_ref().map_or_else(String::new, |word| format!("{word}: "));
            format!("✗ {what}{}", text.unwrap_or("nothing that can be seen explains it"))
        }
    }
}

/// The code in brackets, behind the headline.
fn code(diagnosis: Option<&Diagnosis>) -> String {
    diagnosis.map_or_else(String::new, |Diagnosis { code, certainty, .. }| {
        format!("  [{code} {}, {}]", code.entry().slug, certainty.name())
    })
}

/// Writes one record: works, code, slug, certainty, text, next.
pub fn why_records(out: &mut dyn Write, why: &Why, records: Records) -> io::Result<()> {
    let headings = ["target", "works", "code", "slug", "certainty", "text", "next"];
    let works = if why.works { "yes" } else { "no" }.to_owned();
    let diagnosis = why.diagnosis.as_ref();
    let told = |f: &dyn Fn(&Diagnosis) -> String| diagnosis.map(f).unwrap_or_default();
    let record = [
        why.target.clone(),
        works,
        told(&|it| it.code.to_string()),
        told(&|it| it.code.entry().slug.to_owned()),
        told(&|it| it.certainty.name().to_owned()),
        told(&|it| it.text.clone()),
        told(&|it| it.next.first().cloned().unwrap_or_default()),
    ];
    records.write(out, headings, std::iter::once(record))
}

/// Writes these entries of the catalogue as Markdown; with `heading` as a page of its own.
pub fn findings(out: &mut dyn Write, codes: &[Code], heading: bool) -> io::Result<()> {
    if heading {
        writeln!(
            out,
            "# Findings\n\nThe reasons that `portsight why` knows. `portsight why --explain CODE` prints one of them, \
             and `--explain all` this page.\n\nA finding is `proved` when the kernel showed it, `likely` when \
             everything that could be looked at fits, and `possible` when something else would explain it as well. \
             The surest that each can be is said below. Those that have not been \
             tested against a real case are `possible` at most, and say so.
"
        )?;
    }
    let mut group = "";
    for (at, code) in codes.iter().enumerate() {
        let Entry { slug, title, text, evidence, fix, most, tested, .. } = code.entry();
        if at > 0 {
            writeln!(out)?;
        }
        if heading && group != code.group() {
            group = code.group();
            writeln!(out, "## {group}\n")?;
        }
        writeln!(out, "### {code} {slug}: {title}\n")?;
        writeln!(out, "{text}\n")?;
        writeln!(out, "- Evidence: {evidence}")?;
        writeln!(out, "- What mends it: {fix}")?;
        let untested = if *tested { "" } else { ", untested against a real case" };
        writeln!(out, "- At most: {}{untested}", most.name())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::samples;

    fn text(why: &Why) -> String {
        let mut out = Vec::new();
        why_text(&mut out, why, &Appearance::default()).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_reason_comes_first_and_the_command_last() {
        insta::assert_snapshot!(text(&samples::why()), @"
        ✗ refused: the server listens on IPv6 only (node 42), and the client used IPv4  [R05 ipv6-only-listener, proved]
          127.0.0.1:3000  RST in 0.1 ms, no ICMP  no listener for 127.0.0.1:3000
          [::1]:3000      open in 0.1 ms          node 42
          listener        [::1]:3000
        Next:  use [::1]:3000
        Also checked: firewall (no ICMP error came, so it is no reject)
        ");
    }

    #[test]
    fn what_works_is_said_and_what_nothing_explains_too() {
        let mut why = samples::why();
        (why.works, why.diagnosis) = (true, None);
        assert!(text(&why).starts_with("✓ localhost:3000 works\n"), "{}", text(&why));
        why.works = false;
        assert!(text(&why).starts_with("✗ refused: nothing that can be seen explains it\n"));
    }

    #[test]
    fn another_place_is_named() {
        let mut why = Why { from: Some("lan".into()), ..samples::why() };
        assert!(text(&why).starts_with("✗ from lan, refused: the server"), "{}", text(&why));
        (why.works, why.diagnosis) = (true, None);
        assert!(text(&why).starts_with("✓ localhost:3000 works from lan\n"), "{}", text(&why));
        why.works = false;
        why.attempts.clear();
        let unseen = "? whether localhost:3000 works from lan could not be seen\n";
        assert!(text(&why).starts_with(unseen), "{}", text(&why));
    }

    #[test]
    fn hostile_names_are_visible_and_records_have_one_line() {
        let mut why = samples::why();
        why.attempts[1].socket = "no\x1b[2Jde 42".into();
        why.diagnosis.as_mut().unwrap().text = "a\nb".into();
        assert!(text(&why).contains(r"no\x1b[2Jde 42") && text(&why).contains(r"a\nb"));
        let mut out = Vec::new();
        why_records(&mut out, &why, Records::Plain).unwrap();
        let plain = String::from_utf8(out).unwrap();
        let expected =
            "localhost:3000\tno\tR05\tipv6-only-listener\tproved\ta\\nb\tuse [::1]:3000\n";
        assert_eq!(plain, expected);
    }

    #[test]
    fn an_entry_is_told_whole() {
        let mut out = Vec::new();
        findings(&mut out, &[Code::R18], false).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("### R18 wsl-boundary: The port is"), "{text}");
        assert!(text.ends_with("- At most: possible, untested against a real case\n"), "{text}");
    }
}
