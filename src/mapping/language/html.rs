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
    decoded(&out).trim().to_owned()
}

/// The longest entity that is decoded (bytes): names have at most 31 letters.
const LONGEST_ENTITY: usize = 40;

/// Only entities with their `;` count: browsers also know some without, but `&region=` in an address is none.
fn decoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('&') {
        out.push_str(&rest[..start]);
        rest = &rest[start..];
        let name =
            rest[1..].bytes().take(LONGEST_ENTITY).take_while(|b| b.is_ascii_alphanumeric() || *b == b'#');
        let end = 1 + name.count();
        let Some(entity) = rest[end..].starts_with(';').then(|| &rest[..=end]) else {
            out.push_str(&rest[..end]);
            rest = &rest[end..];
            continue;
        };
        let letter = htmlize::unescape(entity);
        // `&notit;`: only its beginning is an entity, and the `;` is left over.
        let is_whole = letter == ";" || !letter.ends_with(';');
        out.push_str(if is_whole { &letter } else { entity });
        rest = &rest[entity.len()..];
    }
    out.push_str(rest);
    out
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
    } else if name.starts_with(|c: char| c.is_ascii_alphabetic()) && !is_address(name) {
        (">", shortest.tag)
    } else {
        return None;
    };
    if left == 0 || text.len() < left {
        return None;
    }
    text.find(end).map(|at| at + end.len())
}

/// Whether what follows a `<` is an e-mail address or a link, as in `<help@shop.fr>`. Names of tags may have a `:`, too
/// (`<o:p>` of word processors).
fn is_address(text: &str) -> bool {
    let is_sign = |c: char| c.is_ascii_alphanumeric() || "._%+-".contains(c);
    let end = text.find(|c: char| !is_sign(c)).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let is_scheme = |one: &&str| one.eq_ignore_ascii_case(name);
    rest.starts_with('@')
        || rest.starts_with("://")
        || (rest.starts_with(':') && ["mailto", "tel", "sms"].iter().any(is_scheme))
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
        assert_eq!(strip_html("a<o:p>b</o:p>"), "ab");
        assert_eq!(strip_html("break<blockquote>it"), "breakit");
    }

    #[test]
    fn addresses_in_a_text_stay() {
        for text in [
            "https://shop.fr/?id=1&region=fr&copy=2&amp",
            "Write to <help@shop.fr> or <jean.dupont+1@shop.fr>.",
            "See <https://shop.fr/help>, <mailto:help@shop.fr>, <tel:+33123>.",
            "a & b &; &x; &notit; &#; &#x; AT&T",
        ] {
            assert_eq!(strip_html(text), text);
        }
        assert_eq!(
            strip_html("&lt;help@shop.fr&gt; &eacute;&#233;&#xE9;&semi;&#59;"),
            "<help@shop.fr> ééé;;"
        );
        assert_eq!(strip_html("&CounterClockwiseContourIntegral;&amp;lt;"), "∳&lt;");
        assert_eq!(strip_html("<p title='a@b.c'>x</p>"), "x");
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
            many("&"),
            many("&a"),
        ] {
            strip_html(&text);
        }
        assert_eq!(strip_html(&(many("<") + ">")).len(), 1_000_001);
        assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
    }
}
