//! Which text is where, so that each client finds each entry exactly once. Looks at the disk only for links.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::registry::skills::{Kind, Wish};
use crate::sync::machine::{Machine, Spot};
use crate::sync::skills::render::{CODEX_POLICY, Names, file, head, substituted};
use crate::sync::skills::source::Source;
use crate::sync::skills::{Folder, HEAD, Reads, SHARED, Told};
use crate::sync::target::Target;

const CODEX_HOME: Spot = Spot::same("${CODEX_HOME:-~/.codex}");

/// The client whose skills know more than a name and a description.
const FULL: &str = "claude";

/// Permission bits of what is written here and not copied.
const MODE: u32 = 0o644;

/// Everything that is to be somewhere, by path.
#[derive(Debug, Default)]
pub struct Layout {
    pub texts: BTreeMap<PathBuf, Text>,
    pub files: BTreeMap<PathBuf, File>,
}

/// Blocks in a file of the user's.
#[derive(Debug, Default)]
pub struct Text {
    pub clients: Vec<&'static str>,
    /// Name and text, in the order of the registry.
    pub blocks: Vec<(String, String)>,
}

/// A file that is loom's.
#[derive(Debug)]
pub struct File {
    pub clients: Vec<&'static str>,
    pub bytes: Vec<u8>,
    pub mode: u32,
    /// The skill's folder, or the file itself.
    pub unit: PathBuf,
}

/// Where an entry goes for a client.
enum Seat {
    Block(PathBuf),
    File(Folder),
    Skill,
    Nowhere,
}

