//! Files that are loom's as a whole: skills and what belongs to them. Only a file that still is as it was written is
//! changed or removed; one that somebody else made is never touched. Pure.

use std::fmt::Write;

use ring::digest::{SHA256, digest};
use serde_json::Value;

use crate::sync::place::{Place, Wrong};
use crate::sync::plan::{Change, Drift, DriftKind, Owned, OwnedValue, Policy};

/// What would become of a file.
#[derive(Debug)]
pub struct Planned {
    pub after: Option<Vec<u8>>,
    pub changes: Vec<Change>,
    pub drift: Vec<Drift>,
    pub owned: Owned,
}

/// The one place of such a file, as messages name it.
pub fn place() -> Place {
    Place::keys(&["the file"])
}

/// What stands for the bytes of a file where only their equality matters.
pub fn print(bytes: &[u8]) -> Value {
    let hash = digest(&SHA256, bytes);
    let hex = hash.as_ref().iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a String takes all");
        hex
    });
    Value::String(format!("sha256:{hex}"))
}

/// A file like this has no parts that could be set or taken out.
pub fn no_part() -> Wrong {
    Wrong { line: 1, column: 1, text: "this file is loom's as a whole".into() }
}

/// Plans a file that should hold `wanted`; `None`: that should not be there. `known` is what loom remembers of it.
pub fn plan(before: Option<&[u8]>, wanted: Option<&[u8]>, known: Option<&Owned>, policy: Policy) -> Planned {
    let created = known.is_some_and(|owned| owned.created);
    let known = known.and_then(|owned| owned.values.first());
    let found = before.map(print);
    let mut planned = Planned {
        after: before.map(<[u8]>::to_vec),
        changes: Vec::new(),
        drift: Vec::new(),
        owned: Owned::default(),
    };
    let own = |planned: &mut Planned, value: Option<Value>, accepted, created| {
        planned.owned.values = vec![OwnedValue { place: place(), value, accepted }];
        planned.owned.created = created;
    };
    let aim = wanted.map(print);
    let as_recorded = known.is_some_and(|known| known.value == found);
    let accepted = known.is_some_and(|known| known.accepted);
    if found == aim {
        // Without a record it is somebody's own that says the same, and stays theirs; so does what was theirs before.
        if let Some(known) = known.filter(|_| aim.is_some()) {
            let is_ours = created && known.value.is_some();
            own(&mut planned, known.value.as_ref().and(found), !is_ours, created);
        }
        return planned;
    }
    if as_recorded && accepted && (policy != Policy::Force || aim.is_none()) {
        // Somebody's own by now; where it is not wanted any more, loom forgets it.
        if aim.is_some() {
            own(&mut planned, found, true, created);
        }
        return planned;
    }
    let is_foreign = (!created || known.is_none_or(|known| known.value.is_none())) && found.is_some();
    let ours = (as_recorded && !accepted) || (known.is_none() && found.is_none());
    if ours || (policy == Policy::Force && !is_foreign) {
        planned.after = wanted.map(<[u8]>::to_vec);
        planned.changes.push(Change { place: place(), before: found, after: aim.clone() });
        if aim.is_some() {
            own(&mut planned, aim, false, true);
        }
        return planned;
    }
    if policy == Policy::Accept {
        if aim.is_some() {
            own(&mut planned, found, true, created);
        }
        return planned;
    }
    let kind = match (is_foreign, &found) {
        (true, _) => DriftKind::Foreign,
        (false, None) => DriftKind::Deleted,
        (false, Some(_)) => DriftKind::Edited,
    };
    planned.drift.push(Drift { place: place(), kind, wanted: aim.clone(), found });
    if let Some(known) = known.filter(|_| aim.is_some()) {
        own(&mut planned, known.value.clone(), known.accepted, created);
    }
    planned
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(bytes: Option<&[u8]>, accepted: bool) -> Owned {
        let value = OwnedValue { place: place(), value: bytes.map(print), accepted };
        Owned { values: vec![value], created: true, ..Owned::default() }
    }

    /// Bytes after, kind of drift, and what is remembered: `+` loom's, `~` accepted.
    fn told(planned: &Planned) -> String {
        let bytes = planned.after.as_deref().map_or("-".into(), String::from_utf8_lossy);
        let drift = planned.drift.first().map(|drift| format!(" {:?}", drift.kind)).unwrap_or_default();
        let kept = planned.owned.values.first().map_or("", |kept| if kept.accepted { " ~" } else { " +" });
        format!("{bytes}{drift}{kept}")
    }

    #[test]
    fn each_case_has_its_answer() {
        let (old, new, edited) = (Some(&b"old"[..]), Some(&b"new"[..]), Some(&b"edited"[..]));
        let (none, ours, gone) = (None, Some(known(old, false)), Some(known(None, true)));
        let taken = Some(known(edited, true));
        let theirs = taken.clone().map(|owned| Owned { created: false, ..owned });
        for (before, wanted, known, report, accept, force) in [
            (None, new, &none, "new +", "new +", "new +"),
            (old, new, &ours, "new +", "new +", "new +"),
            (new, new, &none, "new", "new", "new"),
            (new, new, &ours, "new +", "new +", "new +"),
            (new, new, &gone, "new ~", "new ~", "new ~"),
            (new, new, &theirs, "new ~", "new ~", "new ~"),
            (new, None, &none, "new Foreign", "new", "new Foreign"),
            (edited, new, &none, "edited Foreign", "edited ~", "edited Foreign"),
            (edited, new, &ours, "edited Edited +", "edited ~", "new +"),
            (None, new, &ours, "- Deleted +", "- ~", "new +"),
            (None, new, &gone, "- ~", "- ~", "new +"),
            (edited, new, &taken, "edited ~", "edited ~", "new +"),
            (old, None, &ours, "-", "-", "-"),
            (edited, None, &ours, "edited Edited", "edited", "-"),
            (None, None, &ours, "-", "-", "-"),
            (edited, None, &taken, "edited", "edited", "edited"),
            (edited, new, &theirs, "edited ~", "edited ~", "edited Foreign ~"),
        ] {
            for (policy, want) in [(Policy::Report, report), (Policy::Accept, accept), (Policy::Force, force)]
            {
                let planned = plan(before, wanted, known.as_ref(), policy);
                assert_eq!(told(&planned), want, "{before:?} {wanted:?} {known:?} {policy:?}");
                let again = plan(planned.after.as_deref(), wanted, Some(&planned.owned), policy);
                assert_eq!(again.changes, [], "{before:?} {wanted:?} {known:?} {policy:?}");
            }
        }
    }
}
