//! Laws 2 to 8 for the whole world, over random stories of customers, agents, colleagues, the network and restarts.
//!
//! ```text
//! cargo test --test it stories::                          a few stories, always the same ones
//! PROPTEST_CASES=400 cargo test --test it stories::       many others
//! PROPTEST_RNG_SEED=7 PROPTEST_CASES=400 cargo test …     those again
//! ```

mod act;
mod play;

use std::time::{Duration, Instant};

use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};

use self::act::{Story, story};
use self::play::Play;
use crate::mortal::Outcome;

/// How many stories run at the same time. Each of them mostly waits.
const TELLERS: u32 = 6;
const STORIES: u32 = 24;

async fn tell(story: &Story) -> Outcome {
    let mut play = Play::begin().await;
    let mut outcome = play.told(&story.0).await;
    if outcome.is_ok() {
        outcome = play.ends_well().await;
    }
    let outcome = outcome.map_err(|why| format!("{why}\n{}", play.mortal.account()));
    play.mortal.kill().await;
    outcome
}

/// The seed of a teller's stories: the same each time, unless many were requested.
fn seed(teller: u32) -> RngSeed {
    let asked = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    match (asked("PROPTEST_RNG_SEED"), asked("PROPTEST_CASES")) {
        (None, Some(_)) => RngSeed::Random,
        (given, _) => RngSeed::Fixed(given.unwrap_or(1) * 100 + u64::from(teller)),
    }
}

fn tells(teller: u32) -> Outcome {
    let all = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(STORIES);
    let config = Config {
        cases: all.div_ceil(TELLERS),
        failure_persistence: None,
        max_shrink_iters: 120,
        max_shrink_time: 120_000,
        rng_seed: seed(teller),
        ..Config::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let told = TestRunner::new(config)
        .run(&story(), |story| runtime.block_on(tell(&story)).map_err(TestCaseError::fail));
    told.map_err(|error| match error {
        TestError::Fail(why, story) => format!("{story:?}\n{why}"),
        TestError::Abort(why) => why.to_string(),
    })
}

#[test]
fn any_story_ends_with_everything_once_and_nothing_lost() {
    let began = Instant::now();
    let tellers: Vec<_> = (0..TELLERS).map(|teller| std::thread::spawn(move || tells(teller))).collect();
    let failed: Vec<String> = tellers.into_iter().filter_map(|t| t.join().unwrap().err()).collect();
    println!("told in {:?}", Duration::from_secs(began.elapsed().as_secs()));
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}
