//! The client's session: one login for all calls, and no call on a session of another org.

use std::sync::Arc;
use std::time::Instant;

use super::{Client, Led};
use crate::http::Failure;
use crate::salesforce::auth::{Credentials, Session, login};
use crate::salesforce::sessions::{Live, Owner, Sessions};

impl Client {
    /// The session; logs in if there is none. Its user may differ from the owner's, see [`Client::bind`].
    pub async fn session(&self) -> Result<Session, Failure> {
        let mut sessions = self.sessions.lock().await;
        self.ensure(&mut sessions).await.map(|live| live.session)
    }

    /// Accepts only sessions of this owner. A session of another one is refused before anything is sent on it. Without
    /// a call of this, the first login sets the owner.
    pub async fn bind(&self, owner: Owner) {
        self.sessions.lock().await.bind(owner);
    }

    /// Accepts any org at the next login. Call it only if nothing of the current org was stored.
    pub async fn release(&self) {
        self.sessions.lock().await.release();
    }

    /// Result of the last login; none before the first.
    pub fn leads_to(&self) -> Option<Led> {
        self.led.load().as_deref().cloned()
    }

    async fn ensure(&self, sessions: &mut Sessions) -> Result<Live, Failure> {
        match sessions.current() {
            Some(live) => Ok(live.clone()),
            None => self.renew(sessions).await,
        }
    }

    async fn renew(&self, sessions: &mut Sessions) -> Result<Live, Failure> {
        let made = self.login().await?;
        let instance = made.instance_url.host_str().unwrap_or_default().to_owned();
        let led = Led { instance, org: made.org_id.clone(), user: made.user_id.clone() };
        self.led.store(Some(Arc::new(led)));
        sessions.take_in(made, Instant::now()).cloned()
    }

    /// A session of the owner.
    pub(super) async fn usable(&self) -> Result<Live, Failure> {
        let mut sessions = self.sessions.lock().await;
        let live = self.ensure(&mut sessions).await?;
        sessions.usable(&live)
    }

    /// Replaces an ended session, unless another call has done so already. None if the login returns the same session
    /// again, which would cause a loop (Salesforce reference, 1.6).
    pub(super) async fn renewed(&self, ended: &Live) -> Result<Option<Live>, Failure> {
        let mut sessions = self.sessions.lock().await;
        match sessions.current() {
            Some(current) if !current.is(&ended.session) => {
                let current = current.clone();
                return sessions.usable(&current).map(Some);
            }
            Some(_) => sessions.drop_current(),
            // Another call has just tried to log in, and failed.
            None => return Err(Failure::SessionOver("it ended, and the login failed".to_owned())),
        }
        let live = self.renew(&mut sessions).await?;
        if live.is(&ended.session) {
            sessions.drop_current();
            return Ok(None);
        }
        sessions.usable(&live).map(Some)
    }

    async fn login(&self) -> Result<Session, Failure> {
        let credentials = self.credentials.load_full();
        login(&self.http, self.limits.login, &self.login_url, &credentials, self.clock.now()).await
    }

    /// The next login uses these. The current session stays.
    pub fn set_credentials(&self, credentials: Credentials) {
        self.credentials.store(Arc::new(credentials));
    }
}
