//! What the web servers ask: the state of now, which changes when this instance begins or ends to work.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::workers::{Process, Shared};

/// The [`Shared`] of now. Clones show the same one.
#[derive(Clone)]
pub struct Current {
    process: Arc<Process>,
    shared: Arc<ArcSwap<Shared>>,
}

impl From<Arc<Shared>> for Current {
    fn from(shared: Arc<Shared>) -> Self {
        Self { process: shared.process.clone(), shared: Arc::new(ArcSwap::new(shared)) }
    }
}

impl Current {
    pub fn shared(&self) -> Arc<Shared> {
        self.shared.load_full()
    }

    pub fn process(&self) -> &Arc<Process> {
        &self.process
    }
}
