//! The proxy that clients would use for a URL, by the variables of the environment.

use crate::model::Asked;

/// What the environment names for a URL: the variable and its value.
pub(super) fn of(
    asked: &Asked,
    variable: impl Fn(&str) -> Option<String>,
) -> Option<(String, String)> {
    let scheme = asked.scheme.as_deref()?;
    let names: &[&str] = match scheme {
        // In upper case a web server's client could set it.
        "http" | "ws" => &["http_proxy", "all_proxy", "ALL_PROXY"],
        "https" | "wss" => &["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"],
        _ => return None,
    };
    let is_set = |name: &&&str| variable(name).is_some_and(|value| !value.is_empty());
    let name = names.iter().find(is_set)?;
    let exceptions = ["no_proxy", "NO_PROXY"].iter().find_map(|name| variable(name));
    if exceptions.is_some_and(|list| is_excepted(&asked.host, &list)) {
        return None;
    }
    Some(((*name).to_owned(), variable(name)?))
}

/// Whether a host is in a list such as `localhost,.example.org,10.0.0.1`.
fn is_excepted(host: &str, list: &str) -> bool {
    list.split([',', ' ']).map(str::trim).filter(|entry| !entry.is_empty()).any(|entry| {
        let entry = entry.trim_start_matches("*.").trim_start_matches('.');
        let entry = entry.split_once(':').map_or(entry, |(host, port)| {
            if port.chars().all(|c| c.is_ascii_digit()) { host } else { entry }
        });
        entry == "*"
            || host.eq_ignore_ascii_case(entry)
            || host.to_lowercase().ends_with(&format!(".{}", entry.to_lowercase()))
    })
}

/// Host and port of a proxy's value.
pub(super) fn place(value: &str) -> Option<(String, u16)> {
    let (scheme, rest) = value.split_once("://").unwrap_or(("http", value));
    let authority = rest.split('/').next()?;
    let authority = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
    let default = match scheme {
        "https" => 443,
        "http" => 80,
        _ => 1080,
    };
    // The colons of an address in brackets are not the port's.
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port.parse().ok()?),
        _ => (authority, default),
    };
    let host = host.trim_matches(['[', ']']);
    (!host.is_empty() && port != 0).then(|| (host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Port, Transport};

    fn named(url: (&str, &str), set: &[(&str, &str)]) -> Option<String> {
        let asked = Asked {
            text: String::new(),
            host: url.1.into(),
            port: Port::new(80).unwrap(),
            transport: Transport::Tcp,
            scheme: (url.0 != "-").then(|| url.0.to_owned()),
        };
        let variable = |name: &str| {
            set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        };
        of(&asked, variable).map(|(name, value)| format!("{name}={value}"))
    }

    #[test]
    fn the_variable_of_the_scheme_counts_and_no_proxy_before_it() {
        let http = ("http", "app.local");
        let set = ("http_proxy", "http://127.0.0.1:3128");
        let expected = Some("http_proxy=http://127.0.0.1:3128".to_owned());
        assert_eq!(named(http, &[set]), expected);
        assert_eq!(named(("-", "app.local"), &[set]), None, "no URL");
        assert_eq!(named(("https", "app.local"), &[set]), None, "another scheme");
        assert_eq!(named(("postgres", "app.local"), &[("all_proxy", "x")]), None);
        assert_eq!(
            named(("https", "app.local"), &[("ALL_PROXY", "x:1")]).unwrap(),
            "ALL_PROXY=x:1"
        );
        for list in ["app.local", "*", "x, .local", "*.local", "local", "app.local:80"] {
            assert_eq!(named(http, &[set, ("no_proxy", list)]), None, "{list}");
        }
        for list in ["", "cal", "other.local", "app.localx"] {
            assert_eq!(named(http, &[set, ("NO_PROXY", list)]), expected, "{list}");
        }
    }

    #[test]
    fn the_place_of_a_proxy() {
        let told = |value| place(value).map(|(host, port)| format!("{host} {port}"));
        assert_eq!(told("http://127.0.0.1:3128/").unwrap(), "127.0.0.1 3128");
        assert_eq!(told("me:pw@proxy:8080").unwrap(), "proxy 8080");
        assert_eq!(told("http://proxy").unwrap(), "proxy 80");
        assert_eq!(told("socks5://[::1]").unwrap(), "::1 1080");
        assert_eq!(told("http://[::1]:8").unwrap(), "::1 8");
        assert_eq!(told("http://proxy:x"), None);
        assert_eq!(told(""), None);
    }
}
