//! The values that the rooms hand to each other. Nothing here reads the machine, the clock or the
//! environment, and nothing here knows how it is written as JSON (the room `document` does).

pub mod about;
pub mod attempt;
pub mod checkpoint;
pub mod diagnosis;
pub mod endpoint;
pub mod expectation;
pub mod held;
pub mod journey;
pub mod onward;
pub mod portless;
pub mod probe;
pub mod process;
pub mod published;
pub mod rule;
pub mod security;
pub mod seen;
pub mod service;
pub mod shell;
pub mod socket;
pub mod unit;
pub mod unit_state;
pub mod verdict;
pub mod who;
pub mod why;

pub use about::{About, Gap, Hides};
pub use attempt::{ClientAttempt, Errno, Neighbour, Opened, Outcome, Passage, Way, elapsed};
pub use checkpoint::{CgroupFilters, Checkpoint, DeviceFilters, Dropped, Filters, Place, Program};
pub use diagnosis::{Code, Entry};
pub use endpoint::{Endpoint, Family, Interface, Port, PortSet, Transport};
pub use expectation::{Expectation, Expected};
pub use held::{Held, Inode};
pub use journey::{Decision, Journey, Reached, Reply, Step};
pub use onward::{Inside, Onward, is_proxy};
pub use portless::{Portless, PortlessKind};
pub use probe::{
    Answer, Attempt, Delivery, DroppedBy, Icmp, Lookup, Method, Sweep, TakenBy, Target, Vantage,
};
pub use process::{Owner, OwnersUnknown, OwnersUnknownReason, Process, Role, Via};
pub use published::{LeadsTo, Nat, Published, PublishedAt, TargetPort, Through};
pub use rule::{
    Backend, Base, Chain, ChainKind, Chains, Hook, Policy, Rule, RuleId, Rulebook, Table,
    TableFamily,
};
pub use security::Security;
pub use seen::{Need, Seen};
pub use service::{
    Access, Certificate, Http, Identity, Protocol, Recognised, Risk, Severity, Spoken, Tls,
};
pub use shell::shell_word;
pub use socket::{Cookie, Inventory, Queue, Scope, Socket, SocketState};
pub use unit::{Container, Manager, Runtime, Surroundings, Unit};
pub use unit_state::{Activity, BindRule, Network, Opening, Restrictions, UnitState};
pub use verdict::{
    Certainty, Check, Door, How, PortFinding, State, Tally, VantageSummary, Verdict, VerdictFrom,
    View,
};
pub use who::{Arrival, Client, Holding, Holdings, Named, Supervisor};
pub use why::{Asked, Diagnosis, Evidence, Resolution, Resolved, Told, Tried, Why};
