//! Moving a whole state from one kind of store to the other, while no daemon runs.

use std::path::Path;

use clap::{Subcommand, ValueEnum};

use super::progress::Progress;
use super::{Configured, OK, UNREACHABLE, load};
use crate::clock::Clock;
use crate::config::{Config, Secrets};
use crate::out::{say, warn_user};
use crate::remotes;
use crate::state::StoreError;
use crate::state::copy::{self, CopyError, Place, Step, Unreadable};

#[derive(Debug, Subcommand)]
pub enum State {
    /// Copy the whole state into an empty store, and check it; no daemon may run.
    #[command(after_help = "Examples:
  goodays-salesforce state copy --to postgres   from the state folder into the database of `state.postgres`
  goodays-salesforce state copy --to local      from that database into the state folder

Stop all instances first, with `state.postgres` in connector.yaml in both directions. From the first record on no daemon
starts on the state that is copied: it would not know what the other one sends. A copy that was killed is run again.")]
    Copy {
        /// Where to.
        #[arg(long)]
        to: Kind,
        #[command(flatten)]
        config: Configured,
    },
    /// Use a state again that was copied, because the copy never was used.
    #[command(after_help = "Example:
  goodays-salesforce state reopen local

What went out after the copy is known in the other state only, and would be sent again. So this is refused while the other
one is there and whole.")]
    Reopen {
        /// Which one.
        which: Kind,
        /// Even if the other one is whole, or cannot be asked.
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        config: Configured,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Kind {
    /// The database of `state.postgres`.
    Postgres,
    /// The state folder, `state.path`.
    Local,
}

impl State {
    pub async fn run(self) -> anyhow::Result<u8> {
        let done = match self {
            Self::Copy { to, config } => copy_to(to, &config.config).await,
            Self::Reopen { which, force, config } => reopen(which, force, &config.config).await,
        };
        match done {
            Err(error) if is_unreachable(&error) => {
                warn_user!("error: {error:#}");
                Ok(UNREACHABLE)
            }
            done => done,
        }
    }
}

fn is_unreachable(error: &anyhow::Error) -> bool {
    match error.downcast_ref() {
        Some(CopyError::Connect(error)) => error.may_pass(),
        Some(CopyError::Store(error)) => matches!(error, StoreError::Unavailable(_)),
        _ => false,
    }
}

/// The state of this kind, and the other one.
fn places(kind: Kind, path: &Path) -> anyhow::Result<(Place, Place)> {
    let config: Config = load(path, Secrets::Required)?;
    let Some(database) = &config.state.postgres else {
        anyhow::bail!(
            "{} has no `state.postgres`: add it, so that the database is known (docs/high-availability.md)",
            path.display()
        );
    };
    let database = Place::Postgres(remotes::database(database).map_err(CopyError::Connect)?);
    let folder = Place::Local(config.state.path);
    Ok(match kind {
        Kind::Postgres => (database, folder),
        Kind::Local => (folder, database),
    })
}

async fn copy_to(to: Kind, path: &Path) -> anyhow::Result<u8> {
    let (to, from) = places(to, path)?;
    say!("from {} to {}", from.name(), to.name());
    let mut bar: Option<Progress> = None;
    let mut told = |step| match (step, &mut bar) {
        (Step::Total(total), bar) => *bar = Some(Progress::new(usize::try_from(total).unwrap_or(0))),
        (Step::More(more), Some(bar)) => bar.add(usize::try_from(more).unwrap_or(0)),
        (Step::More(_), None) => {}
    };
    let done = copy::copy(&from, &to, Clock::System.now().as_millisecond(), &mut told).await;
    if let Some(bar) = bar {
        bar.end();
    }
    let copied = done?;
    for (name, count) in copied.counts.named() {
        say!("{count:>10} {name}");
    }
    say_unreadable(copied.unreadable);
    say!(
        "All counts agree, and {} records that were chosen at random are equal on both sides.",
        copied.compared
    );
    say!("Use {} from now on; {} is kept as it was, and no daemon starts on it.", to.name(), from.name());
    if matches!(to, Place::Local(_)) {
        say!("Take `state.postgres` out of connector.yaml before you start the daemon.");
    }
    Ok(OK)
}

fn say_unreadable(unreadable: Unreadable) {
    for (name, count) in unreadable.named().into_iter().filter(|(_, count)| *count > 0) {
        warn_user!("note: {count} damaged {name}");
    }
}

async fn reopen(which: Kind, force: bool, path: &Path) -> anyhow::Result<u8> {
    let (place, other) = places(which, path)?;
    copy::reopen(&place, &other, force).await?;
    say!("A daemon may use {} again.", place.name());
    Ok(OK)
}
