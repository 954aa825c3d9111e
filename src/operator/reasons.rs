//! What to do about parked items, by reason code. docs/operations.md explains more.

/// Advice of one line for an item's reason code.
pub fn advice(code: &str) -> &'static str {
    match code {
        "unclear" => "look in Goodays whether the customer got it, then `retry ID` (there) or `drop ID`",
        "wait_for_customer" => "nothing; when the customer has written, the agent writes anew, or `retry ID`",
        "closed_in_goodays" => {
            "the agent reaches the customer another way; when the customer has written, `retry ID`; else `drop`"
        }
        "blocked_on_the_way" => {
            "look at the firewall on the way to Goodays, then `retry ID`; or the agent writes in other words"
        }
        "answered_by_other" => "the agent reads the other answer; `drop`",
        "would_be_public" => "the agent decides whether everybody may read it and writes anew; `drop`",
        "newer_feedback" => "the agent answers on the Case that the reason names; `drop`",
        "empty" => "`drop`: the comment has no text",
        "spam" => "`drop`; if it is no spam, undo that in Goodays, then `retry`",
        "not_allowed" => "look in Goodays why it is not listed there; when it is, `retry`",
        "merged" => "answer in Goodays by hand; `drop`",
        "max_actions_per_hour" => {
            "a mistake: `drop --all --reason max_actions_per_hour`; meant so: the same with `retry`"
        }
        "no_answer" => "look at this response in Goodays; `retry` later",
        "status_403" | "status_404" => {
            "the shop has it again: `drop`. If all say so: the token's account changed"
        }
        "unreadable" => "a test: `drop`. Else report it with `plan ID`; after an update `retry`",
        "invariant" => "report it; nothing was sent",
        "duplicate_elsewhere" => "give the integration user View All on Case (`check`); then `retry`",
        "FIELD_CUSTOM_VALIDATION_EXCEPTION" => {
            "exempt the integration user from the validation rule, or fill what it wants; then `retry`"
        }
        "REQUIRED_FIELD_MISSING" => "fill the field in the mapping; then `retry`",
        "DUPLICATES_DETECTED" => "exempt the integration user from the duplicate rule; then `retry`",
        "UNABLE_TO_LOCK_ROW" => "find what locks the Case (a mass update); then `retry`",
        _ => "see docs/operations.md, Reasons; after mending `retry`",
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
