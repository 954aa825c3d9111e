//! Commands that talk to the running daemon over its admin listener.

use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use anyhow::bail;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::applied::Applied;
use super::progress::{Line, Progress};
use super::{FINDINGS, OK, UNREACHABLE, load, parked as groups, show, verdict};
use crate::app::ADMIN_FILE;
use crate::config::{Config, Secrets};
use crate::goodays::ResponseId;
use crate::operator::Knowledge;
use crate::out::{self, say, warn_user};
use crate::web::LONGEST_REQUEST;

/// Items that the daemon is asked about in one request.
const AT_ONCE: usize = 1000;
/// How long the daemon may take for most requests.
const LIMIT: Duration = Duration::from_secs(120);
/// How often somebody at a terminal sees how far long work is.
const LOOK: Duration = Duration::from_millis(500);

/// No daemon answers for this state folder: none runs, it hangs, or something else listens at its address.
#[derive(Debug, thiserror::Error)]
#[error("{words}")]
pub struct NoDaemon {
    words: String,
    /// It was reached, and took too long.
    is_late: bool,
}

impl NoDaemon {
    fn new(words: String) -> Self {
        Self { words, is_late: false }
    }
}

/// The daemon works longer on it than one request may take.
#[derive(Debug, thiserror::Error)]
#[error(
    "the daemon has not answered within {} minutes and goes on with it; its log says how it ends",
    LONGEST_REQUEST.as_secs() / 60
)]
pub struct StillAtIt;

/// A client of the running daemon's admin API.
pub struct Admin {
    base: String,
    token: Option<String>,
    http: reqwest::Client,
}

/// Why the daemon's address is not known. Without the file none runs; a file that cannot be read says nothing about it.
fn not_found(file: &Path, error: &std::io::Error) -> anyhow::Error {
    let (shown, kind) = (file.display(), error.kind());
    match kind {
        std::io::ErrorKind::NotFound => {
            let said = format!("no running daemon was found ({shown} is not there): start it with `run`");
            NoDaemon::new(said).into()
        }
        std::io::ErrorKind::PermissionDenied => anyhow::anyhow!(
            "{shown} cannot be read ({kind}): use this command as the user of the daemon, or as one who may read its \
             state folder"
        ),
        _ => anyhow::anyhow!("{shown} cannot be read ({kind})"),
    }
}

impl Admin {
    pub fn find(path: &Path) -> anyhow::Result<Self> {
        let config = load(path, Secrets::Optional)?;
        let file = config.state.path.join(ADMIN_FILE);
        let addr = std::fs::read_to_string(&file).map_err(|error| not_found(&file, &error))?;
        Ok(Self::at(&config, addr.trim()))
    }

    /// The daemon, for what can be done without it, too.
    pub fn if_running(path: &Path) -> Option<Self> {
        let found = Self::find(path);
        if let Some(error) = found.as_ref().err().filter(|error| !error.is::<NoDaemon>()) {
            warn_user!("note: whether a daemon runs is not known: {error:#}");
        }
        found.ok()
    }

    fn at(config: &Config, addr: &str) -> Self {
        let token =
            config.admin.token.as_ref().map(|t| t.expose_secret().to_owned()).filter(|t| !t.is_empty());
        // A daemon that listens on all addresses is reached over loopback.
        let addr = addr.replace("0.0.0.0:", "127.0.0.1:").replace("[::]:", "[::1]:");
        Self { base: format!("http://{addr}"), token, http: crate::http::direct_client(LIMIT) }
    }

    pub(super) async fn ask(
        &self,
        method: reqwest::Method,
        path: &str,
        body: Option<Value>,
    ) -> anyhow::Result<(u16, Value)> {
        self.read(self.http.request(method, format!("{}{path}", self.base)), body).await
    }

    /// Has the daemon do what may take long. It goes on with it when nobody waits any more.
    async fn long(&self, path: &str, body: Value) -> anyhow::Result<(u16, Value)> {
        let request = self.http.post(format!("{}{path}", self.base)).timeout(LONGEST_REQUEST);
        self.read(request, Some(body)).await.map_err(|error| {
            let is_late = error.downcast_ref().is_some_and(|no: &NoDaemon| no.is_late);
            if is_late { StillAtIt.into() } else { error }
        })
    }

    async fn read(
        &self,
        mut request: reqwest::RequestBuilder,
        body: Option<Value>,
    ) -> anyhow::Result<(u16, Value)> {
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.map_err(|error| self.silent(error))?;
        let status = answer.status().as_u16();
        let text = answer.text().await.map_err(|error| self.silent(error))?;
        if status == 401 {
            bail!("{}", self.refused());
        }
        let body = serde_json::from_str(&text).map_err(|_| self.strange("is no JSON"))?;
        Ok((status, body))
    }

