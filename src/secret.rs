//! A value that must not be seen: wiped from memory when it is dropped, and never printed.

use std::fmt;

use zeroize::{Zeroize, Zeroizing};

pub mod mask;

/// A secret. It prints as `***`, has no text form and cannot be serialised; whoever uses it says so with `expose`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret<T: Zeroize>(Zeroizing<T>);

impl<T: Zeroize> Secret<T> {
    pub fn new(value: T) -> Self {
        Secret(Zeroizing::new(value))
    }

    /// The value itself, for the one place that needs it.
    pub fn expose(&self) -> &T {
        &self.0
    }

    /// The value itself, to be filled in.
    pub fn expose_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("***")
    }
}

impl<T: Zeroize> From<T> for Secret<T> {
    fn from(value: T) -> Self {
        Secret::new(value)
    }
}

impl From<&str> for Secret<String> {
    fn from(value: &str) -> Self {
        Secret::new(value.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_printed() {
        #[derive(Debug)]
        #[expect(dead_code, reason = "it is printed")]
        struct Holder {
            token: Secret<String>,
            key: Option<Secret<[u8; 2]>>,
        }
        let holder = Holder { token: "hunter2".into(), key: Some([1, 2].into()) };
        assert_eq!(format!("{holder:?}"), "Holder { token: ***, key: Some(***) }");
    }
}
