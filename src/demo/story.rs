//! The story: the conversation of the documentation, then each other way in which a return is processed.

use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::{Value, json};

use super::stage::{Stage, until};
use super::transcript::Transcript;
use crate::sim::goodays::Feedback;
use crate::sim::wire::{Act, Fault};

/// How long each side may take for one step.
const PATIENCE: Duration = Duration::from_secs(15);
const AGENT: &str = "jennifer.parker@brand.example";
const ASK_BACK: &str = "Dear Customer, thank you for your feedback. We are sorry for the inconvenience. What information you were looking for? Regards,";
pub const PROMOTION: &str =
    "I need more information about your current backpack promotion: how long does it last?";
const LASTS: &str = "Dear customer, thank you for your interest in our range of backpacks: our promotion lasts until 19/03/2020. We hope to see you soon in our shop! Regards,";
const CONSIDERED: &str = "Dear customer, thank you for telling us. Regards,";
const RESERVED: &str = "Dear customer, we have put your size aside. Regards,";
/// Longer than the demo's `settle`.
const LATE_MS: u64 = 2500;

pub async fn play(stage: &Stage, t: &mut Transcript) -> anyhow::Result<()> {
    conversation(stage, t).await.context("the conversation")?;
    phone(stage, t).await.context("the feedback handled by phone")?;
    delegated(stage, t).await.context("the delegated feedback")?;
    closed(stage, t).await.context("the feedback closed without answer")?;
    spam(stage, t).await.context("the spam")?;
    google(stage, t).await.context("the Google review")?;
    buttons(stage, t).await.context("the answer with a button")?;
    late(stage, t).await.context("the answer that is shown late")?;
    nothing_parked(stage).await
}

/// A response, its reply, a private message, the answer to it, and thanks.
async fn conversation(stage: &Stage, t: &mut Transcript) -> anyhow::Result<()> {
    let feedback = Feedback {
        content: Some("The seller needs to respond in a timely manner and respond to my needs.".to_owned()),
        email: Some("chester.copperpot@example.com".to_owned()),
        ..Feedback::default()
    };
    let (id, case) = arrives(stage, t, feedback, "conversation").await?;
    answers(stage, t, &id, &case, ASK_BACK, "reply").await?;
    stage.goodays.customer_writes(&id, PROMOTION).map_err(anyhow::Error::msg)?;
    t.act("customer", "writes a private message");
    comment_with(stage, t, &case, PROMOTION).await?;
    status_is(stage, t, &id, "Customer Replied").await?;
    answers(stage, t, &id, &case, LASTS, "message").await?;
    stage.goodays.customer_writes(&id, "Thank you! See you soon 😊").map_err(anyhow::Error::msg)?;
    t.act("customer", "says thanks");
    comment_with(stage, t, &case, "Thank you! See you soon 😊").await?;
    let received = stage.goodays.received_by_customer(&id);
    if received.len() != 2 {
        bail!("the customer received {} texts instead of 2", received.len());
    }
    Ok(())
}

async fn phone(stage: &Stage, t: &mut Transcript) -> anyhow::Result<()> {
    let (id, case) = arrives(stage, t, Feedback::default(), "handled by phone").await?;
    let fields = json!({ "Status": "Closed by phone", "Goodays_Call_Note__c": "It was a misunderstanding.", "Goodays_Call_Rating__c": 5 });
    changes(stage, t, &case, fields, "closes the Case by phone, with a note and a rating")?;
    let done = processed(stage, t, &id, "call").await?;
    if done["rating"] != json!(5) || done["note"] != json!("It was a misunderstanding.") {
        bail!("note or rating did not travel: {done}");
    }
    show_conversation(stage, t, &id, "sent").await
}

async fn delegated(stage: &Stage, t: &mut Transcript) -> anyhow::Result<()> {
    let (id, case) = arrives(stage, t, Feedback::default(), "delegated by the store").await?;
    stage.goodays.store_delegates(&id).map_err(anyhow::Error::msg)?;
    t.act("store", "delegates it to customer service");
    answers(stage, t, &id, &case, "Customer service here: we look into it.", "reply").await
}

async fn closed(stage: &Stage, t: &mut Transcript) -> anyhow::Result<()> {
    let (id, case) = arrives(stage, t, Feedback::default(), "closed without answer").await?;
    changes(stage, t, &case, json!({ "Status": "Closed" }), "closes the Case without an answer")?;
    processed(stage, t, &id, "close").await?;
    show_conversation(stage, t, &id, "sent").await
}

