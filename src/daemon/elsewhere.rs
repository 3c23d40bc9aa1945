//! One life of a server elsewhere: from the first message over HTTP to the end of the transport, and what becomes of
//! messages that failed on the way.

use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

use super::answer::shake_hands;
use super::lives::LifeEnd;
use super::switch::{Shared, Switch};
use crate::registry::launch::Address;
use crate::upstream::calls::Asker;
use crate::upstream::channel::Channel;
use crate::upstream::http::{self, Command, Endpoint, Event, Failure};
use crate::upstream::instance::{InstanceId, Order};
use crate::upstream::life::{End, ServerState, Trouble};
use crate::wire::code::{self, Code};
use crate::wire::lines::Item;
use crate::wire::scan;

/// How long the farewell to a server may take.
const FAREWELL: Duration = Duration::from_secs(3);

/// Runs the transport until it ends or is told to.
pub async fn live(
    shared: &Shared,
    id: InstanceId,
    wake: &Rc<Notify>,
    address: Address,
) -> Result<(), LifeEnd> {
    let (tell, told) = mpsc::unbounded_channel::<Command>();
    let values = shared.borrow().environment.values.clone();
    let env = Box::new(move |name: &str| values.get(name).cloned());
    let endpoint = Endpoint { url: address.url, headers: address.headers, env };
    let events = shared.clone();
    let transport = http::run(endpoint, told, move |event| events.borrow_mut().transport_event(id, event));
    // Ends when the channel closes, or is aborted below.
    let mut transport = tokio::task::spawn_local(transport);
    {
        let mut switch = shared.borrow_mut();
        let startup = switch.context.settings.startup_timeout;
        if let Some(instance) = switch.instances.get_mut(&id) {
            instance.channel = Some(Channel::Http(tell));
            let deadline = shake_hands(instance, startup);
            instance.flush();
            switch.clock.note(deadline);
        }
    }
    let ended = watch(shared, id, wake, &mut transport).await;
    let was_ready = shared.borrow_mut().close_input(id);
    if ended.is_err() && tokio::time::timeout(FAREWELL, &mut transport).await.is_err() {
        transport.abort();
    }
    let switch = shared.borrow();
    let instance = switch.instances.get(&id);
    let (lasted, answered) =
        instance.map_or((Duration::ZERO, 0), |one| (one.began.elapsed(), one.counts.answered));
    let end = if was_ready { End::Crashed { lasted, answered } } else { End::NeverReady };
    match ended {
        Ok(text) => Err(LifeEnd { end, trouble: Trouble::new(text) }),
        Err(Order::Fail(trouble)) => Err(LifeEnd { end: End::NeverReady, trouble }),
        Err(Order::Lost(trouble)) => Err(LifeEnd { end, trouble }),
        Err(order @ (Order::Stop | Order::Restart)) => {
            drop(switch);
            shared.borrow_mut().keep_order(id, order);
            Ok(())
        }
    }
}

/// Waits until the transport ends, which says why, or an order comes.
async fn watch(
    shared: &Shared,
    id: InstanceId,
    wake: &Rc<Notify>,
    transport: &mut JoinHandle<Result<(), String>>,
) -> Result<String, Order> {
    loop {
        let look_at = shared.borrow().look_at(id);
        tokio::select! {
            ended = &mut *transport => {
                return Ok(match ended {
                    Ok(Ok(())) => "its transport ended".into(),
                    Ok(Err(text)) => text,
                    Err(error) => format!("its transport ended: {error}"),
                });
            }
            () = wake.notified() => {}
            () = super::keeper::sleep_until(look_at) => {}
        }
        if let Some(order) = shared.borrow_mut().due_order(id, Instant::now()) {
            return Err(order);
        }
    }
}

impl Switch {
    fn transport_event(&mut self, id: InstanceId, event: Event<'_>) {
        match event {
            Event::Message(message) => self.server_item(id, &Item::Line(message), Instant::now()),
            Event::Expired => self.session_expired(id),
            Event::Failed { line, failure } => self.message_failed(id, line, failure),
        }
        self.flush();
    }

    /// The server has forgotten our session: shakes hands anew; calls wait meanwhile.
    fn session_expired(&mut self, id: InstanceId) {
        let startup = self.context.settings.startup_timeout;
        let Some(instance) = self.instances.get_mut(&id).filter(|instance| instance.is_ready()) else {
            return;
        };
        tracing::info!(server = instance.name(), "its session expired");
        instance.state = ServerState::Starting;
        let deadline = shake_hands(instance, startup);
        self.clock.note(deadline);
        self.dirty_instances.insert(id);
        self.drop_questions_of(id);
    }

    /// A message of ours did not arrive, or its answer will not come.
    fn message_failed(&mut self, id: InstanceId, line: Vec<u8>, failure: Failure) {
        let Ok([call, method]) = scan::members(&line, ["id", "method"]) else { return };
        let number = call.and_then(|at| std::str::from_utf8(&line[at]).ok()?.parse::<u64>().ok());
        let Some((call, instance)) = number.filter(|_| method.is_some()).zip(self.instances.get_mut(&id))
        else {
            tracing::warn!(server = id, ?failure, "a notification or an answer did not arrive");
            return;
        };
        let (code, text) = told(&failure);
        let trouble = Trouble::new(format!("{}: {text}", instance.name()));
        let Some(open) = instance.calls.get(call) else { return };
        match (&open.asker, &failure) {
            (Asker::Initialize, _) => instance.give_order(Order::Fail(Trouble::new(text))),
            (Asker::List(kind), _) => {
                let kind = *kind;
                instance.calls.remove(call);
                self.listing_failed(id, kind, text);
            }
            (Asker::Errand, _) => {
                instance.calls.remove(call);
            }
            (Asker::Client { .. }, Failure::Unsent(_)) => {
                let mut line = line;
                if line.last() != Some(&b'\n') {
                    line.push(b'\n');
                }
                instance.calls.wait_again(vec![(call, line)]);
                if instance.is_ready() {
                    instance.give_order(Order::Lost(Trouble::new(text)));
                }
            }
            (Asker::Client { .. }, _) => self.fail_calls(id, &[call], code, &trouble),
        }
    }
}

/// What a client is told of a failure.
fn told(failure: &Failure) -> (Code, String) {
    match failure {
        Failure::Unsent(text) => (code::SERVER_UNAVAILABLE, text.clone()),
        Failure::Refused { status, text, retry_after } => {
            let later =
                retry_after.map(|wait| format!(" (try again in {} s)", wait.as_secs())).unwrap_or_default();
            let said = if text.is_empty() { String::new() } else { format!(": {text}") };
            let code = if *status == 429 { code::BUSY } else { code::REFUSED };
            (code, format!("it answered HTTP {status}{said}{later}"))
        }
        Failure::Cut(text) => (code::SERVER_GONE, text.clone()),
        Failure::BadAnswer(text) => (code::BAD_ANSWER, text.clone()),
        Failure::TooLarge(text) => (code::TOO_LARGE, text.clone()),
    }
}
