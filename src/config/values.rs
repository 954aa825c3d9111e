//! Values of single keys: durations, numbers, addresses, URLs.

use std::net::{SocketAddr, ToSocketAddrs};
use std::ops::RangeInclusive;
use std::time::Duration;

use url::{Host, Url};

use crate::document::diagnostic::Page;
use crate::document::yaml::Node;

pub const BAD_VALUE: &str = "C006";
pub const OUT_OF_RANGE: &str = "C007";
pub const NOT_HTTPS: &str = "C008";

/// `10s`, `500ms`, `1h30m`, `7d`, or `0`.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).filter(|at| *at > 0)?;
        let amount: u64 = rest[..digits].parse().ok()?;
        let unit_end = rest[digits..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |at| digits + at);
        let unit = match &rest[digits..unit_end] {
            "ms" => Duration::from_millis(1),
            "s" => Duration::from_secs(1),
            "m" => Duration::from_secs(60),
            "h" => Duration::from_secs(3600),
            "d" => Duration::from_secs(86_400),
            _ => return None,
        };
        total = total.checked_add(unit.checked_mul(u32::try_from(amount).ok()?)?)?;
        rest = &rest[unit_end..];
    }
    (!text.trim().is_empty()).then_some(total)
}

pub fn duration(node: &Node, page: &mut Page, what: &str, range: &RangeInclusive<&str>) -> Option<Duration> {
    let text = node.text(page, what)?.text.clone();
    let Some(value) = parse_duration(&text) else {
        page.error(BAD_VALUE, &node.span, format!("{what} is no duration"))
            .help("write a number and a unit: 500ms, 10s, 10m, 1h, 7d; or 0");
        return None;
    };
    let bound = |text: &str| parse_duration(text).unwrap_or_default();
    if value < bound(range.start()) || value > bound(range.end()) {
        out_of_range(page, node, what, range.start(), range.end());
    }
    Some(value)
}

pub fn number(node: &Node, page: &mut Page, what: &str, range: &RangeInclusive<u32>) -> Option<u32> {
    let text = node.text(page, what)?.text.clone();
    let Ok(value) = text.replace('_', "").parse::<u32>() else {
        page.error(BAD_VALUE, &node.span, format!("{what} is no whole number"))
            .help("write digits only, such as 500 or 20_000");
        return None;
    };
    if !range.contains(&value) {
        out_of_range(page, node, what, &range.start().to_string(), &range.end().to_string());
    }
    Some(value)
}

fn out_of_range(page: &mut Page, node: &Node, what: &str, low: &str, high: &str) {
    page.error(OUT_OF_RANGE, &node.span, format!("{what} must be between {low} and {high}"))
        .help(format!("take a value from {low} to {high}"));
}

/// `0.0.0.0:8080`, or a name that resolves, for example `localhost:8080`.
pub fn listen(node: &Node, page: &mut Page, what: &str) -> Option<SocketAddr> {
    let text = node.text(page, what)?.text.clone();
    let resolved = || text.to_socket_addrs().ok().and_then(|mut found| found.next());
    let found = text.parse().ok().or_else(resolved);
    if found.is_none() {
        page.error(BAD_VALUE, &node.span, format!("{what} is no address to listen on"))
            .help("write an address and a port, such as 0.0.0.0:8080 or 127.0.0.1:9464");
    }
    found
}

/// An https address. Plain http is allowed only for this machine, for the simulators.
pub fn remote(node: &Node, page: &mut Page, what: &str) -> Option<Url> {
    let text = node.text(page, what)?.text.clone();
    let url = Url::parse(&text).ok().filter(|url| url.has_host() && matches!(url.scheme(), "http" | "https"));
    let Some(url) = url else {
        page.error(BAD_VALUE, &node.span, format!("{what} is no address of a server"))
            .help("write it in full, such as https://acme.my.salesforce.com");
        return None;
    };
    if !url.username().is_empty()
        || url.password().is_some()
        || url.query().is_some()
        || url.fragment().is_some()
    {
        page.error(BAD_VALUE, &node.span, format!("{what} must be an address only"))
            .help("leave out user names, passwords, and what stands behind `?` and `#`");
    }
    if url.scheme() == "http" && !is_loopback(&url) {
        page.error(
            NOT_HTTPS,
            &node.span,
            format!("{what} must be https: tokens and customers' words go there"),
        )
        .help("plain http is for simulators on this machine only");
    }
    Some(url)
}

pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
