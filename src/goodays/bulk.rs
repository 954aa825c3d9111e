//! The bulk list of Goodays: responses by creation date, page by page (Goodays reference, 4).

use std::fmt;

use jiff::{Timestamp, ToSpan};
use serde_json::Value;
use url::Url;

use super::ResponseId;
use super::answer::list;
use super::client::{Client, SIZE};
use super::cut_page;
use crate::http::Failure;

/// Items per page of the bulk list, at most. Each item contains its whole conversation.
pub const BULK_PAGE: usize = 100;

/// The path of the bulk list.
const BULK: [&str; 2] = ["responses", "bulk"];

/// One page of the bulk list. `Debug` shows no items.
#[derive(Clone, PartialEq)]
pub struct Page {
    pub items: Vec<Value>,
    pub next: Option<Url>,
}

/// What stands behind an item that is too large to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedItem {
    /// Its id, if it is among the first bytes.
    pub id: Option<String>,
    pub next: Option<Url>,
}

/// Which page of the bulk list: by creation date, or the one that the page before named.
#[derive(Debug, Clone)]
pub struct BulkQuery {
    pub since: Timestamp,
    pub until: Option<Timestamp>,
    pub page: Option<Url>,
    /// Items per page.
    pub size: usize,
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Page").field("items", &self.items.len()).field("next", &self.next.is_some()).finish()
    }
}

impl Client {
    /// A page of responses by creation date.
    pub async fn bulk(&self, query: &BulkQuery) -> Result<Page, Failure> {
        let url = self.bulk_url(query)?;
        let value = self.get(url).await?;
        Ok(Page { items: list(&value)?.to_vec(), next: self.next(&value, &BULK)? })
    }

    /// The page behind this one, whose only item is too large to read: its beginning names the next page. Fails if it does
    /// not.
    pub async fn behind(&self, query: &BulkQuery) -> Result<SkippedItem, Failure> {
        let cut = cut_page::read(&self.beginning(self.bulk_url(query)?).await?);
        let next = cut.next.ok_or_else(|| {
            Failure::TooLarge("a response too large to read, and no word of the page behind it".to_owned())
        })?;
        let next = self.next(&serde_json::json!({ "next": next }), &BULK)?;
        Ok(SkippedItem { id: cut.id, next })
    }

    /// Query times are UTC without a zone (Goodays reference, 4.4).
    fn bulk_url(&self, query: &BulkQuery) -> Result<Url, Failure> {
        let mut url = self.url(&BULK)?;
        if let Some(page) = &query.page {
            url.set_query(page.query().map(|cursor| sized(cursor, query.size)).as_deref());
            return Ok(url);
        }
        let mut pairs = url.query_pairs_mut();
        pairs.append_pair("start_date", &query_time(query.since));
        pairs.append_pair(SIZE, &query.size.to_string());
        if let Some(until) = query.until {
            // Query times have whole seconds, and it is unknown if the bound is inclusive: one second more
            // (reference, 6).
            pairs.append_pair("end_date", &query_time(until + 1.second()));
        }
        drop(pairs);
        Ok(url)
    }

    /// Whether Goodays answers about other responses. If not, a refusal may come from a proxy and not from Goodays.
    pub async fn is_well(&self) -> Result<(), Failure> {
        self.some_listed("1").await.map(drop)
    }

    /// Whether Goodays shows any response but this one. If it shows none of those that there are (`others`), or refuses one
    /// that it lists, a refusal of this one says nothing about it. A list of nothing else leaves that open.
    pub async fn shows_others(&self, refused: &ResponseId, others: bool) -> Result<(), Failure> {
        let Some(listed) = self.some_listed("2").await? else { return Ok(()) };
        if listed.is_empty() && others {
            return Err(Failure::Road("no response is shown any more".to_owned()));
        }
        let others = listed.iter().filter_map(|item| ResponseId::new(item.get("id")?.as_str()?).ok());
        let Some(other) = others.into_iter().find(|other| other != refused) else { return Ok(()) };
        match self.get(self.url(&["responses", other.as_str()])?).await {
            Err(Failure::Refused { status, .. }) => {
                Err(Failure::Road(format!("status {status} for a response that is listed")))
            }
            Err(Failure::TooLarge(_)) => Ok(()),
            other => other.map(drop),
        }
    }

    /// The first items of the bulk list; none if they are too large to read, and then they are shown.
    async fn some_listed(&self, size: &str) -> Result<Option<Vec<Value>>, Failure> {
        let mut url = self.url(&BULK)?;
        url.query_pairs_mut().append_pair(SIZE, size);
        match self.get(url).await {
            // Goodays refuses every request, so the refusal says nothing about one response.
            Err(Failure::Refused { status, .. }) => {
                Err(Failure::Road(format!("status {status} for every response")))
            }
            // What is listed cannot be read, and Goodays answers.
            Err(Failure::TooLarge(_)) => Ok(None),
            other => Ok(Some(list(&other?)?.to_vec())),
        }
    }
}

