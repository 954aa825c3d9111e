//! Whether a remote refuses one thing, or everything (faults, C1): equal refusals in a row say the latter.
//!
//! One text that a firewall or a rule of the org refuses must not stop the others, and a right that the connector has
//! lost must not park everything that waits, one by one. A single refusal shows no difference. So the first refusals
//! count as their own; once several in a row are equal, the remote refuses everything: what was refused for it waits
//! again, and nothing more is parked until the remote accepts something.

use std::collections::HashSet;
use std::hash::Hash;

/// Equal refusals in a row, each of another conversation, after which the remote counts as refusing everything.
const EQUAL: usize = 3;
/// Conversations that are remembered at most.
const MAX_REMEMBERED: usize = 1_000;

/// What a refusal says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whose<K> {
    /// Of this conversation, as far as is known.
    Own,
    /// Of everything. `before`: those that were refused for the same reason before that was known.
    Everything { before: Vec<K> },
}

/// The refusals of one remote since it accepted something.
#[derive(Debug)]
pub struct Refusals<K> {
    /// The reason of the last ones, which are equal.
    reason: String,
    of: Vec<K>,
    /// Refused for a reason that turned out not to concern everything: the next refusal is their own.
    suspects: HashSet<K>,
}

impl<K> Default for Refusals<K> {
    fn default() -> Self {
        Self { reason: String::new(), of: Vec::new(), suspects: HashSet::new() }
    }
}

impl<K: Clone + Eq + Hash> Refusals<K> {
    /// Notes a refusal.
    pub fn refused(&mut self, one: &K, reason: &str) -> Whose<K> {
        if self.suspects.remove(one) {
            return Whose::Own;
        }
        if self.reason != reason {
            reason.clone_into(&mut self.reason);
            self.of.clear();
        }
        let is_new = !self.of.contains(one);
        if is_new && self.of.len() < MAX_REMEMBERED {
            self.of.push(one.clone());
        }
        if self.of.len() < EQUAL {
            return Whose::Own;
        }
        let just_known = is_new && self.of.len() == EQUAL;
        let before = if just_known { self.of[..EQUAL - 1].to_vec() } else { Vec::new() };
        Whose::Everything { before }
    }

    /// Whether this one's refusal has turned out to concern everything. Others may have shown that while it was being
    /// parked, and looked for it in vain.
    pub fn concerns_everything(&self, one: &K, reason: &str) -> bool {
        self.reason == reason && self.of.len() >= EQUAL && self.of.contains(one)
    }

    /// Notes that the remote accepted this one: it does not refuse everything.
    pub fn accepted(&mut self, one: &K) {
        let refused = std::mem::take(&mut self.of);
        if refused.len() >= EQUAL && self.suspects.len() < MAX_REMEMBERED {
            self.suspects.extend(refused);
        }
        self.suspects.remove(one);
    }
}

/// The words of a refusal's message that are the same for everything: none with a digit, which may be a number of this
/// call, and no id.
pub fn same_words(message: &str, id: &str) -> String {
    let of_all = |word: &&str| !word.bytes().any(|byte| byte.is_ascii_digit()) && !word.contains(id);
    message.split_whitespace().filter(of_all).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c01_equal_refusals_of_different_conversations_are_of_everything() {
        let mut refusals = Refusals::default();
        assert_eq!(refusals.refused(&1, "403"), Whose::Own);
        assert_eq!(refusals.refused(&1, "403"), Whose::Own, "the same one again says nothing of others");
        assert_eq!(refusals.refused(&2, "403"), Whose::Own);
        assert_eq!(refusals.refused(&3, "403"), Whose::Everything { before: vec![1, 2] });
        assert_eq!(refusals.refused(&4, "403"), Whose::Everything { before: Vec::new() });
        assert_eq!(refusals.refused(&4, "403"), Whose::Everything { before: Vec::new() });
        assert_eq!(refusals.refused(&5, "400"), Whose::Own, "another reason");
    }

    #[test]
    fn c01_one_that_is_parked_while_others_are_refused_learns_that_it_was_of_everything() {
        let mut refusals = Refusals::default();
        for one in [1, 2] {
            refusals.refused(&one, "403");
            assert!(!refusals.concerns_everything(&one, "403"));
        }
        refusals.refused(&3, "403");
        assert!(refusals.concerns_everything(&1, "403") && refusals.concerns_everything(&3, "403"));
        assert!(!refusals.concerns_everything(&1, "400") && !refusals.concerns_everything(&9, "403"));
        refusals.accepted(&9);
        assert!(!refusals.concerns_everything(&1, "403"));
        refusals.refused(&1, "403");
        assert!(!refusals.concerns_everything(&1, "403"), "its own");
    }

    #[test]
    fn c01_what_is_accepted_in_between_shows_that_it_was_their_own() {
        let mut refusals = Refusals::default();
        for one in [1, 2] {
            assert_eq!(refusals.refused(&one, "403"), Whose::Own);
        }
        refusals.accepted(&9);
        assert_eq!(refusals.refused(&3, "403"), Whose::Own);
        refusals.refused(&4, "403");
        assert_eq!(refusals.refused(&5, "403"), Whose::Everything { before: vec![3, 4] });
        refusals.accepted(&9);
        for one in [3, 4, 5] {
            assert_eq!(refusals.refused(&one, "403"), Whose::Own, "{one} was refused, and 9 was not");
        }
    }

    #[test]
    fn numbers_and_ids_make_no_difference() {
        let of = |message| same_words(message, "AbCdE");
        assert_eq!(of("Not allowed for AbCdE (request 12-34)"), of("Not allowed for AbCdE (request 56-7a)"));
        assert_ne!(of("Not allowed"), of("Too long"));
    }
}