    /// The answer as text, for example of `/metrics`.
    pub async fn text(&self, path: &str) -> anyhow::Result<String> {
        let mut request = self.http.get(format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await.map_err(|error| self.silent(error))?;
        let status = answer.status().as_u16();
        if status != 200 {
            bail!("{path}: status {status}");
        }
        Ok(answer.text().await.map_err(|error| self.silent(error))?)
    }

    /// Why the door does not let this command in.
    fn refused(&self) -> &'static str {
        if self.token.is_some() {
            "the admin door takes another token: set admin.token in connector.yaml as the daemon has it"
        } else {
            "the admin door wants its token, and admin.token is empty here: set it in connector.yaml, or, where it \
             comes from a variable, set the variable for this command, too (docs/setup.md, step 9)"
        }
    }

    fn silent(&self, error: reqwest::Error) -> NoDaemon {
        let (base, error) = (&self.base, error.without_url());
        let words = format!("the daemon does not answer at {base}: is it still running? ({error})");
        NoDaemon { words, is_late: error.is_timeout() && !error.is_connect() }
    }

    fn strange(&self, what: &str) -> NoDaemon {
        let base = &self.base;
        NoDaemon::new(format!("what answers at {base} is not this program's daemon: its answer {what}"))
    }

    /// The answer, if it has all these numbers. A missing number must not be read as zero.
    fn with_numbers(&self, body: Value, numbers: &[&str]) -> Result<Value, NoDaemon> {
        match numbers.iter().find(|at| !body.pointer(at).is_some_and(Value::is_u64)) {
            Some(missing) => {
                Err(self.strange(&format!("has no number `{}`", missing.trim_start_matches('/'))))
            }
            None => Ok(body),
        }
    }

    /// The answer's list.
    fn list(&self, body: Value) -> Result<Vec<Value>, NoDaemon> {
        if let Value::Array(items) = body { Ok(items) } else { Err(self.strange("is no list")) }
    }

    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let (status, body) = self.ask(reqwest::Method::GET, path, None).await?;
        if status == 200 { Ok(body) } else { bail!("{path}: status {status}: {}", said(&body)) }
    }

    /// What the daemon knows of a response and of the org's fields.
    pub async fn knowledge(&self, id: &ResponseId) -> anyhow::Result<Knowledge> {
        let id = utf8_percent_encode(id.as_str(), NON_ALPHANUMERIC);
        Ok(serde_json::from_value(self.get(&format!("/responses/{id}")).await?)?)
    }

    pub async fn parked(&self) -> anyhow::Result<Vec<Value>> {
        Ok(self.list(self.get("/parked").await?)?)
    }

    /// The records for which the last edits of actions.yaml hold, all pages together. Unless it is a dry run, the rules
    /// are carried out. Fails with [`NotNow`] if the daemon cannot ask, for example because a remote is away.
    pub async fn apply_actions(&self, dry_run: bool) -> anyhow::Result<Applied> {
        let mut all = Applied::default();
        let mut after = Value::Null;
        let mut shown = Line::new();
        loop {
            let body = json!({ "dry_run": dry_run, "after": after });
            let (status, body) = self.post("/apply-actions", Some(body)).await?;
            if status != 200 {
                return Err(NotNow(said(&body)).into());
            }
            let counts = ["/looked_at", "/cases", "/comments", "/begun", "/unreadable"];
            after = all.with(self.with_numbers(body, &counts)?);
            shown.say(&format!("{} rows looked at", all.n("looked_at")));
            if after.is_null() {
                shown.end();
                return Ok(all);
            }
        }
    }

    /// Has the daemon do something with each parked item of a reason, a few at a time, and shows the progress. The
    /// counts of all; or the exit code, after an error that was shown.
    async fn each(
        &self,
        path: &str,
        reason: Option<&str>,
        counts: &[&str],
    ) -> anyhow::Result<Result<Value, u8>> {
        let items = self.parked().await?;
        let meant = items.iter().filter(|item| reason.is_none_or(|reason| item["reason_code"] == reason));
        let ids: Vec<&str> = meant.filter_map(|item| item["id"].as_str()).collect();
        let pointers: Vec<String> = counts.iter().map(|count| format!("/{count}")).collect();
        let pointers: Vec<&str> = pointers.iter().map(String::as_str).collect();
        let mut tally = vec![0; counts.len()];
        let mut progress = Progress::new(ids.len());
        for some in ids.chunks(AT_ONCE) {
            let (status, body) = self.post(path, Some(json!({ "reason": reason, "ids": some }))).await?;
            if status != 200 {
                warn_user!("error: {}", said(&body));
                return Ok(Err(FINDINGS));
            }
            let body = self.with_numbers(body, &pointers)?;
            for (sum, count) in tally.iter_mut().zip(counts) {
                *sum += body[*count].as_u64().unwrap_or_default();
            }
            progress.add(some.len());
        }
        progress.end();
        Ok(Ok(counts.iter().zip(tally).map(|(count, sum)| ((*count).to_owned(), json!(sum))).collect()))
    }

    /// Has the daemon do long work, and shows meanwhile what `line` makes of its progress.
    async fn watched(
        &self,
        path: &str,
        body: Value,
        line: fn(&Value) -> Option<String>,
    ) -> anyhow::Result<(u16, Value)> {
        let mut shown = Line::new();
        let mut answer = pin!(self.long(path, body));
        if !shown.is_shown() {
            return answer.await;
        }
        let answer = loop {
            tokio::select! {
                answer = &mut answer => break answer,
                () = tokio::time::sleep(LOOK) => {
                    // A daemon of an earlier version does not say it.
                    let said = self.get(path).await.ok();
                    if let Some(line) = said.and_then(|body| line(&body)) {
                        shown.say(&line);
                    }
                }
            }
        };
        shown.end();
        answer
    }

    async fn post(&self, path: &str, body: Option<Value>) -> anyhow::Result<(u16, Value)> {
        self.ask(reqwest::Method::POST, path, body).await
    }
}

