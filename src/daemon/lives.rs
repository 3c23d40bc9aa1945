//! What the switch decides about the lives of a server: when one begins, what its end means, how long it may idle.
//! The keeper acts on it. Nothing here waits.

use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use super::launch::{self, Start};
use super::switch::{Phase, Switch};
use crate::secret::mask::Mask;
use crate::secrets::chain::Found;
use crate::upstream::child::{self, Launch, Started};
use crate::upstream::instance::{Demand, Instance, InstanceId, Order};
use crate::upstream::life::{End, Next, ServerState, Trouble};
use crate::wire::code;

/// What a keeper does next while no process runs.
pub enum Step {
    Sleep,
    SleepUntil(Instant),
    Start,
    Go,
}

/// A life that ended otherwise than by order.
pub struct LifeEnd {
    pub end: End,
    pub trouble: Trouble,
}

impl Switch {
    pub fn next_step(&mut self, id: InstanceId, now: Instant) -> Step {
        let running = self.phase() == Phase::Run;
        let Some(instance) = self.instances.get_mut(&id) else { return Step::Go };
        if instance.retiring.is_some() {
            self.release_waiting(id);
            self.flush();
            return Step::Go;
        }
        match instance.order.take() {
            Some(Order::Restart) => {
                instance.history.forgive();
                instance.state = ServerState::Idle;
                instance.demand = Demand::Call;
            }
            Some(Order::Stop | Order::Fail(_) | Order::Lost(_)) | None => {}
        }
        if instance.demand == Demand::None || !running {
            return Step::Sleep;
        }
        match &instance.state {
            ServerState::Failed { retry_at, .. } if *retry_at > now => Step::SleepUntil(*retry_at),
            ServerState::CrashLoop { .. } => {
                instance.demand = Demand::None;
                Step::Sleep
            }
            _ => Step::Start,
        }
    }

    /// A life begins, so far without a process.
    pub fn begin_life(&mut self, id: InstanceId) {
        if let Some(instance) = self.instances.get_mut(&id) {
            instance.demand = Demand::None;
            instance.state = ServerState::Starting;
            instance.began = Instant::now();
            instance.counts.answered = 0;
        }
    }

    /// What to start.
    pub fn prepare(&mut self, id: InstanceId, secrets: &Found) -> Result<Start, Trouble> {
        let Some(instance) = self.instances.get_mut(&id) else {
            return Err(Trouble::new("removed"));
        };
        let server = instance.server.clone();
        let (spec, scope) = (instance.spec.clone(), instance.scope.clone());
        self.note_secrets(id, &spec, secrets);
        launch::resolve(self, &server, &spec, &scope, secrets)
    }

    /// Where the standard error of an instance goes, the size at which that is rotated, and what is hidden in it.
    pub fn log_of(&self, id: InstanceId) -> (PathBuf, u64, Mask) {
        let name = self.instances.get(&id).map_or("removed", |instance| instance.name());
        (self.context.paths.server_log(name), self.context.settings.log_bytes, self.vault.mask().clone())
    }

    pub fn spawn(&mut self, launch: &Launch) -> Result<Started, Trouble> {
        let context = self.context.clone();
        let guard = self
            .guardian(&context.exe)
            .map_err(|error| Trouble::new(format!("the guardian cannot be started: {error}")))?;
        child::spawn(&context.exe, launch, guard)
            .map_err(|error| Trouble::new(error.to_string()).hint(launch::hint(&context, &error)))
    }

