//! All files of several clients at once: planned before any is written. Reads the disk, writes nothing.

use std::path::PathBuf;

use crate::sync::job::{Draft, Job, Obstacle, cleared, draft, jobs};
use crate::sync::machine::Machine;
use crate::sync::plan::Policy;
use crate::sync::state::Manifest;
use crate::sync::target::{Door, Target};

/// What is to be done with every client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Aim {
    /// Loom is in its files.
    Present,
    /// Nothing of loom is in its files.
    Absent,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Survey {
    pub drafts: Vec<Draft>,
    pub obstacles: Vec<(&'static str, PathBuf, Obstacle)>,
}

/// Plans all files of `targets`; `door` makes the way into loom for each.
pub fn survey(
    targets: &[&'static Target],
    machine: &Machine,
    manifest: &Manifest,
    door: &dyn Fn(&Target) -> Door,
    aim: Aim,
    policy: Policy,
) -> Survey {
    let mut survey = Survey::default();
    for target in targets {
        let all: Vec<Job> = match aim {
            Aim::Present => jobs(target, machine, &door(target), manifest),
            Aim::Absent => cleared(target.name, manifest),
        };
        for job in all {
            let (path, record) = (job.path.clone(), manifest.files.get(&job.path));
            match draft(job, record, policy) {
                Ok(draft) => survey.drafts.extend(draft),
                Err(obstacle) => survey.obstacles.push((target.name, path, obstacle)),
            }
        }
    }
    survey
}
