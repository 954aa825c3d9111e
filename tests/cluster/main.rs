//! Three real daemons on PostgreSQL with a synchronous standby, under load in both directions. A daemon, its road to the
//! database, or a server of the database is hurt again and again; then losses and duplicates are counted as in the crash
//! run. README.md beside this file says how to run it.

#[path = "../crash/chance.rs"]
mod chance;
mod daemon;
mod database;
mod faults;
#[path = "../crash/judge.rs"]
mod judge;
#[path = "../crash/load.rs"]
mod load;
mod patroni;
mod proxy;
mod watch;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chance::Chance;
use daemon::{Daemon, LEASE};
use database::{Database, Servers};
use faults::{Fault, Took, strike};
use load::Field;

/// How long both sides may take to finish all work.
const PATIENCE: Duration = Duration::from_secs(400);
/// How long a takeover may take.
const TAKEOVER: Duration = Duration::from_secs(90);

struct Wanted {
    faults: usize,
    seed: u64,
    /// The kinds of faults, one after the other.
    kinds: Vec<Fault>,
    /// Without Patroni there is one server and its standby.
    may_be_patroni: bool,
    /// What is written by all processes stays there.
    logs: Option<std::path::PathBuf>,
}

fn wanted() -> anyhow::Result<Wanted> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name);
        at.and_then(|at| arguments.get(at + 1))
    };
    let kinds = value("--only").map(|names| names.split(',').map(Fault::named).collect()).transpose()?;
    Ok(Wanted {
        faults: value("--faults").map_or(Ok(20), |text| text.parse())?,
        seed: value("--seed").map_or(Ok(1), |text| text.parse())?,
        kinds: kinds.unwrap_or_default(),
        may_be_patroni: !arguments.iter().any(|argument| argument == "--pair"),
        logs: value("--logs").map(Into::into),
    })
}

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let run = async { run(wanted()?).await };
    match runtime.expect("a runtime starts").block_on(run) {
        Ok(Some(breaches)) => {
            println!("  lost, doubled or disturbed {:>5}", breaches.len());
            breaches.iter().take(30).for_each(|breach| println!("BREACH {breach}"));
            if breaches.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Ok(None) => {
            println!("cluster: no PostgreSQL here, nothing is tested (apt-get install postgresql)");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("the run broke off: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// None where there is no PostgreSQL.
async fn run(mut wanted: Wanted) -> anyhow::Result<Option<Vec<String>>> {
    if let Some(logs) = &wanted.logs {
        std::fs::create_dir_all(logs)?;
    }
    let Some(database) = Database::start(wanted.may_be_patroni).await? else { return Ok(None) };
    let with_patroni = matches!(database.servers, Servers::Patroni(_));
    if wanted.kinds.is_empty() {
        wanted.kinds = faults::all(with_patroni);
    }
    let mut chance = Chance::new(wanted.seed);
    let field = Arc::new(Field::new(wanted.seed).await?);
    let mut daemon = Daemon::start(&field, database, wanted.logs.clone()).await?;
    let began = Instant::now();
    let load = tokio::spawn(load::people(field.clone(), chance.fork()));
    let mischief = tokio::spawn(load::mischief(field.clone(), chance.fork()));
    let mut took: Vec<Took> = Vec::new();
    for fault in wanted.kinds.iter().cycle().take(wanted.faults) {
        daemon.all_work(TAKEOVER).await?;
        took.push(strike(&field, &mut daemon, &mut chance, *fault).await?);
        println!("{:>6.0} s  {}", began.elapsed().as_secs_f64(), took[took.len() - 1]);
    }
    field.end();
    mischief.await?;
    daemon.all_work(TAKEOVER).await?;
    load.await?;
    let mut breaches = daemon.rest(&field, PATIENCE).await?;
    breaches.extend(field.breaches(&daemon, true).await?);
    breaches.extend(daemon.panics());
    breaches.extend(watch::stale_writes(&daemon.database).await?);
    println!(
        "cluster run: {} faults in {:.0} s, seed {}, lease {} s, {}",
        took.len(),
        began.elapsed().as_secs_f64(),
        wanted.seed,
        LEASE.as_secs(),
        if with_patroni { "three servers under Patroni" } else { "no Patroni: a server and its standby" }
    );
    faults::report(&took);
    report(&field, &daemon).await?;
    if let Some(logs) = wanted.logs {
        keep_evidence(&field, &daemon, &breaches, &logs).await?;
    }
    Ok(Some(breaches))
}

/// What Goodays has of each response with a breach, and what the database knows of it.
async fn keep_evidence(
    field: &Field,
    daemon: &Daemon,
    breaches: &[String],
    logs: &std::path::Path,
) -> anyhow::Result<()> {
    const KNOWN: &str = "
        select record::text from goodays.actions where response_id = $1
        union all select link::text from goodays.conversations where response_id = $1
        union all select e.record::text from goodays.events e join goodays.conversations c using (rkey)
            where c.response_id = $1";
    let mut evidence = String::new();
    for id in breaches.iter().filter_map(|breach| breach.split(':').next()) {
        let shown = field.goodays.response(id).into_iter();
        let done = field.goodays.processed(id).into_iter().chain(shown).map(|done| done.to_string());
        let known = daemon.database.ask(KNOWN, &[&id]).await?;
        let known = known.iter().map(|row| row.get::<_, String>(0));
        for text in [id.to_owned()].into_iter().chain(done).chain(known) {
            evidence.push_str(&text);
            evidence.push('\n');
        }
    }
    Ok(std::fs::write(logs.join("evidence"), evidence)?)
}

async fn report(field: &Field, daemon: &Daemon) -> anyhow::Result<()> {
    let facts = field.facts();
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
