//! What is done to the daemons and to their database, and when.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use crate::TAKEOVER;
use crate::chance::Chance;
use crate::daemon::{self, Daemon, LEASE};
use crate::load::Field;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    KillLeader,
    StopLeader,
    CutLeaderOff,
    KillOther,
    EndLeader,
    RollAll,
    /// The first process of the primary.
    KillPostmaster,
    /// The primary with its Patroni.
    KillPrimaryNode,
    /// The synchronous standby with its Patroni; another standby is there.
    KillStandbyNode,
    /// Nothing reaches the standbys, waiting commits are broken off, then the primary's node dies.
    LosePrimary,
}

use Fault::{
    CutLeaderOff, EndLeader, KillLeader, KillOther, KillPostmaster, KillPrimaryNode, KillStandbyNode,
    LosePrimary, RollAll, StopLeader,
};

const ON_A_PAIR: [Fault; 6] = [KillLeader, StopLeader, CutLeaderOff, KillOther, EndLeader, RollAll];
/// Those of the database take longest, so they come less often.
const WITH_PATRONI: [Fault; 20] = [
    KillLeader,
    KillPostmaster,
    StopLeader,
    CutLeaderOff,
    KillLeader,
    EndLeader,
    KillPrimaryNode,
    StopLeader,
    KillOther,
    CutLeaderOff,
    KillLeader,
    LosePrimary,
    StopLeader,
    RollAll,
    StopLeader,
    KillStandbyNode,
    KillLeader,
    CutLeaderOff,
    EndLeader,
    StopLeader,
];

/// All kinds, in the order in which they come.
pub fn all(with_patroni: bool) -> Vec<Fault> {
    if with_patroni { WITH_PATRONI.to_vec() } else { ON_A_PAIR.to_vec() }
}

/// What a fault led to.
pub struct Took {
    fault: Fault,
    /// Until another term had begun, if one had to.
    term: Option<Duration>,
    /// Until a webhook was acknowledged again.
    door: Duration,
}

impl Fault {
    pub fn named(name: &str) -> anyhow::Result<Self> {
        let known = WITH_PATRONI.into_iter().find(|fault| format!("{fault:?}") == name);
        known.with_context(|| format!("no fault is called {name}: {:?}", all(true)))
    }

    /// Whether a term has to end with it.
    fn ends_the_term(self) -> bool {
        !matches!(self, KillOther | RollAll | KillStandbyNode)
    }
}

impl fmt::Display for Took {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<16} webhooks after {:.1} s", format!("{:?}", self.fault), self.door.as_secs_f64())?;
        self.term.map_or(Ok(()), |term| write!(f, ", work after {:.1} s", term.as_secs_f64()))
    }
}

/// Hurts the cluster, and sees it go on.
pub async fn strike(
    field: &Field,
    daemon: &mut Daemon,
    chance: &mut Chance,
    fault: Fault,
) -> anyhow::Result<Took> {
    let work = field.calls() + chance.below(60) + 4;
    daemon::until(Duration::from_secs(20), || field.calls() >= work).await;
    let (leader, epoch) = daemon.leader().await?;
    moment(field, daemon, chance).await?;
    let began = Instant::now();
    apply(field, daemon, leader, fault).await?;
    let acknowledged = field.acknowledged_count();
    let door = async {
        daemon::until(TAKEOVER, || field.acknowledged_count() > acknowledged).await;
        began.elapsed()
    };
    let term = async {
        if fault.ends_the_term() {
            daemon.taken_over(epoch, TAKEOVER).await?;
        }
        anyhow::Ok(began.elapsed())
    };
    let (door, term) = tokio::join!(door, term);
    let took = Took { fault, term: fault.ends_the_term().then_some(term?), door };
    let pause = match fault {
        // The successor has read back and sent by then, and the timer has ended the stopped one.
        StopLeader => 1500 + chance.below(3000),
        // Sometimes what was held back arrives before the successor has begun.
        _ if chance.percent(40) => 0,
        _ => chance.below(2000),
    };
    tokio::time::sleep(Duration::from_millis(pause)).await;
    if matches!(fault, StopLeader) {
        ensure!(daemon.was_killed(leader)?, "the stopped instance outlived its lease: no timer ended it");
    }
    daemon.mend(leader);
    Ok(took)
}

