//! Finds feedback by what an operator has in hand: a response's id, a Case's number or id, an address, or the number of
//! an event or action.

use serde::Serialize;

use crate::decide::{Link, hash64};
use crate::goodays::ResponseId;
use crate::salesforce::RecordId;
use crate::state::{RKey, StoreError};
use crate::workers::{Shared, Stop};

/// One found feedback.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Found {
    pub response_id: String,
    pub case_number: Option<String>,
    pub case_id: Option<String>,
}

impl Found {
    fn of(link: &Link) -> Self {
        let case = link.case.as_ref();
        Self {
            response_id: link.response_id.to_string(),
            case_number: case.and_then(|case| case.number.clone()),
            case_id: case.map(|case| case.id.to_string()),
        }
    }

    fn unlinked(response: &ResponseId) -> Self {
        Self { response_id: response.to_string(), case_number: None, case_id: None }
    }
}

impl Shared {
    /// The feedback that the text names. An address is compared by its hash and not kept. The number of a Case that the
    /// ledger does not have is asked of Salesforce.
    pub async fn find_feedback(&self, text: &str) -> Result<Vec<Found>, Stop> {
        let text = text.trim();
        if text.contains('@') {
            let links = self.store.links_of_customer(hash64(&text.to_lowercase())).await?;
            return Ok(links.iter().map(Found::of).collect());
        }
        if let Some(found) = self.find_by_id(text).await? {
            return Ok(vec![found]);
        }
        let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let case = match RecordId::new(text) {
            Some(id) => Some(id),
            None if is_number => self.case_named(text).await?,
            None => None,
        };
        let links = match case {
            Some(id) => self.store.links_of_case(&id).await?,
            None => Vec::new(),
        };
        Ok(links.iter().map(Found::of).collect())
    }

    /// By the id of a response, or by the number of an event (`e12`) or an action (`a7`).
    async fn find_by_id(&self, text: &str) -> Result<Option<Found>, StoreError> {
        if let Ok(response) = ResponseId::new(text)
            && let Some(found) = self.find_response(&response).await?
        {
            return Ok(Some(found));
        }
        let number = text.get(1..).and_then(|number| number.parse().ok());
        let response = match (text.as_bytes().first(), number) {
            (Some(b'e'), Some(seq)) => self.store.entry(seq).await?.and_then(|entry| entry.response_id),
            (Some(b'a'), Some(seq)) => self.store.intent(seq).await?.map(|intent| intent.response_id),
            _ => None,
        };
        match response {
            Some(response) => self.find_response(&response).await,
            None => Ok(None),
        }
    }

    async fn find_response(&self, response: &ResponseId) -> Result<Option<Found>, StoreError> {
        let rkey = RKey::of(response);
        if let Some(link) = self.store.link(rkey).await? {
            return Ok(Some(Found::of(&link)));
        }
        let is_known = !self.store.entries_of(rkey, 1).await?.is_empty();
        Ok(is_known.then(|| Found::unlinked(response)))
    }
}
