//! The law, as tables: who may import whom, what is pure, what belongs to whom.

/// Each room, and the rooms that it may name. `None` is every room.
///
/// `lib.rs` shows the same table to readers; `outside` is a law for a room still to be built.
pub(crate) const LAW: &[(&str, Option<&[&str]>)] = &[
    ("model", Some(&[])),
    ("wire", Some(&["model"])),
    ("sys", Some(&["model"])),
    ("inventory", Some(&["model", "wire", "sys"])),
    ("probe", Some(&["model", "wire", "sys"])),
    ("outside", Some(&["model", "wire", "sys"])),
    ("firewall", Some(&["model", "wire", "sys"])),
    ("reconcile", Some(&["model"])),
    ("document", Some(&["model"])),
    ("render", Some(&["model", "document"])),
    ("cli", None),
];

/// The rooms that may not touch the machine, the clock or the environment.
pub(crate) const PURE: &[&str] = &["model", "wire", "reconcile", "document", "render"];

/// What a pure room may not name, by prefix. The value types of `std::net` are free.
pub(crate) const IMPURE: &[&str] = &[
    "std::env",
    "std::fs",
    "std::io::Stderr",
    "std::io::Stdin",
    "std::io::Stdout",
    "std::io::stderr",
    "std::io::stdin",
    "std::io::stdout",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::ToSocketAddrs",
    "std::net::UdpSocket",
    "std::os",
    "std::process",
    "std::time::Instant",
    "std::time::SystemTime",
    "std::time::UNIX_EPOCH",
    "netstat2",
    "rustix",
    "socket2",
    "sysinfo",
];

/// Crates that belong to some rooms only.
pub(crate) const HOMES: &[(&str, &[&str])] = &[
    ("serde", &["document", "render", "cli"]),
    // The inventory reads the files of container runtimes; its own values have no form in JSON.
    ("serde_json", &["inventory", "document", "render", "cli"]),
    ("schemars", &["document", "render", "cli"]),
    // Who talks with a service, and who reads what it says.
    ("rustls", &["probe"]),
    ("x509_cert", &["wire"]),
    ("clap", &["cli"]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli"]),
];

/// The words of a `cfg` that ask for the platform.
pub(crate) const PLATFORM: &[&str] = &["target_os", "target_family", "unix", "windows"];