    /// The life is over: settles its calls and the state that a person sees.
    pub fn after_life(&mut self, id: InstanceId, end: Result<(), LifeEnd>) {
        let Some(instance) = self.instances.get_mut(&id) else { return };
        let lost = instance.abandon();
        let name = instance.name().to_string();
        instance.tasks.clear();
        self.drop_questions_of(id);
        if self.draining {
            self.release_waiting(id);
        }
        let Some(instance) = self.instances.get_mut(&id) else { return };
        let Err(LifeEnd { end, trouble }) = end else {
            instance.state = ServerState::Idle;
            self.fail_calls(id, &lost, code::SERVER_GONE, &stopped(&name));
            return self.restart_for_waiting(id);
        };
        let roll = u64::from(std::process::id()) ^ u64::from(id).wrapping_mul(0x9E37_79B9);
        let next = instance.history.after(end, roll ^ u64::from(instance.began.elapsed().subsec_nanos()));
        let now = Instant::now();
        instance.state = match next {
            Next::Wait(pause) => ServerState::Failed { trouble: trouble.clone(), retry_at: now + pause },
            Next::GiveUp => ServerState::CrashLoop { trouble: trouble.clone() },
        };
        tracing::warn!(
            server = name,
            state = instance.state.word(),
            trouble = trouble.full(),
            "server ended"
        );
        for list in instance.lists.iter_mut().filter(|list| list.items.is_some()) {
            list.stale = next == Next::GiveUp || matches!(end, End::NeverReady);
        }
        let (code, also_waiting, text) = match end {
            End::NeverReady => {
                (code::SERVER_UNAVAILABLE, true, format!("{name} does not start: {}", trouble.full()))
            }
            End::Crashed { .. } | End::Lost { .. } => {
                (code::SERVER_GONE, next == Next::GiveUp, trouble.full())
            }
        };
        let waiting = if also_waiting { instance.calls.ids(|open| open.sent.is_none()) } else { Vec::new() };
        // A crashed server comes back by itself; one that never got ready waits for the next call.
        if !matches!(end, End::NeverReady) && next != Next::GiveUp {
            instance.want(Demand::Call);
        }
        self.metrics.ended(&name);
        let told = Trouble { text, said: None, hint: trouble.hint };
        // What was sent may have been done, even if a new handshake failed since.
        self.fail_calls(id, &lost, code::SERVER_GONE, &told);
        self.fail_calls(id, &waiting, code, &told);
        self.answer_settled_lists();
    }

    /// Work has ended: a keeper that only waited for that looks again.
    pub fn tell_if_free(&self, id: InstanceId) {
        let leaving = self.instances.get(&id).filter(|instance| instance.retiring.is_some());
        if let Some(instance) = leaving.filter(|instance| !instance.is_busy()) {
            instance.wake.notify_one();
        }
    }

    /// A defect of loom's ended the keeper: nobody would ever end the process or answer the calls.
    pub fn keeper_failed(&mut self, id: InstanceId) {
        let Some(instance) = self.instances.get_mut(&id) else { return };
        let name = instance.name().to_string();
        child::kill(instance.pid);
        // The next view makes a new one.
        instance.retire(Instant::now());
        let open = instance.calls.ids(|_| true);
        let trouble = Trouble::new(format!("an error inside loom ended {name}"));
        self.fail_calls(id, &open, code::SERVER_GONE, &trouble);
        self.lists_changed();
        self.flush();
    }

    /// An instance has no keeper any more: nothing may lead to it.
    pub fn instance_gone(&mut self, id: InstanceId) {
        // At once means that proxies say what became of their calls.
        let tell = self.phase() != Phase::Kill;
        let open = self.instances.get(&id).filter(|_| tell).map(|instance| instance.calls.ids(|_| true));
        let open = open.unwrap_or_default();
        self.fail_calls(id, &open, code::SERVER_UNAVAILABLE, &Trouble::new("the server is gone"));
        self.instances.remove(&id);
        self.forget_views_of(&[id]);
        for session in self.sessions.values_mut() {
            session.used.remove(&id);
        }
        self.flush();
    }

    pub fn restart_for_waiting(&mut self, id: InstanceId) {
        if let Some(instance) = self.instances.get_mut(&id)
            && instance.calls.waiting() > 0
        {
            instance.want(Demand::Call);
        }
    }

