//! Rich text as plain text.

/// Rich text as plain text: line breaks stay, tags are removed, entities are decoded. Each letter is looked at a
/// fixed number of times: what follows a `<` shows whether it begins a tag.
pub fn strip_html(text: &str) -> String {
    // Avoids repeated searches for an end that does not follow.
    let last = |end: &str| text.rfind(end).map_or(0, |at| text.len() - at);
    let shortest = Ends { tag: last(">"), comment: last("-->") };
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        out.push_str(&rest[..start]);
        rest = &rest[start..];
        let Some(length) = tag_length(rest, &shortest) else {
            out.push('<'); // a heart or a comparison, not a tag
            rest = &rest[1..];
            continue;
        };
        if breaks_line(&rest[1..length]) {
            out.push('\n');
        }
        rest = &rest[length..];
    }
    out.push_str(rest);
    htmlize::unescape(out.as_str()).trim().to_owned()
}

/// The length of the text from its last end of a tag, and from that of a comment. 0: there is none.
struct Ends {
    tag: usize,
    comment: usize,
}

/// The length of the tag or comment at the start of the text.
fn tag_length(text: &str, shortest: &Ends) -> Option<usize> {
    let name = text[1..].strip_prefix('/').unwrap_or(&text[1..]);
    let (end, left) = if text.starts_with("<!--") {
        ("-->", shortest.comment)
    } else if name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        (">", shortest.tag)
    } else {
        return None;
    };
    if left == 0 || text.len() < left {
        return None;
    }
    text.find(end).map(|at| at + end.len())
}

/// Whether a tag, given without its opening bracket, begins a new line of the text.
fn breaks_line(tag: &str) -> bool {
    let closing = tag.starts_with('/');
    let name = tag.trim_start_matches('/');
    let name = &name[..name.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(name.len())];
    let is = |names: &[&str]| names.iter().any(|one| one.eq_ignore_ascii_case(name));
    is(&["br"]) || (closing && is(&["p", "div", "li", "tr"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_becomes_plain_text() {
        assert_eq!(strip_html("<p>Hello,</p><p>you &amp; <b>me</b></p>"), "Hello,\nyou & me");
        assert_eq!(strip_html("a<br>b<BR/>c<br />d"), "a\nb\nc\nd");
        assert_eq!(strip_html("<ul><li>x</li ><li class=\"y\">z</li></ul>"), "x\nz");
        assert_eq!(strip_html("I <3 it, 3 < 5 > 4, a<=b"), "I <3 it, 3 < 5 > 4, a<=b");
        assert_eq!(strip_html("a <!-- <b>no</b> --> c"), "a  c");
        assert_eq!(strip_html("3 < 5"), "3 < 5");
        assert_eq!(strip_html("a <"), "a <");
        assert_eq!(strip_html("break<blockquote>it"), "breakit");
    }

    /// The time must be linear in the length, also for text in which tags have no end.
    #[test]
    fn d15_html_without_ends_is_read_in_one_go() {
        let started = std::time::Instant::now();
        let many = |text: &str| text.repeat(1_000_000 / text.len());
        for text in [
            many("<") + ">",
            many("<"),
            many("<a"),
            many("</"),
            many("<!--"),
            many("<!--") + "-->",
            many("&lt;"),
        ] {
            strip_html(&text);
        }
        assert_eq!(strip_html(&(many("<") + ">")).len(), 1_000_001);
        assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
    }
}