async fn spam(stage: &Stage, t: &mut Transcript) -> anyhow::Result<()> {
    let feedback = Feedback { content: Some("Buy cheap watches!!!".to_owned()), ..Feedback::default() };
    let (id, case) = arrives(stage, t, feedback, "spam").await?;
    changes(stage, t, &case, json!({ "Status": "Spam" }), "marks the Case as spam")?;
    processed(stage, t, &id, "spam").await?;
    show_conversation(stage, t, &id, "sent").await
}

async fn google(stage: &Stage, t: &mut Transcript) -> anyhow::Result<()> {
    let feedback = Feedback {
        content: Some("Great shop, long queue.".to_owned()),
        source: "google".to_owned(),
        ..Feedback::default()
    };
    let (id, case) = arrives(stage, t, feedback, "Google review").await?;
    changes(
        stage,
        t,
        &case,
        json!({ "Goodays_Remark_Type__c": "Praise" }),
        "chooses the remark type Praise",
    )?;
    answers(stage, t, &id, &case, "Thank you for your review!", "reply").await?;
    let reply = processed(stage, t, &id, "reply").await?;
    if reply["remark_type"] != json!("Praise") {
        bail!("the reply carries no remark type: {reply}");
    }
    Ok(())
}

/// An answer with the button on the Case, taken back in time, then given again.
async fn buttons(stage: &Stage, t: &mut Transcript) -> anyhow::Result<()> {
    let (id, case) = arrives(stage, t, Feedback::default(), "answered with a button").await?;
    let press = |words: &str| json!({ "Goodays_Command__c": "answer", "Goodays_Answer__c": words });
    changes(stage, t, &case, press("Written too fast."), "presses \"Answer the customer\"")?;
    show_conversation(stage, t, &id, "waiting").await?;
    let why = stage.salesforce.case_by_key(&id).unwrap_or_default()["Goodays_Sync_Error__c"].clone();
    t.act("agent", &format!("reads: {}", why.as_str().unwrap_or_default()));
    changes(stage, t, &case, json!({ "Goodays_Command__c": null }), "takes it back")?;
    show_conversation(stage, t, &id, "nothing_to_send").await?;
    changes(stage, t, &case, press(CONSIDERED), "presses it again, with better words")?;
    show_conversation(stage, t, &id, "sent").await?;
    let received = stage.goodays.received_by_customer(&id);
    if received.len() != 1 || received[0]["content"] != json!(CONSIDERED) {
        bail!("the customer received {received:?} instead of the better words alone");
    }
    t.act("customer", "received the better words, and nothing else");
    comment_with(stage, t, &case, CONSIDERED).await?;
    let left = stage.salesforce.case_by_key(&id).unwrap_or_default();
    if !left["Goodays_Command__c"].is_null() || !left["Goodays_Answer__c"].is_null() {
        bail!("the command was not emptied");
    }
    Ok(())
}

/// The connection is cut after the answer, and Goodays shows the answer late. Until then its outcome is unknown.
async fn late(stage: &Stage, t: &mut Transcript) -> anyhow::Result<()> {
    let (id, case) = arrives(stage, t, Feedback::default(), "answer shown late").await?;
    stage.goodays.set_switches(|switches| switches.visible_after_ms = LATE_MS);
    let cut = Fault { method: Some("PUT".to_owned()), ..Fault::once("/reply", Act::ResetAfter) };
    stage.goodays.wire().fault(cut);
    stage.salesforce.agent_comments(&case, RESERVED, true, AGENT).map_err(anyhow::Error::msg)?;
    t.act("agent", "publishes a comment on the Case; the line is cut behind it, and Goodays shows it late");
    // An event about the answer may settle the outcome earlier.
    let read = || {
        let status = stage.salesforce.case_by_key(&id)?["Goodays_Sync_Status__c"].clone();
        status.as_str().filter(|status| !status.is_empty() && *status != "waiting").map(str::to_owned)
    };
    let first = until(PATIENCE, read).await.context("the Case says nothing about the answer")?;
    t.wire(stage);
    t.act("agent", &format!("reads on the Case: {first}"));
    if first != "unclear" && first != "sent" {
        bail!("the Case says \"{first}\" about an answer that arrived");
    }
    show_conversation(stage, t, &id, "sent").await?;
    stage.goodays.set_switches(|switches| switches.visible_after_ms = 0);
    let received = stage.goodays.received_by_customer(&id);
    if received.len() != 1 || received[0]["content"] != json!(RESERVED) {
        bail!("the customer received {received:?} instead of the answer, once");
    }
    t.act("customer", "received it once, as reply");
    Ok(())
}

