//! `loom secrets unlock`.

use std::collections::BTreeMap;

use serde_json::json;

use super::{Desk, terminal};
use crate::cli::Ending;
use crate::cli::args::secrets::UnlockArgs;
use crate::cli::context::ANSWER_WAIT;
use crate::cli::out::Out;
use crate::fault::{Fault, Kind, Plain};
use crate::secrets::file;
use crate::secrets::place::PASSPHRASE;
use crate::secrets::sealed::Holder;

pub fn run(args: UnlockArgs, desk: &mut Desk, out: &mut Out) -> Result<Ending, Fault> {
    let mut client = desk.context.connect()?;
    if file::holder(&desk.place)? != Some(Holder::Passphrase) {
        let text = "the encrypted file needs no passphrase";
        return Err(Plain::new(Kind::Usage, text).hint("loom secrets doctor").into());
    }
    let passphrase = match args.from_stdin {
        true => terminal::from_stdin()?,
        false => terminal::ask("passphrase of secrets.enc: ", "loom secrets unlock --from-stdin < FILE")?,
    };
    desk.place.keys.passphrase = Some(passphrase.clone());
    file::read(&desk.place)?;
    // The daemon keeps a person's environment in memory, and this apart from it.
    let environment = BTreeMap::from([(PASSPHRASE, passphrase.expose().as_str())]);
    client.call("loom/adopt", &json!({ "environment": environment }), ANSWER_WAIT)?;
    out.line("the daemon can read the encrypted file until it ends");
    Ok(Ending::Done)
}
