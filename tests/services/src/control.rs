//! `/control/*`: what tests ask of the service and do to it.

use axum::{Json, extract::Path};
use serde_json::{Value, json};

use crate::state::State;

/// Answers; an unknown name gets null.
pub fn answer(state: &State, Path(name): Path<String>, Json(body): Json<Value>) -> Json<Value> {
    Json(match name.as_str() {
        "state" => state.report(),
        "publish" => {
            let topic = body["topic"].as_str().unwrap_or_default();
            json!({ "listeners": state.publish(topic, &body["value"]) })
        }
        "close" => {
            let code = body["code"].as_u64().and_then(|code| u16::try_from(code).ok());
            let reason = body["reason"].as_str().unwrap_or_default();
            state.close(code.map(|code| (code, reason.to_owned())));
            json!({})
        }
        "reset" => {
            state.reset();
            json!({})
        }
        "schema" => {
            state.set_extended(body["extended"] == true);
            json!({})
        }
        _ => Value::Null,
    })
}
