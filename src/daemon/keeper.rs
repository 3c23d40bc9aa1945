//! The keeper of one server: one task for its whole life, which starts the process, reads what it says, and
//! ends it. Everything it decides by is in the instance; it waits for demands, orders, output and the end.

use std::process::ExitStatus;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::net::unix::pipe;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::answer::shake_hands;
use super::launch;
use super::session::{Heard, read_or_rest};
use super::switch::{Shared, Switch};
use crate::upstream::child::{self, Launch, Started};
use crate::upstream::instance::{Demand, Instance, InstanceId, Order};
use crate::upstream::life::{End, Next, ServerState, Trouble};
use crate::upstream::stderr;
use crate::wire::code;
use crate::wire::lines::Lines;
use crate::wire::{BUFFER_MAX, LINE_MAX};

/// After a leader has ended, its last output is read for at most this long.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// How a life came to its end.
enum Fate {
    /// The process ended by itself, or closed its output.
    Ended,
    /// It was told to.
    Ordered(Order),
}

/// Keeps an instance until it is retired.
pub async fn keep(shared: Shared, id: InstanceId) {
    let Some(wake) = shared.borrow().instances.get(&id).map(|instance| instance.wake.clone()) else { return };
    loop {
        let step = shared.borrow_mut().next_step(id, Instant::now());
        match step {
            Step::Sleep => wake.notified().await,
            Step::SleepUntil(when) => {
                tokio::select! {
                    () = tokio::time::sleep_until(when.into()) => {}
                    () = wake.notified() => {}
                }
            }
            Step::Start => live(&shared, id, &wake).await,
            Step::Go => break,
        }
    }
    let mut switch = shared.borrow_mut();
    switch.instances.remove(&id);
    switch.calmer.notify_one();
}

/// What a keeper does next while no process runs.
enum Step {
    Sleep,
    SleepUntil(Instant),
    Start,
    Go,
}

