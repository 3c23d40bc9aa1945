//! URI templates (RFC 6570), as far as a router needs them: whether a URI can have come from one.

/// A parsed template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    text: Box<str>,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(Box<str>),
    /// `{name}`: at least one character, no slash.
    Segment,
    /// `{+name}`, `{#name}`, `{/name}`, `{?name}` …: anything, also nothing.
    Anything,
}

impl Template {
    /// A brace that is never closed is text.
    pub fn parse(text: &str) -> Template {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, inside)) = rest.split_once('{') {
            let Some((expression, after)) = inside.split_once('}') else { break };
            if !before.is_empty() {
                parts.push(Part::Literal(before.into()));
            }
            let plain = expression.starts_with(|first: char| first.is_alphanumeric() || first == '_');
            parts.push(if plain && !expression.ends_with('*') { Part::Segment } else { Part::Anything });
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Literal(rest.into()));
        }
        Template { text: text.into(), parts }
    }

    /// As the server wrote it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether `uri` can have come from it.
    pub fn matches(&self, uri: &str) -> bool {
        // The places in `uri` that can be reached with the parts so far: no backtracking, so no explosion.
        let mut reached = vec![false; uri.len() + 1];
        reached[0] = true;
        for part in &self.parts {
            reached = after(part, uri.as_bytes(), &reached);
        }
        reached[uri.len()]
    }
}

fn after(part: &Part, uri: &[u8], reached: &[bool]) -> Vec<bool> {
    let mut next = vec![false; reached.len()];
    let mut inside = false;
    for at in 0..reached.len() {
        match part {
            Part::Literal(text) if reached[at] && uri[at..].starts_with(text.as_bytes()) => {
                next[at + text.len()] = true;
            }
            Part::Literal(_) => {}
            Part::Segment => {
                inside &= at > 0 && uri[at - 1] != b'/';
                next[at] = inside;
                inside |= reached[at];
            }
            Part::Anything => {
                inside |= reached[at];
                next[at] = inside;
            }
        }
    }
    next
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_and_the_templates_they_come_from() {
        for (template, uri, want) in [
            ("a://b", "a://b", true),
            ("a://b", "a://bc", false),
            ("a://{x}", "a://b", true),
            ("a://{x}", "a://", false),
            ("a://{x}", "a://b/c", false),
            ("a://{x}/{y}", "a://b/c", true),
            ("a://{x}/y", "a://b/y", true),
            ("a://{x}/y", "a://b/z", false),
            ("file:///{+path}", "file:///a/b/c", true),
            ("a://s{?q,r}", "a://s?q=1", true),
            ("a://s{?q,r}", "a://s", true),
            ("a://{x}.{y}", "a://b.c.d", true),
            ("a://{rest*}", "a://b/c", true),
            ("a://{x", "a://{x", true),
            ("{x}{x}{x}{x}{x}{x}{x}{x}{x}z", &"y".repeat(4000), false),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(Template::parse(template).matches(uri), want, "{template} {uri}");
        }
    }
}