pub(super) fn said(body: &Value) -> String {
    let words = ["error", "errors", "reason", "message"].iter().find_map(|k| body.get(k)?.as_str());
    words.map_or_else(|| body.to_string(), str::to_owned)
}

pub async fn status(path: &Path, json: bool) -> anyhow::Result<u8> {
    let admin = Admin::find(path)?;
    let status = admin.with_numbers(admin.get("/status").await?, &verdict::NUMBERS)?;
    if !status["findings"].is_array() {
        return Err(admin.strange("has no `findings`: it is another version").into());
    }
    // The reasons of the parked items show which of them wait for an operator.
    let parked = if status["outbox"]["parked"] == 0 { Vec::new() } else { admin.parked().await? };
    if json {
        say!("{status:#}");
    } else {
        out::print(&show::status(&status, &parked));
    }
    Ok(verdict::of(&status))
}

pub async fn parked(path: &Path, all: bool, json: bool) -> anyhow::Result<u8> {
    let items = Admin::find(path)?.parked().await?;
    let code = if items.is_empty() { OK } else { FINDINGS };
    if json {
        say!("{:#}", Value::Array(items));
    } else {
        out::print(&if all { groups::each(&items) } else { groups::grouped(&items) });
    }
    Ok(code)
}

pub async fn retry(path: &Path, id: &str, send_again: bool) -> anyhow::Result<u8> {
    let body = send_again.then(|| json!({ "send_again": true }));
    let admin = Admin::find(path)?;
    let (status, body) = admin.post(&format!("/parked/{id}/retry"), body).await?;
    match status {
        200 => {
            let Some(done) = body["status"].as_str() else {
                return Err(admin.strange("has no `status`").into());
            };
            say!("{id}: {done}");
            Ok(OK)
        }
        503 => {
            warn_user!("{id}: {}", said(&body));
            Ok(UNREACHABLE)
        }
        _ => {
            warn_user!("{id}: {}", said(&body));
            Ok(FINDINGS)
        }
    }
}

pub async fn retry_all(path: &Path, reason: Option<&str>) -> anyhow::Result<u8> {
    let admin = Admin::find(path)?;
    let counts = ["retrying", "delivered", "confirm", "refused", "damaged", "not_now"];
    let tally = match admin.each("/parked/retry", reason, &counts).await? {
        Ok(tally) => tally,
        Err(code) => return Ok(code),
    };
    out::print(&show::tally(&tally));
    Ok(code_of_retries(&tally))
}

/// What a human has to look at counts for more than what a later retry does.
fn code_of_retries(tally: &Value) -> u8 {
    let any = |count: &str| tally[count].as_u64().is_some_and(|count| count > 0);
    if any("confirm") || any("damaged") {
        FINDINGS
    } else if any("not_now") {
        UNREACHABLE
    } else {
        OK
    }
}

/// Gives up everything that is parked for this reason.
pub async fn drop_all(path: &Path, reason: &str) -> anyhow::Result<u8> {
    let admin = Admin::find(path)?;
    let counts = match admin.each("/parked/drop", Some(reason), &["dropped", "unclear", "refused"]).await? {
        Ok(counts) => counts,
        Err(code) => return Ok(code),
    };
    out::print(&show::dropped(&counts));
    Ok(if counts["unclear"] == 0 { OK } else { FINDINGS })
}

