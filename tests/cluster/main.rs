//! Three real daemons on one PostgreSQL with a synchronous standby, under load in both directions. One of them, or its
//! road to the database, is hurt again and again; then losses and duplicates are counted as in the crash run.
//!
//! ```text
//! cargo test --test cluster                                    12 faults, about two minutes
//! cargo test --test cluster -- --faults 200 --seed 7
//! ```
//!
//! It needs `apt-get install postgresql` (tests/postgres), and says so where that is missing.

#[path = "../crash/chance.rs"]
mod chance;
mod daemon;
#[path = "../crash/judge.rs"]
mod judge;
#[path = "../crash/load.rs"]
mod load;
mod proxy;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chance::Chance;
use daemon::{Daemon, Database, LEASE};
use load::Field;

/// How long both sides may take to finish all work.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long a takeover may take.
const TAKEOVER: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    KillLeader,
    StopLeader,
    CutLeaderOff,
    KillOther,
    EndLeader,
    RollAll,
}

const FAULTS: [Fault; 6] = [
    Fault::KillLeader,
    Fault::StopLeader,
    Fault::CutLeaderOff,
    Fault::KillOther,
    Fault::EndLeader,
    Fault::RollAll,
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |name: &str, default: u64| {
        let at = arguments.iter().position(|argument| argument == name);
        at.and_then(|at| arguments.get(at + 1)?.parse().ok()).unwrap_or(default)
    };
    let (faults, seed) = (number("--faults", 12), number("--seed", 1));
    let database = match Database::start() {
        Ok(Some(database)) => database,
        Ok(None) => {
            println!("cluster: no PostgreSQL here, nothing is tested (apt-get install postgresql)");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            println!("the database does not start: {error:#}");
            return ExitCode::FAILURE;
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    match runtime.expect("a runtime starts").block_on(run(database, faults, seed)) {
        Ok(breaches) => {
            println!("  lost, doubled or disturbed {:>5}", breaches.len());
            breaches.iter().take(30).for_each(|breach| println!("BREACH {breach}"));
            if breaches.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            println!("the run broke off: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(database: Database, faults: u64, seed: u64) -> anyhow::Result<Vec<String>> {
    let began = Instant::now();
    let mut chance = Chance::new(seed);
    let field = Arc::new(Field::new(seed).await?);
    let mut daemon = Daemon::start(&field, database).await?;
    let load = tokio::spawn(load::people(field.clone(), chance.fork()));
    let mischief = tokio::spawn(load::mischief(field.clone(), chance.fork()));
    let mut takeovers: Vec<(Fault, Duration)> = Vec::new();
    for number in 0..faults {
        daemon.all_work(TAKEOVER).await?;
        let fault = FAULTS[usize::try_from(number).unwrap_or_default() % FAULTS.len()];
        takeovers.extend(strike(&field, &mut daemon, &mut chance, fault).await?.map(|took| (fault, took)));
    }
    field.end();
    mischief.await?;
    daemon.all_work(TAKEOVER).await?;
    load.await?;
    let mut breaches = daemon.rest(&field, PATIENCE).await?;
    breaches.extend(field.breaches(&daemon, true).await?);
    breaches.extend(daemon.panics());
    report(&field, &daemon, faults, &mut takeovers, began.elapsed()).await?;
    Ok(breaches)
}

/// Hurts the cluster. How long it took until another instance worked, if one had to.
async fn strike(
    field: &Field,
    daemon: &mut Daemon,
    chance: &mut Chance,
    fault: Fault,
) -> anyhow::Result<Option<Duration>> {
    let work = field.calls() + chance.below(60) + 4;
    daemon::until(Duration::from_secs(20), || field.calls() >= work).await;
    let (leader, epoch) = daemon.leader().await?;
    if chance.percent(70) {
        daemon::until(Duration::from_secs(5), || field.actions_under_way() > 0).await;
    } else {
        daemon::until(Duration::from_secs(5), || field.graphs_under_way() > 0).await;
    }
    let began = Instant::now();
    match fault {
        Fault::KillLeader => daemon.kill(leader)?,
        Fault::StopLeader => daemon.pause(leader)?,
        Fault::CutLeaderOff => daemon.link(leader).cut(),
        Fault::KillOther => {
            daemon.kill((leader + 1) % daemon::INSTANCES)?;
            return Ok(None);
        }
        Fault::EndLeader => daemon.end(leader).await?,
        Fault::RollAll => {
            daemon.roll(TAKEOVER).await?;
            return Ok(None);
        }
    }
    daemon.taken_over(epoch, TAKEOVER).await?;
    let took = began.elapsed();
    tokio::time::sleep(Duration::from_millis(chance.below(1000))).await;
    daemon.wake(leader)?;
    daemon.link(leader).mend();
    Ok(Some(took))
}

async fn report(
    field: &Field,
    daemon: &Daemon,
    faults: u64,
    takeovers: &mut [(Fault, Duration)],
    took: Duration,
) -> anyhow::Result<()> {
    let facts = field.facts();
    println!("cluster run: {faults} faults in {:.0} s, lease {} s", took.as_secs_f64(), LEASE.as_secs());
    takeovers.sort();
    for fault in FAULTS {
        let of: Vec<f64> =
            takeovers.iter().filter(|one| one.0 == fault).map(|one| one.1.as_secs_f64()).collect();
        if let (Some(median), Some(longest)) = (of.get(of.len() / 2), of.last()) {
            println!(
                "  {fault:?}: another works after {median:.1} s (median), {longest:.1} s (longest of {})",
                of.len()
            );
        }
    }
    println!("  feedbacks                  {:>5}", facts.responses);
    println!(
        "  events acknowledged        {:>5}  of {} sent, duplicates included",
        facts.acknowledged, facts.posted
    );
    println!("  Cases                      {:>5}", facts.cases);
    println!("  comments imported          {:>5}", facts.imported);
    println!("  agents' actions            {:>5}", facts.acted);
    println!("  actions done at Goodays    {:>5}", facts.done);
    println!("  waiting with a reason      {:>5}", daemon.parked().await?.len());
    println!("  terms                      {:>5}", daemon.leader().await?.1);
    Ok(())
}
