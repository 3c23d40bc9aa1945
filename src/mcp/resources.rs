//! The resources that one client sees of all servers, and which server a URI leads to.
//!
//! URIs stay as the servers have them, since they stand in results, too. Where two servers list the same one, the
//! later is also offered as `loom://r/SERVER/URI`, percent-encoded.

use foldhash::{HashMap, HashSet};
use std::borrow::Cow;
use std::rc::Rc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::Value;

use crate::mcp::catalog::Item;
use crate::mcp::inventory::{self, ALIAS};
use crate::mcp::template::Template;
use crate::wire::scan::members;

/// RFC 3986's unreserved characters stay.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A longer URI, in bytes, is matched with no template.
const URI_MAX: usize = 8 << 10;

/// One server, as the routes need it.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    pub server: &'a str,
    pub resources: Option<&'a [Item]>,
    pub templates: Option<&'a [Item]>,
    /// What another instance of it had, while its own lists are not known: it says where a URI leads, and is shown to
    /// nobody.
    pub hints: [&'a [Item]; 2],
    /// Tools may link to resources that no list names.
    pub tools: &'a [Item],
    /// It may have resources, as far as is known.
    pub may_have: bool,
}

/// See the module. Servers are known by their place in the slice given to [`Resources::build`].
pub struct Resources {
    /// The `resources/list` result.
    pub list: Rc<str>,
    /// The `resources/templates/list` result.
    pub templates: Rc<str>,
    listed: HashMap<Box<str>, u32>,
    patterns: Vec<(Template, u32)>,
    linked: HashMap<Box<str>, u32>,
    servers: Vec<(Box<str>, bool)>,
}

/// Where a URI leads.
#[derive(Debug, PartialEq, Eq)]
pub struct Route<'u> {
    /// The URI as the server has it.
    pub own: Cow<'u, str>,
    /// The servers to ask, the likeliest first; empty: nobody can have it.
    pub servers: Vec<u32>,
    /// So many of them are known to have it, or have a template for it or a tool that links to it.
    known: usize,
}

impl Route<'_> {
    /// The servers that list it, or have a template for it or a tool that links to it.
    pub fn known(&self) -> &[u32] {
        &self.servers[..self.known]
    }

    /// The known servers; when there is none, those that may have it.
    pub fn likely(&self) -> &[u32] {
        if self.known > 0 { self.known() } else { &self.servers }
    }
}

impl Resources {
    /// The sources in registry order.
    pub fn build(sources: &[Source]) -> Resources {
        let mut listed: HashMap<Box<str>, u32> = HashMap::default();
        let mut linked: HashMap<Box<str>, u32> = HashMap::default();
        let mut patterns = Vec::new();
        let mut rows = inventory::resource_rows();
        let mut template_rows = inventory::template_rows();
        for (number, source) in (0..).zip(sources) {
            for resource in source.resources.unwrap_or_default() {
                let owner = listed.get(&resource.name).copied();
                rows.push(match owner {
                    // Listed twice by one server.
                    Some(owner) if owner == number => continue,
                    Some(_) => {
                        let mut row = String::new();
                        resource.write_named(&alias(source.server, &resource.name), &mut row);
                        row
                    }
                    None => resource.text.to_string(),
                });
                listed.entry(resource.name.clone()).or_insert(number);
            }
            let mut seen: HashSet<&str> = HashSet::default();
            // Each once, however often its server lists it.
            for template in source.templates.unwrap_or_default().iter().filter(|one| seen.insert(&one.name)) {
                template_rows.push(template.text.to_string());
                patterns.push((Template::parse(&template.name), number));
            }
            let [resources, templates] = source.hints;
            for resource in resources.iter().filter(|_| source.resources.is_none()) {
                listed.entry(resource.name.clone()).or_insert(number);
            }
            for template in templates.iter().filter(|_| source.templates.is_none()) {
                patterns.push((Template::parse(&template.name), number));
            }
            for uri in source.tools.iter().flat_map(links) {
                linked.entry(uri.into()).or_insert(number);
            }
        }
        let servers = sources.iter().map(|source| (source.server.into(), source.may_have)).collect();
        Resources {
            list: format!("{{\"resources\":[{}]}}", rows.join(",")).into(),
            templates: format!("{{\"resourceTemplates\":[{}]}}", template_rows.join(",")).into(),
            listed,
            patterns,
            linked,
            servers,
        }
    }

