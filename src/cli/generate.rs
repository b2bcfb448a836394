//! The generated files: completions and the manual page.

use super::args::{Cli, Documented};
use super::exit::Exit;
use super::output;
use crate::document::{self, Kind};
use crate::model::{Code, Vantage, Verdict};
use crate::render;
use anyhow::Result;
use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use std::io::{self, Write};

/// Prints the completion script for a shell.
pub(super) fn completions(shell: Shell) -> Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "portsight", &mut script);
    print(&script)
}

/// Prints the manual page, with a section for each command.
pub(super) fn manual() -> Result<Exit> {
    let mut page = Vec::new();
    let command = Cli::command();
    let man = Man::new(command.clone()).manual("User commands");
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    write_description(&mut page)?;
    man.render_options_section(&mut page)?;
    for command in command.get_subcommands().filter(|command| !command.is_hide_set()) {
        write_command(&mut page, command)?;
    }
    write_vantages(&mut page)?;
    write_verdicts(&mut page)?;
    write_findings(&mut page)?;
    write_outputs(&mut page)?;
    write_exit_status(&mut page)?;
    write_environment(&mut page)?;
    print(&page)
}

/// Prints the JSON Schema of a command's documents.
pub(super) fn schema(command: Documented) -> Result<Exit> {
    let kind = match command {
        Documented::Ls => Kind::Sockets,
        Documented::Who => Kind::Who,
        Documented::Check => Kind::Check,
        Documented::Why => Kind::Why,
    };
    let schema = document::schema(kind);
    Ok(output::print(Exit::Success, |out| render::json(out, &schema))?.0)
}

fn print(bytes: &[u8]) -> Result<Exit> {
    Ok(output::print(Exit::Success, |out| out.write_all(bytes))?.0)
}

fn section(title: &str, paragraphs: &[&str]) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", [title]);
    for paragraph in paragraphs {
        roff.control("PP", []);
        roff.text([roman(*paragraph)]);
    }
    roff
}

fn entry(roff: &mut Roff, term: &str, text: &str) {
    roff.control("TP", []);
    roff.text([bold(term)]);
    roff.text([roman(text)]);
}

fn write_description(page: &mut dyn Write) -> io::Result<()> {
    let mut roff = section(
        "DESCRIPTION",
        &[
            "portsight looks at one host's ports from both sides: which sockets are bound and by whom, and what a \
             client gets when it knocks. It joins both into one verdict for each port. It works without root, and \
             says what root would add. Probes go to this host's own addresses only; why connects to another host \
             when that is its target. outside runs any program as if it were another machine.",
            "Without a command, the words mean:",
        ],
    );
    entry(&mut roff, "no word", "ls: what is listening");
    entry(&mut roff, "key=value", "ls, with that filter");
    entry(&mut roff, "8080, :8080, 53/udp, udp:53, 8000-8100", "who: who holds the port");
    entry(&mut roff, "pid:812", "who: what the process holds");
    entry(&mut roff, "another word", "who: the service of that name, else the process");
    roff.to_writer(page)
}

/// A command's own section: its synopsis, and its options without those that every command has.
fn write_command(page: &mut dyn Write, command: &Command) -> io::Result<()> {
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let name = format!("portsight {}", command.get_name());
    section(&name.to_uppercase(), &[&about]).to_writer(&mut *page)?;
    let man = Man::new(command.clone().bin_name(name));
    let mut own = Vec::new();
    man.render_synopsis_section(&mut own)?;
    if command.get_arguments().next().is_some() {
        man.render_options_section(&mut own)?;
    }
    // Sections of a page of its own are parts of a section here.
    let own =
        String::from_utf8_lossy(&own).replace(".SH SYNOPSIS", ".PP").replace(".SH OPTIONS", ".PP");
    page.write_all(own.as_bytes())?;
    let more = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let mut roff = Roff::new();
    for paragraph in more.split("\n\n").filter(|paragraph| !paragraph.is_empty()) {
        roff.control("PP", []);
        roff.text([roman(paragraph)]);
    }
    roff.to_writer(page)
}

fn write_vantages(page: &mut dyn Write) -> io::Result<()> {
    let mut roff = section("VANTAGES", &[]);
    entry(
        &mut roff,
        Vantage::Loopback.name(),
        "From this host to 127.0.0.1, ::1, and each other loopback address at the ports that are bound to it: what \
         local clients get.",
    );
    entry(
        &mut roff,
        Vantage::Own.name(),
        "From this host to its own other addresses. The kernel carries these probes over lo, where rules such as iif \
         lo accept let them pass: an open proves nothing about the network.",
    );
    entry(
        &mut roff,
        "lan, lan=ADDRESS",
        "From a neighbour on the network of an interface, by frames that the interface seems to receive: what this \
         host's own rules do with such a client. Takes root; nothing leaves, and nothing stays.",
    );
    entry(
        &mut roff,
        "internet, internet=ADDRESS",
        "The same from a host beyond every network of this host, through the interface of the default route.",
    );
    entry(
        &mut roff,
        "ADDRESS",
        "Only of why and outside: lan=ADDRESS where an interface has its network, else internet=ADDRESS.",
    );
    entry(
        &mut roff,
        "ssh:[USER@]HOST[:PORT]",
        "Only of why: another machine, over the system's ssh, which must not have to ask anything. A portsight there \
         is asked, or else its shell. What it saw joins what is known here.",
    );
    roff.to_writer(page)
}

