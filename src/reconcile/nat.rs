//! The two sides of a published port: the socket at the port, past which packets go, and the one behind it.

use crate::model::{
    Family, Inventory, LeadsTo, Nat, Port, Published, PublishedAt, Scope, Socket, TargetPort,
    Through,
};
use std::net::IpAddr;

/// What a network namespace has: its addresses that others can send to, and the ports that its rules publish.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Translator {
    /// Its name; `None` for ours.
    pub netns: Option<String>,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// Its rules, in their order.
    pub published: Vec<Published>,
}

/// Enters in each socket what the rules do with packets for it. An address that several namespaces have leads to none
/// of them: which one is meant is in routing and bridges.
pub fn link(inventory: &mut Inventory, translators: &[Translator]) {
    let mut nats = vec![Nat::default(); inventory.sockets.len()];
    for translator in translators {
        for rule in &translator.published {
            let behind = target(rule, translator, translators);
            // Those who come in otherwise reach what listens there.
            let narrowed = rule.narrowed || matches!(rule.through, Through::Only(_));
            let mut container = None;
            for (socket, nat) in inventory.sockets.iter().zip(&mut nats) {
                let Some(port) = behind.and_then(|behind| published_port(rule, behind, socket))
                else {
                    continue;
                };
                container = container.or_else(|| socket.held.container.known().cloned());
                let at = PublishedAt {
                    netns: translator.netns.clone(),
                    address: rule.address,
                    port,
                    narrowed,
                };
                push(&mut nat.published_at, at);
            }
            for (socket, nat) in inventory.sockets.iter().zip(&mut nats) {
                if let Some(port) = onward_port(rule, translator, socket) {
                    let leads_to = LeadsTo {
                        address: rule.target,
                        port,
                        netns: behind.and_then(|behind| behind.netns.clone()),
                        container: container.clone(),
                        narrowed,
                    };
                    push(&mut nat.leads_to, leads_to);
                }
            }
        }
    }
    for (socket, nat) in inventory.sockets.iter_mut().zip(nats) {
        socket.nat = nat;
    }
}

fn push<T: PartialEq>(list: &mut Vec<T>, new: T) {
    if !list.contains(&new) {
        list.push(new);
    }
}

/// The namespace that a rule leads to, where it is one of these and there is no doubt.
fn target<'a>(
    rule: &Published,
    translator: &'a Translator,
    all: &'a [Translator],
) -> Option<&'a Translator> {
    let Some(address) = rule.target else { return Some(translator) };
    let mut with_address = all.iter().filter(|other| other.addresses.contains(&address));
    with_address.next().filter(|_| with_address.next().is_none())
}

/// The published port that leads to this socket, which is in the namespace `behind`.
fn published_port(rule: &Published, behind: &Translator, socket: &Socket) -> Option<Port> {
    let is_target = socket.held.netns == behind.netns
        && socket.transport == rule.transport
        && socket.state.serves()
        && match rule.target {
            Some(address) => socket.takes(address),
            None => takes_family(socket, rule.family),
        };
    is_target.then(|| source_port(rule, socket.port)).flatten()
}

/// The port that becomes this one, the first of several.
pub(super) fn source_port(rule: &Published, target: Port) -> Option<Port> {
    let first = *rule.ports.start();
    let candidate = match rule.target_port {
        TargetPort::Same => target,
        TargetPort::One(_) => first,
        TargetPort::From(start) => {
            Port::new(first.get().checked_add(target.get().checked_sub(start.get())?)?)?
        }
    };
    (rule.leads_to(candidate) == Some(target)).then_some(candidate)
}

/// The port that packets for this socket go on to, where the rule takes them.
fn onward_port(rule: &Published, translator: &Translator, socket: &Socket) -> Option<Port> {
    let is_at = socket.held.netns == translator.netns
        && socket.transport == rule.transport
        && socket.state.serves()
        && match rule.address {
            Some(address) => socket.takes(address),
            // What comes for a loopback address stays there, which runtimes ask for on the way to such rules.
            None => socket.scope() != Scope::Loopback && takes_family(socket, rule.family),
        };
    is_at.then(|| rule.leads_to(socket.port)).flatten()
}

