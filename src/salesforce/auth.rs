//! Login with client credentials or a signed JWT. There are no refresh tokens (Salesforce reference, 1).

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use jiff::Timestamp;
use oauth2::basic::{
    BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse, BasicTokenType,
};
use oauth2::{
    AuthType, ClientId, ClientSecret, ExtraTokenFields, RequestTokenError, StandardRevocableToken,
    StandardTokenResponse, TokenResponse, TokenUrl,
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use super::RecordId;
use crate::http::{Answer, Failure, exchange};

/// Validity of a signed assertion: the maximum that Salesforce accepts (Salesforce reference, 1.2).
const ASSERTION_SECONDS: i64 = 180;

/// The credentials of the integration user.
#[derive(Debug, Clone)]
pub enum Credentials {
    ClientCredentials { client_id: String, client_secret: SecretString },
    JwtBearer { client_id: String, username: String, private_key_pem: SecretString, audience: String },
}

/// A session. It has no `expires_in`: it is valid until Salesforce refuses it.
#[derive(Debug, Clone)]
pub struct Session {
    pub access_token: SecretString,
    /// Scheme, host and port of a trusted address.
    pub instance_url: Url,
    pub org_id: RecordId,
    /// The integration user. Its own changes are not treated as news.
    pub user_id: RecordId,
}

/// Salesforce's additions to the standard token response.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Extra {
    instance_url: Option<String>,
    id: Option<String>,
}

impl ExtraTokenFields for Extra {}

type Granted = StandardTokenResponse<Extra, BasicTokenType>;

type OAuth = oauth2::Client<
    BasicErrorResponse,
    Granted,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
>;

/// Requests a new session. `limit` is the timeout.
pub async fn login(
    http: &reqwest::Client,
    limit: Duration,
    login_url: &Url,
    credentials: &Credentials,
    now: Timestamp,
) -> Result<Session, Failure> {
    let mut url = login_url.clone();
    url.set_path("/services/oauth2/token");
    url.set_query(None);
    let (token, extra) = match credentials {
        Credentials::ClientCredentials { client_id, client_secret } => {
            client_credentials(Adapter(http.clone(), limit), url, client_id, client_secret).await?
        }
        Credentials::JwtBearer { client_id, username, private_key_pem, audience } => {
            let exp = now.as_second() + ASSERTION_SECONDS;
            let claims = Claims { iss: client_id, sub: username, aud: audience, exp };
            let request = http.post(url).timeout(limit);
            jwt_bearer(request, &assertion(&claims, private_key_pem)?).await?
        }
    };
    session(login_url, token, &extra)
}

async fn client_credentials(
    adapter: Adapter,
    url: Url,
    id: &str,
    secret: &SecretString,
) -> Result<(SecretString, Extra), Failure> {
    let client = OAuth::new(ClientId::new(id.to_owned()))
        .set_client_secret(ClientSecret::new(secret.expose_secret().to_owned()))
        .set_auth_type(AuthType::RequestBody)
        .set_token_uri(TokenUrl::from_url(url));
    let granted = client.exchange_client_credentials().request_async(&adapter).await;
    let granted: Granted = granted.map_err(|error| match error {
        RequestTokenError::ServerResponse(said) => {
            refused(said.error().as_ref(), said.error_description().map_or("", String::as_str))
        }
        RequestTokenError::Request(failure) => failure,
        RequestTokenError::Parse(..) | RequestTokenError::Other(_) => unusable(),
    })?;
    Ok((SecretString::from(granted.access_token().secret().as_str()), granted.extra_fields().clone()))
}

/// Runs oauth2 on our HTTP client. A response that is not a login server's becomes a failure before oauth2 reads it.
struct Adapter(reqwest::Client, Duration);

impl<'c> oauth2::AsyncHttpClient<'c> for Adapter {
    type Error = Failure;
    type Future = Pin<Box<dyn Future<Output = Result<oauth2::HttpResponse, Failure>> + Send + 'c>>;

    fn call(&'c self, request: oauth2::HttpRequest) -> Self::Future {
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let url = parts.uri.to_string();
            let request = self.0.request(parts.method, url).timeout(self.1).headers(parts.headers).body(body);
            let answer = answered(request).await?;
            let response = http::Response::builder().status(answer.status);
            response.body(needed(answer.body)).map_err(|_| unusable())
        })
    }
}

/// What is read of a token's answer. oauth2 refuses the whole answer for the form of the rest, which nothing here uses; a
/// token is a bearer token, and oauth2 insists that its type is named.
fn needed(body: Vec<u8>) -> Vec<u8> {
    let Ok(mut said) = serde_json::from_slice::<serde_json::Map<String, Value>>(&body) else { return body };
    if !said.contains_key("access_token") {
        return body;
    }
    said.retain(|key, _| matches!(key.as_str(), "access_token" | "instance_url" | "id"));
    said.insert("token_type".to_owned(), "Bearer".into());
    serde_json::to_vec(&said).unwrap_or(body)
}

/// Sends a login request. A failing server, or a response that is not JSON, does not count as a refusal.
async fn answered(request: reqwest::RequestBuilder) -> Result<Answer, Failure> {
    let answer = exchange(request).await.map_err(Failure::never_large)?;
    match answer.status {
        429 | 503 => Err(Failure::Busy {
            reason: format!("Salesforce's login answered {}", answer.status),
            retry_after: answer.retry_after(),
            daily_limit: false,
        }),
        300..400 => Err(Failure::login(
            "REDIRECT",
            "salesforce.login_url answers with a redirect: use the org's My Domain address",
        )),
        500.. => Err(Failure::no_answer(format!("the login answered {}", answer.status))),
        _ if answer.json().is_none() => Err(unusable()),
        _ => Ok(answer),
    }
}

