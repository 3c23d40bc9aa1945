//! YAML files. Pure.

pub mod edit;
pub mod scan;
#[cfg(test)]
mod tests;
