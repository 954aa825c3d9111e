//! The current session: its owner, and when it is replaced.
//!
//! Org and user are compared when a session is made, so nothing is ever sent on a refused one (design, rule 16).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use secrecy::ExposeSecret;

use super::RecordId;
use super::auth::Session;
use crate::http::Failure;

/// Minimum age before a session that has worked is dropped in doubt. A host that fails now and then thus causes at most
/// half of the logins that Salesforce allows per hour (Salesforce reference, 1.5).
const AFTER_AN_ANSWER: Duration = Duration::from_secs(2);
/// The same for a session that has never worked: it was probably made because of such a doubt.
const AFTER_A_LOGIN: Duration = Duration::from_secs(60);

/// The org and user whose sessions may be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    pub org: RecordId,
    pub user: RecordId,
}

/// A session in use.
#[derive(Debug, Clone)]
pub(super) struct Live {
    pub session: Session,
    made: Instant,
    /// True once Salesforce's API has answered on it.
    heard: Arc<AtomicBool>,
}

impl Live {
    pub fn heard(&self) {
        self.heard.store(true, Ordering::Relaxed);
    }

    pub fn is(&self, other: &Session) -> bool {
        self.session.access_token.expose_secret() == other.access_token.expose_secret()
            && self.session.instance_url == other.instance_url
    }
}

#[derive(Default)]
pub(super) struct Sessions {
    current: Option<Live>,
    owner: Option<Owner>,
}

impl Sessions {
    pub fn current(&self) -> Option<&Live> {
        self.current.as_ref()
    }

    /// Accepts only sessions of this owner from now on, and drops the session of another org.
    pub fn bind(&mut self, owner: Owner) {
        self.current = self.current.take().filter(|live| live.session.org_id == owner.org);
        self.owner = Some(owner);
    }

    /// Accepts any owner at the next login. Call it only if nothing of the earlier org was stored.
    pub fn release(&mut self) {
        self.owner = None;
    }

    /// Accepts the session of a login. The first one sets the owner. Fails if it is of another org.
    pub fn take_in(&mut self, made: Session, now: Instant) -> Result<&Live, Failure> {
        self.current = None;
        let own = Owner { org: made.org_id.clone(), user: made.user_id.clone() };
        let owner = self.owner.get_or_insert(own);
        if owner.org != made.org_id {
            return Err(wrong(&owner.org, &made.org_id));
        }
        Ok(self.current.insert(Live { session: made, made: now, heard: Arc::default() }))
    }

    /// The session, if its user is the owner's. Another user must be recorded first: the old user's changes are still
    /// ours.
    pub fn usable(&self, live: &Live) -> Result<Live, Failure> {
        match &self.owner {
            Some(owner) if owner.user != live.session.user_id => {
                Err(Failure::SessionOver("the login has another Salesforce user than before".to_owned()))
            }
            _ => Ok(live.clone()),
        }
    }

    /// A call on this session got no response of Salesforce: the org may have moved. Drops the session, so that the
    /// next call logs in, but not too often, because the remote may just be down.
    pub fn drop_if_old(&mut self, live: &Live, now: Instant) {
        let pace = if live.heard.load(Ordering::Relaxed) { AFTER_AN_ANSWER } else { AFTER_A_LOGIN };
        if now.duration_since(live.made) >= pace {
            self.current = self.current.take().filter(|current| !current.is(&live.session));
        }
    }

    pub fn drop_current(&mut self) {
        self.current = None;
    }
}

fn wrong(ours: &RecordId, found: &RecordId) -> Failure {
    Failure::WrongSession {
        code: "other_org".to_owned(),
        advice: format!(
            "This state belongs to the Salesforce org {ours}, the login leads to {found}: nothing is sent there. A \
             copied sandbox must not write to customers: use a state folder of its own (state.path), or the right login."
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(org: &str, user: &str, token: &str) -> Session {
        Session {
            access_token: token.into(),
            instance_url: "https://acme.my.salesforce.com/".parse().unwrap(),
            org_id: RecordId::new(org).unwrap(),
            user_id: RecordId::new(user).unwrap(),
        }
    }

    const ORG: &str = "00Dx0000000BV7z";
    const OTHER: &str = "00Dx0000000BV8z";
    const USER: &str = "005x00000012Q9P";

    #[test]
    fn a11_a_session_of_another_org_is_never_held() {
        let mut sessions = Sessions::default();
        let now = Instant::now();
        assert!(sessions.take_in(session(ORG, USER, "a"), now).is_ok());
        let refused = sessions.take_in(session(OTHER, USER, "b"), now).unwrap_err();
        assert!(matches!(&refused, Failure::WrongSession { code, .. } if code == "other_org"), "{refused}");
        assert!(sessions.current().is_none(), "it is dropped");
        assert!(sessions.take_in(session(ORG, USER, "c"), now).is_ok(), "a mended login is noticed");
        sessions.bind(Owner { org: RecordId::new(OTHER).unwrap(), user: RecordId::new(USER).unwrap() });
        assert!(sessions.current().is_none());
    }

    #[test]
    fn a11_another_user_is_taken_over_before_anything_is_sent() {
        let mut sessions = Sessions::default();
        let now = Instant::now();
        sessions.take_in(session(ORG, USER, "a"), now).unwrap();
        let live = sessions.take_in(session(ORG, "005x00000012Q9Q", "b"), now).unwrap().clone();
        assert!(matches!(sessions.usable(&live), Err(Failure::SessionOver(_))));
        let (org, user) = (live.session.org_id.clone(), live.session.user_id.clone());
        sessions.bind(Owner { org, user });
        assert!(sessions.usable(&live).is_ok());
    }

    #[test]
    fn c04_a_doubt_earns_one_login_and_then_one_a_minute() {
        let (mut sessions, began) = (Sessions::default(), Instant::now());
        let after = |seconds| began + Duration::from_secs(seconds);
        let live = sessions.take_in(session(ORG, USER, "a"), began).unwrap().clone();
        live.heard();
        sessions.drop_if_old(&live, after(1));
        assert!(sessions.current().is_some());
        sessions.drop_if_old(&live, after(3));
        assert!(sessions.current().is_none());
        let next = sessions.take_in(session(ORG, USER, "b"), after(3)).unwrap().clone();
        sessions.drop_if_old(&live, after(90));
        assert!(sessions.current().is_some(), "what an older session met says nothing of this one");
        sessions.drop_if_old(&next, after(60));
        assert!(sessions.current().is_some());
        sessions.drop_if_old(&next, after(63));
        assert!(sessions.current().is_none());
    }
}
