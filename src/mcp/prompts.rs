//! The prompts that one client sees of all servers, under names like those of tools, and where each name leads.

use foldhash::HashMap;
use std::borrow::Cow;
use std::rc::Rc;

use crate::mcp::catalog::Item;
use crate::mcp::quote::quote;
use crate::mcp::toolname::expose;

/// See the module. Servers are known by their place in the slice given to [`Prompts::build`].
pub struct Prompts {
    /// The `prompts/list` result.
    pub list: Rc<str>,
    /// By exposed name: the server and its own name as JSON.
    index: HashMap<Box<str>, (u32, Box<str>)>,
    /// Names of the servers, and whether what they have is not known yet.
    servers: Vec<(Box<str>, bool)>,
    /// Of servers that are not known: own names as JSON that exposed ones do not say.
    hints: HashMap<Box<str>, Box<str>>,
}

/// One server.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    pub server: &'a str,
    /// `None`: never listed.
    pub prompts: Option<&'a [Item]>,
    /// Prompts that another instance of it had; they say what a name stands for, and are shown to nobody.
    pub hints: &'a [Item],
}

impl Prompts {
    /// The sources in registry order. Of two equal names the first stays.
    pub fn build(sources: &[Source]) -> Prompts {
        let mut list = String::from("{\"prompts\":[");
        let mut index = HashMap::default();
        let mut hints = HashMap::default();
        for (number, Source { server, prompts, hints: had }) in (0..).zip(sources) {
            for prompt in had.iter().filter(|_| prompts.is_none()) {
                hints.insert(expose(server, &prompt.name).into_boxed_str(), prompt.name_json().into());
            }
            for prompt in prompts.unwrap_or_default() {
                let exposed = expose(server, &prompt.name);
                if index.contains_key(exposed.as_str()) {
                    continue;
                }
                if !index.is_empty() {
                    list.push(',');
                }
                prompt.write_named(&exposed, &mut list);
                index.insert(exposed.into_boxed_str(), (number, prompt.name_json().into()));
            }
        }
        list.push_str("]}");
        let servers = sources.iter().map(|source| (source.server.into(), source.prompts.is_none())).collect();
        Prompts { list: list.into(), index, servers, hints }
    }

    /// The server behind a name and its own name as JSON; a server that never listed is found by its prefix.
    pub fn route(&self, name: &str) -> Option<(u32, Cow<'_, str>)> {
        if let Some((server, own)) = self.index.get(name) {
            return Some((*server, Cow::Borrowed(own)));
        }
        let (prefix, rest) = name.split_once("__")?;
        let server = self.servers.iter().position(|(known, unlisted)| *unlisted && **known == *prefix)?;
        let own = self.hints.get(name).map_or_else(|| quote(rest).into(), |own| Cow::Borrowed(&**own));
        Some((u32::try_from(server).ok()?, own))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::catalog::Kind;

    #[test]
    fn prompts_are_listed_and_lead_back() {
        let item = |text| Item::parse(Kind::Prompts, text).unwrap();
        let one = [item(r#"{"name":"p","title":"P"}"#), item(r#"{"name":"p"}"#)];
        let two = [item(r#"{"x":1,"name":"a b"}"#)];
        let source = |server, prompts, hints| Source { server, prompts, hints };
        let prompts = Prompts::build(&[
            source("one", Some(&one[..]), &[]),
            source("two", Some(&two), &[]),
            source("new", None, &two),
        ]);
        let odd = expose("two", "a b");
        let want = format!(r#"{{"prompts":[{{"name":"one__p","title":"P"}},{{"x":1,"name":"{odd}"}}]}}"#);
        assert_eq!(*prompts.list, want);
        let route = |name: &str| prompts.route(name).map(|(server, own)| (server, own.into_owned()));
        assert_eq!(route("one__p"), Some((0, r#""p""#.into())));
        assert_eq!(route(&odd), Some((1, r#""a b""#.into())));
        assert_eq!(route("new__x"), Some((2, r#""x""#.into())));
        assert_eq!(route(&expose("new", "a b")), Some((2, r#""a b""#.into())));
        assert_eq!((route("one__x"), route("p")), (None, None));
    }
}
