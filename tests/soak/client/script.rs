//! Random scripts for requests, and what of them must reach the client.

use std::time::{Duration, Instant};

use super::super::cast::Sharing;
use super::super::ledger::Fault;
use super::super::lists;
use super::super::play::{Noise, Step, Topic};
use super::asking::Plan;
use super::course::Course;
use super::pending::{Ending, Want};
use super::{Actor, Level};

/// All lists are known to a fresh daemon after this.
const LISTS: Duration = Duration::from_secs(10);
const TOPICS: [Topic; 5] = [Topic::Sampling, Topic::Form, Topic::Url, Topic::Roots, Topic::Odd];
const NOISES: [Noise; 5] = [Noise::Garbage, Noise::Half, Noise::Notification, Noise::Answer, Noise::Bytes];

impl Actor {
    /// Up to six steps, and how they end. A plain script has neither questions nor a violent end.
    pub fn script(&mut self, server: usize, plain: bool, is_task: bool) -> (Vec<Step>, Ending) {
        let mut steps = Vec::new();
        for _ in 0..self.chance.below(7) {
            steps.push(self.step(server, plain));
        }
        let ending = match if plain { Ending::Result } else { self.ending(server) } {
            // A task would never end, or long after its call.
            Ending::Broken | Ending::Silence | Ending::Die if is_task => Ending::Result,
            ending => ending,
        };
        steps.extend(match ending {
            Ending::Result => None,
            Ending::Fail => Some(Step::Fail),
            Ending::Broken => Some(Step::Broken),
            Ending::Silence => Some(Step::Silence),
            Ending::Die => Some(Step::Die),
        });
        (steps, ending)
    }

    fn step(&mut self, server: usize, plain: bool) -> Step {
        match self.chance.below(100) {
            0..=29 => Step::Progress,
            30..=54 => Step::Wait(self.chance.below(30)),
            55 if !plain => Step::Wait(self.chance.between(200, 1200)),
            55..=74 => Step::Log(self.chance.index(8)),
            75..=84 => self.update_step(server),
            85..=90 if !plain => Step::Ask(*self.chance.pick(&TOPICS)),
            91..=92 if !plain => Step::Withdraw(*self.chance.pick(&TOPICS)),
            93..=96 => Step::Noise(*self.chance.pick(&NOISES)),
            97 if !plain && self.world.roles[server].changing => Step::Changed(self.chance.index(4)),
            _ => Step::Progress,
        }
    }

    /// A resource that this client has subscribed to, if there is one, or any.
    fn update_step(&mut self, server: usize) -> Step {
        let own = self.subscriptions.values().filter(|one| one.server == server).map(|one| one.own.clone());
        let own: Vec<String> = own.collect();
        let suffix = *self.chance.pick(&["", "", "", "", lists::PART, lists::NO_PART]);
        if own.is_empty() || self.chance.percent(20) {
            let name = &self.world.roles[server].name;
            return Step::Updated(lists::resource(name, self.chance.below(3)) + suffix);
        }
        Step::Updated(self.chance.pick(&own).clone() + suffix)
    }

    fn ending(&mut self, server: usize) -> Ending {
        let role = &self.world.roles[server];
        // What is asked of a server that has gone may be put to another one, which would then be the one that dies.
        let (frail, hasty) = (role.frail && !role.fleeting, role.tool_timeout.is_some());
        match self.chance.below(1000) {
            0..=39 => Ending::Fail,
            40..=47 => Ending::Broken,
            48..=51 if hasty => Ending::Silence,
            52..=53 if frail => Ending::Die,
            _ => Ending::Result,
        }
    }

    /// Notes what the script must bring.
    pub fn expect(&mut self, plan: &Plan, nonce: &str, token: Option<&str>, steps: &[Step]) {
        let (server, is_call) = (plan.server, plan.method == "tools/call");
        let mut course = Course::new(server, is_call, token.map(str::to_owned), steps, Instant::now());
        course.task = matches!(plan.want, Want::NewTask).then(|| self.task_id(nonce, server));
        for due in &mut course.logs {
            due.must = matches!(self.level, Level::Set(level) if due.level >= level);
        }
        let role = &self.world.roles[server];
        // A fresh daemon hears of subscriptions again, which takes its time; more where it must know all lists first, as of
        // servers whose own lists it has not kept.
        let now = Instant::now();
        let ledger = &self.world.ledger;
        let replayed = |since| ledger.daemon_deaths(since, now) + ledger.restarts(since, now) > 0;
        let moves = role.fleeting || (role.sharing == Sharing::Workspace && self.has_moved_lately());
        for due in &mut course.updates {
            let mut own = self.subscriptions.values();
            let uri = lists::whole(&due.uri);
            let since = match lists::is_templated(uri) || role.sharing != Sharing::Everybody {
                true => now.checked_sub(LISTS).unwrap_or(now),
                false => now,
            };
            let is_certain = own.any(|one| one.server == server && one.own == uri && one.certain);
            due.must = is_certain && !moves && !replayed(since);
        }
        if let Some(token) = token {
            self.tokens.insert(token.to_owned(), nonce.to_owned());
        }
        self.courses.insert(nonce.to_owned(), course);
    }

    /// What is due may come or not from now on: the client's own wishes are changing.
    pub fn loosen(&mut self, which: impl Fn(&mut Course)) {
        self.courses.values_mut().for_each(which);
    }

    pub fn forget_course(&mut self, nonce: &str) {
        if let Some(course) = self.courses.remove(nonce)
            && let Some(token) = course.token
        {
            self.tokens.remove(&token);
        }
    }

    /// A request that ends its server.
    pub fn mark_death(&self, server: usize) -> super::super::ledger::Mark {
        self.world.ledger.begin(Fault::Server(self.world.roles[server].name.clone()))
    }

    /// Whether nobody else can be on this server's instance.
    pub fn is_own(&self, server: usize) -> bool {
        self.world.roles[server].sharing == Sharing::Client
    }
}
