//! Options: the account at the start, and switches for what no public page says.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::clock::Clock;

/// The account that is simulated.
#[derive(Debug, Clone)]
pub struct Options {
    /// The only token that is accepted.
    pub token: String,
    pub clock: Clock,
    /// The same seed and the same actions give the same ids.
    pub seed: u64,
    /// The target of events. Without it they are only logged.
    pub webhook_url: Option<String>,
    /// Without a secret no signature header is sent (reference, 2.1).
    pub webhook_secret: Option<String>,
    pub switches: Switches,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            token: "goodays-simulator-token".to_owned(),
            clock: Clock::System,
            seed: 1,
            webhook_url: None,
            webhook_secret: None,
            switches: Switches::default(),
        }
    }
}

/// One switch for each assumption about Goodays. The defaults are those of the reference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is one open question of the reference's section 6")]
pub struct Switches {
    /// The API shows a message that was made through it only after this delay.
    pub visible_after_ms: u64,
    /// With a delay: the API shows the whole response in its former state, not only without the message.
    pub whole_response_late: bool,
    /// `message` is listed once there is a reply, not only when the customer wrote last.
    pub message_stays_allowed: bool,
    /// A new participation of the same customer ends the private exchange on the older ones.
    pub new_participation_ends: bool,
    /// The fourth event, `reply`, is sent when a colleague answers in the back office.
    pub reply_event: bool,
    /// With `reply_event`: also for answers that came through the API.
    pub reply_event_echo: bool,
    /// Texts come back with `&amp;`, `&#39;`...
    pub html_entities: bool,
    /// Texts are stored without blanks at both ends (as Django REST Framework does).
    pub trim_texts: bool,
    /// How stored texts are altered when they are shown.
    pub altered: Altered,
    /// How far the gateway's clock, which makes the header `Date`, is ahead of the one that dates messages.
    pub date_ahead_ms: i64,
    /// Webhook bodies spell everything outside of ASCII as `\uXXXX`.
    pub ascii_bodies: bool,
    /// The status of a refused action.
    pub refusal_status: u16,
    /// For which actions `remark_type` is required when the source is not Goodays.
    pub remark_type_required_on: Vec<String>,
    /// A private message without `user` is refused.
    pub message_needs_user: bool,
    /// The API's answer for a response that its store has taken back: 200 (we still see it), 403 or 404.
    pub taken_back_status: u16,
    /// The longest accepted text, in characters.
    pub max_content: Option<usize>,
    pub updated_date: UpdatedDate,
    /// Whether a response at `end_date` itself is included.
    pub end_inclusive: bool,
    /// `GET /users?email=` finds every address that contains the text.
    pub user_email_contains: bool,
    /// `GET /events` answers a page instead of a bare list.
    pub events_as_page: bool,
    /// How often a webhook that was not answered 2xx is sent again.
    pub webhook_retries: u32,
    pub webhook_retry_after_ms: u64,
    pub rate: Option<Rate>,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            visible_after_ms: 0,
            whole_response_late: false,
            message_stays_allowed: false,
            new_participation_ends: true,
            reply_event: false,
            reply_event_echo: false,
            html_entities: false,
            trim_texts: true,
            altered: Altered::Kept,
            date_ahead_ms: 0,
            ascii_bodies: false,
            refusal_status: 400,
            remark_type_required_on: vec!["reply".to_owned(), "close".to_owned()],
            message_needs_user: false,
            taken_back_status: 200,
            max_content: None,
            updated_date: UpdatedDate::Processing,
            end_inclusive: true,
            user_email_contains: false,
            events_as_page: false,
            webhook_retries: 0,
            webhook_retry_after_ms: 1000,
            rate: None,
        }
    }
}

/// How an accepted text is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Altered {
    Kept,
    /// Without characters outside of the basic plane, as an old database stores it.
    WithoutEmoji,
    /// The text ends before the first such character.
    CutAtEmoji,
    /// Each digit is replaced by a star.
    MaskedDigits,
}

impl Altered {
    pub fn text(self, text: &str) -> String {
        let is_basic = |c: &char| u32::from(*c) < 0x1_0000;
        match self {
            Self::Kept => text.to_owned(),
            Self::WithoutEmoji => text.chars().filter(is_basic).collect(),
            Self::CutAtEmoji => text.chars().take_while(is_basic).collect(),
            Self::MaskedDigits => text.chars().map(|c| if c.is_ascii_digit() { '*' } else { c }).collect(),
        }
    }
}

/// Which changes update `updated_date`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpdatedDate {
    Never,
    /// Reply, call, close, spam and delegation, but no private message (samples).
    Processing,
    Always,
}

/// At most `calls` in each window of `per_ms`, then 429.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    pub calls: u32,
    pub per_ms: i64,
    /// Whether a 429 has a `Retry-After` header.
    pub retry_after: bool,
}

/// A customer's feedback. `Feedback::default()` is the customer of the documentation, Chester Copperpot.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Feedback {
    /// The verbatim. `None` for a participation with only a rating.
    pub content: Option<String>,
    pub attachment: Option<String>,
    pub remark_type: String,
    pub nps: Option<u8>,
    pub source: String,
    pub first_name: String,
    pub last_name: String,
    /// `None`: a new address, so that two feedbacks are two customers.
    pub email: Option<String>,
    /// When given, `context` looks like the second sample: with `phone`, without `cz_tag`.
    pub phone: Option<String>,
    pub crm_id: String,
    pub extra: Map<String, Value>,
    pub place_partner_id: String,
    pub place_name: String,
    pub alert: bool,
    /// Merged into the shown `response` object (null sets null), for shapes that the other fields cannot express.
    pub patch: Value,
    /// JSON pointers of the parts that the shown `response` object omits.
    pub omit: Vec<String>,
}

impl Default for Feedback {
    fn default() -> Self {
        Self {
            content: Some("The seller needs to respond in a timely manner.".to_owned()),
            attachment: None,
            remark_type: "Problem".to_owned(),
            nps: Some(5),
            source: "email".to_owned(),
            first_name: "Chester".to_owned(),
            last_name: "COPPERPOT".to_owned(),
            email: None,
            phone: None,
            crm_id: String::new(),
            extra: Map::from_iter([("transaction_date".to_owned(), Value::from("2020-01-28"))]),
            place_partner_id: "1234".to_owned(),
            place_name: "place name".to_owned(),
            alert: false,
            patch: Value::Null,
            omit: Vec::new(),
        }
    }
}
