//! Reading the document of `why` that a portsight on another machine wrote. Every word of it is that machine's.

use crate::model::{Certainty, ClientAttempt, Code, Diagnosis, Errno, Icmp, Outcome, Told};
use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;

/// The major version of the format that is understood.
const MAJOR: &str = "1";
/// So many attempts are read: `why` makes no more.
const MOST: usize = 16;
/// So many letters of a sentence are read.
const LONGEST: usize = 500;

/// What a report of `why` says that another portsight wrote.
///
/// # Errors
/// When it is no such report, or one of another format; the text says what is wrong.
pub fn read_why(text: &str) -> Result<Told, String> {
    let document: Value =
        serde_json::from_str(text.trim()).map_err(|_error| "it is no JSON".to_owned())?;
    if document["schema"] != "portsight/why" {
        return Err("it is no report of why".to_owned());
    }
    let version = document["format_version"].as_str().unwrap_or_default();
    if version.split_once('.').is_none_or(|(major, _)| major != MAJOR) {
        return Err(format!("its format is {}, and {MAJOR} is understood", shortened(version, 20)));
    }
    let attempts = document["attempts"].as_array().ok_or("it has no attempts")?;
    let attempts = attempts.iter().take(MOST).map(attempt).collect::<Option<_>>();
    Ok(Told {
        works: document["works"].as_bool().ok_or("it does not say whether it works")?,
        attempts: attempts.ok_or("an attempt cannot be read")?,
        diagnosis: diagnosis(&document["diagnosis"]),
    })
}

fn attempt(value: &Value) -> Option<ClientAttempt> {
    let number = |value: &Value| value.as_u64();
    let port = u16::try_from(number(&value["port"])?).ok()?;
    let icmp = match &value["icmp"] {
        Value::Null => None,
        icmp => Some(Icmp {
            kind: u8::try_from(number(&icmp["type"])?).ok()?,
            code: u8::try_from(number(&icmp["code"])?).ok()?,
            from: icmp["from"].as_str().and_then(|from| from.parse().ok()),
        }),
    };
    Some(ClientAttempt {
        to: SocketAddr::new(value["address"].as_str()?.parse().ok()?, port),
        outcome: Outcome::named(value["outcome"].as_str()?)?,
        errno: value["errno"].as_str().and_then(Errno::told_in),
        icmp,
        elapsed: Duration::from_micros(number(&value["elapsed_us"])?),
        sees_icmp: value["icmp_known"].as_bool().unwrap_or(true),
        opened: None,
    })
}

/// Its commands are left out: they are for that machine, and nobody should paste what another machine says.
fn diagnosis(value: &Value) -> Option<Diagnosis> {
    let certainty = match value["certainty"].as_str()? {
        "proved" => Certainty::Proved,
        "likely" => Certainty::Likely,
        _ => Certainty::Possible,
    };
    let code = Code::named(value["code"].as_str()?)?;
    Some(Diagnosis {
        code,
        certainty: certainty.max(code.entry().most),
        text: shortened(value["text"].as_str()?, LONGEST),
        next: Vec::new(),
    })
}

fn shortened(text: &str, letters: usize) -> String {
    text.chars().take(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{samples, why};
    use serde_json::json;

    fn written() -> Value {
        serde_json::to_value(why(&samples::about(), &samples::why())).unwrap()
    }

    #[test]
    fn what_is_written_is_read() {
        let told = read_why(&format!("\n{}\n\n", written())).unwrap();
        let report = samples::why();
        assert_eq!(told.works, report.works);
        let tried = report.attempts.iter().zip(&told.attempts);
        for (tried, read) in tried {
            assert_eq!(
                (read.to, read.outcome, read.elapsed),
                (tried.attempt.to, tried.attempt.outcome, tried.attempt.elapsed)
            );
        }
        assert_eq!(told.attempts.len(), report.attempts.len());
        let (told, meant) = (told.diagnosis.unwrap(), report.diagnosis.unwrap());
        assert_eq!(
            (told.code, told.certainty, &told.text),
            (meant.code, meant.certainty, &meant.text)
        );
        assert_eq!(told.next, [""; 0], "no command of another machine");
    }

    #[test]
    fn what_is_no_such_report_is_refused_with_a_reason() {
        let but = |field: &str, value: Value| {
            let mut document = written();
            document[field] = value;
            read_why(&document.to_string()).map(|_| ())
        };
        assert_eq!(but("format_version", json!("1.7")), Ok(()), "a minor version only adds");
        for (field, value, words) in [
            ("schema", json!("portsight/check"), "no report of why"),
            ("format_version", json!("2.0"), "its format is 2.0"),
            ("format_version", json!("1"), "its format is 1,"),
            ("format_version", json!(null), "its format is"),
            ("attempts", json!({}), "no attempts"),
            ("attempts", json!([{ "address": "x" }]), "an attempt"),
            ("works", json!("yes"), "whether it works"),
        ] {
            let told = but(field, value).unwrap_err();
            assert!(told.contains(words), "{field}: {told}");
        }
        for text in ["", "{", "[]", "\u{1b}[2J", &"[".repeat(100_000)] {
            assert!(read_why(text).is_err(), "{text:.20}");
        }
    }

    #[test]
    fn what_is_not_known_here_is_left_out() {
        let mut document = written();
        document["diagnosis"]["code"] = json!("Z99");
        assert_eq!(read_why(&document.to_string()).unwrap().diagnosis, None);
        document["diagnosis"] =
            json!({"code": "R18", "certainty": "proved", "text": "x".repeat(9_000)});
        let read = read_why(&document.to_string()).unwrap().diagnosis.unwrap();
        assert_eq!((read.certainty, read.text.len()), (Certainty::Possible, LONGEST));
        document["attempts"] = document["attempts"][0]
            .clone()
            .as_object()
            .map_or(json!([]), |one| Value::Array(vec![Value::Object(one.clone()); 100]));
        assert_eq!(read_why(&document.to_string()).unwrap().attempts.len(), MOST);
    }
}
