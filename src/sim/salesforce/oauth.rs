//! The token endpoint and related ones (reference, section 1).

use std::time::Duration;

use axum::body::Bytes;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use http::{HeaderMap, Method, header};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::org::{Org, Session};
use super::rest::{Reply, method_not_allowed, session};
use super::{Options, Sim, ids};

type Form = Vec<(String, String)>;

pub fn answer(
    sim: &Sim,
    what: &str,
    method: &Method,
    headers: &HeaderMap,
    query: &Form,
    body: &Bytes,
) -> Reply {
    let mut form: Form = url::form_urlencoded::parse(body).into_owned().collect();
    form.extend(query.iter().cloned());
    let mut org = sim.org();
    match (what, method) {
        ("token", &Method::POST) => token(sim, &mut org, headers, &form),
        ("introspect", &Method::POST) => introspect(sim, &org, headers, &form),
        ("revoke", _) => {
            org.sessions.remove(value(&form, "token"));
            Reply::empty(200)
        }
        ("userinfo", _) => userinfo(&mut org, headers),
        _ => method_not_allowed(method.as_str()),
    }
}

fn value<'a>(form: &'a Form, name: &str) -> &'a str {
    form.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str())
}

/// The error is an object, unlike the errors of all other resources.
fn refused(error: &str, description: &str) -> Reply {
    let mut reply = Reply::new(400, json!({"error": error, "error_description": description}));
    reply.headers.insert("Cache-Control".into(), "no-store".into());
    reply
}

fn token(sim: &Sim, org: &mut Org, headers: &HeaderMap, form: &Form) -> Reply {
    let user = match value(form, "grant_type") {
        "client_credentials" => client_credentials(sim.options(), org, headers, form),
        "urn:ietf:params:oauth:grant-type:jwt-bearer" => {
            jwt_bearer(sim.options(), org, value(form, "assertion"))
        }
        _ => Err(refused("unsupported_grant_type", "grant type not supported")),
    };
    match user {
        Ok(user) => granted(sim, org, headers, &user, value(form, "grant_type") == "client_credentials"),
        Err(reply) => reply,
    }
}

/// Client id and secret from the body or from Basic credentials.
fn client(headers: &HeaderMap, form: &Form) -> (String, String) {
    let basic =
        headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Basic "));
    let decoded =
        basic.and_then(|text| STANDARD.decode(text.trim()).ok()).and_then(|raw| String::from_utf8(raw).ok());
    let plain = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    match decoded.as_deref().and_then(|text| text.split_once(':')) {
        Some((id, secret)) => (plain(id), plain(secret)),
        None => (value(form, "client_id").to_owned(), value(form, "client_secret").to_owned()),
    }
}

fn right_client(options: &Options, headers: &HeaderMap, form: &Form) -> Result<(), Reply> {
    let (id, secret) = client(headers, form);
    if id != options.client_id {
        return Err(refused("invalid_client_id", "client identifier invalid"));
    }
    if secret != options.client_secret {
        return Err(refused("invalid_client", "invalid client credentials"));
    }
    Ok(())
}

fn client_credentials(
    options: &Options,
    org: &Org,
    headers: &HeaderMap,
    form: &Form,
) -> Result<String, Reply> {
    if org.settings.not_my_domain {
        return Err(refused("invalid_grant", "request not supported on this domain"));
    }
    right_client(options, headers, form)?;
    if !org.settings.run_as {
        return Err(refused("invalid_grant", "no client credentials user enabled"));
    }
    if !org.settings.pre_authorised {
        return Err(refused("invalid_app_access", "user is not admin approved to access this app"));
    }
    Ok(org.integration_user.clone())
}

/// The latest expiry of a JWT from now. Salesforce says three minutes, but clocks differ.
const FURTHEST_EXPIRY: Duration = Duration::from_secs(5 * 60);

fn jwt_bearer(options: &Options, org: &Org, assertion: &str) -> Result<String, Reply> {
    let claims = verified(options, assertion).ok_or_else(|| refused("invalid_grant", "invalid assertion"))?;
    if claims["iss"] != json!(options.client_id) {
        return Err(refused("invalid_client_id", "client identifier invalid"));
    }
    let audience = claims["aud"].as_str().unwrap_or_default().trim_end_matches('/');
    let known = ["https://login.salesforce.com", "https://test.salesforce.com"];
    let own_domain = audience.starts_with("http://127.0.0.1") || audience.ends_with(".my.salesforce.com");
    if !known.contains(&audience) && !own_domain && options.audience.as_deref() != Some(audience) {
        return Err(refused("invalid_grant", "audience is invalid"));
    }
    // In seconds, as a number or, from some clients, as a text.
    let expiry = claims["exp"].as_i64().or_else(|| claims["exp"].as_str()?.parse().ok()).unwrap_or_default();
    let left = expiry - org.now_ms().div_euclid(1000);
    if left <= 0 || left > i64::try_from(FURTHEST_EXPIRY.as_secs()).unwrap_or_default() {
        return Err(refused("invalid_grant", "expired authorization code"));
    }
    if claims["sub"] != json!(options.username) || !org.settings.pre_authorised {
        return Err(refused("invalid_grant", "user hasn't approved this consumer"));
    }
    Ok(org.integration_user.clone())
}