/// Lays out everything for the clients `present`; `taken` says whether somebody else's file is at a path.
pub fn layout(
    told: &Told,
    present: &[&'static Target],
    machine: &Machine,
    taken: &dyn Fn(&Path) -> bool,
) -> Layout {
    let mut plan = Plan {
        machine,
        taken,
        codex_home: machine.path(&CODEX_HOME),
        real: BTreeMap::new(),
        layout: Layout::default(),
    };
    for source in &told.sources {
        let mut skills: Vec<(&'static Target, Wish)> = Vec::new();
        for target in present {
            let Some(wish) = source.skill.wish(target.name) else { continue };
            match seat(wish.kind, &target.reads, machine) {
                Seat::Block(path) => plan.block(source, target, &wish, path),
                Seat::File(folder) => plan.file(source, target, &wish, &folder),
                Seat::Skill => skills.push((target, as_skill(wish))),
                Seat::Nowhere => {}
            }
        }
        let readers = present.iter().filter(|target| target.reads.shared).count();
        let sharing: Vec<&Wish> =
            skills.iter().filter(|(target, _)| target.reads.shared).map(|(_, wish)| wish).collect();
        let agree = sharing.len() == readers && sharing.windows(2).all(|two| is_alike(two[0], two[1]));
        for (target, wish) in &skills {
            let folder = match &target.reads.skills {
                Some(own) if !(target.reads.shared && agree && readers > 1) => own,
                None if !agree => continue,
                _ => &SHARED,
            };
            plan.skill(source, target, wish, folder);
        }
    }
    plan.layout
}

/// The first place of its kind that the client has.
fn seat(kind: Kind, reads: &Reads, machine: &Machine) -> Seat {
    let block = || (reads.instructions)(machine).map(Seat::Block);
    let rule = || reads.rules.map(Seat::File);
    let command = || reads.commands.map(Seat::File);
    let workflow = || reads.workflows.map(Seat::File);
    let skill = || (reads.skills.is_some() || reads.shared).then_some(Seat::Skill);
    let seat = match kind {
        Kind::Instruction => block().or_else(rule),
        Kind::Rule => rule().or_else(block),
        Kind::Skill => skill(),
        Kind::Command => command().or_else(workflow).or_else(skill),
        Kind::Workflow => workflow().or_else(command).or_else(skill),
    };
    seat.unwrap_or(Seat::Nowhere)
}

/// What a person sets going is a skill that the model leaves alone.
fn as_skill(wish: Wish) -> Wish {
    let typed = matches!(wish.kind, Kind::Command | Kind::Workflow);
    Wish { disable_model_invocation: wish.disable_model_invocation || typed, ..wish }
}

/// Whether one copy does for both.
fn is_alike(one: &Wish, other: &Wish) -> bool {
    let told =
        |wish: &Wish| (wish.description.clone(), wish.instructions.clone(), wish.disable_model_invocation);
    told(one) == told(other)
}

struct Plan<'p> {
    machine: &'p Machine,
    taken: &'p dyn Fn(&Path) -> bool,
    codex_home: PathBuf,
    /// The first path to each file and folder, where links lead several to one.
    real: BTreeMap<PathBuf, PathBuf>,
    layout: Layout,
}

impl Plan<'_> {
    /// `path`, or the one that leads to the same place and was there first.
    fn one(&mut self, path: PathBuf) -> PathBuf {
        let real = path.canonicalize().unwrap_or_else(|_| path.clone());
        self.real.entry(real).or_insert(path).clone()
    }

    fn block(&mut self, source: &Source, target: &'static Target, wish: &Wish, path: PathBuf) {
        let names = Names { skill: &source.folder, codex_home: &self.codex_home };
        let told = substituted(&wish.instructions, names);
        let path = self.one(path);
        let text = self.layout.texts.entry(path).or_default();
        if !text.clients.contains(&target.name) {
            text.clients.push(target.name);
        }
        let name = source.skill.name.as_str();
        match text.blocks.iter_mut().find(|(other, _)| other == name) {
            Some((_, before)) => add_paragraphs(before, &told),
            None => text.blocks.push((name.to_owned(), told)),
        }
    }

    fn file(&mut self, source: &Source, target: &'static Target, wish: &Wish, folder: &Folder) {
        let names = Names { skill: &source.folder, codex_home: &self.codex_home };
        let bytes = file(folder.form, wish, names).into_bytes();
        let dir = self.one(self.machine.path(&folder.spot));
        let path = dir.join(format!("{}.{}", source.skill.name.as_str(), folder.ending));
        self.put(target, path.clone(), bytes, MODE, &path);
    }

    fn skill(&mut self, source: &Source, target: &'static Target, wish: &Wish, folder: &Spot) {
        let name = source.skill.name.as_str();
        let own = target.reads.skills.iter();
        let all = own.chain(target.reads.shared.then_some(&SHARED)).map(|spot| self.machine.path(spot));
        // A skill of the user's with this name anywhere: no second one beside it.
        let theirs = all.map(|dir| dir.join(name)).find(|dir| (self.taken)(&dir.join(HEAD)));
        let dir = self.one(self.machine.path(folder)).join(name);
        let dir = theirs.filter(|_| !(self.taken)(&dir.join(HEAD))).unwrap_or(dir);
        let codex_home = self.codex_home.clone();
        let names = Names { skill: &dir, codex_home: &codex_home };
        let text = head(name, wish, &source.parts, names, target.name == FULL);
        self.put(target, dir.join(HEAD), text.into_bytes(), MODE, &dir);
        if wish.disable_model_invocation && target.name == "codex" {
            self.put(target, dir.join(CODEX_POLICY.0), CODEX_POLICY.1.as_bytes().to_vec(), MODE, &dir);
        }
        for part in &source.parts {
            self.put(target, dir.join(&part.below), part.bytes.clone(), part.mode, &dir);
        }
    }

    fn put(&mut self, target: &'static Target, path: PathBuf, bytes: Vec<u8>, mode: u32, unit: &Path) {
        let new = || File { clients: Vec::new(), bytes, mode, unit: unit.to_path_buf() };
        let file = self.layout.files.entry(path).or_insert_with(new);
        if !file.clients.contains(&target.name) {
            file.clients.push(target.name);
        }
    }
}

/// Clients that read the same file see what any of them is told, each paragraph once.
fn add_paragraphs(before: &mut String, told: &str) {
    let known: Vec<String> = before.split("\n\n").map(str::to_owned).collect();
    for paragraph in told.split("\n\n").filter(|paragraph| known.iter().all(|known| known != paragraph)) {
        before.push_str("\n\n");
        before.push_str(paragraph);
    }
}
