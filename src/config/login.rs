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

/// The host that the shipped connector.yaml names.
pub const EXAMPLE: &str = "acme.my.salesforce.com";

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
        assert_eq!(wrong_host("acme.my.salesforce.com", true), None);
        assert_eq!(wrong_host("acme--uat.sandbox.my.salesforce.com", true), None);
    }
}
