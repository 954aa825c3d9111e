//! All actions of a feedback, for people who look. Workers load a conversation without those that have ended and that
//! nothing can ask for again.

use std::collections::BTreeSet;

use crate::decide::{ActionKind, Conversation, Link, command_identity};
use crate::goodays::MessageId;
use crate::messages::Words;
use crate::state::StoreError;
use crate::workers::Shared;

/// How many of the last commands, and of the last messages, are looked for.
const LOOKED_FOR: usize = 200;

impl Shared {
    /// Adds the actions that have ended. They are found by their identities: the actions of a response have no index, and
    /// records of actions stay for ever. Damaged ones are left out.
    pub(super) async fn with_ended(&self, mut known: Conversation) -> Result<Conversation, StoreError> {
        let identities: Vec<String> = identities(&known).into_iter().collect();
        let found = self.store.intents_by_identity(&identities).await?;
        for intent in found.into_iter().flatten().flatten() {
            if intent.response_id == known.response_id && known.intent(intent.seq).is_none() {
                known.put(intent);
            }
        }
        Ok(known)
    }
}

/// Of each command on the Case, and of what its status may have asked for after each message. (An agent's comment has
/// one action, which its link names.)
fn identities(known: &Conversation) -> BTreeSet<String> {
    let Some(link) = &known.link else { return BTreeSet::new() };
    let newest = (1..=link.command.count).rev().take(LOOKED_FOR);
    let mut all: BTreeSet<String> =
        newest.map(|number| command_identity(&known.response_id, number)).collect();
    // After a merge the earlier actions have the Case that was merged away.
    let mut cases: BTreeSet<_> = known.intents.iter().map(|intent| &intent.case_id).collect();
    cases.extend(link.case.iter().chain(&link.gone).map(|case| &case.id));
    for after in messages(link) {
        let wishes = [
            ActionKind::Call { rating: None, note: None, left_out: Words::default(), after: after.clone() },
            ActionKind::Close { remark_type: None, after: after.clone() },
            ActionKind::Spam { after },
        ];
        all.extend(wishes.iter().flat_map(|wish| cases.iter().map(|case| wish.identity(case))));
    }
    all
}

/// What may have been the customer's last message when an agent acted.
fn messages(link: &Link) -> impl Iterator<Item = Option<MessageId>> {
    let newest = link.known.iter().rev().take(LOOKED_FOR).map(|known| Some(known.id.clone()));
    [None, link.last_customer.clone()].into_iter().chain(newest)
}
