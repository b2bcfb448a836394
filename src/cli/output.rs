//! Where the result goes: stdout for data, stderr for everything else.

use super::args::{ColorWhen, Common, Output};
use super::exit::Exit;
use crate::model::{Gap, Hides, Need, shell_word};
use crate::render::{Appearance, Shown};
use crate::sys;
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::env;
use std::fmt::Display;
use std::io::{self, BufWriter, Write};

/// The user's wishes on how to print.
#[derive(Debug)]
pub(super) struct Printer {
    format: Output,
    color: ColorWhen,
    quiet: bool,
    verbose: bool,
}

impl Printer {
    pub(super) fn new(common: &Common) -> Self {
        Self {
            format: common.format(),
            color: common.color,
            quiet: common.quiet,
            verbose: common.verbose,
        }
    }

    pub(super) fn format(&self) -> Output {
        self.format
    }

    /// Whether the user wants to hear more.
    pub(super) fn is_verbose(&self) -> bool {
        self.verbose
    }

    /// How human output is to look; `now` in seconds since the Unix epoch.
    pub(super) fn appearance(&self, now: u64) -> Appearance {
        let stdout = io::stdout();
        let terminal = sys::is_terminal(&stdout);
        Appearance {
            color: wants_color(self.color, terminal, environment),
            width: if terminal { sys::columns(&stdout) } else { None },
            now,
        }
    }

    /// Says something on stderr, unless it is to be quiet.
    pub(super) fn note(&self, text: impl Display) {
        if !self.quiet {
            say(format_args!("note: {text}"));
        }
    }

    /// Says which columns a narrow terminal hides.
    pub(super) fn note_hidden(&self, shown: &Shown) {
        let hidden = shown.hidden.len();
        if hidden > 0 {
            let s = if hidden == 1 { "" } else { "s" };
            let names = shown.hidden.join(", ");
            self.note(format_args!("{hidden} column{s} hidden in this narrow terminal: {names}"));
        }
    }

    /// Says what could not be seen: in one line what root would add, and a line for each other gap.
    pub(super) fn note_gaps(&self, gaps: &[Gap]) {
        let (root, others): (Vec<&Gap>, Vec<&Gap>) =
            gaps.iter().partition(|gap| gap.need == Some(Need::Root));
        if !root.is_empty() {
            let what: Vec<&str> = root.iter().map(|gap| gap.what.as_str()).collect();
            let what = what.join(", ");
            if sys::effective_uid() == 0 {
                let why = why_root_is_denied(&root, &sys::capabilities());
                self.note(format_args!("not seen: {what}: {why}"));
            } else {
                self.note(format_args!(
                    "not seen without root: {what}; try: sudo {}",
                    command_line()
                ));
            }
        }
        for gap in others {
            let need = gap.need.map_or_else(String::new, |need| format!(" (needs {need})"));
            self.note(format_args!("not seen: {}: {}{need}", gap.what, gap.reason));
        }
    }

    /// Whether a line that changes in place may be shown on stderr.
    pub(super) fn may_show_progress(&self) -> bool {
        !self.quiet && sys::is_terminal(&io::stderr())
    }
}

/// Writes the result to stdout. A reader that has gone away is success: it has read what it wanted.
pub(super) fn print<T>(
    exit: Exit,
    write: impl FnOnce(&mut dyn Write) -> io::Result<T>,
) -> Result<(Exit, Option<T>)> {
    let mut out = BufWriter::new(io::stdout().lock());
    let written = write(&mut out).and_then(|shown| out.flush().map(|()| shown));
    // What could not be written is not tried again when the buffer is dropped.
    let (_stdout, _unwritten) = out.into_parts();
    match written {
        Ok(shown) => Ok((exit, Some(shown))),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok((Exit::Success, None)),
        Err(error) => Err(error).context("cannot write the output"),
    }
}

/// Writes a line to stderr. When even that fails there is nobody left to tell.
pub(super) fn say(text: impl Display) {
    let text = crate::render::sanitize(&text.to_string()).into_owned();
    let _nobody_to_tell = writeln!(io::stderr().lock(), "{text}");
}

