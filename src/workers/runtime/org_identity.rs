//! The first contact with Salesforce: who we are there, since when, and what its objects look like.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tracing::{info, warn};

use crate::decide::Names;
use crate::decide::names::lookups;
use crate::http::Failure;
use crate::mapping::Mapping;
use crate::salesforce::RecordId;
use crate::salesforce::auth::Session;
use crate::salesforce::client::{Asked, Led};
use crate::salesforce::describe::Describe;
use crate::salesforce::query;
use crate::salesforce::sessions::Owner;
use crate::state::{Store, StoreError};
use crate::time::SalesforceTime;
use crate::workers::inbound::reconcile::unsayable;
use crate::workers::poll::stamp;
use crate::workers::runtime::budget::Purpose;
use crate::workers::runtime::retry::millis;
use crate::workers::{Remote, Shared};

/// Our identity in the org, stored with the state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OrgIdentity {
    pub org: RecordId,
    /// Our own user in Salesforce.
    pub us: RecordId,
    /// Users that we were before: what they wrote still counts as ours.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub formerly: Vec<RecordId>,
    /// Our first start: nothing that agents did before is sent.
    #[serde(rename = "first_start_ms")]
    pub first_start: SalesforceTime,
    /// The org had Cases with our key when the ledger was empty: responses older than the first start are read before
    /// they are written.
    pub inherited: bool,
}

/// What is known of the org's objects; refreshed hourly.
#[derive(Debug, Default)]
pub struct Schema {
    pub case: Option<Describe>,
    pub comment: Option<Describe>,
    /// Status values that close a Case.
    pub closed: Vec<String>,
    /// Record types and owners that the mappings name.
    pub names: Names,
    /// The mapping version that `names` was read for.
    pub mapping: String,
    pub read_ms: i64,
}

#[derive(Default)]
pub struct OrgIdentities {
    known: Mutex<Option<Arc<OrgIdentity>>>,
    pub schema: ArcSwap<Schema>,
    /// An admin says that the org has changed: its describe is read again before the hour is over.
    stale: AtomicBool,
}

impl OrgIdentities {
    /// `None` before the first contact.
    pub async fn first_start(&self) -> Option<SalesforceTime> {
        self.known.lock().await.as_ref().map(|contact| contact.first_start)
    }
}

const REFRESH_MS: i64 = 3_600_000;
/// When what could not be read anew is tried again.
const AGAIN_MS: i64 = 300_000;
const CONTACT: &str = "contact";
/// How far a `Date` header may be from the one before, and from the times of the records (milliseconds).
const ODD_DATE_MS: i64 = 60_000;
/// How far a row's time may be ahead of Salesforce's `Date` and of our own clock to be believed (milliseconds).
const ROW_AHEAD_MS: i64 = 24 * 3_600_000;

impl OrgIdentity {
    /// Our current and former users.
    pub(crate) fn all_of_us(&self) -> Vec<RecordId> {
        self.formerly.iter().chain([&self.us]).cloned().collect()
    }

    fn owner(&self) -> Owner {
        Owner { org: self.org.clone(), user: self.us.clone() }
    }
}

/// The org and user whose logins this state accepts; `None` before the first contact.
pub async fn owner(store: &Store) -> Result<Option<Owner>, StoreError> {
    Ok(store.meta::<OrgIdentity>(CONTACT).await?.map(|contact| contact.owner()))
}

