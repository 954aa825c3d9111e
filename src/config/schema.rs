//! The JSON Schema of connector.yaml. Any value may come from a variable, so a text is valid everywhere.

#![expect(dead_code, reason = "the fields are read by editors only, through their schema")]

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value as Json;

use crate::document::schema::only_schema;

/// The schema of connector.yaml. A section in which everything is commented out is null, and that is allowed.
pub fn schema() -> Json {
    SchemaSettings::draft07().into_generator().into_root_schema_for::<ConnectorFile>().to_value()
}

only_schema!(Number, { "anyOf": [{ "type": "integer", "minimum": 0 }, { "type": "string", "pattern": "\\$\\{" }] });
only_schema!(
    /// `500ms`, `10s`, `10m`, `1h`, `7d`, or `0`.
    Duration,
    { "anyOf": [
        { "enum": [0] }, { "type": "string", "pattern": "^(0|([0-9]+(ms|s|m|h|d))+)$" },
        { "type": "string", "pattern": "\\$\\{" }
    ] }
);
only_schema!(Flow, { "enum": ["client_credentials", "jwt_bearer"] });
only_schema!(Format, { "anyOf": [{ "enum": ["text", "json"] }, { "type": "string", "pattern": "\\$\\{" }] });
only_schema!(
    Signature,
    { "anyOf": [{ "enum": ["hmac-sha256", "off"] }, { "type": "string", "pattern": "\\$\\{" }] }
);
only_schema!(
    Perimeter,
    { "anyOf": [{ "enum": ["all", "delegated"] }, { "type": "string", "pattern": "\\$\\{" }] }
);
only_schema!(Language, { "anyOf": [{ "enum": ["en", "fr"] }, { "type": "string", "pattern": "\\$\\{" }] });
only_schema!(Approval, { "anyOf": [{ "enum": ["none", "public"] }, { "type": "string", "pattern": "\\$\\{" }] });
only_schema!(Actions, { "anyOf": [{ "enum": ["send", "observe"] }, { "type": "string", "pattern": "\\$\\{" }] });
only_schema!(
    ApiVersion,
    { "type": ["string", "number"], "pattern": "^[0-9]+\\.0$|\\$\\{" }
);

/// Where to listen, whom to talk to, how.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, title = "goodays-salesforce: connector.yaml")]
pub struct ConnectorFile {
    /// The webhook's door.
    server: Option<Server>,
    /// The door for health, metrics and what waits for a human.
    admin: Option<Admin>,
    goodays: Goodays,
    salesforce: Salesforce,
    /// How changes in Salesforce are looked for.
    poll: Option<Poll>,
    /// The regular comparison of both sides.
    sweep: Option<Sweep>,
    /// How long after an attempt of unknown outcome a second look decides.
    settle: Option<Duration>,
    state: Option<State>,
    /// The folder of the mapping files.
    mappings: Option<String>,
    log: Option<Log>,
    /// What agents and admins read.
    language: Option<Language>,
    /// The zone of the times that agents read, such as Europe/Paris; UTC if nothing is said.
    time_zone: Option<String>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Server {
    /// Port 0 picks one, and the log line says which.
    listen: Option<String>,
    webhook_path: Option<String>,
    /// Every event carries its whole conversation.
    max_body_bytes: Option<Number>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Admin {
    listen: Option<String>,
    /// Required as soon as `listen` is not loopback.
    token: Option<String>,
    token_file: Option<String>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Goodays {
    base_url: Option<String>,
    token: Option<String>,
    token_file: Option<String>,
    webhook: Option<Webhook>,
    /// `delegated`: only what stands delegated to customer service.
    perimeter: Option<Perimeter>,
    /// Partner ids that belong to customer service itself, in delegated mode.
    places: Option<Vec<String>>,
    /// `observe`: show what would go to customers, send nothing.
    actions: Option<Actions>,
    /// Above it sending pauses and asks.
    max_actions_per_hour: Option<Number>,
    /// Goodays user id for agents that have none.
    default_user: Option<String>,
    /// How long an answer can be taken back before it is sent.
    undo: Option<Undo>,
    /// `public`: a public reply waits until it is approved on the Case.
    approval: Option<Approval>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Undo {
    /// A public reply.
    reply: Option<Duration>,
    /// A private message.
    message: Option<Duration>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Webhook {
    signature: Option<Signature>,
    /// Several while one is being replaced by another.
    secrets: Option<Vec<Secret>>,
}

#[derive(JsonSchema)]
#[schemars(untagged)]
enum Secret {
    Text(String),
    File(SecretFile),
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct SecretFile {
    file: String,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Salesforce {
    /// The org's own address: `https://NAME.my.salesforce.com`.
    login_url: String,
    /// Quoted, with `.0`, without `v`.
    api_version: Option<ApiVersion>,
    auth: Auth,
    /// This connector's own budget, over any 24 hours.
    api_calls_per_day: Option<Number>,
}

/// How to log in. `client_credentials` wants a secret; `jwt_bearer` a user name and a private key.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Auth {
    flow: Option<Flow>,
    client_id: String,
    client_secret: Option<String>,
    client_secret_file: Option<String>,
    username: Option<String>,
    private_key: Option<String>,
    private_key_file: Option<String>,
    audience: Option<String>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Poll {
    /// Between two polls while somebody is active.
    interval: Option<Duration>,
    /// The longest time between two polls while nobody is; three times `interval` unless said otherwise.
    quiet: Option<Duration>,
    /// How far back each look reaches after a start, and once a minute.
    overlap: Option<Duration>,
    /// How long close, spam and call wait for an answer given in the same moment.
    close_grace: Option<Duration>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Sweep {
    /// 0 turns it off.
    every: Option<Duration>,
    window: Option<Duration>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct State {
    path: Option<String>,
    /// How long full payloads are kept; then ids and hashes only.
    keep_events: Option<Duration>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Log {
    format: Option<Format>,
    /// error, warn, info, debug or trace; or directives such as `info,hyper=warn`.
    level: Option<String>,
}
