//! A plan with the values of one request.

use std::sync::Arc;

use apollo_compiler::{
    ast::Value, introspection, request::coerce_variable_values, response::JsonMap,
    validation::Valid,
};
use bytes::Bytes;
use serde_json::{Map, Value as Json};

use super::{Owner, Plan, PlanError, SubRequest};
use crate::{clean, compose::LIVE};

/// A plan with the values of one request: what is to be asked now.
#[derive(Debug)]
pub struct Bound {
    pub(crate) plan: Arc<Plan>,
    requests: Vec<BoundRequest>,
    /// For each root field, whether it is asked for.
    pub(crate) is_active: Vec<bool>,
    /// Those that are, in the order of the response.
    pub(crate) order: Vec<usize>,
    /// Values of the root fields that the schema answers.
    pub(crate) local: JsonMap,
    live_interval: Option<i64>,
}

/// One request to one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundRequest {
    /// An index into [`Plan::requests`].
    pub index: usize,
    /// Values of the variables that it declares, as a JSON object; `None` if it has none.
    pub variables: Option<Bytes>,
}

impl Plan {
    /// Takes the values of a request's variables.
    ///
    /// Values are checked here, against the whole operation, so that no source has acted when another
    /// finds one wrong (section 6.1.2, CoerceVariableValues). What is sent are the client's own values. A
    /// source all of whose fields are skipped is not asked.
    ///
    /// # Errors
    /// A value does not fit its type, or is missing; introspection that is too deep.
    pub fn bind(self: &Arc<Self>, variables: &Map<String, Json>) -> Result<Bound, PlanError> {
        // Undeclared ones need not be looked at.
        let declared = self.operation.variables.iter().filter_map(|v| {
            let (name, value) = variables.get_key_value(v.name.as_str())?;
            Some((name.as_str().into(), value.clone().into()))
        });
        let given: JsonMap = declared.collect();
        let coerced = coerce_variable_values(&self.composed.schema, &self.operation, &given);
        let coerced =
            coerced.map_err(|error| PlanError::Invalid(clean(&error.message().to_string())))?;
        let first: Vec<Option<usize>> =
            self.roots.iter().map(|root| root.when.first(&coerced)).collect();
        let is_active: Vec<bool> = first.iter().map(Option::is_some).collect();
        let mut order: Vec<(usize, usize)> =
            first.iter().enumerate().filter_map(|(at, first)| Some(((*first)?, at))).collect();
        order.sort_unstable();
        let order = order.into_iter().map(|(_, at)| at).collect();
        let is_on = |at: &usize| is_active.get(*at) == Some(&true);
        let mut requests = Vec::new();
        for (index, request) in self.requests.iter().enumerate() {
            if request.roots.iter().any(is_on) {
                requests.push(BoundRequest { index, variables: values(request, variables)? });
            }
        }
        let mut local = JsonMap::new();
        if self.roots.iter().any(|root| root.owner == Owner::Schema) {
            introspection::check_max_depth(&self.document.0, &self.operation)
                .and_then(|()| {
                    let composed = &self.composed;
                    introspection::partial_execute(
                        &composed.schema,
                        &composed.implementers,
                        &self.document.0,
                        &self.operation,
                        &coerced,
                    )
                })
                .map(|response| local = response.data.unwrap_or_default())
                .map_err(|error| PlanError::Invalid(clean(&error.message().to_string())))?;
        }
        let live_interval = self.live_interval(&coerced);
        Ok(Bound { plan: Arc::clone(self), requests, is_active, order, local, live_interval })
    }
}

impl Plan {
    fn live_interval(&self, variables: &Valid<JsonMap>) -> Option<i64> {
        let directive = self.operation.directives.get(LIVE)?;
        match &**directive.specified_argument_by_name("interval")? {
            Value::Int(number) => number.try_to_i32().ok().map(i64::from),
            Value::Variable(name) => variables.get(name.as_str())?.as_i64(),
            _ => None,
        }
    }
}

/// A source's share of the variables.
fn values(request: &SubRequest, variables: &Map<String, Json>) -> Result<Option<Bytes>, PlanError> {
    let mut text = Vec::from(*b"{");
    for name in &request.variables {
        let Some(value) = variables.get(&**name) else { continue };
        if text.len() > 1 {
            text.push(b',');
        }
        text.push(b'"');
        text.extend_from_slice(name.as_bytes());
        text.extend_from_slice(b"\":");
        serde_json::to_writer(&mut text, value)
            .map_err(|error| PlanError::Invalid(clean(&error.to_string())))?;
    }
    text.push(b'}');
    Ok((text.len() > 2).then(|| text.into()))
}

impl Bound {
    /// What is to be asked, in the order of the plan.
    pub fn requests(&self) -> &[BoundRequest] {
        &self.requests
    }

    /// The interval that `@live` asks for, in milliseconds.
    pub fn live_interval(&self) -> Option<i64> {
        self.live_interval
    }

    /// Whether equal answers are joined to equal responses by both.
    pub fn joins_like(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.plan, &other.plan)
            && self.order == other.order
            && self.local == other.local
    }

    /// The plan.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }
}
