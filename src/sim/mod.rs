//! Both remotes, on localhost: they speak bytes and know nothing of the connector's own types.

pub mod goodays;
pub mod salesforce;
pub mod wire;
