//! What `who` tells: sockets with what is around them, and where a client's packets land.

use super::envelope::Document;
use super::sockets::{EndItem, SocketItem};
use crate::model::{About, Arrival, Client, Endpoint, Holding, Holdings, Lookup, Named};
use schemars::JsonSchema;
use serde::Serialize;
use std::net::IpAddr;

/// What the document of `who` has besides the envelope.
#[derive(Debug, Serialize, JsonSchema)]
pub struct WhoBody<'a> {
    items: Vec<WhoItem<'a>>,
    /// Where packets of the client of `--from` would land; empty without it.
    arrivals: Vec<ArrivalItem<'a>>,
}

/// The document of `who`.
#[must_use]
pub fn who<'a>(about: &'a About, holdings: &'a Holdings) -> Document<'a, WhoBody<'a>> {
    let items = holdings.found.iter().map(WhoItem::from).collect();
    let arrivals = holdings.arrivals.iter().map(ArrivalItem::from).collect();
    Document::new("portsight/who", about, &holdings.gaps, WhoBody { items, arrivals })
}

/// A socket with what is around it.
#[derive(Debug, Serialize, JsonSchema)]
struct WhoItem<'a> {
    #[serde(flatten)]
    socket: SocketItem<'a>,
    /// The processes above the foremost owner, its parent first.
    ancestors: Vec<NamedItem<'a>>,
    /// Who is connected now.
    clients: Vec<ClientItem<'a>>,
    /// How many closed connections to this socket the kernel still keeps.
    time_wait: usize,
    /// What else the foremost owner serves.
    also: Vec<AlsoItem>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct NamedItem<'a> {
    pid: u32,
    name: &'a str,
}

#[derive(Debug, Serialize, JsonSchema)]
struct ClientItem<'a> {
    address: IpAddr,
    port: u16,
    /// The state of our end, as `state` of a socket.
    state: &'static str,
    /// The process, where it runs on this host and may be looked at.
    process: Option<NamedItem<'a>>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct AlsoItem {
    #[schemars(extend("enum" = ["tcp", "udp", "sctp"]))]
    proto: &'static str,
    address: IpAddr,
    port: u16,
}

/// A packet that might arrive, as far as no rule stops it.
#[derive(Debug, Serialize, JsonSchema)]
struct ArrivalItem<'a> {
    #[schemars(extend("enum" = ["tcp", "udp", "sctp"]))]
    proto: &'static str,
    port: u16,
    /// Where it comes from; port 0 stands for any.
    from: EndItem,
    to: IpAddr,
    interface: &'a str,
    #[schemars(extend("enum" = ["socket", "connection", "nobody", "unknown"]))]
    lands: &'static str,
    /// Of the socket, where it is listed.
    inode: Option<u64>,
    /// Why it is not known.
    reason: Option<&'a str>,
}

impl<'a> From<&'a Holding> for WhoItem<'a> {
    fn from(holding: &'a Holding) -> Self {
        Self {
            socket: SocketItem::from(&holding.socket),
            ancestors: holding.ancestors.iter().map(NamedItem::from).collect(),
            clients: holding.clients.iter().map(ClientItem::from).collect(),
            time_wait: holding.time_wait,
            also: holding.also.iter().map(AlsoItem::from).collect(),
        }
    }
}

impl<'a> From<&'a Named> for NamedItem<'a> {
    fn from(named: &'a Named) -> Self {
        Self { pid: named.pid, name: &named.name }
    }
}

impl<'a> From<&'a Client> for ClientItem<'a> {
    fn from(client: &'a Client) -> Self {
        Self {
            address: client.address.ip(),
            port: client.address.port(),
            state: client.state.name(),
            process: client.process.as_ref().map(NamedItem::from),
        }
    }
}

impl From<&(Endpoint, IpAddr)> for AlsoItem {
    fn from((endpoint, address): &(Endpoint, IpAddr)) -> Self {
        let Endpoint { port, transport } = endpoint;
        Self { proto: transport.name(), address: *address, port: port.get() }
    }
}

impl<'a> From<&'a Arrival> for ArrivalItem<'a> {
    fn from(arrival: &'a Arrival) -> Self {
        Self {
            proto: arrival.endpoint.transport.name(),
            port: arrival.endpoint.port.get(),
            from: arrival.from.into(),
            to: arrival.to,
            interface: &arrival.interface.name,
            lands: match arrival.lands {
                Lookup::Socket(_) => "socket",
                Lookup::Connection => "connection",
                Lookup::Nobody => "nobody",
                Lookup::Unknown(_) => "unknown",
            },
            inode: arrival.socket.as_ref().map(|socket| socket.held.inode.0),
            reason: match &arrival.lands {
                Lookup::Unknown(reason) => Some(reason),
                _ => None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::samples::{self, With};
    use crate::model::{Port, SocketState, Transport};
    use serde_json::json;

    #[test]
    fn a_holding_is_a_socket_with_what_is_around_it() {
        let named = |pid, name: &str| Named { pid, name: name.into() };
        let socket = samples::tcp("::", 80).owned_by(812, "nginx");
        let endpoint = Endpoint { port: Port::new(443).unwrap(), transport: Transport::Tcp };
        let holding = Holding {
            ancestors: vec![named(1, "systemd")],
            clients: vec![Client {
                address: "[::1]:4000".parse().unwrap(),
                state: SocketState::Established,
                process: Some(named(42, "curl")),
            }],
            time_wait: 3,
            also: vec![(endpoint, "::".parse().unwrap())],
            ..Holding::from(socket.clone())
        };
        let arrival = |lands, socket| Arrival {
            endpoint,
            from: "10.0.0.7:0".parse().unwrap(),
            to: [10, 0, 0, 5].into(),
            interface: samples::interface(2, "eth0"),
            lands,
            socket,
        };
        let holdings = Holdings {
            found: vec![holding],
            arrivals: vec![
                arrival(Lookup::Socket(socket.cookie), Some(socket)),
                arrival(Lookup::Unknown("refused".into()), None),
            ],
            gaps: Vec::new(),
        };
        let about = samples::about();
        let document = serde_json::to_value(who(&about, &holdings)).unwrap();
        let item = &document["items"][0];
        assert_eq!((&item["port"], &item["owners"][0]["pid"]), (&json!(80), &json!(812)));
        assert_eq!(item["ancestors"], json!([{"pid": 1, "name": "systemd"}]));
        let client = json!({"address": "::1", "port": 4000, "state": "established",
            "process": {"pid": 42, "name": "curl"}});
        assert_eq!((&item["clients"], &item["time_wait"]), (&json!([client]), &json!(3)));
        assert_eq!(item["also"], json!([{"proto": "tcp", "address": "::", "port": 443}]));
        let from = json!({"address": "10.0.0.7", "port": 0});
        assert_eq!(
            document["arrivals"][0],
            json!({"proto": "tcp", "port": 443, "from": from, "to": "10.0.0.5", "interface": "eth0",
                "lands": "socket", "inode": 31_080, "reason": null})
        );
        assert_eq!(document["arrivals"][1]["reason"], "refused");
        let schema = crate::document::schema(crate::document::Kind::Who);
        let validator = jsonschema::validator_for(schema.as_value()).unwrap();
        let errors: Vec<_> = validator.iter_errors(&document).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{errors:#?}");
    }
}
