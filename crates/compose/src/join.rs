//! The sources' responses become one.
//!
//! Values are slices of the responses, copied once into the one that is made; none is parsed. If one source
//! answers everything and has no errors, its response is handed on as it is.
//!
//! - `data`: the root fields in the order of the operation. A source that gave none, or failed, leaves
//!   `null` in its fields, with an error each; where a field may not be null, `data` is null as a whole
//!   (section 6.4.4).
//! - `errors`: those of all sources in the order of the plan. `path` and `extensions` stay as they are. An
//!   error without a path gets the source's name as `extensions.source`. `locations` are left out: they
//!   point into a text that the client never saw.
//! - `extensions`: of an operation that one source answers, its own; otherwise
//!   `{"sources": {NAME: {…}, …}}`.

mod errors;
mod scan;
mod typenames;

use std::collections::HashMap;

use bytes::Bytes;

use crate::plan::{Bound, Owner, SubRequest};
use scan::Scanner;

/// What became of one request to a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A response: a JSON object and slices of it.
    Response {
        /// The whole response.
        text: Bytes,
        /// `data`: an object or `null`.
        data: Option<Bytes>,
        /// `errors`: a list that is not empty.
        errors: Option<Bytes>,
        /// `extensions`: an object.
        extensions: Option<Bytes>,
    },
    /// There is no response.
    Failed {
        /// Why, for the client.
        message: String,
        /// A code, for programs.
        code: &'static str,
    },
    /// It was not asked, since [`Bound::stops_after`] said so.
    NotAsked,
}

/// The values of one source's root fields, by key.
type Values = HashMap<String, Bytes>;

impl Bound {
    /// Whether nothing more is to be asked after this answer of a mutation: a field that may not be null is,
    /// so that the whole result is null and the rest need not be executed (section 6.4.4). `at` is an index
    /// into [`requests`](Self::requests).
    pub fn stops_after(&self, at: usize, answer: &Answer) -> bool {
        let Some(request) = self.request(at) else { return false };
        let values = values(answer);
        self.active(request).any(|root| {
            root.is_non_null && values.as_ref().is_none_or(|v| is_null(v.get(&*root.key)))
        })
    }

    /// The same as [`join`](Self::join), and whether the response has errors.
    pub fn joined(&self, answers: &[Answer]) -> (Bytes, bool) {
        match self.whole(answers) {
            Some(whole) => (whole, false),
            None => {
                let mut joint = Joint::new(self);
                let response = joint.join(answers);
                (response.into(), joint.errors.is_any())
            }
        }
    }

    /// Makes one response of the answers, which are in the order of [`requests`](Self::requests). Too few
    /// count as [`Answer::NotAsked`].
    pub fn join(&self, answers: &[Answer]) -> Bytes {
        self.joined(answers).0
    }

    /// A source's errors as the client gets them: the items of a JSON list, as objects. `at` is an index
    /// into [`requests`](Self::requests).
    pub fn errors(&self, at: usize, list: &Bytes) -> Vec<Bytes> {
        let source = self.request(at).map(|request| self.plan.source_name(request).clone());
        errors::each(list, source.as_deref().unwrap_or_default())
    }

    fn request(&self, at: usize) -> Option<&SubRequest> {
        self.plan.requests.get(self.requests().get(at)?.index)
    }

    fn active<'a>(
        &'a self,
        request: &'a SubRequest,
    ) -> impl Iterator<Item = &'a crate::plan::Root> {
        let is_active = |at: &&usize| self.is_active.get(**at) == Some(&true);
        request.roots.iter().filter(is_active).filter_map(|at| self.plan.roots.get(*at))
    }

    /// The response of the only source, if it can be handed on as it is: its keys are those that were asked
    /// for, in order, and there is nothing to be turned back or said about errors.
    fn whole(&self, answers: &[Answer]) -> Option<Bytes> {
        let ([answer], Some(request)) = (answers, self.request(0)) else { return None };
        let Answer::Response { text, data: Some(data), errors: None, .. } = answer else {
            return None;
        };
        if request.typenames.is_some() || self.requests().len() > 1 {
            return None;
        }
        let mut scanner = Scanner::new(data);
        let mut expected = self.order.iter().filter_map(|at| self.plan.roots.get(*at));
        let mut members = scanner.object()?;
        while let Some((key, value)) = members.next()? {
            let root = expected.next()?;
            let is_as_asked = root.quoted.as_bytes() == key && root.owner != Owner::Schema;
            if !is_as_asked || (root.is_non_null && value == b"null") {
                return None;
            }
        }
        expected.next().is_none().then(|| text.clone())
    }
}

fn is_null(value: Option<&Bytes>) -> bool {
    value.is_none_or(|value| value == "null")
}

/// The members of an answer's data; `None` if there is no data.
fn values(answer: &Answer) -> Option<Values> {
    let Answer::Response { data: Some(data), .. } = answer else { return None };
    slices(data)
}

fn slices(data: &Bytes) -> Option<Values> {
    let mut values = Values::new();
    let mut scanner = Scanner::new(data);
    let mut members = scanner.object()?;
    while let Some((key, value)) = members.next()? {
        // As every JavaScript client reads it, the last of equal keys counts.
        values.insert(scan::text(key)?, data.slice_ref(value));
    }
    Some(values)
}