/// Waits for a moment that matters: an action is stored as being sent and has not arrived, an action is on its way, or a
/// write to Salesforce is.
async fn moment(field: &Field, daemon: &Daemon, chance: &mut Chance) -> anyhow::Result<()> {
    const PATIENCE: Duration = Duration::from_secs(5);
    match chance.below(10) {
        0..4 => begun(field, daemon, PATIENCE).await?,
        4..7 => drop(daemon::until(PATIENCE, || field.actions_under_way() > 0).await),
        _ => drop(daemon::until(PATIENCE, || field.graphs_under_way() > 0).await),
    }
    Ok(())
}

/// Waits until more actions are stored as being sent than are on their way.
async fn begun(field: &Field, daemon: &Daemon, patience: Duration) -> anyhow::Result<()> {
    let began = Instant::now();
    while began.elapsed() < patience && daemon.actions_begun().await? <= field.actions_under_way() {}
    Ok(())
}

/// Stops the leader after the database has stored that an action is being sent, and before the leader hears so. If it woke
/// up, it would hear so and send. A beat is under way, too, so that it would not give up at once.
async fn stop_before_a_put(field: &Field, daemon: &Daemon, leader: usize) -> anyhow::Result<()> {
    daemon.hold_answers(leader);
    tokio::time::sleep(LEASE / 4).await;
    begun(field, daemon, LEASE / 10).await?;
    daemon.pause(leader)?;
    daemon.mend(leader);
    Ok(())
}

async fn apply(field: &Field, daemon: &mut Daemon, leader: usize, fault: Fault) -> anyhow::Result<()> {
    match fault {
        KillLeader => daemon.kill(leader),
        StopLeader => stop_before_a_put(field, daemon, leader).await,
        CutLeaderOff => {
            daemon.cut_off(leader);
            Ok(())
        }
        KillOther => daemon.kill((leader + 1) % daemon::INSTANCES),
        EndLeader => daemon.end(leader).await,
        RollAll => daemon.roll(TAKEOVER).await,
        KillPostmaster => {
            let patroni = daemon.database.patroni()?;
            patroni.kill_postmaster(patroni.primary().await?)
        }
        KillPrimaryNode => {
            let patroni = daemon.database.patroni()?;
            let primary = patroni.primary().await?;
            patroni.kill_node(primary)
        }
        KillStandbyNode => {
            let patroni = daemon.database.patroni()?;
            let standby = patroni.synchronous().await?;
            patroni.kill_node(standby)
        }
        LosePrimary => lose_primary(daemon).await,
    }
}

/// Commits that the standbys do not have become visible on the primary, because their waits are cancelled or their sessions
/// ended meanwhile. Whoever takes them for done loses them with the primary.
async fn lose_primary(daemon: &mut Daemon) -> anyhow::Result<()> {
    const END_WAITING: [&str; 2] = [
        "select pg_cancel_backend(pid) from pg_stat_activity
         where wait_event = 'SyncRep' and application_name = 'goodays-salesforce'",
        "select pg_terminate_backend(pid) from pg_stat_activity
         where wait_event = 'SyncRep' and application_name = 'goodays-salesforce'",
    ];
    let primary = daemon.database.patroni()?.primary().await?;
    daemon.database.patroni()?.cut_replication(primary);
    let began = Instant::now();
    for end in END_WAITING.into_iter().cycle() {
        if began.elapsed() > Duration::from_secs(3) {
            break;
        }
        daemon.database.ask(end, &[]).await?;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let patroni = daemon.database.patroni()?;
    patroni.kill_node(primary)?;
    patroni.mend_replication(primary);
    Ok(())
}

/// How long each kind took.
pub fn report(took: &[Took]) {
    for fault in all(true).into_iter().collect::<std::collections::BTreeSet<_>>() {
        let of = || took.iter().filter(|one| one.fault == fault);
        let (door, term) = (spread(of().map(|one| one.door)), spread(of().filter_map(|one| one.term)));
        if let Some(door) = door {
            println!("  {:<16} {:>3}  webhooks after {door}", format!("{fault:?}"), of().count());
        }
        if let Some(term) = term {
            println!("  {:<16} {:>3}  work after     {term}", "", "");
        }
    }
}

/// The median and the longest.
fn spread(times: impl Iterator<Item = Duration>) -> Option<String> {
    let mut times: Vec<f64> = times.map(|time| time.as_secs_f64()).collect();
    times.sort_by(f64::total_cmp);
    let (median, longest) = (times.get(times.len() / 2)?, times.last()?);
    Some(format!("{median:>5.1} s (median) {longest:>5.1} s (longest)"))
}
