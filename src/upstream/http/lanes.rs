//! What runs at once: requests side by side, each of which can be given up, and messages that hold back later
//! ones until they have been accepted.

use std::time::Duration;

use foldhash::HashMap;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::{AbortHandle, Id as TaskId, JoinSet};
use tokio::time::Instant;

use super::Command;
use crate::wire::id::Id;

/// A message that is not accepted within this no longer holds back later ones.
const ORDER_WAIT: Duration = Duration::from_secs(2);

/// What happened next. `T` is what a task leaves behind.
pub enum Next<T> {
    Line(Vec<u8>),
    GiveUp(Vec<u8>),
    Done(T),
    /// Nothing more will be sent.
    Closed,
}

/// All tasks of one transport. They end when this is dropped.
pub struct Lanes<T> {
    tasks: JoinSet<T>,
    open: HashMap<Id, AbortHandle>,
    ids: HashMap<TaskId, Id>,
    /// The message that holds back later ones, and until when at most.
    gate: Option<(TaskId, Instant)>,
}

impl<T: 'static> Lanes<T> {
    pub fn new() -> Self {
        Lanes { tasks: JoinSet::new(), open: HashMap::default(), ids: HashMap::default(), gate: None }
    }

    /// Runs beside everything else.
    pub fn beside(&mut self, task: impl Future<Output = T> + 'static) -> AbortHandle {
        self.tasks.spawn_local(task)
    }

    /// Runs a request, which can be given up by its id.
    pub fn request(&mut self, id: &[u8], task: impl Future<Output = T> + 'static) {
        let handle = self.tasks.spawn_local(task);
        self.ids.insert(handle.id(), Id::from(id));
        self.open.insert(Id::from(id), handle);
    }

    /// Holds back later lines while it runs, for a while.
    pub fn in_order(&mut self, task: impl Future<Output = T> + 'static) {
        let id = self.tasks.spawn_local(task).id();
        self.gate = Some((id, Instant::now() + ORDER_WAIT));
    }

    pub fn give_up(&mut self, id: &[u8]) {
        if let Some(handle) = self.open.remove(id) {
            handle.abort();
        }
    }

    pub async fn next(&mut self, outgoing: &mut UnboundedReceiver<Command>) -> Next<T> {
        loop {
            let gate = self.gate.map(|(_, until)| until);
            tokio::select! {
                command = outgoing.recv(), if gate.is_none() => return match command {
                    Some(Command::Line(line)) => Next::Line(line),
                    Some(Command::GiveUp(id)) => Next::GiveUp(id),
                    None => Next::Closed,
                },
                Some(ended) = self.tasks.join_next_with_id() => match ended {
                    Ok((task, left)) => {
                        self.forget(task);
                        return Next::Done(left);
                    }
                    Err(error) => {
                        self.forget(error.id());
                        // A defect of loom's must not pass in silence.
                        if let Ok(panic) = error.try_into_panic() {
                            std::panic::resume_unwind(panic);
                        }
                    }
                },
                () = sleep_until(gate), if gate.is_some() => self.gate = None,
            }
        }
    }

    fn forget(&mut self, task: TaskId) {
        self.gate = self.gate.filter(|(holder, _)| *holder != task);
        let Some(id) = self.ids.remove(&task) else { return };
        // Given up and asked anew under the same id, it is another's.
        if self.open.get(&id).is_some_and(|handle| handle.id() == task) {
            self.open.remove(&id);
        }
    }
}

async fn sleep_until(when: Option<Instant>) {
    match when {
        Some(when) => tokio::time::sleep_until(when).await,
        None => std::future::pending().await,
    }
}
