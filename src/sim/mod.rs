//! Both remotes on localhost. They speak bytes and use none of the connector's types.

pub mod goodays;
pub mod salesforce;
pub mod wire;