fn unusable() -> Failure {
    Failure::no_answer("the login's answer cannot be read")
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    exp: i64,
}

fn assertion(claims: &Claims<'_>, pem: &SecretString) -> Result<SecretString, Failure> {
    let bad_key = || {
        let advice = "salesforce.auth.private_key_file holds no RSA private key in PEM form";
        Failure::login("PRIVATE_KEY", advice)
    };
    let key =
        jsonwebtoken::EncodingKey::from_rsa_pem(pem.expose_secret().as_bytes()).map_err(|_| bad_key())?;
    let header =
        jsonwebtoken::Header { typ: None, ..jsonwebtoken::Header::new(jsonwebtoken::Algorithm::RS256) };
    jsonwebtoken::encode(&header, claims, &key).map(SecretString::from).map_err(|_| bad_key())
}

async fn jwt_bearer(
    request: reqwest::RequestBuilder,
    assertion: &SecretString,
) -> Result<(SecretString, Extra), Failure> {
    #[derive(Deserialize)]
    struct Token {
        access_token: String,
        #[serde(flatten)]
        extra: Extra,
    }
    let form = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
        ("assertion", assertion.expose_secret()),
    ];
    let answer = answered(request.form(&form)).await?;
    if answer.is_success() {
        let token: Token = serde_json::from_slice(&answer.body).map_err(|_| unusable())?;
        return Ok((token.access_token.into(), token.extra));
    }
    let said = answer.json().unwrap_or_default();
    let word = |key: &str| said[key].as_str().unwrap_or_default();
    Err(refused(word("error"), word("error_description")))
}

/// Advice for the admin about a refusal (Salesforce reference, 1.5). The description is Salesforce's and concerns only
/// our configuration.
fn refused(code: &str, description: &str) -> Failure {
    let said = description.to_ascii_lowercase();
    let is = |piece: &str| said.contains(piece);
    if code == "rate_limit_exceeded" || is("login rate exceeded") {
        let reason = "Salesforce limits the rate of logins".to_owned();
        return Failure::Busy { reason, retry_after: None, daily_limit: false };
    }
    let advice = match code {
        "invalid_client" => "check salesforce.auth.client_secret: it is wrong or missing",
        "invalid_client_id" => {
            "check salesforce.auth.client_id: Salesforce does not know it (a new app needs about ten minutes)"
        }
        "app_not_found" => "the app is not installed in this org: check salesforce.login_url",
        "unsupported_grant_type" => "enable the flow of salesforce.auth.flow in the app's settings",
        "invalid_app_access" => "assign the app's permission set to the integration user",
        "inactive_user" => "activate the integration user",
        "inactive_org" => "the org is not active",
        _ if is("not supported on this domain") => "use the org's My Domain address as salesforce.login_url",
        _ if is("no client credentials user") => "set the Run-As user in the app's client credentials policy",
        _ if is("hasn't approved") => "pre-authorise the integration user for the app (permission set)",
        _ if is("audience") => "check salesforce.auth.audience (a sandbox has https://test.salesforce.com)",
        _ if is("expired authorization code") => {
            "check this machine's clock: the signed assertion counts as expired"
        }
        _ if is("invalid assertion") => {
            "check salesforce.auth.private_key_file: the app has another certificate"
        }
        _ if is("authentication failure") => "check the integration user: name, lock, and IP restrictions",
        _ => "Salesforce refuses the login: check the app and the integration user",
    };
    let is_code =
        (1..=64).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let code = if is_code { code } else { "LOGIN_REFUSED" };
    Failure::login(code, format!("{advice} ({code})"))
}

fn session(login_url: &Url, access_token: SecretString, extra: &Extra) -> Result<Session, Failure> {
    let instance = extra.instance_url.as_deref().and_then(|u| Url::parse(u).ok()).ok_or_else(unusable)?;
    if !is_trusted(login_url, &instance) {
        let advice =
            "Salesforce's login names an instance_url that is not Salesforce's: check salesforce.login_url";
        return Err(Failure::login("INSTANCE_URL", advice));
    }
    let mut ids = extra.id.as_deref().unwrap_or_default().trim_end_matches('/').rsplit('/');
    let mut id = |prefix: &str| ids.next().filter(|id| id.starts_with(prefix)).and_then(RecordId::new);
    let (Some(user_id), Some(org_id)) = (id("005"), id("00D")) else { return Err(unusable()) };
    Ok(Session { access_token, instance_url: origin(instance), org_id, user_id })
}

/// The URL without path, query, user and password.
fn origin(mut url: Url) -> Url {
    url.set_path("/");
    url.set_query(None);
    url.set_fragment(None);
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url
}

/// The token is sent to this host, so it must be https, and Salesforce's or the login's own (design, rule 16).
fn is_trusted(login: &Url, instance: &Url) -> bool {
    let (Some(login_host), Some(host)) = (login.host_str(), instance.host_str()) else { return false };
    let under = |domain: &str| host == domain || host.strip_suffix(domain).is_some_and(|h| h.ends_with('.'));
    match instance.scheme() {
        "https" => under(login_host) || under("salesforce.com") || under("force.com"),
        "http" => is_loopback(instance) && is_loopback(login),
        _ => false,
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests;
