//! Acknowledgements and memory with one console open, beside the same without.

use std::time::Duration;

use tokio::task::JoinSet;

use crate::load::{Acknowledged, post};
use crate::org::Org;
use crate::report::Row;
use crate::scenes::{CONNECTIONS, Scenes, requests, row};
use crate::target::{Kind, Target};

/// Rounds of each, in turns. The median is reported.
const ROUNDS: usize = 5;
/// A round lasts some seconds, so that the page is opened in each.
const TIMES: usize = 5;
/// Between two visits of the page.
const VISIT: Duration = Duration::from_secs(3);

impl Scenes {
    /// Two daemons under the same load, while Salesforce is down. A browser watches one of them.
    pub async fn console(&self) -> anyhow::Result<Vec<Row>> {
        let events = if self.quick { self.events } else { self.events * TIMES };
        let mut orgs = [Org::start().await?, Org::start().await?];
        let mut targets = Vec::new();
        for org in &mut orgs {
            targets.push(Target::start(Kind::Ours, org, &self.peers).await?);
            org.go_down().await?;
        }
        let _browser = watch(&targets[1])?;
        let mut rounds: [Vec<Acknowledged>; 2] = Default::default();
        for round in 0..ROUNDS {
            for (target, results) in targets.iter().zip(&mut rounds) {
                results.push(post(target.addr, requests(round * events, events), CONNECTIONS).await?);
            }
        }
        let mut rows = Vec::new();
        for ((what, mut results), target) in
            ["no console", "a console open"].into_iter().zip(rounds).zip(&targets)
        {
            results.sort_by_key(|acknowledged| acknowledged.took);
            let mut row = row(what, Kind::Ours, 0, events * ROUNDS);
            row.acknowledged(&results[ROUNDS / 2]);
            row.process(&target.process, target.disk());
            row.memory_mb = Some(target.process.memory_mb());
            rows.push(row);
        }
        Ok(rows)
    }
}

/// A stream of the numbers, and the page again and again, until the set is dropped.
fn watch(target: &Target) -> anyhow::Result<JoinSet<()>> {
    let page = format!("http://{}/console", target.admin()?);
    let client = goodays_salesforce::http::direct_client(Duration::from_secs(600));
    let mut browser = JoinSet::new();
    let (stream, live) = (client.clone(), format!("{page}/live"));
    browser.spawn(async move {
        loop {
            if let Ok(mut answer) = stream.get(&live).send().await {
                while let Ok(Some(_)) = answer.chunk().await {}
            }
            tokio::time::sleep(VISIT).await;
        }
    });
    browser.spawn(async move {
        loop {
            if let Ok(answer) = client.get(&page).send().await {
                let _ = answer.bytes().await;
            }
            tokio::time::sleep(VISIT).await;
        }
    });
    Ok(browser)
}