impl Shared {
    /// Makes contact when there is none yet. The client refuses any org but the state's own. It sends nothing for
    /// another user until this function has stored that user (design, rule 16).
    pub async fn contact(&self) -> Result<Arc<OrgIdentity>, Failure> {
        self.may_ask()?;
        let mut known = self.contacts.known.lock().await;
        let session = self.salesforce.session().await?;
        // A later login may have another user.
        let same = |c: &&Arc<OrgIdentity>| c.org == session.org_id && c.us == session.user_id;
        if let Some(contact) = known.as_ref().filter(same) {
            if self.contacts.schema.load().mapping != self.mapping().version() {
                self.refresh_schema().await?;
            }
            return Ok(contact.clone());
        }
        let stored: Option<OrgIdentity> = self.store.meta(CONTACT).await.map_err(|e| disk(&e))?;
        let contact = match stored {
            Some(stored) => self.met_before(stored, &session, known.is_none()).await?,
            None => match self.never_met(&session).await {
                Ok(contact) => contact,
                Err(failure) => {
                    // The org is released: the next login may lead to another one.
                    self.salesforce.release().await;
                    return Err(failure);
                }
            },
        };
        let contact = Arc::new(contact);
        *known = Some(contact.clone());
        Ok(contact)
    }

    /// [`Self::contact`] for callers that note nothing themselves: here, too, failed logins pause calls.
    pub(crate) async fn contact_or_pause(&self) -> Result<Arc<OrgIdentity>, Failure> {
        let began_ms = self.clock.now_ms();
        self.contact().await.inspect_err(|failure| {
            self.call_failed(Remote::Salesforce, failure, began_ms);
        })
    }

    /// Only when `starting` the ledger is compared with the org: later it may be behind writes in flight.
    async fn met_before(
        &self,
        stored: OrgIdentity,
        session: &Session,
        starting: bool,
    ) -> Result<OrgIdentity, Failure> {
        let contact = if stored.us == session.user_id {
            stored
        } else {
            self.another_user(stored, session.user_id.clone()).await?
        };
        self.refresh_schema().await?;
        if starting && self.is_outdated(contact.first_start).await? {
            let contact = self.first_contact(session, true, contact.formerly).await?;
            self.start_over().await.map_err(|e| disk(&e))?;
            self.store.durable().await.map_err(|e| disk(&e))?;
            return Ok(contact);
        }
        Ok(contact)
    }

    /// Binds the client to this org before the first query: all answers have to come from one org.
    async fn never_met(&self, session: &Session) -> Result<OrgIdentity, Failure> {
        let (org, user) = (session.org_id.clone(), session.user_id.clone());
        self.salesforce.bind(Owner { org, user }).await;
        self.contacts.stale.store(true, Ordering::SeqCst);
        self.refresh_schema().await?;
        let empty = !self.store.has_links().await.map_err(|e| disk(&e))?;
        let inherited = empty && self.org_has_cases().await?;
        self.first_contact(session, inherited, Vec::new()).await
    }

    async fn first_contact(
        &self,
        session: &Session,
        inherited: bool,
        formerly: Vec<RecordId>,
    ) -> Result<OrgIdentity, Failure> {
        let first_start = self.first_start(inherited).await?;
        let (org, us) = (session.org_id.clone(), session.user_id.clone());
        let contact = OrgIdentity { org, us, formerly, first_start, inherited };
        self.store.set_meta(CONTACT, &contact).await.map_err(|e| disk(&e))?;
        self.store.durable().await.map_err(|e| disk(&e))?;
        info!(org = %contact.org, inherited, "first contact with Salesforce: nothing older is ever sent to customers");
        Ok(contact)
    }

    /// The second from which on people's work counts. If an earlier state may have acted on Cases (`inherited`), what
    /// stands there already counts as written before.
    async fn first_start(&self, inherited: bool) -> Result<SalesforceTime, Failure> {
        let date = self.salesforce.server_time();
        let now = date.unwrap_or_else(|| {
            // Something on the network path removes the header. Only our own clock is left.
            warn!(
                "Salesforce's answers have no Date header: the first start is dated by this machine's clock"
            );
            self.clock.now()
        });
        let now = SalesforceTime::from(now);
        let second_ms = |at: SalesforceTime| at.to_millis() / 1000 * 1000;
        if !inherited {
            // Salesforce's timestamps have whole seconds.
            return Ok(SalesforceTime::from_millis(second_ms(now)));
        }
        let asked = Instant::now();
        let newest = self.newest_row(now).await?.unwrap_or(now);
        let after = self.salesforce.server_time().filter(|_| date.is_some()).map(SalesforceTime::from);
        let passed_ms = after.map_or(0, |after| after.millis_since(now)) - millis(asked.elapsed());
        if after.is_some() && passed_ms.abs() > ODD_DATE_MS {
            return Err(Failure::no_answer("answers whose Date headers contradict each other"));
        }
        if newest.millis_since(now) > ODD_DATE_MS {
            warn!(date = %now, %newest, "Salesforce's Date header is behind its own records; the records count");
        }
        Ok(SalesforceTime::from_millis(second_ms(newest.max(now)) + 1000))
    }

