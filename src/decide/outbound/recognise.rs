//! Whether a message of the brand is the one that an attempt of ours sent (design, rule 3).
//!
//! No field of a message says who sent it. Ours has an id that was unseen before the PUT, the brand as author, the
//! user that we sent as, and the time of the PUT on Goodays' clock. Its text is one more clue. Another text is no
//! proof against it: Goodays may drop emoji, cut, mask or wrap what it shows.

use crate::decide::{Intent, Sending};
use crate::goodays::event::{Message, Whose, normalised};

/// How much later than the PUT's end Goodays may date a message, in milliseconds.
const DATED_LATER_MS: i64 = 60_000;
/// A `Date` header has whole seconds, and the message is dated with a finer clock.
const DATED_EARLIER_MS: i64 = 2_000;
/// How far the clocks of two machines at Goodays may be apart (milliseconds): the gateway's `Date`, and the dates of
/// messages, which may be cut to minutes.
const CLOCKS_MS: i64 = 60_000;

/// How well a message fits an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    /// It is not ours.
    Stranger,
    /// It may be ours or a colleague's.
    Doubtful,
    Ours,
}

/// How the shown text relates to the sent one, from the least to the most alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Likeness {
    Different,
    /// The same text with changes that a remote may make.
    Altered,
    /// The same text.
    Same,
}

/// What one clue says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Clue {
    For,
    Against,
    Silent,
}

/// How `message` fits the attempt `sending` of this intent; [`Fit::Stranger`] if the intent is no answer.
pub fn fit(intent: &Intent, sending: &Sending, message: &Message) -> Fit {
    let likeness = likeness_to(intent, sending, message).filter(|_| intent.kind.is_answer());
    let Some(likeness) = likeness else { return Fit::Stranger };
    if message.whose == Whose::Customer || sending.seen.contains(&message.id) {
        return Fit::Stranger;
    }
    let (user, time) = (user_clue(intent, sending, message), time_clue(sending, message));
    if sending.is_refused() {
        return fit_of_refused(likeness, user, time);
    }
    match (likeness, user, time) {
        (Likeness::Same, _, _)
        | (Likeness::Altered, Clue::For | Clue::Silent, Clue::For | Clue::Silent)
        | (Likeness::Different, Clue::For, Clue::For) => Fit::Ours,
        (_, _, Clue::Against) | (Likeness::Different, Clue::Against, _) => Fit::Stranger,
        (Likeness::Altered | Likeness::Different, _, _) => Fit::Doubtful,
    }
}

/// Only our own words prove what was refused. Most likely nothing was done: the same user may have written others in
/// Goodays, and answers made from one template are much alike, so altered words count at the time of the attempt only.
fn fit_of_refused(likeness: Likeness, user: Clue, time: Clue) -> Fit {
    match (likeness, user, time) {
        (Likeness::Same, _, _) | (Likeness::Altered, Clue::For | Clue::Silent, Clue::For) => Fit::Ours,
        (Likeness::Altered, _, Clue::For | Clue::Silent) | (Likeness::Different, Clue::For, Clue::For) => {
            Fit::Doubtful
        }
        (Likeness::Altered, _, Clue::Against) | (Likeness::Different, _, _) => Fit::Stranger,
    }
}

/// Goodays may show an account's own address instead of the agent's, so another address is no proof.
fn user_clue(intent: &Intent, sending: &Sending, message: &Message) -> Clue {
    let author = intent.author.as_deref().filter(|_| sending.as_author);
    let shown = message.sender_email.as_deref().filter(|shown| shown.contains('@') && !shown.contains(' '));
    match (author, shown) {
        (Some(author), Some(shown)) if author.eq_ignore_ascii_case(shown) => Clue::For,
        (Some(_), Some(_)) => Clue::Against,
        _ => Clue::Silent,
    }
}

