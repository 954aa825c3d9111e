//! Messages in the form of their destination, sent from a short queue.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::watch::Told;
use crate::config::{Alert, Config, Destination};
use crate::messages::Words;
use crate::workers::{Process, supervised};

/// How long a destination may take.
const TIME_LIMIT: Duration = Duration::from_secs(10);
/// Messages that wait for a destination; what comes then is left out.
const QUEUE: usize = 32;
/// How often a message is tried that its destination refuses. One that cannot be reached is tried until it can: what is
/// told once must not be lost with the network.
const TRIES: u32 = 5;
/// The pause before the second time. It doubles, up to the longest.
const PAUSE: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(300);

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Of the finding; stable.
    pub code: String,
    pub over: bool,
    pub text: String,
    /// Since when it is so, or was so (milliseconds).
    pub since_ms: i64,
}

/// The queue of one destination.
pub struct Sender {
    queue: mpsc::Sender<(Message, Told)>,
}

/// What a destination has taken; its place in connector.yaml.
pub type Taken = (usize, Told);

impl Sender {
    /// Starts the task that sends, and says what was taken. It ends with the token.
    pub fn start(
        place: usize,
        alert: &Alert,
        acks: mpsc::Sender<Taken>,
        process: &Arc<Process>,
        token: &CancellationToken,
    ) -> Self {
        let (queue, mut waiting) = mpsc::channel::<(Message, Told)>(QUEUE);
        let to = To { alert: alert.clone(), place, process: Arc::clone(process) };
        let sending = async move {
            let client = crate::http::client(TIME_LIMIT);
            while let Some((message, told)) = waiting.recv().await {
                if deliver(&client, &to, &message).await {
                    let _ = acks.send((place, told)).await;
                }
            }
        };
        let sending = token.clone().run_until_cancelled_owned(sending);
        tokio::spawn(supervised("an alert's destination", process.clone(), token.clone(), sending));
        Self { queue }
    }

    /// Queues a message. Never waits.
    pub fn send(&self, message: Message, told: Told) {
        let code = told.code.clone();
        if self.queue.try_send((message, told)).is_err() {
            warn!(code, "an alert is left out: its destination has not taken the ones before");
        }
    }
}

/// A destination of the running process.
struct To {
    alert: Alert,
    place: usize,
    process: Arc<Process>,
}

impl To {
    /// With the address that its file has now.
    fn now(&self) -> Alert {
        let addresses = self.process.secrets.alerts.load();
        let url = addresses.get(self.place).unwrap_or(&self.alert.url).clone();
        Alert { url, ..self.alert.clone() }
    }
}

/// Whether the destination has taken it.
async fn deliver(client: &reqwest::Client, to: &To, message: &Message) -> bool {
    let (mut pause, mut refused) = (PAUSE, 0);
    loop {
        match post(client, &to.now(), message).await {
            Ok(()) => {
                info!(code = %message.code, over = message.over, "an alert was sent");
                return true;
            }
            Err(failure) => {
                warn!(code = %message.code, why = failure.why, "an alert could not be sent");
                refused += u32::from(failure.is_refusal);
            }
        }
        if refused >= TRIES {
            warn!(code = %message.code, "an alert is given up: its destination refuses it; `alerts test` shows why");
            return false;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST);
    }
}

/// Why a message was not taken.
struct NotTaken {
    why: String,
    /// The destination was reached, and does not want it.
    is_refusal: bool,
}

/// Sends one message. The error never has the address, which is a secret.
async fn post(client: &reqwest::Client, alert: &Alert, message: &Message) -> Result<(), NotTaken> {
    let request = client.post(alert.url.expose_secret()).json(&body(alert, message));
    let away = |error: reqwest::Error| NotTaken { why: error.without_url().to_string(), is_refusal: false };
    let status = request.send().await.map_err(away)?.status();
    if status.is_success() {
        return Ok(());
    }
    let is_refusal = !status.is_server_error() && !matches!(status.as_u16(), 408 | 429);
    Err(NotTaken { why: format!("status {}", status.as_u16()), is_refusal })
}

fn body(alert: &Alert, message: &Message) -> Value {
    let link = alert.link.as_ref().map(ToString::to_string);
    let with_link = |text: String| match &link {
        Some(link) => format!("{text}\n{link}"),
        None => text,
    };
    match alert.to {
        // Slack reads `<`, `>` and `&` as marks.
        Destination::Slack => {
            let text = message.text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            json!({ "text": with_link(text) })
        }
        Destination::Teams => {
            let block = json!({ "type": "TextBlock", "text": with_link(message.text.clone()), "wrap": true });
            let card = json!({
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "body": [block],
            });
            let kind = "application/vnd.microsoft.card.adaptive";
            json!({ "type": "message", "attachments": [{ "contentType": kind, "content": card }] })
        }
        Destination::Webhook => json!({
            "program": "goodays-salesforce",
            "code": message.code,
            "over": message.over,
            "text": message.text,
            "since": Timestamp::from_millisecond(message.since_ms).ok().map(|at| at.to_string()),
            "link": link,
        }),
    }
}

/// Sends a test message to each destination: how each went, in the order of connector.yaml.
pub async fn test(config: &Config, now_ms: i64) -> Vec<(Destination, Result<(), String>)> {
    let client = crate::http::client(TIME_LIMIT);
    let text = config.messages.say(&Words::new("alert-test"));
    let message = Message { code: "test".to_owned(), over: false, text, since_ms: now_ms };
    let mut results = Vec::new();
    for alert in &config.alerts {
        let result = post(&client, alert, &message).await;
        results.push((alert.to, result.map_err(|failure| failure.why)));
    }
    results
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;

    fn said(to: Destination) -> Value {
        let alert = Alert {
            to,
            url: SecretString::from("https://hooks.example/secret"),
            on: Vec::new(),
            after: Duration::ZERO,
            link: Some("https://console.example/console".parse().unwrap()),
        };
        let text = "Salesforce is away <soon> & back".to_owned();
        body(&alert, &Message { code: "salesforce".to_owned(), over: false, text, since_ms: 0 })
    }

    #[test]
    fn each_destination_gets_its_own_form() {
        assert_eq!(
            said(Destination::Slack)["text"],
            "Salesforce is away &lt;soon&gt; &amp; back\nhttps://console.example/console"
        );
        let teams = said(Destination::Teams);
        let text = &teams["attachments"][0]["content"]["body"][0]["text"];
        assert_eq!(text, "Salesforce is away <soon> & back\nhttps://console.example/console");
        let own = said(Destination::Webhook);
        assert_eq!((&own["code"], &own["over"]), (&json!("salesforce"), &json!(false)));
        assert_eq!(own["link"], "https://console.example/console");
        for body in [Destination::Slack, Destination::Teams, Destination::Webhook].map(said) {
            assert!(!body.to_string().contains("secret"), "{body}");
        }
    }
}
