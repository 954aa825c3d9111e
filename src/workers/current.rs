//! What the web servers ask: the state of now, which changes when this instance begins or ends to work.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::state::Store;
use crate::workers::terms::Standing;
use crate::workers::{Process, Shared};

/// The [`Shared`] of now. Clones show the same one.
#[derive(Clone)]
pub struct Current {
    process: Arc<Process>,
    /// Belongs to no term: what comes in is stored whoever works.
    store: Store,
    shared: Arc<ArcSwap<Shared>>,
}

impl From<Arc<Shared>> for Current {
    /// Of the only instance.
    fn from(shared: Arc<Shared>) -> Self {
        Self::new(shared.store.clone(), shared)
    }
}

impl Current {
    /// `store` belongs to no term.
    pub fn new(store: Store, shared: Arc<Shared>) -> Self {
        let process = shared.process.clone();
        Self { process, store, shared: Arc::new(ArcSwap::new(shared)) }
    }

    pub fn shared(&self) -> Arc<Shared> {
        self.shared.load_full()
    }

    pub fn process(&self) -> &Arc<Process> {
        &self.process
    }

    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The other instances; none if there can be none.
    pub fn standing(&self) -> Option<Arc<Standing>> {
        self.process.standing.load_full()
    }

    /// Another term, or none, has begun.
    pub(crate) fn is(&self, shared: Arc<Shared>) {
        self.shared.store(shared);
    }

    pub(crate) fn stands(&self, standing: Standing) {
        self.process.standing.store(Some(Arc::new(standing)));
    }
}
