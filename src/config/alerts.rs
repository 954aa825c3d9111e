//! `alerts`: where to tell what is not as it should be.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::key;
use super::reader::{BAD_WORD, Reader};
use super::secrets::Slot;
use super::values::{self, BAD_VALUE, NOT_HTTPS};
use crate::document::keys::{Keys, choice};
use crate::document::yaml::{Kind, Node};

/// One destination.
#[derive(Debug, Clone)]
pub struct Alert {
    pub to: Destination,
    /// The address that takes the messages. Whoever has it can send some, so it is a secret.
    pub url: SecretString,
    pub on: Vec<Topic>,
    /// How long trouble has to last before it is told.
    pub after: Duration,
    /// The console's address as its readers reach it.
    pub link: Option<Url>,
}

/// What takes the messages: it decides their form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination {
    Slack,
    Teams,
    /// JSON of our own.
    Webhook,
}

/// What is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// Something does not work now.
    Trouble,
    Unclear,
    Parked,
    /// An edit of mapping files or of connector.yaml is refused.
    Mapping,
    /// The budget of calls will be used up before midnight.
    Budget,
    /// No webhooks in hours that usually have some.
    Silent,
}

/// `to` of a destination.
pub const DESTINATIONS: [(&str, Destination); 3] =
    [("slack", Destination::Slack), ("teams", Destination::Teams), ("webhook", Destination::Webhook)];

/// `on` of a destination; all of them without it.
pub const TOPICS: [(&str, Topic); 6] = [
    ("trouble", Topic::Trouble),
    ("unclear", Topic::Unclear),
    ("parked", Topic::Parked),
    ("mapping", Topic::Mapping),
    ("budget", Topic::Budget),
    ("silent", Topic::Silent),
];

const AFTER: Duration = Duration::from_secs(300);
const AFTER_RANGE: std::ops::RangeInclusive<&str> = "0"..="1d";

impl Reader<'_> {
    pub(super) fn alerts(&mut self, node: Option<&Node>) -> Vec<Alert> {
        let Some(node) = node.filter(|node| !node.is_null()) else { return Vec::new() };
        let items = node.list(&mut self.page, &key::ALERTS.shown());
        items.iter().enumerate().filter_map(|(index, item)| self.alert(item, index)).collect()
    }

    fn alert(&mut self, node: &Node, index: usize) -> Option<Alert> {
        let what = "an alert";
        let mut keys = Keys::of(node, &mut self.page, what);
        let to = keys.need(&mut self.page, "to", what);
        let to = to.and_then(|node| choice(node, &mut self.page, BAD_WORD, "`to`", &DESTINATIONS));
        let url_span = keys.key_span("url");
        let url = self.secret(&mut keys, ("url", "url_file"), Slot::Alert(index));
        if let Some(problem) = url.as_ref().and_then(|url| wrong_address(url.expose_secret())) {
            self.page
                .error(NOT_HTTPS, &url_span, format!("the address of an alert {problem}"))
                .help("take the address that Slack, Teams or your own service gives: https://...");
        }
        let on = match keys.take("on").filter(|node| !node.is_null()) {
            Some(node) => self.topics(node),
            None => TOPICS.map(|(_, topic)| topic).to_vec(),
        };
        let after = keys.take("after").filter(|node| !node.is_null());
        let after = after.and_then(|node| values::duration(node, &mut self.page, "`after`", &AFTER_RANGE));
        let link = keys.take("link").and_then(|node| self.link(node));
        keys.finish(&mut self.page, what);
        Some(Alert { to: to?, url: url?, on, after: after.unwrap_or(AFTER), link })
    }

    fn topics(&mut self, node: &Node) -> Vec<Topic> {
        let items = node.list(&mut self.page, "`on`");
        if items.is_empty() && matches!(node.kind, Kind::List(_)) {
            self.page
                .error(BAD_VALUE, &node.span, "`on` is empty, so this destination is told of nothing")
                .help("name what is to be told, such as `[trouble, unclear]`, or leave the key out for everything");
        }
        items.iter().filter_map(|item| choice(item, &mut self.page, BAD_WORD, "`on`", &TOPICS)).collect()
    }

    fn link(&mut self, node: &Node) -> Option<Url> {
        let text = self.optional_text(node, "`link`")?;
        let link = Url::parse(&text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        if link.is_none() {
            self.page
                .error(BAD_VALUE, &node.span, "`link` is no address of a page")
                .help("write the console's address as people reach it: https://HOST/console");
        }
        link
    }
}

