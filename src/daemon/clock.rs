//! One timer for all deadlines. A call costs no timer of its own: the clock sleeps to the earliest deadline it
//! knows and looks at them all when it wakes; a later deadline never wakes it.

use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::switch::Shared;

/// The clock never sleeps longer, so that a moved deadline is seen.
const LONGEST: Duration = Duration::from_secs(3600);

#[derive(Debug, Default)]
pub struct Clock {
    next: Option<Instant>,
    earlier: Rc<Notify>,
}

impl Clock {
    /// A deadline was set.
    pub fn note(&mut self, deadline: Instant) {
        if self.next.is_none_or(|next| deadline < next) {
            self.next = Some(deadline);
            self.earlier.notify_one();
        }
    }
}

/// Ends what has run out of time, for ever.
pub async fn run(shared: Shared) {
    let earlier = shared.borrow().clock.earlier.clone();
    loop {
        let next = shared.borrow().clock.next.unwrap_or_else(|| Instant::now() + LONGEST);
        tokio::select! {
            () = tokio::time::sleep_until(next.into()) => {
                let mut switch = shared.borrow_mut();
                let now = Instant::now();
                switch.expire_calls(now);
                switch.expire_lists(now);
                switch.expire_roots(now);
                switch.flush();
                switch.clock.next = switch.first_deadline();
            }
            () = earlier.notified() => {}
        }
    }
}
