//! What a client can be asked for.

use std::rc::Rc;

use serde_json::Value;

/// The capabilities that a client declared in its `initialize`.
#[derive(Clone, Debug)]
pub struct Capabilities {
    /// As JSON, for servers that this client has to itself.
    pub text: Rc<str>,
    value: Value,
}

impl Default for Capabilities {
    fn default() -> Self {
        Capabilities { text: "{}".into(), value: Value::Null }
    }
}

impl Capabilities {
    /// Reads the params of `initialize`.
    pub fn of_initialize(params: &str) -> Self {
        let params: Value = serde_json::from_str(params).unwrap_or_default();
        match params.get("capabilities") {
            Some(value @ Value::Object(_)) => {
                Capabilities { text: value.to_string().into(), value: value.clone() }
            }
            _ => Capabilities::default(),
        }
    }

    pub fn has(&self, name: &str) -> bool {
        self.value.get(name).is_some_and(Value::is_object)
    }

    /// What a server's request needs and this client lacks; `params` are the request's.
    pub fn lacks(&self, method: &str, params: &Value) -> Option<&'static str> {
        match method {
            "sampling/createMessage" if !self.has("sampling") => Some("sampling"),
            "sampling/createMessage"
                if params.get("tools").is_some() && self.value["sampling"]["tools"].is_null() =>
            {
                Some("sampling with tools")
            }
            "elicitation/create" if !self.has("elicitation") => Some("elicitation"),
            "elicitation/create" => {
                let elicitation = &self.value["elicitation"];
                match params["mode"] == "url" {
                    true => elicitation["url"].is_null().then_some("elicitation by URL"),
                    // Before there were modes, an empty object meant forms.
                    false => (elicitation["form"].is_null() && !elicitation["url"].is_null())
                        .then_some("elicitation by form"),
                }
            }
            "roots/list" if !self.has("roots") => Some("roots"),
            method if method.starts_with("tasks/") && !self.has("tasks") => Some("tasks"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_lacking_is_named() {
        let of = |text: &str| Capabilities::of_initialize(&format!(r#"{{"capabilities":{text}}}"#));
        let (form, url, tools) = (json!({}), json!({ "mode": "url" }), json!({ "tools": [] }));
        for (capabilities, method, params, want) in [
            ("{}", "sampling/createMessage", &form, Some("sampling")),
            (r#"{"sampling":{}}"#, "sampling/createMessage", &form, None),
            (r#"{"sampling":{}}"#, "sampling/createMessage", &tools, Some("sampling with tools")),
            (r#"{"sampling":{"tools":{}}}"#, "sampling/createMessage", &tools, None),
            (r#"{"elicitation":{}}"#, "elicitation/create", &form, None),
            (r#"{"elicitation":{}}"#, "elicitation/create", &url, Some("elicitation by URL")),
            (r#"{"elicitation":{"url":{}}}"#, "elicitation/create", &form, Some("elicitation by form")),
            (r#"{"elicitation":{"url":{}}}"#, "elicitation/create", &url, None),
            ("{}", "roots/list", &form, Some("roots")),
            ("{}", "tasks/get", &form, Some("tasks")),
            ("{}", "x/y", &form, None),
            ("7", "roots/list", &form, Some("roots")),
        ] {
            assert_eq!(of(capabilities).lacks(method, params), want, "{capabilities} {method} {params}");
        }
    }
}
