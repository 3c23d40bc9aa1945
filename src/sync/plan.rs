//! From the text of a file, what loom once wrote into it and what it should say, to the new text. Pure.
//!
//! Three things are compared for each value: what was written last, what stands there, what is wanted. Only a value
//! that still is as it was written is changed; any other is somebody's, and reported.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::sync::format::Format;
use crate::sync::place::{Place, Step, Wrong};
use crate::sync::target::{Item, starts_loom};

/// What in one file is loom's.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Owned {
    /// The maps that are loom's as a whole.
    pub entries: Vec<Place>,
    pub values: Vec<OwnedValue>,
    /// The maps and lists around them that were not there before.
    pub made: Vec<Place>,
    /// The file was not there before.
    pub created: bool,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct OwnedValue {
    pub place: Place,
    /// As it was written or, where accepted, as it was found; `None`: somebody took it out, and that was accepted.
    pub value: Option<Value>,
    /// Somebody's edit that was taken over.
    #[serde(default)]
    pub accepted: bool,
}

/// What to do about values that somebody else changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Policy {
    /// Leave and report them.
    Report,
    /// Leave them, and regard them as right from now on.
    Accept,
    /// Write over them.
    Force,
}

/// A value that changes.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Change {
    pub place: Place,
    pub before: Option<Value>,
    pub after: Option<Value>,
}

/// A value that is not as loom wrote it.
#[derive(Clone, Debug, PartialEq)]
pub struct Drift {
    pub place: Place,
    pub kind: DriftKind,
    /// What loom wants there.
    pub wanted: Option<Value>,
    pub found: Option<Value>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DriftKind {
    /// Loom's value was changed.
    Edited,
    /// Loom's value was taken out.
    Deleted,
    /// Somebody's own value stands where loom's would.
    Foreign,
    /// Somebody's own value, which was to go, is not what it was when it was read.
    Rewritten,
}

/// What would become of a file.
#[derive(Debug)]
pub struct Planned {
    pub text: String,
    pub changes: Vec<Change>,
    pub drift: Vec<Drift>,
    pub owned: Owned,
}

/// Plans a file that should hold `items`; `owned` is what loom wrote there before.
pub fn plan(
    format: Format,
    text: &str,
    owned: Option<&Owned>,
    items: &[Item],
    policy: Policy,
) -> Result<Planned, Wrong> {
    format.check(text)?;
    let before = owned.cloned().unwrap_or_default();
    let kept = Owned { entries: Vec::new(), values: Vec::new(), ..before.clone() };
    let planned = Planned { text: text.to_owned(), changes: Vec::new(), drift: Vec::new(), owned: kept };
    let mut planner = Planner { format, policy, before, planned, blocked: Vec::new() };
    for item in items {
        match item {
            Item::Entry { place, members } => planner.entry(place, members)?,
            // Where the entry is not loom's, a part of it alone would make a broken one.
            Item::Value { place, .. } if planner.blocked.iter().any(|entry| place.is_in(entry)) => {}
            Item::Value { place, value } => planner.value(place, value, false)?,
        }
    }
    planner.unwanted(items)?;
    format.check(&planner.planned.text)?;
    Ok(planner.planned)
}

/// Plans a file that should hold nothing of loom any more.
pub fn plan_removal(format: Format, text: &str, owned: &Owned) -> Result<Planned, Wrong> {
    format.check(text)?;
    let planned = Planned { text: text.to_owned(), changes: vec![], drift: vec![], owned: Owned::default() };
    let before = owned.clone();
    let mut planner = Planner { format, policy: Policy::Force, before, planned, blocked: Vec::new() };
    let of_entry = |value: &OwnedValue| owned.entries.iter().any(|entry| value.place.is_in(entry));
    let single =
        owned.values.iter().filter(|value| !value.accepted && !of_entry(value)).map(|value| &value.place);
    for place in owned.entries.iter().chain(single) {
        planner.take_out(place)?;
    }
    for place in owned.made.iter().rev() {
        let left = planner.get(place)?;
        if left.is_some_and(|left| is_empty(&left)) {
            planner.planned.text = format.remove(&planner.planned.text, place)?;
        }
    }
    format.check(&planner.planned.text)?;
    Ok(planner.planned)
}

/// Takes back `changes` in a file that has changed since, as far as they still stand.
pub fn take_back(format: Format, text: &str, changes: &[Change]) -> Result<(String, Vec<Place>), Wrong> {
    let (mut made, mut left) = (text.to_owned(), Vec::new());
    for change in changes.iter().rev() {
        if format.get(&made, &change.place)? != change.after {
            left.push(change.place.clone());
            continue;
        }
        made = match &change.before {
            Some(before) => format.set(&made, &change.place, before)?,
            None => format.remove(&made, &change.place)?,
        };
    }
    format.check(&made)?;
    Ok((made, left))
}

/// Whether a file's text says nothing at all, or no more than `seed`.
pub fn says_nothing(format: Format, text: &str, seed: &str) -> bool {
    if text.trim() == seed.trim() {
        return true;
    }
    let root = format.get(text, &Place::default()).ok().flatten();
    // A comment is something.
    let is_bare = |c: char| c.is_whitespace() || matches!(c, '\u{feff}' | '{' | '}');
    text.chars().all(is_bare) && root.is_none_or(|root| is_empty(&root))
}

fn is_empty(value: &Value) -> bool {
    value.as_object().is_some_and(Map::is_empty) || value.as_array().is_some_and(Vec::is_empty)
}

struct Planner {
    format: Format,
    policy: Policy,
    before: Owned,
    planned: Planned,
    /// Entries that are not there, or somebody else's.
    blocked: Vec<Place>,
}

impl Planner {
    fn get(&self, place: &Place) -> Result<Option<Value>, Wrong> {
        self.format.get(&self.planned.text, place)
    }