    /// When the newest Case of ours or comment on one was changed, if that is after this `Date`: a `Date` header is
    /// made by whatever answers, and may be behind the times in the org's records.
    async fn newest_row(&self, date: SalesforceTime) -> Result<Option<SalesforceTime>, Failure> {
        let mapping = self.mapping();
        let Some(case) = mapping.case_mappings().first() else { return Ok(None) };
        let comments = &mapping.actions().comments;
        let key = format!("{}.{}", comments.parent_relation(), case.key_field);
        // A row with a time far ahead of every clock says nothing.
        let until = date.to_millis().max(self.clock.now_ms()).saturating_add(ROW_AHEAD_MS);
        let between = (date, SalesforceTime::from_millis(until));
        let newest = |object: &str, key: &str| query::newest(object, key, between).map_err(|e| unsayable(&e));
        let asked = [newest(&case.object, &case.key_field)?, newest(&comments.object, &key)?];
        self.allowance(Purpose::Feedback).await?;
        let pages = self.salesforce.pages(&asked.map(Asked::Current)).await?;
        // A refused query names a missing field or object: `check` and the first write report it.
        let rows = pages.into_iter().flatten().flat_map(|page| page.rows);
        Ok(rows.filter_map(|row| stamp(&row)).map(|(at, _)| SalesforceTime::from(at)).max())
    }

    /// Stores the app's new user. Comments of the user before do not count as an agent's.
    async fn another_user(&self, before: OrgIdentity, us: RecordId) -> Result<OrgIdentity, Failure> {
        let mut formerly = before.formerly;
        formerly.retain(|user| *user != us);
        formerly.push(before.us);
        let contact = OrgIdentity { us, formerly, ..before };
        self.store.set_meta(CONTACT, &contact).await.map_err(|e| disk(&e))?;
        self.store.durable().await.map_err(|e| disk(&e))?;
        self.salesforce.bind(contact.owner()).await;
        info!("the login has another Salesforce user than before");
        Ok(contact)
    }

