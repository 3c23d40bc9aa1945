//! What runs at once: requests side by side, each of which can be taken back, and messages that hold back later
//! ones until they have been accepted.

use std::rc::Rc;
use std::time::Duration;

use foldhash::HashMap;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::{AbortHandle, Id as TaskId, JoinSet};
use tokio::time::{Instant, timeout};

use crate::wire::id::Id;

/// A message that is not accepted within this no longer holds back later ones.
const ORDER_WAIT: Duration = Duration::from_secs(2);
/// A request of which nothing was heard for so long has surely arrived: its cancellation does not overtake it.
const ARRIVAL_WAIT: Duration = Duration::from_millis(200);

/// What happened next. `T` is what a task leaves behind.
pub enum Next<T> {
    Line(Vec<u8>),
    Done(T),
    /// Nothing more will be sent.
    Closed,
}

/// A request that runs.
struct Asked {
    handle: AbortHandle,
    /// The server has begun to answer.
    arrived: Rc<Notify>,
}

/// All tasks of one transport. They end when this is dropped.
pub struct Lanes<T> {
    tasks: JoinSet<T>,
    open: HashMap<Id, Asked>,
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

    /// Runs a request, which can be taken back by its id. `arrived`: what says that the server has it; its end says so
    /// as well.
    pub fn request(&mut self, id: &[u8], arrived: Rc<Notify>, task: impl Future<Output = T> + 'static) {
        let handle = self.tasks.spawn_local(task);
        self.ids.insert(handle.id(), Id::from(id));
        self.open.insert(Id::from(id), Asked { handle, arrived });
    }

    /// Holds back later lines while it runs, for a while.
    pub fn in_order(&mut self, task: impl Future<Output = T> + 'static) {
        let id = self.tasks.spawn_local(task).id();
        self.gate = Some((id, Instant::now() + ORDER_WAIT));
    }

    /// Drops a request, if it still runs, and tells the server so with `task`, which does not overtake it.
    pub fn take_back(&mut self, id: &[u8], task: impl Future<Output = T> + 'static) {
        let Some(Asked { handle, arrived }) = self.open.remove(id) else {
            self.tasks.spawn_local(task);
            return;
        };
        self.tasks.spawn_local(async move {
            // Late or not, the server is told.
            let _ = timeout(ARRIVAL_WAIT, arrived.notified()).await;
            handle.abort();
            task.await
        });
    }

    pub async fn next(&mut self, outgoing: &mut UnboundedReceiver<Vec<u8>>) -> Next<T> {
        loop {
            let gate = self.gate.map(|(_, until)| until);
            tokio::select! {
                line = outgoing.recv(), if gate.is_none() => return line.map_or(Next::Closed, Next::Line),
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
        // Taken back and asked anew under the same id, it is another's.
        if self.open.get(&id).is_some_and(|asked| asked.handle.id() == task) {
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
