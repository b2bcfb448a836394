//! Snippets that break the law and must be reported, and near misses that must not: a check that cannot fail is worth
//! nothing.

use crate::judge::check;
use crate::law::PURE;

/// Asserts that the checker reports this text, for this reason.
fn reported(file: &str, text: &str, reason: &str) {
    let complaints = check(file, text);
    assert!(
        complaints.iter().any(|complaint| complaint.contains(reason)),
        "in {file}, `{text}` must be reported with `{reason}`, got {complaints:?}"
    );
}

/// Asserts that the checker has nothing against this text.
fn free(file: &str, text: &str) {
    let complaints = check(file, text);
    assert!(complaints.is_empty(), "in {file}, `{text}` is no offence, got {complaints:?}");
}

#[test]
fn an_import_against_the_law_is_reported_in_every_form() {
    let table = "render/table.rs";
    let forms = [
        "use crate::sys;",
        "use crate::sys::netns::enter;",
        "use crate::{model::Port, sys};",
        "use crate::{model::Port, sys::{self, netns}};",
        "use crate::sys as model;",
        "use {crate::model, crate::sys};",
        "use super::super::sys;",
        "use super::super::{sys::netns as n};",
        "use self::super::super::sys;",
        "mod inner { use super::super::super::sys; }",
        "fn f() { crate::sys::pause() }",
        "fn f() { super::super::sys::pause() }",
        "fn f(x: crate::sys::Clock) {}",
        "fn f(x: Option<&'static dyn crate::sys::Clock>) {}",
        "fn f() { Vec::<crate::sys::Clock>::new(); }",
        "fn f() { for x in crate::sys::all() {} }",
        "struct S(pub (crate::sys::A, u8));",
        "impl crate::sys::Clock for () {}",
        "fn f() { <() as crate::sys::Clock>::tick(); }",
        "fn f() { assert_eq!(crate::sys::pause(), 1); }",
        "fn f() { vec![vec![super::super::sys::pause()]]; }",
        "macro_rules! m { () => { $crate::sys::pause() } }",
        "macro_rules! m { () => { use crate::{model::Port, sys::{a, b}}; } }",
        "#[cfg(test)] mod tests { use crate::sys; }",
        "#[derive(Debug)] struct S { #[serde(with = \"crate::sys::f\")] x: u8 }",
        "use crate::r#sys;",
        "use portsight::sys;",
        "use ::portsight::sys;",
        "use super::super as root; fn f() { root::sys::pause() }",
    ];
    for text in forms {
        reported(table, text, "render must not import sys");
    }
    reported("model.rs", "use super::wire::Netlink;", "model must not import wire");
    reported("inventory/owners.rs", "use crate::probe::plan;", "inventory must not import probe");
    reported("probe.rs", "use crate::inventory::read;", "probe must not import inventory");
    reported("reconcile.rs", "use crate::document::X;", "reconcile must not import document");
    reported("document.rs", "use crate::render::X;", "document must not import render");
    reported("render.rs", "use crate::cli::args;", "render must not import cli");
    reported("firewall/text.rs", "use crate::outside;", "firewall must not import outside");
}

#[test]
fn the_root_of_the_crate_is_no_way_round_the_law() {
    for text in [
        "use crate as c;",
        "use crate::{self as c};",
        "use crate::*;",
        "use super::super::*;",
        "use super::super as root;",
        "mod inner { use crate as c; }",
        "macro_rules! m { () => { use crate as c; } }",
        "macro_rules! m { () => { use crate::*; } }",
    ] {
        reported("render/table.rs", text, "must not import the root");
    }
    free("cli/run.rs", "use crate as c; fn f() { c::sys::pause() }");
    reported("render/table.rs", "use crate::helper;", "no room of the law");
    reported("helper.rs", "use crate::model;", "helper is no room of the law");
    reported("render.rs", "#[path = \"x.rs\"] mod x;", "no #[path]");
    reported("render.rs", "include!(\"x.rs\");", "no `include!`");
    reported("render.rs", "extern crate std as s;", "no `extern crate`");
}

#[test]
fn near_misses_of_the_import_law_are_free() {
    let table = "render/table.rs";
    for text in [
        "// use crate::sys;\n/* crate::sys::x */",
        "//! [`crate::sys`] is another room.\n/// [`crate::sys`]\nfn f() {}",
        "#[doc = \"crate::sys\"] fn f() {}",
        "const TEXT: &str = \"use crate::sys;\";",
        "const TEXT: &str = r#\"crate::sys::x\"#;",
        "use crate::model::sys;",
        "use crate::model::sys; fn f() { sys::tick() }",
        "use crate::render::sys;",
        "use super::sys;",
        "use self::sys::pause; mod sys {}",
        "mod inner { use super::super::sys; }",
        "mod inner { use super::*; }",
        "pub(crate) fn f() {} pub(super) fn g() {} pub(self) fn h() {}",
        "pub(in crate::render) fn f() {}",
        "pub(in super::super) fn f() {}",
        "fn sys() { let crate_sys = 1; let _ = crate_sys; }",
        "fn f(system: u8) { let sys = system; sys.leading_zeros(); }",
        "use crate::document::{Check, Sockets}; use crate::model::Port;",
        "fn f() -> impl Iterator<Item = u8> + use<> { std::iter::empty() }",
        "fn f() { <str as Sys>::sys(\"\") }",
    ] {
        free(table, text);
    }
    free("cli/check.rs", "use crate::{inventory, probe, reconcile, render, sys, wire};");
    free("sys/linux/netns.rs", "use super::super::Clock; use crate::model::Seen;");
}

