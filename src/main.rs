//! The entry point of the program.

use std::process::ExitCode;

use clap::Parser;
use goodays_salesforce::cli::Cli;
use tikv_jemallocator::Jemalloc;

/// jemalloc: the daemon allocates many small objects on several threads, and this takes a third less CPU time per event
/// than the system's allocator (docs/performance.md). `.cargo/config.toml` limits its memory.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    Cli::parse().run()
}