struct Joint<'a> {
    bound: &'a Bound,
    errors: errors::Errors,
    /// A field that may not be null is.
    is_void: bool,
}

impl<'a> Joint<'a> {
    fn new(bound: &'a Bound) -> Self {
        Self { bound, errors: errors::Errors::default(), is_void: false }
    }

    fn join(&mut self, answers: &[Answer]) -> Vec<u8> {
        let bound = self.bound;
        // By index of the plan's requests.
        let mut data: HashMap<usize, Values> = HashMap::new();
        for (at, bound_request) in bound.requests().iter().enumerate() {
            if let Some(request) = bound.plan.requests.get(bound_request.index) {
                let answer = answers.get(at).unwrap_or(&Answer::NotAsked);
                data.insert(bound_request.index, self.take(request, answer));
            }
        }
        let expected: usize = data.values().flat_map(HashMap::values).map(Bytes::len).sum();
        let mut out = Vec::with_capacity(expected + 64 * bound.order.len() + 64);
        out.extend_from_slice(b"{\"data\":");
        if self.is_void {
            out.extend_from_slice(b"null");
        } else {
            self.data(&data, &mut out);
        }
        self.errors.write(&mut out);
        self.extensions(answers, &mut out);
        out.push(b'}');
        out
    }

    /// The values of a source's fields, with an error for each that is missing.
    fn take(&mut self, request: &SubRequest, answer: &Answer) -> Values {
        let source = self.bound.plan.source_name(request).clone();
        let mut found = None;
        let mut reason = None;
        let mut has_errors = false;
        match answer {
            Answer::Response { data, errors, .. } => {
                has_errors = errors.as_deref().is_some_and(|list| self.errors.add(list, &source));
                let turned = data.as_ref().and_then(|data| match &request.typenames {
                    Some(typenames) => typenames::turn_back(data, typenames),
                    None => Some(data.clone()),
                });
                found = turned.as_ref().and_then(slices);
            }
            Answer::Failed { message, code } => reason = Some((message.as_str(), *code)),
            Answer::NotAsked => {
                // Some other answer has made the whole result null, and said so.
                self.is_void |= self.bound.active(request).any(|root| root.is_non_null);
                return Values::new();
            }
        }
        let mut values = found.unwrap_or_default();
        let (message, code) =
            reason.unwrap_or(("the service gave no value for this field", "no-value"));
        for root in self.bound.active(request) {
            let value = values.get(&*root.key);
            let is_missing = value.is_none();
            if !is_null(value) {
                continue;
            }
            self.is_void |= root.is_non_null;
            // `null` alone is a value where it may be; errors of the service say why there is none.
            if !has_errors && (is_missing || root.is_non_null) {
                self.errors.own(message, &root.key, &source, code);
            }
        }
        values.retain(|_, value| value != "null");
        values
    }

    fn data(&self, data: &HashMap<usize, Values>, out: &mut Vec<u8>) {
        let mut between = b'{';
        for root in self.bound.order.iter().filter_map(|at| self.bound.plan.roots.get(*at)) {
            out.push(between);
            between = b',';
            out.extend_from_slice(root.quoted.as_bytes());
            out.push(b':');
            match root.owner {
                Owner::Schema => {
                    let value = self.bound.local.get(&*root.key);
                    let text = value.and_then(|v| serde_json::to_vec(v).ok());
                    out.extend_from_slice(text.as_deref().unwrap_or(b"null"));
                }
                Owner::Request(index) => {
                    let value = data.get(&index).and_then(|values| values.get(&*root.key));
                    out.extend_from_slice(value.map_or(b"null", |value| value));
                }
            }
        }
        out.extend_from_slice(if between == b'{' { b"{}" } else { b"}" });
    }

    fn extensions(&self, answers: &[Answer], out: &mut Vec<u8>) {
        let requests = self.bound.requests().iter().zip(answers);
        let given = requests.filter_map(|(request, answer)| match answer {
            Answer::Response { extensions: Some(text), .. } => {
                Some((self.bound.plan.requests.get(request.index)?, text))
            }
            _ => None,
        });
        if self.bound.requests().len() == 1 {
            if let Some((_, text)) = given.into_iter().next() {
                out.extend_from_slice(b",\"extensions\":");
                out.extend_from_slice(text);
            }
            return;
        }
        // A mutation may have asked a source several times: the last word counts.
        let mut sources: Vec<(&str, &Bytes)> = Vec::new();
        for (request, text) in given {
            let name = &**self.bound.plan.source_name(request);
            match sources.iter_mut().find(|(there, _)| *there == name) {
                Some((_, there)) => *there = text,
                None => sources.push((name, text)),
            }
        }
        if sources.is_empty() {
            return;
        }
        let mut between = ",\"extensions\":{\"sources\":{";
        for (name, text) in sources {
            out.extend_from_slice(between.as_bytes());
            between = ",";
            out.extend_from_slice(&scan::quoted(name));
            out.push(b':');
            out.extend_from_slice(text);
        }
        out.extend_from_slice(b"}}");
    }
}

#[cfg(test)]
mod tests;
