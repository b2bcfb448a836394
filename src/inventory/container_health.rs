//! What the runtime of a container says of its health: where its files tell, which takes root.

use super::container_names::value;
use crate::model::{Container, Runtime};
use crate::sys::{self, Procfs, Table};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// So many bytes of a file are read: more are none that a runtime writes.
const LONGEST: u64 = 1 << 20;

/// Whether the health check of a container has not passed since its start. A container without one is never starting.
#[must_use]
pub fn is_starting(container: &Container) -> bool {
    let Some(id) = container.id.known() else { return false };
    match container.runtime {
        Runtime::Docker => {
            let path = format!("/var/lib/docker/containers/{id}/config.v2.json");
            says_starting(Path::new(&path), "/State/Health/Status")
        }
        Runtime::Podman => file_of(id).is_some_and(|path| says_starting(&path, "/Status")),
        _ => false,
    }
}

fn says_starting(path: &Path, at: &str) -> bool {
    let text = sys::beginning_of(path, LONGEST).ok().flatten().unwrap_or_default();
    let status = serde_json::from_str(&text).ok();
    status.and_then(|it: Value| Some(it.pointer(at)?.as_str()? == "starting")) == Some(true)
}

/// The file that podman keeps: beside the directory with the pid that conmon was told to write.
fn file_of(id: &str) -> Option<PathBuf> {
    let procfs = Procfs::open().ok()?;
    let arguments = |pid: u32| procfs.arguments(Table::of(pid)).ok();
    let mut all = procfs.pids().ok()?.into_iter().filter_map(arguments).map(|words| {
        let words = words.into_iter().map(|word| word.to_string_lossy().into_owned());
        words.collect::<Vec<String>>()
    });
    all.find_map(|words| file(&words, id))
}

/// The same, where these are the arguments of the conmon of that container.
fn file(words: &[String], id: &str) -> Option<PathBuf> {
    let (program, arguments) = words.split_first()?;
    let is_its = program.rsplit('/').next() == Some("conmon")
        && value(arguments, "-c", "--cid").as_deref() == Some(id);
    let pidfile = value(arguments, "-p", "--container-pidfile").filter(|_| is_its)?;
    Some(Path::new(&pidfile).parent()?.parent()?.join("healthcheck.log"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_arguments_of_conmon_say_where_the_health_is_kept() {
        let told = |line: &str, id| {
            let words: Vec<_> = line.split(' ').map(str::to_owned).collect();
            file(&words, id).map(|path| path.display().to_string())
        };
        let line = "/usr/bin/conmon --api-version 1 -c 3fa2 -u 3fa2 -p /run/c/3fa2/userdata/pidfile -n web";
        assert_eq!(told(line, "3fa2").as_deref(), Some("/run/c/3fa2/healthcheck.log"));
        assert_eq!(told(line, "77"), None);
        assert_eq!(told("conmon -c 3fa2 -n web", "3fa2"), None);
        assert_eq!(told("vim -c 3fa2 -p /run/c/3fa2/userdata/pidfile", "3fa2"), None);
    }

    #[test]
    fn only_the_word_starting_counts() {
        let path = std::env::temp_dir().join(format!("portsight-health-{}", std::process::id()));
        let says = |text: &str| {
            fs::write(&path, text).unwrap();
            says_starting(&path, "/State/Health/Status")
        };
        assert!(says(r#"{"State":{"Health":{"Status":"starting"}}}"#));
        assert!(!says(r#"{"State":{"Health":{"Status":"healthy"}}}"#));
        assert!(!says(r#"{"State":{}}"#));
        assert!(!says("{"));
        let long = " ".repeat(2 << 20);
        assert!(!says(&format!(r#"{long}{{"State":{{"Health":{{"Status":"starting"}}}}}}"#)));
        fs::remove_file(&path).unwrap();
        assert!(!says_starting(&path, "/Status"));
        // The path is the word of whoever started the program: it may have no end.
        assert!(!says_starting(Path::new("/dev/zero"), "/Status"));
    }
}