impl Switch {
    fn next_step(&mut self, id: InstanceId, now: Instant) -> Step {
        let running = self.phase() == super::switch::Phase::Run;
        let Some(instance) = self.instances.get_mut(&id) else { return Step::Go };
        match instance.order.take() {
            Some(Order::Retire) => {
                let left = instance.calls.ids(|_| true);
                let text = format!("{} was removed from the registry", instance.name());
                self.fail_calls(id, &left, code::SERVER_UNAVAILABLE, &Trouble { text, hint: None });
                self.flush();
                return Step::Go;
            }
            Some(Order::Restart) => {
                instance.history.forgive();
                instance.state = ServerState::Idle;
                instance.demand = Demand::Call;
            }
            Some(Order::Stop | Order::Fail(_)) | None => {}
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

    fn prepare(&mut self, id: InstanceId) -> Result<(Launch, std::path::PathBuf, u64), Trouble> {
        let Some(instance) = self.instances.get_mut(&id) else {
            return Err(Trouble { text: "removed".into(), hint: None });
        };
        instance.demand = Demand::None;
        instance.state = ServerState::Starting;
        instance.began = Instant::now();
        instance.counts.answered = 0;
        let server = instance.server.clone();
        let spec = instance.spec.clone();
        let launch = launch::resolve(self, &server, &spec)?;
        let log = self.context.paths.server_log(server.name.as_str());
        Ok((launch, log, self.context.settings.log_bytes))
    }

    fn spawn(&mut self, launch: &Launch) -> Result<Started, Trouble> {
        let context = self.context.clone();
        let guard = self.guardian(&context.exe).map_err(|error| Trouble {
            text: format!("the guardian cannot be started: {error}"),
            hint: None,
        })?;
        child::spawn(&context.exe, launch, guard)
            .map_err(|error| Trouble { text: error.to_string(), hint: Some(launch::hint(&context, &error)) })
    }

    /// The life is over: settles its calls and the state that a person sees.
    fn after_life(&mut self, id: InstanceId, end: Result<(), LifeEnd>) {
        let Some(instance) = self.instances.get_mut(&id) else { return };
        let lost = instance.abandon();
        let name = instance.name().to_string();
        let Err(LifeEnd { end, trouble }) = end else {
            instance.state = ServerState::Idle;
            let text = format!("{name} was stopped while the call was under way");
            self.fail_calls(
                id,
                &lost,
                code::SERVER_GONE,
                &Trouble { text, hint: Some("loom servers".into()) },
            );
            return self.restart_for_waiting(id);
        };
        let roll = u64::from(std::process::id()) ^ u64::from(id).wrapping_mul(0x9E37_79B9);
        let next = instance.history.after(end, roll ^ u64::from(instance.began.elapsed().subsec_nanos()));
        let now = Instant::now();
        instance.state = match next {
            Next::Wait(pause) => ServerState::Failed { trouble: trouble.clone(), retry_at: now + pause },
            Next::GiveUp => ServerState::CrashLoop { trouble: trouble.clone() },
        };
        tracing::warn!(server = name, state = instance.state.word(), trouble = trouble.text, "server ended");
        if instance.listing.tools.is_some() {
            instance.listing.stale = next == Next::GiveUp || matches!(end, End::NeverReady);
        }
        let (code, also_waiting, text) = match end {
            End::NeverReady => {
                (code::SERVER_UNAVAILABLE, true, format!("{name} does not start: {}", trouble.text))
            }
            End::Crashed { .. } => (code::SERVER_GONE, next == Next::GiveUp, trouble.text),
        };
        let lost = if also_waiting { instance.calls.ids(|_| true) } else { lost };
        // A crashed server comes back by itself; one that never got ready waits for the next call.
        if matches!(end, End::Crashed { .. }) && next != Next::GiveUp {
            instance.want(Demand::Call);
        }
        self.metrics.ended(&name);
        self.fail_calls(id, &lost, code, &Trouble { text, hint: trouble.hint });
        self.answer_settled_lists();
    }

    fn restart_for_waiting(&mut self, id: InstanceId) {
        if let Some(instance) = self.instances.get_mut(&id)
            && instance.calls.waiting() > 0
        {
            instance.want(Demand::Call);
        }
    }

    /// When there may be something to do without anybody waking the keeper.
    fn look_at(&self, id: InstanceId) -> Option<Instant> {
        let instance = self.instances.get(&id)?;
        match instance.order {
            Some(Order::Retire) => Some(instance.retire_by),
            // The end of work wakes nobody: looking again this often is enough to stop in time.
            _ => {
                let limit = instance.idle_limit(self.context.settings.idle_timeout);
                Some(self.idle_until(id).unwrap_or_else(|| Instant::now() + limit))
            }
        }
    }

    /// When the process may be stopped for want of work; `None`: not while things are as they are.
    fn idle_until(&self, id: InstanceId) -> Option<Instant> {
        let instance = self.instances.get(&id)?;
        let in_use = || self.sessions.values().any(|session| session.used.contains(&id));
        if !instance.calls.is_empty() || (instance.spec.idle_timeout.is_none() && in_use()) {
            return None;
        }
        Some(instance.used.max(instance.began) + instance.idle_limit(self.context.settings.idle_timeout))
    }
}

/// A life that ended otherwise than by order.
struct LifeEnd {
    end: End,
    trouble: Trouble,
}

/// One life: from the start of a process to its end.
async fn live(shared: &Shared, id: InstanceId, wake: &Rc<Notify>) {
    let started = {
        let mut switch = shared.borrow_mut();
        let prepared = switch.prepare(id);
        prepared.and_then(|(launch, log, bytes)| Ok((switch.spawn(&launch)?, log, bytes)))
    };
    let end = match started {
        Ok((started, log, bytes)) => {
            let errors = tokio::task::spawn_local(stderr::keep(started.stderr, log, bytes));
            let process =
                Process { process: started.process, pid: started.pid, stdout: started.stdout, errors };
            run(shared, id, wake, process, started.stdin).await
        }
        Err(trouble) => Err(LifeEnd { end: End::NeverReady, trouble }),
    };
    let mut switch = shared.borrow_mut();
    switch.after_life(id, end);
    switch.flush();
}

struct Process {
    process: tokio::process::Child,
    pid: i32,
    stdout: pipe::Receiver,
    errors: JoinHandle<String>,
}

async fn run(
    shared: &Shared,
    id: InstanceId,
    wake: &Rc<Notify>,
    mut process: Process,
    stdin: pipe::Sender,
) -> Result<(), LifeEnd> {
    let stdin = Rc::new(stdin);
    {
        let mut switch = shared.borrow_mut();
        let startup = switch.context.settings.startup_timeout;
        if let Some(instance) = switch.instances.get_mut(&id) {
            instance.pipe = Some(stdin.clone());
            instance.pid = process.pid;
            let deadline = shake_hands(instance, startup);
            instance.flush();
            switch.clock.note(deadline);
        }
    }
    let backlog = tokio::task::spawn_local(write_backlog(shared.clone(), id, stdin));
    let mut reader = tokio::task::spawn_local(read_all(shared.clone(), id, process.stdout));
    let fate = watch(shared, id, wake, &mut process.process, &mut reader).await;
    backlog.abort();
    // The writer held the other handle to the pipe: only when it is gone is the server's input closed.
    let _ = backlog.await;
    let was_ready = shared.borrow_mut().close_input(id);
    let status = child::end(&mut process.process, process.pid).await;
    shared.borrow().guardian.gone(process.pid);
    reader.abort();
    let last_line = tokio::time::timeout(LAST_WORDS, &mut process.errors).await;
    process.errors.abort();
    let last_line = last_line.ok().and_then(Result::ok).unwrap_or_default();
    match fate {
        Fate::Ordered(Order::Fail(trouble)) => {
            let text = with_last_line(&trouble.text, &last_line);
            Err(LifeEnd { end: End::NeverReady, trouble: Trouble { text, hint: trouble.hint } })
        }
        Fate::Ordered(order) => {
            if let Some(instance) = shared.borrow_mut().instances.get_mut(&id) {
                instance.order = Some(order);
            }
            Ok(())
        }
        Fate::Ended => Err(shared.borrow().ended_by_itself(id, was_ready, status, &last_line)),
    }
}

/// Waits until the process ends or is told to. Reading is a task of its own: a call must not wake this one.
async fn watch(
    shared: &Shared,
    id: InstanceId,
    wake: &Rc<Notify>,
    process: &mut tokio::process::Child,
    reader: &mut JoinHandle<()>,
) -> Fate {
    loop {
        let look_at = shared.borrow().look_at(id);
        tokio::select! {
            _ = &mut *reader => return Fate::Ended,
            _ = process.wait() => {
                // What an ended leader had still written. A grandchild may hold the pipe open: not for long.
                let _ = tokio::time::timeout(LAST_WORDS, &mut *reader).await;
                return Fate::Ended;
            }
            () = wake.notified() => {}
            () = sleep_until(look_at) => {}
        }
        if let Some(order) = shared.borrow_mut().due_order(id, Instant::now()) {
            return Fate::Ordered(order);
        }
    }
}

async fn sleep_until(when: Option<Instant>) {
    match when {
        Some(when) => tokio::time::sleep_until(when.into()).await,
        None => std::future::pending().await,
    }
}

/// Hands the switch everything that the server says, until it closes its output.
async fn read_all(shared: Shared, id: InstanceId, mut stdout: pipe::Receiver) {
    let mut lines = Lines::default();
    let scratch = shared.borrow().scratch.clone();
    let mut fat = false;
    loop {
        match read_or_rest(&mut stdout, &scratch, fat).await {
            Heard::Bytes(n) => fat = take(&shared, id, &mut lines, &scratch.borrow()[..n]),
            Heard::Nothing => {
                fat = false;
                lines.trim();
                if let Some(instance) = shared.borrow_mut().instances.get_mut(&id) {
                    instance.out.trim();
                }
            }
            Heard::End => return,
        }
    }
}

/// Hands over complete lines. True when buffers have grown that an idle server should give back.
fn take(shared: &Shared, id: InstanceId, lines: &mut Lines, chunk: &[u8]) -> bool {
    let now = Instant::now();
    let mut switch = shared.borrow_mut();
    let limit =
        if lines.held() == 0 { LINE_MAX } else { LINE_MAX.min(BUFFER_MAX.saturating_sub(switch.buffered())) };
    lines.feed(chunk, limit, |item| switch.server_item(id, &item, now));
    switch.flush();
    lines.is_fat() || switch.instances.get(&id).is_some_and(|instance| instance.out.is_fat())
}

async fn write_backlog(shared: Shared, id: InstanceId, pipe: Rc<pipe::Sender>) {
    let Some(backlog) = shared.borrow().instances.get(&id).map(|instance| instance.backlog.clone()) else {
        return;
    };
    loop {
        backlog.notified().await;
        if pipe.writable().await.is_err() {
            return;
        }
        match shared.borrow_mut().instances.get_mut(&id) {
            Some(instance) => instance.flush(),
            None => return,
        }
    }
}

fn with_last_line(text: &str, last_line: &str) -> String {
    if last_line.is_empty() { text.into() } else { format!("{text}; it said: {last_line}") }
}

impl Switch {
    /// No more input for the process. Says whether it had become ready.
    fn close_input(&mut self, id: InstanceId) -> bool {
        let Some(instance) = self.instances.get_mut(&id) else { return false };
        instance.pipe = None;
        matches!(instance.state, ServerState::Ready { .. })
    }

    /// An order that can be followed now. One to retire waits for the open calls; want of work is one too.
    fn due_order(&mut self, id: InstanceId, now: Instant) -> Option<Order> {
        let idle = self.idle_until(id).is_some_and(|at| at <= now);
        let instance = self.instances.get_mut(&id)?;
        match &instance.order {
            Some(Order::Retire) if !instance.calls.is_empty() && instance.retire_by > now => None,
            Some(_) => instance.order.take(),
            None => idle.then_some(Order::Stop),
        }
    }

    fn ended_by_itself(
        &self,
        id: InstanceId,
        was_ready: bool,
        status: Option<ExitStatus>,
        last_line: &str,
    ) -> LifeEnd {
        let (name, lasted, answered) =
            self.instances.get(&id).map_or((String::new(), Duration::ZERO, 0), |instance: &Instance| {
                (instance.name().to_string(), instance.began.elapsed(), instance.counts.answered)
            });
        let how =
            status.map_or_else(|| "closed its output".to_string(), |status| format!("ended ({status})"));
        let when = if was_ready { "" } else { " before the handshake was done" };
        let text = with_last_line(&format!("{name} {how}{when}"), last_line);
        let hint = Some(format!("less {}", self.context.paths.server_log(&name).display()));
        let end = if was_ready { End::Crashed { lasted, answered } } else { End::NeverReady };
        LifeEnd { end, trouble: Trouble { text, hint } }
    }
}
