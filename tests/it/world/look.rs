//! Views of a world: the Case and its comments, what reached the customer, the requests.

use goodays_salesforce::operator::{IfUnclear, ItemId, Outcome, ParkedItem};
use goodays_salesforce::sim::wire::Seen;
use serde_json::Value;

use super::World;
use crate::now;

impl World {
    /// The Case of a response. Exactly one that is not deleted must exist.
    pub fn case(&self, id: &str) -> Value {
        let mut cases = self.cases(id);
        assert_eq!(cases.len(), 1, "Cases of {id}: {cases:#?}\n{}", now(self.dump()));
        cases.remove(0)
    }

    /// All Cases of a response that are not deleted.
    pub fn cases(&self, id: &str) -> Vec<Value> {
        let all = self.salesforce.records("Case").into_iter();
        all.filter(|c| c["IsDeleted"] == Value::Bool(false) && c["Goodays_Response_Id__c"] == *id).collect()
    }

    /// A field of the Case as text. Empty without a value.
    pub fn field(&self, id: &str, name: &str) -> String {
        text(&self.case(id)[name])
    }

    /// The comments of the Case in the order in which they were written.
    pub fn comments(&self, id: &str) -> Vec<String> {
        let case = text(&self.case(id)["Id"]);
        self.salesforce.comments_of(&case).iter().map(|c| text(&c["CommentBody"])).collect()
    }

    /// The comments without their first line (name and date).
    pub fn thread(&self, id: &str) -> Vec<String> {
        let words = |c: String| c.split_once(":\n").map_or(c.clone(), |(_, words)| words.to_owned());
        self.comments(id).into_iter().map(words).collect()
    }

    /// What reached the customer: kind and text.
    pub fn received(&self, id: &str) -> Vec<(String, String)> {
        let all = self.goodays.received_by_customer(id);
        all.iter().map(|m| (text(&m["kind"]), text(&m["content"]))).collect()
    }

    /// The actions that were applied at Goodays, by name.
    pub fn processed(&self, id: &str) -> Vec<String> {
        self.goodays.processed(id).iter().map(|p| text(&p["action"])).collect()
    }

    /// The actions that the daemon sent: verb and body.
    pub fn puts(&self, id: &str) -> Vec<(String, Value)> {
        let path = format!("/responses/{id}/");
        let sent = self.goodays.wire().requests().into_iter().filter(|r| r.method == "PUT");
        let decoded = |p: &str| percent_encoding::percent_decode_str(p).decode_utf8_lossy().into_owned();
        sent.filter_map(|r| {
            let (_, verb) = decoded(&r.path).split_once(&path).map(|(a, b)| (a.to_owned(), b.to_owned()))?;
            Some((verb, serde_json::from_str(&r.body).unwrap()))
        })
        .collect()
    }

    /// The outcome that the Case shows: status and reason.
    pub fn told(&self, id: &str) -> (String, String) {
        (self.field(id, "Goodays_Sync_Status__c"), self.field(id, "Goodays_Sync_Error__c"))
    }

    pub async fn parked(&self) -> Vec<ParkedItem> {
        self.app().shared.parked(1000).await.unwrap()
    }

    /// The only item that waits for a human.
    pub async fn the_parked(&self) -> ParkedItem {
        let mut parked = self.parked().await;
        assert_eq!(parked.len(), 1, "parked: {parked:#?}\n{}", self.dump().await);
        parked.remove(0)
    }

    pub async fn retry(&self, id: ItemId) -> Outcome {
        self.app().shared.retry(id, IfUnclear::Confirm).await.unwrap()
    }

    /// Requests to Salesforce that write, since the log was cleared.
    pub fn writes(&self) -> Vec<Seen> {
        let all = self.salesforce.wire().requests().into_iter();
        all.filter(|r| r.path.ends_with("/composite/graph")).collect()
    }

    /// The number of polls of Salesforce.
    pub fn polls(&self) -> usize {
        let all = self.salesforce.wire().requests().into_iter();
        all.filter(|r| r.path.ends_with("/composite")).count()
    }

    pub fn log(&self) -> String {
        self.log.text()
    }
}

pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}
