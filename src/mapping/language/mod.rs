//! The language in mapping files: expressions, templates, filters, and the names that they may use.

pub(super) mod behind;
pub(super) mod check;
pub(super) mod conditions;
pub(super) mod dates;
pub(super) mod documented;
pub(super) mod expr;
pub(super) mod filters;
pub(super) mod formats;
pub(super) mod html;
pub(super) mod jinja;
pub(super) mod kinds;
pub(super) mod known;
pub(super) mod lists;
pub(super) mod methods;
pub(super) mod mistake;
pub(super) mod names;
pub(super) mod nesting;
pub(super) mod operands;
pub(super) mod plain;
pub(super) mod resolve;
pub(super) mod scope;
pub(super) mod shape;