/// Why messages must not be sent there. In the clear only to this machine.
fn wrong_address(text: &str) -> Option<&'static str> {
    let Ok(url) = Url::parse(text) else { return Some("is no address") };
    let is_here = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    match url.scheme() {
        "https" => None,
        "http" if is_here => None,
        _ => Some("is not https"),
    }
}

/// Whether two lists ask for the same.
pub fn same(a: &[Alert], b: &[Alert]) -> bool {
    let parts = |alert: &Alert| {
        let url = alert.url.expose_secret().to_owned();
        (alert.to, url, alert.on.clone(), alert.after, alert.link.clone())
    };
    a.iter().map(parts).eq(b.iter().map(parts))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Config, Secrets};

    /// The alerts of a file with this list, or what is wrong with it.
    fn read(list: &str) -> Result<Vec<Alert>, String> {
        let text = format!(
            "goodays: {{ token: t, webhook: {{ secrets: [s] }} }}\n\
             salesforce: {{ login_url: 'https://a.my.salesforce.com', auth: {{ client_id: i, client_secret: s }} }}\n\
             alerts: {list}\n"
        );
        let read = Config::parse(Path::new("connector.yaml"), &text, Secrets::Required, &|_| None);
        let said = |mistakes: Vec<crate::document::diagnostic::Diagnostic>| {
            mistakes.iter().map(crate::document::diagnostic::Diagnostic::render).collect::<String>()
        };
        read.map(|config| config.alerts).map_err(said)
    }

    #[test]
    fn a_destination_has_defaults() {
        let alerts = read("[{ to: slack, url: 'https://hooks.example/x' }]").unwrap();
        assert_eq!((alerts.len(), alerts[0].to, alerts[0].on.len()), (1, Destination::Slack, 6));
        assert_eq!((alerts[0].after, alerts[0].link.is_none()), (AFTER, true));
        let other = read("[{ to: webhook, url: 'http://127.0.0.1:1/', on: [unclear], after: 1m }]").unwrap();
        assert_eq!((&other[0].on[..], other[0].after.as_secs()), (&[Topic::Unclear][..], 60));
        assert!(same(&alerts, &alerts) && !same(&alerts, &other));
        assert!(read("[]").unwrap().is_empty() && read("").unwrap().is_empty());
    }

    #[test]
    fn mistakes_are_told_without_the_address() {
        for (list, said) in [
            ("[{ to: slcak, url: 'https://hooks.example/hunter2' }]", "`to` can be"),
            ("[{ to: slack, url: 'http://hooks.example/hunter2' }]", "is not https"),
            ("[{ to: slack, url: 'hunter2' }]", "is no address"),
            ("[{ to: slack, url: 'https://hooks.example/hunter2', on: [troubel] }]", "`on` can be"),
            ("[{ to: slack, url: 'https://hooks.example/hunter2', after: soon }]", "is no duration"),
            (
                "[{ to: slack, url: 'https://hooks.example/hunter2', link: hunter2 }]",
                "is no address of a page",
            ),
            ("[{ to: slack, url: 'https://hooks.example/hunter2', on: [] }]", "told of nothing"),
            ("[{ to: slack }]", "`url` is missing"),
            ("[{ to: slack, url: 'https://hooks.example/hunter2', when: x }]", "unknown key"),
        ] {
            let found = read(list).unwrap_err();
            assert!(found.contains(said), "{list}: {found}");
            assert!(!found.contains("hunter2"), "{list}: {found}");
        }
    }
}
