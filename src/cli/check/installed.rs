//! The installed program: whether it is where it was put, and is the one that a shell finds.

use std::path::{Path, PathBuf};

use super::trouble::Trouble;
use crate::cli::context::Context;
use crate::file::{self, find_program, is_executable};
use crate::settings::process_env;

/// Nothing was installed where nothing is recorded.
pub fn look(context: &Context, troubles: &mut Vec<Trouble>) {
    let recorded = file::read_text(&context.paths.binary_file(), file::OWN_MAX).unwrap_or_default();
    let recorded = PathBuf::from(recorded.trim_end());
    if !recorded.is_absolute() {
        return;
    }
    let place = context.show(&recorded);
    if !is_executable(&recorded) {
        let text = "the installed program is not there any more, and clients may look for it there";
        troubles.push(Trouble::error("installed", place, text).advice("make install-core"));
        return;
    }
    let path = process_env()("PATH").unwrap_or_default();
    match find_program(Path::new("loom"), &path) {
        Some(first) if !is_same(&first, &recorded) => {
            let text = format!("your shell finds another loom first: {}", context.show(&first));
            troubles.push(
                Trouble::warning("installed", place, text).advice("put its folder before others in PATH"),
            );
        }
        Some(_) => {}
        None => {
            let text = "its folder is not in PATH";
            let folder = recorded.parent().unwrap_or(&recorded).display();
            let trouble = Trouble::warning("installed", place, text);
            troubles.push(trouble.advice(format!("export PATH=\"{folder}:$PATH\"")));
        }
    }
}

fn is_same(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    real(one) == real(other)
}
