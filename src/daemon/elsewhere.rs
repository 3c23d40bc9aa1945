//! One life of a server elsewhere: from the first message over HTTP to the end of the transport, and what becomes of
//! messages that failed on the way.

use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::handshake::shake_hands;
use super::hello::Role;
use super::lives::LifeEnd;
use super::switch::{Shared, Switch};
use crate::mcp::catalog::Kind;
use crate::registry::launch::Address;
use crate::upstream::calls::Asker;
use crate::upstream::channel::Channel;
use crate::upstream::http::outgoing::Outgoing;
use crate::upstream::http::{self, Endpoint, Event, Failure};
use crate::upstream::instance::{Demand, InstanceId, Order};
use crate::upstream::life::{End, ServerState, Trouble};
use crate::wire::code::{self, Code};
use crate::wire::lines::Item;
use crate::wire::scan;

/// How long the farewell to a server may take.
const FAREWELL: Duration = Duration::from_secs(3);
/// So many times a call goes again because its session was forgotten.
const AGAIN_MAX: u32 = 3;
/// So many sessions in a row may be forgotten before any call is answered.
const SESSIONS_MAX: u32 = 8;
/// A call whose server cannot be reached goes again after this,
const UNSENT_PAUSE: Duration = Duration::from_millis(100);
/// for so long.
const UNSENT_FOR: Duration = Duration::from_secs(2);
/// A list that was lost on the way is asked for again after this, and after longer the next time,
const LIST_PAUSE: Duration = Duration::from_secs(1);
/// up to this.
const LIST_PAUSE_MOST: Duration = Duration::from_secs(60);

