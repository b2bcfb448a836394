//! What `SELinux` and `AppArmor` write into the kernel's log when they deny something.

use crate::model::Port;

/// The denial of a record of the log that has to do with this port, as it is written from there on.
#[must_use]
pub fn denial(record: &str, port: Port) -> Option<&str> {
    let first = record.lines().next()?;
    let selinux = first.find("avc:").filter(|_| first.contains(" denied "));
    let start = selinux.or_else(|| first.find("apparmor=\"DENIED\""))?;
    let denial = first.get(start..)?;
    // `src` is the port of a bind, `dest` that of a connection, `lport` the own one of a socket.
    let is_port = |word: &str| {
        let value = ["src=", "dest=", "lport="].into_iter().find_map(|key| word.strip_prefix(key));
        value.is_some_and(|value| value == port.to_string())
    };
    denial.split_whitespace().any(is_port).then_some(denial)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denial_is_read_where_it_names_the_port() {
        let selinux = "5,901,1234,-;audit: type=1400 audit(1.2:3): avc:  denied  { name_bind } for  pid=7 \
                       comm=\"nginx\" src=8081 scontext=system_u:system_r:httpd_t:s0 tclass=tcp_socket";
        let apparmor = "5,902,1235,-;audit: type=1400 audit(1.2:4): apparmor=\"DENIED\" operation=\"bind\" \
                        class=\"net\" profile=\"web\" pid=8 comm=\"web\" lport=8081 family=\"inet\"";
        let port = |number| Port::new(number).unwrap();
        assert!(denial(selinux, port(8081)).unwrap().starts_with("avc:  denied  { name_bind }"));
        assert!(denial(apparmor, port(8081)).unwrap().starts_with("apparmor=\"DENIED\" operation"));
        assert_eq!(denial(selinux, port(808)), None);
        assert_eq!(denial(apparmor, port(8080)), None);
        let granted = selinux.replace(" denied ", " granted ");
        assert_eq!(denial(&granted, port(8081)), None);
        assert_eq!(denial("4,1,2,-;eth0: link becomes ready src=8081", port(8081)), None);
        assert_eq!(denial("", port(8081)), None);
    }
}
