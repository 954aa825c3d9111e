//! Parses tokens to a query, by recursive descent. Everything unknown is refused, never ignored.

use super::lexer::{Placed, Token, tokens};
use super::malformed;
use crate::sim::salesforce::problem::Problem;

#[derive(Clone, Debug)]
pub struct Query {
    pub select: Vec<Item>,
    pub from: String,
    pub condition: Option<Condition>,
    pub order: Vec<Order>,
    pub limit: Option<usize>,
    pub offset: usize,
}

#[derive(Clone, Debug)]
pub enum Item {
    Field(Path),
    /// `count()`: only the number of records.
    Count,
    /// `FIELDS(ALL)` and similar.
    Fields(String),
    Children(Query),
}

#[derive(Clone, Debug)]
pub struct Path {
    pub parts: Vec<String>,
    pub at: usize,
}

#[derive(Clone, Debug)]
pub struct Order {
    pub path: Path,
    pub descending: bool,
    /// `None`: Salesforce's default, nulls first for ascending order and last for descending.
    pub nulls_last: Option<bool>,
}

#[derive(Clone, Debug)]
pub enum Condition {
    And(Vec<Condition>),
    Or(Vec<Condition>),
    Not(Box<Condition>),
    Compare(Path, Comparison, Operand),
    Like(Path, String),
    In { path: Path, negated: bool, list: Vec<Operand> },
    InQuery { path: Path, negated: bool, query: Box<Query> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Equal,
    NotEqual,
    Less,
    Greater,
    LessOrEqual,
    GreaterOrEqual,
}

#[derive(Clone, Debug)]
pub enum Operand {
    Null,
    Bool(bool),
    /// Raw, with its escapes.
    Text(String),
    Literal(String),
    /// A date literal, for example `TODAY` or `LAST_N_DAYS:3`.
    Day(String, Option<i64>),
}

pub fn parse(text: &str) -> Result<Query, Problem> {
    let mut parser = Parser { tokens: tokens(text)?, next: 0, depth: 0 };
    let query = parser.query()?;
    if *parser.peek() == Token::End { Ok(query) } else { Err(parser.unexpected()) }
}

/// Parses only a condition, as after WHERE.
pub fn parse_condition(text: &str) -> Result<Condition, Problem> {
    let mut parser = Parser { tokens: tokens(text)?, next: 0, depth: 0 };
    let condition = parser.condition()?;
    if *parser.peek() == Token::End { Ok(condition) } else { Err(parser.unexpected()) }
}

struct Parser {
    tokens: Vec<Placed>,
    next: usize,
    /// The depth of parentheses, negations and inner queries.
    depth: usize,
}

/// `Group` is not a keyword: queues are rows of that object.
const KEYWORDS: [&str; 11] =
    ["SELECT", "FROM", "WHERE", "ORDER", "LIMIT", "OFFSET", "AND", "OR", "NOT", "IN", "LIKE"];

impl Parser {
    fn peek(&self) -> &Token {
        &self.tokens[self.next].token
    }

    fn take(&mut self) -> Placed {
        let placed = self.tokens[self.next].clone();
        self.next = (self.next + 1).min(self.tokens.len() - 1);
        placed
    }

    fn unexpected(&self) -> Problem {
        match self.peek() {
            Token::End => malformed("unexpected token: '<EOF>'"),
            token => malformed(format!("unexpected token: '{}'", token.shown())),
        }
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Token::Word(found) if found.eq_ignore_ascii_case(word))
    }

