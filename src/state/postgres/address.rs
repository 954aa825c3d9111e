//! The address of the database: `postgres://USER:PASSWORD@HOST:PORT,HOST:PORT/DATABASE`.

use std::net::IpAddr;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

/// Time limit for the TCP connection to one host; then the next one is tried.
const CONNECT: Duration = Duration::from_secs(2);
/// After that time without an answer to sent bytes, the kernel gives the connection up.
const UNANSWERED: Duration = Duration::from_secs(10);
/// The longest name that PostgreSQL keeps.
const MAX_NAME: usize = 63;

/// Reads the address. Without `sslmode` a connection is encrypted, unless all hosts are this machine. The error quotes
/// nothing, because the address holds a password.
pub(super) fn read(url: &str) -> Result<Config, String> {
    let url = url.trim();
    let explicit = url.contains("sslmode=");
    // The server's certificate and name are always verified, so the stricter words mean the same.
    let url =
        url.replace("sslmode=verify-full", "sslmode=require").replace("sslmode=verify-ca", "sslmode=require");
    let mut config: Config = url.parse().map_err(|_| {
        "it is no address of a PostgreSQL database: postgres://USER:PASSWORD@HOST:PORT/DATABASE; letters such as @ : / in \
         the password are written as %40 %3A %2F"
            .to_owned()
    })?;
    if config.get_hosts().is_empty() {
        return Err("it names no host".to_owned());
    }
    let local = config.get_hosts().iter().all(is_this_machine);
    match (explicit, local) {
        (true, _) if config.get_ssl_mode() != SslMode::Prefer => {}
        (_, true) => drop(config.ssl_mode(SslMode::Disable)),
        (_, false) => drop(config.ssl_mode(SslMode::Require)),
    }
    config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    config.connect_timeout(CONNECT).tcp_user_timeout(UNANSWERED);
    config.keepalives_idle(UNANSWERED);
    Ok(config)
}

/// An address for each host of `config`. Hosts are tried at once: one that answers nothing would otherwise cost its time
/// limit at each opening, which may be all the time that a statement has.
pub(super) fn each_host(config: &Config) -> Vec<Config> {
    let port = |at: usize| match config.get_ports() {
        [] => 5432,
        [only] => *only,
        many => many.get(at).copied().unwrap_or(5432),
    };
    let one = |(at, host): (usize, &Host)| {
        let mut one = same_session(config);
        match host {
            Host::Tcp(name) => one.host(name),
            Host::Unix(path) => one.host_path(path),
        };
        if let Some(address) = config.get_hostaddrs().get(at) {
            one.hostaddr(*address);
        }
        one.port(port(at));
        one
    };
    config.get_hosts().iter().enumerate().map(one).collect()
}

/// All but the hosts.
fn same_session(config: &Config) -> Config {
    let mut one = Config::new();
    if let Some(user) = config.get_user() {
        one.user(user);
    }
    if let Some(password) = config.get_password() {
        one.password(password);
    }
    if let Some(dbname) = config.get_dbname() {
        one.dbname(dbname);
    }
    if let Some(options) = config.get_options() {
        one.options(options);
    }
    one.ssl_mode(config.get_ssl_mode()).ssl_negotiation(config.get_ssl_negotiation());
    one.channel_binding(config.get_channel_binding()).target_session_attrs(config.get_target_session_attrs());
    one.connect_timeout(CONNECT).tcp_user_timeout(UNANSWERED);
    one.keepalives_idle(UNANSWERED);
    one
}

/// Whether nothing is encrypted on a road that leaves this machine.
pub(super) fn is_open_road(config: &Config) -> bool {
    config.get_ssl_mode() == SslMode::Disable && !config.get_hosts().iter().all(is_this_machine)
}

fn is_this_machine(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
        }
    }
}

/// A schema's name that needs no quotes.
pub(super) fn is_schema(name: &str) -> bool {
    let first = name.chars().next().is_some_and(|c| c.is_ascii_lowercase() || c == '_');
    let rest = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    first && rest && name.len() <= MAX_NAME && !name.starts_with("pg_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(url: &str) -> SslMode {
        read(url).unwrap().get_ssl_mode()
    }

    #[test]
    fn only_this_machine_is_spoken_to_without_tls_unless_the_address_says_so() {
        assert_eq!(mode("postgres://u:p@db.example:5432/x"), SslMode::Require);
        assert_eq!(mode("postgres://u:p@127.0.0.1,localhost,[::1]/x"), SslMode::Disable);
        assert_eq!(mode("postgres://u:p@localhost,db.example/x"), SslMode::Require);
        assert_eq!(mode("postgres://u:p@db.example/x?sslmode=prefer"), SslMode::Require);
        assert_eq!(mode("postgres://u:p@db.example/x?sslmode=verify-full"), SslMode::Require);
        assert_eq!(mode("postgres://u:p@localhost/x?sslmode=require"), SslMode::Require);
        let open = read("postgres://u:p@db.example/x?sslmode=disable").unwrap();
        assert!(is_open_road(&open) && !is_open_road(&read("postgres://u:p@localhost/x").unwrap()));
    }

    #[test]
    fn several_hosts_are_read_and_the_primary_is_asked_for() {
        let config = read("postgres://u:p@a:5432,b:5433/x?target_session_attrs=any").unwrap();
        assert_eq!((config.get_hosts().len(), config.get_ports()), (2, [5432, 5433].as_slice()));
        assert_eq!(config.get_target_session_attrs(), TargetSessionAttrs::ReadWrite);
    }

    #[test]
    fn each_host_has_an_address_of_its_own() {
        let read = |url: &str| read(url).unwrap();
        let all = each_host(&read(
            "postgres://u:p@a:1,b:2,/x?host=/run/pg&port=3&sslmode=disable&options=-c%20a%3Db",
        ));
        let places: Vec<_> =
            all.iter().map(|one| (one.get_hosts().to_vec(), one.get_ports().to_vec())).collect();
        let tcp = |name: &str| vec![Host::Tcp(name.to_owned())];
        assert_eq!(places[..2], [(tcp("a"), vec![1]), (tcp("b"), vec![2])]);
        let whole = read("postgres://u:p@a,b:7/x?sslmode=disable&channel_binding=disable");
        for (at, one) in each_host(&whole).iter().enumerate() {
            assert_eq!(one.get_ports(), [[5432], [7]][at]);
            assert_eq!((one.get_user(), one.get_password()), (whole.get_user(), whole.get_password()));
            assert_eq!((one.get_dbname(), one.get_ssl_mode()), (whole.get_dbname(), whole.get_ssl_mode()));
            assert_eq!(one.get_target_session_attrs(), TargetSessionAttrs::ReadWrite);
            assert_eq!(one.get_channel_binding(), whole.get_channel_binding());
            assert_eq!(one.get_connect_timeout(), whole.get_connect_timeout());
        }
    }

    #[test]
    fn a_mistake_quotes_no_password() {
        for url in ["postgres://u:s3cret@:port/x", "s3cret", "postgres:///x?password=s3cret&sslmode=s3cret"] {
            let said = read(url).unwrap_err();
            assert!(!said.contains("s3cret"), "{said}");
        }
    }

    #[test]
    fn names_of_schemas_need_no_quotes() {
        assert!(["goodays", "_a1", "goodays_emea"].into_iter().all(is_schema));
        assert!(!["", "1a", "A", "a-b", "a b", "a;drop", "pg_x", "é"].into_iter().any(is_schema));
    }
}
