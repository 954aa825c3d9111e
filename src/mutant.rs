//! Laws that are broken on purpose, so that their tests can be seen to fail (docs/guarantees.md).
//!
//! Without the feature `mutants`, which no build for users has, nothing here does anything.

/// Whether this mutant was asked for.
#[cfg(feature = "mutants")]
pub fn is_on(name: &str) -> bool {
    static ASKED: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    ASKED.get_or_init(|| std::env::var("GOODAYS_SALESFORCE_MUTANT").ok()).as_deref() == Some(name)
}

#[cfg(not(feature = "mutants"))]
pub const fn is_on(_name: &str) -> bool {
    false
}