/// Compares the message's date with those that were shown before the PUT, and with the `Date` of that read. The latter
/// is another machine's: it speaks against a message only if no date was shown, and by more than both may be apart.
fn time_clue(sending: &Sending, message: &Message) -> Clue {
    let Some(at) = message.at else { return Clue::Silent };
    if sending.newest.is_some_and(|newest| at < newest) {
        return Clue::Against;
    }
    let Some(looked) = sending.looked else { return Clue::Silent };
    let took_ms = sending.ended_ms.map_or(0, |ended_ms| (ended_ms - sending.since_ms).max(0));
    match at.millis_since(looked) {
        later if later < -CLOCKS_MS && sending.newest.is_none() => Clue::Against,
        later if (-DATED_EARLIER_MS..=took_ms + DATED_LATER_MS).contains(&later) => Clue::For,
        _ => Clue::Silent,
    }
}

/// How the shown text relates to the one of the attempt's texts that it is most like; `None` if it has none.
pub fn likeness_to(intent: &Intent, sending: &Sending, message: &Message) -> Option<Likeness> {
    intent.words_of(sending).map(|words| likeness(words, &message.content)).max()
}

/// Compares the sent text with the shown one.
pub fn likeness(sent: &str, shown: &str) -> Likeness {
    let (sent, shown) = (normalised(sent), normalised(shown));
    if sent == shown {
        return Likeness::Same;
    }
    let (a, b) = (letters(&sent), letters(&shown));
    let is_cut = a.starts_with(&b) && b.len() * 3 >= a.len();
    let is_cut_at_emoji = before_emoji(&sent).is_some_and(|start| letters(start) == b);
    if is_cut || is_cut_at_emoji || mostly_the_same(&a, &b) { Likeness::Altered } else { Likeness::Different }
}

/// What remotes do not change: letters, without case. Digits are masked, punctuation and blanks are wrapped or
/// replaced, emoji are dropped.
fn letters(text: &str) -> Vec<char> {
    text.chars().filter(|c| c.is_alphabetic()).flat_map(char::to_lowercase).collect()
}

/// The text before the first character that some databases cannot store; may be empty.
fn before_emoji(text: &str) -> Option<&str> {
    text.split_once(|c| u32::from(c) > 0xFFFF).map(|(start, _)| start)
}

/// They begin and end alike, and two thirds of the longer one agree at least: something was masked.
fn mostly_the_same(a: &[char], b: &[char]) -> bool {
    let shorter = a.len().min(b.len());
    let before = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let after = a.iter().rev().zip(b.iter().rev()).take(shorter - before).take_while(|(x, y)| x == y).count();
    shorter > 0 && (before + after) * 3 >= a.len().max(b.len()) * 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_a_remote_altered_are_still_the_same_words() {
        let sent = "Hello 😊 Ann, call 06 12 34 56 78, or write to us.";
        let table = [
            ("Hello 😊 Ann,  call 06 12 34 56 78, or write to us. ", Likeness::Same),
            ("Hello Ann, call 06 12 34 56 78, or write to us.", Likeness::Altered),
            ("Hello", Likeness::Altered),
            ("Hello ? Ann, call ** ** ** ** **, or write to us.", Likeness::Altered),
            ("Hello Ann, call [masked], or write to us.", Likeness::Altered),
            ("Hello Ann,\ncall 06 12 34 56 78,\nor write", Likeness::Altered),
            ("We have sent you a voucher.", Likeness::Different),
            ("", Likeness::Different),
        ];
        for (shown, expected) in table {
            assert_eq!(likeness(sent, shown), expected, "{shown}");
        }
        assert_eq!(likeness("😊 Thank you", ""), Likeness::Altered, "cut at its first emoji");
        assert_eq!(likeness("12 34", "56 78"), Likeness::Altered, "nothing but what is masked");
        assert_eq!(likeness("Yes.", "No."), Likeness::Different);
        assert_eq!(
            likeness("Thank you for your visit, and for your kind words.", "Thank you"),
            Likeness::Different
        );
    }
}
