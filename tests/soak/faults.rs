//! The faults of a run, by chance: killed processes, and a registry that changes.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use super::cast::Role;
use super::chance::Chance;
use super::director::{Director, program, registry};
use super::ledger::{Fault, Mark};
use super::processes;
use super::remote::Remote;
use super::support::home::{TestHome, kill, wait_until};
use super::world::World;

const LOOK: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Faults {
    chance: Chance,
    /// For each server its color, if the registry has it.
    colors: Vec<Option<u64>>,
    counts: BTreeMap<&'static str, u64>,
    /// Servers whose place in the registry is not settled.
    unsettled: Vec<Mark>,
    last_color: u64,
    /// The daemon is left alone.
    pub daemon_stays: bool,
}

impl Faults {
    pub fn new(seed: u64) -> Self {
        Faults {
            chance: Chance::new(seed, "faults"),
            colors: vec![Some(0); super::cast::SERVERS],
            counts: BTreeMap::new(),
            unsettled: Vec::new(),
            last_color: 0,
            daemon_stays: false,
        }
    }

    pub fn summary(&self) -> String {
        format!("{:?}", self.counts)
    }

    pub fn write_registry(&self, home: &TestHome, world: &World, remotes: &[Remote]) {
        home.registry(&registry(world, &self.colors, &program(), remotes));
    }

    /// Makes faults for so long.
    pub fn play(&mut self, director: &Director, length: Duration) {
        let until = Instant::now() + length;
        loop {
            let pause = Duration::from_millis(self.chance.between(100, 1500));
            let next = (Instant::now() + pause).min(until);
            while Instant::now() < next {
                director.check_clients();
                thread::sleep(LOOK);
            }
            if Instant::now() >= until {
                return;
            }
            self.make_one(director);
        }
    }

    fn make_one(&mut self, director: &Director) {
        let what = match self.chance.below(100) {
            0..=39 => self.kill_server(director),
            40..=49 => self.cut_streams(director),
            50..=54 => self.restart_server(director),
            // In the end one daemon lives long: what it gathers must show.
            55..=69 if self.daemon_stays => return,
            55..=59 => self.restart_daemon(director),
            60..=69 => self.kill_daemon(director),
            70..=79 => self.kill_guardian(director),
            80..=99 => self.change_registry(director),
            _ => return,
        };
        *self.counts.entry(what).or_default() += 1;
    }

    fn kill_server(&mut self, director: &Director) -> &'static str {
        let frail: Vec<usize> =
            (0..super::cast::SERVERS).filter(|n| director.world.roles[*n].frail).collect();
        let number = *self.chance.pick(&frail);
        let name = director.world.roles[number].name.clone();
        let running = processes::servers(&director.home);
        let living: Vec<u32> =
            running.into_iter().filter(|(other, _)| *other == name).map(|(_, pid)| pid).collect();
        if living.is_empty() {
            return "nobody to kill";
        }
        let mark = director.world.ledger.begin(Fault::Server(name));
        kill(*self.chance.pick(&living));
        director.world.ledger.end(mark);
        "kill server"
    }

    /// Nothing may be lost of it: every stream can be continued.
    fn cut_streams(&mut self, director: &Director) -> &'static str {
        self.chance.pick(&director.remotes).cut();
        "cut streams"
    }

    fn kill_daemon(&mut self, director: &Director) -> &'static str {
        let Some(pid) = director.home.daemon_pid() else { return "no daemon to kill" };
        let mark = director.world.ledger.begin(Fault::Daemon);
        kill(pid);
        let back = wait_until(PATIENCE, || director.home.daemon_pid().is_some_and(|new| new != pid));
        director.world.ledger.end(mark);
        assert!(back, "no daemon came after a kill");
        "kill daemon"
    }

    /// As a person does after an upgrade.
    fn restart_daemon(&mut self, director: &Director) -> &'static str {
        let mark = director.world.ledger.begin(Fault::Restart);
        director.home.loom_ok(&["restart"]);
        director.world.ledger.end(mark);
        "restart daemon"
    }

    fn restart_server(&mut self, director: &Director) -> &'static str {
        let frail: Vec<&Role> = director.world.roles.iter().filter(|role| role.frail).collect();
        let name = self.chance.pick(&frail).name.clone();
        let mark = director.world.ledger.begin(Fault::Server(name.clone()));
        // The registry may not have it.
        let _ = director.home.loom(&["servers", "restart", &name]);
        director.world.ledger.end(mark);
        "restart server"
    }

    fn kill_guardian(&mut self, director: &Director) -> &'static str {
        let status = director.home.loom_json(&["status", "--json"]);
        let Some(pid) = status["guardian_pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()) else {
            return "no guardian to kill";
        };
        kill(pid);
        "kill guardian"
    }

    fn change_registry(&mut self, director: &Director) -> &'static str {
        let fleeting: Vec<usize> =
            (0..super::cast::SERVERS).filter(|n| director.world.roles[*n].fleeting).collect();
        let number = *self.chance.pick(&fleeting);
        let name = director.world.roles[number].name.clone();
        self.unsettled.push(director.world.ledger.begin(Fault::Registry(name)));
        let what = match self.colors[number] {
            Some(_) if self.chance.percent(50) => {
                self.colors[number] = None;
                "remove server"
            }
            before => {
                self.last_color += 1;
                self.colors[number] = Some(self.last_color);
                if before.is_some() { "change server" } else { "add server" }
            }
        };
        self.write_registry(&director.home, &director.world, &director.remotes);
        if self.chance.percent(50) {
            director.home.loom_ok(&["reload"]);
        }
        what
    }

    /// Everything is there again, and rests.
    pub fn mend(&mut self, director: &Director) {
        for color in &mut self.colors {
            color.get_or_insert(self.last_color);
        }
        self.write_registry(&director.home, &director.world, &director.remotes);
        director.home.loom_ok(&["reload"]);
        for mark in self.unsettled.drain(..) {
            director.world.ledger.end(mark);
        }
    }
}
