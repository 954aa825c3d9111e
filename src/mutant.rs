//! Mutants: guarantees that are broken on purpose, to show that their tests then fail (docs/guarantees.md).
//!
//! They exist only with the feature `mutants`, which no build for users has.

/// Whether this mutant is switched on by the environment.
#[cfg(feature = "mutants")]
pub fn is_on(name: &str) -> bool {
    static ASKED: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    ASKED.get_or_init(|| std::env::var("GOODAYS_SALESFORCE_MUTANT").ok()).as_deref() == Some(name)
}

#[cfg(not(feature = "mutants"))]
pub const fn is_on(_name: &str) -> bool {
    false
}