pub async fn drop(path: &Path, id: &str) -> anyhow::Result<u8> {
    let admin = Admin::find(path)?;
    let (status, body) = admin.post(&format!("/parked/{id}/drop"), None).await?;
    if status == 200 {
        if body["status"] != "dropped" {
            return Err(admin.strange("does not say that it is dropped").into());
        }
        say!("{id}: dropped");
        return Ok(OK);
    }
    warn_user!("{id}: {}", said(&body));
    Ok(FINDINGS)
}

pub async fn sweep(path: &Path, since: Option<&str>, dry_run: bool, json: bool) -> anyhow::Result<u8> {
    let body = json!({ "since": since, "dry_run": dry_run });
    let admin = Admin::find(path)?;
    let (status, body) = admin.watched("/sweep", body, show::sweeping).await?;
    if status != 200 {
        warn_user!("error: {}", said(&body));
        return Ok(UNREACHABLE);
    }
    let counts = ["/looked_at", "/missing_count", "/repaired", "/unanswered_count", "/unreadable"];
    let body = admin.with_numbers(body, &counts)?;
    if json {
        say!("{body:#}");
    } else {
        out::print(&show::swept(&body, dry_run));
    }
    Ok(if body["missing_count"] != 0 && dry_run { FINDINGS } else { OK })
}

/// A remote is away or the budget is used up. The text is the daemon's.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct NotNow(String);

/// Carries out rules of an edited actions.yaml on existing records, or only lists what they would do.
pub async fn apply_actions(path: &Path, dry_run: bool, json: bool) -> anyhow::Result<u8> {
    let applied = match Admin::find(path)?.apply_actions(dry_run).await {
        Ok(applied) => applied,
        Err(error) if error.is::<NotNow>() => {
            warn_user!("error: {error}");
            return Ok(UNREACHABLE);
        }
        Err(error) => return Err(error),
    };
    if json {
        say!("{:#}", applied.json());
    } else {
        out::print(&applied.render(dry_run));
    }
    Ok(if dry_run && applied.touches() > 0 { FINDINGS } else { OK })
}

pub async fn forget(
    path: &Path,
    response: Option<&str>,
    email: Option<&str>,
    json: bool,
) -> anyhow::Result<u8> {
    let body = json!({ "response": response, "email": email });
    let admin = Admin::find(path)?;
    let (status, body) = admin.long("/forget", body).await?;
    if status != 200 {
        warn_user!("error: {}", said(&body));
        return Ok(FINDINGS);
    }
    let body = admin.with_numbers(body, &["/responses", "/events", "/actions", "/in_flight"])?;
    if json {
        say!("{body:#}");
    } else {
        out::print(&show::forgotten(&body));
    }
    Ok(OK)
}

/// Shows what would go to Goodays for a Case now, and why. `name` is the Case's number or its id.
pub async fn case(path: &Path, name: &str, json: bool) -> anyhow::Result<u8> {
    let admin = Admin::find(path)?;
    let named = utf8_percent_encode(name, NON_ALPHANUMERIC);
    let (status, body) = admin.ask(reqwest::Method::GET, &format!("/cases/{named}"), None).await?;
    if status != 200 {
        warn_user!("{name}: {}", said(&body));
        return Ok(if status == 503 { UNREACHABLE } else { FINDINGS });
    }
    let responses = admin.list(body)?;
    if json {
        say!("{:#}", Value::Array(responses));
    } else {
        out::print(&show::explained(&responses));
    }
    Ok(OK)
}

/// A stored event's body.
pub async fn event(path: &Path, id: &str) -> anyhow::Result<Value> {
    Admin::find(path)?.get(&format!("/events/{id}")).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retrying_all_ends_with_what_is_left() {
        let code = |left: &[&str]| {
            let mut tally = json!({ "retrying": 3, "delivered": 1, "confirm": 0, "refused": 1, "damaged": 0, "not_now": 0 });
            for one in left {
                tally[*one] = json!(2);
            }
            code_of_retries(&tally)
        };
        assert_eq!((code(&[]), code(&["confirm"]), code(&["damaged"])), (OK, FINDINGS, FINDINGS));
        assert_eq!((code(&["not_now"]), code(&["not_now", "confirm"])), (UNREACHABLE, FINDINGS));
    }

    #[test]
    fn f03_only_a_missing_file_says_that_no_daemon_runs() {
        let of = |kind: std::io::ErrorKind| not_found(Path::new("state/admin.addr"), &kind.into());
        assert!(of(std::io::ErrorKind::NotFound).is::<NoDaemon>());
        let denied = of(std::io::ErrorKind::PermissionDenied);
        assert!(!denied.is::<NoDaemon>());
        assert!(denied.to_string().contains("as the user of the daemon"), "{denied}");
    }
}
