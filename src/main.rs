//! Arguments in, exit code out.

use std::process::ExitCode;

use clap::Parser;
use goodays_salesforce::cli::Cli;
use tikv_jemallocator::Jemalloc;

/// A long-lived process that makes and frees many small things on several threads: a third less CPU time for each
/// event than with the system's allocator (docs/performance.md). `.cargo/config.toml` keeps it small.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    Cli::parse().run()
}
