//! One binary for all integration tests: faster to build, and helpers are shared.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::pin::pin;

use futures_util::FutureExt;
use tokio::runtime::Handle;

mod agent;
mod arena;
mod assumptions;
mod backup;
mod bare;
mod check;
mod cli;
mod commands;
mod config;
mod console;
mod contract;
mod copy;
mod counts;
mod database;
mod doors;
mod faults;
mod formats;
mod found;
mod hangs;
mod hostile;
mod interleave;
mod lanes;
mod laws;
mod machine;
mod mapping;
mod mapping_tests;
mod mortal;
mod operating;
mod outbound;
mod preview;
mod private;
mod releases;
mod rules;
mod running;
mod shape;
mod sim_goodays;
mod sim_salesforce;
mod steps;
mod storage;
mod store;
mod stories;
mod support_bundle;
mod terms;
mod world;

#[path = "../crash/judge.rs"]
mod judge;

/// A port of our own at which nobody listens: one that is only free may be another test's a moment later.
fn silent_port() -> tokio::net::TcpSocket {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    socket
}

/// What the store answers, in a condition that cannot wait. The embedded store answers at once. Another one is asked by a
/// thread of the runtime on which the world's daemon is (`world::background`), since this thread may have no other.
fn now<T: Send>(asked: impl Future<Output = T> + Send) -> T {
    if let Some(runtime) = world::background() {
        return std::thread::scope(|scope| scope.spawn(|| runtime.block_on(asked)).join())
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    }
    let mut asked = pin!(asked);
    match asked.as_mut().now_or_never() {
        Some(answer) => answer,
        None => tokio::task::block_in_place(|| Handle::current().block_on(asked)),
    }
}
