//! The names under which clients see tools: `server__tool`. Owns how a name is made safe and short; which tools
//! exist is not known here, so a name never depends on other tools.

/// The longest exposed name in bytes: model APIs stop at 64, and clients put `mcp__loom__` before it.
pub const MAX: usize = 53;

/// `_` and eight hex digits.
const SUFFIX: usize = 9;

/// The exposed name of `tool` of `server`: `server__tool` when that is `[A-Za-z0-9_-]` and fits [`MAX`]; else every
/// other character becomes `_`, and a hash of the original is put at the end so that two names stay two.
pub fn expose(server: &str, tool: &str) -> String {
    let full = format!("{server}__{tool}");
    if full.len() <= MAX && !tool.is_empty() && full.bytes().all(allowed) {
        return full;
    }
    let hash = fnv1a(full.as_bytes());
    let folded = (hash ^ (hash >> 32)) & 0xffff_ffff;
    let safe = full.chars().map(|c| if c.is_ascii() && allowed(c as u8) { c } else { '_' });
    let kept: String = safe.take(MAX - SUFFIX).collect();
    format!("{kept}_{folded:08x}")
}

/// Whether a name may be one that [`expose`] shortened: it ends as those do.
pub fn is_short(name: &str) -> bool {
    let end = name.len().checked_sub(SUFFIX).and_then(|at| name.get(at..));
    let digits = end.and_then(|end| end.strip_prefix('_'));
    digits.is_some_and(|digits| digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')))
}

fn allowed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

/// FNV-1a, 64 bits: the same over runs, builds and machines.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_as_clients_see_them() {
        for (server, tool, want) in [
            ("loki", "query", "loki__query"),
            ("my-db", "get_all", "my-db__get_all"),
            ("a", "_b", "a___b"),
            ("a", "b.c", "a__b_c_09b294bb"),
            ("a", "b/c", "a__b_c_09b2bfea"),
            ("a", "größe", "a__gr__e_5eacaed2"),
            ("a", "", "a___e23007bb"),
            (
                "srv",
                "exactly_forty_eight_bytes_long_xxxxxxxxxxxxxxxxx",
                "srv__exactly_forty_eight_bytes_long_xxxxxxxxxxxxxxxxx",
            ),
            (
                "srv",
                "exactly_forty_nine_bytes_long_xxxxxxxxxxxxxxxxxxx",
                "srv__exactly_forty_nine_bytes_long_xxxxxxxxx_5661a5a6",
            ),
        ] {
            assert_eq!(expose(server, tool), want, "{server} {tool}");
        }
    }

    #[test]
    fn long_numbered_names_stay_apart() {
        let tool = |n: usize| {
            expose("server", &format!("a_name_that_is_much_longer_than_the_limit_number_{n}_of_many"))
        };
        let names: std::collections::HashSet<String> = (0..20_000).map(tool).collect();
        assert_eq!(names.len(), 20_000);
    }

    proptest! {
        #[test]
        fn always_safe_and_short(server in "[A-Za-z0-9]([A-Za-z0-9-]{0,30}[A-Za-z0-9])?", tool in "\\PC{0,140}") {
            let name = expose(&server, &tool);
            prop_assert!((1..=MAX).contains(&name.len()), "{name}");
            prop_assert!(name.bytes().all(allowed), "{name}");
            prop_assert!(name.starts_with(&format!("{server}__")), "{name}");
            prop_assert_eq!(&name, &expose(&server, &tool));
        }

        #[test]
        fn two_tools_stay_two(server in "[a-z]{1,32}", one in "\\PC{1,60}", other in "\\PC{1,60}") {
            prop_assume!(one != other);
            prop_assert_ne!(expose(&server, &one), expose(&server, &other));
        }
    }
}
