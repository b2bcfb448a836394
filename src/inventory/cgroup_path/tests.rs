//! Paths as they are on real hosts, and near misses.

use super::*;

/// An id of 64 digits.
const ID: &str = "3fa2c1aabbcc00112233445566778899aabbccddeeff00112233445566778899";
const INNER: &str = "00000000000000000000000000000000000000000000000000000000000000aa";
const POD: &str = "8f3c5a7e-1b2d-4c3e-9f00-112233445566";

/// What a path says in a few words: the unit, whose it is, the container.
fn told(path: &str) -> String {
    let path = path.replace("<id>", ID).replace("<inner>", INNER).replace("<pod>", POD);
    let path = path.replace("<pod_>", &POD.replace('-', "_"));
    let place = place(&path);
    let unit = place.unit.map_or("-".into(), |unit| match unit.manager {
        Manager::System => unit.name,
        Manager::User(uid) => format!("{} of {uid}", unit.name),
        Manager::Inner => format!("{} inside", unit.name),
    });
    let container = place.container.map_or("-".into(), |found| {
        let id = found.id.map_or("?".into(), |id| id.replace(ID, "<id>").replace(INNER, "<inner>"));
        let pod = found.pod.map(|pod| format!(" {}", pod.replace(POD, "<pod>")));
        format!("{} {id}{}", found.runtime.name(), pod.unwrap_or_default())
    });
    format!("{unit} | {container}")
}

fn holds(table: &[(&str, &str)]) {
    for (path, expected) in table {
        assert_eq!(told(path), *expected, "{path}");
    }
}

#[test]
fn units_of_systemd() {
    holds(&[
        ("/", "- | -"),
        ("", "- | -"),
        ("/init.scope", "init.scope | -"),
        ("/system.slice/ssh.service", "ssh.service | -"),
        ("/system.slice/cups.socket", "cups.socket | -"),
        (
            "/system.slice/system-postgresql.slice/postgresql@16-main.service",
            "postgresql@16-main.service | -",
        ),
        ("/system.slice/nginx.service/worker/1", "nginx.service | -"),
        ("/system.slice/foo.service/payload", "foo.service | -"),
        (r"/system.slice/srv-my\x2ddata.mount", r"srv-my\x2ddata.mount | -"),
        ("/system.slice/_cpu.service", "cpu.service | -"),
        ("/system.slice", "system.slice | -"),
        // What a cgroup namespace hides is written as `..`.
        ("/../ssh.service", "ssh.service | -"),
    ]);
}

#[test]
fn users_have_slices_sessions_and_units_of_their_own() {
    holds(&[
        ("/user.slice/user-1000.slice", "user-1000.slice | -"),
        ("/user.slice/user-1000.slice/session-3.scope", "session-3.scope | -"),
        ("/user.slice/user-1000.slice/user@1000.service", "user@1000.service | -"),
        ("/user.slice/user-1000.slice/user@1000.service/init.scope", "init.scope of 1000 | -"),
        (
            "/user.slice/user-1000.slice/user@1000.service/app.slice/web.service",
            "web.service of 1000 | -",
        ),
        (
            r"/user.slice/user-1000.slice/user@1000.service/app.slice/app-org.gnome.Terminal.slice/vte-spawn-1.scope",
            "vte-spawn-1.scope of 1000 | -",
        ),
        ("/user.slice/user-1000.slice/user@1000.service/session.slice", "user@1000.service | -"),
        ("/user.slice/user-1000.slice/user@tom.service/x.service", "user@tom.service | -"),
    ]);
}