/// Runs the transport until it ends or is told to.
pub async fn live(
    shared: &Shared,
    id: InstanceId,
    wake: &Rc<Notify>,
    address: Address,
) -> Result<(), LifeEnd> {
    let (outgoing, taken) = Outgoing::new();
    let values = shared.borrow().environment.values.clone();
    let env = Box::new(move |name: &str| values.get(name).cloned());
    let held = shared.borrow().instances.get(&id).map(|instance| instance.held.clone()).unwrap_or_default();
    let room = shared.clone();
    let limit = Box::new(move |held| room.borrow().server_line_limit(held));
    let endpoint = Endpoint { url: address.url, headers: address.headers, env, limit, held };
    let events = shared.clone();
    let transport = http::run(endpoint, taken, move |event| events.borrow_mut().transport_event(id, event));
    // Ends when the channel closes, or is aborted below.
    let mut transport = tokio::task::spawn_local(transport);
    {
        let mut switch = shared.borrow_mut();
        let startup = switch.context.settings.startup_timeout;
        if let Some(instance) = switch.instances.get_mut(&id) {
            instance.channel = Some(Channel::Http(outgoing));
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
    let end = if was_ready { End::Lost { lasted, answered } } else { End::NeverReady };
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
    /// What is handled now came on the stream of one call: it is that client's.
    fn note_stream(&mut self, id: InstanceId, during: Option<&[u8]>) {
        let call = during.and_then(|call| std::str::from_utf8(call).ok()?.parse().ok());
        if let Some(instance) = self.instances.get_mut(&id) {
            instance.during = call;
        }
    }

    fn transport_event(&mut self, id: InstanceId, event: Event<'_>) {
        match event {
            Event::Message { text, during } => {
                self.note_away(id, None);
                self.note_stream(id, during);
                self.server_item(id, &Item::Line(text), Instant::now());
                self.note_stream(id, None);
            }
            Event::Away(why) => self.note_away(id, why),
            Event::Expired => self.session_expired(id),
            Event::Failed { line, failure } => self.message_failed(id, line, failure),
        }
        self.flush();
    }

    /// For `loom status`. No call is touched by it.
    fn note_away(&mut self, id: InstanceId, why: Option<&str>) {
        if let Some(instance) = self.instances.get_mut(&id) {
            instance.away = why.map(str::to_owned);
        }
    }

    /// The server has forgotten our session: shakes hands anew; calls wait meanwhile.
    fn session_expired(&mut self, id: InstanceId) {
        let startup = self.context.settings.startup_timeout;
        let Some(instance) = self.instances.get_mut(&id).filter(|instance| instance.is_ready()) else {
            return;
        };
        instance.forgotten += 1;
        if instance.forgotten > SESSIONS_MAX {
            let text = "it forgets every session before a call is answered";
            return instance.give_order(Order::Lost(Trouble::new(text)));
        }
        tracing::info!(server = instance.name(), "its session expired");
        instance.state = ServerState::Starting;
        instance.level = None;
        let deadline = shake_hands(instance, startup);
        self.clock.note(deadline);
        self.dirty_instances.insert(id);
        self.drop_questions_of(id);
    }

    /// A message of ours did not arrive, or its answer will not come.
    fn message_failed(&mut self, id: InstanceId, line: Vec<u8>, failure: Failure) {
        let Ok([call, method]) = scan::members(&line, ["id", "method"]) else { return };
        let number = call.and_then(|at| std::str::from_utf8(&line[at]).ok()?.parse::<u64>().ok());
        let wanted = self.sessions.values().any(|session| session.hello.role == Role::Proxy);
        let Some(instance) = self.instances.get_mut(&id) else { return };
        let Some(call) = number.filter(|_| method.is_some()) else {
            tracing::warn!(server = instance.name(), ?failure, "a notification or an answer did not arrive");
            return;
        };
        let Some(open) = instance.calls.get(call) else { return };
        match &open.asker {
            Asker::Initialize => {
                // Clients that have never seen its tools cannot call it into life.
                if wanted && may_pass(&failure) && instance.list(Kind::Tools).items.is_none() {
                    instance.demand = instance.demand.max(Demand::Tools);
                }
                instance.give_order(Order::Fail(Trouble::new(told(&failure).1)));
            }
            Asker::List(kind) => {
                let kind = *kind;
                instance.calls.remove(call);
                self.list_lost(id, kind, &failure);
            }
            Asker::Errand => {
                instance.calls.remove(call);
            }
            Asker::Client { .. } => self.call_lost(id, call, line, &failure),
        }
    }

    /// A list is asked for again where that may help: under the next session, or after a while.
    fn list_lost(&mut self, id: InstanceId, kind: Kind, failure: &Failure) {
        let Some(instance) = self.instances.get_mut(&id) else { return };
        let list = instance.list_mut(kind);
        list.busy = false;
        if let Failure::Forgotten(_) = failure {
            return self.relist(id, kind);
        }
        list.lost += 1;
        let pause = LIST_PAUSE * (1 << (list.lost - 1).min(6));
        self.listing_failed(id, kind, told(failure).1);
        if may_pass(failure) {
            let asked = match failure {
                Failure::Refused { retry_after, .. } => retry_after.unwrap_or_default(),
                _ => Duration::ZERO,
            };
            self.soon(asked.clamp(pause, LIST_PAUSE_MOST), move |switch| switch.relist(id, kind));
        }
    }

    /// A client's call that did not arrive goes again while that is of use; all others fail.
    fn call_lost(&mut self, id: InstanceId, call: u64, mut line: Vec<u8>, failure: &Failure) {
        let Some(instance) = self.instances.get_mut(&id) else { return };
        let again = match failure {
            Failure::Forgotten(_) => instance.calls.was_forgotten(call) <= AGAIN_MAX,
            Failure::Unsent(_) => instance.calls.was_unsent(call, Instant::now()) < UNSENT_FOR,
            _ => false,
        };
        if again {
            if line.last() != Some(&b'\n') {
                line.push(b'\n');
            }
            instance.calls.wait_again(vec![(call, line)]);
            return match failure {
                Failure::Unsent(_) => self.soon(UNSENT_PAUSE, move |switch| switch.go_on(id)),
                // Late news of an old session, when there is a new one; else it goes when that has begun.
                _ => self.go_on(id),
            };
        }
        let (code, text) = told(failure);
        let alone = instance.calls.under_way() <= 1;
        if matches!(failure, Failure::Unsent(_)) && alone && instance.is_ready() {
            instance.give_order(Order::Lost(Trouble::new(text.clone())));
        }
        let trouble = Trouble::new(format!("{}: {text}", instance.name()));
        self.fail_calls(id, &[call], code, &trouble);
    }

    fn go_on(&mut self, id: InstanceId) {
        if let Some(instance) = self.instances.get_mut(&id) {
            instance.send_waiting(Instant::now());
            self.dirty_instances.insert(id);
        }
    }

    /// Does something after a while, if the daemon is still there.
    fn soon(&self, pause: Duration, act: impl FnOnce(&mut Switch) + 'static) {
        let Some(me) = self.me.upgrade() else { return };
        // Ends by itself after the pause.
        tokio::task::spawn_local(async move {
            tokio::time::sleep(pause).await;
            let mut switch = me.borrow_mut();
            act(&mut switch);
            switch.flush();
        });
    }
}

/// Whether another attempt may go better without anybody doing anything.
fn may_pass(failure: &Failure) -> bool {
    match failure {
        Failure::Unsent(_) | Failure::Cut(_) | Failure::Forgotten(_) | Failure::NoRoom(_) => true,
        Failure::Refused { status, .. } => matches!(status, 408 | 425 | 429 | 500 | 502..=504 | 520..=599),
        Failure::BadAnswer(_) | Failure::TooLarge(_) => false,
    }
}

/// What a client is told of a failure.
fn told(failure: &Failure) -> (Code, String) {
    match failure {
        Failure::Unsent(text) | Failure::Forgotten(text) => (code::SERVER_UNAVAILABLE, text.clone()),
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
        Failure::NoRoom(text) => (code::BUSY, text.clone()),
    }
}
