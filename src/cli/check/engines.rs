//! Docker and Kubernetes, where a server works with them: whether the engine or the cluster can be reached from here.

use std::collections::BTreeMap;
use std::fs;
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use hyper::Uri;
use serde::Deserialize;

use super::trouble::Trouble;

/// Their commands: the person's own, and the servers that are made for them.
const DOCKER: [&str; 2] = ["docker", "docker-mcp"];
const KUBERNETES: [&str; 2] = ["kubectl", "mcp-server-kubernetes"];

/// Addresses that cannot be knocked at from here: Windows' pipes, and sockets that are handed over.
const UNSEEN: [&str; 2] = ["npipe:", "fd:"];

/// How long all of them together may take to answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// Where something listens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Door {
    Socket(PathBuf),
    Port(String, u16),
}

/// What the servers of a registry want to reach, each thing once.
#[derive(Default)]
pub struct Engines {
    doors: BTreeMap<(&'static str, Door), String>,
}

impl Engines {
    /// Notes what a server that is started with `program` and these variables needs; `of_cluster`: its entry names
    /// a cluster.
    pub fn add(
        &mut self,
        server: &str,
        program: &Path,
        of_cluster: bool,
        home: &Path,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Option<Trouble> {
        let program = program.file_name()?.to_str()?;
        if DOCKER.contains(&program)
            && let Some(host) = docker(home, &variable)
            && !UNSEEN.iter().any(|scheme| host.starts_with(scheme))
        {
            let trouble = self.want("docker", &host, server);
            if trouble.is_some() {
                return trouble;
            }
        }
        if KUBERNETES.contains(&program) || of_cluster {
            let proxied = ["HTTPS_PROXY", "https_proxy"].iter().any(|name| variable(name).is_some());
            return match cluster(home, variable("KUBECONFIG").as_deref()) {
                // Behind a proxy only that is reached from here.
                Ok(_) if proxied => None,
                Ok(url) => self.want("kubernetes", &url, server),
                Err(text) => {
                    let trouble = Trouble::warning("kubeconfig", server, text);
                    Some(trouble.advice("mend or copy it, or set KUBECONFIG in the server's env"))
                }
            };
        }
        None
    }

    fn want(&mut self, engine: &'static str, url: &str, server: &str) -> Option<Trouble> {
        if let Some(door) = door(url) {
            self.doors.entry((engine, door)).or_insert_with(|| server.to_owned());
            return None;
        }
        let (whose, fix) = if engine == "docker" {
            (
                "Docker's (DOCKER_HOST, or its context)",
                "an address is unix:///PATH, tcp://HOST:PORT or ssh://HOST",
            )
        } else {
            ("the Kubernetes cluster's (KUBECONFIG)", "an address is https://HOST:PORT")
        };
        let text = format!("what is given as {whose} address is none");
        Some(Trouble::warning(engine, server, text).advice(fix))
    }

    /// Knocks at all of them at once.
    pub fn look(self, troubles: &mut Vec<Trouble>) {
        let until = Instant::now() + PATIENCE;
        let (tell, told) = channel();
        let mut waiting = self.doors;
        for (engine, door) in waiting.keys().cloned() {
            let tell = tell.clone();
            // Not joined: nothing bounds the time in which a name is looked up.
            thread::spawn(move || {
                let answer = knock(&door);
                // Nobody listens any more once the time is over.
                tell.send((engine, door, answer)).unwrap_or_default();
            });
        }
        drop(tell);
        while let Ok((engine, door, answer)) =
            told.recv_timeout(until.saturating_duration_since(Instant::now()))
        {
            let server = waiting.remove(&(engine, door.clone()));
            if let (Err(why), Some(server)) = (answer, server) {
                troubles.push(unreachable(engine, &server, &door, &why));
            }
        }
        for ((engine, door), server) in waiting {
            troubles.push(unreachable(engine, &server, &door, "it does not answer"));
        }
    }
}

fn unreachable(engine: &'static str, server: &str, door: &Door, why: &str) -> Trouble {
    let place = match door {
        Door::Socket(path) => path.display().to_string(),
        Door::Port(host, port) if host.contains(':') => format!("[{host}]:{port}"),
        Door::Port(host, port) => format!("{host}:{port}"),
    };
    let title = if engine == "docker" { "Docker" } else { "the Kubernetes cluster" };
    let trouble = Trouble::warning(engine, server, format!("{title} cannot be reached at {place}: {why}"));
    trouble.advice(match door {
        Door::Socket(_) if cfg!(target_os = "macos") => "open -a Docker",
        Door::Socket(_) => "systemctl start docker",
        Door::Port(..) if engine == "docker" => "start it there, or set DOCKER_HOST in the server's env",
        Door::Port(..) => "start it, or choose another: kubectl config use-context NAME",
    })
}

fn knock(door: &Door) -> Result<(), String> {
    match door {
        Door::Socket(path) => UnixStream::connect(path).map(drop).map_err(|error| error.to_string()),
        Door::Port(host, port) => {
            let found = (host.as_str(), *port).to_socket_addrs().map_err(|error| error.to_string())?;
            let mut last = "its name leads nowhere".to_owned();
            for address in found {
                match TcpStream::connect_timeout(&address, PATIENCE) {
                    Ok(_) => return Ok(()),
                    Err(error) => last = error.to_string(),
                }
            }
            Err(last)
        }
    }
}

fn door(url: &str) -> Option<Door> {
    if let Some(path) = url.strip_prefix("unix://") {
        return Some(Door::Socket(path.into()));
    }
    let uri: Uri = url.parse().ok()?;
    let usual = match uri.scheme_str()? {
        "https" => 443,
        "http" => 80,
        "tcp" => 2375,
        "ssh" => 22,
        "socks5" => 1080,
        _ => return None,
    };
    let host = uri.host()?.trim_matches(['[', ']']).to_owned();
    Some(Door::Port(host, uri.port_u16().unwrap_or(usual)))
}

/// The endpoint that `docker` takes: `DOCKER_HOST`, else the context in force, else its usual socket.
/// Source: Docker's "docker context" reference.
fn docker(home: &Path, variable: &impl Fn(&str) -> Option<String>) -> Option<String> {
    #[derive(Deserialize)]
    struct Config {
        #[serde(rename = "currentContext")]
        context: String,
    }
    if let Some(host) = variable("DOCKER_HOST") {
        return Some(host);
    }
    let folder = variable("DOCKER_CONFIG").map_or_else(|| home.join(".docker"), PathBuf::from);
    let chosen = variable("DOCKER_CONTEXT").or_else(|| {
        let text = fs::read(folder.join("config.json")).ok()?;
        Some(serde_json::from_slice::<Config>(&text).ok()?.context)
    });
    match chosen.as_deref() {
        None | Some("" | "default") => Some("unix:///var/run/docker.sock".to_owned()),
        Some(name) => endpoint(&folder, name),
    }
}

/// Where a context of Docker's leads; its file lies in a folder that is named by a digest.
fn endpoint(folder: &Path, name: &str) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Meta {
        name: String,
        endpoints: BTreeMap<String, Endpoint>,
    }
    #[derive(Deserialize)]
    struct Endpoint {
        #[serde(rename = "Host")]
        host: String,
    }
    let metas = fs::read_dir(folder.join("contexts/meta")).ok()?.flatten();
    let texts = metas.filter_map(|entry| fs::read(entry.path().join("meta.json")).ok());
    let mut found = texts.filter_map(|text| serde_json::from_slice::<Meta>(&text).ok());
    let meta = found.find(|meta| meta.name == name)?;
    meta.endpoints.get("docker").map(|endpoint| endpoint.host.clone())
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Kubeconfig {
    current_context: String,
    contexts: Vec<NamedContext>,
    clusters: Vec<NamedCluster>,
}

#[derive(Deserialize)]
struct NamedContext {
    name: String,
    context: ContextOf,
}

#[derive(Deserialize)]
struct ContextOf {
    cluster: String,
}

#[derive(Deserialize)]
struct NamedCluster {
    name: String,
    cluster: Cluster,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Cluster {
    server: String,
    proxy_url: Option<String>,
}

/// The address of the cluster in force, or of the proxy before it; without a scheme it is HTTP's. Of several files the
/// first word counts.
/// Source: Kubernetes' "Organizing Cluster Access Using kubeconfig Files".
fn cluster(home: &Path, chosen: Option<&str>) -> Result<String, String> {
    let usual = home.join(".kube/config").to_string_lossy().into_owned();
    let chosen = chosen.unwrap_or(&usual);
    let paths = chosen.split(':').filter(|path| !path.is_empty());
    let mut whole = Kubeconfig::default();
    let mut is_there = false;
    for path in paths {
        let Ok(text) = fs::read_to_string(path) else { continue };
        is_there = true;
        // What the reader says could quote the file, where keys stand.
        let one: Kubeconfig = serde_saphyr::from_str(&text)
            .map_err(|_| format!("the Kubernetes configuration {path} cannot be understood"))?;
        if whole.current_context.is_empty() {
            whole.current_context = one.current_context;
        }
        whole.contexts.extend(one.contexts);
        whole.clusters.extend(one.clusters);
    }
    if !is_there {
        return Err(format!("the Kubernetes configuration {chosen} is not there"));
    }
    let name = &whole.current_context;
    if name.is_empty() {
        return Err(format!("{chosen} names no current context"));
    }
    let context = whole.contexts.iter().find(|one| one.name == *name);
    let context = context.ok_or_else(|| format!("{chosen} has no context {name}, its current one"))?;
    let wanted = &context.context.cluster;
    let cluster = whole.clusters.into_iter().find(|one| one.name == *wanted);
    let cluster = cluster.ok_or_else(|| format!("{chosen} has no cluster {wanted}, that of {name}"))?.cluster;
    let url = cluster.proxy_url.unwrap_or(cluster.server);
    Ok(if url.contains("://") { url } else { format!("http://{url}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_hosts_and_ports() {
        let port = |host: &str, port| Some(Door::Port(host.to_owned(), port));
        for (url, wanted) in [
            ("unix:///run/docker.sock", Some(Door::Socket("/run/docker.sock".into()))),
            ("tcp://10.0.0.1:2376", port("10.0.0.1", 2376)),
            ("tcp://build", port("build", 2375)),
            ("ssh://ann@build", port("build", 22)),
            ("https://[::1]:6443/path", port("::1", 6443)),
            ("https://cluster.example", port("cluster.example", 443)),
            ("npipe:////./pipe/docker", None),
            ("", None),
        ] {
            assert_eq!(door(url), wanted, "{url}");
        }
    }

    #[test]
    fn the_context_in_force_leads_to_the_engine() {
        let home = tempfile::tempdir().expect("a folder");
        let none = |_: &str| None;
        let usual = Some("unix:///var/run/docker.sock".to_owned());
        assert_eq!(docker(home.path(), &none), usual);
        let meta = home.path().join(".docker/contexts/meta/0a1b");
        fs::create_dir_all(&meta).expect("a folder");
        let text = r#"{"Name":"desk","Metadata":{},"Endpoints":{"docker":{"Host":"unix:///desk.sock"}}}"#;
        fs::write(meta.join("meta.json"), text).expect("a file");
        assert_eq!(docker(home.path(), &none), usual);
        fs::write(home.path().join(".docker/config.json"), r#"{"currentContext":"desk"}"#).expect("a file");
        assert_eq!(docker(home.path(), &none).as_deref(), Some("unix:///desk.sock"));
        let plain = |name: &str| (name == "DOCKER_CONTEXT").then(|| "default".to_owned());
        assert_eq!(docker(home.path(), &plain), usual);
        let host = |name: &str| (name == "DOCKER_HOST").then(|| "tcp://build:1".to_owned());
        assert_eq!(docker(home.path(), &host).as_deref(), Some("tcp://build:1"));
    }

    #[test]
    fn the_first_word_of_several_configurations_counts() {
        let home = tempfile::tempdir().expect("a folder");
        let put = |name: &str, text: &str| {
            let path = home.path().join(name);
            fs::write(&path, text).expect("a file");
            path.display().to_string()
        };
        let first =
            put("a", "current-context: far\ncontexts: [{name: far, context: {cluster: one, user: me}}]\n");
        let second = put(
            "b",
            "current-context: near\nclusters: [{name: one, cluster: {server: \"https://one:6443\"}}]\n",
        );
        let both = format!("{first}::{second}");
        assert_eq!(cluster(home.path(), Some(&both)).as_deref(), Ok("https://one:6443"));
        for (text, complaint) in [
            ("contexts: []\n", "names no current context"),
            ("current-context: x\n", "has no context x, its current one"),
            (
                "current-context: x\ncontexts: [{name: x, context: {cluster: y}}]\n",
                "has no cluster y, that of x",
            ),
            ("clusters: s3cr3t\n", "cannot be understood"),
        ] {
            let path = put("c", text);
            assert_eq!(
                cluster(home.path(), Some(&path)),
                Err(match complaint {
                    "cannot be understood" => format!("the Kubernetes configuration {path} {complaint}"),
                    _ => format!("{path} {complaint}"),
                })
            );
        }
        let text = cluster(home.path(), None).expect_err("there is none");
        assert!(text.ends_with(".kube/config is not there"), "{text}");
    }
}
