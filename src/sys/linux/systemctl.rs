//! Asking the program `systemctl` what systemd knows of its units.

use super::file::beginning_of;
use super::program::{Ended, Unfinished, of_system, run_apart};
use crate::model::Manager;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

const NAME: &str = "systemctl";

/// How long an answer may take. A manager that is busy is not waited for much longer than a silent port.
const PATIENCE: Duration = Duration::from_secs(2);

/// How much of an answer is read: more is none that is worth its memory.
const BOUND: usize = 8 << 20;

/// Why it told nothing.
#[derive(Debug, thiserror::Error)]
pub enum Untold {
    /// There is no such program.
    #[error("there is no program {NAME}")]
    Missing,
    /// It was not run to its end.
    #[error("{NAME}: {0}")]
    Unfinished(#[from] Unfinished),
    /// It failed, with these words.
    #[error("{NAME} fails: {0}")]
    Failed(String),
}

/// Whether this manager of units is here: the system's as `sd_booted(3)` has it, a user's by its socket.
#[must_use]
pub fn manages_units(manager: Manager) -> bool {
    match manager {
        Manager::System => Path::new("/run/systemd/system").is_dir(),
        Manager::User(uid) => runtime_directory(uid).join("systemd/private").exists(),
        Manager::Inner => false,
    }
}

/// How many users beside this one are logged in, or have services of their own: each may ask only the own manager.
/// `None` where that may not be seen.
#[must_use]
pub fn other_users_with_units(own: u32) -> Option<usize> {
    let mut unread = 0;
    let users = entries(Path::new("/run/user"), &mut unread).into_iter();
    let users = users.filter_map(|(name, _)| name.parse::<u32>().ok());
    let others = users.filter(|uid| *uid != own).count();
    (unread == 0).then_some(others)
}

/// What `systemctl show` prints of these properties of these units (names, or patterns for those that are loaded);
/// without units, of the manager itself.
///
/// # Errors
/// When there is no such program, it fails, or says too much or too late.
pub fn systemctl_show(
    manager: Manager,
    properties: &[&str],
    units: &[&str],
) -> Result<String, Untold> {
    let properties = format!("--property={}", properties.join(","));
    let mut arguments = vec!["show", "--no-pager", "--no-ask-password", &properties];
    let mut runtime = String::new();
    if let Manager::User(uid) = manager {
        arguments.push("--user");
        runtime = runtime_directory(uid).display().to_string();
    }
    arguments.push("--");
    arguments.extend(units);
    // Without a user the variable is empty, and not looked at.
    let variables = [("XDG_RUNTIME_DIR", runtime.as_str())];
    let path = of_system(NAME).ok_or(Untold::Missing)?;
    let Ended { status, output, errors } =
        run_apart(&path, &arguments, &variables, PATIENCE, BOUND)?;
    if status == Some(0) {
        return Ok(String::from_utf8_lossy(&output).into_owned());
    }
    let errors = String::from_utf8_lossy(&errors);
    let complaint = errors.lines().map(str::trim).find(|line| !line.is_empty());
    Err(Untold::Failed(match (complaint, status) {
        (Some(complaint), _) => complaint.to_owned(),
        (None, Some(status)) => format!("exit status {status}"),
        (None, None) => "a signal ended it".to_owned(),
    }))
}

/// How much of a unit file is read.
const FILE: u64 = 64 << 10;

/// The files of services and socket units in these directories, those that change them (`web.service.d/*.conf`) with the
/// name of the unit that they change: calls `take` with the name and the text. Gives how many files and directories could
/// not be read.
pub fn unit_files(directories: &[String], mut take: impl FnMut(&str, &str)) -> usize {
    let is_unit = |name: &str| name.ends_with(".service") || name.ends_with(".socket");
    let mut unread = 0;
    let all: Vec<_> =
        directories.iter().flat_map(|it| entries(Path::new(it), &mut unread)).collect();
    for (name, path) in all {
        let files = match name.strip_suffix(".d") {
            Some(changed) if is_unit(changed) => entries(&path, &mut unread)
                .into_iter()
                .filter(|(file, _)| Path::new(file).extension().is_some_and(|it| it == "conf"))
                .map(|(_, file)| (changed.to_owned(), file))
                .collect(),
            _ if is_unit(&name) => vec![(name, path)],
            _ => continue,
        };
        for (unit, file) in files {
            match beginning_of(&file, FILE) {
                Ok(Some(text)) => take(&unit, &text),
                Ok(None) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(_) => unread += 1,
            }
        }
    }
    unread
}

/// The names and paths in a directory; none where there is no such directory. Counts one that could not be read.
fn entries(directory: &Path, unread: &mut usize) -> Vec<(String, PathBuf)> {
    let mut may_lack = false;
    let mut found = Vec::new();
    match fs::read_dir(directory) {
        Ok(listed) => listed.for_each(|entry| match entry {
            Ok(entry) => {
                found.extend(entry.file_name().into_string().map(|name| (name, entry.path())));
            }
            Err(_) => may_lack = true,
        }),
        Err(error) => {
            may_lack = !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory);
        }
    }
    *unread += usize::from(may_lack);
    found
}

fn runtime_directory(uid: u32) -> PathBuf {
    PathBuf::from(format!("/run/user/{uid}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_cannot_be_read_is_counted_and_one_that_is_not_there_is_none() {
        let place = std::env::temp_dir().join(format!("portsight-units-{}", std::process::id()));
        fs::create_dir_all(&place).unwrap();
        fs::write(place.join("web.service"), "ExecStart=web").unwrap();
        let (to_itself, nothing) = (place.join("itself"), place.join("nothing"));
        std::os::unix::fs::symlink(&to_itself, &to_itself).unwrap();
        let directories = [&nothing, &to_itself, &place].map(|it| it.display().to_string());
        let mut found = Vec::new();
        let unread = unit_files(&directories, |name, text| found.push(format!("{name} {text}")));
        fs::remove_dir_all(&place).unwrap();
        assert_eq!((unread, found), (1, vec!["web.service ExecStart=web".to_owned()]));
    }
}