fn write_environment(page: &mut dyn Write) -> io::Result<()> {
    let mut roff = section("ENVIRONMENT", &[]);
    entry(&mut roff, "NO_COLOR", "When not empty: no colour, unless --color always.");
    entry(&mut roff, "CLICOLOR_FORCE", "When neither empty nor 0: colour also without a terminal.");
    entry(&mut roff, "TERM", "When dumb: no colour.");
    entry(
        &mut roff,
        "http_proxy, https_proxy, HTTPS_PROXY, all_proxy, ALL_PROXY, no_proxy, NO_PROXY",
        "why looks whether clients that heed them would use a proxy for a URL. A proxy on this host is connected to.",
    );
    let mut files = section("FILES", &[]);
    entry(
        &mut files,
        "/etc/services",
        "The names of services; a small table of IANA's registry fills what it lacks.",
    );
    entry(
        &mut files,
        "/sys/fs/cgroup, /proc/PID/cgroup",
        "The units of systemd and the containers: the kernel shows everybody in which cgroup a socket was made.",
    );
    entry(
        &mut files,
        "/var/lib/docker/containers/ID/config.v2.json, /var/lib/containers/storage/overlay-containers/containers.json, \
         /var/log/containers",
        "The names of containers; those of Podman also from the arguments of their conmon. A name that may not be read \
         is not known, and the id stands for it.",
    );
    roff.to_writer(&mut *page)?;
    files.to_writer(page)
}

fn write_verdicts(page: &mut dyn Write) -> io::Result<()> {
    let mut roff = section(
        "VERDICTS",
        &[
            "The verdict of a port is the first of these that one of its views has. Each view is proved or likely: \
           likely means that everything that could be looked at fits, and one thing could not be looked at.",
        ],
    );
    for verdict in Verdict::ALL {
        entry(&mut roff, verdict.name(), verdict.meaning());
    }
    roff.to_writer(page)
}

fn write_findings(page: &mut dyn Write) -> io::Result<()> {
    let mut roff = section(
        "FINDINGS",
        &[
            "The reasons that why knows. Each is said as proved when the kernel showed it, as likely when everything \
             that could be looked at fits, as possible when something else would explain it as well. portsight why \
             --explain CODE tells the evidence for it and what mends it.",
        ],
    );
    for entry in Code::all().map(Code::entry) {
        self::entry(&mut roff, &format!("{} {}", entry.code, entry.slug), entry.title);
    }
    roff.to_writer(page)
}

fn write_outputs(page: &mut dyn Write) -> io::Result<()> {
    let mut roff = section(
        "OUTPUT",
        &["Data goes to the standard output, everything else to the standard error."],
    );
    entry(
        &mut roff,
        "table",
        "For people. A narrow terminal hides whole columns, and a note says which.",
    );
    entry(
        &mut roff,
        "plain",
        "One line for each record, fields separated by tabs, - for none. ls and who: port, state, binding, process, \
         pid, user, service, scope, inode; a line for each socket and owner. check: port, verdict, certainty, vantage, \
         target, state, reason, listener, note; a line for each view. With --identify, behind them: identity, \
         product, version, tls, certificate_until, risk. why: target, works, code, slug, certainty, text, next; one \
         line.",
    );
    entry(&mut roff, "csv", "The same records with headings (RFC 4180).");
    entry(
        &mut roff,
        "ndjson",
        "Lines of JSON: the document of json without its items, then a line for each item.",
    );
    entry(
        &mut roff,
        "json",
        "One document. A field that could not be read is null and stands in its item's unknown list with the reason; \
         incomplete lists what could not be seen at all.",
    );
    roff.to_writer(page)
}

fn write_exit_status(page: &mut dyn Write) -> io::Result<()> {
    let mut roff = section("EXIT STATUS", &[]);
    for exit in Exit::ALL {
        entry(&mut roff, &exit.status().to_string(), exit.meaning());
    }
    let of_outside = "of outside: portsight failed, the program cannot be run, there is no such program; else the \
                      status is that of the program";
    entry(&mut roff, "125, 126, 127", of_outside);
    roff.to_writer(page)
}
