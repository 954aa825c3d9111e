//! How deep a text nests for the engine. The engine reads and compiles with functions that call themselves, so a long
//! chain (`a or b or c ...`, one `{% elif %}` after another) overflows the stack, which ends the process.

use crate::mapping::language::jinja::{Kind, Token, is_comparison};

/// Far above what people write. The tests hold it against a third of the smallest stack that mappings are read on.
pub const DEEPEST: usize = 350;

// A level is what one `or` needs. The others need more of the stack; the tests measure that.
const BRACKET: usize = 12;
const BLOCK: usize = 7;
const ELIF: usize = 2;

/// An upper bound of the levels that the engine needs for these tokens.
pub fn depth(tokens: &[Token<'_>]) -> usize {
    let parts = tokens.split(|token| matches!(token.kind, Kind::Open | Kind::Close));
    parts.map(levels).max().unwrap_or_default() + branches(tokens)
}

/// What stands between two brackets, as far as it was read.
#[derive(Default)]
struct Inside {
    /// `and`, `or`, `if` and `else` of the element at hand. Each is a level around what stands on both of its sides.
    joints: usize,
    /// Operators since the last joint. Each is a level around what stands before it.
    chain: usize,
    /// The deepest bracket since the last joint. Brackets beside each other are not inside of each other.
    bracket: usize,
    /// A comparison becomes a call, which is a bracket around both of its sides.
    compared: bool,
    deepest_chain: usize,
    deepest_element: usize,
}

impl Inside {
    fn since_joint(&self) -> usize {
        self.chain + self.bracket + if self.compared { BRACKET } else { 0 }
    }

    fn joint(&mut self) {
        self.deepest_chain = self.deepest_chain.max(self.since_joint());
        (self.joints, self.chain, self.bracket, self.compared) = (self.joints + 1, 0, 0, false);
    }

    /// The elements of a list stand beside each other.
    fn element(&mut self) {
        let levels = self.joints + self.deepest_chain.max(self.since_joint());
        *self = Self { deepest_element: self.deepest_element.max(levels), ..Self::default() };
    }

    fn close(&mut self, mut inner: Inside) {
        inner.element();
        self.chain += 1;
        self.bracket = self.bracket.max(inner.deepest_element + BRACKET);
    }
}

/// The levels of one expression.
fn levels(tokens: &[Token<'_>]) -> usize {
    let mut outer: Vec<Inside> = Vec::new();
    let mut inside = Inside::default();
    for token in tokens {
        match (token.kind, token.text) {
            (Kind::Op, "(" | "[" | "{") => outer.push(std::mem::take(&mut inside)),
            (Kind::Op, ")" | "]" | "}") => {
                let inner = std::mem::replace(&mut inside, outer.pop().unwrap_or_default());
                inside.close(inner);
            }
            (Kind::Op, ",") => inside.element(),
            (Kind::Name, "and" | "or" | "if" | "else") => inside.joint(),
            (Kind::Name, "not" | "in" | "is") | (Kind::Op, _) => {
                inside.chain += 1;
                inside.compared |= is_comparison(token);
            }
            _ => {}
        }
    }
    while let Some(before) = outer.pop() {
        let unclosed = std::mem::replace(&mut inside, before);
        inside.close(unclosed);
    }
    inside.element();
    inside.deepest_element
}

/// The levels of `{% if %}` and `{% for %}`. Each `{% elif %}` is below the one before it.
fn branches(tokens: &[Token<'_>]) -> usize {
    let (mut open, mut now, mut most) = (Vec::new(), 0, 0);
    let words = tokens.windows(2).filter(|pair| pair[0].kind == Kind::Open).map(|pair| pair[1].text);
    for word in words {
        match word {
            "if" | "for" | "with" | "filter" | "autoescape" => {
                open.push(now);
                now += BLOCK;
            }
            "elif" => now += ELIF,
            "endif" | "endfor" | "endwith" | "endfilter" | "endautoescape" => {
                now = open.pop().unwrap_or_default();
            }
            _ => {}
        }
        most = most.max(now);
    }
    most
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use minijinja::value::Value;

    use super::*;
    use crate::document::diagnostic::Place;
    use crate::mapping::language::expr::{Expr, Template};
    use crate::mapping::language::jinja;

    /// A third of what a thread of the daemon has.
    const STACK: usize = 2 * 1024 * 1024 / 3;

    fn chain(link: &str, count: usize) -> String {
        format!("a{}", link.repeat(count))
    }

    fn around(open: &str, close: &str, count: usize) -> String {
        format!("{}a{}", open.repeat(count), close.repeat(count))
    }

    /// Each way to nest, repeated.
    fn texts(count: usize) -> Vec<String> {
        let links = [
            " or a.b.c == 'x'",
            " and a in ['x']",
            " if a else a",
            " ~ a",
            " + (a)",
            ".a",
            "[0]",
            "[1:2]",
            "()",
            "|upper",
            "|d('x')",
            " is true",
            " ** 2",
            " < 2",
        ];
        let brackets = [
            ("not ", ""),
            ("-", ""),
            ("(", ")"),
            ("[", "]"),
            ("{1:", "}"),
            ("f(", ")"),
            ("1 or f(", ")"),
            ("(", " < b)"),
            ("1 == (", ")"),
            ("f(a == ", ")"),
            ("{% if a %}", "{% endif %}"),
            ("{% for a in b %}", "{% endfor %}"),
            ("{% with a = b %}", "{% endwith %}"),
            ("{% filter upper %}", "{% endfilter %}"),
        ];
        let chains = links.iter().map(|link| chain(link, count));
        let brackets = brackets.iter().map(|(open, close)| around(open, close, count));
        let elif = format!("{{% if a %}}b{}{{% endif %}}", "{% elif a %}b".repeat(count));
        chains.chain(brackets).chain([elif]).collect()
    }

    fn is_template(text: &str) -> bool {
        text.starts_with("{%")
    }

    fn depth_of(text: &str) -> usize {
        depth(&if is_template(text) { jinja::template(text) } else { jinja::expression(text) })
    }

    fn compile(text: &str) {
        let at = Place { file: Arc::from("case.yaml"), line: 1, column: 1 };
        if is_template(text) {
            drop(Template::new(text, at).map(|made| made.render(&Value::UNDEFINED)));
        } else {
            drop(Expr::new(text, at).map(|made| made.json(&Value::UNDEFINED)));
        }
    }

    /// Without the bound this test ends the process.
    #[test]
    fn what_is_not_refused_fits_into_a_third_of_the_stack() {
        let run = || {
            for kind in 0..texts(1).len() {
                let mut shrinking = (1..=DEEPEST).rev().map(|count| texts(count).swap_remove(kind));
                let largest = shrinking.find(|text| depth_of(text) <= DEEPEST).unwrap();
                compile(&largest);
            }
        };
        std::thread::Builder::new().stack_size(STACK).spawn(run).unwrap().join().unwrap();
    }

    #[test]
    fn each_way_to_nest_counts() {
        for text in texts(400) {
            assert!(depth_of(&text) > DEEPEST, "{}: {}", &text[..30], depth_of(&text));
        }
    }

    /// What stands beside each other is no deeper than one of it.
    #[test]
    fn long_lists_and_long_texts_are_not_deep() {
        let list = format!("response.place.partner_id in [{}]", "'0042', ".repeat(5000));
        let sum = vec!["answer(id='12AB34')"; 100].join(" ~ ");
        let text = "{{ response.place.name | upper }} {% if a %}b{% elif c %}d{% endif %} ".repeat(1000);
        for text in [list, sum, text] {
            let tokens =
                if text.starts_with("{{") { jinja::template(&text) } else { jinja::expression(&text) };
            assert!(depth(&tokens) < DEEPEST, "{}: {}", &text[..30], depth(&tokens));
            compile(&text);
        }
    }
}
