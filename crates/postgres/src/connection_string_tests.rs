use super::*;

fn target(url: &str) -> Target {
    Target::new(&Settings::new(url)).unwrap()
}

fn tcp(host: &str, port: u16) -> Endpoint {
    Endpoint::Tcp(host.to_owned(), None, port)
}

fn parsed(url: &str) -> Vec<(String, String)> {
    parse(url).unwrap().into_iter().collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn urls_of_the_libpq_manual() {
    assert_eq!(parsed("postgresql://"), pairs(&[]));
    assert_eq!(parsed("postgresql://localhost"), pairs(&[("host", "localhost")]));
    assert_eq!(
        parsed("postgresql://localhost:5433"),
        pairs(&[("host", "localhost"), ("port", "5433")])
    );
    assert_eq!(
        parsed("postgresql://localhost/mydb"),
        pairs(&[("dbname", "mydb"), ("host", "localhost")])
    );
    assert_eq!(
        parsed("postgresql://user:secret@localhost"),
        pairs(&[("host", "localhost"), ("password", "secret"), ("user", "user")])
    );
    assert_eq!(
        parsed("postgresql://other@localhost/otherdb?connect_timeout=10&application_name=myapp"),
        pairs(&[
            ("application_name", "myapp"),
            ("connect_timeout", "10"),
            ("dbname", "otherdb"),
            ("host", "localhost"),
            ("user", "other")
        ])
    );
    assert_eq!(
        parsed("postgresql://host1:123,host2:456/somedb?target_session_attrs=any"),
        pairs(&[
            ("dbname", "somedb"),
            ("host", "host1,host2"),
            ("port", "123,456"),
            ("target_session_attrs", "any")
        ])
    );
    assert_eq!(
        parsed("postgresql:///mydb?host=localhost&port=5433"),
        pairs(&[("dbname", "mydb"), ("host", "localhost"), ("port", "5433")])
    );
    assert_eq!(
        parsed("postgresql://[2001:db8::1234]:77/database"),
        pairs(&[("dbname", "database"), ("host", "2001:db8::1234"), ("port", "77")])
    );
    assert_eq!(
        parsed("postgresql://%2Fvar%2Flib%2Fpostgresql/dbname"),
        pairs(&[("dbname", "dbname"), ("host", "/var/lib/postgresql")])
    );
    assert_eq!(
        parsed("postgres://user@?host=/run/pg&dbname=x"),
        pairs(&[("dbname", "x"), ("host", "/run/pg"), ("user", "user")])
    );
}

#[test]
fn passwords_with_awkward_characters() {
    for url in ["postgres://u:p%40s%2Fs%3A%25@h/d", "postgres://u:p@s%2Fs:%25@h/d"] {
        assert_eq!(target(url).config.get_password(), Some("p@s/s:%".as_bytes()), "{url}");
    }
    let config = target(r"postgres://u:'q\x@h/d?application_name=a@b").config;
    assert_eq!(config.get_password(), Some(r"'q\x".as_bytes()));
    assert_eq!(config.get_application_name(), Some("a@b"));
    let config = target("postgres://u:p@h?application_name=a@b").config;
    assert_eq!(config.get_application_name(), Some("a@b"));
    assert_eq!(target("postgres://u:p@h?application_name=a@b").endpoints, [tcp("h", 5432)]);
    assert_eq!(target("postgres://u:p?x@h/d").config.get_password(), Some(&b"p?x"[..]));
}

#[test]
fn key_value_strings() {
    let string = r"host = h port=1 user='o\'hara' password = a\ b dbname=''";
    assert_eq!(target(string).endpoints, [tcp("h", 1)]);
    let config = target(string).config;
    assert_eq!(config.get_user(), Some("o'hara"));
    assert_eq!(config.get_password(), Some(&b"a b"[..]));
    assert!(parse("host='x").is_err());
    assert!(parse("nonsense").is_err());
}

#[test]
fn defaults_and_overrides() {
    let config = target("postgres://h/d").config;
    assert_eq!(config.get_application_name(), Some("artesian"));
    assert_eq!(config.get_connect_timeout(), Some(&Duration::from_secs(5)));
    assert_eq!(config.get_keepalives_idle(), Duration::from_secs(60));
    let config = target("postgres://h/d?connect_timeout=9&keepalives_count=7").config;
    assert_eq!(config.get_connect_timeout(), Some(&Duration::from_secs(9)));
    assert_eq!(config.get_keepalives_retries(), Some(7));
    assert_eq!(target("postgres:///d").endpoints.len(), 1);
    assert_eq!(
        target("postgres://a:1,b,[::1]:3/d").endpoints,
        [tcp("a", 1), tcp("b", 5432), tcp("::1", 3)]
    );
    assert_eq!(target("postgres://a,b/d?port=7").endpoints, [tcp("a", 7), tcp("b", 7)]);
    assert_eq!(
        target("postgres://%2Frun%2Fpg/d").endpoints,
        [Endpoint::Unix("/run/pg".into(), 5432)]
    );
    assert_eq!(
        target("postgres:///d?hostaddr=10.0.0.1").endpoints,
        [Endpoint::Tcp("10.0.0.1".into(), Some([10, 0, 0, 1].into()), 5432)]
    );
}

#[test]
fn ssl_modes() {
    for (mode, expected, verify) in [
        ("disable", SslMode::Disable, Verify::Nothing),
        ("allow", SslMode::Prefer, Verify::Nothing),
        ("prefer", SslMode::Prefer, Verify::Nothing),
        ("require", SslMode::Require, Verify::Nothing),
        ("verify-ca", SslMode::Require, Verify::Authority),
        ("verify-full", SslMode::Require, Verify::Full),
        ("require&sslrootcert=ca.pem", SslMode::Require, Verify::Authority),
    ] {
        let target = target(&format!("postgres://h/d?sslmode={mode}"));
        assert_eq!(target.config.get_ssl_mode(), expected, "{mode}");
        assert_eq!(target.tls.verify, verify, "{mode}");
    }
    assert_eq!(target("postgres://h/d?ssl=true").config.get_ssl_mode(), SslMode::Require);
    let socket = target("postgres://%2Ftmp/d?sslmode=require").config;
    assert_eq!(socket.get_ssl_mode(), SslMode::Disable, "sockets have no TLS, as in libpq");
}

#[test]
fn mistakes_are_named_without_values() {
    let error = |url: &str| Target::new(&Settings::new(url)).unwrap_err().to_string();
    assert!(error("mysql://u:hush@h/d").contains("`mysql`"));
    assert!(error("postgres://u:hush@h/d?sslmode=on").contains("verify-full"));
    assert!(error("postgres://u:hush@h/d?colour=red").contains("`colour`"));
    assert!(error("postgres://u:hush%zz@h/d").contains("hexadecimal"));
    assert!(error("postgres://u:hush@h:port/d").contains("port"));
    for url in ["mysql://u:hush@h/d", "postgres://u:hush@h/d?colour=red", "postgres://u:hush%zz@h"]
    {
        assert!(!error(url).contains("hush"), "{url}");
    }
}
