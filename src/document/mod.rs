//! YAML files as trees in which every word has its place, and mistakes shown at that place.
//!
//! This module reads `connector.yaml` and the mappings. [`yaml`] makes the tree, [`keys`] reads mappings with known
//! keys, [`diagnostic`] holds a mistake with its line and the fix. `layout` and `encoding` find mistakes that
//! people cannot see, in blanks and bytes.

pub mod diagnostic;
pub(crate) mod encoding;
pub mod keys;
pub(crate) mod layout;
pub(crate) mod schema;
pub mod yaml;