#[test]
fn main_rs_names_the_cli_only() {
    free("main.rs", "fn main() -> std::process::ExitCode { portsight::cli::main() }");
    free("main.rs", "use portsight::cli; fn main() { cli::main(); }");
    reported("main.rs", "fn main() { portsight::sys::pause() }", "main.rs must not import sys");
    reported("main.rs", "use portsight::{cli, render::table};", "main.rs must not import render");
    reported("main.rs", "use portsight as p;", "must not import the root");
    reported("main.rs", "use portsight::*;", "must not import the root");
}

#[test]
fn unsafe_outside_sys_is_reported() {
    for text in [
        "fn f() { unsafe { g() } }",
        "unsafe fn f() {}",
        "unsafe impl Send for X {}",
        "unsafe trait T {}",
        "unsafe extern \"C\" { fn f(); }",
        "type F = unsafe fn();",
        "#[unsafe(no_mangle)] fn f() {}",
        "macro_rules! m { () => { unsafe { g() } } }",
    ] {
        reported("probe/connect.rs", text, "unsafe is for sys only");
        free("sys/linux/netns.rs", text);
    }
    free("probe.rs", "#![forbid(unsafe_code)] // unsafe\nconst T: &str = \"unsafe\";");
    free("probe.rs", "fn unsafe_count() {}");
}

#[test]
fn a_platform_switch_outside_sys_is_reported() {
    for text in [
        "#[cfg(target_os = \"linux\")] fn f() {}",
        "#[cfg(not(any(unix, test)))] fn f() {}",
        "#[cfg_attr(windows, expect(dead_code))] fn f() {}",
        "#![cfg(target_family = \"unix\")]",
        "fn f() -> bool { cfg!(target_os = \"linux\") }",
        "fn f() { std::cfg_select! { unix => { g() } _ => {} } }",
    ] {
        reported("inventory.rs", text, "platform switch");
        free("sys.rs", text);
        free("lib.rs", text);
    }
    free("inventory.rs", "#[cfg(test)] mod tests {} #[cfg(feature = \"x\")] fn f() {}");
    free("inventory.rs", "fn f(target_os: &str, unix: bool) { g(target_os, unix); }");
}

#[test]
fn a_pure_room_that_touches_the_machine_is_reported() {
    for room in PURE {
        let file = format!("{room}/x.rs");
        for text in [
            "use std::fs;",
            "use std::fs::File;",
            "use std::{fmt, fs::File};",
            "use std::net::{IpAddr, TcpStream};",
            "use std::net; fn f() { net::UdpSocket::bind(\"\"); }",
            "use std::io::{self, Write}; fn f() { io::stdout(); }",
            "use std as s; fn f() { s::env::var(\"\"); }",
            "use std::{self as s}; fn f() { s::env::var(\"\"); }",
            "fn f() { std::process::exit(1) }",
            "fn f() { ::std::env::args(); }",
            "fn f() { vec![std::env::args()]; }",
            "fn f() { std::time::SystemTime::now(); }",
            "use std::time::{Duration, Instant};",
            "fn f() { jiff::Timestamp::now(); }",
            "use jiff::Timestamp; fn f() { Timestamp::now(); }",
            "use std::net::*;",
            "use std::time::*;",
            "use std::*;",
            "use std::os::fd::RawFd;",
            "use rustix::net::socket;",
            "fn f(x: socket2::Socket) {}",
        ] {
            reported(&file, text, &format!("{room} is pure"));
            free("sys/linux/x.rs", text);
        }
        for text in [
            "use std::net::{IpAddr, Ipv4Addr, SocketAddr};",
            "use std::time::Duration;",
            "use std::io::{self, Write}; fn f(out: &mut dyn io::Write) {}",
            "use std::fmt::Write as _; use std::collections::*;",
            "// std::fs\nconst T: &str = \"std::fs::read\";",
            "const V: &str = env!(\"CARGO_PKG_VERSION\"); const W: &str = std::env!(\"X\");",
            "mod fs { pub fn read() {} } fn f() { fs::read() }",
            "struct Process { env: u8, process: u8 } fn f(p: Process) { p.env; }",
            "fn now() {} fn f() { now() }",
        ] {
            free(&file, text);
        }
    }
}

#[test]
fn a_crate_away_from_home_is_reported() {
    for text in [
        "use serde::Serialize;",
        "#[derive(serde::Serialize)] struct S;",
        "fn f() { serde_json::to_string(&1); }",
    ] {
        for room in ["model", "wire", "sys", "inventory", "probe", "reconcile"] {
            if room == "inventory" && text.contains("serde_json") {
                free("inventory.rs", text);
                continue;
            }
            reported(&format!("{room}.rs"), text, "must not use serde");
        }
        for room in ["document", "render", "cli"] {
            free(&format!("{room}.rs"), text);
        }
    }
    reported("render.rs", "use clap::Parser;", "render must not use clap");
    free("model.rs", "fn f(serde: u8) { serde.leading_zeros(); }");
}

#[test]
fn mod_rs_and_star_exports_are_reported() {
    reported("model/mod.rs", "", "not mod.rs");
    free("model/modem.rs", "");
    free("model/command.rs", "");
    for text in [
        "pub use about::*;",
        "pub use self::about::*;",
        "pub(crate) use about::{Gap, inner::*};",
        "mod inner { pub use super::about::*; }",
    ] {
        reported("model.rs", text, "re-export by name");
    }
    free("model.rs", "pub use about::{About, Gap as Hole};");
    free("model.rs", "#[cfg(test)] mod tests { use super::*; }");
}

#[test]
fn what_is_no_rust_is_reported() {
    reported("model.rs", "fn f( {", "cannot be parsed");
}