/// Whether a socket takes packets of this family at some address.
fn takes_family(socket: &Socket, family: Option<Family>) -> bool {
    let own = Family::of(socket.address.to_canonical());
    let dual = socket.dual_stack().known() == Some(&true);
    family.is_none_or(|family| family == own || (dual && family == Family::Ipv4))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Cookie, Held, Inode, Seen, SocketState, Transport};

    fn socket(address: &str, port: u16, netns: Option<&str>) -> Socket {
        let address: IpAddr = address.parse().unwrap();
        let held = Held::new(Inode(1), Seen::Known(0));
        Socket {
            transport: Transport::Tcp,
            family: Family::of(address),
            address,
            port: Port::new(port).unwrap(),
            interface: Seen::Absent,
            v6_only: Seen::Known(false),
            state: SocketState::Listen,
            peer: None,
            mptcp: false,
            signed: false,
            cookie: Cookie(1),
            queue: Seen::Absent,
            service: None,
            nat: Nat::default(),
            held: Held { netns: netns.map(str::to_owned), ..held },
        }
    }

    fn rule(ports: (u16, u16), target: Option<&str>, target_port: TargetPort) -> Published {
        let port = |number| Port::new(number).unwrap();
        Published {
            transport: Transport::Tcp,
            family: Some(Family::Ipv4),
            address: None,
            ports: port(ports.0)..=port(ports.1),
            through: Through::Any,
            narrowed: false,
            target: target.map(|target| target.parse().unwrap()),
            target_port,
        }
    }

    fn linked(sockets: Vec<Socket>, rules: Vec<Published>, others: &[(&str, &str)]) -> Vec<Nat> {
        let mut inventory = Inventory { sockets, ..Inventory::default() };
        let ours = Translator { published: rules, ..Translator::default() };
        let others = others.iter().map(|(name, address)| Translator {
            netns: Some((*name).to_owned()),
            addresses: vec![address.parse().unwrap()],
            published: Vec::new(),
        });
        let all: Vec<Translator> = std::iter::once(ours).chain(others).collect();
        link(&mut inventory, &all);
        inventory.sockets.into_iter().map(|socket| socket.nat).collect()
    }

    /// `8081>blue:80` for a socket that leads on, `<8081` for the one behind.
    fn told(nats: &[Nat]) -> Vec<String> {
        let one = |nat: &Nat| {
            let leads = nat.leads_to.iter().map(|to| {
                let at = to.address.map_or("here".into(), |address| address.to_string());
                format!(">{at}:{} {}", to.port, to.netns.as_deref().unwrap_or("-"))
            });
            let published = nat.published_at.iter().map(|at| format!("<{}", at.port));
            leads.chain(published).collect::<Vec<_>>().join(" ")
        };
        nats.iter().map(one).collect()
    }

    #[test]
    fn both_sides_of_a_published_port_know_each_other() {
        let one = |port| TargetPort::One(Port::new(port).unwrap());
        let sockets = || {
            vec![
                socket("0.0.0.0", 8081, None),
                socket("::", 8081, None),
                socket("127.0.0.1", 8081, None),
                socket("0.0.0.0", 80, Some("blue")),
                socket("127.0.0.1", 80, Some("blue")),
                socket("10.88.0.2", 80, Some("blue")),
                socket("0.0.0.0", 80, Some("green")),
            ]
        };
        let to_blue = || vec![rule((8081, 8081), Some("10.88.0.2"), one(80))];
        let nats = linked(sockets(), to_blue(), &[("blue", "10.88.0.2"), ("green", "10.88.0.3")]);
        let on = ">10.88.0.2:80 blue";
        assert_eq!(told(&nats), [on, on, "", "<8081", "", "<8081", ""]);
        // Two namespaces with one address: packets go on, and which one gets them is not claimed.
        let nats = linked(sockets(), to_blue(), &[("blue", "10.88.0.2"), ("green", "10.88.0.2")]);
        let on = ">10.88.0.2:80 -";
        assert_eq!(told(&nats), [on, on, "", "", "", "", ""]);
    }

    #[test]
    fn a_rule_for_one_interface_takes_not_every_packet() {
        let one = TargetPort::One(Port::new(80).unwrap());
        let narrowed = |through| {
            let rule = Published { through, ..rule((8081, 8081), None, one) };
            let nats = linked(vec![socket("0.0.0.0", 8081, None)], vec![rule], &[]);
            nats[0].leads_to[0].narrowed
        };
        assert!(narrowed(Through::Only("eth0".into())));
        // That of the containers themselves.
        assert!(!narrowed(Through::AllBut("docker0".into())) && !narrowed(Through::Any));
    }

    #[test]
    fn ports_are_shifted_kept_and_redirected() {
        let from = |port| TargetPort::From(Port::new(port).unwrap());
        let blue = [("blue", "10.88.0.2")];
        let inside = || vec![socket("0.0.0.0", 91, Some("blue"))];
        let at = |rule| told(&linked(inside(), vec![rule], &blue)).concat();
        let target = Some("10.88.0.2");
        assert_eq!(at(rule((9090, 9092), target, from(90))), "<9091");
        assert_eq!(at(rule((90, 92), target, TargetPort::Same)), "<91");
        assert_eq!(at(rule((95, 99), target, TargetPort::Same)), "");
        assert_eq!(at(rule((9090, 9090), target, from(90))), "");
        let redirect = rule((80, 80), None, TargetPort::One(Port::new(8080).unwrap()));
        let here = vec![socket("0.0.0.0", 80, None), socket("0.0.0.0", 8080, None)];
        assert_eq!(told(&linked(here, vec![redirect], &[])), [">here:8080 -", "<80"]);
    }
}