    /// When there may be something to do without anybody waking the keeper.
    pub fn look_at(&self, id: InstanceId) -> Option<Instant> {
        let instance = self.instances.get(&id)?;
        match instance.retiring {
            Some(by) => Some(by),
            // The end of work wakes nobody: looking again this often is enough to stop in time.
            None => {
                let limit = instance.idle_limit(self.context.settings.idle_timeout);
                Some(self.idle_until(id).unwrap_or_else(|| Instant::now() + limit))
            }
        }
    }

    /// When the process may be stopped for want of work; `None`: not while things are as they are.
    pub fn idle_until(&self, id: InstanceId) -> Option<Instant> {
        let instance = self.instances.get(&id)?;
        let in_use = || self.sessions.values().any(|session| session.used.contains(&id));
        let subscribed = || {
            let mut all = self.sessions.values().flat_map(|session| session.subscriptions.values());
            all.any(|subscription| subscription.instance == id)
        };
        if instance.is_busy() || subscribed() || (instance.spec.idle_timeout.is_none() && in_use()) {
            return None;
        }
        Some(instance.used.max(instance.began) + instance.idle_limit(self.context.settings.idle_timeout))
    }

    /// No more input for the process. Says whether it had become ready.
    pub fn close_input(&mut self, id: InstanceId) -> bool {
        let Some(instance) = self.instances.get_mut(&id) else { return false };
        instance.channel = None;
        matches!(instance.state, ServerState::Ready { .. })
    }

    /// The process takes its time to end: its calls need not wait for that.
    pub fn settle_calls(&mut self, id: InstanceId, ordered: bool) {
        let Some(instance) = self.instances.get_mut(&id) else { return };
        let lost = instance.abandon();
        let trouble = if ordered { stopped(instance.name()) } else { closed_its_output(instance.name()) };
        self.fail_calls(id, &lost, code::SERVER_GONE, &trouble);
        self.flush();
    }

    /// An order that can be followed now. One to retire waits for the open calls; want of work is one too.
    pub fn due_order(&mut self, id: InstanceId, now: Instant) -> Option<Order> {
        let idle = self.idle_until(id).is_some_and(|at| at <= now);
        let instance = self.instances.get_mut(&id)?;
        match instance.retiring {
            Some(by) if instance.is_busy() && by > now => None,
            Some(_) => Some(Order::Stop),
            None => instance.order.take().or(idle.then_some(Order::Stop)),
        }
    }

    /// An order that ended a life holds on, unless a newer one has come.
    pub fn keep_order(&mut self, id: InstanceId, order: Order) {
        if let Some(instance) = self.instances.get_mut(&id) {
            instance.order.get_or_insert(order);
        }
    }

    /// `status`: `None` when it lived on after it had closed its output, and loom ended it.
    pub fn ended_by_itself(
        &self,
        id: InstanceId,
        was_ready: bool,
        status: Option<ExitStatus>,
        said: Option<String>,
    ) -> LifeEnd {
        let (name, lasted, answered) =
            self.instances.get(&id).map_or((String::new(), Duration::ZERO, 0), |instance: &Instance| {
                (instance.name().to_string(), instance.began.elapsed(), instance.counts.answered)
            });
        let how =
            status.map_or_else(|| "closed its output".to_string(), |status| format!("ended ({status})"));
        let when = if was_ready { "" } else { " before the handshake was done" };
        let text = format!("{name} {how}{when}");
        let log = self.context.paths.server_log(&name);
        let hint = Some(match log.exists() {
            true => format!("less {}", log.display()),
            // It has never written anything.
            false => format!("loom servers restart {name}"),
        });
        let end = if was_ready { End::Crashed { lasted, answered } } else { End::NeverReady };
        LifeEnd { end, trouble: Trouble { text, said, hint } }
    }
}

fn stopped(name: &str) -> Trouble {
    Trouble::new(format!("{name} was stopped while the call was under way")).hint("loom servers")
}

fn closed_its_output(name: &str) -> Trouble {
    Trouble::new(format!("{name} closed its output while the call was under way")).hint("loom servers")
}
