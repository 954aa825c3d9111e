//! What to do about parked items, by reason code. docs/operations.md explains more.

use crate::messages::Words;

/// Advice of one line, in words of the catalogue, for an item's reason code.
pub fn advice(code: &str) -> Words {
    match code {
        "unclear" => Words::new("advice-unclear"),
        "wait_for_customer" => Words::new("advice-wait-for-customer"),
        "closed_in_goodays" => Words::new("advice-closed-in-goodays"),
        "blocked_on_the_way" => Words::new("advice-blocked-on-the-way"),
        "answered_by_other" => Words::new("advice-answered-by-other"),
        "would_be_public" => Words::new("advice-would-be-public"),
        "newer_feedback" => Words::new("advice-newer-feedback"),
        "empty" => Words::new("advice-empty"),
        "spam" => Words::new("advice-spam"),
        "not_allowed" => Words::new("advice-not-allowed"),
        "merged" => Words::new("advice-merged"),
        "linked" => Words::new("advice-linked"),
        "author_may_not" => Words::new("advice-author-may-not"),
        "author_unseen" => Words::new("advice-author-unseen"),
        "max_actions_per_hour" => Words::new("advice-max-actions-per-hour"),
        "no_answer" => Words::new("advice-no-answer"),
        "status_403" | "status_404" => Words::new("advice-status-403"),
        "unreadable" => Words::new("advice-unreadable"),
        "invariant" => Words::new("advice-invariant"),
        "duplicate_elsewhere" => Words::new("advice-duplicate-elsewhere"),
        "FIELD_CUSTOM_VALIDATION_EXCEPTION" => Words::new("advice-field-custom-validation-exception"),
        "REQUIRED_FIELD_MISSING" => Words::new("advice-required-field-missing"),
        "DUPLICATES_DETECTED" => Words::new("advice-duplicates-detected"),
        "UNABLE_TO_LOCK_ROW" => Words::new("advice-unable-to-lock-row"),
        _ => Words::new("advice-other"),
    }
}

/// Whether the agent sees it on his Case and settles it there himself. Then no operator has to act.
pub fn is_the_agents(code: &str) -> bool {
    matches!(
        code,
        "wait_for_customer"
            | "closed_in_goodays"
            | "answered_by_other"
            | "would_be_public"
            | "newer_feedback"
            | "empty"
    )
}