    fn entry(&mut self, place: &Place, members: &Map<String, Value>) -> Result<(), Wrong> {
        let known: Vec<OwnedValue> =
            self.before.values.iter().filter(|value| value.place.is_in(place)).cloned().collect();
        let found = self.get(place)?;
        let whole = Value::Object(members.clone());
        match found {
            None if known.is_empty() || self.policy == Policy::Force => self.put_entry(place, members)?,
            None => {
                let accepted = known.iter().all(|value| value.accepted && value.value.is_none());
                self.planned.owned.entries.push(place.clone());
                self.blocked.push(place.clone());
                if !accepted && self.policy == Policy::Report {
                    self.drift(place, DriftKind::Deleted, Some(whole), None);
                    self.planned.owned.values.extend(known);
                } else {
                    let gone =
                        known.into_iter().map(|value| OwnedValue { value: None, accepted: true, ..value });
                    self.planned.owned.values.extend(gone);
                }
            }
            Some(found) => {
                let own = (!known.is_empty() || starts_loom(&found)) && found.is_object();
                if !own && self.policy == Policy::Force {
                    self.take_out(place)?;
                    return self.put_entry(place, members);
                }
                if !own && members.iter().all(|(key, value)| found.get(key) == Some(value)) {
                    // Somebody's own, and just as it should be: it stays theirs.
                    self.blocked.push(place.clone());
                    self.planned.owned.values.extend(known);
                    return Ok(());
                }
                if !own {
                    self.blocked.push(place.clone());
                    self.drift(place, DriftKind::Foreign, Some(whole), Some(found));
                    self.planned.owned.values.extend(known);
                    return Ok(());
                }
                self.planned.owned.entries.push(place.clone());
                for (key, value) in members {
                    self.value(&place.key(key), value, known.is_empty())?;
                }
            }
        }
        Ok(())
    }

    fn put_entry(&mut self, place: &Place, members: &Map<String, Value>) -> Result<(), Wrong> {
        self.put(place, None, &Value::Object(members.clone()))?;
        self.planned.owned.entries.push(place.clone());
        for (key, value) in members {
            self.own(&place.key(key), Some(value.clone()), false);
        }
        Ok(())
    }

