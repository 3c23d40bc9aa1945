//! All files of several clients at once: planned before any is written. Reads the disk, writes nothing.

use std::path::PathBuf;

use crate::sync::job::{Draft, Job, Obstacle, cleared, draft, jobs};
use crate::sync::machine::Machine;
use crate::sync::plan::Policy;
use crate::sync::skills::Told;
use crate::sync::skills::jobs::jobs as told_jobs;
use crate::sync::state::Manifest;
use crate::sync::target::{Door, Target};
use crate::sync::{TARGETS, is_here};

/// What is to be done with every client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Aim {
    /// Loom is in its files.
    Present,
    /// Nothing of loom is in its files.
    Absent,
}

/// What a survey goes by.
pub struct Order<'o> {
    pub machine: &'o Machine,
    pub manifest: &'o Manifest,
    /// The way into loom for each client; `None` leaves their settings alone.
    pub door: Option<&'o dyn Fn(&Target) -> Door>,
    /// What models are told; `None` leaves that alone.
    pub told: Option<&'o Told>,
    pub aim: Aim,
    pub policy: Policy,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Survey {
    pub drafts: Vec<Draft>,
    pub obstacles: Vec<(&'static str, PathBuf, Obstacle)>,
}

/// Plans all files of `targets`.
pub fn survey(targets: &[&'static Target], order: &Order<'_>) -> Survey {
    let mut all: Vec<Job> = Vec::new();
    for target in targets {
        match (order.door, order.aim) {
            (Some(door), Aim::Present) => {
                all.extend(jobs(target, order.machine, &door(target), order.manifest));
            }
            (Some(_), Aim::Absent) => all.extend(cleared(target.name, order.manifest)),
            (None, _) => {}
        }
    }
    if let Some(told) = order.told {
        all.extend(told_jobs(told, targets, &present(targets, order), order));
    }
    let mut survey = Survey::default();
    for job in all {
        let (path, target, record) = (job.path.clone(), job.target, order.manifest.files.get(&job.path));
        match draft(job, record, order.policy) {
            Ok(draft) => survey.drafts.extend(draft),
            Err(obstacle) => survey.obstacles.push((target, path, obstacle)),
        }
    }
    survey
}

/// The clients of this machine, and those that are asked for: they may read the same files.
fn present(targets: &[&'static Target], order: &Order<'_>) -> Vec<&'static Target> {
    let asked = |target: &Target| targets.iter().any(|asked| asked.name == target.name);
    let is_present = |target: &&Target| asked(target) || is_here(target, order.machine, order.manifest);
    TARGETS.iter().filter(is_present).collect()
}