/// The query of a next page with pages of this size. Its cursor is a place between items and fits any size. A query that
/// names no size stays as it is while pages have their full size.
fn sized(query: &str, size: usize) -> String {
    let parameter = format!("{SIZE}=");
    let (mut pieces, mut named) = (Vec::new(), false);
    for piece in query.split('&') {
        let is_size = piece.starts_with(&parameter);
        named |= is_size;
        pieces.push(if is_size { format!("{parameter}{size}") } else { piece.to_owned() });
    }
    if !named && size < BULK_PAGE {
        pieces.push(format!("{parameter}{size}"));
    }
    pieces.join("&")
}

fn query_time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::super::client::tests::client;
    use super::*;
    use crate::http::script::{json, serve};

    fn wanted(since: Timestamp, until: Option<Timestamp>, page: Option<Url>) -> BulkQuery {
        BulkQuery { since, until, page, size: BULK_PAGE }
    }

    #[tokio::test]
    async fn pages_are_followed_on_our_own_host_and_path() {
        let script = serve(vec![
            json(200, r#"{"next":"URL/api/v2/responses/bulk?cursor=a%3D","results":[{"id":"1"}]}"#),
            json(200, r#"{"next":null,"results":[]}"#),
            json(200, r#"{"next":"https://evil.example/v2/responses/bulk?cursor=a","results":[]}"#),
            json(200, r#"{"detail":"?"}"#),
            json(200, r#"{"next":2,"results":[]}"#),
            json(200, r#"{"next":{"cursor":"x"},"results":[]}"#),
            json(200, r#"{"next":true,"results":[]}"#),
        ])
        .await;
        let client = client(&script);
        let since: Timestamp = "2018-07-10T02:00:00.5+02:00".parse().unwrap();
        let first = client.bulk(&wanted(since, Some(since), None)).await.unwrap();
        assert_eq!(first.items.len(), 1);
        assert_eq!(client.bulk(&wanted(since, None, first.next)).await.unwrap().next, None);
        // The token goes to our own host, whatever host the list names.
        let own = client.bulk(&wanted(since, None, None)).await.unwrap().next.unwrap();
        assert_eq!((own.host_str(), own.query()), (Some("127.0.0.1"), Some("cursor=a")));
        assert!(matches!(client.bulk(&wanted(since, None, None)).await, Err(Failure::Road(_))));
        for _ in 0..3 {
            assert!(matches!(client.bulk(&wanted(since, None, None)).await, Err(Failure::NoAnswer(_))));
        }
        let asked = script.asked();
        assert!(
            asked[0].starts_with(
                "GET /v2/responses/bulk?start_date=2018-07-10T00%3A00%3A00&page_size=100&end_date=2018-07-10T00%3A00%3A01 "
            ),
            "{}",
            asked[0]
        );
        assert!(asked[1].starts_with("GET /v2/responses/bulk?cursor=a%3D "), "{}", asked[1]);
    }

    /// It is whole, and one value in it cannot be read: less may be.
    #[tokio::test]
    async fn a_value_that_cannot_be_read_is_not_a_cut() {
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        let bodies = [
            format!(r#"{{"results":[{{"id":"1","more":{deep}}}]}}"#),
            r#"[{"n":1e999}]"#.to_owned(),
            "[NaN]\n".into(),
        ];
        let cut = [r#"{"results":[{"id":"1","#, "<html></html>", "", "null", r#""{"#];
        let answers = bodies.iter().map(String::as_str).chain(cut).map(|body| json(200, body));
        let script = serve(answers.collect()).await;
        let (client, since) = (client(&script), Timestamp::UNIX_EPOCH);
        for body in &bodies {
            assert!(
                matches!(client.bulk(&wanted(since, None, None)).await, Err(Failure::TooLarge(_))),
                "{body}"
            );
        }
        for body in cut {
            let failed = client.bulk(&wanted(since, None, None)).await.unwrap_err();
            assert!(matches!(failed, Failure::NoAnswer(_) | Failure::Road(_)), "{body}: {failed}");
        }
    }

    #[test]
    fn a_next_page_has_the_size_that_is_wanted() {
        let table = [
            ("cursor=a%3D", 100, "cursor=a%3D"),
            ("cursor=a%3D", 50, "cursor=a%3D&page_size=50"),
            ("cursor=a%3D&page_size=100&start_date=x", 25, "cursor=a%3D&page_size=25&start_date=x"),
            ("page_size=1&cursor=a", 2, "page_size=2&cursor=a"),
        ];
        for (query, size, expected) in table {
            assert_eq!(sized(query, size), expected);
        }
    }
}
