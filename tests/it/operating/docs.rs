//! F2, F5, F6 and F8: the documents agree with the code.

use std::path::Path;

use goodays_salesforce::config::{Config, Secrets};

const README: &str = include_str!("../../../README.md");
const SHIPPED: &str = include_str!("../../../connector.yaml");
const UNIT: &str = include_str!("../../../deploy/goodays-salesforce.service");
const KUBERNETES: &str = include_str!("../../../deploy/kubernetes.yaml");
const KUBERNETES_HA: &str = include_str!("../../../deploy/kubernetes-ha.yaml");
const CADDY: &str = include_str!("../../../deploy/Caddyfile");
const NGINX: &str = include_str!("../../../deploy/nginx.conf");
const SETUP: &str = include_str!("../../../docs/setup.md");

fn config(text: &str, variables: &[(&str, &str)]) -> Config {
    let variable = |name: &str| {
        let given = variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        given.or_else(|| name.ends_with("_TOKEN").then(|| "t".to_owned())).or(Some("x".to_owned()))
    };
    let without_defaults = |name: &str| match name {
        "CONNECTOR_ADMIN_LISTEN" | "SALESFORCE_LOGIN_URL" => {
            variables.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned())
        }
        _ => variable(name),
    };
    Config::parse(Path::new("connector.yaml"), text, Secrets::Required, &without_defaults).unwrap()
}

#[test]
fn f05_the_admin_port_is_9464_everywhere_and_containers_can_open_it() {
    assert_eq!(config(SHIPPED, &[]).admin.listen.to_string(), "127.0.0.1:9464");
    let least = "goodays: { token: t, webhook: { secrets: [s] } }\n\
                 salesforce: { login_url: 'https://a.my.salesforce.com', auth: { client_id: i, client_secret: s } }\n";
    assert_eq!(config(least, &[]).admin.listen.to_string(), "127.0.0.1:9464");
    let open = config(SHIPPED, &[("CONNECTOR_ADMIN_LISTEN", "0.0.0.0:9464")]);
    assert_eq!(open.admin.listen.to_string(), "0.0.0.0:9464");
    assert!(open.admin.token.is_some(), "which wants the token");
    assert!(README.contains("127.0.0.1:9464") && KUBERNETES.contains("containerPort: 9464"));
    assert!(KUBERNETES_HA.contains("containerPort: 9464"));
    for text in [README, SHIPPED, UNIT, KUBERNETES, KUBERNETES_HA, NGINX, SETUP] {
        assert!(!text.contains("9090"));
    }
}

/// 2,000 events within seconds, from a few addresses: the proxy limits neither requests nor connections per address,
/// and closes no connection before the connector does.
#[test]
fn f02_the_proxies_examples_let_goodays_peak_pass() {
    for text in [NGINX, CADDY] {
        let mut lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        let limits =
            lines.find(|line| ["limit_req", "limit_conn", "rate_limit"].iter().any(|w| line.contains(w)));
        assert_eq!(limits, None);
    }
    let keepalive = NGINX.lines().find_map(|line| line.trim().strip_prefix("keepalive ")).unwrap();
    let kept: usize = keepalive.trim_end_matches(';').parse().unwrap();
    assert!(kept >= 16, "a new connection for each event is slow");
}

#[test]
fn f06_the_readme_names_what_it_needs_and_leads_to_the_console() {
    let cargo = include_str!("../../../Cargo.toml");
    let version =
        cargo.lines().find_map(|line| line.strip_prefix("rust-version = ")).unwrap().trim_matches('"');
    assert!(README.contains(&format!("Rust {version}")) && README.contains("Linux"));
    assert!(README.contains("docs/console.md") && README.contains("docs/images/console-"));
}

#[test]
fn f08_examples_keep_secrets_from_command_lines_and_bound_the_memory() {
    assert!(!KUBERNETES.contains("--from-literal") && !SETUP.contains("-hmac "));
    assert!(UNIT.lines().any(|line| line.starts_with("MemoryMax=")));
    for text in [KUBERNETES, KUBERNETES_HA] {
        assert!(
            !text.contains("--from-literal") && !text.contains("subPath:"),
            "what is mounted so never changes"
        );
        assert!(text.contains("limits: { memory:"));
    }
}
