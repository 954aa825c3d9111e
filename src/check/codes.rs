//! Codes of findings about the remotes. They are stable across versions.

macro_rules! codes {
    ($($name:ident = $code:literal),* $(,)?) => {
        $(pub const $name: &str = $code;)*
        pub const CODES: &[&str] = &[$($code),*];
    };
}

codes! {
    SALESFORCE_LOGIN = "S001",
    SALESFORCE_AWAY = "S002",
    SALESFORCE_REFUSES = "S003",
    API_VERSION = "S004",
    NO_OBJECT = "S005",
    NO_FIELD = "S006",
    READ_ONLY = "S007",
    NOT_UPDATEABLE = "S008",
    BAD_VALUE = "S009",
    TOO_LONG = "S010",
    NOT_IN_PICKLIST = "S011",
    STRANGE_TO_PICKLIST = "S012",
    REQUIRED = "S013",
    MAY_BE_BLANK = "S014",
    BAD_KEY = "S015",
    BAD_MARKER = "S016",
    NO_RELATION = "S017",
    NO_EXTERNAL_ID = "S018",
    NOT_READABLE = "S019",
    NO_FEEDBACK = "S020",
    UNKNOWN_LITERAL = "S021",
    SEES_NOTHING = "S022",
    POLL_FAILS = "S023",
    ASSIGNMENT = "S024",
    MAILS_TWICE = "S025",
    BUDGET = "S026",
    SANDBOX_SENDS = "S027",
    SAMPLE_SUFFERS = "S028",
    UNKNOWN_RECORD = "S029",
    SPELLED_OTHERWISE = "S030",
    STOOD_BEFORE = "S031",
    CUSTOMER_MAILED = "S032",
    GOODAYS_TOKEN = "G001",
    GOODAYS_AWAY = "G002",
    GOODAYS_REFUSES = "G003",
    NO_PARAMETER = "G004",
    NO_USER = "G005",
    USER_READS_ONLY = "G006",
    NO_SAMPLES = "G007",
    OBSERVES = "G008",
    UNREADABLE_SAMPLE = "G009",
    NOTHING_CARRIED = "G010",
}
