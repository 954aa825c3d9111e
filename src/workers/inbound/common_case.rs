//! A Case with several responses has one command field, and a command is given for all of them. The outcome of the first
//! empties the field, which is no reason to take back what waits for the others.

use crate::goodays::ResponseId;
use crate::salesforce::RecordId;
use crate::state::Loaded;
use crate::workers::inbound::Job;
use crate::workers::{Fatal, Shared};

/// To call before these conversations are written: afterwards a poll may show the empty field at once.
pub(super) async fn keep_commands_of_others(shared: &Shared, jobs: &[Job]) -> Result<(), Fatal> {
    let (cases, values): (Vec<RecordId>, Vec<&str>) = jobs.iter().filter_map(empties).unzip();
    if cases.is_empty() {
        return Ok(());
    }
    let links = shared.store.links_of_cases(&cases).await?;
    let reported =
        |response: &ResponseId| jobs.iter().any(|job| job.response_id == *response && empties(job).is_some());
    let others = links
        .into_iter()
        .zip(values)
        .flat_map(|(links, value)| links.into_iter().map(move |link| (link, value)));
    let (others, values): (Vec<ResponseId>, Vec<&str>) = others
        .filter(|(link, _)| link.command.intent.is_some() && !reported(&link.response_id))
        .map(|(link, value)| (link.response_id, value))
        .unzip();
    let outlives = |place: usize, loaded: &mut Loaded| loaded.now.outlive_command(values[place]);
    shared.change_many(&others, outlives).await.map(drop)
}

/// The Case and the command that a note of the conversation empties.
fn empties(job: &Job) -> Option<(RecordId, &str)> {
    let link = job.link.as_ref()?;
    let stands = |done: &crate::decide::CommandDone| link.command.stands(done.number);
    job.notes.iter().filter_map(|note| note.command.as_ref()).find(|done| stands(done))?;
    Some((link.case.as_ref()?.id.clone(), link.command.value.as_deref()?))
}
