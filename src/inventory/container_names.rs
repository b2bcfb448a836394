//! The names of containers, as their runtimes keep them in files. A path of a cgroup holds an id only.

use super::cgroup_path::Found;
use crate::model::{Container, Need, Runtime, Seen};
use crate::sys::{Procfs, Table};
use serde_json::Value;
use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The names that were asked for, each once.
#[derive(Debug)]
pub(super) struct Names {
    /// The directory that the paths of the runtimes begin at.
    root: PathBuf,
    known: HashMap<String, Seen<String>>,
    /// The names that the supervisors of podman were given, by id; read when the first is asked for.
    supervised: Option<HashMap<String, String>>,
}

impl Default for Names {
    fn default() -> Self {
        Self::below("/")
    }
}

impl Names {
    /// The names that the runtimes whose files are below this directory keep.
    fn below(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), known: HashMap::new(), supervised: None }
    }

    /// The container with its name.
    pub(super) fn container(&mut self, found: Found) -> Container {
        let Found { runtime, id, pod } = found;
        let Some(id) = id else {
            const WHY: &str = "its cgroup does not tell";
            return Container { id: Seen::Skipped(WHY), name: Seen::Skipped(WHY), runtime };
        };
        let known = self.known.get(&id).cloned();
        let name = known.unwrap_or_else(|| self.name(&runtime, &id, pod.as_deref()));
        self.known.insert(id.clone(), name.clone());
        Container { id: Seen::Known(id), name, runtime }
    }

    fn name(&mut self, runtime: &Runtime, id: &str, pod: Option<&str>) -> Seen<String> {
        if let Some(uid) = pod {
            // Better the name of the pod than a number; where even that is not logged, its uid.
            return Seen::Known(self.by_logs(id).unwrap_or_else(|| format!("pod {uid}")));
        }
        match runtime {
            Runtime::Lxc | Runtime::Nspawn => Seen::Known(id.to_owned()),
            Runtime::Docker => self.of_docker(id),
            Runtime::Podman | Runtime::CriO => match self.by_supervisor(id) {
                Some(name) => Seen::Known(name),
                None => self.of_storage(id),
            },
            _ => Seen::Failed(format!("{} keeps its names in a database", runtime.name())),
        }
    }

    /// Docker's own description of the container.
    fn of_docker(&self, id: &str) -> Seen<String> {
        let path = format!("var/lib/docker/containers/{id}/config.v2.json");
        let name = |text: &Value| {
            let name = text.get("Name")?.as_str()?;
            Some(name.trim_start_matches('/').to_owned())
        };
        self.read(&path, name)
    }

    /// The list of containers that podman and CRI-O share.
    fn of_storage(&self, id: &str) -> Seen<String> {
        let name = |text: &Value| {
            let of_id = |entry: &&Value| entry.get("id").and_then(Value::as_str) == Some(id);
            let entry = text.as_array()?.iter().find(of_id)?;
            entry.get("names")?.get(0)?.as_str().map(str::to_owned)
        };
        self.read("var/lib/containers/storage/overlay-containers/containers.json", name)
    }

    fn read(&self, path: &str, name: impl FnOnce(&Value) -> Option<String>) -> Seen<String> {
        let path = self.root.join(path);
        let parsed =
            fs::read(&path).and_then(|text| serde_json::from_slice(&text).map_err(io::Error::from));
        match parsed.map(|value: Value| name(&value).filter(|name| !name.is_empty())) {
            Ok(Some(name)) => Seen::Known(name),
            Ok(None) => Seen::Failed(format!("{} does not name it", path.display())),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                Seen::Denied(Need::Root)
            }
            Err(error) => Seen::Failed(format!("{}: {error}", path.display())),
        }
    }

    /// The kubelet links the log of each container as `POD_NAMESPACE_CONTAINER-ID.log`, for everybody to list.
    fn by_logs(&self, id: &str) -> Option<String> {
        let logs = fs::read_dir(self.root.join("var/log/containers")).ok()?;
        let mut names = logs.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        names.find_map(|name| {
            let stem = name.strip_suffix(".log")?.strip_suffix(id)?.strip_suffix('-')?;
            let (pod, rest) = stem.split_once('_')?;
            let (namespace, container) = rest.split_once('_')?;
            Some(format!("{namespace}/{pod}/{container}"))
        })
    }

    /// conmon, the supervisor of each container of podman, has its id and name among its arguments, which everybody
    /// may read, also of another user's containers.
    fn by_supervisor(&mut self, id: &str) -> Option<String> {
        let at = &self.root;
        let supervised = self.supervised.get_or_insert_with(|| supervisors(at));
        supervised.get(id).cloned()
    }
}

