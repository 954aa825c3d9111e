//! End to end: `cargo bench --bench end_to_end -- [--events N] [--latency MS] [--quick] [--json FILE]`,
//! and comparisons of their own: `--peers`, `--known`, `--only`.
//!
//! The load runs here; simulators, daemon, peers and comparison doors are processes of their own on loopback.
//! Numbers of one run may be compared with each other, and with nothing else.

mod console;
mod database;
mod doors;
mod hostile;
mod load;
mod long;
mod org;
mod process;
mod report;
mod scenes;
mod target;
mod trust;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use serde::Serialize;

use doors::Keep;
use report::Row;
use scenes::Scenes;
use target::{Kind, Respond};
use tikv_jemallocator::Jemalloc;
use trust::TrustRow;

/// n8n carries some tens of events per second.
const N8N_EVENTS: usize = 600;

/// The daemon's allocator, so that the servers for comparison use the same.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

#[derive(Debug, Parser)]
#[command(about = "Measures the daemon end to end, beside simple doors and, on request, beside peers")]
struct Args {
    /// Events of a run; slow ones take fewer.
    #[arg(long, default_value_t = 6000)]
    events: usize,
    /// Only this latency of each Salesforce call, in milliseconds; else 0 and 150.
    #[arg(long)]
    latency: Option<u64>,
    /// A few events of everything, to see that it works.
    #[arg(long)]
    quick: bool,
    /// Compare with the peers of this folder (`benches/peers/run` prepares them), and nothing else.
    #[arg(long, value_name = "DIR")]
    peers: Option<PathBuf>,
    /// Compare 1000 known conversations with this many, and nothing else.
    #[arg(long, value_name = "N")]
    known: Option<usize>,
    /// Nothing but this.
    #[arg(long, value_enum)]
    only: Option<Only>,
    /// Measures this build of the daemon. To compare two, measure them in turn.
    #[arg(long, value_name = "FILE")]
    daemon: Option<PathBuf>,
    /// The daemon's mappings, where an earlier build cannot read the shipped ones.
    #[arg(long, value_name = "FOLDER")]
    mappings: Option<PathBuf>,
    /// Writes all numbers there, too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
    #[arg(long, hide = true)]
    door: Option<SocketAddr>,
    #[arg(long, hide = true)]
    append: Option<PathBuf>,
    #[arg(long, hide = true)]
    sled: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Only {
    /// Acknowledgements, beside simple doors.
    Doors,
    /// A drain, a steady load, one at a time, and the way back.
    Flow,
    /// All events taken in while Salesforce is down, then drained; for many of them.
    Outage,
    /// Acknowledgements with and without pruning beside them.
    Pruning,
    /// From an agent's comment to the customer.
    Back,
    /// One webhook at a time, until its Case stands.
    Trickle,
    /// Acknowledgements and memory with and without a console open.
    Console,
    /// Acknowledgements with and without an attack on the door.
    Hostile,
    /// Acknowledgements and a drain on PostgreSQL with a synchronous standby, beside the embedded store.
    Stores,
    /// What is lost and doubled when processes are killed, answers lost, webhooks repeated; of the peers, too, if
    /// their folder is given.
    Trust,
}

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let args = Args::parse();
    match args.door {
        Some(addr) => {
            let keep = match (&args.append, &args.sled) {
                (Some(file), _) => Keep::File(file),
                (_, Some(folder)) => Keep::Sled(folder),
                (None, None) => Keep::Nowhere,
            };
            runtime.block_on(doors::serve(addr, keep))
        }
        None => runtime.block_on(measure(&args)),
    }
}

/// What one call of this program measured.
#[derive(Default, Serialize)]
struct Measured {
    rows: Vec<Row>,
    trust: Vec<TrustRow>,
}

