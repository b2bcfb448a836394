//! Commands, variables and names, and the port that each of them is about.

use super::*;
use crate::reconcile::why::units::tests::unit;

fn claimed(unit: &UnitState, port: u16, service: Option<&str>) -> Option<Claim> {
    let port = Port::new(port).unwrap();
    claim(unit, Endpoint { port, transport: Transport::Tcp }, service)
}

fn by_command(command: &str, port: u16) -> Option<String> {
    let mut unit = unit("x.service");
    unit.words = command.split(' ').map(str::to_owned).collect();
    claimed(&unit, port, None).map(|claim| claim.words())
}

#[test]
fn words_of_a_command_that_name_a_port_to_listen_on() {
    let table = [
        ("/bin/x --port 8080", "`--port 8080`"),
        ("/bin/x --port=8080", "`--port=8080`"),
        ("/bin/x -p 8080", "`-p 8080`"),
        ("/bin/x -p8080", "`-p8080`"),
        ("/bin/x --http-port 8080", "`--http-port 8080`"),
        ("/bin/x --httpport 8080", "`--httpport 8080`"),
        ("/bin/x :8080", "`:8080`"),
        ("/bin/x 0.0.0.0:8080", "`0.0.0.0:8080`"),
        ("/bin/x --bind [::1]:8080", "`--bind [::1]:8080`"),
        ("/usr/bin/gunicorn -b 127.0.0.1:8080 app", "`-b 127.0.0.1:8080`"),
        ("/usr/bin/php -S localhost:8080", "`-S localhost:8080`"),
        ("/bin/x --addr=0.0.0.0:8080", "`--addr=0.0.0.0:8080`"),
        ("/bin/x --web.listen-address=:8080", "`--web.listen-address=:8080`"),
        ("/bin/dockerd -H tcp://0.0.0.0:8080", "`-H tcp://0.0.0.0:8080`"),
        ("/bin/java -Dserver.port=8080 -jar x.jar", "`-Dserver.port=8080`"),
        ("/bin/sh -c 'exec x --port 8080'", "`--port 8080`"),
        ("/usr/bin/env PORT=8080 x", "`PORT=8080`"),
        ("/usr/bin/python3 -m http.server 8080", "`http.server 8080`"),
        ("/usr/bin/docker run --rm -p 8080:80 web", "`-p 8080:80`"),
        ("/usr/bin/podman run -p 127.0.0.1:8080:80/tcp web", "`-p 127.0.0.1:8080:80/tcp`"),
    ];
    for (command, words) in table {
        assert_eq!(by_command(command, 8080).as_deref(), Some(words), "{command}");
    }
}

#[test]
fn numbers_that_are_no_port_or_another_programs() {
    let table = [
        "/bin/x --port 18080",
        "/bin/x --port 80800",
        "/bin/x --port=8081",
        "/bin/x 8080",
        "/bin/sleep 8080",
        "/bin/x --timeout 8080",
        "/bin/x --workers=8080",
        "/bin/x --db-port 8080",
        "/bin/x --redis-port=8080",
        "/bin/x --upstream 127.0.0.1:8080",
        "/bin/x --upstream-address=127.0.0.1:8080",
        "/bin/x --api-url http://example.org:8080",
        "/bin/x db.example.org:8080",
        "/bin/x --listen 8080x",
        "/lib/systemd/systemd-socket-proxyd 127.0.0.1:8080",
        "/usr/bin/ssh -N -L 127.0.0.1:8080 host",
        "/usr/bin/docker run -p 80:8080 web",
        "/usr/bin/docker run -p 8080 web",
        "/bin/x --host localhost:8080",
        "/bin/x --address=http://127.0.0.1:8080",
        "/bin/x localhost:8080",
        "/usr/local/bin/wait-for-it.sh :8080",
        "/usr/bin/pg_dump -p 8080",
        "/bin/sh -c 'redis-cli -p 8080 save'",
        "/opt/8080/x",
        "/bin/x /srv/8080:8080x",
    ];
    for command in table {
        assert_eq!(by_command(command, 8080), None, "{command}");
    }
    assert_eq!(by_command("/bin/x --port 8080", 80), None, "80 is not 8080");
}

#[test]
fn a_job_does_not_listen_whatever_it_names() {
    let job = |runs_once, by: &str| {
        let mut unit = unit("x.service");
        unit.words = ["/bin/x", "--port", "8080"].map(str::to_owned).into();
        unit.runs_once = runs_once;
        unit.started_by = vec![by.to_owned()];
        claimed(&unit, 8080, None).is_some()
    };
    assert!(job(false, "x.socket"));
    assert!(!job(true, "x.socket") && !job(false, "x.timer"));
}

#[test]
fn variables_openings_and_names() {
    let with = |name: &str, value: &str| {
        let mut unit = unit("x.service");
        unit.environment = vec![(name.to_owned(), value.to_owned())];
        claimed(&unit, 8080, None).is_some()
    };
    assert!(with("PORT", "8080") && with("HTTP_PORT", "8080"));
    assert!(with("LISTEN_ADDR", "0.0.0.0:8080"));
    assert!(!with("PORT", "80") && !with("DB_PORT", "8080") && !with("LIMIT", "8080"));
    assert!(!with("REPORT", "8080") && !with("HOST", "8080"));

    let mut sshd = unit("ssh.service");
    sshd.configured = vec![("/etc/ssh/sshd_config".into(), Port::new(8080).unwrap())];
    let words = "`Port 8080 in /etc/ssh/sshd_config`";
    assert_eq!(claimed(&sshd, 8080, None).unwrap().words(), words);
    assert_eq!(claimed(&sshd, 80, None), None);

    let mut socket = unit("x.socket");
    let at = |transport| Opening {
        transport,
        address: "::".parse().unwrap(),
        port: Port::new(8080).unwrap(),
    };
    socket.opens = vec![at(Transport::Udp)];
    assert_eq!(claimed(&socket, 8080, None), None, "the other transport");
    socket.opens.push(at(Transport::Tcp));
    assert_eq!(claimed(&socket, 8080, None).unwrap().words(), "`ListenStream=[::]:8080`");

    let named = |name: &str, program: &str, service| {
        let mut unit = unit(name);
        unit.words = vec![program.to_owned()];
        claimed(&unit, 1, Some(service))
    };
    let own = |service: &str| Some(Claim::Serves(service.to_owned()));
    assert_eq!(named("postgresql@15-main.service", "/bin/x", "postgresql"), own("postgresql"));
    assert_eq!(named("db.service", "/usr/lib/bin/postgres", "postgresql"), own("postgresql"));
    assert_eq!(named("ssh.service", "/usr/sbin/sshd", "ssh"), own("ssh"));
    assert_eq!(named("x.service", "/usr/bin/ssh-agent", "ssh"), None);
    let connection = "sshd@3-10.0.0.1:22-10.0.0.7:41022.service";
    assert_eq!(named(connection, "/usr/sbin/sshd", "ssh"), None);
    assert_eq!(named("postgresql-exporter.service", "/bin/x", "postgresql"), None);
    let may = Some(Claim::MayServe("http".into()));
    assert_eq!(named("web.service", "/usr/sbin/nginx", "http"), may);
    assert!(own("http") < may);
}