    /// One value; with `adopt` what stands there is loom's even if nobody recorded it.
    fn value(&mut self, place: &Place, wanted: &Value, adopt: bool) -> Result<(), Wrong> {
        let found = self.get(place)?;
        let known = self.before.values.iter().find(|value| value.place == *place).cloned();
        if found.as_ref() == Some(wanted) {
            self.own(place, found, false);
            return Ok(());
        }
        let as_recorded = known.as_ref().is_some_and(|known| known.value == found);
        if known.as_ref().is_some_and(|known| known.accepted) && as_recorded && self.policy != Policy::Force {
            self.planned.owned.values.extend(known);
            return Ok(());
        }
        let ours = match &known {
            Some(known) => as_recorded && !known.accepted,
            None => found.is_none() || adopt,
        };
        if ours || self.policy == Policy::Force {
            self.put(place, found, wanted)?;
            self.own(place, Some(wanted.clone()), false);
            return Ok(());
        }
        if self.policy == Policy::Accept {
            self.own(place, found, true);
            return Ok(());
        }
        let kind = match (&known, &found) {
            (None, _) => DriftKind::Foreign,
            (Some(_), None) => DriftKind::Deleted,
            (Some(_), Some(_)) => DriftKind::Edited,
        };
        self.drift(place, kind, Some(wanted.clone()), found);
        self.planned.owned.values.extend(known);
        Ok(())
    }

    /// Takes out what was wanted once and is not any more, where it still is as it was written.
    fn unwanted(&mut self, items: &[Item]) -> Result<(), Wrong> {
        let gone: Vec<Place> = self.before.entries.clone();
        for entry in gone.into_iter().filter(|entry| !items.iter().any(|item| item.place() == entry)) {
            self.take_out(&entry)?;
        }
        let wanted = |place: &Place| {
            items.iter().any(|item| match item {
                Item::Entry { place: outer, members } => members.keys().any(|key| outer.key(key) == *place),
                Item::Value { place: own, .. } => own == place,
            })
        };
        for value in self.before.values.clone() {
            if !wanted(&value.place) && !value.accepted && self.get(&value.place)? == value.value {
                self.take_out(&value.place)?;
            }
        }
        Ok(())
    }

    fn take_out(&mut self, place: &Place) -> Result<(), Wrong> {
        let Some(found) = self.get(place)? else { return Ok(()) };
        self.planned.text = self.format.remove(&self.planned.text, place)?;
        self.planned.changes.push(Change { place: place.clone(), before: Some(found), after: None });
        Ok(())
    }

    fn put(&mut self, place: &Place, before: Option<Value>, value: &Value) -> Result<(), Wrong> {
        for depth in 1..place.0.len() {
            let outer = Place(place.0[..depth].to_vec());
            if !self.planned.owned.made.contains(&outer) && self.get(&outer)?.is_none() {
                self.planned.owned.made.push(outer);
            }
        }
        self.planned.text = self.format.set(&self.planned.text, place, value)?;
        let after = self.get(place)?;
        if after.as_ref().map(|after| bare(after, place)) != Some(bare(value, place)) {
            return Err(Wrong { line: 1, column: 1, text: format!("`{place}` cannot be written here") });
        }
        self.planned.changes.push(Change { place: place.clone(), before, after });
        Ok(())
    }

    fn own(&mut self, place: &Place, value: Option<Value>, accepted: bool) {
        self.planned.owned.values.push(OwnedValue { place: place.clone(), value, accepted });
    }

    fn drift(&mut self, place: &Place, kind: DriftKind, wanted: Option<Value>, found: Option<Value>) {
        self.planned.drift.push(Drift { place: place.clone(), kind, wanted, found });
    }
}

/// A value without the member that names it in its list.
fn bare(value: &Value, place: &Place) -> Value {
    match (place.0.last(), value) {
        (Some(Step::Item { key, .. }), Value::Object(map)) => Value::Object(
            map.iter().filter(|(other, _)| *other != key).map(|(k, v)| (k.clone(), v.clone())).collect(),
        ),
        _ => value.clone(),
    }
}

#[cfg(test)]
mod tests;
