//! Values in PostgreSQL's text format.

use std::{error::Error, sync::Arc};

use bytes::{BufMut, BytesMut};
use tokio_postgres::types::{Format, FromSql, IsNull, ToSql, Type};

/// A parameter that is sent as text, whatever type the server wants it to be.
#[derive(Debug, Clone)]
pub(crate) struct TextParam(pub(crate) Option<Arc<str>>);

impl ToSql for TextParam {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match &self.0 {
            Some(text) => {
                out.put_slice(text.as_bytes());
                Ok(IsNull::No)
            }
            None => Ok(IsNull::Yes),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn to_sql_checked(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        self.to_sql(ty, out)
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }
}

/// The bytes of a text or JSON result, as they came. They are UTF-8, since that is the encoding the
/// driver asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TextBytes<'a>(pub(crate) &'a [u8]);

impl<'a> FromSql<'a> for TextBytes<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(raw))
    }

    fn accepts(ty: &Type) -> bool {
        // The types whose binary and text formats are the same.
        matches!(*ty, Type::TEXT | Type::VARCHAR | Type::JSON | Type::BPCHAR | Type::UNKNOWN)
    }
}
