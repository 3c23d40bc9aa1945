//! The parameters of a request, in two versions: as the client writes them and as the server must hear them.

use super::super::chance::Chance;
use super::super::play::{self, Step};
use super::super::texts::{flat, odd};

/// A piece of JSON at both ends.
#[derive(Clone, Debug, Default)]
pub struct Twin {
    pub said: String,
    pub heard: String,
}

impl Twin {
    pub fn same(text: impl Into<String>) -> Self {
        let said = text.into();
        Twin { heard: flat(&said), said }
    }

    pub fn other(said: impl Into<String>, heard: impl Into<String>) -> Self {
        Twin { said: said.into(), heard: heard.into() }
    }
}

/// `_meta` with nonce, script and progress token.
pub fn meta(chance: &mut Chance, nonce: &str, steps: &[Step], token: Option<&str>) -> Twin {
    let mut members = vec![
        Twin::same(format!(r#""nonce":"{nonce}""#)),
        Twin::same(format!(r#""play" :{}"#, play::write(steps))),
    ];
    if let Some(token) = token {
        let at = chance.index(members.len() + 1);
        let key = if chance.percent(20) { r"progress\u0054oken" } else { "progressToken" };
        members.insert(at, Twin::other(format!(r#""{key}":{token}"#), format!(r#""{key}":null"#)));
    }
    if chance.percent(30) {
        members.push(Twin::same(odd(nonce)));
    }
    let inside = object(chance, members);
    Twin::other(format!(r#""_meta":{}"#, inside.said), format!(r#""_meta":{}"#, inside.heard))
}

/// The members as an object.
pub fn object(chance: &mut Chance, members: Vec<Twin>) -> Twin {
    let (open, comma, close) = *chance.pick(&[("{", ",", "}"), ("{", ",", "}"), ("{ ", " ,\r", "\t}")]);
    let all = |of: fn(&Twin) -> &str| {
        let texts: Vec<&str> = members.iter().map(of).collect();
        format!("{open}{}{close}", texts.join(comma))
    };
    Twin { said: all(|twin| &twin.said), heard: flat(&all(|twin| &twin.heard)) }
}

/// Some arguments of a tool: rarely big.
pub fn arguments(chance: &mut Chance, nonce: &str) -> String {
    let size = match chance.below(100) {
        0 => chance.between(50_000, 300_000),
        1..=4 => chance.between(1_000, 50_000),
        _ => chance.below(200),
    };
    let piece = *chance.pick(&["x", "\u{fc}\u{1f600}", "\\n\\\"\\u00e4", "0123456789abcdef", " \\\\ "]);
    let pad = piece.repeat(usize::try_from(size).expect("it is small") / piece.len());
    match chance.below(3) {
        0 => format!(r#"{{"pad":"{pad}",{}}}"#, odd(nonce)),
        1 => format!(r#"{{{},"nest":[{{"name":"{pad}"}},1e400]}}"#, odd(nonce)),
        _ => format!("{{\t\"pad\" :\r\"{pad}\" }}"),
    }
}

/// A whole request in one of several spellings.
pub fn request(chance: &mut Chance, id: &str, method: &str, params: &str) -> String {
    match chance.below(6) {
        0..=2 => format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#),
        3 | 4 => format!(r#"{{"method":"{method}","params":{params},"jsonrpc":"2.0","id":{id}}}"#),
        _ => format!(
            "{{ \"id\" : {id} ,\"more\":{{\"id\":1e400}},\r\"params\" : {params} , \"jsonrpc\":\"2.0\",\"method\":\"{method}\" }}"
        ),
    }
}
