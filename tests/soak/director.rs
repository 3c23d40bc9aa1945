//! The course of a run: traffic with faults, then calm, then the comparison of everything that must be equal.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::audit::Audit;
use super::cast;
use super::client::{Abilities, Actor};
use super::faults::Faults;
use super::processes::Processes;
use super::remote::Remote;
use super::say;
use super::support::home::{TestHome, loom_binary};
use super::world::{Phase, World};

const CLIENTS: usize = 10;
/// Traffic between two comparisons.
const SCENE: Duration = Duration::from_secs(12);
/// In the second half of a run of more than this the daemon is left alone.
const LONG: Duration = Duration::from_secs(100);
/// How long clients may take to come to rest. Their own deadlines are shorter.
const REST: Duration = Duration::from_secs(90);
const LOOK: Duration = Duration::from_millis(20);

pub struct Director {
    pub home: TestHome,
    pub world: Arc<World>,
    pub remotes: Vec<Remote>,
    clients: Vec<JoinHandle<()>>,
}

/// Runs until the time is up, and panics at the first difference.
pub fn run(seed: u64, length: Duration) {
    let mut home = TestHome::new();
    home.set_env("LOOM_LIST_WAIT", "30s");
    let folder = home.path().join("soak");
    std::fs::create_dir(&folder).expect("the home can be written");
    let world = Arc::new(World::new(seed, folder));
    let mut faults = Faults::new(seed);
    let far = world.roles.iter().filter(|role| role.remote);
    let remotes = far.map(|role| Remote::start(role, world.folder.clone(), home.path().to_owned()));
    let remotes: Vec<Remote> = remotes.collect();
    faults.write_registry(&home, &world, &remotes);
    home.loom_ok(&["start"]);
    let mut processes = Processes::new(&home);
    let mut director = Director { home, world, remotes, clients: Vec::new() };
    let mut audit = Audit::default();
    director.clients = (0..CLIENTS).map(|number| director.begin_client(number)).collect();
    let began = Instant::now();
    let mut scenes = 0;
    loop {
        let left = length.saturating_sub(began.elapsed());
        faults.daemon_stays = length > LONG && began.elapsed() > length / 2;
        let scene = SCENE.min(left.max(Duration::from_secs(3)));
        director.world.enter(Phase::Traffic);
        faults.play(&director, scene);
        director.bring_to_rest(&mut faults, &mut audit);
        processes.compare(&director.home, &director.world.roles, CLIENTS, &director.remotes);
        scenes += 1;
        say(&format!(
            "soak: {:5.0} s, scene {scenes}, {}",
            began.elapsed().as_secs_f64(),
            audit.summary(&director.world)
        ));
        if began.elapsed() >= length {
            break;
        }
    }
    director.end(&mut processes);
    let (faults, processes) = (faults.summary(), processes.summary());
    say(&format!("soak: seed {seed}: no difference; {processes}; faults: {faults}"));
}

impl Director {
    fn begin_client(&self, number: usize) -> JoinHandle<()> {
        let abilities = match number % 5 {
            0..=2 => Abilities::All,
            3 => Abilities::Sampling,
            _ => Abilities::Nothing,
        };
        let (world, path) = (self.world.clone(), self.home.path().to_owned());
        let env = self.home.env().clone();
        let folder = path.clone();
        let command = move || {
            let mut command = Command::new(loom_binary());
            command.env_clear().envs(&env).current_dir(&path).arg("proxy");
            command
        };
        let name = format!("client {number}");
        let begin = move || Actor::begin(world, number, abilities, &folder, Box::new(command)).run();
        thread::Builder::new().name(name).spawn(begin).expect("a thread can be started")
    }

    /// The run has failed as soon as one client has.
    pub fn check_clients(&self) {
        if let Some(failure) = self.world.failure() {
            panic!("{failure}");
        }
        assert!(!self.clients.iter().any(JoinHandle::is_finished), "a client has ended: see above");
    }

    fn wait_for_clients(&self, what: &str) {
        let until = Instant::now() + REST;
        loop {
            let done = self.world.wait_done(CLIENTS, LOOK);
            if done.len() == CLIENTS {
                return;
            }
            self.check_clients();
            let seed = self.world.seed;
            assert!(Instant::now() < until, "seed {seed}: only {done:?} have come to the end of: {what}");
        }
    }

    fn bring_to_rest(&self, faults: &mut Faults, audit: &mut Audit) {
        self.world.enter(Phase::Calm);
        self.wait_for_clients("calm");
        faults.mend(self);
        self.world.enter(Phase::Compare);
        self.wait_for_clients("comparison of lists");
        audit.compare(&self.world);
    }

    /// Everybody leaves.
    fn end(mut self, processes: &mut Processes) {
        self.world.enter(Phase::Leave);
        for client in std::mem::take(&mut self.clients) {
            if client.join().is_err() {
                panic!("{}", self.world.failure().unwrap_or_else(|| "a client has ended: see above".into()));
            }
        }
        processes.compare(&self.home, &self.world.roles, 0, &self.remotes);
        // The sessions of daemons that were killed just now.
        self.remotes.clear();
    }
}

/// The program that the registry starts.
pub fn program() -> std::path::PathBuf {
    std::env::current_exe().expect("this binary has a path")
}

/// The text of the registry with these servers.
pub fn registry(world: &World, colors: &[Option<u64>], program: &Path, remotes: &[Remote]) -> String {
    let present = world.roles.iter().zip(colors).filter_map(|(role, color)| Some((role, (*color)?)));
    let url = |name: &str| remotes.iter().find(|remote| remote.name() == name).map(Remote::url);
    cast::registry(present, program, &world.folder, |name| url(name).expect("each has been started"))
}
