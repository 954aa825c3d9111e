//! Hosts that accept logins: Salesforce uses other host names for its pages.

/// Why a login at this host would fail, and what to do (Salesforce reference, 1.1: client credentials work only at the
/// org's My Domain).
pub fn wrong_host(host: &str, client_credentials: bool) -> Option<(String, String)> {
    const PAGES: [&str; 4] =
        [".lightning.force.com", ".my.salesforce-setup.com", ".vf.force.com", ".visualforce.com"];
    const SHARED: [&str; 3] = ["login.salesforce.com", "test.salesforce.com", "welcome.salesforce.com"];
    let own = "your org's own address, https://NAME.my.salesforce.com (Setup, My Domain)";
    if let Some(name) = PAGES.iter().find_map(|pages| host.strip_suffix(pages)) {
        let name = name.split_once("--c").filter(|(_, rest)| rest.is_empty()).map_or(name, |(name, _)| name);
        let message = "`login_url` is where Salesforce shows its pages, not where it takes logins";
        return Some((message.to_owned(), format!("write https://{name}.my.salesforce.com")));
    }
    if client_credentials && SHARED.contains(&host) {
        let message =
            format!("Salesforce takes client credentials at the org's own address only, not at {host}");
        return Some((message, format!("write {own}; or use `flow: jwt_bearer`")));
    }
    if matches!(host, "salesforce.com" | "www.salesforce.com" | "my.salesforce.com" | "help.salesforce.com") {
        return Some(("`login_url` is no org's address".to_owned(), format!("write {own}")));
    }
    None
}

/// Why this host is surely an example, and no org of the admin.
pub fn example(host: &str) -> Option<&'static str> {
    /// The name in the shipped connector.yaml.
    const SHIPPED: &str = "acme";
    /// Names that stand for an org's own in our pages and in those of others.
    const WORDS: [&str; 10] = [
        "name",
        "yourname",
        "your-name",
        "domain",
        "yourdomain",
        "your-domain",
        "mydomain",
        "mydomainname",
        "my-domain",
        "yourorg",
    ];
    match host.strip_suffix(".my.salesforce.com")? {
        SHIPPED => Some("`login_url` is still the address of the shipped example"),
        name if WORDS.contains(&name) => Some("`login_url` has a word where your org's name belongs"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e04_addresses_that_take_no_login_are_told() {
        for (host, right) in [
            ("acme.lightning.force.com", "https://acme.my.salesforce.com"),
            ("acme--uat.sandbox.lightning.force.com", "https://acme--uat.sandbox.my.salesforce.com"),
            ("acme.my.salesforce-setup.com", "https://acme.my.salesforce.com"),
            ("acme--c.vf.force.com", "https://acme.my.salesforce.com"),
            ("www.salesforce.com", "NAME.my.salesforce.com"),
        ] {
            let help = wrong_host(host, false).map(|(_, help)| help).unwrap_or_default();
            assert!(help.contains(right), "{host}: {help}");
        }
        for host in ["login.salesforce.com", "test.salesforce.com"] {
            assert!(wrong_host(host, true).is_some(), "{host}");
            assert_eq!(wrong_host(host, false), None, "{host} takes JWT");
        }
        for host in ["acme.my.salesforce.com", "name.my.salesforce.com", "mydomainname.my.salesforce.com"] {
            assert!(example(host).is_some(), "{host}");
        }
        for host in ["shop.my.salesforce.com", "acme--uat.sandbox.my.salesforce.com", "127.0.0.1"] {
            assert_eq!(example(host), None, "{host}");
        }
        assert_eq!(wrong_host("acme.my.salesforce.com", true), None);
        assert_eq!(wrong_host("acme--uat.sandbox.my.salesforce.com", true), None);
    }
}
