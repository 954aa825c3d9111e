//! Kills the daemon repeatedly with SIGKILL under load in both directions, and counts losses and duplicates.
//!
//! ```text
//! cargo test --test crash                         12 kills, some twenty seconds: what `cargo test` does
//! cargo test --test crash -- --kills 200          the long one
//! cargo test --test crash -- --kills 20 --seed 7 --log daemon.log
//! cargo test --test crash -- --kills 20 --from PROGRAM --mappings FOLDER      upgraded after half of the kills
//! ```
//!
//! Both remotes are in this process, so they survive every kill. Each kill waits for a moment of its class: an
//! unanswered webhook, a write to Salesforce in progress, an action to Goodays in progress, or any moment.
//! Duplicates, reordering, latency, cut connections and late commits are always on.

mod judge;

mod chance;
mod daemon;
mod load;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chance::Chance;
use daemon::{Daemon, Earlier};
use load::Field;

/// How long both sides may take to finish all work.
const PATIENCE: Duration = Duration::from_secs(120);

struct Wanted {
    kills: usize,
    seed: u64,
    /// No kill after this time.
    seconds: u64,
    log: Option<std::path::PathBuf>,
    /// Upgraded after half of the kills.
    from: Option<Earlier>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|a| a == "--list") {
        println!("crash: test");
        return ExitCode::SUCCESS;
    }
    let value = |name: &str| {
        let at = arguments.iter().position(|a| a == name)?;
        arguments.get(at + 1).cloned()
    };
    let number = |name: &str, default: u64| value(name).and_then(|v| v.parse().ok()).unwrap_or(default);
    // `cargo test some_name` passes the name to every test binary.
    let filter = arguments.first().filter(|a| !a.starts_with('-'));
    if filter.is_some_and(|f| !"crash".contains(f.as_str())) {
        return ExitCode::SUCCESS;
    }
    let wanted = Wanted {
        kills: usize::try_from(number("--kills", 12)).unwrap_or(12),
        seed: number("--seed", 1),
        seconds: number("--seconds", 420),
        log: value("--log").map(Into::into),
        from: value("--from")
            .zip(value("--mappings"))
            .map(|(program, mappings)| Earlier { program: program.into(), mappings: mappings.into() }),
    };
    if value("--from").is_some() && wanted.from.is_none() {
        println!("--from also needs --mappings, a folder that the earlier version reads");
        return ExitCode::FAILURE;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    match runtime.expect("a runtime starts").block_on(run(wanted)) {
        Ok(breaches) => {
            println!("  lost, doubled or disturbed {:>5}", breaches.len());
            breaches.iter().take(30).for_each(|b| println!("BREACH {b}"));
            if breaches.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            println!("the run broke off: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The moments that the kills hit. One kill may hit several.
#[derive(Default)]
struct Hits {
    kills: usize,
    webhook: usize,
    graph: usize,
    action: usize,
    nothing: usize,
}

async fn run(wanted: Wanted) -> anyhow::Result<Vec<String>> {
    let began = Instant::now();
    let mut chance = Chance::new(wanted.seed);
    let field = Arc::new(Field::new(wanted.seed).await?);
    let mut daemon = Daemon::new(&field, wanted.log, wanted.from.as_ref())?;
    // Changes before the first contact are not carried over.
    daemon.start()?;
    daemon.first_contact(PATIENCE).await?;
    daemon.kill()?;
    let load = tokio::spawn(load::people(field.clone(), chance.fork()));
    let mischief = tokio::spawn(load::mischief(field.clone(), chance.fork()));
    let mut hits = Hits::default();
    for number in 0..wanted.kills {
        if began.elapsed().as_secs() > wanted.seconds {
            break;
        }
        if number == wanted.kills / 2 {
            daemon.upgrade();
        }
        daemon.start()?;
        strike(&field, &mut daemon, &mut chance, number, &mut hits).await?;
    }
    field.end();
    mischief.await?;
    daemon.upgrade();
    daemon.start()?;
    load.await?;
    let mut breaches = daemon.rest(&field, PATIENCE).await?;
    breaches.extend(field.breaches(&daemon, true).await?);
    let before_sweep = field.facts();
    daemon.sweep()?;
    breaches.extend(daemon.rest(&field, PATIENCE).await?);
    breaches.extend(field.breaches(&daemon, false).await?);
    breaches.extend(daemon.panics());
    report(&field, &daemon, &hits, &before_sweep, began.elapsed()).await?;
    if hits.kills >= 50 {
        for (class, hit) in [("webhook", hits.webhook), ("graph", hits.graph), ("action", hits.action)] {
            if hit * 10 < hits.kills {
                breaches.push(format!("only {hit} of {} kills hit a {class}", hits.kills));
            }
        }
    }
    Ok(breaches)
}

/// Waits for the moment of this kill, and kills.
async fn strike(
    field: &Field,
    daemon: &mut Daemon,
    chance: &mut Chance,
    number: usize,
    hits: &mut Hits,
) -> anyhow::Result<()> {
    // Each run does some work first, of varying amount.
    let work = field.calls() + chance.below(60) + 4;
    daemon.until(Duration::from_secs(20), || field.calls() >= work).await?;
    match number % 4 {
        0 => daemon.until(Duration::from_secs(5), || field.webhooks_under_way() > 0).await?,
        1 => daemon.until(Duration::from_secs(5), || field.graphs_under_way() > 0).await?,
        2 => daemon.until(Duration::from_secs(5), || field.actions_under_way() > 0).await?,
        _ => true,
    };
    if number % 4 == 3 {
        tokio::time::sleep(Duration::from_millis(chance.below(200))).await;
    }
    let (webhooks, graphs, actions) =
        (field.webhooks_under_way(), field.graphs_under_way(), field.actions_under_way());
    daemon.kill()?;
    hits.kills += 1;
    hits.webhook += usize::from(webhooks > 0);
    hits.graph += usize::from(graphs > 0);
    hits.action += usize::from(actions > 0);
    hits.nothing += usize::from(webhooks + graphs + actions == 0);
    Ok(())
}

async fn report(
    field: &Field,
    daemon: &Daemon,
    hits: &Hits,
    facts: &load::Facts,
    took: Duration,
) -> anyhow::Result<()> {
    let share = |n: usize| (n * 100).checked_div(hits.kills).unwrap_or_default();
    let after = field.facts();
    println!("crash run: {} kills in {:.0} s", hits.kills, took.as_secs_f64());
    println!("  an unanswered webhook      {:>5}  {:>3} %", hits.webhook, share(hits.webhook));
    println!("  a write under way          {:>5}  {:>3} %", hits.graph, share(hits.graph));
    println!("  an action under way        {:>5}  {:>3} %", hits.action, share(hits.action));
    println!("  none of these              {:>5}  {:>3} %", hits.nothing, share(hits.nothing));
    println!("  feedbacks                  {:>5}", facts.responses);
    println!(
        "  events acknowledged        {:>5}  of {} sent, duplicates included",
        facts.acknowledged, facts.posted
    );
    println!("  Cases                      {:>5}  before the sweep, {} after it", facts.cases, after.cases);
    println!(
        "  comments imported          {:>5}  before the sweep, {} after it",
        facts.imported, after.imported
    );
    println!("  agents' actions            {:>5}", facts.acted);
    println!("  actions done at Goodays    {:>5}", after.done);
    let parked = daemon.parked().await?;
    let unclear = parked.iter().filter(|p| p["reason_code"] == "unclear").count();
    println!("  waiting with a reason      {:>5}  {}", parked.len(), daemon.reasons().await?);
    println!("  of these unclear           {unclear:>5}");
    Ok(())
}