/// Writes to stderr as it is, without a new line.
pub(super) fn say_in_place(text: &str) {
    let mut stderr = io::stderr().lock();
    let _nobody_to_tell = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

/// What root lacks that is denied these; `held` are its capabilities.
fn why_root_is_denied(gaps: &[&Gap], held: &[String]) -> String {
    let wanted: BTreeSet<&str> = gaps.iter().map(|gap| capability(gap.hides)).collect();
    let lacking = wanted.into_iter().filter(|name| !held.iter().any(|held| held == name));
    let lacking: Vec<String> = lacking.map(str::to_uppercase).collect();
    if lacking.is_empty() {
        return "denied to this root too, by a user namespace or a security module".to_owned();
    }
    format!("root lacks {} here", lacking.join(" and "))
}

/// The capability that it takes to see what a gap hides.
fn capability(hides: Hides) -> &'static str {
    match hides {
        Hides::Sockets | Hides::Holders | Hides::OtherKinds => "cap_sys_admin",
        Hides::Published => "cap_net_admin",
        Hides::Owners | Hides::Units | Hides::Reasons | Hides::Views => "cap_sys_ptrace",
    }
}

/// This command line with the whole path of the program: sudo may look for programs elsewhere.
pub(super) fn command_line() -> String {
    let program = env::current_exe()
        .map_or_else(|_| "portsight".into(), |path| path.to_string_lossy().into_owned());
    let words = env::args_os().skip(1).map(|word| shell_word(&word.to_string_lossy()));
    std::iter::once(program).chain(words).collect::<Vec<_>>().join(" ")
}

/// A variable of the environment.
#[expect(clippy::disallowed_methods, reason = "the environment is read in cli only")]
pub(super) fn environment(name: &str) -> Option<String> {
    env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

/// Whether to colour, by the option, then `NO_COLOR`, `CLICOLOR_FORCE` and `TERM`.
fn wants_color(
    when: ColorWhen,
    terminal: bool,
    environment: impl Fn(&str) -> Option<String>,
) -> bool {
    let is_set = |name| environment(name).is_some_and(|value| !value.is_empty());
    match when {
        ColorWhen::Always => true,
        ColorWhen::Never => false,
        ColorWhen::Auto if is_set("NO_COLOR") => false,
        ColorWhen::Auto
            if environment("CLICOLOR_FORCE").is_some_and(|value| !matches!(&*value, "" | "0")) =>
        {
            true
        }
        ColorWhen::Auto => terminal && environment("TERM").is_none_or(|term| term != "dumb"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_told_what_it_lacks_and_only_that() {
        let gap = |hides| Gap {
            what: "x".into(),
            reason: "permission".into(),
            need: Some(Need::Root),
            hides,
        };
        let gaps = [gap(Hides::Owners), gap(Hides::Published), gap(Hides::Units)];
        let gaps: Vec<&Gap> = gaps.iter().collect();
        let held =
            |names: &[&str]| -> Vec<String> { names.iter().map(|it| (*it).into()).collect() };
        let table = [
            (held(&[]), "root lacks CAP_NET_ADMIN and CAP_SYS_PTRACE here"),
            (held(&["cap_net_admin"]), "root lacks CAP_SYS_PTRACE here"),
            (
                held(&["cap_sys_ptrace", "cap_net_admin"]),
                "denied to this root too, by a user namespace or a security module",
            ),
        ];
        for (held, text) in table {
            assert_eq!(why_root_is_denied(&gaps, &held), text);
        }
    }

    #[test]
    fn the_option_goes_before_the_environment_and_that_before_the_terminal() {
        use ColorWhen::{Always, Auto, Never};
        let table: [(_, _, &[(&str, &str)], _); 9] = [
            (Auto, true, &[], true),
            (Auto, false, &[], false),
            (Auto, true, &[("NO_COLOR", "1")], false),
            (Auto, true, &[("NO_COLOR", "")], true),
            (Auto, true, &[("TERM", "dumb")], false),
            (Auto, false, &[("CLICOLOR_FORCE", "1")], true),
            (Auto, false, &[("CLICOLOR_FORCE", "0")], false),
            (Always, false, &[("NO_COLOR", "1")], true),
            (Never, true, &[("CLICOLOR_FORCE", "1")], false),
        ];
        for (when, terminal, set, expected) in table {
            let environment = |name: &str| {
                set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
            };
            assert_eq!(
                wants_color(when, terminal, environment),
                expected,
                "{when:?} {terminal} {set:?}"
            );
        }
    }
}
