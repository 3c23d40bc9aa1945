//! From a passphrase to a key, slowly: argon2id. Unlike PBKDF2, which graphics cards guess by the million, each guess
//! takes memory as well as time. Pure.

use argon2::{Algorithm, Argon2, Params, Version};

use crate::secret::Secret;

/// A key of 256 bits.
pub type Key = Secret<[u8; 32]>;

/// How much work a guess is. Stands in the file's header, so that later versions may ask for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
pub struct Work {
    pub memory_kib: u32,
    pub passes: u32,
}

/// Some 280 ms of a present machine's core, never below 100 ms (a test measures it).
pub const WORK: Work = Work { memory_kib: 64 << 10, passes: 8 };

/// A header may not ask for more than this: a damaged one would take the machine's memory or hours.
const MOST: Work = Work { memory_kib: 1 << 20, passes: 64 };

/// `None`: the header asks for impossible work.
pub fn derive(passphrase: &Secret<String>, salt: &[u8], work: Work) -> Option<Key> {
    if work.memory_kib > MOST.memory_kib || work.passes > MOST.passes {
        return None;
    }
    let params = Params::new(work.memory_kib, work.passes, 1, Some(32)).ok()?;
    let mut key = Secret::new([0; 32]);
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon.hash_password_into(passphrase.expose().as_bytes(), salt, key.expose_mut()).ok()?;
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::time::{ClockId, clock_gettime};

    #[test]
    fn a_guess_costs_at_least_100_ms_of_cpu() {
        let cpu_ms = || {
            let time = clock_gettime(ClockId::ThreadCPUTime);
            time.tv_sec * 1000 + time.tv_nsec / 1_000_000
        };
        let began = cpu_ms();
        derive(&"guess".into(), &[7; 16], WORK).unwrap();
        let cost = cpu_ms() - began;
        assert!(cost >= 100, "a guess costs {cost} ms only");
    }

    #[test]
    fn impossible_work_is_refused() {
        assert!(derive(&"x".into(), &[7; 16], Work { memory_kib: u32::MAX, passes: 1 }).is_none());
        assert!(derive(&"x".into(), &[7; 16], Work { memory_kib: 64, passes: u32::MAX }).is_none());
        assert!(derive(&"x".into(), &[7; 16], Work { memory_kib: 0, passes: 0 }).is_none());
    }
}
