//! Who may see the console's pages, and which forms are its own.
//!
//! A session is a random number in a cookie, signed with a key of this process and the admin token: it ends with the
//! process, and when the token changes. A form carries a second signature of the same number, so that a page of
//! another site cannot send it.

use std::collections::VecDeque;
use std::sync::Mutex;

use axum::http::{HeaderMap, HeaderValue, header};
use hmac::{Hmac, Mac};
use rustix::rand::{GetRandomFlags, getrandom};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use crate::sync::lock;

const COOKIE: &str = "goodays_console";
/// How long a session lasts.
const LASTS_MS: i64 = 12 * 3_600_000;
/// Failed log-ins within [`WINDOW_MS`]; after them nobody can log in until the window has passed.
const FAILURES: usize = 5;
const WINDOW_MS: i64 = 60_000;

/// A session of one browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// 32 hex digits.
    number: String,
    /// When it ends (milliseconds, our clock).
    ends_ms: i64,
}

impl Session {
    /// A new session. Fails if the system gives no random bytes.
    pub fn begin(now_ms: i64) -> std::io::Result<Self> {
        let number: [u8; 16] = random()?;
        Ok(Self { number: hex::encode(number), ends_ms: now_ms + LASTS_MS })
    }
}

/// Signs and checks sessions, and limits failed log-ins.
pub struct Sessions {
    key: [u8; 32],
    failures: Mutex<VecDeque<i64>>,
}

impl Sessions {
    /// With a new key. Fails if the system gives no random bytes.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self { key: random()?, failures: Mutex::default() })
    }

    /// The session of the request's cookie, if it is ours and has not ended.
    pub fn of(&self, headers: &HeaderMap, token: Option<&SecretString>, now_ms: i64) -> Option<Session> {
        let (session, signed) = read(cookie(headers, COOKIE)?)?;
        let ours = self.mac("session", &session, token).verify_slice(&hex::decode(signed).ok()?).is_ok();
        (ours && session.ends_ms > now_ms).then_some(session)
    }

    /// The cookie of a session.
    pub fn cookie(&self, session: &Session, token: Option<&SecretString>, secure: bool) -> HeaderValue {
        let signed = hex::encode(self.mac("session", session, token).finalize().into_bytes());
        let value = format!("{}.{}.{signed}", session.number, session.ends_ms);
        set_cookie(&format!("{COOKIE}={value}; Max-Age={}", LASTS_MS / 1000), secure)
    }

    /// What the session's forms carry.
    pub fn form(&self, session: &Session, token: Option<&SecretString>) -> String {
        hex::encode(self.mac("form", session, token).finalize().into_bytes())
    }

    /// Whether a form is one of the session's own pages.
    pub fn is_own(&self, session: &Session, token: Option<&SecretString>, form: &str) -> bool {
        let given = hex::decode(form).unwrap_or_default();
        self.mac("form", session, token).verify_slice(&given).is_ok()
    }

    fn mac(&self, what: &str, session: &Session, token: Option<&SecretString>) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("an HMAC takes a key of any length");
        let token = token.map_or("", |token| token.expose_secret());
        // The token comes last, since it may contain anything.
        mac.update(format!("{what} {} {} {token}", session.number, session.ends_ms).as_bytes());
        mac
    }

    /// Whether somebody may try to log in.
    pub fn may_try(&self, now_ms: i64) -> bool {
        let mut failures = lock(&self.failures);
        failures.retain(|at_ms| *at_ms > now_ms - WINDOW_MS);
        failures.len() < FAILURES
    }

    /// Notes a failed log-in.
    pub fn failed(&self, now_ms: i64) {
        let mut failures = lock(&self.failures);
        failures.push_back(now_ms);
        if failures.len() > FAILURES {
            failures.pop_front();
        }
    }
}

/// A cookie that ends the session in the browser.
pub fn no_session(secure: bool) -> HeaderValue {
    set_cookie(&format!("{COOKIE}=; Max-Age=0"), secure)
}

/// A cookie for the console's pages only, which no script reads and no other site sends.
pub fn set_cookie(value: &str, secure: bool) -> HeaderValue {
    let secure = if secure { "; Secure" } else { "" };
    let text = format!("{value}; Path=/console; HttpOnly; SameSite=Strict{secure}");
    HeaderValue::from_str(&text).expect("the value is ASCII")
}

/// The value of a cookie.
pub fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let all = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}

fn read(value: &str) -> Option<(Session, &str)> {
    let mut parts = value.split('.');
    let (number, ends, signed) = (parts.next()?, parts.next()?, parts.next()?);
    let plain = number.len() == 32 && number.bytes().all(|b| b.is_ascii_hexdigit()) && parts.next().is_none();
    plain.then_some((Session { number: number.to_owned(), ends_ms: ends.parse().ok()? }, signed))
}

fn random<const N: usize>() -> std::io::Result<[u8; N]> {
    let mut bytes = [0; N];
    let read = getrandom(&mut bytes, GetRandomFlags::empty())?;
    if read == N { Ok(bytes) } else { Err(std::io::ErrorKind::UnexpectedEof.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(cookie: &HeaderValue) -> HeaderMap {
        let pair = cookie.to_str().unwrap().split(';').next().unwrap();
        HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_str(&format!("a=b; {pair}")).unwrap())])
    }

    #[test]
    fn a_session_is_believed_until_it_ends_or_the_token_changes() {
        let sessions = Sessions::new().unwrap();
        let (token, other) = (SecretString::from("t"), SecretString::from("u"));
        let session = Session::begin(0).unwrap();
        let cookie = sessions.cookie(&session, Some(&token), true);
        assert!(cookie.to_str().unwrap().ends_with("; Path=/console; HttpOnly; SameSite=Strict; Secure"));
        let headers = headers(&cookie);
        assert_eq!(sessions.of(&headers, Some(&token), 1), Some(session.clone()));
        assert_eq!(sessions.of(&headers, Some(&token), LASTS_MS), None);
        assert_eq!(sessions.of(&headers, Some(&other), 1), None);
        assert_eq!(sessions.of(&headers, None, 1), None);
        assert_eq!(Sessions::new().unwrap().of(&headers, Some(&token), 1), None, "another process");
    }

    #[test]
    fn a_changed_cookie_is_not_believed() {
        let sessions = Sessions::new().unwrap();
        let session = Session::begin(0).unwrap();
        let value = sessions.cookie(&session, None, false).to_str().unwrap().to_owned();
        let later = value.replace(&format!(".{LASTS_MS}."), &format!(".{}.", LASTS_MS * 2));
        assert_ne!(value, later);
        assert_eq!(sessions.of(&headers(&HeaderValue::from_str(&later).unwrap()), None, 1), None);
    }

    #[test]
    fn a_form_belongs_to_its_session() {
        let sessions = Sessions::new().unwrap();
        let (one, two) = (Session::begin(0).unwrap(), Session::begin(0).unwrap());
        let form = sessions.form(&one, None);
        assert!(sessions.is_own(&one, None, &form));
        assert!(!sessions.is_own(&two, None, &form) && !sessions.is_own(&one, None, ""));
    }

    #[test]
    fn after_five_failures_nobody_tries_for_a_minute() {
        let sessions = Sessions::new().unwrap();
        for at_ms in 0..5 {
            assert!(sessions.may_try(at_ms));
            sessions.failed(at_ms);
        }
        assert!(!sessions.may_try(5) && !sessions.may_try(WINDOW_MS - 1));
        assert!(sessions.may_try(WINDOW_MS + 1));
    }
}
