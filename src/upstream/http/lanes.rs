//! What runs at once: requests side by side, each of which can be taken back, and messages that hold back later
//! ones until they have been accepted.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use foldhash::HashMap;
use hyper::body::Bytes;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::{AbortHandle, Id as TaskId, JoinSet};
use tokio::time::{Instant, timeout};

use crate::wire::id::Id;

/// A message that is not accepted within this no longer holds back later ones.
const ORDER_WAIT: Duration = Duration::from_secs(2);
/// A request of which nothing was heard for so long has surely arrived: its cancellation does not overtake it.
const ARRIVAL_WAIT: Duration = Duration::from_millis(200);

/// Whether a request, by its method as raw JSON, changes how the server treats later ones.
pub fn is_built_on(method: &[u8]) -> bool {
    let all: [&[u8]; 3] =
        [br#""resources/subscribe""#, br#""resources/unsubscribe""#, br#""logging/setLevel""#];
    all.contains(&method)
}

/// What happened next. `T` is what a task leaves behind.
pub enum Next<T> {
    Line(Bytes),
    Done(T),
    /// Nothing more will be sent.
    Closed,
}

/// Whether a server has begun to answer a request, or never will.
#[derive(Default)]
pub struct Arrival {
    known: Cell<bool>,
    told: Notify,
}

impl Arrival {
    pub fn tell(&self) {
        self.known.set(true);
        self.told.notify_waiters();
    }

    async fn wait(&self) {
        while !self.known.get() {
            self.told.notified().await;
        }
    }
}

/// A request that runs.
struct Asked {
    handle: AbortHandle,
    arrival: Rc<Arrival>,
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

    /// Runs a request, which can be taken back by its id. `arrival` is told by it.
    pub fn request(&mut self, id: &[u8], arrival: Rc<Arrival>, task: impl Future<Output = T> + 'static) {
        let told = arrival.clone();
        let handle = self.tasks.spawn_local(async move {
            let left = task.await;
            told.tell();
            left
        });
        self.ids.insert(handle.id(), Id::from(id));
        self.open.insert(Id::from(id), Asked { handle, arrival });
    }

    /// Holds back later lines until a request has arrived, for a while. `nothing` is what that leaves behind.
    pub fn until_arrived(&mut self, id: &[u8], nothing: T) {
        if let Some(asked) = self.open.get(id) {
            let arrival = asked.arrival.clone();
            self.in_order(async move {
                arrival.wait().await;
                nothing
            });
        }
    }

    /// Holds back later lines while it runs, for a while.
    pub fn in_order(&mut self, task: impl Future<Output = T> + 'static) {
        let id = self.tasks.spawn_local(task).id();
        self.gate = Some((id, Instant::now() + ORDER_WAIT));
    }

    /// Drops a request, if it still runs, and tells the server so with `task`, which does not overtake it.
    pub fn take_back(&mut self, id: &[u8], task: impl Future<Output = T> + 'static) {
        let Some(Asked { handle, arrival }) = self.open.remove(id) else {
            self.tasks.spawn_local(task);
            return;
        };
        self.tasks.spawn_local(async move {
            // Late or not, the server is told.
            let _ = timeout(ARRIVAL_WAIT, arrival.wait()).await;
            handle.abort();
            // Nobody waits for its arrival any more.
            arrival.tell();
            task.await
        });
    }

    pub async fn next(&mut self, outgoing: &mut UnboundedReceiver<Bytes>) -> Next<T> {
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