    async fn org_has_cases(&self) -> Result<bool, Failure> {
        let mapping = self.mapping();
        let Some(case) = mapping.case_mappings().first() else { return Ok(false) };
        let soql = format!("SELECT Id FROM {} WHERE {} != null LIMIT 1", case.object, case.key_field);
        self.allowance(Purpose::Feedback).await?;
        match self.salesforce.query_all(&soql).await {
            Ok(rows) => Ok(!rows.is_empty()),
            // The key field is missing: `check` and the first write report it.
            Err(Failure::Refused { .. }) => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// Reads the describe again after an hour, or when an edited mapping may name other objects, owners and record
    /// types. If the org refuses a describe, fields are sent without it. If it has none to give at the moment, the one
    /// of before stays in force: an org may answer everything else.
    pub async fn refresh_schema(&self) -> Result<(), Failure> {
        let now_ms = self.clock.now_ms();
        let old = self.contacts.schema.load();
        let mapping = self.mapping();
        let stale = self.contacts.stale.load(Ordering::SeqCst);
        let is_young = old.read_ms != 0 && now_ms - old.read_ms < REFRESH_MS;
        if is_young && !stale && old.mapping == mapping.version() {
            return Ok(());
        }
        let case = mapping.case_mappings().first().map_or("Case", |c| c.object.as_str()).to_owned();
        let comment = mapping.comment().object.clone();
        let (case, case_is_new) = self.describe(&case, old.case.as_ref()).await?;
        let (comment, comment_is_new) = self.describe(&comment, old.comment.as_ref()).await?;
        let is_new = case_is_new && comment_is_new;
        let schema = Schema {
            case,
            comment,
            closed: self.closed_statuses().await?,
            names: self.names(&mapping).await?,
            mapping: mapping.version().to_owned(),
            read_ms: if is_new { now_ms } else { now_ms - REFRESH_MS + AGAIN_MS },
        };
        self.contacts.schema.store(Arc::new(schema));
        self.contacts.stale.store(false, Ordering::SeqCst);
        if is_new {
            // A field that was refused for a missing permission may be allowed now; if not, it is refused once more.
            self.fixes.forget();
            self.columns.forget();
        }
        Ok(())
    }

    /// Where Salesforce's last login led, for people; `None` before the first.
    pub fn salesforce_led(&self) -> Option<Led> {
        self.salesforce.leads_to()
    }

    /// An admin has changed the org: refused fields are tried again, and the describe is read again.
    pub(crate) fn describe_again(&self) {
        self.fixes.forget();
        self.columns.forget();
        self.contacts.stale.store(true, Ordering::SeqCst);
    }

    /// The describe of an object, and whether it was read now. `old` is the last one that was read.
    async fn describe(
        &self,
        object: &str,
        old: Option<&Describe>,
    ) -> Result<(Option<Describe>, bool), Failure> {
        self.allowance(Purpose::Feedback).await?;
        let old = old.filter(|old| old.object.eq_ignore_ascii_case(object));
        match (self.salesforce.describe(object).await, old) {
            (Ok(describe), _) => Ok((Some(describe), true)),
            (Err(Failure::Refused { status, .. }), _) => {
                warn!(
                    object,
                    status, "Salesforce does not describe this object; fields are sent as they are"
                );
                Ok((None, true))
            }
            (Err(failure @ (Failure::NoAnswer(_) | Failure::Road(_) | Failure::TooLarge(_))), Some(old)) => {
                warn!(object, %failure, "Salesforce's description of this object cannot be read now; the last one stays in force");
                Ok((Some(old.clone()), false))
            }
            (Err(Failure::TooLarge(_)), None) => {
                warn!(
                    object,
                    "Salesforce's description of this object is too large to read; fields are sent as they are"
                );
                Ok((None, true))
            }
            (Err(failure), _) => Err(failure),
        }
    }

    /// Ids of the record types and owners that the mapping names; queried only if it names some.
    async fn names(&self, mapping: &Mapping) -> Result<Names, Failure> {
        let mut names = Names::new();
        for lookup in lookups(mapping) {
            self.allowance(Purpose::Feedback).await?;
            match self.salesforce.query(lookup.soql).await {
                Ok(rows) => lookup.add(&rows, &mut names),
                Err(Failure::Refused { problem, .. }) => {
                    warn!(lookup.field, code = %problem.code, "Salesforce does not list what the mapping names");
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(names)
    }

    async fn closed_statuses(&self) -> Result<Vec<String>, Failure> {
        let soql = "SELECT ApiName, IsClosed FROM CaseStatus";
        self.allowance(Purpose::Feedback).await?;
        match self.salesforce.query(soql).await {
            Ok(rows) => Ok(rows
                .iter()
                .filter(|r| r.get("IsClosed").and_then(serde_json::Value::as_bool) == Some(true))
                .filter_map(|r| r.get("ApiName").and_then(serde_json::Value::as_str).map(str::to_owned))
                .collect()),
            Err(Failure::Refused { .. }) => Ok(vec!["Closed".to_owned()]),
            Err(failure) => Err(failure),
        }
    }
}

/// A store error ends the step here; the daemon's watch on the store ends the process if the store is broken.
pub fn disk(error: &StoreError) -> Failure {
    Failure::Store(error.to_string())
}
