//! Which secrets a server needs. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::registry::environ::looks_secret;
use crate::registry::spec::{Launch, Spec};
use crate::registry::template::{Reference, references};

/// The names that a start of `spec` asks the sources of secrets for: those of `${secret:…}` and `${keychain:…}`, and of
/// `${env:…}` those that look secret, with their aliases. Not what `env` has.
pub fn wanted(
    spec: &Spec,
    aliases: &BTreeMap<String, Vec<String>>,
    env: &dyn Fn(&str) -> Option<String>,
) -> BTreeSet<String> {
    let is_set = |name: &str| env(name).is_some_and(|value| !value.is_empty());
    let mut names = BTreeSet::new();
    for reference in hidden_texts(spec).flat_map(references) {
        match reference {
            Reference::Secret(name) if !is_set(name) => drop(names.insert(name.to_owned())),
            Reference::Secret(_) => {}
            Reference::Env(name) => {
                let aliases = aliases.get(name).into_iter().flatten().map(String::as_str);
                let all: Vec<&str> = std::iter::once(name).chain(aliases).collect();
                if !all.iter().any(|name| is_set(name)) {
                    names.extend(all.into_iter().filter(|name| looks_secret(name)).map(str::to_owned));
                }
            }
        }
    }
    names
}

/// Names of variables whose values in `env` are secrets that the server gets.
pub fn secret_variables<'s>(
    spec: &'s Spec,
    aliases: &'s BTreeMap<String, Vec<String>>,
) -> impl Iterator<Item = &'s str> {
    let names = |reference| match reference {
        Reference::Secret(name) => vec![name],
        Reference::Env(name) => {
            let aliases = aliases.get(name).into_iter().flatten().map(String::as_str);
            std::iter::once(name).chain(aliases).filter(|name| looks_secret(name)).collect()
        }
    };
    let passed = spec.env_pass.iter().map(String::as_str).filter(|name| looks_secret(name));
    hidden_texts(spec).flat_map(references).flat_map(names).chain(passed)
}

/// Where a secret may stand: nobody but the server sees these.
fn hidden_texts(spec: &Spec) -> impl Iterator<Item = &str> {
    let url = match &spec.launch {
        Launch::Url { url } => Some(url),
        Launch::Command { .. } | Launch::Builtin { .. } => None,
    };
    spec.env.values().chain(spec.headers.values()).chain(url).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::spec::Start;

    #[test]
    fn what_the_environment_has_is_not_asked_for() {
        let mut spec = Spec::new(Start::Command("${secret:NOT_HERE}".into()));
        for (name, text) in [
            ("A", "${secret:S}${keychain:k.1}"),
            ("B", "${secret:SET_SECRET}"),
            ("C", "${env:FORGE_TOKEN}"),
            ("D", "${env:SET_TOKEN} ${env:ALIASED_TOKEN} ${env:PLAIN}"),
        ] {
            spec.env.insert(name.into(), text.into());
        }
        spec.headers.insert("X".into(), "${env:A_KEY:-none}".into());
        spec.env_pass = vec!["AWS_PROFILE".into(), "AWS_SECRET_ACCESS_KEY".into()];
        let aliases = BTreeMap::from([
            ("FORGE_TOKEN".to_owned(), vec!["FORGE_PAT".to_owned(), "FORGE_URL".to_owned()]),
            ("ALIASED_TOKEN".to_owned(), vec!["SET_TOKEN".to_owned()]),
        ]);
        let env = |name: &str| name.starts_with("SET_").then(|| "x".to_owned());
        let names: Vec<String> = wanted(&spec, &aliases, &env).into_iter().collect();
        assert_eq!(names, ["A_KEY", "FORGE_PAT", "FORGE_TOKEN", "S", "k.1"]);
        let known: BTreeSet<&str> = secret_variables(&spec, &aliases).collect();
        let want = [
            "ALIASED_TOKEN",
            "AWS_SECRET_ACCESS_KEY",
            "A_KEY",
            "FORGE_PAT",
            "FORGE_TOKEN",
            "S",
            "SET_SECRET",
            "SET_TOKEN",
            "k.1",
        ];
        assert_eq!(known.into_iter().collect::<Vec<_>>(), want);
    }
}
