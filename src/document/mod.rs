//! YAML files as trees in which every word knows its place, and mistakes shown at that place.
//!
//! `connector.yaml` and the mappings are read by way of this room. [`yaml`] makes the tree, [`keys`] reads mappings with
//! known keys, [`diagnostic`] holds a mistake with its line and the way out, [`layout`] and [`encoding`] find what people
//! cannot see: blanks and bytes.

pub mod diagnostic;
pub(crate) mod encoding;
pub mod keys;
pub(crate) mod layout;
pub mod yaml;