#[test]
fn containers_of_every_runtime() {
    holds(&[
        ("/system.slice/docker-<id>.scope", "- | docker <id>"),
        ("/docker/<id>", "- | docker <id>"),
        ("/system.slice/docker.service/docker/<id>", "- | docker <id>"),
        ("/actions_job/<id>", "- | docker <id>"),
        ("/ecs/0a1b2c3d/<id>", "- | docker <id>"),
        (
            "/user.slice/user-1000.slice/user@1000.service/user.slice/docker-<id>.scope",
            "- | docker <id>",
        ),
        ("/machine.slice/libpod-<id>.scope", "- | podman <id>"),
        ("/machine.slice/libpod-<id>.scope/container", "- | podman <id>"),
        ("/machine.slice/libpod-conmon-<id>.scope", "- | podman <id>"),
        ("/libpod_parent/libpod-<id>", "- | podman <id>"),
        ("/machine.slice/machine-libpod_pod_<inner>.slice/libpod-<id>.scope", "- | podman <id>"),
        (
            "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-<id>.scope/container",
            "- | podman <id>",
        ),
        // A container that systemd starts: the unit is how to stop it.
        ("/system.slice/web.service/libpod-payload-<id>", "web.service | podman <id>"),
        (
            "/user.slice/user-1000.slice/user@1000.service/app.slice/web.service/libpod-payload-<id>",
            "web.service of 1000 | podman <id>",
        ),
        ("/system.slice/nerdctl-<id>.scope", "- | containerd <id>"),
        ("/default/<id>", "- | containerd <id>"),
        ("/lxc.payload.web", "- | lxc web"),
        ("/lxc.payload/web", "- | lxc web"),
        ("/lxc/web", "- | lxc web"),
        ("/lxc/101/ns", "- | lxc 101"),
        ("/user.slice/user-0.slice/session-1.scope/lxc.payload.a.b", "- | lxc a.b"),
        ("/machine.slice/machine-web.scope", "- | systemd-nspawn web"),
        (r"/machine.slice/machine-my\x2dweb.scope/payload", "- | systemd-nspawn my-web"),
        (
            "/machine.slice/systemd-nspawn@web.service/payload",
            "systemd-nspawn@web.service | systemd-nspawn web",
        ),
    ]);
}

#[test]
fn kubernetes_by_every_runtime() {
    holds(&[
        (
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod<pod_>.slice/cri-containerd-<id>.scope",
            "- | containerd <id> <pod>",
        ),
        ("/kubepods.slice/kubepods-pod<pod_>.slice/crio-<id>.scope", "- | cri-o <id> <pod>"),
        (
            "/kubepods.slice/kubepods-pod<pod_>.slice/crio-<id>.scope/container",
            "- | cri-o <id> <pod>",
        ),
        (
            "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod<pod_>.slice/docker-<id>.scope",
            "- | docker <id> <pod>",
        ),
        ("/kubepods/burstable/pod<pod>/<id>", "- | kubernetes <id> <pod>"),
        (
            "/kubepods/pod0123456789abcdef0123456789abcdef/<id>",
            "- | kubernetes <id> 0123456789abcdef0123456789abcdef",
        ),
        ("/kubepods/burstable/pod<pod>/crio-<id>", "- | cri-o <id> <pod>"),
        (
            "/system.slice/containerd.service/kubepods-besteffort-pod<pod_>.slice:cri-containerd:<id>",
            "- | containerd <id> <pod>",
        ),
        // A node that is a container itself (kind): the outer one is what this host knows.
        ("/docker/<id>/kubelet/kubepods/burstable/pod<pod>/<inner>", "- | docker <id>"),
    ]);
}

