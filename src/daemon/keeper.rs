//! The keeper of one server: one task for its whole life, which starts the process, reads what it says, and
//! ends it. Everything it decides by is in the instance; it waits for demands, orders, output and the end.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::net::unix::pipe;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::elsewhere;
use super::handshake::shake_hands;
use super::launch::Start;
use super::lives::{LifeEnd, Step};
use super::secrets;
use super::session::{Heard, read_or_rest};
use super::switch::Shared;
use crate::upstream::channel::Channel;
use crate::upstream::child;
use crate::upstream::instance::{InstanceId, Order};
use crate::upstream::life::{End, Trouble};
use crate::upstream::stderr;
use crate::wire::lines::Lines;

/// After a leader has ended, its last output is read for at most this long; and the other way round.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// A process that is to end mostly has by then.
const QUICK_END: Duration = Duration::from_millis(300);

/// With so many open calls a server is likely to be in the middle of writing more.
const CROWD: usize = 8;

/// How a life came to its end.
enum Fate {
    /// The process ended by itself.
    Ended,
    /// It closed its output and lived on.
    Closed,
    /// It was told to.
    Ordered(Order),
}

/// Keeps an instance until it is retired.
pub async fn keep(shared: Shared, id: InstanceId) {
    let Some(wake) = shared.borrow().instances.get(&id).map(|instance| instance.wake.clone()) else { return };
    let _kept = Kept { shared: shared.clone(), id };
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
            Step::Go => return,
        }
    }
}

/// Takes its instance away when the keeper is over, in whatever way.
struct Kept {
    shared: Shared,
    id: InstanceId,
}

impl Drop for Kept {
    fn drop(&mut self) {
        let mut switch = self.shared.borrow_mut();
        if std::thread::panicking() {
            switch.keeper_failed(self.id);
        }
        switch.instance_gone(self.id);
        switch.vault.forget(self.id);
        switch.calmer.notify_one();
    }
}

/// One life: from the start of a process, or of the transport to a server elsewhere, to its end.
async fn live(shared: &Shared, id: InstanceId, wake: &Rc<Notify>) {
    shared.borrow_mut().begin_life(id);
    let Some(found) = secrets::fetch(shared, id, wake).await else {
        return shared.borrow_mut().after_life(id, Ok(()));
    };
    let prepared = shared.borrow_mut().prepare(id, &found);
    drop(found);
    let end = match prepared {
        Ok(Start::Process(launch)) => {
            let started = shared.borrow_mut().spawn(&launch);
            // Its environment may be secret: not longer than it is needed.
            drop(launch);
            match started {
                Ok(started) => {
                    let (log, bytes, mask) = shared.borrow().log_of(id);
                    let errors = tokio::task::spawn_local(stderr::keep(started.stderr, log, bytes, mask));
                    let process = Process {
                        process: started.process,
                        pid: started.pid,
                        stdout: started.stdout,
                        errors,
                    };
                    run(shared, id, wake, process, started.stdin).await
                }
                Err(trouble) => Err(LifeEnd { end: End::NeverReady, trouble }),
            }
        }
        Ok(Start::Elsewhere(address)) => elsewhere::live(shared, id, wake, address).await,
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
            instance.channel = Some(Channel::Pipe(stdin.clone()));
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
    let ordered = matches!(fate, Fate::Ordered(_));
    let status = end(shared, id, &mut process.process, process.pid, ordered).await;
    reader.abort();
    let last_line = tokio::time::timeout(LAST_WORDS, &mut process.errors).await;
    process.errors.abort();
    let said = last_line.ok().and_then(Result::ok).filter(|line| !line.is_empty());
    match fate {
        Fate::Ordered(Order::Fail(trouble)) => {
            Err(LifeEnd { end: End::NeverReady, trouble: Trouble { said, ..trouble } })
        }
        Fate::Ordered(order) => {
            shared.borrow_mut().keep_order(id, order);
            Ok(())
        }
        Fate::Ended => Err(shared.borrow().ended_by_itself(id, was_ready, status, said)),
        // A signal was loom's own.
        Fate::Closed => {
            let status = status.filter(|status| status.signal().is_none());
            Err(shared.borrow().ended_by_itself(id, was_ready, status, said))
        }
    }
}

/// Sees the process group to its end. Calls under way are told when that takes long.
async fn end(
    shared: &Shared,
    id: InstanceId,
    process: &mut tokio::process::Child,
    group: i32,
    ordered: bool,
) -> Option<ExitStatus> {
    let mut ending = std::pin::pin!(child::end(process, group));
    let status = match tokio::time::timeout(QUICK_END, &mut ending).await {
        Ok(status) => status,
        Err(_) => {
            shared.borrow_mut().settle_calls(id, ordered);
            ending.await
        }
    };
    let mut switch = shared.borrow_mut();
    switch.guardian.gone(group);
    if let Some(instance) = switch.instances.get_mut(&id) {
        instance.pid = 0;
    }
    status
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
            // The output of a process that ends is closed a moment before.
            _ = &mut *reader => return match tokio::time::timeout(LAST_WORDS, process.wait()).await {
                Ok(_) => Fate::Ended,
                Err(_) => Fate::Closed,
            },
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

pub async fn sleep_until(when: Option<Instant>) {
    match when {
        Some(when) => tokio::time::sleep_until(when.into()).await,
        None => std::future::pending().await,
    }
}

/// Hands the switch everything that the server says, until it closes its output.
async fn read_all(shared: Shared, id: InstanceId, mut stdout: pipe::Receiver) {
    let mut lines = Lines::default();
    let scratch = shared.borrow().scratch.clone();
    let (mut fat, mut crowded) = (false, false);
    loop {
        if crowded && stdout.readable().await.is_ok() {
            // On a busy core the server was interrupted in the middle of what it writes. Reading each answer by itself
            // costs more than the answer.
            std::thread::yield_now();
        }
        match read_or_rest(&mut stdout, &scratch, fat).await {
            Heard::Bytes(n) => (fat, crowded) = take(&shared, id, &mut lines, &scratch.borrow()[..n]),
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

/// Hands over complete lines. Says whether buffers have grown that an idle server should give back, and whether so many
/// calls are open that answers are likely to come in crowds.
fn take(shared: &Shared, id: InstanceId, lines: &mut Lines, chunk: &[u8]) -> (bool, bool) {
    let now = Instant::now();
    let mut switch = shared.borrow_mut();
    let limit = switch.server_line_limit(lines.held());
    // What has come of it is now in the line that is handed over: it does not count twice.
    if lines.held() > 0
        && let Some(instance) = switch.instances.get_mut(&id)
    {
        instance.held.set(0);
    }
    lines.feed(chunk, limit, |item| switch.server_item(id, &item, now));
    switch.flush();
    let Some(instance) = switch.instances.get_mut(&id) else { return (false, false) };
    instance.held.set(lines.held());
    (lines.is_fat() || instance.out.is_fat(), instance.calls.len() >= CROWD)
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
