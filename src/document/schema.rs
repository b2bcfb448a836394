//! The JSON Schemas of the documents, made from the same types that write them.

use super::check::CheckBody;
use super::envelope::Document;
use super::sockets::SocketsBody;
use super::who::WhoBody;
use super::why::WhyBody;
use schemars::Schema;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

/// A document that has a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The sockets of `ls`.
    Sockets,
    /// The sockets of `who`, with what is around them.
    Who,
    /// The ports of `check`.
    Check,
    /// The reason that `why` gives.
    Why,
}

/// The schema of a document (JSON Schema, draft 2020-12).
#[must_use]
pub fn schema(kind: Kind) -> Schema {
    // Of what is written: a field that may be null is always there.
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let (mut schema, names) = match kind {
        Kind::Sockets => (
            generator.into_root_schema_for::<Document<'_, SocketsBody<'_>>>(),
            json!(["portsight/ls"]),
        ),
        Kind::Who => (
            generator.into_root_schema_for::<Document<'_, WhoBody<'_>>>(),
            json!(["portsight/who"]),
        ),
        Kind::Check => (
            generator.into_root_schema_for::<Document<'_, CheckBody<'_>>>(),
            json!(["portsight/check"]),
        ),
        Kind::Why => (
            generator.into_root_schema_for::<Document<'_, WhyBody<'_>>>(),
            json!(["portsight/why"]),
        ),
    };
    if let Some(name) = schema.pointer_mut("/properties/schema").and_then(Value::as_object_mut) {
        name.insert("enum".to_owned(), names);
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{self, samples};
    use crate::model::{
        Certainty, Family, How, OwnersUnknownReason, Portless, PortlessKind, Role, Seen,
        SocketState, State, Vantage, Verdict, Via,
    };
    use samples::With;
    use serde::Serialize;

    fn assert_valid(kind: Kind, document: &impl Serialize) {
        let validator = jsonschema::validator_for(schema(kind).as_value()).unwrap();
        let document = serde_json::to_value(document).unwrap();
        let errors: Vec<_> =
            validator.iter_errors(&document).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:#?} in {document:#}");
    }

    #[test]
    fn every_socket_is_valid() {
        let mut held = samples::tcp("::", 22).service("ssh").queue(1, 128, 2);
        for role in [Role::Listener, Role::Inherited, Role::Worker, Role::SocketActivated] {
            held.held.owners.push(samples::owner(1, "a", role));
        }
        for via in [Via::Thread, Via::InFlight, Via::IoUring] {
            let owner = samples::owner(1, "a", Role::Listener);
            held.held.owners.push(crate::model::Owner { via: Some(via), ..owner });
        }
        let mut dark = samples::udp("10.0.0.1", 53);
        dark.queue = Seen::Skipped("not sent by this kernel");
        let mut sockets = vec![held, dark];
        for reason in [
            OwnersUnknownReason::Permission,
            OwnersUnknownReason::Kernel,
            OwnersUnknownReason::OtherPidNamespace,
            OwnersUnknownReason::Vanished,
            OwnersUnknownReason::NoProcfs,
        ] {
            sockets.push(samples::tcp("127.0.0.1", 1).unowned(reason, "text"));
        }
        let about = samples::about();
        let mut inventory = samples::inventory(sockets);
        for state in SocketState::ALL {
            inventory.sockets.push(samples::tcp("::1", 3).connected("[::1]:4", state));
        }
        let raw = PortlessKind::Raw {
            family: Family::Ipv6,
            address: [0; 16].into(),
            protocol: 58,
            interface: Seen::Absent,
        };
        inventory.portless = vec![samples::unix("@x"), samples::packet()];
        inventory.portless.push(Portless { kind: raw, ..samples::packet() });
        let document = document::sockets(&about, &inventory);
        assert_valid(Kind::Sockets, &document);
    }

    #[test]
    fn every_verdict_state_and_story_is_valid() {
        let states =
            [State::Open, State::Closed, State::Filtered, State::OpenFiltered, State::Unknown];
        let hows =
            [How::Dropped, How::Rejected, How::Reset, How::NotSent, How::ReplyDropped].map(Some);
        let mut items = Vec::new();
        for verdict in Verdict::ALL {
            let views = states.into_iter().map(|state| samples::view(Vantage::Own, state, verdict));
            items.push(samples::finding(1, Vec::new(), views.collect()));
        }
        for how in hows {
            let mut view = samples::view(Vantage::Loopback, State::Filtered, Verdict::Filtered);
            (view.how, view.certainty) = (how, Certainty::Likely);
            items.push(samples::finding(2, vec![samples::tcp("::", 2)], vec![view]));
        }
        items.push(samples::finding(3, Vec::new(), Vec::new()));
        let about = samples::about();
        assert_valid(Kind::Check, &document::check(&about, &samples::check(items)));
    }

    #[test]
    fn what_the_contract_does_not_know_is_not_valid() {
        let about = samples::about();
        let inventory = samples::inventory([samples::tcp("::", 22)]);
        let document = document::sockets(&about, &inventory);
        let mut document = serde_json::to_value(&document).unwrap();
        document["items"][0]["state"] = "sleeping".into();
        let validator = jsonschema::validator_for(schema(Kind::Sockets).as_value()).unwrap();
        assert!(!validator.is_valid(&document));
        document["items"][0]["state"] = "listen".into();
        document["schema"] = "portsight/check".into();
        assert!(!validator.is_valid(&document), "another command's document");
        document["schema"] = "portsight/ls".into();
        assert!(validator.is_valid(&document));
        document["items"][0].as_object_mut().unwrap().remove("interface");
        assert!(!validator.is_valid(&document), "every field is there, known or not");
    }
}
