//! The daemon's one guardian: begun with the first server, replaced when it dies.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use super::switch::{Phase, Switch};
use crate::upstream::guard::Guard;

/// One that ends sooner is not replaced at once: something is wrong that may last.
const SHORT_LIFE: Duration = Duration::from_secs(1);

#[derive(Default)]
pub struct Guardian {
    guard: Option<Guard>,
}

impl Guardian {
    pub fn pid(&self) -> Option<u32> {
        self.guard.as_ref().and_then(Guard::pid)
    }

    /// A server's process group has ended.
    pub fn gone(&self, group: i32) {
        if let Some(guard) = &self.guard {
            guard.gone(group);
        }
    }
}

impl Switch {
    /// The guardian, started when there is none.
    pub fn guardian(&mut self, exe: &Path) -> std::io::Result<&Guard> {
        if self.guardian.guard.is_none() {
            let groups: BTreeSet<i32> =
                self.instances.values().map(|one| one.pid).filter(|pid| *pid != 0).collect();
            let (guard, mut process) = Guard::start(exe, groups.into_iter())?;
            self.guardian.guard = Some(guard);
            let me = self.me.clone();
            // Ends with the guardian, which ends with the daemon.
            tokio::task::spawn_local(async move {
                let began = Instant::now();
                let status = process.wait().await;
                if began.elapsed() < SHORT_LIFE {
                    tokio::time::sleep(SHORT_LIFE).await;
                }
                if let Some(switch) = me.upgrade() {
                    tracing::warn!(?status, "the guardian ended");
                    switch.borrow_mut().replace_guardian();
                }
            });
        }
        self.guardian.guard.as_ref().ok_or_else(|| std::io::Error::other("no guardian"))
    }

    fn replace_guardian(&mut self) {
        self.guardian.guard = None;
        let needed = self.instances.values().any(|instance| instance.pid != 0);
        if needed && self.phase() == Phase::Run {
            let context = self.context.clone();
            if let Err(error) = self.guardian(&context.exe) {
                tracing::error!(%error, "no guardian can be started");
            }
        }
    }
}