    fn word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        if found {
            self.take();
        }
        found
    }

    fn expect_word(&mut self, word: &str) -> Result<(), Problem> {
        if self.word(word) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Token::Sign(found) if *found == sign);
        if found {
            self.take();
        }
        found
    }

    fn expect_sign(&mut self, sign: &str) -> Result<(), Problem> {
        if self.sign(sign) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn path(&mut self) -> Result<Path, Problem> {
        let Token::Word(name) = self.peek().clone() else { return Err(self.unexpected()) };
        if KEYWORDS.iter().any(|keyword| name.eq_ignore_ascii_case(keyword)) || name.ends_with('.') {
            return Err(self.unexpected());
        }
        let at = self.take().at;
        Ok(Path { parts: name.split('.').map(str::to_owned).collect(), at })
    }

    fn query(&mut self) -> Result<Query, Problem> {
        self.expect_word("SELECT")?;
        let mut select = vec![self.item()?];
        while self.sign(",") {
            select.push(self.item()?);
        }
        self.expect_word("FROM")?;
        let from = self.path()?.parts.join(".");
        let condition = if self.word("WHERE") { Some(self.condition()?) } else { None };
        let order = self.order()?;
        let limit = if self.word("LIMIT") { Some(self.number()?) } else { None };
        let offset = if self.word("OFFSET") { self.number()? } else { 0 };
        Ok(Query { select, from, condition, order, limit, offset })
    }

    fn item(&mut self) -> Result<Item, Problem> {
        if self.sign("(") {
            // Salesforce does not return children of children here.
            if self.depth > 0 {
                return Err(self.unexpected());
            }
            self.depth += 1;
            let query = self.query()?;
            self.depth -= 1;
            self.expect_sign(")")?;
            return Ok(Item::Children(query));
        }
        let path = self.path()?;
        let name = path.parts.join(".");
        if !self.sign("(") {
            return Ok(Item::Field(path));
        }
        if name.eq_ignore_ascii_case("count") && self.sign(")") {
            return Ok(Item::Count);
        }
        if name.eq_ignore_ascii_case("fields") {
            let which = self.path()?.parts.join(".").to_uppercase();
            self.expect_sign(")")?;
            return Ok(Item::Fields(which));
        }
        Err(self.unexpected())
    }

    fn order(&mut self) -> Result<Vec<Order>, Problem> {
        let mut order = Vec::new();
        if !self.word("ORDER") {
            return Ok(order);
        }
        self.expect_word("BY")?;
        loop {
            let path = self.path()?;
            let descending = self.word("DESC");
            if !descending {
                self.word("ASC");
            }
            let mut nulls_last = None;
            if self.word("NULLS") {
                nulls_last = Some(self.word("LAST"));
                if nulls_last == Some(false) {
                    self.expect_word("FIRST")?;
                }
            }
            order.push(Order { path, descending, nulls_last });
            if !self.sign(",") {
                return Ok(order);
            }
        }
    }

    fn number(&mut self) -> Result<usize, Problem> {
        let number = match self.peek() {
            Token::Literal(text) => text.parse().ok(),
            _ => None,
        };
        let number = number.ok_or_else(|| self.unexpected())?;
        self.take();
        Ok(number)
    }

    /// AND and OR cannot be mixed without parentheses. Salesforce refuses that too.
    fn condition(&mut self) -> Result<Condition, Problem> {
        let first = self.term()?;
        for (word, make) in [("AND", Condition::And as fn(_) -> _), ("OR", Condition::Or as fn(_) -> _)] {
            if !self.is_word(word) {
                continue;
            }
            let mut all = vec![first];
            while self.word(word) {
                all.push(self.term()?);
            }
            if self.is_word("AND") || self.is_word("OR") {
                return Err(self.unexpected());
            }
            return Ok(make(all));
        }
        Ok(first)
    }

    /// One level down. The depth is limited because each level uses stack.
    fn term(&mut self) -> Result<Condition, Problem> {
        const DEEPEST: usize = 64;
        if self.depth >= DEEPEST {
            return Err(malformed("the query is nested too deeply"));
        }
        self.depth += 1;
        let term = self.inner_term();
        self.depth -= 1;
        term
    }

    fn inner_term(&mut self) -> Result<Condition, Problem> {
        if self.word("NOT") {
            return Ok(Condition::Not(Box::new(self.term()?)));
        }
        if self.sign("(") {
            let inner = self.condition()?;
            self.expect_sign(")")?;
            return Ok(inner);
        }
        let path = self.path()?;
        let negated = self.word("NOT");
        if self.word("IN") {
            return self.membership(path, negated);
        }
        if negated {
            return Err(self.unexpected());
        }
        if self.word("LIKE") {
            let Token::Text(pattern) = self.peek().clone() else { return Err(self.unexpected()) };
            self.take();
            return Ok(Condition::Like(path, pattern));
        }
        let comparison = self.comparison()?;
        Ok(Condition::Compare(path, comparison, self.operand()?))
    }

    fn membership(&mut self, path: Path, negated: bool) -> Result<Condition, Problem> {
        self.expect_sign("(")?;
        if self.is_word("SELECT") {
            let query = Box::new(self.query()?);
            self.expect_sign(")")?;
            return Ok(Condition::InQuery { path, negated, query });
        }
        let mut list = vec![self.operand()?];
        while self.sign(",") {
            list.push(self.operand()?);
        }
        self.expect_sign(")")?;
        Ok(Condition::In { path, negated, list })
    }

    fn comparison(&mut self) -> Result<Comparison, Problem> {
        let comparison = match self.peek() {
            Token::Sign("=") => Comparison::Equal,
            Token::Sign("!=" | "<>") => Comparison::NotEqual,
            Token::Sign("<") => Comparison::Less,
            Token::Sign(">") => Comparison::Greater,
            Token::Sign("<=") => Comparison::LessOrEqual,
            Token::Sign(">=") => Comparison::GreaterOrEqual,
            _ => return Err(self.unexpected()),
        };
        self.take();
        Ok(comparison)
    }

    fn operand(&mut self) -> Result<Operand, Problem> {
        let operand = match self.peek().clone() {
            Token::Text(raw) => Operand::Text(raw),
            Token::Literal(text) => Operand::Literal(text),
            Token::Word(word) => match word.to_uppercase().as_str() {
                "NULL" => Operand::Null,
                "TRUE" => Operand::Bool(true),
                "FALSE" => Operand::Bool(false),
                day @ ("TODAY" | "YESTERDAY" | "TOMORROW" | "LAST_N_DAYS") => {
                    Operand::Day(day.to_owned(), None)
                }
                _ => return Err(self.unexpected()),
            },
            _ => return Err(self.unexpected()),
        };
        self.take();
        match operand {
            Operand::Day(name, _) if name == "LAST_N_DAYS" => {
                self.expect_sign(":")?;
                let days = i64::try_from(self.number()?).unwrap_or(i64::MAX);
                Ok(Operand::Day(name, Some(days)))
            }
            other => Ok(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Reference, section 5: invalid SOQL gets an answer, whatever the text.
        #[test]
        fn any_text_is_parsed_or_refused(text in "\\PC*") {
            let _ = parse(&text);
        }

        #[test]
        fn any_row_of_words_is_parsed_or_refused(
            words in prop::collection::vec(
                prop::sample::select(vec![
                    "SELECT", "FROM", "WHERE", "Id", "Case", "(", ")", ",", "AND", "OR", "NOT", "IN", "LIKE", "'x'",
                    "=", "!=", "5", "null", "count", "ORDER", "BY", "LIMIT", "2020-01-01T00:00:00Z",
                ]),
                0..30,
            )
        ) {
            let _ = parse(&words.join(" "));
        }
    }

    #[test]
    fn nesting_has_an_end() {
        let deep = format!("SELECT Id FROM Case WHERE {}Id = null{}", "(".repeat(5000), ")".repeat(5000));
        assert_eq!(parse(&deep).unwrap_err().code, "MALFORMED_QUERY");
        let deep = format!("SELECT {}Id FROM Case", "(SELECT ".repeat(5000));
        assert!(parse(&deep).is_err());
    }
}
