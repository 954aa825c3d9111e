//! Arguments in, exit code out.

use std::process::ExitCode;

use clap::Parser;
use goodays_salesforce::cli::Cli;

fn main() -> ExitCode {
    Cli::parse().run()
}
