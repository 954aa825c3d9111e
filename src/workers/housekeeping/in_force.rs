//! Since when the mapping version is in force, also over restarts.

use serde::{Deserialize, Serialize};

use crate::state::{Store, StoreError};

const NAME: &str = "mapping in force";

#[derive(Serialize, Deserialize)]
struct InForce {
    version: String,
    /// Milliseconds, our clock.
    since_ms: i64,
}

/// Since when this version is in force (milliseconds). A version that was not in force before is from now on; on an
/// instance that does not work it is not in force, so nothing is noted.
pub(crate) async fn since(store: &Store, version: &str, now_ms: i64) -> Result<i64, StoreError> {
    let known: Option<InForce> = store.meta(NAME).await?;
    if let Some(known) = known.filter(|known| known.version == version) {
        return Ok(known.since_ms);
    }
    if !store.is_of_the_working() {
        return Ok(now_ms);
    }
    store.set_meta(NAME, &InForce { version: version.to_owned(), since_ms: now_ms }).await?;
    Ok(now_ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Settings;

    #[tokio::test]
    async fn a_version_stays_in_force_until_another_one_comes() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Settings::default()).unwrap();
        assert_eq!(since(&store, "a", 1).await, Ok(1));
        assert_eq!(since(&store, "a", 2).await, Ok(1));
        assert_eq!(since(&store, "b", 3).await, Ok(3));
        assert_eq!(since(&store, "a", 4).await, Ok(4));
    }
}
