//! Several requests in one body: a JSON array, as Apollo's and Hasura's clients send it. No
//! specification describes it.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{GraphQLRequest, RequestError};

/// What was posted.
#[derive(Clone, Debug, PartialEq)]
pub enum Posted {
    /// One request.
    One(Box<GraphQLRequest>),
    /// Several, in order; never none.
    Batch(Vec<GraphQLRequest>),
}

impl Posted {
    /// Decodes a body. An array may have up to `max_batch` requests; 0 refuses arrays. One request
    /// that is not well-formed makes the whole body so.
    pub fn from_json(text: &[u8], max_batch: usize) -> Result<Self, RequestError> {
        match GraphQLRequest::from_json(text) {
            Err(RequestError::Batch) if max_batch > 0 => {}
            result => return Ok(Self::One(Box::new(result?))),
        }
        let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
        let mut json = serde_json::Deserializer::from_slice(text);
        // That it is an array was found out above.
        let Elements(elements) = Limit(max_batch)
            .deserialize(&mut json)
            .map_err(|error| RequestError::MalformedJson(error.to_string()))?;
        let elements = elements.ok_or(RequestError::BatchTooLong(max_batch))?;
        if elements.is_empty() {
            return Err(RequestError::EmptyBatch);
        }
        let decode = |(index, raw): (usize, &RawValue)| {
            GraphQLRequest::from_json(raw.get().as_bytes())
                .map_err(|error| RequestError::InBatch(index + 1, Box::new(error)))
        };
        Ok(Self::Batch(elements.into_iter().enumerate().map(decode).collect::<Result<_, _>>()?))
    }
}

/// The elements of an array; `None` if there are more than the limit.
struct Elements<'a>(Option<Vec<&'a RawValue>>);

/// Reads no more than so many elements, so that a body of many small ones takes no memory.
struct Limit(usize);

impl<'de> DeserializeSeed<'de> for Limit {
    type Value = Elements<'de>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Elements<'de>, D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Limit {
    type Value = Elements<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of requests")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Elements<'de>, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = sequence.next_element::<&RawValue>()? {
            if elements.len() == self.0 {
                while sequence.next_element::<serde::de::IgnoredAny>()?.is_some() {}
                return Ok(Elements(None));
            }
            elements.push(element);
        }
        Ok(Elements(Some(elements)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use RequestError::*;

    fn queries(posted: Posted) -> Vec<String> {
        match posted {
            Posted::One(one) => vec![one.query.unwrap()],
            Posted::Batch(batch) => batch.into_iter().map(|r| r.query.unwrap()).collect(),
        }
    }

    #[test]
    fn bodies_of_all_kinds() {
        let one = Posted::from_json(br#"{"query":"a"}"#, 0).unwrap();
        assert!(matches!(one, Posted::One(_)));
        let two = Posted::from_json(
            "\u{feff} [{\"query\":\"a\"}, {\"query\":\"b\",\"x\":1}]".as_bytes(),
            2,
        );
        assert_eq!(queries(two.unwrap()), ["a", "b"]);
        let single = Posted::from_json(br#"[{"query":"a"}]"#, 2).unwrap();
        assert!(matches!(single, Posted::Batch(_)));
        let rows: &[(&str, usize, RequestError)] = &[
            (r#"[{"query":"a"}]"#, 0, Batch),
            ("[]", 0, Batch),
            ("[]", 2, EmptyBatch),
            (r#"[{"query":"a"},{"query":"b"},{"query":"c"}]"#, 2, BatchTooLong(2)),
            (r#"[{"query":"a"},{}]"#, 2, InBatch(2, Box::new(MissingQuery))),
            (r#"[[{"query":"a"}]]"#, 2, InBatch(1, Box::new(Batch))),
            ("[null]", 2, InBatch(1, Box::new(NotAnObject))),
            ("{}", 2, MissingQuery),
            ("7", 2, NotAnObject),
        ];
        for (text, limit, error) in rows {
            assert_eq!(Posted::from_json(text.as_bytes(), *limit).as_ref(), Err(error), "{text}");
        }
        for text in ["[", "[{]", r#"[{"query":"a"}] x"#, "[1,2,3,", "[,]"] {
            let got = Posted::from_json(text.as_bytes(), 2);
            assert!(matches!(got, Err(MalformedJson(_))), "{text}: {got:?}");
        }
    }
}
