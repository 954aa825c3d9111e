//! A Case with several responses has one command field, and a command is given for all of them. The outcome of the first
//! empties the field, which is no reason to take back what waits for the others.

use crate::salesforce::RecordId;
use crate::state::Loaded;
use crate::workers::inbound::Job;
use crate::workers::{Fatal, Shared};

/// To call before these conversations are written: afterwards a poll may show the empty field at once.
pub(super) async fn keep_commands_of_others(shared: &Shared, jobs: &[Job]) -> Result<(), Fatal> {
    let empties = |job: &&Job| job.notes.iter().any(|note| note.command.is_some());
    let cases: Vec<RecordId> = jobs
        .iter()
        .filter(empties)
        .filter_map(|job| job.link.as_ref()?.case.as_ref().map(|case| case.id.clone()))
        .collect();
    if cases.is_empty() {
        return Ok(());
    }
    let reported = |response: &_| jobs.iter().filter(empties).any(|job| job.response_id == *response);
    let links = shared.store.links_of_cases(&cases).await?.into_iter().flatten();
    let others: Vec<_> = links
        .filter(|link| link.command.intent.is_some() && !reported(&link.response_id))
        .map(|link| link.response_id)
        .collect();
    let outlives = |_, loaded: &mut Loaded| {
        loaded.now.outlive_command();
        Ok(())
    };
    shared.change_many(&others, outlives).await.map(drop)
}