async fn measure(args: &Args) -> anyhow::Result<()> {
    if let Some(daemon) = &args.daemon {
        process::DAEMON.get_or_init(|| daemon.clone());
    }
    if let Some(mappings) = &args.mappings {
        process::MAPPINGS.get_or_init(|| mappings.clone());
    }
    let events = if args.quick { args.events.min(300) } else { args.events };
    let scenes = Scenes { events, quick: args.quick, peers: args.peers.clone().unwrap_or_default() };
    let latencies = args.latency.map_or(vec![0, 150], |only| vec![only]);
    let measured = if let Some(only) = args.only {
        alone(&scenes, only, args.peers.is_some(), &latencies).await?
    } else if let Some(known) = args.known {
        Measured { rows: scenes.scale(&[1000, known]).await?, ..Measured::default() }
    } else if args.peers.is_some() {
        let mut rows = Vec::new();
        for latency in latencies {
            rows.extend(compare(&scenes, latency).await?);
        }
        Measured { rows, ..Measured::default() }
    } else {
        Measured { rows: usual(&scenes, &latencies).await?, ..Measured::default() }
    };
    if !measured.rows.is_empty() {
        print!("{}", report::table(&measured.rows));
    }
    if !measured.trust.is_empty() {
        print!("{}", report::trust_table(&measured.trust));
    }
    if let Some(file) = &args.json {
        std::fs::write(file, serde_json::to_string_pretty(&measured)?)?;
    }
    Ok(())
}

/// What is measured when nothing is asked for.
async fn usual(scenes: &Scenes, latencies: &[u64]) -> anyhow::Result<Vec<Row>> {
    let mut rows = scenes.doors().await?;
    rows.extend(flow(scenes, latencies).await?);
    Ok(rows)
}

/// The whole way, in and back.
async fn flow(scenes: &Scenes, latencies: &[u64]) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for &latency in latencies {
        rows.push(scenes.backlog(latency).await?);
        rows.push(scenes.steady(Kind::Ours, latency, scenes.events).await?);
        rows.push(scenes.trickle(latency).await?);
        rows.push(scenes.way_back(latency).await?);
    }
    Ok(rows)
}

async fn alone(scenes: &Scenes, only: Only, with_peers: bool, latencies: &[u64]) -> anyhow::Result<Measured> {
    let mut rows = Vec::new();
    match only {
        Only::Doors => rows = scenes.doors().await?,
        Only::Flow => rows = flow(scenes, latencies).await?,
        Only::Outage => rows = scenes.outage(scenes.events).await?,
        Only::Pruning => rows = scenes.pruning().await?,
        Only::Console => rows = scenes.console().await?,
        Only::Hostile => rows = scenes.hostile().await?,
        Only::Stores => rows = scenes.stores().await?,
        Only::Back => {
            for &latency in latencies {
                rows.push(scenes.way_back(latency).await?);
            }
        }
        Only::Trickle => {
            for &latency in latencies {
                rows.push(scenes.trickle(latency).await?);
            }
        }
        Only::Trust => {
            return Ok(Measured { trust: scenes.trust(with_peers).await?, ..Measured::default() });
        }
    }
    Ok(Measured { rows, ..Measured::default() })
}

/// Everybody under the same load; those that wait for each call get fewer events, as rates are compared.
async fn compare(scenes: &Scenes, latency: u64) -> anyhow::Result<Vec<Row>> {
    let mut rows = vec![scenes.steady(Kind::Ours, latency, scenes.events).await?];
    let fewer = |at_once: usize| if latency == 0 { scenes.events } else { (60 * at_once).min(scenes.events) };
    for at_once in [10, 1] {
        for kind in [Kind::Express { at_once }, Kind::FastApi { at_once }] {
            rows.push(scenes.steady(kind, latency, fewer(at_once)).await?);
        }
    }
    for respond in [Respond::Immediately, Respond::LastNode] {
        let kind = Kind::N8n { at_once: 10, respond };
        rows.push(scenes.steady(kind, latency, N8N_EVENTS.min(fewer(10))).await?);
    }
    rows.push(scenes.steady(Kind::Ours, latency, scenes.events).await?);
    Ok(rows)
}
