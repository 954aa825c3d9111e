//! Types that editors know by their JSON Schema only.

/// Defines a type that only has a schema.
macro_rules! only_schema {
    ($(#[$about:meta])* $name:ident, $schema:tt) => {
        $(#[$about])*
        pub struct $name(String);

        impl schemars::JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!($schema)
            }
        }
    };
}
pub(crate) use only_schema;
