//! Every kind of mistake has a code that stays the same.

use super::{
    FEEDBACK_FIELD, NEVER_CHOSEN, NO_FILE, OTHER_KEY, STRANGE_FILE, case, check, map_table, read_actions,
    read_rules, yaml,
};

/// All codes of the mapping files. Each has a wrong file in the tests.
pub fn codes() -> &'static [&'static str] {
    &[
        yaml::SYNTAX,
        yaml::DUPLICATE_KEY,
        yaml::UNKNOWN_KEY,
        yaml::MISSING_KEY,
        yaml::WRONG_KIND,
        yaml::CUT_BY_YAML,
        NO_FILE,
        NEVER_CHOSEN,
        STRANGE_FILE,
        OTHER_KEY,
        FEEDBACK_FIELD,
        read_rules::UNKNOWN_WORD,
        check::BAD_EXPRESSION,
        check::BAD_TEMPLATE,
        check::UNKNOWN_NAME,
        check::UNKNOWN_FILTER,
        check::UNKNOWN_FUNCTION,
        check::UNKNOWN_TEST,
        check::NOT_IN_SCOPE,
        map_table::OVERLAP,
        map_table::GAP,
        map_table::BAD_RANGE,
        read_rules::NOT_ONE_SOURCE,
        read_rules::UNREACHABLE,
        read_rules::SAME_RULE,
        check::NULL_SPELT,
        check::BAD_ANSWER,
        check::UNKNOWN_QUESTION,
        check::FAILS_ON_SAMPLE,
        check::NOT_CONDITION,
        read_rules::MAP_ON_FIXED,
        case::KEY_IS_ID,
        read_rules::BAD_FIELD_NAME,
        read_rules::FIELD_TAKEN,
        read_actions::USELESS_KEY,
    ]
}
