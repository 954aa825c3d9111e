//! The documented conversation end to end, over real HTTP: `goodays-salesforce demo`.

pub mod stage;
mod story;
mod transcript;

use clap::ValueEnum;

use crate::out::say;
use crate::sim::wire::{Act, Fault};
use stage::{SECRET, Stage, Tuning};
use transcript::Transcript;

/// The line of connector.yaml with which the story's public replies can be taken back.
pub const UNDO: &str = "undo: { reply: 2500ms }\n";

/// One thing that is broken on purpose; the demo has to notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Spoil {
    /// Goodays says that it took the reply, and throws it away.
    Reply,
    /// The customer's message never becomes a comment.
    Comment,
    /// Goodays says that it closed the feedback, and does not.
    Close,
}

/// Plays the story. The exit code is 0 only if both sides end up as the story expects.
pub async fn run(keep: bool, spoil: Option<Spoil>) -> anyhow::Result<u8> {
    let mut stage = Stage::start(Tuning { goodays: UNDO.to_owned(), ..Tuning::default() }).await?;
    if let Some(spoil) = spoil {
        break_on_purpose(&stage, spoil);
    }
    let mut transcript = Transcript::new(&stage);
    let told = story::play(&stage, &mut transcript).await;
    transcript.both_sides(&stage);
    transcript.counts(&stage);
    let code = match &told {
        Ok(()) => {
            say!("\nBoth sides agree with the story.");
            0
        }
        Err(difference) => {
            say!("\nThe story broke: {difference:#}");
            1
        }
    };
    if keep {
        kept(&stage).await?;
    }
    stage.stop_daemon().await;
    Ok(code)
}

/// Plays the story with the caller's own stage, for tests with other assumptions.
pub async fn tell(stage: &Stage) -> anyhow::Result<()> {
    story::play(stage, &mut Transcript::new(stage)).await
}

fn break_on_purpose(stage: &Stage, spoil: Spoil) {
    let pretend = |path: &str| {
        let act = Act::Answer {
            status: 200,
            body: "{}".to_owned(),
            content_type: Some("application/json".to_owned()),
            headers: std::collections::BTreeMap::default(),
        };
        stage.goodays.wire().fault(Fault {
            times: None,
            method: Some("PUT".to_owned()),
            ..Fault::once(path, act)
        });
    };
    match spoil {
        Spoil::Reply => pretend("/reply"),
        Spoil::Close => pretend("/close"),
        // The simulator resets every call that carries the comment, so it never reaches Salesforce.
        Spoil::Comment => {
            let act = Act::ResetBefore;
            let fault = Fault {
                times: None,
                body_contains: Some(story::PROMOTION.to_owned()),
                ..Fault::once("/composite/graph", act)
            };
            stage.salesforce.wire().fault(fault);
        }
    }
}

/// Leaves everything running and prints how to send more feedback.
async fn kept(stage: &Stage) -> anyhow::Result<()> {
    let id = format!("own{}", std::process::id());
    let body = format!(
        r#"{{"event_type":"response","response":{{"id":"{id}","created_date":"2026-01-05T10:20:39+01:00","source":"email","answers":[],"message":{{"id":"{id}m","created_date":"2026-01-05T10:20:39+01:00","type":"Question","content":"Hello from the command line","attachment":null,"sender":{{"email":"me@example.com","first_name":"Me","last_name":"Myself"}}}},"reply":null,"user":{{"email":"me@example.com","first_name":"Me","last_name":"Myself"}},"context":{{}},"place":{{"id":"p1","partner_id":"1234","name":"place name"}},"delegated_to":null,"attached_messages":[],"state":"open","actions":{{"reply":"","spam":"","close":"","call":""}},"alert_triggered":false}}}}"#
    );
    let signature = crate::goodays::signature::sign(body.as_bytes(), &SECRET.into());
    say!("\nEverything stays up:");
    say!("  webhook     http://{}/webhooks/goodays   secret {SECRET}", stage.webhook_addr());
    say!("  admin       http://{}/status", stage.app().doors.admin_addr());
    say!("  Salesforce  {}/__sim/records/Case", stage.salesforce.url());
    say!("  Goodays     {}", stage.goodays.url());
    say!("\nSend one more feedback:");
    say!(
        "  curl -sS http://{}/webhooks/goodays -H 'Content-Type: application/json' -H 'X-HMAC-SHA256: {signature}' --data-binary '{body}'",
        stage.webhook_addr()
    );
    say!("\nCtrl-C ends.");
    tokio::signal::ctrl_c().await?;
    Ok(())
}
