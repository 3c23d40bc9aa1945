//! How a request is written down, sent, and remembered.

use std::time::{Duration, Instant};

use super::super::cast::SERVERS;
use super::super::lists::{self, Way};
use super::super::play::{self, Step};
use super::super::world::World;
use super::Actor;
use super::params::{self, Twin};
use super::pending::{Ending, Pending, Want};

/// How long an answer may take beyond the pauses of its script.
const PATIENCE: Duration = Duration::from_secs(40);

/// A request that a server is to answer.
pub struct Plan {
    pub method: &'static str,
    pub server: usize,
    pub want: Want,
    /// The members of the params beside `_meta`.
    pub members: Vec<Twin>,
    pub plain: bool,
    pub uri: Option<String>,
}

impl Actor {
    /// A fresh id: raw JSON.
    pub fn mint(&mut self) -> String {
        self.minted += 1;
        let n = self.minted;
        match self.chance.below(8) {
            0..=3 => n.to_string(),
            4 => format!("\"{n}\""),
            5 => format!("\"\\u0069-{n}\""),
            6 => format!("\"\u{fc} \\\"{n}\""),
            _ => format!("{}", 9_007_199_254_740_993 + n),
        }
    }

    fn token(&mut self, nonce: &str) -> Option<String> {
        match self.chance.below(3) {
            0 => None,
            1 => Some(format!("\"t\\u00fc {nonce}\"")),
            _ => Some((1_000_000 + self.minted).to_string()),
        }
    }

    /// Asks a server. Returns the id.
    pub fn ask(&mut self, plan: Plan) -> String {
        let id = self.mint();
        let nonce = format!("{}{}", self.tag(), self.minted);
        let is_task = matches!(plan.want, Want::NewTask);
        let (steps, ending) = self.script(plan.server, plan.plain, is_task);
        let token = self.token(&nonce);
        let now = Instant::now();
        let kills = (ending == Ending::Die).then(|| self.mark_death(plan.server));
        if !matches!(plan.want, Want::Search(_)) {
            self.expect(&plan, &nonce, token.as_deref(), &steps);
        }
        let mut members = plan.members;
        let steps: Vec<Step> = if matches!(plan.want, Want::Search(_)) { Vec::new() } else { steps };
        let meta = params::meta(&mut self.chance, &nonce, &steps, token.as_deref());
        members.insert(self.chance.index(members.len() + 1), meta);
        let whole = params::object(&mut self.chance, members);
        let line = params::request(&mut self.chance, &id, plan.method, &whole.said);
        self.presence(&plan.want, plan.server, World::arrives);
        self.used[plan.server] = true;
        let pause = Duration::from_millis(play::pause(&steps));
        let size = line.len();
        self.bytes += size;
        let pending = Pending {
            method: plan.method,
            want: plan.want,
            nonce,
            server: Some(plan.server),
            heard: whole.heard,
            ending,
            size,
            began: now,
            deadline: now + PATIENCE + pause,
            cancelled: None,
            line: self.lines + 1,
            twin: false,
            answered: false,
            kills,
            uri: plan.uri,
        };
        self.open.insert(id.clone(), pending);
        self.send(&line);
        id
    }

    /// Notes that a request comes to its server, or goes: a search may be at any.
    pub fn presence(&self, want: &Want, server: usize, note: impl Fn(&World, usize, usize)) {
        match want {
            Want::Search(Way::Template) if server > lists::WIDE => {
                [server, lists::WIDE].into_iter().for_each(|one| note(&self.world, one, self.number));
            }
            Want::Search(Way::Link | Way::Nowhere) | Want::TaskList(_) => {
                (0..SERVERS).for_each(|one| note(&self.world, one, self.number));
            }
            _ => note(&self.world, server, self.number),
        }
    }

    /// Asks something that loom itself answers.
    pub fn ask_loom(&mut self, method: &'static str, params: &str, want: Want) -> String {
        let id = self.mint();
        let line = params::request(&mut self.chance, &id, method, params);
        self.open_local(&id, method, want);
        self.send(&line);
        id
    }

    pub fn open_local(&mut self, id: &str, method: &'static str, want: Want) {
        let now = Instant::now();
        if matches!(want, Want::TaskList(_)) {
            self.presence(&want, 0, World::arrives);
        }
        let pending = Pending {
            method,
            want,
            nonce: String::new(),
            server: None,
            heard: String::new(),
            ending: Ending::Result,
            size: 0,
            began: now,
            deadline: now + PATIENCE,
            cancelled: None,
            line: self.lines + 1,
            twin: false,
            answered: false,
            kills: None,
            uri: None,
        };
        self.open.insert(id.to_owned(), pending);
    }
}