/// A customer leaves feedback; it becomes a Case.
async fn arrives(
    stage: &Stage,
    t: &mut Transcript,
    feedback: Feedback,
    title: &'static str,
) -> anyhow::Result<(String, String)> {
    let words = feedback.content.clone().unwrap_or_default();
    let id = stage.goodays.customer_leaves(feedback);
    t.responses.push((id.clone(), title));
    t.act("customer", &format!("leaves feedback {id} ({title})"));
    let case = until(PATIENCE, || stage.salesforce.case_by_key(&id))
        .await
        .with_context(|| format!("feedback {id} did not become a Case"))?;
    t.wire(stage);
    let number = case["CaseNumber"].as_str().unwrap_or_default();
    t.act(
        "Salesforce",
        &format!("has Case {number}, status {}", case["Status"].as_str().unwrap_or_default()),
    );
    if !case["Description"].as_str().unwrap_or_default().contains(&words) {
        bail!("the Case does not hold the customer's words");
    }
    Ok((id, case["Id"].as_str().unwrap_or_default().to_owned()))
}

/// The agent publishes a comment. The customer gets it, once.
async fn answers(
    stage: &Stage,
    t: &mut Transcript,
    id: &str,
    case: &str,
    words: &str,
    kind: &str,
) -> anyhow::Result<()> {
    let before = stage.goodays.received_by_customer(id).len();
    stage.salesforce.agent_comments(case, words, true, AGENT).map_err(anyhow::Error::msg)?;
    t.act("agent", "publishes a comment on the Case");
    let got = until(PATIENCE, || stage.goodays.received_by_customer(id).get(before).cloned())
        .await
        .with_context(|| format!("the customer never received the {kind}"))?;
    t.wire(stage);
    if got["kind"] != json!(kind) || got["content"] != json!(words) {
        bail!("the customer received something else: {got}");
    }
    t.act("customer", &format!("receives it as {kind}"));
    show_conversation(stage, t, id, "sent").await
}

fn changes(stage: &Stage, t: &mut Transcript, case: &str, fields: Value, what: &str) -> anyhow::Result<()> {
    stage.salesforce.agent_updates_case(case, fields, AGENT).map_err(anyhow::Error::msg)?;
    t.act("agent", what);
    Ok(())
}

/// Waits until the response was processed with this action.
async fn processed(stage: &Stage, t: &mut Transcript, id: &str, action: &str) -> anyhow::Result<Value> {
    let find = || stage.goodays.processed(id).into_iter().find(|p| p["action"] == json!(action));
    let done =
        until(PATIENCE, find).await.with_context(|| format!("Goodays never saw the {action} of {id}"))?;
    t.wire(stage);
    t.act("Goodays", &format!("has {id} processed by {action}"));
    Ok(done)
}

/// Waits until the Case shows the agent the outcome.
async fn show_conversation(stage: &Stage, t: &mut Transcript, id: &str, words: &str) -> anyhow::Result<()> {
    let says = || {
        let case = stage.salesforce.case_by_key(id)?;
        (case["Goodays_Sync_Status__c"] == json!(words)).then_some(())
    };
    until(PATIENCE, says).await.with_context(|| format!("the Case does not say \"{words}\""))?;
    t.wire(stage);
    t.act("agent", &format!("reads on the Case: {words}"));
    Ok(())
}

async fn comment_with(stage: &Stage, t: &mut Transcript, case: &str, words: &str) -> anyhow::Result<()> {
    let has = || {
        let comments = stage.salesforce.comments_of(case);
        comments.iter().any(|c| c["CommentBody"].as_str().is_some_and(|b| b.contains(words))).then_some(())
    };
    until(PATIENCE, has).await.context("the customer's message is no comment of the Case")?;
    t.wire(stage);
    t.act("Salesforce", "has it as a comment on the same Case");
    Ok(())
}

async fn status_is(stage: &Stage, t: &mut Transcript, id: &str, status: &str) -> anyhow::Result<()> {
    let is = || (stage.salesforce.case_by_key(id)?["Status"] == json!(status)).then_some(());
    until(PATIENCE, is).await.with_context(|| format!("the Case's status is not {status}"))?;
    t.act("Salesforce", &format!("shows status {status}: the Case asks for attention again"));
    Ok(())
}

async fn nothing_parked(stage: &Stage) -> anyhow::Result<()> {
    let parked = stage.app().shared.parked(10).await?;
    match parked.first() {
        None => Ok(()),
        Some(item) => bail!("{} is parked: {}", item.id, item.reason),
    }
}
