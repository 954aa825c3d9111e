//! What this instance knows of the others, for `status` and for whoever asks the wrong one.

use jiff::Timestamp;
use serde_json::{Value, json};
use tracing::debug;

use crate::state::StoreError;
use crate::state::postgres::lease::{Instance, InstanceRow, LeaseRow};
use crate::workers::Current;
use crate::workers::terms::{Terms, millis, now_ms};

/// An instance that was not seen for this long is not shown any more (milliseconds).
const GONE_MS: i64 = 30_000;

/// How often the others are looked at (milliseconds).
const LOOK_MS: i64 = 900;

/// The instances, as this one has seen them last.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    /// This instance.
    pub me: String,
    /// The epoch of its term, while it works.
    pub epoch: Option<i64>,
    /// The epoch of the lease, whoever has it.
    pub lease_epoch: i64,
    /// The lease's length (milliseconds).
    pub lease_ms: i64,
    /// The one that works; none while nobody does, or while the database is away.
    pub leader: Option<String>,
    /// For how long it has been working, as of `read_ms` (milliseconds).
    pub held_ms: i64,
    /// When this was read, by steady time (milliseconds).
    pub read_ms: i64,
    pub members: Vec<Member>,
    /// Why the database could not be asked.
    pub trouble: Option<String>,
    /// How long the last request took (seconds).
    pub round_trip: f64,
}

/// One instance.
#[derive(Debug, Clone)]
pub struct Member {
    pub id: String,
    pub version: String,
    pub mapping: String,
    /// When it started (milliseconds, its clock).
    pub started_ms: i64,
    pub admin: String,
    /// How long before `read_ms` it last said that it is there (milliseconds).
    pub seen_ms: i64,
}

impl Standing {
    /// Whether the instances judge by the same mappings.
    pub fn mappings_differ(&self) -> bool {
        self.members.windows(2).any(|pair| pair[0].mapping != pair[1].mapping)
    }

    /// For how long the one that works has been working (milliseconds).
    pub fn works_for_ms(&self) -> i64 {
        self.held_ms + now_ms() - self.read_ms
    }

    /// For `status`: the instances, which one works and for how long.
    pub fn show(&self) -> Value {
        let works_for_ms = self.works_for_ms();
        let started = |ms| Timestamp::from_millisecond(ms).ok().map(|at| at.to_string());
        let all = self.members.iter().map(|one| {
            json!({
                "id": one.id,
                "works": Some(&one.id) == self.leader.as_ref(),
                "version": one.version,
                "mapping": one.mapping,
                "started": started(one.started_ms),
                "admin": one.admin,
                "seen_seconds": one.seen_ms / 1000,
            })
        });
        json!({
            "this": self.me,
            "works": self.leader,
            "works_for_seconds": self.leader.as_ref().map(|_| works_for_ms / 1000),
            "epoch": self.epoch,
            "lease_epoch": self.lease_epoch,
            "lease_seconds": self.lease_ms / 1000,
            "round_trip_seconds": self.round_trip,
            "mappings_differ": self.mappings_differ(),
            "trouble": self.trouble,
            "all": all.collect::<Value>(),
        })
    }

    /// Whether this instance has seen that another one works.
    pub fn another_works(&self) -> bool {
        self.leader.as_ref().is_some_and(|leader| *leader != self.me)
    }

    /// Says which instance to ask.
    pub fn ask_there(&self) -> String {
        match (&self.leader, self.leaders_door()) {
            (Some(leader), Some(door)) => format!("the instance {leader} works: ask its admin door, {door}"),
            (Some(leader), None) => format!("the instance {leader} works: ask that one"),
            (None, _) => "no instance works now: try again in a few seconds".to_owned(),
        }
    }

    /// The admin door of the instance that works.
    pub fn leaders_door(&self) -> Option<&str> {
        let leader = self.leader.as_deref()?;
        self.members.iter().find(|member| member.id == leader).map(|member| member.admin.as_str())
    }
}

impl Terms {
    /// Notes what was read of the lease, and the other instances.
    pub(super) async fn seen(&self, current: &Current, row: &LeaseRow, epoch: Option<i64>) {
        let holder = row.holder.clone().filter(|_| !row.released);
        let before = current.standing();
        if before.is_some_and(|one| {
            one.trouble.is_none() && one.leader == holder && now_ms() < one.read_ms + LOOK_MS
        }) {
            return;
        }
        let members = match self.members().await {
            Ok(members) => members,
            Err(error) => return debug!(%error, "the other instances cannot be seen"),
        };
        current.stands(Standing {
            me: self.me.id.clone(),
            epoch,
            lease_epoch: row.epoch,
            lease_ms: self.times.length_ms,
            leader: holder,
            held_ms: row.held_ms,
            read_ms: now_ms(),
            members,
            trouble: None,
            round_trip: self.lease.last_trip().as_secs_f64(),
        });
    }

    /// The same after a beat.
    pub(super) async fn look_round(&self, current: &Current, epoch: i64) {
        match self.lease.read(millis(self.times.beat_ms / 2)).await {
            Ok(row) => self.seen(current, &row, Some(epoch)).await,
            Err(error) => debug!(%error, "the other instances cannot be seen"),
        }
    }

    /// The database did not answer.
    pub(super) fn not_seen(&self, current: &Current, error: &StoreError) {
        let before = current.standing().map(|standing| (*standing).clone()).unwrap_or_default();
        let me = self.me.id.clone();
        current.stands(Standing { me, leader: None, trouble: Some(error.to_string()), ..before });
    }

    async fn members(&self) -> Result<Vec<Member>, StoreError> {
        let limit = millis(self.times.beat_ms / 2);
        let mapping = self.process.mapping().version().to_owned();
        self.lease.register(&Instance { mapping, ..self.me.clone() }, limit).await?;
        let mut rows = self.lease.instances(limit).await?;
        rows.retain(|row| row.seen_ms < GONE_MS);
        let member = |InstanceRow { instance, seen_ms }| Member {
            id: instance.id,
            version: instance.version,
            mapping: instance.mapping,
            started_ms: instance.started_ms,
            admin: instance.admin_addr,
            seen_ms,
        };
        Ok(rows.into_iter().map(member).collect())
    }
}