fn verified(options: &Options, assertion: &str) -> Option<Value> {
    use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
    let key = DecodingKey::from_rsa_pem(options.jwt_public_key.as_ref()?.as_bytes()).ok()?;
    let mut validation = Validation::new(Algorithm::RS256);
    // `jwt_bearer` checks these claims itself, with Salesforce's messages.
    (validation.validate_exp, validation.validate_aud) = (false, false);
    validation.required_spec_claims.clear();
    Some(decode::<Value>(assertion, &key, &validation).ok()?.claims)
}

/// A new session: `00D..!..`, a form that other clients check (reference, section 9.4).
pub fn new_session(org: &mut Org, user: &str) -> String {
    let number = org.next_id("session");
    let digest = Sha256::digest(format!("{number}{}", org.now_ms()).as_bytes());
    let secret = URL_SAFE_NO_PAD.encode(digest).replace('-', ".");
    let token = format!("{}!AR8AQ{secret}{}", ids::short(&org.organization), ids::short(&number));
    let session = Session { user: user.to_owned(), used_ms: org.now_ms(), calls: 0 };
    org.sessions.insert(token.clone(), session);
    token
}

fn granted(sim: &Sim, org: &mut Org, headers: &HeaderMap, user: &str, signed: bool) -> Reply {
    let living =
        org.sessions.iter().find(|(_, session)| session.user == user).map(|(token, _)| token.clone());
    let token = match living.filter(|_| org.settings.same_token) {
        Some(token) => token,
        None => new_session(org, user),
    };
    let id = format!("https://login.salesforce.com/id/{}/{user}", org.organization);
    let issued = org.now_ms().to_string();
    let mut answer = json!({"access_token": token});
    if signed {
        answer["signature"] = json!(signature(&sim.options().client_secret, &format!("{id}{issued}")));
    }
    answer["scope"] = json!("api");
    answer["instance_url"] = json!(instance_url(sim, org, headers));
    answer["id"] = json!(id);
    answer["token_type"] = json!("Bearer");
    if signed {
        answer["issued_at"] = json!(issued);
    }
    let mut reply = Reply::new(200, answer);
    reply.headers.insert("Cache-Control".into(), "no-store".into());
    reply
}

/// The host name that the client used, so that it also works behind a port mapping.
fn instance_url(sim: &Sim, org: &Org, headers: &HeaderMap) -> String {
    if !org.settings.instance_url.is_empty() {
        return org.settings.instance_url.clone();
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    host.map_or_else(|| sim.url(), |host| format!("http://{host}"))
}

fn signature(secret: &str, text: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a MAC takes a key of any length");
    mac.update(text.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

fn introspect(sim: &Sim, org: &Org, headers: &HeaderMap, form: &Form) -> Reply {
    if let Err(reply) = right_client(sim.options(), headers, form) {
        return reply;
    }
    let Some(session) = org.sessions.get(value(form, "token")) else {
        return Reply::new(200, json!({"active": false}));
    };
    let began = session.used_ms.div_euclid(1000);
    let ends = began + org.settings.session_ttl_ms.div_euclid(1000);
    let sub = format!("https://login.salesforce.com/id/{}/{}", org.organization, session.user);
    Reply::new(
        200,
        json!({"active": true, "scope": "api", "client_id": sim.options().client_id,
        "username": sim.options().username, "sub": sub, "token_type": "access_token",
        "exp": ends, "iat": began, "nbf": began}),
    )
}

fn userinfo(org: &mut Org, headers: &HeaderMap) -> Reply {
    let user = match session(org, headers) {
        Ok(user) => user,
        Err(problem) => return problem.into(),
    };
    let row = org.latest(&user).cloned().unwrap_or_default();
    let text = |name: &str| row.get(name).cloned().unwrap_or_default();
    Reply::new(
        200,
        json!({"user_id": user, "organization_id": org.organization, "preferred_username": text("Username"),
        "email": text("Email"), "name": text("Name")}),
    )
}
