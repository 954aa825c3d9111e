//! Combines several events and views of one conversation.

use std::borrow::Cow;

use crate::decide::Freshness;
use crate::decide::inbound::{Input, Turn, freshness};
use crate::goodays::event::{Event, Message, Response, Whose};
use crate::time::GoodaysTime;

/// The newest view of the conversation.
pub(super) struct Snapshot<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) response: Cow<'a, Response>,
    pub(super) fresh: Freshness,
    pub(super) stale: bool,
}

/// The newest view, which sets the fields. Of equally new views, a read back after an action counts.
pub(super) fn freshest<'a>(input: &Input<'a>) -> Option<Snapshot<'a>> {
    let known = input.link.map(|l| l.fresh).unwrap_or_default();
    let events = input.events.iter();
    let events = events.map(|e| (Cow::Borrowed(e.name.as_str()), Cow::Borrowed(&e.response)));
    let notes = input.notes.iter().filter_map(|n| Response::from_value(n.view.as_ref()?).ok());
    events
        .chain(notes.map(|r| (Cow::Borrowed("response"), Cow::Owned(r))))
        .map(|(name, response)| {
            let fresh = freshness(&response);
            Snapshot { name, response, fresh, stale: fresh < known }
        })
        .max_by_key(|view| view.fresh)
}

/// Messages with their times: one without a time has that of the one before it.
pub(super) fn with_times<'t>(
    turns: impl Iterator<Item = &'t Message>,
) -> impl Iterator<Item = (Option<GoodaysTime>, &'t Message)> {
    let mut last = None;
    turns.map(move |turn| {
        last = turn.at.or(last);
        (last, turn)
    })
}

/// The messages of all events, each once, in the order of the conversation.
pub(super) fn told_turns(events: &[Event]) -> Vec<Turn<'_>> {
    let mut turns: Vec<(Option<GoodaysTime>, Turn<'_>)> = Vec::new();
    for event in events {
        for (at, turn) in with_times(event.response.turns.iter()) {
            match turns.iter_mut().find(|(_, t)| t.id == turn.id) {
                // An event says who wrote a message; a mere view may not.
                Some((_, known)) if known.whose == Whose::Unknown && turn.whose != Whose::Unknown => {
                    known.to_mut().whose = turn.whose;
                }
                Some(_) => {}
                None => turns.push((at, Cow::Borrowed(turn))),
            }
        }
    }
    turns.sort_by_key(|(at, _)| *at);
    turns.into_iter().map(|(_, turn)| turn).collect()
}