/// What all running conmons say of their containers: name by id.
fn supervisors(root: &Path) -> HashMap<String, String> {
    if root != Path::new("/") {
        return HashMap::new();
    }
    let Ok(procfs) = Procfs::open() else { return HashMap::new() };
    let pids = procfs.pids().unwrap_or_default();
    let arguments = pids.into_iter().filter_map(|pid| procfs.arguments(Table::of(pid)).ok());
    arguments
        .filter_map(|words| {
            let words: Vec<_> =
                words.into_iter().map(|word| word.to_string_lossy().into_owned()).collect();
            supervised(&words)
        })
        .collect()
}

/// The id and the name in the arguments of a conmon: `conmon … -c ID … -n NAME …`.
pub(super) fn supervised(words: &[String]) -> Option<(String, String)> {
    let (program, arguments) = words.split_first()?;
    if program.rsplit('/').next() != Some("conmon") {
        return None;
    }
    Some((value(arguments, "-c", "--cid")?, value(arguments, "-n", "--name")?))
}

/// What follows an option, in its short form or its long one.
pub(super) fn value(arguments: &[String], short: &str, long: &str) -> Option<String> {
    let mut pairs = arguments.iter().zip(arguments.iter().skip(1));
    let (_, value) = pairs.find(|(word, _)| *word == short || *word == long)?;
    Some(value.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(name: &str, files: &[(&str, &str)]) -> Names {
        let root = std::env::temp_dir().join(format!("portsight-{}-{name}", std::process::id()));
        for (path, text) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Names::below(root)
    }

    fn named(names: &mut Names, runtime: Runtime, id: &str, pod: Option<&str>) -> Seen<String> {
        let found = Found { runtime, id: Some(id.into()), pod: pod.map(str::to_owned) };
        let container = names.container(found);
        assert_eq!(container.id, Seen::Known(id.to_owned()));
        container.name
    }

    #[test]
    fn every_runtime_has_a_place_for_names() {
        let mut names = written(
            "names",
            &[
                // A label called Name is no name.
                (
                    "var/lib/docker/containers/aa/config.v2.json",
                    r#"{"Config":{"Labels":{"Name":"/liar"}},"ID":"aa","Name":"/minio"}"#,
                ),
                ("var/lib/docker/containers/bb/config.v2.json", "{"),
                ("var/lib/docker/containers/cc/config.v2.json", r#"{"Name":7}"#),
                (
                    "var/lib/containers/storage/overlay-containers/containers.json",
                    r#"[{"id":"dd","names":["other"]},{"id":"aa","names":["web","alias"]},{"id":"ee"}]"#,
                ),
                ("var/log/containers/api-5d_shop_server-aa.log", ""),
                ("var/log/containers/stray.log", ""),
            ],
        );
        let name = |text: &str| Seen::Known(text.to_owned());
        assert_eq!(named(&mut names, Runtime::Docker, "aa", None), name("minio"));
        let root = names.root.clone();
        let mut again = Names::below(&root);
        assert_eq!(named(&mut again, Runtime::Podman, "aa", None), name("web"));
        let mut again = Names::below(&root);
        assert_eq!(
            named(&mut again, Runtime::Containerd, "aa", Some("8f-3c")),
            name("shop/api-5d/server")
        );
        assert_eq!(named(&mut again, Runtime::Containerd, "a", Some("8f-3c")), name("pod 8f-3c"));
        assert_eq!(named(&mut again, Runtime::Lxc, "box", None), name("box"));
        for (runtime, id) in [
            (Runtime::Docker, "bb"),
            (Runtime::Docker, "cc"),
            (Runtime::Docker, "none"),
            (Runtime::Podman, "ee"),
            (Runtime::Podman, "none"),
            (Runtime::Containerd, "x"),
        ] {
            assert!(
                matches!(named(&mut again, runtime.clone(), id, None), Seen::Failed(_)),
                "{runtime:?} {id}"
            );
        }
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn a_payload_without_a_unit_of_its_own_has_no_name() {
        let found = Found { runtime: Runtime::Nspawn, id: None, pod: None };
        let container = Names::default().container(found);
        assert!(container.id.is_unknown() && container.name.is_unknown());
    }

    #[test]
    fn a_supervisor_tells_id_and_name() {
        let told = |line: &str| {
            let words: Vec<_> = line.split(' ').map(str::to_owned).collect();
            supervised(&words)
        };
        let pair = |id: &str, name: &str| Some((id.to_owned(), name.to_owned()));
        assert_eq!(
            told(
                "/usr/bin/conmon --api-version 1 -c 3fa2 -u 3fa2 -r /usr/sbin/runc -n web --exit-dir /x"
            ),
            pair("3fa2", "web")
        );
        assert_eq!(told("conmon --cid 3fa2 --name web"), pair("3fa2", "web"));
        assert_eq!(told("/usr/bin/conmon -c 3fa2"), None);
        assert_eq!(told("/usr/bin/conmon -c"), None);
        assert_eq!(told("vim -c 3fa2 -n web"), None);
        assert_eq!(supervised(&[]), None);
    }
}
