//! What every document has around its items.

use super::sockets::ContainerItem;
use super::time;
use super::unknown::UnknownList;
use crate::model::{About, Gap};
use schemars::JsonSchema;
use serde::Serialize;

/// The version of the documents' format. A minor version only adds.
const FORMAT_VERSION: &str = "1.0";

/// A document: the circumstances of a report, and its body.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Document<'a, B> {
    schema: &'static str,
    format_version: &'static str,
    tool: Tool,
    host: Host<'a>,
    /// RFC 3339, in UTC.
    taken_at: Option<String>,
    duration_ms: u64,
    privileges: Privileges<'a>,
    incomplete: Vec<Incomplete<'a>>,
    #[serde(flatten)]
    body: B,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Tool {
    name: &'static str,
    version: &'static str,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Host<'a> {
    name: &'a str,
    kernel: &'a str,
    boot_id: Option<&'a str>,
    /// The container that we run in.
    container: Option<ContainerItem<'a>>,
    /// Our network namespace, when it is not the host's first one.
    netns: Option<&'a str>,
    /// Which of these are `null` because they could not be read.
    unknown: UnknownList<'a>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Privileges<'a> {
    uid: u32,
    capabilities: &'a [String],
}

#[derive(Debug, Serialize, JsonSchema)]
struct Incomplete<'a> {
    what: &'a str,
    reason: &'a str,
    need: Option<String>,
}

impl<'a, B> Document<'a, B> {
    /// The document `schema` with this body.
    pub(super) fn new(schema: &'static str, about: &'a About, gaps: &'a [Gap], body: B) -> Self {
        Self {
            schema,
            format_version: FORMAT_VERSION,
            tool: Tool { name: "portsight", version: about.version },
            host: Host::from(about),
            taken_at: time::milliseconds(about.taken_at_ns),
            duration_ms: u64::try_from(about.duration.as_millis()).unwrap_or(u64::MAX),
            privileges: Privileges { uid: about.uid, capabilities: &about.capabilities },
            incomplete: gaps.iter().map(Incomplete::from).collect(),
            body,
        }
    }
}

impl<'a> From<&'a About> for Host<'a> {
    fn from(about: &'a About) -> Self {
        let mut unknown = UnknownList::default();
        Self {
            name: &about.host,
            kernel: &about.kernel,
            boot_id: about.boot_id.as_deref(),
            container: ContainerItem::read(&about.surroundings.container, &mut unknown),
            netns: unknown.read("netns", &about.surroundings.netns).map(String::as_str),
            unknown,
        }
    }
}

impl<'a> From<&'a Gap> for Incomplete<'a> {
    fn from(gap: &'a Gap) -> Self {
        Self {
            what: &gap.what,
            reason: &gap.reason,
            need: gap.need.as_ref().map(ToString::to_string),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::samples;
    use crate::model::{Container, Hides, Need, Runtime, Seen};

    #[derive(Serialize, JsonSchema)]
    struct Body {
        items: [u8; 0],
    }

    #[test]
    fn the_envelope_says_who_where_when_and_what_is_missing() {
        let gaps = [
            Gap {
                what: "sctp sockets".into(),
                reason: "the kernel has no sctp_diag".into(),
                need: Some(Need::Module("sctp_diag")),
                hides: Hides::Sockets,
            },
            Gap {
                what: "processes".into(),
                reason: "they came and went".into(),
                need: None,
                hides: Hides::Owners,
            },
        ];
        let about = samples::about();
        let document = Document::new("portsight/ls", &about, &gaps, Body { items: [] });
        insta::assert_snapshot!(serde_json::to_string_pretty(&document).unwrap(), @r#"
        {
          "schema": "portsight/ls",
          "format_version": "1.0",
          "tool": {
            "name": "portsight",
            "version": "0.1.0"
          },
          "host": {
            "name": "web1",
            "kernel": "6.18.0",
            "boot_id": "6f1c1c5e-0000-4000-8000-000000000000",
            "container": null,
            "netns": null,
            "unknown": []
          },
          "taken_at": "2026-11-20T06:12:26.001Z",
          "duration_ms": 412,
          "privileges": {
            "uid": 1000,
            "capabilities": [
              "cap_net_raw"
            ]
          },
          "incomplete": [
            {
              "what": "sctp sockets",
              "reason": "the kernel has no sctp_diag",
              "need": "kernel module sctp_diag"
            },
            {
              "what": "processes",
              "reason": "they came and went",
              "need": null
            }
          ],
          "items": []
        }
        "#);
    }

    #[test]
    fn the_host_says_what_it_is_a_part_of() {
        let mut about = samples::about();
        about.surroundings.container = Seen::Known(Container {
            id: Seen::Known("3fa2".into()),
            name: Seen::Skipped("not told inside of it"),
            runtime: Runtime::Docker,
        });
        about.surroundings.netns = Seen::Known("net:[4026532281]".into());
        let host = serde_json::to_value(Host::from(&about)).unwrap();
        assert_eq!(
            host["container"],
            serde_json::json!({"id": "3fa2", "name": null, "runtime": "docker"})
        );
        assert_eq!(host["netns"], "net:[4026532281]");
        assert_eq!(host["unknown"][0]["field"], "container.name");

        about.surroundings.netns = Seen::Denied(Need::Kernel(6, 18));
        let host = serde_json::to_value(Host::from(&about)).unwrap();
        assert_eq!(host["netns"], serde_json::Value::Null);
        assert_eq!(
            host["unknown"][1],
            serde_json::json!({"field": "netns", "reason": "permission", "need": "Linux 6.18"})
        );
    }
}
