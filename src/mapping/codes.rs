//! Each kind of mistake has a stable code.

use super::{FEEDBACK_FIELD, NEVER_CHOSEN, NO_FILE, OTHER_KEY, SAME_WHEN, files};
use crate::document::yaml;
use crate::mapping::files::{case, map_table, matching, read_actions, read_rules, suspect, user_types};
use crate::mapping::language::check;

/// All codes of the mapping files. The tests have a faulty file for each.
pub fn codes() -> &'static [&'static str] {
    &[
        yaml::SYNTAX,
        yaml::DUPLICATE_KEY,
        yaml::UNKNOWN_KEY,
        yaml::MISSING_KEY,
        yaml::WRONG_KIND,
        yaml::CUT_BY_YAML,
        yaml::INVISIBLE,
        yaml::NOT_UTF8,
        NO_FILE,
        NEVER_CHOSEN,
        files::STRANGE_FILE,
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
        suspect::CODE_AS_TEXT,
        suspect::NO_EXPRESSION,
        suspect::CURLY_QUOTES,
        suspect::LITERAL_ESCAPE,
        files::SAME_FILE,
        SAME_WHEN,
        read_actions::NO_EMAIL,
        read_actions::NOT_TOLD,
        read_rules::EMPTY_VALUE,
        read_actions::NO_CONDITION,
        user_types::UNKNOWN_USER_TYPE,
        user_types::NOBODY,
        read_actions::NO_COMMAND,
        matching::NO_CLUE,
    ]
}
