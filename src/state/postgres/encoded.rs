//! The parameters of a statement as bytes, so that they need not be borrowed while it is under way.

use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use tokio_util::bytes::{Bytes, BytesMut};

use crate::state::postgres::connection::Params;
use crate::state::postgres::errors::Failure;

/// One parameter as the server reads it; none for null.
#[derive(Debug)]
pub(super) struct Encoded(Option<Bytes>);

impl Encoded {
    /// `types` are those of the prepared statement.
    pub(super) fn all(params: Params<'_>, types: &[Type]) -> Result<Vec<Self>, Failure> {
        let encode = |(param, ty): (&&(dyn ToSql + Sync), &Type)| {
            let mut bytes = BytesMut::new();
            match param.to_sql_checked(ty, &mut bytes) {
                Ok(IsNull::Yes) => Ok(Self(None)),
                Ok(IsNull::No) => Ok(Self(Some(bytes.freeze()))),
                // Its text may quote the value.
                Err(_) => Err(Failure::Refused(format!("a parameter cannot be written as {ty}"))),
            }
        };
        params.iter().zip(types).map(encode).collect()
    }
}

impl ToSql for Encoded {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        Ok(match &self.0 {
            Some(bytes) => {
                out.extend_from_slice(bytes);
                IsNull::No
            }
            None => IsNull::Yes,
        })
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}