    /// Where `uri` leads: when it is listed or an alias, to that server; else to those with a template for it, those
    /// with a tool that links to it, and then to whoever else may have it.
    pub fn route<'u>(&self, uri: &'u str) -> Route<'u> {
        let one = |own, server| Route { own, servers: vec![server], known: 1 };
        if let Some(rest) = uri.strip_prefix(ALIAS) {
            let found = rest.split_once('/').and_then(|(name, encoded)| {
                let server = self.servers.iter().position(|(known, _)| **known == *name)?;
                let own = percent_decode_str(encoded).decode_utf8().ok()?;
                Some(one(own, u32::try_from(server).ok()?))
            });
            return found.unwrap_or(Route { own: uri.into(), servers: Vec::new(), known: 0 });
        }
        if let Some(server) = self.listed.get(uri) {
            return one(uri.into(), *server);
        }
        // A longer text is no address that a server would have; matching it would take long.
        let short = uri.len() <= URI_MAX;
        let matching = self.patterns.iter().filter(|(pattern, _)| short && pattern.matches(uri));
        let mut servers = Vec::new();
        for server in matching.map(|(_, server)| *server).chain(self.linked.get(uri).copied()) {
            if !servers.contains(&server) {
                servers.push(server);
            }
        }
        let known = servers.len();
        let may = (0..).zip(&self.servers).filter(|(_, (_, may_have))| *may_have).map(|(number, _)| number);
        let others: Vec<u32> = may.filter(|number| !servers.contains(number)).collect();
        servers.extend(others);
        Route { own: uri.into(), servers, known }
    }

    /// Whether somebody lists it, or a template with this text. What a template matches, or a tool links to, may be listed
    /// by a server whose list is not known yet.
    pub fn knows(&self, uri: &str) -> bool {
        uri.starts_with(ALIAS)
            || self.listed.contains_key(uri)
            || self.patterns.iter().any(|(pattern, _)| pattern.text() == uri)
    }

    /// Where a reference to a template, or to a resource, leads.
    pub fn route_template<'u>(&self, uri: &'u str) -> Route<'u> {
        let same = self.patterns.iter().filter(|(pattern, _)| pattern.text() == uri);
        let servers: Vec<u32> = same.map(|(_, server)| *server).collect();
        let known = servers.len();
        if known == 0 { self.route(uri) } else { Route { own: uri.into(), servers, known } }
    }
}

fn alias(server: &str, uri: &str) -> String {
    format!("{ALIAS}{server}/{}", utf8_percent_encode(uri, ENCODED))
}

/// The URIs in a tool's `_meta`.
fn links(tool: &Item) -> Vec<String> {
    fn collect(value: &Value, into: &mut Vec<String>) {
        match value {
            Value::String(text) if text.contains("://") => into.push(text.clone()),
            Value::Array(items) => items.iter().for_each(|item| collect(item, into)),
            Value::Object(fields) => fields.values().for_each(|field| collect(field, into)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    if tool.text.contains("://")
        && let Ok([Some(meta)]) = members(tool.text.as_bytes(), ["_meta"])
        && let Ok(meta) = serde_json::from_str::<Value>(&tool.text[meta])
    {
        collect(&meta, &mut found);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::catalog::Kind;

    fn items(kind: Kind, texts: &[&str]) -> Vec<Item> {
        texts.iter().map(|text| Item::parse(kind, text).unwrap()).collect()
    }

    #[test]
    fn every_uri_has_a_way() {
        let one = items(Kind::Resources, &[r#"{"uri":"a://x","name":"x"}"#]);
        let two = items(Kind::Resources, &[r#"{"name":"x2","uri":"a://x"}"#, r#"{"uri":"a://y"}"#]);
        let templates = items(Kind::Templates, &[r#"{"uriTemplate":"t://{id}/z","name":"t"}"#]);
        let same = items(Kind::Templates, &[r#"{"uriTemplate":"t://{id}/z","name":"other"}"#]);
        let tools = items(Kind::Tools, &[r#"{"name":"w","_meta":{"ui":{"resourceUri":"ui://w/main"}}}"#]);
        let source = |server, resources, templates, tools, may_have| Source {
            server,
            resources,
            templates,
            hints: [&[], &[]],
            tools,
            may_have,
        };
        let routes = Resources::build(&[
            source("one", Some(&one[..]), Some(&[][..]), &[], true),
            source("two", Some(&two), Some(&templates), &[], true),
            source("three", None, None, &tools, true),
            source("four", Some(&[]), Some(&same), &[], false),
        ]);
        let rows: Value = serde_json::from_str(&routes.list).unwrap();
        let uris: Vec<&str> =
            rows["resources"].as_array().unwrap().iter().filter_map(|row| row["uri"].as_str()).collect();
        assert_eq!(uris[uris.len() - 3..], ["a://x", "loom://r/two/a%3A%2F%2Fx", "a://y"]);
        assert!(routes.templates.contains(r#"{"uriTemplate":"t://{id}/z","name":"t"}"#));
        for (uri, own, servers) in [
            ("a://x", "a://x", &[0][..]),
            ("a://y", "a://y", &[1]),
            ("loom://r/two/a%3A%2F%2Fx", "a://x", &[1]),
            ("loom://r/nobody/a", "loom://r/nobody/a", &[]),
            ("t://7/z", "t://7/z", &[1, 3, 0, 2]),
            ("ui://w/main", "ui://w/main", &[2, 0, 1]),
            ("b://unknown", "b://unknown", &[0, 1, 2]),
        ] {
            let route = routes.route(uri);
            assert_eq!((&*route.own, &route.servers[..]), (own, servers), "{uri}");
        }
        for (uri, likely) in
            [("a://x", &[0][..]), ("t://7/z", &[1, 3]), ("ui://w/main", &[2]), ("b://unknown", &[0, 1, 2])]
        {
            assert_eq!(routes.route(uri).likely(), likely, "{uri}");
        }
        assert_eq!(routes.route_template("t://{id}/z").servers, [1, 3]);
    }
}