#[test]
fn a_systemd_inside() {
    holds(&[
        ("/payload/system.slice/hello.service", "hello.service inside | systemd-nspawn ?"),
        ("/payload/init.scope", "init.scope inside | systemd-nspawn ?"),
        (
            "/machine.slice/machine-web.scope/payload/system.slice/hello.service",
            "hello.service inside | systemd-nspawn web",
        ),
        (
            "/machine.slice/machine-web.scope/system.slice/hello.service",
            "hello.service inside | systemd-nspawn web",
        ),
        ("/machine.slice/machine-web.scope/supervisor", "machine-web.scope | -"),
        (
            "/machine.slice/systemd-nspawn@web.service/payload/system.slice/hello.service",
            "hello.service inside | systemd-nspawn web",
        ),
        (
            "/user.slice/user-0.slice/session-1.scope/payload/system.slice/hello.service",
            "hello.service inside | systemd-nspawn ?",
        ),
        ("/docker/<id>/system.slice/nginx.service", "nginx.service inside | docker <id>"),
        ("/system.slice/docker-<id>.scope/init.scope", "init.scope inside | docker <id>"),
        (
            "/machine.slice/libpod-<id>.scope/container/system.slice/sshd.service",
            "sshd.service inside | podman <id>",
        ),
        ("/lxc.payload.web/system.slice/ssh.service", "ssh.service inside | lxc web"),
        (
            "/lxc.payload.web/user.slice/user-1000.slice/user@1000.service/app.slice/a.service",
            "a.service inside | lxc web",
        ),
    ]);
}

/// What only looks like one.
#[test]
fn near_misses() {
    let upper = ID.to_uppercase();
    let short = ID.get(..63).unwrap();
    holds(&[
        // An id alone, or below a directory of anybody's.
        ("/<id>", "- | -"),
        ("/build/<id>", "- | -"),
        ("/a/default/<id>", "- | -"),
        ("/system.slice/ssh.service/<id>", "ssh.service | -"),
        (&format!("/docker/{short}"), "- | -"),
        (&format!("/docker/{upper}"), "- | -"),
        (&format!("/system.slice/docker-{short}.scope"), &format!("docker-{short}.scope | -")),
        ("/docker-<id>", "- | -"),
        ("/docker", "- | -"),
        ("/system.slice/docker.service", "docker.service | -"),
        ("/system.slice/docker-proxy.service", "docker-proxy.service | -"),
        ("/system.slice/containerd.service", "containerd.service | -"),
        ("/kubepods.slice/kubepods-burstable.slice", "kubepods-burstable.slice | -"),
        ("/kubepods/burstable/podcast/<id>", "- | -"),
        ("/pod<pod>/<id>", "- | -"),
        ("/user.slice/user-0.slice/session-1.scope/libpod_parent/conmon", "session-1.scope | -"),
        ("/lxc.monitor.web", "- | -"),
        ("/lxc.payload.", "- | -"),
        ("/lxc", "- | -"),
        ("/home/lxc/web", "- | -"),
        (
            r"/machine.slice/machine-qemu\x2d1\x2dfedora.scope",
            r"machine-qemu\x2d1\x2dfedora.scope | -",
        ),
        ("/payload", "- | -"),
        ("/payload/worker", "- | -"),
        // A unit is one only below slices.
        ("/tests/ssh.service", "- | -"),
        ("/.service", "- | -"),
        ("/system.slice/.service", "- | -"),
        ("/system.slice/a b.service", "- | -"),
        ("/process_api/b1ecbbd40bb1eef638e7127bb114116b", "- | -"),
    ]);
}

#[test]
fn from_within_a_container_the_rest_of_the_path_counts() {
    let own = place(&format!("/docker/{ID}/init.scope"));
    let seen = |path: &str| {
        seen_from(&own, &path.replace("<id>", ID).replace("<inner>", INNER)).to_owned()
    };
    assert_eq!(seen("/docker/<id>"), "");
    assert_eq!(seen("/docker/<id>/system.slice/a.service"), "/system.slice/a.service");
    assert_eq!(seen("/docker/<inner>"), format!("/docker/{INNER}"));
    assert_eq!(seen("/docker/<id>x"), format!("/docker/{ID}x"));
    assert_eq!(
        seen_from(&place("/system.slice/a.service"), "/system.slice/a.service"),
        "/system.slice/a.service"
    );
    let payload = place("/payload/init.scope");
    assert_eq!(seen_from(&payload, "/payload/system.slice/a.service"), "/system.slice/a.service");
}
