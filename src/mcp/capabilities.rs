//! What a client can be asked for.

use std::rc::Rc;

use crate::wire::scan;

/// The capabilities that a client declared in its `initialize`.
#[derive(Clone, Debug)]
pub struct Capabilities {
    /// As JSON, for servers that this client has to itself.
    pub text: Rc<str>,
}

impl Default for Capabilities {
    fn default() -> Self {
        Capabilities { text: "{}".into() }
    }
}

impl Capabilities {
    /// Reads the params of `initialize`.
    pub fn of_initialize(params: &str) -> Self {
        match scan::find(params, &["capabilities"]).filter(|found| found.starts_with('{')) {
            Some(text) => Capabilities { text: text.into() },
            None => Capabilities::default(),
        }
    }

    pub fn has(&self, name: &str) -> bool {
        self.at(&[name]).is_some_and(|found| found.starts_with('{'))
    }

    fn at(&self, path: &[&str]) -> Option<&str> {
        scan::find(&self.text, path)
    }

    /// What a server's request needs and this client lacks; `params` are the request's.
    pub fn lacks(&self, method: &str, params: &str) -> Option<&'static str> {
        let lacks = |path: &[&str]| self.at(path).is_none_or(|found| found == "null");
        match method {
            "sampling/createMessage" if !self.has("sampling") => Some("sampling"),
            "sampling/createMessage"
                if scan::find(params, &["tools"]).is_some() && lacks(&["sampling", "tools"]) =>
            {
                Some("sampling with tools")
            }
            "elicitation/create" if !self.has("elicitation") => Some("elicitation"),
            "elicitation/create" => {
                let no_url = lacks(&["elicitation", "url"]);
                match scan::find_text(params, &["mode"]).is_some_and(|mode| mode == "url") {
                    true => no_url.then_some("elicitation by URL"),
                    // Before there were modes, an empty object meant forms.
                    false => (lacks(&["elicitation", "form"]) && !no_url).then_some("elicitation by form"),
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

    #[test]
    fn what_is_lacking_is_named() {
        let of = |text: &str| Capabilities::of_initialize(&format!(r#"{{"capabilities":{text}}}"#));
        let (form, url, tools) = ("{}", r#"{"n":1e400,"mode":"\u0075rl"}"#, r#"{"tools":[]}"#);
        for (capabilities, method, params, want) in [
            ("{}", "sampling/createMessage", form, Some("sampling")),
            (r#"{"sampling":{}}"#, "sampling/createMessage", form, None),
            (r#"{"sampling":{}}"#, "sampling/createMessage", tools, Some("sampling with tools")),
            (r#"{"sampling":{"tools":{}}}"#, "sampling/createMessage", tools, None),
            (r#"{"elicitation":{}}"#, "elicitation/create", form, None),
            (r#"{"elicitation":{}}"#, "elicitation/create", url, Some("elicitation by URL")),
            (r#"{"elicitation":{"url":{}}}"#, "elicitation/create", form, Some("elicitation by form")),
            (r#"{"elicitation":{"url":{}}}"#, "elicitation/create", url, None),
            ("{}", "roots/list", form, Some("roots")),
            ("{}", "tasks/get", form, Some("tasks")),
            ("{}", "x/y", form, None),
            (r#"{"experimental":{"n":1e400},"sampling":{}}"#, "sampling/createMessage", form, None),
            ("7", "roots/list", form, Some("roots")),
        ] {
            assert_eq!(of(capabilities).lacks(method, params), want, "{capabilities} {method} {params}");
        }
    }
}
